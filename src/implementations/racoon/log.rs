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
    pub(super) listens: bool,
    /// How many policies it has learnt. It refuses to negotiate for one that it does not know yet.
    pub(super) policies: usize,
    /// The ISAKMP SAs that were established and are not gone.
    pub(super) isakmp: Vec<Established>,
    /// Every pair of IPsec SAs, in the order they were established.
    pub(super) pairs: Vec<Pair>,
    /// How often racoon gave up to negotiate.
    pub(super) failures: Vec<(Phase, Refusal)>,
    /// The last lines, oldest first.
    pub(super) tail: VecDeque<String>,
    half_pair: Option<Spi>,
    we_began: bool,
    selectors: Option<(String, String)>,
    reason: Option<Refusal>,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The SPI in packets to racoon.
    pub(super) inbound: Spi,
    /// The SPI in packets to the peer.
    pub(super) outbound: Spi,
    /// The identities that were negotiated, ours first.
    pub(super) selectors: Option<(String, String)>,
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
        // The port for NAT traversal is opened before.
        if text.contains("[500] used as isakmp port") {
            self.listens = true;
        } else if text.starts_with("got pfkey X_SPDDUMP message") {
            self.policies += 1;
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
        } else if let Some(identities) = text.strip_prefix("getsainfo params: ") {
            // racoon looks for its parameters once the identities of a quick mode are settled, in either role.
            self.selectors = selectors(identities);
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
            Some(inbound) => self.pairs.push(Pair { inbound, outbound: spi, selectors: self.selectors.clone() }),
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

/// `loc='10.1.0.0/24' rmt='10.2.0.0/24' peer='..' ..`.
fn selectors(text: &str) -> Option<(String, String)> {
    let named = |name: &str| text.split_once(name)?.1.split('\'').next().map(str::to_owned);
    named("loc='").zip(named("rmt='"))
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn told(lines: &[&str]) -> Told {
        let mut told = Told::default();
        lines.iter().for_each(|line| told.hear(line));
        told
    }

    /// Lines of racoon 0.9.1 as the initiator, with those in between that it also writes.
    #[test]
    fn a_tunnel_comes_and_goes() {
        let up = [
            "2026-11-25 11:04:53: INFO: 192.0.2.10[4500] used as isakmp port (fd=4)",
            "2026-11-25 11:04:53: INFO: 192.0.2.10[500] used as isakmp port (fd=5)",
            "2026-11-25 11:04:53: DEBUG: got pfkey X_SPDDUMP message",
            "2026-11-25 11:04:56: DEBUG: getsainfo params: loc='10.1.0.0/24' rmt='10.2.0.0/24' peer='NULL' client='NULL' id=0",
            "2026-11-25 11:04:56: INFO: initiate new phase 1 negotiation: 192.0.2.10[500]<=>198.51.100.1[500]",
            "3a4e08d3 2af41afc 7f2cc6db 6bd4e0ad",
            "2026-11-25 11:04:56: [198.51.100.1] INFO: Selected NAT-T version: RFC 3947",
            "2026-11-25 11:04:56: INFO: ISAKMP-SA established 192.0.2.10[500]-198.51.100.1[500] spi:3a4e08d32af41afc:7f2cc6db6bd4e0ad",
            "2026-11-25 11:04:57: INFO: IPsec-SA established: ESP/Tunnel 192.0.2.10[500]->198.51.100.1[500] spi=63993272(0x3d075b8)",
            "2026-11-25 11:04:57: INFO: IPsec-SA established: ESP/Tunnel 192.0.2.10[500]->198.51.100.1[500] spi=2540557132(0x976dd34c)",
        ];
        assert!(!told(&up[..1]).listens);
        let told = told(&up);
        assert!(told.listens && told.policies == 1 && told.failures.is_empty());
        let [sa] = told.isakmp[..] else { panic!("{told:?}") };
        assert_eq!((sa.initiator.to_string().as_str(), sa.we_began, sa.ports), ("3a4e08d32af41afc", true, (500, 500)));
        let selectors = Some(("10.1.0.0/24".to_owned(), "10.2.0.0/24".to_owned()));
        assert_eq!(told.pairs, [Pair { inbound: Spi(0x03d0_75b8), outbound: Spi(0x976d_d34c), selectors }]);
        assert_eq!(told.last_lines().len(), 7, "neither debugging lines nor dumps are quoted");
        let mut told = told;
        told.hear("2026-11-25 11:05:01: INFO: ISAKMP-SA deleted 192.0.2.10[500]-198.51.100.1[500] spi:3a4e08d32af41afc:7f2cc6db6bd4e0ad");
        assert!(told.isakmp.is_empty());
    }

    #[rstest]
    #[case(
        &["ERROR: phase1 negotiation failed due to time up. 6c2a:0"],
        Phase::One,
        Refusal::NoAnswer { unanswered: None, retransmissions: 0 }
    )]
    #[case(
        &[
            "[198.51.100.1] ERROR: notification NO-PROPOSAL-CHOSEN received in unencrypted informational exchange.",
            "ERROR: phase1 negotiation failed due to time up. 6c2a:0",
        ],
        Phase::One,
        Refusal::Notify(NotifyType::NoProposalChosen)
    )]
    #[case(
        &["[198.51.100.1] ERROR: 198.51.100.1 give up to get IPsec-SA due to time up to wait."],
        Phase::Two,
        Refusal::NoAnswer { unanswered: None, retransmissions: 0 }
    )]
    #[case(
        &["ERROR: HASH mismatched", "ERROR: phase1 negotiation failed."],
        Phase::One,
        Refusal::Authentication("HASH mismatched".to_owned())
    )]
    fn what_racoon_gives_up(#[case] texts: &[&str], #[case] phase: Phase, #[case] refusal: Refusal) {
        let lines: Vec<String> = texts.iter().map(|text| format!("2026-11-25 11:04:53: {text}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(told(&lines).failures, [(phase, refusal)]);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_taken(line: String) {
            told(&[&line, &format!("2026-11-25 11:04:53: INFO: {line}")]);
        }
    }
}
