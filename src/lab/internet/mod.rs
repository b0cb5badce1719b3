//! The internet between the implementation and the router, as a state machine: no socket, no clock.
//!
//! It forwards IPv4 between two ports, answers ARP and ICMP for its own addresses, says what a router on the way would say,
//! translates addresses where a NAT is wanted, and does to chosen messages what a bad path would.

mod impair;
mod nat;
mod neighbours;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use impair::{Action, Impairment, Pattern, Traffic, UnknownPattern};
pub use nat::{NatConfig, NatRefusal};

use crate::lab::internet::impair::Impairer;
use crate::lab::internet::nat::Nat;
use crate::lab::internet::neighbours::{Neighbours, NextHop};
use crate::time::Instant;
use crate::wire::ethernet::{ArpPacket, Frame, MacAddress, ethertype};
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, Ipv4Prefix, protocol};

/// The MTU of Ethernet.
const ETHERNET_MTU: u16 = 1500;

/// Fragments of as many packets are followed at once; past it all are forgotten.
const MAX_FRAGMENTED: usize = 256;

/// Delayed or held packets at once; one more is lost.
const MAX_WAITING: usize = 4096;

/// A reordered packet waits for the next one of its direction so long, and then goes on.
const MAX_HOLD: Duration = Duration::from_secs(1);

/// One of the internet's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Towards the implementation.
    Dut,
    /// Towards the router.
    Cisco,
}

impl Side {
    /// The other port.
    pub fn other(self) -> Self {
        match self {
            Self::Dut => Self::Cisco,
            Self::Cisco => Self::Dut,
        }
    }
}

/// How one port is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The port's hardware address.
    pub mac: MacAddress,
    /// The internet's own address there.
    pub address: Ipv4Addr,
    /// The network on the link. It answers ARP there for every address that is not in it.
    pub subnet: Ipv4Prefix,
    /// The neighbour by which all is reached that is not in the subnet.
    pub peer: Ipv4Addr,
    /// The neighbour's hardware address, so that nobody is asked for it.
    pub peer_mac: MacAddress,
}

/// What the internet is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// The implementation's side.
    pub dut: Attachment,
    /// The router's side.
    pub cisco: Attachment,
    /// A NAT before the implementation.
    pub nat: Option<NatConfig>,
    /// What is done to messages, in this order.
    pub impairments: Vec<Impairment>,
    /// What fits through the path.
    pub mtu: PathMtu,
    /// Networks it has no route to, as no internet has to what lies behind a tunnel.
    pub unrouted: Vec<Ipv4Prefix>,
}

/// What happens to the internet.
#[derive(Clone, Debug)]
pub enum Input {
    /// A frame came in.
    Frame {
        /// Where.
        side: Side,
        /// The whole Ethernet frame.
        bytes: Vec<u8>,
    },
    /// The instant of [`Internet::next_timeout`] has come.
    Timeout,
    /// Somebody changes it.
    Command(Command),
}

/// A change from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// One more impairment, after those there are.
    Impair(Impairment),
    /// No impairment any more.
    Heal,
    /// The path carries packets of at most so many octets; 1500 is a path without limits.
    Mtu(PathMtu),
    /// The NAT forgets all mappings, as if it had been restarted: the next packets get other ports.
    RebindNat,
}

/// The largest packet the path carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMtu {
    /// Octets of the IP packet.
    pub octets: u16,
    /// Whether too large a packet vanishes without the ICMP error that path MTU discovery needs.
    pub silent: bool,
}

impl Default for PathMtu {
    /// The path takes what Ethernet does.
    fn default() -> Self {
        Self { octets: ETHERNET_MTU, silent: false }
    }
}

/// What the internet does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A frame goes out.
    Frame {
        /// Where.
        side: Side,
        /// The whole Ethernet frame.
        bytes: Vec<u8>,
    },
    /// Something worth recording.
    Event(Event),
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A message was impaired.
    Impaired {
        /// The port it came from.
        from: Side,
        /// The message.
        message: Traffic,
        /// Whether the same message had passed before.
        retransmission: bool,
        /// What was done to it.
        action: Action,
    },
    /// A packet was not forwarded.
    Discarded {
        /// The port it came from.
        from: Side,
        /// Its source.
        source: Ipv4Addr,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its protocol.
        protocol: u8,
        /// Octets of the packet.
        length: usize,
        /// Why.
        reason: Discarded,
    },
    /// The NAT began to translate an address and port.
    Mapped {
        /// UDP, TCP or ICMP.
        protocol: u8,
        /// Address and port behind the NAT; the identifier for ICMP.
        inside: (Ipv4Addr, u16),
        /// The same as seen from the internet.
        outside: (Ipv4Addr, u16),
    },
}

/// Why a packet was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discarded {
    /// Its time to live was over.
    TimeToLive,
    /// Nobody answered ARP for its destination.
    NoNeighbour,
    /// Its destination is nobody the internet knows.
    NoRoute,
    /// Larger than the path MTU, and not to be fragmented.
    TooLarge,
    /// The NAT does not let it through.
    Nat(NatRefusal),
}

/// The internet.
#[derive(Debug)]
pub struct Internet {
    dut: Port,
    cisco: Port,
    nat: Option<Nat>,
    impairer: Impairer,
    unrouted: Vec<Ipv4Prefix>,
    mtu: PathMtu,
    /// What was decided on the first fragment of a packet, for the others.
    fragmented: HashMap<FragmentKey, Option<Rewrite>>,
    late: BTreeMap<(Instant, u64), Transit>,
    held: Vec<(Instant, Transit)>,
    outputs: VecDeque<Output>,
    now: Instant,
    sequence: u64,
    identification: u16,
}

#[derive(Debug)]
struct Port {
    attachment: Attachment,
    neighbours: Neighbours<Transit>,
}

/// A packet on its way through.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transit {
    from: Side,
    /// Where it goes out.
    to: Side,
    /// As it came in, which is what an error quotes.
    original: Ipv4Packet,
    /// As it goes out.
    packet: Ipv4Packet,
}

type FragmentKey = (Ipv4Addr, Ipv4Addr, u8, u16);

/// The addresses that further fragments get.
type Rewrite = (Ipv4Addr, Ipv4Addr);

impl Internet {
    /// The internet as `config` has it.
    pub fn new(config: Config) -> Self {
        let port = |attachment: Attachment| Port {
            neighbours: Neighbours::new(attachment.peer, attachment.peer_mac),
            attachment,
        };
        Self {
            dut: port(config.dut),
            cisco: port(config.cisco),
            nat: config.nat.map(Nat::new),
            impairer: Impairer::new(config.impairments),
            mtu: config.mtu,
            unrouted: config.unrouted,
            fragmented: HashMap::new(),
            late: BTreeMap::new(),
            held: Vec::new(),
            outputs: VecDeque::new(),
            now: Instant::ZERO,
            sequence: 0,
            identification: 0,
        }
    }

    /// Takes one input; then [`Self::poll`] until there is no more, and ask [`Self::next_timeout`] again.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        self.release_due();
        match input {
            Input::Frame { side, bytes } => self.receive(side, &bytes),
            Input::Timeout => {}
            Input::Command(Command::Impair(impairment)) => self.impairer.add(impairment),
            Input::Command(Command::Heal) => self.impairer.clear(),
            Input::Command(Command::Mtu(mtu)) => self.mtu = mtu,
            Input::Command(Command::RebindNat) => self.nat.iter_mut().for_each(Nat::rebind),
        }
    }

    /// The next thing it does, if any.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When it wants [`Input::Timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let late = self.late.keys().next().map(|(at, _)| *at);
        let held = self.held.iter().map(|(until, _)| *until).min();
        let neighbours = [&self.dut, &self.cisco].into_iter().filter_map(|port| port.neighbours.next_timeout()).min();
        [late, held, neighbours].into_iter().flatten().min()
    }

    fn port(&mut self, side: Side) -> &mut Port {
        match side {
            Side::Dut => &mut self.dut,
            Side::Cisco => &mut self.cisco,
        }
    }

    fn attachment(&self, side: Side) -> &Attachment {
        match side {
            Side::Dut => &self.dut.attachment,
            Side::Cisco => &self.cisco.attachment,
        }
    }

    fn receive(&mut self, side: Side, bytes: &[u8]) {
        let Ok(frame) = Frame::parse(bytes) else { return };
        let ours = self.attachment(side).mac;
        if frame.destination != ours && !frame.destination.is_multicast() {
            return;
        }
        match frame.ethertype {
            ethertype::ARP => self.receive_arp(side, frame.payload),
            ethertype::IPV4 if frame.destination == ours => {
                if let Ok(packet) = Ipv4Packet::parse(frame.payload) {
                    self.receive_packet(side, packet);
                }
            }
            _ => {}
        }
    }

    fn receive_arp(&mut self, side: Side, payload: &[u8]) {
        let Ok(arp) = ArpPacket::parse(payload) else { return };
        let waiting = self.port(side).neighbours.learn(arp.sender_address, arp.sender_mac);
        for transit in waiting {
            self.put_on_link(transit.to, arp.sender_mac, &transit.packet);
        }
        // Somebody who asks for the address it sends from looks for a duplicate.
        if arp.reply || arp.target_address == arp.sender_address || !self.stands_for(side, arp.target_address) {
            return;
        }
        let sender_mac = self.attachment(side).mac;
        let reply = ArpPacket {
            reply: true,
            sender_mac,
            sender_address: arp.target_address,
            target_mac: arp.sender_mac,
            target_address: arp.sender_address,
        };
        let payload = reply.to_bytes();
        let frame =
            Frame { destination: arp.sender_mac, source: sender_mac, ethertype: ethertype::ARP, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }

    /// Whether it answers ARP on this port for `address`: its own, those elsewhere, and the other side's peer where both
    /// sides share one network (proxy ARP, RFC 1027).
    fn stands_for(&self, side: Side, address: Ipv4Addr) -> bool {
        let here = self.attachment(side);
        let translated = self.nat.as_ref().is_some_and(|nat| side == Side::Cisco && nat.public() == address);
        address == here.address
            || translated
            || (address != here.peer && !here.subnet.contains(address))
            || (address == self.attachment(side.other()).peer && address != here.peer)
    }

    fn is_own(&self, address: Ipv4Addr) -> bool {
        address == self.dut.attachment.address || address == self.cisco.attachment.address
    }

    fn receive_packet(&mut self, from: Side, packet: Ipv4Packet) {
        let original = packet.clone();
        let inbound_nat =
            self.nat.as_ref().is_some_and(|nat| from == Side::Cisco && packet.destination == nat.public());
        if self.is_own(packet.destination) && !inbound_nat {
            return self.answer(from, &packet);
        }
        if packet.ttl <= 1 {
            self.discard(from, &original, Discarded::TimeToLive);
            let quote = IcmpMessage::quote(&original);
            return self.complain(from, &original, IcmpMessage::TimeExceeded { original: quote });
        }
        let key = (packet.source, packet.destination, packet.protocol, packet.identification);
        let mut packet = Ipv4Packet { ttl: packet.ttl - 1, ..packet };
        if packet.fragment_offset != 0 {
            return self.forward_further_fragment(from, key, original, packet);
        }
        let first_fragment = packet.more_fragments;
        let nat_result = match &mut self.nat {
            Some(nat) if inbound_nat => nat.inbound(self.now, &mut packet).map(|()| None),
            Some(nat) if from == Side::Dut => nat.outbound(self.now, &mut packet),
            // What is behind the NAT cannot be addressed from outside.
            Some(_) => Err(NatRefusal::NotTranslated),
            None => Ok(None),
        };
        match nat_result {
            Ok(mapped) => self.outputs.extend(mapped.map(Output::Event)),
            Err(NatRefusal::NotTranslated) if inbound_nat && packet.protocol == protocol::ICMP => {
                return self.answer(from, &original);
            }
            Err(refusal) => {
                self.remember_fragments(first_fragment, key, None);
                return self.discard(from, &original, Discarded::Nat(refusal));
            }
        }
        let transit = Transit { from, to: self.way_out(from, packet.destination), original, packet };
        let rewrite = (transit.packet.source, transit.packet.destination);
        let passed = self.impair(transit);
        self.remember_fragments(first_fragment, key, passed.then_some(rewrite));
    }

    /// A fragment that is not the first has no ports: it goes the way of the first.
    fn forward_further_fragment(&mut self, from: Side, key: FragmentKey, original: Ipv4Packet, mut packet: Ipv4Packet) {
        match self.fragmented.get(&key) {
            Some(Some((source, destination))) => (packet.source, packet.destination) = (*source, *destination),
            Some(None) => return,
            None if self.nat.is_some() => {
                return self.discard(from, &original, Discarded::Nat(NatRefusal::NotTranslated));
            }
            None => {}
        }
        let to = self.way_out(from, packet.destination);
        self.forward(Transit { from, to, original, packet });
    }

    fn remember_fragments(&mut self, fragmented: bool, key: FragmentKey, rewrite: Option<Rewrite>) {
        if fragmented {
            if self.fragmented.len() >= MAX_FRAGMENTED {
                self.fragmented.clear();
            }
            self.fragmented.insert(key, rewrite);
        }
    }

    /// The other port, unless the destination is on the link it came from.
    fn way_out(&self, from: Side, destination: Ipv4Addr) -> Side {
        let on_this_link = self.attachment(from).subnet.contains(destination);
        if on_this_link && destination != self.attachment(from.other()).peer { from } else { from.other() }
    }

    /// Does to the packet what the first impairment that wants it says; tells whether it may arrive.
    fn impair(&mut self, mut transit: Transit) -> bool {
        let Some((action, event)) = self.impairer.decide(transit.from, &transit.packet) else {
            self.forward(transit);
            return true;
        };
        self.outputs.push_back(Output::Event(event));
        match action {
            Action::Drop => return false,
            Action::Delay(_) | Action::Reorder if self.late.len() + self.held.len() >= MAX_WAITING => return false,
            Action::Duplicate => {
                self.forward(transit.clone());
                self.forward(transit);
            }
            Action::Delay(by) => {
                self.sequence += 1;
                self.late.insert((self.now + by, self.sequence), transit);
            }
            Action::Reorder => self.held.push((self.now + MAX_HOLD, transit)),
            Action::Corrupt => {
                impair::corrupt(&mut transit.packet);
                self.forward(transit);
            }
        }
        true
    }

    /// Forwards a packet, and behind it those of its direction that were held back for one to overtake them.
    fn forward(&mut self, transit: Transit) {
        let from = transit.from;
        self.transmit(transit);
        if !self.held.is_empty() {
            let (overtaken, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, held)| held.from == from);
            self.held = held;
            let overtaken: Vec<(Instant, Transit)> = overtaken;
            overtaken.into_iter().for_each(|(_, transit)| self.transmit(transit));
        }
    }

    fn release_due(&mut self) {
        while let Some(entry) = self.late.first_entry()
            && entry.key().0 <= self.now
        {
            let transit = entry.remove();
            self.forward(transit);
        }
        let now = self.now;
        let (due, held): (Vec<_>, _) = std::mem::take(&mut self.held).into_iter().partition(|(until, _)| *until <= now);
        self.held = held;
        due.into_iter().for_each(|(_, transit)| self.transmit(transit));
        for side in [Side::Dut, Side::Cisco] {
            let (again, given_up) = self.port(side).neighbours.due(now);
            again.into_iter().for_each(|address| self.ask(side, address));
            for transit in given_up {
                self.discard(transit.from, &transit.original, Discarded::NoNeighbour);
                self.unreachable(&transit, unreachable::HOST, 0);
            }
        }
    }

    /// Sends a packet out, in fragments where it must, or says why not.
    fn transmit(&mut self, transit: Transit) {
        if !self.is_routed(transit.packet.destination) {
            self.discard(transit.from, &transit.original, Discarded::NoRoute);
            return self.unreachable(&transit, unreachable::NETWORK, 0);
        }
        let PathMtu { octets, silent } = self.mtu;
        if transit.packet.total_length() <= usize::from(octets) {
            return self.send(transit);
        }
        if transit.packet.dont_fragment {
            self.discard(transit.from, &transit.original, Discarded::TooLarge);
            if !silent {
                self.unreachable(&transit, unreachable::FRAGMENTATION_NEEDED, octets);
            }
            return;
        }
        for packet in transit.packet.fragment(usize::from(octets)) {
            self.send(Transit { packet, ..transit.clone() });
        }
    }

    /// Whether the internet knows the way to `address`: its own links always, what lies behind them unless told otherwise.
    fn is_routed(&self, address: Ipv4Addr) -> bool {
        let on_link = [Side::Dut, Side::Cisco].iter().any(|side| self.attachment(*side).subnet.contains(address));
        on_link || !self.unrouted.iter().any(|network| network.contains(address))
    }

    fn send(&mut self, transit: Transit) {
        let (to, now) = (transit.to, self.now);
        let port = self.port(to);
        let attachment = &port.attachment;
        let on_link = attachment.subnet.contains(transit.packet.destination);
        let next_hop = if on_link { transit.packet.destination } else { attachment.peer };
        match port.neighbours.resolve(now, next_hop, transit) {
            NextHop::Known(mac, transit) => self.put_on_link(to, mac, &transit.packet),
            NextHop::Ask => self.ask(to, next_hop),
            NextHop::Asked => {}
        }
    }

    fn ask(&mut self, side: Side, target_address: Ipv4Addr) {
        let Attachment { mac, address, .. } = *self.attachment(side);
        let request = ArpPacket {
            reply: false,
            sender_mac: mac,
            sender_address: address,
            target_mac: MacAddress([0; 6]),
            target_address,
        };
        let payload = request.to_bytes();
        let frame =
            Frame { destination: MacAddress::BROADCAST, source: mac, ethertype: ethertype::ARP, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }

    fn put_on_link(&mut self, side: Side, destination: MacAddress, packet: &Ipv4Packet) {
        let source = self.attachment(side).mac;
        let payload = packet.to_bytes();
        let frame = Frame { destination, source, ethertype: ethertype::IPV4, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }

    /// Answers a packet to one of its own addresses: echo requests; of UDP it says that nobody listens.
    fn answer(&mut self, from: Side, packet: &Ipv4Packet) {
        if packet.is_fragment() {
            return;
        }
        match packet.protocol {
            protocol::ICMP => {
                let Ok(IcmpMessage::EchoRequest { identifier, sequence, data }) = IcmpMessage::parse(&packet.payload)
                else {
                    return;
                };
                let reply = IcmpMessage::EchoReply { identifier, sequence, data };
                self.originate(from, packet.destination, packet.source, &reply);
            }
            protocol::UDP => {
                let message =
                    IcmpMessage::Unreachable { code: unreachable::PORT, mtu: 0, original: IcmpMessage::quote(packet) };
                self.originate(from, packet.destination, packet.source, &message);
            }
            _ => {}
        }
    }

    fn unreachable(&mut self, transit: &Transit, code: u8, mtu: u16) {
        let original = IcmpMessage::quote(&transit.original);
        self.complain(transit.from, &transit.original, IcmpMessage::Unreachable { code, mtu, original });
    }

    /// Sends an ICMP error about `packet` back where it came from, unless it is about an error itself (RFC 1122 3.2.2).
    fn complain(&mut self, from: Side, packet: &Ipv4Packet, error: IcmpMessage) {
        let about_icmp = packet.protocol == protocol::ICMP && !matches!(packet.payload.first(), Some(0 | 8));
        if about_icmp || packet.fragment_offset != 0 || packet.source.is_unspecified() {
            return;
        }
        let source = self.attachment(from).address;
        self.originate(from, source, packet.source, &error);
    }

    fn originate(&mut self, to: Side, source: Ipv4Addr, destination: Ipv4Addr, message: &IcmpMessage) {
        self.identification = self.identification.wrapping_add(1);
        let packet = Ipv4Packet {
            identification: self.identification,
            ..Ipv4Packet::new(protocol::ICMP, source, destination, message.to_bytes())
        };
        self.send(Transit { from: to, to, original: packet.clone(), packet });
    }

    fn discard(&mut self, from: Side, packet: &Ipv4Packet, reason: Discarded) {
        self.outputs.push_back(Output::Event(Event::Discarded {
            from,
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            length: packet.total_length(),
            reason,
        }));
    }
}
