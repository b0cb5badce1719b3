//! ICMP echo from a host, and what came back instead.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::RecvFlags;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::clock::Clock;
use crate::lab::namespace::Namespace;
use crate::lab::sys::{packet, watch};
use crate::time::Instant;
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// Octets of an ICMP echo before its data.
const ECHO_HEADER: usize = 8;

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The sender's address; the kernel chooses when it is unspecified.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// How many echo requests.
    pub count: u16,
    /// Octets of the IP packet, 28 or more.
    pub size: u16,
    /// Forbids fragments on the way. Without it even the first hop may cut.
    pub dont_fragment: bool,
    /// The next request goes out when the one before is answered or this has passed.
    pub interval: Duration,
    /// How long to wait for answers after the last request.
    pub patience: Duration,
}

impl Ping {
    /// One echo request of 84 octets, and a second for the answer.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        let second = Duration::from_secs(1);
        Self { source, destination, count: 1, size: 84, dont_fragment: false, interval: second, patience: second }
    }
}

/// What came of a ping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingReport {
    /// Requests that left the host.
    pub sent: u16,
    /// The answers, in order of arrival; a request answered twice is here twice.
    pub replies: Vec<Reply>,
    /// The ICMP errors about our requests.
    pub errors: Vec<Refusal>,
    /// What the host itself said of requests it did not send: no route, too large.
    pub unsent: Vec<String>,
}

impl PingReport {
    /// How many requests were answered.
    pub fn answered(&self) -> usize {
        let mut sequences: Vec<_> = self.replies.iter().map(|reply| reply.sequence).collect();
        sequences.sort_unstable();
        sequences.dedup();
        sequences.len()
    }
}

/// An echo reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's number, from 1.
    pub sequence: u16,
    /// When it arrived.
    pub at: Instant,
    /// Since its request.
    pub round_trip: Duration,
    /// Its time to live on arrival.
    pub ttl: u8,
}

/// An ICMP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request's number, from 1.
    pub sequence: u16,
    /// When it arrived.
    pub at: Instant,
    /// Who sent it.
    pub from: Ipv4Addr,
    /// The error.
    pub message: IcmpMessage,
}

/// Pings from `namespace`. It ends when every request is answered or refused, or patience is over.
///
/// # Errors
/// When the socket cannot be opened, as when the source is no address of the namespace. A ping nobody answers is no error.
pub async fn ping(namespace: &Namespace, ping: Ping, clock: Clock) -> Result<PingReport, LabError> {
    let socket = namespace.on_thread(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(Protocol::ICMPV4))?;
        packet::set_dont_fragment(&socket, ping.dont_fragment)?;
        socket.bind(&SocketAddrV4::new(ping.source, 0).into())?;
        Ok(socket)
    })?;
    let doing = |source| LabError::new(format!("pinging {} from {}", ping.destination, namespace.name()), source);
    let socket = watch(socket).map_err(doing)?;
    let mut run = Run::new(ping, socket, clock);
    run.send_all().await.map_err(doing)?;
    Ok(run.report)
}

struct Run {
    ping: Ping,
    socket: AsyncFd<OwnedFd>,
    clock: Clock,
    identifier: u16,
    sent_at: Vec<Option<Instant>>,
    settled: Vec<bool>,
    report: PingReport,
}

impl Run {
    fn new(ping: Ping, socket: AsyncFd<OwnedFd>, clock: Clock) -> Self {
        use std::sync::atomic::{AtomicU16, Ordering};
        // Distinct in all pings of the process, which may share a host.
        static IDENTIFIER: AtomicU16 = AtomicU16::new(1);
        let identifier = IDENTIFIER.fetch_add(1, Ordering::Relaxed);
        let report = PingReport::default();
        Self { ping, socket, clock, identifier, sent_at: Vec::new(), settled: Vec::new(), report }
    }

    async fn send_all(&mut self) -> io::Result<()> {
        while self.sent_at.len() < usize::from(self.ping.count) {
            self.send().await?;
            let last = self.sent_at.len() == usize::from(self.ping.count);
            let wait = if last { self.ping.patience } else { self.ping.interval };
            let until = self.clock.deadline(self.clock.now() + wait);
            while !self.settled(last) {
                match tokio::time::timeout_at(until, self.receive()).await {
                    Ok(received) => received?,
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    /// Whether there is nothing to wait for: for the last request, or for any.
    fn settled(&self, all: bool) -> bool {
        if all {
            self.settled.iter().all(|settled| *settled)
        } else {
            self.settled.last().is_none_or(|settled| *settled)
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        let sequence = self.sent_at.len() as u16 + 1;
        let data_len = usize::from(self.ping.size).saturating_sub(Ipv4Packet::HEADER_LEN + ECHO_HEADER);
        let data = (0..data_len).map(|at| at as u8).collect();
        let echo = IcmpMessage::EchoRequest { identifier: self.identifier, sequence, data }.to_bytes();
        let to = SocketAddrV4::new(self.ping.destination, 0).into();
        let now = self.clock.now();
        let result = loop {
            let mut ready = self.socket.writable().await?;
            if let Ok(result) = ready.try_io(|socket| SockRef::from(socket.get_ref()).send_to(&echo, &to)) {
                break result;
            }
        };
        self.sent_at.push(result.is_ok().then_some(now));
        self.settled.push(result.is_err());
        match result {
            Ok(_) => self.report.sent += 1,
            Err(error) => self.report.unsent.push(error.to_string()),
        }
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 65_535];
        let mut ready = self.socket.readable().await?;
        let Ok(result) =
            ready.try_io(|socket| Ok(rustix::net::recv(socket.get_ref(), &mut buffer[..], RecvFlags::empty())?.0))
        else {
            return Ok(());
        };
        let at = self.clock.now();
        match result {
            Ok(len) => {
                if let Ok(packet) = Ipv4Packet::parse(&buffer[..len]) {
                    self.take(&packet, at);
                }
                Ok(())
            }
            // An ICMP error about an earlier request; the message itself arrives too.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, packet: &Ipv4Packet, at: Instant) {
        match IcmpMessage::parse(&packet.payload) {
            Ok(IcmpMessage::EchoReply { identifier, sequence, .. })
                if identifier == self.identifier && packet.source == self.ping.destination =>
            {
                let Some(sent_at) = self.sent_at(sequence) else { return };
                self.report.replies.push(Reply { sequence, at, round_trip: at - sent_at, ttl: packet.ttl });
                self.settled[usize::from(sequence) - 1] = true;
            }
            Ok(message @ (IcmpMessage::Unreachable { .. } | IcmpMessage::TimeExceeded { .. })) => {
                let Some(sequence) = self.about(&message).filter(|sequence| self.sent_at(*sequence).is_some()) else {
                    return;
                };
                self.report.errors.push(Refusal { sequence, at, from: packet.source, message });
                self.settled[usize::from(sequence) - 1] = true;
            }
            _ => {}
        }
    }

    fn sent_at(&self, sequence: u16) -> Option<Instant> {
        *self.sent_at.get(usize::from(sequence).checked_sub(1)?)?
    }

    /// The number of the request that an ICMP error quotes.
    fn about(&self, message: &IcmpMessage) -> Option<u16> {
        let (IcmpMessage::Unreachable { original, .. } | IcmpMessage::TimeExceeded { original }) = message else {
            return None;
        };
        let header_len = usize::from(original.first()? & 0xf) * 4;
        let echo = original.get(header_len..header_len + ECHO_HEADER)?;
        let ours = original.get(9) == Some(&protocol::ICMP)
            && original.get(16..20)? == self.ping.destination.octets()
            && echo[0] == 8
            && echo[4..6] == self.identifier.to_be_bytes();
        ours.then(|| u16::from_be_bytes([echo[6], echo[7]]))
    }
}
