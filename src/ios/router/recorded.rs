//! What the router puts on the wire, held against what real Cisco routers put there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::network::{End, Network};
use super::tests::name;
use super::*;
use crate::evidence::capture;
use crate::ios::policy::tests::config;
use crate::wire::ethernet::{Frame, ethertype};
use crate::wire::ipv4::protocol;
use crate::wire::isakmp::{Body, Contents, Cookie, Message};
use crate::wire::udp::UdpDatagram;

/// The policy of the recorded routers: AES-128, SHA-1, group 2, a day. Their quick mode had AH, ours has not.
fn recorded(own: u8, other: u8) -> RunningConfig {
    let text = "\
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 2
crypto isakmp key s3cret address 192.168.12.M
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 192.168.12.M
 set transform-set TS
 match address 101
interface GigabitEthernet0/0
 ip address 192.168.12.N 255.255.255.0
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 10.N.0.1 255.255.255.0
ip route 10.M.0.0 255.255.255.0 192.168.12.M
access-list 101 permit ip 10.N.0.0 0.0.0.255 10.M.0.0 0.0.0.255
";
    config(&text.replace(".N", &format!(".{own}")).replace(".M", &format!(".{other}")))
}

fn negotiated(release: Release) -> Network {
    let mut network = Network::default();
    let r1 = network.router(Router::new(recorded(1, 2), release, 1));
    let r2 = network.router(Router::new(recorded(2, 1), release, 2));
    let host = network.host("10.1.0.10/24", "10.1.0.1");
    network.wire(&[End::Host(host), End::Router(r1, name("Gi0/1"))]);
    network.wire(&[End::Router(r1, name("Gi0/0")), End::Router(r2, name("Gi0/0"))]);
    network.ping(0, "10.2.0.1", 1, 56);
    network
}

/// The IKE packets of a capture in `fixtures/captures`.
fn capture(file: &str) -> Vec<(Ipv4Packet, UdpDatagram)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(file);
    let file = fs::read(path).unwrap();
    let packets = capture::packets(&file).map(|packet| {
        let frame = Frame::parse(packet.unwrap().octets).unwrap();
        assert_eq!(frame.ethertype, ethertype::IPV4);
        Ipv4Packet::parse(frame.payload).unwrap()
    });
    ike_of(packets.collect())
}

fn ike_of(packets: Vec<Ipv4Packet>) -> Vec<(Ipv4Packet, UdpDatagram)> {
    let udp = packets.into_iter().filter(|packet| packet.protocol == protocol::UDP);
    udp.map(|packet| {
        let datagram = UdpDatagram::parse(&packet.payload, packet.source, packet.destination).unwrap();
        (packet, datagram)
    })
    .collect()
}

/// What the mask of the cookie-dependent vendor ID leaves of it: zeros (facts 1.2).
fn unmasked(vendor_id: &[u8], own: Cookie) -> Option<[u8; 8]> {
    let mask = [0xf5, 0xc7, 0xa7, 0x1d, 0, 1, 0, 0];
    let half: [u8; 8] = vendor_id.get(..8)?.try_into().ok()?;
    Some(std::array::from_fn(|at| half[at] ^ mask[at] ^ own.0[at]))
}

/// The message with everything random in it set to zero: cookies, KE, nonce, NAT-D, and the cookie-dependent vendor ID,
/// after it has been checked. What is encrypted becomes zeros of the same length.
fn settled(octets: &[u8], from_initiator: bool) -> Vec<u8> {
    let mut message = Message::parse(octets).unwrap();
    let own = if from_initiator { message.header.initiator_cookie } else { message.header.responder_cookie };
    match &mut message.contents {
        Contents::Clear(payloads, _) => {
            for payload in payloads {
                match &mut payload.body {
                    Body::KeyExchange(octets) | Body::Nonce(octets) | Body::NatDiscovery { hash: octets, .. } => {
                        octets.fill(0);
                    }
                    Body::VendorId(octets) if octets.len() == 16 && unmasked(octets, own) == Some([0; 8]) => {
                        octets.fill(0);
                    }
                    _ => {}
                }
            }
        }
        Contents::Encrypted(octets) => octets.fill(0),
    }
    let answered = message.header.responder_cookie != Cookie::ZERO;
    message.header.initiator_cookie = Cookie([1; 8]);
    message.header.responder_cookie = if answered { Cookie([2; 8]) } else { Cookie::ZERO };
    message.header.message_id = crate::wire::isakmp::MessageId(0);
    message.to_bytes()
}

/// Main mode byte for byte, the random parts aside; the IP header too.
#[test]
fn main_mode_is_that_of_the_recorded_routers() {
    let real = capture("cisco-ios-ikev1-mainmode-psk.pcap");
    let ours = ike_of(negotiated(Release::V15).packets(1));
    assert_eq!((real.len(), ours.len()), (9, 9));
    for (number, ((real_packet, real), (packet, datagram))) in (1..).zip(real.iter().zip(&ours)).take(6) {
        let dress =
            |packet: &Ipv4Packet| (packet.tos, packet.ttl, packet.dont_fragment, packet.source, packet.destination);
        assert_eq!(dress(packet), dress(real_packet), "message {number}");
        assert_eq!((datagram.source_port, datagram.destination_port), (500, 500));
        let from_initiator = number % 2 == 1;
        let (expected, found) = (settled(&real.payload, from_initiator), settled(&datagram.payload, from_initiator));
        assert_eq!(hex::encode(found), hex::encode(expected), "message {number}");
    }
    let sizes: Vec<usize> = ours.iter().map(|(_, datagram)| datagram.payload.len()).collect();
    // Quick mode 1 and 2: HASH 24, SA 64, NONCE 24, ID 16, ID 16 are nine blocks, and one more is added. [I: facts 2.1]
    assert_eq!(sizes, [168, 108, 284, 304, 108, 76, 188, 188, 60]);
    let identifications: Vec<u16> = ours.iter().step_by(2).map(|(packet, _)| packet.identification).collect();
    assert!(identifications.windows(2).all(|pair| pair[1] == pair[0] + 1), "{identifications:?}");
}

/// The newer releases speak alike in main mode 1 to 4; sizes only, as there is no capture of each.
#[test]
fn releases_differ_where_the_table_says() {
    let sizes = |release| -> Vec<usize> {
        ike_of(negotiated(release).packets(1)).iter().map(|(_, datagram)| datagram.payload.len()).collect()
    };
    assert_eq!(sizes(Release::Xe16), sizes(Release::V15));
    let old = sizes(Release::V12_3T);
    // Without RFC 3947 message 1 is 20 octets shorter, and message 3 has Unity like message 4. [S: facts 1.4]
    assert_eq!((old[0], old[1], old[2] == old[3]), (148, 108, true));
}

/// The initiator of this capture is a test tool without vendor IDs, the responder a real CSR: the recorded messages are put
/// to our router, and its answers held against the recorded ones.
#[test]
fn a_recorded_initiator_gets_the_recorded_answers() {
    let real = capture("cisco-iosxe-ikev1-mainmode-psk-keyed.pcap");
    let text = "\
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 2
 lifetime 300
crypto isakmp key AAAA address 10.0.3.1
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 10.0.3.1
 set transform-set TS
 match address 101
interface GigabitEthernet0/0
 ip address 10.0.3.2 255.255.255.0
 crypto map CMAP
access-list 101 permit ip any any
";
    let mut network = Network::default();
    network.router(Router::new(config(text), Release::Xe16, 1));
    let peer = network.host("10.0.3.1/24", "10.0.3.2");
    network.wire(&[End::Host(peer), End::Router(0, name("Gi0/0"))]);
    let mut cookie = Cookie::ZERO;
    for (number, pair) in (1..).step_by(2).zip(real.chunks(2)).take(2) {
        let [(_, question), (_, answer)] = pair else { panic!("the capture has seven messages") };
        let mut message = Message::parse(&question.payload).unwrap();
        message.header.responder_cookie = cookie;
        let datagram = UdpDatagram { payload: message.to_bytes(), source_port: 500, destination_port: 500 };
        let (a, b) = ("10.0.3.1".parse().unwrap(), "10.0.3.2".parse().unwrap());
        network.send(peer, Ipv4Packet::new(protocol::UDP, a, b, datagram.to_bytes(a, b)));
        network.run_for(Duration::from_millis(100));
        let (_, ours) = ike_of(network.hosts[peer].received.clone()).pop().unwrap();
        cookie = Message::parse(&ours.payload).unwrap().header.responder_cookie;
        let expected = hex::encode(settled(&answer.payload, false));
        assert_eq!(hex::encode(settled(&ours.payload, false)), expected, "message {}", number + 1);
    }
}

mod mutated {
    use std::sync::OnceLock;

    use proptest::prelude::*;

    use super::*;

    /// The frames of a negotiation that R2 gets from R1.
    fn frames() -> &'static [Vec<u8>] {
        static FRAMES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        FRAMES.get_or_init(|| {
            let mut network = negotiated(Release::V15);
            network.ping(0, "10.2.0.1", 2, 56);
            let mac = network.routers[1].ports[0].mac;
            let seen = network.wires[1].seen.iter().map(|(_, octets)| octets.clone());
            seen.filter(|octets| Frame::parse(octets).unwrap().destination == mac).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Damage on the way never stops a router, and what is not damaged still brings the tunnel up.
        #[test]
        fn damaged_frames_change_nothing_for_others(damage in proptest::collection::vec((any::<u16>(), any::<u16>(), any::<u8>()), 1..24)) {
            let mut network = Network::default();
            // Another seed: other cookies than in the frames, or they would not be strangers.
            let r1 = network.router(Router::new(recorded(1, 2), Release::V15, 11));
            let r2 = network.router(Router::new(recorded(2, 1), Release::V15, 2));
            let host = network.host("10.1.0.10/24", "10.1.0.1");
            network.wire(&[End::Host(host), End::Router(r1, name("Gi0/1"))]);
            network.wire(&[End::Router(r1, name("Gi0/0")), End::Router(r2, name("Gi0/0"))]);
            for (frame, position, value) in damage {
                let mut octets = frames()[usize::from(frame) % frames().len()].clone();
                // Behind the Ethernet header; the checksums are made right, or most of it would go no further.
                let position = 14 + usize::from(position) % (octets.len() - 14);
                octets[position] = value;
                network.deliver(r2, &name("Gi0/0"), &octets);
                if let Ok(mut packet) = Ipv4Packet::parse(&frames()[usize::from(frame) % frames().len()][14..])
                    && packet.protocol == protocol::UDP && packet.payload.len() > 8
                {
                    let at = 8 + position % (packet.payload.len() - 8);
                    packet.payload[at] = value;
                    packet.payload[6..8].copy_from_slice(&[0, 0]);
                    let octets = network.frame_to(r2, "Gi0/0", &packet);
                    network.deliver(r2, &name("Gi0/0"), &octets);
                }
            }
            network.ping(0, "10.2.0.1", 1, 56);
            prop_assert!(network.ping(0, "10.2.0.1", 2, 56), "{:#?}", network.events);
        }
    }
}
