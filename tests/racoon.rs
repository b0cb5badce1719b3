//! The racoon driver against real racoons, two at a time, in namespaces of a sandbox that `main` enters on its first line.
//! Ignored, with the reason printed, where racoon cannot run.

use std::future::Future;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use ike_interop::cli;
use ike_interop::crypto::{Cipher, Group, Hash};
use ike_interop::implementations::racoon::Racoon;
use ike_interop::implementations::{
    Availability, CellContext, ConfigFiles, DataPath, Failure, Host, Implementation, Options, Phase, Refusal,
    Retransmission, Running, SaState,
};
use ike_interop::lab::link::{Links, VethEnd};
use ike_interop::lab::{Clock, Namespace, sandbox};
use ike_interop::scenario::tunnel::{Exchange, Identities, NatTraversal, Phase1, Phase2, Psk, TrafficPair, Tunnel};
use ike_interop::scenario::units::Span;
use ike_interop::wire::ethernet::MacAddress;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::mpsc;

type Outcome = Result<(), Failed>;
type Test = fn(Found) -> Pin<Box<dyn Future<Output = Outcome>>>;

const LEFT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn main() -> ExitCode {
    // The key engine is this very program, started anew in a namespace.
    if cli::started_by_cell() {
        return cli::main();
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return ExitCode::from(3);
    }
    let found = match Racoon.availability(&Host::probe()) {
        Availability::Ready { version, path, data_path } => {
            println!("racoon {version} at {}, ESP by {data_path}", path.display());
            Some(Found { program: path, data_path })
        }
        Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
            println!("all ignored: {reason}; {remedy}");
            None
        }
    };
    let tests: [(&str, Test); 3] = [
        ("a_pair_with_pfs_comes_up_carries_traffic_and_is_deleted_on_both_sides", |found| Box::pin(terminate(found))),
        ("esp_in_udp_passes_beside_racoons_own_socket", |found| Box::pin(in_udp(found))),
        ("policies_that_setkey_does_not_take_are_told", |found| Box::pin(bad_policies(found))),
    ];
    let trials = tests.map(|(name, test)| {
        let ready = found.clone();
        let ignored = ready.is_none();
        let run = move || ready.map_or(Ok(()), |found| in_runtime(test(found)));
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn in_runtime(test: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await? })
}

/// A racoon that can run here.
#[derive(Clone)]
struct Found {
    program: PathBuf,
    data_path: DataPath,
}

/// Two namespaces with a link between them.
struct Lab {
    found: Found,
    left: Namespace,
    right: Namespace,
    clock: Clock,
}

impl Lab {
    async fn new(found: Found) -> Result<Self, Failed> {
        let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
        let mut left_link = Links::open(&left)?;
        let mut right_link = Links::open(&right)?;
        let here = VethEnd { namespace: &left, interface: "wan", mac: MacAddress([2, 0, 0, 0, 0, 1]) };
        let there = VethEnd { namespace: &right, interface: "wan", mac: MacAddress([2, 0, 0, 0, 0, 2]) };
        left_link.add_veth(here, there, 1500).await?;
        for (link, outer, inner) in [(&mut left_link, LEFT, 1), (&mut right_link, RIGHT, 2)] {
            link.wait_up(&["wan"]).await?;
            link.add_address(link.index("wan").await?, outer, 24).await?;
            link.add_address(link.index("lo").await?, Ipv4Addr::new(10, inner, 0, 1), 32).await?;
        }
        Ok(Self { found, left, right, clock: Clock::start() })
    }

    async fn start(
        &self,
        side: &Namespace,
        tunnel: &Tunnel,
        native: Option<&ConfigFiles>,
    ) -> Result<Box<dyn Running>, Failure> {
        let folder = Path::new("/run/racoon-test").join(side.name());
        std::fs::create_dir_all(&folder).expect("the sandbox has a /run of its own");
        let (log, _) = mpsc::unbounded_channel();
        let cell = CellContext {
            program: &self.found.program,
            namespace: side,
            folder: &folder,
            tunnel,
            native,
            options: Options { data_path: self.found.data_path, retransmission: Retransmission::default() },
            clock: self.clock,
            log,
            patience: Duration::from_secs(20),
        };
        Racoon.start(&cell).await
    }

    async fn start_both(&self, tunnel: &Tunnel) -> Result<[Box<dyn Running>; 2], Failed> {
        let left = self.start(&self.left, tunnel, None).await?;
        let right = self.start(&self.right, &mirrored(tunnel), None).await?;
        Ok([left, right])
    }

    /// Sends a datagram from the left one to the right one and back.
    fn echo(&self) -> Outcome {
        let bind = |side: &Namespace, address| side.on_thread(move || UdpSocket::bind((address, 7)));
        let (from, to) = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1));
        let (left, right) = (bind(&self.left, from)?, bind(&self.right, to)?);
        let mut buffer = [0; 1500];
        for socket in [&left, &right] {
            socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        }
        left.send_to(&[0x5a; 1000], (to, 7))?;
        let (length, back) = right.recv_from(&mut buffer)?;
        assert_eq!((length, back), (1000, (from, 7).into()));
        right.send_to(&buffer[..length], back)?;
        assert_eq!(left.recv(&mut buffer)?, 1000);
        Ok(())
    }
}

fn tunnel(nat_traversal: NatTraversal) -> Tunnel {
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
fn mirrored(tunnel: &Tunnel) -> Tunnel {
    let mut mirrored = tunnel.clone();
    (mirrored.local, mirrored.remote) = (tunnel.remote, tunnel.local);
    for pair in &mut mirrored.traffic {
        (pair.local, pair.remote) = (pair.remote, pair.local);
    }
    mirrored
}

/// The SAs of `running` once it has `count` installed pairs. The responder has them a moment after the initiator.
async fn installed(running: &mut Box<dyn Running>, count: usize) -> Result<SaState, Failed> {
    loop {
        let state = running.sas().await?;
        if state.installed().count() == count {
            return Ok(state);
        }
        tokio::task::yield_now().await;
    }
}

async fn terminate(found: Found) -> Outcome {
    let lab = Lab::new(found).await?;
    let [mut left, mut right] = lab.start_both(&tunnel(NatTraversal::Auto)).await?;
    left.initiate().await?;
    let theirs = installed(&mut right, 1).await?;
    lab.echo()?;
    let ours = left.sas().await?;
    let ([left_sa], [right_sa]) = (&ours.phase2[..], &theirs.phase2[..]) else { panic!("{ours:?} and {theirs:?}") };
    assert_eq!((left_sa.spi_in, left_sa.spi_out), (right_sa.spi_out, right_sa.spi_in));
    assert_eq!((&left_sa.local, &left_sa.remote), (&right_sa.remote, &right_sa.local));
    assert_eq!((left_sa.cipher, left_sa.integrity), (Some(Cipher::Aes128), Some(Hash::Sha1)));
    assert_eq!((left_sa.sent.packets, left_sa.received.packets, left_sa.udp_encapsulation), (1, 1, false));
    let ([ours], [theirs]) = (&ours.phase1[..], &theirs.phase1[..]) else { panic!("one ISAKMP SA each") };
    assert_eq!((ours.initiator, theirs.initiator), (true, false));
    assert_eq!(ours.cookies, theirs.cookies);
    left.terminate().await?;
    assert_eq!(left.sas().await?, SaState::default());
    installed(&mut right, 0).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    lab.echo()?;
    left.stop().await?;
    right.stop().await?;
    Ok(())
}

async fn in_udp(found: Found) -> Outcome {
    let lab = Lab::new(found).await?;
    let [mut left, mut right] = lab.start_both(&tunnel(NatTraversal::Force)).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    lab.echo()?;
    let state = left.sas().await?;
    assert!(state.phase2.iter().all(|sa| sa.udp_encapsulation && sa.received.packets == 1), "{state:?}");
    assert!(state.phase1.iter().all(|sa| (sa.local.port, sa.remote.port) == (4500, 4500)), "{state:?}");
    Ok(())
}

async fn bad_policies(found: Found) -> Outcome {
    let lab = Lab::new(found).await?;
    let tunnel = tunnel(NatTraversal::Auto);
    let options = Options { data_path: lab.found.data_path, retransmission: Retransmission::default() };
    let mut files = Racoon.configure(&tunnel, &options);
    files.insert(
        "ipsec-tools.conf".to_owned(),
        "spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel;\n".to_owned(),
    );
    match lab.start(&lab.left, &tunnel, Some(&files)).await.map(drop) {
        Err(Failure::Configuration { program, reason }) => {
            assert!(program == "setkey" && !reason.is_empty(), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    files = Racoon.configure(&tunnel, &options);
    files.insert("ipsec-tools.conf".to_owned(), "spdflush;\n".to_owned());
    let mut running = lab.start(&lab.left, &tunnel, Some(&files)).await?;
    match running.initiate().await {
        Err(Failure::Refused { phase: Phase::Two, refusal: Refusal::Local(_), .. }) => Ok(()),
        other => panic!("{other:?}"),
    }
}
