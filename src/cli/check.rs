//! `ike-interop check`: reads scenarios and running-configs, and says what is wrong with them and what will happen.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use super::config::Config;
use super::review::shelves;
use super::{BAD_INPUT, SUCCESS, refuse};
use crate::diag::{Diagnostic, Severity, Source};
use crate::evidence::snapshot::{self, Shelf};
use crate::implementations::Registry;
use crate::ios::config::check_config;
use crate::report::wants_colour;
use crate::scenario::expect::{Phase1Expect, Phase2Expect, Plaintext};
use crate::scenario::{self, PingResult, Scenario, Step};

/// Check scenarios and Cisco configurations, and say in plain words what will happen.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Scenario files, folders of them, and running-configs (.ios, .cfg, .conf, .txt).
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Only what is wrong.
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    config: Config,
}

/// As many findings are told; the rest are counted.
const MOST_TOLD: usize = 500;

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let registry = match arguments.config.registry(&arguments.paths) {
        Ok(registry) => registry,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    let checked = check(&arguments.paths, &registry);
    let colour = wants_colour();
    let mut out = io::stdout().lock();
    let told = worst(&checked.diagnostics);
    for diagnostic in &told {
        // A closed pipe is the reader's wish; so below.
        let _ = writeln!(out, "{}\n", diagnostic.render(colour));
    }
    if told.len() < checked.diagnostics.len() {
        let _ = writeln!(out, "... and {} more, none of them worse\n", checked.diagnostics.len() - told.len());
    }
    if !arguments.quiet {
        let _ = write!(out, "{}", checked.summary);
    }
    let errors = checked.diagnostics.iter().filter(|told| told.severity == Severity::Error).count();
    let _ = writeln!(out, "{}", closing(&checked.diagnostics));
    if errors > 0 { BAD_INPUT.into() } else { SUCCESS.into() }
}

/// What a check found.
struct Checked {
    diagnostics: Vec<Diagnostic>,
    summary: String,
}

/// What is told of a check, in the order it was found: all of it, or where that is more than anybody reads, the worst.
fn worst(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut places: Vec<usize> = (0..diagnostics.len()).collect();
    places.sort_by_key(|place| diagnostics[*place].severity);
    places.truncate(MOST_TOLD);
    places.sort_unstable();
    places.into_iter().map(|place| &diagnostics[place]).collect()
}

fn closing(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|told| told.severity == severity).count();
    let words = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    format!("{}, {}", words(count(Severity::Error), "error"), words(count(Severity::Warning), "warning"))
}

fn check(paths: &[PathBuf], registry: &Registry) -> Checked {
    let mut checked = Checked { diagnostics: Vec::new(), summary: String::new() };
    for path in paths {
        if is_config(path) {
            checked.config(path);
        } else {
            checked.scenarios(path, registry);
        }
    }
    checked
}

fn is_config(path: &Path) -> bool {
    let endings = ["ios", "cfg", "conf", "txt"];
    let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

impl Checked {
    fn config(&mut self, path: &Path) {
        // `show running-config` of old devices holds Latin-1 in descriptions now and then.
        let source = match Source::read_lossy(path, scenario::MAX_FILE) {
            Ok(source) => source,
            Err(error) => {
                self.diagnostics.push(error.diagnostic(path));
                return;
            }
        };
        let (config, diagnostics) = check_config(&source);
        self.diagnostics.extend(diagnostics);
        let _ = writeln!(self.summary, "{}", path.display());
        self.summary.push_str(&indented(&config.summary()));
        self.summary.push('\n');
    }

    fn scenarios(&mut self, path: &Path, registry: &Registry) {
        match scenario::load_tree(&[path.to_owned()], registry.names()) {
            Ok(scenarios) => {
                for scenario in &scenarios {
                    self.scenario(scenario);
                }
                let cells = scenario::cells(&scenarios);
                let shelves: Vec<Shelf> = cells.iter().flat_map(|cell| shelves(registry, cell)).collect();
                self.strays(&shelves);
            }
            Err(errors) => self.diagnostics.extend(errors),
        }
    }

    /// What is left of scenarios that were removed or renamed.
    fn strays(&mut self, shelves: &[Shelf]) {
        match snapshot::strays(shelves) {
            Ok(strays) => self.diagnostics.extend(strays.iter().map(|stray| {
                let title = format!("no cell has the transcript {}", stray.display());
                let help = "its scenario, or what its matrix named, is gone: remove it, or give it the new name";
                Diagnostic::plain(title).with_severity(Severity::Warning).with_help(help)
            })),
            Err(error) => self.diagnostics.push(Diagnostic::plain(format!("cannot read the transcripts: {error}"))),
        }
    }

    fn scenario(&mut self, scenario: &Arc<Scenario>) {
        // What is doubtful about the router's configuration is what a negative scenario is about; of the fixed twin, or of a
        // scenario without one, it is a doubt about the scenario.
        let working = scenario.fixed.as_ref().unwrap_or(scenario);
        self.diagnostics.extend(working.router.running.lint());
        self.summary.push_str(&story(scenario));
        self.summary.push('\n');
    }
}

/// What will happen in a scenario, in plain words.
fn story(scenario: &Scenario) -> String {
    let mut out = format!("{}: {}\n", scenario.name, scenario.title);
    let tunnel = &scenario.tunnel;
    let words = |list: Vec<String>| list.join(", ");
    let _ = writeln!(
        out,
        "  runs with   {} against {}",
        words(scenario.implementations.iter().map(ToString::to_string).collect()),
        words(scenario.releases.iter().map(ToString::to_string).collect())
    );
    let _ = writeln!(out, "  tunnel      {} to {}", tunnel.local, tunnel.remote);
    if let Some(nat) = scenario.nat {
        let _ = writeln!(out, "  NAT         {} is seen as {}", tunnel.local, nat.address);
    }
    let _ = writeln!(out, "  phase 1     {}", words(tunnel.phase1.proposals.iter().map(ToString::to_string).collect()));
    let pfs = tunnel.phase2.pfs.map_or(String::new(), |group| format!(", PFS {group}"));
    let proposals = words(tunnel.phase2.proposals.iter().map(ToString::to_string).collect());
    let _ = writeln!(out, "  phase 2     {proposals}{pfs}");
    for pair in &tunnel.traffic {
        let _ = writeln!(out, "  protects    {pair}");
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        let _ = writeln!(out, "  {:<10}  {}", format!("step {}", index + 1), step_words(step));
    }
    for line in expectations(scenario) {
        let _ = writeln!(out, "  expects     {line}");
    }
    if scenario.fixed.is_some() {
        out.push_str("  then        the same with the fix, by which the tunnel must come up\n");
    }
    out
}

fn step_words(step: &Step) -> String {
    match step {
        Step::Initiate => "the implementation brings the tunnel up".to_owned(),
        Step::Ping(ping) => {
            let result = match ping.expect {
                PingResult::Replied => "at least one is answered",
                PingResult::All => "all are answered",
                PingResult::Lost => "none is answered",
            };
            format!("{} pings {} {} times, {result}", ping.from, ping.to, ping.count)
        }
        Step::Wait(span) => format!("{span} pass"),
        Step::Cisco(command) => format!("`{command}` is typed on the router"),
        Step::Expect(_) => "things are looked at".to_owned(),
    }
}

fn expectations(scenario: &Scenario) -> Vec<String> {
    let expect = &scenario.expect;
    let mut lines = vec![match expect.phase1 {
        Phase1Expect::Established => "phase 1 established".to_owned(),
        Phase1Expect::None => "no phase 1: the router does not answer".to_owned(),
        Phase1Expect::Rejected(reason) => format!("phase 1 refused: {}", reason.about()),
    }];
    match &expect.phase2 {
        Phase2Expect::Established => lines.push("phase 2 established".to_owned()),
        Phase2Expect::Pairs(count) => lines.push(format!("{count} pairs of IPsec SAs")),
        Phase2Expect::Selectors(pairs) => {
            lines.extend(pairs.iter().map(|pair| format!("a pair of IPsec SAs for {pair}")));
        }
        Phase2Expect::None => {}
        Phase2Expect::Rejected(reason) => lines.push(format!("phase 2 refused: {}", reason.about())),
    }
    match expect.plaintext {
        Plaintext::None => lines.push("nothing of the protected networks in clear".to_owned()),
        Plaintext::Allowed => {}
        Plaintext::Leaks => lines.push("packets of the protected networks in clear".to_owned()),
    }
    lines.extend(expect.diagnosis.iter().map(|code| format!("diagnosis {code}: {}", code.about())));
    lines
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn check(paths: &[PathBuf]) -> Checked {
        super::check(paths, &Registry::built_in())
    }

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    #[test]
    fn a_scenario_is_told_in_plain_words() {
        let checked = check(&[repository("scenarios/phase2/acl-not-mirrored.yaml")]);
        assert_eq!(closing(&checked.diagnostics), "0 errors, 0 warnings");
        insta::assert_snapshot!(checked.summary);
    }

    #[test]
    fn every_scenario_of_the_catalogue_is_without_errors() {
        let checked = check(&[repository("scenarios")]);
        let errors: Vec<String> = checked
            .diagnostics
            .iter()
            .filter(|told| told.severity == Severity::Error || told.title.contains("transcript"))
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }

    #[test]
    fn a_transcript_that_outlived_its_scenario_is_told() {
        let folder = std::env::temp_dir().join(format!("ike-interop-strays-{}", std::process::id()));
        fs::create_dir_all(folder.join("snapshots")).unwrap();
        for name in ["plain.yaml", "plain.ios"] {
            fs::copy(repository("scenarios/tunnel").join(name), folder.join(name)).unwrap();
        }
        for name in ["plain@builtin.snap", "plian@builtin.snap"] {
            fs::write(folder.join("snapshots").join(name), "").unwrap();
        }
        let checked = check(std::slice::from_ref(&folder));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(closing(&checked.diagnostics), "0 errors, 1 warning");
        assert!(checked.diagnostics[0].title.ends_with("snapshots/plian@builtin.snap"), "{:?}", checked.diagnostics);
    }

    #[test]
    fn a_configuration_is_summed_up_and_its_errors_count() {
        let folder = std::env::temp_dir().join(format!("ike-interop-check-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("r1.cfg");
        fs::write(&path, "hostname R1\ncrypto isakmp policy 10\n group 33\n").unwrap();
        let checked = check(std::slice::from_ref(&path));
        fs::remove_dir_all(folder).unwrap();
        assert!(checked.diagnostics.iter().any(|told| told.severity == Severity::Error), "{:?}", checked.diagnostics);
        assert!(checked.summary.contains("R1"), "{}", checked.summary);
    }

    #[test]
    fn a_missing_file_is_an_error() {
        for name in ["no-such.yaml", "no-such.ios"] {
            let checked = check(&[PathBuf::from(name)]);
            assert_eq!(closing(&checked.diagnostics), "1 error, 0 warnings", "{name}");
        }
    }
}
