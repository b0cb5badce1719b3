//! What both roles of main mode do alike: keys, NAT detection, identities.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::crypto::Digest;
use crate::ike::context::Context;
use crate::ike::event::{EventKind, KeyMoment, KeyName, Role};
use crate::ike::io::{KeyRecord, Output};
use crate::ike::keys::{EncryptionKey, IvChain, PhaseOneExchange, PhaseOneKeys, SkeyId};
use crate::ike::nat::{FLOAT_PORT, Nat, discovery_hash};
use crate::ike::policy::{IdentityVerdict, PreSharedKey};
use crate::ike::proposal::phase1::Agreed;
use crate::ike::v1::association::Association;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::message::Payloads;
use crate::wire::isakmp::{Body, IdPayload, MessageId, PayloadType};

/// Phase 1 has no message id.
pub(crate) const PHASE1: MessageId = MessageId(0);

/// What both peers have put into the exchange.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub g_xi: Vec<u8>,
    pub g_xr: Vec<u8>,
    pub ni_b: Vec<u8>,
    pub nr_b: Vec<u8>,
    /// The body of the initiator's SA payload.
    pub sai_b: Vec<u8>,
}

/// The keys, and what the HASH payloads are made of.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    skeyid: SkeyId,
    material: Material,
    pub keys: PhaseOneKeys,
    pub encryption: EncryptionKey,
    /// The IV of message 5.
    pub first_iv: IvChain,
}

impl Secrets {
    /// Derives the keys; the SA has a connection id from here on.
    pub fn derive(
        sa: &mut Association,
        cx: &mut Context<'_>,
        agreed: &Agreed,
        key: &PreSharedKey,
        material: Material,
        g_xy: &[u8],
    ) -> Result<Self, Failure> {
        let skeyid = SkeyId::pre_shared_key(agreed.hash, &key.key, &material.ni_b, &material.nr_b);
        let keys = skeyid.derive(g_xy, sa.id.initiator, sa.id.responder);
        let encryption = keys
            .skeyid_e
            .encryption_key(agreed.cipher)
            .map_err(|error| Failure::bad_value(format!("the agreed cipher: {error}")))?;
        let first_iv = encryption.phase_one_iv(&material.g_xi, &material.g_xr);
        sa.connection = cx.shared.next_connection();
        sa.tell(cx, EventKind::KeysDerived);
        cx.output(Output::Keys(KeyRecord::Isakmp {
            id: sa.id,
            local: sa.local,
            remote: sa.remote,
            cipher: agreed.cipher,
            hash: agreed.hash,
            key: encryption.secret().clone(),
            iv: first_iv.as_bytes().to_vec(),
        }));
        Ok(Self { skeyid, material, keys, encryption, first_iv })
    }

    /// The HASH by which `role` proves the key.
    pub fn hash(&self, sa: &Association, role: Role, id: &IdPayload) -> Digest {
        let material = &self.material;
        let exchange = PhaseOneExchange {
            cky_i: sa.id.initiator,
            cky_r: sa.id.responder,
            g_xi: &material.g_xi,
            g_xr: &material.g_xr,
            sai_b: &material.sai_b,
        };
        match role {
            Role::Initiator => self.skeyid.hash_i(&exchange, &id.to_bytes()),
            Role::Responder => self.skeyid.hash_r(&exchange, &id.to_bytes()),
        }
    }

    /// Checks the ID and HASH of the peer, which has `role`.
    pub fn verify(
        &self,
        sa: &Association,
        cx: &mut Context<'_>,
        agreed: &Agreed,
        role: Role,
        payloads: Payloads<'_>,
    ) -> Result<Verified, Failure> {
        let (id, hash) = (payloads.id()?, payloads.hash()?);
        sa.processing(cx, PayloadType::Id, PHASE1);
        sa.tell(cx, EventKind::IdReceived { id: id.clone(), next_payload: payloads.behind(PayloadType::Id) });
        let verdict = cx.policy.judge_identity(&sa.peer(), id);
        if let IdentityVerdict::Accepted { profile } = &verdict {
            sa.tell(cx, EventKind::ProfileSelected { profile: profile.clone() });
        }
        sa.processing(cx, PayloadType::Hash, PHASE1);
        if self.hash(sa, role, id) != hash[..] {
            let method = agreed.authentication;
            sa.tell(cx, EventKind::HashMismatch { message_id: PHASE1, method });
            return Err(Failure::HashMismatch);
        }
        sa.tell(cx, EventKind::HashVerified { message_id: PHASE1 });
        let accepted = verdict != IdentityVerdict::Refused;
        if !accepted {
            sa.tell(cx, EventKind::IdentityRefused { id: id.clone() });
        }
        Ok(Verified { identity: id.clone(), accepted })
    }
}

/// A peer that has proved the key.
#[derive(Debug)]
pub(crate) struct Verified {
    /// Who it says it is.
    pub identity: IdPayload,
    /// Whether the owner lets it be that.
    pub accepted: bool,
}

/// Looks the pre-shared key of the peer up by its address.
pub(crate) fn look_up_key(sa: &Association, cx: &mut Context<'_>, moment: KeyMoment) -> Option<PreSharedKey> {
    let key = cx.policy.pre_shared_key(&sa.peer());
    let by = KeyName::Address(*sa.remote.ip());
    let found_in = key.as_ref().map(|key| key.keyring.clone());
    sa.tell(cx, EventKind::KeyLookup { moment, by, found_in });
    key
}

/// The NAT-D payloads of a message of ours: the peer's address first, then our own (RFC 3947 3.2). With `forced` ours is of
/// an address nobody has, so that the peer sees a NAT.
pub(crate) fn own_discovery(sa: &Association, agreed: &Agreed, nat: &Nat, forced: bool) -> Vec<Body> {
    let Some(support) = nat.support else { return Vec::new() };
    let own = if forced { SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0) } else { sa.local };
    [sa.remote, own]
        .map(|endpoint| Body::NatDiscovery {
            kind: support.discovery,
            hash: discovery_hash(agreed.hash, sa.id, endpoint).to_vec(),
        })
        .to_vec()
}

/// Compares the peer's NAT-D payloads with what we see. Fewer than two say nothing.
pub(crate) fn detect_nat(
    sa: &Association,
    cx: &mut Context<'_>,
    agreed: &Agreed,
    nat: &mut Nat,
    forced: bool,
    payloads: Payloads<'_>,
) -> Result<(), Failure> {
    let Some(support) = nat.support else { return Ok(()) };
    let (ours, theirs) = (discovery_hash(agreed.hash, sa.id, sa.local), discovery_hash(agreed.hash, sa.id, sa.remote));
    let (mut count, mut local_matched, mut remote_matched) = (0, false, false);
    for body in payloads.all(support.discovery) {
        let Body::NatDiscovery { kind, hash } = body else { continue };
        if hash.len() != agreed.hash.digest_len() {
            return Err(Failure::bad_value(format!("{kind} of {} octets, expected {}", hash.len(), ours.len())));
        }
        count += 1;
        local_matched |= ours == hash[..];
        remote_matched |= theirs == hash[..];
        sa.tell(cx, EventKind::NatDiscovery { payload: *kind, local_matched, remote_matched });
    }
    if count < 2 {
        nat.support = None;
        return Ok(());
    }
    (nat.local, nat.remote) = (!local_matched || forced, !remote_matched);
    Ok(())
}

/// Our identity as a payload. Its port is another one where there is a NAT.
pub(crate) fn own_identity(sa: &Association, cx: &mut Context<'_>, nat: &Nat) -> IdPayload {
    let identity = cx.policy.identity(&sa.peer());
    let ports = cx.shared.personality.id_port;
    identity.to_id(ports.protocol, if nat.found() { ports.nat_port } else { ports.port })
}

/// Where the exchange goes on once a NAT is found.
pub(crate) fn floated(endpoint: SocketAddrV4) -> SocketAddrV4 {
    SocketAddrV4::new(*endpoint.ip(), FLOAT_PORT)
}
