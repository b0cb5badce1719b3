//! The messages about policies (KAME's; setkey(8) describes what they mean).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::policy::{Requirement, SecurityPolicy, Traffic, Treatment, place};
use super::refusal::Refusal;
use super::show::{ANY_PROTOCOL, unasked};
use super::sockets::Audience;
use super::{KeyEngine, KeyEvent, Output, SocketId, number_dump};
use crate::esp::{Mode, Selector};
use crate::pfkey::message::{
    self, Address, Errno, Header, IpsecMode, IpsecRequest, Level, Message, MessageType, PolicyType, SaType,
};
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Prefix, protocol};

/// The greatest reqid that an administrator may give (`IPSEC_MANUAL_REQID_MAX`); the kernel's own lie above.
pub(super) const MANUAL_REQID_MAX: u32 = 0x3fff;

impl KeyEngine {
    /// SADB_X_SPDADD, SADB_X_SPDSETIDX and, with `replace`, SADB_X_SPDUPDATE.
    pub(super) fn spd_add(&mut self, now: Instant, message: &Message, replace: bool) -> Result<(), Refusal> {
        let policy = message.policy().ok_or_else(|| Refusal::missing("X_POLICY"))?;
        let traffic = traffic(message, policy)?;
        let treatment = self.treatment(policy)?;
        let old = self.policies.same(traffic.direction, &traffic.selector);
        let id = match old {
            Some(id) if replace => {
                self.policies.remove(id);
                id
            }
            Some(id) => return Err(Refusal::new(Errno::Exists, format!("policy {id} is for these packets"))),
            None if self.policies.len() >= super::MOST => {
                return Err(Refusal::new(Errno::NoBuffers, "there are too many policies"));
            }
            None => self.policies.next_id(traffic.direction),
        };
        let mut made = SecurityPolicy::new(now, id, traffic, policy.priority, treatment);
        made.hard = message.lifetime_hard().copied().unwrap_or_default();
        made.soft = message.lifetime_soft().copied().unwrap_or_default();
        self.policies.insert(made.clone());
        let shown = self.show_policy(message.header, &made);
        self.send(Audience::All, &shown);
        self.event(KeyEvent::PolicyAdded { id, direction: made.direction, selector: made.selector });
        self.outputs.push_back(Output::PoliciesChanged);
        Ok(())
    }

    /// SADB_X_SPDDELETE.
    pub(super) fn spd_delete(&mut self, message: &Message) -> Result<(), Refusal> {
        let policy = message.policy().ok_or_else(|| Refusal::missing("X_POLICY"))?;
        let traffic = traffic(message, policy)?;
        let found = self.policies.same(traffic.direction, &traffic.selector);
        self.delete_policy(message.header, found.ok_or_else(no_such_policy)?)
    }

    /// SADB_X_SPDDELETE2.
    pub(super) fn spd_delete_by_id(&mut self, message: &Message) -> Result<(), Refusal> {
        let id = message.policy().ok_or_else(|| Refusal::missing("X_POLICY"))?.id;
        self.delete_policy(message.header, id)
    }

    fn delete_policy(&mut self, header: Header, id: u32) -> Result<(), Refusal> {
        let policy = self.policies.remove(id).ok_or_else(no_such_policy)?;
        let shown = self.show_policy(header, &policy);
        self.send(Audience::All, &shown);
        self.event(KeyEvent::PolicyDeleted { id });
        self.outputs.push_back(Output::PoliciesChanged);
        Ok(())
    }

    /// SADB_X_SPDGET.
    pub(super) fn spd_get(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let id = message.policy().ok_or_else(|| Refusal::missing("X_POLICY"))?.id;
        let policy = self.policies.get(id).ok_or_else(no_such_policy)?;
        let shown = self.show_policy(message.header, policy);
        self.send(Audience::One(socket), &shown);
        Ok(())
    }

    /// SADB_X_SPDDUMP.
    pub(super) fn spd_dump(&mut self, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        let shown = self.policies.iter().map(|policy| self.show_policy(message.header, policy)).collect();
        for shown in number_dump(message.header, shown) {
            self.send(Audience::One(socket), &shown);
        }
        Ok(())
    }

    /// SADB_X_SPDFLUSH.
    pub(super) fn spd_flush(&mut self, message: &Message) -> Result<(), Refusal> {
        let ids = self.policies.clear();
        for id in &ids {
            self.event(KeyEvent::PolicyDeleted { id: *id });
        }
        self.send(Audience::All, &Message::new(Header { errno: 0, ..message.header }));
        if !ids.is_empty() {
            self.outputs.push_back(Output::PoliciesChanged);
        }
        Ok(())
    }

    /// Ends what has reached its lifetime among the policies. KAME tells of it by SADB_X_SPDEXPIRE, Linux does not.
    pub(super) fn expire_policies(&mut self, now: Instant) {
        while let Some(policy) = self.policies.expired(now).and_then(|id| self.policies.remove(id)) {
            let header = unasked(MessageType::SpdExpire, SaType::Unspecified);
            let shown = self.show_policy(header, &policy);
            self.send(Audience::Registered(SaType::Unspecified), &shown);
            self.event(KeyEvent::PolicyExpired { id: policy.id });
            self.outputs.push_back(Output::PoliciesChanged);
        }
    }

    fn treatment(&mut self, policy: &message::Policy) -> Result<Treatment, Refusal> {
        match (policy.kind, &policy.requests[..]) {
            (PolicyType::Discard, _) => Ok(Treatment::Discard),
            (PolicyType::None, _) | (PolicyType::Ipsec, []) => Ok(Treatment::Bypass),
            (PolicyType::Ipsec, [request]) => self.requirement(request).map(Treatment::Protect),
            (PolicyType::Ipsec, _) => {
                Err(Refusal::new(Errno::ProtocolNotSupported, "a policy has one ESP request at most here"))
            }
            (other, _) => Err(Refusal::invalid(format!("policy type {other}"))),
        }
    }

    fn requirement(&mut self, request: &IpsecRequest) -> Result<Requirement, Refusal> {
        if request.protocol != u16::from(protocol::ESP) {
            let reason = format!("IP protocol {}: only ESP (50) is there", request.protocol);
            return Err(Refusal::new(Errno::ProtocolNotSupported, reason));
        }
        let mode = match request.mode {
            IpsecMode::Tunnel => Mode::Tunnel,
            IpsecMode::Any | IpsecMode::Transport => Mode::Transport,
            other => return Err(Refusal::invalid(format!("mode {other}"))),
        };
        let ends = match (mode, request.ends) {
            (Mode::Transport, _) => None,
            (Mode::Tunnel, Some((source, destination))) => Some((ipv4(source)?, ipv4(destination)?)),
            (Mode::Tunnel, None) => return Err(Refusal::invalid("tunnel mode without the ends of the tunnel")),
        };
        let (level, reqid) = match request.level {
            Level::Use => (Level::Use, 0),
            Level::Default | Level::Require => (Level::Require, 0),
            Level::Unique => (Level::Unique, self.reqid(request.reqid)),
            other => return Err(Refusal::invalid(format!("level {other}"))),
        };
        Ok(Requirement { mode, level, reqid, ends })
    }

    /// The reqid of a policy at level unique: the administrator's, or else one of our own.
    fn reqid(&mut self, wanted: u32) -> u32 {
        if (1..=MANUAL_REQID_MAX).contains(&wanted) {
            return wanted;
        }
        self.last_reqid = self.last_reqid.checked_add(1).unwrap_or(MANUAL_REQID_MAX + 1);
        self.last_reqid
    }
}

fn no_such_policy() -> Refusal {
    Refusal::new(Errno::NoEntry, "there is no such policy")
}

fn ipv4(address: SocketAddr) -> Result<Ipv4Addr, Refusal> {
    match address.ip() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => Err(Refusal::new(Errno::FamilyNotSupported, format!("{address} is not IPv4"))),
    }
}

/// Which packets the policy of a message is for.
fn traffic(message: &Message, policy: &message::Policy) -> Result<Traffic, Refusal> {
    let source = *message.source().ok_or_else(|| Refusal::missing("ADDRESS_SRC"))?;
    let destination = *message.destination().ok_or_else(|| Refusal::missing("ADDRESS_DST"))?;
    if place(policy.direction).is_none() {
        return Err(Refusal::invalid(format!("policy direction {}", policy.direction)));
    }
    let prefix = |address: &Address| Ok(Ipv4Prefix::containing(ipv4(address.address)?, address.prefix_len));
    let port = |address: &Address| Some(address.address.port()).filter(|port| *port != 0);
    let selector = Selector {
        source: prefix(&source)?,
        destination: prefix(&destination)?,
        protocol: Some(source.protocol).filter(|protocol| ![0, ANY_PROTOCOL].contains(protocol)),
        source_port: port(&source),
        destination_port: port(&destination),
    };
    Ok(Traffic { direction: policy.direction, selector, source, destination })
}
