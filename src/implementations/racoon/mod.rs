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

use std::path::{Path, PathBuf};

use crate::implementations::host::output_of;
use crate::implementations::{
    Availability, BoxFuture, CellContext, ConfigFiles, DataPath, Failure, Host, Implementation, Options, Running,
    Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;
use crate::scenario::tunnel::Phase2Proposal;

/// Where racoon, setkey and racoonctl are installed.
const FOLDERS: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// racoon's configuration, its keys, and the policies for setkey.
const RACOON_CONF: &str = "racoon.conf";
const PSK_TXT: &str = "psk.txt";
const IPSEC_TOOLS_CONF: &str = "ipsec-tools.conf";

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
        if beside(&path, "setkey").is_none() {
            let reason = format!("there is no setkey beside {} or on the path", path.display());
            return unfit(&reason, "install setkey from the same source as racoon");
        }
        let data_path = match Way::first(&self.ways(host)) {
            Ok(data_path) => data_path,
            Err(Lack { reason, remedy }) => return unfit(&reason, &remedy),
        };
        match output_of(&path, &["-V"]) {
            // `@(#)ipsec-tools 0.8.2 (http://ipsec-tools.sourceforge.net)`
            Ok(text) => {
                let version = text.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
                Availability::Ready { version, path, data_path }
            }
            Err(error) => unfit(&format!("{} -V: {error}", path.display()), "reinstall it"),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        host.by_pf_key()
    }

    fn supports(&self, tunnel: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        let unsupported = |what: String, why: &str| {
            Err(Unsupported { implementation: self.name().to_owned(), what, why: why.to_owned() })
        };
        if let Some(proposal) = tunnel.phase2.proposals.iter().find(|proposal| proposal.integrity.is_none()) {
            return unsupported(format!("ESP with {}", proposal.cipher), "PF_KEY and racoon know no AEAD");
        }
        if tunnel.phase2.volume.is_some() {
            return unsupported("a lifetime in data".to_owned(), "racoon proposes lifetimes in time only");
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

/// The program `name` in the folder of `racoon`, or else where programs are.
fn beside(racoon: &Path, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = racoon.parent().map(Path::to_owned).into_iter().chain(FOLDERS.iter().map(PathBuf::from));
    folders.chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
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
    #[case(&["aes128gcm16"], Err("ESP with aes128gcm16"))]
    fn proposals_that_sainfo_can_say(#[case] proposals: &[&str], #[case] expected: Result<(), &str>) {
        let mut tunnel = config::tests::tunnel();
        tunnel.phase2.proposals = proposals.iter().map(|text| text.parse().unwrap()).collect();
        let outcome = Racoon.supports(&tunnel, DataPath::KeyEngine);
        assert_eq!(outcome.map_err(|unsupported| unsupported.what), expected.map_err(str::to_owned));
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
