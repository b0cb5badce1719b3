//! Two implementations with a link between them, and no router.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ike_interop::crypto::Group;
use ike_interop::implementations::{
    Availability, CellContext, ConfigFiles, DataPath, Failure, Host, Implementation, Options, Retransmission, Running,
    SaState,
};
use ike_interop::lab::link::{Links, VethEnd};
use ike_interop::lab::process::Line;
use ike_interop::lab::{Clock, Namespace};
use ike_interop::scenario::tunnel::{Exchange, Identities, NatTraversal, Phase1, Phase2, Psk, TrafficPair, Tunnel};
use ike_interop::scenario::units::Span;
use ike_interop::wire::ethernet::MacAddress;
use libtest_mimic::Failed;
use tokio::sync::mpsc;

/// The outer addresses.
pub const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// An address of each side's own network, and one of a second network.
const SECOND: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 3, 0, 1), Ipv4Addr::new(10, 4, 0, 1)];
const INNER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1)];

/// How many pairs there have been.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Runs a test in a runtime of its own, for a minute at most.
pub fn in_runtime(test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    let test = tasks.run_until(test);
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await? })
}

/// An implementation that can run here.
#[derive(Clone)]
pub struct Ready {
    pub implementation: Arc<dyn Implementation>,
    pub program: PathBuf,
    pub data_path: DataPath,
}

impl Ready {
    /// The implementation, if it can run on `host`; what it lacks is told.
    pub fn on(host: &Host, implementation: Arc<dyn Implementation>) -> Option<Self> {
        match implementation.availability(host) {
            Availability::Ready { version, path, data_path } => {
                println!("{} {version} at {}, ESP by {data_path}", implementation.name(), path.display());
                Some(Self { implementation, program: path, data_path })
            }
            Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
                println!("{} is ignored: {reason}; {remedy}", implementation.name());
                None
            }
        }
    }
}

/// The SAs of `running` once it has `count` installed pairs. A responder has them a moment after the initiator.
pub async fn installed(running: &mut Box<dyn Running>, count: usize) -> Result<SaState, Failed> {
    loop {
        let state = running.sas().await?;
        if state.installed().count() == count {
            return Ok(state);
        }
        tokio::task::yield_now().await;
    }
}

/// Two namespaces with a link between them.
pub struct TwoSides {
    pub left: Namespace,
    pub right: Namespace,
    pub clock: Clock,
    /// Where both sides' files are.
    folder: PathBuf,
}

impl TwoSides {
    pub async fn new() -> Result<Self, Failed> {
        let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
        let mut left_link = Links::open(&left)?;
        let mut right_link = Links::open(&right)?;
        let here = VethEnd { namespace: &left, interface: "wan", mac: MacAddress([2, 0, 0, 0, 0, 1]) };
        let there = VethEnd { namespace: &right, interface: "wan", mac: MacAddress([2, 0, 0, 0, 0, 2]) };
        left_link.add_veth(here, there, 1500).await?;
        for (side, link, outer) in [(0, &mut left_link, LEFT), (1, &mut right_link, RIGHT)] {
            link.wait_up(&["wan"]).await?;
            link.add_address(link.index("wan").await?, outer, 24).await?;
            for inner in [INNER[side], SECOND[side]] {
                link.add_address(link.index("lo").await?, inner, 32).await?;
            }
        }
        let folder = PathBuf::from(format!("/run/two-sides/{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        Ok(Self { left, right, clock: Clock::start(), folder })
    }

    /// Starts an implementation on one side; it gives the lines it writes, too.
    pub async fn start(
        &self,
        side: &Namespace,
        ready: &Ready,
        tunnel: &Tunnel,
        native: Option<&ConfigFiles>,
    ) -> Result<(Box<dyn Running>, mpsc::UnboundedReceiver<Line>), Failure> {
        let folder = self.folder.join(side.name());
        std::fs::create_dir_all(&folder).expect("the sandbox has a /run of its own");
        let (log, lines) = mpsc::unbounded_channel();
        let cell = CellContext {
            program: &ready.program,
            programs: &BTreeMap::new(),
            namespace: side,
            folder: &folder,
            tunnel,
            native,
            options: Options { data_path: ready.data_path, retransmission: Retransmission::default() },
            clock: self.clock,
            log,
            patience: Duration::from_secs(20),
        };
        Ok((ready.implementation.start(&cell).await?, lines))
    }

    /// Sends a datagram from the left one to the right one and back.
    pub fn echo(&self) -> Result<(), Failed> {
        self.echo_between(INNER[0], INNER[1])
    }

    /// The same from that address of the left one to that of the right one.
    pub fn echo_between(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<(), Failed> {
        let (left, right) = (bind(&self.left, from)?, bind(&self.right, to)?);
        let mut buffer = [0; 1500];
        left.send_to(&[0x5a; 1000], (to, 7))?;
        let (length, back) = right.recv_from(&mut buffer)?;
        assert_eq!((length, back), (1000, (from, 7).into()));
        right.send_to(&buffer[..length], back)?;
        assert_eq!(left.recv(&mut buffer)?, 1000);
        Ok(())
    }
}

fn bind(side: &Namespace, address: Ipv4Addr) -> Result<UdpSocket, Failed> {
    let socket = side.on_thread(|| UdpSocket::bind((address, 7)))?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    Ok(socket)
}

/// A tunnel between the two, as the left one sees it.
pub fn tunnel(nat_traversal: NatTraversal) -> Tunnel {
    Tunnel {
        local: LEFT,
        remote: RIGHT,
        psk: Psk::new("s3cret"),
        phase1: Phase1 {
            exchange: Exchange::Main,
            proposals: vec!["aes256-sha1-modp1536".parse().unwrap()],
            lifetime: Span::from_secs(28_800),
        },
        phase2: Phase2 {
            proposals: vec!["aes128-sha1".parse().unwrap()],
            pfs: Some(Group::Modp1024),
            lifetime: Span::from_secs(3600),
            volume: None,
        },
        traffic: vec![TrafficPair::between("10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap())],
        nat_traversal,
        identities: Identities::default(),
        dpd: None,
    }
}

/// The same tunnel seen from its other end.
pub fn mirrored(tunnel: &Tunnel) -> Tunnel {
    let mut mirrored = tunnel.clone();
    (mirrored.local, mirrored.remote) = (tunnel.remote, tunnel.local);
    std::mem::swap(&mut mirrored.identities.local, &mut mirrored.identities.remote);
    for pair in &mut mirrored.traffic {
        (pair.local, pair.remote) = (pair.remote, pair.local);
        (pair.local_port, pair.remote_port) = (pair.remote_port, pair.local_port);
    }
    mirrored
}
