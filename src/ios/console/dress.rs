//! How a debug message is dressed in each family (cisco-ios-facts 9.0), and how a text is known.

use super::{Category, Mark};
use crate::ios::releases::{DebugText, Family};

/// The dress of a message: what stands before its text in the three families.
///
/// The classic family (12.3) is derived from the colon family (12.4, 15.x): what carries an id there is
/// `ISAKMP (0:2): text` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dress {
    colon: Colon,
    xe: Xe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colon {
    /// `ISAKMP: text`
    Name,
    /// `ISAKMP:text`
    NameTight,
    /// `ISAKMP : text`
    NameWide,
    /// `ISAKMP:(1001):text`
    Id,
    /// `ISAKMP:(1001): text`
    IdWide,
    /// `ISAKMP:(0):: text`, whatever the id
    ZeroColons,
    /// `ISAKMP:(1001)::text`
    IdColons,
    /// `ISAKMP (0:1001): text` or `ISAKMP (1001): text`
    Paren,
    /// `text`
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Xe {
    /// `ISAKMP: (1001):text`
    Id,
    /// `ISAKMP: (0):text`, whatever the id
    Zero,
    /// `ISAKMP-PAK: (1001):text`
    Packet,
    /// `ISAKMP-ERROR: (1001):text`
    Error,
    /// `ISAKMP-ERROR: (0):text`, whatever the id
    ErrorZero,
    /// `ISAKMP:text`
    NameTight,
}

impl Dress {
    /// Peer records, nodes.
    pub const ORDINARY: Self = Self::new(Colon::Name, Xe::Id);
    /// Attributes of a transform, whose texts begin with blanks; NAT-D payloads.
    pub const ATTRIBUTE: Self = Self::new(Colon::NameTight, Xe::Id);
    /// A duration in four octets, the one attribute that has no id in any family \[S:LOG-XE1, LOG-XE3\].
    pub const DURATION: Self = Self::new(Colon::NameTight, Xe::NameTight);
    /// Most lines about an SA.
    pub const SA: Self = Self::new(Colon::Id, Xe::Id);
    /// Those with a blank: `processing …`, `vendor ID …`, `local preshared key found` \[S:LOG-12x\].
    pub const SA_WIDE: Self = Self::new(Colon::IdWide, Xe::Id);
    /// A packet that came.
    pub const PACKET_IN: Self = Self::new(Colon::Paren, Xe::Packet);
    /// A packet that goes.
    pub const PACKET_OUT: Self = Self::new(Colon::IdWide, Xe::Packet);
    /// Counters, ID payloads, results of NAT discovery.
    pub const PAREN: Self = Self::new(Colon::Paren, Xe::Id);
    /// An error.
    pub const ERROR: Self = Self::new(Colon::Id, Xe::Error);
    /// An error with a blank: `phase 1 SA policy not acceptable!` \[S:NOTES\].
    pub const ERROR_WIDE: Self = Self::new(Colon::IdWide, Xe::Error);
    /// An error about no SA.
    pub const ERROR_ZERO: Self = Self::new(Colon::Id, Xe::ErrorZero);
    /// `peer matches *none* of the profiles` \[S:LOG-12x, LOG-XE1\].
    pub const PROFILE: Self = Self::new(Colon::ZeroColons, Xe::Zero);
    /// `Trying to insert a peer` \[S:LOG-12x, LOG-XE1\].
    pub const PEER_TABLE: Self = Self::new(Colon::Name, Xe::Zero);
    /// `Started lifetime timer` \[S:NOTES, LOG-XE1\].
    pub const TIMER: Self = Self::new(Colon::IdColons, Xe::Id);
    /// `Scanning profiles for xauth ...` \[S:LOG-12x, LOG-123, LOG-XE1\].
    pub const SCANNING: Self = Self::new(Colon::NameWide, Xe::Id);

    /// `insert sa successfully`, which 12.4 prints without any name \[S:LOG-12x\].
    pub const INSERTED: Self = Self::new(Colon::Bare, Xe::Id);

    const fn new(colon: Colon, xe: Xe) -> Self {
        Self { colon, xe }
    }

    /// The message with its prefix.
    pub fn put_on(self, traits: DebugText, connection: u32, text: &str) -> String {
        match traits.family {
            Family::Xe => match self.xe {
                Xe::Id => format!("ISAKMP: ({connection}):{text}"),
                Xe::Zero => format!("ISAKMP: (0):{text}"),
                Xe::Packet => format!("ISAKMP-PAK: ({connection}):{text}"),
                Xe::Error => format!("ISAKMP-ERROR: ({connection}):{text}"),
                Xe::ErrorZero => format!("ISAKMP-ERROR: (0):{text}"),
                Xe::NameTight => format!("ISAKMP:{text}"),
            },
            Family::Colon => match self.colon {
                Colon::Name => format!("ISAKMP: {text}"),
                Colon::NameTight => format!("ISAKMP:{text}"),
                Colon::NameWide => format!("ISAKMP : {text}"),
                Colon::Id => format!("ISAKMP:({connection}):{text}"),
                Colon::IdWide => format!("ISAKMP:({connection}): {text}"),
                Colon::ZeroColons => format!("ISAKMP:(0):: {text}"),
                Colon::IdColons => format!("ISAKMP:({connection})::{text}"),
                Colon::Paren if traits.slot_prefix => format!("ISAKMP (0:{connection}): {text}"),
                Colon::Paren => format!("ISAKMP ({connection}): {text}"),
                Colon::Bare => text.to_owned(),
            },
            Family::Classic => match self.colon {
                Colon::Name | Colon::Bare => format!("ISAKMP: {text}"),
                Colon::NameTight => format!("ISAKMP:{text}"),
                Colon::NameWide => format!("ISAKMP : {text}"),
                _ => format!("ISAKMP (0:{connection}): {text}"),
            },
        }
    }
}

/// How a text is known and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    mark: Mark,
    source: &'static str,
}

impl Fact {
    /// Made up.
    pub const MODELLED: Self = Self { mark: Mark::Modelled, source: "" };

    /// Seen in those sources, keys of cisco-ios-facts 0 with a blank between.
    pub const fn seen(source: &'static str) -> Self {
        Self { mark: Mark::Seen, source }
    }

    /// Inferred from those sources.
    pub const fn inferred(source: &'static str) -> Self {
        Self { mark: Mark::Inferred, source }
    }

    /// Recalled; the section of cisco-ios-facts that says so, or empty.
    pub const fn recalled(source: &'static str) -> Self {
        Self { mark: Mark::Recalled, source }
    }

    pub fn source(self) -> &'static str {
        self.source
    }

    /// The mark it has for a router of that family: a debug text seen only in another one is inferred here.
    pub fn mark_in(self, family: Family, category: Category) -> Mark {
        let dressed = matches!(category, Category::IsakmpDebug | Category::IpsecDebug);
        let seen_here = !dressed || self.source.split(' ').any(|key| spoken_by(key).is_none_or(|of| of == family));
        if self.mark == Mark::Seen && !seen_here { Mark::Inferred } else { self.mark }
    }
}

/// The family of the router a source shows; `None` when it is not bound to one.
fn spoken_by(source: &str) -> Option<Family> {
    match source {
        "LOG-123" => Some(Family::Classic),
        "LOG-12x" | "NOTES" | "ITCERT" | "STP" => Some(Family::Colon),
        "LOG-XE1" | "LOG-XE2" | "LOG-XE3" | "NOTES-KR" => Some(Family::Xe),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ios::Release;

    fn dressed(dress: Dress, text: &str) -> [String; 4] {
        [Release::V12_3T, Release::V12_4, Release::V15, Release::Xe16]
            .map(|release| dress.put_on(release.behaviour().debug, 1001, text))
    }

    #[test]
    fn each_family_has_its_dress() {
        assert_eq!(
            dressed(Dress::PACKET_IN, "received packet"),
            [
                "ISAKMP (0:1001): received packet",
                "ISAKMP (0:1001): received packet",
                "ISAKMP (1001): received packet",
                "ISAKMP-PAK: (1001):received packet",
            ]
        );
        assert_eq!(
            dressed(Dress::SA_WIDE, "processing SA payload")[1..],
            [
                "ISAKMP:(1001): processing SA payload",
                "ISAKMP:(1001): processing SA payload",
                "ISAKMP: (1001):processing SA payload",
            ]
        );
        assert_eq!(dressed(Dress::ATTRIBUTE, "      hash SHA")[1], "ISAKMP:      hash SHA");
        assert_eq!(dressed(Dress::ERROR, "no offers accepted!")[3], "ISAKMP-ERROR: (1001):no offers accepted!");
    }

    #[test]
    fn a_text_seen_in_another_family_is_inferred() {
        let fact = Fact::seen("LOG-XE1 LOG-XE2");
        assert_eq!(fact.mark_in(Family::Xe, Category::IsakmpDebug), Mark::Seen);
        assert_eq!(fact.mark_in(Family::Colon, Category::IsakmpDebug), Mark::Inferred);
        assert_eq!(Fact::seen("CARTS").mark_in(Family::Colon, Category::Syslog), Mark::Seen);
        assert_eq!(Fact::seen("LOG-XE1").mark_in(Family::Colon, Category::Syslog), Mark::Seen);
    }
}
