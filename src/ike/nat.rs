//! NAT detection (RFC 3947 3.2).

use std::net::SocketAddrV4;

use super::personality::NatSupport;
use super::sa::IsakmpSaId;
use crate::crypto::{Digest, Hash};

/// The port IKE and ESP move to when there is a NAT.
pub(crate) const FLOAT_PORT: u16 = 4500;

/// What is known of NATs between the peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nat {
    /// The kind of NAT traversal both speak.
    pub support: Option<NatSupport>,
    /// Whether we are behind a NAT.
    pub local: bool,
    /// Whether the peer is behind a NAT.
    pub remote: bool,
}

impl Nat {
    /// Whether there is a NAT that both can traverse.
    pub fn found(&self) -> bool {
        self.support.is_some() && (self.local || self.remote)
    }
}

/// The body of a NAT-D payload: HASH(CKY-I | CKY-R | IP | port).
pub(crate) fn discovery_hash(hash: Hash, id: IsakmpSaId, endpoint: SocketAddrV4) -> Digest {
    hash.digest(&[&id.initiator.0, &id.responder.0, &endpoint.ip().octets(), &endpoint.port().to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::Cookie;

    /// Message 3 of cisco-ios-ikev1-mainmode-psk.pcap: the receiver's address first, then the sender's.
    #[test]
    fn hashes_of_a_real_router() {
        let cookie = |text: &str| Cookie(hex::decode(text).unwrap().try_into().unwrap());
        let id = IsakmpSaId { initiator: cookie("e47a591fd057587f"), responder: cookie("a00b8ef0902bb8ec") };
        for (endpoint, head) in [("192.168.12.2:500", "1574d64c"), ("192.168.12.1:500", "febf462f")] {
            let digest = discovery_hash(Hash::Sha1, id, endpoint.parse().unwrap());
            assert_eq!(hex::encode(&digest[..4]), head);
        }
    }
}
