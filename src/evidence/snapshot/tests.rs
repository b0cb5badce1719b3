//! What changes mean, over every reviewed transcript of the catalogue and over hand-made ones.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::changes::{Change, Weight, changes, heaviest};
use super::outline::{Line, Node, Outline, Section};
use super::shelf::Shelf;
use crate::implementations::{DataPath, Registry};
use crate::scenario;

/// Every reviewed transcript of the catalogue.
fn reviewed() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "snap") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, super::contents(&text).to_owned()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 40, "the catalogue has {} reviewed transcripts", found.len());
    found
}

#[test]
fn every_reviewed_transcript_is_of_some_cell_and_none_is_hidden_by_others() {
    let registry = Registry::built_in();
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenarios = scenario::load_tree(&[catalogue], registry.names()).unwrap();
    let cells = scenario::cells(&scenarios);
    let shelves: BTreeSet<Shelf> = cells
        .iter()
        .flat_map(|cell| {
            let driver = registry.driver(&cell.implementation).unwrap();
            DataPath::ALL.map(|path| Shelf::of(cell, &driver.filed_under(path)))
        })
        .collect();
    let mut files = BTreeSet::new();
    for shelf in &shelves {
        let own: Vec<PathBuf> = shelf.releases().iter().map(|release| shelf.own(*release)).collect();
        let hidden = shelf.shared().exists() && own.iter().all(|file| file.exists());
        assert!(!hidden, "{}: every release has its own", shelf.shared().display());
        files.extend(own);
        files.insert(shelf.shared());
    }
    let orphans: Vec<PathBuf> =
        reviewed().into_iter().map(|(path, _)| path).filter(|path| !files.contains(path)).collect();
    assert!(orphans.is_empty(), "transcripts of cells that are not there: {orphans:#?}");
}

fn text(outline: &Outline) -> String {
    fn node(out: &mut String, node_: &Node, depth: usize) {
        out.push_str(&format!("{}{}\n", "  ".repeat(depth), node_.text));
        node_.below.iter().for_each(|below| node(out, below, depth + 1));
    }
    let mut out = String::new();
    for section in &outline.sections {
        out.push_str(&format!("== {}\n", section.title));
        section.blocks.iter().for_each(|block| node(&mut out, block, 0));
        out.push('\n');
    }
    out
}

/// Makes one change to each reviewed transcript where there is something to change, and holds the weight it has.
fn every(weight: Option<Weight>, at_least: usize, mut change: impl FnMut(&mut Outline) -> bool) {
    let mut changed = 0;
    for (path, old) in reviewed() {
        let mut outline = Outline::parse(&old).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if change(&mut outline) {
            changed += 1;
            let told = changes(&old, &text(&outline));
            assert_eq!(heaviest(&told), weight, "{}: {told:#?}", path.display());
        }
    }
    assert!(changed >= at_least, "{changed} transcripts were changed");
}

fn exchanges(outline: &mut Outline) -> impl Iterator<Item = &mut Section> {
    outline.sections.iter_mut().filter(|section| section.title != "ESP")
}

fn messages(outline: &mut Outline) -> impl Iterator<Item = &mut Node> {
    exchanges(outline).flat_map(|section| &mut section.blocks)
}

/// The payloads of a kind in the first message that has some.
fn first_with<'a>(outline: &'a mut Outline, kind: &str) -> Option<&'a mut Node> {
    messages(outline).find(|message| message.below.iter().any(|payload| payload.kind() == kind))
}

#[test]
fn every_reviewed_transcript_is_read_and_is_the_same_as_itself() {
    for (path, old) in reviewed() {
        let outline = Outline::parse(&old).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!outline.sections.is_empty() || old.trim().is_empty(), "{}", path.display());
        assert_eq!(text(&outline).trim_end(), old.trim_end(), "{}", path.display());
        assert_eq!(changes(&old, &old), [], "{}", path.display());
    }
}

#[test]
fn vendor_ids_in_another_order_are_minor() {
    every(Some(Weight::Minor), 30, |outline| {
        let Some(message) = first_with(outline, "VID") else { return false };
        let places: Vec<usize> =
            (0..message.below.len()).filter(|index| message.below[*index].kind() == "VID").collect();
        let [first, .., last] = places[..] else { return false };
        message.below.swap(first, last);
        true
    });
}

#[test]
fn another_vendor_id_is_minor_whether_it_comes_goes_or_changes() {
    let vid = || Node { text: "VID 0123456789abcdef".to_owned(), line: Line::default(), below: Vec::new() };
    every(Some(Weight::Minor), 40, |outline| messages(outline).next().map(|first| first.below.push(vid())).is_some());
    every(Some(Weight::Minor), 40, |outline| {
        let message = first_with(outline, "VID");
        message.map(|message| message.below.retain(|payload| payload.kind() != "VID")).is_some()
    });
    every(Some(Weight::Minor), 40, |outline| {
        let Some(message) = first_with(outline, "VID") else { return false };
        message.below.iter_mut().filter(|payload| payload.kind() == "VID").for_each(|payload| *payload = vid());
        true
    });
}

#[test]
fn a_missing_message_exchange_or_flow_is_major() {
    every(Some(Weight::Major), 40, |outline| outline.sections.pop().is_some());
    every(Some(Weight::Major), 40, |outline| exchanges(outline).last().and_then(|last| last.blocks.pop()).is_some());
    every(Some(Weight::Major), 30, |outline| match outline.sections.last_mut() {
        Some(section) if section.title == "ESP" => section.blocks.pop().is_some(),
        _ => false,
    });
}

#[test]
fn another_exchange_is_major() {
    every(Some(Weight::Major), 40, |outline| {
        let last = outline.sections.last().cloned();
        last.map(|last| outline.sections.push(last)).is_some()
    });
}

#[test]
fn exchanges_in_another_order_are_minor() {
    every(Some(Weight::Minor), 20, |outline| {
        let different = outline.sections.len() > 2 && outline.sections[1].title != outline.sections[2].title;
        different.then(|| outline.sections.swap(1, 2)).is_some()
    });
}

#[test]
fn other_algorithms_chosen_are_major_and_other_ones_offered_only_where_none_was_chosen() {
    fn sa(section: &mut Section, nth: usize) -> Option<&mut Node> {
        let payloads = section.blocks.iter_mut().flat_map(|message| &mut message.below);
        payloads.filter(|payload| payload.kind() == "SA").nth(nth)
    }
    fn deepest(node: &mut Node) -> &mut Node {
        if node.below.is_empty() { node } else { deepest(&mut node.below[0]) }
    }
    for title in ["phase 1: main mode", "quick mode"] {
        every(Some(Weight::Major), 30, |outline| {
            let section = exchanges(outline).find(|section| section.title == title);
            let Some(choice) = section.and_then(|section| sa(section, 1)) else { return false };
            deepest(choice).text.push_str(", TWOFISH");
            true
        });
        every(Some(Weight::Minor), 30, |outline| {
            let section = exchanges(outline).find(|section| section.title == title);
            let Some(section) = section else { return false };
            if sa(section, 1).is_none() {
                return false;
            }
            sa(section, 0).map(|offer| deepest(offer).text.push_str(", TWOFISH")).is_some()
        });
    }
    every(Some(Weight::Major), 4, |outline| {
        let section = exchanges(outline).find(|section| section.title == "phase 1: main mode");
        let Some(section) = section else { return false };
        if sa(section, 1).is_some() {
            return false;
        }
        sa(section, 0).map(|offer| deepest(offer).text.push_str(", TWOFISH")).is_some()
    });
}

#[test]
fn other_identities_selectors_and_notifications_are_major() {
    for (kind, at_least) in [("IDci", 30), ("IDcr", 30), ("IDii", 30), ("IDir", 30), ("N", 40), ("D", 10)] {
        every(Some(Weight::Major), at_least, |outline| {
            let Some(message) = first_with(outline, kind) else { return false };
            let payload = message.below.iter_mut().find(|payload| payload.kind() == kind);
            payload.map(|payload| payload.text.push_str(" or so")).is_some()
        });
    }
}

#[test]
fn other_packets_inside_esp_are_major() {
    every(Some(Weight::Major), 30, |outline| match outline.sections.last_mut() {
        Some(section) if section.title == "ESP" => section.blocks[0].below.pop().is_some(),
        _ => false,
    });
}

fn told(old: &str, new: &str) -> Vec<String> {
    changes(old, new).iter().map(Change::to_string).collect()
}

const QUICK: &str = "\
== quick mode
quick-mode-1 dut > cisco encrypted
  HASH 20 octets
  SA
    proposal 1 ESP, SPI a
      transform 1 ESP_AES: key length 128, HMAC-SHA, tunnel, 3600 seconds
      transform 2 ESP_3DES: HMAC-SHA, tunnel, 3600 seconds
  NONCE 32 octets
  IDci ID_IPV4_ADDR_SUBNET 10.1.0.0/24
  IDcr ID_IPV4_ADDR_SUBNET 10.2.0.0/24
quick-mode-2 cisco > dut encrypted
  HASH 20 octets
  SA
    proposal 1 ESP, SPI b
      transform 1 ESP_AES: key length 128, HMAC-SHA, tunnel, 3600 seconds
  NONCE 20 octets
  IDci ID_IPV4_ADDR_SUBNET 10.1.0.0/24
  IDcr ID_IPV4_ADDR_SUBNET 10.2.0.0/24
  = cisco chooses transform 1 of 2
quick-mode-3 dut > cisco encrypted
  HASH 20 octets
= complete

== ESP
dut > cisco SPI b
  ICMP echo request 10.1.0.10 > 10.2.0.10
cisco > dut SPI a
  ICMP echo reply 10.2.0.10 > 10.1.0.10
";

#[test]
fn changes_are_told_in_words() {
    let of = |from: &str, to: &str, nth: usize| {
        let at = QUICK.match_indices(from).nth(nth).unwrap().0;
        told(QUICK, &format!("{}{to}{}", &QUICK[..at], &QUICK[at + from.len()..]))
    };
    assert_eq!(
        of("transform 1 ESP_AES: key length 128, ", "transform 2 ESP_3DES: ", 1),
        ["major: quick mode 2: the chosen transform was ESP_AES, key length 128, is ESP_3DES"]
    );
    assert_eq!(
        of("3600 seconds", "3600 seconds, 4608000 kilobytes", 2),
        ["major: quick mode 2: the chosen transform has 4608000 kilobytes too"]
    );
    assert_eq!(
        of("      transform 2 ESP_3DES: HMAC-SHA, tunnel, 3600 seconds\n", "", 0),
        ["minor: quick mode 1: ESP_3DES, HMAC-SHA, tunnel, 3600 seconds is no longer offered"]
    );
    assert_eq!(
        of("10.1.0.0/24", "10.1.0.0/25", 1),
        ["major: quick mode 2: IDci was ID_IPV4_ADDR_SUBNET 10.1.0.0/24, is ID_IPV4_ADDR_SUBNET 10.1.0.0/25"]
    );
    assert_eq!(
        of("dut > cisco encrypted", "dut > cisco (UDP 4500) encrypted", 0),
        ["major: quick mode 1: was `dut > cisco encrypted`, is `dut > cisco (UDP 4500) encrypted`"]
    );
    assert_eq!(
        of(
            "quick-mode-3 dut > cisco encrypted\n  HASH 20 octets\n= complete",
            "= unfinished, nothing after quick-mode-2",
            0
        ),
        [
            "major: the end of quick mode: was `complete`, is `unfinished, nothing after quick-mode-2`",
            "major: quick mode 3: is missing",
        ]
    );
    assert_eq!(
        of("  = cisco chooses transform 1 of 2", "  = cisco chooses transform 2 of 2", 0),
        [
            "minor: quick mode 2: the conclusion that cisco chooses transform 1 of 2 is missing",
            "minor: quick mode 2: the conclusion that cisco chooses transform 2 of 2 is new",
        ]
    );
    assert_eq!(
        of("HMAC-SHA, tunnel", "tunnel, HMAC-SHA", 2),
        ["minor: quick mode 2: the attributes of the chosen transform come in another order"]
    );
    assert_eq!(of("NONCE 20", "NONCE 16", 0), ["minor: quick mode 2: NONCE was 20 octets, is 16 octets"]);
    assert_eq!(
        of("quick-mode-3 dut > cisco encrypted\n  HASH 20 octets\n", "", 0),
        ["major: quick mode 3: is missing"]
    );
    assert_eq!(
        of("  HASH 20 octets\n=", "  HASH 20 octets\n  N CONNECTED about ESP, SPI b\n=", 0),
        ["major: quick mode 3: notification CONNECTED about ESP, SPI * is new"]
    );
    assert_eq!(
        of("cisco > dut SPI a\n", "cisco > dut SPI a in UDP\n", 0),
        ["major: ESP cisco > dut SPI *: is missing", "major: ESP cisco > dut SPI * in UDP: is new"]
    );
    assert_eq!(
        of("cisco > dut SPI a\n", "cisco > dut SPI b\n", 0),
        ["major: ESP cisco > dut SPI *: the SPI of another SA is named: cisco > dut SPI a, now cisco > dut SPI b"]
    );
    assert_eq!(
        of(
            "\n== ESP",
            "\n== informational\ninformational cisco > dut encrypted\n  HASH 20 octets\n  D ESP SPI b\n\n== ESP",
            0
        ),
        ["major: informational: is new: informational (D ESP SPI *)"]
    );
}

#[test]
fn two_quick_modes_in_another_order_are_minor_with_the_spis_named_anew() {
    let second = QUICK
        .split("\n== ESP")
        .next()
        .unwrap()
        .replace("10.1.0", "10.1.1")
        .replace("SPI a", "SPI c")
        .replace("SPI b", "SPI d");
    let (first, flows) = QUICK.split_once("== ESP").unwrap();
    let old = format!("{first}{second}\n== ESP{flows}");
    let swap = |text: &str| {
        let to = |name: &str| match name {
            "a" => "c",
            "b" => "d",
            "c" => "a",
            other => {
                if other == "d" {
                    "b"
                } else {
                    "?"
                }
            }
        };
        let mut parts = text.split("SPI ");
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            out.push_str(&format!("SPI {}{}", to(&part[..1]), &part[1..]));
        }
        out
    };
    let new = swap(&format!("{second}\n{first}== ESP{flows}"));
    assert_eq!(told(&old, &new), ["minor: the exchanges: began in another order"]);
    // The traffic in the SA of the other networks is another matter.
    let crossed = new.replace("dut > cisco SPI d", "dut > cisco SPI b");
    assert_eq!(heaviest(&changes(&old, &crossed)), Some(Weight::Major));
}

#[test]
fn what_happens_everywhere_is_told_once() {
    let new = QUICK.replace("dut > cisco encrypted", "dut > cisco (UDP 4500) encrypted");
    assert_eq!(
        told(QUICK, &new),
        ["major: quick mode 1, quick mode 3: was `dut > cisco encrypted`, is `dut > cisco (UDP 4500) encrypted`"]
    );
}

#[test]
fn what_is_no_transcript_is_major() {
    assert_eq!(
        told("hello", QUICK),
        ["major: the reviewed text: is no transcript: line 1: it stands before the first heading"]
    );
    assert_eq!(heaviest(&changes(QUICK, "  x")), Some(Weight::Major));
    assert_eq!(changes(QUICK, &QUICK.replace("\n\n", "\n\n\n")), []);
}

#[test]
fn a_change_stands_at_its_line_of_the_reviewed_transcript() {
    let old = "\
== quick mode
quick-mode-1 dut > cisco
  SA
    proposal 1 ESP
      transform 1 ESP_AES: key length 128
  VID x
quick-mode-2 cisco > dut
  SA
    proposal 1 ESP
      transform 1 ESP_AES: key length 128
  VID y
  NONCE 20 octets

== informational
informational dut > cisco
  D ESP
";
    let new = old.replace("128", "256").replace("  VID y\n", "").replace("20 octets\n", "20 octets\n  N z\n");
    let new = new.split_once("\n== informational").unwrap().0.to_owned() + "\n== ESP\ndut > cisco\n";
    let told: Vec<(usize, String)> =
        changes(old, &new).into_iter().map(|change| (change.line, change.to_string())).collect();
    let told: Vec<(usize, &str)> = told.iter().map(|(line, text)| (*line, text.as_str())).collect();
    assert_eq!(
        told,
        [
            (10, "major: quick mode 2: the chosen transform was key length 128, is key length 256"),
            (12, "major: quick mode 2: notification z is new"),
            (14, "major: informational: is missing"),
            (16, "major: ESP: is new: dut > cisco"),
            (5, "minor: quick mode 1: the offered transform was key length 128, is key length 256"),
            (11, "minor: quick mode 2: vendor ID y is missing"),
        ]
    );
}
