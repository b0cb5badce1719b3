//! Links, addresses, routes and neighbours: the only user of rtnetlink.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use futures_util::stream::TryStreamExt;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage, State};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMetric, RouteScope, RouteType};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, SocketAddr, TokioSocket};
use rtnetlink::{
    AddressMessageBuilder, Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, MulticastGroup, RouteMessageBuilder,
};

use crate::lab::LabError;
use crate::lab::namespace::Namespace;
use crate::lab::sys::interface::{self, Offload};
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4::Ipv4Prefix;

/// One end of a veth pair.
#[derive(Clone, Copy)]
pub struct VethEnd<'a> {
    /// Where it lives.
    pub namespace: &'a Namespace,
    /// Its name there, at most 15 octets.
    pub interface: &'a str,
    /// Its hardware address.
    pub mac: MacAddress,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// The neighbour with this address.
    Gateway(Ipv4Addr),
    /// The neighbour with this address on the interface with this index, although no subnet of ours holds it.
    OnLink(u32, Ipv4Addr),
    /// Straight out of the interface with this index.
    Interface(u32),
    /// Straight out of an interface, in packets of a length that leaves room for what a tunnel puts around them.
    Tunnel {
        /// The interface's index.
        index: u32,
        /// Octets of the longest packet.
        mtu: u32,
    },
    /// None: packets are lost, unless there is any other route to the same network.
    Nowhere,
}

/// The metric of routes that any other is better than.
const WORST_METRIC: u32 = u32::MAX;

/// Link configuration of one network namespace.
pub struct Links {
    handle: Handle,
    events: Events,
    place: String,
}

type Events = futures_util::stream::BoxStream<'static, RouteNetlinkMessage>;

impl Links {
    /// Opens the configuration of `namespace`. To be called within a tokio runtime, which then serves it.
    ///
    /// # Errors
    /// When the kernel refuses a netlink socket.
    pub fn open(namespace: &Namespace) -> Result<Self, LabError> {
        let runtime = tokio::runtime::Handle::current();
        let socket = namespace.on_thread(|| {
            let _within = runtime.enter();
            watching_socket()
        })?;
        Ok(Self::serve(socket, namespace.name().to_owned()))
    }

    /// Opens the configuration of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_here() -> Result<Self, LabError> {
        let socket = watching_socket().map_err(|source| LabError::new("opening a netlink socket", source))?;
        Ok(Self::serve(socket, "this network namespace".to_owned()))
    }

    fn serve(socket: TokioSocket, place: String) -> Self {
        let (connection, handle, messages) = rtnetlink::from_socket(socket);
        tokio::spawn(connection);
        let events = messages.filter_map(async |(message, _)| match message.payload {
            NetlinkPayload::InnerMessage(message) => Some(message),
            _ => None,
        });
        Self { handle, events: events.boxed(), place }
    }

    /// Makes a veth pair, one end here and one in `there`, both up, without offloads.
    ///
    /// It is born in place: moving an interface between namespaces takes fifty times as long.
    ///
    /// # Errors
    /// When a name is taken or too long.
    pub async fn add_veth(&self, here: VethEnd<'_>, there: VethEnd<'_>, mtu: u32) -> Result<(), LabError> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(there.interface.to_owned())
            .index(unused_index())
            .address(there.mac.0.to_vec())
            .mtu(mtu)
            .setns_by_fd(there.namespace.as_fd().as_raw_fd())
            .build();
        let pair = LinkMessageBuilder::<LinkVeth>::new(here.interface, "")
            .index(unused_index())
            .address(here.mac.0.to_vec())
            .mtu(mtu)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let doing = || format!("making the link {} to {}", here.interface, there.interface);
        self.done(doing, self.handle.link().add(pair).execute().await)?;
        for end in [here, there] {
            end.namespace.on_thread(|| {
                switch_offloads_off(end.interface)?;
                interface::set_up(end.interface)
            })?;
        }
        Ok(())
    }

    /// Makes a veth pair with both ends here, both up, without offloads. No ARP is spoken on it: what the kernel routes out
    /// of one end comes out of the other, whoever it is for.
    ///
    /// # Errors
    /// When a name is taken or too long.
    pub async fn add_veth_here(&self, [near, far]: [&str; 2], mtu: u32) -> Result<(), LabError> {
        let peer = LinkMessageBuilder::<LinkUnspec>::new().name(far.to_owned()).mtu(mtu).arp(false).build();
        let pair = LinkMessageBuilder::<LinkVeth>::new(near, "")
            .mtu(mtu)
            .arp(false)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        let doing = || format!("making the link {near} to {far}");
        self.done(doing, self.handle.link().add(pair).execute().await)?;
        let ready = |end: &str| switch_offloads_off(end).and_then(|()| interface::set_up(end));
        [near, far].into_iter().try_for_each(ready).map_err(|source| LabError::new(doing(), source))
    }

    /// The index of `interface`.
    ///
    /// # Errors
    /// When there is no such interface.
    pub async fn index(&self, interface: &str) -> Result<u32, LabError> {
        Ok(self.link(interface).await?.header.index)
    }

    /// The hardware address of `interface`.
    ///
    /// # Errors
    /// When there is no such interface, or it has none.
    pub async fn mac(&self, interface: &str) -> Result<MacAddress, LabError> {
        let link = self.link(interface).await?;
        let mac = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(octets) => octets.as_slice().try_into().ok().map(MacAddress),
            _ => None,
        });
        mac.ok_or_else(|| {
            LabError::new(format!("asking for the hardware address of {interface}"), io::ErrorKind::NotFound)
        })
    }

    /// Gives the interface with this index an address of a subnet of `prefix_len` bits.
    ///
    /// # Errors
    /// When the address is there already.
    pub async fn add_address(&self, index: u32, address: Ipv4Addr, prefix_len: u8) -> Result<(), LabError> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, prefix_len).build();
        let mut request = self.handle.address().add(index, IpAddr::V4(address), prefix_len);
        *request.message_mut() = message;
        self.done(|| format!("adding the address {address}/{prefix_len}"), request.execute().await)
    }

    /// Adds a route; `source` is the address that our own packets take on it.
    ///
    /// # Errors
    /// When the next hop is not on a link, or the route is there already.
    pub async fn add_route(&self, to: Ipv4Prefix, next_hop: NextHop, source: Option<Ipv4Addr>) -> Result<(), LabError> {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to.network(), to.length());
        route = match next_hop {
            NextHop::Gateway(gateway) => route.gateway(gateway),
            NextHop::OnLink(index, gateway) => route.output_interface(index).gateway(gateway).onlink(),
            NextHop::Interface(index) => route.output_interface(index).scope(RouteScope::Link),
            NextHop::Tunnel { index, mtu } => {
                let mut route = route.output_interface(index).scope(RouteScope::Link);
                route.get_mut().attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
                route
            }
            NextHop::Nowhere => route.kind(RouteType::BlackHole).priority(WORST_METRIC),
        };
        if let Some(source) = source {
            route = route.pref_source(source);
        }
        let result = self.handle.route().add(route.build()).execute().await;
        self.done(|| format!("adding the route to {to}"), result)
    }

    /// Where packets to `to` go now.
    ///
    /// # Errors
    /// When there is no route.
    pub async fn next_hop(&self, to: Ipv4Addr) -> Result<NextHop, LabError> {
        let question = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, 32).build();
        let mut found = self.handle.route().get(question).execute();
        let doing = || format!("looking for the route to {to}");
        let route = self.done(doing, found.try_next().await)?;
        let mut next_hop = None;
        for attribute in route.into_iter().flat_map(|route| route.attributes) {
            match attribute {
                RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => next_hop = Some(NextHop::Gateway(gateway)),
                RouteAttribute::Oif(index) => next_hop = next_hop.or(Some(NextHop::Interface(index))),
                _ => {}
            }
        }
        next_hop.ok_or_else(|| LabError::new(format!("{} in {}", doing(), self.place), io::ErrorKind::NotFound))
    }

    /// Removes the route to exactly `to` from the main table.
    ///
    /// # Errors
    /// When there is none.
    pub async fn remove_route(&self, to: Ipv4Prefix) -> Result<(), LabError> {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(to.network(), to.length())
            .scope(RouteScope::NoWhere)
            .build();
        route.header.kind = RouteType::Unspec;
        self.done(|| format!("removing the route to {to}"), self.handle.route().del(route).execute().await)
    }

    /// Tells the kernel for good which hardware address `neighbour` has, so that it never asks by ARP.
    ///
    /// # Errors
    /// When the interface is not there.
    pub async fn add_neighbour(&self, index: u32, neighbour: Ipv4Addr, mac: MacAddress) -> Result<(), LabError> {
        let request = self.handle.neighbours().add(index, IpAddr::V4(neighbour)).link_layer_address(&mac.0).replace();
        self.done(|| format!("adding the neighbour {neighbour}"), request.execute().await)
    }

    /// Removes the interface with this index, and the other end of its link.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn remove(&self, index: u32) -> Result<(), LabError> {
        self.done(|| format!("removing interface {index}"), self.handle.link().del(index).execute().await)
    }

    /// Sets the interface with this index up or down.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn set_up(&self, index: u32, up: bool) -> Result<(), LabError> {
        let message = LinkUnspec::new_with_index(index);
        let message = if up { message.up() } else { message.down() };
        self.done(|| format!("setting interface {index} up"), self.handle.link().set(message.build()).execute().await)
    }

    /// Sets the MTU of the interface with this index, in octets.
    ///
    /// # Errors
    /// When the device does not allow it.
    pub async fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), LabError> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
        self.done(|| format!("setting the MTU {mtu}"), self.handle.link().set(message).execute().await)
    }

    /// Waits until `interfaces` can carry frames: what is sent before is lost, and ARP asks again only a second later.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn wait_up(&mut self, interfaces: &[&str]) -> Result<(), LabError> {
        let mut waiting = Vec::new();
        for interface in interfaces {
            let link = self.link(interface).await?;
            if oper_state(&link) != Some(State::Up) {
                waiting.push(link.header.index);
            }
        }
        while !waiting.is_empty() {
            match self.events.next().await {
                Some(RouteNetlinkMessage::NewLink(link)) => {
                    waiting.retain(|index| *index != link.header.index || oper_state(&link) != Some(State::Up));
                }
                Some(_) => {}
                None => {
                    let source = io::Error::other("the netlink connection ended");
                    return Err(LabError::new(format!("waiting for {interfaces:?} in {}", self.place), source));
                }
            }
        }
        Ok(())
    }

    async fn link(&self, interface: &str) -> Result<LinkMessage, LabError> {
        let doing = || format!("looking for the interface {interface}");
        let mut found = self.handle.link().get().match_name(interface.to_owned()).execute();
        let link = self.done(doing, found.try_next().await)?;
        link.ok_or_else(|| LabError::new(format!("{} in {}", doing(), self.place), io::ErrorKind::NotFound))
    }

    fn done<T>(&self, doing: impl Fn() -> String, result: Result<T, rtnetlink::Error>) -> Result<T, LabError> {
        result.map_err(|error| {
            let source = match error {
                rtnetlink::Error::NetlinkError(message) => message.to_io(),
                other => io::Error::other(other),
            };
            LabError::new(format!("{} in {}", doing(), self.place), source)
        })
    }
}

/// An interface index no other link of this process has.
///
/// Left to itself the kernel gives both ends of a link the same index, each in its namespace. It then takes neither for an
/// upper device (`linkwatch_urgent_event`), and may tell of their carrier a second late.
fn unused_index() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Has frames leave the kernel as they will be on the wire: no larger than the MTU, with their checksums.
fn switch_offloads_off(interface: &str) -> io::Result<()> {
    use Offload::{GenericReceive, GenericSegmentation, TcpSegmentation, TransmitChecksum};
    [TransmitChecksum, TcpSegmentation, GenericSegmentation, GenericReceive]
        .into_iter()
        .try_for_each(|offload| interface::switch_off(interface, offload))
}

/// A netlink socket that also tells of changes to links.
fn watching_socket() -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 1 << (MulticastGroup::Link as u32 - 1)))?;
    Ok(socket)
}

fn oper_state(link: &LinkMessage) -> Option<State> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::OperState(state) => Some(*state),
        _ => None,
    })
}
