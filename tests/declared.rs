//! Implementations that are declared in `ike-interop.toml`, against the router, in a sandbox that `main` enters on its first
//! line. What needs strongSwan is ignored, with the reason printed, where charon cannot run.

mod two_sides;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ike_interop::cli;
use ike_interop::implementations::strongswan::Strongswan;
use ike_interop::implementations::{
    Availability, Capability, DataPath, Host, Implementation, Registry, SaState, declared,
};
use ike_interop::lab::frame_port::{FramePort, PortOptions};
use ike_interop::lab::sandbox;
use ike_interop::report::{CellReport, CellResult};
use ike_interop::run::{Runner, Settings, Snapshots};
use ike_interop::scenario::tunnel::{NatTraversal, Psk};
use ike_interop::scenario::{self, Cell};
use ike_interop::wire::ethernet::Frame;
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use two_sides::{LEFT, RIGHT, Ready, TwoSides, in_runtime, installed};

fn main() -> ExitCode {
    // The built-in implementation and the key engine are this very program, started anew in a namespace.
    if cli::started_by_cell() {
        return cli::main();
    }
    // Before any thread is there.
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return cli::UNFIT_MACHINE.into();
    }
    let charon = match Strongswan::default().availability(&Host::probe()) {
        Availability::Ready { path, .. } => Some(path),
        Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
            println!("those with charon are ignored: {reason}; {remedy}");
            None
        }
    };
    let racoon = ready("racoon-by-hand");
    let manual = ready("manual");
    let ignored = charon.is_none();
    let prefix = charon.unwrap_or_default();
    let trials = vec![
        Trial::test("charon_by_its_command_lines_brings_tunnels_up", by_command_lines).with_ignored_flag(ignored),
        Trial::test("commands_beside_a_daemon_find_a_folder_to_start_in", from_a_hidden_folder)
            .with_ignored_flag(ignored),
        Trial::test("two_versions_of_strongswan_are_two_columns", move || two_versions(&prefix))
            .with_ignored_flag(ignored),
        Trial::test("racoon_by_its_command_lines_brings_tunnels_up", racoon_by_command_lines)
            .with_ignored_flag(racoon.is_none()),
        Trial::test("two_pf_key_programs_pass_traffic_through_the_key_engine", {
            let manual = manual.clone();
            move || manual.clone().map_or(Ok(()), |manual| in_runtime(keyed_by_hand(manual)))
        })
        .with_ignored_flag(manual.is_none()),
        Trial::test("what_goes_wrong_with_a_daemon_is_told", daemons_that_fail),
        Trial::test("one_that_claims_anything_is_refused", claims_anything),
        Trial::test("what_is_not_supported_is_skipped", unsupported),
        Trial::test("doctor_says_of_each_implementation_what_cells_find", doctor),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The declared implementation of the fixtures that is called `name`; what it lacks is told when it cannot run here.
fn ready(name: &str) -> Option<Ready> {
    let registry = fixtures().unwrap_or_else(|failed| panic!("{}", failed.message().unwrap_or_default()));
    Ready::on(&registry.probe_host(), registry.driver(&name.parse().expect("a name"))?)
}

/// What the fixtures declare.
fn fixtures() -> Result<Registry, Failed> {
    let loaded = declared::load(&root().join("fixtures/declared/ike-interop.toml"));
    Ok(loaded.map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of this test alone, with an `ike-interop.toml` of that text; relative paths are those of the fixtures.
fn declare(test: &str, text: &str) -> Result<(PathBuf, Registry), Failed> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared").join(test);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(declared::FILE_NAME);
    std::fs::write(&file, text)?;
    let registry = declared::load(&file)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok((folder, registry))
}

/// The cells of the scenario `name` with `implementation` against the release 15.x.
fn cells(registry: &Registry, name: &str, implementation: &str) -> Result<Vec<Cell>, Failed> {
    let path = root().join(format!("scenarios/{name}.yaml"));
    let scenarios = scenario::load_tree(&[path], registry.names())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<String>())?;
    let cells: Vec<Cell> = scenario::cells(&scenarios)
        .into_iter()
        .filter(|cell| cell.implementation.word() == implementation && cell.release.word() == "15.x")
        .collect();
    if cells.is_empty() { Err(format!("{name} has no cell with {implementation}").into()) } else { Ok(cells) }
}

fn run(registry: Registry, test: &str, cells: Vec<Cell>) -> Result<Vec<CellReport>, Failed> {
    let settings = Settings {
        jobs: 3,
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared").join(test).join("out"),
        config: None,
        seed: 1,
        fail_fast: false,
        retries: 0,
        snapshots: Snapshots::Off,
        propose: false,
        strict: false,
    };
    Ok(Runner::new(settings, registry).run(cells, |_| ()))
}

fn all_pass(reports: &[CellReport]) -> Result<(), Failed> {
    for report in reports {
        if report.result != CellResult::Pass {
            return Err(format!("{}: {:?}: {:?}", report.name, report.result, report.reason).into());
        }
    }
    Ok(())
}

/// Tunnels that work, with traffic, and tunnels that the router refuses, with their fixed twins: phases 1 and 2, one pair of
/// selectors and two, all judged by the wire, the router and what `swanctl --list-sas` says.
fn by_command_lines() -> Result<(), Failed> {
    on_both_sides_of_right("charon-by-hand")
}

/// The same over PF_KEY: racoon, setkey and racoonctl, under the key engine or on the kernel's.
fn racoon_by_command_lines() -> Result<(), Failed> {
    on_both_sides_of_right("racoon-by-hand")
}

fn on_both_sides_of_right(implementation: &str) -> Result<(), Failed> {
    let registry = fixtures()?;
    let mut all = Vec::new();
    for name in [
        "tunnel/plain",
        "tunnel/two-subnets",
        "phase1/psk-mismatch",
        "phase1/policy-mismatch",
        "phase2/acl-not-mirrored",
        "phase2/pfs-mismatch",
    ] {
        all.extend(cells(&registry, name, implementation)?);
    }
    let reports = run(registry, implementation, all)?;
    assert_eq!(reports.len(), 2 + 2 * 4, "each negative has its positive");
    all_pass(&reports)
}

/// Both SAs of a tunnel are keyed by hand on both sides, in no more than PF_KEY itself: datagrams pass as ESP, and are
/// counted by SAs that are each other's. With another key on one side none passes.
async fn keyed_by_hand(manual: Ready) -> Result<(), Failed> {
    let lab = TwoSides::new().await?;
    let ours = two_sides::tunnel(NatTraversal::Auto);
    let theirs = two_sides::mirrored(&ours);
    let (mut left, mut lines) = lab.start(&lab.left, &manual, &ours, None).await?;
    let (mut right, _) = lab.start(&lab.right, &manual, &theirs, None).await?;
    assert_eq!(left.sas().await?, SaState::default());
    left.initiate().await?;
    right.initiate().await?;
    let wire = FramePort::open(&lab.right, "wan", PortOptions::default(), lab.clock)?;
    lab.echo()?;
    let (ours, theirs) = (installed(&mut left, 1).await?, installed(&mut right, 1).await?);
    let ([ours], [theirs]) = (&ours.phase2[..], &theirs.phase2[..]) else { panic!("{ours:?} and {theirs:?}") };
    assert_eq!((ours.spi_in, ours.spi_out), (theirs.spi_out, theirs.spi_in));
    assert_eq!((ours.sent.packets, ours.received.packets), (1, 1));
    assert_eq!((theirs.sent.packets, theirs.received.packets), (1, 1));
    let packet = loop {
        let frame = wire.recv().await?;
        if let Ok(packet) = Ipv4Packet::parse(Frame::parse(&frame.bytes)?.payload) {
            break packet;
        }
    };
    assert_eq!((packet.source, packet.destination, packet.protocol), (LEFT, RIGHT, protocol::ESP));
    assert!(packet.payload.len() > 1000, "the datagram is inside");

    left.terminate().await?;
    assert_eq!(left.sas().await?, SaState::default());
    left.stop().await?;
    if manual.data_path == DataPath::KeyEngine {
        let said = std::iter::from_fn(|| lines.try_recv().ok()).map(|line| line.text).collect::<Vec<_>>();
        for what in ["SA added: ", "policy ", "SA deleted: "] {
            let mark = format!("key engine: {what}");
            assert!(said.iter().any(|line| line.starts_with(&mark)), "{mark}: {said:?}");
        }
    }

    let mut other = two_sides::tunnel(NatTraversal::Auto);
    other.psk = Psk::new("another");
    let (mut left, _) = lab.start(&lab.left, &manual, &other, None).await?;
    left.initiate().await?;
    assert!(lab.echo().is_err(), "nothing passes under another key");
    left.stop().await?;
    right.stop().await?;
    Ok(())
}

/// What is started beside a daemon finds an empty `/tmp`, too, which hides where the run was started.
fn from_a_hidden_folder() -> Result<(), Failed> {
    let folder = std::env::temp_dir().join(format!("ike-interop-declared-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (config, scenario) = ("fixtures/declared/ike-interop.toml", "scenarios/tunnel/plain.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_ike-interop"))
        .current_dir(&folder)
        .args(["run", "-i", "charon-by-hand", "--ios", "15.x", "--snapshots", "off", "--config"])
        .args([root().join(config), root().join(scenario)])
        .output();
    std::fs::remove_dir_all(&folder)?;
    let output = output?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stdout).into_owned().into()) }
}

/// A second strongSwan: the first one's files, found below another prefix.
fn two_versions(charon: &Path) -> Result<(), Failed> {
    let test = "two-versions";
    let text = "[implementation.strongswan-2]\nkind = 'strongswan'\nprefix = 'prefix'\n";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared").join(test);
    let below = folder.join("prefix/lib");
    std::fs::create_dir_all(&below)?;
    let link = below.join("ipsec");
    // What an earlier run of this test left.
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(charon.parent().unwrap_or(Path::new("/")), link)?;
    let (_, registry) = declare(test, text)?;
    let name = "tunnel/plain";
    let both = [cells(&registry, name, "strongswan")?, cells(&registry, name, "strongswan-2")?].concat();
    let reports = run(registry, test, both)?;
    assert_eq!(reports.len(), 2);
    all_pass(&reports)?;
    let log = std::fs::read_to_string(reports[1].artifacts.as_deref().unwrap_or(Path::new("")).join("dut.log"))?;
    assert!(log.contains("ESTABLISHED") || log.contains("established"), "{log}");
    Ok(())
}

fn shell(name: &str, script: &str, more: &str) -> String {
    format!(
        "[implementation.{name}]\nkind = 'command'\ncommand = ['sh', '-c', '''{script}''']\ndata_path = 'tun'\n\
         initiate = {{ command = ['true'], established = 'never' }}\n{more}\n"
    )
}

fn daemons_that_fail() -> Result<(), Failed> {
    let cases = [
        (
            "exits",
            "echo no licence >&2; exit 3",
            "ready = { pattern = 'up' }",
            "exits ended by itself (exit status: 3)",
        ),
        ("mute", "exec sleep 60", "ready = { pattern = 'up', within = '300ms' }", "mute was not ready after 0.3 s"),
        (
            "unfit",
            "echo port 500 is taken; exec sleep 60",
            "ready = { pattern = 'up', unfit = 'is taken' }",
            "unfit started unfit: port 500 is taken",
        ),
        (
            "setup",
            "echo up; exec sleep 60",
            "ready = { pattern = 'up' }\nsetup = [['sh', '-c', 'echo bad file; exit 1']]",
            "bad file",
        ),
        (
            "status",
            "echo up; exec sleep 60",
            "status = { command = ['false'], phase1 = '(?P<initiator_cookie>.)(?P<responder_cookie>.)', phase2 = '(?P<spi_in>.)(?P<spi_out>.)' }",
            "`false` ended with exit status: 1",
        ),
    ];
    for (name, script, more, expected) in cases {
        let (_, registry) = declare(name, &shell(name, script, more))?;
        let wanted = cells(&registry, "tunnel/plain", name)?;
        // The steps of the last one would only wait for a tunnel that does not come.
        let wanted: Vec<Cell> = wanted
            .into_iter()
            .map(|mut cell| {
                std::sync::Arc::make_mut(&mut cell.scenario).steps.clear();
                cell
            })
            .collect();
        let reports = run(registry, name, wanted)?;
        let reason = reports[0].reason.clone().unwrap_or_default();
        assert_eq!(reports[0].result, CellResult::Error, "{name}: {reason}");
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    Ok(())
}

fn claims_anything() -> Result<(), Failed> {
    let test = "claims-anything";
    let script =
        |body: &str| format!("probe = {{ command = ['sh', '-c', '{body}', 'probe', '{{{{ capability }}}}'] }}");
    let cases = [
        // Says yes to everything.
        ("liar", script("exit 0"), CellResult::Error, "claims to have `"),
        // Fails for a reason of its own, which is no answer.
        ("broken", script("echo out of memory; exit 1"), CellResult::Error, "it said last: out of memory"),
        // Knows what it knows; then its daemon is started.
        (
            "honest",
            script(
                "case $1 in main-mode|ike-aes*|ike-sha*|ike-modp*|esp-aes*|esp-sha*|nat-traversal-*|identity-address) exit 0;; *) exit 127;; esac",
            ),
            CellResult::Error,
            "ended by itself",
        ),
    ];
    for (name, probe, result, expected) in cases {
        let text = format!(
            "[implementation.{name}]\nkind = 'command'\ncommand = ['true']\ndata_path = 'tun'\n\
             ready = {{ pattern = 'up' }}\ninitiate = {{ command = ['true'] }}\n{probe}\n"
        );
        let (_, registry) = declare(&format!("{test}-{name}"), &text)?;
        let wanted = cells(&registry, "tunnel/plain", name)?;
        let reports = run(registry, test, wanted)?;
        let reason = reports[0].reason.clone().unwrap_or_default();
        assert_eq!(reports[0].result, result, "{name}: {reason}");
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    Ok(())
}

fn unsupported() -> Result<(), Failed> {
    let cases = [
        ("declared", "data_path = 'tun'\ncapabilities = ['main-mode', 'ike-*']", "cannot do esp-aes128"),
        ("asked", "data_path = 'tun'\nprobe = { command = ['sh', '-c', 'exit 127'] }", "cannot do esp-aes128"),
        (
            "said",
            "data_path = 'tun'\nprobe = { command = ['echo', 'not supported'], unsupported = 'not supported' }",
            "cannot do esp-aes128",
        ),
        ("no-data-path", "data_path = 'none'", "it sends traffic, and there is no data path"),
    ];
    for (name, more, expected) in cases {
        let text = format!(
            "[implementation.{name}]\nkind = 'command'\ncommand = ['sh']\ninitiate = {{ command = ['true'] }}\n{more}\n"
        );
        let (_, registry) = declare(name, &text)?;
        let wanted = cells(&registry, "tunnel/plain", name)?;
        let reports = run(registry, name, wanted)?;
        let reason = reports[0].reason.clone().unwrap_or_default();
        assert_eq!(reports[0].result, CellResult::Skip, "{name}: {reason}");
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    Ok(())
}

/// `doctor --json` on this machine: as its schema has it, and of one mind with what a run would ask.
fn doctor() -> Result<(), Failed> {
    let program = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ike-interop"))
            .args(arguments)
            .args(["--config", "fixtures/declared/ike-interop.toml"])
            .current_dir(root())
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok::<_, Failed>(output.stdout) } else { Err(told.into()) }
    };
    let found: Value = serde_json::from_slice(&program(&["doctor", "--json"])?)?;
    assert_eq!((&found["version"], &found["ready"]), (&json!(1), &json!(true)), "this test runs in a sandbox: {found}");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("declared/doctor");
    std::fs::create_dir_all(&folder)?;
    let (schema, file) = (folder.join("schema.json"), folder.join("doctor.json"));
    std::fs::write(&schema, program(&["schema", "--doctor"])?)?;
    let valid = |found: &Value| -> Result<bool, Failed> {
        std::fs::write(&file, found.to_string())?;
        let judged =
            Command::new("python3").args(["-W", "ignore", "-m", "jsonschema", "-i"]).args([&file, &schema]).output();
        match judged {
            Ok(output) if !String::from_utf8_lossy(&output.stderr).contains("No module named") => {
                Ok(output.status.success())
            }
            _ => Err("there is no python3 with jsonschema, which ci/setup installs".into()),
        }
    };
    assert!(valid(&found)?, "{found}");
    let mut bad = found.clone();
    bad["implementations"][0]["state"] = json!("perhaps");
    assert!(!valid(&bad)?, "the schema refuses nothing");

    let registry = fixtures()?;
    let host = registry.probe_host();
    let rows = found["implementations"].as_array().ok_or("no list")?;
    assert_eq!(rows.len(), registry.iter().count());
    for (row, (named, driver)) in rows.iter().zip(registry.iter()) {
        assert_eq!(row["name"], json!(named.name.word()));
        match driver.availability(&host) {
            Availability::Ready { version, path, data_path } => {
                assert_eq!((&row["state"], &row["version"]), (&json!("ready"), &json!(version)), "{row}");
                assert_eq!(row["path"], json!(path), "{row}");
                let first = row["data_paths"].as_array().and_then(|ways| ways.iter().find(|way| way["ready"] == true));
                assert_eq!(first.map(|way| &way["name"]), Some(&json!(data_path.to_string())), "{row}");
            }
            Availability::Missing { reason, .. } => {
                assert_eq!((&row["state"], &row["reason"]), (&json!("missing"), &json!(reason)), "{row}");
            }
            Availability::Unfit { reason, .. } => {
                assert_eq!((&row["state"], &row["reason"]), (&json!("unfit"), &json!(reason)), "{row}");
            }
        }
        let has = driver.capabilities(&host);
        let lacks = row["lacks"].as_array().ok_or("no list")?.len();
        assert_eq!(lacks + has.iter().count(), Capability::all().count(), "{row}");
    }
    Ok(())
}
