//! Looking at the machine itself.

use std::fs::OpenOptions;
use std::path::Path;

use super::findings::Part;
use crate::implementations::Host;
use crate::lab::probe::{self, Feature, Lack};
use crate::lab::sandbox::{Sandbox, SandboxError};

/// Looks at everything: at the lab's own parts from inside the sandbox, when there is one.
pub(super) fn look(sandbox: Result<Sandbox, SandboxError>, host: &Host) -> Vec<Part> {
    let entered =
        sandbox.as_ref().map(drop).map_err(|error| Lack { reason: error.to_string(), remedy: error.remedy() });
    let mut parts =
        vec![Part::new("sandbox", "every cell: its namespaces, which nothing outlives", entered).required()];
    parts.extend(sandbox.map(|sandbox| lab(&sandbox)).unwrap_or_default());
    parts.extend([
        Part::new(
            "TUN device",
            "strongswan's ESP in user space; builtin and the key engine do without",
            host.tun.clone(),
        ),
        Part::new("kernel ESP", "libreswan, and strongswan as it is mostly used", host.kernel_esp.clone()),
        Part::new("kernel PF_KEY", "racoon and openiked without ike-interop's own key engine", host.pf_key.clone()),
        Part::new(
            "seccomp notices",
            "ike-interop's own key engine: racoon and openiked on any kernel",
            host.system_call_notification.clone(),
        ),
        Part::new("KVM", "ci/kernel, which emulates its machine without it", kvm(Path::new("/dev/kvm"))),
        Part::new("tshark", "the tests, as a second opinion on captures", tool("tshark", "tshark", host)),
        Part::new("ike-scan", "the tests, as a second opinion on the router", tool("ike-scan", "ike-scan", host)),
    ]);
    parts
}

/// What the lab's own parts find.
fn lab(sandbox: &Sandbox) -> Vec<Part> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let probed = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(probe::probe(sandbox)).map_err(|error| error.to_string()));
    match probed {
        Ok(results) => results.into_iter().map(|(feature, result)| part(feature, result)).collect(),
        Err(reason) => {
            let lack = Lack { reason, remedy: "allow network namespaces (CONFIG_NET_NS)".to_owned() };
            vec![Part::new("network namespaces", "every cell", Err(lack)).required()]
        }
    }
}

fn part(feature: Feature, result: Result<(), Lack>) -> Part {
    let name = feature.to_string();
    match feature {
        Feature::UserNamespaces => Part::new(&name, "running as an ordinary user", result),
        Feature::Veth => Part::new(&name, "every cell: the links", result).required(),
        Feature::PacketSockets => Part::new(&name, "every cell: the router and the captures", result).required(),
    }
}

fn kvm(device: &Path) -> Result<(), Lack> {
    OpenOptions::new().read(true).write(true).open(device).map(drop).map_err(|error| Lack {
        reason: format!("{}: {error}", device.display()),
        remedy: "none needed; for speed, allow virtualization in the firmware or for this machine's guests".to_owned(),
    })
}

fn tool(name: &str, package: &str, host: &Host) -> Result<(), Lack> {
    match host.find(name, &["/usr/bin"]) {
        Some(_) => Ok(()),
        None => Err(Lack {
            reason: format!("{name} is not installed"),
            remedy: format!("apt-get install --no-install-recommends {package}"),
        }),
    }
}
