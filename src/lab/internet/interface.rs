//! What the internet is made of, what it takes and what it gives.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Action, Impairment, NatConfig, NatRefusal, Traffic};
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4::Ipv4Prefix;

/// The MTU of Ethernet.
const ETHERNET_MTU: u16 = 1500;

/// One of the internet's two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Towards the implementation.
    Dut,
    /// Towards the router.
    Cisco,
}

impl Side {
    /// The other port.
    pub fn other(self) -> Self {
        match self {
            Self::Dut => Self::Cisco,
            Self::Cisco => Self::Dut,
        }
    }
}

/// How one port is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The port's hardware address.
    pub mac: MacAddress,
    /// The internet's own address there.
    pub address: Ipv4Addr,
    /// The network on the link. It answers ARP there for every address that is not in it.
    pub subnet: Ipv4Prefix,
    /// The neighbour by which all is reached that is not in the subnet.
    pub peer: Ipv4Addr,
    /// The neighbour's hardware address, so that nobody is asked for it.
    pub peer_mac: MacAddress,
}

/// What the internet is like.
#[derive(Clone, Debug)]
pub struct Config {
    /// The implementation's side.
    pub dut: Attachment,
    /// The router's side.
    pub cisco: Attachment,
    /// A NAT before the implementation.
    pub nat: Option<NatConfig>,
    /// What is done to messages, in this order.
    pub impairments: Vec<Impairment>,
    /// What fits through the path.
    pub mtu: PathMtu,
    /// Networks it has no route to, as no internet has to what lies behind a tunnel.
    pub unrouted: Vec<Ipv4Prefix>,
}

/// What happens to the internet.
#[derive(Clone, Debug)]
pub enum Input {
    /// A frame came in.
    Frame {
        /// Where.
        side: Side,
        /// The whole Ethernet frame.
        bytes: Vec<u8>,
    },
    /// The instant of [`Internet::next_timeout`](super::Internet::next_timeout) has come.
    Timeout,
    /// Somebody changes it.
    Command(Command),
}

/// A change from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// One more impairment, after those there are.
    Impair(Impairment),
    /// No impairment any more.
    Heal,
    /// The path carries packets of at most so many octets; 1500 is a path without limits.
    Mtu(PathMtu),
    /// The NAT forgets all mappings, as if it had been restarted: the next packets get other ports.
    RebindNat,
}

/// The largest packet the path carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMtu {
    /// Octets of the IP packet.
    pub octets: u16,
    /// Whether too large a packet vanishes without the ICMP error that path MTU discovery needs.
    pub silent: bool,
}

impl Default for PathMtu {
    /// The path takes what Ethernet does.
    fn default() -> Self {
        Self { octets: ETHERNET_MTU, silent: false }
    }
}

/// What the internet does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A frame goes out.
    Frame {
        /// Where.
        side: Side,
        /// The whole Ethernet frame.
        bytes: Vec<u8>,
    },
    /// Something worth recording.
    Event(Event),
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// A message was impaired.
    Impaired {
        /// The port it came from.
        from: Side,
        /// The message.
        message: Traffic,
        /// Whether the same message had passed before.
        retransmission: bool,
        /// What was done to it.
        action: Action,
    },
    /// A packet was not forwarded.
    Discarded {
        /// The port it came from.
        from: Side,
        /// Its source.
        source: Ipv4Addr,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its protocol.
        protocol: u8,
        /// Octets of the packet.
        length: usize,
        /// Why.
        reason: Discarded,
    },
    /// The NAT began to translate an address and port.
    Mapped {
        /// UDP, TCP or ICMP.
        protocol: u8,
        /// Address and port behind the NAT; the identifier for ICMP.
        inside: (Ipv4Addr, u16),
        /// The same as seen from the internet.
        outside: (Ipv4Addr, u16),
    },
}

/// Why a packet was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discarded {
    /// Its time to live was over.
    TimeToLive,
    /// Nobody answered ARP for its destination.
    NoNeighbour,
    /// Its destination is nobody the internet knows.
    NoRoute,
    /// Larger than the path MTU, and not to be fragmented.
    TooLarge,
    /// The NAT does not let it through.
    Nat(NatRefusal),
}
