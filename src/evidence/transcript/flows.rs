//! ESP: an SA a line, and under it what was inside.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Names;
use crate::evidence::decode::{Opened, PacketKind};
use crate::wire::Spi;

/// SAs that are told; the packets of further ones are only counted.
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
    /// Packets of SAs past [`MAX_FLOWS`].
    left_out: u64,
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
    name: String,
    packets: u64,
    sealed: u64,
    kinds: Vec<(Vec<(IpAddr, IpAddr)>, PacketKind)>,
    more_kinds: bool,
}

impl Flows {
    /// Takes a packet of an SA. `inner` is what was inside, when that is known.
    pub(super) fn add(&mut self, key: FlowKey, inner: Option<&Opened<'_>>, names: &mut Names) {
        let index = match self.flows.get(self.last) {
            Some(flow) if flow.key == key => self.last,
            _ => match self.by_key.get(&key) {
                Some(index) => *index,
                None if self.flows.len() >= MAX_FLOWS => {
                    self.left_out += 1;
                    return;
                }
                None => {
                    let name = names.spi(&key.spi.to_bytes());
                    let (packets, sealed) = (0, 0);
                    self.flows.push(Flow { key, name, packets, sealed, kinds: Vec::new(), more_kinds: false });
                    self.by_key.insert(key, self.flows.len() - 1);
                    self.flows.len() - 1
                }
            },
        };
        self.last = index;
        let flow = &mut self.flows[index];
        flow.packets += 1;
        let Some(inner) = inner else {
            flow.sealed += 1;
            return;
        };
        let kind = PacketKind::of(&inner.packet);
        if flow.kinds.iter().any(|(nested, known)| *known == kind && *nested == inner.nested) {
            return;
        }
        if flow.kinds.len() >= MAX_KINDS {
            flow.more_kinds = true;
        } else {
            flow.kinds.push((inner.nested.clone(), kind));
        }
    }

    /// Appends the section; with `packets`, how many there were.
    pub(super) fn write(&self, out: &mut String, names: &Names, packets: bool) {
        if self.flows.is_empty() {
            return;
        }
        let ah = self.flows.iter().any(|flow| flow.key.carrier == Carrier::Ah);
        out.push_str(if ah { "== AH and ESP\n" } else { "== ESP\n" });
        for flow in &self.flows {
            flow.write(out, names, packets);
        }
        if self.left_out > 0 {
            let count = if packets { format!(": {}", self.left_out) } else { String::new() };
            out.push_str(&format!("and packets of more SAs{count}\n"));
        }
    }
}

impl Flow {
    fn write(&self, out: &mut String, names: &Names, packets: bool) {
        let (from, to) = (names.end(self.key.source), names.end(self.key.destination));
        let carrier = match self.key.carrier {
            Carrier::Esp => "",
            Carrier::EspInUdp => " in UDP",
            Carrier::Ah => " of AH",
        };
        out.push_str(&format!("{from} > {to} {}{carrier}", self.name));
        if let Some(transform) = names.transform(&self.key.spi.to_bytes()) {
            out.push_str(&format!(": {transform}"));
        }
        if packets {
            out.push_str(&format!(" [{} packets", self.packets));
            if self.sealed > 0 && self.sealed < self.packets {
                out.push_str(&format!(", {} not opened", self.sealed));
            }
            out.push(']');
        }
        out.push('\n');
        for (nested, kind) in &self.kinds {
            out.push_str("  ");
            nested.iter().for_each(|(from, to)| out.push_str(&format!("ESP {from} > {to}, in it ")));
            out.push_str(&format!("{kind}\n"));
        }
        if self.more_kinds {
            out.push_str("  and more\n");
        }
    }
}
