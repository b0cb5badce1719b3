//! ESP packets, opened with the keys of their SAs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::keys::KeyTable;
use crate::esp::{SaParameters, SecurityAssociation, Transform};
use crate::evidence::capture::{LinkPacket, LinkType, network_packet};
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::protocol;

/// SAs that are kept ready; past that all are made anew when needed.
const MAX_SAS: usize = 1024;

/// Opens ESP packets.
#[derive(Debug, Default)]
pub(super) struct EspOpener {
    sas: HashMap<Spi, SecurityAssociation>,
}

impl EspOpener {
    /// The packet inside an ESP packet; `None` when its key is not known or does not fit.
    pub(super) fn open(&mut self, spi: Spi, octets: &[u8], keys: &KeyTable) -> Option<LinkPacket> {
        if !self.sas.contains_key(&spi) {
            let (suite, sa_keys) = keys.esp(spi)?;
            if self.sas.len() >= MAX_SAS {
                self.sas.clear();
            }
            let transform = Transform::new(suite.cipher, suite.integrity);
            let nowhere = Ipv4Addr::UNSPECIFIED;
            // A capture holds retransmissions and both ends of a link: every packet is opened, replayed or not.
            let parameters = SaParameters {
                replay_window: 0,
                ..SaParameters::new(spi, nowhere, nowhere, transform, sa_keys.clone())
            };
            self.sas.insert(spi, SecurityAssociation::new(Instant::ZERO, parameters).ok()?);
        }
        let opened = self.sas.get_mut(&spi)?.decapsulate(Instant::ZERO, octets).ok()?;
        network_packet(LinkType::Raw, &opened.payload).ok().flatten()
    }
}

/// A packet in a few words, the same for every packet of its kind.
pub(super) fn describe(packet: &LinkPacket) -> String {
    let kind = match packet.protocol {
        protocol::ICMP => match IcmpMessage::parse(&packet.payload) {
            Ok(IcmpMessage::EchoRequest { .. }) => "ICMP echo request".to_owned(),
            Ok(IcmpMessage::EchoReply { .. }) => "ICMP echo reply".to_owned(),
            Ok(IcmpMessage::Unreachable { code, .. }) => format!("ICMP unreachable, code {code}"),
            Ok(IcmpMessage::TimeExceeded { .. }) => "ICMP time exceeded".to_owned(),
            Ok(IcmpMessage::Other { kind, code, .. }) => format!("ICMP type {kind}, code {code}"),
            Err(_) => "ICMP, damaged".to_owned(),
        },
        protocol::TCP => "TCP".to_owned(),
        protocol::UDP => "UDP".to_owned(),
        other => format!("protocol {other}"),
    };
    let address = |address: IpAddr| address.to_string();
    format!("{kind} {} > {}", address(packet.source), address(packet.destination))
}
