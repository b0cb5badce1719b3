//! ESP: an SA a line, and under it what was inside.

use std::collections::HashMap;

use super::Names;

/// SAs that are told; the packets of further ones are only counted.
const MAX_FLOWS: usize = 4096;

/// Kinds of packets that are told of one SA.
const MAX_KINDS: usize = 32;

/// The SAs that carried packets, in the order they were first seen.
#[derive(Debug, Default)]
pub(super) struct Flows {
    flows: Vec<Flow>,
    by_key: HashMap<(String, String, Vec<u8>, bool), usize>,
    /// Packets of SAs past [`MAX_FLOWS`].
    left_out: u64,
}

#[derive(Debug)]
struct Flow {
    ends: String,
    spi: Vec<u8>,
    name: String,
    in_udp: bool,
    packets: u64,
    sealed: u64,
    kinds: Vec<String>,
    more_kinds: bool,
}

impl Flows {
    /// Takes an ESP packet. `inner` is what was inside, when its key is known.
    pub(super) fn add(
        &mut self,
        from: &str,
        to: &str,
        spi: &[u8],
        in_udp: bool,
        inner: Option<String>,
        names: &mut Names,
    ) {
        let key = (from.to_owned(), to.to_owned(), spi.to_vec(), in_udp);
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None if self.flows.len() >= MAX_FLOWS => {
                self.left_out += 1;
                return;
            }
            None => {
                self.flows.push(Flow {
                    ends: format!("{from} > {to}"),
                    spi: spi.to_vec(),
                    name: names.spi(spi),
                    in_udp,
                    packets: 0,
                    sealed: 0,
                    kinds: Vec::new(),
                    more_kinds: false,
                });
                self.by_key.insert(key, self.flows.len() - 1);
                self.flows.len() - 1
            }
        };
        let flow = &mut self.flows[index];
        flow.packets += 1;
        match inner {
            None => flow.sealed += 1,
            Some(inner) if flow.kinds.contains(&inner) => {}
            Some(_) if flow.kinds.len() >= MAX_KINDS => flow.more_kinds = true,
            Some(inner) => flow.kinds.push(inner),
        }
    }

    /// Appends the section; with `packets`, how many there were.
    pub(super) fn write(&self, out: &mut String, names: &Names, packets: bool) {
        if self.flows.is_empty() {
            return;
        }
        out.push_str("== ESP\n");
        for flow in &self.flows {
            let udp = if flow.in_udp { " in UDP" } else { "" };
            out.push_str(&format!("{} {}{udp}", flow.ends, flow.name));
            if let Some(transform) = names.transform(&flow.spi) {
                out.push_str(&format!(": {transform}"));
            }
            if packets {
                out.push_str(&format!(" [{} packets", flow.packets));
                if flow.sealed > 0 && flow.sealed < flow.packets {
                    out.push_str(&format!(", {} not opened", flow.sealed));
                }
                out.push(']');
            }
            out.push('\n');
            flow.kinds.iter().for_each(|kind| out.push_str(&format!("  {kind}\n")));
            if flow.more_kinds {
                out.push_str("  and more\n");
            }
        }
        if self.left_out > 0 {
            out.push_str(&format!(
                "and packets of more SAs{}\n",
                if packets { format!(": {}", self.left_out) } else { String::new() }
            ));
        }
    }
}
