//! The matrix: rows of scenarios by folder, columns of implementations and their releases.

use serde::Serialize;

use super::symbol;
use crate::report::CellReport;

/// The matrix as the template fills it in.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    implementations: Vec<Implementation>,
    columns: Vec<Column>,
    folders: Vec<Folder>,
    tags: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Implementation {
    name: String,
    releases: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Column {
    implementation: String,
    release: String,
}

#[derive(Debug, Serialize)]
struct Folder {
    name: String,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    scenario: String,
    name: String,
    title: String,
    tags: String,
    /// For each column, the cells there: none, one, or both twins.
    places: Vec<Place>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Place {
    cells: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize)]
struct Entry {
    /// Its place among all cells.
    index: usize,
    result: &'static str,
    symbol: &'static str,
    /// What stands beside the symbol.
    word: String,
    /// All of it in words.
    label: String,
}

impl Matrix {
    pub(super) fn of(cells: &[CellReport]) -> Self {
        let columns = columns(cells);
        let mut folders: Vec<Folder> = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            let (folder, name) = cell.scenario.rsplit_once('/').unwrap_or(("", &cell.scenario));
            let at = folders.iter().position(|known| known.name == folder).unwrap_or_else(|| {
                folders.push(Folder { name: folder.to_owned(), rows: Vec::new() });
                folders.len() - 1
            });
            let rows = &mut folders[at].rows;
            let at = rows.iter().position(|row| row.scenario == cell.scenario).unwrap_or_else(|| {
                let story = cell.story.as_deref();
                rows.push(Row {
                    scenario: cell.scenario.clone(),
                    name: name.to_owned(),
                    title: story.map_or_else(String::new, |story| story.title.clone()),
                    tags: story.map_or_else(String::new, |story| story.tags.join(" ")),
                    places: vec![Place::default(); columns.len()],
                });
                rows.len() - 1
            });
            if let Some(column) = columns.iter().position(|column| *column == Column::of(cell)) {
                rows[at].places[column].cells.push(entry(index, cell));
            }
        }
        let mut implementations: Vec<Implementation> = Vec::new();
        for column in &columns {
            match implementations.last_mut() {
                Some(last) if last.name == column.implementation => last.releases += 1,
                _ => implementations.push(Implementation { name: column.implementation.clone(), releases: 1 }),
            }
        }
        let tags = cells.iter().filter_map(|cell| cell.story.as_deref()).flat_map(|story| story.tags.iter().cloned());
        let mut tags: Vec<String> = tags.collect();
        tags.sort_unstable();
        tags.dedup();
        Self { implementations, columns, folders, tags }
    }
}

impl Column {
    fn of(cell: &CellReport) -> Self {
        Self { implementation: cell.implementation.to_string(), release: cell.release.to_string() }
    }
}

/// The columns: implementations in the order cells have them, and each one's releases from the oldest.
fn columns(cells: &[CellReport]) -> Vec<Column> {
    let mut order: Vec<&str> = Vec::new();
    for cell in cells {
        if !order.contains(&cell.implementation.word()) {
            order.push(cell.implementation.word());
        }
    }
    let place = |cell: &CellReport| order.iter().position(|name| *name == cell.implementation.word());
    let mut sorted: Vec<&CellReport> = cells.iter().collect();
    sorted.sort_by_key(|cell| (place(cell), cell.release));
    let mut columns: Vec<Column> = sorted.into_iter().map(Column::of).collect();
    columns.dedup();
    columns
}

fn entry(index: usize, cell: &CellReport) -> Entry {
    let (word, which) = match cell.twin {
        Some(twin) => (twin.word().to_owned(), format!(", {twin}")),
        None => (cell.result.word().to_owned(), String::new()),
    };
    let Column { implementation, release } = Column::of(cell);
    Entry {
        index,
        result: cell.result.word(),
        symbol: symbol(cell.result),
        word,
        label: format!("{}, {implementation}, {release}{which}: {}", cell.scenario, cell.result.word()),
    }
}
