//! What the IKE engine asks the gateway.

use std::time::Duration;

use super::settings::{NatTraversal, Settings};
use crate::ike::event::QuickRefusal;
use crate::ike::{
    Identity, IdentityVerdict, IsakmpPolicy, Mode, Peer, PeerSettings, Policy, PreSharedKey, QuickChoice, QuickOffer,
    QuickRequest, SaPair,
};
use crate::wire::isakmp::{AuthenticationMethod, IdPayload};

/// Answers from the settings.
pub(super) struct TunnelPolicy<'a>(pub(super) &'a Settings);

/// The name of the one interface, in requests and choices.
pub(super) const INTERFACE: &str = "tun0";

impl TunnelPolicy<'_> {
    fn is_peer(&self, peer: &Peer) -> bool {
        peer.address() == self.0.remote
    }
}

impl Policy for TunnelPolicy<'_> {
    fn isakmp_policies(&mut self, peer: &Peer) -> Vec<IsakmpPolicy> {
        if !self.is_peer(peer) {
            return Vec::new();
        }
        let suites = self.0.phase1.iter().zip(1..);
        let policies = suites.map(|(suite, priority)| IsakmpPolicy {
            priority,
            cipher: suite.cipher,
            hash: suite.hash,
            group: suite.group,
            authentication: AuthenticationMethod::PreSharedKey,
            lifetime: Some(Duration::from_secs(self.0.phase1_seconds.into())),
        });
        policies.collect()
    }

    fn pre_shared_key(&mut self, peer: &Peer) -> Option<PreSharedKey> {
        self.is_peer(peer).then(|| PreSharedKey { key: self.0.pre_shared_key.clone(), keyring: String::new() })
    }

    fn identity(&mut self, _: &Peer) -> Identity {
        Identity::Address(self.0.local)
    }

    fn judge_identity(&mut self, _: &Peer, identity: &IdPayload) -> IdentityVerdict {
        match Identity::from_id(identity) {
            Some(Identity::Address(address)) if address == self.0.remote => IdentityVerdict::Accepted { profile: None },
            _ => IdentityVerdict::Refused,
        }
    }

    /// Takes what lies inside our own traffic, as Linux implementations narrow it, with a suite and a group of ours.
    fn choose(&mut self, offer: &QuickOffer) -> Result<QuickChoice, QuickRefusal> {
        let index = self.0.traffic.iter().position(|pair| pair.contains(&offer.selectors));
        let index = index.filter(|_| self.is_peer(&offer.peer)).ok_or(QuickRefusal::ProxyIdentities)?;
        let suite = match &offer.transforms[..] {
            [transform] if transform.mode() == Some(Mode::Tunnel) => transform.suite(),
            _ => None,
        };
        suite.filter(|suite| self.0.phase2.contains(suite)).ok_or(QuickRefusal::Transform)?;
        match self.0.pfs {
            Some(group) if offer.pfs != Some(group) => Err(QuickRefusal::Pfs {
                offered: offer.pfs.map(crate::crypto::Group::number),
                configured: group.number(),
            }),
            _ => Ok(QuickChoice {
                entry: entry_name(index),
                interface: INTERFACE.to_owned(),
                lifetimes: self.0.phase2_lifetimes,
            }),
        }
    }

    fn settings(&mut self, _: &Peer) -> PeerSettings {
        PeerSettings {
            dpd: None,
            nat_keepalive: Some(Duration::from_secs(20)),
            force_udp: self.0.nat_traversal == NatTraversal::Force,
        }
    }

    fn renewal(&mut self, _: &SaPair) -> Option<QuickRequest> {
        None
    }
}

/// The name of the pair of selectors with this place in the settings.
pub(super) fn entry_name(index: usize) -> String {
    format!("traffic {}", index + 1)
}
