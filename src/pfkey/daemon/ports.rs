//! The ways packets take in and out of the engine's process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::lab::LabError;
use crate::lab::interception::EncapsulatingSocket;
use crate::lab::link::Links;
use crate::lab::raw_socket::RawSocket;
use crate::lab::server::TUNNEL_MTU;
use crate::lab::tunnel_device::TunnelDevice;
use crate::wire::ipv4::{Ipv4Packet, Ipv4Prefix, protocol};
use crate::wire::natt::{self, Port4500};
use crate::wire::udp::UdpDatagram;

/// The name of the tunnel device.
const INTERFACE: &str = "key0";

/// The switch of the reverse path filter, and its value for the strict one of RFC 3704.
const REVERSE_PATH_FILTER: (&str, &str) = ("/proc/sys/net/ipv4/conf/all/rp_filter", "1");

/// What came in.
#[derive(Debug)]
pub(super) enum Received {
    /// A packet that the kernel routed into the tunnel.
    Inner(Vec<u8>),
    /// ESP as an IP protocol of its own.
    Esp { source: Ipv4Addr, octets: Vec<u8> },
    /// ESP in UDP.
    EspInUdp { local: SocketAddrV4, remote: SocketAddrV4, octets: Vec<u8> },
}

/// The tunnel device, its routes, and the raw sockets.
pub(super) struct Ports {
    tunnel: TunnelDevice,
    esp: RawSocket,
    udp: RawSocket,
    links: Links,
    routes: BTreeSet<Ipv4Prefix>,
    detours: BTreeSet<Ipv4Addr>,
    /// Sockets that carry ESP, as long as it is not known where they are bound to.
    unbound: Vec<EncapsulatingSocket>,
    encapsulating: BTreeSet<SocketAddrV4>,
}

impl Ports {
    pub(super) async fn open(local: Ipv4Addr) -> Result<Self, LabError> {
        let esp = RawSocket::open_here(local, protocol::ESP)?;
        let udp = RawSocket::open_here(local, protocol::UDP)?;
        let mut links = Links::open_here()?;
        let tunnel = TunnelDevice::open_here(&mut links, INTERFACE, TUNNEL_MTU).await?;
        let (switch, strict) = REVERSE_PATH_FILTER;
        std::fs::write(switch, strict).map_err(|source| LabError::new(format!("writing {switch}"), source))?;
        Ok(Self {
            tunnel,
            esp,
            udp,
            links,
            routes: BTreeSet::new(),
            detours: BTreeSet::new(),
            unbound: Vec::new(),
            encapsulating: BTreeSet::new(),
        })
    }

    /// ESP is read from this socket's port from now on.
    pub(super) fn encapsulate(&mut self, socket: EncapsulatingSocket) {
        self.unbound.push(socket);
    }

    /// Waits for the next packet. Cancel safe.
    pub(super) async fn recv(&mut self) -> io::Result<Received> {
        loop {
            tokio::select! {
                packet = self.tunnel.recv() => return Ok(Received::Inner(packet?)),
                packet = self.esp.recv() => {
                    if let Ok(Ipv4Packet { source, payload, .. }) = Ipv4Packet::parse(&packet?) {
                        return Ok(Received::Esp { source, octets: payload });
                    }
                }
                packet = self.udp.recv() => {
                    if let Some(received) = self.esp_in_udp(&packet?) {
                        return Ok(received);
                    }
                }
            }
        }
    }

    pub(super) async fn send_inner(&self, packet: &[u8]) -> io::Result<()> {
        self.tunnel.send(packet).await
    }

    pub(super) async fn send_esp(&self, destination: Ipv4Addr, octets: &[u8]) -> io::Result<()> {
        self.esp.send(destination, octets).await
    }

    /// Sends ESP in UDP, without a checksum as RFC 3948 2.1 wants it.
    pub(super) async fn send_udp(&self, local: SocketAddrV4, remote: SocketAddrV4, octets: Vec<u8>) -> io::Result<()> {
        let datagram = UdpDatagram { source_port: local.port(), destination_port: remote.port(), payload: octets };
        let mut datagram = datagram.to_bytes(*local.ip(), *remote.ip());
        datagram[6..8].fill(0);
        self.udp.send(*remote.ip(), &datagram).await
    }

    /// Has exactly these destinations lead into the tunnel, but not the peers with whom the SAs are.
    pub(super) async fn route(&mut self, wanted: BTreeMap<Ipv4Prefix, BTreeSet<Ipv4Addr>>) -> Result<(), LabError> {
        let peers: BTreeSet<Ipv4Addr> = wanted.values().flatten().copied().collect();
        for peer in peers {
            if wanted.keys().any(|prefix| prefix.contains(peer)) && self.detours.insert(peer) {
                let next_hop = self.links.next_hop(peer).await?;
                self.links.add_route(Ipv4Prefix::host(peer), next_hop, None).await?;
            }
        }
        let gone: Vec<Ipv4Prefix> = self.routes.iter().filter(|prefix| !wanted.contains_key(prefix)).copied().collect();
        for prefix in gone {
            self.routes.remove(&prefix);
            self.links.remove_route(prefix).await?;
        }
        for prefix in wanted.into_keys() {
            if self.routes.insert(prefix) {
                self.links.add_route(prefix, self.tunnel.next_hop(), None).await?;
            }
        }
        Ok(())
    }

    fn esp_in_udp(&mut self, packet: &[u8]) -> Option<Received> {
        let packet = Ipv4Packet::parse(packet).ok().filter(|packet| packet.protocol == protocol::UDP)?;
        let datagram = UdpDatagram::parse(&packet.payload, packet.source, packet.destination).ok()?;
        let local = SocketAddrV4::new(packet.destination, datagram.destination_port);
        self.unbound.retain(|socket| match socket.local() {
            Some(bound) => {
                self.encapsulating.insert(bound);
                false
            }
            None => true,
        });
        let anywhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, local.port());
        if !self.encapsulating.contains(&local) && !self.encapsulating.contains(&anywhere) {
            return None;
        }
        match natt::classify(&datagram.payload) {
            Port4500::Esp(octets) => {
                let remote = SocketAddrV4::new(packet.source, datagram.source_port);
                Some(Received::EspInUdp { local, remote, octets: octets.to_vec() })
            }
            _ => None,
        }
    }
}
