//! Writes pcapng with interface names, directions and a comment for each packet that has one.

use std::io::{self, Write};

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct WrittenPacket<'a> {
    /// Index of the interface, in the order they were described.
    pub interface: u32,
    /// Nanoseconds since the epoch.
    pub timestamp: u64,
    /// Sent by the station that captured, otherwise received.
    pub outbound: bool,
    /// The Ethernet frame.
    pub octets: &'a [u8],
    /// What Wireshark shows as packet comment; none when empty.
    pub comment: &'a str,
}

/// Writes a pcapng file of Ethernet frames, time stamps in nanoseconds.
pub struct PcapngWriter<W> {
    output: W,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts the file: `comment` says what was captured; one interface a name.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn new(output: W, comment: &str, interfaces: &[&str]) -> io::Result<Self> {
        let mut writer = Self { output };
        let mut section = vec![0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0];
        section.extend_from_slice(&[0xff; 8]);
        option(&mut section, 1, comment.as_bytes());
        option(&mut section, 4, concat!("ike-interop ", env!("CARGO_PKG_VERSION")).as_bytes());
        option(&mut section, 0, &[]);
        writer.block(0x0a0d_0d0a, &section)?;
        for name in interfaces {
            let mut description = vec![1, 0, 0, 0, 0, 0, 0, 0];
            option(&mut description, 2, name.as_bytes());
            option(&mut description, 9, &[9]);
            option(&mut description, 0, &[]);
            writer.block(1, &description)?;
        }
        Ok(writer)
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn packet(&mut self, packet: WrittenPacket<'_>) -> io::Result<()> {
        let length = packet.octets.len() as u32;
        let mut body = Vec::with_capacity(packet.octets.len() + packet.comment.len() + 48);
        body.extend_from_slice(&packet.interface.to_le_bytes());
        body.extend_from_slice(&((packet.timestamp >> 32) as u32).to_le_bytes());
        body.extend_from_slice(&(packet.timestamp as u32).to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(&length.to_le_bytes());
        padded(&mut body, packet.octets);
        if !packet.comment.is_empty() {
            option(&mut body, 1, packet.comment.as_bytes());
        }
        option(&mut body, 2, &(if packet.outbound { 2_u32 } else { 1 }).to_le_bytes());
        option(&mut body, 0, &[]);
        self.block(6, &body)
    }

    /// Ends the file and gives the output back.
    ///
    /// # Errors
    ///
    /// When the last octets cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = (body.len() as u32 + 12).to_le_bytes();
        self.output.write_all(&kind.to_le_bytes())?;
        self.output.write_all(&length)?;
        self.output.write_all(body)?;
        self.output.write_all(&length)
    }
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&(value.len() as u16).to_le_bytes());
    padded(block, value);
}

fn padded(block: &mut Vec<u8>, value: &[u8]) {
    block.extend_from_slice(value);
    block.resize(block.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CaptureError, CaptureParser, CapturedPacket, LinkType, packets};
    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            written in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..90), "[a-z]{0,9}"), 0..8),
            cut in 0_usize..40,
        ) {
            let mut writer = PcapngWriter::new(Vec::new(), "a run", &["dut", "cisco"]).unwrap();
            for (time, octets, comment) in &written {
                let packet = WrittenPacket {
                    interface: time % 2, timestamp: u64::from(*time) << 20, outbound: false, octets, comment,
                };
                writer.packet(packet).unwrap();
            }
            let mut file = writer.finish().unwrap();
            let whole: Vec<_> = packets(&file).map(Result::unwrap).collect();
            prop_assert_eq!(whole.len(), written.len());
            for (packet, (time, octets, _)) in whole.iter().zip(&written) {
                prop_assert_eq!(packet.timestamp, u64::from(*time) << 20);
                prop_assert_eq!(packet.link, LinkType::Ethernet);
                prop_assert_eq!(&packet.octets, octets);
            }
            // A file that ends early is read up to the damage, which is told.
            file.truncate(file.len() - cut);
            let mut after = packets(&file).skip_while(Result::is_ok);
            after.next();
            prop_assert!(after.next().is_none());
        }

        #[test]
        fn any_octets_end_and_tell_the_same_in_any_pieces(
            mut octets in proptest::collection::vec(any::<u8>(), 0..200),
            magic in 0..3,
            lengths in proptest::collection::vec(1_usize..50, 1..9),
        ) {
            let start: &[u8] = [&[0xd4, 0xc3, 0xb2, 0xa1], &[0x0a, 0x0d, 0x0d, 0x0a], &[][..]][magic as usize];
            octets.splice(0..start.len().min(octets.len()), start.iter().copied());
            prop_assert_eq!(in_pieces(&octets, &lengths), told(packets(&octets)));
        }

        #[test]
        fn a_capture_tells_the_same_in_any_pieces(
            captured in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..8),
            damage in (0_usize..2000, any::<u8>()),
            lengths in proptest::collection::vec(1_usize..50, 1..9),
        ) {
            let mut writer = PcapngWriter::new(Vec::new(), "a run", &["dut", "cisco"]).unwrap();
            for octets in &captured {
                let packet = WrittenPacket { interface: 1, timestamp: 1, outbound: true, octets, comment: "" };
                writer.packet(packet).unwrap();
            }
            let mut file = writer.finish().unwrap();
            let (at, octet) = damage;
            if let Some(place) = file.get_mut(at) {
                *place = octet;
            }
            prop_assert_eq!(in_pieces(&file, &lengths), told(packets(&file)));
        }
    }

    /// The packets and how it ended, as they can be compared.
    fn told<'a>(packets: impl Iterator<Item = Result<CapturedPacket<'a>, CaptureError>>) -> Vec<String> {
        packets.map(|packet| format!("{packet:?}")).collect()
    }

    /// The same of a file whose octets come in pieces of these lengths over and over.
    fn in_pieces(file: &[u8], lengths: &[usize]) -> Vec<String> {
        let (mut parser, mut all) = (CaptureParser::default(), Vec::new());
        let (mut start, mut end) = (0, 0);
        for length in lengths.iter().cycle() {
            end = file.len().min(end + length);
            let ended = end == file.len();
            let mut octets = &file[start..end];
            all.extend(told(std::iter::from_fn(|| parser.next_packet(&mut octets, ended).transpose())));
            start = end - octets.len();
            if ended {
                break;
            }
        }
        all
    }
}
