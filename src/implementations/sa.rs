//! What an implementation believes: its phase 1 and phase 2 SAs, to be compared with the wire and with the router.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crypto::{Cipher, Group, Hash};
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// All SAs of an implementation at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaState {
    /// The ISAKMP SAs.
    pub phase1: Vec<IsakmpSa>,
    /// The pairs of IPsec SAs.
    pub phase2: Vec<IpsecSa>,
}

impl SaState {
    /// Whether a phase 1 SA is established.
    pub fn phase1_established(&self) -> bool {
        self.phase1.iter().any(|sa| sa.state == IsakmpState::Established)
    }

    /// The pairs of IPsec SAs that carry traffic.
    pub fn installed(&self) -> impl Iterator<Item = &IpsecSa> {
        self.phase2.iter().filter(|sa| sa.state == IpsecState::Installed)
    }
}

/// A phase 1 SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpSa {
    /// The implementation's name for the connection.
    pub name: String,
    /// How far it has come.
    pub state: IsakmpState,
    /// Whether the implementation sent the first message.
    pub initiator: bool,
    /// The implementation's end.
    pub local: Endpoint,
    /// The Cisco's end.
    pub remote: Endpoint,
    /// The initiator's cookie and the responder's, zero until it has answered; `None` when the implementation does not tell.
    pub cookies: Option<(Cookie, Cookie)>,
    /// What was agreed on; the parts are `None` until then, or when the implementation does not tell them.
    pub transform: IsakmpTransform,
    /// What NAT detection found.
    pub nat: NatFindings,
    /// How long ago it was established.
    pub age: Option<Duration>,
}

/// How far a phase 1 SA has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsakmpState {
    /// The exchange is under way.
    Connecting,
    /// Both sides are authenticated.
    Established,
    /// It is being replaced.
    Rekeying,
    /// It is being deleted.
    Deleting,
    /// Anything else, in the implementation's own word.
    Other(String),
}

/// One end of a phase 1 SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The outer address.
    pub address: Ipv4Addr,
    /// The UDP port: 500, or 4500 after the float of RFC 3947.
    pub port: u16,
    /// The phase 1 identity as the implementation prints it; `None` while unknown.
    pub identity: Option<String>,
}

/// The transform of a phase 1 SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpTransform {
    /// The encryption.
    pub cipher: Option<Cipher>,
    /// The hash and PRF.
    pub hash: Option<Hash>,
    /// The Diffie-Hellman group.
    pub group: Option<Group>,
}

/// What NAT detection (RFC 3947 3.2) made an implementation believe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatFindings {
    /// It is behind a NAT itself.
    pub local: bool,
    /// The Cisco is behind a NAT.
    pub remote: bool,
    /// It pretended to be, to force UDP encapsulation.
    pub pretended: bool,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpsecSa {
    /// The implementation's name for the pair of selectors.
    pub name: String,
    /// How far the pair has come.
    pub state: IpsecState,
    /// The SPI in packets to the implementation, which it chose.
    pub spi_in: Spi,
    /// The SPI in packets to the Cisco, which that chose.
    pub spi_out: Spi,
    /// The encryption; `None` when the implementation does not tell.
    pub cipher: Option<Cipher>,
    /// The hash of the HMAC; `None` with a GCM.
    pub integrity: Option<Hash>,
    /// The group of the quick mode's own Diffie-Hellman exchange.
    pub pfs: Option<Group>,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Whether ESP goes into UDP (RFC 3948).
    pub udp_encapsulation: bool,
    /// The implementation's selectors, as it prints them.
    pub local: Vec<String>,
    /// The Cisco's selectors, as the implementation prints them.
    pub remote: Vec<String>,
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// How far a pair of IPsec SAs has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpsecState {
    /// Quick mode is under way.
    Negotiating,
    /// It carries traffic.
    Installed,
    /// It is being, or has been, replaced.
    Rekeying,
    /// It is being, or has been, deleted.
    Deleting,
    /// Anything else, in the implementation's own word.
    Other(String),
}

/// The encapsulation mode of an IPsec SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A whole packet inside.
    Tunnel,
    /// The payload of a packet inside.
    Transport,
}

/// What an SA has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Octets, counted as the implementation counts them (charon: the inner packets).
    pub octets: u64,
}
