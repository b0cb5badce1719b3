//! SAs and policies as messages.

use std::net::{SocketAddr, SocketAddrV4};

use super::KeyEngine;
use super::association::Association;
use super::policy::{SecurityPolicy, Treatment};
use crate::esp::{Mode, SecurityAssociation, Severity};
use crate::pfkey::message::{
    self, Address, Extension, Header, IpsecMode, IpsecRequest, Level, Lifetime, Message, MessageType, PolicyType, Sa,
    Sa2, SaType,
};
use crate::time::Instant;
use crate::wire::ipv4::protocol;

/// How RFC 3948 is called.
const ESP_IN_UDP: u8 = 2;
/// `IPSEC_ULPROTO_ANY`.
pub(super) const ANY_PROTOCOL: u8 = 255;

/// How much of an SA a message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All but the keys, which only those who ask for them see (RFC 2367 3.1.3).
    WithoutKeys,
    /// All.
    Everything,
    /// As an expiry: of the lifetimes only the one that has ended.
    Expired(Severity),
}

impl KeyEngine {
    /// The message that shows an SA.
    pub(super) fn show_sa(&self, header: Header, association: &Association, shown: Shown) -> Message {
        let mut extensions = vec![Extension::Sa(Sa {
            spi: association.spi,
            replay: association.replay,
            state: association.state,
            auth: association.auth,
            encrypt: association.encrypt,
            flags: association.flags,
        })];
        if shown != Shown::Expired(Severity::Soft) {
            extensions.push(Extension::LifetimeHard(association.hard));
        }
        if shown != Shown::Expired(Severity::Hard) {
            extensions.push(Extension::LifetimeSoft(association.soft));
        }
        extensions.push(Extension::LifetimeCurrent(self.spent(association)));
        extensions.push(Extension::Source(Address::host(association.ends.source)));
        extensions.push(Extension::Destination(Address::host(association.ends.destination)));
        if shown == Shown::Everything {
            extensions.extend(association.key_auth.clone().map(Extension::KeyAuth));
            extensions.extend(association.key_encrypt.clone().map(Extension::KeyEncrypt));
        }
        let mode = if association.ends.tunnel { IpsecMode::Tunnel } else { IpsecMode::Transport };
        let sent = association.data.and_then(|data| self.associations.sad.get(data));
        let sequence = sent.map_or(0, SecurityAssociation::last_sent);
        extensions.push(Extension::Sa2(Sa2 { mode, sequence, reqid: association.ends.reqid }));
        if let Some(nat) = association.nat {
            extensions.push(Extension::NatTType(ESP_IN_UDP));
            extensions.push(Extension::NatTSourcePort(nat.source_port));
            extensions.push(Extension::NatTDestinationPort(nat.destination_port));
            extensions.extend(nat.original_address.map(Extension::NatTOriginalAddress));
        }
        Message { header: Header { sa_type: SaType::Esp, errno: 0, ..header }, extensions }
    }

    /// The message that shows a policy.
    pub(super) fn show_policy(&self, header: Header, policy: &SecurityPolicy) -> Message {
        let current = Lifetime {
            add_time: self.wall_seconds(policy.created),
            use_time: policy.last_used.map_or(0, |at| self.wall_seconds(at)),
            ..Lifetime::default()
        };
        let extensions = vec![
            Extension::Source(policy.source),
            Extension::Destination(policy.destination),
            Extension::LifetimeHard(policy.hard),
            Extension::LifetimeSoft(policy.soft),
            Extension::LifetimeCurrent(current),
            Extension::Policy(policy_extension(policy)),
        ];
        Message { header: Header { sa_type: SaType::Unspecified, errno: 0, ..header }, extensions }
    }

    fn spent(&self, association: &Association) -> Lifetime {
        let sa = association.data.and_then(|data| self.associations.sad.get(data));
        let counters = sa.map(SecurityAssociation::counters).unwrap_or_default();
        Lifetime {
            allocations: u32::try_from(counters.packets).unwrap_or(u32::MAX),
            bytes: counters.bytes,
            add_time: self.wall_seconds(association.created),
            use_time: sa.and_then(SecurityAssociation::first_used).map_or(0, |at| self.wall_seconds(at)),
        }
    }

    fn wall_seconds(&self, at: Instant) -> u64 {
        (self.settings.wall_start + at.since_start()).as_secs()
    }
}

/// The header of what the kernel says of itself.
pub(super) fn unasked(kind: MessageType, sa_type: SaType) -> Header {
    Header { kind, errno: 0, sa_type, sequence: 0, pid: 0 }
}

fn policy_extension(policy: &SecurityPolicy) -> message::Policy {
    let (kind, requests) = match policy.treatment {
        Treatment::Discard => (PolicyType::Discard, Vec::new()),
        Treatment::Bypass => (PolicyType::None, Vec::new()),
        Treatment::Protect(requirement) => {
            let host = |address| SocketAddr::V4(SocketAddrV4::new(address, 0));
            let request = IpsecRequest {
                protocol: protocol::ESP.into(),
                mode: match requirement.mode {
                    Mode::Tunnel => IpsecMode::Tunnel,
                    Mode::Transport => IpsecMode::Transport,
                },
                level: match requirement.level {
                    Level::Use => Level::Use,
                    _ if requirement.reqid != 0 => Level::Unique,
                    _ => Level::Require,
                },
                reqid: requirement.reqid,
                ends: requirement.ends.map(|(source, destination)| (host(source), host(destination))),
            };
            (PolicyType::Ipsec, vec![request])
        }
    };
    message::Policy { kind, direction: policy.direction, id: policy.id, priority: policy.priority, requests }
}
