//! What the NAT-D payloads of a message say about the path it came (RFC 3947 3.2).

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};

use crate::crypto::{Digest, Hash};
use crate::wire::isakmp::{Body, Cookie, Header, Payload};

/// The NAT-D hashes of both ends as the wire has them: what a payload holds when no NAT lies between. They are made when
/// one is asked for.
pub(super) struct NatDiscovery {
    hash: Hash,
    cookies: [Cookie; 2],
    source: SocketAddr,
    destination: SocketAddr,
    digests: OnceCell<Digests>,
}

struct Digests {
    receiver: Digest,
    sender: Digest,
}

impl NatDiscovery {
    /// `HASH(CKY-I | CKY-R | IP | port)` of both ends.
    pub(super) fn new(hash: Hash, header: &Header, source: SocketAddr, destination: SocketAddr) -> Self {
        let cookies = [header.initiator_cookie, header.responder_cookie];
        Self { hash, cookies, source, destination, digests: OnceCell::new() }
    }

    fn digests(&self) -> &Digests {
        let [initiator, responder] = self.cookies;
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
            self.hash.digest(&[&initiator.0, &responder.0, address, &end.port().to_be_bytes()])
        };
        self.digests.get_or_init(|| Digests { receiver: of(self.destination), sender: of(self.source) })
    }

    /// Whose address and port a hash is of.
    pub(super) fn whose(&self, hash: &[u8]) -> &'static str {
        let Digests { receiver, sender } = self.digests();
        match hash {
            hash if *hash == **receiver => "the receiver",
            hash if *hash == **sender => "the sender",
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
        let Digests { receiver, sender } = self.digests();
        (!own.is_empty()).then(|| (!own.contains(&&sender[..]), *first != receiver[..]))
    }
}
