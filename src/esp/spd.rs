//! The security policy database: what is to be done with a packet before any SA is asked.

use serde::{Deserialize, Serialize};

use super::{Flow, Selector};

/// A pair of SAs to one peer for one selector, whichever SAs are its newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleId(pub u32);

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAction {
    /// It passes the SAs of the bundle; without an SA it waits or is lost, but does not leave in clear.
    Protect(BundleId),
    /// It passes as it is.
    Bypass,
    /// It is lost.
    Drop,
}

/// A policy for the packets of a selector and, the other way round, for those coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The packets, as they leave.
    pub selector: Selector,
    /// What to do with them.
    pub action: PolicyAction,
}

/// Policies in order; the first that matches decides (RFC 4301 4.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spd {
    policies: Vec<Policy>,
    otherwise: PolicyAction,
}

impl Spd {
    /// No policy: everything has the action `otherwise`.
    pub const fn new(otherwise: PolicyAction) -> Self {
        Self { policies: Vec::new(), otherwise }
    }

    /// Puts a policy behind all others.
    pub fn push(&mut self, policy: Policy) {
        self.policies.push(policy);
    }

    /// Puts a policy before all others.
    pub fn push_front(&mut self, policy: Policy) {
        self.policies.insert(0, policy);
    }

    /// Takes every policy of a bundle out.
    pub fn remove(&mut self, bundle: BundleId) {
        self.policies.retain(|policy| policy.action != PolicyAction::Protect(bundle));
    }

    /// What to do with a packet that leaves.
    pub fn outbound(&self, flow: &Flow) -> PolicyAction {
        self.find(|policy| policy.selector.matches(flow))
    }

    /// What to do with a packet that arrived: `Protect` says that it must have come through the bundle, so that one in
    /// clear is to be dropped (RFC 4301 5.2).
    pub fn inbound(&self, flow: &Flow) -> PolicyAction {
        self.find(|policy| policy.selector.reversed().matches(flow))
    }

    fn find(&self, matches: impl Fn(&Policy) -> bool) -> PolicyAction {
        self.policies.iter().find(|policy| matches(policy)).map_or(self.otherwise, |policy| policy.action)
    }

    /// The policies in their order.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_first_match_decides_in_both_directions() {
        let (left, right) = ("10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap());
        let selector = Selector::between(left, right);
        let mut spd = Spd::new(PolicyAction::Bypass);
        spd.push(Policy { selector, action: PolicyAction::Protect(BundleId(1)) });
        spd.push(Policy {
            selector: Selector::between(left, "10.0.0.0/8".parse().unwrap()),
            action: PolicyAction::Drop,
        });
        let flow = |source: [u8; 4], destination: [u8; 4]| Flow {
            source: source.into(),
            destination: destination.into(),
            protocol: 1,
            ports: None,
        };
        assert_eq!(spd.outbound(&flow([10, 1, 0, 1], [10, 2, 0, 1])), PolicyAction::Protect(BundleId(1)));
        assert_eq!(spd.inbound(&flow([10, 2, 0, 1], [10, 1, 0, 1])), PolicyAction::Protect(BundleId(1)));
        assert_eq!(spd.outbound(&flow([10, 1, 0, 1], [10, 3, 0, 1])), PolicyAction::Drop);
        assert_eq!(spd.inbound(&flow([10, 1, 0, 1], [10, 2, 0, 1])), PolicyAction::Bypass);

        let host = Selector { source: crate::wire::ipv4::Ipv4Prefix::host(Ipv4Addr::new(10, 1, 0, 9)), ..selector };
        spd.push_front(Policy { selector: host, action: PolicyAction::Bypass });
        assert_eq!(spd.outbound(&flow([10, 1, 0, 9], [10, 2, 0, 1])), PolicyAction::Bypass);
        spd.remove(BundleId(1));
        assert_eq!(spd.outbound(&flow([10, 1, 0, 1], [10, 2, 0, 1])), PolicyAction::Drop);
        assert_eq!(spd.policies().len(), 2);
    }
}
