//! Which implementations there are for a verb: those of the program and those of an `ike-interop.toml`.

use std::path::{Path, PathBuf};

use crate::diag::Diagnostic;
use crate::implementations::Registry;
use crate::implementations::declared;

/// The file that declares implementations.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Config {
    /// The file that declares implementations and programs; `ike-interop.toml` beside the scenarios or above them unless given.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Config {
    /// The implementations there are for scenarios at `paths`, or in the current folder when none of them is a path.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file.
    pub fn registry<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Registry, Vec<Diagnostic>> {
        match self.file(paths)? {
            Some(file) => declared::load(&file),
            None => Ok(Registry::built_in()),
        }
    }

    fn file<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Option<PathBuf>, Vec<Diagnostic>> {
        if self.config.is_some() {
            return Ok(self.config.clone());
        }
        let mut found: Vec<PathBuf> = paths.iter().filter_map(|path| declared::find(path.as_ref())).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [] => Ok(declared::find(Path::new("."))),
            [one] => Ok(Some(one.clone())),
            [one, other, ..] => {
                let title = format!(
                    "the scenarios have several {}: {}, {}",
                    declared::FILE_NAME,
                    one.display(),
                    other.display()
                );
                Err(vec![Diagnostic::plain(title).with_help("say which counts: --config FILE")])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_above_the_scenarios_counts() {
        let root = std::env::temp_dir().join(format!("ike-interop-config-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path.canonicalize().unwrap()
        };
        let near = write("a/ike-interop.toml", "");
        let far = write("ike-interop.toml", "");
        let scenario = write("a/scenarios/x/one.yaml", "");
        let elsewhere = write("b/two.yaml", "");
        let file = |paths: &[&Path]| Config::default().file(paths);
        assert_eq!(file(&[&scenario]), Ok(Some(near.clone())));
        assert_eq!(file(&[&elsewhere]), Ok(Some(far.clone())));
        assert_eq!(file(&[&scenario, scenario.parent().unwrap()]), Ok(Some(near)));
        let both = file(&[&scenario, &elsewhere]).unwrap_err();
        assert_eq!(both[0].help.as_deref(), Some("say which counts: --config FILE"));
        let given = Config { config: Some("other.toml".into()) };
        assert_eq!(given.file(&[&scenario]), Ok(Some("other.toml".into())));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
