//! pluto's log: which lines say why a negotiation failed.

use crate::implementations::failure::{Phase, Refusal};
use crate::wire::isakmp::NotifyType;

/// Lines that say that our own system failed the negotiation.
const LOCAL: &[&str] = &[
    "no preshared key found",
    "cannot initiate",
    "We cannot identify ourselves",
    "ERROR: netlink",
    "unable to locate my private key",
    "cannot route",
    "failed to add inbound",
    "no connection named",
];

/// Lines that say that the answer is not what was asked for.
const UNACCEPTABLE: &[&str] = &[
    "we require IKEv1 peer to have ID",
    "does not match our",
    "no acceptable Oakley Transform",
    "our client ID returned doesn't match",
    "peer client ID returned doesn't match",
];

/// Lines that say that the answer was encrypted or authenticated with another key.
const AUTHENTICATION: &[&str] = &["probable authentication failure", "does not match computed value"];

/// What the log of one attempt says about its failure, best explanation first.
///
/// pluto goes on after an error notify and reports at last that nobody answers, so an explanation further up outranks the
/// last line.
pub(super) fn refusal(lines: &[String]) -> Refusal {
    if let Some(notify) = lines.iter().rev().find_map(|line| error_notify(line)) {
        return Refusal::Notify(notify);
    }
    let last_with = |marks: &[&str]| lines.iter().rev().find(|line| marks.iter().any(|mark| line.contains(mark)));
    if let Some(line) = last_with(LOCAL) {
        return Refusal::Local(line.clone());
    }
    if let Some(line) = last_with(UNACCEPTABLE) {
        return Refusal::Unacceptable(line.clone());
    }
    if let Some(line) = last_with(AUTHENTICATION) {
        return Refusal::Authentication(line.clone());
    }
    if let Some(refusal) = lines.iter().rev().find_map(|line| no_answer(line)) {
        return refusal;
    }
    if lines.iter().any(|line| line.contains("received Delete SA payload")) {
        return Refusal::Deleted;
    }
    Refusal::Unexplained
}

/// The phase in which the attempt failed: the second one once the ISAKMP SA is there.
pub(super) fn failed_phase(lines: &[String]) -> Phase {
    let quick = |line: &String| line.contains("IKE SA established") || line.contains("initiating Quick Mode");
    if lines.iter().any(quick) { Phase::Two } else { Phase::One }
}

/// The notify of a line `ignoring informational payload NO_PROPOSAL_CHOSEN, msgid=00000000, length=12`.
fn error_notify(line: &str) -> Option<NotifyType> {
    let (_, rest) = line.split_once("ignoring informational payload ")?;
    let name = rest.split(',').next()?;
    (1..=31_u16).map(NotifyType::from).find(|kind| kind.to_string() == name)
}

/// What a line `STATE_MAIN_I1: 4 second timeout exceeded after 3 retransmits.  No response ...` says.
fn no_answer(line: &str) -> Option<Refusal> {
    let (before, after) = line.split_once(" second timeout exceeded after ")?;
    let unanswered =
        before.split_whitespace().find_map(|word| word.strip_suffix(':').filter(|word| word.contains("STATE_")));
    let retransmissions = after.split(' ').next()?.parse().ok()?;
    Some(Refusal::NoAnswer { unanswered: unanswered.map(str::to_owned), retransmissions })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// pluto 4.10's own words against the router, in the cases named.
    #[rstest]
    #[case::psk_mismatch(
        r#""cisco-1" #1: initiating IKEv1 Main Mode connection
           "cisco-1" #1: sent Main Mode I3
           "cisco-1" #1: STATE_MAIN_I3: retransmission; will wait 0.4 seconds for response
           "cisco-1" #1: STATE_MAIN_I3: 3 second timeout exceeded after 3 retransmits.  Possible authentication failure: no acceptable response to our first encrypted message"#,
        Phase::One,
        Refusal::NoAnswer { unanswered: Some("STATE_MAIN_I3".to_owned()), retransmissions: 3 }
    )]
    #[case::proxy_identities(
        r#""cisco-1" #1: IKE SA established {auth=PRESHARED_KEY cipher=AES_CBC_256 integ=HMAC_SHA1 group=MODP1536}
           "cisco-1" #2: sent Quick Mode request
           "cisco-1" #1: ignoring informational payload NO_PROPOSAL_CHOSEN, msgid=00000000, length=32
           "cisco-1" #2: STATE_QUICK_I1: 3 second timeout exceeded after 3 retransmits.  No acceptable response to our first Quick Mode message: perhaps peer likes no proposal"#,
        Phase::Two,
        Refusal::Notify(NotifyType::NoProposalChosen)
    )]
    #[case::status_notifies_are_no_refusals(
        r#""cisco-1" #2: ignoring informational payload IPSEC_RESPONDER_LIFETIME, msgid=0c0fe93d, length=28"#,
        Phase::One,
        Refusal::Unexplained
    )]
    #[case::second_pair_of_selectors(
        r#""cisco-2" #3: initiating Quick Mode IKEv1+PSK+ENCRYPT+TUNNEL+UP"#,
        Phase::Two,
        Refusal::Unexplained
    )]
    fn the_reason_is_found(#[case] text: &str, #[case] phase: Phase, #[case] expected: Refusal) {
        let lines = lines(text);
        assert_eq!(refusal(&lines), expected);
        assert_eq!(failed_phase(&lines), phase);
    }
}
