//! What is said over the gateway's control socket: one JSON object a line, a reply for each request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ike::event::{Progress, Role};
use crate::ike::{IsakmpSaId, RequestFailure, SaPair};

/// What the gateway is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Bring up every pair of SAs; answered when each is up or refused.
    Initiate,
    /// Tell which SAs there are.
    Sas,
    /// Delete all SAs and tell the peer.
    Terminate,
    /// End.
    Stop,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The outcome for each pair of selectors.
    Initiated(Vec<(usize, Result<(), RequestFailure>)>),
    /// The SAs.
    Sas {
        /// The ISAKMP SAs.
        isakmp: Vec<IsakmpReport>,
        /// The pairs of IPsec SAs.
        pairs: Vec<PairReport>,
    },
    /// It was done.
    Done,
    /// The request could not be read.
    Error(String),
}

/// An ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsakmpReport {
    /// Its cookies.
    pub id: IsakmpSaId,
    /// Our side.
    pub role: Role,
    /// How far it is.
    pub progress: Progress,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairReport {
    /// As it was negotiated.
    pub pair: SaPair,
    /// Packets and octets from the peer.
    pub inbound: (u64, u64),
    /// Packets and octets to the peer.
    pub outbound: (u64, u64),
    /// How long it exists.
    pub age: Duration,
}
