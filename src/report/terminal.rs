//! The run on a terminal or in a CI log: a line for each cell as it ends, then what took longest, what was skipped and why, the
//! failures with what to look at, and one line of counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::{CellReport, CellResult, Summary, github};
use crate::evidence::snapshot::{Change, Weight};
use crate::verdict::{Failure, Finding, Verdict};

/// Whether what is written to standard output may be coloured: it is a terminal, and neither `NO_COLOR` nor `TERM` forbid.
pub fn wants_colour() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Writes the run to any writer.
pub struct Terminal<W> {
    out: W,
    colour: bool,
    github: bool,
}

/// The longest value that is shown beside its label; longer ones and those of several lines go below it.
const MAX_INLINE: usize = 600;

/// Lines that are shown of a value of many.
const MAX_LINES: usize = 12;

/// How many of the slowest cells are told.
const SLOWEST: usize = 5;

/// What takes less is not slow.
const SLOW: Duration = Duration::from_secs(2);

impl<W: Write> Terminal<W> {
    /// Writes to `out`, in colour if so.
    pub fn new(out: W, colour: bool) -> Self {
        Self { out, colour, github: false }
    }

    /// For the log of a job of GitHub Actions, which folds details up.
    pub fn for_github(self, github: bool) -> Self {
        Self { github, ..self }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Tells that a cell is done with.
    ///
    /// # Errors
    ///
    /// When the writer fails. So do the other functions.
    pub fn finished(&mut self, cell: &CellReport) -> io::Result<()> {
        let line = self.line(cell);
        writeln!(self.out, "{line}")
    }

    /// The line [`Self::finished`] writes.
    pub fn line(&self, cell: &CellReport) -> String {
        let mark = self.mark(cell.result);
        match (cell.result, &cell.reason) {
            (CellResult::Skip, _) => format!("{mark} {}", cell.name),
            (CellResult::Known | CellResult::Flaky, Some(reason)) => {
                format!("{mark} {} {} ({reason})", cell.name, self.seconds(cell))
            }
            _ => format!("{mark} {} {}", cell.name, self.seconds(cell)),
        }
    }

    /// Tells what took longest, what was skipped, the failures and the counts.
    ///
    /// # Errors
    ///
    /// When the writer fails.
    pub fn conclude(&mut self, cells: &[CellReport]) -> io::Result<()> {
        self.part(None, |part| {
            part.slowest(cells)?;
            part.skipped(cells)
        })?;
        for cell in cells.iter().filter(|cell| cell.result.fails_the_run()) {
            writeln!(self.out)?;
            let title = format!("{} {}", self.mark(cell.result), self.paint(Style::new().bold(), &cell.name));
            self.part(Some(&title), |part| part.failure(cell))?;
        }
        let summary = Summary::of(cells.iter().map(|cell| cell.result));
        let style = match summary.is_success() {
            true => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            false => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        };
        let line = self.paint(style, &summary.line());
        writeln!(self.out, "\n{line}")
    }

    /// A part of the report; on GitHub a group of the log, in which nothing is a workflow command.
    fn part(
        &mut self,
        title: Option<&str>,
        write: impl FnOnce(&mut Terminal<Vec<u8>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut part = Terminal { out: Vec::new(), colour: self.colour, github: self.github };
        write(&mut part)?;
        let group = title.filter(|_| self.github);
        if let Some(title) = title {
            writeln!(self.out, "{}{title}", if group.is_some() { "::group::" } else { "" })?;
        }
        let text = String::from_utf8_lossy(&part.out);
        match self.github {
            true => self.out.write_all(github::defused(&text).as_bytes())?,
            false => self.out.write_all(text.as_bytes())?,
        }
        if group.is_some() { writeln!(self.out, "::endgroup::") } else { Ok(()) }
    }

    fn failure(&mut self, cell: &CellReport) -> io::Result<()> {
        let failures = cell.verdict.as_ref().map_or(&[][..], |verdict| &verdict.failures);
        if let (true, Some(reason)) = (failures.is_empty(), &cell.reason) {
            writeln!(self.out, "  {reason}")?;
        }
        for finding in cell.verdict.iter().flat_map(Verdict::unexpected_findings) {
            self.finding(finding)?;
        }
        for failure in failures {
            self.one_failure(cell, failure)?;
        }
        for finding in cell.verdict.iter().flat_map(Verdict::expected_findings) {
            self.finding(finding)?;
        }
        if let Some(folder) = &cell.artifacts {
            writeln!(self.out, "  evidence: {}", folder.display())?;
        }
        writeln!(self.out, "  again:    {}", cell.again())
    }

    fn one_failure(&mut self, cell: &CellReport, failure: &Failure) -> io::Result<()> {
        let what = self.paint(Style::new().fg_color(Some(AnsiColor::Yellow.into())), &failure.what);
        writeln!(self.out, "  {what}")?;
        self.value("expected", &failure.expected)?;
        match &cell.verdict {
            Some(verdict) if failure.is_transcript() => {
                self.changes(&verdict.changes)?;
                self.difference(cell.difference().unwrap_or_default())?;
            }
            _ => self.value("found", &failure.found)?,
        }
        if let Some((source, range)) = failure.asked.as_ref().filter(|_| !failure.is_transcript()) {
            let (line, column) = source.line_column(range.start);
            self.value("asked in", &format!("{}:{line}:{column}", source.path.display()))?;
        }
        let place = match &cell.artifacts {
            Some(folder) => folder.join(failure.place).display().to_string(),
            None => failure.place.to_owned(),
        };
        self.value("look at", &place)
    }

    /// In what a transcript differs from the reviewed one.
    fn changes(&mut self, changes: &[Change]) -> io::Result<()> {
        writeln!(self.out, "    found")?;
        for change in changes.iter().take(MAX_LINES) {
            let colour = match change.weight {
                Weight::Major => AnsiColor::Red,
                Weight::Minor => AnsiColor::Yellow,
            };
            let weight = self.paint(Style::new().fg_color(Some(colour.into())), change.weight.word());
            writeln!(self.out, "      {weight} {}: {}", change.place, change.what)?;
        }
        self.more(changes.len(), "changes")
    }

    fn difference(&mut self, difference: &str) -> io::Result<()> {
        let lines: Vec<&str> = difference.lines().collect();
        for line in lines.iter().take(MAX_LINES) {
            let style = match line.chars().next() {
                Some('+') => Style::new().fg_color(Some(AnsiColor::Green.into())),
                Some('-') => Style::new().fg_color(Some(AnsiColor::Red.into())),
                Some('@') => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
                _ => Style::new(),
            };
            let line = self.paint(style, line);
            writeln!(self.out, "      {line}")?;
        }
        self.more(lines.len(), "lines")
    }

    /// Says how many there are beyond those shown.
    fn more(&mut self, count: usize, what: &str) -> io::Result<()> {
        match count.saturating_sub(MAX_LINES) {
            0 => Ok(()),
            more => writeln!(self.out, "      ... and {more} {what} more"),
        }
    }

    fn value(&mut self, label: &str, value: &str) -> io::Result<()> {
        let value = value.trim_end();
        if !value.contains('\n') && value.len() <= MAX_INLINE {
            return writeln!(self.out, "    {label:<8}  {value}");
        }
        writeln!(self.out, "    {label}")?;
        let lines: Vec<&str> = value.lines().collect();
        for line in lines.iter().take(MAX_LINES) {
            writeln!(self.out, "      {line}")?;
        }
        self.more(lines.len(), "lines")
    }

    /// A finding with the lines that disagree.
    ///
    /// # Errors
    ///
    /// When the writer fails.
    pub fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        for diagnostic in finding.diagnostics() {
            for line in diagnostic.render(self.colour).lines() {
                writeln!(self.out, "  {line}")?;
            }
        }
        Ok(())
    }

    /// The cells that took longest, when they are few and took much longer than the others.
    fn slowest(&mut self, cells: &[CellReport]) -> io::Result<()> {
        let mut ran: Vec<&CellReport> = cells.iter().filter(|cell| !cell.duration.is_zero()).collect();
        ran.sort_by_key(|cell| Reverse(cell.duration));
        let Some(median) = ran.get(ran.len() / 2).map(|cell| cell.duration) else { return Ok(()) };
        let slow = |cell: &&&CellReport| cell.duration >= SLOW.max(2 * median);
        let slowest: Vec<_> = ran.iter().take(SLOWEST).take_while(slow).collect();
        if slowest.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "\nslowest, when half of the cells took less than {:.1}s:", median.as_secs_f64())?;
        for cell in slowest {
            writeln!(self.out, "{:>6.1}s {}", cell.duration.as_secs_f64(), cell.name)?;
        }
        Ok(())
    }

    /// Skipped cells by reason, so that a machine without an implementation says so once.
    fn skipped(&mut self, cells: &[CellReport]) -> io::Result<()> {
        let mut reasons: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
        for cell in cells.iter().filter(|cell| cell.result == CellResult::Skip) {
            *reasons.entry((cell.reason.as_deref().unwrap_or_default(), cell.remedy.as_deref())).or_default() += 1;
        }
        if !reasons.is_empty() {
            writeln!(self.out)?;
        }
        for ((reason, remedy), count) in reasons {
            let mark = self.mark(CellResult::Skip);
            let cells = if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
            writeln!(self.out, "{mark} {cells}: {reason}")?;
            if let Some(remedy) = remedy {
                writeln!(self.out, "  remedy: {remedy}")?;
            }
        }
        Ok(())
    }

    fn mark(&self, result: CellResult) -> String {
        let colour = match result {
            CellResult::Pass => AnsiColor::Green,
            CellResult::Fail | CellResult::Error => AnsiColor::Red,
            CellResult::Skip => AnsiColor::Cyan,
            CellResult::Known | CellResult::Flaky => AnsiColor::Yellow,
        };
        let word = format!("{:<5}", result.word().to_uppercase());
        self.paint(Style::new().bold().fg_color(Some(colour.into())), &word)
    }

    fn seconds(&self, cell: &CellReport) -> String {
        self.paint(Style::new().dimmed(), &format!("{:.1}s", cell.duration.as_secs_f64()))
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
