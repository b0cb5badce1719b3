//! Which cells a verb is about: paths and filters, shared by `run` and `list`.

use std::path::{Path, PathBuf};

use super::config::Config;
use crate::diag::Diagnostic;
use crate::implementations::Registry;
use crate::ios::Release;
use crate::scenario::{self, Cell, ImplementationName, Names, Selection, Shard};

/// Where the scenarios are when nobody says it.
const CATALOGUE: &str = "scenarios";

/// Which cells.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Selecting {
    /// Scenario files, folders of them, or names of cells and scenarios (phase2/acl-not-mirrored); `scenarios/` unless given.
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,

    /// Only with these implementations.
    #[arg(short = 'i', long, value_name = "IMPL", value_delimiter = ',')]
    pub implementation: Vec<ImplementationName>,

    /// Only against these releases.
    #[arg(long, value_name = "RELEASE", value_delimiter = ',')]
    pub ios: Vec<Release>,

    /// Only scenarios with one of these tags.
    #[arg(short, long, value_name = "TAG", value_delimiter = ',')]
    pub tag: Vec<String>,

    /// Only part I of N; from CI_NODE_INDEX and CI_NODE_TOTAL, or JOB_COMPLETION_INDEX, unless given.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Which implementations there are.
    #[command(flatten)]
    pub config: Config,
}

impl Selecting {
    /// The implementations there are for the scenarios.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file that declares some.
    pub fn registry(&self) -> Result<Registry, Vec<Diagnostic>> {
        self.config.registry(&self.paths)
    }

    /// The cells asked for, in their order. Implementations are those of `names`.
    ///
    /// # Errors
    ///
    /// All that is wrong with the scenarios, and names that no cell or no implementation has.
    pub fn cells(&self, names: &Names) -> Result<Vec<Cell>, Vec<Diagnostic>> {
        let unknown = self.implementation.iter().filter_map(|name| names.known(name).err());
        let unknown: Vec<Diagnostic> = unknown.map(|unknown| unknown.diagnostic()).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let (mut files, mut wanted) = (Vec::new(), Vec::new());
        for path in &self.paths {
            match Path::new(path).exists() {
                true => files.push(PathBuf::from(path)),
                false if looks_like_a_file(path) => {
                    return Err(vec![Diagnostic::plain(format!("there is no file or folder {path}"))]);
                }
                false => wanted.push(path.clone()),
            }
        }
        if files.is_empty() {
            if !Path::new(CATALOGUE).exists() {
                let error = match wanted.first() {
                    Some(name) => format!(
                        "there is neither a file or folder {name} here, nor a folder `{CATALOGUE}` with a scenario of that name"
                    ),
                    None => format!("there is no folder `{CATALOGUE}` here"),
                };
                let error = Diagnostic::plain(error);
                return Err(vec![error.with_help("name the scenario files or their folder: ike-interop run PATH...")]);
            }
            files.push(CATALOGUE.into());
        }
        let scenarios = scenario::load_tree(&files, names)?;
        let selection = Selection {
            names: wanted,
            implementations: self.implementation.clone(),
            releases: self.ios.clone(),
            tags: self.tag.clone(),
            shard: self.shard_wanted()?,
        };
        selection.select(scenario::cells(&scenarios))
    }

    /// The shard given, or that of the CI job.
    ///
    /// # Errors
    ///
    /// When the CI job says nonsense.
    pub fn shard_wanted(&self) -> Result<Option<Shard>, Vec<Diagnostic>> {
        if self.shard.is_some() {
            return Ok(self.shard);
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        shard_of(variable("CI_NODE_INDEX"), variable("CI_NODE_TOTAL"), variable("JOB_COMPLETION_INDEX"))
            .map_err(|error| vec![Diagnostic::plain(error)])
    }
}

fn looks_like_a_file(path: &str) -> bool {
    path.starts_with(['.', '/']) || [".yaml", ".yml", "/"].iter().any(|end| path.ends_with(end))
}

/// GitLab counts its nodes from 1, Kubernetes its indexes from 0. Both need the total, which Kubernetes does not tell by
/// itself: the job's manifest has to set CI_NODE_TOTAL.
fn shard_of(index: Option<String>, total: Option<String>, completion: Option<String>) -> Result<Option<Shard>, String> {
    let number = |name: &str, text: &str| {
        text.trim().parse::<u32>().map_err(|_| format!("{name} is `{text}`: expected a number"))
    };
    let Some(total) = total else { return Ok(None) };
    let total = number("CI_NODE_TOTAL", &total)?;
    let index = match (index, completion) {
        (Some(index), _) => number("CI_NODE_INDEX", &index)?,
        (None, Some(completion)) => number("JOB_COMPLETION_INDEX", &completion)?.saturating_add(1),
        (None, None) => return Ok(None),
    };
    Shard::new(index, total).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_of_a_ci_job() {
        let shard = |index: Option<&str>, total: Option<&str>, completion: Option<&str>| {
            let shard = shard_of(index.map(Into::into), total.map(Into::into), completion.map(Into::into));
            shard.map(|shard| shard.map(|shard| shard.to_string()))
        };
        assert_eq!(shard(Some("2"), Some("4"), None), Ok(Some("2/4".to_owned())));
        assert_eq!(shard(None, Some("4"), Some("0")), Ok(Some("1/4".to_owned())));
        assert_eq!(shard(None, None, Some("3")), Ok(None));
        assert_eq!(shard(None, Some("4"), None), Ok(None));
        assert!(shard(Some("5"), Some("4"), None).unwrap_err().contains("5/4"));
        assert!(shard(Some("x"), Some("4"), None).unwrap_err().contains("CI_NODE_INDEX"));
    }

    #[test]
    fn what_is_no_file_is_a_name_unless_it_looks_like_a_file() {
        assert!(looks_like_a_file("./phase1"));
        assert!(looks_like_a_file("x.yaml"));
        assert!(looks_like_a_file("phase1/"));
        assert!(!looks_like_a_file("phase2/acl-not-mirrored"));
    }
}
