//! Joins the fragments of IP packets, within bounds.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::evidence::capture::LinkPacket;

/// Packets whose fragments are waited for; the oldest is given up for the next.
const MAX_PACKETS: usize = 64;

/// The longest packet IP can carry.
const MAX_LENGTH: usize = 65_535;

/// Joins fragments.
#[derive(Debug, Default)]
pub(super) struct Reassembler {
    partial: HashMap<(IpAddr, IpAddr, u8, u32), Partial>,
    clock: u64,
    given_up: u64,
}

#[derive(Debug, Default)]
struct Partial {
    started: u64,
    pieces: Vec<(usize, Vec<u8>)>,
    /// Octets of all pieces.
    held: usize,
    total: Option<usize>,
}

impl Reassembler {
    /// A whole packet as it is; a fragment once it completes its packet.
    #[inline]
    pub(super) fn take<'a>(&mut self, packet: LinkPacket<'a>) -> Option<LinkPacket<'a>> {
        let Some((identification, offset, more)) = packet.fragment else { return Some(packet) };
        let end = offset + packet.payload.len();
        if end > MAX_LENGTH {
            return None;
        }
        let key = (packet.source, packet.destination, packet.protocol, identification);
        self.clock += 1;
        if self.partial.len() >= MAX_PACKETS && !self.partial.contains_key(&key) {
            let oldest = self.partial.iter().min_by_key(|(_, partial)| partial.started).map(|(key, _)| *key);
            oldest.map(|key| self.partial.remove(&key));
            self.given_up += 1;
        }
        let clock = self.clock;
        let partial = self.partial.entry(key).or_insert_with(|| Partial { started: clock, ..Partial::default() });
        if !partial.pieces.iter().any(|(at, _)| *at == offset) {
            partial.held += packet.payload.len();
            if partial.held > MAX_LENGTH {
                // More than a packet holds: its fragments overlap, and RFC 5722 3 has such a packet thrown away.
                self.partial.remove(&key);
                self.given_up += 1;
                return None;
            }
            partial.pieces.push((offset, packet.payload.to_vec()));
        }
        if !more {
            partial.total = Some(end);
        }
        let payload = partial.joined()?;
        self.partial.remove(&key);
        Some(LinkPacket { fragment: None, payload: payload.into(), ..packet })
    }

    /// Packets of which some fragments came and others did not.
    pub(super) fn incomplete(&self) -> u64 {
        self.given_up + self.partial.len() as u64
    }
}

impl Partial {
    fn joined(&mut self) -> Option<Vec<u8>> {
        let total = self.total?;
        self.pieces.sort_by_key(|(offset, _)| *offset);
        let mut whole = Vec::new();
        for (offset, piece) in &self.pieces {
            // An overlap keeps what came first; a gap means that a piece is still missing.
            let fresh = piece.get(whole.len().checked_sub(*offset)?..).unwrap_or_default();
            whole.extend_from_slice(fresh);
        }
        (whole.len() >= total).then(|| {
            whole.truncate(total);
            whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(offset: usize, more: bool, payload: &[u8]) -> LinkPacket<'_> {
        LinkPacket {
            source: IpAddr::from([192, 0, 2, 1]),
            destination: IpAddr::from([192, 0, 2, 2]),
            protocol: 17,
            fragment: Some((7, offset, more)),
            payload: payload.into(),
        }
    }

    #[test]
    fn joins_in_any_order_and_waits_for_gaps() {
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.take(fragment(16, false, b"end")), None);
        assert_eq!(reassembler.take(fragment(0, true, b"01234567")), None);
        let whole = reassembler.take(fragment(8, true, b"89abcdef")).unwrap();
        assert_eq!(&whole.payload[..], b"0123456789abcdefend");
        assert_eq!(reassembler.incomplete(), 0);
    }

    #[test]
    fn overlapping_fragments_hold_no_more_than_a_packet() {
        let mut reassembler = Reassembler::default();
        let piece = vec![0; 40_000];
        for offset in (0..20_000).step_by(8) {
            assert_eq!(reassembler.take(fragment(offset, true, &piece)), None);
            let held = reassembler.partial.values().flat_map(|partial| &partial.pieces).map(|(_, piece)| piece.len());
            assert!(held.sum::<usize>() <= MAX_LENGTH);
        }
    }

    #[test]
    fn forgets_what_never_completes() {
        let mut reassembler = Reassembler::default();
        for identification in 0..1000 {
            let mut piece = fragment(0, true, b"01234567");
            piece.fragment = Some((identification, 0, true));
            assert_eq!(reassembler.take(piece), None);
        }
        assert!(reassembler.partial.len() <= MAX_PACKETS);
        assert_eq!(reassembler.incomplete(), 1000);
    }
}
