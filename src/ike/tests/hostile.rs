//! Datagrams that are wrong, by accident or on purpose.

use crate::ike::event::{EventKind, Refusal};
use crate::ike::rig::{A, B, Pair};

#[test]
fn garbage_is_told_and_changes_nothing() {
    let mut pair = Pair::new(1);
    pair.connect();
    let before = pair.b.engine.counts();
    for octets in [vec![], vec![0; 27], vec![0xff; 28], vec![0; 300]] {
        pair.inject(true, format!("{B}:500").parse().unwrap(), format!("{A}:500").parse().unwrap(), octets);
    }
    assert_eq!(pair.b.engine.counts(), before);
    assert_eq!(pair.b.count(|event| matches!(event, EventKind::DatagramRefused(Refusal::Malformed(_)))), 3);
    assert_eq!(pair.b.count(|event| matches!(event, EventKind::DatagramRefused(Refusal::UnsupportedVersion(0xff)))), 1);
    pair.assert_pairs(1);
}
