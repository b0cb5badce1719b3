//! The process around the gateway: UDP sockets, a raw socket for ESP, a tunnel device and the control socket.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UdpSocket, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::control::{IsakmpReport, PairReport, Reply, Request};
use super::machine::{Gateway, Input, Output, esp_of_raw};
use super::policy::INTERFACE;
use super::settings::Settings;
use crate::lab::Clock;
use crate::lab::link::Links;
use crate::lab::raw_socket::RawSocket;
use crate::lab::server::{self, READY, ServerError, TUNNEL_MTU};
use crate::lab::tunnel_device::TunnelDevice;
use crate::wire::ipv4::protocol;

type Asked = (Request, oneshot::Sender<Reply>);

/// Runs the gateway of the settings in `settings`, controlled over the socket at `control`, until it is told to stop.
///
/// # Errors
///
/// When something cannot be opened; nothing is negotiated then.
pub async fn run(settings: &Path, control: &Path) -> Result<(), ServerError> {
    let settings: Settings = server::settings(settings)?;
    let sockets = Sockets::open(&settings).await?;
    let listener = server::listen(control)?;
    let (asked, requests) = mpsc::channel(4);
    let accepting = tokio::spawn(accept(listener, asked));
    println!("{READY}");
    let mut daemon = Daemon { gateway: Gateway::new(settings), sockets, clock: Clock::start(), waiting: Vec::new() };
    daemon.serve(requests).await;
    accepting.abort();
    Ok(())
}

struct Sockets {
    ike: UdpSocket,
    natt: UdpSocket,
    esp: RawSocket,
    tunnel: TunnelDevice,
}

impl Sockets {
    async fn open(settings: &Settings) -> Result<Self, ServerError> {
        let udp = async |port| {
            let address = SocketAddrV4::new(settings.local, port);
            UdpSocket::bind(address).await.map_err(ServerError::open(format!("UDP {address}")))
        };
        let (ike, natt) = (udp(500).await?, udp(4500).await?);
        let esp = RawSocket::open_here(settings.local, protocol::ESP)?;
        let mut links = Links::open_here()?;
        let tunnel = TunnelDevice::open_here(&mut links, INTERFACE, TUNNEL_MTU).await?;
        let remotes: BTreeSet<_> = settings.traffic.iter().filter_map(|selectors| selectors.remote.prefix()).collect();
        for remote in remotes {
            links.add_route(remote, tunnel.next_hop(), None).await?;
        }
        Ok(Self { ike, natt, esp, tunnel })
    }

    async fn send_datagram(&self, local: SocketAddrV4, remote: SocketAddrV4, octets: &[u8]) -> io::Result<()> {
        let socket = if local.port() == 500 { &self.ike } else { &self.natt };
        socket.send_to(octets, SocketAddr::V4(remote)).await.map(|_| ())
    }
}

async fn accept(listener: UnixListener, asked: mpsc::Sender<Asked>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, asked.clone()));
    }
}

/// Answers the requests of one connection, one after the other.
async fn converse(stream: UnixStream, asked: mpsc::Sender<Asked>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match serde_json::from_str(&line) {
            // Answered before it is obeyed: afterwards nobody is there to answer.
            Ok(Request::Stop) => {
                let mut text = serde_json::to_vec(&Reply::Done)?;
                text.push(b'\n');
                writer.write_all(&text).await?;
                let (answer, _) = oneshot::channel();
                // The daemon may have ended by itself.
                let _ = asked.send((Request::Stop, answer)).await;
                break;
            }
            Ok(request) => {
                let (answer, answered) = oneshot::channel();
                if asked.send((request, answer)).await.is_err() {
                    break;
                }
                answered.await.unwrap_or_else(|_| Reply::Error("the gateway ends".to_owned()))
            }
            Err(error) => Reply::Error(error.to_string()),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        writer.write_all(&text).await?;
    }
    Ok(())
}

struct Daemon {
    gateway: Gateway,
    sockets: Sockets,
    clock: Clock,
    /// Who asked to initiate and waits for the outcome.
    waiting: Vec<oneshot::Sender<Reply>>,
}

impl Daemon {
    async fn serve(&mut self, mut requests: mpsc::Receiver<Asked>) {
        let (mut on_ike, mut on_natt) = (vec![0; 65_536], vec![0; 65_536]);
        let local = |socket: &UdpSocket| match socket.local_addr() {
            Ok(SocketAddr::V4(address)) => address,
            _ => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
        };
        let (ike_local, natt_local) = (local(&self.sockets.ike), local(&self.sockets.natt));
        loop {
            let wake = self.gateway.next_timeout();
            tokio::select! {
                received = self.sockets.ike.recv_from(&mut on_ike) => {
                    if let Ok((length, SocketAddr::V4(remote))) = received {
                        self.feed(Input::Datagram { local: ike_local, remote, octets: &on_ike[..length] }).await;
                    }
                }
                received = self.sockets.natt.recv_from(&mut on_natt) => {
                    if let Ok((length, SocketAddr::V4(remote))) = received {
                        self.feed(Input::Datagram { local: natt_local, remote, octets: &on_natt[..length] }).await;
                    }
                }
                received = self.sockets.esp.recv() => {
                    if let Some((source, octets)) = received.ok().and_then(|packet| esp_of_raw(&packet)) {
                        self.feed(Input::Esp { source, octets: &octets }).await;
                    }
                }
                received = self.sockets.tunnel.recv() => {
                    match received {
                        Ok(packet) => self.feed(Input::Inner(&packet)).await,
                        Err(error) => {
                            eprintln!("the tunnel device is gone: {error}");
                            return;
                        }
                    }
                }
                asked = requests.recv() => match asked {
                    Some((Request::Stop, _)) | None => return,
                    Some((request, answer)) => self.answer(request, answer).await,
                },
                () = self.clock.wait_until(wake) => self.feed(Input::Timeout).await,
            }
        }
    }

    async fn answer(&mut self, request: Request, answer: oneshot::Sender<Reply>) {
        let reply = match request {
            Request::Initiate => {
                self.waiting.push(answer);
                return self.feed(Input::Initiate).await;
            }
            Request::Terminate => {
                self.feed(Input::Terminate).await;
                Reply::Done
            }
            Request::Sas => self.sas(),
            Request::Stop => Reply::Done,
        };
        // Whoever asked may have gone already.
        let _ = answer.send(reply);
    }

    fn sas(&self) -> Reply {
        let now = self.clock.now();
        let isakmp = self.gateway.isakmp().map(|sa| IsakmpReport {
            id: crate::ike::IsakmpSaId { initiator: sa.initiator_cookie, responder: sa.responder_cookie },
            role: sa.role,
            progress: sa.progress,
        });
        let pairs = self.gateway.pairs().map(|state| PairReport {
            pair: state.pair,
            inbound: state.inbound,
            outbound: state.outbound,
            age: now - state.since,
        });
        Reply::Sas { isakmp: isakmp.collect(), pairs: pairs.collect() }
    }

    async fn feed(&mut self, input: Input<'_>) {
        self.gateway.handle(self.clock.now(), input);
        while let Some(output) = self.gateway.poll() {
            let sent = match output {
                Output::Datagram { local, remote, octets } => self.sockets.send_datagram(local, remote, &octets).await,
                Output::Esp { destination, octets } => self.sockets.esp.send(destination, &octets).await,
                Output::Inner(packet) => self.sockets.tunnel.send(&packet).await,
                Output::Event(event) => {
                    println!("{}", super::log::line(&event));
                    Ok(())
                }
                Output::Keys(_) => Ok(()),
                Output::Dropped(why) => {
                    println!("dropped: {why}");
                    Ok(())
                }
                Output::Initiated(results) => {
                    for answer in self.waiting.drain(..) {
                        let _ = answer.send(Reply::Initiated(results.clone()));
                    }
                    Ok(())
                }
            };
            if let Err(error) = sent {
                println!("cannot send: {error}");
            }
        }
    }
}
