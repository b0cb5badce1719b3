//! NAT keepalives: how many, a line a direction.

use std::net::IpAddr;

use super::{Names, section};
use crate::evidence::decode::Observed;

/// Directions that are told; the keepalives of further ones are counted together.
const MAX_DIRECTIONS: usize = 1024;

/// The NAT keepalives of a capture (RFC 3948 2.3).
#[derive(Debug, Default)]
pub(super) struct Keepalives {
    directions: Vec<((IpAddr, IpAddr), u64)>,
    more: u64,
}

impl Keepalives {
    pub(super) fn add(&mut self, observed: &Observed<'_>) {
        let ends = (observed.source.ip(), observed.destination.ip());
        if let Some((_, count)) = self.directions.iter_mut().find(|(known, _)| *known == ends) {
            *count += 1;
        } else if self.directions.len() < MAX_DIRECTIONS {
            self.directions.push((ends, 1));
        } else {
            self.more += 1;
        }
    }

    /// Appends the section.
    pub(super) fn write(&self, out: &mut String, names: &Names) {
        if self.directions.is_empty() {
            return;
        }
        section(out, "NAT keepalives");
        let packets = |count: u64| if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") };
        for ((from, to), count) in &self.directions {
            out.push_str(&format!("{} > {} [{}]\n", names.end(*from), names.end(*to), packets(*count)));
        }
        if self.more > 0 {
            out.push_str(&format!("and {} between others\n", packets(self.more)));
        }
    }
}
