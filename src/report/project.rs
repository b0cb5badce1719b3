//! How files are named to a CI system: as seen from the folder of the project.

use std::env;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The variables by which GitHub, GitLab and Jenkins tell the folder of the project, each inside its own jobs.
const VARIABLES: [&str; 3] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE"];

/// The folder of the project.
#[derive(Clone, Debug)]
pub struct Project {
    here: PathBuf,
    root: PathBuf,
}

impl Project {
    /// A project at `root`, seen from the folder `here`; both are absolute.
    pub fn new(here: impl Into<PathBuf>, root: impl Into<PathBuf>) -> Self {
        Self { here: here.into(), root: root.into() }
    }

    /// That of the CI job when this process is inside of it, otherwise the current folder.
    ///
    /// # Errors
    ///
    /// When there is no current folder any more.
    pub fn of_environment() -> io::Result<Self> {
        let here = env::current_dir()?;
        let roots = VARIABLES.iter().filter_map(|name| Path::new(&env::var_os(name)?).canonicalize().ok());
        let root = roots.into_iter().find(|root| here.starts_with(root)).unwrap_or_else(|| here.clone());
        Ok(Self { here, root })
    }

    /// A path as seen from the project's folder; an absolute one when it lies elsewhere.
    pub fn name(&self, path: &Path) -> String {
        let mut whole = PathBuf::new();
        for part in self.here.join(path).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(whole.pop()),
                part => whole.push(part),
            }
        }
        let name = whole.strip_prefix(&self.root).unwrap_or(&whole);
        name.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("scenarios/a.yaml", "sub/scenarios/a.yaml")]
    #[case("./a/../b.yaml", "sub/b.yaml")]
    #[case("../b.yaml", "b.yaml")]
    #[case("/builds/project/out/x", "out/x")]
    #[case("/elsewhere/x", "/elsewhere/x")]
    #[case("../../x", "/builds/x")]
    fn files_are_named_from_the_project(#[case] path: &str, #[case] name: &str) {
        assert_eq!(Project::new("/builds/project/sub", "/builds/project").name(Path::new(path)), name);
    }
}
