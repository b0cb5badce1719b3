//! Reviewed transcripts, beside the scenario they are of, in insta's form.
//!
//! `phase2/acl-not-mirrored.yaml` with strongSwan against 15.x has
//! `phase2/snapshots/acl-not-mirrored@strongswan@15.x.snap`, or, where all releases agree,
//! `phase2/snapshots/acl-not-mirrored@strongswan.snap`. The fixed twin's begins with `acl-not-mirrored.fixed`. An
//! implementation that negotiates differently on another data path has another name there
//! ([`Implementation::filed_under`](crate::implementations::Implementation::filed_under)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::log::Reviewed;
use crate::scenario::{Cell, Twin};

/// The files a cell's reviewed transcript may be in, filed under `implementation`: the one of its release, and the one of
/// all releases.
pub fn files(cell: &Cell, implementation: &str) -> [PathBuf; 2] {
    let source = &cell.scenario.source.path;
    let stem = source.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let twin = if cell.twin == Some(Twin::Fixed) { ".fixed" } else { "" };
    let folder = source.parent().unwrap_or(Path::new("")).join("snapshots");
    let release = cell.release;
    [
        folder.join(format!("{stem}{twin}@{implementation}@{release}.snap")),
        folder.join(format!("{stem}{twin}@{implementation}.snap")),
    ]
}

/// The reviewed transcript of a cell, if there is one.
///
/// # Errors
///
/// When it exists and cannot be read.
pub fn reviewed(cell: &Cell, implementation: &str) -> io::Result<Option<Reviewed>> {
    for file in files(cell, implementation) {
        match fs::read_to_string(&file) {
            Ok(text) => return Ok(Some(Reviewed { text: contents(&text).to_owned(), file })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// From the reviewed transcript to this one as a unified diff; `None` when they are the same.
pub fn difference(reviewed: &str, transcript: &str) -> Option<String> {
    let (old, new) = (reviewed.trim_end(), transcript.trim_end());
    if old == new {
        return None;
    }
    let (old, new) = (format!("{old}\n"), format!("{new}\n"));
    let diff = TextDiff::from_lines(&old, &new);
    Some(diff.unified_diff().context_radius(2).header("reviewed", "this run").to_string())
}

/// Makes a cell's transcript the reviewed one: of its release alone when another release has another one.
///
/// # Errors
///
/// When a file cannot be written.
pub fn accept(cell: &Cell, implementation: &str, transcript: &str, shared: bool) -> io::Result<PathBuf> {
    let [own, common] = files(cell, implementation);
    let file = if shared { &common } else { &own };
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    let source = cell.scenario.source.path.file_name().map(|name| name.to_string_lossy().into_owned());
    let header = format!(
        "---\nsource: {}\nexpression: transcript of {}\n---\n",
        source.unwrap_or_default(),
        if shared { format!("{} with {implementation}", cell.scenario.name) } else { cell.name.clone() }
    );
    fs::write(file, format!("{header}{}\n", transcript.trim_end()))?;
    if shared && own.exists() {
        fs::remove_file(&own)?;
    }
    Ok(file.clone())
}

/// What stands behind insta's header.
fn contents(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---\n") else { return text };
    rest.split_once("\n---\n").map_or(text, |(_, contents)| contents)
}
