//! Running cells, live, on a terminal; elsewhere nothing moves and only the finished cells are told.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{CellReport, Terminal};

/// The live part of a run's report, on standard output.
pub struct Progress {
    terminal: Terminal<Vec<u8>>,
    live: Option<Live>,
}

struct Live {
    all: MultiProgress,
    total: ProgressBar,
    running: HashMap<String, ProgressBar>,
}

impl Progress {
    /// For a run of so many cells.
    pub fn new(cells: usize) -> Self {
        let live = io::stdout().is_terminal().then(|| Live::new(cells));
        Self { terminal: Terminal::new(Vec::new(), super::wants_colour()), live }
    }

    /// A cell begins.
    pub fn started(&mut self, name: &str) {
        let Some(live) = &mut self.live else { return };
        let bar = live.all.insert_before(&live.total, ProgressBar::new_spinner());
        bar.set_style(style("  {spinner} {msg} {elapsed}"));
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        live.running.insert(name.to_owned(), bar);
    }

    /// A cell is done with. Lines that nobody reads any more are lost.
    pub fn finished(&mut self, cell: &CellReport) {
        let line = self.terminal.line(cell);
        let Some(live) = &mut self.live else {
            let _ = writeln!(io::stdout(), "{line}");
            return;
        };
        if let Some(bar) = live.running.remove(&cell.name) {
            bar.finish_and_clear();
        }
        let _ = live.all.println(line);
        live.total.inc(1);
    }

    /// The run is over: tells the skipped cells, the failures and the counts, in the way of a log of GitHub if so.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub fn conclude(self, cells: &[CellReport], github: bool) -> io::Result<()> {
        if let Some(live) = self.live {
            live.total.finish_and_clear();
        }
        Terminal::new(io::stdout().lock(), super::wants_colour()).for_github(github).conclude(cells)
    }
}

impl Live {
    fn new(cells: usize) -> Self {
        let all = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stdout());
        let total = all.add(ProgressBar::new(cells as u64));
        total.set_style(style("  {pos} of {len} cells, {elapsed}"));
        Self { all, total, running: HashMap::new() }
    }
}

/// A style of which the template is known to be right; indicatif's own otherwise.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
