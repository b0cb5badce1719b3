//! What an engine asks its owner. The router answers from its running-config, the gateway from its tunnel.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{OfferedTransform, QuickRefusal};
use super::sa::{Lifetimes, QuickRequest};
use super::selector::Selectors;
use crate::crypto::{Cipher, Group, Hash, Secret};
use crate::wire::isakmp::{AuthenticationMethod, IdPayload, IdType};

/// Whom the engine talks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address and port as they reach us.
    pub remote: SocketAddrV4,
}

impl Peer {
    /// The peer's address.
    pub fn address(&self) -> Ipv4Addr {
        *self.remote.ip()
    }
}

/// One `crypto isakmp policy`, one line of an `ike=` list: what the ISAKMP SA may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IsakmpPolicy {
    /// Its number; lower ones are tried first.
    pub priority: u32,
    /// The encryption.
    pub cipher: Cipher,
    /// The hash.
    pub hash: Hash,
    /// The Diffie-Hellman group.
    pub group: Group,
    /// The authentication method. Only a pre-shared key can be negotiated; others are compared.
    pub authentication: AuthenticationMethod,
    /// The lifetime; `None` is no limit.
    pub lifetime: Option<Duration>,
}

/// An identity of phase 1 (RFC 2407 4.6.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Address(Ipv4Addr),
    /// ID_FQDN.
    Fqdn(String),
    /// ID_USER_FQDN.
    UserFqdn(String),
    /// ID_KEY_ID.
    KeyId(Vec<u8>),
}

impl Identity {
    /// The identity as an ID payload.
    pub fn to_id(&self, protocol: u8, port: u16) -> IdPayload {
        let (kind, data) = match self {
            Self::Address(address) => (IdType::Ipv4Address, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::Fqdn, name.clone().into_bytes()),
            Self::UserFqdn(name) => (IdType::UserFqdn, name.clone().into_bytes()),
            Self::KeyId(octets) => (IdType::KeyId, octets.clone()),
        };
        IdPayload { kind, protocol, port, data }
    }

    /// Reads an ID payload; `None` for other types, wrong lengths and names that are no UTF-8.
    pub fn from_id(id: &IdPayload) -> Option<Self> {
        let text = || String::from_utf8(id.data.clone()).ok();
        match id.kind {
            IdType::Ipv4Address => <[u8; 4]>::try_from(&id.data[..]).ok().map(|octets| Self::Address(octets.into())),
            IdType::Fqdn => text().map(Self::Fqdn),
            IdType::UserFqdn => text().map(Self::UserFqdn),
            IdType::KeyId => Some(Self::KeyId(id.data.clone())),
            _ => None,
        }
    }
}

/// A pre-shared key and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreSharedKey {
    /// The key.
    pub key: Secret,
    /// The keyring it is from; empty for the unnamed one.
    pub keyring: String,
}

/// What an owner says to a peer's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityVerdict {
    /// The peer may be that.
    Accepted {
        /// The profile it selects, if any.
        profile: Option<String>,
    },
    /// It may not.
    Refused,
}

/// How a peer's death is noticed (RFC 3706).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadPeerDetection {
    /// Silence after which R-U-THERE is sent.
    pub idle: Duration,
    /// Time between repeats.
    pub retry: Duration,
    /// Unanswered R-U-THEREs after which the peer is dead.
    pub attempts: u32,
    /// Whether R-U-THERE is sent every `idle`; otherwise only when there was traffic to send since the peer was last heard.
    pub periodic: bool,
}

/// What holds for one peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSettings {
    /// Dead peer detection; `None` answers R-U-THERE but sends none.
    pub dpd: Option<DeadPeerDetection>,
    /// How often a NAT keepalive is sent when we are behind a NAT; `None` is never.
    pub nat_keepalive: Option<Duration>,
    /// Whether NAT traversal is used as though a NAT had been found.
    pub force_udp: bool,
}

/// One alternative of a quick mode offer, for the policy to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickOffer {
    /// Who offers.
    pub peer: Peer,
    /// The traffic: IDcr is local, IDci is remote. The two peers' addresses when the message held no IDs (RFC 2409 5.5).
    pub selectors: Selectors,
    /// Number of the proposal.
    pub proposal: u8,
    /// The transforms of the alternative, one for each protocol of the proposal; an ordinary one has one.
    pub transforms: Vec<OfferedTransform>,
    /// The group of the offered perfect forward secrecy.
    pub pfs: Option<Group>,
    /// Whether ESP will be carried in UDP.
    pub udp: bool,
}

/// How an offer is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickChoice {
    /// The owner's name for what it belongs to, such as a crypto map entry.
    pub entry: String,
    /// The interface the SAs are on, as the owner names it.
    pub interface: String,
    /// The owner's own lifetimes; the shorter of these and the offered ones hold.
    pub lifetimes: Lifetimes,
}

/// The owner of an engine, as the engine sees it.
///
/// Every answer is given at once; an owner that wants to wait answers from what it knows.
pub trait Policy {
    /// Whether a first message of `peer` is looked at; a router without a crypto map on that address does not.
    fn answers(&mut self, peer: &Peer) -> bool {
        let _ = peer;
        true
    }

    /// What the ISAKMP SA with `peer` may be made of, best first. Empty when nothing is to be negotiated with it.
    fn isakmp_policies(&mut self, peer: &Peer) -> Vec<IsakmpPolicy>;

    /// The pre-shared key for `peer`, by its address as the packets carry it (RFC 2409 5.4).
    fn pre_shared_key(&mut self, peer: &Peer) -> Option<PreSharedKey>;

    /// Who we say we are to `peer`.
    fn identity(&mut self, peer: &Peer) -> Identity;

    /// Whether `peer` may be `identity`. Asked before its HASH is checked; a refusal counts only behind that.
    fn judge_identity(&mut self, peer: &Peer, identity: &IdPayload) -> IdentityVerdict;

    /// Judges one alternative of a quick mode offer. The engine asks for one after the other in the order the peer has them
    /// and takes the first that is accepted.
    ///
    /// # Errors
    ///
    /// Why the alternative is refused.
    fn choose(&mut self, offer: &QuickOffer) -> Result<QuickChoice, QuickRefusal>;

    /// What holds for `peer`.
    fn settings(&mut self, peer: &Peer) -> PeerSettings {
        let _ = peer;
        PeerSettings::default()
    }

    /// The request that renews an SA pair we did not ask for, when it is about to expire; `None` leaves it to the peer.
    fn renewal(&mut self, pair: &super::SaPair) -> Option<QuickRequest> {
        let _ = pair;
        None
    }
}
