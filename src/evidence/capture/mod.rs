//! Capture files: reading pcap and pcapng, writing pcapng.

mod link;
mod parser;
mod pcapng;

pub use link::{LinkPacket, LinkType, network_packet};
pub use parser::{CaptureError, CaptureParser, CapturedPacket, packets};
pub use pcapng::{PcapngWriter, WrittenPacket};
