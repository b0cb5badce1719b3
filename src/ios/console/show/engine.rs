//! `show crypto engine connections active` \[S:NOTES-KR, typed by hand; 12.x lists the interface too, S:LOG-123\].

use super::table::IsakmpTable;
use super::{State, line};
use crate::crypto::{Cipher, Hash};
use crate::ios::releases::Behaviour;
use crate::wire::isakmp::{OakleyCipher, OakleyHash};

/// A row per direction of each IPsec SA pair, and one per ISAKMP SA.
pub(super) fn connections(behaviour: &Behaviour, state: &State<'_>, table: &IsakmpTable) -> String {
    let mut rows: Vec<Row> = Vec::new();
    for (flow, pair) in state.flows.iter().flat_map(|flow| flow.pairs.iter().map(move |pair| (flow, pair))) {
        let (inbound, outbound) = behaviour.ipsec_connections(pair.number);
        let algorithm = algorithm(pair.suite.cipher, pair.suite.integrity);
        for (id, encrypted, decrypted) in [(inbound, 0, pair.decrypted), (outbound, pair.encrypted, 0)] {
            let algorithm = algorithm.clone();
            rows.push(Row {
                id,
                kind: "IPsec",
                algorithm,
                encrypted,
                decrypted,
                address: flow.local_address.to_string(),
            });
        }
    }
    for sa in table.iter().filter(|sa| sa.is_active()) {
        let algorithm = sa.agreed.map_or_else(String::new, |agreed| {
            format!("{}+{}", oakley_hash(agreed.hash), oakley_cipher(agreed.cipher, agreed.key_length))
        });
        let address = sa.local.ip().to_string();
        rows.push(Row { id: sa.connection, kind: "IKE", algorithm, encrypted: 0, decrypted: 0, address });
    }
    rows.sort_by_key(|row| row.id);
    let mut out = String::new();
    line!(out, "Crypto Engine Connections");
    line!(out);
    line!(out, "   ID  Type    Algorithm           Encrypt  Decrypt LastSeqN IP-Address");
    for row in rows {
        line!(
            out,
            "{:>5}  {:<8}{:<20}{:>7}  {:>7} {:>8} {}",
            row.id,
            row.kind,
            row.algorithm,
            row.encrypted,
            row.decrypted,
            row.decrypted,
            row.address
        );
    }
    line!(out);
    out
}

struct Row {
    id: u32,
    kind: &'static str,
    algorithm: String,
    encrypted: u64,
    decrypted: u64,
    address: String,
}

/// `AES256+SHA`, `3DES+MD5`.
fn algorithm(cipher: Cipher, integrity: Option<Hash>) -> String {
    let cipher = match cipher {
        Cipher::Des => "DES",
        Cipher::TripleDes => "3DES",
        Cipher::Aes128 => "AES",
        Cipher::Aes192 => "AES192",
        Cipher::Aes256 => "AES256",
        Cipher::Aes128Gcm => "AES-GCM",
        Cipher::Aes192Gcm => "AES192-GCM",
        Cipher::Aes256Gcm => "AES256-GCM",
        Cipher::Null => "NULL",
    };
    let integrity = integrity.map(|hash| match hash {
        Hash::Md5 => "+MD5",
        Hash::Sha1 => "+SHA",
        Hash::Sha256 => "+SHA256",
        Hash::Sha384 => "+SHA384",
        Hash::Sha512 => "+SHA512",
    });
    format!("{cipher}{}", integrity.unwrap_or_default())
}

fn oakley_hash(hash: OakleyHash) -> &'static str {
    match hash {
        OakleyHash::Md5 => "MD5",
        OakleyHash::Sha1 => "SHA",
        OakleyHash::Sha256 => "SHA256",
        OakleyHash::Sha384 => "SHA384",
        OakleyHash::Sha512 => "SHA512",
        _ => "",
    }
}

fn oakley_cipher(cipher: OakleyCipher, key_length: Option<u16>) -> String {
    match (cipher, key_length) {
        (OakleyCipher::Des, _) => "DES".to_owned(),
        (OakleyCipher::TripleDes, _) => "3DES".to_owned(),
        (_, None | Some(128)) => "AES".to_owned(),
        (_, Some(bits)) => format!("AES{bits}"),
    }
}
