//! `ike-interop doctor`: what can run on this machine, and what to do about the rest.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::{SUCCESS, UNFIT_MACHINE};
use crate::implementations::{self, Availability, Host};
use crate::lab::sandbox;
use crate::scenario::ImplementationName;

/// Say what can run on this machine, and what to do about the rest.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// All there is to say about a machine.
#[derive(Debug, Serialize)]
struct Findings {
    sandbox: Probe,
    data_paths: Vec<Probe>,
    implementations: Vec<Row>,
}

/// Something that is there or is not.
#[derive(Debug, Serialize)]
struct Probe {
    name: &'static str,
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
    // Everything else is looked at from inside, as a cell would see it.
    let sandbox = sandbox::enter();
    let missing = sandbox.as_ref().err().map(|error| error.diagnostic().to_string());
    let findings = examine(missing, &Host::probe());
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n",
        false => table(&findings),
    };
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(text.as_bytes());
    if findings.sandbox.ready { SUCCESS.into() } else { UNFIT_MACHINE.into() }
}

fn examine(sandbox: Option<String>, host: &Host) -> Findings {
    let probe =
        |name, result: &Result<(), String>| Probe { name, ready: result.is_ok(), missing: result.clone().err() };
    Findings {
        sandbox: Probe { name: "sandbox", ready: sandbox.is_none(), missing: sandbox },
        data_paths: vec![probe("TUN device", &host.tun), probe("kernel ESP", &host.kernel_esp)],
        implementations: ImplementationName::ALL.iter().map(|name| row(*name, host)).collect(),
    }
}

fn row(name: ImplementationName, host: &Host) -> Row {
    let blank = Row {
        name: name.to_string(),
        ready: false,
        version: None,
        path: None,
        data_path: None,
        missing: None,
        remedy: None,
    };
    match implementations::named(name).availability(host) {
        Availability::Ready { version, path, data_path } => Row {
            ready: true,
            version: Some(version),
            path: Some(path.display().to_string()),
            data_path: Some(data_path.to_string()),
            ..blank
        },
        Availability::Missing { reason, remedy } => {
            Row { missing: Some(reason), remedy: Some(remedy).filter(|remedy| !remedy.is_empty()), ..blank }
        }
    }
}

fn table(findings: &Findings) -> String {
    let mut out = String::new();
    for probe in std::iter::once(&findings.sandbox).chain(&findings.data_paths) {
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
            path: Vec::new(),
            tun: Err("/dev/net/tun: not found (load the kernel module `tun`)".to_owned()),
            kernel_esp: Ok(()),
        };
        let findings = examine(Some("error: no user namespaces\nhelp: allow them".to_owned()), &host);
        let text = table(&findings);
        for wanted in
            ["sandbox          missing", "help: allow them", "load the kernel module", "kernel ESP       ready"]
        {
            assert!(text.contains(wanted), "{text}");
        }
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(json["sandbox"]["ready"], false);
        assert_eq!(json["implementations"].as_array().unwrap().len(), ImplementationName::ALL.len());
    }
}
