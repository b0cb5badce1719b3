//! The internet between the implementation and the router, as a state machine: no socket, no clock.
//!
//! It forwards IPv4 between two ports, answers ARP and ICMP for its own addresses, says what a router on the way would say,
//! translates addresses where a NAT is wanted, and does to chosen messages what a bad path would.

mod icmp;
mod impair;
mod interface;
mod link;
mod nat;
mod neighbours;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

pub use impair::{Action, Impairment, Pattern, Traffic, UnknownPattern};
pub use interface::{Attachment, Command, Config, Discarded, Event, Input, Output, PathMtu, Side};
pub use nat::{NatConfig, NatRefusal};

use crate::lab::internet::impair::Impairer;
use crate::lab::internet::nat::Nat;
use crate::lab::internet::neighbours::Neighbours;
use crate::time::Instant;
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, Ipv4Prefix, protocol};

/// Fragments of as many packets are followed at once; past it all are forgotten.
const MAX_FRAGMENTED: usize = 256;

/// Delayed or held packets at once; one more is lost.
const MAX_WAITING: usize = 4096;

/// A reordered packet waits for the next one of its direction so long, and then goes on.
const MAX_HOLD: Duration = Duration::from_secs(1);

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
