//! Finds the packets of pcap (both byte orders, micro- and nanoseconds) and pcapng, in octets that come piece by piece.

use std::io;

use super::link::LinkType;

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

/// The packets of a whole capture file; behind an error comes nothing.
pub fn packets(mut file: &[u8]) -> impl Iterator<Item = Result<CapturedPacket<'_>, CaptureError>> {
    let mut parser = CaptureParser::default();
    std::iter::from_fn(move || parser.next_packet(&mut file, true).transpose())
}

/// Finds the packets of a capture file of any supported format. It does not read by itself, and holds no octets.
#[derive(Debug, Default)]
pub struct CaptureParser {
    format: Format,
    /// Where in the file the next octet stands.
    offset: u64,
    /// Where the structure starts that is being read.
    start: u64,
    packets: u64,
    passing: Option<Passing>,
}

#[derive(Debug, Default)]
enum Format {
    /// The first octets of the file will tell.
    #[default]
    Untold,
    Pcap {
        big_endian: bool,
        nanoseconds: bool,
        link: LinkType,
    },
    Pcapng {
        big_endian: bool,
        interfaces: Vec<Interface>,
    },
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snap_length: u32,
    /// Ticks in a second.
    resolution: u64,
}

/// The rest of a block that holds no packet, which may be longer than any piece.
#[derive(Clone, Copy, Debug)]
struct Passing {
    what: &'static str,
    /// Length of the whole block.
    length: u32,
    /// Octets to pass before the length at its end.
    octets: u32,
    /// How many of them are still to come.
    left: u32,
}

/// Why a structure could not be read.
enum Stop {
    /// Of the octets that it needs only some are there.
    Short {
        found: usize,
        needed: usize,
        what: &'static str,
    },
    Error(CaptureError),
}

impl CaptureParser {
    /// The next packet in `octets`, which are then those behind it. `None` when there is no other whole packet: the octets that
    /// are left must be given again with what follows them in the file. Once `ended` says that nothing does, `None` is the
    /// end.
    ///
    /// # Errors
    ///
    /// When the file is no capture or is damaged; every later call then gives `None`.
    #[inline]
    pub fn next_packet<'a>(
        &mut self,
        octets: &mut &'a [u8],
        ended: bool,
    ) -> Result<Option<CapturedPacket<'a>>, CaptureError> {
        while !matches!(self.format, Format::Ended) {
            if self.passing.is_none() {
                self.start = self.offset;
            }
            let mut rest = *octets;
            let step = self.structure(&mut rest);
            self.offset += (octets.len() - rest.len()) as u64;
            *octets = rest;
            match step {
                Ok(Some(packet)) => return Ok(Some(packet)),
                Ok(None) => {}
                Err(Stop::Short { .. }) if !ended => return Ok(None),
                Err(stop) => {
                    let error = self.at_the_end(stop, octets);
                    self.format = Format::Ended;
                    return error.map_or(Ok(None), Err);
                }
            }
        }
        Ok(None)
    }

    /// Whether the header of the file has been read.
    pub fn has_begun(&self) -> bool {
        self.offset > 0
    }

    /// What it means that a structure cannot be read, and no more octets come; `None` between two structures.
    #[cold]
    fn at_the_end(&self, stop: Stop, octets: &[u8]) -> Option<CaptureError> {
        let (found, needed, what) = match stop {
            Stop::Error(error) => return Some(error),
            Stop::Short { found, needed, what } => (found, needed, what),
        };
        match self.format {
            Format::Untold if octets.len() < 4 => Some(CaptureError::Magic(octets.to_vec())),
            Format::Pcap { .. } | Format::Pcapng { .. } if octets.is_empty() && self.passing.is_none() => None,
            _ => Some(self.damage(format!("the file ends after {found} of {needed} octets of {what}"))),
        }
    }

    /// Takes a structure off `rest`, or nothing when it stops; a packet when it holds one.
    #[inline]
    fn structure<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<CapturedPacket<'a>>, Stop> {
        if self.passing.is_some() {
            return self.pass(rest).map(|()| None);
        }
        match self.format {
            Format::Pcap { big_endian, nanoseconds, link } => {
                self.pcap_packet(rest, big_endian, nanoseconds, link).map(Some)
            }
            Format::Pcapng { big_endian, .. } => self.pcapng_block(rest, big_endian),
            Format::Untold => self.file_header(rest).map(|()| None),
            Format::Ended => Ok(None),
        }
    }

    fn file_header(&mut self, rest: &mut &[u8]) -> Result<(), Stop> {
        let mut octets = *rest;
        let magic: &[u8; 4] = array(&mut octets, "the magic number")?;
        let (big_endian, nanoseconds) = match *magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            SECTION => return self.section(rest),
            other => return Err(Stop::Error(CaptureError::Magic(other.to_vec()))),
        };
        let header: &[u8; 20] = array(&mut octets, "the pcap header behind its magic number")?;
        let link = LinkType::from((number(big_endian, &header[16..20]) & 0xffff) as u16);
        self.format = Format::Pcap { big_endian, nanoseconds, link };
        *rest = octets;
        Ok(())
    }

    #[inline]
    fn pcap_packet<'a>(
        &mut self,
        rest: &mut &'a [u8],
        big_endian: bool,
        nanoseconds: bool,
        link: LinkType,
    ) -> Result<CapturedPacket<'a>, Stop> {
        let mut octets = *rest;
        let header: &[u8; 16] = array(&mut octets, "a packet's header")?;
        let field = |at: usize| number(big_endian, &header[at..at + 4]);
        let fraction = u64::from(field(4)) * if nanoseconds { 1 } else { 1000 };
        let captured = field(8);
        if captured > MAX_PACKET {
            return Err(self.damaged(format!("a packet of {captured} octets")));
        }
        let packet = counted(&mut octets, captured as usize, "a packet")?;
        *rest = octets;
        self.packets += 1;
        Ok(CapturedPacket {
            number: self.packets,
            timestamp: u64::from(field(0)) * 1_000_000_000 + fraction,
            interface: 0,
            link,
            octets: packet,
            original_length: field(12),
        })
    }

    /// Takes a section header block up to its byte order mark; what follows is passed over.
    fn section(&mut self, rest: &mut &[u8]) -> Result<(), Stop> {
        let mut octets = *rest;
        let start: &[u8; 12] = array(&mut octets, "a section header")?;
        let big_endian = match start[8..] {
            [0x1a, 0x2b, 0x3c, 0x4d] => true,
            [0x4d, 0x3c, 0x2b, 0x1a] => false,
            _ => return Err(self.damaged("no byte order mark in the section header")),
        };
        let length = number(big_endian, &start[4..8]);
        match length.checked_sub(BLOCK_FRAME + 4).filter(|rest| *rest >= 12 && length.is_multiple_of(4)) {
            Some(octets) => self.pass_over("a section header", length, octets),
            None => return Err(self.damaged(format!("a section header of {length} octets"))),
        }
        self.format = Format::Pcapng { big_endian, interfaces: Vec::new() };
        *rest = octets;
        Ok(())
    }

    #[inline]
    fn pcapng_block<'a>(&mut self, rest: &mut &'a [u8], big_endian: bool) -> Result<Option<CapturedPacket<'a>>, Stop> {
        let mut octets = *rest;
        let head: &[u8; 8] = array(&mut octets, "a block")?;
        if head[..4] == SECTION {
            return self.section(rest).map(|()| None);
        }
        let (kind, length) = (number(big_endian, &head[..4]), number(big_endian, &head[4..]));
        let Some(body) = length.checked_sub(BLOCK_FRAME).filter(|_| length.is_multiple_of(4)) else {
            return Err(self.damaged(format!("a block of {length} octets")));
        };
        if !matches!(kind, block::INTERFACE | block::OBSOLETE_PACKET | block::SIMPLE_PACKET | block::PACKET) {
            self.pass_over("a block", length, body);
            *rest = octets;
            return Ok(None);
        }
        if length > MAX_PACKET {
            return Err(self.damaged(format!("a block of {length} octets")));
        }
        let whole = counted(&mut octets, body as usize + 4, "a block")?;
        let (body, end) = whole.split_at(body as usize);
        self.check_end(length, number(big_endian, end))?;
        let packet = match kind {
            block::INTERFACE => self.interface_description(body, big_endian).map(|()| None)?,
            _ => Some(self.packet_block(kind, body, big_endian)?),
        };
        *rest = octets;
        Ok(packet)
    }

    fn packet_block<'a>(&mut self, kind: u32, body: &'a [u8], big_endian: bool) -> Result<CapturedPacket<'a>, Stop> {
        let field = |at: usize| body.get(at..at + 4).map(|octets| number(big_endian, octets));
        let header = match kind {
            block::SIMPLE_PACKET => field(0).map(|original| (0, 0, None, original, 4)),
            _ => field(0).zip(ticks(field(4), field(8))).zip(field(12).zip(field(16))).map(
                |((first, ticks), (captured, original))| {
                    let interface = match (kind, big_endian) {
                        (block::OBSOLETE_PACKET, true) => first >> 16,
                        (block::OBSOLETE_PACKET, false) => first & 0xffff,
                        _ => first,
                    };
                    (interface, ticks, Some(captured), original, 20)
                },
            ),
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
        let Some(octets) = body[header..].get(..captured as usize) else {
            return Err(self.damaged(format!("a packet of {captured} octets in a block of {}", body.len())));
        };
        let timestamp = u128::from(ticks) * 1_000_000_000 / u128::from(interface.resolution);
        let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
        self.packets += 1;
        let (number, link) = (self.packets, interface.link);
        Ok(CapturedPacket { number, timestamp, interface: index, link, octets, original_length })
    }

    fn interface_description(&mut self, body: &[u8], big_endian: bool) -> Result<(), Stop> {
        let Some((header, options)) = body.split_first_chunk::<8>() else {
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

    fn pass_over(&mut self, what: &'static str, length: u32, octets: u32) {
        self.passing = Some(Passing { what, length, octets, left: octets });
    }

    /// Goes on with the block that is passed over, up to the length at its end.
    fn pass(&mut self, rest: &mut &[u8]) -> Result<(), Stop> {
        let Some(passing) = &mut self.passing else { return Ok(()) };
        let Passing { what, length, octets, left } = *passing;
        let now = rest.len().min(left as usize);
        *rest = &rest[now..];
        passing.left -= now as u32;
        if passing.left > 0 {
            let found = (octets - passing.left) as usize;
            return Err(Stop::Short { found, needed: octets as usize, what });
        }
        let big_endian = matches!(self.format, Format::Pcapng { big_endian: true, .. });
        let mut behind = *rest;
        let end: &[u8; 4] = array(&mut behind, "the end of a block")?;
        self.check_end(length, number(big_endian, end))?;
        *rest = behind;
        self.passing = None;
        Ok(())
    }

    fn check_end(&self, length: u32, end: u32) -> Result<(), Stop> {
        if end == length {
            return Ok(());
        }
        Err(self.damaged(format!("a block of {length} octets that says {end} at its end")))
    }

    #[cold]
    fn damaged(&self, what: impl Into<String>) -> Stop {
        Stop::Error(self.damage(what))
    }

    fn damage(&self, what: impl Into<String>) -> CaptureError {
        CaptureError::Damaged { offset: self.start, packets: self.packets, what: what.into() }
    }
}

/// The first octets of a section header block, the same in both byte orders.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Takes `N` octets off `octets`.
#[inline]
fn array<'a, const N: usize>(octets: &mut &'a [u8], what: &'static str) -> Result<&'a [u8; N], Stop> {
    let short = Stop::Short { found: octets.len(), needed: N, what };
    let (array, rest) = octets.split_first_chunk::<N>().ok_or(short)?;
    *octets = rest;
    Ok(array)
}

/// Takes `count` octets off `octets`.
#[inline]
fn counted<'a>(octets: &mut &'a [u8], count: usize, what: &'static str) -> Result<&'a [u8], Stop> {
    let short = Stop::Short { found: octets.len(), needed: count, what };
    let (counted, rest) = octets.split_at_checked(count).ok_or(short)?;
    *octets = rest;
    Ok(counted)
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
