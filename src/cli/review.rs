//! `ike-interop review`: looks at the transcripts that differ from the reviewed ones, and accepts or rejects them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use console::{Key, Term};

use super::selecting::Selecting;
use super::{BAD_INPUT, SUCCESS, UNEXPECTED, refuse};
use crate::diag::Diagnostic;
use crate::evidence::snapshot::{Pending, Shelf, Weight, changes, diff};
use crate::implementations::{DataPath, Registry};
use crate::ios::Release;
use crate::report::wants_colour;
use crate::scenario::Cell;

/// Look at the transcripts of the last run that differ from the reviewed ones, and accept or reject them.
///
/// They lie beside the reviewed ones as .snap.new files, where `cargo insta review` finds them too.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selecting: Selecting,

    /// Accept all, without asking.
    #[arg(long, conflicts_with_all = ["reject", "show"])]
    accept: bool,

    /// Reject all, without asking.
    #[arg(long, conflicts_with = "show")]
    reject: bool,

    /// Only show them.
    #[arg(long)]
    show: bool,
}

/// What becomes of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Accept,
    Reject,
    Skip,
}

/// Transcripts that differ in the same way, of the releases of one scenario with one implementation.
struct Question {
    shelf: Shelf,
    waiting: Vec<Pending>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let questions = match questions(arguments) {
        Ok(questions) => questions,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    if questions.is_empty() {
        println!("nothing to review: no transcript of the last run differs from the reviewed");
        return SUCCESS.into();
    }
    let decided = match (arguments.accept, arguments.reject, arguments.show) {
        (true, ..) => decide(&questions, |_, _| Ok(Some(Decision::Accept))),
        (_, true, _) => decide(&questions, |_, _| Ok(Some(Decision::Reject))),
        (.., true) => show(&questions).map(|()| Decided::default()),
        _ if !(io::stdin().is_terminal() && io::stdout().is_terminal()) => {
            let what = format!("there is no terminal to ask on about {} that differ", transcripts(questions.len()));
            refuse(&[Diagnostic::plain(what)
                .with_help("look with --show, then decide with --accept [PATH...] or --reject [PATH...]")]);
            return BAD_INPUT.into();
        }
        _ => ask(&questions),
    };
    match decided {
        Ok(_) if arguments.show => SUCCESS.into(),
        Ok(decided) => {
            println!("{} accepted, {} rejected, {} left", decided.accepted, decided.rejected, decided.left(&questions));
            SUCCESS.into()
        }
        // A closed pipe is the reader's wish.
        Err(error) if arguments.show && error.kind() == io::ErrorKind::BrokenPipe => SUCCESS.into(),
        Err(error) => {
            eprintln!("error: {error}");
            UNEXPECTED.into()
        }
    }
}

/// Everything that waits, in the order of the cells.
fn questions(arguments: &Arguments) -> Result<Vec<Question>, Vec<Diagnostic>> {
    let (files, selecting) = snapshot_files(&arguments.selecting);
    let mut questions: Vec<Question> = Vec::new();
    let mut seen = BTreeSet::new();
    let registry = selecting.registry()?;
    let cells = selecting.cells(registry.names())?;
    let releases: BTreeSet<Release> = cells.iter().map(|cell| cell.release).collect();
    for shelf in cells.iter().flat_map(|cell| shelves(&registry, cell)) {
        if !seen.insert(shelf.clone()) {
            continue;
        }
        let waiting = shelf.pending().map_err(|error| vec![Diagnostic::plain(error.to_string())])?;
        for pending in waiting {
            let wanted = files.is_empty() || files.iter().any(|file| same_file(file, &pending.file));
            if !wanted || !pending.releases.iter().any(|release| releases.contains(release)) {
                continue;
            }
            let alike = questions.iter_mut().find(|question| {
                question.shelf == shelf
                    && question.waiting[0].reviewed == pending.reviewed
                    && question.waiting[0].found == pending.found
            });
            match alike {
                Some(question) => question.waiting.push(pending),
                None => questions.push(Question { shelf: shelf.clone(), waiting: vec![pending] }),
            }
        }
    }
    Ok(questions)
}

/// Where the transcripts of a cell may be, whatever way its ESP travels.
pub(super) fn shelves(registry: &Registry, cell: &Cell) -> Vec<Shelf> {
    let driver = registry.driver(&cell.implementation);
    let names = driver.iter().flat_map(|driver| DataPath::ALL.map(|path| driver.filed_under(path)));
    names.collect::<BTreeSet<String>>().iter().map(|name| Shelf::of(cell, name)).collect()
}

/// Takes the paths of snapshots out of the selection; their scenarios stand in for them there.
fn snapshot_files(selecting: &Selecting) -> (Vec<PathBuf>, Selecting) {
    let mut selecting = selecting.clone();
    let (files, rest): (Vec<String>, Vec<String>) =
        selecting.paths.into_iter().partition(|path| path.ends_with(".snap") || path.ends_with(".snap.new"));
    selecting.paths = rest;
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    let folders = files.iter().filter_map(|file| file.parent()?.parent());
    let folders = folders.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folders: BTreeSet<String> = folders.map(|folder| folder.to_string_lossy().into_owned()).collect();
    selecting.paths.extend(folders);
    (files, selecting)
}

/// Whether the file given is the one that waits, or the reviewed one it would replace.
fn same_file(given: &Path, waiting: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    match given.extension().is_some_and(|extension| extension == "new") {
        true => real(given).is_some_and(|given| Some(given) == real(waiting)),
        false => real(given).is_some_and(|given| Some(given) == real(&waiting.with_extension(""))),
    }
}

fn transcripts(count: usize) -> String {
    if count == 1 { "1 transcript".to_owned() } else { format!("{count} transcripts") }
}

/// How many transcripts were decided about.
#[derive(Debug, Default)]
struct Decided {
    accepted: usize,
    rejected: usize,
}

impl Decided {
    fn left(&self, questions: &[Question]) -> usize {
        questions.len() - self.accepted - self.rejected
    }
}

/// Does what `decision` says about each; stops where it says nothing.
fn decide(
    questions: &[Question],
    mut decision: impl FnMut(usize, &Question) -> io::Result<Option<Decision>>,
) -> io::Result<Decided> {
    let mut decided = Decided::default();
    for (index, question) in questions.iter().enumerate() {
        match decision(index, question)? {
            Some(Decision::Accept) => {
                let releases = question
                    .waiting
                    .iter()
                    .flat_map(|waiting| waiting.releases.iter().map(|release| (*release, waiting.found.clone())));
                question.shelf.accept(&releases.collect::<BTreeMap<_, _>>())?;
                decided.accepted += 1;
            }
            Some(Decision::Reject) => {
                question.waiting.iter().try_for_each(|waiting| question.shelf.reject(waiting))?;
                decided.rejected += 1;
            }
            Some(Decision::Skip) => {}
            None => break,
        }
    }
    Ok(decided)
}

fn show(questions: &[Question]) -> io::Result<()> {
    let colour = wants_colour();
    let mut out = io::stdout().lock();
    for (index, question) in questions.iter().enumerate() {
        out.write_all(told(question, index, questions.len(), colour).as_bytes())?;
    }
    Ok(())
}

/// Asks on the terminal, a key for each.
fn ask(questions: &[Question]) -> io::Result<Decided> {
    let terminal = Term::stdout();
    let colour = wants_colour();
    let mut for_all = None;
    decide(questions, |index, question| {
        if for_all.is_some() {
            return Ok(for_all);
        }
        terminal.write_str(&told(question, index, questions.len(), colour))?;
        terminal.write_str("\na accept, r reject, s skip; A, R: this and all that follow; q quit: ")?;
        loop {
            let decision = match terminal.read_key()? {
                Key::Char('a') => Decision::Accept,
                Key::Char('r') => Decision::Reject,
                Key::Char('s') | Key::Enter => Decision::Skip,
                Key::Char('A') => *for_all.insert(Decision::Accept),
                Key::Char('R') => *for_all.insert(Decision::Reject),
                Key::Char('q') | Key::Escape => {
                    terminal.write_line("quit")?;
                    return Ok(None);
                }
                _ => continue,
            };
            terminal.write_line(match decision {
                Decision::Accept => "accepted",
                Decision::Reject => "rejected",
                Decision::Skip => "skipped",
            })?;
            return Ok(Some(decision));
        }
    })
}

/// A question as text: what it is of, what changed, and the lines that differ.
fn told(question: &Question, index: usize, count: usize, colour: bool) -> String {
    let paint = |style: Style, text: &str| if colour { format!("{style}{text}{style:#}") } else { text.to_owned() };
    let foreground = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let waiting = &question.waiting[0];
    let releases: Vec<String> =
        question.waiting.iter().flat_map(|waiting| &waiting.releases).map(ToString::to_string).collect();
    let against = match releases.len() == question.shelf.releases().len() {
        true => "every release".to_owned(),
        false => releases.join(", "),
    };
    let title = format!("{} against {against}", question.shelf.about());
    let mut out = format!("\n[{} of {count}] {}\n", index + 1, paint(Style::new().bold(), &title));
    for waiting in &question.waiting {
        out.push_str(&format!("  {}\n", waiting.file.display()));
    }
    let Some(reviewed) = &waiting.reviewed else {
        out.push_str(&format!("  none has been reviewed\n\n{}", waiting.found));
        return out;
    };
    for change in changes(reviewed, &waiting.found) {
        let style = match change.weight {
            Weight::Major => foreground(AnsiColor::Red),
            Weight::Minor => foreground(AnsiColor::Yellow),
        };
        out.push_str(&format!("  {} {}: {}\n", paint(style, change.weight.word()), change.place, change.what));
    }
    out.push('\n');
    for line in diff(reviewed, &waiting.found).lines() {
        let style = match line.chars().next() {
            Some('+') => foreground(AnsiColor::Green),
            Some('-') => foreground(AnsiColor::Red),
            Some('@') => foreground(AnsiColor::Cyan),
            _ => Style::new(),
        };
        out.push_str(&format!("{}\n", paint(style, line)));
    }
    out
}
