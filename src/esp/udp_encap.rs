//! ESP in UDP, for the way through a NAT (RFC 3948).

use serde::{Deserialize, Serialize};

/// The UDP ports of an SA behind a NAT. What a received datagram on port 4500 is, [`crate::wire::natt`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UdpEncapsulation {
    /// The sender's port, 4500 unless a NAT changed it.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

impl UdpEncapsulation {
    /// Octets of the UDP header.
    pub const OVERHEAD: usize = 8;

    /// The datagram that carries an ESP packet. Its checksum is zero, as RFC 3948 2.1 wishes.
    pub fn wrap(self, esp: &[u8]) -> Vec<u8> {
        let length = (Self::OVERHEAD + esp.len()) as u16;
        let mut datagram = Vec::with_capacity(Self::OVERHEAD + esp.len());
        for field in [self.source_port, self.destination_port, length, 0] {
            datagram.extend_from_slice(&field.to_be_bytes());
        }
        datagram.extend_from_slice(esp);
        datagram
    }

    /// The ports of the packets that travel the other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { source_port: self.destination_port, destination_port: self.source_port }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::natt::{Port4500, classify};
    use crate::wire::udp::UdpDatagram;

    #[test]
    fn wraps_what_the_other_side_takes_for_esp() {
        let ports = UdpEncapsulation { source_port: 4500, destination_port: 1025 };
        let octets = ports.wrap(&[0, 0, 1, 0, 0, 0, 0, 1]);
        let datagram = UdpDatagram::parse(&octets, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!((datagram.source_port, datagram.destination_port), (4500, 1025));
        assert_eq!(octets[4..8], [0, 16, 0, 0]);
        assert_eq!(classify(&datagram.payload), Port4500::Esp(&[0, 0, 1, 0, 0, 0, 0, 1]));
        assert_eq!(ports.reversed().reversed(), ports);
    }
}
