//! Reviewed transcripts, beside the scenario they are of, in insta's form.
//!
//! `phase2/acl-not-mirrored.yaml` with strongSwan against 15.x has
//! `phase2/snapshots/acl-not-mirrored@strongswan@15.x.snap`, or, where the releases agree,
//! `phase2/snapshots/acl-not-mirrored@strongswan.snap`. The fixed twin's begins with `acl-not-mirrored.fixed`. An
//! implementation that negotiates differently on another data path has another name there
//! ([`Implementation::filed_under`](crate::implementations::Implementation::filed_under)). What a run found instead waits
//! for a decision in a file of the same name with `.new` at the end, as insta leaves it: `ike-interop review` and `cargo
//! insta review` work on the same files.

mod changes;
mod outline;
mod payload;
mod shelf;
mod strays;
#[cfg(test)]
mod tests;

use similar::TextDiff;

pub use changes::{Change, Weight, changes, heaviest};
pub use outline::{NoTranscript, Node, Outline, Section};
pub use shelf::{Pending, Shelf};
pub use strays::strays;

/// From the reviewed transcript to the one found, as a unified diff.
pub fn diff(reviewed: &str, found: &str) -> String {
    let (old, new) = (format!("{}\n", reviewed.trim_end()), format!("{}\n", found.trim_end()));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff().context_radius(2).header("reviewed", "this run").to_string()
}

/// The transcript in a file: what stands behind insta's header.
pub fn contents(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---\n") else { return text };
    rest.split_once("\n---\n").map_or(text, |(_, contents)| contents)
}

/// Whether two transcripts are the same but for blank lines at the end.
fn same(one: &str, other: &str) -> bool {
    one.trim_end() == other.trim_end()
}
