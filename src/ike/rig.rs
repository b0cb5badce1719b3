//! The test rig: two engines, a network between them and a virtual clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::event::{EventKind, PairEnd, QuickRefusal};
use super::keys::EncryptionKey;
use super::policy::{IdentityVerdict, PreSharedKey};
use super::v1::message::open;
use super::*;
use crate::crypto::{Cipher, Group, Hash, Secret};
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::isakmp::{AuthenticationMethod, ExchangeType, IdPayload, Message, PayloadType};

/// The initiator's address.
pub(crate) const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The responder's address.
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// An owner of an engine, whose answers are all data.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub policies: Vec<IsakmpPolicy>,
    pub key: Option<String>,
    pub identity: Identity,
    pub accepts: Option<Identity>,
    pub entries: Vec<MapEntry>,
    pub settings: PeerSettings,
}

/// What an owner accepts in quick mode, as a crypto map entry does.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub name: String,
    pub selectors: Selectors,
    pub suites: Vec<EspSuite>,
    pub mode: Mode,
    pub pfs: Option<Group>,
    pub lifetimes: Lifetimes,
}

impl Policy for Owner {
    fn isakmp_policies(&mut self, _: &Peer) -> Vec<IsakmpPolicy> {
        self.policies.clone()
    }

    fn pre_shared_key(&mut self, _: &Peer) -> Option<PreSharedKey> {
        let key = Secret::from(self.key.as_ref()?.as_bytes());
        Some(PreSharedKey { key, keyring: String::new() })
    }

    fn identity(&mut self, _: &Peer) -> Identity {
        self.identity.clone()
    }

    fn judge_identity(&mut self, _: &Peer, identity: &IdPayload) -> IdentityVerdict {
        match &self.accepts {
            Some(wanted) if Identity::from_id(identity).as_ref() != Some(wanted) => IdentityVerdict::Refused,
            _ => IdentityVerdict::Accepted { profile: None },
        }
    }

    fn choose(&mut self, offer: &QuickOffer) -> Result<QuickChoice, QuickRefusal> {
        let Some(entry) = self.entries.iter().find(|entry| entry.selectors.contains(&offer.selectors)) else {
            return Err(QuickRefusal::ProxyIdentities);
        };
        let transform = &offer.transforms[0];
        if !transform.suite().is_some_and(|suite| entry.suites.contains(&suite)) {
            return Err(QuickRefusal::Transform);
        }
        if transform.mode() != Some(entry.mode) {
            return Err(QuickRefusal::Encapsulation);
        }
        if let Some(group) = entry.pfs
            && offer.pfs != Some(group)
        {
            let (offered, configured) = (offer.pfs.map(Group::number), group.number());
            return Err(QuickRefusal::Pfs { offered, configured });
        }
        let (entry, lifetimes) = (entry.name.clone(), entry.lifetimes);
        Ok(QuickChoice { entry, interface: "outside".to_owned(), lifetimes })
    }

    fn settings(&mut self, _: &Peer) -> PeerSettings {
        self.settings.clone()
    }
}

/// One side of the rig.
pub(crate) struct Side {
    pub engine: Engine,
    pub owner: Owner,
    pub address: Ipv4Addr,
    /// The pairs that are installed, by inbound SPI, and whether the outbound half may be used.
    pub pairs: BTreeMap<Spi, (SaPair, bool)>,
    pub removed: Vec<PairEnd>,
    pub failed: Vec<(RequestId, RequestFailure)>,
    pub events: Vec<(Instant, Event)>,
    pub keys: Vec<KeyRecord>,
    pub keepalives: usize,
}

/// What the network does to datagrams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// One in how many is lost; 0 is none. Likewise below.
    pub loss: f64,
    pub duplication: f64,
    pub reordering: f64,
    /// A NAT before the initiator: its address towards the responder.
    pub nat: Option<Ipv4Addr>,
    /// Added to the initiator's port by the NAT.
    pub port_shift: u16,
}

/// A datagram that crossed the wire, as it looks on the responder's side of the NAT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crossed {
    pub at: Instant,
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub octets: Vec<u8>,
    pub lost: bool,
}

#[derive(Debug)]
struct Flight {
    due: Instant,
    to_b: bool,
    local: SocketAddrV4,
    remote: SocketAddrV4,
    octets: Vec<u8>,
}

/// Two engines with a network between them.
pub(crate) struct Pair {
    pub a: Side,
    pub b: Side,
    pub now: Instant,
    pub network: Network,
    pub wire: Vec<Crossed>,
    flights: VecDeque<Flight>,
    lose: Option<usize>,
    rng: StdRng,
}

const LATENCY: Duration = Duration::from_millis(20);

pub(crate) fn policy(cipher: Cipher, hash: Hash, group: Group) -> IsakmpPolicy {
    IsakmpPolicy {
        priority: 10,
        cipher,
        hash,
        group,
        authentication: AuthenticationMethod::PreSharedKey,
        lifetime: Some(Duration::from_secs(86400)),
    }
}

pub(crate) const SUITE: EspSuite = EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) };

pub(crate) fn selectors() -> Selectors {
    let mask = Ipv4Addr::new(255, 255, 255, 0);
    Selectors {
        local: Selector::subnet(Ipv4Addr::new(10, 1, 0, 0), mask),
        remote: Selector::subnet(Ipv4Addr::new(10, 2, 0, 0), mask),
    }
}

pub(crate) fn owner(address: Ipv4Addr, selectors: Selectors) -> Owner {
    Owner {
        policies: vec![policy(Cipher::Aes128, Hash::Sha1, Group::Modp1024)],
        key: Some("s3cret".to_owned()),
        identity: Identity::Address(address),
        accepts: None,
        entries: vec![MapEntry {
            name: "MAP 10".to_owned(),
            selectors,
            suites: vec![SUITE],
            mode: Mode::Tunnel,
            pfs: None,
            lifetimes: Lifetimes { seconds: Some(3600), kilobytes: Some(4_608_000) },
        }],
        settings: PeerSettings::default(),
    }
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        Self::speaking(Personality::linux(), Personality::linux(), seed)
    }

    pub fn speaking(a: Personality, b: Personality, seed: u64) -> Self {
        let side = |personality, address, selectors, salt: u64| Side {
            engine: Engine::new(personality, StdRng::seed_from_u64(seed.wrapping_mul(3) + salt)),
            owner: owner(address, selectors),
            address,
            pairs: BTreeMap::new(),
            removed: Vec::new(),
            failed: Vec::new(),
            events: Vec::new(),
            keys: Vec::new(),
            keepalives: 0,
        };
        Self {
            a: side(a, A, selectors(), 1),
            b: side(b, B, selectors().mirrored(), 2),
            now: Instant::ZERO,
            network: Network::default(),
            wire: Vec::new(),
            flights: VecDeque::new(),
            lose: None,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// What A asks for by default.
    pub fn request(&self) -> QuickRequest {
        QuickRequest {
            id: RequestId(1),
            entry: "TUNNEL".to_owned(),
            interface: "outside".to_owned(),
            local: A,
            peer: B,
            selectors: selectors(),
            suites: vec![SUITE],
            mode: Mode::Tunnel,
            pfs: None,
            lifetimes: Lifetimes { seconds: Some(3600), kilobytes: None },
        }
    }

    /// A asks, and both run until nothing is under way any more or `limit` has passed.
    pub fn connect(&mut self) {
        let request = self.request();
        self.ask(request);
        self.run(Duration::from_secs(5));
    }

    pub fn ask(&mut self, request: QuickRequest) {
        self.input(true, Input::RequestSa(request));
    }

    /// Gives an input to A or B.
    pub fn input(&mut self, to_a: bool, input: Input) {
        let now = self.now;
        let side = if to_a { &mut self.a } else { &mut self.b };
        side.engine.handle(now, input, &mut side.owner);
        self.drain(to_a);
    }

    /// Lets `time` pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = [self.a.engine.next_timeout(), self.b.engine.next_timeout()];
            let flight = self.flights.iter().map(|flight| flight.due).min();
            let next = timers.into_iter().flatten().chain(flight).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            assert!(next >= self.now || flight.is_none_or(|flight| flight >= self.now), "time never goes back");
            self.now = self.now.max(next);
            while let Some(index) = self.flights.iter().position(|flight| flight.due <= self.now) {
                let flight = self.flights.remove(index).unwrap();
                let Flight { local, remote, octets, to_b, .. } = flight;
                self.input(!to_b, Input::Datagram { local, remote, octets });
            }
            for to_a in [true, false] {
                let engine = if to_a { &self.a.engine } else { &self.b.engine };
                if engine.next_timeout().is_some_and(|due| due <= self.now) {
                    self.input(to_a, Input::Timeout);
                    let engine = if to_a { &self.a.engine } else { &self.b.engine };
                    let due = engine.next_timeout();
                    assert!(due.is_none_or(|due| due > self.now), "a timer that has fired stays due: {due:?}");
                }
            }
        }
        self.now = end;
    }

    /// The `index`th datagram alone is lost.
    pub fn lose(&mut self, index: usize) {
        self.lose = Some(index);
    }

    /// A loses its memory.
    pub fn restart_a(&mut self, seed: u64) {
        self.a.engine = Engine::new(self.a.engine.personality().clone(), StdRng::seed_from_u64(seed));
        self.a.pairs.clear();
    }

    /// A datagram out of nowhere reaches B (or A).
    pub fn inject(&mut self, to_b: bool, local: SocketAddrV4, remote: SocketAddrV4, octets: Vec<u8>) {
        self.input(!to_b, Input::Datagram { local, remote, octets });
    }

    fn drain(&mut self, from_a: bool) {
        loop {
            let side = if from_a { &mut self.a } else { &mut self.b };
            let Some(output) = side.engine.poll() else { break };
            match output {
                Output::Datagram { local, remote, octets } => self.carry(from_a, local, remote, octets),
                Output::Keepalive { .. } => side.keepalives += 1,
                Output::Install(pair) => {
                    let before = side.pairs.insert(pair.inbound.spi, (*pair, false));
                    assert!(before.is_none(), "an SPI given out twice");
                }
                Output::EnableOutbound { inbound, outbound } => {
                    let (pair, enabled) = side.pairs.get_mut(&inbound).expect("installed before");
                    assert_eq!(pair.outbound.spi, outbound);
                    *enabled = true;
                }
                Output::Remove { inbound, reason, .. } => {
                    side.pairs.remove(&inbound).expect("installed before");
                    side.removed.push(reason);
                }
                Output::Rebind { inbound, udp } => {
                    side.pairs.get_mut(&inbound).expect("installed before").0.udp = Some(udp);
                }
                Output::Failed { request, reason } => side.failed.push((request, reason)),
                Output::Keys(record) => side.keys.push(record),
                Output::Event(event) => side.events.push((self.now, event)),
            }
        }
    }

    fn carry(&mut self, from_a: bool, local: SocketAddrV4, remote: SocketAddrV4, octets: Vec<u8>) {
        let (from, to) = self.translate(from_a, local, remote);
        let lost = self.rng.random_bool(self.network.loss) || self.lose == Some(self.wire.len());
        let seen = if from_a { to } else { remote };
        self.wire.push(Crossed { at: self.now, from, to: seen, octets: octets.clone(), lost });
        if lost {
            return;
        }
        let copies = if self.rng.random_bool(self.network.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let late = self.rng.random_bool(self.network.reordering);
            let due = self.now + if late { LATENCY * 5 } else { LATENCY };
            let octets = octets.clone();
            self.flights.push_back(Flight { due, to_b: from_a, local: to, remote: from, octets });
        }
    }

    /// Source and destination as the receiver sees them.
    fn translate(&self, from_a: bool, local: SocketAddrV4, remote: SocketAddrV4) -> (SocketAddrV4, SocketAddrV4) {
        let Some(outside) = self.network.nat else { return (local, remote) };
        if from_a {
            (SocketAddrV4::new(outside, local.port() + self.network.port_shift), remote)
        } else {
            let inside = remote.port().wrapping_sub(self.network.port_shift);
            (local, SocketAddrV4::new(self.a.address, inside))
        }
    }

    /// Payload types of the `index`th datagram that crossed, decrypted where keys are known.
    pub fn payloads(&self, index: usize) -> Vec<PayloadType> {
        let message = Message::parse(&self.wire[index].octets).expect("what an engine sends can be read");
        if !message.header.flags.encrypted() {
            return message.payloads().iter().map(|payload| payload.body.payload_type()).collect();
        }
        self.decrypt(index).iter().map(|payload| payload.body.payload_type()).collect()
    }

    /// The payloads of the `index`th datagram, decrypted by the key log alone.
    pub fn decrypt(&self, index: usize) -> Vec<crate::wire::isakmp::Payload> {
        let wanted = Message::parse(&self.wire[index].octets).unwrap();
        let header = wanted.header;
        let (cipher, hash, key, iv) = self
            .a
            .keys
            .iter()
            .chain(&self.b.keys)
            .find_map(|record| match record {
                KeyRecord::Isakmp { id, cipher, hash, key, iv, .. } if id.initiator == header.initiator_cookie => {
                    Some((*cipher, *hash, key.clone(), iv.clone()))
                }
                _ => None,
            })
            .expect("the key of the SA is logged");
        let key = EncryptionKey::from_log(cipher, hash, &key).unwrap();
        let phase1 = self.wire.iter().filter_map(|crossed| {
            let message = Message::parse(&crossed.octets).ok()?;
            let same = message.header.initiator_cookie == header.initiator_cookie;
            (same && message.header.flags.encrypted()).then_some((message, &crossed.octets))
        });
        let mut chain = super::keys::IvChain::from_log(&iv);
        let mut phase1_chain = chain.clone();
        let mut seen: Vec<&Vec<u8>> = Vec::new();
        for (message, octets) in phase1 {
            if message.header.exchange != ExchangeType::Main || seen.contains(&octets) {
                continue;
            }
            seen.push(octets);
            if *octets == self.wire[index].octets {
                return open(&message, &key, &phase1_chain).unwrap().payloads;
            }
            phase1_chain = phase1_chain.after(&octets[28..]);
        }
        chain.clone_from(&key.phase_two_iv(&phase1_chain, header.message_id));
        for crossed in &self.wire {
            let message = Message::parse(&crossed.octets).unwrap();
            let same = message.header.message_id == header.message_id
                && message.header.initiator_cookie == header.initiator_cookie
                && message.header.exchange == header.exchange;
            if !same || seen.contains(&&crossed.octets) {
                continue;
            }
            seen.push(&crossed.octets);
            if crossed.octets == self.wire[index].octets {
                return open(&message, &key, &chain).unwrap().payloads;
            }
            chain = chain.after(&crossed.octets[28..]);
        }
        unreachable!("the datagram is on the wire")
    }

    /// Checks that both hold the same pairs: SPIs crossed, keys equal, traffic mirrored, both directions usable.
    pub fn assert_pairs(&self, count: usize) {
        assert_eq!((self.a.pairs.len(), self.b.pairs.len()), (count, count), "{:?}", self.a.failed);
        for (ours, enabled) in self.a.pairs.values() {
            let (theirs, their_enabled) = &self.b.pairs[&ours.outbound.spi];
            assert!(*enabled && *their_enabled);
            assert_eq!((&ours.inbound, &ours.outbound), (&theirs.outbound, &theirs.inbound));
            assert_eq!(ours.selectors, theirs.selectors.mirrored());
            assert_eq!((ours.suite, ours.mode, ours.pfs), (theirs.suite, theirs.mode, theirs.pfs));
            assert_eq!(ours.lifetimes.seconds, theirs.lifetimes.seconds);
            assert_ne!(ours.inbound.keys, ours.outbound.keys);
        }
    }
}

impl Side {
    /// Sets the engine's limits.
    pub fn limit(&mut self, limits: Limits) {
        let spare = Engine::new(Personality::linux(), StdRng::seed_from_u64(0));
        self.engine = std::mem::replace(&mut self.engine, spare).with_limits(limits);
    }

    /// Whether something happened.
    pub fn saw(&self, wanted: impl Fn(&EventKind) -> bool) -> bool {
        self.count(wanted) > 0
    }

    /// How often something happened.
    pub fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|(_, event)| wanted(&event.kind)).count()
    }
}
