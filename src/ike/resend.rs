//! Retransmission: the message that waits for an answer, and when it is sent again.

use crate::ike::personality::Retransmission;
use crate::time::Instant;

/// The message sent last, kept so that it can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Resend {
    /// The message.
    pub octets: Vec<u8>,
    /// When it was sent last.
    pub sent: Instant,
    /// How often the timer has sent it again.
    pub attempt: u32,
    /// When the timer fires; `None` when no answer is waited for.
    pub due: Option<Instant>,
}

/// What the timer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Not yet.
    Quiet,
    /// Send again.
    Again,
    /// Give up.
    Exhausted,
}

impl Resend {
    /// A message sent at `now` that no answer is waited for; it is only repeated when the peer repeats its own.
    pub fn untimed(octets: Vec<u8>, now: Instant) -> Self {
        Self { octets, sent: now, attempt: 0, due: None }
    }

    /// A message sent at `now` that an answer is waited for.
    pub fn timed(octets: Vec<u8>, now: Instant, schedule: &Retransmission) -> Self {
        Self { octets, sent: now, attempt: 0, due: Some(now + schedule.wait(0)) }
    }

    /// Looks at the timer; on [`Alarm::Again`] the attempt is counted and the next one scheduled.
    pub fn alarm(&mut self, now: Instant, schedule: &Retransmission) -> Alarm {
        match self.due {
            Some(due) if due <= now => {}
            _ => return Alarm::Quiet,
        }
        if self.attempt as usize >= schedule.waits.len() {
            self.due = None;
            return Alarm::Exhausted;
        }
        self.attempt += 1;
        self.sent = now;
        self.due = Some(now + schedule.wait(self.attempt as usize));
        Alarm::Again
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ike::Personality;

    #[test]
    fn repeats_by_the_schedule_and_gives_up_one_wait_later() {
        let schedule =
            Retransmission { waits: vec![Duration::from_secs(10); 5], ..Personality::linux().retransmission };
        let mut resend = Resend::timed(vec![1], Instant::ZERO, &schedule);
        let mut sent = Vec::new();
        for second in 0..100 {
            let now = Instant::from_start(Duration::from_secs(second));
            match resend.alarm(now, &schedule) {
                Alarm::Quiet => {}
                Alarm::Again => sent.push(second),
                Alarm::Exhausted => {
                    sent.push(second + 1000);
                }
            }
        }
        assert_eq!(sent, [10, 20, 30, 40, 50, 1060]);
    }
}
