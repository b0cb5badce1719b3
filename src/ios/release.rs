//! The IOS releases the router can be, under the words scenarios use.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A family of IOS releases that behave and speak alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Release {
    /// 12.3T.
    #[serde(rename = "12.3T")]
    V12_3T,
    /// 12.4 mainline, late.
    #[serde(rename = "12.4")]
    V12_4,
    /// 15.0 to 15.9.
    #[serde(rename = "15.x")]
    V15,
    /// IOS-XE 16.
    #[serde(rename = "xe16")]
    Xe16,
    /// IOS-XE 17.
    #[serde(rename = "xe17")]
    Xe17,
}

/// A word that names no release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no release: expected one of {words}", words = Release::ALL.map(Release::word).join(", "))]
pub struct UnknownRelease(pub String);

impl Release {
    /// Every release, oldest first.
    pub const ALL: [Self; 5] = [Self::V12_3T, Self::V12_4, Self::V15, Self::Xe16, Self::Xe17];

    /// The releases most often met, oldest first; what runs when nothing else is asked for.
    pub const USUAL: [Self; 3] = [Self::V12_4, Self::V15, Self::Xe16];

    /// The word scenarios and cell names use.
    pub fn word(self) -> &'static str {
        match self {
            Self::V12_3T => "12.3T",
            Self::V12_4 => "12.4",
            Self::V15 => "15.x",
            Self::Xe16 => "xe16",
            Self::Xe17 => "xe17",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(word: &str) -> Result<Self, UnknownRelease> {
        Self::ALL.into_iter().find(|release| release.word() == word).ok_or_else(|| UnknownRelease(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for release in Release::ALL {
            assert_eq!(release.word().parse(), Ok(release));
        }
        let error = "17.x".parse::<Release>().unwrap_err().to_string();
        assert_eq!(error, "`17.x` is no release: expected one of 12.3T, 12.4, 15.x, xe16, xe17");
    }
}
