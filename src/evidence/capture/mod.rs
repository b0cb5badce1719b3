//! Capture files: reading pcap and pcapng, writing pcapng.

mod link;
mod pcapng;
mod reader;
mod window;

pub use link::{LinkPacket, LinkType, network_packet};
pub use pcapng::{PcapngWriter, WrittenPacket};
pub use reader::{CaptureError, CaptureReader, CapturedPacket};
pub use window::{Input, ReadAhead};
