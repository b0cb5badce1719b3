//! Diffie-Hellman over the MODP groups (RFC 2409 6, RFC 3526).

use std::fmt;
use std::sync::LazyLock;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rand::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{Group, Secret};

/// Why a public or private value cannot be used with a group. Lengths are in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The public value is not as long as the prime (RFC 2409 5: padded with zeros in front).
    #[error("a public value of {group} has {expected} octets, found {found}")]
    Length {
        /// The group.
        group: Group,
        /// The length of its prime.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// The public value is 0, 1, p-1 or beyond the prime, and would make the secret known.
    #[error("the public value is not between 2 and p-2 of {group}")]
    OutOfRange {
        /// The group.
        group: Group,
    },
    /// The private value is empty, zero, or longer than the prime.
    #[error("a private value of {group} is a number of 1 to {limit} octets and not zero")]
    Private {
        /// The group.
        group: Group,
        /// The length of its prime.
        limit: usize,
    },
}

impl Group {
    /// Length in octets of the prime, of every public value and of the shared secret.
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp768 => 96,
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
        }
    }

    /// Bits of a private value: twice the group's strength as RFC 3526 8 estimates it at the higher, at least 256.
    pub const fn private_bits(self) -> u32 {
        match self {
            Self::Modp768 | Self::Modp1024 | Self::Modp1536 => 256,
            Self::Modp2048 => 320,
            Self::Modp3072 | Self::Modp4096 => 512,
        }
    }

    /// The prime, most significant octet first.
    pub fn prime(self) -> &'static [u8] {
        &self.modulus().prime
    }

    /// The constant `c` of the formula that makes the prime of pi (RFC 2409 6.1, 6.2; RFC 3526 2 to 5).
    const fn offset(self) -> u32 {
        match self {
            Self::Modp768 => 149_686,
            Self::Modp1024 => 129_093,
            Self::Modp1536 => 741_804,
            Self::Modp2048 => 124_476,
            Self::Modp3072 => 1_690_314,
            Self::Modp4096 => 240_904,
        }
    }

    fn modulus(self) -> &'static Modulus {
        static MODULI: LazyLock<Vec<Modulus>> =
            LazyLock::new(|| Group::ALL.iter().map(|&group| Modulus::new(group)).collect());
        &MODULI[self as usize]
    }
}

/// A prime, and what exponentiation needs to know of it.
struct Modulus {
    prime: Vec<u8>,
    montgomery: BoxedMontyParams,
}

impl Modulus {
    /// p = 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + c), n the bits of the prime.
    fn new(group: Group) -> Self {
        let len = group.public_len();
        let mut prime = vec![0xff; len];
        let middle = &mut prime[8..len - 8];
        hex::decode_to_slice(&PI.concat()[..2 * middle.len()], middle).expect("PI holds hexadecimal digits");
        // The -1 borrows 2^64 from the middle and leaves ones at the end.
        let mut carry = group.offset() - 1;
        for octet in middle.iter_mut().rev() {
            carry += u32::from(*octet);
            *octet = carry.to_be_bytes()[3];
            carry >>= 8;
        }
        let odd = Odd::new(number(&prime, group)).expect("the prime ends in ones");
        Self { prime, montgomery: BoxedMontyParams::new_vartime(odd) }
    }
}

/// A private value and its public one, g^x with g = 2.
pub struct KeyPair {
    group: Group,
    private: BoxedUint,
    private_bits: u32,
    public: Vec<u8>,
}

impl KeyPair {
    /// A fresh pair; the private value has exactly [`Group::private_bits`] bits.
    pub fn generate(group: Group, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut private = Zeroizing::new(vec![0; group.private_bits() as usize / 8]);
        rng.fill_bytes(&mut private);
        private[0] |= 0x80;
        Self::new(group, &private)
    }

    /// The pair of a private value known beforehand, most significant octet first.
    pub fn from_private(group: Group, private: &[u8]) -> Result<Self, GroupError> {
        let limit = group.public_len();
        if private.len() > limit || private.iter().all(|&octet| octet == 0) {
            return Err(GroupError::Private { group, limit });
        }
        Ok(Self::new(group, private))
    }

    fn new(group: Group, private: &[u8]) -> Self {
        let private_bits = u32::try_from(8 * private.len()).expect("no longer than the prime");
        let mut pair = Self { group, private: number(private, group), private_bits, public: Vec::new() };
        let two = number(&[2], group);
        pair.public = pair.raise(two).as_bytes().to_vec();
        pair
    }

    /// g^xy, as long as the prime. Refuses public values of another length and those that would make it known.
    pub fn shared(&self, peer_public: &[u8]) -> Result<Secret, GroupError> {
        let group = self.group;
        let expected = group.public_len();
        if peer_public.len() != expected {
            return Err(GroupError::Length { group, expected, found: peer_public.len() });
        }
        let (leading, last) = peer_public.split_at(expected - 1);
        let at_most_one = leading.iter().all(|&octet| octet == 0) && last[0] <= 1;
        // The prime is odd, so p-1 differs from it in the last octet only. Octets of one length compare as numbers do.
        let (prime_leading, prime_last) = group.prime().split_at(expected - 1);
        if at_most_one || (leading, last[0]) >= (prime_leading, prime_last[0] - 1) {
            return Err(GroupError::OutOfRange { group });
        }
        Ok(self.raise(number(peer_public, group)))
    }

    /// The group.
    pub fn group(&self) -> Group {
        self.group
    }

    /// g^x, as long as the prime: the body of a KE payload.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    fn raise(&self, base: BoxedUint) -> Secret {
        let base = BoxedMontyForm::new(base, &self.group.modulus().montgomery);
        let mut power = base.pow_bounded_exp(&self.private, self.private_bits).retrieve();
        let octets = power.to_be_bytes().into_vec();
        power.zeroize();
        Secret::new(octets)
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        self.private.zeroize();
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyPair").field("group", &self.group).finish_non_exhaustive()
    }
}

fn number(octets: &[u8], group: Group) -> BoxedUint {
    let bits = 8 * u32::try_from(group.public_len()).expect("512 octets at most");
    BoxedUint::from_be_slice(octets, bits).expect("no longer than the prime")
}

/// The first 3968 bits of pi: floor(2^3966 pi). Every prime of the table is a prefix of them between two runs of ones.
const PI: &[&str] = &[
    "C90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B",
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5",
    "AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD96",
    "1C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E8603",
    "9B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AAAC42D",
    "AD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D7",
    "1E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200CBBE117577A615D6C",
    "770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D788719A10BDBA5B26",
    "99C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D",
    "99B2964FA090C3A2233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA993B4EA988D8FDDC1",
    "86FFB7DC90A6C08F4DF435C934028492",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rstest::rstest;

    use super::*;
    use crate::crypto::vectors::{corpus, octets};

    /// floor(2^bits pi) by Machin's formula in fixed point, limbs of 32 bits, least significant first.
    fn machin_pi(bits: usize) -> Vec<u8> {
        const GUARD: usize = 2;
        let limbs = bits.div_ceil(32) + 1 + GUARD;
        let divide = |number: &mut [u32], divisor: u64| {
            let mut rest = 0;
            for limb in number.iter_mut().rev() {
                let value = rest << 32 | u64::from(*limb);
                *limb = u32::try_from(value / divisor).unwrap();
                rest = value % divisor;
            }
        };
        let add = |sum: &mut [u32], term: &[u32], negative: bool| {
            let mut carry = u64::from(negative);
            for (limb, &other) in sum.iter_mut().zip(term) {
                let other = if negative { !other } else { other };
                carry += u64::from(*limb) + u64::from(other);
                *limb = u32::try_from(carry & 0xffff_ffff).unwrap();
                carry >>= 32;
            }
        };
        let mut pi = vec![0; limbs];
        for (factor, inverse, minus) in [(16, 5, false), (4, 239, true)] {
            let mut power = vec![0; limbs];
            power[limbs - 1] = factor;
            divide(&mut power, inverse);
            let mut odd = 1;
            while power.iter().any(|&limb| limb != 0) {
                let mut term = power.clone();
                divide(&mut term, odd);
                add(&mut pi, &term, minus ^ (odd % 4 == 3));
                divide(&mut power, inverse * inverse);
                odd += 2;
            }
        }
        // The integer part stands in the highest limb; what is wanted begins with its two bits.
        let octets: Vec<u8> = pi.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        (0..(bits + 2) / 8)
            .map(|index| (u16::from_be_bytes([octets[index + 3], octets[index + 4]]) >> 2) as u8)
            .collect()
    }

    #[test]
    fn pi_is_pi() {
        assert_eq!(hex::encode_upper(machin_pi(3966)), PI.concat());
    }

    /// The head and the end of each prime as the RFCs print it.
    #[rstest]
    #[case(Group::Modp768, "E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF")]
    #[case(Group::Modp1024, "AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF")]
    #[case(Group::Modp1536, "670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF")]
    #[case(Group::Modp2048, "15D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF")]
    #[case(
        Group::Modp3072,
        "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"
    )]
    #[case(Group::Modp4096, "86FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF")]
    fn primes_are_those_of_the_rfcs(#[case] group: Group, #[case] end: &str) {
        let prime = hex::encode_upper(group.prime());
        assert!(prime.starts_with("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"), "{prime}");
        assert!(prime.ends_with(end), "{prime}");
        assert_eq!(prime.len(), 2 * group.public_len());
    }

    /// Fermat with base 2 of p and (p-1)/2: a wrong digit anywhere would not survive it.
    #[test]
    fn primes_are_safe_primes() {
        for &group in Group::ALL {
            let prime = number(group.prime(), group);
            for candidate in [prime.clone(), prime.shr_vartime(1).unwrap()] {
                let params = BoxedMontyParams::new_vartime(Odd::new(candidate.clone()).unwrap());
                let power = BoxedMontyForm::new(number(&[2], group), &params).pow(&candidate).retrieve();
                assert_eq!(power, number(&[2], group), "{group}");
            }
        }
    }

    #[test]
    fn key_pairs_of_the_corpus() {
        let Some(file) = corpus("vectors/modp-groups.json") else { return };
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 5);
        for vector in vectors {
            let group = Group::from_number(vector["ike_group"].as_u64().unwrap().try_into().unwrap()).unwrap();
            assert_eq!(group.prime(), octets(&vector["prime"]));
            let pair = |name| KeyPair::from_private(group, &octets(&vector[name])).unwrap();
            let (a, b) = (pair("priv_a"), pair("priv_b"));
            assert_eq!(a.public(), octets(&vector["pub_a"]));
            assert_eq!(b.public(), octets(&vector["pub_b"]));
            assert_eq!(a.shared(b.public()).unwrap().as_bytes(), octets(&vector["shared"]));
            assert_eq!(b.shared(a.public()).unwrap().as_bytes(), octets(&vector["shared"]));
        }
    }

    #[test]
    fn both_sides_agree_and_values_have_the_length_of_the_prime() {
        let mut rng = StdRng::seed_from_u64(1);
        for &group in Group::ALL {
            let (ours, theirs) = (KeyPair::generate(group, &mut rng), KeyPair::generate(group, &mut rng));
            assert_ne!(ours.public(), theirs.public());
            assert_eq!(ours.public().len(), group.public_len());
            let secret = ours.shared(theirs.public()).unwrap();
            assert_eq!(secret, theirs.shared(ours.public()).unwrap());
            assert_eq!(secret.len(), group.public_len());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pair() {
        let pair = |seed| KeyPair::generate(Group::Modp1024, &mut StdRng::seed_from_u64(seed)).public().to_vec();
        assert_eq!(pair(7), pair(7));
        assert_ne!(pair(7), pair(8));
    }

    #[test]
    fn refuses_values_that_make_the_secret_known() {
        let group = Group::Modp1024;
        let pair = KeyPair::from_private(group, &[5]).unwrap();
        let small = |value| [vec![0; 127], vec![value]].concat();
        let below_prime = |by: u8| {
            let mut value = group.prime().to_vec();
            value[127] -= by;
            value
        };
        for bad in [small(0), small(1), below_prime(1), below_prime(0), vec![0xff; 128]] {
            assert_eq!(pair.shared(&bad), Err(GroupError::OutOfRange { group }), "{bad:02x?}");
        }
        assert_eq!(pair.shared(&small(2)).unwrap().as_bytes(), small(32));
        // (p-2)^5 = -32
        let minus_32: Vec<u8> = group.prime()[..127].iter().copied().chain([0xff - 32]).collect();
        assert_eq!(pair.shared(&below_prime(2)).unwrap().as_bytes(), minus_32);
        assert_eq!(pair.shared(&[2]), Err(GroupError::Length { group, expected: 128, found: 1 }));
        assert_eq!(pair.shared(&[9; 129]), Err(GroupError::Length { group, expected: 128, found: 129 }));
    }

    #[test]
    fn refuses_private_values_that_are_none() {
        for bad in [&[][..], &[0, 0], &[1; 97]] {
            let error = KeyPair::from_private(Group::Modp768, bad).unwrap_err();
            assert_eq!(error, GroupError::Private { group: Group::Modp768, limit: 96 });
        }
        let padded = KeyPair::from_private(Group::Modp768, &[0, 0, 3]).unwrap();
        assert_eq!(padded.public()[95], 8);
    }

    proptest! {
        #[test]
        fn any_public_value_gives_a_secret_or_an_error(peer in proptest::collection::vec(any::<u8>(), 90..100)) {
            let pair = KeyPair::from_private(Group::Modp768, &[3]).unwrap();
            let expected_len = peer.len() == 96;
            prop_assert_eq!(!matches!(pair.shared(&peer), Err(GroupError::Length { .. })), expected_len);
        }
    }
}
