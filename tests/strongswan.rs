//! The strongSwan driver against real charons, two at a time, in namespaces of a sandbox that `main` enters on its first
//! line. Ignored, with the reason printed, where charon cannot run.

mod two_sides;

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ike_interop::implementations::strongswan::Strongswan;
use ike_interop::implementations::{
    ConfigFiles, DataPath, Failure, Host, Phase, Refusal, Retransmission, Running, SaState,
};
use ike_interop::lab::frame_port::{FramePort, PortOptions};
use ike_interop::lab::process::Line;
use ike_interop::lab::{Namespace, sandbox};
use ike_interop::scenario::tunnel::{Exchange, Identities, Identity, NatTraversal, Psk, TrafficPair, Tunnel};
use ike_interop::scenario::units::{Kilobytes, Span};
use ike_interop::wire::ethernet::Frame;
use ike_interop::wire::ipv4::Ipv4Packet;
use ike_interop::wire::isakmp::{Body, Message, NotifyType, OakleyAttribute, Payload};
use ike_interop::wire::udp::UdpDatagram;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::mpsc;
use two_sides::{Ready, TwoSides, in_runtime, installed, mirrored};

type Outcome = Result<(), Failed>;
type Test = fn(Ready) -> Pin<Box<dyn Future<Output = Outcome>>>;

fn main() -> ExitCode {
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return ExitCode::from(3);
    }
    let host = Host::probe();
    println!("kernel ESP: {:?}; TUN: {:?}", host.kernel_esp, host.tun);
    let charon = Ready::on(&host, Arc::new(Strongswan::default()));
    let tests: [(&str, Test); 12] = [
        ("starts_fast_and_stops", |charon| Box::pin(starts_fast(charon))),
        ("brings_up_every_kind_of_proposal", |charon| Box::pin(every_proposal(charon))),
        ("aggressive_mode_with_names_and_forced_nat_traversal", |charon| Box::pin(aggressive(charon))),
        ("proposals_arrive_as_they_were_asked_for", |charon| Box::pin(proposals(charon))),
        ("two_pairs_of_selectors_are_two_pairs_of_sas", |charon| Box::pin(two_pairs(charon))),
        ("refusals_are_told_apart", |charon| Box::pin(refusals(charon))),
        ("silence_is_given_up_in_time", |charon| Box::pin(silence(charon))),
        ("terminate_deletes_on_both_sides", |charon| Box::pin(terminate(charon))),
        ("a_dead_daemon_is_noticed", |charon| Box::pin(dead_daemon(charon))),
        ("the_users_own_files_are_loaded", |charon| Box::pin(native_files(charon))),
        ("bad_configurations_are_refused", |charon| Box::pin(bad_configurations(charon))),
        ("a_selector_without_an_address_of_ours_is_our_own_fault", |charon| Box::pin(no_address(charon))),
    ];
    let trials = tests.map(|(name, test)| {
        let ready = charon.clone();
        let ignored = ready.is_none();
        let run = move || ready.map_or(Ok(()), |charon| in_runtime(test(charon)));
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Two charons.
struct Lab {
    charon: Ready,
    sides: TwoSides,
}

type Started = Result<(Box<dyn Running>, mpsc::UnboundedReceiver<Line>), Failure>;

impl Lab {
    async fn new(charon: Ready) -> Result<Self, Failed> {
        Ok(Self { charon, sides: TwoSides::new().await? })
    }

    async fn start(&self, side: &Namespace, tunnel: &Tunnel, native: Option<&ConfigFiles>) -> Started {
        self.sides.start(side, &self.charon, tunnel, native).await
    }

    /// Both charons, the left one with `ours` and the right one with the mirror of `theirs`.
    async fn start_both(&self, ours: &Tunnel, theirs: &Tunnel) -> Result<[Box<dyn Running>; 2], Failed> {
        let left = self.start(&self.sides.left, ours, None).await?.0;
        let right = self.start(&self.sides.right, &mirrored(theirs), None).await?.0;
        Ok([left, right])
    }
}

fn tunnel(phase1: &str, phase2: &str) -> Tunnel {
    let mut tunnel = two_sides::tunnel(NatTraversal::Auto);
    tunnel.phase1.proposals = phase1.split(',').map(|proposal| proposal.parse().unwrap()).collect();
    tunnel.phase2.proposals = phase2.split(',').map(|proposal| proposal.parse().unwrap()).collect();
    (tunnel.phase2.pfs, tunnel.phase2.volume) = (None, Some(Kilobytes(4_608_000)));
    tunnel
}

fn between(local: &str, remote: &str) -> TrafficPair {
    TrafficPair::between(local.parse().unwrap(), remote.parse().unwrap())
}

async fn starts_fast(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes256-sha1-modp1536", "aes128-sha1");
    let mut times = Vec::new();
    for _ in 0..5 {
        let before = lab.sides.clock.now();
        let (running, mut lines) = lab.start(&lab.sides.left, &ours, None).await?;
        let started = lab.sides.clock.now();
        running.stop().await?;
        times.push((started - before, lab.sides.clock.now() - started));
        let mut log = Vec::new();
        while let Some(line) = lines.recv().await {
            log.push(line);
        }
        assert!(log.iter().any(|line| line.text.contains("added vici connection: cisco")), "{log:?}");
        assert!(log.iter().any(|line| line.text.contains("SIGTERM received")), "{log:?}");
        assert!(log.iter().all(|line| before <= line.at && line.at <= lab.sides.clock.now()));
    }
    times.sort();
    println!("from exec to loaded connections, and from SIGTERM to the end (medians of five): {:?}", times[2]);
    Ok(())
}

async fn every_proposal(charon: Ready) -> Outcome {
    for (phase1, phase2, pfs) in [
        ("des-md5-modp768", "des-md5", None),
        ("3des-md5-modp1024", "3des-md5", None),
        ("aes128-sha1-modp1536", "aes128-sha1", Some("modp1536")),
        ("aes192-sha256-modp2048", "aes192-sha256", Some("modp2048")),
        ("aes256-sha384-modp3072", "aes256-sha384", None),
        ("aes256-sha512-modp4096", "aes256-sha512", None),
        ("aes128-sha1-modp1024", "aes256gcm16", Some("modp1024")),
        ("aes128-sha1-modp1024", "null-sha1", None),
    ] {
        let lab = Lab::new(charon.clone()).await?;
        let mut ours = tunnel(phase1, phase2);
        ours.phase2.pfs = pfs.map(|group| group.parse().unwrap());
        let [mut left, mut right] = lab.start_both(&ours, &ours).await?;
        let before = lab.sides.clock.now();
        left.initiate().await?;
        let negotiated = lab.sides.clock.now() - before;
        installed(&mut right, 1).await?;
        lab.sides.echo()?;
        let (left_state, right_state) = (left.sas().await?, right.sas().await?);
        agree(&ours, &left_state, &right_state);
        println!("{phase1}, {phase2}: negotiated in {negotiated:?}");
        left.stop().await?;
        right.stop().await?;
    }
    Ok(())
}

/// Both sides believe the same, and what they believe is what was asked for.
fn agree(tunnel: &Tunnel, left: &SaState, right: &SaState) {
    let ([ours], [theirs]) = (left.phase1.as_slice(), right.phase1.as_slice()) else {
        panic!("expected one phase 1 SA each, found {left:?} {right:?}");
    };
    assert!(left.phase1_established() && right.phase1_established());
    assert!(ours.initiator && !theirs.initiator);
    assert_eq!(ours.cookies, theirs.cookies);
    assert_eq!((ours.local.clone(), ours.remote.clone()), (theirs.remote.clone(), theirs.local.clone()));
    assert_eq!(ours.transform, theirs.transform);
    let asked = tunnel.phase1.proposals[0];
    assert_eq!(
        (ours.transform.cipher, ours.transform.hash, ours.transform.group),
        (Some(asked.cipher), Some(asked.hash), Some(asked.group))
    );
    let asked = tunnel.phase2.proposals[0];
    for (pair, child) in tunnel.traffic.iter().zip(&left.phase2) {
        assert_eq!(
            (child.local.clone(), child.remote.clone()),
            (vec![pair.local.to_string()], vec![pair.remote.to_string()])
        );
        assert_eq!(
            (child.cipher, child.integrity, child.pfs),
            (Some(asked.cipher), asked.integrity, tunnel.phase2.pfs)
        );
        let twin = right.phase2.iter().find(|twin| twin.spi_in == child.spi_out).expect("the SPI is the peer's too");
        assert_eq!(twin.spi_out, child.spi_in);
        assert_eq!((child.sent, child.received), (twin.received, twin.sent));
        assert_eq!(child.sent.octets, 1028, "one UDP datagram of 1000 octets went out");
    }
}

async fn aggressive(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let mut ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    ours.phase1.exchange = Exchange::Aggressive;
    ours.nat_traversal = NatTraversal::Force;
    ours.psk = Psk::new("0xnot } \"hex\" #");
    let office = Some(Identity::KeyId("office".to_owned()));
    let hub = Some(Identity::Fqdn("hub.example".to_owned()));
    ours.identities = Identities { local: office, remote: hub };
    let [mut left, mut right] = lab.start_both(&ours, &ours).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    lab.sides.echo()?;
    let state = left.sas().await?;
    assert_eq!(state.phase1[0].local.identity.as_deref(), Some("office"));
    assert_eq!(state.phase1[0].remote.identity.as_deref(), Some("hub.example"));
    // Each side's pretence is the other's finding.
    assert!(state.phase1[0].nat.remote && state.phase2[0].udp_encapsulation);
    agree(&ours, &state, &right.sas().await?);
    Ok(())
}

/// Phase 1 as the first message shows it; phase 2, which is encrypted, as the responder tells it in its log when its own
/// lifetimes are others.
async fn proposals(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes256-sha1-modp1536,3des-md5-modp1024", "aes128-sha1");
    let mut theirs = mirrored(&ours);
    theirs.phase2.lifetime = Span::from_secs(1800);
    theirs.phase2.volume = Some(Kilobytes(1000));
    let wire = FramePort::open(&lab.sides.right, "wan", PortOptions::default(), lab.sides.clock)?;
    let mut left = lab.start(&lab.sides.left, &ours, None).await?.0;
    let (mut right, mut lines) = lab.start(&lab.sides.right, &theirs, None).await?;

    left.initiate().await?;
    installed(&mut right, 1).await?;
    right.stop().await?;

    let first = loop {
        let frame = wire.recv().await?;
        let Ok(packet) = Ipv4Packet::parse(Frame::parse(&frame.bytes)?.payload) else { continue };
        break Message::parse(&UdpDatagram::parse(&packet.payload, packet.source, packet.destination)?.payload)?;
    };
    let Some(Payload { body: Body::Sa(sa), .. }) = first.payloads().first() else {
        return Err(format!("expected an SA payload first, found {first:?}").into());
    };
    let offered: Vec<Vec<(OakleyAttribute, u64)>> = sa.proposals[0]
        .transforms
        .iter()
        .map(|transform| {
            let attributes = transform.attributes.iter();
            attributes.filter_map(|attribute| Some((attribute.kind.into(), attribute.number()?))).collect()
        })
        .collect();
    use OakleyAttribute::{Authentication, Encryption, Group, Hash, KeyLength, LifeDuration, LifeType};
    let sorted = |mut attributes: Vec<_>| {
        attributes.sort();
        attributes
    };
    let aes = vec![(Encryption, 7), (Hash, 2), (Authentication, 1), (Group, 5), (KeyLength, 256)];
    let triple_des = vec![(Encryption, 5), (Hash, 1), (Authentication, 1), (Group, 2)];
    let expected = [aes, triple_des].map(|transform| [transform, vec![(LifeType, 1), (LifeDuration, 28_800)]].concat());
    assert_eq!(offered.into_iter().map(sorted).collect::<Vec<_>>(), expected.map(sorted));

    let mut log = String::new();
    while let Some(line) = lines.recv().await {
        assert!(!line.text.contains("vici client"), "what the harness asks is no evidence: {}", line.text);
        log = log + &line.text + "\n";
    }
    for expected in ["received 3600s lifetime, configured 1800s", "received 4608000000 lifebytes, configured 1000000"] {
        assert!(log.contains(expected), "{expected} is not in:\n{log}");
    }
    Ok(())
}

async fn two_pairs(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let mut ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    ours.traffic.push(between("10.3.0.0/24", "10.2.0.0/24"));
    let [mut left, mut right] = lab.start_both(&ours, &ours).await?;
    left.initiate().await?;
    installed(&mut right, 2).await?;
    for from in [Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 3, 0, 1)] {
        lab.sides.echo_between(from, Ipv4Addr::new(10, 2, 0, 1))?;
    }
    agree(&ours, &left.sas().await?, &right.sas().await?);
    Ok(())
}

async fn refusals(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    let no_proposal = |failure: &Refusal| *failure == Refusal::Notify(NotifyType::NoProposalChosen);
    let invalid_id = |failure: &Refusal| *failure == Refusal::Notify(NotifyType::InvalidIdInformation);
    let authentication = |failure: &Refusal| matches!(failure, Refusal::Authentication(_));
    let mut other_key = ours.clone();
    other_key.psk = Psk::new("other");
    let mut other_selectors = ours.clone();
    other_selectors.traffic = vec![between("10.1.0.0/24", "10.9.0.0/24")];
    let mut with_pfs = ours.clone();
    with_pfs.phase2.pfs = Some("modp1024".parse()?);
    type Expected<'a> = &'a dyn Fn(&Refusal) -> bool;
    let cases: [(&str, Tunnel, Phase, Expected<'_>); 5] = [
        ("policy", tunnel("3des-md5-modp1024", "aes128-sha1"), Phase::One, &no_proposal),
        ("key", other_key, Phase::One, &authentication),
        ("transform set", tunnel("aes128-sha1-modp1024", "3des-md5"), Phase::Two, &no_proposal),
        ("pfs", with_pfs, Phase::Two, &no_proposal),
        ("selectors", other_selectors, Phase::Two, &invalid_id),
    ];
    for (name, theirs, expected_phase, expected) in cases {
        let [mut left, right] = lab.start_both(&ours, &theirs).await?;
        let outcome = left.initiate().await;
        left.stop().await?;
        right.stop().await?;
        match outcome {
            Err(Failure::Refused { phase, refusal, lines, .. }) => {
                assert_eq!(phase, expected_phase, "{name}: {lines:#?}");
                assert!(expected(&refusal), "{name}: {refusal}: {lines:#?}");
            }
            other => return Err(format!("{name}: expected a refusal, found {other:?}").into()),
        }
    }
    Ok(())
}

async fn silence(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    let mut left = lab.start(&lab.sides.left, &ours, None).await?.0;
    let before = lab.sides.clock.now();
    match left.initiate().await {
        Err(Failure::Refused { phase: Phase::One, refusal, .. }) => {
            let unanswered = Some("ID_PROT request 0 [ SA V V V V V ]".to_owned());
            assert_eq!(refusal, Refusal::NoAnswer { unanswered, retransmissions: 3 });
        }
        other => return Err(format!("expected no answer, found {other:?}").into()),
    }
    let waited = lab.sides.clock.now() - before;
    let total = Retransmission::default().total();
    assert!(waited >= total && waited < total + Duration::from_secs(5), "{waited:?}");
    assert_eq!(left.sas().await?, SaState::default());
    Ok(())
}

async fn terminate(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    let [mut left, mut right] = lab.start_both(&ours, &ours).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    left.terminate().await?;
    assert_eq!(left.sas().await?, SaState::default());
    installed(&mut right, 0).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    Ok(())
}

async fn dead_daemon(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    let mut left = lab.start(&lab.sides.left, &ours, None).await?.0;
    kill_charon_of(&lab.sides.left)?;
    match left.sas().await {
        Err(Failure::DaemonExited { status, last_lines, .. }) => {
            assert!(status.contains("signal: 9"), "{status}");
            assert!(last_lines.iter().any(|line| line.contains("added vici connection")), "{last_lines:#?}");
        }
        other => return Err(format!("expected the end of the daemon, found {other:?}").into()),
    }
    assert!(matches!(left.initiate().await, Err(Failure::DaemonExited { .. })));
    assert!(matches!(left.stop().await, Err(Failure::DaemonExited { .. })));
    Ok(())
}

/// Kills the charon in that namespace, which a process is known by.
fn kill_charon_of(namespace: &Namespace) -> Outcome {
    let ours = namespace.on_thread(|| std::fs::read_link("/proc/thread-self/ns/net"))?;
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim() == "charon" && std::fs::read_link(path.join("ns/net")).ok().as_ref() == Some(&ours) {
            let id: i32 = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().parse()?;
            let id = rustix::process::Pid::from_raw(id).expect("no process has the id zero");
            rustix::process::kill_process(id, rustix::process::Signal::KILL)?;
            return Ok(());
        }
    }
    Err("there is no charon in the namespace".into())
}

async fn native_files(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    let swanctl = r#"
        include conf.d/*.conf
        connections {
          hub : base {
            remote_addrs = 192.0.2.2
            children { lan { local_ts = 10.1.0.0/24   # ours
                             remote_ts = 10.2.0.0/24
                             esp_proposals = aes256-sha256, aes128-sha1 } }
          }
        }
        base { version = 1
               proposals = aes128-sha1-modp1024
               local { auth = psk }
               remote { auth = psk } }"#;
    let native = ConfigFiles::from([
        ("swanctl.conf".to_owned(), swanctl.to_owned()),
        ("conf.d/secrets.conf".to_owned(), "secrets { ike-hub { secret = 0x733363726574 } }".to_owned()),
        ("strongswan.conf".to_owned(), "charon { load = stroke\n retransmit_tries = 1\n }".to_owned()),
    ]);
    let mut left = lab.start(&lab.sides.left, &ours, Some(&native)).await?.0;
    let mut right = lab.start(&lab.sides.right, &mirrored(&ours), None).await?.0;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    lab.sides.echo()?;
    let state = left.sas().await?;
    assert_eq!((state.phase1[0].name.as_str(), state.phase2[0].name.as_str()), ("hub", "lan"));
    agree(&ours, &state, &right.sas().await?);
    Ok(())
}

async fn bad_configurations(charon: Ready) -> Outcome {
    let lab = Lab::new(charon).await?;
    let ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    for (name, text, expected) in [
        ("swanctl.conf", "connections { hub { proposals = aes129\n } }", "load-conn: "),
        ("swanctl.conf", "connections { hub {\n", "swanctl.conf:1:15"),
        ("swanctl.conf", "secrets { }", "has no connection"),
        ("ipsec.conf", "conn hub", "expected a swanctl.conf, found ipsec.conf"),
    ] {
        let native = ConfigFiles::from([(name.to_owned(), text.to_owned())]);
        let failure = lab.start(&lab.sides.left, &ours, Some(&native)).await.err().expect("it is refused");
        assert!(matches!(failure, Failure::Configuration { .. } | Failure::Native(_)), "{failure:?}");
        assert!(failure.to_string().contains(expected), "{failure}");
    }
    // Two in one namespace: the second finds its ports taken.
    let first = lab.start(&lab.sides.left, &ours, None).await?.0;
    let failure = lab.start(&lab.sides.left, &ours, None).await.err().expect("it has no socket");
    assert!(matches!(failure, Failure::Unfit { .. }), "{failure}");
    assert_eq!(failure.to_string(), "charon started unfit: 00[NET] could not open IPv4 socket, IPv4 disabled");
    first.stop().await?;
    let mut lab = lab;
    lab.charon.program = "/nonexistent/charon".into();
    let failure = lab.start(&lab.sides.left, &ours, None).await.err().expect("there is no such program");
    assert!(matches!(failure, Failure::Spawn { .. }), "{failure}");
    lab.charon.program = "/bin/false".into();
    let failure = lab.start(&lab.sides.left, &ours, None).await.err().expect("it ends at once");
    assert!(matches!(failure, Failure::DaemonExited { .. }), "{failure}");
    Ok(())
}

async fn no_address(charon: Ready) -> Outcome {
    if charon.data_path == DataPath::Kernel {
        return Ok(());
    }
    let lab = Lab::new(charon).await?;
    let mut ours = tunnel("aes128-sha1-modp1024", "aes128-sha1");
    ours.traffic = vec![between("10.9.0.0/24", "10.2.0.0/24")];
    let [mut left, _right] = lab.start_both(&ours, &ours).await?;
    match left.initiate().await {
        Err(Failure::Refused { phase: Phase::Two, refusal: Refusal::Local(_), .. }) => Ok(()),
        other => Err(format!("expected our own side to fail, found {other:?}").into()),
    }
}
