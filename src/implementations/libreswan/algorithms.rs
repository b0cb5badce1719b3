//! What pluto can do, in its own words: the tables that `pluto --selftest` prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::config::{cipher_named, group_named, hash_named};
use crate::crypto::Cipher;
use crate::implementations::{Capabilities, Host};

/// What Debian's libreswan 4.10 prints.
pub(super) const OF_4_10: &str = include_str!("algorithms-4.10.txt");

/// What the pluto at `pluto` prints when it tests itself, which takes an empty key database.
pub(super) fn said_by(pluto: &Path, host: &Host) -> Result<String, String> {
    host.once(&format!("{} --selftest", pluto.display()), || {
        let certutil = super::certutil(host).ok_or("there is no certutil")?;
        let folder = Scratch::make().map_err(|error| error.to_string())?;
        let run = |command: &mut Command| -> Result<Output, String> {
            let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
            output.status.success().then_some(output).ok_or_else(|| format!("{command:?} failed"))
        };
        run(Command::new(certutil).args(["-N", "--empty-password", "-d"]).arg(folder.database()))?;
        let arguments = ["--selftest", "--nofork", "--stderrlog", "--nssdir"];
        let output = run(Command::new(pluto).args(arguments).arg(&folder.0))?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    })
}

/// A folder that is gone in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("ike-interop-nss-{}", std::process::id()));
        std::fs::create_dir(&folder).map(|()| Self(folder))
    }

    /// Its name as NSS wants it.
    fn database(&self) -> String {
        format!("sql:{}", self.0.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is an empty database in a folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The capabilities of the algorithms that the tables list for IKEv1.
pub(super) fn listed(text: &str) -> Capabilities {
    let mut table = "";
    let mut words = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim_end().strip_suffix(" algorithms:") {
            table = name;
            continue;
        }
        // `  AES_CBC   {256,192,*128} IKEv1: IKE ESP     IKEv2: IKE ESP     FIPS NSS(CBC)     aes`
        let Some((left, right)) = line.split_once(" IKEv1:") else { continue };
        let uses: Vec<&str> = right.split_whitespace().take_while(|word| *word != "IKEv2:").collect();
        let mut left = left.split_whitespace();
        let (Some(name), sizes) = (left.next(), left.next().unwrap_or_default()) else { continue };
        let prefixes = |ike: &'static str, esp: &'static str| {
            let (ike, esp) = (uses.contains(&"IKE").then_some(ike), uses.contains(&"ESP").then_some(esp));
            ike.into_iter().chain(esp).collect::<Vec<_>>()
        };
        match table {
            "Encryption" => {
                for cipher in ciphers(name, sizes) {
                    words.extend(prefixes("ike", "esp").into_iter().map(|prefix| format!("{prefix}-{cipher}")));
                }
            }
            "Hash" => words.extend(
                hash_named(&format!("HMAC_{name}")).filter(|_| uses.contains(&"IKE")).map(|hash| format!("ike-{hash}")),
            ),
            // libreswan's name for the SHA-256 of early Linux kernels.
            "Integrity" if !name.ends_with("TRUNCBUG") => {
                words.extend(hash_named(name).filter(|_| uses.contains(&"ESP")).map(|hash| format!("esp-{hash}")));
            }
            "DH" => {
                let group = group_named(name);
                words.extend(group.into_iter().flat_map(|group| {
                    prefixes("ike", "pfs").into_iter().map(move |prefix| format!("{prefix}-{group}"))
                }));
            }
            _ => {}
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Capabilities::of(&words)
}

/// The ciphers of a line with key sizes such as `{256,192,*128}`, `[*192]` or none.
fn ciphers(name: &str, sizes: &str) -> Vec<Cipher> {
    let sizes = sizes.split(|character: char| !character.is_ascii_digit()).filter(|size| !size.is_empty());
    let mut ciphers: Vec<Cipher> = sizes.filter_map(|size| cipher_named(&format!("{name}_{size}"))).collect();
    if ciphers.is_empty() {
        ciphers.extend(cipher_named(name));
    }
    ciphers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::implementations::Capability;

    #[test]
    fn the_tables_of_4_10() {
        let listed = listed(OF_4_10);
        let words: Vec<&str> = listed.iter().map(Capability::word).collect();
        insta::assert_snapshot!(words.join(" "));
        assert!(!words.contains(&"ike-modp1024") && !words.contains(&"ike-des"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken(text: String) {
            listed(&text);
        }
    }
}
