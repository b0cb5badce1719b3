//! Messages of Cisco personalities against the captures of real devices (real-cisco-on-the-wire 3 and 5a).

use std::path::Path;
use std::time::Duration;

use pcap_parser::{LegacyPcapReader, PcapBlockOwned, PcapError, traits::PcapReaderIterator};
use rstest::rstest;

use crate::ike::Personality;
use crate::ike::rig::Pair;
use crate::ios::Release;
use crate::wire::isakmp::{Body, Message, NotifyType, PayloadType as P};

/// The IKE messages of a capture of Ethernet frames with plain IPv4 headers.
fn captured(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = LegacyPcapReader::new(65536, file).unwrap();
    let mut messages = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                if let PcapBlockOwned::Legacy(packet) = block {
                    // Ethernet 14, IPv4 20, UDP 8.
                    messages.push(packet.data[42..].to_vec());
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return messages,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn types(octets: &[u8]) -> Vec<P> {
    let message = Message::parse(octets).unwrap();
    message.payloads().iter().map(|payload| payload.body.payload_type()).collect()
}

fn vendor_ids(octets: &[u8]) -> Vec<Vec<u8>> {
    let message = Message::parse(octets).unwrap();
    let vendor_id = |body: &Body| match body {
        Body::VendorId(octets) => Some(octets.clone()),
        _ => None,
    };
    message.payloads().iter().filter_map(|payload| vendor_id(&payload.body)).collect()
}

/// Two routers like those of the capture: every clear message has the same payloads, vendor IDs and length; message 6 the
/// same length.
#[test]
fn main_mode_between_two_routers() {
    let capture = captured("cisco-ios-ikev1-mainmode-psk.pcap");
    let mut pair = Pair::speaking(Release::V15.personality(), Release::V15.personality(), 1);
    pair.connect();
    pair.assert_pairs(1);
    for (index, real) in capture[..4].iter().enumerate() {
        let ours = &pair.wire[index].octets;
        assert_eq!(types(ours), types(real), "message {}", index + 1);
        assert_eq!(ours.len(), real.len(), "message {}", index + 1);
        for (ours, real) in vendor_ids(ours).iter().zip(vendor_ids(real)) {
            // Of the one that holds the cookie only the length can agree.
            assert!(*ours == real || (ours.len() == 16 && real.len() == 16 && index >= 2), "message {}", index + 1);
        }
    }
    let [Body::Sa(ours), Body::Sa(real)] =
        [&pair.wire[0].octets, &capture[0]].map(|octets| Message::parse(octets).unwrap().payloads()[0].body.clone())
    else {
        panic!("no SA")
    };
    assert_eq!(ours, real, "the SA payload, attribute by attribute");
    assert_eq!(pair.payloads(4), [P::Id, P::Hash, P::Notify]);
    assert_eq!(pair.payloads(5), [P::Id, P::Hash]);
    assert_eq!(pair.wire[4].octets.len(), capture[4].len(), "message 5: a whole block of padding");
    assert_eq!(pair.wire[5].octets.len(), capture[5].len(), "message 6");
    assert_eq!(pair.wire[8].octets.len(), capture[8].len(), "quick mode message 3");
}

/// A peer that sends no vendor IDs and numbers from 0, as the one of the keyed capture: the answers have the same payloads
/// and lengths, an offer too long is cut behind message 6.
#[rstest]
fn main_mode_as_the_csr_answers(#[values(Release::V15, Release::Xe16)] release: Release) {
    let capture = captured("cisco-iosxe-ikev1-mainmode-psk-keyed.pcap");
    let mut bare = Personality::linux();
    bare.vendor_ids = Default::default();
    bare.nat_traversal.clear();
    bare.first_number = 0;
    bare.initial_contact = false;
    bare.nonce_len = 16;
    let mut pair = Pair::speaking(bare, release.personality(), 1);
    pair.a.owner.policies[0].lifetime = Some(Duration::from_secs(28800));
    pair.b.owner.policies[0].lifetime = Some(Duration::from_secs(300));
    pair.connect();
    pair.assert_pairs(1);
    for index in [1, 3] {
        assert_eq!(types(&pair.wire[index].octets), types(&capture[index]), "message {}", index + 1);
        assert_eq!(pair.wire[index].octets.len(), capture[index].len(), "message {}", index + 1);
    }
    let [Body::Sa(ours), Body::Sa(real)] =
        [&pair.wire[1].octets, &capture[1]].map(|octets| Message::parse(octets).unwrap().payloads()[0].body.clone())
    else {
        panic!("no SA")
    };
    assert_eq!(ours, real, "renumbered from 0 to 1, the lifetime as offered");
    let Body::Id(id) = &pair.decrypt(5)[0].body else { panic!("no ID") };
    assert_eq!((id.protocol, id.port), (17, 500));
    assert_eq!(pair.wire[5].octets.len(), capture[5].len());
    let told = pair.decrypt(6);
    let Body::Notify(notify) = &told[1].body else { panic!("{told:?}") };
    assert_eq!(notify.kind, NotifyType::ResponderLifetime);
    assert_eq!(notify.spi.len(), 16);
    assert_eq!(hex::encode(&notify.data), "800b0001800c012c");
    assert_eq!(pair.wire[6].octets.len(), capture[6].len());
}

#[test]
fn an_older_router_speaks_the_draft() {
    let mut pair = Pair::speaking(Release::V12_3T.personality(), Release::V12_3T.personality(), 1);
    pair.network.nat = Some("203.0.113.7".parse().unwrap());
    pair.connect();
    assert_eq!(pair.a.pairs.len(), 1, "{:?}", pair.a.failed);
    assert_eq!(types(&pair.wire[0].octets), [P::Sa, P::VendorId, P::VendorId, P::VendorId]);
    let message = [
        P::KeyExchange,
        P::Nonce,
        P::VendorId,
        P::VendorId,
        P::VendorId,
        P::VendorId,
        P::NatDiscoveryIos,
        P::NatDiscoveryIos,
    ];
    assert_eq!(types(&pair.wire[2].octets), message);
    assert_eq!(types(&pair.wire[3].octets), message);
}

/// The first half of a cookie is the router's and the peer's, the second half the session's
/// (real-cisco-on-the-wire 1 \[S\]).
#[test]
fn half_a_cookie_stays() {
    let cookies = |seed| {
        let mut pair = Pair::speaking(Release::V15.personality(), Release::V15.personality(), seed);
        pair.connect();
        pair.input(true, crate::ike::Input::Clear { peer: None, isakmp: true, ipsec: true });
        pair.run(Duration::from_secs(1));
        pair.connect();
        let own: std::collections::BTreeSet<Vec<u8>> =
            pair.wire.iter().map(|crossed| crossed.octets[..8].to_vec()).collect();
        own.into_iter().collect::<Vec<_>>()
    };
    let [first, second] = &cookies(1)[..] else { panic!("two sessions") };
    assert_eq!(first[..4], second[..4]);
    assert_ne!(first[4..], second[4..]);
    assert_ne!(cookies(2)[0][..4], first[..4]);
}
