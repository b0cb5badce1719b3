//! The interface that the kernel routes a tunnel's packets into, and takes those from that came out of it.
//!
//! A TUN device; or, where `/dev/net/tun` is missing or not ours to open, as in many containers and for ordinary users of
//! some systems, a veth pair with a packet socket on its far end.

use std::io;

use super::frame_port::{FramePort, PortOptions};
use super::link::{Links, NextHop};
use super::tun::Tun;
use super::{Clock, LabError};
use crate::wire::ethernet::{Frame, MacAddress, ethertype};

/// The MTU of a veth pair, in octets: what comes out of the tunnel may be longer than what goes into it, and a TUN device
/// takes any. The kernel allows no more.
const VETH_MTU: u32 = 65_535;

/// An interface whose other end is this value.
#[derive(Debug)]
pub struct TunnelDevice {
    end: End,
    next_hop: NextHop,
}

#[derive(Debug)]
enum End {
    Tun(Tun),
    Veth {
        port: FramePort,
        /// The hardware address of the kernel's end.
        mac: MacAddress,
    },
}

impl TunnelDevice {
    /// Makes the interface `name`, up, in the network namespace of the calling thread, whose configuration `links` is.
    /// Packets that are routed to [`Self::next_hop`] have at most `mtu` octets.
    ///
    /// # Errors
    /// When the kernel refuses both kinds.
    pub async fn open_here(links: &mut Links, name: &str, mtu: u32) -> Result<Self, LabError> {
        let end = match Tun::usable() {
            Ok(()) => {
                let tun = Tun::open_here(name)?;
                let index = links.index(name).await?;
                links.set_mtu(index, mtu).await?;
                links.set_up(index, true).await?;
                End::Tun(tun)
            }
            Err(_) => {
                // Unlike a TUN device, a pair outlives the process that made it.
                if let Ok(stale) = links.index(name).await {
                    links.remove(stale).await?;
                }
                let far = format!("{name}-far");
                links.add_veth_here([name, &far], VETH_MTU).await?;
                links.wait_up(&[name, &far]).await?;
                let port = FramePort::open_here(&far, PortOptions::default(), Clock::start())?;
                End::Veth { port, mac: links.mac(name).await? }
            }
        };
        Ok(Self { end, next_hop: NextHop::Tunnel { index: links.index(name).await?, mtu } })
    }

    /// Where a route leads into the tunnel.
    pub fn next_hop(&self) -> NextHop {
        self.next_hop
    }

    /// Waits for the next IP packet the kernel routes into the tunnel. Cancel safe.
    ///
    /// # Errors
    /// When the interface is gone.
    pub async fn recv(&self) -> io::Result<Vec<u8>> {
        match &self.end {
            End::Tun(tun) => tun.recv().await,
            End::Veth { port, .. } => loop {
                let frame = port.recv().await?.bytes;
                if let Ok(Frame { ethertype: ethertype::IPV4, payload, .. }) = Frame::parse(&frame) {
                    return Ok(payload.to_vec());
                }
            },
        }
    }

    /// Hands an IP packet to the kernel, as if it had come in by the interface.
    ///
    /// # Errors
    /// When the interface is down.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        match &self.end {
            End::Tun(tun) => tun.send(packet).await,
            End::Veth { port, mac } => {
                let frame =
                    Frame { destination: *mac, source: port.mac(), ethertype: ethertype::IPV4, payload: packet };
                port.send(&frame.to_bytes()).await
            }
        }
    }
}
