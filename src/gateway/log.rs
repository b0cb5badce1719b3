//! The gateway's log lines.

use crate::ike::Event;

/// An event of the IKE engine as a line: the peer, the cookies, what happened.
pub(super) fn line(event: &Event) -> String {
    let what = serde_json::to_string(&event.kind).unwrap_or_else(|error| error.to_string());
    match event.sa {
        Some(sa) => format!("{} {}:{} {what}", event.remote, sa.initiator_cookie, sa.responder_cookie),
        None => format!("{} {what}", event.remote),
    }
}
