//! What racoon's log says of its negotiations. Its sentences have been the same since 2005.

use std::collections::VecDeque;

use crate::implementations::failure::{Phase, Refusal};
use crate::wire::Spi;
use crate::wire::isakmp::{Cookie, NotifyType};

/// How many lines of its log a failure quotes.
const LINES_QUOTED: usize = 30;

/// What the log has told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// racoon has read its configuration, talks to a key engine and listens for IKE.
    pub(super) ready: bool,
    /// The ISAKMP SAs that were established and are not gone.
    pub(super) isakmp: Vec<Established>,
    /// The SPIs of every pair of IPsec SAs, the inbound one first, in the order they were established.
    pub(super) pairs: Vec<(Spi, Spi)>,
    /// How often racoon gave up to negotiate.
    pub(super) failures: Vec<(Phase, Refusal)>,
    /// The last lines, oldest first.
    pub(super) tail: VecDeque<String>,
    half_pair: Option<Spi>,
    we_began: bool,
    reason: Option<Refusal>,
}

/// An ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Established {
    /// Its cookies.
    pub(super) initiator: Cookie,
    pub(super) responder: Cookie,
    /// Whether racoon sent the first message.
    pub(super) we_began: bool,
    /// The ports, ours first.
    pub(super) ports: (u16, u16),
}

impl Told {
    /// What it said last, without what it says for debugging.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// Takes in a line.
    pub(super) fn hear(&mut self, line: &str) {
        let Some((level, text)) = split(line) else {
            // The dumps that go with debugging lines have no time in front.
            let dump = |word: &str| word.bytes().all(|octet| octet.is_ascii_hexdigit());
            if !line.split_whitespace().all(dump) {
                self.quote(line);
            }
            return;
        };
        if level != "DEBUG" {
            self.quote(line);
        }
        if text.contains("used as isakmp port") {
            self.ready = true;
        } else if text.contains("new phase 1 negotiation") {
            self.we_began = text.contains("initiate ");
            self.reason = None;
        } else if text.contains("new phase 2 negotiation") {
            self.reason = None;
        } else if let Some(rest) = text.strip_prefix("ISAKMP-SA established ") {
            self.isakmp.extend(established(rest, self.we_began));
        } else if text.starts_with("ISAKMP-SA expired") || text.starts_with("ISAKMP-SA deleted") {
            self.gone(text.rsplit("spi:").next());
        } else if let Some(cookies) = text.strip_prefix("purged ISAKMP-SA spi=") {
            self.gone(Some(cookies.trim_end_matches('.')));
        } else if text.starts_with("IPsec-SA established: ESP") {
            self.add_half(text);
        } else if let Some(reason) = reason(text) {
            self.reason.get_or_insert(reason);
        }
        if let Some(phase) = given_up(text) {
            let no_answer = Refusal::NoAnswer { unanswered: None, retransmissions: 0 };
            self.failures.push((phase, self.reason.take().unwrap_or(no_answer)));
        }
    }

    /// The inbound SA of a pair is told first.
    fn add_half(&mut self, text: &str) {
        let Some(spi) = spi(text) else { return };
        match self.half_pair.take() {
            None => self.half_pair = Some(spi),
            Some(inbound) => self.pairs.push((inbound, spi)),
        }
    }

    fn gone(&mut self, cookies: Option<&str>) {
        let parsed = cookies.and_then(|text| text.split_once(':'));
        let parsed = parsed.and_then(|(initiator, responder)| Some((cookie(initiator)?, cookie(responder)?)));
        if let Some((initiator, responder)) = parsed {
            self.isakmp.retain(|sa| (sa.initiator, sa.responder) != (initiator, responder));
        }
    }

    fn quote(&mut self, line: &str) {
        if self.tail.len() == LINES_QUOTED {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// The level and the text of a line such as `2026-01-02 03:04:05: INFO: text`.
fn split(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_at_checked("2026-01-02 03:04:05: ".len())?;
    // Some lines name the peer first: `[198.51.100.1] INFO: text`.
    let rest = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(rest, |(_, rest)| rest);
    rest.split_once(": ").filter(|(level, _)| level.bytes().all(|octet| octet.is_ascii_uppercase()))
}

/// `192.0.2.10[500]-198.51.100.1[500] spi:0011223344556677:8899aabbccddeeff`.
fn established(text: &str, we_began: bool) -> Option<Established> {
    let (ends, cookies) = text.trim_end().split_once(" spi:")?;
    let (initiator, responder) = cookies.split_once(':')?;
    let port = |end: &str| end.split_once('[')?.1.strip_suffix(']')?.parse().ok();
    let (ours, theirs) = ends.split_once('-')?;
    Some(Established {
        initiator: cookie(initiator)?,
        responder: cookie(responder)?,
        we_began,
        ports: (port(ours)?, port(theirs)?),
    })
}

fn cookie(text: &str) -> Option<Cookie> {
    let octets = hex::decode(text.trim()).ok()?;
    Some(Cookie(octets.try_into().ok()?))
}

fn spi(text: &str) -> Option<Spi> {
    let (_, rest) = text.split_once("spi=")?;
    rest.split('(').next()?.parse().ok().map(Spi)
}

/// The phase that racoon has given up.
fn given_up(text: &str) -> Option<Phase> {
    let phase1 =
        ["phase1 negotiation failed", "due to time up waiting for phase1", "the negotiation is stopped, because"];
    let phase2 = ["phase2 negotiation failed", "give up to get IPsec-SA"];
    if phase1.iter().any(|mark| text.contains(mark)) {
        Some(Phase::One)
    } else {
        phase2.iter().any(|mark| text.contains(mark)).then_some(Phase::Two)
    }
}

/// Why it will fail, where the line says that.
fn reason(text: &str) -> Option<Refusal> {
    const WRONG_KEY: [&str; 4] =
        ["couldn't find the pskey", "couldn't find the proper pskey", "HASH mismatched", "mismatched ID was returned"];
    const NOT_ACCEPTABLE: [&str; 3] =
        ["no suitable proposal found", "attribute has been modified", "proposal mismathed"];
    if text.contains(" received in ") || text.starts_with("notification ") || text.contains(" notify messsage") {
        let kind = text.split([' ', ',']).find_map(notify);
        return kind.map(Refusal::Notify);
    }
    let line = || text.to_owned();
    if WRONG_KEY.iter().any(|mark| text.contains(mark)) {
        Some(Refusal::Authentication(line()))
    } else if NOT_ACCEPTABLE.iter().any(|mark| text.contains(mark)) {
        Some(Refusal::Unacceptable(line()))
    } else {
        None
    }
}

/// The error notify of this name (RFC 2408 3.14.1), which racoon writes with dashes.
fn notify(word: &str) -> Option<NotifyType> {
    let word = word.replace('-', "_");
    (1..=30).map(NotifyType::from).find(|kind| kind.to_string() == word)
}
