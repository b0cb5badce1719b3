//! Every trace of cisco-ios-facts 9 in every family, from events made by hand.

mod end;
mod engine;
mod phase1;
mod quick;
mod router;
mod story;

use super::*;
use story::Story;

/// Renders `events` on every release that has a dress of its own and compares with the reviewed snapshots.
///
/// Each message begins with a letter for its mark: Seen, Inferred, Recalled, Modelled.
macro_rules! assert_traces {
    ($name:literal, $story:expr) => {
        let story = $story;
        for release in [Release::V12_3T, Release::V12_4, Release::V15, Release::Xe16] {
            let trace = $crate::ios::console::tests::trace(release, story.events(), story.told());
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{}-{release}", $name), trace);
            });
        }
    };
}
use assert_traces;

/// The lines that `events` leave on the console of that release, with their marks, but for the first `told` events.
fn trace(release: Release, events: &[RouterEvent], told: usize) -> String {
    let mut console = Console::new(release, "R1", Settings::default());
    let mut trace = String::new();
    for (index, event) in events.iter().enumerate() {
        for line in console.render(Instant::ZERO, event).into_iter().filter(|_| index >= told) {
            let mark = match line.mark {
                Mark::Seen => 'S',
                Mark::Inferred => 'I',
                Mark::Recalled => 'R',
                Mark::Modelled => 'M',
            };
            trace += &format!("{mark} {}\n", line.text);
        }
    }
    trace
}

/// The texts that `events` leave, one line each.
fn texts(release: Release, story: &Story) -> Vec<String> {
    let mut console = Console::new(release, "R1", Settings::default());
    let rendered: Vec<_> = story.events().iter().map(|event| console.render(Instant::ZERO, event)).collect();
    let lines = rendered.into_iter().skip(story.told()).flatten().map(|line| line.text);
    lines.collect::<Vec<_>>().join("\n").split('\n').map(str::to_owned).collect()
}

#[test]
fn stamps_count_from_the_first_of_march() {
    let at = Instant::from_start(std::time::Duration::from_millis(12_345));
    assert_eq!(stamp(Timestamps::DatetimeMsec, at), "*Mar  1 00:00:12.345: ");
    assert_eq!(stamp(Timestamps::Datetime, at), "*Mar  1 00:00:12: ");
    assert_eq!(stamp(Timestamps::Uptime, at), "00:00:12: ");
    assert_eq!(stamp(Timestamps::None, at), "");
    let at = Instant::from_start(std::time::Duration::from_secs(365 * 86400 + 31 * 86400 + 3661));
    assert_eq!(stamp(Timestamps::Datetime, at), "*Apr  1 01:01:01: ");
}

#[test]
fn debugs_that_are_off_print_nothing() {
    let story = Story::responder().main_mode().quick_mode();
    let mut settings = Settings { debug_isakmp: false, debug_ipsec: false, ..Settings::default() };
    let mut console = Console::new(Release::Xe16, "R1", settings.clone());
    assert!(story.events().iter().all(|event| console.render(Instant::ZERO, event).is_empty()));
    settings.debug_ipsec = true;
    let mut console = Console::new(Release::Xe16, "R1", settings);
    let lines: Vec<_> = story.events().iter().flat_map(|event| console.render(Instant::ZERO, event)).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.category == Category::IpsecDebug));
}

#[test]
fn lines_survive_json() {
    let mut console = Console::new(Release::V15, "R1", Settings::default());
    for event in Story::responder().main_mode().events() {
        for line in console.render(Instant::ZERO, event) {
            let json = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), line);
        }
    }
}

/// A flood of SAs must not grow the console's memory without bound.
#[test]
fn memory_is_bounded() {
    let mut console = Console::new(Release::V15, "R1", Settings::default());
    for serial in 0..2 * REMEMBERED as u64 {
        for event in Story::responder().serial(serial).offered().refused_policy().events() {
            console.render(Instant::ZERO, event);
        }
    }
    assert!(console.memory.states.len() <= REMEMBERED && console.memory.errors.len() <= REMEMBERED);
}
