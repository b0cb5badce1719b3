//! The key engine under two real ikeds: they bring up an IKEv2 tunnel and pass traffic through it, in namespaces of a
//! sandbox that `main` enters on its first line. Ignored, with the reason printed, where iked cannot run.

use std::future::Future;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use ike_interop::cli;
use ike_interop::implementations::openiked::Openiked;
use ike_interop::implementations::{Availability, DataPath, Host, Implementation};
use ike_interop::lab::frame_port::{FramePort, PortOptions};
use ike_interop::lab::link::{Links, VethEnd};
use ike_interop::lab::process::{Lines, Process, Program};
use ike_interop::lab::server::READY;
use ike_interop::lab::{Clock, Namespace, sandbox};
use ike_interop::pfkey::daemon::DaemonSettings;
use ike_interop::wire::ethernet::{Frame, MacAddress};
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use libtest_mimic::{Arguments, Failed, Trial};

type Outcome = Result<(), Failed>;
type Test = fn(PathBuf) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// The outer addresses.
const OUTER: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
/// The addresses inside the tunnel's networks.
const INNER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1)];

/// Where a side's files are in its mount namespace.
const FOLDER_INSIDE: &str = "/run/openiked";
const CONTROL: &str = "/run/key-engine.sock";

/// How long iked may take to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    // The key engine is this very program, started anew in its namespace, and so is the way under it.
    if matches!(std::env::args().nth(1).as_deref(), Some("key-engine" | "under-key-engine")) {
        return cli::main();
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return cli::UNFIT_MACHINE.into();
    }
    let iked = match Openiked.availability(&Host::probe()) {
        Availability::Ready { data_path: DataPath::KeyEngine, version, path } => {
            println!("iked {version} at {}", path.display());
            Some(path)
        }
        Availability::Ready { data_path, .. } => {
            println!("all ignored: iked would use the data path {data_path}, and not the key engine");
            None
        }
        Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
            println!("all ignored: {reason}; {remedy}");
            None
        }
    };
    let tests: [(&str, Test); 2] = [
        ("a_tunnel_carries_traffic_and_is_taken_down", |iked| Box::pin(tunnel(iked))),
        ("another_key_brings_up_nothing", |iked| Box::pin(another_key(iked))),
    ];
    let trials = tests.map(|(name, test)| {
        let iked = iked.clone();
        let ignored = iked.is_none();
        let run = move || iked.map_or(Ok(()), |iked| in_runtime(test(iked)));
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn in_runtime(test: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await? })
}

/// Two namespaces with a link between them; the second side waits for the first.
struct Lab {
    namespaces: [Namespace; 2],
    clock: Clock,
}

impl Lab {
    async fn new() -> Result<Self, Failed> {
        let namespaces = [Namespace::new("left")?, Namespace::new("right")?];
        let mut links = [Links::open(&namespaces[0])?, Links::open(&namespaces[1])?];
        let end = |side: usize| VethEnd {
            namespace: &namespaces[side],
            interface: "wan",
            mac: MacAddress([2, 0, 0, 0, 0, side as u8]),
        };
        links[0].add_veth(end(0), end(1), 1500).await?;
        for (side, links) in links.iter_mut().enumerate() {
            links.wait_up(&["wan"]).await?;
            links.add_address(links.index("wan").await?, OUTER[side], 24).await?;
            links.add_address(links.index("lo").await?, INNER[side], 32).await?;
        }
        Ok(Self { namespaces, clock: Clock::start() })
    }

    /// A key engine with an iked under it.
    async fn start(&self, iked: &Path, side: usize, psk: &str) -> Result<Side, Failed> {
        let namespace = &self.namespaces[side];
        let folder = Path::new("/run/openiked-test").join(namespace.name());
        std::fs::create_dir_all(&folder)?;
        let settings = DaemonSettings { local: OUTER[side], seed: side as u64 };
        std::fs::write(folder.join("key-engine.json"), serde_json::to_string(&settings)?)?;
        let configuration = folder.join("iked.conf");
        std::fs::write(&configuration, iked_conf(side, psk))?;
        // iked reads no secrets that others could read.
        std::fs::set_permissions(&configuration, std::fs::Permissions::from_mode(0o600))?;

        let inside = |name: &str| format!("{FOLDER_INSIDE}/{name}");
        let own = "/proc/self/exe";
        let settings = inside("key-engine.json");
        let engine = Program::new(own, ["key-engine", "--settings", &settings, "--control", CONTROL]);
        let (engine, lines) = Process::spawn(namespace, &engine.bind(&folder, FOLDER_INSIDE), self.clock)?;
        let mut engine = Daemon { process: engine, lines, said: Vec::new() };
        engine.until(|line| line == READY).await?;

        let (configuration, control) = (inside("iked.conf"), inside("iked.sock"));
        let iked = iked.to_str().ok_or("a path that is no UTF-8")?;
        let arguments = ["-d", "-v", "-v", "-f", &configuration, "-s", &control];
        let wrapped = ["under-key-engine", "--control", CONTROL, "--", iked].into_iter().chain(arguments);
        let (iked, lines) = engine.process.spawn_beside(&Program::new(own, wrapped), self.clock)?;
        Ok(Side { engine, iked: Daemon { process: iked, lines, said: Vec::new() } })
    }

    /// Both sides; the right one waits before the left one initiates.
    async fn start_both(&self, iked: &Path, psks: [&str; 2]) -> Result<[Side; 2], Failed> {
        let mut right = self.start(iked, 1, psks[1]).await?;
        right.iked.until(|line| line.starts_with("config_getstatic: nattport")).await?;
        Ok([self.start(iked, 0, psks[0]).await?, right])
    }

    fn bind(&self, side: usize) -> Result<UdpSocket, Failed> {
        let socket = self.namespaces[side].on_thread(|| UdpSocket::bind((INNER[side], 7)))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(socket)
    }
}

fn iked_conf(side: usize, psk: &str) -> String {
    let mode = if side == 0 { "active" } else { "passive" };
    let (ours, theirs) = (side, 1 - side);
    let networks = ["10.1.0.0/24", "10.2.0.0/24"];
    format!(
        "set nomobike\n\
         ikev2 \"net\" {mode} esp from {} to {} local {} peer {} \
         ikesa enc aes-128 prf hmac-sha2-256 auth hmac-sha2-256 group modp2048 \
         childsa enc aes-128 auth hmac-sha1 srcid {} psk \"{psk}\"\n",
        networks[ours], networks[theirs], OUTER[ours], OUTER[theirs], OUTER[ours],
    )
}

/// A key engine and the iked under it.
struct Side {
    engine: Daemon,
    iked: Daemon,
}

impl Side {
    /// The SPIs of the first pair of SAs, in order, as iked tells them once its flows are there too.
    async fn loaded_spis(&mut self) -> Result<[String; 2], Failed> {
        let line = self.iked.until(|line| line.contains("loaded SPIs: ")).await?;
        let spis = line.split_once("loaded SPIs: ").and_then(|(_, rest)| rest.split_once(" (")).map(|(spis, _)| spis);
        let (one, other) =
            spis.and_then(|spis| spis.split_once(", ")).ok_or_else(|| format!("no two SPIs in {line}"))?;
        self.iked.until(|line| line.contains("loaded flows: ")).await?;
        let mut spis = [one.to_owned(), other.to_owned()];
        spis.sort();
        Ok(spis)
    }

    /// Ends iked, and says what the engine said since; the engine has ended then too.
    async fn stop(mut self) -> Result<Vec<String>, Failed> {
        self.iked.process.signal(rustix::process::Signal::TERM)?;
        tokio::time::timeout(PATIENCE, self.iked.process.wait()).await??;
        self.engine.process.signal(rustix::process::Signal::TERM)?;
        while let Some(line) = self.engine.lines.recv().await {
            self.engine.said.push(line.text);
        }
        Ok(self.engine.said)
    }
}

/// A process and what it has said so far.
struct Daemon {
    process: Process,
    lines: Lines,
    said: Vec<String>,
}

impl Daemon {
    /// Waits for a line.
    async fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, Failed> {
        let hearing = async {
            while let Some(line) = self.lines.recv().await {
                self.said.push(line.text.clone());
                if wanted(&line.text) {
                    return Some(line.text);
                }
            }
            None
        };
        let heard = tokio::time::timeout(PATIENCE, hearing).await;
        match heard {
            Ok(Some(line)) => Ok(line),
            _ => Err(format!("what was waited for did not come, but:\n{}", self.said.join("\n")).into()),
        }
    }
}

async fn tunnel(iked: PathBuf) -> Outcome {
    let lab = Lab::new().await?;
    let [mut left, mut right] = lab.start_both(&iked, ["s3cret", "s3cret"]).await?;
    let (ours, theirs) = (left.loaded_spis().await?, right.loaded_spis().await?);
    assert_eq!(ours, theirs, "both sides have the same pair");

    let wires = [0, 1].map(|side| FramePort::open(&lab.namespaces[side], "wan", PortOptions::default(), lab.clock));
    let (here, there) = (lab.bind(0)?, lab.bind(1)?);
    let mut buffer = [0; 1500];
    here.send_to(&[0x5a; 1000], (INNER[1], 7))?;
    let (there, length, from) = tokio::task::spawn_blocking(move || {
        let (length, from) = there.recv_from(&mut buffer)?;
        there.send_to(&buffer[..length], from).map(|_| (there, length, from))
    })
    .await??;
    assert_eq!((length, from), (1000, (INNER[0], 7).into()));
    let length = tokio::task::spawn_blocking(move || here.recv(&mut buffer)).await??;
    assert_eq!(length, 1000);
    drop(there);
    for (side, wire) in wires.into_iter().enumerate() {
        let wire = wire?;
        // What came in over the wire since the SAs were there.
        let packet = loop {
            let frame = tokio::time::timeout(PATIENCE, wire.recv()).await??;
            if let Ok(packet) = Ipv4Packet::parse(Frame::parse(&frame.bytes)?.payload) {
                break packet;
            }
        };
        assert_eq!((packet.source, packet.protocol), (OUTER[1 - side], protocol::ESP));
        assert!(packet.payload.len() > 1000, "the datagram is inside");
    }

    for (side, spis) in [(left, ours), (right, theirs)] {
        let said = side.stop().await?;
        for what in ["added", "deleted"] {
            for spi in &spis {
                let digits = spi.trim_start_matches("0x");
                let mark = format!("SA {what}: 0x{}", digits.to_uppercase());
                assert!(said.iter().any(|line| line.contains(&mark)), "{mark}: {said:?}");
            }
        }
        let count = |what: &str| said.iter().filter(|line| line.contains("policy ") && line.contains(what)).count();
        assert_eq!((count(" added: "), count(" deleted")), (3, 3), "in, out and forwarded: {said:?}");
    }
    Ok(())
}

async fn another_key(iked: PathBuf) -> Outcome {
    let lab = Lab::new().await?;
    let [mut left, right] = lab.start_both(&iked, ["s3cret", "another"]).await?;
    left.iked.until(|line| line.contains("authentication failed notification from peer")).await?;
    for side in [left, right] {
        let said = side.stop().await?;
        assert!(!said.iter().any(|line| line.contains("SA added") || line.contains("policy ")), "{said:?}");
    }
    Ok(())
}
