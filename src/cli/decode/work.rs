//! Decodes a capture on all processors.
//!
//! Each thread takes a piece of the file through everything: it reads it, tells what its packets are, opens ESP, and adds to the
//! transcript. Packets are told, and added, strictly in order: for these two a piece waits for its turn. What it has read
//! is still in the cache of its processor then.

use std::io::{self, Write};
use std::num::NonZero;
use std::ops::Range;
use std::thread;

use super::pieces::{End, PIECE, Piece, Pieces};
use super::turns::{EndsWith, Turns};
use crate::evidence::capture::{CaptureError, CaptureParser};
use crate::evidence::decode::{Content, Decoder, EspOpener, Inside, Observed, Opened, Protection};
use crate::evidence::transcript::Transcript;

/// More threads than this only wait for their turns.
const MAX_THREADS: usize = 4;

/// Octets kept free before each piece, for the part of a packet that the piece before it ended in.
const HEADROOM: usize = 1 << 16;

/// What is to be said of a capture beside its transcript.
pub(super) struct Decoded {
    /// Whether it is a capture at all.
    pub(super) begun: bool,
    /// Why it could not be read to its end.
    pub(super) damage: Option<CaptureError>,
    pub(super) packets: u64,
    /// Whether there was anything to tell.
    pub(super) told: bool,
    /// Whether IKEv1 payloads could not be decrypted.
    pub(super) sealed: bool,
    /// Packets of which not all fragments came.
    pub(super) incomplete: u64,
}

/// Prints the transcript of a capture; `None` when nobody reads it any more (`| head`).
///
/// # Errors
///
/// When it cannot be printed.
pub(super) fn decode(pieces: &Pieces, decoder: Decoder, transcript: Transcript) -> io::Result<Option<Decoded>> {
    let own = decoder.esp_opener();
    let others: Vec<EspOpener> = (1..threads()).map(|_| decoder.esp_opener()).collect();
    let telling = Turns::new(Telling { parser: CaptureParser::default(), decoder, ..Telling::default() });
    let printing = Turns::new(Printing { transcript, output: io::stdout(), result: Ok(()) });
    thread::scope(|scope| {
        for opener in others {
            // Where there can be no other thread, this one does all.
            let _ = thread::Builder::new().spawn_scoped(scope, || work(pieces, opener, &telling, &printing));
        }
        work(pieces, own, &telling, &printing);
    });
    let mut printing = printing.into_state();
    let result = printing.result.and_then(|()| {
        printing.output.write_all(printing.transcript.text().as_bytes())?;
        printing.output.flush()
    });
    match result {
        Ok(()) => Ok(Some(telling.into_state().decoded())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error),
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS)
}

/// Takes pieces through all stages until there are no more.
fn work(pieces: &Pieces, mut opener: EspOpener, telling: &Turns<Telling>, printing: &Turns<Printing>) {
    let _ends = (EndsWith(telling), EndsWith(printing));
    let mut buffer = vec![0; HEADROOM + PIECE];
    let mut joined = Vec::new();
    while let Some(piece) = pieces.read(&mut buffer[HEADROOM..]) {
        let index = piece.index;
        let Some(Some(observed)) = telling.take(index, |stage| stage.tell(piece, &mut buffer, &mut joined)) else {
            return;
        };
        let insides: Vec<_> =
            observed.iter().map(|observed| opener.open(observed).as_ref().map(Opened::inside)).collect();
        match printing.take(index, |stage| stage.add(&observed, &insides)) {
            Some(Ok(())) => {}
            _ => {
                telling.end();
                printing.end();
                return;
            }
        }
    }
}

/// The first stage: what the packets are.
#[derive(Default)]
struct Telling {
    parser: CaptureParser,
    decoder: Decoder,
    /// The start of a packet that goes on in the next piece.
    kept: Vec<u8>,
    ended: bool,
    damage: Option<CaptureError>,
    packets: u64,
    told: bool,
    sealed: bool,
}

impl Telling {
    /// The packets of the piece that was read into `buffer` behind the headroom, or into `joined` when more was kept; `None`
    /// when the file has ended before it.
    fn tell<'b>(&mut self, piece: Piece, buffer: &'b mut [u8], joined: &'b mut Vec<u8>) -> Option<Vec<Observed<'b>>> {
        if self.ended {
            return None;
        }
        let read = HEADROOM..HEADROOM + piece.length;
        let mut octets = self.behind_kept(read, buffer, joined);
        let mut all = Vec::new();
        let last = matches!(piece.end, Some(End::OfFile));
        let end = loop {
            match self.parser.next_packet(&mut octets, last) {
                Ok(Some(packet)) => {
                    self.packets = packet.number;
                    let Some(observed) = self.decoder.packet(&packet) else { continue };
                    self.told |= observed.ah.is_some() || !matches!(observed.content, Content::Other { .. });
                    self.sealed |= is_sealed(&observed);
                    all.push(observed);
                }
                Ok(None) => break piece.end,
                Err(error) => {
                    self.damage = Some(error);
                    break Some(End::OfFile);
                }
            }
        };
        self.kept.clear();
        self.kept.extend_from_slice(octets);
        self.ended = end.is_some();
        if let Some(End::Unreadable(error)) = end {
            self.damage = Some(error.into());
        }
        Some(all)
    }

    /// What was kept of the piece before, and behind it what was read.
    fn behind_kept<'b>(&mut self, read: Range<usize>, buffer: &'b mut [u8], joined: &'b mut Vec<u8>) -> &'b [u8] {
        match HEADROOM.checked_sub(self.kept.len()) {
            Some(start) => {
                buffer[start..HEADROOM].copy_from_slice(&self.kept);
                &buffer[start..read.end]
            }
            None => {
                self.kept.extend_from_slice(&buffer[read]);
                std::mem::swap(joined, &mut self.kept);
                joined
            }
        }
    }

    fn decoded(self) -> Decoded {
        Decoded {
            begun: self.parser.has_begun(),
            damage: self.damage,
            packets: self.packets,
            told: self.told,
            sealed: self.sealed,
            incomplete: self.decoder.incomplete(),
        }
    }
}

/// Whether IKEv1 payloads could not be decrypted.
fn is_sealed(observed: &Observed<'_>) -> bool {
    matches!(&observed.content, Content::Ike(message) if matches!(message.protection, Protection::Sealed(_)))
}

/// The last stage: the transcript.
struct Printing {
    transcript: Transcript,
    output: io::Stdout,
    result: io::Result<()>,
}

impl Printing {
    /// Adds packets, each with what was inside; `Err` when what is final cannot be printed.
    fn add(&mut self, observed: &[Observed<'_>], insides: &[Option<Inside>]) -> Result<(), ()> {
        for (observed, inside) in observed.iter().zip(insides) {
            self.transcript.add(observed, inside.as_ref());
        }
        if self.transcript.has_finished() {
            self.result = self.output.write_all(self.transcript.take_finished().as_bytes());
        }
        self.result.as_ref().map(|_| ()).map_err(|_| ())
    }
}
