//! JUnit XML: a suite for each scenario, a case for each of its cells.

use std::fmt::Write;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{CellReport, CellResult};

/// The run as JUnit XML.
///
/// # Errors
///
/// When the XML cannot be written.
pub fn junit_xml(cells: &[CellReport]) -> Result<String, SerializeError> {
    let mut report = Report::new("ike-interop");
    let mut suites: Vec<TestSuite> = Vec::new();
    for cell in cells {
        let suite = match suites.iter_mut().position(|suite| suite.name.as_str() == cell.scenario) {
            Some(at) => &mut suites[at],
            None => {
                suites.push(TestSuite::new(cell.scenario.as_str()));
                let last = suites.len() - 1;
                &mut suites[last]
            }
        };
        suite.add_test_case(case(cell));
    }
    report.add_test_suites(suites);
    report.to_string()
}

fn case(cell: &CellReport) -> TestCase {
    let reason = cell.reason.as_deref().unwrap_or_default();
    let failed = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(reason).set_description(details(cell));
        status
    };
    let status = match cell.result {
        CellResult::Pass | CellResult::Flaky => TestCaseStatus::success(),
        CellResult::Fail => failed(NonSuccessKind::Failure),
        CellResult::Error => failed(NonSuccessKind::Error),
        CellResult::Skip | CellResult::Known => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason);
            status
        }
    };
    let name = cell.name.strip_prefix(&cell.scenario).unwrap_or(&cell.name).trim_start_matches('/');
    let mut case = TestCase::new(name, status);
    case.set_classname(cell.scenario.replace('/', "."));
    case.set_time(cell.duration);
    case
}

fn details(cell: &CellReport) -> String {
    let mut text = String::new();
    for failure in cell.verdict.iter().flat_map(|verdict| &verdict.failures) {
        let _ = writeln!(text, "{}\n  expected  {}\n  found     {}", failure.what, failure.expected, failure.found);
        if let Some(folder) = &cell.artifacts {
            let _ = writeln!(text, "  look at   {}", folder.join(failure.place).display());
        }
    }
    for finding in cell.verdict.iter().flat_map(|verdict| &verdict.findings) {
        let _ = writeln!(text, "{}: {}", finding.code, finding.message);
    }
    text
}
