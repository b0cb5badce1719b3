//! Reads pcap (both byte orders, micro- and nanoseconds) and pcapng, one packet at a time.

use std::io;
use std::ops::Range;

use super::link::LinkType;
use super::window::{Input, Window};

/// No packet of a sane capture is longer; a longer length means a damaged file.
const MAX_PACKET: u32 = 1 << 22;

/// No sane capture has more interfaces.
const MAX_INTERFACES: usize = 65_536;

/// Octets of a pcapng block around its body: type, and length before and behind it.
const BLOCK_FRAME: u32 = 12;

/// Why a capture could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file could not be read.
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
    /// The first octets are those of no capture file.
    #[error("not a capture: expected pcap or pcapng, found {}", describe(.0))]
    Magic(Vec<u8>),
    /// The file ends in the middle of a structure, or a length cannot be.
    #[error("the capture is damaged at octet {offset}, behind packet {packets}: {what}")]
    Damaged {
        /// Where the structure that is damaged starts, in octets from the start of the file.
        offset: u64,
        /// Packets that were read before the damage.
        packets: u64,
        /// What was expected and found.
        what: String,
    },
}

fn describe(start: &[u8]) -> String {
    match start {
        [] => "an empty file".to_owned(),
        [0x1f, 0x8b, ..] => "a file compressed with gzip; decompress it first".to_owned(),
        [0x28, 0xb5, 0x2f, 0xfd] => "a file compressed with zstd; decompress it first".to_owned(),
        start if start.iter().all(|octet| (b' '..=b'~').contains(octet)) => {
            format!("a file that starts with `{}`", String::from_utf8_lossy(start))
        }
        start => format!("a file that starts with the octets {}", hex::encode(start)),
    }
}

/// One packet of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedPacket<'a> {
    /// Number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Nanoseconds since the epoch.
    pub timestamp: u64,
    /// Index of the interface it was captured on; 0 in a pcap file.
    pub interface: u32,
    /// What its octets start with.
    pub link: LinkType,
    /// The octets that were captured.
    pub octets: &'a [u8],
    /// Octets the packet had on the wire.
    pub original_length: u32,
}

/// Reads packets from a capture file of any supported format. It buffers by itself, and memory does not grow with the file.
pub struct CaptureReader<I> {
    window: Window<I>,
    /// Where the structure starts that is being read.
    start: u64,
    packets: u64,
    format: Format,
}

enum Format {
    Pcap { big_endian: bool, nanoseconds: bool, link: LinkType },
    Pcapng { big_endian: bool, interfaces: Vec<Interface> },
    Ended,
}

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    snap_length: u32,
    /// Ticks in a second.
    resolution: u64,
}

/// A packet as it lies in the window.
struct Found {
    timestamp: u64,
    interface: u32,
    link: LinkType,
    octets: Range<usize>,
    original_length: u32,
}

impl<I: Input> CaptureReader<I> {
    /// Reads the file header.
    ///
    /// # Errors
    ///
    /// When the file is no capture, or ends in its header.
    pub fn new(input: I) -> Result<Self, CaptureError> {
        let mut reader = Self { window: Window::new(input), start: 0, packets: 0, format: Format::Ended };
        let range = reader.window.take(4)?;
        let magic = reader.window.octets(range).to_vec();
        reader.format = match magic[..] {
            [0xa1, 0xb2, 0xc3, 0xd4] => reader.pcap_header(true, false)?,
            [0xd4, 0xc3, 0xb2, 0xa1] => reader.pcap_header(false, false)?,
            [0xa1, 0xb2, 0x3c, 0x4d] => reader.pcap_header(true, true)?,
            [0x4d, 0x3c, 0xb2, 0xa1] => reader.pcap_header(false, true)?,
            [0x0a, 0x0d, 0x0d, 0x0a] => reader.section()?,
            _ => return Err(CaptureError::Magic(magic)),
        };
        Ok(reader)
    }

    /// The next packet; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is damaged; every later call then gives `None`.
    pub fn next_packet(&mut self) -> Result<Option<CapturedPacket<'_>>, CaptureError> {
        self.start = self.window.offset();
        let result = match self.format {
            Format::Pcap { big_endian, nanoseconds, link } => self.pcap_packet(big_endian, nanoseconds, link),
            Format::Pcapng { .. } => self.pcapng_packet(),
            Format::Ended => Ok(None),
        };
        let found = match result {
            Ok(Some(found)) => found,
            other => {
                self.format = Format::Ended;
                return other.map(|_| None);
            }
        };
        self.packets += 1;
        Ok(Some(CapturedPacket {
            number: self.packets,
            timestamp: found.timestamp,
            interface: found.interface,
            link: found.link,
            octets: self.window.octets(found.octets),
            original_length: found.original_length,
        }))
    }

    fn pcap_header(&mut self, big_endian: bool, nanoseconds: bool) -> Result<Format, CaptureError> {
        let header = self.array::<20>("the pcap header behind its magic number")?;
        let link = LinkType::from((number(big_endian, &header[16..20]) & 0xffff) as u16);
        Ok(Format::Pcap { big_endian, nanoseconds, link })
    }

    fn pcap_packet(
        &mut self,
        big_endian: bool,
        nanoseconds: bool,
        link: LinkType,
    ) -> Result<Option<Found>, CaptureError> {
        let Some(header) = self.array_or_end::<16>("a packet's header")? else { return Ok(None) };
        let field = |at: usize| number(big_endian, &header[at..at + 4]);
        let fraction = u64::from(field(4)) * if nanoseconds { 1 } else { 1000 };
        let octets = self.counted(field(8), "a packet")?;
        let timestamp = u64::from(field(0)) * 1_000_000_000 + fraction;
        Ok(Some(Found { timestamp, interface: 0, link, octets, original_length: field(12) }))
    }

    /// Reads the rest of a section header block, whose type has been read.
    fn section(&mut self) -> Result<Format, CaptureError> {
        let start = self.array::<8>("a section header")?;
        let big_endian = match start[4..8] {
            [0x1a, 0x2b, 0x3c, 0x4d] => true,
            [0x4d, 0x3c, 0x2b, 0x1a] => false,
            _ => return Err(self.damaged("no byte order mark in the section header")),
        };
        let length = number(big_endian, &start[..4]);
        match length.checked_sub(BLOCK_FRAME + 4).filter(|rest| *rest >= 12 && length.is_multiple_of(4)) {
            Some(rest) => self.skip(rest, "a section header")?,
            None => return Err(self.damaged(format!("a section header of {length} octets"))),
        }
        self.block_end(big_endian, length)?;
        Ok(Format::Pcapng { big_endian, interfaces: Vec::new() })
    }

    fn pcapng_packet(&mut self) -> Result<Option<Found>, CaptureError> {
        loop {
            let Format::Pcapng { big_endian, .. } = self.format else { return Ok(None) };
            self.start = self.window.offset();
            let Some(kind) = self.array_or_end::<4>("a block")? else { return Ok(None) };
            if kind == [0x0a, 0x0d, 0x0d, 0x0a] {
                self.format = self.section()?;
                continue;
            }
            let length = number(big_endian, &self.array::<4>("a block")?);
            let Some(body) = length.checked_sub(BLOCK_FRAME).filter(|_| length.is_multiple_of(4)) else {
                return Err(self.damaged(format!("a block of {length} octets")));
            };
            let kind = number(big_endian, &kind);
            if !matches!(kind, block::INTERFACE | block::OBSOLETE_PACKET | block::SIMPLE_PACKET | block::PACKET) {
                self.skip(body, "a block")?;
                self.block_end(big_endian, length)?;
                continue;
            }
            if length > MAX_PACKET {
                return Err(self.damaged(format!("a block of {length} octets")));
            }
            // Body and the length behind it in one, because taking more would move the body.
            let whole = self.counted(body + 4, "a block")?;
            let (body, end) = (whole.start..whole.end - 4, whole.end - 4..whole.end);
            let end = number(big_endian, self.window.octets(end));
            self.check_end(length, end)?;
            if let Some(found) = self.block(kind, body, big_endian)? {
                return Ok(Some(found));
            }
        }
    }

    /// Takes one block; a packet when it holds one.
    fn block(&mut self, kind: u32, body: Range<usize>, big_endian: bool) -> Result<Option<Found>, CaptureError> {
        if kind == block::INTERFACE {
            self.interface_description(body, big_endian)?;
            return Ok(None);
        }
        let octets = self.window.octets(body.clone());
        let field = |at: usize| octets.get(at..at + 4).map(|octets| number(big_endian, octets));
        let header = match kind {
            block::SIMPLE_PACKET => field(0).map(|original| (0, 0, None, original, 4)),
            block::OBSOLETE_PACKET => field(0).zip(ticks(field(4), field(8))).zip(field(12).zip(field(16))).map(
                |((first, ticks), (captured, original))| {
                    let interface = if big_endian { first >> 16 } else { first & 0xffff };
                    (interface, ticks, Some(captured), original, 20)
                },
            ),
            _ => field(0)
                .zip(ticks(field(4), field(8)))
                .zip(field(12).zip(field(16)))
                .map(|((interface, ticks), (captured, original))| (interface, ticks, Some(captured), original, 20)),
        };
        let Some((index, ticks, captured, original_length, header)) = header else {
            return Err(self.damaged("a packet block that is too short"));
        };
        let Some(interface) = self.interface(index) else {
            return Err(self.damaged(format!("a packet of interface {index}, which was not described")));
        };
        let captured = captured.unwrap_or(match interface.snap_length {
            0 => original_length,
            limit => original_length.min(limit),
        });
        let start = body.start + header;
        let Some(end) = start.checked_add(captured as usize).filter(|end| *end <= body.end) else {
            return Err(self.damaged(format!("a packet of {captured} octets in a block of {}", body.len())));
        };
        let timestamp = u128::from(ticks) * 1_000_000_000 / u128::from(interface.resolution);
        let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
        Ok(Some(Found { timestamp, interface: index, link: interface.link, octets: start..end, original_length }))
    }

    fn interface_description(&mut self, body: Range<usize>, big_endian: bool) -> Result<(), CaptureError> {
        let octets = self.window.octets(body);
        let Some((header, options)) = octets.split_first_chunk::<8>() else {
            return Err(self.damaged("an interface description that is too short"));
        };
        let first = number(big_endian, header);
        let link = if big_endian { first >> 16 } else { first & 0xffff } as u16;
        let interface = Interface {
            link: link.into(),
            snap_length: number(big_endian, &header[4..]),
            resolution: resolution(options, big_endian),
        };
        match &mut self.format {
            Format::Pcapng { interfaces, .. } if interfaces.len() < MAX_INTERFACES => interfaces.push(interface),
            _ => return Err(self.damaged(format!("more than {MAX_INTERFACES} interfaces"))),
        }
        Ok(())
    }

    fn interface(&self, index: u32) -> Option<Interface> {
        let Format::Pcapng { interfaces, .. } = &self.format else { return None };
        interfaces.get(index as usize).copied()
    }

    fn damaged(&self, what: impl Into<String>) -> CaptureError {
        CaptureError::Damaged { offset: self.start, packets: self.packets, what: what.into() }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], CaptureError> {
        self.array_or_end(what)?.ok_or_else(|| self.damaged(format!("the file ends in {what}")))
    }

    /// `N` octets, or `None` when the file ends right here.
    fn array_or_end<const N: usize>(&mut self, what: &str) -> Result<Option<[u8; N]>, CaptureError> {
        let range = self.window.take(N)?;
        match self.window.octets(range.clone()).first_chunk::<N>() {
            Some(octets) => Ok(Some(*octets)),
            None if range.is_empty() => Ok(None),
            None => Err(self.damaged(format!("the file ends after {} of {N} octets of {what}", range.len()))),
        }
    }

    fn counted(&mut self, count: u32, what: &str) -> Result<Range<usize>, CaptureError> {
        if count > MAX_PACKET {
            return Err(self.damaged(format!("{what} of {count} octets")));
        }
        let range = self.window.take(count as usize)?;
        if range.len() < count as usize {
            return Err(self.damaged(format!("the file ends after {} of {count} octets of {what}", range.len())));
        }
        Ok(range)
    }

    fn skip(&mut self, count: u32, what: &str) -> Result<(), CaptureError> {
        let skipped = self.window.skip(count as usize)?;
        if skipped < count as usize {
            return Err(self.damaged(format!("the file ends after {skipped} of {count} octets of {what}")));
        }
        Ok(())
    }

    fn block_end(&mut self, big_endian: bool, length: u32) -> Result<(), CaptureError> {
        let end = number(big_endian, &self.array::<4>("the end of a block")?);
        self.check_end(length, end)
    }

    fn check_end(&self, length: u32, end: u32) -> Result<(), CaptureError> {
        if end == length {
            return Ok(());
        }
        Err(self.damaged(format!("a block of {length} octets that says {end} at its end")))
    }
}

/// Block types of pcapng (draft-ietf-opsawg-pcapng 10.1).
mod block {
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const OBSOLETE_PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const PACKET: u32 = 6;
}

fn ticks(high: Option<u32>, low: Option<u32>) -> Option<u64> {
    Some(u64::from(high?) << 32 | u64::from(low?))
}

fn number(big_endian: bool, octets: &[u8]) -> u32 {
    let array = octets.first_chunk::<4>().copied().unwrap_or_default();
    if big_endian { u32::from_be_bytes(array) } else { u32::from_le_bytes(array) }
}

/// Ticks in a second by the option if_tsresol of an interface description; a microsecond without it.
fn resolution(mut options: &[u8], big_endian: bool) -> u64 {
    const MICROSECONDS: u64 = 1_000_000;
    while let Some((header, rest)) = options.split_first_chunk::<4>() {
        let short = |at: usize| {
            let pair = [header[at], header[at + 1]];
            if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        };
        let (code, length) = (short(0), usize::from(short(2)));
        if code == 9 && length == 1 {
            let Some(exponent) = rest.first() else { return MICROSECONDS };
            let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
            return base.checked_pow(u32::from(exponent & 0x7f)).unwrap_or(u64::MAX);
        }
        options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    MICROSECONDS
}
