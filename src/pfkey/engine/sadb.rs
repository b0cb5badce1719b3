//! The messages about SAs (RFC 2367 3.1).

use std::net::{Ipv4Addr, SocketAddrV4};

use rand::Rng;

use super::association::{Association, AssociationId, Ends, Nat};
use super::refusal::Refusal;
use super::show::{Shown, unasked};
use super::sockets::Audience;
use super::{KeyEngine, KeyEvent, Output, SocketId, algorithm, number_dump};
use crate::crypto::SaKeys;
use crate::esp::{Expiry, Severity, Spi, Transform};
use crate::ike::{EspSuite, KeyRecord};
use crate::pfkey::message::{
    Address, AuthAlgorithm, EncryptAlgorithm, Errno, Extension, Header, IpsecMode, Message, MessageType, Sa, SaState,
    SaType, SpiRange,
};
use crate::time::Instant;

/// The most packets that a window of Linux's PF_KEY has.
const MAX_REPLAY_WINDOW: u8 = 32;

impl KeyEngine {
    /// SADB_GETSPI. The answer goes to the asker alone, as Linux and KAME have it; RFC 2367 3.1.1 would show it to all.
    pub(super) fn get_spi(&mut self, now: Instant, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let ends = ends(message)?;
        let (min, max) = spi_range(message.spi_range())?;
        let spi = self.free_spi(ends.destination, min, max)?;
        self.check_room()?;
        let inbound = self.is_local(ends.destination);
        let lifetime = self.settings.acquire_lifetime;
        let id = self.associations.insert_larval(Association::larval(now, spi, ends, inbound, lifetime));
        if let Some(association) = self.associations.get(id) {
            let answer = self.show_sa(message.header, association, Shown::WithoutKeys);
            self.send(Audience::One(socket), &answer);
        }
        Ok(())
    }

    /// A random SPI between `min` and `max` to `destination` that is not in use.
    fn free_spi(&mut self, destination: Ipv4Addr, min: u32, max: u32) -> Result<Spi, Refusal> {
        let span = u64::from(max - min) + 1;
        let start = u64::from(self.rng.next_u32()) % span;
        let tries = (0..span.min(100_000)).map(|step| Spi(min + ((start + step) % span) as u32));
        let free = tries.into_iter().find(|spi| self.associations.find(destination, *spi).is_none());
        free.ok_or_else(|| Refusal::new(Errno::NoEntry, format!("no free SPI from {min:#x} to {max:#x}")))
    }

    /// SADB_ADD. A reserved SPI is in use, as with Linux: its SA gets its keys by UPDATE.
    pub(super) fn add(&mut self, now: Instant, message: &Message) -> Result<(), Refusal> {
        let wanted = self.wanted(now, message)?;
        let (spi, ends) = (wanted.association.spi, wanted.association.ends);
        if self.associations.find(ends.destination, spi).is_some() {
            return Err(Refusal::new(Errno::Exists, format!("an SA to {} has the SPI {spi}", ends.destination)));
        }
        self.check_room()?;
        self.install(now, message, wanted)
    }

    fn check_room(&self) -> Result<(), Refusal> {
        if self.associations.len() >= super::MOST {
            return Err(Refusal::new(Errno::NoBuffers, "there are too many SAs"));
        }
        Ok(())
    }

    /// SADB_UPDATE: keys for a larval SA; other lifetimes and other ports for one that has keys (Linux,
    /// `xfrm_state_update`).
    pub(super) fn update(&mut self, now: Instant, message: &Message) -> Result<(), Refusal> {
        let (id, found) = self.named(message)?;
        if found.state == SaState::Larval {
            let wanted = self.wanted(now, message)?;
            return self.install(now, message, wanted);
        }
        let nat = nat(message)?;
        if nat.is_some() != found.nat.is_some() {
            return Err(Refusal::invalid("an SA cannot begin or cease to travel in UDP"));
        }
        let (soft, hard) = (message.lifetime_soft().copied(), message.lifetime_hard().copied());
        self.associations.change(id, nat, soft.unwrap_or_default(), hard.unwrap_or_default());
        self.tell(message.header, id, KeyEvent::SaUpdated);
        Ok(())
    }

    /// Takes an SA with keys into use.
    fn install(&mut self, now: Instant, message: &Message, wanted: Wanted) -> Result<(), Refusal> {
        let Wanted { association, transform, keys } = wanted;
        let (ends, spi) = (association.ends, association.spi);
        let record = KeyRecord::Esp {
            source: ends.source,
            destination: ends.destination,
            spi,
            suite: EspSuite { cipher: transform.cipher, integrity: transform.integrity },
            icv_length: transform.icv_length,
            keys: keys.clone(),
        };
        let id = self.associations.insert(now, association, transform, keys)?;
        self.outputs.push_back(Output::Keys(record));
        self.tell(message.header, id, KeyEvent::SaAdded);
        self.acquired(now, ends, message.header.sequence);
        Ok(())
    }

    /// Shows everybody what became of an SA, without its keys.
    fn tell(&mut self, header: Header, id: AssociationId, event: impl FnOnce(super::SaSummary) -> KeyEvent) {
        let Some(association) = self.associations.get(id) else { return };
        let message = self.show_sa(header, association, Shown::WithoutKeys);
        let event = event(self.associations.summary(association));
        self.send(Audience::All, &message);
        self.event(event);
    }

    /// SADB_DELETE.
    pub(super) fn delete(&mut self, message: &Message) -> Result<(), Refusal> {
        let (id, _) = self.named(message)?;
        self.tell(message.header, id, KeyEvent::SaDeleted);
        self.associations.remove(id);
        Ok(())
    }

    /// SADB_GET.
    pub(super) fn get(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let (_, association) = self.named(message)?;
        let answer = self.show_sa(message.header, association, Shown::Everything);
        self.send(Audience::One(socket), &answer);
        Ok(())
    }

    /// SADB_REGISTER. As with Linux any SA type may be registered, although only ESP comes of it: openiked insists on AH.
    pub(super) fn register(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let sa_type = message.header.sa_type;
        if let SaType::Unknown(number) = sa_type {
            return Err(Refusal::invalid(format!("SA type {number}")));
        }
        if !self.sockets.register(socket, sa_type) && sa_type != SaType::Unspecified {
            return Err(Refusal::new(Errno::Exists, format!("{sa_type} is registered already")));
        }
        let answer = Message::new(Header { errno: 0, ..message.header })
            .with(Extension::SupportedAuth(algorithm::supported_auth()))
            .with(Extension::SupportedEncrypt(algorithm::supported_encrypt()));
        self.send(Audience::Registered(sa_type), &answer);
        Ok(())
    }

    /// SADB_FLUSH.
    pub(super) fn flush(&mut self, message: &Message) -> Result<(), Refusal> {
        if is_ours(message.header.sa_type)? {
            let ids: Vec<AssociationId> = self.associations.iter().map(|(id, _)| id).collect();
            for id in ids {
                if let Some(association) = self.associations.remove(id) {
                    let summary = self.associations.summary(&association);
                    self.event(KeyEvent::SaDeleted(summary));
                }
            }
        }
        self.send(Audience::All, &Message::new(Header { errno: 0, ..message.header }));
        Ok(())
    }

    /// SADB_DUMP: one message for each SA there is at this moment.
    pub(super) fn dump(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let mut messages = Vec::new();
        if is_ours(message.header.sa_type)? {
            let shown = self.associations.iter().map(|(_, sa)| self.show_sa(message.header, sa, Shown::Everything));
            messages.extend(shown);
        }
        for shown in number_dump(message.header, messages) {
            self.send(Audience::One(socket), &shown);
        }
        Ok(())
    }

    /// SADB_X_PROMISC: the SA type says on or off.
    pub(super) fn promisc(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let on = match u8::from(message.header.sa_type) {
            0 => false,
            1 => true,
            other => return Err(Refusal::invalid(format!("promiscuous mode {other}: it is 0 or 1"))),
        };
        self.sockets.set_promiscuous(socket, on);
        self.send(Audience::All, &Message::new(Header { errno: 0, ..message.header }));
        Ok(())
    }

    /// Ends what has reached its lifetime among the SAs.
    pub(super) fn expire_associations(&mut self, now: Instant) {
        while let Some(id) = self.associations.expired_larval(now) {
            if let Some(association) = self.associations.remove(id) {
                self.tell_expiry(&association, Severity::Hard);
                let summary = self.associations.summary(&association);
                self.event(KeyEvent::LarvalExpired(summary));
            }
        }
        while let Some(Expiry { id: data, severity, kind, .. }) = self.associations.sad.poll_expiry(now) {
            let Some(id) = self.associations.of_data(data) else { continue };
            let Some(association) = self.associations.get_mut(id) else { continue };
            association.state = match severity {
                Severity::Soft => SaState::Dying,
                Severity::Hard => SaState::Dead,
            };
            let association = association.clone();
            let sa = self.associations.summary(&association);
            self.tell_expiry(&association, severity);
            self.event(KeyEvent::SaExpired { sa, severity, kind });
            if severity == Severity::Hard {
                self.associations.remove(id);
            }
        }
    }

    pub(super) fn tell_expiry(&mut self, association: &Association, severity: Severity) {
        let header = unasked(MessageType::Expire, SaType::Esp);
        let message = self.show_sa(header, association, Shown::Expired(severity));
        self.send(Audience::Registered(SaType::Esp), &message);
    }

    /// SADB_X_NAT_T_NEW_MAPPING: the old place of the peer as source, the new one as destination, as Linux has it.
    pub(super) fn tell_mapping(&mut self, association: &Association, nat: Nat, remote: SocketAddrV4) {
        let sa = Sa {
            spi: association.spi,
            replay: 0,
            state: SaState::Larval,
            auth: AuthAlgorithm::None,
            encrypt: EncryptAlgorithm::None,
            flags: 0,
        };
        let message = Message::new(unasked(MessageType::NatTNewMapping, SaType::Esp))
            .with(Extension::Sa(sa))
            .with(Extension::Source(Address::host(association.ends.source)))
            .with(Extension::NatTSourcePort(nat.source_port))
            .with(Extension::Destination(Address::host(*remote.ip())))
            .with(Extension::NatTDestinationPort(remote.port()));
        self.send(Audience::Registered(SaType::Esp), &message);
    }

    /// The SA that a message names by destination and SPI.
    fn named(&self, message: &Message) -> Result<(AssociationId, &Association), Refusal> {
        let ends = ends(message)?;
        let sa = message.sa().ok_or_else(|| Refusal::missing("SA"))?;
        let id = self.associations.find(ends.destination, sa.spi).ok_or_else(no_such_sa)?;
        Ok((id, self.associations.get(id).ok_or_else(no_such_sa)?))
    }

    /// The SA that an ADD or UPDATE describes.
    ///
    /// Its state is not looked at, although RFC 2367 3.1.3 asks for mature: setkey says larval, and Linux takes it.
    fn wanted(&self, now: Instant, message: &Message) -> Result<Wanted, Refusal> {
        let ends = ends(message)?;
        let sa: &Sa = message.sa().ok_or_else(|| Refusal::missing("SA"))?;
        let (key_auth, key_encrypt) = (message.key_auth(), message.key_encrypt());
        let (transform, keys) = algorithm::transform(sa, key_auth, key_encrypt, self.settings.sha256_icv)?;
        let inbound = self.is_local(ends.destination);
        let larval = Association::larval(now, sa.spi, ends, inbound, self.settings.acquire_lifetime);
        let association = Association {
            replay: sa.replay.min(MAX_REPLAY_WINDOW),
            flags: sa.flags,
            auth: sa.auth,
            encrypt: sa.encrypt,
            key_auth: key_auth.cloned(),
            key_encrypt: key_encrypt.cloned(),
            soft: message.lifetime_soft().copied().unwrap_or_default(),
            hard: message.lifetime_hard().copied().unwrap_or_default(),
            nat: nat(message)?,
            ..larval
        };
        Ok(Wanted { association, transform, keys })
    }

    fn is_local(&self, address: Ipv4Addr) -> bool {
        self.settings.local.contains(&address)
    }
}

struct Wanted {
    association: Association,
    transform: Transform,
    keys: SaKeys,
}

fn no_such_sa() -> Refusal {
    Refusal::new(Errno::NoSuchSa, "there is no such SA")
}

/// Whether a FLUSH or DUMP of this type is about ESP.
fn is_ours(sa_type: SaType) -> Result<bool, Refusal> {
    match sa_type {
        SaType::Unspecified | SaType::Esp => Ok(true),
        SaType::Unknown(number) => Err(Refusal::invalid(format!("SA type {number}"))),
        _ => Ok(false),
    }
}

/// The ends of the ESP SA that a message is about. No mode is transport, as with Linux.
fn ends(message: &Message) -> Result<Ends, Refusal> {
    match message.header.sa_type {
        SaType::Esp => {}
        SaType::Unspecified | SaType::Unknown(_) => return Err(Refusal::invalid("the SA type is to be esp")),
        other => return Err(Refusal::new(Errno::ProtocolNotSupported, format!("there are no SAs of type {other}"))),
    }
    let (source, destination) = addresses(message)?;
    let sa2 = message.sa2();
    let tunnel = match sa2.map_or(IpsecMode::Any, |sa2| sa2.mode) {
        IpsecMode::Tunnel => true,
        IpsecMode::Any | IpsecMode::Transport => false,
        other => return Err(Refusal::invalid(format!("mode {other}"))),
    };
    Ok(Ends { source, destination, tunnel, reqid: sa2.map_or(0, |sa2| sa2.reqid) })
}

/// Source and destination of a message, which must be of IPv4.
fn addresses(message: &Message) -> Result<(Ipv4Addr, Ipv4Addr), Refusal> {
    let source = message.source().ok_or_else(|| Refusal::missing("ADDRESS_SRC"))?;
    let destination = message.destination().ok_or_else(|| Refusal::missing("ADDRESS_DST"))?;
    let ipv4 = |address: &Address| {
        let refusal = || Refusal::new(Errno::FamilyNotSupported, format!("{} is not IPv4", address.address.ip()));
        address.ipv4().ok_or_else(refusal)
    };
    Ok((ipv4(source)?, ipv4(destination)?))
}

/// The SPIs that may be reserved. Without a range those that Linux takes.
fn spi_range(range: Option<&SpiRange>) -> Result<(u32, u32), Refusal> {
    let SpiRange { min, max } = range.copied().unwrap_or(SpiRange { min: 0x100, max: 0x0fff_ffff });
    if min > max {
        return Err(Refusal::invalid(format!("the SPI range {min:#x} to {max:#x} is empty")));
    }
    if min < Spi::FIRST_FREE.0 {
        return Err(Refusal::invalid(format!("the SPIs below {} are reserved", Spi::FIRST_FREE)));
    }
    Ok((min, max))
}

/// ESP in UDP as a message asks for it.
fn nat(message: &Message) -> Result<Option<Nat>, Refusal> {
    /// `UDP_ENCAP_ESPINUDP`: RFC 3948, and the drafts with a non-ESP marker of four octets.
    const ESP_IN_UDP: u8 = 2;
    /// Where RFC 3948 has it.
    const PORT: u16 = 4500;
    let port = |port: Option<&u16>| port.copied().filter(|port| *port != 0).unwrap_or(PORT);
    match message.nat_t_type() {
        None | Some(0) => Ok(None),
        Some(&ESP_IN_UDP) => Ok(Some(Nat {
            source_port: port(message.nat_t_source_port()),
            destination_port: port(message.nat_t_destination_port()),
            original_address: message.nat_t_original_address().copied(),
        })),
        Some(other) => Err(Refusal::invalid(format!("NAT traversal type {other}: only 2 (RFC 3948) is known"))),
    }
}
