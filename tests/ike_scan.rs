//! ike-scan as the judge of the router: what it answers to proposals, and what it is taken for by how it repeats itself.
//! What cannot run here is skipped with the reason, unless `IKE_INTEROP_STRICT` is set.

use std::process::Command;

use rstest::rstest;

/// The addresses of `scenarios/tunnel/plain.yaml`.
const ROUTER: &str = "198.51.100.1";

fn skip(why: &str) -> Option<String> {
    assert!(std::env::var_os("IKE_INTEROP_STRICT").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// What ike-scan prints when it is run beside an implementation that does nothing; `None` where that cannot be.
fn scan(release: &str, arguments: &[&str]) -> Option<String> {
    if Command::new("ike-scan").arg("--version").output().is_err() {
        return skip("there is no ike-scan");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_ike-interop"))
        .args(["lab", "scenarios/tunnel/plain.yaml", "--ios", release, "--no-initiate", "--in", "dut", "--"])
        .args(["ike-scan", "--sport=0", "--multiline"])
        .args(arguments)
        .arg(ROUTER)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(i32::from(ike_interop::cli::UNFIT_MACHINE)) {
        return skip(&errors);
    }
    assert!(output.status.success(), "{text}\n{errors}");
    Some(text)
}

#[rstest]
fn one_of_two_transforms_is_chosen(#[values("12.4", "15.x", "xe16")] release: &str) {
    let Some(text) = scan(release, &["--trans=5,2,1,2", "--trans=7/256,2,1,5"]) else { return };
    assert!(text.contains("Main Mode Handshake returned"), "{text}");
    assert!(text.contains("SA=(Enc=AES Hash=SHA1 Auth=PSK Group=5:modp1536 KeyLength=256"), "{text}");
}

#[rstest]
fn what_no_policy_allows_is_refused(#[values("12.4", "15.x", "xe16")] release: &str) {
    let Some(text) = scan(release, &["--trans=1,1,1,1"]) else { return };
    assert!(text.contains("Notify message 14 (NO-PROPOSAL-CHOSEN)"), "{text}");
}

/// ike-scan's pattern was measured on IOS 12.1 to 15.0: five more copies, ten seconds apart. It lasts a minute by its nature.
#[test]
fn unanswered_it_is_taken_for_ios_by_its_repetitions() {
    let Some(text) = scan("12.4", &["--showbackoff=12", "--trans=7/256,2,1,5"]) else { return };
    assert!(text.contains("Implementation guess: Cisco IOS 12.1, 12.2, 12.3, 12.4 or 15.0"), "{text}");
}
