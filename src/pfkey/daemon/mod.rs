//! The process around the key engine: the PF_KEY sockets of the commands that came under it, a tunnel device, raw sockets for
//! ESP and for ESP in UDP.
//!
//! Where the kernel would do more than the engine can from outside:
//!
//! - Packets come to the engine by routes into the tunnel device, to the destinations of the outbound policies. What such a
//!   route catches and no policy protects is lost; the kernel would send it in clear.
//! - The kernel drops packets that come in clear though an inbound policy protects them. Here it drops, by its reverse
//!   path filter, whatever comes in clear from where a route leads into the tunnel device.
//! - ESP in UDP is read beside the daemon's own socket on a raw one, and sent by that; see [`crate::lab::interception`].

mod clients;
mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};

use self::clients::{Clients, Deed};
use self::ports::{Ports, Received};
use super::message::Direction;
use super::{Input, KeyEngine, Output, SocketId, Treatment};
use crate::lab::Clock;
use crate::lab::interception::Interception;
use crate::lab::server::{self, READY, ServerError};
use crate::wire::ipv4::Ipv4Prefix;

/// What its other lines begin with.
pub const MARK: &str = "key engine: ";

/// Its configuration file, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonSettings {
    /// Our outer address.
    pub local: Ipv4Addr,
    /// The seed of every random choice.
    pub seed: u64,
}

/// Runs the key engine of the settings in `settings` for the commands that come over the socket at `control`, until it is
/// told to end by SIGTERM.
///
/// # Errors
///
/// When something cannot be opened.
pub async fn run(settings: &Path, control: &Path) -> Result<(), ServerError> {
    let settings: DaemonSettings = server::settings(settings)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::open("a signal handler"))?;
    let ports = Ports::open(settings.local).await?;
    let listener = server::listen(control)?;
    let clock = Clock::start();
    let wall_start = clock.wall_start().duration_since(UNIX_EPOCH).unwrap_or_default();
    let engine =
        KeyEngine::new(super::Settings { wall_start, ..super::Settings::new(vec![settings.local], settings.seed) });
    let mut daemon = Daemon { engine, clients: Clients::default(), ports, clock };
    println!("{READY}");
    tokio::select! {
        () = daemon.serve(&listener) => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

struct Daemon {
    engine: KeyEngine,
    clients: Clients,
    ports: Ports,
    clock: Clock,
}

impl Daemon {
    async fn serve(&mut self, listener: &UnixListener) {
        loop {
            let wake = self.engine.next_timeout();
            tokio::select! {
                deed = self.clients.next() => self.obey(deed).await,
                received = self.ports.recv() => match received {
                    Ok(Received::Inner(packet)) => self.feed(Input::Inner(&packet)).await,
                    Ok(Received::Esp { source, octets }) => self.feed(Input::Esp { source, octets: &octets }).await,
                    Ok(Received::EspInUdp { local, remote, octets }) => {
                        self.feed(Input::EspInUdp { local, remote, octets: &octets }).await;
                    }
                    Err(error) => {
                        eprintln!("the tunnel device is gone: {error}");
                        return;
                    }
                },
                accepted = listener.accept() => {
                    let coming = accepted.and_then(|(stream, _)| stream.into_std()).and_then(|stream| {
                        stream.set_nonblocking(false)?;
                        stream.set_read_timeout(Some(HANDING_OVER))?;
                        Interception::accept(stream)
                    });
                    match coming {
                        Ok(interception) => self.clients.add(interception),
                        Err(error) => println!("{MARK}a command could not come under it: {error}"),
                    }
                },
                () = self.clock.wait_until(wake) => self.feed(Input::Timeout).await,
            }
        }
    }

    async fn obey(&mut self, deed: Deed) {
        match deed {
            Deed::Opened(socket) => self.feed(Input::Opened(socket)).await,
            Deed::Sent(socket) => self.read(socket).await,
            Deed::Encapsulating(socket) => self.ports.encapsulate(socket),
            Deed::Looking { at, waiting } => {
                for socket in self.clients.sockets() {
                    self.read(socket).await;
                }
                self.clients.proceed(at, waiting);
            }
        }
    }

    /// Takes all that was sent over a socket.
    async fn read(&mut self, socket: SocketId) {
        let mut buffer = Vec::new();
        while let Some(taken) = self.clients.take(socket, &mut buffer) {
            match taken {
                Some(octets) => self.feed(Input::Message { socket, octets }).await,
                None => return self.feed(Input::Closed(socket)).await,
            }
        }
    }

    async fn feed(&mut self, input: Input<'_>) {
        self.engine.handle(self.clock.now(), input);
        while let Some(output) = self.engine.poll() {
            let done = match output {
                Output::Message { socket, octets } => {
                    self.clients.send(socket, octets);
                    Ok(())
                }
                Output::Esp { destination, octets } => self.ports.send_esp(destination, &octets).await,
                Output::EspInUdp { local, remote, octets } => self.ports.send_udp(local, remote, octets).await,
                Output::Inner(packet) => self.ports.send_inner(&packet).await,
                Output::Event(event) => {
                    println!("{MARK}{event}");
                    Ok(())
                }
                Output::Keys(_) => Ok(()),
                Output::PoliciesChanged => self.route().await,
            };
            if let Err(error) = done {
                println!("{MARK}{error}");
            }
        }
    }

    /// Leads the packets of the outbound policies into the tunnel.
    async fn route(&mut self) -> io::Result<()> {
        let outbound = self.engine.policies().filter(|policy| policy.direction == Direction::Outbound);
        let caught = outbound.filter(|policy| matches!(policy.treatment, Treatment::Protect(_) | Treatment::Discard));
        let wanted: BTreeMap<Ipv4Prefix, BTreeSet<Ipv4Addr>> = caught.fold(BTreeMap::new(), |mut wanted, policy| {
            let peers: &mut BTreeSet<Ipv4Addr> = wanted.entry(policy.selector.destination).or_default();
            if let Treatment::Protect(requirement) = policy.treatment {
                peers.extend(requirement.ends.map(|(_, remote)| remote));
            }
            wanted
        });
        self.ports.route(wanted).await.map_err(io::Error::other)
    }
}

/// How long a command may take to hand over its listener. It does nothing else.
const HANDING_OVER: Duration = Duration::from_secs(1);
