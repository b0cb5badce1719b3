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

    use super::super::{CaptureReader, LinkType};
    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            packets in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..90), "[a-z]{0,9}"), 0..8),
            cut in 0_usize..40,
        ) {
            let mut writer = PcapngWriter::new(Vec::new(), "a run", &["dut", "cisco"]).unwrap();
            for (time, octets, comment) in &packets {
                let packet = WrittenPacket {
                    interface: time % 2, timestamp: u64::from(*time) << 20, outbound: false, octets, comment,
                };
                writer.packet(packet).unwrap();
            }
            let mut file = writer.finish().unwrap();
            let mut reader = CaptureReader::new(&file[..]).unwrap();
            for (time, octets, _) in &packets {
                let packet = reader.next_packet().unwrap().unwrap();
                prop_assert_eq!(packet.timestamp, u64::from(*time) << 20);
                prop_assert_eq!(packet.link, LinkType::Ethernet);
                prop_assert_eq!(&packet.octets, octets);
            }
            prop_assert!(reader.next_packet().unwrap().is_none());
            // A file that ends early is read up to the damage, which is told.
            file.truncate(file.len() - cut);
            if let Ok(mut reader) = CaptureReader::new(&file[..]) {
                while let Ok(Some(_)) = reader.next_packet() {}
                prop_assert!(reader.next_packet().unwrap().is_none());
            }
        }

        #[test]
        fn any_octets_end(mut octets in proptest::collection::vec(any::<u8>(), 0..200), magic in 0..3) {
            let start: &[u8] = [&[0xd4, 0xc3, 0xb2, 0xa1], &[0x0a, 0x0d, 0x0d, 0x0a], &[][..]][magic as usize];
            octets.splice(0..start.len().min(octets.len()), start.iter().copied());
            if let Ok(mut reader) = CaptureReader::new(&octets[..]) {
                while let Ok(Some(_)) = reader.next_packet() {}
            }
        }
    }
}
