//! Collects what happens in a cell.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::evidence::log::{Entry, Happening};
use crate::lab::Clock;
use crate::time::Instant;

/// Where everything of a cell is written down; clones write into the same log.
#[derive(Clone)]
pub(super) struct Recorder {
    entries: Rc<RefCell<Vec<Entry>>>,
    /// Told of every entry.
    written: Rc<Notify>,
    clock: Clock,
}

impl Recorder {
    pub(super) fn new(clock: Clock) -> Self {
        Self { entries: Rc::default(), written: Rc::default(), clock }
    }

    pub(super) fn now(&self, what: Happening) {
        self.at(self.clock.now(), what);
    }

    pub(super) fn at(&self, at: Instant, what: Happening) {
        self.entries.borrow_mut().push(Entry { at, what });
        self.written.notify_waiters();
    }

    /// The end of a phase of the harness's own work.
    pub(super) fn phase(&self, name: &str) {
        self.now(Happening::Phase { name: name.to_owned() });
    }

    /// Everything so far in the order it happened. The kernel's time stamps come a little late, so that is not quite the
    /// order it was written down in.
    pub(super) fn take(&self) -> Vec<Entry> {
        let mut entries = self.entries.take();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// Waits until what was written down satisfies `condition`, at most for `limit`; tells whether it does.
    pub(super) async fn wait_for(&self, limit: Duration, condition: impl Fn(&[Entry]) -> bool) -> bool {
        let wait = async {
            loop {
                let written = self.written.notified();
                if self.look(&condition) {
                    return;
                }
                written.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Looks at everything so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.entries.borrow())
    }
}
