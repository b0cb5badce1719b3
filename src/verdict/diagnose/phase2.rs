//! Findings about phase 2: which of the crypto map's demands the offer did not meet.

use super::{Case, ConfigMark, Finding, listed};
use crate::crypto::Group;
use crate::ike::Mode;
use crate::ike::event::{Event, EventKind, OfferedTransform, QuickRefusal};
use crate::ios::acl::Action;
use crate::ios::config::{MapPeer, Spanned};
use crate::scenario::Diagnosis;
use crate::verdict::phase2::{progress, selector_words};

/// The refusal that came furthest, if quick mode was refused and never taken.
pub(super) fn refused(case: &Case<'_>) -> Vec<Finding> {
    let refusals: Vec<_> = case.until.quick_refusals().filter(|(event, _)| !taken_later(case, event)).collect();
    let Some((event, refusal)) = refusals.iter().max_by_key(|(_, refusal)| progress(*refusal)) else {
        return Vec::new();
    };
    let finding = match refusal {
        QuickRefusal::ProxyIdentities if case.serving().is_empty() => peer(case),
        QuickRefusal::ProxyIdentities => proxies(case, &refusals.iter().map(|(event, _)| *event).collect::<Vec<_>>()),
        QuickRefusal::Transform => transforms(case, &refusals.iter().map(|(event, _)| *event).collect::<Vec<_>>()),
        QuickRefusal::Encapsulation => encapsulation(case, event),
        QuickRefusal::Pfs { offered, configured } => pfs(case, *offered, *configured),
        // No map on the interface: told by `path::not_applied`.
        QuickRefusal::NoPolicy => return Vec::new(),
    };
    vec![finding]
}

/// Whether a pair for the same traffic was installed after all.
fn taken_later(case: &Case<'_>, refused: &Event) -> bool {
    let EventKind::QuickJudged { local_proxy, remote_proxy, .. } = &refused.kind else { return false };
    case.until.ike().any(|event| match &event.kind {
        EventKind::SaInstalled(pair) => pair.local_proxy == *local_proxy && pair.remote_proxy == *remote_proxy,
        _ => false,
    })
}

fn peer(case: &Case<'_>) -> Finding {
    let ours = case.peer();
    let peers: Vec<&Spanned<MapPeer>> = case.entries().iter().flat_map(|entry| &entry.settings.peers).collect();
    let names: Vec<String> = peers.iter().map(|peer| peer.host.to_string()).collect();
    let message = format!(
        "No entry of the crypto map on {} is for our address {ours}: its peers are {}",
        case.scenario.addresses.outside,
        listed(&names)
    );
    let mut lines: Vec<ConfigMark> =
        peers.iter().filter_map(|peer| case.router_line(peer.span, format!("not {ours}"))).collect();
    lines.extend(case.our_line("/tunnel/local", "our address"));
    Finding { code: Diagnosis::PeerMismatch, message, lines }
}

fn proxies(case: &Case<'_>, events: &[&Event]) -> Finding {
    let mut offered: Vec<String> = Vec::new();
    for event in events {
        if let EventKind::QuickJudged { local_proxy, remote_proxy, .. } = &event.kind {
            let pair = format!("{} === {}", selector_words(remote_proxy), selector_words(local_proxy));
            if !offered.contains(&pair) {
                offered.push(pair);
            }
        }
    }
    let mut protected = Vec::new();
    let mut lines = Vec::new();
    for settings in case.serving() {
        let Some(name) = &settings.acl else { continue };
        let Some(list) = case.config.access_list(name) else {
            protected.push(format!("nothing, because there is no access list {}", name.value));
            lines.extend(case.router_line(name.span, "there is no such access list"));
            continue;
        };
        for ace in list.entries() {
            let text = case.config.sources.text(ace.span).trim();
            let proxies = ace.proxies().map_or_else(|error| error.to_string(), |pair| pair.to_string());
            let label = match ace.action {
                Action::Permit => format!("protects {proxies}, as the router sees it"),
                Action::Deny => "protects nothing".to_owned(),
            };
            protected.push(if text.is_empty() { proxies } else { format!("`{text}`") });
            lines.extend(case.router_line(ace.span, label));
        }
    }
    lines.extend(case.our_line("/tunnel/traffic", "what we propose"));
    let message = format!(
        "We propose to protect {}; the router's crypto ACL has {}, and takes the exact mirror of a permit line or \
         something inside it, nothing wider",
        listed(&offered),
        listed(&protected)
    );
    Finding { code: Diagnosis::AclNotMirrored, message, lines }
}

fn transforms(case: &Case<'_>, events: &[&Event]) -> Finding {
    let mut offered: Vec<String> = Vec::new();
    for event in events {
        if let EventKind::QuickJudged { transforms, .. } = &event.kind {
            let suite = offer_words(transforms);
            if !offered.contains(&suite) {
                offered.push(suite);
            }
        }
    }
    let (configured, mut lines) = transform_sets(case);
    lines.extend(case.our_line("/tunnel/phase2/proposals", "what we offer"));
    let message =
        format!("We offer {} in phase 2, and the crypto map takes {} only", listed(&offered), listed(&configured));
    Finding { code: Diagnosis::TransformSetMismatch, message, lines }
}

fn offer_words(transforms: &[OfferedTransform]) -> String {
    let words: Vec<String> = transforms
        .iter()
        .map(|transform| {
            transform.suite().map_or_else(|| format!("transform {}", transform.id), |suite| suite.to_string())
        })
        .collect();
    words.join(" with ")
}

/// The words of the transform sets of the entries for us, and marks at them.
fn transform_sets(case: &Case<'_>) -> (Vec<String>, Vec<ConfigMark>) {
    let (mut words, mut lines) = (Vec::new(), Vec::new());
    for name in case.serving().into_iter().flat_map(|settings| &settings.transform_sets) {
        match case.config.transform_set(name) {
            Some(set) => {
                let suite = set.esp().map_or_else(
                    || set.words(),
                    |(cipher, hash)| crate::ike::EspSuite { cipher, integrity: hash }.to_string(),
                );
                words.push(format!("{suite} (transform set {})", name.value));
                lines.extend(case.router_line(set.span, suite));
            }
            None => {
                words.push(format!("transform set {}, which does not exist", name.value));
                lines.extend(case.router_line(name.span, "there is no such transform set"));
            }
        }
    }
    (words, lines)
}

fn encapsulation(case: &Case<'_>, event: &Event) -> Finding {
    let mode = match &event.kind {
        EventKind::QuickJudged { transforms, .. } => transforms.first().and_then(OfferedTransform::mode),
        _ => None,
    };
    let (ours, theirs) = match mode {
        Some(Mode::Transport) => ("transport", "tunnel"),
        _ => ("tunnel", "transport"),
    };
    let mut lines = Vec::new();
    for name in case.serving().into_iter().flat_map(|settings| &settings.transform_sets) {
        let Some(set) = case.config.transform_set(name) else { continue };
        let span = if set.mode.span.is_none() { set.span } else { set.mode.span };
        lines.extend(case.router_line(span, format!("{} mode", set.mode.value.words())));
    }
    let message = format!("We offer {ours} mode in phase 2, and the crypto map's transform sets have {theirs} mode");
    Finding { code: Diagnosis::TransformSetMismatch, message, lines }
}

fn pfs(case: &Case<'_>, offered: Option<u16>, configured: u16) -> Finding {
    let name = |number: u16| match Group::from_number(number) {
        Some(group) => format!("group {number} ({group})"),
        None => format!("group {number}"),
    };
    let ours = offered.map_or_else(|| "we offer none".to_owned(), |number| format!("we offer {}", name(number)));
    let message = format!("The crypto map demands perfect forward secrecy with {}, and {ours}", name(configured));
    let spans = case.serving().into_iter().filter_map(|settings| settings.pfs.as_ref());
    let mut lines: Vec<ConfigMark> =
        spans.filter_map(|pfs| case.router_line(pfs.span, format!("demands {}", name(configured)))).collect();
    lines.extend(case.our_line("/tunnel/phase2", ours));
    Finding { code: Diagnosis::PfsMismatch, message, lines }
}
