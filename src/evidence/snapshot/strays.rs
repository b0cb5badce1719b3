//! Transcripts beside scenarios that belong to no cell any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Shelf;

/// The files that none of `shelves` has, in the folders these have: of scenarios that are gone, or of implementations,
/// releases or fixes that theirs no longer name. What waits for a decision counts as what it would replace.
///
/// A scenario that is there without a shelf among them was not asked for, and keeps what it has.
///
/// # Errors
///
/// When a folder is there and cannot be read.
pub fn strays<'a>(shelves: impl IntoIterator<Item = &'a Shelf>) -> io::Result<Vec<PathBuf>> {
    let mut folders: BTreeMap<&Path, (BTreeSet<PathBuf>, BTreeSet<&str>)> = BTreeMap::new();
    for shelf in shelves {
        let (files, sources) = folders.entry(shelf.folder()).or_default();
        files.extend(shelf.files());
        sources.insert(shelf.source());
    }
    let mut strays = Vec::new();
    for (folder, (files, sources)) in folders {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let reviewed = if ends_in(&path, "new") { path.with_extension("") } else { path.clone() };
            let owned = files.contains(&reviewed)
                || candidates(&reviewed)
                    .is_none_or(|names| names.iter().any(|name| !sources.contains(&**name) && beside(folder, name)));
            if !owned {
                strays.push(path);
            }
        }
    }
    strays.sort();
    Ok(strays)
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

/// The file names of scenarios that a transcript may be of; `None` when the file is none.
fn candidates(reviewed: &Path) -> Option<Vec<String>> {
    let stem = reviewed.file_stem().filter(|_| ends_in(reviewed, "snap"))?.to_str()?;
    let names = stem.match_indices('@').map(|(at, _)| &stem[..at]);
    let names = names.flat_map(|name| [name, name.strip_suffix(".fixed").unwrap_or(name)]);
    let files = names.flat_map(|name| [format!("{name}.yaml"), format!("{name}.yml")]);
    Some(files.collect::<Vec<_>>()).filter(|files| !files.is_empty())
}

/// Whether a scenario of that file name lies beside a folder of transcripts.
fn beside(folder: &Path, name: &str) -> bool {
    folder.parent().is_some_and(|scenarios| scenarios.join(name).is_file())
}
