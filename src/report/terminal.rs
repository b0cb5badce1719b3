//! The run on a terminal or in a CI log: a line for each cell as it ends, then the failures with what to look at, then what
//! was skipped and why, then one line of counts.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{CellReport, CellResult, Summary};
use crate::verdict::{Failure, Finding};

/// Whether what is written to standard output may be coloured: it is a terminal, and neither `NO_COLOR` nor `TERM` forbid.
pub fn wants_colour() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Writes the run to any writer.
pub struct Terminal<W> {
    out: W,
    colour: bool,
}

/// The longest value that is shown beside its label; longer ones and those of several lines go below it.
const MAX_INLINE: usize = 600;

/// Lines that are shown of a value of many.
const MAX_LINES: usize = 12;

impl<W: Write> Terminal<W> {
    /// Writes to `out`, in colour if so.
    pub fn new(out: W, colour: bool) -> Self {
        Self { out, colour }
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

    /// Tells the failures, the skipped cells and the counts.
    ///
    /// # Errors
    ///
    /// When the writer fails.
    pub fn conclude(&mut self, cells: &[CellReport]) -> io::Result<()> {
        for cell in cells.iter().filter(|cell| cell.result.fails_the_run()) {
            self.failure(cell)?;
        }
        self.skipped(cells)?;
        let summary = Summary::of(cells.iter().map(|cell| cell.result));
        let style = match summary.is_success() {
            true => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            false => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        };
        let line = self.paint(style, &summary.line());
        writeln!(self.out, "\n{line}")
    }

    fn failure(&mut self, cell: &CellReport) -> io::Result<()> {
        let mark = self.mark(cell.result);
        let name = self.paint(Style::new().bold(), &cell.name);
        writeln!(self.out, "\n{mark} {name}")?;
        let failures = cell.verdict.as_ref().map_or(&[][..], |verdict| &verdict.failures);
        if let (true, Some(reason)) = (failures.is_empty(), &cell.reason) {
            writeln!(self.out, "  {reason}")?;
        }
        for failure in failures {
            self.one_failure(cell, failure)?;
        }
        for finding in cell.verdict.iter().flat_map(|verdict| &verdict.findings) {
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
        self.value("found", &failure.found)?;
        let place = match &cell.artifacts {
            Some(folder) => folder.join(failure.place).display().to_string(),
            None => failure.place.to_owned(),
        };
        self.value("look at", &place)
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
        match lines.len().saturating_sub(MAX_LINES) {
            0 => Ok(()),
            more => writeln!(self.out, "      ... and {more} lines more"),
        }
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
