//! A capture file in pieces, which more than one thread reads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Octets of a piece: few enough that they are still in the processor's cache when they are decoded.
pub(super) const PIECE: usize = 1 << 17;

/// What pieces are read from.
pub(super) enum Pieces {
    /// A file in which any place can be read: as many pieces at a time as there are threads.
    File { file: File, claimed: AtomicU64 },
    /// One piece after the other, as long as what has come.
    Stream(Mutex<Stream>),
}

pub(super) struct Stream {
    input: Box<dyn Read + Send>,
    claimed: u64,
    ended: bool,
}

/// A piece that was read.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its place among all pieces, from 0.
    pub(super) index: u64,
    /// How many octets it has.
    pub(super) length: usize,
    /// Why none follows it; `None` when one may.
    pub(super) end: Option<End>,
}

/// Why no piece follows.
#[derive(Debug)]
pub(super) enum End {
    OfFile,
    Unreadable(io::Error),
}

impl Pieces {
    /// The pieces of a file, or of what else a path may lead to.
    pub(super) fn of_file(file: File) -> io::Result<Self> {
        Ok(match file.metadata()?.is_file() {
            true => Self::File { file, claimed: AtomicU64::new(0) },
            false => Self::of_stream(file),
        })
    }

    pub(super) fn of_stream(input: impl Read + Send + 'static) -> Self {
        Self::Stream(Mutex::new(Stream { input: Box::new(input), claimed: 0, ended: false }))
    }

    /// Reads the next piece into a buffer of [`PIECE`] octets. `None` behind the last; of a file, where nobody knows yet which
    /// is the last, pieces without octets may come behind it.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Option<Piece> {
        match self {
            Self::File { file, claimed } => {
                let index = claimed.fetch_add(1, Ordering::Relaxed);
                let (length, end) = read_at(file, buffer, index * buffer.len() as u64);
                Some(Piece { index, length, end })
            }
            Self::Stream(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).next(buffer),
        }
    }
}

impl Stream {
    fn next(&mut self, buffer: &mut [u8]) -> Option<Piece> {
        if self.ended {
            return None;
        }
        let index = self.claimed;
        self.claimed += 1;
        let (length, end) = match uninterrupted(|| self.input.read(buffer)) {
            Ok(0) => (0, Some(End::OfFile)),
            Ok(length) => (length, None),
            Err(error) => (0, Some(End::Unreadable(error))),
        };
        self.ended = end.is_some();
        Some(Piece { index, length, end })
    }
}

/// Fills the buffer from a place in the file, as far as it can be.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> (usize, Option<End>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match uninterrupted(|| file.read_at(&mut buffer[filled..], offset + filled as u64)) {
            Ok(0) => return (filled, Some(End::OfFile)),
            Ok(count) => filled += count,
            Err(error) => return (filled, Some(End::Unreadable(error))),
        }
    }
    (filled, None)
}

fn uninterrupted(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its octets in other numbers each time, and then an error if it has one.
    struct Drops {
        octets: Vec<u8>,
        at: usize,
        error: Option<io::Error>,
    }

    impl Read for Drops {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let left = &self.octets[self.at..];
            let count = left.len().min(buffer.len()).min(self.at * 7 % 90_001 + 1);
            buffer[..count].copy_from_slice(&left[..count]);
            self.at += count;
            match self.error.take_if(|_| count == 0) {
                Some(error) => Err(error),
                None => Ok(count),
            }
        }
    }

    fn octets() -> Vec<u8> {
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn all(pieces: &Pieces) -> (Vec<u8>, Option<End>) {
        let (mut all, mut buffer) = (Vec::new(), vec![0; PIECE]);
        for index in 0.. {
            let Some(piece) = pieces.read(&mut buffer) else { break };
            assert_eq!(piece.index, index);
            all.extend_from_slice(&buffer[..piece.length]);
            if piece.end.is_some() {
                return (all, piece.end);
            }
        }
        (all, None)
    }

    #[test]
    fn a_stream_is_read_to_its_end() {
        let pieces = Pieces::of_stream(Drops { octets: octets(), at: 0, error: None });
        let (read, end) = all(&pieces);
        assert!(read == octets() && matches!(end, Some(End::OfFile)));
        assert!(pieces.read(&mut [0; PIECE]).is_none());
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it() {
        let error = Some(io::Error::other("the disk is gone"));
        let (read, end) = all(&Pieces::of_stream(Drops { octets: octets(), at: 0, error }));
        assert!(read == octets());
        assert!(matches!(end, Some(End::Unreadable(error)) if error.to_string() == "the disk is gone"));
    }

    #[test]
    fn a_file_is_read_by_place() {
        for length in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let mut file = tempfile();
            std::io::Write::write_all(&mut file, &octets()[..length]).unwrap();
            let (read, end) = all(&Pieces::of_file(file).unwrap());
            assert!(read == octets()[..length] && matches!(end, Some(End::OfFile)));
        }
    }

    fn tempfile() -> File {
        File::from(rustix::fs::memfd_create("pieces", rustix::fs::MemfdFlags::CLOEXEC).unwrap())
    }
}
