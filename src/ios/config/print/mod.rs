//! The configuration as `show running-config` prints it.
//!
//! Keywords whole, sub-modes indented, `!` between blocks, values at their default left out (facts 11.2); the order of the
//! blocks and the indentation of each sub-mode are those of a real CSR1000V's configuration. \[S\] What is printed reads
//! back as the same configuration.

mod crypto;

use std::fmt::{self, Display, Write};

use super::model::{
    Interface, InterfaceAddress, LocalAddress, Nat, NatRule, NatSelection, NatTarget, NatTransport, RouteMapEntry,
    RunningConfig, Secret, StaticRoute, Timestamps, User,
};
use crate::ios::acl::{AccessList, Ace, AclKind, AclLine, AddressMatch, PortMatch, Protocol, icmp_name, port_name};

/// The text under construction.
struct Printer {
    text: String,
}

impl Printer {
    /// A line.
    fn line(&mut self, line: impl Display) {
        let _ = writeln!(self.text, "{line}"); // writing to a string does not fail
    }

    /// A line, when there is a value to print.
    fn maybe<T>(&mut self, value: Option<T>, line: impl FnOnce(T) -> String) {
        if let Some(value) = value {
            self.line(line(value));
        }
    }

    /// The end of a block; not twice in a row.
    fn separator(&mut self) {
        if !self.text.ends_with("!\n") {
            self.line("!");
        }
    }
}

impl RunningConfig {
    /// The configuration as `show running-config` prints it, from the first `!` to `end`.
    pub fn show(&self) -> String {
        let mut out = Printer { text: String::new() };
        out.separator();
        self.print_system(&mut out);
        crypto::print(self, &mut out);
        for interface in &self.interfaces {
            print_interface(interface, &mut out);
        }
        for pool in &self.local_pools {
            let last = if pool.last == pool.first { String::new() } else { format!(" {}", pool.last) };
            out.line(format_args!("ip local pool {} {}{last}", pool.name, pool.first));
        }
        print_nat(&self.nat, &mut out);
        for route in &self.routes {
            print_route(route, &mut out);
        }
        out.separator();
        for list in &self.access_lists {
            print_access_list(list, &mut out);
        }
        out.separator();
        for entry in &self.route_maps {
            print_route_map(entry, &mut out);
        }
        out.line("end");
        out.text
    }

    fn print_system(&self, out: &mut Printer) {
        if self.service.sequence_numbers.value {
            out.line("service sequence-numbers");
        }
        for (which, value) in [("debug", self.service.debug.value), ("log", self.service.log.value)] {
            match timestamps(value) {
                Some(words) => out.line(format_args!("service timestamps {which} {words}")),
                None => out.line(format_args!("no service timestamps {which}")),
            }
        }
        out.separator();
        out.line(format_args!("hostname {}", self.hostname));
        out.separator();
        print_logging(self, out);
        if self.aaa_new_model.value {
            out.line("aaa new-model");
            out.separator();
        }
        out.maybe(self.domain_name.as_ref(), |name| format!("ip domain name {name}"));
        for user in &self.users {
            print_user(user, out);
        }
        out.separator();
    }
}

fn timestamps(value: Timestamps) -> Option<String> {
    match value {
        Timestamps::None => None,
        Timestamps::Uptime => Some("uptime".to_owned()),
        Timestamps::Datetime { msec, localtime, show_timezone, year } => {
            let mut words = "datetime".to_owned();
            for (word, set) in
                [(" msec", msec), (" localtime", localtime), (" show-timezone", show_timezone), (" year", year)]
            {
                words.push_str(if set { word } else { "" });
            }
            Some(words)
        }
    }
}

fn print_logging(config: &RunningConfig, out: &mut Printer) {
    let logging = &config.logging;
    if !logging.console.value {
        out.line("no logging console");
    }
    out.maybe(logging.buffered.as_ref(), |size| format!("logging buffered {size}"));
    for host in &logging.hosts {
        out.line(format_args!("logging host {host}"));
    }
    out.separator();
}

fn print_user(user: &User, out: &mut Printer) {
    let mut line = format!("username {}", user.name);
    if user.privilege != 1 {
        let _ = write!(line, " privilege {}", user.privilege);
    }
    if let Some(password) = &user.password {
        let keyword = if user.is_secret { "secret" } else { "password" };
        let _ = match password {
            Secret::Plain(text) => write!(line, " {keyword} 0 {text}"),
            Secret::Encrypted(kind, text) => write!(line, " {keyword} {kind} {text}"),
        };
    }
    out.line(line);
}

/// A key as it is written: its type before it when it is encrypted.
struct Key<'secret>(&'secret Secret);

impl Display for Key<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Secret::Plain(text) => formatter.write_str(text),
            Secret::Encrypted(kind, text) => write!(formatter, "{kind} {text}"),
        }
    }
}

fn print_interface(interface: &Interface, out: &mut Printer) {
    out.line(format_args!("interface {}", interface.name));
    out.maybe(interface.description.as_ref(), |text| format!(" description {text}"));
    out.maybe(interface.vlan, |vlan| format!(" encapsulation dot1Q {vlan}"));
    out.maybe(interface.mtu, |bytes| format!(" mtu {bytes}"));
    for network in &interface.secondary {
        out.line(format_args!(" ip address {} {} secondary", network.ip(), network.mask()));
    }
    match interface.address.as_ref().map(|address| &address.value) {
        None if interface.secondary.is_empty() => out.line(" no ip address"),
        None => {}
        Some(InterfaceAddress::Static(network)) => {
            out.line(format_args!(" ip address {} {}", network.ip(), network.mask()));
        }
        Some(InterfaceAddress::Dhcp) => out.line(" ip address dhcp"),
        Some(InterfaceAddress::Negotiated) => out.line(" ip address negotiated"),
        Some(InterfaceAddress::Unnumbered(other)) => out.line(format_args!(" ip unnumbered {other}")),
    }
    out.maybe(interface.access_group_in.as_ref(), |acl| format!(" ip access-group {acl} in"));
    out.maybe(interface.access_group_out.as_ref(), |acl| format!(" ip access-group {acl} out"));
    out.maybe(interface.ip_mtu, |bytes| format!(" ip mtu {bytes}"));
    out.maybe(interface.nat, |side| format!(" ip nat {}", side.word()));
    out.maybe(interface.tcp_mss, |bytes| format!(" ip tcp adjust-mss {bytes}"));
    if interface.shutdown.value {
        out.line(" shutdown");
    }
    let tunnel = &interface.tunnel;
    out.maybe(tunnel.source.as_ref(), |source| format!(" tunnel source {source}"));
    out.maybe(tunnel.mode, |mode| format!(" tunnel mode {}", mode.words()));
    out.maybe(tunnel.destination.as_ref(), |destination| format!(" tunnel destination {destination}"));
    out.maybe(tunnel.key, |key| format!(" tunnel key {key}"));
    out.maybe(tunnel.protection.as_ref(), |protection| {
        let shared = if protection.shared { " shared" } else { "" };
        format!(" tunnel protection ipsec profile {}{shared}", protection.profile)
    });
    out.maybe(interface.crypto_map.as_ref(), |map| format!(" crypto map {map}"));
    out.separator();
}

fn print_nat(nat: &Nat, out: &mut Printer) {
    for pool in &nat.pools {
        let length = pool.prefix_length;
        out.line(format_args!("ip nat pool {} {} {} prefix-length {length}", pool.name, pool.first, pool.last));
    }
    for rule in &nat.rules {
        out.line(format_args!("ip nat inside source {}", NatWords(rule)));
    }
}

/// A rule without the words before it.
struct NatWords<'rule>(&'rule NatRule);

impl Display for NatWords<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let global_words = |global: &LocalAddress| match global {
            LocalAddress::Address(address) => address.to_string(),
            LocalAddress::Interface(name) => format!("interface {name}"),
        };
        match self.0 {
            NatRule::Dynamic { selection, target, overload } => {
                match selection {
                    NatSelection::List(list) => write!(formatter, "list {list} ")?,
                    NatSelection::RouteMap(name) => write!(formatter, "route-map {name} ")?,
                }
                match target {
                    NatTarget::Interface(name) => write!(formatter, "interface {name}")?,
                    NatTarget::Pool(name) => write!(formatter, "pool {name}")?,
                }
                formatter.write_str(if *overload { " overload" } else { "" })
            }
            NatRule::Static { local, global, ports, route_map, extendable } => {
                let global = global_words(global);
                match ports {
                    None => write!(formatter, "static {local} {global}")?,
                    Some((transport, local_port, global_port)) => {
                        let word = if *transport == NatTransport::Tcp { "tcp" } else { "udp" };
                        write!(formatter, "static {word} {local} {local_port} {global} {global_port}")?;
                    }
                }
                if let Some(route_map) = route_map {
                    write!(formatter, " route-map {route_map}")?;
                }
                formatter.write_str(if *extendable { " extendable" } else { "" })
            }
            NatRule::StaticNetwork { local, global } => {
                write!(formatter, "static network {} {} /{}", local.ip(), global.ip(), local.prefix())
            }
        }
    }
}

fn print_route(route: &StaticRoute, out: &mut Printer) {
    let mut line = format!("ip route {} {}", route.network.ip(), route.network.mask());
    if let Some(interface) = &route.interface {
        let _ = write!(line, " {interface}");
    }
    if let Some(next_hop) = route.next_hop {
        let _ = write!(line, " {next_hop}");
    }
    if route.distance != 1 {
        let _ = write!(line, " {}", route.distance);
    }
    if let Some(name) = &route.name {
        let _ = write!(line, " name {name}");
    }
    line.push_str(if route.permanent { " permanent" } else { "" });
    out.line(line);
}

fn print_access_list(list: &AccessList, out: &mut Printer) {
    let in_order = list.entries().zip(1_u32..).all(|(ace, place)| ace.sequence == place.saturating_mul(10));
    let numbered = in_order && list.number().is_some() && !list.lines.is_empty();
    if !numbered {
        out.line(format_args!("ip access-list {} {}", list.kind.word(), list.name));
    }
    for line in &list.lines {
        let (sequence, words) = match line {
            AclLine::Remark(text) if text.is_empty() => (None, "remark".to_owned()),
            AclLine::Remark(text) => (None, format!("remark {text}")),
            AclLine::Ace(ace) => (Some(ace.sequence), AceWords { ace, kind: list.kind }.to_string()),
        };
        match sequence {
            _ if numbered => out.line(format_args!("access-list {} {words}", list.name)),
            Some(sequence) if !in_order => out.line(format_args!(" {sequence} {words}")),
            _ => out.line(format_args!(" {words}")),
        }
    }
    if !numbered {
        out.separator();
    }
}

/// An entry as the configuration prints it.
struct AceWords<'acl> {
    ace: &'acl Ace,
    kind: AclKind,
}

impl Display for AceWords<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ace = self.ace;
        let log = if ace.log { " log" } else { "" };
        if self.kind == AclKind::Standard {
            let source = match ace.source.wildcard().is_unspecified() {
                true => ace.source.address().to_string(),
                false => ace.source.to_string(),
            };
            return write!(formatter, "{} {source}{log}", ace.action.word());
        }
        write!(formatter, "{} {} ", ace.action.word(), ace.protocol)?;
        let side = |address: AddressMatch, ports: &PortMatch| format!("{address}{}", ports_words(ports, ace.protocol));
        let source = side(ace.source, &ace.source_ports);
        write!(formatter, "{source} {}", side(ace.destination, &ace.destination_ports))?;
        if let Some(icmp) = ace.icmp {
            match (icmp_name(icmp.message, icmp.code), icmp.code) {
                (Some(name), _) => write!(formatter, " {name}")?,
                (None, Some(code)) => write!(formatter, " {} {code}", icmp.message)?,
                (None, None) => write!(formatter, " {}", icmp.message)?,
            }
        }
        formatter.write_str(if ace.established { " established" } else { "" })?;
        formatter.write_str(log)
    }
}

impl Ace {
    /// The entry as an extended list's `show access-lists` and the running configuration print it.
    pub fn words(&self) -> String {
        AceWords { ace: self, kind: AclKind::Extended }.to_string()
    }
}

fn ports_words(ports: &PortMatch, protocol: Protocol) -> String {
    let word = |port: &u16| {
        port_name(*port, protocol == Protocol::UDP).map_or_else(|| port.to_string(), |name| name.to_owned())
    };
    let words = |ports: &[u16]| ports.iter().map(word).collect::<Vec<_>>().join(" ");
    match ports {
        PortMatch::Any => String::new(),
        PortMatch::Eq(ports) => format!(" eq {}", words(ports)),
        PortMatch::Neq(ports) => format!(" neq {}", words(ports)),
        PortMatch::Lt(port) => format!(" lt {}", word(port)),
        PortMatch::Gt(port) => format!(" gt {}", word(port)),
        PortMatch::Range(low, high) => format!(" range {} {}", word(low), word(high)),
    }
}

fn print_route_map(entry: &RouteMapEntry, out: &mut Printer) {
    out.line(format_args!("route-map {} {} {}", entry.name, entry.action.word(), entry.sequence));
    if !entry.match_acls.is_empty() {
        let names: Vec<&str> = entry.match_acls.iter().map(|name| name.as_str()).collect();
        out.line(format_args!(" match ip address {}", names.join(" ")));
    }
    for other in &entry.other_matches {
        out.line(format_args!(" match {other}"));
    }
    out.separator();
}
