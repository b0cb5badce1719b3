//! Names for what changes from run to run: ends by what they are, SPIs by the order in which they were first seen.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// SPIs whose names are remembered; past that the one named first is forgotten, and is a new one when it comes again.
const MAX_SPIS: usize = 16_384;

/// Names for what changes from run to run, and for the ends.
#[derive(Debug, Default)]
pub struct Names {
    ends: HashMap<IpAddr, String>,
    spis: HashMap<Vec<u8>, Named>,
    order: VecDeque<Vec<u8>>,
    named: usize,
}

#[derive(Debug)]
struct Named {
    name: String,
    /// What was negotiated for the SA.
    transform: Option<String>,
}

impl Names {
    /// Names for the ends of the negotiation, by address; other addresses appear as they are.
    pub fn new(ends: impl IntoIterator<Item = (IpAddr, String)>) -> Self {
        Self { ends: ends.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn end(&self, address: IpAddr) -> String {
        self.ends.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    pub(super) fn known_spi(&self, octets: &[u8]) -> bool {
        self.spis.contains_key(octets)
    }

    /// `SPI a`, `SPI b`, ... in the order they are first asked for.
    pub(super) fn spi(&mut self, octets: &[u8]) -> String {
        self.entry(octets).name.clone()
    }

    /// Says what was negotiated for the SA of an SPI.
    pub(super) fn set_transform(&mut self, spi: &[u8], transform: &str) {
        self.entry(spi).transform = Some(transform.to_owned());
    }

    /// What was negotiated for the SA of an SPI, where that was seen.
    pub(super) fn transform(&self, spi: &[u8]) -> Option<&str> {
        self.spis.get(spi)?.transform.as_deref()
    }

    fn entry(&mut self, octets: &[u8]) -> &mut Named {
        if !self.spis.contains_key(octets) {
            if self.order.len() >= MAX_SPIS {
                self.order.pop_front().map(|oldest| self.spis.remove(&oldest));
            }
            self.order.push_back(octets.to_vec());
            self.named += 1;
        }
        let named = self.named;
        self.spis.entry(octets.to_vec()).or_insert_with(|| Named { name: nth(named - 1), transform: None })
    }
}

fn nth(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    match index / 26 {
        0 => format!("SPI {letter}"),
        round => format!("SPI {letter}{round}"),
    }
}
