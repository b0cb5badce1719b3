//! charon's log: which lines say why a negotiation failed.

use crate::implementations::failure::{Phase, Refusal};
use crate::wire::isakmp::NotifyType;

/// Lines that say that our own system failed the negotiation.
const LOCAL: &[&str] = &[
    "unable to install ",
    "error installing route",
    "allocating SPI from kernel failed",
    "no shared key found for",
    "unable to allocate SPI",
    "not supported!",
    "configured DH group ",
    "no RNG found",
];

/// Lines that say that the answer is not what was asked for.
const UNACCEPTABLE: &[&str] = &[
    "no proposal found",
    "no matching proposal found",
    "no acceptable traffic selectors found",
    "peer selected invalid traffic selectors",
    " does not match to '",
    "no acceptable proposal",
    "payload missing",
];

/// Lines that say that the answer was encrypted or authenticated with another key.
const AUTHENTICATION: &[&str] =
    &["decryption failed", "could not decrypt payloads", "integrity check failed", "does not match HASH payload"];

/// What the log of one attempt says about its failure, best explanation first.
///
/// charon goes on after a message it cannot decrypt and reports at last that nobody answers, so an explanation further up
/// outranks the last line.
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
    if let Some(retransmissions) = lines.iter().rev().find_map(|line| number_in(line, "giving up after ")) {
        let unanswered = lines.iter().rev().find_map(|line| line.strip_prefix("generating ").map(str::to_owned));
        return Refusal::NoAnswer { unanswered, retransmissions };
    }
    if lines.iter().any(|line| line.starts_with("received DELETE for ")) {
        return Refusal::Deleted;
    }
    Refusal::Unexplained
}

/// The phase in which the attempt failed: the second one once the IKE_SA is there.
pub(super) fn failed_phase(lines: &[String], had_ike_sa: bool) -> Phase {
    let established = lines.iter().any(|line| line.starts_with("IKE_SA ") && line.contains(" established between "));
    if had_ike_sa || established { Phase::Two } else { Phase::One }
}

/// The notify of a line `received NO_PROPOSAL_CHOSEN error notify`.
fn error_notify(line: &str) -> Option<NotifyType> {
    let name = line.strip_prefix("received ")?.strip_suffix(" error notify")?;
    // charon names the numbers as IKEv2 does, and one it does not know by its number in parentheses.
    if name == "INVALID_KE_PAYLOAD" {
        return Some(NotifyType::InvalidKeyInformation);
    }
    if let Some(number) = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')) {
        return Some(number.parse::<u16>().ok()?.into());
    }
    (1..=31_u16).map(NotifyType::from).find(|kind| kind.to_string() == name)
}

fn number_in(line: &str, before: &str) -> Option<u32> {
    line.strip_prefix(before)?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// charon 5.9.8's own words in the cases named.
    #[rstest]
    #[case::policy_mismatch(
        "initiating Main Mode IKE_SA cisco[1] to 192.0.2.2
         generating ID_PROT request 0 [ SA V V V V V ]
         parsed INFORMATIONAL_V1 request 3500582865 [ N(NO_PROP) ]
         received NO_PROPOSAL_CHOSEN error notify",
        Phase::One,
        Refusal::Notify(NotifyType::NoProposalChosen)
    )]
    #[case::proxy_identities(
        "IKE_SA cisco[1] established between 192.0.2.1[192.0.2.1]...192.0.2.2[192.0.2.2]
         generating QUICK_MODE request 68427214 [ HASH SA No ID ID ]
         received INVALID_ID_INFORMATION error notify",
        Phase::Two,
        Refusal::Notify(NotifyType::InvalidIdInformation)
    )]
    #[case::unknown_notify("received (2) error notify", Phase::One, Refusal::Notify(NotifyType::DoiNotSupported))]
    #[case::other_key(
        "generating ID_PROT request 0 [ ID HASH ]
         invalid HASH_V1 payload length, decryption failed?
         could not decrypt payloads
         message parsing failed
         sending retransmit 3 of request message ID 0, seq 3
         giving up after 3 retransmits
         establishing IKE_SA failed, peer not responding",
        Phase::One,
        Refusal::Authentication("could not decrypt payloads".to_owned())
    )]
    #[case::silence(
        "generating ID_PROT request 0 [ SA V V V V V ]
         sending retransmit 1 of request message ID 0, seq 1
         giving up after 3 retransmits",
        Phase::One,
        Refusal::NoAnswer { unanswered: Some("ID_PROT request 0 [ SA V V V V V ]".to_owned()), retransmissions: 3 }
    )]
    #[case::no_address_in_the_selector(
        "IKE_SA cisco[1] established between 192.0.2.1[192.0.2.1]...192.0.2.2[192.0.2.2]
         error installing route with policy 10.1.0.0/24 === 10.2.0.0/24 out
         unable to install IPsec policies (SPD) in kernel",
        Phase::Two,
        Refusal::Local("unable to install IPsec policies (SPD) in kernel".to_owned())
    )]
    #[case::other_identity(
        "IDir '172.16.1.254' does not match to '192.0.2.2'",
        Phase::One,
        Refusal::Unacceptable("IDir '172.16.1.254' does not match to '192.0.2.2'".to_owned())
    )]
    #[case::nothing("initiating Main Mode IKE_SA cisco[1] to 192.0.2.2", Phase::One, Refusal::Unexplained)]
    fn the_reason_is_found(#[case] text: &str, #[case] phase: Phase, #[case] expected: Refusal) {
        let lines = lines(text);
        assert_eq!(refusal(&lines), expected);
        assert_eq!(failed_phase(&lines, false), phase);
        assert_eq!(failed_phase(&lines, true), Phase::Two);
    }
}
