//! Whole IPv4 packets: the outer header around ESP, and off again.

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{Decapsulated, EspError, Mode, SecurityAssociation};
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// The don't-fragment bit of the outer header (IOS: `crypto ipsec df-bit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DontFragment {
    /// As in the inner header; the default of IOS and of Linux.
    #[default]
    Copy,
    /// Always.
    Set,
    /// Never.
    Clear,
}

/// The type of service octet of the outer header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeOfService {
    /// As in the inner header, ECN bits included (RFC 4301 5.1.2).
    #[default]
    Copy,
    /// Always this.
    Set(u8),
}

/// What the outer header of tunnel mode has that the SA does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OuterHeader {
    /// Time to live. IOS sends 255 **\[S\]** (real captures of ESP in AH), Linux 64.
    pub ttl: u8,
    /// Identification; the caller counts.
    pub identification: u16,
    /// Don't fragment.
    pub dont_fragment: DontFragment,
    /// Type of service.
    pub type_of_service: TypeOfService,
}

impl OuterHeader {
    /// Identification 0, don't-fragment and type of service copied.
    pub const fn with_ttl(ttl: u8) -> Self {
        Self { ttl, identification: 0, dont_fragment: DontFragment::Copy, type_of_service: TypeOfService::Copy }
    }
}

impl SecurityAssociation {
    /// The packet that carries `inner` to the peer, in UDP where the SA says so. It may be longer than the link takes:
    /// fragmenting is the caller's work.
    ///
    /// In transport mode `inner`'s own header stays, and `outer` is not looked at.
    ///
    /// # Errors
    ///
    /// As [`encapsulate`](Self::encapsulate).
    pub fn encapsulate_packet(
        &mut self,
        now: Instant,
        inner: &Ipv4Packet,
        outer: OuterHeader,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Ipv4Packet, EspError> {
        let (esp, header) = match self.parameters().mode {
            Mode::Tunnel => {
                let esp = self.seal(now, &inner.to_bytes(), protocol::IPIP, rng)?;
                let dont_fragment = match outer.dont_fragment {
                    DontFragment::Copy => inner.dont_fragment,
                    DontFragment::Set => true,
                    DontFragment::Clear => false,
                };
                let tos = match outer.type_of_service {
                    TypeOfService::Copy => inner.tos,
                    TypeOfService::Set(tos) => tos,
                };
                let (source, destination) = (self.parameters().source, self.parameters().destination);
                let header = Ipv4Packet {
                    tos,
                    identification: outer.identification,
                    dont_fragment,
                    ttl: outer.ttl,
                    ..Ipv4Packet::new(protocol::ESP, source, destination, Vec::new())
                };
                (esp, header)
            }
            Mode::Transport => {
                let esp = self.seal(now, &inner.payload, inner.protocol, rng)?;
                (esp, Ipv4Packet { payload: Vec::new(), ..inner.clone() })
            }
        };
        Ok(match self.parameters().udp {
            Some(udp) => Ipv4Packet { protocol: protocol::UDP, payload: udp.wrap(&esp), ..header },
            None => Ipv4Packet { protocol: protocol::ESP, payload: esp, ..header },
        })
    }

    /// The packet that `esp` carried: the inner one in tunnel mode, and in transport mode the payload behind the header of
    /// `outer`, the packet that `esp` came in.
    ///
    /// # Errors
    ///
    /// As [`decapsulate`](Self::decapsulate); besides, an inner packet with a wrong checksum.
    pub fn decapsulate_packet(&mut self, now: Instant, outer: &Ipv4Packet, esp: &[u8]) -> Result<Ipv4Packet, EspError> {
        let Decapsulated { payload, next_header, .. } = self.decapsulate(now, esp)?;
        match self.parameters().mode {
            Mode::Tunnel => Ipv4Packet::parse(&payload).map_err(|error| EspError::InnerMalformed(error.to_string())),
            Mode::Transport => Ok(Ipv4Packet { protocol: next_header, payload, ..outer.clone() }),
        }
    }
}
