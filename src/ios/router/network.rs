//! A network in memory for tests: routers, hosts and wires under one virtual clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use pnet::ipnetwork::Ipv4Network;

use super::reassembly::Reassembler;
use super::{Input, Output, Router};
use crate::diag::Source;
use crate::ike::KeyRecord;
use crate::ios::config::{InterfaceName, Reading};
use crate::ios::event::RouterEvent;
use crate::time::Instant;
use crate::wire::ethernet::{ArpPacket, Frame, MacAddress, ethertype};
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// How long a frame is on a wire.
const LATENCY: Duration = Duration::from_millis(1);

/// Who is at the end of a wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Router(usize, InterfaceName),
    Host(usize),
}

/// A host with one interface and one gateway, which answers echoes.
#[derive(Debug)]
pub struct Host {
    mac: MacAddress,
    pub address: Ipv4Network,
    pub gateway: Ipv4Addr,
    neighbours: BTreeMap<Ipv4Addr, MacAddress>,
    waiting: Vec<(Ipv4Addr, Ipv4Packet)>,
    reassembler: Reassembler,
    identification: u16,
    pub received: Vec<Ipv4Packet>,
}

/// May change a frame on a wire, or take it away with `None`.
type Tamper = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>>>;

#[derive(Default)]
pub struct Wire {
    ends: Vec<End>,
    /// Every frame that was put on it.
    pub seen: Vec<(Instant, Vec<u8>)>,
    pub tamper: Option<Tamper>,
}

#[derive(Default)]
pub struct Network {
    pub now: Instant,
    pub routers: Vec<Router>,
    pub hosts: Vec<Host>,
    pub wires: Vec<Wire>,
    in_flight: VecDeque<(Instant, End, Vec<u8>)>,
    pub events: Vec<(Instant, usize, RouterEvent)>,
    pub keys: Vec<(usize, KeyRecord)>,
}

impl Network {
    pub fn router(&mut self, router: Router) -> usize {
        self.routers.push(router);
        self.routers.len() - 1
    }

    pub fn host(&mut self, address: &str, gateway: &str) -> usize {
        let index = self.hosts.len();
        self.hosts.push(Host {
            mac: MacAddress([2, 0, 0, 0, 0, index as u8]),
            address: address.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
            neighbours: BTreeMap::new(),
            waiting: Vec::new(),
            reassembler: Reassembler::default(),
            identification: 0,
            received: Vec::new(),
        });
        index
    }

    pub fn wire(&mut self, ends: &[End]) -> usize {
        self.wires.push(Wire { ends: ends.to_vec(), ..Wire::default() });
        self.wires.len() - 1
    }

    /// Hands a frame to a router and lets it act.
    pub fn deliver(&mut self, router: usize, interface: &InterfaceName, octets: &[u8]) {
        self.routers[router].handle(self.now, Input::Frame { interface, octets });
        self.drain(router);
    }

    /// Gives a router any input.
    pub fn input(&mut self, router: usize, input: Input<'_>) {
        self.routers[router].handle(self.now, input);
        self.drain(router);
    }

    /// Types configuration lines at a router.
    pub fn configure(&mut self, router: usize, lines: &Source) -> Reading {
        let reading = self.routers[router].configure(self.now, lines);
        self.drain(router);
        reading
    }

    /// A host sends a packet, in fragments when it is larger than 1500 octets.
    pub fn send(&mut self, host: usize, mut packet: Ipv4Packet) {
        self.hosts[host].identification += 1;
        packet.identification = self.hosts[host].identification;
        for fragment in packet.fragment(1500) {
            self.send_fragment(host, fragment);
        }
    }

    fn send_fragment(&mut self, host: usize, packet: Ipv4Packet) {
        let sender = &mut self.hosts[host];
        let near = sender.address.contains(packet.destination);
        let next = if near { packet.destination } else { sender.gateway };
        let (mac, address) = (sender.mac, sender.address.ip());
        if let Some(&destination) = sender.neighbours.get(&next) {
            let payload = packet.to_bytes();
            let frame = Frame { destination, source: mac, ethertype: ethertype::IPV4, payload: &payload };
            self.put(&End::Host(host), frame.to_bytes());
            return;
        }
        sender.waiting.push((next, packet));
        let request = ArpPacket {
            reply: false,
            sender_mac: mac,
            sender_address: address,
            target_mac: MacAddress([0; 6]),
            target_address: next,
        };
        let payload = request.to_bytes();
        let frame =
            Frame { destination: MacAddress::BROADCAST, source: mac, ethertype: ethertype::ARP, payload: &payload };
        self.put(&End::Host(host), frame.to_bytes());
    }

    /// A host pings an address with `size` octets of data; whether the answer came within two seconds.
    pub fn ping(&mut self, host: usize, destination: &str, sequence: u16, size: usize) -> bool {
        let source = self.hosts[host].address.ip();
        let message = IcmpMessage::EchoRequest { identifier: 7, sequence, data: vec![0x61; size] };
        let packet = Ipv4Packet::new(protocol::ICMP, source, destination.parse().unwrap(), message.to_bytes());
        self.send(host, packet);
        let end = self.now + Duration::from_secs(2);
        let before = self.hosts[host].received.len();
        let answered = |host: &Host| {
            host.received[before..].iter().any(|packet| {
                matches!(IcmpMessage::parse(&packet.payload),
                    Ok(IcmpMessage::EchoReply { identifier: 7, sequence: got, data }) if got == sequence && data.len() == size)
            })
        };
        self.run_until(end, |network| answered(&network.hosts[host]));
        answered(&self.hosts[host])
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration, |_| false);
    }

    /// Lets time pass until `done` or `end`.
    pub fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        let mut steps = 0;
        while !done(self) {
            steps += 1;
            assert!(steps < 1_000_000, "the network does not come to rest");
            let frame = self.in_flight.front().map(|(at, ..)| *at);
            let timeouts = self.routers.iter().enumerate().filter_map(|(i, r)| r.next_timeout().map(|at| (at, i)));
            let timeout = timeouts.min();
            let frame_first = match (frame, timeout) {
                (Some(frame), Some((at, _))) => frame <= at,
                (Some(_), None) => true,
                (None, _) => false,
            };
            if frame_first {
                if frame.is_some_and(|at| at > end) {
                    break;
                }
                let (at, receiver, octets) = self.in_flight.pop_front().unwrap();
                self.now = self.now.max(at);
                match receiver {
                    End::Router(router, interface) => self.deliver(router, &interface, &octets),
                    End::Host(host) => self.host_receives(host, &octets),
                }
            } else {
                match timeout {
                    Some((at, router)) if at <= end => {
                        self.now = self.now.max(at);
                        self.input(router, Input::Timeout);
                    }
                    _ => break,
                }
            }
        }
        if !done(self) {
            self.now = self.now.max(end);
        }
    }

    /// A packet in a frame to an interface of a router.
    pub fn frame_to(&self, router: usize, interface: &str, packet: &Ipv4Packet) -> Vec<u8> {
        let name = InterfaceName::parse(interface).unwrap();
        let port = self.routers[router].ports.iter().find(|port| port.name == name).unwrap();
        let (source, payload) = (MacAddress([2, 9, 9, 9, 9, 9]), packet.to_bytes());
        Frame { destination: port.mac, source, ethertype: ethertype::IPV4, payload: &payload }.to_bytes()
    }

    /// The IPv4 packets seen on a wire.
    pub fn packets(&self, wire: usize) -> Vec<Ipv4Packet> {
        let frames = self.wires[wire].seen.iter().filter_map(|(_, octets)| {
            let frame = Frame::parse(octets).ok()?;
            (frame.ethertype == ethertype::IPV4).then(|| Ipv4Packet::parse(frame.payload).unwrap())
        });
        frames.collect()
    }

    /// The ICMP messages a host has received.
    pub fn icmp(&self, host: usize) -> Vec<IcmpMessage> {
        let received = self.hosts[host].received.iter().filter(|packet| packet.protocol == protocol::ICMP);
        received.map(|packet| IcmpMessage::parse(&packet.payload).unwrap()).collect()
    }

    fn drain(&mut self, router: usize) {
        while let Some(output) = self.routers[router].poll() {
            match output {
                Output::Frame { interface, octets } => self.put(&End::Router(router, interface), octets),
                Output::Event(event) => self.events.push((self.now, router, event)),
                Output::Keys(keys) => self.keys.push((router, keys)),
            }
        }
    }

    fn put(&mut self, from: &End, octets: Vec<u8>) {
        let arrival = self.now + LATENCY;
        for wire in self.wires.iter_mut().filter(|wire| wire.ends.contains(from)) {
            wire.seen.push((self.now, octets.clone()));
            let octets = match &mut wire.tamper {
                Some(tamper) => tamper(&octets),
                None => Some(octets.clone()),
            };
            let Some(octets) = octets else { continue };
            for end in wire.ends.iter().filter(|end| *end != from) {
                self.in_flight.push_back((arrival, end.clone(), octets.clone()));
            }
        }
    }

    fn host_receives(&mut self, index: usize, octets: &[u8]) {
        let host = &mut self.hosts[index];
        let frame = Frame::parse(octets).unwrap();
        if frame.destination != host.mac && frame.destination != MacAddress::BROADCAST {
            return;
        }
        if frame.ethertype == ethertype::ARP {
            let arp = ArpPacket::parse(frame.payload).unwrap();
            if arp.target_address != host.address.ip() {
                return;
            }
            host.neighbours.insert(arp.sender_address, arp.sender_mac);
            if arp.reply {
                let waiting = std::mem::take(&mut host.waiting);
                let (ready, rest) = waiting.into_iter().partition(|(next, _)| *next == arp.sender_address);
                host.waiting = rest;
                let ready: Vec<(Ipv4Addr, Ipv4Packet)> = ready;
                ready.into_iter().for_each(|(_, packet)| self.send_fragment(index, packet));
            } else {
                let answer = ArpPacket {
                    reply: true,
                    sender_mac: host.mac,
                    sender_address: host.address.ip(),
                    target_mac: arp.sender_mac,
                    target_address: arp.sender_address,
                };
                let payload = answer.to_bytes();
                let frame = Frame {
                    destination: arp.sender_mac,
                    source: host.mac,
                    ethertype: ethertype::ARP,
                    payload: &payload,
                };
                let octets = frame.to_bytes();
                self.put(&End::Host(index), octets);
            }
            return;
        }
        let packet = Ipv4Packet::parse(frame.payload).unwrap();
        if packet.destination != host.address.ip() {
            return;
        }
        let packet = match packet.is_fragment() {
            true => host.reassembler.take(self.now, packet),
            false => Some(packet),
        };
        let Some(packet) = packet else { return };
        let own = host.address.ip();
        host.received.push(packet.clone());
        if packet.protocol == protocol::ICMP
            && let Ok(IcmpMessage::EchoRequest { identifier, sequence, data }) = IcmpMessage::parse(&packet.payload)
        {
            let answer = IcmpMessage::EchoReply { identifier, sequence, data };
            self.send(index, Ipv4Packet::new(protocol::ICMP, own, packet.source, answer.to_bytes()));
        }
    }
}
