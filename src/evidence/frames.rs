//! The frames of an event log, decoded and opened with the keys the log holds.

use std::net::IpAddr;

use super::capture::{CapturedPacket, LinkType};
use super::decode::{Content, Decoder, IkeMessage, KeyTable, Observed, Opened};
use super::log::{EventLog, Happening, Link};
use super::transcript::{Names, Transcript};
use crate::time::Instant;

/// A frame of a log, and what it is.
#[derive(Clone, Debug)]
pub struct LoggedFrame<'a> {
    /// Its place among the entries of the log.
    pub entry: usize,
    /// When it crossed the link.
    pub at: Instant,
    /// The link.
    pub link: Link,
    /// Sent by the internet, otherwise received by it.
    pub outbound: bool,
    /// The Ethernet frame.
    pub octets: &'a [u8],
    /// The packet it completes; `None` for ARP and for fragments whose rest comes later.
    pub observed: Option<Observed<'a>>,
    /// What was inside ESP, when its key is known and fits.
    pub inner: Option<Opened<'static>>,
}

impl LoggedFrame<'_> {
    /// The IKEv1 message it carries.
    pub fn ike(&self) -> Option<&IkeMessage> {
        match &self.observed.as_ref()?.content {
            Content::Ike(message) => Some(message),
            _ => None,
        }
    }
}

/// Every key the log holds.
pub fn keys(log: &EventLog) -> KeyTable {
    let mut keys = KeyTable::default();
    for what in log.happenings() {
        if let Happening::Keys { record } = what {
            keys.add(record);
        }
    }
    keys
}

/// Decodes the frames of both links, each link on its own.
pub fn frames(log: &EventLog) -> Vec<LoggedFrame<'_>> {
    let keys = keys(log);
    let side = |keys: KeyTable| {
        let decoder = Decoder::new(keys);
        let opener = decoder.esp_opener();
        (decoder, opener)
    };
    let [mut dut, mut cisco] = [side(keys.clone()), side(keys)];
    let mut number = 0;
    let frames = log.entries.iter().enumerate().filter_map(|(index, entry)| {
        let Happening::Frame { link, outbound, octets } = &entry.what else { return None };
        number += 1;
        let (decoder, opener) = match link {
            Link::Dut => &mut dut,
            Link::Cisco => &mut cisco,
        };
        let packet = CapturedPacket {
            number,
            timestamp: u64::try_from(entry.at.since_start().as_nanos()).unwrap_or(u64::MAX),
            interface: 0,
            link: LinkType::Ethernet,
            octets,
            original_length: u32::try_from(octets.len()).unwrap_or(u32::MAX),
        };
        let observed = decoder.packet(&packet);
        let inner = observed.as_ref().and_then(|observed| opener.open(observed)).map(Opened::into_owned);
        Some(LoggedFrame { entry: index, at: entry.at, link: *link, outbound: *outbound, octets, observed, inner })
    });
    frames.collect()
}

/// The negotiation as the implementation's link saw it, each packet once; see [`super::transcript`].
pub fn transcript_of(log: &EventLog) -> String {
    transcript_of_frames(log, &frames(log))
}

/// As [`transcript_of`], of frames that are decoded already.
pub fn transcript_of_frames(log: &EventLog, frames: &[LoggedFrame<'_>]) -> String {
    let ends = [(log.header.dut, "dut"), (log.header.cisco, "cisco")];
    let names = Names::new(ends.map(|(address, name)| (IpAddr::V4(address), name.to_owned())));
    let mut transcript = Transcript::new(names);
    for frame in frames.iter().filter(|frame| frame.link == Link::Dut) {
        if let Some(observed) = &frame.observed {
            transcript.add(observed, frame.inner.as_ref().map(Opened::inside).as_ref());
        }
    }
    transcript.text()
}
