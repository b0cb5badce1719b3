//! Giving charon what `swanctl.conf` says, over VICI, as `swanctl --load-all` does.

use super::settings::Section;
use super::vici::{Client, Entry, Message, ViciError};

/// Keys whose value is a list, in which `swanctl` splits at commas (swanctl.conf(5)).
const LISTS: &[&str] = &[
    "local_addrs",
    "remote_addrs",
    "proposals",
    "esp_proposals",
    "ah_proposals",
    "local_ts",
    "remote_ts",
    "vips",
    "pools",
    "groups",
    "cert_policy",
];

/// Keys whose value is a list of certificate files, which are not read here.
const FILES: &[&str] = &["certs", "cacerts", "pubkeys"];

/// Why the file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// charon refused it, or the socket broke.
    #[error(transparent)]
    Vici(#[from] ViciError),
    /// The file asks for something the harness does not load.
    #[error("`{place}` is not supported: {why}")]
    Unsupported {
        /// The section or key, with dots.
        place: String,
        /// What is missing.
        why: &'static str,
    },
}

/// A connection that was loaded, and its children in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) connection: String,
    pub(super) children: Vec<String>,
}

/// Loads the secrets and then the connections of `file`.
pub(super) async fn load(client: &mut Client, file: &Section) -> Result<Vec<Loaded>, LoadError> {
    for (name, secret) in file.section("secrets").into_iter().flat_map(Section::sections) {
        client.request("load-shared", &shared_key(name, secret)?).await?;
    }
    for (name, pool) in file.section("pools").into_iter().flat_map(Section::sections) {
        client.request("load-pool", &Message::new().with_section(name, message(name, pool)?)).await?;
    }
    let mut loaded = Vec::new();
    for (name, connection) in file.section("connections").into_iter().flat_map(Section::sections) {
        client.request("load-conn", &Message::new().with_section(name, message(name, connection)?)).await?;
        let children = connection.section("children").into_iter().flat_map(Section::sections);
        loaded.push(Loaded {
            connection: name.to_owned(),
            children: children.map(|(child, _)| child.to_owned()).collect(),
        });
    }
    Ok(loaded)
}

/// The arguments of `load-shared` for a section of `secrets`, whose type is the beginning of its name.
fn shared_key(name: &str, secret: &Section) -> Result<Message, LoadError> {
    let unsupported = |why| LoadError::Unsupported { place: format!("secrets.{name}"), why };
    let kind = ["eap", "xauth", "ntlm", "ike", "ppk"]
        .into_iter()
        .find(|kind| name.starts_with(kind))
        .ok_or_else(|| unsupported("only shared keys are loaded, no private keys"))?;
    let value = secret.value("secret").ok_or_else(|| unsupported("it has no `secret`"))?;
    let prefix = value.get(..2).map(str::to_ascii_lowercase);
    let data = match prefix.as_deref() {
        Some("0x") => hex::decode(&value[2..]).map_err(|_| unsupported("its secret is not hexadecimal after 0x"))?,
        Some("0s") => base64(&value[2..]).ok_or_else(|| unsupported("its secret is not base64 after 0s"))?,
        _ => value.as_bytes().to_vec(),
    };
    let owners = secret.values().filter(|(key, _)| key.starts_with("id")).map(|(_, owner)| owner);
    Ok(Message::new().with("id", name).with("type", kind).with("data", data).with_list("owners", owners))
}

/// The section as a VICI message. `place` is its name with dots.
fn message(place: &str, section: &Section) -> Result<Message, LoadError> {
    let mut message = Message::new();
    for (key, value) in section.values() {
        if FILES.contains(&key) {
            return Err(LoadError::Unsupported { place: format!("{place}.{key}"), why: "no certificates are loaded" });
        }
        let entry = if LISTS.contains(&key) {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            Entry::List(items.map(|item| item.as_bytes().to_vec()).collect())
        } else {
            Entry::Value(value.as_bytes().to_vec())
        };
        message.push(key, entry);
    }
    for (name, inner) in section.sections() {
        let inner = self::message(&format!("{place}.{name}"), inner)?;
        message.push(name, Entry::Section(inner));
    }
    Ok(message)
}

/// The octets that `text` stands for in base64 (RFC 4648 4), with or without its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (count < 6).then_some(octets)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::*;

    fn section(text: &str) -> Section {
        Section::parse(&BTreeMap::from([("swanctl.conf".to_owned(), text.to_owned())]), "swanctl.conf").unwrap()
    }

    #[test]
    fn lists_are_split_and_sections_kept() {
        let file = section("local_addrs = 192.0.2.1\nchildren { net { local_ts = 10.1.0.0/24 , 10.3.0.0/24\n } }");
        let net = Message::new().with_list("local_ts", ["10.1.0.0/24", "10.3.0.0/24"]);
        let expected = Message::new()
            .with_list("local_addrs", ["192.0.2.1"])
            .with_section("children", Message::new().with_section("net", net));
        assert_eq!(message("hub", &file).unwrap(), expected);
    }

    #[rstest]
    #[case("s3cret", b"s3cret")]
    #[case("0x00ff10", b"\x00\xff\x10")]
    #[case("0sczNjcmV0", b"s3cret")]
    #[case("0sczNjcg==", b"s3cr")]
    fn secrets_are_text_or_encoded(#[case] secret: &str, #[case] octets: &[u8]) {
        let file = section(&format!("id-1 = 192.0.2.1\nid-2 = hub.example\nsecret = {secret}"));
        let expected = Message::new()
            .with("id", "ike-hub")
            .with("type", "ike")
            .with("data", octets)
            .with_list("owners", ["192.0.2.1", "hub.example"]);
        assert_eq!(shared_key("ike-hub", &file).unwrap(), expected);
    }

    #[rstest]
    #[case("ike-hub", "id = 192.0.2.1", "it has no `secret`")]
    #[case("ike-hub", "secret = 0xabc", "not hexadecimal")]
    #[case("ike-hub", "secret = 0sA", "not base64")]
    #[case("ike-hub", "secret = 0s!!!!", "not base64")]
    #[case("rsa-hub", "secret = x", "no private keys")]
    fn other_secrets_are_refused(#[case] name: &str, #[case] text: &str, #[case] why: &str) {
        let error = shared_key(name, &section(text)).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn certificates_are_refused_by_name() {
        let error = message("hub", &section("local { certs = hub.pem\n }")).unwrap_err().to_string();
        assert_eq!(error, "`hub.local.certs` is not supported: no certificates are loaded");
    }
}
