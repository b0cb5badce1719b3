//! Vendor IDs: their octets, and what those of a peer announce.

use rand::Rng;
use rand::rngs::StdRng;

use super::event::VendorMeaning;
use super::personality::{NatSupport, NatVersion, Personality, VendorId};
use crate::wire::isakmp::Cookie;

const RFC3947: [u8; 16] = *b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f";
const DRAFT07: [u8; 16] = *b"\x43\x9b\x59\xf8\xba\x67\x6c\x4c\x77\x37\xae\x22\xea\xb8\xf5\x82";
const DRAFT03: [u8; 16] = *b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56";
const DRAFT02_NEWLINE: [u8; 16] = *b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f";
const DRAFT02: [u8; 16] = *b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48";
const UNITY: [u8; 16] = *b"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00";
const DPD: [u8; 16] = *b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00";
const XAUTH: [u8; 8] = *b"\x09\x00\x26\x89\xdf\xd6\xb7\x12";
const FRAGMENTATION: [u8; 16] = *b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3";
/// By which the sender's cookie is masked in the vendor ID of IOS (real-cisco-on-the-wire 1 \[S\]).
const IOS_COOKIE_MASK: [u8; 8] = *b"\xf5\xc7\xa7\x1d\x00\x01\x00\x00";

/// The vendor IDs of NAT traversal.
const NAT: [(NatVersion, [u8; 16], VendorMeaning); 5] = [
    (NatVersion::Rfc3947, RFC3947, VendorMeaning::NatTraversalRfc),
    (NatVersion::Draft07, DRAFT07, VendorMeaning::NatTraversalDraft(7)),
    (NatVersion::Draft03, DRAFT03, VendorMeaning::NatTraversalDraft(3)),
    (NatVersion::Draft02Newline, DRAFT02_NEWLINE, VendorMeaning::NatTraversalDraft(2)),
    (NatVersion::Draft02, DRAFT02, VendorMeaning::NatTraversalDraft(2)),
];

/// What a peer's vendor IDs have announced so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerFeatures {
    /// Kinds of NAT traversal, in the order announced.
    pub nat: Vec<NatVersion>,
    /// Dead peer detection.
    pub dpd: bool,
}

impl PeerFeatures {
    /// Takes note of one vendor ID.
    pub fn note(&mut self, octets: &[u8]) {
        if let Some(version) = nat_version(octets)
            && !self.nat.contains(&version)
        {
            self.nat.push(version);
        }
        self.dpd |= octets == DPD;
    }

    /// The kind of NAT traversal we like best of those the peer speaks too.
    pub fn best_nat(&self, ours: &[NatSupport]) -> Option<NatSupport> {
        ours.iter().copied().find(|support| self.nat.contains(&support.version))
    }
}

/// The octets of the vendor IDs in `ids` that a sender with `own_cookie` puts in a message, and what they announce.
pub(crate) fn to_send(
    ids: &[VendorId],
    own_cookie: Cookie,
    chosen: Option<NatSupport>,
    personality: &Personality,
    rng: &mut StdRng,
) -> Vec<(Vec<u8>, VendorMeaning)> {
    ids.iter()
        .filter_map(|id| match id {
            VendorId::ChosenNatTraversal => chosen.map(|support| nat_octets(support.version)),
            VendorId::NatTraversal(_) if personality.nat_traversal.is_empty() => None,
            VendorId::NatTraversal(version) => Some(nat_octets(*version)),
            VendorId::Unity => Some((UNITY.to_vec(), VendorMeaning::Unity)),
            VendorId::DeadPeerDetection => Some((DPD.to_vec(), VendorMeaning::DeadPeerDetection)),
            VendorId::Xauth => Some((XAUTH.to_vec(), VendorMeaning::Xauth)),
            VendorId::IosCookie => Some((ios_cookie(own_cookie, rng), VendorMeaning::OwnMake)),
            VendorId::Other(octets) => Some((octets.clone(), VendorMeaning::Unknown)),
        })
        .collect()
}

/// What a peer with `peer_cookie` announces by `octets`.
pub(crate) fn meaning(octets: &[u8], peer_cookie: Cookie, personality: &Personality) -> VendorMeaning {
    if let Some((.., meaning)) = NAT.iter().find(|(_, known, _)| known == octets) {
        return *meaning;
    }
    let speaks_ios = [&personality.vendor_ids.main3, &personality.vendor_ids.main4]
        .into_iter()
        .any(|ids| ids.contains(&VendorId::IosCookie));
    if octets == UNITY {
        VendorMeaning::Unity
    } else if octets == DPD {
        VendorMeaning::DeadPeerDetection
    } else if octets == XAUTH {
        VendorMeaning::Xauth
    } else if octets.starts_with(&FRAGMENTATION) {
        VendorMeaning::Fragmentation
    } else if speaks_ios && octets.len() == 16 && octets[..8] == masked(peer_cookie) {
        VendorMeaning::OwnMake
    } else {
        VendorMeaning::Unknown
    }
}

fn nat_version(octets: &[u8]) -> Option<NatVersion> {
    NAT.iter().find(|(_, known, _)| known == octets).map(|(version, ..)| *version)
}

fn nat_octets(version: NatVersion) -> (Vec<u8>, VendorMeaning) {
    let (_, octets, meaning) = NAT.iter().find(|(known, ..)| *known == version).expect("the table holds every version");
    (octets.to_vec(), *meaning)
}

/// The sender's cookie under a mask, then eight octets of which no derivation is known and which no known peer checks \[I\].
fn ios_cookie(own: Cookie, rng: &mut StdRng) -> Vec<u8> {
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&masked(own));
    rng.fill_bytes(&mut octets[8..]);
    octets.to_vec()
}

fn masked(cookie: Cookie) -> [u8; 8] {
    std::array::from_fn(|index| cookie.0[index] ^ IOS_COOKIE_MASK[index])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// real-cisco-on-the-wire 1.
    #[test]
    fn the_cookie_vendor_id_of_real_routers() {
        for (cookie, vid) in [
            ("e47a591fd057587f", "11bdfe02d056587f2c18125972c32401"),
            ("a00b8ef0902bb8ec", "55cc29ed902ab8ec53b1df867c610929"),
            ("2ca4eb67438cfda9", "d9634c7a438dfda970f20bcb0c1ac1c7"),
            ("41e1543e49b37958", "b426f32349b27958a827fee9f3849e8d"),
        ] {
            let cookie = Cookie(octets(cookie));
            let vid: [u8; 16] = octets(vid);
            assert_eq!(ios_cookie(cookie, &mut StdRng::seed_from_u64(1))[..8], vid[..8]);
            let mut personality = Personality::linux();
            assert_eq!(meaning(&vid, cookie, &personality), VendorMeaning::Unknown);
            personality.vendor_ids.main4.push(VendorId::IosCookie);
            assert_eq!(meaning(&vid, cookie, &personality), VendorMeaning::OwnMake);
        }
    }

    #[test]
    fn the_best_nat_traversal_is_ours() {
        let mut features = PeerFeatures::default();
        let ours = [NatSupport::RFC3947, NatSupport::DRAFT07_IOS];
        assert_eq!(features.best_nat(&ours), None);
        features.note(&DRAFT07);
        assert_eq!(features.best_nat(&ours), Some(NatSupport::DRAFT07_IOS));
        features.note(&RFC3947);
        assert_eq!(features.best_nat(&ours), Some(NatSupport::RFC3947));
        assert!(!features.dpd);
        features.note(&DPD);
        assert!(features.dpd);
    }
}
