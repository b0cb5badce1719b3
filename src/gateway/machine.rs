//! The gateway as a machine: IKE datagrams, ESP and inner packets in; the same out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::policy::{INTERFACE, TunnelPolicy, entry_name};
use super::settings::{NatTraversal, Settings};
use crate::esp::{
    BundleId, EspError, Flow, PolicyAction, SaId, Sad, SecurityAssociation, Severity, Spd, UdpEncapsulation,
};
use crate::ike::{
    self, Engine, EventKind, IsakmpSaId, KeyRecord, Mode, Personality, QuickRequest, RequestFailure, RequestId, SaPair,
};
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::natt::{self, Port4500};

const IKE_PORT: u16 = 500;
const NATT_PORT: u16 = 4500;

/// What happens to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A datagram came on port 500 or 4500.
    Datagram {
        /// Our address and port.
        local: SocketAddrV4,
        /// The sender's.
        remote: SocketAddrV4,
        /// The payload of the datagram.
        octets: &'a [u8],
    },
    /// ESP came as an IP protocol of its own.
    Esp {
        /// The sender.
        source: Ipv4Addr,
        /// The ESP packet, SPI first.
        octets: &'a [u8],
    },
    /// The kernel routed a packet into the tunnel.
    Inner(&'a [u8]),
    /// Bring up every pair of SAs that is not up.
    Initiate,
    /// Delete all SAs and tell the peer.
    Terminate,
    /// The instant of [`Gateway::next_timeout`] has come. Harmless at any other time.
    Timeout,
}

/// What the gateway does, in the order it does it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this datagram.
    Datagram {
        /// From our port.
        local: SocketAddrV4,
        /// To the peer's.
        remote: SocketAddrV4,
        /// Its payload.
        octets: Vec<u8>,
    },
    /// Send this ESP packet as an IP protocol of its own.
    Esp {
        /// To whom.
        destination: Ipv4Addr,
        /// The ESP packet, SPI first.
        octets: Vec<u8>,
    },
    /// Hand this packet to the kernel.
    Inner(Vec<u8>),
    /// Something happened in IKE.
    Event(ike::Event),
    /// Keys that open what crosses the wire.
    Keys(KeyRecord),
    /// A packet was lost, and why.
    Dropped(String),
    /// What [`Input::Initiate`] asked for is decided for every pair.
    Initiated(Vec<(usize, Result<(), RequestFailure>)>),
}

/// A pair of SAs and what has passed it.
#[derive(Clone, Debug)]
pub struct PairState {
    /// As it was negotiated.
    pub pair: SaPair,
    /// Packets and octets from the peer.
    pub inbound: (u64, u64),
    /// Packets and octets to the peer.
    pub outbound: (u64, u64),
    /// When it was made.
    pub since: Instant,
}

struct Installed {
    pair: SaPair,
    inbound: SaId,
    outbound: SaId,
    /// Whether the outbound half may be used.
    enabled: bool,
    since: Instant,
}

/// An IKE and ESP gateway for one tunnel.
///
/// After each [`Gateway::handle`] call [`Gateway::poll`] until it gives nothing more.
pub struct Gateway {
    settings: Settings,
    engine: Engine,
    rng: StdRng,
    sad: Sad,
    spd: Spd,
    /// The pairs by inbound SPI, oldest first within one entry.
    pairs: BTreeMap<Spi, Installed>,
    /// The newest usable pair of each bundle.
    current: HashMap<BundleId, Spi>,
    requests: BTreeMap<usize, Option<Result<(), RequestFailure>>>,
    isakmp: BTreeMap<IsakmpSaId, ike::event::SaRef>,
    outputs: VecDeque<Output>,
}

impl Gateway {
    /// A gateway for the tunnel of `settings`. The same seed and inputs give the same octets.
    pub fn new(settings: Settings) -> Self {
        let mut personality = Personality::linux();
        personality.retransmission.waits = settings.retransmit_waits();
        if settings.nat_traversal == NatTraversal::Off {
            personality.nat_traversal.clear();
        }
        let mut seed = StdRng::seed_from_u64(settings.seed);
        let engine = Engine::new(personality, StdRng::from_rng(&mut seed));
        let mut spd = Spd::new(PolicyAction::Bypass);
        for (index, selectors) in settings.traffic.iter().enumerate() {
            if let Some(selector) = selectors.outbound() {
                spd.push(crate::esp::Policy { selector, action: PolicyAction::Protect(BundleId(index as u32)) });
            }
        }
        Self {
            settings,
            engine,
            rng: seed,
            sad: Sad::new(),
            spd,
            pairs: BTreeMap::new(),
            current: HashMap::new(),
            requests: BTreeMap::new(),
            isakmp: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input at `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { local, remote, octets } => self.datagram(now, local, remote, octets),
            Input::Esp { source, octets } => self.esp(now, SocketAddrV4::new(source, 0), octets),
            Input::Inner(packet) => self.inner(now, packet),
            Input::Initiate => self.initiate(now),
            Input::Terminate => {
                self.ask_engine(now, ike::Input::Clear { peer: None, isakmp: true, ipsec: true });
            }
            Input::Timeout => self.ask_engine(now, ike::Input::Timeout),
        }
        self.expire(now);
    }

    /// The next thing the gateway does, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted, unless something else is handled before.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.engine.next_timeout(), self.sad.next_timeout()].into_iter().flatten().min()
    }

    /// The pairs of SAs there are, oldest SPI first.
    pub fn pairs(&self) -> impl Iterator<Item = PairState> {
        self.pairs.values().map(|installed| {
            let passed =
                |id| self.sad.get(id).map(|sa| (sa.counters().packets, sa.counters().bytes)).unwrap_or_default();
            PairState {
                pair: installed.pair.clone(),
                inbound: passed(installed.inbound),
                outbound: passed(installed.outbound),
                since: installed.since,
            }
        })
    }

    /// The ISAKMP SAs there are.
    pub fn isakmp(&self) -> impl Iterator<Item = &ike::event::SaRef> {
        self.isakmp.values()
    }

    fn ask_engine(&mut self, now: Instant, input: ike::Input) {
        self.engine.handle(now, input, &mut TunnelPolicy(&self.settings));
        while let Some(output) = self.engine.poll() {
            self.engine_output(now, output);
        }
    }

    fn engine_output(&mut self, now: Instant, output: ike::Output) {
        match output {
            ike::Output::Datagram { local, remote, octets } => {
                let octets = if local.port() == NATT_PORT { natt::with_marker(&octets) } else { octets };
                self.outputs.push_back(Output::Datagram { local, remote, octets });
            }
            ike::Output::Keepalive { local, remote } => {
                self.outputs.push_back(Output::Datagram { local, remote, octets: natt::KEEPALIVE.to_vec() });
            }
            ike::Output::Install(pair) => self.install(now, *pair),
            ike::Output::EnableOutbound { inbound, .. } => self.enable(inbound),
            ike::Output::Remove { inbound, .. } => self.remove(inbound),
            ike::Output::Rebind { inbound, udp } => self.rebind(inbound, udp),
            ike::Output::Failed { request, reason } => self.decided(request, Err(reason)),
            ike::Output::Keys(record) => self.outputs.push_back(Output::Keys(record)),
            ike::Output::Event(event) => {
                self.follow(&event);
                self.outputs.push_back(Output::Event(event));
            }
        }
    }

    /// Keeps the list of ISAKMP SAs by what the engine tells of them.
    fn follow(&mut self, event: &ike::Event) {
        let Some(sa) = event.sa else { return };
        let id = IsakmpSaId { initiator: sa.initiator_cookie, responder: sa.responder_cookie };
        match event.kind {
            EventKind::SaDeleted { .. } | EventKind::SaPurged => {
                self.isakmp.retain(|_, known| known.serial != sa.serial);
            }
            _ => {
                self.isakmp.retain(|known, reference| *known == id || reference.serial != sa.serial);
                self.isakmp.insert(id, sa);
            }
        }
    }

    fn datagram(&mut self, now: Instant, local: SocketAddrV4, remote: SocketAddrV4, octets: &[u8]) {
        if local.port() == IKE_PORT {
            return self.ask_engine(now, ike::Input::Datagram { local, remote, octets: octets.to_vec() });
        }
        match natt::classify(octets) {
            Port4500::Ike(octets) => {
                self.ask_engine(now, ike::Input::Datagram { local, remote, octets: octets.to_vec() });
            }
            Port4500::Esp(octets) => self.esp(now, remote, octets),
            Port4500::Keepalive => {}
            Port4500::Malformed(octets) => self.drop(format!("{} octets on port 4500 from {remote}", octets.len())),
        }
    }

    /// Opens an ESP packet; `from` has port 0 when it came as a protocol of its own.
    fn esp(&mut self, now: Instant, from: SocketAddrV4, octets: &[u8]) {
        match self.sad.decapsulate(now, octets) {
            Ok((id, opened)) => {
                let moved =
                    self.pairs.iter().find(|(_, installed)| installed.inbound == id).and_then(|(spi, installed)| {
                        let udp = installed.pair.udp?;
                        (from.port() != 0 && udp.remote != from).then_some(*spi)
                    });
                if let Some(inbound) = moved {
                    self.ask_engine(now, ike::Input::Moved { inbound, remote: from });
                }
                self.ask_engine(now, ike::Input::Traffic { peer: *from.ip(), inbound: true });
                self.outputs.push_back(Output::Inner(opened.payload));
            }
            Err(EspError::UnknownSpi(spi)) => {
                self.drop(format!("ESP from {} with the unknown SPI {spi}", from.ip()));
                self.ask_engine(now, ike::Input::UnknownSpi { local: self.settings.local, peer: *from.ip(), spi });
            }
            Err(error) => self.drop(format!("ESP from {}: {error}", from.ip())),
        }
    }

    fn inner(&mut self, now: Instant, packet: &[u8]) {
        let Some(flow) = Flow::of_octets(packet) else {
            return self.drop("a packet in the tunnel that is not IPv4".to_owned());
        };
        let PolicyAction::Protect(bundle) = self.spd.outbound(&flow) else {
            return self.drop(format!("no policy for {flow}"));
        };
        let Some(installed) = self.current.get(&bundle).and_then(|spi| self.pairs.get(spi)) else {
            return self.drop(format!("no SA yet for {flow}"));
        };
        // A pair that the peer narrowed may not take all of the policy's packets.
        if installed.pair.selectors.outbound().is_some_and(|selector| !selector.matches(&flow)) {
            return self.drop(format!("outside the selectors of the SA: {flow}"));
        }
        let (udp, remote) = (installed.pair.udp, installed.pair.remote);
        match self.sad.encapsulate(now, installed.outbound, packet, &mut self.rng) {
            Ok(octets) => {
                self.outputs.push_back(match udp {
                    Some(udp) => Output::Datagram { local: udp.local, remote: udp.remote, octets },
                    None => Output::Esp { destination: remote, octets },
                });
                self.ask_engine(now, ike::Input::Traffic { peer: remote, inbound: false });
            }
            Err(error) => self.drop(format!("{flow}: {error}")),
        }
    }

    fn initiate(&mut self, now: Instant) {
        self.requests.clear();
        for (index, selectors) in self.settings.traffic.clone().into_iter().enumerate() {
            if self.current.contains_key(&BundleId(index as u32)) {
                self.requests.insert(index, Some(Ok(())));
                continue;
            }
            self.requests.insert(index, None);
            let request = QuickRequest {
                id: RequestId(index as u64),
                entry: entry_name(index),
                interface: INTERFACE.to_owned(),
                local: self.settings.local,
                peer: self.settings.remote,
                selectors,
                suites: self.settings.phase2.clone(),
                mode: Mode::Tunnel,
                pfs: self.settings.pfs,
                lifetimes: self.settings.phase2_lifetimes,
            };
            self.ask_engine(now, ike::Input::RequestSa(request));
        }
        self.tell_when_decided();
    }

    fn decided(&mut self, request: RequestId, result: Result<(), RequestFailure>) {
        if let Some(slot) = usize::try_from(request.0).ok().and_then(|index| self.requests.get_mut(&index)) {
            *slot = Some(result);
        }
        self.tell_when_decided();
    }

    fn tell_when_decided(&mut self) {
        let results: Option<Vec<_>> = self.requests.iter().map(|(index, result)| Some((*index, (*result)?))).collect();
        if let Some(results) = results.filter(|results| results.len() == self.settings.traffic.len()) {
            self.requests.clear();
            self.outputs.push_back(Output::Initiated(results));
        }
    }

    fn install(&mut self, now: Instant, pair: SaPair) {
        let parameters = pair.esp_parameters();
        let made = SecurityAssociation::new(now, parameters.inbound)
            .and_then(|inbound| Ok((inbound, SecurityAssociation::new(now, parameters.outbound)?)))
            .and_then(|(inbound, outbound)| {
                Ok((self.sad.insert_inbound(inbound)?, self.sad.insert_outbound(outbound)))
            });
        match made {
            Ok((inbound, outbound)) => {
                let spi = pair.inbound.spi;
                self.pairs.insert(spi, Installed { pair, inbound, outbound, enabled: false, since: now });
            }
            Err(error) => self.drop(format!("cannot install the pair {}: {error}", pair.inbound.spi)),
        }
    }

    fn enable(&mut self, inbound: Spi) {
        let Some(installed) = self.pairs.get_mut(&inbound) else { return };
        installed.enabled = true;
        let request = installed.pair.request;
        if let Some(bundle) = bundle_of(&installed.pair, &self.settings) {
            self.current.insert(bundle, inbound);
        }
        if let Some(request) = request {
            self.decided(request, Ok(()));
        }
    }

    fn remove(&mut self, inbound: Spi) {
        let Some(installed) = self.pairs.remove(&inbound) else { return };
        self.sad.remove(installed.inbound);
        self.sad.remove(installed.outbound);
        let Some(bundle) = bundle_of(&installed.pair, &self.settings) else { return };
        if self.current.get(&bundle) == Some(&inbound) {
            let settings = &self.settings;
            let serves = |other: &&Installed| other.enabled && bundle_of(&other.pair, settings) == Some(bundle);
            let newest = self.pairs.values().filter(serves).max_by_key(|other| other.since);
            match newest.map(|other| other.pair.inbound.spi) {
                Some(spi) => self.current.insert(bundle, spi),
                None => self.current.remove(&bundle),
            };
        }
    }

    fn rebind(&mut self, inbound: Spi, udp: ike::UdpEncapsulation) {
        let Some(installed) = self.pairs.get_mut(&inbound) else { return };
        installed.pair.udp = Some(udp);
        let ports = UdpEncapsulation { source_port: udp.local.port(), destination_port: udp.remote.port() };
        let moved = self.sad.with_sa(installed.outbound, |sa| {
            sa.move_peer(*udp.remote.ip(), Some(ports));
            Ok(())
        });
        if let Err(error) = moved {
            self.drop(format!("cannot follow the peer to {}: {error}", udp.remote));
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(expiry) = self.sad.poll_expiry(now) {
            let pair = self.pairs.iter().find(|(_, pair)| [pair.inbound, pair.outbound].contains(&expiry.id));
            if let Some(inbound) = pair.map(|(spi, _)| *spi) {
                let hard = expiry.severity == Severity::Hard;
                self.ask_engine(now, ike::Input::VolumeReached { inbound, hard });
            }
        }
    }

    fn drop(&mut self, why: String) {
        self.outputs.push_back(Output::Dropped(why));
    }
}

/// The policy a pair serves, by the traffic it was negotiated for.
fn bundle_of(pair: &SaPair, settings: &Settings) -> Option<BundleId> {
    let index = settings.traffic.iter().position(|selectors| selectors.contains(&pair.selectors))?;
    Some(BundleId(index as u32))
}

/// The ESP packet in the payload of an IPv4 packet as a raw socket gives it, with its source.
pub fn esp_of_raw(packet: &[u8]) -> Option<(Ipv4Addr, Vec<u8>)> {
    let packet = Ipv4Packet::parse(packet).ok()?;
    (packet.protocol == protocol::ESP).then_some((packet.source, packet.payload))
}
