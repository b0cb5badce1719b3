//! Where an exchange is and what moves it.

use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{ConfigType, ExchangeType};

/// Who began the phase 1 exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// We did.
    Initiator,
    /// The peer did.
    Responder,
}

/// How far a phase 1 SA is, in the coarse steps that operators look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Main mode; nothing agreed.
    MainNoState,
    /// Main mode; the policy is agreed, no keys yet.
    MainSaSetup,
    /// Main mode; Diffie-Hellman is done, nobody is authenticated.
    MainKeyExchange,
    /// Main mode; authenticated.
    MainKeyAuth,
    /// Aggressive mode; nothing agreed.
    AggressiveNoState,
    /// Aggressive mode; the first message is out or in.
    AggressiveInit,
    /// Aggressive mode; authenticated.
    AggressiveAuth,
    /// XAUTH runs.
    Xauth,
    /// Mode config runs.
    ModeConfig,
    /// Phase 1 is complete.
    QuickIdle,
}

/// A state of the phase 1 machine. The number is the message that was received or made last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1State {
    /// Just created.
    Ready,
    /// Main mode as initiator, after message 1 to 6.
    InitiatorMain(u8),
    /// Main mode as responder, after message 1 to 5.
    ResponderMain(u8),
    /// Aggressive mode as initiator, after message 1 to 3.
    InitiatorAggressive(u8),
    /// Aggressive mode as responder, after message 1 to 3.
    ResponderAggressive(u8),
    /// XAUTH: the request is being prepared.
    XauthStarting,
    /// XAUTH: the request is out.
    XauthRequestSent,
    /// XAUTH: the answer is being checked.
    XauthChecking,
    /// XAUTH: the result is out.
    XauthSetSent,
    /// Mode config: what to answer is being looked up.
    ConfigPreparing,
    /// Phase 1 is complete.
    Complete,
    /// To be deleted.
    Deleted,
}

/// What made the phase 1 machine move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Input {
    /// A message of this exchange came from the peer. Informational exchanges say what they bring in `InformationalIn`.
    MessageReceived(ExchangeType),
    /// A notify came from the peer.
    NotifyIn,
    /// A delete came from the peer.
    DeleteIn,
    /// A mode-config request, reply, set or acknowledgement came from the peer.
    ConfigIn(ConfigType),
    /// The payloads of a message have been processed.
    Processed,
    /// The answer to a message is made, or the exchange is complete.
    Completed,
    /// Processing a message failed.
    Failed,
    /// Phase 1 is complete.
    Phase1Completed,
    /// Phase 1 is being deleted.
    Phase1Deleted,
    /// Somebody wants an SA, in this exchange (main or aggressive).
    SaRequested(ExchangeType),
    /// The login can start.
    LoginStarted,
    /// The login has been judged.
    LoginJudged,
    /// The liveness timer fired.
    LivenessTimer,
}

/// A state of a quick mode exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickState {
    /// Just created, or refused.
    Ready,
    /// Responder: message 1 is accepted, an SPI is wanted.
    AwaitingSpi,
    /// The SAs are being installed.
    AwaitingInstall,
    /// Initiator: message 1 is out.
    FirstSent,
    /// Responder: message 2 is out.
    SecondSent,
    /// Complete.
    Complete,
}

/// What made a quick mode exchange move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickInput {
    /// A message of it came from the peer.
    MessageReceived,
    /// We began it.
    Initiated,
    /// The SPI is there.
    SpiObtained,
    /// The SAs are installed.
    Installed,
}
