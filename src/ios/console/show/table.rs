//! The ISAKMP SAs a router holds, read from the engine's events.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use crate::ike::Event;
use crate::ike::event::{EventKind, PolicyOutcome, Progress, Role};
use crate::ios::console::names;
use crate::time::Instant;
use crate::wire::isakmp::{
    Attribute, AuthenticationMethod, IdPayload, IdType, OakleyAttribute, OakleyCipher, OakleyHash, ProtocolId,
};

/// SAs remembered; the engine bounds how many live, this only what events made up by others can do.
const CAPACITY: usize = 65536;

/// An ISAKMP SA, dead or alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsakmpSa {
    /// Counts the SAs of one engine from 1.
    pub serial: u64,
    /// The connection id; 0 until there are keys.
    pub connection: u32,
    /// Our address and port.
    pub local: SocketAddrV4,
    /// The peer's address and port.
    pub remote: SocketAddrV4,
    /// Our side of the exchange.
    pub role: Role,
    /// How far it is.
    pub progress: Progress,
    /// Whether it is deleted and only remembered.
    pub deleted: bool,
    /// What was agreed, once it was.
    pub agreed: Option<Agreed>,
    /// Whether a NAT lies between.
    pub nat: bool,
    /// The peer's identity as text.
    pub peer_identity: Option<String>,
    /// When it was established.
    pub established: Option<Instant>,
}

/// What two routers agreed on in phase 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The cipher.
    pub cipher: OakleyCipher,
    /// Its key length in bits, where it was said.
    pub key_length: Option<u16>,
    /// The hash.
    pub hash: OakleyHash,
    /// The authentication method.
    pub method: AuthenticationMethod,
    /// The group.
    pub group: u16,
    /// When the SA expires.
    pub expires: Instant,
}

/// The ISAKMP SAs of a router.
#[derive(Clone, Debug, Default)]
pub struct IsakmpTable {
    sas: BTreeMap<u64, IsakmpSa>,
}

impl IsakmpTable {
    /// Follows an event.
    pub fn observe(&mut self, now: Instant, event: &Event) {
        let Some(reference) = event.sa else { return };
        let created = matches!(event.kind, EventKind::SaCreated { .. });
        if created && self.sas.len() >= CAPACITY {
            self.sas.pop_first();
        }
        if created {
            let sa = IsakmpSa {
                serial: reference.serial,
                connection: reference.connection,
                local: event.local,
                remote: event.remote,
                role: reference.role,
                progress: reference.progress,
                deleted: false,
                agreed: None,
                nat: false,
                peer_identity: None,
                established: None,
            };
            self.sas.insert(reference.serial, sa);
        }
        let Some(sa) = self.sas.get_mut(&reference.serial) else { return };
        if !sa.deleted {
            sa.connection = reference.connection;
            sa.progress = reference.progress;
            (sa.local, sa.remote) = (event.local, event.remote);
            if sa.progress == Progress::QuickIdle && sa.established.is_none() {
                sa.established = Some(now);
            }
        }
        sa.follow(now, &event.kind);
        if event.kind == EventKind::SaPurged {
            self.sas.remove(&reference.serial);
        }
    }

    /// A table of these.
    #[cfg(test)]
    pub(super) fn of(sas: impl IntoIterator<Item = IsakmpSa>) -> Self {
        Self { sas: sas.into_iter().map(|sa| (sa.serial, sa)).collect() }
    }

    /// The SAs, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &IsakmpSa> {
        self.sas.values().rev()
    }

    /// The newest SA with that peer that is not deleted.
    pub fn with_peer(&self, peer: std::net::Ipv4Addr) -> Option<&IsakmpSa> {
        self.iter().find(|sa| !sa.deleted && *sa.remote.ip() == peer)
    }
}

impl IsakmpSa {
    fn follow(&mut self, now: Instant, kind: &EventKind) {
        match kind {
            EventKind::PolicyCompared { attributes, outcome: PolicyOutcome::Accepted { lifetime, .. }, .. } => {
                self.agreed = Agreed::read(attributes, now + Duration::from_secs((*lifetime).into()));
            }
            EventKind::NatDiscovery { local_matched, remote_matched, .. } => {
                self.nat = !(*local_matched && *remote_matched);
            }
            EventKind::IdReceived { id, .. } => self.peer_identity = Some(identity(id)),
            EventKind::LifetimeChanged { protocol: ProtocolId::Isakmp, seconds: Some(seconds), .. } => {
                if let Some(agreed) = &mut self.agreed {
                    agreed.expires = now + Duration::from_secs((*seconds).into());
                }
            }
            EventKind::SaDeleted { .. } => self.deleted = true,
            _ => {}
        }
    }

    /// Whether phase 1 is complete and the SA not deleted.
    pub fn is_active(&self) -> bool {
        !self.deleted && matches!(self.progress, Progress::QuickIdle | Progress::Xauth | Progress::ModeConfig)
    }

    /// Time until it expires.
    pub fn remaining(&self, now: Instant) -> Duration {
        self.agreed.map_or(Duration::ZERO, |agreed| agreed.expires.saturating_since(now))
    }
}

impl Agreed {
    fn read(attributes: &[Attribute], expires: Instant) -> Option<Self> {
        let number = |kind: OakleyAttribute| {
            let of_kind = attributes.iter().find(|attribute| attribute.kind == u16::from(kind))?;
            u16::try_from(of_kind.number()?).ok()
        };
        Some(Self {
            cipher: number(OakleyAttribute::Encryption)?.into(),
            key_length: number(OakleyAttribute::KeyLength),
            hash: number(OakleyAttribute::Hash)?.into(),
            method: number(OakleyAttribute::Authentication)?.into(),
            group: number(OakleyAttribute::Group)?,
            expires,
        })
    }
}

/// The peer's identity as text: an address, or a name without what would disturb a terminal.
fn identity(id: &IdPayload) -> String {
    match id.kind {
        IdType::Ipv4Address => names::proxy_address(id).0.to_string(),
        IdType::Fqdn | IdType::UserFqdn | IdType::KeyId => String::from_utf8_lossy(&id.data).escape_debug().to_string(),
        _ => hex::encode(&id.data),
    }
}
