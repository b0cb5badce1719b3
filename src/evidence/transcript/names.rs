//! Names for what changes from run to run: ends by what they are, SPIs by the order in which the text has them.
//!
//! Exchanges that run at the same time are told one after the other, and which of them an SPI was seen in first may differ
//! between equal runs. Lines therefore hold a mark for each SPI, which becomes its name when they are put into the text.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::HashMap;

use super::lines::put;

/// SPIs whose names are remembered; past that the one named first is forgotten, and is a new one when it comes again.
const MAX_SPIS: usize = 16_384;

/// Addresses whose text is remembered.
const MAX_ENDS: usize = 4096;

/// Names for what changes from run to run, and for the ends.
#[derive(Debug, Default)]
pub struct Names {
    ends: HashMap<IpAddr, Arc<str>>,
    /// Addresses without a name, as text.
    addresses: HashMap<IpAddr, Arc<str>>,
    spis: HashMap<Arc<[u8]>, Named>,
    order: VecDeque<Arc<[u8]>>,
    named: u64,
}

#[derive(Debug)]
struct Named {
    number: u64,
    /// What was negotiated for the SA.
    transform: Option<Arc<str>>,
}

/// How an end appears.
pub(super) enum End<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl fmt::Display for End<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}

/// Stands for an SPI in lines until [`SpiLetters::put_into`] gives it a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpiMark(u64);

impl fmt::Display for SpiMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char(MARK)?;
        self.0.fmt(formatter)?;
        formatter.write_char(MARK)
    }
}

impl Names {
    /// Names for the ends of the negotiation, by address; other addresses appear as they are.
    pub fn new(ends: impl IntoIterator<Item = (IpAddr, String)>) -> Self {
        let ends = ends.into_iter().map(|(address, name)| (address, Arc::from(name)));
        Self { ends: ends.collect(), ..Self::default() }
    }

    pub(super) fn end(&self, address: IpAddr) -> End<'_> {
        self.ends.get(&address).map_or(End::Address(address), |name| End::Name(name))
    }

    /// The same as text, which is remembered.
    pub(super) fn end_text(&mut self, address: IpAddr) -> Arc<str> {
        if let Some(name) = self.ends.get(&address).or_else(|| self.addresses.get(&address)) {
            return Arc::clone(name);
        }
        if self.addresses.len() >= MAX_ENDS {
            self.addresses.clear();
        }
        Arc::clone(self.addresses.entry(address).or_insert_with(|| Arc::from(address.to_string())))
    }

    pub(super) fn known_spi(&self, octets: &[u8]) -> bool {
        self.spis.contains_key(octets)
    }

    /// The mark of an SPI.
    pub(super) fn spi(&mut self, octets: &[u8]) -> SpiMark {
        match self.spis.get(octets) {
            Some(named) => SpiMark(named.number),
            None => self.add(octets, None),
        }
    }

    /// Says what was negotiated for the SA of an SPI.
    pub(super) fn set_transform(&mut self, spi: &[u8], transform: &Arc<str>) {
        let transform = Some(Arc::clone(transform));
        match self.spis.get_mut(spi) {
            Some(named) => named.transform = transform,
            None => {
                self.add(spi, transform);
            }
        }
    }

    /// What was negotiated for the SA of an SPI, where that was seen.
    pub(super) fn transform(&self, spi: &[u8]) -> Option<&str> {
        self.spis.get(spi)?.transform.as_deref()
    }

    fn add(&mut self, spi: &[u8], transform: Option<Arc<str>>) -> SpiMark {
        if self.order.len() >= MAX_SPIS {
            self.order.pop_front().map(|oldest| self.spis.remove(&oldest));
        }
        let spi: Arc<[u8]> = spi.into();
        self.order.push_back(Arc::clone(&spi));
        self.named += 1;
        self.spis.insert(spi, Named { number: self.named, transform });
        SpiMark(self.named)
    }
}

/// Stands before and behind the number of an SPI; no printed text has it.
const MARK: char = '\u{1}';

/// `SPI a`, `SPI b`, ... in the order in which a text has them.
#[derive(Clone, Debug, Default)]
pub(super) struct SpiLetters {
    letters: HashMap<u64, usize>,
    order: VecDeque<u64>,
    given: usize,
}

impl SpiLetters {
    /// Appends `lines` to `out`, with names for the marks of [`Names::spi`].
    pub(super) fn put_into(&mut self, out: &mut String, lines: &str) {
        for (index, part) in lines.split(MARK).enumerate() {
            match part.parse() {
                Ok(number) if index % 2 == 1 => put_nth(out, self.letter(number)),
                _ => out.push_str(part),
            }
        }
    }

    fn letter(&mut self, number: u64) -> usize {
        if let Some(letter) = self.letters.get(&number) {
            return *letter;
        }
        if self.order.len() >= MAX_SPIS {
            self.order.pop_front().map(|oldest| self.letters.remove(&oldest));
        }
        self.order.push_back(number);
        self.letters.insert(number, self.given);
        self.given += 1;
        self.given - 1
    }
}

fn put_nth(out: &mut String, index: usize) {
    let letter = char::from(b'a' + (index % 26) as u8);
    match index / 26 {
        0 => put(out, format_args!("SPI {letter}")),
        round => put(out, format_args!("SPI {letter}{round}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spis_are_named_in_the_order_of_the_text() {
        let mut names = Names::default();
        let (first, second) = (names.spi(&[1]), names.spi(&[2]));
        let mut letters = SpiLetters::default();
        let mut text = String::new();
        letters.put_into(&mut text, &format!("{second}, then {first}\n"));
        letters.put_into(&mut text, &format!("{first} of 12\n"));
        assert_eq!(text, "SPI a, then SPI b\nSPI b of 12\n");
    }
}
