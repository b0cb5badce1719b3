//! Names for what changes from run to run: ends by what they are, SPIs by the order in which the text has them.
//!
//! Exchanges that run at the same time are told one after the other, and which of them an SPI was seen in first may differ
//! between equal runs. Lines therefore hold a mark for each SPI, which becomes its name when they are put into the text.

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
    named: u64,
}

#[derive(Debug)]
struct Named {
    number: u64,
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

    /// The mark of an SPI, for [`SpiLetters::put_into`].
    pub(super) fn spi(&mut self, octets: &[u8]) -> String {
        format!("{MARK}{}{MARK}", self.entry(octets).number)
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
        self.spis.entry(octets.to_vec()).or_insert_with(|| Named { number: named, transform: None })
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
                Ok(number) if index % 2 == 1 => out.push_str(&nth(self.letter(number))),
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

fn nth(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    match index / 26 {
        0 => format!("SPI {letter}"),
        round => format!("SPI {letter}{round}"),
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
