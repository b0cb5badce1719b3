//! Dead peer detection (RFC 3706).

use crate::ike::context::Context;
use crate::ike::event::EventKind;
use crate::ike::policy::DeadPeerDetection;
use crate::ike::v1::association::Association;
use crate::ike::v1::session::Session;
use crate::time::Instant;
use crate::wire::isakmp::{NotifyPayload, NotifyType, ProtocolId};

/// Whether the peer of an ISAKMP SA lives.
#[derive(Debug)]
pub(crate) struct Liveness {
    settings: Option<DeadPeerDetection>,
    last_heard: Instant,
    /// Whether there was traffic for the peer since it was last heard.
    wanted: bool,
    sequence: u32,
    /// R-U-THEREs without an answer.
    unanswered: u32,
    /// When the next R-U-THERE goes out, or the peer is given up.
    due: Option<Instant>,
}

impl Liveness {
    pub fn new(settings: Option<DeadPeerDetection>, now: Instant, seed: [u8; 4]) -> Self {
        // RFC 3706 6.2: the first sequence number should be random and not have its highest bit set.
        let sequence = u32::from_be_bytes(seed) >> 1;
        let mut liveness = Self { settings, last_heard: now, wanted: false, sequence, unanswered: 0, due: None };
        liveness.heard(now);
        liveness
    }

    /// Something that only the peer can have sent came.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.wanted = false;
        self.unanswered = 0;
        self.due = self.settings.filter(|settings| settings.periodic).map(|settings| now + settings.idle);
    }

    /// There is traffic for the peer.
    pub fn wanted(&mut self, now: Instant) {
        let Some(settings) = self.settings else { return };
        self.wanted = true;
        if self.due.is_none() {
            self.due = Some((self.last_heard + settings.idle).max(now));
        }
    }

    /// An R-U-THERE-ACK came; whether it answers what we asked.
    pub fn acknowledged(&mut self, now: Instant, sequence: u32) -> bool {
        let fits = self.unanswered > 0 && self.sequence.wrapping_sub(sequence) < self.unanswered;
        if fits {
            self.heard(now);
        }
        fits
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Does what is due; whether the peer is dead.
    pub fn timeout(&mut self, session: &Session, sa: &Association, cx: &mut Context<'_>) -> bool {
        let (Some(settings), Some(due)) = (self.settings, self.due) else { return false };
        if due > cx.now {
            return false;
        }
        if self.unanswered > 0 {
            sa.tell(cx, EventKind::LivenessMissed { count: self.unanswered, of: settings.attempts });
        }
        if self.unanswered >= settings.attempts {
            self.due = None;
            sa.tell(cx, EventKind::PeerDead);
            return true;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.unanswered += 1;
        self.due = Some(cx.now + settings.retry);
        let notify = about_liveness(sa, NotifyType::RUThere, self.sequence.to_be_bytes().to_vec());
        session.notify(sa, cx, notify, None);
        false
    }
}

/// R-U-THERE or its ACK.
pub(crate) fn about_liveness(sa: &Association, kind: NotifyType, data: Vec<u8>) -> NotifyPayload {
    NotifyPayload { doi: 1, protocol: ProtocolId::Isakmp, spi: sa.id.to_bytes().to_vec(), kind, data }
}
