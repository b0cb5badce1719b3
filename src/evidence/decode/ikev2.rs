//! IKEv2 messages, decrypted.

use foldhash::HashMap;

use super::ike::{Protection, forget_older_half};
use super::keys::KeyTable;
use super::sealed::Opener;
use crate::ike::naming::{MessageNamer, Named};
use crate::wire::ParseError;
use crate::wire::ikev2::{Body, Message, Payload, PayloadType, chain};
use crate::wire::isakmp::{Cookie, Header, MessageId};

/// Messages in fragments that are waited for at a time; past that the older half is given up.
const MAX_FRAGMENTED: usize = 256;

/// Fragments a message may have.
const MAX_FRAGMENTS: u16 = 256;

/// An IKEv2 message of a capture.
#[derive(Clone, Debug)]
pub struct Ikev2Message {
    /// Its header, and the payloads outside of SK.
    pub message: Message,
    /// Its place in the exchange, and whether it was seen before.
    pub named: Named,
    /// The payloads inside SK, or inside all SKF with the last of them.
    pub inner: Vec<Payload>,
    /// Whether there is an encrypted payload, and whether it could be decrypted.
    pub protection: Protection,
    /// Whether the ICV is wrong although the key is right: what is inside makes sense.
    pub wrong_icv: bool,
    /// What stopped the reading of the payloads inside.
    pub inner_error: Option<ParseError>,
}

/// Decrypts messages and joins their fragments.
#[derive(Debug, Default)]
pub(super) struct Ikev2Decoder {
    namer: MessageNamer,
    fragmented: HashMap<(Cookie, MessageId, bool, bool), Fragmented>,
    clock: u64,
    plain: Vec<u8>,
}

/// The decrypted fragments of a message by their numbers.
#[derive(Debug, Default)]
struct Fragmented {
    last_seen: u64,
    first: Option<PayloadType>,
    pieces: Vec<Option<Vec<u8>>>,
}

impl Ikev2Decoder {
    /// Reads a message and decrypts it when its keys are known; `octets` are the whole message.
    pub(super) fn message(&mut self, header: Header, octets: &[u8], keys: &KeyTable) -> Ikev2Message {
        self.clock += 1;
        let named = self.namer.name(&header, octets);
        let message = Message::parse(header, octets);
        let mut read = Ikev2Message {
            message,
            named,
            inner: Vec::new(),
            protection: Protection::Clear,
            wrong_icv: false,
            inner_error: None,
        };
        let Some(last) = read.message.payloads.last() else { return read };
        let fragment = match last.body() {
            Ok(Body::Encrypted(_)) => None,
            Ok(Body::EncryptedFragment(fragment)) => Some((fragment.number, fragment.total)),
            _ => return read,
        };
        read.protection = Protection::Sealed(last.octets.len());
        // Number and total of a fragment are authenticated as well, and stand before the IV (RFC 7383 2.5).
        let iv = last.offset + if fragment.is_some() { 4 } else { 0 };
        let (first, end) = (last.next, last.offset + last.octets.len());
        let sender = match keys.ikev2(header.initiator_cookie, header.responder_cookie) {
            Some(keys) if read.message.by_initiator() => &keys.initiator,
            Some(keys) => &keys.responder,
            None => return read,
        };
        let Some(sealed) = octets.get(..end) else { return read };
        let payloads = match open(sender, sealed, iv, &mut self.plain) {
            Some(payloads) => payloads,
            None if fragment.is_none() => match open_despite_icv(sender, sealed, iv, first, &mut self.plain) {
                Some(payloads) => {
                    read.wrong_icv = true;
                    payloads
                }
                None => return read,
            },
            None => return read,
        };
        let padding = self.plain.get(payloads..).unwrap_or_default().to_vec();
        self.plain.truncate(payloads);
        let whole = match fragment {
            None => Some((first, self.plain.clone())),
            Some((number, total)) => {
                let key = (
                    header.initiator_cookie,
                    header.message_id,
                    read.message.by_initiator(),
                    read.message.is_response(),
                );
                self.fragment(key, number, total, first)
            }
        };
        read.protection = Protection::Decrypted(padding);
        if let Some((first, payloads)) = whole {
            (read.inner, read.inner_error) = chain(first, &payloads, iv);
        }
        read
    }

    /// Takes the fragment that was just decrypted; the first payload's type and all payloads once none is missing.
    fn fragment(
        &mut self,
        key: (Cookie, MessageId, bool, bool),
        number: u16,
        total: u16,
        first: PayloadType,
    ) -> Option<(PayloadType, Vec<u8>)> {
        if total > MAX_FRAGMENTS {
            return None;
        }
        if self.fragmented.len() >= MAX_FRAGMENTED && !self.fragmented.contains_key(&key) {
            forget_older_half(&mut self.fragmented, |message| message.last_seen);
        }
        let message = self.fragmented.entry(key).or_default();
        message.last_seen = self.clock;
        message.pieces.resize(usize::from(total), None);
        if number == 1 {
            message.first = Some(first);
        }
        *message.pieces.get_mut(usize::from(number) - 1)? = Some(self.plain.clone());
        let pieces: Vec<&[u8]> = message.pieces.iter().map_while(Option::as_deref).collect();
        let whole = (pieces.len() == message.pieces.len()).then(|| pieces.concat())?;
        let first = message.first?;
        self.fragmented.remove(&key);
        Some((first, whole))
    }
}

/// Opens `sealed`, whose IV stands at `iv`, into `plain`; how many octets of it are payloads.
fn open(opener: &Opener, sealed: &[u8], iv: usize, plain: &mut Vec<u8>) -> Option<usize> {
    opener.open(sealed, iv, plain).ok()?;
    payloads_end(plain)
}

/// As [`open`], although the ICV is wrong: only when what comes out are payloads, which no wrong key makes.
fn open_despite_icv(
    opener: &Opener,
    sealed: &[u8],
    iv: usize,
    first: PayloadType,
    plain: &mut Vec<u8>,
) -> Option<usize> {
    opener.open_unverified(sealed, iv, plain).ok()?;
    let end = payloads_end(plain)?;
    let (payloads, error) = chain(first, plain.get(..end)?, iv);
    let sane = error.is_none() && !payloads.is_empty() && payloads.iter().all(|payload| payload.body().is_ok());
    sane.then_some(end)
}

/// Where padding and its length begin.
fn payloads_end(plain: &[u8]) -> Option<usize> {
    let pad_length = usize::from(*plain.last()?);
    plain.len().checked_sub(pad_length + 1)
}
