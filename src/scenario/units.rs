//! Durations and volumes as scenarios write them: `8h`, `30s`, `4608000kB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that is no amount of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no {kind}: expected {valid}")]
pub struct UnitError {
    found: String,
    kind: &'static str,
    valid: &'static str,
}

/// A span of time, read from a whole number and a unit: `500ms`, `30s`, `5m`, `8h`, `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// An amount of data in kilobytes of 1024 octets, the unit of IPsec volume lifetimes: `4608000kB`, `100MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kilobytes(pub u64);

impl Span {
    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The whole seconds in it.
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            found: text.to_owned(),
            kind: "duration",
            valid: "a whole number and a unit: 500ms, 30s, 5m, 8h, 1d",
        };
        let (number, unit) = amount(text).ok_or_else(error)?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(error()),
        };
        number.checked_mul(milliseconds).map(|total| Self(Duration::from_millis(total))).ok_or_else(error)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let unit = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
            .into_iter()
            .find(|(size, _)| milliseconds > 0 && milliseconds.is_multiple_of(*size));
        match unit {
            Some((size, unit)) => write!(formatter, "{}{unit}", milliseconds / size),
            None => write!(formatter, "{milliseconds}ms"),
        }
    }
}

impl FromStr for Kilobytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError {
            found: text.to_owned(),
            kind: "volume",
            valid: "a whole number and a unit: 4608000kB, 100MB, 4GB",
        };
        let (number, unit) = amount(text).ok_or_else(error)?;
        let size = match unit {
            "kB" => 1,
            "MB" => 1024,
            "GB" => 1024 * 1024,
            _ => return Err(error()),
        };
        number.checked_mul(size).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for Kilobytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}kB", self.0)
    }
}

fn amount(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units() {
        assert_eq!("8h".parse(), Ok(Span::from_secs(28_800)));
        assert_eq!("500ms".parse(), Ok(Span(Duration::from_millis(500))));
        assert_eq!("100MB".parse(), Ok(Kilobytes(102_400)));
        for text in ["", "8", "h", "8 h", "-8h", "8H", "1.5h", "99999999999999999999h", "9999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(
            "8 hours".parse::<Span>().unwrap_err().to_string(),
            "`8 hours` is no duration: expected a whole number and a unit: 500ms, 30s, 5m, 8h, 1d"
        );
    }

    proptest! {
        #[test]
        fn spans_display_and_parse_back(milliseconds in 0u64..u64::MAX / 2) {
            let span = Span(Duration::from_millis(milliseconds));
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
