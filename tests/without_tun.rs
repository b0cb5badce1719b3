//! Cells of the built-in implementation where `/dev/net/tun` cannot be opened. What cannot run here is skipped with the
//! reason, unless `IKE_INTEROP_STRICT` is set.

use std::process::{Command, Output};

/// Runs the program with these arguments and an empty `/dev/net`, and as an ordinary user sees it.
fn without_tun(arguments: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_ike-interop");
    let script =
        format!("if [ -e /dev/net ]; then mount -t tmpfs none /dev/net || exit; fi; exec {program} {arguments}");
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

#[test]
fn tunnels_come_up_and_carry_traffic() {
    let out = std::env::temp_dir().join(format!("ike-interop-without-tun-{}", std::process::id()));
    let cells = "tunnel/plain tunnel/behind-nat tunnel/two-subnets tunnel/raised-by-cisco data/no-route";
    let output = without_tun(&format!("run {cells} -i builtin --strict --out {}", out.display()));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    if printed.is_empty() && (errors.contains("unshare") || errors.contains("mount")) {
        assert!(std::env::var_os("IKE_INTEROP_STRICT").is_none(), "{errors}");
        return eprintln!("skipped: {errors}");
    }
    assert!(output.status.success(), "{printed}{errors}");
    assert!(printed.contains(", 0 failed") && printed.contains(", 0 skipped"), "{printed}");
    std::fs::remove_dir_all(out).unwrap();
}
