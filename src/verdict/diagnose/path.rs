//! Findings about the way to the crypto map: access lists that drop IKE or ESP, and a map that is not where the packets are.

use super::{Case, ConfigMark, Finding};
use crate::evidence::log::Link;
use crate::ike::event::QuickRefusal;
use crate::ios::acl::{Action, PacketKey};
use crate::ios::event::{DropReason, RouterEvent};
use crate::scenario::Diagnosis;
use crate::wire::ipv4::protocol;

/// ISAKMP's own port, and the one of NAT traversal (RFC 3947).
const IKE_PORTS: [u16; 2] = [500, 4500];

/// Our IKE reached the router, and an access list dropped it there.
pub(super) fn ike_blocked(case: &Case<'_>) -> Option<Finding> {
    if !dropped(case, protocol::UDP) {
        return None;
    }
    let (peer, remote) = (case.peer(), case.scenario.tunnel.remote);
    let crossed = |port: u16| {
        case.until.frames().any(|frame| {
            let to = frame.observed.as_ref().map(|observed| observed.destination.port());
            frame.link == Link::Cisco && frame.outbound && frame.ike().is_some() && to == Some(port)
        })
    };
    let denied = IKE_PORTS.into_iter().filter(|port| crossed(*port)).find_map(|port| {
        let packet = PacketKey::new(protocol::UDP, peer, remote).with_ports(port, port);
        Some((port, denied_by(case, &packet)?))
    });
    let (port, (list, mut lines)) = denied?;
    let outside = &case.scenario.addresses.outside;
    lines.extend(case.our_line("/tunnel/local", "where our IKE comes from"));
    let message = format!(
        "Access list {list} on {outside} drops our IKE messages: no line of it permits UDP port {port} from {peer}"
    );
    Some(Finding { code: Diagnosis::IkeBlocked, message, lines })
}

/// Our ESP reached the router, and an access list dropped it there.
pub(super) fn esp_blocked(case: &Case<'_>) -> Option<Finding> {
    if !dropped(case, protocol::ESP) {
        return None;
    }
    let peer = case.peer();
    let packet = PacketKey::new(protocol::ESP, peer, case.scenario.tunnel.remote);
    let (list, mut lines) = denied_by(case, &packet)?;
    let outside = &case.scenario.addresses.outside;
    lines.extend(case.our_line("/tunnel/local", "where our ESP comes from"));
    let message = format!(
        "Access list {list} on {outside} drops our ESP packets: no line of it permits IP protocol 50 from {peer}, so \
         the tunnel is up and nothing comes through"
    );
    Some(Finding { code: Diagnosis::EspBlocked, message, lines })
}

/// Whether an access list of the router dropped packets of that protocol from us to its outer address.
fn dropped(case: &Case<'_>, wanted: u8) -> bool {
    let (peer, remote) = (case.peer(), case.scenario.tunnel.remote);
    case.until.router().any(|event| match event {
        RouterEvent::PacketDropped { source, destination, protocol, reason: DropReason::AccessList, .. } => {
            *source == peer && *destination == remote && *protocol == wanted
        }
        _ => false,
    })
}

/// The access list of the outside interface and the line of it that denies a packet; `None` when it permits it.
fn denied_by(case: &Case<'_>, packet: &PacketKey) -> Option<(String, Vec<ConfigMark>)> {
    let group = case.outside()?.access_group_in.as_ref()?;
    let list = case.config.access_list(group)?;
    let decision = list.evaluate(packet);
    if decision.action == Action::Permit {
        return None;
    }
    let mut lines = Vec::new();
    match decision.ace {
        Some(ace) => lines.extend(case.router_line(ace.span, "drops them")),
        None => {
            let last = list.entries().last().map_or(list.span, |ace| ace.span);
            lines.extend(case.router_line(last, "no line before the implicit deny behind this one permits them"));
        }
    }
    lines.extend(case.router_line(group.span, "applied here"));
    Some((list.name.clone(), lines))
}

/// The router has a crypto map, and the interface towards us does not carry it.
///
/// It shows in two ways: without any applied map the router does not run IKE at all, with one elsewhere it completes
/// phase 1 and refuses quick mode, because nothing is protected on the address the message came to.
pub(super) fn not_applied(case: &Case<'_>) -> Option<Finding> {
    let refused = case.until.quick_refusals().any(|(_, refusal)| refusal == QuickRefusal::NoPolicy);
    let silent = case.until.dut_ike_arrived() && !case.until.cisco_sent_ike() && !dropped(case, protocol::UDP);
    let outside = case.outside()?;
    let carries = |map: &str| case.config.crypto_map(map).is_some();
    let applied = outside.crypto_map.as_ref().is_some_and(|map| carries(map));
    if applied || !(refused || silent) {
        return None;
    }
    let elsewhere: Vec<_> =
        case.config.interfaces.iter().filter_map(|other| Some((other, other.crypto_map.as_ref()?))).collect();
    // A map that is applied nowhere leaves IKE switched off; one elsewhere does not explain silence.
    if silent && !refused && elsewhere.iter().any(|(_, map)| carries(map)) {
        return None;
    }
    let name = &outside.name;
    let mut lines: Vec<ConfigMark> = case.router_line(outside.span, "carries no crypto map").into_iter().collect();
    for (other, map) in &elsewhere {
        lines.extend(case.router_line(map.span, format!("the crypto map is on {} instead", other.name)));
    }
    for map in &case.config.ipsec.maps {
        lines.extend(case.router_line(map.span, "the crypto map"));
    }
    let maps: Vec<String> = case.config.ipsec.maps.iter().map(|map| map.name.clone()).collect();
    let message = match (maps.is_empty(), elsewhere.first()) {
        (true, _) => {
            format!("The router has no crypto map, so nothing is protected on {name}, where our messages come in")
        }
        (false, None) => format!(
            "Crypto map {} is applied to no interface, so the router does not run IKE; it belongs on {name}, where our \
             messages come in",
            super::listed(&maps)
        ),
        (false, Some((other, map))) => format!(
            "Crypto map {} is on {}, and our messages come in on {name}, where nothing is protected",
            map.value, other.name
        ),
    };
    Some(Finding { code: Diagnosis::CryptoMapNotApplied, message, lines })
}
