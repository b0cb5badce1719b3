//! Running cells, live, on a terminal; elsewhere nothing moves and only the finished cells are told.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fmt};

use anstyle::{AnsiColor, Style};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{CellReport, CellResult, Summary, Terminal};

/// How often what moves is drawn again.
const TICK: Duration = Duration::from_millis(100);

/// The longest bar, in columns.
const MAX_BAR: usize = 40;

/// The shortest bar that is worth its place.
const MIN_BAR: usize = 10;

/// Columns of the shortest word on what a cell does.
const MIN_DOING: usize = 8;

/// The live part of a run's report, on standard output.
pub struct Progress {
    terminal: Terminal<Vec<u8>>,
    live: Option<Live>,
}

/// The lines at the foot of the terminal that are drawn again and again.
struct Live {
    board: Arc<Mutex<Board>>,
    began: Instant,
    bar: ProgressBar,
    _uncaret: Option<Uncaret>,
}

/// Keeps the terminal from writing `^C` where the cursor is, in the middle of what is drawn again.
struct Uncaret(Termios);

impl Uncaret {
    fn new() -> Option<Self> {
        let before = tcgetattr(io::stdout()).ok()?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(io::stdout(), OptionalActions::Now, &without).ok()?;
        Some(Self(before))
    }
}

impl Drop for Uncaret {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdout(), OptionalActions::Now, &self.0);
    }
}

impl Progress {
    /// For a run of so many cells.
    pub fn new(cells: usize) -> Self {
        let colour = super::wants_colour();
        let moves = io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
        let live = moves.then(|| Live::new(Board::new(cells, colour)));
        Self { terminal: Terminal::new(Vec::new(), colour), live }
    }

    /// A cell begins.
    pub fn started(&mut self, name: &str) {
        self.change(|board, now| board.started(name, now));
    }

    /// What a cell is about to do.
    pub fn doing(&mut self, name: &str, what: &str) {
        self.change(|board, _| board.doing(name, what));
    }

    /// A cell is done with. Lines that nobody reads any more are lost.
    pub fn finished(&mut self, cell: &CellReport) {
        let line = self.terminal.line(cell);
        self.change(|board, _| board.finished(&cell.name, cell.result, cell.verdict.is_some()));
        match &self.live {
            Some(live) => live.bar.println(line),
            None => drop(writeln!(io::stdout(), "{line}")),
        }
    }

    /// The run is over: tells the skipped cells, the failures and the counts, in the way of a log of GitHub if so.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub fn conclude(self, cells: &[CellReport], github: bool) -> io::Result<()> {
        drop(self.live);
        Terminal::new(io::stdout().lock(), super::wants_colour()).for_github(github).conclude(cells)
    }

    fn change(&mut self, change: impl FnOnce(&mut Board, Duration)) {
        if let Some(live) = &self.live {
            change(&mut locked(&live.board), live.began.elapsed());
        }
    }
}

impl Live {
    fn new(board: Board) -> Self {
        let (board, began) = (Arc::new(Mutex::new(board)), Instant::now());
        let (drawn, terminal) = (Arc::clone(&board), Term::stdout());
        let draw = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let (rows, columns) = terminal.size();
            // The last column stays free: some terminals begin a new line once it is written.
            let size = (usize::from(rows), usize::from(columns).saturating_sub(1));
            // What cannot be written now is drawn at the next tick.
            let _ = to.write_str(&locked(&drawn).draw(began.elapsed(), size));
        };
        let style = ProgressStyle::with_template("{board}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        bar.set_style(style.with_key("board", draw));
        bar.enable_steady_tick(TICK);
        Self { board, began, bar, _uncaret: Uncaret::new() }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn locked(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is drawn: the cells that run, and how far the run is. Times are since the run began.
pub(super) struct Board {
    total: usize,
    colour: bool,
    results: Vec<CellResult>,
    /// How many of the results are of cells that really ran.
    ran: usize,
    running: Vec<Running>,
}

struct Running {
    name: String,
    since: Duration,
    doing: String,
}

impl Board {
    pub(super) fn new(total: usize, colour: bool) -> Self {
        Self { total, colour, results: Vec::new(), ran: 0, running: Vec::new() }
    }

    pub(super) fn started(&mut self, name: &str, now: Duration) {
        self.running.push(Running { name: name.to_owned(), since: now, doing: String::new() });
    }

    pub(super) fn doing(&mut self, name: &str, what: &str) {
        if let Some(cell) = self.running.iter_mut().find(|cell| cell.name == name) {
            what.clone_into(&mut cell.doing);
        }
    }

    pub(super) fn finished(&mut self, name: &str, result: CellResult, ran: bool) {
        self.running.retain(|cell| cell.name != name);
        self.results.push(result);
        self.ran += usize::from(ran);
    }

    /// The lines for a terminal of `rows` and `columns`, without a line end behind the last.
    pub(super) fn draw(&self, now: Duration, (rows, columns): (usize, usize)) -> String {
        let mut out = String::new();
        // Beside the bar and the cursor's line, and with room for what was printed last.
        let room = rows.saturating_sub(3).max(1);
        let shown = if self.running.len() > room { room - 1 } else { self.running.len() };
        for cell in &self.running[..shown] {
            let _ = writeln!(out, "{}", self.cell(cell, now, columns));
        }
        if self.running.len() > shown {
            let _ = writeln!(out, "{}", cut(&format!("      and {} more", self.running.len() - shown), columns));
        }
        out.push_str(&self.bar(now, columns));
        out
    }

    /// `  12s phase2/acl-not-mirrored/strongswan/15.x  step 1 of 2, initiate`
    fn cell(&self, cell: &Running, now: Duration, columns: usize) -> String {
        let time = format!("{:>4}s ", now.saturating_sub(cell.since).as_secs());
        let name = cut_inside(&cell.name, columns.saturating_sub(time.len()));
        let left = columns.saturating_sub(time.len() + name.chars().count() + 2);
        let doing = if left < MIN_DOING { String::new() } else { cut(&cell.doing, left) };
        let dimmed = Style::new().dimmed();
        match doing.is_empty() {
            true => format!("{}{name}", self.paint(dimmed, &time)),
            false => format!("{}{name}  {}", self.paint(dimmed, &time), self.paint(dimmed, &doing)),
        }
    }

    /// `[=====>    ] 12/40, 9 passed, 1 failed, 2 skipped, 20s left`, and what of it there is room for.
    fn bar(&self, now: Duration, columns: usize) -> String {
        let counts = Summary::of(self.results.iter().copied());
        let (done, failed) = (self.results.len(), counts.fail + counts.error);
        let left = self.left(now).map_or_else(String::new, |left| format!(", {left} left"));
        let position = format!("{done}/{}", self.total);
        let failed_only = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let texts = [
            format!("{position}, {}{left}", counts.line()),
            format!("{position}{failed_only}{left}"),
            format!("{position}{failed_only}"),
            position,
        ];
        let room = |text: &String| columns.saturating_sub(text.len() + 3);
        let Some(text) = texts.iter().find(|text| room(text) >= MIN_BAR) else { return cut(&texts[3], columns) };
        let width = room(text).min(MAX_BAR);
        let full = (width * done).checked_div(self.total).unwrap_or(width);
        let head = if full < width { ">" } else { "" };
        let bar = format!("{}{head}", "=".repeat(full));
        let colour = if failed > 0 { AnsiColor::Red } else { AnsiColor::Green };
        let bar = self.paint(Style::new().fg_color(Some(colour.into())), &format!("{bar:<width$}"));
        format!("[{bar}] {text}")
    }

    /// How long the cells that are left will take, if they take as long as those that ran.
    fn left(&self, now: Duration) -> Option<String> {
        let left = self.total.saturating_sub(self.results.len());
        // The first ones tell little.
        if self.ran < 3 || left == 0 {
            return None;
        }
        let seconds = (now.as_secs_f64() * left as f64 / self.ran as f64).ceil() as u64;
        Some(if seconds < 100 { format!("{seconds}s") } else { format!("{}m", seconds.div_ceil(60)) })
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// The beginning of a text, for so many columns.
fn cut(text: &str, columns: usize) -> String {
    match text.chars().count() <= columns {
        true => text.to_owned(),
        false => text.chars().take(columns.saturating_sub(2)).chain("..".chars()).take(columns).collect(),
    }
}

/// The beginning and the end of a text, for so many columns: the end of a cell's name tells it from its neighbours.
fn cut_inside(text: &str, columns: usize) -> String {
    let count = text.chars().count();
    if count <= columns || columns < 6 {
        return cut(text, columns);
    }
    let end = (columns - 2) * 2 / 3;
    let begin = columns - 2 - end;
    text.chars().take(begin).chain("..".chars()).chain(text.chars().skip(count - end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 40 cells in its twentieth second.
    fn board() -> Board {
        let mut board = Board::new(40, false);
        let results = [CellResult::Pass; 9].into_iter().chain([CellResult::Fail, CellResult::Skip, CellResult::Skip]);
        for (number, result) in results.enumerate() {
            board.finished(&number.to_string(), result, result != CellResult::Skip);
        }
        for (second, name, doing) in [
            (7, "phase2/acl-not-mirrored/strongswan/15.x:fixed", "step 1 of 2, initiate"),
            (12, "tunnel/plain/builtin/12.4", "step 3 of 3, ping right > left"),
            (18, "phase1/lost-main-mode-4/libreswan/xe16", "libreswan starts"),
            (20, "tunnel/two-subnets/builtin/xe17", ""),
        ] {
            board.started(name, Duration::from_secs(second));
            board.doing(name, doing);
        }
        board
    }

    #[test]
    fn what_is_drawn_on_terminals_of_every_size() {
        let mut drawn = String::new();
        for (rows, columns) in [(24, 119), (24, 79), (24, 39), (5, 79), (1, 12), (0, 0)] {
            let text = board().draw(Duration::from_secs(20), (rows, columns));
            drawn.push_str(&format!("{columns} columns, {rows} rows\n{text}\n\n"));
            assert!(text.lines().all(|line| line.chars().count() <= columns), "{columns}: {text}");
            assert!(text.lines().count() <= rows.saturating_sub(1).max(2), "{rows}: {text}");
        }
        insta::assert_snapshot!(drawn);
    }

    #[test]
    fn the_time_left_is_told_when_some_cells_have_run() {
        let mut board = Board::new(10, false);
        let bar = |board: &Board| board.draw(Duration::from_secs(8), (24, 79));
        assert_eq!(bar(&board), format!("[>{}] 0/10, 0 passed, 0 failed, 0 skipped", " ".repeat(39)));
        (0..5).for_each(|number| board.finished(&number.to_string(), CellResult::Skip, false));
        assert!(bar(&board).ends_with("5/10, 0 passed, 0 failed, 5 skipped"), "what is skipped took no time");
        (5..9).for_each(|number| board.finished(&number.to_string(), CellResult::Pass, true));
        assert!(bar(&board).ends_with("9/10, 4 passed, 0 failed, 5 skipped, 2s left"), "{}", bar(&board));
        board.finished("9", CellResult::Pass, true);
        assert!(bar(&board).starts_with("[====") && !bar(&board).contains("left"), "{}", bar(&board));
    }

    #[test]
    fn colours_take_no_columns() {
        let (plain, mut coloured) = (board(), board());
        coloured.colour = true;
        let draw = |board: &Board| board.draw(Duration::from_secs(20), (24, 79));
        assert_eq!(anstream::adapter::strip_str(&draw(&coloured)).to_string(), draw(&plain));
        assert_ne!(draw(&coloured), draw(&plain));
    }
}
