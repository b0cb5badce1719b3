//! What router and internet decided, in a few words: for the comments of captures.

use std::fmt::Display;

use crate::ike::event::{Malformation, PolicyMismatch, QuickRefusal};
use crate::ios::event::DropReason;
use crate::lab::internet::{Action, Discarded, Event, NatRefusal, Side, Traffic};

/// Why a phase 1 transform is not the policy's.
pub(super) fn policy_mismatch(mismatch: &PolicyMismatch) -> String {
    fn differ<T: Display>(what: &str, offered: Option<T>, configured: impl Display) -> String {
        match offered {
            Some(offered) => format!("{what} {offered} is offered, {configured} configured"),
            None => format!("no {what} is offered, {configured} configured"),
        }
    }
    match mismatch {
        PolicyMismatch::Encryption { offered, configured } => differ("encryption", *offered, configured),
        PolicyMismatch::KeyLength { offered, configured } => differ("key length", *offered, configured),
        PolicyMismatch::Hash { offered, configured } => differ("hash", *offered, configured),
        PolicyMismatch::Group { offered, configured } => differ("group", *offered, configured),
        PolicyMismatch::Authentication { offered, configured } => differ("authentication", *offered, configured),
        PolicyMismatch::NoPreSharedKey => "there is no pre-shared key for the peer".to_owned(),
    }
}

/// Why a quick mode was refused.
pub(super) fn quick_refusal(refusal: &QuickRefusal) -> String {
    match refusal {
        QuickRefusal::ProxyIdentities => "no crypto map entry has these proxy identities".to_owned(),
        QuickRefusal::Transform => "the transform set has none of the transforms".to_owned(),
        QuickRefusal::Encapsulation => "the encapsulation mode is another".to_owned(),
        QuickRefusal::Pfs { offered: Some(offered), configured } => {
            format!("PFS of group {offered} is offered, of group {configured} configured")
        }
        QuickRefusal::Pfs { offered: None, configured } => {
            format!("no PFS is offered, that of group {configured} configured")
        }
        QuickRefusal::NoPolicy => "no crypto map is on the interface".to_owned(),
    }
}

/// What is wrong with a message.
pub(super) fn malformation(why: &Malformation) -> String {
    match why {
        Malformation::ReservedNotZero(payload) => {
            format!("the reserved octet of {payload} is not zero, as with a wrong key")
        }
        Malformation::Missing(payload) => format!("there is no {payload}"),
        Malformation::BadPadding => "its encrypted part is no multiple of the block length".to_owned(),
        Malformation::Chain(text) | Malformation::BadValue(text) => text.clone(),
    }
}

/// Why the router dropped a packet.
pub(super) fn dropped(reason: DropReason) -> &'static str {
    match reason {
        DropReason::NoRoute => "no route",
        DropReason::Unresolved => "the next hop does not answer ARP",
        DropReason::TtlExpired => "its time to live is over",
        DropReason::TooBig => "it is too large and may not be fragmented",
        DropReason::NegotiatingSa => "its SA is being negotiated",
        DropReason::AccessList => "an access list denies it",
        DropReason::NotProtected => "it should have been protected",
        DropReason::NoTranslation => "no translation for it",
        DropReason::Malformed => "it is malformed",
        DropReason::InterfaceDown => "the interface is down",
        DropReason::NotForUs => "nothing listens there",
    }
}

/// What happened to a packet on its way.
pub(super) fn on_the_way(event: &Event) -> String {
    let side = |side: &Side| match side {
        Side::Dut => "the implementation",
        Side::Cisco => "the router",
    };
    match event {
        Event::Impaired { from, message, retransmission, action } => {
            let message = match message {
                Traffic::Ike(name) => name.to_string(),
                Traffic::Esp => "ESP".to_owned(),
                Traffic::Other => "a packet".to_owned(),
            };
            let again = if *retransmission { ", sent again," } else { "" };
            let what = match action {
                Action::Drop => "is lost".to_owned(),
                Action::Duplicate => "arrives twice".to_owned(),
                Action::Delay(delay) => format!("arrives {:.3} s late", delay.as_secs_f64()),
                Action::Reorder => "arrives behind the next".to_owned(),
                Action::Corrupt => "arrives with a bit turned".to_owned(),
            };
            format!("{message}{again} of {} {what}, as the scenario asks", side(from))
        }
        Event::Discarded { source, destination, protocol, reason, .. } => {
            let why = match reason {
                Discarded::TimeToLive => "its time to live is over",
                Discarded::NoNeighbour => "nobody answers ARP for its destination",
                Discarded::NoRoute => "its destination is unknown",
                Discarded::TooLarge => "it is larger than the path MTU and may not be fragmented",
                Discarded::Nat(NatRefusal::NoPorts) => "the NAT knows no ports of its protocol",
                Discarded::Nat(NatRefusal::NotTranslated) => "the NAT has no mapping that lets it in",
            };
            format!("{source} > {destination}, protocol {protocol}, is not forwarded: {why}")
        }
        Event::Mapped { protocol, inside, outside } => {
            format!("protocol {protocol}: {}:{} is translated to {}:{}", inside.0, inside.1, outside.0, outside.1)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::isakmp::{OakleyHash, PayloadType};

    #[test]
    fn decisions_are_told_in_words() {
        let hash = PolicyMismatch::Hash { offered: Some(OakleyHash::Md5), configured: OakleyHash::Sha1 };
        assert_eq!(policy_mismatch(&hash), "hash MD5 is offered, SHA configured");
        let length = PolicyMismatch::KeyLength { offered: None, configured: 256 };
        assert_eq!(policy_mismatch(&length), "no key length is offered, 256 configured");
        let pfs = QuickRefusal::Pfs { offered: None, configured: 14 };
        assert_eq!(quick_refusal(&pfs), "no PFS is offered, that of group 14 configured");
        assert_eq!(malformation(&Malformation::Missing(PayloadType::Hash)), "there is no HASH");
        let lost = Event::Impaired {
            from: Side::Cisco,
            message: Traffic::Ike("main-mode-4".parse().unwrap()),
            retransmission: true,
            action: Action::Drop,
        };
        assert_eq!(on_the_way(&lost), "main-mode-4, sent again, of the router is lost, as the scenario asks");
        let mapped = Event::Mapped {
            protocol: 17,
            inside: (Ipv4Addr::new(10, 0, 0, 1), 500),
            outside: (Ipv4Addr::new(192, 0, 2, 1), 1024),
        };
        assert_eq!(on_the_way(&mapped), "protocol 17: 10.0.0.1:500 is translated to 192.0.2.1:1024");
    }
}
