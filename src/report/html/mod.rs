//! The run as one self-contained page: a matrix of scenarios, implementations and releases, and the story of each cell.
//!
//! The page is made of a template, a style sheet and a script that lie beside this file. What the cells tell stands in it
//! once, as JSON with a table of its texts: the logs of cells of one scenario have most lines in common.

mod data;
mod matrix;
mod story;
#[cfg(test)]
mod tests;
mod timeline;
mod troubles;

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context};

pub use story::Story;

use super::{CellReport, CellResult, Summary};
use data::Data;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The run as a page that lies in `out`.
///
/// # Errors
///
/// When the template cannot be filled in.
pub fn report_html(cells: &[CellReport], out: &Path) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let summary = Summary::of(cells.iter().map(|cell| cell.result));
    let (troubles, more_troubles) = troubles::troubles(cells);
    let results = CellResult::ALL.map(|result| {
        let count = cells.iter().filter(|cell| cell.result == result).count();
        context! { word => result.word(), symbol => symbol(result), about => result.about(), count }
    });
    environment.render_str(
        TEMPLATE,
        context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            data => Value::from_safe_string(script_safe(&Data::of(cells, out).to_json())),
            matrix => Value::from(Serde(matrix::Matrix::of(cells))),
            troubles => Value::from(Serde(troubles)),
            more_troubles,
            summary => summary.line(),
            good => summary.is_success(),
            results => results.to_vec(),
            version => env!("CARGO_PKG_VERSION"),
        },
    )
}

/// The sign of a result, which tells it without colour.
fn symbol(result: CellResult) -> &'static str {
    match result {
        CellResult::Pass => "✓",
        CellResult::Fail => "✗",
        CellResult::Skip => "–",
        CellResult::Known => "◐",
        CellResult::Flaky => "≈",
        CellResult::Error => "!",
    }
}

/// JSON that may stand in a script element: nothing in it ends the element or begins a comment (HTML, 4.12.1.3).
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
}
