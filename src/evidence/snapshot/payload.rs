//! What changed within a message, payload by payload.

use super::changes::{Changes, Place, Weight, masked, match_up, same_tree};
use super::outline::Node;

/// What the lines below a head are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Payloads of the message that offers, if any does; `answered` when the other side chose, before and now.
    Offer {
        /// Whether an answer tells what was chosen.
        answered: bool,
    },
    /// Payloads of a message that answers an offer.
    Choice,
    /// Packets inside a flow of ESP.
    Inside,
}

/// Tells what changed from the `old` payloads of a message to the `new`.
pub(super) fn payloads(changes: &mut Changes, place: &Place, role: Role, old: &[Node], new: &[Node]) {
    // Of some payloads there may be several that say different things: none of them became another.
    let alike = |one: &Node, other: &Node| {
        let single = role != Role::Inside && !matches!(one.kind(), "VID" | "N" | "D" | "=");
        (single && one.kind() == other.kind()).then_some(0)
    };
    let matching = match_up(old, new, same_tree, alike);
    for (old_index, new_index) in &matching.pairs {
        let one = &old[*old_index];
        payload(changes, &place.at(one.line), role, one, &new[*new_index]);
    }
    for index in &matching.missing {
        let lost = &old[*index];
        changes.push(weight_of(lost), &place.at(lost.line), format!("{} is missing", in_words(lost)));
    }
    for index in &matching.extra {
        let gained = &new[*index];
        let before = matching.pairs.iter().filter(|(_, other)| other < index).max_by_key(|(_, other)| *other);
        let place = before.map_or_else(|| place.clone(), |(one, _)| place.at(old[*one].line));
        changes.push(weight_of(gained), &place, format!("{} is new", in_words(gained)));
    }
    if matching.reordered() {
        let what = if role == Role::Inside { "packets" } else { "payloads" };
        changes.minor(place, format!("the {what} come in another order"));
    }
}

/// Two payloads that belong together.
fn payload(changes: &mut Changes, place: &Place, role: Role, old: &Node, new: &Node) {
    trees(changes, place, old, new);
    if same_tree(old, new) {
        return;
    }
    if !old.below.is_empty() && !new.below.is_empty() {
        let told = changes.told();
        transforms(changes, place, role, old, new);
        if changes.told() == told {
            changes.minor(place, format!("{} is numbered in another way", old.kind()));
        }
        return;
    }
    // A nonce has any length, and of an announcement only its being there matters.
    let weight = if old.kind() == "NONCE" { Weight::Minor } else { weight_of(old) };
    changes.push(weight, place, format!("{} was {}, is {}", old.kind(), masked(old.rest()), masked(new.rest())));
}

/// Holds the SPIs of two trees against each other, as far as they have the same form.
fn trees(changes: &mut Changes, place: &Place, old: &Node, new: &Node) {
    if masked(&old.text) == masked(&new.text) {
        changes.same_spis(place, &old.text, &new.text);
    }
    for (one, other) in old.below.iter().zip(&new.below) {
        trees(changes, place, one, other);
    }
}

/// Two SA payloads. What is offered matters only where nothing was chosen of it.
fn transforms(changes: &mut Changes, place: &Place, role: Role, old: &Node, new: &Node) {
    let (word, weight) = match role {
        Role::Offer { answered: true } => ("offered", Weight::Minor),
        Role::Offer { answered: false } => ("offered", Weight::Major),
        Role::Choice | Role::Inside => ("chosen", Weight::Major),
    };
    let (old, new) = (Transform::all(old), Transform::all(new));
    let alike = |one: &Transform, other: &Transform| {
        (one.proposal == other.proposal).then(|| one.parts.iter().filter(|part| other.parts.contains(part)).count())
    };
    let matching = match_up(&old, &new, PartialEq::eq, alike);
    for (one, other) in matching.pairs.iter().map(|(one, other)| (&old[*one], &new[*other])) {
        if let Some(difference) = one.difference(other) {
            changes.push(weight, place, format!("the {word} transform {difference}"));
        } else if one.parts != other.parts {
            changes.minor(place, format!("the attributes of the {word} transform come in another order"));
        }
    }
    for one in matching.missing.iter().map(|index| &old[*index]) {
        changes.push(weight, place, format!("{one} is no longer {word}"));
    }
    for other in matching.extra.iter().map(|index| &new[*index]) {
        changes.push(weight, place, format!("{other} is {word} too"));
    }
    if matching.reordered() {
        changes.push(weight, place, format!("the transforms are {word} in another order"));
    }
}

/// A transform of an SA payload without its numbers.
#[derive(Debug, PartialEq)]
struct Transform {
    /// What it stands below: the protocol, and whether there is an SPI.
    proposal: Vec<String>,
    /// Its name and attributes.
    parts: Vec<String>,
}

impl Transform {
    fn all(sa: &Node) -> Vec<Self> {
        let leaves = sa.leaves().into_iter().filter_map(|path| {
            let (leaf, above) = path.split_last()?;
            let parts = unnumbered(leaf).split(": ").flat_map(|part| part.split(", ")).map(str::to_owned);
            let proposal = above.iter().map(|line| unnumbered(&masked(line)).to_owned());
            Some(Self { proposal: proposal.collect(), parts: parts.collect() })
        });
        leaves.collect()
    }

    /// How another one differs, in words; `None` when only the order of attributes does.
    fn difference(&self, other: &Self) -> Option<String> {
        let without = |these: &[String], those: &[String]| {
            let left: Vec<&str> = these.iter().filter(|part| !those.contains(part)).map(String::as_str).collect();
            left.join(", ")
        };
        let (lost, gained) = (without(&self.parts, &other.parts), without(&other.parts, &self.parts));
        match (lost.is_empty(), gained.is_empty()) {
            (true, true) if self.parts.len() == other.parts.len() => None,
            (true, true) => Some(format!("was {self}, is {other}")),
            (false, false) => Some(format!("was {lost}, is {gained}")),
            (false, true) => Some(format!("has no longer {lost}")),
            (true, false) => Some(format!("has {gained} too")),
        }
    }
}

impl std::fmt::Display for Transform {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.parts.join(", "))
    }
}

/// `transform 1 ESP_AES: ...` without `transform 1`.
fn unnumbered(line: &str) -> &str {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(_), Some(number), Some(rest)) if number.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => line,
    }
}

/// Whether it matters that a payload is there. What is not known to be a mere announcement does.
fn weight_of(payload: &Node) -> Weight {
    match payload.kind() {
        "VID" | "CERTREQ" | "payload" | "reserved" => Weight::Minor,
        // What follows from the payloads, whose change is told by itself.
        "=" => Weight::Minor,
        kind if kind.starts_with("NAT-") => Weight::Minor,
        _ => Weight::Major,
    }
}

fn in_words(payload: &Node) -> String {
    match payload.kind() {
        "VID" => format!("vendor ID {}", payload.rest()),
        "N" => format!("notification {}", masked(payload.rest())),
        "=" => format!("the conclusion that {}", masked(payload.rest())),
        _ => masked(&payload.text),
    }
}
