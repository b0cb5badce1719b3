//! Findings about packets that came through a tunnel they do not belong in.

use std::net::Ipv4Addr;

use super::{Case, Finding};
use crate::ike::Selector;
use crate::ios::acl::{Ace, Action, PacketKey};
use crate::ios::event::RouterEvent;
use crate::scenario::Diagnosis;
use crate::verdict::phase2::selector_words;
use crate::wire::isakmp::IdPayload;

/// A packet of ours that the router opened and dropped.
struct Stray<'a> {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    /// The proxy identities of the SA it came by, ours and the router's.
    ours: &'a IdPayload,
    theirs: &'a IdPayload,
}

/// The router dropped packets of ours, because they are outside the proxy identities of the SA they came by.
pub(super) fn outside(case: &Case<'_>) -> Option<Finding> {
    let stray = case.until.router().find_map(|event| match event {
        RouterEvent::InvalidIdentity { destination, source, protocol, local_proxy, remote_proxy } => Some(Stray {
            source: *source,
            destination: *destination,
            protocol: *protocol,
            ours: remote_proxy,
            theirs: local_proxy,
        }),
        _ => None,
    })?;
    let Stray { source, destination, .. } = stray;
    // The crypto ACL is written for what the router sends: packets turned round.
    let negotiated = match (Selector::from_id(stray.theirs), Selector::from_id(stray.ours)) {
        (Ok(theirs), Ok(ours)) => permit(case, &PacketKey::new(stray.protocol, theirs.first(), ours.first())),
        _ => None,
    };
    let own = permit(case, &PacketKey::new(stray.protocol, destination, source));
    let (why, label) = match own {
        None => ("no line of its crypto ACL is for them", String::new()),
        Some(own) if negotiated == Some(own) => {
            ("more than was negotiated is in that line of its crypto ACL", format!("matches {source} too"))
        }
        Some(_) => (
            "another line of its crypto ACL is for them, and each line has SAs of its own",
            format!("the line for {source}, which wants SAs of its own"),
        ),
    };
    let mut lines = Vec::new();
    if let Some(negotiated) = negotiated.filter(|negotiated| own != Some(*negotiated)) {
        lines.extend(case.router_line(negotiated.span, "the line the SA was negotiated for"));
    }
    lines.extend(own.and_then(|own| case.router_line(own.span, label)));
    let traffic = &case.scenario.tunnel.traffic;
    let pair = traffic.iter().find(|pair| pair.local.contains(source) && pair.remote.contains(destination));
    let native = pair.and_then(|pair| case.native_line(pair, "is content with the SA of another network"));
    lines.extend(native.or_else(|| case.our_line("/tunnel/traffic", "what we protect")));
    let message = format!(
        "We send packets from {source} to {destination} through the SA negotiated for {} === {}, and the router drops \
         them: {why}",
        selector_words(stray.ours),
        selector_words(stray.theirs)
    );
    Some(Finding { code: Diagnosis::OutsideSelectors, message, lines })
}

/// The line of the crypto ACLs of the entries for us that permits a packet of the router's.
fn permit<'a>(case: &Case<'a>, packet: &PacketKey) -> Option<&'a Ace> {
    case.serving().into_iter().find_map(|settings| {
        let decision = case.config.access_list(settings.acl.as_ref()?)?.evaluate(packet);
        decision.ace.filter(|_| decision.action == Action::Permit)
    })
}
