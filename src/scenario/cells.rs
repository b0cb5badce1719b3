//! The matrix: which cells there are, and which of them are asked for.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Source};
use crate::ios::Release;
use crate::scenario::Scenario;
use crate::scenario::decode::closest;
use crate::scenario::file::{KnownFailure, Twin};
use crate::scenario::names::ImplementationName;

/// One run: a scenario with an implementation against a release, broken or fixed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// `phase2/acl-not-mirrored/strongswan/15.x`, with `:fixed` at the end for the fixed twin. Unique, and the same
    /// from run to run.
    pub name: String,
    /// What is run; for the fixed twin with the fix laid over it.
    pub scenario: Arc<Scenario>,
    /// With which implementation.
    pub implementation: ImplementationName,
    /// Against which release.
    pub release: Release,
    /// Which twin this is; `None` when the scenario has no fix.
    pub twin: Option<Twin>,
}

impl Cell {
    /// The entry of `known_failures` that this cell is, if any.
    pub fn known_failure(&self) -> Option<&KnownFailure> {
        self.scenario.known_failures.iter().find(|known| {
            known.implementation.as_ref().is_none_or(|name| *name == self.implementation)
                && known.ios.is_none_or(|release| release == self.release)
                && known.twin.is_none_or(|twin| Some(twin) == self.twin)
        })
    }

    /// Where the scenario asks for what a JSON pointer names. What is asked of a fixed twin is asked by its fix.
    pub fn place(&self, pointer: &str) -> Option<(Source, Range<usize>)> {
        let range = match self.twin {
            Some(Twin::Fixed) => self.scenario.place(&format!("/fix{pointer}")),
            Some(Twin::Broken) | None => self.scenario.place(pointer),
        };
        Some((self.scenario.source.clone(), range?))
    }
}

/// Every cell of `scenarios`, in the order of scenario, implementation, release and twin.
pub fn cells(scenarios: &[Arc<Scenario>]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for scenario in scenarios {
        for implementation in &scenario.implementations {
            for release in &scenario.releases {
                let name = format!("{}/{implementation}/{release}", scenario.name);
                let mut cell = |name, scenario: &Arc<Scenario>, twin| {
                    let (implementation, release) = (implementation.clone(), *release);
                    cells.push(Cell { name, scenario: Arc::clone(scenario), implementation, release, twin });
                };
                cell(name.clone(), scenario, scenario.fixed.as_ref().map(|_| Twin::Broken));
                if let Some(fixed) = &scenario.fixed {
                    cell(format!("{name}:fixed"), fixed, Some(Twin::Fixed));
                }
            }
        }
    }
    cells
}

/// Which cells are asked for. What is empty asks for all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names of cells, or the beginnings of names up to a `/`: a folder, a scenario, an implementation of it. A name
    /// without `:fixed` stands for both twins' cells only when it is no cell's whole name.
    pub names: Vec<String>,
    /// Implementations.
    pub implementations: Vec<ImplementationName>,
    /// Releases.
    pub releases: Vec<Release>,
    /// Tags, of which a scenario must have one.
    pub tags: Vec<String>,
    /// The part of the cells to run.
    pub shard: Option<Shard>,
}

impl Selection {
    /// The cells asked for, in the order they had. A name that no cell has is an error.
    pub fn select(&self, cells: Vec<Cell>) -> Result<Vec<Cell>, Vec<Diagnostic>> {
        let unknown: Vec<_> = self.names.iter().filter(|name| !cells.iter().any(|cell| named(name, cell))).collect();
        if !unknown.is_empty() {
            return Err(unknown.into_iter().map(|name| unknown_name(name, &cells)).collect());
        }
        let mut wanted = cells.into_iter().filter(|cell| self.wants(cell)).peekable();
        if wanted.peek().is_none() {
            return Err(vec![self.none()]);
        }
        // A shard may be empty: others have the cells.
        Ok(wanted.filter(|cell| self.shard.is_none_or(|shard| shard.holds(&cell.name))).collect())
    }

    /// What to say when no cell is asked for, which nobody wants.
    fn none(&self) -> Diagnostic {
        let listed = |what: &str, words: Vec<String>| match words.as_slice() {
            [] => None,
            words => Some(format!("{what} {}", words.join(" or "))),
        };
        let asked: Vec<String> = [
            listed("the name", self.names.clone()),
            listed("the implementation", self.implementations.iter().map(ToString::to_string).collect()),
            listed("the release", self.releases.iter().map(ToString::to_string).collect()),
            listed("the tag", self.tags.clone()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let error = match asked.is_empty() {
            true => Diagnostic::plain("there is no cell in the scenarios"),
            false => Diagnostic::plain(format!("no cell has {}", asked.join(" and "))),
        };
        error.with_help("`ike-interop list` prints all cells")
    }

    /// Whether a cell is asked for, whatever the shard.
    fn wants(&self, cell: &Cell) -> bool {
        (self.names.is_empty() || self.names.iter().any(|name| named(name, cell)))
            && (self.implementations.is_empty() || self.implementations.contains(&cell.implementation))
            && (self.releases.is_empty() || self.releases.contains(&cell.release))
            && (self.tags.is_empty() || cell.scenario.tags.iter().any(|tag| self.tags.contains(tag)))
    }
}

fn named(name: &str, cell: &Cell) -> bool {
    match cell.name.strip_prefix(name.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

fn unknown_name(name: &str, cells: &[Cell]) -> Diagnostic {
    let error = Diagnostic::plain(format!("`{name}` is no file, and no cell's name begins with it"));
    let mut known: Vec<&str> =
        cells.iter().flat_map(|cell| [cell.name.as_str(), cell.scenario.name.as_str()]).collect();
    known.sort_unstable();
    known.dedup();
    match closest(name, &known) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error.with_help("`ike-interop list` prints the names of all cells"),
    }
}

/// One of several parts of the cells, told apart by a hash of their names, so that no machine needs to know the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    index: u32,
    count: u32,
}

/// A text that is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shard: expected I/N with I from 1 to N, such as 2/4")]
pub struct UnknownShard(String);

impl Shard {
    /// Part `index` of `count`, counted from 1.
    pub fn new(index: u32, count: u32) -> Result<Self, UnknownShard> {
        if (1..=count).contains(&index) {
            Ok(Self { index, count })
        } else {
            Err(UnknownShard(format!("{index}/{count}")))
        }
    }

    /// Which part it is, from 1, and of how many.
    pub fn place(self) -> (u32, u32) {
        (self.index, self.count)
    }

    /// Whether the cell of that name belongs to this part.
    pub fn holds(self, name: &str) -> bool {
        // FNV-1a of 64 bits: the same on every machine and in every version of the program.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        hash % u64::from(self.count) == u64::from(self.index - 1)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = UnknownShard;

    fn try_from(text: String) -> Result<Self, UnknownShard> {
        text.parse()
    }
}

impl FromStr for Shard {
    type Err = UnknownShard;

    fn from_str(text: &str) -> Result<Self, UnknownShard> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = parts.ok_or_else(|| UnknownShard(text.to_owned()))?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.index, self.count)
    }
}
