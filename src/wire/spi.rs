//! Security parameter indexes of ESP and AH.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An SPI: the number its receiver gave an ESP or AH SA.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spi(pub u32);

impl Spi {
    /// SPIs below this one are reserved (RFC 4303 2.1).
    pub const FIRST_FREE: Self = Self(0x100);

    /// The SPI as it stands on the wire.
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Spi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Spi({self})")
    }
}
