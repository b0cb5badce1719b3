//! Secrets and tables of keys, with handshakes whose secrets are known: those of real Cisco responders among them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Decoded, decode, fixture, transcript};

const CISCO: &str = "cisco-iosxe-ikev1-mainmode-psk-keyed.pcap";
const AGGRESSIVE: &str = "strongswan-ikev1-aggressive-psk-keyed.pcap";

fn octets(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

/// A secret of a recorded handshake.
fn secret(handshake: &str, field: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/ikev1-recorded-handshakes-keyed.json");
    let vectors: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let handshakes = vectors["handshakes"].as_array().unwrap();
    let found = handshakes.iter().find(|found| found["name"] == handshake).unwrap();
    found[field].as_str().unwrap().to_owned()
}

#[test]
fn a_psk_and_what_diffie_hellman_gave_open_main_mode_of_a_cisco_router() {
    let handshake = "main-psk-2c3809ffa77581e2";
    let (psk, private) = (secret(handshake, "psk_ascii"), secret(handshake, "initiator_dh_private_hex"));
    let shared = secret(handshake, "g^xy");
    let opened = transcript(&octets(CISCO), &["--psk", &psk, "--dh-secret", &shared]);
    insta::assert_snapshot!(opened);
    assert_eq!(transcript(&octets(CISCO), &["--psk", &psk, "--dh-private", &private]), opened);
    let hexadecimal = format!("0x{}", hex::encode(&psk));
    assert_eq!(transcript(&octets(CISCO), &["--psk", &hexadecimal, "--dh-secret", &format!("0x{shared}")]), opened);
    // The right one is found among others, each with each.
    let others =
        ["--psk", "wrong", "--psk", &psk, "--dh-secret", "00ff", "--dh-private", "1234", "--dh-private", &private];
    assert!(transcript(&octets(CISCO), &others).contains("HASH_R is right for the pre-shared key"));
    // Wireshark's table has the key itself, which says nothing about the pre-shared one.
    let folder = fixture("wireshark");
    let by_table = transcript(&octets(CISCO), &["--keys", folder.to_str().unwrap()]);
    let without_checks: String =
        opened.lines().filter(|line| !line.contains("= HASH_")).map(|line| format!("{line}\n")).collect();
    assert_eq!(by_table, without_checks);
}

#[test]
fn a_wrong_secret_opens_nothing() {
    let handshake = "main-psk-2c3809ffa77581e2";
    let shared = secret(handshake, "g^xy");
    let sealed = transcript(&octets(CISCO), &[]);
    assert_eq!(transcript(&octets(CISCO), &["--psk", "BBBB", "--dh-secret", &shared]), sealed);
    let other = secret("main-psk-59cedc5dcea558fe", "g^xy");
    assert_eq!(transcript(&octets(CISCO), &["--psk", "AAAA", "--dh-secret", &other]), sealed);
    assert!(sealed.contains("main-mode-5 10.0.3.1 > 10.0.3.2 encrypted, "), "{sealed}");
}

#[test]
fn a_psk_alone_checks_the_hashes_of_aggressive_mode() {
    let with = |psk: &str| decode(&octets(AGGRESSIVE), &["--psk", psk]).transcript;
    let right = with("AAAA");
    assert!(right.contains("= HASH_R is right for the pre-shared key"), "{right}");
    assert!(right.contains("= HASH_I is right for the pre-shared key"), "{right}");
    let wrong = with("BBBB");
    assert!(wrong.contains("= HASH_R is not of the pre-shared key given"), "{wrong}");
    let unknown = transcript(&octets(AGGRESSIVE), &[]);
    assert!(!unknown.contains("pre-shared key given") && !unknown.contains("is right"), "{unknown}");
}

#[test]
fn a_psk_alone_opens_nothing_and_it_is_said_why() {
    let Decoded { status, said, .. } = decode(&octets(CISCO), &["--psk", "AAAA"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!(said, @"note: messages stay encrypted: a pre-shared key alone cannot decrypt them; give --dh-secret or --dh-private as well, or the keys themselves (--keys)");
}

#[test]
fn what_is_no_key_is_refused_where_it_stands() {
    let folder = folder("no-key");
    let table = folder.join("ikev1_decryption_table");
    fs::write(&table, "2c3809ffa77581e2,04077516115b527b6435c3831576ded1\n2c3809ffa77581e2,no-key\n").unwrap();
    let refused = |arguments: &[&str]| {
        let Decoded { status, transcript, said } = decode(&octets(CISCO), arguments);
        assert_eq!((status, &*transcript), (2, ""));
        said.replace(folder.to_str().unwrap(), "FOLDER")
    };
    insta::assert_snapshot!(refused(&["--ikev1-keys", table.to_str().unwrap()]), @"error: FOLDER/ikev1_decryption_table:2:18: expected hexadecimal digits, two an octet, found `no-key`");
    insta::assert_snapshot!(refused(&["--keys", folder.join("empty").to_str().unwrap()]), @"error: FOLDER/empty: expected at least one of ikev1_decryption_table, ikev2_decryption_table, esp_sa, found none");
    let first_line = |arguments: &[&str]| refused(arguments).lines().next().unwrap_or_default().to_owned();
    insta::assert_snapshot!(first_line(&["--dh-secret", "xyz"]), @"error: invalid value 'xyz' for '--dh-secret <HEX>': expected hexadecimal digits, two an octet: Odd number of digits");
    insta::assert_snapshot!(first_line(&["--psk", ""]), @"error: invalid value '' for '--psk <KEY>': a pre-shared key is not empty");
    insta::assert_snapshot!(first_line(&["--name", "branch"]), @"error: invalid value 'branch' for '--name <ADDRESS=NAME>': expected an address, `=` and a name, as in 192.0.2.10=branch");
}

#[test]
fn esp_of_a_table_is_opened_and_told_by_what_is_inside() {
    let folder = fixture("wireshark");
    let capture = octets("tcpdump-esp-3des-keyed.pcap");
    insta::assert_snapshot!(transcript(&capture, &["--keys", folder.to_str().unwrap(), "--packets"]));
    let table = folder.join("esp_sa");
    let by_file = transcript(&capture, &["--esp-keys", table.to_str().unwrap(), "--packets"]);
    assert_eq!(by_file, transcript(&capture, &["--keys", folder.to_str().unwrap(), "--packets"]));
}

/// A folder of this test alone.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode").join(name);
    fs::create_dir_all(folder.join("empty")).unwrap();
    folder
}
