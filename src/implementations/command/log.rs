//! The lines of a daemon and of the commands that steer it, in one order, for patterns to be looked for in.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::lab::process::{Line, Lines};

/// How many lines are kept.
const KEPT: usize = 4096;

/// How many lines a failure quotes.
const QUOTED: usize = 30;

/// How long a program's last lines may take after its end. A child that keeps its output open must not be waited for.
const LAST_LINES: Duration = Duration::from_millis(200);

/// What was written, by all who write.
#[derive(Clone)]
pub(super) struct Log {
    lines: Arc<Mutex<Kept>>,
    /// How many lines there have been.
    count: watch::Sender<usize>,
    sink: mpsc::UnboundedSender<Line>,
}

#[derive(Default)]
struct Kept {
    /// How many lines there were before the first that is kept.
    gone: usize,
    lines: VecDeque<String>,
}

/// A program's lines on their way into the log.
pub(super) struct Following {
    task: JoinHandle<()>,
    /// Its other end is gone when all lines are in the log.
    open: watch::Receiver<()>,
}

impl Log {
    pub(super) fn new(sink: mpsc::UnboundedSender<Line>) -> Self {
        Self { lines: Arc::default(), count: watch::Sender::new(0), sink }
    }

    /// Takes in what a program writes, until that ends.
    pub(super) fn follow(&self, mut lines: Lines) -> Following {
        let log = self.clone();
        let (closing, open) = watch::channel(());
        let task = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                log.push(line);
            }
            drop(closing);
        });
        Following { task, open }
    }

    /// Adds a line.
    pub(super) fn push(&self, line: Line) {
        {
            let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.lines.len() == KEPT {
                kept.lines.pop_front();
                kept.gone += 1;
            }
            kept.lines.push_back(line.text.clone());
        }
        // A cell that no longer listens has its verdict already.
        let _ = self.sink.send(line);
        self.count.send_modify(|count| *count += 1);
    }

    /// How many lines there have been: where to look from for what comes next.
    pub(super) fn position(&self) -> usize {
        *self.count.borrow()
    }

    /// What `judge` makes of the first line from `from` on that it makes something of; `from` is then behind it.
    pub(super) fn look<T>(&self, from: &mut usize, mut judge: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        *from = (*from).max(kept.gone);
        for line in kept.lines.iter().skip(*from - kept.gone) {
            *from += 1;
            if let Some(found) = judge(line) {
                return Some(found);
            }
        }
        None
    }

    /// Waits for a line that `judge` makes something of, from `from` on.
    pub(super) async fn wait_for<T>(&self, from: &mut usize, mut judge: impl FnMut(&str) -> Option<T>) -> T {
        let mut count = self.count.subscribe();
        loop {
            count.borrow_and_update();
            if let Some(found) = self.look(from, &mut judge) {
                return found;
            }
            // The sender is a part of this log, so that it cannot be gone.
            let _ = count.changed().await;
        }
    }

    /// The lines from `from` on.
    pub(super) fn since(&self, from: usize) -> Vec<String> {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().skip(from.saturating_sub(kept.gone)).cloned().collect()
    }

    /// The last lines, for a failure to quote.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().skip(kept.lines.len().saturating_sub(QUOTED)).cloned().collect()
    }
}

impl Following {
    /// Waits until the program has closed its output, and all its lines are in the log.
    pub(super) fn closed(&self) -> impl Future<Output = ()> + use<> {
        let mut open = self.open.clone();
        async move { while open.changed().await.is_ok() {} }
    }

    /// Whether the program has closed its output.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits until all lines are in the log.
    pub(super) async fn until_closed(&mut self) {
        if !self.task.is_finished() {
            let _ = timeout(LAST_LINES, &mut self.task).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::process::Stream;
    use crate::time::Instant;

    fn line(text: &str) -> Line {
        Line { at: Instant::ZERO, stream: Stream::Stdout, text: text.to_owned() }
    }

    #[tokio::test]
    async fn a_line_is_found_once_and_waited_for() {
        let (sink, _lines) = mpsc::unbounded_channel();
        let log = Log::new(sink);
        log.push(line("one"));
        let mut from = 0;
        assert_eq!(log.look(&mut from, |line| (line == "one").then_some(1)), Some(1));
        assert_eq!(log.look(&mut from, |line| (line == "one").then_some(1)), None);
        let writing = log.clone();
        let (found, ()) =
            tokio::join!(log.wait_for(&mut from, |line| line.strip_prefix("up ").map(str::to_owned)), async {
                writing.push(line("down"));
                writing.push(line("up now"));
            });
        assert_eq!((found.as_str(), from), ("now", 3));
    }

    #[test]
    fn old_lines_are_let_go() {
        let (sink, _lines) = mpsc::unbounded_channel();
        let log = Log::new(sink);
        (0..=KEPT).for_each(|number| log.push(line(&number.to_string())));
        assert_eq!(log.since(0).first().map(String::as_str), Some("1"));
        assert_eq!(log.look(&mut 0, |line| (line == "0").then_some(())), None);
        assert_eq!(log.last_lines().len(), QUOTED);
        assert_eq!(log.position(), KEPT + 1);
    }
}
