//! Messages on their way in and out: headers, encryption, HASH payloads, and what stands where.

use std::net::SocketAddrV4;

use crate::crypto::Digest;
use crate::ike::event::{Malformation, Role};
use crate::ike::keys::{EncryptionKey, IvChain};
use crate::ike::personality::Padding;
use crate::ike::sa::IsakmpSaId;
use crate::ike::v1::failure::Failure;
use crate::wire::isakmp::{
    Body, Contents, Cookie, ExchangeType, Flags, Header, Message, MessageId, Payload, PayloadType, Version,
    decode_payloads, emit_payloads,
};

/// A message that came for an SA.
#[derive(Clone, Debug)]
pub(crate) struct Incoming<'a> {
    /// Our address and port.
    pub local: SocketAddrV4,
    /// The sender's.
    pub remote: SocketAddrV4,
    /// The message.
    pub message: &'a Message,
    /// The same as octets.
    pub octets: &'a [u8],
}

impl Incoming<'_> {
    /// Its header.
    pub fn header(&self) -> &Header {
        &self.message.header
    }

    /// The payloads of a message that must be in clear.
    pub fn clear(&self, expected: &'static str) -> Result<Payloads<'_>, Failure> {
        match &self.message.contents {
            Contents::Clear(payloads, _) => {
                check_reserved(payloads)?;
                Ok(Payloads(payloads))
            }
            Contents::Encrypted(_) => Err(Failure::Unexpected { expected }),
        }
    }

    /// What it is, as far as one who has `role` can see: `MM3 (KE, NONCE)`, `quick mode (encrypted)`.
    pub fn describe(&self, role: Role) -> String {
        let header = self.header();
        let types: Vec<PayloadType> =
            self.message.payloads().iter().map(|payload| payload.body.payload_type()).collect();
        let number = match role {
            _ if header.exchange != ExchangeType::Main => None,
            _ if types.contains(&PayloadType::Sa) && header.responder_cookie == Cookie::ZERO => Some(1),
            _ if types.contains(&PayloadType::Sa) => Some(2),
            Role::Responder if types.contains(&PayloadType::KeyExchange) => Some(3),
            Role::Initiator if types.contains(&PayloadType::KeyExchange) => Some(4),
            Role::Responder if header.flags.encrypted() => Some(5),
            Role::Initiator if header.flags.encrypted() => Some(6),
            _ => None,
        };
        let name = number.map_or_else(|| header.exchange.to_string(), |number| format!("MM{number}"));
        let inside = match &self.message.contents {
            Contents::Encrypted(_) => "encrypted".to_owned(),
            Contents::Clear(..) => types.iter().map(PayloadType::to_string).collect::<Vec<_>>().join(", "),
        };
        format!("{name} ({inside})")
    }
}

/// The payloads of a message, looked up by type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payloads<'a>(pub &'a [Payload]);

/// Declares the look-up of a payload that stands once.
macro_rules! one {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $body:ident, $out:ty) => {
        $(#[$doc])*
        pub fn $name(&self) -> Result<&'a $out, Failure> {
            match self.only(PayloadType::$kind)? {
                Body::$body(body) => Ok(body),
                _ => Err(Failure::missing(PayloadType::$kind)),
            }
        }
    };
}

impl<'a> Payloads<'a> {
    one!(
        /// The SA payload.
        sa, Sa, Sa, crate::wire::isakmp::SaPayload
    );
    one!(
        /// The body of the KE payload.
        key_exchange, KeyExchange, KeyExchange, Vec<u8>
    );
    one!(
        /// The body of the NONCE payload.
        nonce_body, Nonce, Nonce, Vec<u8>
    );
    one!(
        /// The ID payload of phase 1.
        id, Id, Id, crate::wire::isakmp::IdPayload
    );
    one!(
        /// The body of the HASH payload.
        hash, Hash, Hash, Vec<u8>
    );

    /// The body of the NONCE payload, whose length is checked (RFC 2409 5: 8 to 256 octets).
    pub fn nonce(&self) -> Result<&'a Vec<u8>, Failure> {
        let nonce = self.nonce_body()?;
        match nonce.len() {
            8..=256 => Ok(nonce),
            length => Err(Failure::bad_value(format!("NONCE of {length} octets, expected 8 to 256"))),
        }
    }

    /// Whether a payload of this type is there.
    pub fn has(&self, kind: PayloadType) -> bool {
        self.all(kind).next().is_some()
    }

    /// The payloads of this type.
    pub fn all(&self, kind: PayloadType) -> impl Iterator<Item = &'a Body> + use<'a> {
        self.0.iter().map(|payload| &payload.body).filter(move |body| body.payload_type() == kind)
    }

    /// The type of the payload behind the first one of this type.
    pub fn behind(&self, kind: PayloadType) -> PayloadType {
        let mut types = self.0.iter().map(|payload| payload.body.payload_type());
        types.find(|found| *found == kind);
        types.next().unwrap_or(PayloadType::None)
    }

    fn only(&self, kind: PayloadType) -> Result<&'a Body, Failure> {
        let mut all = self.all(kind);
        match (all.next(), all.next()) {
            (Some(body), None) => Ok(body),
            (None, _) => Err(Failure::missing(kind)),
            (Some(_), Some(_)) => Err(Failure::bad_value(format!("more than one {kind} payload"))),
        }
    }
}

/// The contents of a decrypted message.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Its payloads.
    pub payloads: Vec<Payload>,
    /// The payloads as octets, without padding.
    octets: Vec<u8>,
    /// The IV of the next message of the exchange.
    pub next_iv: IvChain,
}

impl Opened {
    /// The payloads.
    pub fn payloads(&self) -> Payloads<'_> {
        Payloads(&self.payloads)
    }

    /// The HASH that leads the message, and the octets behind it that it covers.
    pub fn hash_and_rest(&self) -> Result<(&[u8], &[u8]), Failure> {
        match self.payloads.first().map(|payload| &payload.body) {
            Some(Body::Hash(hash)) => Ok((hash, &self.octets[4 + hash.len()..])),
            _ => Err(Failure::missing(PayloadType::Hash)),
        }
    }
}

/// What a message belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    /// The cookies.
    pub id: IsakmpSaId,
    /// The exchange.
    pub exchange: ExchangeType,
    /// Zero in phase 1.
    pub message_id: MessageId,
}

impl Envelope {
    /// A message of phase 1.
    pub fn main(id: IsakmpSaId) -> Self {
        Self { id, exchange: ExchangeType::Main, message_id: MessageId(0) }
    }

    /// A message in clear.
    pub fn clear(&self, bodies: Vec<Body>) -> Vec<u8> {
        let payloads = bodies.into_iter().map(Payload::from).collect();
        Message::clear(self.header(PayloadType::None, Flags::NONE, 0), payloads).to_bytes()
    }

    /// An encrypted message, and the IV of the next one of its exchange.
    pub fn seal(&self, bodies: Vec<Body>, key: &EncryptionKey, iv: &IvChain, padding: Padding) -> (Vec<u8>, IvChain) {
        let payloads: Vec<Payload> = bodies.into_iter().map(Payload::from).collect();
        let (first, mut body) = emit_payloads(&payloads);
        let block = key.cipher().block_len();
        let padded = match padding {
            Padding::WhenNeeded => body.len().next_multiple_of(block),
            Padding::WholeBlockWhenAligned => (body.len() + 1).next_multiple_of(block),
        };
        body.resize(padded, 0);
        let next_iv = key.encrypt(iv, &mut body).expect("padded to whole blocks, the IV is one block");
        let mut octets = Vec::with_capacity(Header::LEN + body.len());
        self.header(first, Flags::ENCRYPTED, body.len()).emit(&mut octets);
        octets.extend_from_slice(&body);
        (octets, next_iv)
    }

    /// An encrypted message that begins with a HASH over the payloads behind it.
    pub fn seal_hashed(
        &self,
        bodies: Vec<Body>,
        hash: impl FnOnce(&[u8]) -> Digest,
        key: &EncryptionKey,
        iv: &IvChain,
        padding: Padding,
    ) -> (Vec<u8>, IvChain) {
        let payloads: Vec<Payload> = bodies.iter().cloned().map(Payload::from).collect();
        let hash = Body::Hash(hash(&emit_payloads(&payloads).1).to_vec());
        self.seal(std::iter::once(hash).chain(bodies).collect(), key, iv, padding)
    }

    fn header(&self, next_payload: PayloadType, flags: Flags, body: usize) -> Header {
        Header {
            initiator_cookie: self.id.initiator,
            responder_cookie: self.id.responder,
            next_payload,
            version: Version::V1,
            exchange: self.exchange,
            flags,
            message_id: self.message_id,
            length: (Header::LEN + body) as u32,
        }
    }
}

/// Decrypts a message and reads its payloads.
pub(crate) fn open(message: &Message, key: &EncryptionKey, iv: &IvChain) -> Result<Opened, Failure> {
    let Contents::Encrypted(ciphertext) = &message.contents else { return Err(Failure::NotEncrypted) };
    let mut plaintext = ciphertext.clone();
    if plaintext.is_empty() {
        return Err(Failure::Malformed(Malformation::BadPadding));
    }
    let next_iv = key.decrypt(iv, &mut plaintext).map_err(|_| Failure::Malformed(Malformation::BadPadding))?;
    let first = message.header.next_payload;
    if let Some(kind) = reserved_not_zero(first, &plaintext) {
        return Err(Failure::Malformed(Malformation::ReservedNotZero(kind)));
    }
    let (payloads, padding) = decode_payloads(first, &plaintext, Header::LEN).complete()?;
    plaintext.truncate(plaintext.len() - padding.len());
    Ok(Opened { payloads, octets: plaintext, next_iv })
}

/// The types and bodies of a chain of payloads, as far as the lengths fit.
pub(crate) fn walk(first: PayloadType, octets: &[u8]) -> impl Iterator<Item = Span<'_>> {
    let mut next = first;
    let mut rest = octets;
    std::iter::from_fn(move || {
        if next == PayloadType::None {
            return None;
        }
        let header: [u8; 4] = *rest.first_chunk()?;
        let kind = next;
        next = header[0].into();
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let body = rest.get(4..length);
        if body.is_none() {
            next = PayloadType::None;
        }
        rest = rest.get(length.max(4)..).unwrap_or_default();
        Some(Span { kind, reserved: header[1], body, behind: rest })
    })
}

/// One payload of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'a> {
    /// Its type.
    pub kind: PayloadType,
    /// The reserved octet.
    pub reserved: u8,
    /// Its body; `None` when its length does not fit.
    pub body: Option<&'a [u8]>,
    /// What stands behind it.
    pub behind: &'a [u8],
}

fn reserved_not_zero(first: PayloadType, octets: &[u8]) -> Option<PayloadType> {
    walk(first, octets).find(|span| span.reserved != 0).map(|span| span.kind)
}

fn check_reserved(payloads: &[Payload]) -> Result<(), Failure> {
    match payloads.iter().find(|payload| payload.reserved != 0) {
        Some(payload) => Err(Failure::Malformed(Malformation::ReservedNotZero(payload.body.payload_type()))),
        None => Ok(()),
    }
}
