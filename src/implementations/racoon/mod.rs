//! racoon and setkey, of ipsec-tools: IKE by one, policies by the other, SAs in the kernel that they reach by PF_KEY.
//!
//! Where the kernel has no PF_KEY or no ESP, both run unmodified under a key engine of ours ([`crate::pfkey::daemon`]).
//! They are steered by racoonctl where there is one. Things to know about racoon:
//!
//! - It knows the end of a negotiation only by its log, which is read for that; `racoonctl establish-sa -w` waits for a
//!   success that may never come.
//! - Its policies are setkey's. Level `unique` gives each pair of selectors SAs of its own, which the crypto map entries of
//!   IOS demand; with level `require` the second network's packets go through the first one's SA.
//! - `sainfo` offers every combination of its ciphers and hashes, in its own order.
//! - Its timers count whole seconds.

mod config;
mod driver;
mod log;
mod sas;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::implementations::capabilities::said_of;
use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;
use crate::scenario::tunnel::{Exchange, Identity, Phase2Proposal};

/// Where racoon, setkey and racoonctl are installed.
const FOLDERS: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// racoon's configuration, its keys, and the policies for setkey.
const RACOON_CONF: &str = "racoon.conf";
const PSK_TXT: &str = "psk.txt";
const IPSEC_TOOLS_CONF: &str = "ipsec-tools.conf";

/// What every racoon can do.
const CAPABILITIES: &[&str] = &[
    "main-mode",
    "aggressive-mode",
    "ike-des",
    "ike-3des",
    "ike-aes*",
    "ike-md5",
    "ike-sha*",
    "ike-modp*",
    "esp-des",
    "esp-3des",
    "esp-aes128",
    "esp-aes192",
    "esp-aes256",
    "esp-null",
    "esp-md5",
    "esp-sha*",
    "pfs-modp*",
    "nat-traversal-off",
    "identity-*",
    "several-*",
    "selector-*",
];

/// What it can do when it was built so, as `racoon -V` tells.
const BUILD_OPTIONS: [(&str, &[&str]); 2] =
    [("- NAT Traversal", &["nat-traversal-auto", "nat-traversal-force"]), ("- Dead Peer Detection", &["dpd"])];

/// Why not the rest.
const LACKING: &[(&str, &str)] = &[
    ("esp-aes*", "PF_KEY and racoon know no AEAD"),
    ("volume-lifetime", "racoon proposes lifetimes in time only"),
    ("nat-traversal-*", "racoon was built without NAT traversal"),
    ("dpd", "racoon was built without dead peer detection"),
];

/// The name of the one connection.
const CONNECTION: &str = "cisco";

/// The racoon driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Racoon;

impl Implementation for Racoon {
    fn name(&self) -> &str {
        "racoon"
    }

    fn availability(&self, host: &Host) -> Availability {
        let unfit =
            |reason: &str, remedy: &str| Availability::Unfit { reason: reason.to_owned(), remedy: remedy.to_owned() };
        let Some(path) = host.find("racoon", FOLDERS) else {
            let reason = "racoon is not installed, and Debian 12 and its contemporaries have no package of it";
            return unfit(reason, "install racoon, setkey and racoonctl from github.com/rdratlos/racoon-ipsec-tools");
        };
        if beside(&path, "setkey", &host.programs).is_none() {
            let reason = format!("there is no setkey beside {} or on the path", path.display());
            return unfit(&reason, "install setkey from the same source as racoon");
        }
        let data_path = match Way::first(&self.ways(host)) {
            Ok(data_path) => data_path,
            Err(Lack { reason, remedy }) => return unfit(&reason, &remedy),
        };
        match host.output_of(&path, &["-V"]) {
            // `@(#)ipsec-tools 0.8.2 (http://ipsec-tools.sourceforge.net)`
            Ok(text) => {
                let version = text.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
                Availability::Ready { version, path, data_path }
            }
            Err(reason) => unfit(&reason, "reinstall it"),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        host.by_pf_key()
    }

    /// racoon tells what it was built with; one that is not found may have all.
    fn capabilities(&self, host: &Host) -> Capabilities {
        let built = host.find("racoon", FOLDERS).and_then(|path| host.output_of(&path, &["-V"]).ok());
        built.map_or_else(
            || as_built(BUILD_OPTIONS.map(|(option, _)| option).join("\n").as_str()),
            |text| as_built(&text),
        )
    }

    fn why_not(&self, capability: &Capability) -> Option<&'static str> {
        said_of(capability, LACKING)
    }

    fn supports(&self, tunnel: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        let unsupported = |what: String, why: &str| {
            Err(Unsupported { implementation: self.name().to_owned(), what, why: why.to_owned() })
        };
        let theirs = tunnel.identities.remote.as_ref();
        if tunnel.phase1.exchange == Exchange::Main && theirs.is_some_and(|one| !matches!(one, Identity::Address(_))) {
            let why = "racoon expects addresses as identities in main mode with a pre-shared key";
            return unsupported("a Cisco that is known by a name".to_owned(), why);
        }
        if !is_product(&tunnel.phase2.proposals) {
            let why = "sainfo offers every combination of the ciphers and hashes it names";
            return unsupported("these phase 2 proposals".to_owned(), why);
        }
        Ok(())
    }

    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles {
        ConfigFiles::from([
            (RACOON_CONF.to_owned(), config::daemon(tunnel, &options.retransmission).to_string()),
            (PSK_TXT.to_owned(), config::keys(tunnel)),
            (IPSEC_TOOLS_CONF.to_owned(), config::policies(tunnel)),
        ])
    }

    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Ok(Box::new(driver::Daemon::start(self, cell).await?) as Box<dyn Running>) })
    }
}

/// The program `name` where the user says that it is, or else in the folder of `racoon` or where programs are.
fn beside(racoon: &Path, name: &str, told: &BTreeMap<String, PathBuf>) -> Option<PathBuf> {
    if let Some(told) = told.get(name) {
        return Some(told.clone());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = racoon.parent().map(Path::to_owned).into_iter().chain(FOLDERS.iter().map(PathBuf::from));
    folders.chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// What a racoon can do that says this of its build.
fn as_built(text: &str) -> Capabilities {
    let options = BUILD_OPTIONS.iter().filter(|(option, _)| text.lines().any(|line| line.trim() == *option));
    options.fold(Capabilities::of(CAPABILITIES), |all, (_, patterns)| all.and(Capabilities::of(patterns)))
}

/// Whether these are all combinations of their ciphers and hashes.
fn is_product(proposals: &[Phase2Proposal]) -> bool {
    proposals.iter().all(|one| {
        proposals
            .iter()
            .all(|other| proposals.contains(&Phase2Proposal { cipher: one.cipher, integrity: other.integrity }))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["aes128-sha1"], Ok(()))]
    #[case(&["aes128-sha1", "3des-sha1"], Ok(()))]
    #[case(&["aes128-sha1", "3des-sha1", "aes128-md5", "3des-md5"], Ok(()))]
    #[case(&["aes128-sha1", "3des-md5"], Err("these phase 2 proposals"))]
    fn proposals_that_sainfo_can_say(#[case] proposals: &[&str], #[case] expected: Result<(), &str>) {
        let mut tunnel = config::tests::tunnel();
        tunnel.identities.remote = None;
        tunnel.phase2.proposals = proposals.iter().map(|text| text.parse().unwrap()).collect();
        let outcome = Racoon.supports(&tunnel, DataPath::KeyEngine);
        assert_eq!(outcome.map_err(|unsupported| unsupported.what), expected.map_err(str::to_owned));
    }

    #[test]
    fn names_take_aggressive_mode() {
        let mut tunnel = config::tests::tunnel();
        tunnel.phase2.proposals.truncate(1);
        assert_eq!(tunnel.phase1.exchange, Exchange::Main);
        let outcome = Racoon.supports(&tunnel, DataPath::KeyEngine).map_err(|unsupported| unsupported.what);
        assert_eq!(outcome, Err("a Cisco that is known by a name".to_owned()));
        tunnel.phase1.exchange = Exchange::Aggressive;
        assert_eq!(Racoon.supports(&tunnel, DataPath::KeyEngine), Ok(()));
    }

    #[test]
    fn what_racoon_was_built_with_counts() {
        let has = |text: &str, word: &str| Capabilities::matching(word).iter().all(|one| as_built(text).has(one));
        let full = "@(#)ipsec-tools 0.9.1\n\nCompiled with:\n- OpenSSL 3.0.22 25 Aug 2026\n- Dead Peer Detection\n- NAT Traversal\n";
        assert!(has(full, "dpd") && has(full, "nat-traversal-*") && has(full, "esp-aes128"));
        assert!(!has(full, "esp-aes128gcm16") && !has(full, "volume-lifetime"));
        let bare = "@(#)ipsec-tools 0.8.2\n\nCompiled with:\n- OpenSSL 1.1.1\n";
        assert!(!has(bare, "dpd") && !has(bare, "nat-traversal-auto") && has(bare, "nat-traversal-off"));
    }

    #[test]
    fn programs_that_the_user_has_told_come_before_those_beside_racoon() {
        let told = BTreeMap::from([("setkey".to_owned(), PathBuf::from("/opt/ipsec-tools/setkey"))]);
        // A racoon beside which a `true` lies.
        let racoon = Path::new("/bin/racoon");
        assert_eq!(beside(racoon, "setkey", &told), Some("/opt/ipsec-tools/setkey".into()));
        assert_eq!(beside(racoon, "true", &told), Some("/bin/true".into()));
        assert_eq!(beside(racoon, "no-such-program", &told), None);
    }

    #[test]
    fn a_racoon_that_the_user_has_told_is_the_one_that_runs() {
        let host = Host {
            programs: ["racoon", "setkey"].map(|name| (name.to_owned(), PathBuf::from("/bin/echo"))).into(),
            kernel_esp: Ok(()),
            pf_key: Ok(()),
            ..Host::bare()
        };
        match Racoon.availability(&host) {
            // It says no version.
            Availability::Ready { version, path, .. } => assert_eq!((&*version, path), ("unknown", "/bin/echo".into())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_machine_without_racoon_or_data_path_is_unfit() {
        let host = Host { system_call_notification: Ok(()), ..Host::bare() };
        match Racoon.availability(&host) {
            Availability::Unfit { reason, .. }
                if FOLDERS.iter().any(|folder| Path::new(folder).join("racoon").exists()) =>
            {
                assert!(reason.contains("no data path"), "{reason}");
            }
            Availability::Unfit { reason, remedy } => {
                assert!(reason.contains("no package of it") && remedy.contains("racoon-ipsec-tools"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
