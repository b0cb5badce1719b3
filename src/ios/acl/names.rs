//! The words IOS accepts and prints for protocols, ports and ICMP messages in access lists. \[R\]

/// IP protocols by keyword.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ahp", 51),
    ("eigrp", 88),
    ("esp", 50),
    ("gre", 47),
    ("icmp", 1),
    ("igmp", 2),
    ("ipinip", 4),
    ("nos", 94),
    ("ospf", 89),
    ("pcp", 108),
    ("pim", 103),
    ("tcp", 6),
    ("udp", 17),
];

/// TCP ports by keyword.
const TCP_PORTS: &[(&str, u16)] = &[
    ("bgp", 179),
    ("chargen", 19),
    ("cmd", 514),
    ("daytime", 13),
    ("discard", 9),
    ("domain", 53),
    ("echo", 7),
    ("exec", 512),
    ("finger", 79),
    ("ftp", 21),
    ("ftp-data", 20),
    ("gopher", 70),
    ("hostname", 101),
    ("ident", 113),
    ("irc", 194),
    ("klogin", 543),
    ("kshell", 544),
    ("login", 513),
    ("lpd", 515),
    ("nntp", 119),
    ("pim-auto-rp", 496),
    ("pop2", 109),
    ("pop3", 110),
    ("smtp", 25),
    ("sunrpc", 111),
    ("tacacs", 49),
    ("talk", 517),
    ("telnet", 23),
    ("time", 37),
    ("uucp", 540),
    ("whois", 43),
    ("www", 80),
];

/// UDP ports by keyword.
const UDP_PORTS: &[(&str, u16)] = &[
    ("biff", 512),
    ("bootpc", 68),
    ("bootps", 67),
    ("discard", 9),
    ("dnsix", 195),
    ("domain", 53),
    ("echo", 7),
    ("isakmp", 500),
    ("mobile-ip", 434),
    ("nameserver", 42),
    ("netbios-dgm", 138),
    ("netbios-ns", 137),
    ("netbios-ss", 139),
    ("non500-isakmp", 4500),
    ("ntp", 123),
    ("pim-auto-rp", 496),
    ("rip", 520),
    ("snmp", 161),
    ("snmptrap", 162),
    ("sunrpc", 111),
    ("syslog", 514),
    ("tacacs", 49),
    ("talk", 517),
    ("tftp", 69),
    ("time", 37),
    ("who", 513),
    ("xdmcp", 177),
];

/// ICMP messages by keyword: type, and code where the keyword names one.
const ICMP_MESSAGES: &[(&str, u8, Option<u8>)] = &[
    ("administratively-prohibited", 3, Some(13)),
    ("echo", 8, None),
    ("echo-reply", 0, None),
    ("host-unreachable", 3, Some(1)),
    ("net-unreachable", 3, Some(0)),
    ("packet-too-big", 3, Some(4)),
    ("parameter-problem", 12, None),
    ("port-unreachable", 3, Some(3)),
    ("protocol-unreachable", 3, Some(2)),
    ("redirect", 5, None),
    ("source-quench", 4, None),
    ("time-exceeded", 11, None),
    ("timestamp-reply", 14, None),
    ("timestamp-request", 13, None),
    ("traceroute", 30, None),
    ("ttl-exceeded", 11, Some(0)),
    ("unreachable", 3, None),
];

/// The keyword of an IP protocol.
pub fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The IP protocol of a keyword.
pub fn protocol_number(name: &str) -> Option<u8> {
    PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The keyword of a port of TCP (`udp` false) or UDP.
pub fn port_name(port: u16, udp: bool) -> Option<&'static str> {
    let table = if udp { UDP_PORTS } else { TCP_PORTS };
    table.iter().find(|(_, known)| *known == port).map(|(name, _)| *name)
}

/// The port of a keyword of TCP (`udp` false) or UDP.
pub fn port_number(name: &str, udp: bool) -> Option<u16> {
    let table = if udp { UDP_PORTS } else { TCP_PORTS };
    table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The keyword of an ICMP type, or of a type and a code.
pub fn icmp_name(message: u8, code: Option<u8>) -> Option<&'static str> {
    ICMP_MESSAGES.iter().find(|(_, ty, co)| *ty == message && *co == code).map(|(name, ..)| *name)
}

/// The ICMP type, and perhaps the code, of a keyword.
pub fn icmp_number(name: &str) -> Option<(u8, Option<u8>)> {
    ICMP_MESSAGES.iter().find(|(known, ..)| *known == name).map(|(_, message, code)| (*message, *code))
}

/// The port of a keyword that may be cut as long as one keyword begins that way.
pub(in crate::ios) fn port_keyword(word: &str, udp: bool) -> Option<u16> {
    let table = if udp { UDP_PORTS } else { TCP_PORTS };
    unambiguous(word, table.iter().map(|(name, port)| (*name, *port)))
}

/// The ICMP keyword a word stands for, whole or cut.
pub(in crate::ios) fn icmp_keyword(word: &str) -> Option<&'static str> {
    unambiguous(word, ICMP_MESSAGES.iter().map(|(name, ..)| (*name, *name)))
}

/// What the whole keyword `word` stands for, or the only keyword that begins with it.
fn unambiguous<T>(word: &str, table: impl Iterator<Item = (&'static str, T)> + Clone) -> Option<T> {
    if let Some((_, found)) = table.clone().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Some(found);
    }
    let mut found =
        table.filter(|(name, _)| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
    match (found.next(), found.next()) {
        (Some((_, only)), None) if !word.is_empty() => Some(only),
        _ => None,
    }
}
