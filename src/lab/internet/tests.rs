use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::wire::ethernet::{ArpPacket, Frame, MacAddress, ethertype};
use crate::wire::ipv4::checksum;
use crate::wire::isakmp::{Cookie, ExchangeType, Flags, Header, MessageId, PayloadType, Version};
use crate::wire::udp::UdpDatagram;

const DUT_MAC: MacAddress = MacAddress([2, 0, 0, 0, 2, 2]);
const CISCO_MAC: MacAddress = MacAddress([2, 0, 0, 0, 4, 1]);
const TO_DUT_MAC: MacAddress = MacAddress([2, 0, 0, 0, 3, 1]);
const TO_CISCO_MAC: MacAddress = MacAddress([2, 0, 0, 0, 3, 2]);
const DUT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const CISCO: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);

fn config() -> Config {
    let attachment = |mac, address, subnet: &str, peer, peer_mac| Attachment {
        mac,
        address,
        subnet: subnet.parse().unwrap(),
        peer,
        peer_mac,
    };
    Config {
        dut: attachment(TO_DUT_MAC, Ipv4Addr::new(192, 0, 2, 254), "192.0.2.0/24", DUT, DUT_MAC),
        cisco: attachment(TO_CISCO_MAC, Ipv4Addr::new(198, 51, 100, 254), "198.51.100.0/24", CISCO, CISCO_MAC),
        nat: None,
        impairments: Vec::new(),
        mtu: PathMtu::default(),
        unrouted: Vec::new(),
    }
}

fn at(milliseconds: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(milliseconds)
}

/// The internet and what came out of it since last asked.
struct Rig(Internet);

impl Rig {
    fn new(config: Config) -> Self {
        Self(Internet::new(config))
    }

    fn with(impairments: &[(&str, Action, Option<u16>)]) -> Self {
        let impairments = impairments.iter().map(|(pattern, action, times)| Impairment {
            pattern: pattern.parse().unwrap(),
            from: None,
            action: *action,
            times: *times,
        });
        Self::new(Config { impairments: impairments.collect(), ..config() })
    }

    fn behind_nat() -> Self {
        Self::new(Config { nat: Some(NatConfig::behind(PUBLIC)), ..config() })
    }

    fn frame(&mut self, now: u64, side: Side, ethertype: u16, payload: &[u8]) -> Vec<Output> {
        let (destination, source) = match side {
            Side::Dut => (TO_DUT_MAC, DUT_MAC),
            Side::Cisco => (TO_CISCO_MAC, CISCO_MAC),
        };
        let bytes = Frame { destination, source, ethertype, payload }.to_bytes();
        self.input(now, Input::Frame { side, bytes })
    }

    fn input(&mut self, now: u64, input: Input) -> Vec<Output> {
        self.0.handle(at(now), input);
        std::iter::from_fn(|| self.0.poll()).collect()
    }

    /// Sends a packet in; the packets that come out, with their side, and whether each went to the neighbour there.
    fn packet(&mut self, now: u64, side: Side, packet: &Ipv4Packet) -> Vec<(Side, Ipv4Packet)> {
        packets(&self.frame(now, side, ethertype::IPV4, &packet.to_bytes()))
    }

    /// Lets time pass; the packets that come out, with the instant in milliseconds.
    fn wait(&mut self, until: u64) -> Vec<(u64, Side, Ipv4Packet)> {
        let mut all = Vec::new();
        while let Some(wake) = self.0.next_timeout().filter(|wake| *wake <= at(until)) {
            let now = wake.since_start().as_millis() as u64;
            all.extend(packets(&self.input(now, Input::Timeout)).into_iter().map(|(side, packet)| (now, side, packet)));
        }
        all
    }

    fn arp(&mut self, side: Side, target_address: Ipv4Addr) -> Option<ArpPacket> {
        let sender = if side == Side::Dut { (DUT_MAC, DUT) } else { (CISCO_MAC, CISCO) };
        let request = ArpPacket {
            reply: false,
            sender_mac: sender.0,
            sender_address: sender.1,
            target_mac: MacAddress([0; 6]),
            target_address,
        };
        let outputs = self.frame(0, side, ethertype::ARP, &request.to_bytes());
        assert!(outputs.len() <= 1);
        outputs.first().map(|output| {
            let Output::Frame { side: answered, bytes } = output else { panic!("{output:?}") };
            let frame = Frame::parse(bytes).unwrap();
            assert_eq!((*answered, frame.destination), (side, sender.0));
            ArpPacket::parse(frame.payload).unwrap()
        })
    }
}

fn packets(outputs: &[Output]) -> Vec<(Side, Ipv4Packet)> {
    let packets = outputs.iter().filter_map(|output| match output {
        Output::Frame { side, bytes } => {
            let frame = Frame::parse(bytes).unwrap();
            (frame.ethertype == ethertype::IPV4).then(|| (*side, Ipv4Packet::parse(frame.payload).unwrap()))
        }
        Output::Event(_) => None,
    });
    packets.collect()
}

fn events(outputs: &[Output]) -> Vec<&Event> {
    outputs.iter().filter_map(|output| if let Output::Event(event) = output { Some(event) } else { None }).collect()
}

fn udp(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Ipv4Packet {
    let datagram = UdpDatagram { source_port: ports.0, destination_port: ports.1, payload: payload.to_vec() };
    Ipv4Packet::new(protocol::UDP, source, destination, datagram.to_bytes(source, destination))
}

fn datagram(packet: &Ipv4Packet) -> UdpDatagram {
    UdpDatagram::parse(&packet.payload, packet.source, packet.destination).expect("a datagram with a right checksum")
}

/// An ISAKMP message of main mode, distinct by `body`.
fn main_mode(source: Ipv4Addr, destination: Ipv4Addr, body: &str) -> Ipv4Packet {
    udp(source, destination, (500, 500), &isakmp(ExchangeType::Main, 0, body))
}

fn isakmp(exchange: ExchangeType, message_id: u32, body: &str) -> Vec<u8> {
    let header = Header {
        initiator_cookie: Cookie([7; 8]),
        responder_cookie: Cookie::ZERO,
        next_payload: PayloadType::Sa,
        version: Version::V1,
        exchange,
        flags: Flags::NONE,
        message_id: MessageId(message_id),
        length: (Header::LEN + body.len()) as u32,
    };
    let mut octets = Vec::new();
    header.emit(&mut octets);
    octets.extend_from_slice(body.as_bytes());
    octets
}

fn echo(source: Ipv4Addr, destination: Ipv4Addr) -> Ipv4Packet {
    let message = IcmpMessage::EchoRequest { identifier: 77, sequence: 1, data: vec![1, 2, 3] };
    Ipv4Packet::new(protocol::ICMP, source, destination, message.to_bytes())
}

fn icmp(packet: &Ipv4Packet) -> IcmpMessage {
    IcmpMessage::parse(&packet.payload).expect("an ICMP message with a right checksum")
}

#[rstest]
#[case::its_own(Side::Dut, "192.0.2.254", true)]
#[case::elsewhere(Side::Dut, "8.8.8.8", true)]
#[case::nobody_on_the_link(Side::Dut, "192.0.2.77", false)]
#[case::the_asker(Side::Dut, "192.0.2.10", false)]
#[case::its_own_there(Side::Cisco, "198.51.100.254", true)]
#[case::the_far_peer(Side::Cisco, "192.0.2.10", true)]
fn answers_arp(#[case] side: Side, #[case] address: Ipv4Addr, #[case] answered: bool) {
    let reply = Rig::new(config()).arp(side, address);
    assert_eq!(reply.is_some(), answered);
    if let Some(reply) = reply {
        let mac = if side == Side::Dut { TO_DUT_MAC } else { TO_CISCO_MAC };
        assert!(reply.reply && reply.sender_mac == mac && reply.sender_address == address);
    }
}

#[test]
fn joins_two_sides_of_one_network() {
    let neighbour = Ipv4Addr::new(192, 0, 2, 1);
    let mut config = config();
    config.cisco.subnet = config.dut.subnet;
    config.cisco.address = config.dut.address;
    config.cisco.peer = neighbour;
    let mut rig = Rig::new(config);
    assert!(rig.arp(Side::Dut, neighbour).is_some(), "it stands for the router");
    let out = rig.packet(0, Side::Dut, &udp(DUT, neighbour, (500, 500), b"x"));
    assert_eq!(out[0].0, Side::Cisco);
    let out = rig.packet(0, Side::Cisco, &udp(neighbour, DUT, (500, 500), b"x"));
    assert_eq!(out[0].0, Side::Dut);
}

#[test]
fn forwards_and_counts_the_hop() {
    let mut rig = Rig::new(config());
    let packet = udp(DUT, CISCO, (500, 500), b"hello");
    let outputs = rig.frame(0, Side::Dut, ethertype::IPV4, &packet.to_bytes());
    let Output::Frame { side: Side::Cisco, bytes } = &outputs[0] else { panic!("{outputs:?}") };
    let frame = Frame::parse(bytes).unwrap();
    assert_eq!((frame.destination, frame.source), (CISCO_MAC, TO_CISCO_MAC));
    assert_eq!(Ipv4Packet::parse(frame.payload).unwrap(), Ipv4Packet { ttl: 63, ..packet });

    // Anything else goes to the peer of the other side, whatever its address.
    let clear = udp(Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(10, 2, 0, 10), (1, 2), b"clear");
    assert_eq!(rig.packet(0, Side::Dut, &clear)[0].0, Side::Cisco);
    let elsewhere = Frame {
        destination: MacAddress([2; 6]),
        source: DUT_MAC,
        ethertype: ethertype::IPV4,
        payload: &clear.to_bytes(),
    };
    assert_eq!(rig.input(0, Input::Frame { side: Side::Dut, bytes: elsewhere.to_bytes() }), []);
}

#[test]
fn says_that_time_is_over_but_not_of_errors() {
    let mut rig = Rig::new(config());
    let packet = Ipv4Packet { ttl: 1, ..udp(DUT, CISCO, (500, 500), b"hello") };
    let out = rig.packet(0, Side::Dut, &packet);
    let [(Side::Dut, answer)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((answer.source, answer.destination), (Ipv4Addr::new(192, 0, 2, 254), DUT));
    assert_eq!(icmp(answer), IcmpMessage::TimeExceeded { original: packet.to_bytes()[..28].to_vec() });
    let about_error = Ipv4Packet { ttl: 1, source: DUT, destination: CISCO, ..answer.clone() };
    assert_eq!(rig.packet(0, Side::Dut, &about_error), []);
}

#[test]
fn asks_for_other_neighbours_and_gives_up() {
    let mut rig = Rig::new(config());
    let pool = Ipv4Addr::new(198, 51, 100, 33);
    let packet = udp(DUT, pool, (1, 2), b"one");
    let asked = |outputs: &[Output]| match outputs {
        [Output::Frame { side: Side::Cisco, bytes }] => {
            ArpPacket::parse(Frame::parse(bytes).unwrap().payload).unwrap().target_address
        }
        _ => panic!("{outputs:?}"),
    };
    assert_eq!(asked(&rig.frame(0, Side::Dut, ethertype::IPV4, &packet.to_bytes())), pool);
    assert_eq!(rig.packet(10, Side::Dut, &packet), []);
    // The router answers for an address of its NAT pool: what waited goes there, and nobody asks again.
    let reply = ArpPacket {
        reply: true,
        sender_mac: CISCO_MAC,
        sender_address: pool,
        target_mac: TO_CISCO_MAC,
        target_address: Ipv4Addr::new(198, 51, 100, 254),
    };
    let out = rig.frame(20, Side::Cisco, ethertype::ARP, &reply.to_bytes());
    assert_eq!(packets(&out).len(), 2);
    assert_eq!(rig.packet(30, Side::Dut, &packet).len(), 1);
    assert_eq!(rig.0.next_timeout(), None);

    let absent = udp(DUT, Ipv4Addr::new(198, 51, 100, 99), (1, 2), b"two");
    assert_eq!(rig.packet(100, Side::Dut, &absent), []);
    let out = rig.wait(10_000);
    let [(3100, Side::Dut, error)] = &out[..] else { panic!("{out:?}") };
    assert!(matches!(icmp(error), IcmpMessage::Unreachable { code: unreachable::HOST, .. }));
}

#[test]
fn answers_for_itself() {
    let mut rig = Rig::new(config());
    let gateway = Ipv4Addr::new(192, 0, 2, 254);
    let out = rig.packet(0, Side::Dut, &echo(DUT, gateway));
    assert_eq!(icmp(&out[0].1), IcmpMessage::EchoReply { identifier: 77, sequence: 1, data: vec![1, 2, 3] });
    assert_eq!((out[0].1.source, out[0].1.destination), (gateway, DUT));
    let out = rig.packet(0, Side::Dut, &udp(DUT, gateway, (500, 500), b"?"));
    assert!(matches!(icmp(&out[0].1), IcmpMessage::Unreachable { code: unreachable::PORT, .. }));
}

#[test]
fn a_narrow_path_cuts_complains_or_swallows() {
    let mut rig = Rig::new(config());
    rig.input(0, Input::Command(Command::Mtu(PathMtu { octets: 1400, silent: false })));
    let packet = udp(DUT, CISCO, (1, 2), &[7; 1400]);
    let out = rig.packet(0, Side::Dut, &packet);
    assert_eq!(out.len(), 2);
    assert!(out.iter().all(|(_, fragment)| fragment.total_length() <= 1400));

    let whole = Ipv4Packet { dont_fragment: true, ..packet };
    let out = rig.packet(0, Side::Dut, &whole);
    let [(Side::Dut, error)] = &out[..] else { panic!("{out:?}") };
    let original = whole.to_bytes()[..28].to_vec();
    assert_eq!(icmp(error), IcmpMessage::Unreachable { code: unreachable::FRAGMENTATION_NEEDED, mtu: 1400, original });
    rig.input(0, Input::Command(Command::Mtu(PathMtu { octets: 1400, silent: true })));
    let outputs = rig.frame(0, Side::Dut, ethertype::IPV4, &whole.to_bytes());
    assert!(matches!(events(&outputs)[..], [Event::Discarded { reason: Discarded::TooLarge, .. }]));
    assert_eq!(outputs.len(), 1);
}

#[test]
fn drops_a_message_by_name_and_its_retransmissions_as_often_as_asked() {
    let mut rig = Rig::with(&[("main-mode-2", Action::Drop, Some(2))]);
    assert_eq!(rig.packet(0, Side::Dut, &main_mode(DUT, CISCO, "one")).len(), 1);
    let second = main_mode(CISCO, DUT, "two");
    let outputs = rig.frame(1, Side::Cisco, ethertype::IPV4, &second.to_bytes());
    let expected = Event::Impaired {
        from: Side::Cisco,
        message: Traffic::Ike("main-mode-2".parse().unwrap()),
        retransmission: false,
        action: Action::Drop,
    };
    assert_eq!(outputs, [Output::Event(expected)]);
    // The first message again is no second one.
    assert_eq!(rig.packet(2, Side::Dut, &main_mode(DUT, CISCO, "one")).len(), 1);
    let outputs = rig.frame(3, Side::Cisco, ethertype::IPV4, &second.to_bytes());
    assert!(matches!(events(&outputs)[..], [Event::Impaired { retransmission: true, .. }]));
    assert_eq!(rig.packet(4, Side::Cisco, &second).len(), 1, "the third goes through");
    assert_eq!(rig.packet(5, Side::Dut, &main_mode(DUT, CISCO, "three")).len(), 1);
}

#[test]
fn impairments_act_one_after_another_and_heal() {
    let mut rig = Rig::with(&[
        ("ike", Action::Drop, Some(1)),
        ("main-mode-1", Action::Duplicate, Some(1)),
        ("esp", Action::Drop, None),
    ]);
    let message = main_mode(DUT, CISCO, "one");
    let counts: Vec<_> = (0..3).map(|now| rig.packet(now, Side::Dut, &message).len()).collect();
    assert_eq!(counts, [0, 2, 1]);
    let esp = Ipv4Packet::new(protocol::ESP, DUT, CISCO, vec![9; 64]);
    let in_udp = udp(CISCO, DUT, (4500, 50_001), &[9; 64]);
    for _ in 0..3 {
        assert_eq!(rig.packet(5, Side::Dut, &esp), []);
        assert_eq!(rig.packet(5, Side::Cisco, &in_udp), []);
    }
    let ike_in_udp = udp(CISCO, DUT, (4500, 4500), &[&[0; 4], &isakmp(ExchangeType::Quick, 5, "q")[..]].concat());
    assert_eq!(rig.packet(5, Side::Cisco, &ike_in_udp).len(), 1);
    assert_eq!(rig.packet(5, Side::Cisco, &udp(CISCO, DUT, (4500, 4500), &[0xff])).len(), 1, "a keepalive");
    rig.input(6, Input::Command(Command::Heal));
    assert_eq!(rig.packet(7, Side::Dut, &esp).len(), 1);
}

#[test]
fn only_one_direction_when_asked() {
    let drop = Impairment { pattern: Pattern::Any, from: Some(Side::Cisco), action: Action::Drop, times: None };
    let mut rig = Rig::new(Config { impairments: vec![drop], ..config() });
    assert_eq!(rig.packet(0, Side::Dut, &echo(DUT, CISCO)).len(), 1);
    assert_eq!(rig.packet(0, Side::Cisco, &echo(CISCO, DUT)).len(), 0);
}

#[test]
fn delays_to_the_millisecond_and_lets_others_pass() {
    let mut rig = Rig::with(&[("main-mode-1", Action::Delay(Duration::from_millis(300)), Some(1))]);
    let late = main_mode(DUT, CISCO, "one");
    assert_eq!(rig.packet(10, Side::Dut, &late), []);
    assert_eq!(rig.packet(20, Side::Dut, &echo(DUT, CISCO)).len(), 1);
    let out = rig.wait(1000);
    assert_eq!(out, [(310, Side::Cisco, Ipv4Packet { ttl: 63, ..late })]);
    assert_eq!(rig.0.next_timeout(), None);
}

#[test]
fn reorders_behind_the_next_of_its_direction() {
    let mut rig = Rig::with(&[("main-mode-1", Action::Reorder, Some(2))]);
    let (held, next) = (main_mode(DUT, CISCO, "one"), echo(DUT, CISCO));
    assert_eq!(rig.packet(0, Side::Dut, &held), []);
    assert_eq!(rig.packet(1, Side::Cisco, &echo(CISCO, DUT)).len(), 1, "the other direction lets nothing go");
    let out = rig.packet(2, Side::Dut, &next);
    let protocols: Vec<_> = out.iter().map(|(_, packet)| packet.protocol).collect();
    assert_eq!(protocols, [protocol::ICMP, protocol::UDP]);
    // Where nothing comes after it, it goes on by itself.
    assert_eq!(rig.packet(3, Side::Dut, &held), []);
    assert_eq!(rig.wait(5000), [(1003, Side::Cisco, Ipv4Packet { ttl: 63, ..held })]);
}

#[rstest]
#[case("odd")]
#[case("even")]
fn corrupts_one_bit_and_the_datagram_still_arrives(#[case] body: &str) {
    let mut rig = Rig::with(&[("any", Action::Corrupt, None)]);
    let sent = main_mode(DUT, CISCO, body);
    let out = rig.packet(0, Side::Dut, &sent);
    let (before, after) = (datagram(&sent).payload, datagram(&out[0].1).payload);
    let changed: Vec<_> = before.iter().zip(&after).map(|(a, b)| a ^ b).filter(|bits| *bits != 0).collect();
    assert_eq!((changed, before.last().map(|octet| octet ^ 1)), (vec![1], after.last().copied()));
    let without_checksum = {
        let mut packet = sent;
        packet.payload[6..8].fill(0);
        packet
    };
    assert_eq!(rig.packet(0, Side::Dut, &without_checksum)[0].1.payload[6..8], [0, 0]);
}

#[test]
fn fragments_share_the_fate_of_the_first() {
    let mut rig = Rig::with(&[("main-mode-1", Action::Drop, Some(1))]);
    let large = Ipv4Packet { identification: 9, ..main_mode(DUT, CISCO, &"x".repeat(3000)) };
    let fragments = large.fragment(1500);
    assert_eq!(fragments.len(), 3);
    assert!(fragments.iter().all(|fragment| rig.packet(0, Side::Dut, fragment).is_empty()));
    let again: Vec<_> = fragments.iter().map(|fragment| rig.packet(1, Side::Dut, fragment).len()).collect();
    assert_eq!(again, [1, 1, 1]);
}

#[test]
fn translates_there_and_back() {
    let mut rig = Rig::behind_nat();
    let out = rig.frame(0, Side::Dut, ethertype::IPV4, &udp(DUT, CISCO, (500, 500), b"out").to_bytes());
    let mapped = Event::Mapped { protocol: 17, inside: (DUT, 500), outside: (PUBLIC, 50_001) };
    assert_eq!(events(&out), [&mapped]);
    let (side, packet) = packets(&out).remove(0);
    assert_eq!((side, packet.source), (Side::Cisco, PUBLIC));
    assert_eq!(datagram(&packet), UdpDatagram { source_port: 50_001, destination_port: 500, payload: b"out".to_vec() });
    let out = rig.packet(1, Side::Cisco, &udp(CISCO, PUBLIC, (500, 50_001), b"back"));
    assert_eq!((out[0].0, out[0].1.destination), (Side::Dut, DUT));
    assert_eq!(datagram(&out[0].1), UdpDatagram { source_port: 500, destination_port: 500, payload: b"back".to_vec() });
    // Another port is another mapping, another time the same is the same.
    let ports = [(4500, 50_002), (500, 50_001)];
    for (inside, outside) in ports {
        let out = rig.packet(2, Side::Dut, &udp(DUT, CISCO, (inside, 4500), b"x"));
        assert_eq!(datagram(&out[0].1).source_port, outside);
    }
    assert!(rig.arp(Side::Cisco, PUBLIC).is_some());
}

#[test]
fn lets_nobody_in_who_was_not_called() {
    let mut rig = Rig::behind_nat();
    let refused = |outputs: &[Output]| {
        matches!(events(outputs)[..], [Event::Discarded { reason: Discarded::Nat(NatRefusal::NotTranslated), .. }])
    };
    let inward = udp(CISCO, PUBLIC, (500, 500), b"knock");
    assert!(refused(&rig.frame(0, Side::Cisco, ethertype::IPV4, &inward.to_bytes())));
    rig.packet(1, Side::Dut, &udp(DUT, CISCO, (500, 500), b"x"));
    let stranger = udp(Ipv4Addr::new(9, 9, 9, 9), PUBLIC, (500, 50_001), b"knock");
    assert!(refused(&rig.frame(2, Side::Cisco, ethertype::IPV4, &stranger.to_bytes())));
    let behind = udp(CISCO, DUT, (500, 500), b"knock");
    assert!(refused(&rig.frame(3, Side::Cisco, ethertype::IPV4, &behind.to_bytes())));
    let esp = Ipv4Packet::new(protocol::ESP, DUT, CISCO, vec![9; 64]);
    let out = rig.frame(4, Side::Dut, ethertype::IPV4, &esp.to_bytes());
    assert!(matches!(events(&out)[..], [Event::Discarded { reason: Discarded::Nat(NatRefusal::NoPorts), .. }]));
    let out = rig.packet(5, Side::Cisco, &echo(CISCO, PUBLIC));
    assert!(matches!(icmp(&out[0].1), IcmpMessage::EchoReply { identifier: 77, .. }), "the NAT answers for itself");
}

#[test]
fn forgets_idle_mappings_and_rebinds() {
    let mut rig = Rig::behind_nat();
    let port = |rig: &mut Rig, now| {
        datagram(&rig.packet(now, Side::Dut, &udp(DUT, CISCO, (4500, 4500), b"x"))[0].1).source_port
    };
    assert_eq!(port(&mut rig, 0), 50_001);
    assert_eq!(port(&mut rig, 60_000), 50_001, "used within a minute");
    // What comes in does not keep it.
    assert_eq!(rig.packet(119_000, Side::Cisco, &udp(CISCO, PUBLIC, (4500, 50_001), b"x")).len(), 1);
    assert_eq!(rig.packet(120_001, Side::Cisco, &udp(CISCO, PUBLIC, (4500, 50_001), b"x")).len(), 0);
    assert_eq!(port(&mut rig, 120_001), 50_002);
    rig.input(120_002, Input::Command(Command::RebindNat));
    assert_eq!(rig.packet(120_003, Side::Cisco, &udp(CISCO, PUBLIC, (4500, 50_002), b"x")).len(), 0);
    assert_eq!(port(&mut rig, 120_004), 50_003);
}

#[test]
fn translates_echo_and_errors_about_what_it_translated() {
    let mut rig = Rig::behind_nat();
    let out = rig.packet(0, Side::Dut, &echo(DUT, CISCO));
    let IcmpMessage::EchoRequest { identifier, .. } = icmp(&out[0].1) else { panic!("{out:?}") };
    assert_eq!(identifier, 50_001);
    let reply = IcmpMessage::EchoReply { identifier, sequence: 1, data: vec![] };
    let reply = Ipv4Packet::new(protocol::ICMP, CISCO, PUBLIC, reply.to_bytes());
    let out = rig.packet(0, Side::Cisco, &reply);
    assert_eq!(icmp(&out[0].1), IcmpMessage::EchoReply { identifier: 77, sequence: 1, data: vec![] });

    // A router further on says that the port is closed: the sender learns it about the datagram it knows.
    let sent = udp(DUT, CISCO, (4500, 4500), b"hello");
    let translated = rig.packet(0, Side::Dut, &sent).remove(0).1;
    let error = |about: &Ipv4Packet| {
        let original = IcmpMessage::quote(about);
        IcmpMessage::Unreachable { code: unreachable::PORT, mtu: 0, original }.to_bytes()
    };
    let out = rig.packet(0, Side::Cisco, &Ipv4Packet::new(protocol::ICMP, CISCO, PUBLIC, error(&translated)));
    assert_eq!((out[0].0, out[0].1.destination), (Side::Dut, DUT));
    let IcmpMessage::Unreachable { original, .. } = icmp(&out[0].1) else { panic!("{out:?}") };
    assert_eq!(checksum(&[&original[..20]]), 0);
    assert_eq!((&original[12..20], &original[20..24]), (&sent.to_bytes()[12..20], &sent.to_bytes()[20..24]));

    // And the other way round.
    let inward = rig.packet(0, Side::Cisco, &udp(CISCO, PUBLIC, (4500, 50_002), b"hi")).remove(0).1;
    let out = rig.packet(0, Side::Dut, &Ipv4Packet::new(protocol::ICMP, DUT, CISCO, error(&inward)));
    let IcmpMessage::Unreachable { original, .. } = icmp(&out[0].1) else { panic!("{out:?}") };
    assert_eq!((out[0].1.source, &original[16..20]), (PUBLIC, &PUBLIC.octets()[..]));
    assert_eq!(original[22..24], 50_002_u16.to_be_bytes());
}

#[test]
fn translates_every_fragment() {
    let mut rig = Rig::behind_nat();
    let sent = Ipv4Packet { identification: 5, ..udp(DUT, CISCO, (500, 500), &[3; 2500]) };
    let fragments: Vec<_> = sent
        .fragment(1500)
        .iter()
        .flat_map(|fragment| rig.packet(0, Side::Dut, fragment))
        .map(|(_, packet)| packet)
        .collect();
    assert_eq!(fragments.len(), 2);
    assert!(fragments.iter().all(|fragment| fragment.source == PUBLIC));
    let payload = fragments.iter().flat_map(|fragment| fragment.payload.clone()).collect();
    assert_eq!(datagram(&Ipv4Packet { payload, ..fragments[0].clone() }).payload, [3; 2500]);
}

#[test]
fn esp_passes_by_address_where_the_nat_can_do_that() {
    let nat = NatConfig { esp_passthrough: true, ..NatConfig::behind(PUBLIC) };
    let mut rig = Rig::new(Config { nat: Some(nat), ..config() });
    let esp = |source, destination| Ipv4Packet::new(protocol::ESP, source, destination, vec![9; 64]);
    assert!(rig.packet(0, Side::Cisco, &esp(CISCO, PUBLIC)).is_empty());
    assert_eq!(rig.packet(0, Side::Dut, &esp(DUT, CISCO))[0].1.source, PUBLIC);
    assert_eq!(rig.packet(0, Side::Cisco, &esp(CISCO, PUBLIC))[0].1.destination, DUT);
}

#[test]
fn patterns_are_written_as_they_are_read() {
    for text in ["main-mode-4", "informational", "ike", "esp", "any"] {
        assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
    }
    let error = "mm4".parse::<Pattern>().unwrap_err().to_string();
    assert!(error.starts_with("`mm4` names no message: expected one such as main-mode-4"), "{error}");
}

fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let address = prop_oneof![Just(DUT), Just(CISCO), Just(PUBLIC), any::<u32>().prop_map(Ipv4Addr::from_bits)];
    let protocol = prop_oneof![Just(1_u8), Just(6), Just(17), Just(50), any::<u8>()];
    let fields = (address.clone(), address, protocol, any::<(u8, u16, bool, bool, u8)>());
    (fields, proptest::collection::vec(any::<u8>(), 0..80)).prop_map(
        |((source, destination, protocol, rest), payload)| {
            let (ttl, identification, dont_fragment, more_fragments, offset) = rest;
            let fragment_offset = u16::from(offset / 128);
            Ipv4Packet {
                ttl,
                identification,
                dont_fragment,
                more_fragments,
                fragment_offset,
                ..Ipv4Packet::new(protocol, source, destination, payload)
            }
            .to_bytes()
        },
    )
}

proptest! {
    #[test]
    fn takes_any_frames(
        frames in proptest::collection::vec(
            (any::<bool>(), prop_oneof![Just(ethertype::IPV4), Just(ethertype::ARP), any::<u16>()],
             prop_oneof![any_packet(), proptest::collection::vec(any::<u8>(), 0..60)]),
            0..40,
        ),
        nat: bool,
    ) {
        let impairments = [Action::Corrupt, Action::Reorder, Action::Delay(Duration::from_millis(5)), Action::Duplicate]
            .map(|action| Impairment { pattern: Pattern::Any, from: None, action, times: Some(5) });
        let nat = nat.then(|| NatConfig { esp_passthrough: true, ..NatConfig::behind(PUBLIC) });
        let mut rig = Rig::new(Config { nat, impairments: impairments.to_vec(), ..config() });
        for (now, (dut, ethertype, payload)) in frames.iter().enumerate() {
            let side = if *dut { Side::Dut } else { Side::Cisco };
            for output in rig.frame(now as u64, side, *ethertype, payload) {
                if let Output::Frame { bytes, .. } = output {
                    let frame = Frame::parse(&bytes).unwrap();
                    match frame.ethertype {
                        ethertype::IPV4 => prop_assert!(Ipv4Packet::parse(frame.payload).is_ok()),
                        _ => prop_assert!(ArpPacket::parse(frame.payload).is_ok()),
                    }
                }
            }
        }
        rig.wait(1_000_000);
        prop_assert_eq!(rig.0.next_timeout(), None);
    }
}
