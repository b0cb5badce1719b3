//! A window onto a file that is read from front to end: octets are lent out, not copied, and memory does not grow with
//! the file.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

/// Octets that are read at a time.
const READ: usize = 1 << 19;

/// Octets kept free before what [`ReadAhead`] reads, for the part of a packet that the buffer before it ended in.
const HEADROOM: usize = 1 << 16;

/// Buffers of [`ReadAhead`]: one is looked at, one is full and one is being filled.
const BUFFERS: usize = 3;

/// What a capture is read from: anything that implements [`Read`], or [`ReadAhead`].
pub trait Input {
    /// Reads on, behind the octets at `kept` in `buffer`, which may be moved or put into another buffer with them: where what
    /// was kept and read is now. Nothing is added only at the end of the input.
    ///
    /// # Errors
    ///
    /// When the input cannot be read.
    fn read_on(&mut self, buffer: &mut Vec<u8>, kept: Range<usize>) -> io::Result<Range<usize>>;
}

impl<R: Read> Input for R {
    fn read_on(&mut self, buffer: &mut Vec<u8>, kept: Range<usize>) -> io::Result<Range<usize>> {
        buffer.copy_within(kept.clone(), 0);
        let kept = kept.len();
        // Room for at least one more octet, so that packets of any length can be read.
        buffer.resize(READ.max(kept.next_multiple_of(READ)).max(kept + 1), 0);
        Ok(0..kept + read(self, &mut buffer[kept..])?)
    }
}

/// Reads a file on a thread of its own while what was read is decoded.
#[derive(Debug)]
pub struct ReadAhead {
    full: Receiver<io::Result<(Vec<u8>, usize)>>,
    empty: Sender<Vec<u8>>,
}

impl ReadAhead {
    /// Starts to read.
    ///
    /// # Errors
    ///
    /// When there can be no other thread.
    pub fn new(mut input: impl Read + Send + 'static) -> io::Result<Self> {
        let (to_reader, empty) = mpsc::channel::<Vec<u8>>();
        let (to_decoder, full) = mpsc::channel();
        for _ in 0..BUFFERS {
            // The receiver is right here.
            let _ = to_reader.send(Vec::new());
        }
        thread::Builder::new().name("read-ahead".to_owned()).spawn(move || {
            for mut buffer in empty {
                buffer.resize(HEADROOM + READ, 0);
                let result = read(&mut input, &mut buffer[HEADROOM..HEADROOM + READ]);
                let goes_on = matches!(result, Ok(1..));
                if to_decoder.send(result.map(|count| (buffer, count))).is_err() || !goes_on {
                    return;
                }
            }
        })?;
        Ok(Self { full, empty: to_reader })
    }
}

impl Input for ReadAhead {
    fn read_on(&mut self, buffer: &mut Vec<u8>, kept: Range<usize>) -> io::Result<Range<usize>> {
        // The thread ends behind the last octets, or when it could not read.
        let Ok(next) = self.full.recv() else { return Ok(kept) };
        let (mut next, count) = next?;
        let kept = match HEADROOM.checked_sub(kept.len()) {
            Some(start) => {
                next[start..HEADROOM].copy_from_slice(&buffer[kept]);
                std::mem::swap(buffer, &mut next);
                start..HEADROOM + count
            }
            None => {
                buffer.copy_within(kept.clone(), 0);
                buffer.truncate(kept.len());
                buffer.extend_from_slice(&next[HEADROOM..HEADROOM + count]);
                0..buffer.len()
            }
        };
        // Nobody takes it when the input has ended.
        let _ = self.empty.send(next);
        Ok(kept)
    }
}

fn read(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// The part of a file that is in memory.
pub(super) struct Window<I> {
    input: I,
    buffer: Vec<u8>,
    /// What was read and not taken yet.
    filled: Range<usize>,
    /// Octets taken.
    taken: u64,
}

impl<I: Input> Window<I> {
    pub(super) fn new(input: I) -> Self {
        Self { input, buffer: Vec::new(), filled: 0..0, taken: 0 }
    }

    /// Octets of the file that were taken.
    pub(super) fn offset(&self) -> u64 {
        self.taken
    }

    /// The octets of a range that [`take`](Self::take) gave, until the next octets are taken.
    pub(super) fn octets(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Takes the next `count` octets: where they are, or fewer when the file ends before.
    pub(super) fn take(&mut self, count: usize) -> io::Result<Range<usize>> {
        while self.filled.len() < count {
            let before = self.filled.len();
            self.filled = self.input.read_on(&mut self.buffer, self.filled.clone())?;
            if self.filled.len() == before {
                break;
            }
        }
        let start = self.filled.start;
        self.filled.start = self.filled.end.min(start + count);
        let range = start..self.filled.start;
        self.taken += range.len() as u64;
        Ok(range)
    }

    /// Passes over `count` octets however many; how many there were.
    pub(super) fn skip(&mut self, count: usize) -> io::Result<usize> {
        let mut left = count;
        while left > 0 {
            let range = self.take(left.min(READ))?;
            if range.is_empty() {
                break;
            }
            left -= range.len();
        }
        Ok(count - left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its octets in pieces of other lengths each time, and then an error if it has one.
    struct Pieces {
        octets: Vec<u8>,
        at: usize,
        piece: usize,
        error: Option<io::Error>,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.piece = (self.piece * 7 + 13) % 90_001;
            let left = &self.octets[self.at..];
            let count = left.len().min(buffer.len()).min(self.piece + 1);
            buffer[..count].copy_from_slice(&left[..count]);
            self.at += count;
            match self.error.take_if(|_| count == 0) {
                Some(error) => Err(error),
                None => Ok(count),
            }
        }
    }

    fn pieces(error: Option<io::Error>) -> Pieces {
        let octets = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Pieces { octets, at: 0, piece: 1, error }
    }

    /// Takes lengths up to some that no buffer holds, and gives all that was taken.
    fn taken(mut window: Window<impl Input>) -> (Vec<u8>, Option<io::Error>) {
        let mut all = Vec::new();
        for round in 0_usize.. {
            let count = [0, 1, 24, 1400, 65_535, 70_000, 700_000][round % 7];
            match window.take(count) {
                Ok(range) => {
                    let short = range.len() < count;
                    all.extend_from_slice(window.octets(range));
                    assert_eq!(window.offset(), all.len() as u64);
                    if short {
                        break;
                    }
                }
                Err(error) => return (all, Some(error)),
            }
        }
        (all, None)
    }

    #[test]
    fn every_octet_is_lent_once_and_in_order() {
        let direct = taken(Window::new(pieces(None)));
        let ahead = taken(Window::new(ReadAhead::new(pieces(None)).unwrap()));
        assert!(direct.0 == pieces(None).octets && direct.1.is_none());
        assert!(ahead.0 == direct.0 && ahead.1.is_none());
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it() {
        let error = || Some(io::Error::other("the disk is gone"));
        let ahead = taken(Window::new(ReadAhead::new(pieces(error())).unwrap()));
        let direct = taken(Window::new(pieces(error())));
        assert_eq!(ahead.1.unwrap().to_string(), "the disk is gone");
        assert_eq!(direct.1.unwrap().to_string(), "the disk is gone");
        assert!(ahead.0 == direct.0);
    }

    #[test]
    fn reading_ends_when_nobody_decodes_any_more() {
        let (alive, ended) = mpsc::channel::<()>();
        struct Endless(#[expect(dead_code, reason = "its end is what is waited for")] Sender<()>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                Ok(buffer.len())
            }
        }
        let mut window = Window::new(ReadAhead::new(Endless(alive)).unwrap());
        assert_eq!(window.take(10_000_000).unwrap().len(), 10_000_000);
        drop(window);
        assert!(ended.recv().is_err());
    }
}
