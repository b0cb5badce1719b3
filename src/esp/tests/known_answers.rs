//! The data path against packets of others: RFC 3602, the GCM draft, captures of FreeS/WAN and Linux.

use std::path::{Path, PathBuf};

use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use super::*;
use crate::crypto::vectors::{corpus_path, fixture_json, octets};
use crate::esp::transform::KeyedTransform;

/// IPv4 packets of a capture of Ethernet frames.
fn packets(path: &Path) -> Vec<Ipv4Packet> {
    let mut reader = create_reader(65536, std::fs::File::open(path).unwrap()).unwrap();
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                let frame = match &block {
                    PcapBlockOwned::Legacy(block) => Some(block.data),
                    PcapBlockOwned::NG(Block::EnhancedPacket(block)) => Some(&block.data[..block.caplen as usize]),
                    _ => None,
                };
                packets.extend(frame.map(|frame| Ipv4Packet::parse(&frame[14..]).unwrap()));
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return packets,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{}: {error:?}", path.display()),
        }
    }
}

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name)
}

/// RFC 3602 4 cases 5 to 8, and a packet with HMAC-SHA1-96: decrypted, and made again byte for byte with the same IV.
#[test]
fn packets_of_rfc_3602() {
    let file = fixture_json("esp-aes-cbc.json");
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let integrity = vector.get("auth").map(|_| Hash::Sha1);
        let transform = Transform::new(Cipher::Aes128, integrity);
        let keys = SaKeys {
            encryption: Secret::new(octets(&vector["enc_key"])),
            integrity: Secret::new(vector.get("auth_key").map(octets).unwrap_or_default()),
        };
        let spi = format!("0x{}", vector["spi"].as_str().unwrap()).parse().unwrap();
        let mut parameters = SaParameters::new(spi, LEFT, RIGHT, transform, keys);
        if vector["mode"] == "transport" {
            parameters.mode = Mode::Transport;
        }
        let mut sa = SecurityAssociation::new(NOW, parameters.clone()).unwrap();
        let packet = octets(&vector["esp_packet"]);
        let opened = sa.decapsulate(NOW, &packet).unwrap();
        assert_eq!(opened.payload, octets(&vector["payload"]), "{}", vector["name"]);
        assert_eq!(u64::from(opened.next_header), vector["next_header"].as_u64().unwrap());
        assert_eq!(u64::from(opened.sequence), vector["seq"].as_u64().unwrap());
        assert_eq!(sa.counters().packets, 1);

        let keyed = KeyedTransform::new(transform, &parameters.keys).unwrap();
        let mut iv = Dictated(octets(&vector["iv"]));
        let again = keyed.seal(spi, opened.sequence.into(), &opened.payload, opened.next_header, &mut iv);
        assert_eq!(hex::encode(again), hex::encode(packet));
    }
}

/// "Random" octets that are known beforehand.
struct Dictated(Vec<u8>);

impl rand::TryRng for Dictated {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("an IV is filled as octets")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("an IV is filled as octets")
    }

    fn try_fill_bytes(&mut self, octets: &mut [u8]) -> Result<(), Self::Error> {
        octets.copy_from_slice(&self.0);
        Ok(())
    }
}

impl rand::TryCryptoRng for Dictated {}

/// A packet of draft-mcgrew-gcm-test-01 with a 32-bit sequence number: IV and salt are not of our making.
#[test]
fn packet_of_the_gcm_draft() {
    let transform = Transform::new(Cipher::Aes128Gcm, None);
    let keyed = KeyedTransform::new(transform, &keys("feffe9928665731c6d6a8f9467308308cafebabe", "")).unwrap();
    let packet = hex::decode(
        "0000a5f80000000afacedbaddecaf888\
         deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642\
         cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a",
    )
    .unwrap();
    let opened = keyed.open(&packet, 10, true).unwrap();
    assert_eq!(
        hex::encode(&opened.payload),
        "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d001000001000000000000\
         03736970096379626572636974790264 6b0000010001"
            .replace(' ', "")
    );
    assert_eq!(opened.next_header, 1);
}

/// Recorded by FreeS/WAN's authors and carried by tcpdump: 3DES with an ICV whose key is not known.
#[test]
fn capture_with_3des() {
    let transform = Transform::new(Cipher::TripleDes, None);
    let keys = keys("4043434545464649494a4a4c4c4f4f515152525454575758", "");
    let (mut sa, _) = pair(SaParameters::new(Spi(0x1234_5678), LEFT, RIGHT, transform, keys));
    let packets = packets(&capture("tcpdump-esp-3des-keyed.pcap"));
    assert_eq!(packets.len(), 8);
    for (packet, sequence) in packets.iter().zip(1..) {
        let (esp, _icv) = packet.payload.split_at(packet.payload.len() - 12);
        let opened = sa.decapsulate(NOW, esp).unwrap();
        let inner = Ipv4Packet::parse(&opened.payload).unwrap();
        assert_eq!(opened.sequence, sequence);
        assert_eq!((inner.source, inner.destination), ([192, 0, 2, 1].into(), [192, 0, 1, 1].into()));
        assert_eq!((inner.protocol, inner.payload.len()), (protocol::ICMP, 64));
        assert_eq!(crate::wire::ipv4::checksum(&[&inner.payload]), 0, "the ping's own checksum");
    }
}

/// One tunnel inside another, from the same source.
#[test]
fn capture_with_esp_in_esp() {
    let transform = Transform::new(Cipher::TripleDes, None);
    let sa = |spi, key| pair(SaParameters::new(Spi(spi), LEFT, RIGHT, transform, keys(key, ""))).0;
    let mut outer = sa(0x1234_5678, "43434545464649494a4a4c4c4f4f51515252545457575840");
    let mut inner = sa(0xabcd_abcd, "434545464649494a4a4c4c4f4f5151525254545757584043");
    for packet in packets(&capture("tcpdump-esp-in-esp-3des-keyed.pcap")) {
        let without_icv = |packet: &Ipv4Packet| packet.payload[..packet.payload.len() - 12].to_vec();
        let between = outer.decapsulate_packet(NOW, &packet, &without_icv(&packet)).unwrap();
        assert_eq!(between.protocol, protocol::ESP);
        let innermost = inner.decapsulate_packet(NOW, &between, &without_icv(&between)).unwrap();
        assert_eq!(innermost.protocol, protocol::ICMP);
        assert_eq!(crate::wire::ipv4::checksum(&[&innermost.payload]), 0, "the ping's own checksum");
    }
    assert_eq!((outer.counters().packets, inner.counters().packets), (8, 8));
}

/// Both directions of a tunnel between Linux hosts, ICVs verified; replayed, each packet is refused.
#[test]
fn capture_with_aes_and_sha1() {
    let Some(path) = corpus_path("captures/wireshark-esp-tunnel-keyed.pcapng") else { return };
    let mut sad = Sad::new();
    for (spi, encryption, integrity) in [
        (0x0708_83c2, "5de1a4c2c72662c9fda7a7c78cd25623", "51c9213c18232f8f26c70c4dee6e0e6d56e31e8a"),
        (0xc254_fe64, "88e1dad7140af03b8d4f3d734d21be4b", "3e00d517c1220d4b7d2950fcc02edd4b6023d278"),
    ] {
        let parameters = SaParameters::new(Spi(spi), LEFT, RIGHT, AES_SHA1, keys(encryption, integrity));
        sad.insert_inbound(SecurityAssociation::new(NOW, parameters).unwrap()).unwrap();
    }
    let packets = packets(&path);
    assert_eq!(packets.len(), 6);
    for packet in &packets {
        let (_, opened) = sad.decapsulate(NOW, &packet.payload).unwrap();
        let inner = Ipv4Packet::parse(&opened.payload).unwrap();
        assert_eq!(inner.protocol, protocol::ICMP);
    }
    for packet in &packets {
        assert!(matches!(sad.decapsulate(NOW, &packet.payload), Err(EspError::Replay { .. })));
    }
}
