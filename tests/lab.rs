//! The lab against the real kernel. Everything happens in a sandbox that `main` enters on its first line.

use std::future::Future;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use ike_interop::lab::forwarder::{Forwarder, Observed};
use ike_interop::lab::frame_port::{Direction, FramePort, PortOptions};
use ike_interop::lab::internet::{self, Action, Event, Impairment, NatConfig, Pattern, Side};
use ike_interop::lab::link::{Links, NextHop, VethEnd};
use ike_interop::lab::ping::{Ping, Refusal, ping};
use ike_interop::lab::probe::{Feature, probe};
use ike_interop::lab::process::{self, Process, Program, Stream};
use ike_interop::lab::sandbox::{self, Sandbox};
use ike_interop::lab::topology::{self, Plan, Stub, Topology, Uplink};
use ike_interop::lab::tun::Tun;
use ike_interop::lab::{Clock, Namespace};
use ike_interop::wire::ethernet::MacAddress;
use ike_interop::wire::icmp::IcmpMessage;
use libtest_mimic::{Arguments, Failed, Trial};

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    let sandbox = match sandbox::enter() {
        Ok(sandbox) => sandbox,
        Err(error) => {
            eprintln!("{}", error.diagnostic());
            return ExitCode::from(3);
        }
    };
    let tests = vec![
        Trial::test("namespace::a_panic_inside_is_an_error_and_leaves_the_caller_outside", panic_inside),
        Trial::test("namespace::dropped_it_is_gone", dropped_namespace),
        Trial::test("frame_port::frames_cross_a_link_with_direction_and_time", in_runtime(frames_cross)),
        Trial::test("frame_port::lost_frames_are_counted", in_runtime(frames_lost)),
        Trial::test("link::nothing_is_sent_unasked", in_runtime(silent_link)),
        Trial::test("link::checksums_are_complete_on_the_wire", in_runtime(checksums_complete)),
        Trial::test("process::lines_arrive_in_order_with_their_stream", in_runtime(lines_arrive)),
        Trial::test("process::sees_its_own_folders_and_the_bound_ones", in_runtime(own_folders)),
        Trial::test("process::a_failed_start_names_the_step", in_runtime(failed_starts)),
        Trial::test("process::terminate_ends_the_group_even_when_it_ignores_sigterm", in_runtime(terminate_group)),
        Trial::test("process::beside_another_sees_the_same_files", in_runtime(beside)),
        Trial::test("process::dropped_it_is_killed_with_its_children", in_runtime(dropped_process)),
        Trial::test("ping::replies_errors_and_silence_are_told_apart", in_runtime(pings)),
        Trial::test("topology::comes_up_silent_and_fast", in_runtime(topology_comes_up)),
        Trial::test("forwarder::joins_the_kernel_and_the_internet_and_tells_all_it_saw", in_runtime(forwards)),
        Trial::test("topology::many_side_by_side", in_runtime(topologies_side_by_side)),
        Trial::test("probe::every_feature_is_tried", in_runtime(move || probes(sandbox))),
        Trial::test("tun::packets_go_both_ways", in_runtime(tun_both_ways)),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn in_runtime<F: Future<Output = Outcome>>(
    test: impl FnOnce() -> F + Send + 'static,
) -> impl FnOnce() -> Outcome + Send + 'static {
    move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), test()).await? })
    }
}

fn net_of_this_thread() -> std::io::Result<std::path::PathBuf> {
    std::fs::read_link("/proc/thread-self/ns/net")
}

fn panic_inside() -> Outcome {
    let outside = net_of_this_thread()?;
    let namespace = Namespace::new("panic")?;
    let inside = namespace.on_thread(net_of_this_thread)?;
    assert_ne!(inside, outside);
    let error = namespace.on_thread::<()>(|| std::panic::resume_unwind(Box::new("on purpose"))).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    assert_eq!(net_of_this_thread()?, outside);
    assert_eq!(namespace.on_thread(net_of_this_thread)?, inside);
    Ok(())
}

fn dropped_namespace() -> Outcome {
    let namespace = Namespace::new("dropped")?;
    let path = namespace.path();
    let mounted = |path: &std::path::Path| -> std::io::Result<bool> {
        Ok(std::fs::read_to_string("/proc/self/mountinfo")?.contains(path.to_str().unwrap_or_default()))
    };
    assert!(mounted(&path)?);
    drop(namespace);
    assert!(!mounted(&path)? && !path.exists());
    Ok(())
}

const LEFT: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const RIGHT: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

/// Two namespaces and a link between them, `a` in the first and `b` in the second, up.
async fn pair() -> Result<(Namespace, Namespace), Failed> {
    let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
    let mut from_left = Links::open(&left)?;
    let mut from_right = Links::open(&right)?;
    let a = VethEnd { namespace: &left, interface: "a", mac: LEFT };
    let b = VethEnd { namespace: &right, interface: "b", mac: RIGHT };
    from_left.add_veth(a, b, 1500).await?;
    from_left.wait_up(&["a"]).await?;
    from_right.wait_up(&["b"]).await?;
    Ok((left, right))
}

fn frame(to: MacAddress, from: MacAddress, len: usize) -> Vec<u8> {
    let mut frame = [&to.0[..], &from.0, &[0x88, 0xb5]].concat();
    frame.resize(len, 0x5a);
    frame
}

async fn frames_cross() -> Outcome {
    let clock = Clock::start();
    let (left, right) = pair().await?;
    let a = FramePort::open(&left, "a", PortOptions::default(), clock)?;
    let b = FramePort::open(&right, "b", PortOptions::default(), clock)?;
    let watcher = FramePort::open(&left, "a", PortOptions { outgoing: true, ..PortOptions::default() }, clock)?;
    assert_eq!(a.mac(), LEFT);
    // Addressed to a third station: only a promiscuous port takes it. The longest frame there is.
    let sent = frame(MacAddress([2, 0, 0, 0, 0, 9]), LEFT, 1514);
    let before = clock.now();
    a.send(&sent).await?;
    let received = b.recv().await?;
    assert_eq!((&received.bytes, received.direction), (&sent, Direction::In));
    assert!(before <= received.at && received.at <= clock.now(), "{before:?} {received:?}");
    assert_eq!(watcher.recv().await?.direction, Direction::Out);
    assert!(a.try_recv()?.is_none(), "a port does not hear itself");
    assert!(a.send(&frame(RIGHT, LEFT, 1600)).await.is_err(), "longer than the MTU");
    Ok(())
}

async fn frames_lost() -> Outcome {
    let clock = Clock::start();
    let (left, right) = pair().await?;
    let a = FramePort::open(&left, "a", PortOptions::default(), clock)?;
    let b = FramePort::open(&right, "b", PortOptions { receive_buffer: 4096, ..PortOptions::default() }, clock)?;
    for _ in 0..100 {
        a.send(&frame(RIGHT, LEFT, 1000)).await?;
    }
    let mut received = 0;
    while b.try_recv()?.is_some() {
        received += 1;
    }
    assert!(received < 100);
    assert_eq!(b.lost()?, 100 - received);
    assert_eq!(b.lost()?, 100 - received, "the count is kept");
    assert_eq!(a.lost()?, 0);
    Ok(())
}

async fn silent_link() -> Outcome {
    let clock = Clock::start();
    let (left, right) = (Namespace::new("left")?, Namespace::new("right")?);
    let mut links = Links::open(&left)?;
    let a = VethEnd { namespace: &left, interface: "a", mac: LEFT };
    let b = VethEnd { namespace: &right, interface: "b", mac: RIGHT };
    links.add_veth(a, b, 1500).await?;
    let port = FramePort::open(&right, "b", PortOptions { outgoing: true, ..PortOptions::default() }, clock)?;
    let index = links.index("a").await?;
    links.add_address(index, Ipv4Addr::new(10, 1, 0, 1), 24).await?;
    links.wait_up(&["a"]).await?;
    // IPv6 would have sent its first solicitations and reports within this time.
    assert!(tokio::time::timeout(Duration::from_millis(1200), port.recv()).await.is_err());
    Ok(())
}

async fn checksums_complete() -> Outcome {
    let clock = Clock::start();
    let (left, right) = pair().await?;
    let (here, there) = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 1, 0, 2));
    let links = Links::open(&left)?;
    let index = links.index("a").await?;
    links.add_address(index, here, 24).await?;
    links.add_neighbour(index, there, RIGHT).await?;
    links.add_route("192.0.2.0/24".parse()?, NextHop::Gateway(there), Some(here)).await?;
    let port = FramePort::open(&right, "b", PortOptions::default(), clock)?;
    let socket = left.on_thread(|| std::net::UdpSocket::bind((here, 500)))?;
    for to in [there, Ipv4Addr::new(192, 0, 2, 7)] {
        socket.send_to(b"whole", (to, 500))?;
        let frame = port.recv().await?.bytes;
        let packet = pnet::packet::ipv4::Ipv4Packet::new(&frame[14..]).ok_or("an IPv4 packet")?;
        let payload = pnet::packet::Packet::payload(&packet).to_vec();
        let datagram = pnet::packet::udp::UdpPacket::new(&payload).ok_or("a UDP datagram")?;
        assert_eq!(packet.get_destination(), to);
        assert_eq!(datagram.get_checksum(), pnet::packet::udp::ipv4_checksum(&datagram, &here, &to));
    }
    Ok(())
}

fn shell(script: &str) -> Program {
    Program::new("sh", ["-c", script])
}

const LIMIT: Duration = Duration::from_secs(5);

async fn lines_arrive() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("lines")?;
    let long = "x".repeat(40_000);
    let program = shell("printf 'one\\r\\n\\ntwo\\377\\n'; printf \"$LONG\"; echo done >&2; exit 7").env("LONG", &long);
    let before = clock.now();
    let finished = process::run(&namespace, &program, LIMIT, clock).await?;
    assert_eq!(finished.status.code(), Some(7));
    assert_eq!(finished.text(Stream::Stderr), "done\n");
    let stdout: Vec<_> = finished.lines.iter().filter(|line| line.stream == Stream::Stdout).collect();
    let texts: Vec<_> = stdout.iter().map(|line| &*line.text).collect();
    assert_eq!(texts[..3], ["one", "", "two\u{fffd}"]);
    assert_eq!(texts[3..].concat(), long);
    assert!(texts[3..].iter().all(|text| text.len() <= 16 << 10));
    assert!(stdout.windows(2).all(|pair| pair[0].at <= pair[1].at) && before <= stdout[0].at);
    Ok(())
}

/// A folder under /tmp that is removed again.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ike-interop-lab-{name}-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn own_folders() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("folders")?;
    // The sources lie in /tmp, which the program finds empty.
    let folder = Folder::new("bind")?;
    std::fs::write(folder.0.join("secret"), "s3cret")?;
    let mut program = shell(
        "ls -A /tmp; ls -A /var/lib; cat /etc/hostname; cat /run/deep/er/secret; ls /run/cell; pwd; \
         echo theirs > /run/cell/made; echo x > /run/gone; readlink /proc/self/ns/net",
    )
    .bind(&folder.0, "/run/cell")
    .bind(folder.0.join("secret"), "/run/deep/er/secret")
    .bind(folder.0.join("secret"), "/etc/hostname")
    .private("/var/lib");
    program.working_folder = Some("/run/cell".into());
    let finished = process::run(&namespace, &program, LIMIT, clock).await?;
    let network = namespace.on_thread(net_of_this_thread)?;
    let expected = format!("s3crets3cretsecret\n/run/cell\n{}\n", network.display());
    assert_eq!((finished.text(Stream::Stdout), finished.text(Stream::Stderr)), (expected, String::new()));
    assert!(finished.status.success());
    assert_eq!(std::fs::read_to_string(folder.0.join("made"))?, "theirs\n");
    assert!(!std::path::Path::new("/run/gone").exists());
    Ok(())
}

async fn failed_starts() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("fails")?;
    for (program, expected) in [
        (Program::new("/nonexistent/charon", [""; 0]), "starting /nonexistent/charon: No such file"),
        (shell("").bind("/nonexistent", "/run/x"), "starting sh: /nonexistent: No such file"),
        (shell("").bind("/etc", "/nonexistent"), "starting sh: binding to /nonexistent: No such file"),
        (shell("").private("/nonexistent"), "starting sh: a private /nonexistent: No such file"),
        (
            Program { working_folder: Some("/run/none".into()), ..shell("") },
            "starting sh: changing to /run/none: No such",
        ),
    ] {
        let error = Process::spawn(&namespace, &program, clock).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    Ok(())
}

async fn terminate_group() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("stubborn")?;
    let script = "trap '' TERM; (trap '' TERM; echo ready; while :; do sleep 1; done) & while :; do sleep 1; done";
    let (process, mut lines) = Process::spawn(&namespace, &shell(script), clock)?;
    assert_eq!(lines.recv().await.ok_or("a line")?.text, "ready");
    let status = process.terminate(Duration::from_millis(50)).await?;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(lines.recv().await.is_none(), "the child that held the outputs is gone too");

    let (process, mut lines) =
        Process::spawn(&namespace, &shell("trap 'exit 3' TERM; echo ready; sleep 9 & wait"), clock)?;
    assert_eq!(lines.recv().await.ok_or("a line")?.text, "ready");
    assert_eq!(process.terminate(LIMIT).await?.code(), Some(3));
    assert!(lines.recv().await.is_none(), "what it left behind is gone too");
    Ok(())
}

async fn beside() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("beside")?;
    let (process, mut lines) = Process::spawn(&namespace, &shell("echo 42 > /run/mine; echo ready; sleep 9"), clock)?;
    lines.recv().await.ok_or("a line")?;
    let finished = process::run_beside(&process, &shell("cat /run/mine"), LIMIT, clock).await?;
    assert_eq!(finished.text(Stream::Stdout), "42\n");
    assert_eq!(std::fs::read_to_string(process.file("/run/mine".as_ref()))?, "42\n");
    Ok(())
}

async fn dropped_process() -> Outcome {
    let clock = Clock::start();
    let namespace = Namespace::new("dropped")?;
    let (process, mut lines) = Process::spawn(&namespace, &shell("sleep 99 & echo ready; wait"), clock)?;
    lines.recv().await.ok_or("a line")?;
    drop(process);
    assert!(lines.recv().await.is_none());
    Ok(())
}

fn stub(host: &str, prefix_len: u8, gateway: &str) -> Result<Stub, Failed> {
    Ok(Stub { host: host.parse()?, gateway: gateway.parse()?, prefix_len, gateway_mac: None })
}

fn plan() -> Result<Plan, Failed> {
    let uplink = |address: &str, gateway: &str| -> Result<Uplink, Failed> {
        Ok(Uplink { address: address.parse()?, prefix_len: 24, gateway: gateway.parse()? })
    };
    Ok(Plan {
        left: vec![stub("10.1.0.10", 24, "10.1.0.1")?, stub("10.9.9.9", 32, "169.254.0.1")?],
        dut: uplink("192.0.2.10", "192.0.2.254")?,
        cisco: uplink("198.51.100.1", "198.51.100.254")?,
        right: vec![stub("10.2.0.10", 24, "10.2.0.1")?],
        protected: Vec::new(),
        mtu: 1500,
    })
}

async fn pings() -> Outcome {
    let clock = Clock::start();
    let topology = Topology::build(plan()?).await?;
    let host = Ipv4Addr::new(10, 1, 0, 10);
    let ask = |destination| Ping { patience: Duration::from_millis(60), ..Ping::new(host, destination) };

    let both_networks = [(host, Ipv4Addr::new(10, 1, 0, 1)), ("10.9.9.9".parse()?, Ipv4Addr::new(192, 0, 2, 10))];
    for (source, destination) in both_networks {
        let before = clock.now();
        let report = ping(&topology.left, Ping { source, count: 3, size: 4000, ..ask(destination) }, clock).await?;
        assert_eq!((report.sent, report.answered(), report.errors.len()), (3, 3, 0), "{report:?}");
        assert!(report.replies.iter().all(|reply| reply.ttl == 64 && before < reply.at && reply.round_trip < LIMIT));
        assert!(clock.now() - before < Duration::from_millis(500), "no wait between answered requests");
    }

    // Nobody is there on the internet.
    let report = ping(&topology.left, ask(Ipv4Addr::new(203, 0, 113, 1)), clock).await?;
    assert_eq!((report.sent, report.answered(), report.errors.len()), (1, 0, 0), "{report:?}");

    // The implementation's machine has no host there, and says so after asking by ARP.
    topology
        .dut
        .set_sysctls(&[("net/ipv4/neigh/inside/retrans_time_ms", "1"), ("net/ipv4/neigh/inside/mcast_solicit", "1")])?;
    let report = ping(
        &topology.dut,
        Ping { source: Ipv4Addr::UNSPECIFIED, patience: LIMIT, ..ask("10.1.0.77".parse()?) },
        clock,
    )
    .await?;
    assert!(
        matches!(report.errors[..], [Refusal { sequence: 1, message: IcmpMessage::Unreachable { code: 1, .. }, .. }]),
        "{report:?}"
    );

    // Larger than the link, and not to be cut.
    let report =
        ping(&topology.left, Ping { size: 1501, dont_fragment: true, ..ask(Ipv4Addr::new(10, 1, 0, 1)) }, clock)
            .await?;
    assert!(report.sent == 0 && report.unsent[0].contains("too long"), "{report:?}");
    let foreign = Ping { source: Ipv4Addr::new(9, 9, 9, 9), ..ask(host) };
    assert!(ping(&topology.left, foreign, clock).await.is_err());
    Ok(())
}

async fn topology_comes_up() -> Outcome {
    let clock = Clock::start();
    let topology = Topology::build(plan()?).await?;
    let all = PortOptions { outgoing: true, ..PortOptions::default() };
    let (internet, cisco) = (&topology.internet, &topology.cisco);
    let ends = [
        (internet, topology::TO_DUT),
        (internet, topology::TO_CISCO),
        (cisco, topology::OUTSIDE),
        (cisco, topology::INSIDE),
    ];
    let ports = ends.map(|(namespace, interface)| FramePort::open(namespace, interface, all, clock));
    let [to_dut, to_cisco, outside, inside] = ports;
    let (to_dut, to_cisco, outside, inside) = (to_dut?, to_cisco?, outside?, inside?);
    assert_eq!((to_dut.mac(), to_cisco.mac()), (topology::mac::INTERNET_DUT, topology::mac::INTERNET_CISCO));
    assert_eq!((outside.mac(), inside.mac()), (topology::mac::CISCO_OUTSIDE, topology::mac::CISCO_INSIDE));

    // The first packet of each side is the packet itself, to the right station: no ARP before it, nothing lost.
    let ask = |source, destination| Ping { patience: Duration::from_millis(1), ..Ping::new(source, destination) };
    ping(&topology.left, ask("10.1.0.10".parse()?, "10.2.0.10".parse()?), clock).await?;
    ping(&topology.right, ask("10.2.0.10".parse()?, "10.1.0.10".parse()?), clock).await?;
    for (port, expected, ttl) in
        [(&to_dut, topology::mac::INTERNET_DUT, 63), (&inside, topology::mac::CISCO_INSIDE, 64)]
    {
        let frame = port.recv().await?.bytes;
        assert_eq!((&frame[..6], &frame[12..14], frame[22]), (&expected.0[..], &[8, 0][..], ttl));
    }
    for port in [&to_dut, &to_cisco, &outside, &inside] {
        assert!(port.try_recv()?.is_none(), "nothing else was sent");
    }
    // The kernel is silent where user space owns the ends: it neither answers ARP nor forwards nor complains.
    let rest = [0x45, 0, 0, 28, 0, 0, 0, 0, 2, 17, 0xa4, 0xbb, 10, 1, 0, 10, 10, 2, 0, 10, 0, 1, 0, 2, 0, 8, 0, 0];
    let packet = [&topology::mac::INTERNET_DUT.0[..], &topology::mac::DUT_OUTSIDE.0, &[8, 0], &rest].concat();
    let from_dut = FramePort::open(&topology.dut, topology::OUTSIDE, PortOptions::default(), clock)?;
    from_dut.send(&packet).await?;
    assert_eq!(to_dut.recv().await?.bytes, packet);
    let mut arp = [&[0xff; 6][..], &topology::mac::DUT_OUTSIDE.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
    arp.extend([&topology::mac::DUT_OUTSIDE.0[..], &[192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 192, 0, 2, 254]].concat());
    from_dut.send(&arp).await?;
    assert_eq!(to_dut.recv().await?.bytes, arp);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(to_cisco.try_recv()?.is_none() && to_dut.try_recv()?.is_none() && from_dut.try_recv()?.is_none());
    Ok(())
}

async fn forwards() -> Outcome {
    let clock = Clock::start();
    let topology = Topology::build(plan()?).await?;
    let nat = NatConfig::behind("203.0.113.5".parse()?);
    let drop = Impairment { pattern: Pattern::Any, from: Some(Side::Dut), action: Action::Drop, times: Some(1) };
    let config = internet::Config { nat: Some(nat), impairments: vec![drop], ..topology.plan.internet() };
    let router = FramePort::open(&topology.cisco, topology::OUTSIDE, PortOptions::default(), clock)?;
    let mut forwarder = Forwarder::open(&topology, config, clock)?;
    let (commands, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    let mut seen = Vec::new();
    let there = Ipv4Addr::new(198, 51, 100, 1);
    let asked = async {
        // The internet's own address answers; one beyond it is dropped once, and then reaches the router translated.
        let own = ping(&topology.left, Ping::new("10.1.0.10".parse()?, "198.51.100.254".parse()?), clock).await?;
        let short = Duration::from_millis(20);
        let beyond = Ping { count: 2, interval: short, patience: short, ..Ping::new("10.1.0.10".parse()?, there) };
        let beyond = ping(&topology.left, beyond, clock).await?;
        std::mem::drop(commands);
        Ok::<_, Failed>((own, beyond))
    };
    let (asked, forwarded) = tokio::join!(asked, forwarder.run(&mut inbox, |observed| seen.push(observed)));
    forwarded?;
    let (own, beyond) = asked?;
    assert_eq!((own.answered(), own.replies[0].ttl, beyond.sent, beyond.answered()), (1, 63, 2, 0));
    assert_eq!(forwarder.lost()?, 0);
    let frame = router.recv().await?.bytes;
    assert_eq!((&frame[26..30], &frame[30..34], frame[22]), (&[203, 0, 113, 5][..], &there.octets()[..], 62));
    let told: Vec<_> = seen
        .iter()
        .map(|observed| match observed {
            Observed::Frame { side, direction, .. } => format!("{side:?} {direction:?}"),
            Observed::Event { event: Event::Impaired { .. }, .. } => "impaired".to_owned(),
            Observed::Event { event: Event::Mapped { .. }, .. } => "mapped".to_owned(),
            Observed::Event { event, .. } => format!("{event:?}"),
        })
        .collect();
    assert_eq!(told, ["Dut In", "Dut Out", "Dut In", "mapped", "impaired", "Dut In", "Cisco Out"]);
    Ok(())
}

async fn topologies_side_by_side() -> Outcome {
    let clock = Clock::start();
    let build = || async {
        let before = clock.now();
        let topology = Topology::build(plan().map_err(|error| format!("{error:?}"))?).await?;
        Ok::<_, Failed>((topology, clock.now() - before))
    };
    let mut kept = Vec::new();
    let mut times = Vec::new();
    for _ in 0..6 {
        let (topology, time) = build().await?;
        kept.push(topology);
        times.push(time);
    }
    println!("{times:?}");
    for topology in &kept {
        let report = ping(&topology.left, Ping::new("10.1.0.10".parse()?, "192.0.2.10".parse()?), clock).await?;
        assert_eq!(report.answered(), 1);
    }
    Ok(())
}

async fn probes(sandbox: Sandbox) -> Outcome {
    let results = probe(&sandbox).await?;
    assert_eq!(results.iter().map(|(feature, _)| *feature).collect::<Vec<_>>(), Feature::ALL);
    for (feature, result) in results {
        match result {
            Ok(()) => println!("{feature}: yes"),
            Err(lack) => {
                println!("{feature}: {} -> {}", lack.reason, lack.remedy);
                assert!(!lack.reason.is_empty() && !lack.remedy.is_empty());
                // This very test ran on links and packet sockets.
                assert!(!matches!(feature, Feature::Veth | Feature::PacketSockets), "{feature}");
            }
        }
    }
    Ok(())
}

async fn tun_both_ways() -> Outcome {
    let namespace = Namespace::new("tun")?;
    let tun = match Tun::open(&namespace, "tun0") {
        Ok(tun) => tun,
        Err(error) if error.source.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("skipped: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let links = Links::open(&namespace)?;
    let index = links.index("tun0").await?;
    links.add_address(index, Ipv4Addr::new(10, 1, 0, 1), 24).await?;
    links.set_mtu(index, 1400).await?;
    links.set_up(index, true).await?;
    let socket = namespace.on_thread(|| {
        let socket = std::net::UdpSocket::bind("10.1.0.1:7")?;
        socket.set_nonblocking(true)?;
        socket.connect("10.1.0.2:7")?;
        socket.send(b"out")?;
        Ok(socket)
    })?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut packet = tun.recv().await?;
    assert_eq!((&packet[12..20], &packet[28..]), (&[10, 1, 0, 1, 10, 1, 0, 2][..], &b"out"[..]));
    // Turned round, the checksums stay right.
    packet[12..20].rotate_left(4);
    tun.send(&packet).await?;
    let mut answer = [0; 16];
    let len = socket.recv(&mut answer).await?;
    assert_eq!(&answer[..len], b"out");
    Ok(())
}
