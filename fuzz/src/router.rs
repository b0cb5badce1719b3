//! The simulated router: what reaches it by its wires, and what is typed at its console.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use ike_interop::diag::Source;
use ike_interop::ios::config::{InterfaceName, RunningConfig};
use ike_interop::ios::console::Settings;
use ike_interop::ios::router::{Input, Output, Router};
use ike_interop::ios::{Console, Release};
use ike_interop::time::Instant;
use ike_interop::wire::ethernet::{Frame, MacAddress, ethertype};
use ike_interop::wire::icmp::IcmpMessage;
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use ike_interop::wire::udp::UdpDatagram;

use super::Story;

/// One of two routers that protect 10.1.0.0/24 and 10.2.0.0/24 with the cheapest algorithms there are.
fn config(own: u8, peer: u8) -> RunningConfig {
    let text = format!(
        "\
hostname R{own}
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key AAAA address 192.0.2.{peer}
crypto isakmp keepalive 10 3
crypto ipsec transform-set TS esp-des esp-md5-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.{peer}
 set transform-set TS
 match address 101
interface GigabitEthernet0/0
 ip address 192.0.2.{own} 255.255.255.0
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 10.{own}.0.1 255.255.255.0
ip route 0.0.0.0 0.0.0.0 192.0.2.{peer}
access-list 101 permit ip 10.{own}.0.0 0.0.0.255 10.{peer}.0.0 0.0.0.255
"
    );
    RunningConfig::parse(&Source::new("router.ios", text)).0
}

/// Two routers, and somebody on the wire between them who holds every frame.
struct Wire {
    now: Instant,
    outside: InterfaceName,
    inside: InterfaceName,
    routers: [(Router, Console); 2],
    /// What is on the wire, with the router it is for.
    frames: VecDeque<(usize, Vec<u8>)>,
}

/// Frames on the wire at once; more are lost.
const MOST_FRAMES: usize = 64;

impl Wire {
    fn new() -> Self {
        let router = |own, peer| {
            let settings = Settings { debug_isakmp: true, debug_ipsec: true, ..Settings::default() };
            let router = Router::new(config(own, peer), Release::V15, own.into());
            (router, Console::new(Release::V15, format!("R{own}"), settings))
        };
        let name = |text| InterfaceName::parse(text).expect("an interface");
        Self {
            now: Instant::ZERO,
            outside: name("Gi0/0"),
            inside: name("Gi0/1"),
            routers: [router(1, 2), router(2, 1)],
            frames: VecDeque::new(),
        }
    }

    fn receive(&mut self, to: usize, inside: bool, octets: &[u8]) {
        let interface = if inside { &self.inside } else { &self.outside };
        self.routers[to].0.handle(self.now, Input::Frame { interface, octets });
        self.drain(to);
    }

    fn drain(&mut self, of: usize) {
        let (router, console) = &mut self.routers[of];
        let mut outputs = 0;
        while let Some(output) = router.poll() {
            outputs += 1;
            match output {
                Output::Frame { interface, octets } => {
                    if interface == self.outside && self.frames.len() < MOST_FRAMES {
                        self.frames.push_back((1 - of, octets));
                    }
                }
                Output::Event(event) => {
                    for line in console.render(self.now, &event) {
                        assert!(!console.stamped(&line).is_empty());
                    }
                }
                Output::Keys(_) => {}
            }
        }
        assert!(outputs <= 4096, "{outputs} outputs of one input");
    }

    /// Lets both routers' timers fire up to an instant.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..256 {
            let wakes =
                self.routers.iter().enumerate().filter_map(|(at, (router, _))| Some((router.next_timeout()?, at)));
            let Some((wake, at)) = wakes.min().filter(|(wake, _)| *wake <= end) else { break };
            self.now = self.now.max(wake);
            self.routers[at].0.handle(self.now, Input::Timeout);
            let next = self.routers[at].0.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a timer that has fired stays due");
            self.drain(at);
        }
        self.now = self.now.max(end);
    }

    /// A host behind a router pings one behind the other.
    fn ping(&mut self, behind: usize) {
        let host = |router: usize| Ipv4Addr::new(10, router as u8 + 1, 0, 10);
        let echo = IcmpMessage::EchoRequest { identifier: 1, sequence: 1, data: vec![0; 32] }.to_bytes();
        let packet = Ipv4Packet::new(protocol::ICMP, host(behind), host(1 - behind), echo);
        let frame = self.frame(behind, true, &packet.to_bytes());
        self.receive(behind, true, &frame);
    }

    fn frame(&self, to: usize, inside: bool, payload: &[u8]) -> Vec<u8> {
        let interface = if inside { &self.inside } else { &self.outside };
        let destination = self.routers[to].0.mac(interface).unwrap_or(MacAddress::BROADCAST);
        Frame { destination, source: MacAddress([2; 6]), ethertype: ethertype::IPV4, payload }.to_bytes()
    }

    /// A frame with octets from outside in it, down to the layer that `kind` says, and right below that.
    fn inject(&mut self, to: usize, kind: u8, octets: &[u8]) {
        let (source, destination) = (Ipv4Addr::new(192, 0, 2, 2 - to as u8), Ipv4Addr::new(192, 0, 2, to as u8 + 1));
        let udp = |port| {
            let datagram = UdpDatagram { source_port: port, destination_port: port, payload: octets.to_vec() };
            (protocol::UDP, datagram.to_bytes(source, destination))
        };
        let (protocol, payload) = match kind % 6 {
            0 => return self.receive(to, false, octets),
            1 => {
                let frame = self.frame(to, false, octets);
                return self.receive(to, false, &frame);
            }
            2 => udp(500),
            3 => udp(4500),
            4 => (protocol::ESP, octets.to_vec()),
            _ => (octets.first().copied().unwrap_or_default(), octets.to_vec()),
        };
        let frame = self.frame(to, false, &Ipv4Packet::new(protocol, source, destination, payload).to_bytes());
        self.receive(to, false, &frame);
    }
}

/// The same frame with one octet behind its UDP header changed, and its checksums right.
fn damaged(frame: &[u8], position: u8, value: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let position = usize::from(position);
    let ip_packet = Frame::parse(&frame).ok().and_then(|frame| Ipv4Packet::parse(frame.payload).ok());
    if let Some(mut packet) = ip_packet.filter(|packet| packet.protocol == protocol::UDP && packet.payload.len() > 8) {
        let at = 8 + position % (packet.payload.len() - 8);
        packet.payload[at] ^= value;
        packet.payload[6..8].copy_from_slice(&[0, 0]);
        frame.truncate(14);
        frame.extend_from_slice(&packet.to_bytes());
    } else if !frame.is_empty() {
        let at = position % frame.len();
        frame[at] ^= value;
    }
    frame
}

/// A story of two routers: frames that arrive, arrive damaged, twice or never, that come from nowhere, and time.
pub fn router(octets: &[u8]) {
    let mut wire = Wire::new();
    wire.ping(0);
    let mut story = Story(octets);
    for _ in 0..256 {
        let Some(deed) = story.octet() else { break };
        let to = usize::from(deed >> 7);
        match deed & 7 {
            0 => {
                if let Some((to, frame)) = wire.frames.pop_front() {
                    wire.receive(to, false, &frame);
                }
            }
            1 => {
                let (Some(position), Some(value)) = (story.octet(), story.octet()) else { break };
                if let Some((to, frame)) = wire.frames.front().cloned() {
                    wire.receive(to, false, &damaged(&frame, position, value));
                }
            }
            2 => drop(wire.frames.pop_front()),
            3 => {
                if let Some((to, frame)) = wire.frames.front().cloned() {
                    wire.receive(to, false, &frame);
                }
            }
            4 => {
                let (Some(kind), Some(piece)) = (story.octet(), story.piece()) else { break };
                wire.inject(to, kind, piece);
            }
            5 => wire.pass(Duration::from_millis(1 << (deed >> 3 & 15))),
            6 => wire.ping(to),
            _ => {
                for _ in 0..MOST_FRAMES {
                    let Some((to, frame)) = wire.frames.pop_front() else { break };
                    wire.receive(to, false, &frame);
                }
            }
        }
    }
    wire.pass(Duration::from_secs(3600));
}

/// Lines typed at the console of a router, each by itself and all of them behind `configure terminal`.
pub fn console(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut wire = Wire::new();
    let (router, console) = &mut wire.routers[0];
    for line in text.lines().take(64) {
        let answer = router.execute(wire.now, console, line);
        assert!(answer.is_empty() || answer.ends_with('\n'), "{answer:?}");
        while router.poll().is_some() {}
    }
    router.execute(wire.now, console, &format!("configure terminal\n{text}"));
    while router.poll().is_some() {}
    for show in ["show running-config", "show crypto map", "show ip route", "show crypto isakmp sa"] {
        router.execute(wire.now, console, show);
    }
    wire.ping(0);
    wire.pass(Duration::from_secs(60));
}
