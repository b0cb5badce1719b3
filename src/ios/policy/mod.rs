//! What the running configuration answers to the IKE engine.

mod entry;
mod phase1;
mod quick;

use std::net::Ipv4Addr;

use super::Release;
use super::config::RunningConfig;
use super::event::ProposalRefused;
use crate::ike::event::QuickRefusal;
use crate::ike::{
    self, Identity, IdentityVerdict, IsakmpPolicy, Peer, PeerSettings, PreSharedKey, QuickChoice, QuickOffer,
    QuickRequest, RequestId, SaPair,
};
use crate::wire::isakmp::IdPayload;

pub use entry::{EntryName, MapEntry, entries, entry, proxy_pair, selectors};

/// An interface that is up and has a crypto map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoInterface {
    /// Its full name.
    pub name: String,
    /// The name of the map.
    pub map: String,
    /// The address peers know the map by: of the interface, or of the one `local-address` names.
    pub address: Ipv4Addr,
}

/// The configuration as the engine sees it, for the length of one call.
#[derive(Debug)]
pub struct IosPolicy<'router> {
    /// The configuration.
    pub config: &'router RunningConfig,
    /// The release.
    pub release: Release,
    /// Where crypto maps are.
    pub interfaces: &'router [CryptoInterface],
    /// Where refusals go, with the lines that disagree.
    pub refusals: &'router mut Vec<ProposalRefused>,
    /// The number of the last request.
    pub last_request: &'router mut u64,
}

impl ike::Policy for IosPolicy<'_> {
    fn isakmp_policies(&mut self, _: &Peer) -> Vec<IsakmpPolicy> {
        phase1::policies(self.config, self.release)
    }

    fn pre_shared_key(&mut self, peer: &Peer) -> Option<PreSharedKey> {
        phase1::pre_shared_key(self.config, peer)
    }

    fn identity(&mut self, peer: &Peer) -> Identity {
        phase1::identity(self.config, peer)
    }

    /// Without a profile IOS asks only for the key, whatever the peer calls itself. [S:LOG-XE1 "peer matches *none* of the
    /// profiles", and goes on]
    fn judge_identity(&mut self, _: &Peer, identity: &IdPayload) -> IdentityVerdict {
        IdentityVerdict::Accepted { profile: phase1::profile_matching(self.config, identity) }
    }

    fn choose(&mut self, offer: &QuickOffer) -> Result<QuickChoice, QuickRefusal> {
        quick::choose(self.config, self.interfaces, offer).map_err(|refused| {
            let refusal = refused.refusal;
            self.refusals.push(*refused);
            refusal
        })
    }

    fn settings(&mut self, _: &Peer) -> PeerSettings {
        phase1::settings(self.config, self.release)
    }

    /// A static entry renews what the peer began; a dynamic one never begins. \[R: facts 5.2\]
    fn renewal(&mut self, pair: &SaPair) -> Option<QuickRequest> {
        let name = pair.entry.parse().ok()?;
        let entry = entry(self.config, &name).filter(|entry| !entry.is_dynamic())?;
        *self.last_request += 1;
        let id = RequestId(*self.last_request);
        entry.request(self.config, id, &pair.interface, pair.local, pair.remote, pair.selectors)
    }
}

#[cfg(test)]
pub(in crate::ios) mod tests;
