//! The lines of phase 1 (cisco-ios-facts 9.1 to 9.4, 3.5, 4.1).

use std::net::SocketAddrV4;

use super::dress::{Dress, Fact};
use super::informational::REFUSING;
use super::{Console, Scribe, names, peer_pointer, remember, vendor};
use crate::ike::Event;
use crate::ike::event::{
    Datagram, EventKind, InitiationFailure, KeyMoment, KeyName, Phase1Input, Phase1State, PolicyMismatch,
    PolicyOutcome, Role, VendorMeaning,
};
use crate::wire::isakmp::{
    Attribute, AttributeValue, ExchangeType, IdPayload, IdType, MessageId, OakleyAttribute, PayloadType,
};

const SEEN: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-12x LOG-123");
const SEEN_XE: Fact = Fact::seen("LOG-XE1 LOG-XE2");
const SEEN_NEW: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-12x");
const ACCEPTED: Fact = Fact::seen("LOG-XE1 LOG-XE2 NOTES");
const REFUSED: Fact = Fact::seen("NOTES NOTES-KR LOG-12x");

impl Console {
    /// Renders an event of phase 1; `false` when it is none.
    pub(super) fn phase1(&mut self, scribe: &mut Scribe, event: &Event) -> bool {
        let traits = self.behaviour.debug;
        match &event.kind {
            EventKind::DatagramReceived(_) => self.datagram_received(scribe, event),
            EventKind::DatagramSent(datagram) => datagram_sent(scribe, event, datagram),
            EventKind::PeerCreated { peer } => {
                let (address, port) = (event.remote.ip(), event.remote.port());
                let created = format!("Created a peer struct for {address}, peer port {port}");
                scribe.isakmp(Dress::ORDINARY, SEEN_NEW, created);
                let handle = 0x8000_0000 | *peer as u32;
                let pointer = peer_pointer(*peer);
                let new = format!("New peer created peer = 0x{pointer:X} peer_handle = 0x{handle:X}");
                scribe.isakmp(Dress::ORDINARY, SEEN_NEW, new);
            }
            EventKind::PeerLocked { peer, holders } => self.peer_locked(scribe, event, *peer, *holders),
            EventKind::SaRequested { profile } => {
                self.memory.beginning = Some(Role::Initiator);
                let profile = profile.as_deref().unwrap_or("(NULL)");
                scribe.isakmp(Dress::SA_WIDE, SEEN, format!("SA request profile is {profile}"));
            }
            EventKind::SaCreated { duplicate } => {
                let pointer = scribe.sa_pointer();
                let text = if *duplicate {
                    format!("Find a dup sa in the avl tree during calling isadb_insert sa = {pointer:X}")
                } else {
                    format!("insert sa successfully sa = {pointer:X}")
                };
                scribe.isakmp(Dress::INSERTED, SEEN, text);
            }
            EventKind::ExchangeStarted(exchange) => {
                let fact = if *exchange == ExchangeType::Main { SEEN } else { Fact::recalled("") };
                scribe.isakmp(Dress::SA_WIDE, fact, format!("beginning {} Mode exchange", names::mode(*exchange)));
            }
            EventKind::InitiationFailed(failure) => initiation_failed(scribe, *failure),
            EventKind::StateChanged { input, from, to } => self.state_changed(scribe, *input, *from, *to),
            EventKind::PayloadProcessed { payload, message_id } => payload_processed(scribe, *payload, *message_id),
            EventKind::VendorId { message, octets, behind, meaning } => {
                let lines = vendor::lines(octets, behind, *meaning, scribe.peer_cookie());
                for (dress, fact, text) in &lines {
                    scribe.isakmp(*dress, *fact, text);
                }
                if *message <= 2 {
                    self.memory.vendor_lines.extend(lines);
                }
            }
            EventKind::VendorIdSent { meaning, .. } => vendor_id_sent(scribe, *meaning),
            EventKind::KeyLookup { moment, by, found_in } => {
                self.key_lookup(scribe, event, *moment, by, found_in.as_deref());
            }
            EventKind::PolicyCompared { transform, priority, attributes, more, outcome } => {
                let checking = format!("Checking ISAKMP transform {transform} against priority {priority} policy");
                scribe.isakmp(Dress::SA, SEEN, checking);
                policy_attributes(scribe, attributes);
                self.policy_outcome(scribe, event, attributes, *more, *outcome);
            }
            EventKind::NoPolicyAccepted => {
                scribe.isakmp(Dress::ERROR, Fact::seen("NOTES-KR"), "no offers accepted!");
                let (local, remote) = (event.local.ip(), event.remote.ip());
                let text = format!("phase 1 SA policy not acceptable! (local {local} remote {remote})");
                scribe.isakmp(Dress::ERROR_WIDE, Fact::seen("NOTES-KR NOTES"), text);
                self.count_error(scribe, "construct_fail_ag_init");
                let recalled = Fact::recalled("FACTS-3.5");
                scribe.isakmp(Dress::SA_WIDE, recalled, "Failed to construct AG informational message.");
            }
            EventKind::KeysDerived => {
                if traits.skeyid_line {
                    scribe.isakmp(Dress::SA, Fact::seen("LOG-123"), "SKEYID state generated");
                }
            }
            EventKind::NatDiscovery { payload, local_matched, remote_matched } => {
                let received = format!("received payload type {}", u8::from(*payload));
                scribe.isakmp(Dress::ATTRIBUTE, SEEN_NEW, received);
                let result = match (local_matched, remote_matched) {
                    (true, true) => "No NAT Found for self or peer",
                    (true, false) => "His hash no match - this node outside NAT",
                    (false, true) => "My hash no match -  this node inside NAT",
                    (false, false) => "NAT found, both nodes inside NAT",
                };
                scribe.isakmp(Dress::PAREN, SEEN_XE, result);
            }
            EventKind::PortFloated { .. } => {
                let (local, remote, port) = (event.local.ip(), event.remote.ip(), event.remote.port());
                scribe.isakmp(Dress::SA, SEEN_XE, format!("Detected port floating to port = {port}"));
                let text = format!("Trying to find existing peer {local}/{remote}/{port}/");
                scribe.isakmp(Dress::SA, SEEN_XE, text);
            }
            EventKind::IdReceived { id, next_payload } => id_block(scribe, id, *next_payload),
            EventKind::IdSent { id, next_payload, .. } => id_sent(scribe, id, *next_payload),
            EventKind::ProfileSelected { profile } => {
                let which =
                    profile.as_ref().map_or("*none* of the profiles".to_owned(), |name| format!("{name} profile"));
                scribe.isakmp(Dress::PROFILE, SEEN, format!("peer matches {which}"));
            }
            EventKind::HashVerified { .. } => {}
            EventKind::Authenticated => authenticated(scribe, event),
            EventKind::PeerInserted { peer } => peer_inserted(scribe, event, *peer),
            EventKind::InitialContactSent => scribe.isakmp(Dress::SA, SEEN, "Send initial contact"),
            EventKind::InitialContactProcessed { .. } => {
                authentication_status(scribe);
                let remote = peer_words(event.remote);
                let bring_down = "bring down existing phase 1 and 2 SA's with";
                let text = format!("Process initial contact,\n{bring_down} local {} {remote}", event.local.ip());
                scribe.isakmp(Dress::SA_WIDE, SEEN_XE, text);
            }
            _ => return false,
        }
        true
    }

    fn datagram_received(&mut self, scribe: &mut Scribe, event: &Event) {
        self.memory.vendor_lines.clear();
        if event.sa.is_none() {
            self.memory.beginning = Some(Role::Responder);
        }
        let (peer, dport, sport) = (event.remote.ip(), event.local.port(), event.remote.port());
        let state = state_words(scribe);
        let text = format!("received packet from {peer} dport {dport} sport {sport} Global {state}");
        scribe.isakmp(Dress::PACKET_IN, SEEN, text);
    }

    fn peer_locked(&mut self, scribe: &mut Scribe, event: &Event, peer: u64, holders: u32) {
        let role = scribe.sa.map(|sa| sa.role).or(self.memory.beginning);
        let holder = match role {
            Some(Role::Initiator) => "isakmp_initiator",
            _ => "crypto_isakmp_process_block",
        };
        let pointer = peer_pointer(peer);
        let text = format!("Locking peer struct 0x{pointer:X}, refcount {holders} for {holder}");
        scribe.isakmp(Dress::ORDINARY, SEEN_NEW, text);
        let (local, remote) = (event.local.port(), event.remote.port());
        scribe.isakmp(Dress::ORDINARY, SEEN, format!("local port {local}, remote port {remote}"));
    }

    fn state_changed(&mut self, scribe: &mut Scribe, input: Phase1Input, from: Phase1State, to: Phase1State) {
        let serial = scribe.serial();
        if to == Phase1State::Deleted {
            self.memory.states.remove(&serial);
            self.memory.errors.remove(&serial);
        } else {
            remember(&mut self.memory.states, serial, to);
        }
        if input == Phase1Input::DeleteIn && from == to {
            // Neither log of a delete shows that it goes through the machine [S:LOG-XE2, LOG-123].
            return;
        }
        if self.memory.refused == Some(serial) && to == Phase1State::Deleted {
            // A refused first message is told otherwise: its deletion comes after the peer's record is let go [R].
            let fact = Fact::recalled("FACTS-3.5");
            return state_lines(scribe, fact, Phase1Input::Processed, (REFUSING, REFUSING));
        }
        let main = |state| {
            matches!(
                state,
                Phase1State::Ready
                    | Phase1State::InitiatorMain(_)
                    | Phase1State::ResponderMain(_)
                    | Phase1State::Complete
                    | Phase1State::Deleted
            )
        };
        let fact = if main(from) && main(to) { SEEN } else { Fact::recalled("FACTS-2.5") };
        state_lines(scribe, fact, input, (from, to));
    }

    fn key_lookup(&self, scribe: &mut Scribe, event: &Event, moment: KeyMoment, by: &KeyName, found_in: Option<&str>) {
        let peer = event.remote.ip();
        if moment == KeyMoment::Initiation {
            scribe.isakmp(Dress::SA, SEEN, "Can not start Aggressive mode, trying Main mode.");
        }
        let Some(keyring) = found_in else {
            match by {
                KeyName::Address(_) => {
                    scribe.isakmp(Dress::ERROR, SEEN_XE, format!("No pre-shared key with {peer}!"));
                }
                KeyName::Identity(name) => {
                    let text = format!("no pre-shared key based on hostname {name}!");
                    scribe.isakmp(Dress::ERROR_WIDE, Fact::seen("PB"), text);
                }
            }
            if moment == KeyMoment::Initiation {
                scribe.isakmp(Dress::ERROR, SEEN_XE, "No Cert or pre-shared address key. ");
                scribe.isakmp(Dress::ERROR, SEEN_XE, "construct_initial_message: Can not start Main mode");
            }
            return;
        };
        if moment == KeyMoment::Identity {
            if !keyring.is_empty() {
                scribe.isakmp(Dress::SA, SEEN_XE, format!("Found ADDRESS key in keyring {keyring}"));
            }
            return;
        }
        if self.behaviour.debug.key_search_line {
            let ring = if keyring.is_empty() { "default" } else { keyring };
            let text = format!("Looking for a matching key for {peer} in {ring} : success");
            scribe.isakmp(Dress::ORDINARY, Fact::seen("LOG-123"), text);
        }
        scribe.isakmp(Dress::SA, SEEN, format!("found peer pre-shared key matching {peer}"));
        if moment == KeyMoment::Proposal {
            scribe.isakmp(Dress::SA_WIDE, SEEN, "local preshared key found");
            let profiles: String = self.settings.profiles.iter().map(|name| format!(" {name}")).collect();
            scribe.isakmp(Dress::SCANNING, SEEN, format!("Scanning profiles for xauth ...{profiles}"));
        }
    }

    fn policy_outcome(
        &mut self,
        scribe: &mut Scribe,
        event: &Event,
        attributes: &[Attribute],
        more: bool,
        outcome: PolicyOutcome,
    ) {
        let next = if more { u8::from(PayloadType::Transform) } else { 0 };
        match outcome {
            PolicyOutcome::Refused(mismatch) => {
                let fact = match mismatch {
                    PolicyMismatch::NoPreSharedKey => Fact::inferred("FACTS-3.5"),
                    _ => REFUSED,
                };
                scribe.isakmp(Dress::ERROR, fact, mismatch_words(mismatch, event.remote));
                scribe.isakmp(Dress::ERROR, REFUSED, format!("atts are not acceptable. Next payload is {next}"));
            }
            PolicyOutcome::Accepted { own_lifetime, lifetime, .. } => {
                scribe.isakmp(Dress::SA, SEEN, format!("atts are acceptable. Next payload is {next}"));
                if self.behaviour.debug.lifetime_lines {
                    // An initiator does not know its own lifetime here [S:LOG-XE1, LOG-XE2].
                    let own = if scribe.initiator() { 0 } else { own_lifetime };
                    lifetime_lines(scribe, attributes, own, lifetime);
                }
            }
        }
        // Messages 1 and 2: the vendor IDs once more (cisco-ios-facts 1.6).
        if matches!(outcome, PolicyOutcome::Accepted { .. }) {
            self.repeat_vendor_lines(scribe);
        }
    }

    /// The vendor ID lines of messages 1 and 2 come before and after the policy check \[S:LOG-XE1, LOG-XE2, LOG-12x\].
    pub(super) fn repeat_vendor_lines(&mut self, scribe: &mut Scribe) {
        for (dress, fact, text) in std::mem::take(&mut self.memory.vendor_lines) {
            scribe.isakmp(dress, fact, text);
        }
    }
}

/// `Input = ...` and `Old State = ...`, which leaves an empty line behind it.
pub(super) fn state_lines(scribe: &mut Scribe, fact: Fact, input: Phase1Input, (from, to): (Phase1State, Phase1State)) {
    scribe.isakmp(Dress::SA, fact, format!("Input = {}", names::phase1_input(input)));
    let (old, new) = (names::phase1_state(from), names::phase1_state(to));
    scribe.isakmp(Dress::SA, fact, format!("Old State = {old}  New State = {new} \n"));
}

fn datagram_sent(scribe: &mut Scribe, event: &Event, _datagram: &Datagram) {
    let (peer, own, port) = (event.remote.ip(), event.local.port(), event.remote.port());
    let state = state_words(scribe);
    let text = format!("sending packet to {peer} my_port {own} peer_port {port} {state}");
    scribe.isakmp(Dress::PACKET_OUT, SEEN, text);
    if scribe.behaviour.debug.sending_line {
        scribe.isakmp(Dress::SA, SEEN_XE, "Sending an IKE IPv4 Packet.");
    }
}

/// `(R) MM_SA_SETUP`; `(N) NEW SA` while there is no SA.
pub(super) fn state_words(scribe: &Scribe) -> String {
    match scribe.sa {
        None => "(N) NEW SA".to_owned(),
        Some(sa) => format!("({}) {}", role_letter(sa.role), names::padded_progress(sa.progress)),
    }
}

pub(super) fn role_letter(role: Role) -> char {
    match role {
        Role::Initiator => 'I',
        Role::Responder => 'R',
    }
}

fn peer_words(remote: SocketAddrV4) -> String {
    format!("remote {} remote port {}", remote.ip(), remote.port())
}

fn initiation_failed(scribe: &mut Scribe, failure: InitiationFailure) {
    let fact = match failure {
        InitiationFailure::NoPreSharedKey => SEEN_XE,
        InitiationFailure::NoPolicy => Fact::inferred("LOG-XE1"),
    };
    scribe.isakmp(Dress::ERROR_ZERO, fact, "Error while processing SA request: Failed to initialize SA");
    scribe.isakmp(Dress::ERROR_ZERO, fact, "Error while processing KMI message 0, error 2.");
}

fn payload_processed(scribe: &mut Scribe, payload: PayloadType, message_id: MessageId) {
    let name = match payload {
        PayloadType::Sa => "SA",
        PayloadType::KeyExchange => "KE",
        PayloadType::Nonce => "NONCE",
        PayloadType::Id => "ID",
        PayloadType::Hash => "HASH",
        // The others have events of their own.
        _ => return,
    };
    let id = scribe.id(message_id);
    scribe.isakmp(Dress::SA_WIDE, SEEN, format!("processing {name} payload. message ID = {id}"));
}

fn vendor_id_sent(scribe: &mut Scribe, meaning: VendorMeaning) {
    let (fact, name) = match meaning {
        VendorMeaning::NatTraversalRfc => (SEEN_XE, "rfc3947".to_owned()),
        VendorMeaning::NatTraversalDraft(draft) => (SEEN, format!("{draft:02}")),
        _ => return,
    };
    scribe.isakmp(Dress::SA_WIDE, fact, format!("constructed NAT-T vendor-{name} ID"));
}

/// The attributes in the order they stand on the wire.
fn policy_attributes(scribe: &mut Scribe, attributes: &[Attribute]) {
    for attribute in attributes {
        let (text, long) = names::oakley_attribute(attribute);
        scribe.isakmp(if long { Dress::DURATION } else { Dress::ATTRIBUTE }, SEEN, text);
    }
}

fn mismatch_words(mismatch: PolicyMismatch, remote: SocketAddrV4) -> String {
    match mismatch {
        PolicyMismatch::Encryption { .. } => "Encryption algorithm offered does not match policy!".to_owned(),
        PolicyMismatch::KeyLength { .. } => "Proposed key length does not match policy".to_owned(),
        PolicyMismatch::Hash { .. } => "Hash algorithm offered does not match policy!".to_owned(),
        PolicyMismatch::Group { .. } => "Diffie-Hellman group offered does not match policy!".to_owned(),
        PolicyMismatch::Authentication { .. } => "Authentication method offered does not match policy!".to_owned(),
        PolicyMismatch::NoPreSharedKey => format!("No pre-shared key with {}!", remote.ip()),
    }
}

/// From `Acceptable atts` to `Started lifetime timer` (cisco-ios-facts 3.2).
fn lifetime_lines(scribe: &mut Scribe, attributes: &[Attribute], own: u32, lifetime: u32) {
    scribe.isakmp(Dress::SA, ACCEPTED, format!("Acceptable atts:actual life: {own}"));
    scribe.isakmp(Dress::SA, ACCEPTED, "Acceptable atts:life: 0");
    let offered = attributes.iter().find(|attribute| attribute.kind == u16::from(OakleyAttribute::LifeDuration));
    match offered.map(|attribute| (&attribute.value, attribute.number().unwrap_or(u64::MAX))) {
        Some((AttributeValue::Basic(_), seconds)) => {
            scribe.isakmp(Dress::SA, ACCEPTED, format!("Basic life_in_seconds:{seconds}"));
        }
        Some((AttributeValue::Variable(octets), seconds)) => {
            scribe.isakmp(Dress::SA, SEEN_XE, format!("Fill atts in sa vpi_length:{}", octets.len()));
            scribe.isakmp(Dress::SA, SEEN_XE, format!("Fill atts in sa life_in_seconds:{seconds}"));
        }
        None => {}
    }
    scribe.isakmp(Dress::SA, ACCEPTED, format!("Returning Actual lifetime: {lifetime}"));
    scribe.isakmp(Dress::TIMER, ACCEPTED, format!("Started lifetime timer: {lifetime}.\n"));
}

fn id_sent(scribe: &mut Scribe, id: &IdPayload, next: PayloadType) {
    let kind = format!("pre-shared key authentication using id type {}", id.kind);
    if scribe.behaviour.debug.split_id_block {
        scribe.isakmp(Dress::SA, SEEN_XE, "SA is doing ");
        scribe.isakmp(Dress::SA, SEEN_XE, kind);
    } else {
        scribe.isakmp(Dress::SA, Fact::seen("LOG-12x LOG-123"), format!("SA is doing {kind}"));
    }
    id_block(scribe, id, next);
    scribe.isakmp(Dress::SA, SEEN, format!("Total payload length: {}", 8 + id.data.len()));
}

/// The block of an ID payload, whose lines begin with a tab: in IOS-XE three messages \[S:LOG-XE1, LOG-XE2\], before
/// that one \[S:LOG-12x, whose blanks at line ends it has\].
fn id_block(scribe: &mut Scribe, id: &IdPayload, next: PayloadType) {
    let (next, kind) = (u8::from(next), u8::from(id.kind));
    let (protocol, port, length) = (id.protocol, id.port, 8 + id.data.len());
    let (fact, value) = identity(id);
    if scribe.behaviour.debug.split_id_block {
        let head = format!("ID payload \n\tnext-payload : {next}\n\ttype         : {kind}");
        scribe.isakmp(Dress::PAREN, SEEN_XE, head);
        scribe.isakmp(Dress::PAREN, fact, format!("\t{value}"));
        let tail = format!("\tprotocol     : {protocol} \n\tport         : {port} \n\tlength       : {length}");
        scribe.isakmp(Dress::PAREN, SEEN_XE, tail);
    } else {
        let text = format!(
            "ID payload \n\tnext-payload : {next}\n\ttype         : {kind} \n\t{value} \n\tprotocol     : {protocol} \
             \n\tport         : {port} \n\tlength       : {length}"
        );
        scribe.isakmp(Dress::PAREN, fact, text);
    }
}

/// The identity and what it is called: addresses \[S\], names \[R\].
fn identity(id: &IdPayload) -> (Fact, String) {
    let text = || String::from_utf8_lossy(&id.data).escape_debug().to_string();
    match id.kind {
        IdType::Ipv4Address => (SEEN, format!("address      : {}", names::proxy_address(id).0)),
        IdType::Fqdn => (Fact::recalled(""), format!("FQDN name    : {}", text())),
        IdType::UserFqdn => (Fact::recalled(""), format!("USER FQDN    : {}", text())),
        IdType::KeyId => (Fact::recalled(""), format!("group id     : {}", text())),
        _ => (Fact::MODELLED, format!("data         : {}", hex::encode(&id.data))),
    }
}

pub(super) fn authentication_status(scribe: &mut Scribe) {
    let gap = if scribe.behaviour.debug.status_on_one_line { "\t" } else { "\n\t" };
    scribe.isakmp(Dress::SA, SEEN, format!("SA authentication status:{gap}authenticated"));
}

fn authenticated(scribe: &mut Scribe, event: &Event) {
    authentication_status(scribe);
    scribe.isakmp(Dress::SA, SEEN, format!("SA has been authenticated with {}", event.remote.ip()));
    if scribe.initiator() && event.local.port() == 4500 {
        let (peer, sa) = (peer_pointer(scribe.serial()).wrapping_add(0x90), scribe.sa_pointer());
        let text = format!("Setting UDP ENC peer struct 0x{peer:X} sa= 0x{sa:X}");
        scribe.isakmp(Dress::SA, SEEN_XE, text);
    }
}

fn peer_inserted(scribe: &mut Scribe, event: &Event, peer: u64) {
    let (local, remote, port) = (event.local.ip(), event.remote.ip(), event.remote.port());
    let trying = format!("Trying to insert a peer {local}/{remote}/{port}/, ");
    let inserted = format!(" and inserted successfully {:X}.", peer_pointer(peer));
    if scribe.behaviour.debug.split_id_block {
        scribe.isakmp(Dress::PEER_TABLE, SEEN_XE, trying);
        scribe.isakmp(Dress::PEER_TABLE, SEEN_XE, inserted);
    } else {
        scribe.isakmp(Dress::PEER_TABLE, Fact::seen("LOG-12x"), trying + &inserted);
    }
}
