//! Main mode as responder: messages 1, 3 and 5 are taken, 2, 4 and 6 go out.

use crate::crypto::KeyPair;
use crate::ike::context::Context;
use crate::ike::event::{EventKind, KeyMoment, PairEnd, Phase1Input, Phase1State, Progress, Role};
use crate::ike::keys::IvChain;
use crate::ike::nat::Nat;
use crate::ike::proposal::phase1::{self, Agreed};
use crate::ike::v1::association::Association;
use crate::ike::v1::established::Established;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::informational::told;
use crate::ike::v1::isakmp_sa::{Reply, State, Transition};
use crate::ike::v1::main::shared::{Material, PHASE1, Secrets, detect_nat, look_up_key, own_discovery, own_identity};
use crate::ike::v1::message::{Envelope, Incoming, Payloads, open};
use crate::ike::v1::session::Session;
use crate::ike::vendor::PeerFeatures;
use crate::wire::Spi;
use crate::wire::isakmp::{Body, ExchangeType, IdPayload, NotifyType, PayloadType};

/// Waits for message 3.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    agreed: Agreed,
    sai_b: Vec<u8>,
    nat: Nat,
    features: PeerFeatures,
}

/// Waits for message 5.
#[derive(Debug)]
pub(crate) struct ExpectAuth {
    agreed: Agreed,
    secrets: Secrets,
    nat: Nat,
    features: PeerFeatures,
}

/// Takes message 1, makes message 2.
pub(crate) fn begin(
    incoming: &Incoming<'_>,
    sa: &mut Association,
    cx: &mut Context<'_>,
) -> Result<Transition, Failure> {
    let payloads = incoming.clear("MM1 (SA)")?;
    let offer = payloads.sa()?;
    sa.moved(cx, Phase1Input::MessageReceived(ExchangeType::Main), Phase1State::ResponderMain(1));
    sa.processing(cx, PayloadType::Sa, PHASE1);
    let mut features = PeerFeatures::default();
    sa.vendor_ids(cx, incoming, 1, &mut features);
    let key = look_up_key(sa, cx, KeyMoment::Proposal);
    let policies = cx.policy.isakmp_policies(&sa.peer());
    let personality = cx.shared.personality.clone();
    let chosen = phase1::choose(offer, &policies, key.is_some(), &personality, |event| sa.tell(cx, event));
    let Some(chosen) = chosen else {
        sa.tell(cx, EventKind::NoPolicyAccepted);
        return Err(Failure::NoProposalChosen);
    };
    sa.moved(cx, Phase1Input::Processed, Phase1State::ResponderMain(1));

    let nat = Nat { support: features.best_nat(&personality.nat_traversal), ..Nat::default() };
    let vendor_ids = sa.own_vendor_ids(cx, &personality.vendor_ids.main2, nat.support);
    sa.progress = Progress::MainSaSetup;
    let sai_b = offer.to_bytes();
    let octets = Envelope::main(sa.id).clear(std::iter::once(Body::Sa(chosen.answer)).chain(vendor_ids).collect());
    let next = State::ResponderKe(ExpectKe { agreed: chosen.agreed, sai_b, nat, features });
    let timed = personality.retransmission.responder;
    Ok(Transition { next, reply: Some(Reply { octets, timed, then: Some(Phase1State::ResponderMain(2)) }) })
}

impl ExpectKe {
    const EXPECTED: &str = "MM3 (KE, NONCE)";

    /// Takes message 3, makes message 4.
    pub fn handle(
        &self,
        incoming: &Incoming<'_>,
        sa: &mut Association,
        cx: &mut Context<'_>,
    ) -> Result<Transition, Failure> {
        let payloads = incoming.clear(Self::EXPECTED)?;
        if !payloads.has(PayloadType::KeyExchange) {
            return Err(Failure::Unexpected { expected: Self::EXPECTED });
        }
        let (g_xi, ni_b) = (payloads.key_exchange()?.clone(), payloads.nonce()?.clone());
        sa.moved(cx, Phase1Input::MessageReceived(ExchangeType::Main), Phase1State::ResponderMain(3));
        sa.processing(cx, PayloadType::KeyExchange, PHASE1);
        let pair = KeyPair::generate(self.agreed.group, &mut cx.shared.rng);
        let g_xy = pair.shared(&g_xi)?;
        sa.processing(cx, PayloadType::Nonce, PHASE1);
        let key = look_up_key(sa, cx, KeyMoment::Derivation).ok_or(Failure::NoPreSharedKey)?;
        let nr_b = cx.shared.nonce();
        let g_xr = pair.public().to_vec();
        let material = Material { g_xi, g_xr, ni_b, nr_b, sai_b: self.sai_b.clone() };
        let (ke, nonce) = (Body::KeyExchange(material.g_xr.clone()), Body::Nonce(material.nr_b.clone()));
        let secrets = Secrets::derive(sa, cx, &self.agreed, &key, material, &g_xy)?;
        let mut features = self.features.clone();
        sa.vendor_ids(cx, incoming, 3, &mut features);
        let mut nat = self.nat;
        let forced = cx.policy.settings(&sa.peer()).force_udp;
        detect_nat(sa, cx, &self.agreed, &mut nat, forced, payloads)?;
        sa.moved(cx, Phase1Input::Processed, Phase1State::ResponderMain(3));

        let ids = cx.shared.personality.vendor_ids.main4.clone();
        let mut bodies = vec![ke, nonce];
        bodies.extend(sa.own_vendor_ids(cx, &ids, nat.support));
        bodies.extend(own_discovery(sa, &self.agreed, &nat, forced));
        sa.progress = Progress::MainKeyExchange;
        let octets = Envelope::main(sa.id).clear(bodies);
        let next = State::ResponderAuth(Box::new(ExpectAuth { agreed: self.agreed, secrets, nat, features }));
        let timed = cx.shared.personality.retransmission.responder;
        Ok(Transition { next, reply: Some(Reply { octets, timed, then: Some(Phase1State::ResponderMain(4)) }) })
    }
}

impl ExpectAuth {
    /// Takes message 5, makes message 6; phase 1 is complete.
    pub fn handle(
        &self,
        incoming: &Incoming<'_>,
        sa: &mut Association,
        cx: &mut Context<'_>,
    ) -> Result<Transition, Failure> {
        let opened = open(incoming.message, &self.secrets.encryption, &self.secrets.first_iv)?;
        sa.moved(cx, Phase1Input::MessageReceived(ExchangeType::Main), Phase1State::ResponderMain(5));
        let verified = self.secrets.verify(sa, cx, &self.agreed, Role::Initiator, opened.payloads())?;
        if !verified.accepted {
            return Err(Failure::IdentityRefused);
        }
        let identity = verified.identity;
        let initial_contact = receive_notifies(sa, cx, opened.payloads());
        sa.tell(cx, EventKind::Authenticated);
        cx.shared.registry.authenticated(sa.serial, &identity);
        sa.follow(cx, incoming);
        let stale = if initial_contact { forget_older(sa, cx, &identity) } else { Vec::new() };
        sa.tell(cx, EventKind::PeerInserted { peer: sa.peer_number });
        sa.moved(cx, Phase1Input::Processed, Phase1State::ResponderMain(5));

        let (octets, iv) = self.authenticate(&opened.next_iv, sa, cx);
        let session = Session {
            agreed: self.agreed,
            keys: self.secrets.keys.clone(),
            encryption: self.secrets.encryption.clone(),
            iv,
            identity,
            nat: self.nat,
        };
        let next = State::Established(Box::new(Established::new(session, sa, cx, &self.features, stale)));
        Ok(Transition { next, reply: Some(Reply { octets, timed: false, then: Some(Phase1State::Complete) }) })
    }

    /// Makes message 6.
    fn authenticate(&self, iv: &IvChain, sa: &Association, cx: &mut Context<'_>) -> (Vec<u8>, IvChain) {
        let id = own_identity(sa, cx, &self.nat);
        let hash = self.secrets.hash(sa, Role::Responder, &id);
        let method = self.agreed.authentication;
        sa.tell(cx, EventKind::IdSent { id: id.clone(), next_payload: PayloadType::Hash, method });
        let bodies = vec![Body::Id(id), Body::Hash(hash.to_vec())];
        Envelope::main(sa.id).seal(bodies, &self.secrets.encryption, iv, cx.shared.personality.padding)
    }
}

/// Tells the notifies of message 5; whether INITIAL-CONTACT is one of them.
fn receive_notifies(sa: &Association, cx: &mut Context<'_>, payloads: Payloads<'_>) -> bool {
    let mut initial_contact = false;
    for body in payloads.all(PayloadType::Notify) {
        let Body::Notify(notify) = body else { continue };
        initial_contact |= notify.kind == NotifyType::InitialContact;
        let notify = told(PHASE1, notify);
        sa.tell(cx, EventKind::NotifyReceived { notify, authenticated: true });
    }
    initial_contact
}

/// The peer holds no other SA: ours with it go (RFC 2407 4.6.3.3). Returns the inbound SPIs of the pairs that went.
pub(crate) fn forget_older(sa: &Association, cx: &mut Context<'_>, identity: &IdPayload) -> Vec<Spi> {
    let phase1 = cx.shared.registry.doom_older(sa.serial, identity);
    let (local, remote) = (*sa.local.ip(), *sa.remote.ip());
    let pairs = cx.shared.pairs.pick(|pair| {
        pair.serial < sa.serial
            && (pair.sa.local, pair.sa.remote) == (local, remote)
            && (pair.identity.kind, &pair.identity.data) == (identity.kind, &identity.data)
    });
    sa.tell(cx, EventKind::InitialContactProcessed { phase1, phase2: pairs.len() as u32 });
    for inbound in &pairs {
        cx.remove_pair(*inbound, PairEnd::InitialContact, Some(sa.reference()));
    }
    pairs
}
