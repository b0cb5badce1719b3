//! `show crypto isakmp policy`, `default policy` and `key` \[S:NOTES-KR, GENIE; the words of 3DES and MD5 S:SSW-LOG\].

use super::{State, line};
use crate::crypto::{Cipher, Group, Hash};
use crate::ios::config::{Authentication, DhGroup, KeyPeer, Secret};
use crate::ios::releases::{Behaviour, DefaultPolicy};
use crate::wire::isakmp::AuthenticationMethod;

/// The policies configured; where there are none, the built-in ones (cisco-ios-facts 3.4).
pub(super) fn policies(behaviour: &Behaviour, state: &State<'_>) -> String {
    let isakmp = &state.config.isakmp;
    let built_in = behaviour.defaults.policies;
    if isakmp.policies.is_empty() && isakmp.default_policies.value && built_in.len() > 1 {
        return default_policies(behaviour);
    }
    let mut out = String::new();
    line!(out);
    line!(out, "Global IKE policy");
    for policy in &isakmp.policies {
        line!(out, "Protection suite of priority {}", policy.priority);
        let words = Words {
            cipher: cipher(policy.encryption.value),
            hash: hash(policy.hash.value),
            authentication: authentication(policy.authentication.value),
            group: group(policy.group.value),
            lifetime: policy.lifetime.value,
        };
        words.show(&mut out);
    }
    if let [only] = built_in {
        // Before 12.4(20)T the one built-in suite stands behind the others.
        line!(out, "Default protection suite");
        built_in_words(only).show(&mut out);
    }
    out
}

/// The built-in policies.
pub(super) fn default_policies(behaviour: &Behaviour) -> String {
    let mut out = String::new();
    line!(out);
    line!(out, "Default IKE policy");
    for policy in behaviour.defaults.policies {
        line!(out, "Default protection suite of priority {}", policy.priority);
        built_in_words(policy).show(&mut out);
    }
    out
}

fn built_in_words(policy: &DefaultPolicy) -> Words {
    let authentication = match policy.authentication {
        AuthenticationMethod::PreSharedKey => Authentication::PreShared,
        _ => Authentication::RsaSignature,
    };
    Words {
        cipher: cipher(policy.cipher),
        hash: hash(policy.hash),
        authentication: self::authentication(authentication),
        group: group(DhGroup::Supported(policy.group)),
        lifetime: policy.lifetime,
    }
}

/// A protection suite in the words of `show`.
struct Words {
    cipher: String,
    hash: &'static str,
    authentication: &'static str,
    group: String,
    lifetime: u32,
}

impl Words {
    fn show(&self, out: &mut String) {
        line!(*out, "\tencryption algorithm:\t{}", self.cipher);
        line!(*out, "\thash algorithm:\t\t{}", self.hash);
        line!(*out, "\tauthentication method:\t{}", self.authentication);
        line!(*out, "\tDiffie-Hellman group:\t{}", self.group);
        line!(*out, "\tlifetime:\t\t{} seconds, no volume limit", self.lifetime);
    }
}

fn cipher(cipher: Cipher) -> String {
    match cipher {
        Cipher::Des => "DES - Data Encryption Standard (56 bit keys).".to_owned(),
        Cipher::TripleDes => "Three key triple DES".to_owned(),
        Cipher::Aes128 => "AES - Advanced Encryption Standard (128 bit keys).".to_owned(),
        Cipher::Aes192 => "AES - Advanced Encryption Standard (192 bit keys).".to_owned(),
        Cipher::Aes256 => "AES - Advanced Encryption Standard (256 bit keys).".to_owned(),
        other => other.to_string(),
    }
}

fn hash(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "Message Digest 5",
        Hash::Sha1 => "Secure Hash Standard",
        Hash::Sha256 => "Secure Hash Standard 2 (256 bit)",
        Hash::Sha384 => "Secure Hash Standard 2 (384 bit)",
        Hash::Sha512 => "Secure Hash Standard 2 (512 bit)",
    }
}

fn authentication(authentication: Authentication) -> &'static str {
    match authentication {
        Authentication::PreShared => "Pre-Shared Key",
        Authentication::RsaSignature => "Rivest-Shamir-Adleman Signature",
        Authentication::RsaEncryption => "Rivest-Shamir-Adleman Encryption",
        Authentication::EcdsaSignature => "Elliptic Curve Digital Signature Algorithm",
    }
}

fn group(group: DhGroup) -> String {
    let bits = match group {
        DhGroup::Supported(Group::Modp768) => "768 bit",
        DhGroup::Supported(Group::Modp1024) => "1024 bit",
        DhGroup::Supported(Group::Modp1536) => "1536 bit",
        DhGroup::Supported(Group::Modp2048) => "2048 bit",
        DhGroup::Supported(Group::Modp3072) => "3072 bit",
        DhGroup::Supported(Group::Modp4096) => "4096 bit",
        DhGroup::Unsupported(19) => "256 bit",
        DhGroup::Unsupported(20) => "384 bit",
        DhGroup::Unsupported(21) => "521 bit",
        DhGroup::Unsupported(24) => "2048 bit, 256 bit subgroup",
        DhGroup::Unsupported(_) => "unknown",
    };
    format!("#{} ({bits})", group.number())
}

/// `show crypto isakmp key` \[R\].
pub(super) fn keys(state: &State<'_>) -> String {
    let mut out = String::new();
    line!(out, "Keyring      Hostname/Address                            Preshared Key");
    line!(out);
    for key in &state.config.isakmp.keys {
        let peer = match &key.peer.value {
            KeyPeer::Address(network) if network.prefix() == 32 => network.ip().to_string(),
            KeyPeer::Address(network) => format!("{:<15} [{}]", network.ip(), network.mask()),
            KeyPeer::Hostname(name) => name.clone(),
            KeyPeer::Ipv6(prefix) => prefix.clone(),
        };
        let secret = match &key.key.value {
            Secret::Plain(text) => text.as_str(),
            Secret::Encrypted(..) => "(encrypted)",
        };
        line!(out, "{:<13}{peer:<44}{secret}", "default");
    }
    out
}
