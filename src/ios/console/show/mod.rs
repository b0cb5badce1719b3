//! What `show` answers: the router's state and configuration as IOS lays them out (cisco-ios-facts 10.1).
//!
//! Each layout says in its file how it is known. What is asked for comes from [`super::exec`]; the state is a plain
//! snapshot, so that the text is a function of it alone.

mod crypto_map;
mod engine;
mod ipsec_sa;
mod isakmp;
mod policy;
mod session;
mod system;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use pnet::ipnetwork::Ipv4Network;

use super::Console;
use crate::crypto::Group;
use crate::ike::{EspSuite, Mode, Selector};
use crate::ios::config::{RunningConfig, Transform};
use crate::ios::event::InterfaceState;
use crate::time::Instant;

pub use table::{Agreed, IsakmpSa, IsakmpTable};

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    /// `show access-lists`, `show ip access-lists`: one list, or all.
    AccessLists(Option<String>),
    /// `show crypto engine connections active`.
    EngineConnections,
    /// `show crypto ipsec sa`.
    IpsecSa {
        /// Only with this peer.
        peer: Option<Ipv4Addr>,
        /// Only on this interface.
        interface: Option<String>,
        /// `detail`.
        detail: bool,
    },
    /// `show crypto ipsec transform-set`: one, or all.
    TransformSets(Option<String>),
    /// `show crypto isakmp key`.
    IsakmpKeys,
    /// `show crypto isakmp peers`.
    IsakmpPeers,
    /// `show crypto isakmp policy`.
    IsakmpPolicies,
    /// `show crypto isakmp default policy`.
    IsakmpDefaultPolicies,
    /// `show crypto isakmp sa`, with `detail` or without.
    IsakmpSa {
        /// `detail`.
        detail: bool,
    },
    /// `show crypto map`: one, or all.
    CryptoMap(Option<String>),
    /// `show crypto session`.
    Session {
        /// Only with this peer.
        remote: Option<Ipv4Addr>,
        /// `detail`.
        detail: bool,
    },
    /// `show debugging`.
    Debugging,
    /// `show ip interface brief`.
    InterfaceBrief,
    /// `show ip route`.
    Route,
    /// `show running-config`.
    RunningConfig,
    /// `show version`.
    Version,
}

/// The state of a router, as far as `show` looks at it.
#[derive(Clone, Debug)]
pub struct State<'router> {
    /// Now.
    pub now: Instant,
    /// The configuration.
    pub config: &'router RunningConfig,
    /// The protected flows: one for each permit entry of each crypto map applied, and the narrower ones of peers.
    pub flows: Vec<Flow>,
    /// The interfaces in the order of the configuration.
    pub interfaces: Vec<Interface>,
    /// The routes in use.
    pub routes: Vec<Route>,
    /// How often entries of access lists matched: by name of the list and sequence number of the entry.
    pub matches: BTreeMap<(String, u32), u64>,
}

/// A flow that a crypto map protects, whether it has SAs or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The interface the map is on.
    pub interface: String,
    /// The map's name.
    pub map: String,
    /// Our address.
    pub local_address: Ipv4Addr,
    /// What lies behind us.
    pub local: Selector,
    /// What lies behind the peer.
    pub remote: Selector,
    /// The current peer; `None` for a dynamic entry without one.
    pub peer: Option<SocketAddrV4>,
    /// Packets encapsulated.
    pub encapsulated: u64,
    /// Packets decapsulated.
    pub decapsulated: u64,
    /// Packets that could not be sent.
    pub send_errors: u64,
    /// Packets that could not be opened.
    pub receive_errors: u64,
    /// Of these, those received twice or too late.
    pub replay_errors: u64,
    /// The MTU of the path to the peer.
    pub path_mtu: usize,
    /// The MTU of the interface.
    pub ip_mtu: usize,
    /// The largest packet that fits in the path once it is protected; the path's MTU while there are no SAs.
    pub plaintext_mtu: usize,
    /// Its pairs of SAs, the newest first.
    pub pairs: Vec<Pair>,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Counts the pairs of the router from 1; the connection ids are made of it.
    pub number: u32,
    /// The algorithms.
    pub suite: EspSuite,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Whether ESP is carried in UDP.
    pub udp: bool,
    /// Our SPI.
    pub inbound_spi: u32,
    /// The peer's SPI.
    pub outbound_spi: u32,
    /// The group of perfect forward secrecy.
    pub pfs: Option<Group>,
    /// Seconds left; `None` for no limit.
    pub seconds: Option<u32>,
    /// Kilobytes left inbound; `None` for no limit.
    pub inbound_kilobytes: Option<u32>,
    /// Kilobytes left outbound; `None` for no limit.
    pub outbound_kilobytes: Option<u32>,
    /// Packets encrypted by the outbound SA.
    pub encrypted: u64,
    /// Packets decrypted by the inbound SA.
    pub decrypted: u64,
    /// The replay window in packets; `None` when it is switched off.
    pub replay_window: Option<u32>,
    /// How long it has been up, in seconds.
    pub age: u64,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its full name.
    pub name: String,
    /// Its primary address.
    pub address: Option<Ipv4Addr>,
    /// Up, down or shut down.
    pub state: InterfaceState,
}

/// A route in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub network: Ipv4Network,
    /// How it came to be.
    pub kind: RouteKind,
    /// The administrative distance.
    pub distance: u8,
    /// The next hop.
    pub next_hop: Option<Ipv4Addr>,
    /// The interface it leaves by, when it names one.
    pub interface: Option<String>,
}

/// How a route came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// A network of an interface.
    Connected,
    /// `ip route`, or `reverse-route`.
    Static,
}

impl Console {
    /// The answer to a `show` command, line ends included.
    pub fn show(&self, state: &State<'_>, show: &Show) -> String {
        let behaviour = self.behaviour;
        let isakmp = self.isakmp();
        match show {
            Show::AccessLists(name) => system::access_lists(state, name.as_deref()),
            Show::EngineConnections => engine::connections(behaviour, state, isakmp),
            Show::IpsecSa { peer, interface, detail } => {
                let wanted = |flow: &&Flow| {
                    peer.is_none_or(|peer| flow.peer.is_some_and(|of| *of.ip() == peer))
                        && interface.as_ref().is_none_or(|interface| flow.interface == *interface)
                };
                ipsec_sa::show(behaviour, state.flows.iter().filter(wanted), *detail)
            }
            Show::TransformSets(name) => crypto_map::transform_sets(behaviour, state, name.as_deref()),
            Show::IsakmpKeys => policy::keys(state),
            Show::IsakmpPeers => isakmp::peers(isakmp),
            Show::IsakmpPolicies => policy::policies(behaviour, state),
            Show::IsakmpDefaultPolicies => policy::default_policies(behaviour),
            Show::IsakmpSa { detail: false } => isakmp::sas(behaviour, isakmp),
            Show::IsakmpSa { detail: true } => isakmp::sas_in_detail(behaviour, state, isakmp),
            Show::CryptoMap(name) => crypto_map::maps(behaviour, state, name.as_deref()),
            Show::Session { remote, detail } => session::show(behaviour, state, isakmp, *remote, *detail),
            Show::Debugging => system::debugging(&self.settings),
            Show::InterfaceBrief => system::interface_brief(state),
            Show::Route => system::routes(behaviour, state),
            Show::RunningConfig => system::running_config(state),
            Show::Version => system::version(behaviour, state),
        }
    }
}

/// Appends a line.
macro_rules! line {
    ($out:expr) => { $crate::ios::console::show::push(&mut $out, format_args!("")) };
    ($out:expr, $($text:tt)*) => { $crate::ios::console::show::push(&mut $out, format_args!($($text)*)) };
}
use line;

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{line}"); // writing to a string does not fail
}

/// `address/mask/protocol/port`, as proxies stand in `show crypto ipsec sa`.
fn proxy(selector: &Selector) -> String {
    let mask = selector.mask().unwrap_or(Ipv4Addr::BROADCAST);
    format!("{}/{mask}/{}/{}", selector.first(), selector.protocol, selector.port)
}

/// `esp-256-aes esp-sha-hmac `, each transform with a blank behind it.
fn suite_words(suite: EspSuite) -> String {
    let cipher = Transform::EspCipher(suite.cipher).show_word();
    let integrity = suite.integrity.map(|hash| Transform::EspHmac(hash).show_word());
    [Some(cipher), integrity].into_iter().flatten().map(|word| word + " ").collect()
}

/// `23:25:03`, beyond a day `3d18h`, beyond a week `7w0d` \[S:GENIE, NTC\].
fn uptime(seconds: u64) -> String {
    const DAY: u64 = 86400;
    match seconds {
        ..DAY => format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        DAY..604_800 => format!("{}d{:02}h", seconds / DAY, seconds % DAY / 3600),
        _ => format!("{}w{}d", seconds / (7 * DAY), seconds % (7 * DAY) / DAY),
    }
}

#[cfg(test)]
mod tests;
