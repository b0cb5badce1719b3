//! What was negotiated, as ESP needs it.

use super::sa::{Mode, SaPair};
use super::selector::{Addresses, Selector, Selectors};
use crate::esp;
use crate::wire::ipv4::Ipv4Prefix;

impl Selector {
    /// The addresses as a network; `None` for ranges and for masks with holes.
    pub fn prefix(&self) -> Option<Ipv4Prefix> {
        match self.addresses {
            Addresses::Host(address) => Some(Ipv4Prefix::host(address)),
            Addresses::Subnet { address, mask } => Ipv4Prefix::from_mask(address, mask),
            Addresses::Range { .. } => None,
        }
    }
}

impl Selectors {
    /// The packets that leave through the pair; `None` where a side is no network.
    pub fn outbound(&self) -> Option<esp::Selector> {
        let port = |port: u16| (port != 0).then_some(port);
        Some(esp::Selector {
            source: self.local.prefix()?,
            destination: self.remote.prefix()?,
            protocol: (self.local.protocol != 0).then_some(self.local.protocol),
            source_port: port(self.local.port),
            destination_port: port(self.remote.port),
        })
    }
}

/// Both directions of a pair, as ESP needs them, without lifetimes: who renews and ends SAs decides on those.
#[derive(Clone, Debug)]
pub struct PairParameters {
    /// From the peer to us.
    pub inbound: esp::SaParameters,
    /// From us to the peer.
    pub outbound: esp::SaParameters,
}

impl SaPair {
    /// Both directions as ESP needs them. The inbound one lets only packets of the negotiated selectors pass where these
    /// are networks.
    pub fn esp_parameters(&self) -> PairParameters {
        let transform = esp::Transform::new(self.suite.cipher, self.suite.integrity);
        let mode = match self.mode {
            Mode::Tunnel => esp::Mode::Tunnel,
            Mode::Transport => esp::Mode::Transport,
        };
        let selector = self.selectors.outbound();
        let udp = |outbound: bool| {
            self.udp.map(|udp| {
                let (local, remote) = (udp.local.port(), udp.remote.port());
                let (source_port, destination_port) = if outbound { (local, remote) } else { (remote, local) };
                esp::UdpEncapsulation { source_port, destination_port }
            })
        };
        let remote = self.udp.map_or(self.remote, |udp| *udp.remote.ip());
        let outbound = esp::SaParameters {
            mode,
            udp: udp(true),
            selector,
            ..esp::SaParameters::new(self.outbound.spi, self.local, remote, transform, self.outbound.keys.clone())
        };
        let inbound = esp::SaParameters {
            mode,
            udp: udp(false),
            selector: selector.map(esp::Selector::reversed),
            ..esp::SaParameters::new(self.inbound.spi, remote, self.local, transform, self.inbound.keys.clone())
        };
        PairParameters { inbound, outbound }
    }
}
