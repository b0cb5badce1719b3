//! `ike-interop doctor`: what can run on this machine, and what to do about the rest.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::config::Config;
use super::{BAD_INPUT, SUCCESS, UNFIT_MACHINE, refuse};
use crate::implementations::{Availability, Host, Implementation, Registry};
use crate::lab::probe::{self, Lack};
use crate::lab::sandbox::{self, Sandbox};
use crate::scenario::names::Named;

/// Say what can run on this machine, and what to do about the rest.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: Config,
}

/// All there is to say about a machine.
#[derive(Debug, Serialize)]
struct Findings {
    sandbox: Probe,
    lab: Vec<Probe>,
    data_paths: Vec<Probe>,
    implementations: Vec<Row>,
}

/// Something that is there or is not.
#[derive(Debug, Serialize)]
struct Probe {
    name: String,
    ready: bool,
    /// What is missing, and what to do about it.
    missing: Option<String>,
}

/// An implementation.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    ready: bool,
    version: Option<String>,
    path: Option<String>,
    data_path: Option<String>,
    missing: Option<String>,
    remedy: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let registry = match arguments.config.registry::<&str>(&[]) {
        Ok(registry) => registry,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    // Everything else is looked at from inside, as a cell would see it.
    let sandbox = sandbox::enter();
    let missing = sandbox.as_ref().err().map(|error| error.diagnostic().to_string());
    let lab = sandbox.map(|sandbox| probe_lab(&sandbox)).unwrap_or_default();
    let findings = examine(missing, lab, &registry.probe_host(), &registry);
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n",
        false => table(&findings),
    };
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(text.as_bytes());
    if findings.sandbox.ready { SUCCESS.into() } else { UNFIT_MACHINE.into() }
}

/// What the lab's own parts find, once there is a sandbox to try them in.
fn probe_lab(sandbox: &Sandbox) -> Vec<Probe> {
    let probed = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(probe::probe(sandbox)).map_err(|error| error.to_string()));
    match probed {
        Ok(results) => results
            .into_iter()
            .map(|(feature, result)| Probe {
                name: feature.to_string(),
                ready: result.is_ok(),
                missing: result.err().map(told),
            })
            .collect(),
        Err(error) => vec![Probe { name: "namespaces".to_owned(), ready: false, missing: Some(error) }],
    }
}

fn examine(sandbox: Option<String>, lab: Vec<Probe>, host: &Host, registry: &Registry) -> Findings {
    let probe = |name: &str, result: &Result<(), Lack>| Probe {
        name: name.to_owned(),
        ready: result.is_ok(),
        missing: result.clone().err().map(told),
    };
    Findings {
        sandbox: Probe { name: "sandbox".to_owned(), ready: sandbox.is_none(), missing: sandbox },
        lab,
        data_paths: vec![
            probe("TUN device", &host.tun),
            probe("kernel ESP", &host.kernel_esp),
            probe("PF_KEY", &host.pf_key),
            probe("seccomp notice", &host.system_call_notification),
        ],
        implementations: registry.iter().map(|(named, driver)| row(named, driver, host)).collect(),
    }
}

fn told(lack: Lack) -> String {
    format!("{}\nremedy: {}", lack.reason, lack.remedy)
}

fn row(named: &Named, driver: &dyn Implementation, host: &Host) -> Row {
    let blank = Row {
        name: named.name.to_string(),
        ready: false,
        version: None,
        path: None,
        data_path: None,
        missing: None,
        remedy: None,
    };
    match driver.availability(host) {
        Availability::Ready { version, path, data_path } => Row {
            ready: true,
            version: Some(version),
            path: Some(path.display().to_string()),
            data_path: Some(data_path.to_string()),
            ..blank
        },
        Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
            Row { missing: Some(reason), remedy: Some(remedy).filter(|remedy| !remedy.is_empty()), ..blank }
        }
    }
}

fn table(findings: &Findings) -> String {
    let mut out = String::new();
    for probe in std::iter::once(&findings.sandbox).chain(&findings.lab).chain(&findings.data_paths) {
        let word = if probe.ready { "ready" } else { "missing" };
        let _ = writeln!(out, "{:<16} {word}", probe.name);
        for line in probe.missing.iter().flat_map(|missing| missing.lines()) {
            let _ = writeln!(out, "{:16} {line}", "");
        }
    }
    let _ = writeln!(out, "\n{:<16} {:<8} {:<12} {:<8} program", "implementation", "", "version", "ESP by");
    for row in &findings.implementations {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let word = if row.ready { "ready" } else { "missing" };
        let (version, data_path, path) = (text(&row.version), text(&row.data_path), text(&row.path));
        let _ = writeln!(out, "{:<16} {word:<8} {version:<12} {data_path:<8} {path}", row.name);
        if let Some(missing) = &row.missing {
            let _ = writeln!(out, "{:16} {missing}", "");
        }
        if let Some(remedy) = &row.remedy {
            let _ = writeln!(out, "{:16} remedy: {remedy}", "");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_remedy() {
        let host = Host {
            tun: Err(Lack {
                reason: "/dev/net/tun: not found".to_owned(),
                remedy: "load the kernel module".to_owned(),
            }),
            kernel_esp: Ok(()),
            system_call_notification: Ok(()),
            ..Host::bare()
        };
        let veth =
            Probe { name: "veth links".to_owned(), ready: false, missing: Some("no\nremedy: modprobe".to_owned()) };
        let findings = examine(
            Some("error: no user namespaces\nhelp: allow them".to_owned()),
            vec![veth],
            &host,
            &Registry::built_in(),
        );
        let text = table(&findings);
        for wanted in [
            "sandbox          missing",
            "help: allow them",
            "veth links       missing",
            "remedy: modprobe",
            "load the kernel module",
            "kernel ESP       ready",
            "PF_KEY           missing",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["sandbox"]["ready"], false);
        assert_eq!(json["implementations"].as_array().unwrap().len(), Registry::built_in().names().iter().count());
    }
}
