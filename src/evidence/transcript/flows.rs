//! ESP: an SA a line, and under it what was inside.

use std::net::IpAddr;

use foldhash::HashMap;

use super::Names;
use super::lines::put;
use super::names::SpiMark;
use crate::evidence::decode::Inside;
use crate::wire::Spi;

/// SAs that are held until their text is wanted; past that the half not seen for longest becomes text.
const MAX_FLOWS: usize = 4096;

/// Kinds of packets that are told of one SA.
const MAX_KINDS: usize = 32;

/// The SAs that carried packets, in the order they were first seen.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: Vec<Flow>,
    by_key: HashMap<FlowKey, usize>,
    /// The flow of the packet before: the next is most often of the same.
    last: usize,
    clock: u64,
}

/// An SA on its way: addresses, SPI, and what it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlowKey {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) spi: Spi,
    pub(super) carrier: Carrier,
}

/// What carries the packets of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Carrier {
    /// ESP.
    Esp,
    /// ESP in UDP.
    EspInUdp,
    /// AH.
    Ah,
}

#[derive(Debug)]
struct Flow {
    key: FlowKey,
    name: SpiMark,
    last_seen: u64,
    packets: u64,
    /// The lowest and the highest sequence number; AH headers are not looked into that far.
    sequence: Option<(u32, u32)>,
    sealed: u64,
    kinds: Vec<Inside>,
    more_kinds: bool,
}

impl Flows {
    /// Takes a packet of an SA. `inside` is what was inside, when that is known.
    pub(super) fn add(&mut self, key: FlowKey, sequence: Option<u32>, inside: Option<&Inside>, names: &mut Names) {
        self.clock += 1;
        let index = match self.flows.get(self.last) {
            Some(flow) if flow.key == key => self.last,
            _ => match self.by_key.get(&key) {
                Some(index) => *index,
                None => {
                    self.flows.push(Flow::new(key, names.spi(&key.spi.to_bytes())));
                    self.by_key.insert(key, self.flows.len() - 1);
                    self.flows.len() - 1
                }
            },
        };
        self.last = index;
        let flow = &mut self.flows[index];
        flow.last_seen = self.clock;
        flow.packets += 1;
        if let Some(number) = sequence {
            let (low, high) = flow.sequence.unwrap_or((number, number));
            flow.sequence = Some((low.min(number), high.max(number)));
        }
        let Some(inside) = inside else {
            flow.sealed += 1;
            return;
        };
        if flow.kinds.contains(inside) {
            return;
        }
        if flow.kinds.len() >= MAX_KINDS {
            flow.more_kinds = true;
        } else {
            flow.kinds.push(inside.clone());
        }
    }

    /// Whether there is no room for another.
    pub(super) fn are_full(&self) -> bool {
        self.flows.len() >= MAX_FLOWS
    }

    /// Appends the section of the half not seen for longest, and forgets it.
    pub(super) fn make_room(&mut self, out: &mut String, names: &Names, packets: bool) {
        let mut times: Vec<u64> = self.flows.iter().map(|flow| flow.last_seen).collect();
        if times.is_empty() {
            return;
        }
        let middle = times.len() / 2;
        let middle = *times.select_nth_unstable(middle).1;
        let (kept, told): (Vec<Flow>, Vec<Flow>) =
            std::mem::take(&mut self.flows).into_iter().partition(|flow| flow.last_seen >= middle);
        section(&told, out, names, packets);
        out.push('\n');
        self.flows = kept;
        self.by_key = self.flows.iter().enumerate().map(|(index, flow)| (flow.key, index)).collect();
    }

    /// Appends the section; with `packets`, how many there were.
    pub(super) fn write(&self, out: &mut String, names: &Names, packets: bool) {
        if !self.flows.is_empty() {
            section(&self.flows, out, names, packets);
        }
    }
}

fn section(flows: &[Flow], out: &mut String, names: &Names, packets: bool) {
    let ah = flows.iter().any(|flow| flow.key.carrier == Carrier::Ah);
    out.push_str(if ah { "== AH and ESP\n" } else { "== ESP\n" });
    for flow in flows {
        flow.write(out, names, packets);
    }
}

impl Flow {
    fn new(key: FlowKey, name: SpiMark) -> Self {
        Self { key, name, last_seen: 0, packets: 0, sequence: None, sealed: 0, kinds: Vec::new(), more_kinds: false }
    }

    fn write(&self, out: &mut String, names: &Names, packets: bool) {
        let (from, to) = (names.end(self.key.source), names.end(self.key.destination));
        let carrier = match self.key.carrier {
            Carrier::Esp => "",
            Carrier::EspInUdp => " in UDP",
            Carrier::Ah => " of AH",
        };
        put(out, format_args!("{from} > {to} {}{carrier}", self.name));
        if let Some(transform) = names.transform(&self.key.spi.to_bytes()) {
            put(out, format_args!(": {transform}"));
        }
        if packets {
            let plural = if self.packets == 1 { "" } else { "s" };
            put(out, format_args!(" [{} packet{plural}", self.packets));
            match self.sequence {
                Some((low, high)) if low == high => out.push_str(&format!(", sequence number {low}")),
                Some((low, high)) => out.push_str(&format!(", sequence numbers {low} to {high}")),
                None => {}
            }
            if self.sealed > 0 && self.sealed < self.packets {
                put(out, format_args!(", {} not opened", self.sealed));
            }
            out.push(']');
        }
        out.push('\n');
        for inside in &self.kinds {
            put(out, format_args!("  {inside}\n"));
        }
        if self.more_kinds {
            out.push_str("  and more\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sa_is_told_once_however_many_there_are() {
        const SAS: u32 = 3 * MAX_FLOWS as u32;
        let (mut flows, mut names, mut out) = (Flows::default(), Names::default(), String::new());
        let (source, destination) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for number in 0..SAS {
            // One SA lives as long as the capture, between packets of all others.
            for spi in [number + 1, 0] {
                if flows.are_full() {
                    flows.make_room(&mut out, &names, true);
                    assert!(flows.flows.len() < MAX_FLOWS);
                }
                let key = FlowKey { source, destination, spi: Spi(spi), carrier: Carrier::Esp };
                flows.add(key, Some(number + 1), None, &mut names);
            }
        }
        flows.write(&mut out, &names, true);
        let told = |packets: &str| out.lines().filter(|line| line.ends_with(packets)).count();
        assert_eq!(out.lines().filter(|line| line.contains(" > ")).count(), SAS as usize + 1);
        assert_eq!(told(&format!("[{SAS} packets, sequence numbers 1 to {SAS}]")), 1);
        assert_eq!(told("[1 packet, sequence number 7]"), 1);
    }
}
