//! What failed, told above the matrix: a line for all cells of a scenario that fail in the same way.

use serde::Serialize;

use super::symbol;
use crate::report::CellReport;

/// Lines that are shown.
const MAX_LINES: usize = 30;

/// Cells that failed in the same way.
#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    scenario: String,
    /// The diagnosis, where there is one that nobody expected; else what was not as expected first.
    why: String,
    cells: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    label: String,
    result: &'static str,
    symbol: &'static str,
    /// The cell's address in the page.
    address: String,
}

/// The lines, and how many more there are.
pub(super) fn troubles(cells: &[CellReport]) -> (Vec<Trouble>, usize) {
    let mut troubles: Vec<Trouble> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.result.fails_the_run()) {
        let why = cell.cause();
        let known = troubles.iter_mut().find(|trouble| trouble.scenario == cell.scenario && trouble.why == why);
        match known {
            Some(trouble) => trouble.cells.push(entry(cell)),
            None => troubles.push(Trouble { scenario: cell.scenario.clone(), why, cells: vec![entry(cell)] }),
        }
    }
    let more = troubles.len().saturating_sub(MAX_LINES);
    troubles.truncate(MAX_LINES);
    (troubles, more)
}

fn entry(cell: &CellReport) -> Entry {
    let twin = cell.twin.map_or_else(String::new, |twin| format!(" {twin}"));
    Entry {
        label: format!("{} {}{twin}", cell.implementation, cell.release),
        result: cell.result.word(),
        symbol: symbol(cell.result),
        address: format!("#cell={}", encoded(&cell.name)),
    }
}

/// A text as the fragment of an address has it (RFC 3986, 3.5).
fn encoded(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~/:".contains(&octet);
    text.bytes()
        .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}
