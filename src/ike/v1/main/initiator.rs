//! Main mode as initiator: messages 1, 3 and 5 go out, 2, 4 and 6 are waited for.

use crate::crypto::KeyPair;
use crate::ike::context::Context;
use crate::ike::event::{EventKind, KeyMoment, Phase1Input, Phase1State, Progress, Role};
use crate::ike::io::RequestFailure;
use crate::ike::keys::IvChain;
use crate::ike::nat::Nat;
use crate::ike::policy::IsakmpPolicy;
use crate::ike::proposal::phase1::{self, Agreed};
use crate::ike::v1::association::Association;
use crate::ike::v1::established::Established;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::isakmp_sa::{Reply, State, Transition};
use crate::ike::v1::main::shared::{
    Material, PHASE1, Secrets, detect_nat, floated, look_up_key, own_discovery, own_identity,
};
use crate::ike::v1::message::{Envelope, Incoming, open};
use crate::ike::v1::session::Session;
use crate::ike::vendor::PeerFeatures;
use crate::wire::isakmp::{Body, ExchangeType, NotifyPayload, NotifyType, PayloadType, ProtocolId};

/// Waits for message 2.
#[derive(Debug)]
pub(crate) struct ExpectSa {
    offered: Vec<IsakmpPolicy>,
    sai_b: Vec<u8>,
}

/// Waits for message 4.
#[derive(Debug)]
pub(crate) struct ExpectKe {
    agreed: Agreed,
    sai_b: Vec<u8>,
    pair: KeyPair,
    ni_b: Vec<u8>,
    nat: Nat,
    features: PeerFeatures,
}

/// Waits for message 6.
#[derive(Debug)]
pub(crate) struct ExpectAuth {
    agreed: Agreed,
    secrets: Secrets,
    iv: IvChain,
    nat: Nat,
    features: PeerFeatures,
}

/// Begins the exchange: makes message 1.
pub(crate) fn begin(sa: &mut Association, cx: &mut Context<'_>) -> Result<Transition, RequestFailure> {
    let offered = cx.policy.isakmp_policies(&sa.peer());
    let Some(offer) = phase1::offer(&offered, &cx.shared.personality) else {
        return Err(RequestFailure::NoPolicy);
    };
    if look_up_key(sa, cx, KeyMoment::Initiation).is_none() {
        return Err(RequestFailure::NoPreSharedKey);
    }
    let ids = cx.shared.personality.vendor_ids.main1.clone();
    let vendor_ids = sa.own_vendor_ids(cx, &ids, None);
    let sai_b = offer.to_bytes();
    let octets = Envelope::main(sa.id).clear(std::iter::once(Body::Sa(offer)).chain(vendor_ids).collect());
    sa.moved(cx, Phase1Input::SaRequested(ExchangeType::Main), Phase1State::InitiatorMain(1));
    sa.tell(cx, EventKind::ExchangeStarted(ExchangeType::Main));
    let reply = Some(Reply { octets, timed: true, then: None });
    Ok(Transition { next: State::InitiatorSa(ExpectSa { offered, sai_b }), reply })
}

impl ExpectSa {
    const EXPECTED: &str = "MM2 (SA)";

    /// Takes message 2, makes message 3.
    pub fn handle(
        &self,
        incoming: &Incoming<'_>,
        sa: &mut Association,
        cx: &mut Context<'_>,
    ) -> Result<Transition, Failure> {
        let payloads = incoming.clear(Self::EXPECTED)?;
        if !payloads.has(PayloadType::Sa) {
            return Err(Failure::Unexpected { expected: Self::EXPECTED });
        }
        let answer = payloads.sa()?;
        sa.id.responder = incoming.header().responder_cookie;
        sa.moved(cx, Phase1Input::MessageReceived(ExchangeType::Main), Phase1State::InitiatorMain(2));
        sa.processing(cx, PayloadType::Sa, PHASE1);
        let mut features = PeerFeatures::default();
        sa.vendor_ids(cx, incoming, 2, &mut features);
        look_up_key(sa, cx, KeyMoment::Proposal);
        let agreed = phase1::check_answer(answer, &self.offered, |event| sa.tell(cx, event))
            .map_err(|attribute| Failure::NotOffered { attribute })?;
        sa.moved(cx, Phase1Input::Processed, Phase1State::InitiatorMain(2));

        let nat = Nat { support: features.best_nat(&cx.shared.personality.nat_traversal), ..Nat::default() };
        let forced = cx.policy.settings(&sa.peer()).force_udp;
        let pair = KeyPair::generate(agreed.group, &mut cx.shared.rng);
        let ni_b = cx.shared.nonce();
        let ids = cx.shared.personality.vendor_ids.main3.clone();
        let mut bodies = vec![Body::KeyExchange(pair.public().to_vec()), Body::Nonce(ni_b.clone())];
        bodies.extend(sa.own_vendor_ids(cx, &ids, nat.support));
        bodies.extend(own_discovery(sa, &agreed, &nat, forced));
        sa.progress = Progress::MainSaSetup;
        let octets = Envelope::main(sa.id).clear(bodies);
        let sai_b = self.sai_b.clone();
        let next = State::InitiatorKe(Box::new(ExpectKe { agreed, sai_b, pair, ni_b, nat, features }));
        Ok(Transition { next, reply: Some(Reply { octets, timed: true, then: Some(Phase1State::InitiatorMain(3)) }) })
    }
}

impl ExpectKe {
    const EXPECTED: &str = "MM4 (KE, NONCE)";

    /// Takes message 4, makes message 5.
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
        let (g_xr, nr_b) = (payloads.key_exchange()?.clone(), payloads.nonce()?.clone());
        sa.moved(cx, Phase1Input::MessageReceived(ExchangeType::Main), Phase1State::InitiatorMain(4));
        sa.processing(cx, PayloadType::KeyExchange, PHASE1);
        let g_xy = self.pair.shared(&g_xr)?;
        sa.processing(cx, PayloadType::Nonce, PHASE1);
        let key = look_up_key(sa, cx, KeyMoment::Derivation).ok_or(Failure::NoPreSharedKey)?;
        let g_xi = self.pair.public().to_vec();
        let material = Material { g_xi, g_xr, ni_b: self.ni_b.clone(), nr_b, sai_b: self.sai_b.clone() };
        let secrets = Secrets::derive(sa, cx, &self.agreed, &key, material, &g_xy)?;
        let mut features = self.features.clone();
        sa.vendor_ids(cx, incoming, 4, &mut features);
        let mut nat = self.nat;
        let forced = cx.policy.settings(&sa.peer()).force_udp;
        detect_nat(sa, cx, &self.agreed, &mut nat, forced, payloads)?;
        sa.moved(cx, Phase1Input::Processed, Phase1State::InitiatorMain(4));

        let (octets, iv) = self.authenticate(&secrets, &nat, sa, cx);
        let next = State::InitiatorAuth(Box::new(ExpectAuth { agreed: self.agreed, secrets, iv, nat, features }));
        Ok(Transition { next, reply: Some(Reply { octets, timed: true, then: Some(Phase1State::InitiatorMain(5)) }) })
    }

    /// Makes message 5. From here on the exchange runs on port 4500 where there is a NAT (RFC 3947 4).
    fn authenticate(
        &self,
        secrets: &Secrets,
        nat: &Nat,
        sa: &mut Association,
        cx: &mut Context<'_>,
    ) -> (Vec<u8>, IvChain) {
        let id = own_identity(sa, cx, nat);
        let hash = secrets.hash(sa, Role::Initiator, &id);
        let mut bodies = vec![Body::Id(id.clone()), Body::Hash(hash.to_vec())];
        if cx.shared.personality.initial_contact && first_contact(sa, cx) {
            sa.tell(cx, EventKind::InitialContactSent);
            bodies.push(Body::Notify(NotifyPayload {
                doi: 1,
                protocol: ProtocolId::Isakmp,
                spi: sa.id.to_bytes().to_vec(),
                kind: NotifyType::InitialContact,
                data: Vec::new(),
            }));
        }
        if nat.found() {
            (sa.local, sa.remote) = (floated(sa.local), floated(sa.remote));
            cx.shared.registry.moved(sa.serial, sa.remote);
        }
        sa.progress = Progress::MainKeyExchange;
        let method = self.agreed.authentication;
        sa.tell(cx, EventKind::IdSent { id, next_payload: PayloadType::Hash, method });
        let padding = cx.shared.personality.padding;
        Envelope::main(sa.id).seal(bodies, &secrets.encryption, &secrets.first_iv, padding)
    }
}

/// Whether we hold nothing else with the peer, neither ISAKMP SA nor IPsec SA (RFC 2407 4.6.3.3).
fn first_contact(sa: &Association, cx: &Context<'_>) -> bool {
    let (local, remote) = (*sa.local.ip(), *sa.remote.ip());
    let pairs = cx.shared.pairs.pick(|pair| (pair.sa.local, pair.sa.remote) == (local, remote));
    pairs.is_empty() && !cx.shared.registry.others(sa.serial)
}

impl ExpectAuth {
    /// Takes message 6; phase 1 is complete.
    pub fn handle(
        &self,
        incoming: &Incoming<'_>,
        sa: &mut Association,
        cx: &mut Context<'_>,
    ) -> Result<Transition, Failure> {
        let opened = open(incoming.message, &self.secrets.encryption, &self.iv)?;
        let verified = self.secrets.verify(sa, cx, &self.agreed, Role::Responder, opened.payloads())?;
        let session = Session {
            agreed: self.agreed,
            keys: self.secrets.keys.clone(),
            encryption: self.secrets.encryption.clone(),
            iv: opened.next_iv,
            identity: verified.identity,
            nat: self.nat,
        };
        let received = Phase1Input::MessageReceived(ExchangeType::Main);
        if !verified.accepted {
            sa.moved(cx, received, Phase1State::InitiatorMain(6));
            // For the peer the SA is complete: it must be told.
            session.delete_isakmp(sa, cx);
            return Err(Failure::IdentityRefused);
        }
        sa.tell(cx, EventKind::Authenticated);
        cx.shared.registry.authenticated(sa.serial, &session.identity);
        sa.tell(cx, EventKind::PeerInserted { peer: sa.peer_number });
        sa.moved(cx, received, Phase1State::InitiatorMain(6));
        sa.moved(cx, Phase1Input::Processed, Phase1State::InitiatorMain(6));
        let established = Established::new(session, sa, cx, &self.features, Vec::new());
        Ok(Transition { next: State::Established(Box::new(established)), reply: None })
    }
}

#[cfg(test)]
mod recorded;
