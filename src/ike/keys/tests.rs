//! Known answers: recorded handshakes, vectors of NIST, RUB and hashcat, and RFC 2409 written out step by step.

use std::collections::{BTreeMap, HashMap};

use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::crypto::vectors::{corpus, corpus_path, fixture, fixture_json, octets};
use crate::crypto::{Group, KeyPair};

fn cookie(value: &Value) -> Cookie {
    Cookie(octets(value).try_into().unwrap())
}

fn hash_named(value: &Value) -> Hash {
    match value.as_str().unwrap() {
        "MD5" => Hash::Md5,
        "SHA1" => Hash::Sha1,
        other => panic!("{other}"),
    }
}

/// A phase 1 of the JSON files, its values under RFC 2409's names.
struct PhaseOne {
    values: HashMap<&'static str, Vec<u8>>,
    cky_i: Cookie,
    cky_r: Cookie,
}

impl PhaseOne {
    const NAMES: [&str; 8] = ["Ni_b", "Nr_b", "g^xi", "g^xr", "SAi_b", "IDii_b", "IDir_b", "g^xy"];

    fn new(vector: &Value) -> Self {
        let present = Self::NAMES.iter().filter(|name| vector.get(**name).is_some());
        let values = present.map(|&name| (name, octets(&vector[name]))).collect();
        Self { values, cky_i: cookie(&vector["CKY_I"]), cky_r: cookie(&vector["CKY_R"]) }
    }

    fn get(&self, name: &str) -> &[u8] {
        &self.values[name]
    }

    fn exchange(&self) -> PhaseOneExchange<'_> {
        PhaseOneExchange {
            cky_i: self.cky_i,
            cky_r: self.cky_r,
            g_xi: self.get("g^xi"),
            g_xr: self.get("g^xr"),
            sai_b: self.get("SAi_b"),
        }
    }
}

fn assert_secret(secret: &[u8], expected: &Value, what: &str) {
    assert_eq!(hex::encode(secret), expected.as_str().unwrap(), "{what}");
}

#[test]
fn skeyid_to_keymat_of_the_rub_vectors() {
    for vector in fixture_json("ikev1-skeyid-keymat.json")["vectors"].as_array().unwrap() {
        let phase_one = PhaseOne::new(vector);
        let (ni_b, nr_b) = (phase_one.get("Ni_b"), phase_one.get("Nr_b"));
        let skeyid = SkeyId::pre_shared_key(Hash::Sha1, b"AAAA", ni_b, nr_b);
        let keys = skeyid.derive(phase_one.get("g^xy"), phase_one.cky_i, phase_one.cky_r);
        let key = keys.skeyid_e.encryption_key(Cipher::Aes128).unwrap();
        let iv = key.phase_one_iv(phase_one.get("g^xi"), phase_one.get("g^xr"));
        let derived = &vector["derived"];
        assert_secret(skeyid.secret(), &derived["SKEYID"], "SKEYID");
        assert_secret(keys.skeyid_d.secret(), &derived["SKEYID_d"], "SKEYID_d");
        assert_secret(keys.skeyid_a.secret(), &derived["SKEYID_a"], "SKEYID_a");
        assert_secret(keys.skeyid_e.secret(), &derived["SKEYID_e"], "SKEYID_e");
        assert_secret(key.secret(), &derived["Ka"], "Ka");
        assert_secret(iv.as_bytes(), &derived["IV_phase1"], "IV");
        if let Some(expected) = derived.get("HASH_R") {
            let hash_r = skeyid.hash_r(&phase_one.exchange(), phase_one.get("IDir_b"));
            assert_secret(&hash_r, expected, "HASH_R");
        }
        if let Some(expected) = derived.get("IV_informational_msgid_d8029d42 (chained from IV_phase1)") {
            let informational = key.phase_two_iv(&iv, MessageId(0xd802_9d42));
            assert_secret(informational.as_bytes(), expected, "informational IV");
        }
        if let Some(quick_mode) = vector.get("quick_mode") {
            let (ni_b, nr_b) = (octets(&quick_mode["Ni_b"]), octets(&quick_mode["Nr_b"]));
            for (spi, expected) in quick_mode["KEYMAT"].as_object().unwrap() {
                let exchange = QuickModeExchange {
                    g_qm_xy: None,
                    protocol: ProtocolId::Esp,
                    spi: u32::from_str_radix(spi, 16).unwrap(),
                    ni_b: &ni_b,
                    nr_b: &nr_b,
                };
                assert_secret(&keys.skeyid_d.keymat(&exchange, 36), expected, "KEYMAT");
                let sa = keys.skeyid_d.sa_keys(&exchange, Cipher::Aes128, Some(Hash::Sha1));
                assert_eq!(hex::encode([sa.encryption.as_bytes(), &sa.integrity].concat()), *expected);
                assert_eq!(sa.encryption.len(), 16);
            }
        }
    }
}

/// Replays a recorded handshake from its private values: every derived key, IV, plaintext, HASH and KEYMAT of it.
#[rstest]
#[case::aggressive("aggressive-psk-75cc633d664fd556", 6, 5)]
#[case::main("main-psk-59cedc5dcea558fe", 9, 5)]
#[case::cisco_rsa_encryption("main-rsa-enc-11e79c308ebbd717", 9, 5)]
#[case::cisco_pre_shared_key("main-psk-2c3809ffa77581e2", 7, 3)]
fn recorded_handshakes(#[case] name: &str, #[case] messages: usize, #[case] encrypted: usize) {
    let file = fixture_json("ikev1-recorded-handshakes-keyed.json");
    let handshake = file["handshakes"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap();
    let phase_one = PhaseOne::new(handshake);
    let (cky_i, cky_r) = (phase_one.cky_i, phase_one.cky_r);
    let group = Group::from_number(handshake["dh_group"].as_u64().unwrap().try_into().unwrap()).unwrap();
    let pair = KeyPair::from_private(group, &octets(&handshake["initiator_dh_private_hex"])).unwrap();
    assert_eq!(pair.public(), phase_one.get("g^xi"));
    let g_xy = pair.shared(phase_one.get("g^xr")).unwrap();
    assert_eq!(g_xy.as_bytes(), phase_one.get("g^xy"));

    let (ni_b, nr_b) = (phase_one.get("Ni_b"), phase_one.get("Nr_b"));
    let skeyid = match handshake["psk_ascii"].as_str() {
        Some(psk) => SkeyId::pre_shared_key(Hash::Sha1, psk.as_bytes(), ni_b, nr_b),
        None => SkeyId::public_key_encryption_cisco(Hash::Sha1, ni_b, nr_b, cky_i, cky_r),
    };
    let keys = skeyid.derive(&g_xy, cky_i, cky_r);
    let key = keys.skeyid_e.encryption_key(Cipher::Aes128).unwrap();
    let mut phase_one_iv = key.phase_one_iv(phase_one.get("g^xi"), phase_one.get("g^xr"));
    let hash_i = skeyid.hash_i(&phase_one.exchange(), phase_one.get("IDii_b"));
    let hash_r = skeyid.hash_r(&phase_one.exchange(), phase_one.get("IDir_b"));
    let derived = &handshake["derived"];
    assert_secret(skeyid.secret(), &derived["SKEYID"], "SKEYID");
    assert_secret(keys.skeyid_d.secret(), &derived["SKEYID_d"], "SKEYID_d");
    assert_secret(keys.skeyid_a.secret(), &derived["SKEYID_a"], "SKEYID_a");
    assert_secret(keys.skeyid_e.secret(), &derived["SKEYID_e"], "SKEYID_e");
    assert_secret(key.secret(), &derived["enc_key"], "encryption key");
    assert_secret(phase_one_iv.as_bytes(), &derived["phase1_iv0"], "IV");
    assert_secret(&hash_i, &derived["HASH_I"], "HASH_I");
    assert_secret(&hash_r, &derived["HASH_R"], "HASH_R");

    let mut chains = BTreeMap::new();
    let (mut seen, mut hashes) = (0, 0);
    let mut quick_mode: Vec<(u32, Vec<u8>)> = Vec::new();
    for message in handshake["messages"].as_array().unwrap() {
        seen += 1;
        let octets_of = octets(&message["hex"]);
        let (header, body) = octets_of.split_at(28);
        let message_id = MessageId(u32::from_be_bytes(header[20..24].try_into().unwrap()));
        let mut plain = body.to_vec();
        if header[19] & 1 == 1 && message.get("iv").is_some() {
            let iv = match message_id.0 {
                0 => phase_one_iv.clone(),
                _ => chains.remove(&message_id).unwrap_or_else(|| key.phase_two_iv(&phase_one_iv, message_id)),
            };
            assert_secret(iv.as_bytes(), &message["iv"], "IV of the message");
            let next = key.decrypt(&iv, &mut plain).unwrap();
            assert_secret(&plain, &message["plaintext"], "plaintext");
            assert_secret(next.as_bytes(), &message["next_iv"], "next IV");
            let mut again = plain.clone();
            assert_eq!(key.encrypt(&iv, &mut again).unwrap(), next);
            assert_eq!(again, body);
            match message_id.0 {
                0 => phase_one_iv = next,
                _ => drop(chains.insert(message_id, next)),
            }
            plain.truncate(plain.len() - octets(&message["padding"]).len());
        }
        let payloads = payloads_of(header[16], &plain);
        let Some((_, hash)) = payloads.iter().find(|(payload_type, _)| *payload_type == 8) else { continue };
        let from_initiator = message["from"] == "initiator";
        let exchange_type = header[18];
        let after_hash = &plain[plain.len().min(4 + hash.len())..];
        let nonce = payloads.iter().find(|(payload_type, _)| *payload_type == 10).map(|(_, body)| body.to_vec());
        if let Some(nonce) = nonce.filter(|_| exchange_type == 32) {
            let spi = u32::from_str_radix(message["esp_spi"].as_str().unwrap(), 16).unwrap();
            quick_mode.push((spi, nonce));
        }
        let expected = match (exchange_type, &quick_mode[..]) {
            (2 | 4, _) if from_initiator => hash_i.clone(),
            (2 | 4, _) => hash_r.clone(),
            (5, _) => keys.skeyid_a.hash_informational(message_id, after_hash),
            (32, [_]) => keys.skeyid_a.hash_1(message_id, after_hash),
            (32, [(_, ni_b), _]) if !from_initiator => keys.skeyid_a.hash_2(message_id, ni_b, after_hash),
            (32, [(_, ni_b), (_, nr_b)]) => keys.skeyid_a.hash_3(message_id, ni_b, nr_b),
            other => panic!("{other:?}"),
        };
        assert_eq!(hex::encode(hash), hex::encode(&*expected), "HASH of message {seen}");
        hashes += 1;
        for (side, index) in [("responder", 1), ("initiator", 0)] {
            let Some(expected) = quick_mode
                .get(index)
                .and_then(|(spi, _)| message.get(format!("KEYMAT_inbound_to_{side}(spi={spi:08x})")))
            else {
                continue;
            };
            let exchange = QuickModeExchange {
                g_qm_xy: None,
                protocol: ProtocolId::Esp,
                spi: quick_mode[index].0,
                ni_b: &quick_mode[0].1,
                nr_b: &quick_mode[1].1,
            };
            assert_secret(&keys.skeyid_d.keymat(&exchange, 36), expected, "KEYMAT");
        }
    }
    assert_eq!((seen, hashes), (messages, encrypted));
}

/// Type and body of each payload of a chain.
fn payloads_of(first: u8, octets: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut payload_type, mut rest) = (first, octets);
    let mut payloads = Vec::new();
    while payload_type != 0 {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        payloads.push((payload_type, &rest[4..length]));
        (payload_type, rest) = (rest[0], &rest[length..]);
    }
    payloads
}

#[test]
fn public_key_encryption_by_the_rfc_is_not_ciscos() {
    let (cky_i, cky_r) = (Cookie([1; 8]), Cookie([2; 8]));
    let rfc = SkeyId::public_key_encryption(Hash::Sha1, b"ni", b"nr", cky_i, cky_r);
    assert_ne!(rfc, SkeyId::public_key_encryption_cisco(Hash::Sha1, b"ni", b"nr", cky_i, cky_r));
    let hashed = Hash::Sha1.hmac(&Hash::Sha1.digest(&[b"ninr"]), &[&[1; 8], &[2; 8]]);
    assert_eq!(rfc.secret().as_bytes(), &*hashed);
}

/// HASH_R of real gateways' answers in aggressive mode, whose key is known.
fn aggressive_hashes(file: &Value) -> usize {
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let of = |name: &str| octets(&vector[name]);
        let key = vector["psk_ascii"].as_str().unwrap().as_bytes();
        let skeyid = SkeyId::pre_shared_key(hash_named(&vector["hash"]), key, &of("ni_b"), &of("nr_b"));
        assert_secret(skeyid.secret(), &vector["SKEYID"], "SKEYID");
        let (g_xi, g_xr, sai_b) = (of("g_xi"), of("g_xr"), of("sai_b"));
        let exchange = PhaseOneExchange {
            cky_i: cookie(&vector["cky_i"]),
            cky_r: cookie(&vector["cky_r"]),
            g_xi: &g_xi,
            g_xr: &g_xr,
            sai_b: &sai_b,
        };
        assert_secret(&skeyid.hash_r(&exchange, &of("idir_b")), &vector["hash_r"], "HASH_R");
    }
    vectors.len()
}

#[test]
fn aggressive_mode_hashes() {
    assert_eq!(aggressive_hashes(&fixture_json("ikev1-aggressive-psk-hash-hashcat.json")), 2);
}

#[test]
fn aggressive_mode_hashes_of_gateways() {
    let Some(file) = corpus("vectors/ikev1-aggressive-psk-hash.json") else { return };
    assert_eq!(aggressive_hashes(&file), 4);
}

/// Every case of a CAVS file.
fn cavs(text: &str, skeyid_of: impl Fn(Hash, &HashMap<String, Vec<u8>>, Cookie, Cookie) -> SkeyId) -> usize {
    let (mut hash, mut checked) = (None, 0);
    let mut case = HashMap::new();
    for line in text.lines().map(str::trim) {
        match line {
            "[SHA-1]" => hash = Some(Hash::Sha1),
            "[SHA-256]" => hash = Some(Hash::Sha256),
            "[SHA-384]" => hash = Some(Hash::Sha384),
            "[SHA-512]" => hash = Some(Hash::Sha512),
            _ => {}
        }
        let Some((name, value)) = line.split_once(" = ").filter(|(name, _)| !name.starts_with(['[', '#'])) else {
            continue;
        };
        if name == "COUNT" {
            case.clear();
            continue;
        }
        case.insert(name.to_owned(), hex::decode(value).unwrap());
        if name != "SKEYID_e" {
            continue;
        }
        let cookie = |name: &str| Cookie(case[name].clone().try_into().unwrap());
        let (cky_i, cky_r) = (cookie("CKY_I"), cookie("CKY_R"));
        let skeyid = skeyid_of(hash.unwrap(), &case, cky_i, cky_r);
        let keys = skeyid.derive(&case["g^xy"], cky_i, cky_r);
        assert_eq!(skeyid.secret().as_bytes(), case["SKEYID"]);
        assert_eq!(keys.skeyid_d.secret().as_bytes(), case["SKEYID_d"]);
        assert_eq!(keys.skeyid_a.secret().as_bytes(), case["SKEYID_a"]);
        assert_eq!(keys.skeyid_e.secret().as_bytes(), case["SKEYID_e"]);
        checked += 1;
    }
    checked
}

fn cavs_psk(text: &str) -> usize {
    cavs(text, |hash, case, _, _| SkeyId::pre_shared_key(hash, &case["pre-shared-key"], &case["Ni"], &case["Nr"]))
}

fn cavs_signature(text: &str) -> usize {
    cavs(text, |hash, case, _, _| SkeyId::signature(hash, &case["Ni"], &case["Nr"], &case["g^xy"]))
}

#[test]
fn nist_cavs() {
    assert_eq!(cavs_psk(&fixture("nist-cavs-ikev1-psk.fax")), 102);
    assert_eq!(cavs_signature(&fixture("nist-cavs-ikev1-sig.fax")), 102);
}

#[test]
fn nist_cavs_whole() {
    let Some(path) = corpus_path("vectors/nist-cavs-ikev1-psk.fax") else { return };
    assert_eq!(cavs_psk(&std::fs::read_to_string(&path).unwrap()), 340);
    let signature = path.with_file_name("nist-cavs-ikev1-sig.fax");
    assert_eq!(cavs_signature(&std::fs::read_to_string(signature).unwrap()), 340);
}

/// RFC 2409 Appendix B with its steps written out.
#[rstest]
#[case::sha1_to_3des(Hash::Sha1, Cipher::TripleDes)]
#[case::md5_to_aes256(Hash::Md5, Cipher::Aes256)]
#[case::sha1_to_aes256(Hash::Sha1, Cipher::Aes256)]
fn a_short_skeyid_e_is_expanded(#[case] hash: Hash, #[case] cipher: Cipher) {
    let secret = Secret::new(vec![0x5a; hash.digest_len()]);
    let skeyid_e = SkeyIdE { prf: hash, secret: secret.clone() };
    let k1 = hash.hmac(&secret, &[&[0]]);
    let k2 = hash.hmac(&secret, &[&k1]);
    let ka = [&*k1, &*k2].concat();
    let key = skeyid_e.encryption_key(cipher).unwrap();
    assert_eq!(key.secret().as_bytes(), &ka[..cipher.key_len()]);
    assert_eq!(key.cipher(), cipher);
}

#[test]
fn a_long_skeyid_e_is_cut() {
    let skeyid_e = SkeyIdE { prf: Hash::Sha512, secret: Secret::new((0..64).collect()) };
    let key = skeyid_e.encryption_key(Cipher::TripleDes).unwrap();
    assert_eq!(key.secret().as_bytes(), (0..24).collect::<Vec<u8>>());
    assert!(skeyid_e.encryption_key(Cipher::Aes128Gcm).is_err());
    assert!(skeyid_e.encryption_key(Cipher::Null).is_err());
}

/// RFC 2409 5.5 with its steps written out: PFS stands in front of the protocol, and K(n-1) in front of that.
#[test]
fn keymat_with_pfs_goes_on_past_one_block() {
    let skeyid_d = SkeyIdD { prf: Hash::Sha1, secret: Secret::new(vec![7; 20]) };
    let exchange = QuickModeExchange {
        g_qm_xy: Some(b"g(qm)^xy"),
        protocol: ProtocolId::Esp,
        spi: 0x0102_0304,
        ni_b: b"ni",
        nr_b: b"nr",
    };
    let seed = b"g(qm)^xy\x03\x01\x02\x03\x04ninr";
    let k1 = Hash::Sha1.hmac(&[7; 20], &[seed]);
    let k2 = Hash::Sha1.hmac(&[7; 20], &[&k1, seed]);
    let k3 = Hash::Sha1.hmac(&[7; 20], &[&k2, seed]);
    assert_eq!(skeyid_d.keymat(&exchange, 52).as_bytes(), &[&*k1, &*k2, &k3[..12]].concat());
    let sa = skeyid_d.sa_keys(&exchange, Cipher::Aes256Gcm, None);
    assert_eq!((sa.encryption.len(), sa.integrity.len()), (36, 0));
    let without_pfs = QuickModeExchange { g_qm_xy: None, ..exchange };
    assert_ne!(skeyid_d.keymat(&without_pfs, 20), skeyid_d.keymat(&exchange, 20));
}

#[test]
fn the_chain_takes_the_last_whole_block() {
    let key = SkeyIdE { prf: Hash::Sha1, secret: Secret::new(vec![1; 20]) }.encryption_key(Cipher::Des).unwrap();
    let iv = key.phase_one_iv(b"i", b"r");
    assert_eq!(iv.as_bytes(), &Hash::Sha1.digest(&[b"ir"])[..8]);
    assert_eq!(iv.after(&[9; 24]).as_bytes(), [9; 8]);
    assert_eq!(iv.after(&[]), iv);
    assert!(key.decrypt(&iv, &mut [0; 9]).is_err());
    assert!(!format!("{key:?} {:?}", iv).contains("0101"));
}
