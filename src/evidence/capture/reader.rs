//! Reads pcap (both byte orders, micro- and nanoseconds) and pcapng, one packet at a time.

use std::io::{self, Read};

use super::link::LinkType;

/// No packet of a sane capture is longer; a longer length means a damaged file.
const MAX_PACKET: u32 = 1 << 22;

/// Why a capture could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file could not be read.
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
    /// The first octets are those of no capture file.
    #[error("not a capture: expected pcap or pcapng, found a file that starts with {0:02x?}")]
    Magic([u8; 4]),
    /// The file ends in the middle of a structure, or a length cannot be.
    #[error("the capture is damaged at octet {offset}, behind packet {packets}: {what}")]
    Damaged {
        /// Octets that were read before the damage.
        offset: u64,
        /// Packets that were read before the damage.
        packets: u64,
        /// What was expected and found.
        what: String,
    },
}

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// Number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Nanoseconds since the epoch.
    pub timestamp: u64,
    /// Index of the interface it was captured on; 0 in a pcap file.
    pub interface: u32,
    /// What its octets start with.
    pub link: LinkType,
    /// The octets that were captured.
    pub octets: Vec<u8>,
    /// Octets the packet had on the wire.
    pub original_length: u32,
}

/// Reads packets from a capture file of any supported format.
pub struct CaptureReader<R> {
    input: R,
    offset: u64,
    packets: u64,
    format: Format,
}

enum Format {
    Pcap { big_endian: bool, nanoseconds: bool, link: LinkType },
    Pcapng { big_endian: bool, interfaces: Vec<Interface> },
    Ended,
}

struct Interface {
    link: LinkType,
    snap_length: u32,
    /// Ticks in a second.
    resolution: u64,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file header.
    ///
    /// # Errors
    ///
    /// When the file is no capture, or ends in its header.
    pub fn new(input: R) -> Result<Self, CaptureError> {
        let mut reader = Self { input, offset: 0, packets: 0, format: Format::Ended };
        let Some(magic) = reader.exactly_or_end::<4>()? else {
            return Err(CaptureError::Magic([0; 4]));
        };
        reader.format = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => reader.pcap_header(true, false)?,
            [0xd4, 0xc3, 0xb2, 0xa1] => reader.pcap_header(false, false)?,
            [0xa1, 0xb2, 0x3c, 0x4d] => reader.pcap_header(true, true)?,
            [0x4d, 0x3c, 0xb2, 0xa1] => reader.pcap_header(false, true)?,
            [0x0a, 0x0d, 0x0d, 0x0a] => {
                let big_endian = reader.section_header()?;
                Format::Pcapng { big_endian, interfaces: Vec::new() }
            }
            other => return Err(CaptureError::Magic(other)),
        };
        Ok(reader)
    }

    /// The next packet; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is damaged; every later call then gives `None`.
    pub fn next_packet(&mut self) -> Result<Option<CapturedPacket>, CaptureError> {
        let result = match self.format {
            Format::Pcap { big_endian, nanoseconds, link } => self.pcap_packet(big_endian, nanoseconds, link),
            Format::Pcapng { .. } => self.pcapng_packet(),
            Format::Ended => return Ok(None),
        };
        if !matches!(result, Ok(Some(_))) {
            self.format = Format::Ended;
        }
        result
    }

    fn pcap_header(&mut self, big_endian: bool, nanoseconds: bool) -> Result<Format, CaptureError> {
        let header = self.exactly::<20>("the pcap header")?;
        let link = LinkType::from((number(big_endian, &header[16..20]) & 0xffff) as u16);
        Ok(Format::Pcap { big_endian, nanoseconds, link })
    }

    fn pcap_packet(
        &mut self,
        big_endian: bool,
        nanoseconds: bool,
        link: LinkType,
    ) -> Result<Option<CapturedPacket>, CaptureError> {
        let Some(header) = self.exactly_or_end::<16>()? else { return Ok(None) };
        let field = |at: usize| number(big_endian, &header[at..at + 4]);
        let fraction = u64::from(field(4)) * if nanoseconds { 1 } else { 1000 };
        let octets = self.counted(field(8), "a packet")?;
        Ok(Some(self.packet(u64::from(field(0)) * 1_000_000_000 + fraction, 0, link, octets, field(12))))
    }

    fn packet(
        &mut self,
        timestamp: u64,
        interface: u32,
        link: LinkType,
        octets: Vec<u8>,
        original_length: u32,
    ) -> CapturedPacket {
        self.packets += 1;
        CapturedPacket { number: self.packets, timestamp, interface, link, octets, original_length }
    }

    /// Reads the rest of a section header block and gives its byte order.
    fn section_header(&mut self) -> Result<bool, CaptureError> {
        let start = self.exactly::<8>("a section header")?;
        let big_endian = match start[4..8] {
            [0x1a, 0x2b, 0x3c, 0x4d] => true,
            [0x4d, 0x3c, 0x2b, 0x1a] => false,
            _ => return Err(self.damaged("no byte order mark in the section header")),
        };
        let length = number(big_endian, &start[..4]);
        match length.checked_sub(12).filter(|rest| *rest >= 4 && *rest <= MAX_PACKET) {
            Some(rest) => self.counted(rest, "a section header")?,
            None => return Err(self.damaged(format!("a section header of {length} octets"))),
        };
        Ok(big_endian)
    }

    fn pcapng_packet(&mut self) -> Result<Option<CapturedPacket>, CaptureError> {
        loop {
            let Format::Pcapng { big_endian, .. } = self.format else { return Ok(None) };
            let Some(kind) = self.exactly_or_end::<4>()? else { return Ok(None) };
            if kind == [0x0a, 0x0d, 0x0d, 0x0a] {
                let big_endian = self.section_header()?;
                self.format = Format::Pcapng { big_endian, interfaces: Vec::new() };
                continue;
            }
            let length = number(big_endian, &self.exactly::<4>("a block")?);
            let Some(body_length) = length.checked_sub(12).filter(|_| length.is_multiple_of(4)) else {
                return Err(self.damaged(format!("a block of {length} octets")));
            };
            let body = self.counted(body_length, "a block")?;
            self.exactly::<4>("the end of a block")?;
            if let Some(packet) = self.block(number(big_endian, &kind), &body, big_endian)? {
                return Ok(Some(packet));
            }
        }
    }

    /// Takes one block; a packet when it holds one.
    fn block(&mut self, kind: u32, body: &[u8], big_endian: bool) -> Result<Option<CapturedPacket>, CaptureError> {
        let field = |at: usize| body.get(at..at + 4).map(|octets| number(big_endian, octets));
        match kind {
            1 => {
                let (Some(first), Some(snap_length)) = (field(0), field(4)) else {
                    return Err(self.damaged("an interface description that is too short"));
                };
                let link = if big_endian { first >> 16 } else { first & 0xffff } as u16;
                let resolution = resolution(&body[8..], big_endian);
                if let Format::Pcapng { interfaces, .. } = &mut self.format {
                    interfaces.push(Interface { link: link.into(), snap_length, resolution });
                }
                Ok(None)
            }
            3 => {
                let Some(original) = field(0) else { return Err(self.damaged("a packet block that is too short")) };
                let Some((link, snap_length, _)) = self.interface(0) else {
                    return Err(self.damaged("a packet before any interface description"));
                };
                let limit = if snap_length == 0 { original } else { original.min(snap_length) };
                let Some(octets) = body.get(4..4 + limit as usize).map(<[u8]>::to_vec) else {
                    return Err(self.damaged(format!("a packet of {limit} octets in a block of {}", body.len())));
                };
                Ok(Some(self.packet(0, 0, link, octets, original)))
            }
            6 => {
                let fields = [field(0), field(4), field(8), field(12), field(16)];
                let [Some(interface), Some(high), Some(low), Some(captured), Some(original)] = fields else {
                    return Err(self.damaged("a packet block that is too short"));
                };
                let Some((link, _, resolution)) = self.interface(interface) else {
                    return Err(self.damaged(format!("a packet of interface {interface}, which was not described")));
                };
                let Some(octets) = body[20..].get(..captured as usize).map(<[u8]>::to_vec) else {
                    return Err(self.damaged(format!("a packet of {captured} octets in a block of {}", body.len())));
                };
                let ticks = u64::from(high) << 32 | u64::from(low);
                let timestamp = u128::from(ticks) * 1_000_000_000 / u128::from(resolution);
                Ok(Some(self.packet(timestamp as u64, interface, link, octets, original)))
            }
            _ => Ok(None),
        }
    }

    fn interface(&self, index: u32) -> Option<(LinkType, u32, u64)> {
        let Format::Pcapng { interfaces, .. } = &self.format else { return None };
        let interface = interfaces.get(index as usize)?;
        Some((interface.link, interface.snap_length, interface.resolution))
    }

    fn damaged(&self, what: impl Into<String>) -> CaptureError {
        CaptureError::Damaged { offset: self.offset, packets: self.packets, what: what.into() }
    }

    fn exactly<const N: usize>(&mut self, what: &str) -> Result<[u8; N], CaptureError> {
        self.exactly_or_end()?.ok_or_else(|| self.damaged(format!("the file ends in {what}")))
    }

    /// `N` octets, or `None` when the file ends right here.
    fn exactly_or_end<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let mut octets = [0; N];
        let read = self.fill(&mut octets)?;
        match read {
            0 => Ok(None),
            read if read == N => Ok(Some(octets)),
            read => Err(self.damaged(format!("the file ends after {read} of {N} octets of a header"))),
        }
    }

    fn counted(&mut self, count: u32, what: &str) -> Result<Vec<u8>, CaptureError> {
        if count > MAX_PACKET {
            return Err(self.damaged(format!("{what} of {count} octets")));
        }
        let mut octets = vec![0; count as usize];
        let read = self.fill(&mut octets)?;
        if read < octets.len() {
            return Err(self.damaged(format!("the file ends after {read} of {count} octets of {what}")));
        }
        Ok(octets)
    }

    fn fill(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < octets.len() {
            match self.input.read(&mut octets[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.offset += read as u64;
        Ok(read)
    }
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
