//! KAME's policy extension.

use std::net::SocketAddr;

use super::address::{emit_socket_address, parse_socket_address};
use super::native::{ReadNative, WriteNative};
use super::numbers::{Direction, IpsecMode, Level, PolicyType};
use crate::wire::{ParseError, ParseErrorKind, Reader};

/// `sadb_x_policy` with the requests behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it does.
    pub kind: PolicyType,
    /// For which packets.
    pub direction: Direction,
    /// The kernel's number for it; 0 when it is set.
    pub id: u32,
    /// Linux asks the lowest first.
    pub priority: u32,
    /// What the packets pass, in this order.
    pub requests: Vec<IpsecRequest>,
}

/// `sadb_x_ipsecrequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpsecRequest {
    /// IP protocol: 50 is ESP.
    pub protocol: u16,
    /// The mode.
    pub mode: IpsecMode,
    /// How needed it is.
    pub level: Level,
    /// Which SA, at level unique.
    pub reqid: u32,
    /// Source and destination of the outer header; there in tunnel mode.
    pub ends: Option<(SocketAddr, SocketAddr)>,
}

impl Policy {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let kind = body.native_u16("policy type")?.into();
        let direction = body.u8("direction")?.into();
        body.take(1, "reserved")?;
        let (id, priority) = (body.native_u32("policy id")?, body.native_u32("priority")?);
        let mut requests = Vec::new();
        while !body.is_empty() {
            let number = requests.len() + 1;
            let request = IpsecRequest::parse(body).map_err(|error| error.within(format_args!("request {number}")))?;
            requests.push(request);
        }
        Ok(Self { kind, direction, id, priority, requests })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.put_u16(self.kind.into());
        octets.extend_from_slice(&[self.direction.into(), 0]);
        octets.put_u32(self.id);
        octets.put_u32(self.priority);
        for request in &self.requests {
            request.emit(octets);
        }
    }
}

impl IpsecRequest {
    /// Octets before the addresses.
    const HEADER_LEN: usize = 16;

    fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let at = body.clone();
        let length = usize::from(body.native_u16("length")?);
        let bad = |expected| Err(at.error("length", ParseErrorKind::BadLength { expected, found: length }));
        if length < Self::HEADER_LEN || length % 8 != 0 {
            return bad("16 or more, in steps of 8");
        }
        let mut rest = body.sub(length - 2, "request")?;
        let protocol = rest.native_u16("protocol")?;
        let (mode, level) = (rest.u8("mode")?.into(), rest.u8("level")?.into());
        rest.take(2, "reserved")?;
        let reqid = rest.native_u32("reqid")?;
        rest.take(4, "reserved")?;
        let ends = if rest.is_empty() {
            None
        } else {
            let ends = (parse_socket_address(&mut rest)?, parse_socket_address(&mut rest)?);
            if ends.0.is_ipv4() != ends.1.is_ipv4() || rest.remaining() >= 8 {
                return bad("that of two addresses of one family");
            }
            Some(ends)
        };
        Ok(Self { protocol, mode, level, reqid, ends })
    }

    fn emit(&self, octets: &mut Vec<u8>) {
        let start = octets.len();
        octets.put_u16(0);
        octets.put_u16(self.protocol);
        octets.extend_from_slice(&[self.mode.into(), self.level.into(), 0, 0]);
        octets.put_u32(self.reqid);
        octets.put_u32(0);
        if let Some((source, destination)) = self.ends {
            emit_socket_address(source, octets);
            emit_socket_address(destination, octets);
        }
        let length = (octets.len() - start).next_multiple_of(8);
        octets.resize(start + length, 0);
        octets[start..start + 2].copy_from_slice(&(length as u16).to_ne_bytes());
    }
}
