//! Cells from an ordinary test suite, and what becomes of transcripts that differ: the library's `testing` and the program's
//! `review`, on a copy of a scenario.

mod terminal;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ike_interop::testing::{CellTest, TestingError, run_cell};
use rstest::rstest;
use terminal::Terminal;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_ike-interop");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[rstest]
fn a_cell_from_a_test_suite(
    #[values("tunnel/plain", "tunnel/two-subnets")] scenario: &str,
    #[values("12.4", "xe16")] release: &str,
) {
    let cell = run_cell(root().join(format!("scenarios/{scenario}.yaml")), "builtin", release).unwrap();
    assert_eq!(cell.skipped(), None);
    cell.assert_passed();
    cell.assert_transcript();
    assert!(cell.transcript().contains("quick-mode-3 dut > cisco"), "{}", cell.transcript());
    assert!(cell.folder().join("capture.pcapng").is_file());
    assert_eq!(cell.report().name, format!("{scenario}/builtin/{release}"));
}

#[rstest]
#[case(false, &["acl-not-mirrored"])]
#[case(true, &[])]
fn both_twins_of_a_negative(#[case] fixed: bool, #[case] findings: &[&str]) {
    let test = CellTest::new(root().join("scenarios/phase2/acl-not-mirrored.yaml"), "builtin", "15.x").program(PROGRAM);
    let cell = if fixed { test.fixed() } else { test }.run().unwrap();
    cell.assert_passed();
    let codes: Vec<String> = cell.verdict().unwrap().findings.iter().map(|finding| finding.code.to_string()).collect();
    assert_eq!(codes, findings);
}

/// A test suite that is one of fifty jobs of a pipeline, and a job of GitHub, runs the cells it names all the same, and the
/// job hears of them from the test suite alone.
#[test]
fn the_ci_job_of_a_test_suite_is_not_that_of_its_cells() {
    let summary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("summary-{}", std::process::id()));
    let mut suite = Command::new(std::env::current_exe().unwrap());
    suite.arg("a_cell_from_a_test_suite").env("CI_NODE_TOTAL", "50").env("CI_NODE_INDEX", "1");
    let output = suite.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    assert!(output.status.success() && said(&output).contains("4 passed"), "{}", said(&output));
    assert!(!summary.exists());
}

#[test]
fn what_cannot_be_run_is_an_error() {
    let scenario = root().join("scenarios/tunnel/plain.yaml");
    assert!(matches!(run_cell(&scenario, "nobody", "15.x"), Err(TestingError::NoCell { .. })));
    let missing = CellTest::new(&scenario, "builtin", "15.x").program("/no/such/program").run();
    assert!(matches!(missing, Err(TestingError::Start { .. })));
    let other = CellTest::new(&scenario, "builtin", "15.x").program("/bin/false").run();
    assert!(matches!(other, Err(TestingError::NoLog { .. })));
    // As `unwrap` tells it.
    let told = format!("{:?}", run_cell(&scenario, "nobody", "15.x").unwrap_err());
    assert!(told.ends_with("has no cell with nobody against 15.x: see its matrix, or `ike-interop list`"), "{told}");
}

/// Processes of a cell find an empty `/tmp`, which hides where the run was started.
#[test]
fn a_run_may_be_started_below_the_folder_of_temporary_files() {
    let folder = std::env::temp_dir().join(format!("ike-interop-started-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(PROGRAM);
    command.current_dir(&folder).arg("run").arg(root().join("scenarios/tunnel/plain.yaml"));
    let output = command.args(["-i", "builtin", "--ios", "15.x", "--snapshots", "off"]).output().unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// A scenario of its own with its transcript reviewed, which goes in the end.
struct Copied(PathBuf);

impl Copied {
    /// `tunnel/plain` with two releases, and a transcript that `change` was made to.
    fn new(name: &str, change: impl Fn(&str) -> String) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let original = root().join("scenarios/tunnel");
        fs::create_dir_all(folder.join("snapshots")).unwrap();
        fs::copy(original.join("plain.ios"), folder.join("plain.ios")).unwrap();
        let scenario = fs::read_to_string(original.join("plain.yaml")).unwrap();
        let matrix = "matrix: { implementation: [builtin], ios: [\"12.4\", \"15.x\"] }";
        let lines = scenario.lines().map(|line| if line.starts_with("matrix:") { matrix } else { line });
        fs::write(folder.join("plain.yaml"), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let reviewed = fs::read_to_string(original.join("snapshots/plain@builtin.snap")).unwrap();
        let changed = change(&reviewed);
        assert_ne!(changed, reviewed);
        fs::write(folder.join("snapshots/plain@builtin.snap"), changed).unwrap();
        Self(folder)
    }

    fn scenario(&self) -> PathBuf {
        self.0.join("plain.yaml")
    }

    /// The same scenario and its transcript under further names.
    fn also(self, names: &[&str]) -> Self {
        for name in names {
            fs::copy(self.scenario(), self.0.join(format!("{name}.yaml"))).unwrap();
            let snapshots = self.0.join("snapshots");
            fs::copy(snapshots.join("plain@builtin.snap"), snapshots.join(format!("{name}@builtin.snap"))).unwrap();
        }
        self
    }

    /// What the transcript of a scenario is now, and whether another waits.
    fn transcript(&self, name: &str) -> (String, bool) {
        let file = self.0.join("snapshots").join(format!("{name}@builtin.snap"));
        (fs::read_to_string(&file).unwrap(), file.with_extension("snap.new").exists())
    }

    /// The files of the snapshots' folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.join("snapshots")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the program on the scenario; in a CI job too, what differs is to be laid down.
    fn program(&self, arguments: &[&str]) -> Output {
        let out = self.0.join("out");
        let mut command = Command::new(PROGRAM);
        command
            .env("INSTA_UPDATE", "new")
            .env_remove("GITHUB_ACTIONS")
            .arg(arguments[0])
            .arg(self.scenario())
            .args(&arguments[1..]);
        if arguments[0] == "run" {
            command.arg("--out").arg(out);
        }
        command.output().unwrap()
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn without_a_vendor_id(reviewed: &str) -> String {
    reviewed.lines().filter(|line| *line != "  VID XAUTH").map(|line| format!("{line}\n")).collect()
}

fn with_another_cipher(reviewed: &str) -> String {
    reviewed.replace("ESP_AES: key length 128", "ESP_3DES:").replace("ESP_3DES:, ", "ESP_3DES: ")
}

fn panic_of(action: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(action)).err()?;
    Some(panic.downcast::<String>().map_or_else(|_| "a panic without words".to_owned(), |words| *words))
}

#[test]
fn a_test_suite_tells_minor_changes_from_major_ones() {
    let minor = Copied::new("minor", without_a_vendor_id);
    let cell = run_cell(minor.scenario(), "builtin", "15.x").unwrap();
    cell.assert_passed();
    cell.assert_same_negotiation();
    let words = panic_of(|| cell.assert_transcript()).expect("a change");
    assert!(words.contains("minor: main mode 4: vendor ID XAUTH is new"), "{words}");
    assert!(words.contains("+  VID XAUTH"), "{words}");
    let command = format!("`ike-interop review {}`", minor.scenario().display());
    assert!(words.ends_with(&command), "{words}");
    fs::remove_file(minor.0.join("snapshots/plain@builtin.snap")).unwrap();
    let words = panic_of(|| run_cell(minor.scenario(), "builtin", "15.x").unwrap().assert_transcript());
    let command = format!("`ike-interop run {} plain/builtin/15.x --snapshots accept`", minor.scenario().display());
    assert!(words.is_some_and(|words| words.contains(&command)));

    let major = Copied::new("major", with_another_cipher);
    let cell = run_cell(major.scenario(), "builtin", "15.x").unwrap();
    cell.assert_passed();
    let words = panic_of(|| cell.assert_same_negotiation()).expect("a change");
    let told = "major: quick mode 2: the chosen transform was ESP_3DES, is ESP_AES, key length 128";
    assert!(words.contains(told), "{words}");
}

#[test]
fn a_run_fails_by_what_it_is_told_to_and_review_accepts_for_all_releases() {
    let copied = Copied::new("accept", without_a_vendor_id);
    let run = copied.program(&["run", "--snapshots", "major"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(said(&run).contains("1 transcript differs, by which 2 cells did not fail"), "{}", said(&run));
    assert_eq!(copied.files(), ["plain@builtin.snap", "plain@builtin.snap.new"]);

    let run = copied.program(&["run"]);
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    assert!(said(&run).contains("minor main mode 4: vendor ID XAUTH is new"), "{}", said(&run));

    let asked = copied.program(&["review"]);
    assert_eq!(asked.status.code(), Some(2));
    assert!(said(&asked).contains("--accept") && said(&asked).contains("--reject"), "{}", said(&asked));
    let shown = copied.program(&["review", "--show"]);
    assert!(said(&shown).contains("plain with builtin against every release"), "{}", said(&shown));
    assert!(said(&shown).contains("minor main mode 4: vendor ID XAUTH is new"), "{}", said(&shown));
    let accepted = copied.program(&["review", "--accept"]);
    assert!(said(&accepted).contains("1 accepted, 0 rejected, 0 left"), "{}", said(&accepted));
    assert_eq!(copied.files(), ["plain@builtin.snap"]);
    let run = copied.program(&["run"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
}

#[test]
fn a_change_of_one_release_is_its_own_until_the_others_follow() {
    let copied = Copied::new("releases", with_another_cipher);
    let run = copied.program(&["run", "--ios", "15.x", "--snapshots", "major"]);
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    assert_eq!(copied.files(), ["plain@builtin.snap", "plain@builtin@15.x.snap.new"]);
    let rejected = copied.program(&["review", "--reject"]);
    assert!(said(&rejected).contains("0 accepted, 1 rejected, 0 left"), "{}", said(&rejected));
    assert_eq!(copied.files(), ["plain@builtin.snap"]);
    copied.program(&["run", "--ios", "15.x"]);
    copied.program(&["review", "--accept"]);
    assert_eq!(copied.files(), ["plain@builtin.snap", "plain@builtin@15.x.snap"]);
    let run = copied.program(&["run"]);
    assert!(said(&run).contains("1 passed, 1 failed"), "{}", said(&run));
    copied.program(&["review", "--accept"]);
    assert_eq!(copied.files(), ["plain@builtin.snap"], "all agree again");
    let run = copied.program(&["run"]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
}

#[test]
fn transcripts_are_reviewed_with_keys_on_a_terminal() {
    let copied = Copied::new("keys", without_a_vendor_id).also(&["a", "b", "c", "d"]);
    let before = copied.transcript("plain").0;
    let mut run = Command::new(PROGRAM);
    run.env("INSTA_UPDATE", "new")
        .env_remove("GITHUB_ACTIONS")
        .arg("run")
        .arg(&copied.0)
        .arg("--out")
        .arg(copied.0.join("out"));
    let run = run.args(["--snapshots", "major", "--ios", "15.x,12.4"]).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    let review = |rows| Terminal::start(&format!("{PROGRAM} review {}", copied.0.display()), rows, 100);
    let states = || ["a", "b", "c", "d", "plain"].map(|name| copied.transcript(name));
    let untouched = (before.clone(), true);

    // ^C decides nothing.
    let Some(mut terminal) = review(30) else { return no_terminal() };
    terminal.until("q quit:");
    terminal.press("\u{3}");
    assert_eq!(terminal.end().0, Some(130));
    assert_eq!(states(), [(); 5].map(|()| untouched.clone()));

    let mut terminal = review(30).unwrap();
    let screen = terminal.until("q quit:");
    assert!(screen.contains("[1 of 5] a with builtin against every release"), "{screen}");
    assert!(screen.contains("minor main mode 4: vendor ID XAUTH is new"), "{screen}");
    assert!(screen.contains("+  VID XAUTH"), "{screen}");
    // Another key is no decision.
    terminal.press("xa");
    terminal.until("[2 of 5] b");
    assert!(terminal.screen().contains("accepted"), "{}", terminal.screen());
    terminal.press("r");
    terminal.until("[3 of 5] c");
    terminal.press("s");
    terminal.until("[4 of 5] d");
    terminal.press("q");
    let (status, screen) = terminal.end();
    assert_eq!(status, Some(0), "{screen}");
    assert!(screen.contains("1 accepted, 1 rejected, 3 left"), "{screen}");
    let [a, b, c, d, plain] = states();
    assert!(a.0.contains("  VID XAUTH\n") && !a.1, "{}", a.0);
    assert_eq!(b, (before.clone(), false));
    assert_eq!([c, d, plain], [(); 3].map(|()| untouched.clone()));

    // The rest at once.
    let mut terminal = review(30).unwrap();
    terminal.until("[1 of 3] c");
    terminal.press("sR");
    let (_, screen) = terminal.end();
    assert!(screen.contains("0 accepted, 2 rejected, 1 left"), "{screen}");
    let mut terminal = review(30).unwrap();
    terminal.until("[1 of 1] c");
    terminal.press("A");
    let (_, screen) = terminal.end();
    assert!(screen.contains("1 accepted, 0 rejected, 0 left"), "{screen}");
    let [_, _, c, d, plain] = states();
    assert!(c.0.contains("  VID XAUTH\n") && !c.1, "{}", c.0);
    assert_eq!([d, plain], [(); 2].map(|()| (before.clone(), false)));
}

fn no_terminal() {
    assert!(std::env::var_os("IKE_INTEROP_STRICT").is_none(), "there is no script (Debian: bsdutils)");
    eprintln!("skipped: there is no script (Debian: bsdutils)");
}

/// A scenario with an implementation of its own, of which there is no program here, and a transcript that waits.
fn declared(name: &str) -> Copied {
    let copied = Copied::new(name, without_a_vendor_id);
    let scenario = fs::read_to_string(copied.scenario()).unwrap();
    fs::write(copied.scenario(), scenario.replace("[builtin]", "[my-swan]")).unwrap();
    let declaration = "[implementation.my-swan]\nkind = \"strongswan\"\nprefix = \"nowhere\"\n";
    fs::write(copied.0.join("ike-interop.toml"), declaration).unwrap();
    fs::create_dir(copied.0.join("nowhere")).unwrap();
    let snapshots = copied.0.join("snapshots");
    fs::rename(snapshots.join("plain@builtin.snap"), snapshots.join("plain@my-swan.snap.new")).unwrap();
    copied
}

#[test]
fn transcripts_of_a_declared_implementation_are_reviewed() {
    let copied = declared("declared-review");
    let shown = copied.program(&["review", "--show"]);
    assert!(said(&shown).contains("plain with my-swan against every release"), "{}", said(&shown));
    let accepted = copied.program(&["review", "--accept"]);
    assert!(said(&accepted).contains("1 accepted, 0 rejected, 0 left"), "{}", said(&accepted));
    assert_eq!(copied.files(), ["plain@my-swan.snap"]);
}

#[test]
fn a_test_suite_runs_declared_implementations() {
    let copied = declared("declared-suite");
    let cell = run_cell(copied.scenario(), "my-swan", "15.x").unwrap();
    assert!(cell.skipped().is_some_and(|reason| reason.contains("nowhere")), "{:?}", cell.skipped());
    // A file elsewhere is named.
    let elsewhere = copied.0.join("elsewhere.toml");
    fs::rename(copied.0.join("ike-interop.toml"), &elsewhere).unwrap();
    let test = CellTest::new(copied.scenario(), "my-swan", "15.x");
    assert!(matches!(test.run(), Err(TestingError::Scenario(_))));
    assert!(test.clone().config(&elsewhere).run().unwrap().skipped().is_some());
    fs::write(&elsewhere, "[implementation.my-swan]\nkind = \"swan\"\n").unwrap();
    let refused = test.config(&elsewhere).run().unwrap_err();
    assert!(refused.to_string().contains("elsewhere.toml:2:"), "{refused}");
}
