//! `ike-interop report`: everything a run leaves, made again from its event logs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{BAD_INPUT, SUCCESS, UNEXPECTED, refuse};
use crate::diag::{Diagnostic, Severity};
use crate::evidence::artifacts::{self, EVENTS};
use crate::ios::Release;
use crate::report::{
    self, CellReport, Evidence, Github, Project, ROSTER, Reading, Roster, Summary, Terminal, wants_colour,
};
use crate::scenario::{Cell, Shard, Twin};

/// Make reports, transcripts, captures and logs again from the event logs of a run.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder of the run, or one with runs below it.
    #[arg(value_name = "DIR", default_value = "target/ike-interop")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    retell(std::slice::from_ref(&arguments.folder), &arguments.folder)
}

/// Judges every event log of the runs below `folders` anew and writes what a run writes to `out`. Logs that cannot be used
/// are told, and the others used all the same.
pub(super) fn retell(folders: &[PathBuf], out: &Path) -> ExitCode {
    let evidence = match Evidence::below(folders) {
        Ok(evidence) => evidence,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    let merges = !matches!(folders, [only] if only == out);
    let (complaints, unusable) = (evidence.absent.clone(), !evidence.absent.is_empty());
    let mut told = Retold { out, merges, complaints, unusable, incomplete: false };
    let chosen = told.choose(&evidence);
    told.look_for_gaps(&evidence, &chosen);
    let mut cells: Vec<(Place, CellReport)> =
        chosen.values().filter_map(|(_, path)| told.read(path)).map(|(cell, report)| (place(&cell), report)).collect();
    cells.sort_by(|(one, _), (other, _)| one.cmp(other));
    let cells: Vec<CellReport> = cells.into_iter().map(|(_, cell)| cell).collect();
    // A closed pipe is the reader's wish.
    let github = Github::of_environment();
    let _ = Terminal::new(io::stdout().lock(), wants_colour()).for_github(github.is_some()).conclude(&cells);
    refuse(&told.complaints);
    // What was annotated when it was run is not annotated again.
    let written = Project::of_environment().and_then(|project| {
        report::write_files(out, &cells, &project)?;
        if merges {
            let missing = evidence.runs.into_values().flat_map(|run| run.missing);
            Roster::new(chosen.into_keys().chain(missing), None).write(out)?;
        }
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
    if summary.is_success() && !told.incomplete { SUCCESS.into() } else { UNEXPECTED.into() }
}

/// Where a cell stands among those of a run: by scenario, implementation, release and twin.
type Place = (String, Option<usize>, Release, Option<Twin>);

fn place(cell: &Cell) -> Place {
    let scenario = &cell.scenario;
    let implementation = scenario.implementations.iter().position(|name| *name == cell.implementation);
    (scenario.name.clone(), implementation, cell.release, cell.twin)
}

/// Of each cell by its name, when it began and its event log.
type Chosen = BTreeMap<String, (u64, PathBuf)>;

/// A run that is told again.
struct Retold<'a> {
    out: &'a Path,
    /// Whether what is written goes elsewhere than the logs lie.
    merges: bool,
    complaints: Vec<Diagnostic>,
    /// Some input could not be used.
    unusable: bool,
    /// It is known that there should be more.
    incomplete: bool,
}

impl Retold<'_> {
    /// The last log of each cell.
    fn choose(&mut self, evidence: &Evidence) -> Chosen {
        for (folder, error) in &evidence.unusable {
            self.refuse(format!("{}: {error}", folder.join(ROSTER).display()));
        }
        let (mut chosen, mut twice) = (Chosen::new(), BTreeSet::new());
        for path in &evidence.logs {
            let header = match Reading::head(path) {
                Ok(header) => header,
                Err(error) => {
                    self.refuse(format!("{}: {error}", path.display()));
                    continue;
                }
            };
            let (name, began) = (header.cell, header.epoch);
            if let Some((other, _)) = chosen.get(&name) {
                twice.insert(name.clone());
                if *other > began {
                    continue;
                }
            }
            chosen.insert(name, (began, path.clone()));
        }
        if !twice.is_empty() {
            let names = some(twice.iter());
            let were = if twice.len() == 1 { "was" } else { "were" };
            self.warn(format!("{names} {were} run more than once; the last run counts"));
        }
        chosen
    }

    /// Tells what is not here although there should be, and what is here and not told.
    fn look_for_gaps(&mut self, evidence: &Evidence, chosen: &Chosen) {
        for (folder, run) in &evidence.runs {
            let missing: Vec<&String> = run.missing.iter().filter(|name| !chosen.contains_key(*name)).collect();
            if !missing.is_empty() {
                let (count, all) = (missing.len(), run.roster.cells.len());
                let names = some(missing.into_iter());
                self.gap(format!(
                    "{}: the run ended before {count} of its {all} cells had: there is no event log of {names}",
                    folder.display()
                ));
            }
            if run.earlier > 0 && !self.merges {
                let cells = if run.earlier == 1 { "1 cell".to_owned() } else { format!("{} cells", run.earlier) };
                let title = format!("{}: {cells} of earlier runs lie there too, and are not told", folder.display());
                self.complaints.push(Diagnostic::plain(title).with_severity(Severity::Note));
            }
        }
        let shards: Option<BTreeSet<(u32, u32)>> =
            evidence.runs.values().map(|run| run.roster.shard.map(Shard::place)).collect();
        let shards = shards.filter(|shards| self.merges && !shards.is_empty()).unwrap_or_default();
        let counts: BTreeSet<u32> = shards.iter().map(|(_, count)| *count).collect();
        let Some(count) = counts.first().copied().filter(|_| counts.len() == 1) else { return };
        let absent: Vec<String> =
            (1..=count).filter(|index| !shards.contains(&(*index, count))).map(|index| index.to_string()).collect();
        if !absent.is_empty() {
            let (parts, are) = if absent.len() == 1 { ("shard", "is") } else { ("shards", "are") };
            self.gap(format!("{parts} {} of {count} {are} not among what is merged", some(absent.iter())));
        }
    }

    /// Judges a log and writes the folder of its cell.
    fn read(&mut self, path: &Path) -> Option<(Cell, CellReport)> {
        let reading = match Reading::open(path) {
            Ok(reading) => reading,
            Err(error) => {
                self.refuse(format!("{}: {error}", path.display()));
                return None;
            }
        };
        if let Some(damage) = &reading.damage {
            self.warn(format!("{}: {damage}; what stands before it is used", path.display()));
        }
        match self.write(&reading, path) {
            Ok(folder) => {
                let report = reading.report(&folder);
                Some((reading.cell, report))
            }
            Err(error) => {
                self.refuse(format!("cannot write the evidence of {}: {error}", reading.cell.name));
                None
            }
        }
    }

    /// Writes the folder of a cell: where its log lies when that is where it goes, otherwise below the folder for all.
    fn write(&self, reading: &Reading, path: &Path) -> io::Result<PathBuf> {
        let here = path.parent().unwrap_or(Path::new(""));
        let folder = match self.merges {
            true => artifacts::folder(self.out, &reading.cell.name),
            false => here.to_owned(),
        };
        let here = here.canonicalize()?;
        if !folder.exists() || folder.canonicalize()? != here {
            // What another merge left there is about another run; that there is nothing to remove is as good.
            let _ = fs::remove_dir_all(&folder);
            copy_logs(&here, &folder)?;
        }
        artifacts::write_views(&folder, &reading.log)?;
        for attempt in artifacts::attempts(&folder)? {
            // That one of them cannot be read changes nothing about the last.
            if let Ok(log) = Reading::log(&attempt.join(EVENTS)) {
                artifacts::write_views(&attempt, &log)?;
            }
        }
        Ok(folder)
    }

    fn refuse(&mut self, text: String) {
        self.complaints.push(Diagnostic::plain(text));
        self.unusable = true;
    }

    fn warn(&mut self, text: String) {
        self.complaints.push(Diagnostic::plain(text).with_severity(Severity::Warning));
    }

    fn gap(&mut self, text: String) {
        self.warn(text);
        self.incomplete = true;
    }
}

/// Copies the event logs of a cell and of its earlier attempts.
fn copy_logs(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::copy(from.join(EVENTS), to.join(EVENTS))?;
    for attempt in artifacts::attempts(from)?.iter().filter(|attempt| attempt.join(EVENTS).is_file()) {
        let below = attempt.strip_prefix(from).unwrap_or(attempt);
        copy_logs(attempt, &to.join(below))?;
    }
    Ok(())
}

/// The first of these names, and how many more there are.
fn some(names: impl ExactSizeIterator<Item = impl AsRef<str>>) -> String {
    /// How many are told.
    const FEW: usize = 5;
    let count = names.len();
    let few: Vec<_> = names.take(FEW).collect();
    let few: Vec<&str> = few.iter().map(AsRef::as_ref).collect();
    match (&few[..], count.saturating_sub(FEW)) {
        ([begin @ .., last], 0) if !begin.is_empty() => format!("{} and {last}", begin.join(", ")),
        (_, 0) => few.concat(),
        (_, more) => format!("{} and {more} more", few.join(", ")),
    }
}
