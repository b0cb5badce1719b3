//! Interface names, whole and short.

use std::fmt;

/// The kinds of interface IOS has: the name and the short form of `show` output.
const KINDS: &[(&str, &str)] = &[
    ("ATM", "AT"),
    ("Async", "As"),
    ("BDI", "BD"),
    ("BRI", "BR"),
    ("BVI", "BV"),
    ("Cellular", "Ce"),
    ("Dialer", "Di"),
    ("Ethernet", "Et"),
    ("FastEthernet", "Fa"),
    ("FortyGigabitEthernet", "Fo"),
    ("GigabitEthernet", "Gi"),
    ("HundredGigE", "Hu"),
    ("Loopback", "Lo"),
    ("Multilink", "Mu"),
    ("NVI", "NV"),
    ("Null", "Nu"),
    ("Port-channel", "Po"),
    ("Serial", "Se"),
    ("TenGigabitEthernet", "Te"),
    ("Tunnel", "Tu"),
    ("TwentyFiveGigE", "Twe"),
    ("TwoGigabitEthernet", "Tw"),
    ("Virtual-Access", "Vi"),
    ("Virtual-Template", "Vt"),
    ("Vlan", "Vl"),
];

/// An interface name in its canonical form: `GigabitEthernet0/0`, `Tunnel1`, `GigabitEthernet0/1.10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    kind: &'static str,
    number: String,
}

impl InterfaceName {
    /// Reads `Gi0/0`, `gigabitethernet 0/0` or any unambiguous prefix of a kind with a number.
    pub fn parse(text: &str) -> Option<Self> {
        let split = text.find(|letter: char| letter.is_ascii_digit())?;
        let (kind, number) = text.split_at(split);
        Some(Self { kind: Self::kind_of(kind.trim_end())?, number: Self::number_of(number)?.to_owned() })
    }

    /// The kind a word names: the whole name, a `show` short form, or an unambiguous prefix.
    pub fn kind_of(word: &str) -> Option<&'static str> {
        if word.is_empty() {
            return None;
        }
        let exact =
            KINDS.iter().find(|(kind, short)| kind.eq_ignore_ascii_case(word) || short.eq_ignore_ascii_case(word));
        if let Some((kind, _)) = exact {
            return Some(kind);
        }
        let mut kinds = KINDS.iter().filter(|(kind, _)| {
            kind.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
        });
        match (kinds.next(), kinds.next()) {
            (Some((kind, _)), None) => Some(kind),
            _ => None,
        }
    }

    /// `text` when it can number an interface: digits with `/`, `.` and `:` between them.
    pub fn number_of(text: &str) -> Option<&str> {
        let well_formed = !text.is_empty()
            && text
                .split(['/', '.', ':'])
                .all(|part| !part.is_empty() && part.len() <= 10 && part.bytes().all(|byte| byte.is_ascii_digit()));
        well_formed.then_some(text)
    }

    /// The kind: `GigabitEthernet`, `Tunnel`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// What follows the kind: `0/0`, `1`, `0/1.10`.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The short form of `show` output: `Gi0/0`.
    pub fn short(&self) -> String {
        let short = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or(self.kind, |(_, short)| short);
        format!("{short}{}", self.number)
    }

    /// Whether it is a tunnel.
    pub fn is_tunnel(&self) -> bool {
        self.kind == "Tunnel"
    }

    /// Whether it is a loopback.
    pub fn is_loopback(&self) -> bool {
        self.kind == "Loopback"
    }

    /// Whether it is the null interface, which drops what is routed to it.
    pub fn is_null(&self) -> bool {
        self.kind == "Null"
    }

    /// The interface a sub-interface belongs to.
    pub fn parent(&self) -> Option<Self> {
        let (number, _) = self.number.rsplit_once('.')?;
        Some(Self { kind: self.kind, number: number.to_owned() })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.kind, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_cut_names_become_whole() {
        for (written, whole) in [
            ("Gi0/0", "GigabitEthernet0/0"),
            ("g2/0", "GigabitEthernet2/0"),
            ("gigabitethernet 0/1.10", "GigabitEthernet0/1.10"),
            ("fa0/1", "FastEthernet0/1"),
            ("e1/3", "Ethernet1/3"),
            ("Se0/0/0:15", "Serial0/0/0:15"),
            ("tu0", "Tunnel0"),
            ("te1/1/1", "TenGigabitEthernet1/1/1"),
            ("lo 0", "Loopback0"),
            ("Di1", "Dialer1"),
            ("vl10", "Vlan10"),
            ("Null0", "Null0"),
        ] {
            assert_eq!(InterfaceName::parse(written).map(|name| name.to_string()).as_deref(), Some(whole), "{written}");
        }
        for wrong in ["t0", "v1", "x0/0", "Gi", "Gi0/", "Gi0//0", "0/0", "", "Gi0/0/a", "gé0"] {
            assert_eq!(InterfaceName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_sub_interface_knows_its_parent() {
        let name = InterfaceName::parse("Gi0/1.10").unwrap();
        assert_eq!(name.parent().unwrap().to_string(), "GigabitEthernet0/1");
        assert_eq!(name.short(), "Gi0/1.10");
        assert_eq!(name.parent().unwrap().parent(), None);
    }
}
