//! Texts from files: within bounds, and with the place of what is no text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::{Diagnostic, Source};

/// Why a file gives no text.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It could not be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is longer than any such text is.
    #[error("it is longer than {0} octets")]
    TooLong(u64),
    /// It is text in another encoding.
    #[error("it is UTF-16: expected UTF-8")]
    Utf16,
    /// Octets in it are no text.
    #[error("line {line}, column {column}: {found}: expected text in UTF-8")]
    NoText {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What stands there.
        found: String,
    },
}

impl Unreadable {
    /// What a user is told who named the file.
    pub fn diagnostic(&self, path: &Path) -> Diagnostic {
        match self {
            Self::NoText { line, column, found } => {
                let title = format!("{}:{line}:{column}: {found}: expected text in UTF-8", path.display());
                Diagnostic::plain(title)
            }
            other => Diagnostic::plain(format!("cannot read {}: {other}", path.display())),
        }
    }
}

impl Source {
    /// The text of a file in UTF-8 of at most `longest` octets. No more than that is ever read, whatever the file is.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is longer, or is no text.
    pub fn read(path: &Path, longest: u64) -> Result<Self, Unreadable> {
        let octets = octets(path, longest)?;
        let text = String::from_utf8(octets).map_err(|error| {
            let (at, octets) = (error.utf8_error().valid_up_to(), error.as_bytes());
            no_text(octets, at, format!("octet {:#04x}", octets[at]))
        })?;
        Ok(Self::new(path, text))
    }

    /// The same with what is no UTF-8 replaced, as in a running-config whose descriptions are in Latin-1. A file with zero
    /// octets in it is no text all the same.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_lossy(path: &Path, longest: u64) -> Result<Self, Unreadable> {
        let octets = octets(path, longest)?;
        if let Some(at) = octets.iter().position(|octet| *octet == 0) {
            return Err(no_text(&octets, at, "octet 0x00".to_owned()));
        }
        Ok(Self::new(path, String::from_utf8_lossy(&octets)))
    }
}

fn octets(path: &Path, longest: u64) -> Result<Vec<u8>, Unreadable> {
    let mut octets = Vec::new();
    File::open(path)?.take(longest + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > longest {
        return Err(Unreadable::TooLong(longest));
    }
    if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
        return Err(Unreadable::Utf16);
    }
    // What editors leave there is no part of the text, and would be counted as a column.
    if octets.starts_with("\u{feff}".as_bytes()) {
        octets.drain(..3);
    }
    Ok(octets)
}

/// What stands at `at`, with its line and column.
fn no_text(octets: &[u8], at: usize, found: String) -> Unreadable {
    let before = Source::new("", String::from_utf8_lossy(&octets[..at]));
    let (line, column) = before.line_column(before.text.len());
    Unreadable::NoText { line, column, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a file with these octets, read strictly and read lossily.
    fn read(name: &str, octets: &[u8]) -> [Result<String, String>; 2] {
        let path = std::env::temp_dir().join(format!("ike-interop-reading-{}-{name}", std::process::id()));
        std::fs::write(&path, octets).unwrap();
        let results = [Source::read(&path, 64), Source::read_lossy(&path, 64)];
        std::fs::remove_file(&path).unwrap();
        results.map(|result| result.map(|source| source.text.to_string()).map_err(|error| error.to_string()))
    }

    #[test]
    fn texts_are_read_within_bounds() {
        let text = "x".repeat(64);
        assert_eq!(read("fits", text.as_bytes()), [Ok(text.clone()), Ok(text)]);
        let too_long = Err("it is longer than 64 octets".to_owned());
        assert_eq!(read("long", &[b'x'; 65]), [too_long.clone(), too_long]);
        // It says that it has no octets, and has no end of them.
        let endless = Source::read(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert!(matches!(endless, Unreadable::TooLong(_)), "{endless}");
        assert!(matches!(Source::read(Path::new("/nowhere"), 64), Err(Unreadable::Io(_))));
        assert!(matches!(Source::read(Path::new("/"), 64), Err(Unreadable::Io(_))));
    }

    #[test]
    fn what_is_no_text_is_pointed_at() {
        let [strict, lossy] = read("latin", b"title: x\nabout: caf\xe9\n");
        assert_eq!(strict.unwrap_err(), "line 2, column 11: octet 0xe9: expected text in UTF-8");
        assert_eq!(lossy.unwrap(), "title: x\nabout: caf\u{fffd}\n");
        let [_, lossy] = read("zero", b"hostname R1\nint\0");
        assert_eq!(lossy.unwrap_err(), "line 2, column 4: octet 0x00: expected text in UTF-8");
        let utf16 = Err("it is UTF-16: expected UTF-8".to_owned());
        assert_eq!(read("mark", "\u{feff}é".as_bytes()), [Ok("é".to_owned()), Ok("é".to_owned())]);
        assert_eq!(read("utf16", b"\xff\xfeh\0i\0"), [utf16.clone(), utf16]);
        let error = Unreadable::NoText { line: 2, column: 11, found: "octet 0xe9".to_owned() };
        let told = error.diagnostic(Path::new("a.yaml")).to_string();
        assert_eq!(told, "error: a.yaml:2:11: octet 0xe9: expected text in UTF-8");
    }
}
