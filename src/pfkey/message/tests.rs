//! Messages against the C compiler's layout of Linux's headers, against damage, and against chance.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use proptest::prelude::*;

use super::*;
use crate::crypto::Secret;
use crate::wire::Spi;

/// The messages of `fixtures/pfkey/messages.txt`, which `messages.c` beside it writes.
fn compiled(name: &str) -> Vec<u8> {
    let text = include_str!("../../../fixtures/pfkey/messages.txt");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    hex::decode(line.unwrap()).unwrap()
}

const COMPILED: [&str; 5] = ["add", "getspi", "spdadd", "register", "acquire"];

fn parsed(name: &str) -> Message {
    Message::parse(&compiled(name)).unwrap()
}

#[cfg(target_endian = "little")]
#[test]
fn compiled_messages_come_back() {
    for name in COMPILED {
        assert_eq!(parsed(name).to_bytes(), compiled(name), "{name}");
    }
}

#[cfg(target_endian = "little")]
#[test]
fn compiled_messages_say_what_was_put_in() {
    let add = parsed("add");
    let header = Header { kind: MessageType::Add, errno: 0, sa_type: SaType::Esp, sequence: 0x0102_0304, pid: 4242 };
    assert_eq!(add.header, header);
    let sa = Sa {
        spi: Spi(0x89ab_cdef),
        replay: 4,
        state: SaState::Mature,
        auth: AuthAlgorithm::Sha256Hmac,
        encrypt: EncryptAlgorithm::AesCbc,
        flags: 1,
    };
    assert_eq!(add.sa(), Some(&sa));
    assert_eq!(add.sa2(), Some(&Sa2 { mode: IpsecMode::Tunnel, sequence: 77, reqid: 16385 }));
    assert_eq!(add.source().unwrap().ipv4(), Some(Ipv4Addr::new(192, 0, 2, 10)));
    assert_eq!(add.key_encrypt(), Some(&Key::new(Secret::new(vec![0x11; 16]))));
    assert_eq!(add.key_auth(), Some(&Key::new(Secret::new(vec![0x22; 20]))));
    let soft = Lifetime { allocations: 1, bytes: 1 << 32, add_time: 3600, use_time: 1800 };
    assert_eq!(add.lifetime_soft(), Some(&soft));
    assert_eq!(add.lifetime_hard().unwrap().bytes, 2 << 32);
    assert_eq!((add.nat_t_type(), add.nat_t_source_port()), (Some(&2), Some(&4500)));
    assert_eq!(add.nat_t_destination_port(), Some(&61001));
    assert_eq!(add.nat_t_original_address().unwrap().ipv4(), Some(Ipv4Addr::new(10, 9, 8, 7)));

    assert_eq!(parsed("getspi").spi_range(), Some(&SpiRange { min: 0x100, max: 0xffff_ffff }));

    let spdadd = parsed("spdadd");
    let host = |octets: [u8; 4]| SocketAddr::V4(SocketAddrV4::new(octets.into(), 0));
    let policy = spdadd.policy().unwrap();
    assert_eq!((policy.kind, policy.direction), (PolicyType::Ipsec, Direction::Outbound));
    assert_eq!((policy.id, policy.priority), (9, 0x8000_0000));
    let esp = IpsecRequest {
        protocol: 50,
        mode: IpsecMode::Tunnel,
        level: Level::Unique,
        reqid: 5,
        ends: Some((host([192, 0, 2, 10]), host([198, 51, 100, 1]))),
    };
    let ah = IpsecRequest { protocol: 51, mode: IpsecMode::Transport, level: Level::Require, reqid: 0, ends: None };
    assert_eq!(policy.requests, [esp, ah]);
    let source = spdadd.source().unwrap();
    assert_eq!((source.protocol, source.prefix_len, source.address.port()), (6, 24, 80));

    let Extension::SupportedEncrypt(algorithms) = &parsed("register").extensions[1] else { panic!() };
    assert_eq!(algorithms[0], Algorithm { id: 12, iv_len: 8, min_bits: 128, max_bits: 256 });

    let acquire = parsed("acquire");
    let Extension::Proposal(proposal) = &acquire.extensions[2] else { panic!() };
    let combination = proposal.combinations[0];
    assert_eq!((combination.auth_bits, combination.encrypt_bits), ((160, 161), (128, 256)));
    let hard = Lifetime { allocations: 2, bytes: 4, add_time: 6, use_time: 8 };
    assert_eq!((combination.hard, combination.soft.use_time), (hard, 7));
    let Extension::IdentitySource(identity) = &acquire.extensions[3] else { panic!() };
    assert_eq!((identity.kind, &identity.text[..]), (2, &b"vpn.example.net\0"[..]));
    assert_eq!(acquire.source().unwrap().address.to_string(), "[2001:db8::1%3]:500");
}

#[cfg(target_endian = "little")]
#[test]
fn every_truncation_is_refused() {
    for name in COMPILED {
        let whole = compiled(name);
        for length in 0..whole.len() {
            let error = Message::parse(&whole[..length]).unwrap_err();
            assert_eq!(error.header.is_some(), length >= Header::LEN, "{name} cut to {length}");
            // One whose length field is cut down as well ends inside of an extension, or between two.
            if length >= Header::LEN && length % 8 == 0 {
                let mut shorter = whole[..length].to_vec();
                shorter[4..6].copy_from_slice(&((length / 8) as u16).to_ne_bytes());
                match Message::parse(&shorter) {
                    Ok(message) => assert_eq!(message.to_bytes(), shorter),
                    Err(error) => assert_eq!(error.errno, Errno::Invalid),
                }
            }
        }
    }
}

/// The ADD message with `octets` at `at`.
fn damaged(at: usize, octets: &[u8]) -> Result<Message, MessageError> {
    let mut whole = compiled("add");
    whole[at..at + octets.len()].copy_from_slice(octets);
    Message::parse(&whole)
}

#[cfg(target_endian = "little")]
#[test]
fn damage_is_refused_by_what_it_is() {
    let refused = |at, octets: &[u8]| {
        let error = damaged(at, octets).unwrap_err();
        (error.errno, error.to_string())
    };
    let say = |text: &str| (Errno::Invalid, text.to_owned());
    assert_eq!(refused(0, &[1]), say("version at octet 0: value 1 where 2 was expected"));
    assert_eq!(refused(4, &[9, 0]).0, Errno::MessageSize);
    // The SA extension stands behind the header.
    let zero = "extension length at octet 16: length 0 where 1 or more units of 8 octets was expected";
    assert_eq!(refused(16, &[0, 0]), say(zero));
    assert_eq!(refused(16, &[0xff, 0xff]), say("extension at octet 20: 524276 octets needed, 244 left"));
    assert_eq!(refused(16, &[1, 0]), say("SA > replay window at octet 24: 1 octets needed, 0 left"));
    assert_eq!(refused(16, &[3, 0]), say("SA > end at octet 32: 8 octets left over"));
    assert_eq!(
        refused(18, &[0, 0]),
        say("extension type at octet 16: value 0 where an extension type above 0 was expected")
    );
    // SA2, called SA.
    assert_eq!(refused(34, &[1, 0]), say("extension type at octet 32: value 1 where each extension once was expected"));
    // Protocol, prefix length and family of the source.
    assert_eq!(refused(53, &[33]).0, Errno::Invalid);
    let family = "ADDRESS_SRC > address family at octet 56: value 1 where 2 (IPv4) or 10 (IPv6) was expected";
    assert_eq!(refused(56, &[1, 0]), say(family));
    // Bits of the encryption key: more than there is room for, and so few that octets are left.
    assert_eq!(refused(100, &[0x88, 0]).0, Errno::Invalid);
    assert_eq!(refused(100, &[8, 0]).0, Errno::Invalid);
    // One of a type nobody knows is carried along.
    assert!(damaged(18, &[200, 0]).unwrap().sa().is_none());
}

#[test]
fn what_setkey_leaves_in_reserved_fields_does_no_harm() {
    for (at, name) in [(37, "reserved of SA2"), (54, "reserved of an address"), (64, "sin_zero")] {
        assert_eq!(damaged(at, &[0xcd]).unwrap(), parsed("add"), "{name}");
    }
}

#[test]
fn requests_of_impossible_length_are_refused() {
    let whole = compiled("spdadd");
    // The first request begins behind header and policy.
    for length in [0_u16, 8, 15, 17, 24, 56, 200] {
        let mut damaged = whole.clone();
        damaged[32..34].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(Message::parse(&damaged).unwrap_err().errno, Errno::Invalid, "{length}");
    }
}

fn address() -> impl Strategy<Value = Address> {
    let v4 = (any::<[u8; 4]>(), any::<u16>(), 0..=32_u8)
        .prop_map(|(octets, port, prefix)| (SocketAddr::V4(SocketAddrV4::new(octets.into(), port)), prefix));
    let v6 = (any::<[u8; 16]>(), any::<u16>(), any::<(u32, u32)>(), 0..=128_u8).prop_map(
        |(octets, port, (flow, scope), prefix)| {
            (SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope)), prefix)
        },
    );
    (any::<u8>(), prop_oneof![v4, v6]).prop_map(|(protocol, (address, prefix_len))| Address {
        protocol,
        prefix_len,
        address,
    })
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    any::<(u32, u64, u64, u64)>().prop_map(|(allocations, bytes, add_time, use_time)| Lifetime {
        allocations,
        bytes,
        add_time,
        use_time,
    })
}

fn key() -> impl Strategy<Value = Key> {
    prop::collection::vec(any::<u8>(), 0..80).prop_map(|octets| Key::new(Secret::new(octets)))
}

fn algorithms() -> impl Strategy<Value = Vec<Algorithm>> {
    let algorithm = any::<(u8, u8, u16, u16)>().prop_map(|(id, iv_len, min_bits, max_bits)| Algorithm {
        id,
        iv_len,
        min_bits,
        max_bits,
    });
    prop::collection::vec(algorithm, 0..6)
}

fn request() -> impl Strategy<Value = IpsecRequest> {
    let ends = prop::option::of((address(), any::<[u8; 4]>()).prop_map(|(source, octets)| {
        let other = match source.address {
            SocketAddr::V4(_) => SocketAddr::V4(SocketAddrV4::new(octets.into(), 0)),
            SocketAddr::V6(_) => SocketAddr::V6(SocketAddrV6::new(Ipv4Addr::from(octets).to_ipv6_mapped(), 0, 0, 0)),
        };
        (source.address, other)
    }));
    (any::<(u16, u8, u8, u32)>(), ends).prop_map(|((protocol, mode, level, reqid), ends)| IpsecRequest {
        protocol,
        mode: mode.into(),
        level: level.into(),
        reqid,
        ends,
    })
}

fn extension() -> impl Strategy<Value = Extension> {
    let sa = any::<(u32, u8, u8, u8, u8, u32)>().prop_map(|(spi, replay, state, auth, encrypt, flags)| Sa {
        spi: Spi(spi),
        replay,
        state: state.into(),
        auth: auth.into(),
        encrypt: encrypt.into(),
        flags,
    });
    let sa2 = any::<(u8, u32, u32)>().prop_map(|(mode, sequence, reqid)| Sa2 { mode: mode.into(), sequence, reqid });
    let policy = (any::<(u16, u8, u32, u32)>(), prop::collection::vec(request(), 0..4)).prop_map(
        |((kind, direction, id, priority), requests)| Policy {
            kind: kind.into(),
            direction: direction.into(),
            id,
            priority,
            requests,
        },
    );
    let combination = (any::<(u8, u8, u16)>(), any::<[u16; 4]>(), lifetime(), lifetime()).prop_map(
        |((auth, encrypt, flags), [a, b, c, d], soft, hard)| Combination {
            auth: auth.into(),
            encrypt: encrypt.into(),
            flags,
            auth_bits: (a, b),
            encrypt_bits: (c, d),
            soft,
            hard,
        },
    );
    let proposal = (any::<u8>(), prop::collection::vec(combination, 0..3))
        .prop_map(|(replay, combinations)| Proposal { replay, combinations });
    let identity = (any::<(u16, u64)>(), prop::collection::vec(any::<[u8; 8]>(), 0..4))
        .prop_map(|((kind, id), text)| Identity { kind, id, text: text.concat() });
    let other =
        (prop::sample::select(vec![12_u16, 17, 24, 25, 26, 27, 900]), prop::collection::vec(any::<[u8; 8]>(), 0..4))
            .prop_map(|(kind, octets)| Extension::Other {
                kind: kind.into(),
                octets: [vec![0; 4], octets.concat()].concat(),
            });
    prop_oneof![
        sa.prop_map(Extension::Sa),
        lifetime().prop_map(Extension::LifetimeCurrent),
        lifetime().prop_map(Extension::LifetimeHard),
        lifetime().prop_map(Extension::LifetimeSoft),
        address().prop_map(Extension::Source),
        address().prop_map(Extension::Destination),
        address().prop_map(Extension::Proxy),
        key().prop_map(Extension::KeyAuth),
        key().prop_map(Extension::KeyEncrypt),
        identity.clone().prop_map(Extension::IdentitySource),
        identity.prop_map(Extension::IdentityDestination),
        proposal.prop_map(Extension::Proposal),
        algorithms().prop_map(Extension::SupportedAuth),
        algorithms().prop_map(Extension::SupportedEncrypt),
        any::<(u32, u32)>().prop_map(|(min, max)| Extension::SpiRange(SpiRange { min, max })),
        policy.prop_map(Extension::Policy),
        sa2.prop_map(Extension::Sa2),
        any::<u8>().prop_map(Extension::NatTType),
        any::<u16>().prop_map(Extension::NatTSourcePort),
        any::<u16>().prop_map(Extension::NatTDestinationPort),
        address().prop_map(Extension::NatTOriginalAddress),
        other,
    ]
}

pub(in crate::pfkey) fn any_message() -> impl Strategy<Value = Message> {
    (any::<(u8, u8, u8, u32, u32)>(), prop::collection::vec(extension(), 0..12)).prop_map(
        |((kind, errno, sa_type, sequence, pid), extensions)| {
            let mut seen = BTreeSet::new();
            let extensions = extensions.into_iter().filter(|extension| seen.insert(extension.kind())).collect();
            let header = Header { kind: kind.into(), errno, sa_type: sa_type.into(), sequence, pid };
            Message { header, extensions }
        },
    )
}

proptest! {
    #[test]
    fn emitted_messages_come_back(message in any_message()) {
        let octets = message.to_bytes();
        let back = Message::parse(&octets).unwrap();
        prop_assert_eq!(&back, &message);
        prop_assert_eq!(back.to_bytes(), octets);
    }

    #[test]
    fn damaged_messages_are_refused_or_come_back(
        message in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length: bool,
    ) {
        let mut octets = message.to_bytes();
        for (at, octet) in damage {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        if length {
            let units = (octets.len() / 8) as u16;
            octets[4..6].copy_from_slice(&units.to_ne_bytes());
        }
        if let Ok(message) = Message::parse(&octets) {
            let canonical = message.to_bytes();
            prop_assert_eq!(canonical.len(), octets.len());
            prop_assert_eq!(Message::parse(&canonical).unwrap(), message);
        }
    }

    #[test]
    fn chance_does_not_panic(mut octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Message::parse(&octets);
        if octets.len() >= Header::LEN {
            octets[0] = 2;
            let units = (octets.len() / 8) as u16;
            octets[4..6].copy_from_slice(&units.to_ne_bytes());
            octets.truncate(usize::from(units) * 8);
            if let Ok(message) = Message::parse(&octets) {
                prop_assert_eq!(message.to_bytes().len(), octets.len());
            }
        }
    }
}
