//! A window onto a file that is read from front to end: octets are lent out, not copied, and memory does not grow with
//! the file.

use std::io::{self, Read};
use std::ops::Range;

/// Octets that are read at a time.
const READ: usize = 1 << 18;

/// The part of a file that is in memory.
pub(super) struct Window<R> {
    input: R,
    buffer: Vec<u8>,
    /// What was read and not taken yet.
    filled: Range<usize>,
    /// Octets taken.
    taken: u64,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: vec![0; READ], filled: 0..0, taken: 0 }
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
        if self.filled.len() < count {
            self.fill(count)?;
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

    fn fill(&mut self, count: usize) -> io::Result<()> {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        if self.buffer.len() < count {
            self.buffer.resize(count, 0);
        }
        while self.filled.len() < count {
            match self.input.read(&mut self.buffer[self.filled.end..]) {
                Ok(0) => break,
                Ok(read) => self.filled.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
