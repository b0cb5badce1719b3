//! Security parameter indexes of ESP and AH.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Serialize};

/// The number by which the receiver of an ESP packet knows its SA (RFC 4303 2.1). Printed as IOS prints it: `0x59B12F13`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Spi(pub u32);

impl Spi {
    /// The least SPI that may be used: 0 is for local use and 1 to 255 are IANA's.
    pub const FIRST_FREE: Self = Self(0x100);

    /// The SPI as it stands on the wire.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// A random SPI that may be used.
    pub fn random(rng: &mut (impl Rng + ?Sized)) -> Self {
        loop {
            let spi = Self(rng.next_u32());
            if spi >= Self::FIRST_FREE {
                return spi;
            }
        }
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#X}", self.0)
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Spi({self})")
    }
}

/// A text that is no SPI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SPI: expected up to eight hexadecimal digits behind 0x")]
pub struct SpiSyntax(String);

impl FromStr for Spi {
    type Err = SpiSyntax;

    fn from_str(text: &str) -> Result<Self, SpiSyntax> {
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| SpiSyntax(text.to_owned()))
    }
}

impl TryFrom<String> for Spi {
    type Error = SpiSyntax;

    fn try_from(text: String) -> Result<Self, SpiSyntax> {
        text.parse()
    }
}

impl From<Spi> for String {
    fn from(spi: Spi) -> Self {
        spi.to_string()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn prints_and_reads() {
        assert_eq!(Spi(0x59b1_2f13).to_string(), "0x59B12F13");
        assert_eq!(Spi(0).to_string(), "0x0");
        assert_eq!("0x59b12f13".parse(), Ok(Spi(0x59b1_2f13)));
        for bad in ["59B12F13", "0x", "0x+1", "0x123456789", "0xG"] {
            assert!(bad.parse::<Spi>().unwrap_err().to_string().contains(bad), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Spi(0x1234)).unwrap(), "\"0x1234\"");
    }

    #[test]
    fn random_ones_may_be_used() {
        let mut rng = StdRng::seed_from_u64(3);
        assert!((0..1000).all(|_| Spi::random(&mut rng) >= Spi::FIRST_FREE));
    }
}
