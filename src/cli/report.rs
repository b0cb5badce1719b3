//! `ike-interop report`: everything a run leaves, made again from its event logs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{BAD_INPUT, SUCCESS, UNEXPECTED, refuse};
use crate::diag::{Diagnostic, Severity};
use crate::evidence::artifacts::{self, EVENTS};
use crate::ios::Release;
use crate::report::{self, CellReport, Github, Project, Reading, Summary, Terminal, event_logs, wants_colour};
use crate::scenario::{Cell, Twin};

/// Make reports, transcripts, captures and logs again from the event logs of a run.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder of the run; every event log below it is used.
    #[arg(value_name = "DIR", default_value = "target/ike-interop")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    retell(std::slice::from_ref(&arguments.folder), &arguments.folder)
}

/// Judges every event log below `folders` anew and writes what a run writes to `out`. Logs that cannot be used are told, and
/// the others used all the same.
pub(super) fn retell(folders: &[PathBuf], out: &Path) -> ExitCode {
    let logs = match find(folders) {
        Ok(logs) => logs,
        Err(error) => {
            refuse(&[*error]);
            return BAD_INPUT.into();
        }
    };
    let mut told = Retold::default();
    for path in &logs {
        told.read(path, folders, out);
    }
    let mut cells: Vec<(Place, CellReport)> = told.cells.into_values().map(|(_, place, cell)| (place, cell)).collect();
    cells.sort_by(|(one, _), (other, _)| one.cmp(other));
    let cells: Vec<CellReport> = cells.into_iter().map(|(_, cell)| cell).collect();
    refuse(&told.complaints);
    // A closed pipe is the reader's wish.
    let github = Github::of_environment();
    let _ = Terminal::new(io::stdout().lock(), wants_colour()).for_github(github.is_some()).conclude(&cells);
    // What was annotated when it was run is not annotated again.
    let written = Project::of_environment().and_then(|project| {
        report::write_files(out, &cells, &project)?;
        github.map_or(Ok(()), |github| github.summarize(&cells, &project))
    });
    if let Err(error) = written {
        refuse(&[Diagnostic::plain(format!("cannot write to {}: {error}", out.display()))]);
        return UNEXPECTED.into();
    }
    if told.unusable {
        return BAD_INPUT.into();
    }
    let summary = Summary::of(cells.iter().map(|cell| cell.result));
    if summary.is_success() { SUCCESS.into() } else { UNEXPECTED.into() }
}

fn find(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let mut logs = Vec::new();
    for folder in folders {
        let found = event_logs(folder)
            .map_err(|error| Diagnostic::plain(format!("cannot read the folder {}: {error}", folder.display())))
            .map_err(Box::new)?;
        if found.is_empty() {
            let error = Diagnostic::plain(format!("there is no event log below {}", folder.display()));
            let help = format!("expected what `ike-interop run --out` wrote, with {EVENTS} files");
            return Err(Box::new(error.with_help(help)));
        }
        logs.extend(found);
    }
    logs.sort();
    logs.dedup();
    Ok(logs)
}

/// Where a cell stands among those of a run: by scenario, implementation, release and twin.
type Place = (String, Option<usize>, Release, Option<Twin>);

/// The cells read so far.
#[derive(Default)]
struct Retold {
    /// By name, with the time the cell began and its place.
    cells: BTreeMap<String, (u64, Place, CellReport)>,
    complaints: Vec<Diagnostic>,
    unusable: bool,
}

impl Retold {
    fn read(&mut self, path: &Path, folders: &[PathBuf], out: &Path) {
        let reading = match Reading::open(path) {
            Ok(reading) => reading,
            Err(error) => {
                self.complaints.push(Diagnostic::plain(format!("{}: {error}", path.display())));
                self.unusable = true;
                return;
            }
        };
        let warn = |text: String| Diagnostic::plain(text).with_severity(Severity::Warning);
        if let Some(damage) = &reading.damage {
            self.complaints.push(warn(format!("{}: {damage}; what stands before it is used", path.display())));
        }
        let (name, began) = (reading.cell.name.clone(), reading.log.header.epoch);
        if let Some((other, ..)) = self.cells.get(&name) {
            self.complaints.push(warn(format!("{name} was run more than once; the last run counts")));
            if *other > began {
                return;
            }
        }
        match write(&reading, path, folders, out) {
            Ok(folder) => {
                self.cells.insert(name, (began, place(&reading.cell), reading.report(&folder)));
            }
            Err(error) => {
                self.complaints.push(Diagnostic::plain(format!("cannot write the evidence of {name}: {error}")));
                self.unusable = true;
            }
        }
    }
}

fn place(cell: &Cell) -> Place {
    let scenario = &cell.scenario;
    let implementation = scenario.implementations.iter().position(|name| *name == cell.implementation);
    (scenario.name.clone(), implementation, cell.release, cell.twin)
}

/// Writes the folder of a cell: where its log lies when that is where it goes, otherwise below `out`.
fn write(reading: &Reading, path: &Path, folders: &[PathBuf], out: &Path) -> io::Result<PathBuf> {
    let here = path.parent().unwrap_or(Path::new("")).to_owned();
    let stays = matches!(folders, [only] if only == out);
    let folder = if stays { here } else { artifacts::folder(out, &reading.cell.name) };
    std::fs::create_dir_all(&folder)?;
    let copy = folder.join(EVENTS);
    if !copy.exists() || copy.canonicalize()? != path.canonicalize()? {
        std::fs::copy(path, &copy)?;
    }
    artifacts::write_views(&folder, &reading.log)?;
    Ok(folder)
}
