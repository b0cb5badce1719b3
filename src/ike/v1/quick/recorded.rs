//! What the tests against recorded quick modes share (fixtures/vectors/ikev1-recorded-handshakes-keyed.json).

use serde_json::Value;

use crate::crypto::vectors::{fixture_json, octets};
use crate::crypto::{Cipher, Group, Hash};
use crate::ike::event::{Phase1State, Progress, Role};
use crate::ike::keys::{IvChain, SkeyId};
use crate::ike::nat::Nat;
use crate::ike::proposal::phase1::Agreed;
use crate::ike::sa::IsakmpSaId;
use crate::ike::v1::association::Association;
use crate::ike::v1::session::Session;
use crate::wire::isakmp::{AuthenticationMethod, Cookie, IdPayload, IdType};

/// A recorded handshake that ends with a quick mode.
pub(super) struct Recording {
    pub json: Value,
    pub session: Session,
    /// The three messages of quick mode.
    pub messages: [Vec<u8>; 3],
    id: IsakmpSaId,
}

impl Recording {
    pub fn named(name: &str) -> Self {
        let file = fixture_json("ikev1-recorded-handshakes-keyed.json");
        let handshakes = file["handshakes"].as_array().unwrap();
        let json = handshakes.iter().find(|entry| entry["name"] == name).unwrap().clone();
        let cookie = |name| Cookie(octets(&json[name]).try_into().unwrap());
        let id = IsakmpSaId { initiator: cookie("CKY_I"), responder: cookie("CKY_R") };
        let session = session(&json, id);
        let messages = [6, 7, 8].map(|index| octets(&json["messages"][index]["hex"]));
        Self { json, session, messages, id }
    }

    /// The SA as one side has it.
    pub fn association(&self, role: Role) -> Association {
        let (initiator, responder) = ("10.0.3.1:500".parse().unwrap(), "10.0.3.2:500".parse().unwrap());
        let (local, remote) = match role {
            Role::Initiator => (initiator, responder),
            Role::Responder => (responder, initiator),
        };
        Association {
            serial: 1,
            connection: 1001,
            id: self.id,
            role,
            progress: Progress::QuickIdle,
            state: Phase1State::Complete,
            local,
            remote,
            peer_number: 1,
        }
    }

    /// A text of one of the messages.
    pub fn text(&self, message: usize, name: &str) -> &str {
        self.json["messages"][message][name].as_str().unwrap()
    }
}

fn session(json: &Value, id: IsakmpSaId) -> Session {
    let (ni_b, nr_b, g_xy) = (octets(&json["Ni_b"]), octets(&json["Nr_b"]), octets(&json["g^xy"]));
    let skeyid = match json["psk_ascii"].as_str() {
        Some(key) => SkeyId::pre_shared_key(Hash::Sha1, key.as_bytes(), &ni_b, &nr_b),
        None => SkeyId::public_key_encryption_cisco(Hash::Sha1, &ni_b, &nr_b, id.initiator, id.responder),
    };
    let keys = skeyid.derive(&g_xy, id.initiator, id.responder);
    Session {
        agreed: Agreed {
            cipher: Cipher::Aes128,
            hash: Hash::Sha1,
            group: Group::Modp1024,
            authentication: AuthenticationMethod::PreSharedKey,
            lifetime: None,
            cut: None,
        },
        encryption: keys.skeyid_e.encryption_key(Cipher::Aes128).unwrap(),
        keys,
        iv: IvChain::from_log(&octets(&json["messages"][5]["next_iv"])),
        identity: IdPayload { kind: IdType::Ipv4Address, protocol: 0, port: 0, data: vec![10, 0, 3, 1] },
        nat: Nat::default(),
    }
}
