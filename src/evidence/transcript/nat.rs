//! What the NAT-D payloads of a message say about the path it came (RFC 3947 3.2).

use std::net::{IpAddr, SocketAddr};

use crate::crypto::{Digest, Hash};
use crate::wire::isakmp::{Body, Header, Payload};

/// The NAT-D hashes of both ends as the wire has them: what a payload holds when no NAT lies between.
pub(super) struct NatDiscovery {
    receiver: Digest,
    sender: Digest,
}

impl NatDiscovery {
    /// `HASH(CKY-I | CKY-R | IP | port)` of both ends.
    pub(super) fn new(hash: Hash, header: &Header, source: SocketAddr, destination: SocketAddr) -> Self {
        let of = |end: SocketAddr| {
            let (v4, v6);
            let address: &[u8] = match end.ip() {
                IpAddr::V4(address) => {
                    v4 = address.octets();
                    &v4
                }
                IpAddr::V6(address) => {
                    v6 = address.octets();
                    &v6
                }
            };
            hash.digest(&[&header.initiator_cookie.0, &header.responder_cookie.0, address, &end.port().to_be_bytes()])
        };
        Self { receiver: of(destination), sender: of(source) }
    }

    /// Whose address and port a hash is of.
    pub(super) fn whose(&self, hash: &[u8]) -> &'static str {
        match hash {
            hash if *hash == *self.receiver => "the receiver",
            hash if *hash == *self.sender => "the sender",
            _ => "another address",
        }
    }

    /// Whether the payloads say that a NAT lies in front of the sender and of the receiver: the first is the sender's view of the
    /// receiver, the others are the addresses the sender may have. `None` when there are not enough.
    pub(super) fn found(&self, payloads: &[Payload]) -> Option<(bool, bool)> {
        let mut hashes = payloads.iter().filter_map(|payload| match &payload.body {
            Body::NatDiscovery { hash, .. } => Some(&hash[..]),
            _ => None,
        });
        let first = hashes.next()?;
        let own: Vec<&[u8]> = hashes.collect();
        (!own.is_empty()).then(|| (!own.contains(&&self.sender[..]), *first != self.receiver[..]))
    }
}
