//! The data path against itself: round trips, refusals, lifetimes, databases.

mod known_answers;

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;

use super::*;
use crate::crypto::{Cipher, Hash, IcvLength, SaKeys, Secret};
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, protocol};

const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const RIGHT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const NOW: Instant = Instant::ZERO;

fn rng() -> StdRng {
    StdRng::seed_from_u64(42)
}

fn keys(encryption: &str, integrity: &str) -> SaKeys {
    let secret = |text| Secret::new(hex::decode(text).unwrap());
    SaKeys { encryption: secret(encryption), integrity: secret(integrity) }
}

/// Keys of the right length for a transform.
fn some_keys(transform: Transform) -> SaKeys {
    let counting = |first: u8, len| Secret::new((first..).take(len).collect());
    SaKeys {
        encryption: counting(1, transform.encryption_key_len()),
        integrity: counting(100, transform.integrity_key_len()),
    }
}

fn parameters(transform: Transform) -> SaParameters {
    SaParameters::new(Spi(0x1000), LEFT, RIGHT, transform, some_keys(transform))
}

/// The same SA at both ends.
fn pair(parameters: SaParameters) -> (SecurityAssociation, SecurityAssociation) {
    let sa = || SecurityAssociation::new(NOW, parameters.clone()).unwrap();
    (sa(), sa())
}

const AES_SHA1: Transform = Transform::new(Cipher::Aes128, Some(Hash::Sha1));

fn ping() -> Ipv4Packet {
    let payload = [&[8, 0, 0xf7, 0xfe, 0, 1, 0, 0][..], &[0xa5; 56]].concat();
    Ipv4Packet::new(protocol::ICMP, Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1), payload)
}

/// Every cipher beside every hash it may have beside it.
fn transforms() -> Vec<Transform> {
    let hashes = || Hash::ALL.iter().copied().map(Some).chain([None]);
    let all = Cipher::ALL.iter().flat_map(|&cipher| hashes().map(move |hash| Transform::new(cipher, hash)));
    let mut all: Vec<_> = all.filter(|it| !it.cipher.is_aead() || it.integrity.is_none()).collect();
    all.push(Transform { icv_length: IcvLength::Bits96, ..Transform::new(Cipher::Aes256, Some(Hash::Sha256)) });
    all
}

proptest! {
    // Each case goes through every transform.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What one end encapsulates comes out at the other, whatever the algorithms, the mode and the length.
    #[test]
    fn what_goes_in_comes_out(length in 0..1500_usize, fill: u8, seed: u64, tunnel: bool, ports in any::<Option<(u16, u16)>>()) {
        let mut rng = StdRng::seed_from_u64(seed);
        for transform in transforms() {
            let mode = if tunnel { Mode::Tunnel } else { Mode::Transport };
            let udp = ports.map(|(source_port, destination_port)| UdpEncapsulation { source_port, destination_port });
            let (mut ours, mut theirs) = pair(SaParameters { mode, udp, ..parameters(transform) });
            let inner = Ipv4Packet { payload: vec![fill; length], ..ping() };
            for sequence in 1..=2 {
                let outer = ours.encapsulate_packet(NOW, &inner, OuterHeader::with_ttl(255), &mut rng).unwrap();
                let esp = &outer.payload[if udp.is_some() { 8 } else { 0 }..];
                let payload = if tunnel { inner.total_length() } else { length };
                prop_assert_eq!(esp.len(), transform.esp_len(payload));
                prop_assert_eq!(outer.total_length(), ours.outer_overhead() + esp.len());
                prop_assert_eq!(u32::from_be_bytes(esp[4..8].try_into().unwrap()), sequence);
                let hidden = transform.cipher == Cipher::Null || length < 16 || !esp.windows(16).any(|it| it == [fill; 16]);
                prop_assert!(hidden, "{} shows the payload", transform);
                prop_assert_eq!(&theirs.decapsulate_packet(NOW, &outer, esp).unwrap(), &inner);
            }
            prop_assert_eq!(ours.counters(), theirs.counters());
        }
    }

    /// Under integrity no changed octet passes, nor a shortened or lengthened packet.
    #[test]
    fn no_change_passes(at: prop::sample::Index, flip in 1..=255_u8, cut in 1..40_usize) {
        for transform in transforms().into_iter().filter(|transform| transform.authenticates()) {
            let (mut ours, mut theirs) = pair(parameters(transform));
            let esp = ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
            let mut changed = esp.clone();
            // The SPI is the SAD's to check, and authenticated too.
            changed[at.index(esp.len())] ^= flip;
            prop_assert!(theirs.decapsulate(NOW, &changed).is_err());
            prop_assert!(theirs.decapsulate(NOW, &esp[..esp.len() - cut]).is_err());
            prop_assert!(theirs.decapsulate(NOW, &[&esp[..], &vec![flip; cut]].concat()).is_err());
            prop_assert_eq!(theirs.window().newest(), 0);
            theirs.decapsulate(NOW, &esp).unwrap();
        }
    }

    #[test]
    fn any_octets_pass_or_fail(octets in prop::collection::vec(any::<u8>(), 0..200), check_padding: bool) {
        for transform in transforms() {
            for mode in [Mode::Tunnel, Mode::Transport] {
                let (mut sa, _) = pair(SaParameters { mode, check_padding, ..parameters(transform) });
                let outcome = sa.decapsulate(NOW, &octets);
                prop_assert!(outcome.is_err() || !transform.authenticates());
                let _ = sa.encapsulate(NOW, &octets, &mut rng());
            }
        }
    }
}

#[test]
fn ivs_of_cbc_are_random_and_those_of_gcm_count() {
    let ivs = |cipher, integrity, seed| {
        let (mut sa, _) = pair(parameters(Transform::new(cipher, integrity)));
        let mut rng = StdRng::seed_from_u64(seed);
        let mut next = || sa.encapsulate(NOW, &ping().to_bytes(), &mut rng).unwrap()[8..16].to_vec();
        [next(), next()]
    };
    assert_eq!(ivs(Cipher::Aes256Gcm, None, 1), [1_u64, 2].map(|number| number.to_be_bytes().to_vec()));
    let [first, second] = ivs(Cipher::TripleDes, Some(Hash::Md5), 1);
    assert_ne!(first, second);
    assert_eq!(ivs(Cipher::TripleDes, Some(Hash::Md5), 1), [first.clone(), second]);
    assert_ne!(ivs(Cipher::TripleDes, Some(Hash::Md5), 2)[0], first);
}

/// The samples of `plaintext mtu` that IOS gave of a path of 1500 octets.
#[rstest]
#[case(Cipher::Aes128, Hash::Sha1, Mode::Tunnel, false, 1438)]
#[case(Cipher::Aes256, Hash::Sha256, Mode::Tunnel, false, 1438)]
#[case(Cipher::Aes256, Hash::Sha1, Mode::Transport, true, 1442)]
fn plaintext_mtu(
    #[case] cipher: Cipher,
    #[case] hash: Hash,
    #[case] mode: Mode,
    #[case] nat: bool,
    #[case] expected: usize,
) {
    let udp = nat.then_some(UdpEncapsulation { source_port: 4500, destination_port: 4500 });
    let (mut sa, _) = pair(SaParameters { mode, udp, ..parameters(Transform::new(cipher, Some(hash))) });
    assert_eq!(sa.plaintext_mtu(1500), Some(expected));
    assert_eq!(sa.plaintext_mtu(20), None);
    let inner = |total: usize| Ipv4Packet { payload: vec![0; total - 20], ..ping() };
    let mut outer = |total| {
        let outer = OuterHeader::with_ttl(64);
        sa.encapsulate_packet(NOW, &inner(total), outer, &mut rng()).unwrap().total_length()
    };
    assert!(outer(expected) <= 1500 && outer(expected + 1) > 1500);
}

#[test]
fn outer_header_of_tunnel_mode() {
    let (mut sa, _) = pair(parameters(AES_SHA1));
    let inner = Ipv4Packet { tos: 0xb8, dont_fragment: true, ..ping() };
    let outer = OuterHeader { identification: 7, ..OuterHeader::with_ttl(255) };
    let packet = sa.encapsulate_packet(NOW, &inner, outer, &mut rng()).unwrap();
    assert_eq!((packet.source, packet.destination, packet.protocol), (LEFT, RIGHT, protocol::ESP));
    assert_eq!((packet.ttl, packet.identification, packet.tos, packet.dont_fragment), (255, 7, 0xb8, true));
    let set = OuterHeader { dont_fragment: DontFragment::Clear, type_of_service: TypeOfService::Set(0), ..outer };
    let packet = sa.encapsulate_packet(NOW, &inner, set, &mut rng()).unwrap();
    assert_eq!((packet.tos, packet.dont_fragment), (0, false));
    let set = OuterHeader { dont_fragment: DontFragment::Set, ..outer };
    assert!(sa.encapsulate_packet(NOW, &ping(), set, &mut rng()).unwrap().dont_fragment);
}

#[test]
fn replay_is_refused_before_the_icv_is_looked_at() {
    let (mut ours, mut theirs) = pair(parameters(AES_SHA1));
    let mut next = || ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
    let (first, second) = (next(), next());
    theirs.decapsulate(NOW, &second).unwrap();
    theirs.decapsulate(NOW, &first).unwrap();
    let mut damaged = first;
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(theirs.decapsulate(NOW, &damaged), Err(EspError::Replay { sequence: 1, newest: 2 }));
    let mut ahead = second;
    ahead[4..8].copy_from_slice(&1000_u32.to_be_bytes());
    assert_eq!(theirs.decapsulate(NOW, &ahead), Err(EspError::IntegrityFailed { sequence: 1000 }));
    assert_eq!(theirs.window().newest(), 2);
    let counters = theirs.counters();
    assert_eq!((counters.packets, counters.replays, counters.integrity_failures), (2, 1, 1));
}

#[test]
fn without_integrity_there_is_no_window() {
    let (mut ours, mut theirs) = pair(parameters(Transform::new(Cipher::Aes128, None)));
    let esp = ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
    assert_eq!(theirs.window().size(), 0);
    theirs.decapsulate(NOW, &esp).unwrap();
    theirs.decapsulate(NOW, &esp).unwrap();
}

#[test]
fn a_wrong_key_without_integrity_makes_rubbish_not_panic() {
    let transform = Transform::new(Cipher::Aes128, None);
    let (mut ours, _) = pair(parameters(transform));
    let other = SaParameters { keys: keys(&"77".repeat(16), ""), ..parameters(transform) };
    let (mut theirs, _) = pair(other);
    for _ in 0..200 {
        let esp = ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
        assert!(theirs.decapsulate(NOW, &esp).is_err());
    }
    assert_eq!(theirs.counters().malformed, 200);
}

#[test]
fn sha256_of_another_length_fails_its_icv() {
    let standard = Transform::new(Cipher::Aes256, Some(Hash::Sha256));
    let (mut ours, _) = pair(parameters(Transform { icv_length: IcvLength::Bits96, ..standard }));
    let (mut theirs, _) = pair(parameters(standard));
    let esp = ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
    assert_eq!(theirs.decapsulate(NOW, &esp), Err(EspError::IntegrityFailed { sequence: 1 }));
}

/// Seals a payload as it is, padding and trailer of another's making included.
fn seal_raw(payload: &[u8]) -> Vec<u8> {
    // With the null cipher the payload stands as it is; four octets of it are replaced by what is wanted.
    let transform = Transform::new(Cipher::Null, Some(Hash::Sha1));
    let header = [&0x1000_u32.to_be_bytes()[..], &1_u32.to_be_bytes(), payload].concat();
    let icv = Hash::Sha1.hmac(&some_keys(transform).integrity, &[&header]);
    [&header[..], &icv[..12]].concat()
}

#[test]
fn padding_is_checked_unless_told_otherwise() {
    let transform = Transform::new(Cipher::Null, Some(Hash::Sha1));
    let inner = ping().to_bytes();
    let zeros = seal_raw(&[&inner[..], &[0, 0, 2, 4]].concat());
    let too_long = seal_raw(&[&inner[..], &[1, 2, 255, 4]].concat());
    let open = |check_padding, esp: &[u8]| {
        let (mut sa, _) = pair(SaParameters { check_padding, ..parameters(transform) });
        sa.decapsulate(NOW, esp).map(|opened| opened.payload)
    };
    let available = inner.len() + 2;
    assert_eq!(open(true, &zeros), Err(EspError::PaddingInvalid { length: 2, available }));
    assert_eq!(open(false, &zeros), Ok(inner));
    for check in [true, false] {
        assert_eq!(open(check, &too_long), Err(EspError::PaddingInvalid { length: 255, available }));
    }
}

#[test]
fn only_ipv4_comes_out_of_a_tunnel() {
    let transform = Transform::new(Cipher::Null, Some(Hash::Sha1));
    let open = |payload: &[u8], next_header: u8| {
        let filled = (payload.len() + 2).next_multiple_of(4) - payload.len() - 2;
        let padding: Vec<u8> = (1..=filled as u8).chain([filled as u8, next_header]).collect();
        let (mut sa, _) = pair(parameters(transform));
        sa.decapsulate(NOW, &seal_raw(&[payload, &padding].concat())).map(|opened| opened.payload)
    };
    let inner = ping().to_bytes();
    assert_eq!(open(&inner, 4), Ok(inner.clone()));
    assert_eq!(open(&inner, 59), Err(EspError::WrongNextHeader { expected: 4, found: 59 }));
    assert_eq!(open(&inner, 41), Err(EspError::WrongNextHeader { expected: 4, found: 41 }));
    for malformed in [&[][..], &[0x45, 0, 0], &[0x60; 40], &inner[..inner.len() - 1], &[0x44; 40]] {
        assert!(matches!(open(malformed, 4), Err(EspError::InnerMalformed(_))), "{malformed:02x?}");
    }
    // Traffic flow confidentiality padding behind the inner packet.
    assert_eq!(open(&[&inner[..], &[0; 100]].concat(), 4), Ok(inner));
}

#[test]
fn the_inner_packet_must_be_one_of_those_negotiated() {
    let selector = Selector::between("10.1.0.0/25".parse().unwrap(), "10.2.0.0/24".parse().unwrap());
    let (mut ours, _) = pair(parameters(AES_SHA1));
    let (mut theirs, _) = pair(SaParameters { selector: Some(selector), ..parameters(AES_SHA1) });
    let mut send = |source: [u8; 4]| {
        let inner = Ipv4Packet { source: source.into(), ..ping() };
        theirs.decapsulate(NOW, &ours.encapsulate(NOW, &inner.to_bytes(), &mut rng()).unwrap())
    };
    assert!(send([10, 1, 0, 1]).is_ok());
    let Err(EspError::SelectorMismatch { flow, .. }) = send([10, 1, 0, 200]) else { panic!() };
    assert_eq!(flow.source, Ipv4Addr::new(10, 1, 0, 200));
    assert_eq!(theirs.counters().selector_mismatches, 1);
}

#[test]
fn too_long_is_refused() {
    let (mut sa, _) = pair(parameters(AES_SHA1));
    assert_eq!(sa.encapsulate(NOW, &[0; 65500], &mut rng()), Err(EspError::TooLong(65560)));
    assert!(sa.encapsulate(NOW, &[0; 65400], &mut rng()).is_ok());
}

#[test]
fn parameters_that_make_no_sa() {
    let refused = |change: &dyn Fn(&mut SaParameters)| {
        let mut parameters = parameters(AES_SHA1);
        change(&mut parameters);
        SecurityAssociation::new(NOW, parameters).unwrap_err().to_string()
    };
    assert_eq!(refused(&|it| it.spi = Spi(255)), "SPI 0xFF is reserved: 0x100 is the first that may be used");
    assert_eq!(refused(&|it| it.transform.cipher = Cipher::Aes256), "aes256 takes 32 octets of key, found 16");
    assert_eq!(refused(&|it| it.transform.integrity = None), "an integrity key of 0 octets was expected, found 20");
    assert_eq!(
        refused(&|it| it.transform.cipher = Cipher::Aes128Gcm),
        "aes128gcm16 takes no integrity algorithm beside it, found sha1"
    );
    assert_eq!(
        refused(&|it| it.transform = Transform::new(Cipher::Aes128Gcm, None)),
        "aes128gcm16 takes 20 octets of key and salt, found 16"
    );
}

#[test]
fn a_moved_peer_gets_the_packets_and_its_port() {
    let udp = UdpEncapsulation { source_port: 4500, destination_port: 4500 };
    let (mut sa, _) = pair(SaParameters { udp: Some(udp), ..parameters(AES_SHA1) });
    sa.move_peer(Ipv4Addr::new(203, 0, 113, 9), Some(UdpEncapsulation { destination_port: 1024, ..udp }));
    let outer = sa.encapsulate_packet(NOW, &ping(), OuterHeader::with_ttl(64), &mut rng()).unwrap();
    assert_eq!((outer.destination, outer.protocol), (Ipv4Addr::new(203, 0, 113, 9), protocol::UDP));
    assert_eq!(outer.payload[2..4], [4, 0]);
}

#[test]
fn lifetime_of_volume() {
    let hard = Limits { bytes: Some(2048), ..Limits::default() };
    let soft = Limits { bytes: Some(1024), ..Limits::default() };
    let (sa, _) = pair(SaParameters { lifetime: Lifetime { soft, hard }, ..parameters(AES_SHA1) });
    let mut sad = Sad::new();
    let id = sad.insert_outbound(sa);
    let packet = Ipv4Packet { payload: vec![0; 492], ..ping() }.to_bytes();
    let send = |sad: &mut Sad| {
        sad.encapsulate(NOW, id, &packet, &mut rng()).unwrap();
        sad.poll_expiry(NOW).map(|expiry| (expiry.severity, expiry.kind))
    };
    assert_eq!(send(&mut sad), None);
    assert_eq!(sad.get(id).unwrap().remaining(NOW).bytes, Some(1536));
    assert_eq!(send(&mut sad), Some((Severity::Soft, LifetimeKind::Bytes)));
    assert_eq!(send(&mut sad), None);
    assert_eq!(sad.get(id).unwrap().remaining(NOW).bytes, Some(512));
    sad.encapsulate(NOW, id, &packet, &mut rng()).unwrap();
    assert_eq!(sad.next_timeout(), Some(Instant::ZERO));
    assert_eq!(sad.poll_expiry(NOW).map(|expiry| expiry.severity), Some(Severity::Hard));
    assert_eq!(sad.next_timeout(), None);
    let refused = sad.encapsulate(NOW, id, &packet, &mut rng());
    assert_eq!(refused, Err(EspError::HardLifetime(LifetimeKind::Bytes)));
    assert_eq!(sad.poll_expiry(NOW), None);
}

#[test]
fn lifetime_of_time() {
    let limits = |seconds| Limits { seconds: Some(seconds), ..Limits::default() };
    let lifetime = Lifetime { soft: limits(3570), hard: limits(3600) };
    let (mut ours, sa) = pair(SaParameters { lifetime, ..parameters(AES_SHA1) });
    let mut sad = Sad::new();
    let id = sad.insert_inbound(sa).unwrap();
    let at = |seconds| NOW + Duration::from_secs(seconds);
    let esp = ours.encapsulate(NOW, &ping().to_bytes(), &mut rng()).unwrap();
    assert_eq!(sad.next_timeout(), Some(at(3570)));
    assert_eq!(sad.poll_expiry(at(3569)), None);
    let soft = sad.poll_expiry(at(3570)).unwrap();
    assert_eq!((soft.id, soft.severity, soft.kind), (id, Severity::Soft, LifetimeKind::Seconds));
    sad.decapsulate(at(3599), &esp).unwrap();
    assert_eq!(sad.get(id).unwrap().remaining(at(3599)), limits(1));
    assert_eq!(sad.next_timeout(), Some(at(3600)));
    assert_eq!(sad.poll_expiry(at(3600)).unwrap().severity, Severity::Hard);
    assert_eq!(sad.decapsulate(at(3600), &esp), Err(EspError::HardLifetime(LifetimeKind::Seconds)));
    assert_eq!((sad.poll_expiry(at(9999)), sad.next_timeout()), (None, None));
    assert!(sad.remove(id).is_some() && sad.is_empty() && sad.remove(id).is_none());
    assert_eq!(sad.decapsulate(at(3600), &esp), Err(EspError::UnknownSpi(Spi(0x1000))));
}

#[test]
fn lifetime_of_use_starts_with_the_first_packet() {
    let at = |seconds| NOW + Duration::from_secs(seconds);
    let hard = Limits { use_seconds: Some(100), packets: Some(3), ..Limits::default() };
    let lifetime = Lifetime { soft: Limits { packets: Some(2), ..Limits::default() }, hard };
    let mut sad = Sad::new();
    let id = sad.insert_outbound(pair(SaParameters { lifetime, ..parameters(AES_SHA1) }).0);
    assert_eq!(sad.next_timeout(), None);
    sad.encapsulate(at(50), id, &ping().to_bytes(), &mut rng()).unwrap();
    assert_eq!(sad.next_timeout(), Some(at(150)));
    assert_eq!(sad.get(id).unwrap().remaining(at(60)), Limits { use_seconds: Some(90), packets: Some(2), ..hard });
    sad.encapsulate(at(60), id, &ping().to_bytes(), &mut rng()).unwrap();
    let soft = sad.poll_expiry(at(60)).unwrap();
    assert_eq!((soft.severity, soft.kind), (Severity::Soft, LifetimeKind::Packets));
    let hard = sad.poll_expiry(at(150)).unwrap();
    assert_eq!((hard.severity, hard.kind), (Severity::Hard, LifetimeKind::UseSeconds));
    assert_eq!((sad.poll_expiry(at(999)), sad.next_timeout()), (None, None));
}

#[test]
fn another_lifetime_counts_from_the_start() {
    let at = |seconds| NOW + Duration::from_secs(seconds);
    let lifetime =
        |seconds| Lifetime { soft: Limits::default(), hard: Limits { seconds: Some(seconds), ..Limits::default() } };
    let mut sad = Sad::new();
    let id = sad.insert_outbound(pair(SaParameters { lifetime: lifetime(100), ..parameters(AES_SHA1) }).0);
    sad.set_lifetime(id, lifetime(200)).unwrap();
    assert_eq!(sad.next_timeout(), Some(at(200)));
    assert_eq!(sad.poll_expiry(at(199)), None);
    assert_eq!(sad.poll_expiry(at(200)).map(|expiry| expiry.severity), Some(Severity::Hard));
    sad.set_lifetime(id, lifetime(300)).unwrap();
    assert_eq!(sad.poll_expiry(at(300)).map(|expiry| expiry.severity), Some(Severity::Hard));
    sad.remove(id).unwrap();
    assert_eq!((sad.next_timeout(), sad.set_lifetime(id, lifetime(1))), (None, Err(EspError::NoSuchSa)));
}

#[test]
fn a_late_poll_tells_the_soft_end_before_the_hard_one() {
    let limits = |seconds| Limits { seconds: Some(seconds), ..Limits::default() };
    let lifetime = Lifetime { soft: limits(10), hard: limits(20) };
    let mut sad = Sad::new();
    let id = sad.insert_outbound(pair(SaParameters { lifetime, ..parameters(AES_SHA1) }).0);
    let late = NOW + Duration::from_secs(100);
    let told: Vec<_> = std::iter::from_fn(|| sad.poll_expiry(late)).map(|expiry| expiry.severity).collect();
    assert_eq!(told, [Severity::Soft, Severity::Hard]);
    sad.remove(id);
    assert_eq!(sad.next_timeout(), None);
}

#[test]
fn spis_are_unique_among_inbound_sas_only() {
    let mut sad = Sad::new();
    let sa = || pair(parameters(AES_SHA1)).0;
    let first = sad.insert_inbound(sa()).unwrap();
    assert_eq!(sad.insert_inbound(sa()), Err(SaError::SpiInUse(Spi(0x1000))));
    let outbound = [sad.insert_outbound(sa()), sad.insert_outbound(sa())];
    assert_eq!(sad.len(), 3);
    assert_eq!(sad.inbound(Spi(0x1000)), Some(first));
    sad.remove(outbound[0]);
    assert_eq!(sad.inbound(Spi(0x1000)), Some(first));
    let directions: Vec<_> = sad.iter().map(|(id, inbound, _)| (id, inbound)).collect();
    assert_eq!(directions, [(first, true), (outbound[1], false)]);

    // The same seed draws the same SPI twice, and the second must be another one.
    let spi = sad.reserve_spi(&mut rng());
    assert_ne!(sad.reserve_spi(&mut rng()), spi);
    sad.release_spi(spi);
    assert_eq!(sad.reserve_spi(&mut rng()), spi);
    assert_eq!(sad.decapsulate(NOW, &[1, 2, 3]), Err(EspError::TooShort { expected: 8, found: 3 }));
    assert_eq!(sad.encapsulate(NOW, outbound[0], &[], &mut rng()), Err(EspError::NoSuchSa));
}

#[test]
fn twenty_thousand_sas() {
    let mut sad = Sad::new();
    let mut rng = rng();
    let limits = |seconds| Limits { seconds: Some(seconds), ..Limits::default() };
    let mut peers = Vec::new();
    for number in 0..20_000 {
        let spi = sad.reserve_spi(&mut rng);
        let lifetime = Lifetime { soft: limits(1000 + number), hard: limits(50_000) };
        let parameters = SaParameters { spi, lifetime, ..parameters(AES_SHA1) };
        peers.push(SecurityAssociation::new(NOW, parameters.clone()).unwrap());
        sad.insert_inbound(SecurityAssociation::new(NOW, parameters).unwrap()).unwrap();
    }
    for peer in &mut peers {
        let esp = peer.encapsulate(NOW, &ping().to_bytes(), &mut rng).unwrap();
        let (id, _) = sad.decapsulate(NOW, &esp).unwrap();
        assert_eq!(sad.get(id).unwrap().spi(), peer.spi());
    }
    let halfway = NOW + Duration::from_secs(10_999);
    assert_eq!(std::iter::from_fn(|| sad.poll_expiry(halfway)).count(), 10_000);
    assert_eq!(sad.next_timeout(), Some(NOW + Duration::from_secs(11_000)));
}

#[test]
fn values_that_events_store_come_back() {
    let parameters = SaParameters { selector: Some(Selector::ANY), ..parameters(AES_SHA1) };
    let text = serde_json::to_string(&parameters).unwrap();
    assert_eq!(serde_json::from_str::<SaParameters>(&text).unwrap(), parameters);
    let error = EspError::SelectorMismatch { flow: Flow::of(&ping()), selector: Selector::ANY };
    let text = serde_json::to_string(&error).unwrap();
    assert_eq!(serde_json::from_str::<EspError>(&text).unwrap(), error);
    assert_eq!(
        error.to_string(),
        "the packet 10.1.0.1 -> 10.2.0.1 protocol 1 is outside of the selectors 0.0.0.0/0 -> 0.0.0.0/0"
    );
}
