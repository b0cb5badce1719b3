//! Event logs for tests, of two real IKE engines: A is the implementation and B the router, on the addresses and with the
//! proposals of a scenario of the catalogue.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::esp::{SaParameters, SecurityAssociation, Transform};
use crate::evidence::log::{Beginning, CellHeader, Entry, EventLog, Happening, Link, StepOutcome};
use crate::ike::rig::{A, B, MapEntry, Pair, owner, policy};
use crate::ike::{EspSa, EspSuite, EventKind, Selector, Selectors};
use crate::implementations::Registry;
use crate::implementations::sa::{
    Endpoint, IpsecSa, IpsecState, IsakmpSa, IsakmpState, IsakmpTransform, Mode, NatFindings, SaState, Traffic,
};
use crate::ios::event::RouterEvent;
use crate::scenario::tunnel::TrafficPair;
use crate::scenario::{self, Cell, Scenario, Step};
use crate::time::Instant;
use crate::wire::ethernet::{Frame, MacAddress, ethertype};
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::udp::UdpDatagram;

/// A host of each protected network.
pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
/// A host behind the router.
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);

/// A cell of the catalogue with its scenario made simple: what texts say is not looked at, because no console is here.
pub(crate) fn cell(name: &str, fixed: bool) -> Cell {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{name}.yaml"));
    let scenario = Arc::new(scenario::load(&path, Registry::built_in().names()).unwrap());
    let cells = scenario::cells(&[scenario]);
    let mut cell = cells.into_iter().find(|cell| cell.name.ends_with(":fixed") == fixed).unwrap();
    let scenario = Arc::make_mut(&mut cell.scenario);
    scenario.expect.cisco = Default::default();
    scenario.expect.dut = Default::default();
    cell
}

/// Changes the scenario of a cell.
pub(crate) fn change(cell: &mut Cell, change: impl FnOnce(&mut Scenario)) {
    change(Arc::make_mut(&mut cell.scenario));
}

fn selectors(pair: &TrafficPair) -> Selectors {
    let side = |prefix: crate::wire::ipv4::Ipv4Prefix| Selector::subnet(prefix.network(), prefix.mask());
    Selectors { local: side(pair.local), remote: side(pair.remote) }
}

/// Two engines that agree about everything the scenario's tunnel wants.
pub(crate) fn engines(cell: &Cell) -> Pair {
    let tunnel = &cell.scenario.tunnel;
    let mut pair = Pair::new(7);
    for (side, address) in [(&mut pair.a, A), (&mut pair.b, B)] {
        let wanted = selectors(&tunnel.traffic[0]);
        side.owner = owner(address, if address == A { wanted } else { wanted.mirrored() });
        side.owner.key = Some(tunnel.psk.text().to_owned());
        let offers = tunnel.phase1.proposals.iter();
        side.owner.policies = offers.map(|offer| policy(offer.cipher, offer.hash, offer.group)).collect();
        let suites: Vec<EspSuite> = suites(cell);
        let entry: &mut MapEntry = &mut side.owner.entries[0];
        entry.suites = suites;
        entry.pfs = tunnel.phase2.pfs;
    }
    pair
}

fn suites(cell: &Cell) -> Vec<EspSuite> {
    let offers = cell.scenario.tunnel.phase2.proposals.iter();
    offers.map(|offer| EspSuite { cipher: offer.cipher, integrity: offer.integrity }).collect()
}

/// Lets A bring the tunnel up, and pings go each way if it comes up.
pub(crate) fn run(cell: &Cell, mut pair: Pair) -> Vec<Entry> {
    let mut request = pair.request();
    request.selectors = selectors(&cell.scenario.tunnel.traffic[0]);
    request.suites = suites(cell);
    request.pfs = cell.scenario.tunnel.phase2.pfs;
    pair.ask(request);
    pair.run(Duration::from_secs(60));
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |at, what| entries.push(Entry { at, what });
    add(Instant::ZERO, Happening::Started(header(cell)));
    for record in &pair.b.keys {
        add(Instant::ZERO, Happening::Keys { record: Box::new(record.clone()) });
    }
    for crossed in &pair.wire {
        let (source, destination) = (*crossed.from.ip(), *crossed.to.ip());
        let datagram = UdpDatagram {
            source_port: crossed.from.port(),
            destination_port: crossed.to.port(),
            payload: crossed.octets.clone(),
        };
        let packet = Ipv4Packet::new(protocol::UDP, source, destination, datagram.to_bytes(source, destination));
        for what in crossing(&packet) {
            add(crossed.at, what);
        }
    }
    for (at, event) in &pair.b.events {
        add(*at, Happening::Router { event: Box::new(RouterEvent::Ike(event.clone())) });
    }
    let up = !pair.a.pairs.is_empty();
    entries.sort_by_key(|entry| entry.at);
    let now = pair.now;
    let mut add = |what| entries.push(Entry { at: now, what });
    for (index, step) in cell.scenario.steps.iter().enumerate() {
        let outcome = match step {
            Step::Initiate if up => StepOutcome::Done,
            Step::Initiate => StepOutcome::Refused { reason: "no".to_owned() },
            Step::Ping(ping) => {
                for what in pings(&pair) {
                    add(what);
                }
                let replied = if up { ping.count } else { 0 };
                StepOutcome::Pinged { sent: ping.count, replied, expected: true, errors: Vec::new() }
            }
            _ => StepOutcome::Done,
        };
        add(Happening::Step { index, step: String::new(), outcome });
    }
    add(Happening::Sas { state: Box::new(sas(&pair)) });
    add(Happening::Ended);
    entries
}

/// A log of entries.
pub(crate) fn log(entries: Vec<Entry>) -> EventLog {
    EventLog::new(entries).unwrap()
}

fn header(cell: &Cell) -> Box<CellHeader> {
    let started = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Box::new(CellHeader::new(cell, "1", started, Beginning { seed: 1, ..Beginning::default() }))
}

/// A packet as both links of the internet see it.
pub(crate) fn crossing(packet: &Ipv4Packet) -> [Happening; 2] {
    let from_dut = packet.source == A || packet.source == LEFT;
    let payload = packet.to_bytes();
    let frame = Frame {
        destination: MacAddress([2, 0, 0, 0, 0, 1]),
        source: MacAddress([2, 0, 0, 0, 0, 2]),
        ethertype: ethertype::IPV4,
        payload: &payload,
    };
    let octets = frame.to_bytes();
    let on = |link, outbound| Happening::Frame { link, outbound, octets: octets.clone() };
    match from_dut {
        true => [on(Link::Dut, false), on(Link::Cisco, true)],
        false => [on(Link::Cisco, false), on(Link::Dut, true)],
    }
}

/// An echo request from left to right in clear.
pub(crate) fn echo(source: Ipv4Addr, destination: Ipv4Addr) -> Ipv4Packet {
    let message = IcmpMessage::EchoRequest { identifier: 1, sequence: 1, data: vec![0; 56] };
    Ipv4Packet::new(protocol::ICMP, source, destination, message.to_bytes())
}

fn pings(pair: &Pair) -> Vec<Happening> {
    let mut happenings = Vec::new();
    for (negotiated, _) in pair.a.pairs.values() {
        let suite = negotiated.suite;
        let mut seal = |sa: &EspSa, source, destination, inner: &Ipv4Packet| {
            let transform = Transform::new(suite.cipher, suite.integrity);
            let parameters = SaParameters::new(sa.spi, source, destination, transform, sa.keys.clone());
            let mut sa = SecurityAssociation::new(Instant::ZERO, parameters).unwrap();
            let mut rng = StdRng::seed_from_u64(3);
            let esp = sa.encapsulate(Instant::ZERO, &inner.to_bytes(), &mut rng).unwrap();
            happenings.extend(crossing(&Ipv4Packet::new(protocol::ESP, source, destination, esp)));
        };
        seal(&negotiated.outbound, A, B, &echo(LEFT, RIGHT));
        seal(&negotiated.inbound, B, A, &echo(RIGHT, LEFT));
    }
    happenings
}

/// What A would tell of its SAs.
fn sas(pair: &Pair) -> SaState {
    let completed = pair.a.events.iter().rev().find_map(|(_, event)| match event.kind {
        EventKind::Authenticated => event.sa,
        _ => None,
    });
    let end = |address| Endpoint { address, port: 500, identity: None };
    let phase1 = completed.into_iter();
    let phase1 = phase1.map(|sa| IsakmpSa {
        name: "cisco".to_owned(),
        state: IsakmpState::Established,
        initiator: true,
        local: end(A),
        remote: end(B),
        cookies: Some((sa.initiator_cookie, sa.responder_cookie)),
        transform: IsakmpTransform::default(),
        nat: NatFindings::default(),
        age: None,
    });
    let phase2 = pair.a.pairs.values().map(|(negotiated, _)| {
        let network = |selector: Selector| {
            let mask = selector.mask().unwrap();
            crate::wire::ipv4::Ipv4Prefix::from_mask(selector.first(), mask).unwrap().to_string()
        };
        IpsecSa {
            name: "net".to_owned(),
            state: IpsecState::Installed,
            spi_in: negotiated.inbound.spi,
            spi_out: negotiated.outbound.spi,
            cipher: Some(negotiated.suite.cipher),
            integrity: negotiated.suite.integrity,
            pfs: negotiated.pfs,
            mode: Mode::Tunnel,
            udp_encapsulation: false,
            local: vec![network(negotiated.selectors.local)],
            remote: vec![network(negotiated.selectors.remote)],
            received: Traffic::default(),
            sent: Traffic::default(),
        }
    });
    SaState { phase1: phase1.collect(), phase2: phase2.collect() }
}
