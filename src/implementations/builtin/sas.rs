//! The gateway's reports as the contract's types.

use crate::gateway::control::{IsakmpReport, PairReport};
use crate::ike::event::{Progress, Role};
use crate::ike::{self, Selector};
use crate::implementations::sa::{
    Endpoint, IpsecSa, IpsecState, IsakmpSa, IsakmpState, IsakmpTransform, Mode, NatFindings, SaState, Traffic,
};
use crate::scenario::Tunnel;

/// The name of the one connection.
const CONNECTION: &str = "cisco";

pub(super) fn state(tunnel: &Tunnel, isakmp: Vec<IsakmpReport>, pairs: Vec<PairReport>) -> SaState {
    SaState {
        phase1: isakmp.into_iter().map(|report| phase1(tunnel, report)).collect(),
        phase2: pairs.into_iter().map(phase2).collect(),
    }
}

fn phase1(tunnel: &Tunnel, report: IsakmpReport) -> IsakmpSa {
    let end = |address| Endpoint { address, port: 500, identity: None };
    IsakmpSa {
        name: CONNECTION.to_owned(),
        state: match report.progress {
            Progress::QuickIdle => IsakmpState::Established,
            _ => IsakmpState::Connecting,
        },
        initiator: report.role == Role::Initiator,
        local: end(tunnel.local),
        remote: end(tunnel.remote),
        cookies: Some((report.id.initiator, report.id.responder)),
        transform: IsakmpTransform::default(),
        nat: NatFindings::default(),
        age: None,
    }
}

fn phase2(report: PairReport) -> IpsecSa {
    let PairReport { pair, inbound, outbound, .. } = report;
    let traffic = |(packets, octets)| Traffic { packets, octets };
    IpsecSa {
        name: pair.entry,
        state: IpsecState::Installed,
        spi_in: pair.inbound.spi,
        spi_out: pair.outbound.spi,
        cipher: Some(pair.suite.cipher),
        integrity: pair.suite.integrity,
        pfs: pair.pfs,
        mode: match pair.mode {
            ike::Mode::Tunnel => Mode::Tunnel,
            ike::Mode::Transport => Mode::Transport,
        },
        udp_encapsulation: pair.udp.is_some(),
        local: vec![printed(&pair.selectors.local)],
        remote: vec![printed(&pair.selectors.remote)],
        received: traffic(inbound),
        sent: traffic(outbound),
    }
}

fn printed(selector: &Selector) -> String {
    selector.prefix().map_or_else(|| selector.to_string(), |prefix| prefix.to_string())
}
