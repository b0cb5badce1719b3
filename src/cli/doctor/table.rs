//! The tables, as wide as the output.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use super::findings::{Findings, Part, Row, State};

/// From this width on what to do has a column of its own. In a narrower one the commands would be broken; they follow the
/// table then.
const WIDE: u16 = 100;

/// The text of both tables in `width` columns.
pub(super) fn text(findings: &Findings, width: u16) -> String {
    let machine = table(&["machine", "state", "used for"], width, findings.machine.iter().map(part).collect());
    let header = ["implementation", "version", "ESP by", "cannot do"];
    let implementations = table(&header, width, findings.implementations.iter().map(row).collect());
    let verdict = if findings.ready { "" } else { "\nThis machine cannot run the lab.\n" };
    format!("{machine}\n{implementations}{verdict}")
}

/// A line of a table, and what there is to say about it.
struct Line {
    cells: Vec<String>,
    advice: Option<String>,
}

fn table(header: &[&str], width: u16, lines: Vec<Line>) -> String {
    let wide = width >= WIDE;
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(header.iter().chain(wide.then_some(&"what to do")));
    let mut notes = String::new();
    for Line { mut cells, advice } in lines {
        match advice {
            Some(advice) if !wide => notes.push_str(&format!("{}: {advice}\n", cells[0])),
            advice => cells.extend(advice),
        }
        table.add_row(cells);
    }
    // Names are not broken; sentences are.
    for column in table.column_iter_mut().take(header.len() - 1) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text + &notes
}

fn part(part: &Part) -> Line {
    let state = match (part.ready, part.required) {
        (true, _) => "ready",
        (false, true) => "missing",
        (false, false) => "-",
    };
    let cells = vec![part.name.clone(), state.to_owned(), part.used_for.clone()];
    Line { cells, advice: advice(&part.reason, &part.remedy) }
}

fn row(row: &Row) -> Line {
    let state = match row.state {
        State::Ready => row.version.clone().unwrap_or_default(),
        State::Missing => "missing".to_owned(),
        State::Unfit => "-".to_owned(),
    };
    let ready: Vec<&str> = row.data_paths.iter().filter(|way| way.ready).map(|way| &*way.name).collect();
    let ways = if ready.is_empty() { "-".to_owned() } else { ready.join("\n") };
    let cells = vec![row.name.clone(), state, ways, row.lacks_in_short()];
    Line { cells, advice: advice(&row.reason, &row.remedy) }
}

/// What is wrong, and on a line of its own what to do.
fn advice(reason: &Option<String>, remedy: &Option<String>) -> Option<String> {
    let remedy = remedy.as_ref().map(|remedy| format!("→ {remedy}"));
    let lines: Vec<String> = reason.iter().cloned().chain(remedy).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::findings::tests::made_up;

    #[test]
    fn as_wide_as_the_output() {
        for width in [80, 120] {
            let text = text(&made_up(), width);
            let drawn = text.lines().filter(|line| line.starts_with([' ', '─', '═']));
            assert!(drawn.into_iter().all(|line| line.chars().count() <= usize::from(width)), "{text}");
            insta::assert_snapshot!(format!("{width}_columns"), text);
        }
    }

    #[test]
    fn however_narrow_it_is_commands_are_whole() {
        for width in [0, 10, 80] {
            let narrow = text(&made_up(), width);
            assert!(narrow.contains("\n→ apt-get install --no-install-recommends openiked\n"), "{narrow}");
        }
    }
}
