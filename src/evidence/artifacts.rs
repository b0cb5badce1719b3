//! The folder of a cell: everything a person or another tool wants to look at, made from the event log.
//!
//! ```text
//! events.jsonl     all that happened, in one order; everything else can be made from it again
//! transcript.txt   the negotiation as text
//! capture.pcapng   both links of the internet, each packet with its name and what the router decided
//! dut.pcapng       the same of the implementation's link alone
//! cisco.pcapng     the same of the router's link alone
//! wireshark/       a profile with the keys: WIRESHARK_CONFIG_DIR=wireshark wireshark dut.pcapng
//! cisco.log        the router's console
//! dut.log          what the implementation wrote
//! configs/         what both sides ran with
//! attempts/        the same of each attempt that was tried again, by its number
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use super::capture::{PcapngWriter, WrittenPacket};
use super::decode::{Content, Protection};
use super::frames::{LoggedFrame, frames, transcript_of_frames};
use super::log::{EventLog, Happening, Link};
use super::wireshark::Profile;
use super::words;
use crate::ike::Selector;
use crate::ike::event::{EventKind, PolicyOutcome, QuickVerdict};
use crate::ios::console::Mark;
use crate::ios::event::RouterEvent;
use crate::time::Instant;
use crate::wire::isakmp::Body;

/// The file of the event log in a cell's folder.
pub const EVENTS: &str = "events.jsonl";

/// The folder of the attempts before the last, in a cell's folder.
const ATTEMPTS: &str = "attempts";

/// The captures, and the links each holds, both in one order. Wireshark takes the end of one IKEv1 message for the IV of the
/// next, whatever the link: of a message that crosses both it decrypts the first copy and calls the second malformed. So
/// each link has a file of its own, too.
const CAPTURES: [(&str, &[Link]); 3] =
    [("capture.pcapng", &[Link::Dut, Link::Cisco]), ("dut.pcapng", &[Link::Dut]), ("cisco.pcapng", &[Link::Cisco])];

/// The folder in which those of the cells of a run lie that writes to `out`.
pub fn cells(out: &Path) -> PathBuf {
    out.join("cells")
}

/// The folder of a cell of a run that writes to `out`: below that whatever the name, which may come from somebody's log.
pub fn folder(out: &Path, cell: &str) -> PathBuf {
    let name = cell.replace(':', "-");
    let parts = Path::new(&name).components().filter(|part| matches!(part, Component::Normal(_)));
    cells(out).join(parts.collect::<PathBuf>())
}

/// Writes the folder of a cell; what is there from an earlier run is replaced.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write(folder: &Path, log: &EventLog) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    log.write(BufWriter::new(File::create(folder.join(EVENTS))?))?;
    write_views(folder, log)
}

/// Sets aside what an attempt left in a cell's folder, in `attempts/` there, so that the next can be written.
///
/// # Errors
///
/// When a file cannot be moved.
pub fn set_aside(folder: &Path, attempt: usize) -> io::Result<()> {
    let aside = folder.join(ATTEMPTS).join(attempt.to_string());
    fs::create_dir_all(&aside)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != ATTEMPTS {
            fs::rename(entry.path(), aside.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The folders of the attempts before the last, below a cell's folder; none where it was tried once.
///
/// # Errors
///
/// When they cannot be read.
pub fn attempts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder.join(ATTEMPTS)) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Writes everything of a cell's folder that is made from its event log.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_views(folder: &Path, log: &EventLog) -> io::Result<()> {
    if log.skipped().is_some() {
        return Ok(());
    }
    let frames = frames(log);
    fs::write(folder.join("transcript.txt"), transcript_of_frames(log, &frames))?;
    for (name, links) in CAPTURES {
        write_capture(BufWriter::new(File::create(folder.join(name))?), log, &frames, links)?;
    }
    Profile::of(log).write(&folder.join("wireshark"))?;
    fs::write(folder.join("cisco.log"), cisco_log(log))?;
    fs::write(folder.join("dut.log"), dut_log(log))?;
    for (name, text) in &log.header.configs {
        let path = folder.join("configs").join(below(name)?);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// A relative path that stays below where it is put.
fn below(name: &str) -> io::Result<PathBuf> {
    let path = Path::new(name);
    if path.components().all(|part| matches!(part, Component::Normal(_))) && path.components().next().is_some() {
        return Ok(path.to_owned());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is no path below the cell's folder")))
}

/// Writes links as a pcapng file, every packet with its name as comment.
///
/// # Errors
///
/// When the output cannot be written.
pub fn write_capture(output: impl Write, log: &EventLog, frames: &[LoggedFrame<'_>], links: &[Link]) -> io::Result<()> {
    let header = &log.header;
    let comment = format!("{} with {} {}", header.cell, header.implementation.0, header.implementation.1);
    let names: Vec<&str> = links.iter().map(|link| interface(*link)).collect();
    let mut writer = PcapngWriter::new(output, &comment, &names)?;
    for (index, frame) in frames.iter().enumerate() {
        let Some(interface) = (0..).zip(links).find_map(|(number, link)| (*link == frame.link).then_some(number))
        else {
            continue;
        };
        let until = frames.get(index + 1).map_or(log.entries.len(), |next| next.entry);
        let mut comment = describe(frame);
        for decision in decisions(log, frame.entry + 1, until) {
            if !comment.is_empty() {
                comment.push('\n');
            }
            comment.push_str(&decision);
        }
        let since_start = u64::try_from(frame.at.since_start().as_nanos()).unwrap_or(u64::MAX);
        writer.packet(WrittenPacket {
            interface,
            timestamp: header.epoch.saturating_add(since_start),
            outbound: frame.outbound,
            octets: frame.octets,
            comment: &comment,
        })?;
    }
    writer.finish()?;
    Ok(())
}

/// The name a link has in captures.
fn interface(link: Link) -> &'static str {
    match link {
        Link::Dut => "internet:dut",
        Link::Cisco => "internet:cisco",
    }
}

/// What a frame is, in a line.
pub fn describe(frame: &LoggedFrame<'_>) -> String {
    let Some(observed) = &frame.observed else { return String::new() };
    match &observed.content {
        Content::Ike(message) => {
            let mut text = message.named.name.to_string();
            match message.protection {
                Protection::Clear => {}
                Protection::Decrypted(_) => text.push_str(", encrypted"),
                Protection::Sealed(_) => text.push_str(", encrypted with an unknown key"),
            }
            if message.named.retransmission {
                text.push_str(", retransmission");
            }
            let kinds: Vec<String> = message.payloads.iter().map(|payload| in_short(&payload.body)).collect();
            if !kinds.is_empty() {
                let _ = write!(text, ": {}", kinds.join(", "));
            }
            if let Some(error) = &message.error {
                let _ = write!(text, "; damaged: {error}");
            }
            text
        }
        Content::IkeV2(read) => format!("IKEv2 {}", read.message.header.exchange),
        Content::Esp { spi, .. } => match &frame.inner {
            Some(inner) => format!("ESP: {}", inner.inside()),
            None => format!("ESP with SPI {spi}, of which the key is not known"),
        },
        Content::Keepalive => "NAT keepalive".to_owned(),
        Content::Other { .. } => "in clear".to_owned(),
        Content::Malformed(error) => format!("damaged: {error}"),
    }
}

/// A payload by its name; one that informs also by what about.
fn in_short(body: &Body) -> String {
    match body {
        Body::Notify(notify) => format!("N {}", notify.kind),
        Body::Delete(delete) => format!("D {}", delete.protocol),
        Body::Attributes(attributes) => format!("ATTR {}", attributes.kind),
        body => body.payload_type().to_string(),
    }
}

/// What router and internet decided among these entries, in a line each.
fn decisions(log: &EventLog, from: usize, until: usize) -> Vec<String> {
    let entries = log.entries.get(from..until).unwrap_or_default();
    entries.iter().filter_map(|entry| decision(&entry.what)).collect()
}

/// What router or internet decided, in a line.
pub fn decision(what: &Happening) -> Option<String> {
    let event = match what {
        Happening::Internet { event } => return Some(format!("internet: {}", words::on_the_way(event))),
        Happening::Router { event } => &**event,
        _ => return None,
    };
    let side = |id| Selector::from_id(id).map_or_else(|error| error.to_string(), |selector| selector.to_string());
    let words = match event {
        RouterEvent::PacketDropped { source, destination, protocol, reason, .. } => {
            format!("dropped {source} > {destination}, protocol {protocol}: {}", words::dropped(*reason))
        }
        RouterEvent::Ike(event) => match &event.kind {
            EventKind::PolicyCompared { transform, priority, outcome, .. } => match outcome {
                PolicyOutcome::Accepted { .. } => format!("transform {transform} is policy {priority}"),
                PolicyOutcome::Refused(mismatch) => {
                    format!("transform {transform} is not policy {priority}: {}", words::policy_mismatch(mismatch))
                }
            },
            EventKind::NoPolicyAccepted => "no transform accepted".to_owned(),
            EventKind::Authenticated => "the peer is authenticated".to_owned(),
            EventKind::HashMismatch { .. } => "HASH is wrong".to_owned(),
            EventKind::MalformedMessage { why, .. } => format!("malformed: {}", words::malformation(why)),
            EventKind::QuickJudged { local_proxy, remote_proxy, verdict, .. } => {
                let pair = format!("{} === {}", side(remote_proxy), side(local_proxy));
                match verdict {
                    QuickVerdict::Accepted { policy } => format!("{pair} accepted by crypto map entry {policy}"),
                    QuickVerdict::Refused(refusal) => format!("{pair} refused: {}", words::quick_refusal(refusal)),
                }
            }
            EventKind::SaInstalled(pair) => {
                format!("SAs in {:08x}, out {:08x}", pair.inbound_spi, pair.outbound_spi)
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(format!("cisco: {words}"))
}

/// The router's console with the time since the cell began before each line, behind a head that says how true it is.
pub fn cisco_log(log: &EventLog) -> String {
    let mut out = fidelity(log);
    for entry in &log.entries {
        match &entry.what {
            Happening::Console { text, mark, .. } => lines(&mut out, entry.at, &format!("{} {text}", letter(*mark))),
            Happening::Show { command, text } => {
                lines(&mut out, entry.at, &format!("  #{command}"));
                let _ = writeln!(out, "{}", text.trim_end());
            }
            _ => {}
        }
    }
    out
}

/// How many lines of the console are known how, as comments of IOS, with the letters that stand before the lines.
fn fidelity(log: &EventLog) -> String {
    let mut counts = [0_usize; Mark::ALL.len()];
    for what in log.happenings() {
        if let Happening::Console { mark, .. } = what {
            counts[*mark as usize] += 1;
        }
    }
    let mut out = String::from("! How the text of each line is known, by the letter before it:\n");
    for (mark, count) in Mark::ALL.into_iter().zip(counts) {
        let _ = writeln!(out, "! {}  {count:5} lines {}", letter(mark), mark.about());
    }
    out
}

/// The letter of a mark in a log; what was seen has none, so that what was not stands out.
pub fn letter(mark: Mark) -> char {
    match mark {
        Mark::Seen => ' ',
        Mark::Inferred => 'i',
        Mark::Recalled => 'r',
        Mark::Modelled => 'm',
    }
}

/// What the implementation wrote, with the time since the cell began before each line.
pub fn dut_log(log: &EventLog) -> String {
    let mut out = String::new();
    for entry in &log.entries {
        if let Happening::Log { text, .. } = &entry.what {
            lines(&mut out, entry.at, text);
        }
    }
    out
}

fn lines(out: &mut String, at: Instant, text: &str) {
    let _ = writeln!(out, "{:9.3} {text}", at.since_start().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = |cell| folder(Path::new("out"), cell).display().to_string();
        assert_eq!(folder("tunnel/plain/builtin/12.4:fixed"), "out/cells/tunnel/plain/builtin/12.4-fixed");
        assert_eq!(folder("../../etc/./x/builtin/12.4"), "out/cells/etc/x/builtin/12.4");
        assert_eq!(folder("/etc/x"), "out/cells/etc/x");
    }
}
