//! What each driver of the program claims, it can do: two of an implementation bring up tunnels with one another that ask for
//! everything on its list, and pass traffic. In a sandbox that `main` enters on its first line; what cannot run is ignored.

mod two_sides;

use std::collections::BTreeSet;
use std::process::ExitCode;

use ike_interop::cli;
use ike_interop::crypto::{Cipher, Group, Hash};
use ike_interop::implementations::{Capabilities, Capability, DataPath, Failure, Registry, SaState};
use ike_interop::lab::process::Line;
use ike_interop::lab::sandbox;
use ike_interop::scenario::tunnel::{
    Dpd, Exchange, Identities, Identity, NatTraversal, Phase1Proposal, Phase2Proposal, Protocol, TrafficPair, Tunnel,
};
use ike_interop::scenario::units::{Kilobytes, Span};
use libtest_mimic::{Arguments, Failed, Trial};
use two_sides::{Ready, TwoSides, in_runtime, installed, mirrored};

/// What they are known by.
const NAMES: [&str; 2] = ["left.example.net", "right.example.net"];

fn main() -> ExitCode {
    if cli::started_by_cell() {
        return cli::main();
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return cli::UNFIT_MACHINE.into();
    }
    let registry = Registry::built_in();
    let host = registry.probe_host();
    let mut trials = Vec::new();
    for (named, driver) in registry.iter() {
        let name = named.name.word();
        let claimed = driver.capabilities(&host);
        if claimed.is_empty() {
            continue;
        }
        let data_path = driver.ways(&host).first().map_or(DataPath::None, |way| way.data_path);
        let mut tunnels = tunnels(&claimed);
        tunnels.retain(|(_, tunnel)| driver.supports(tunnel, data_path).is_ok());
        let tried: BTreeSet<Capability> =
            tunnels.iter().flat_map(|(_, tunnel)| Capability::needed_by(tunnel)).collect();
        let untried: Vec<String> =
            claimed.iter().filter(|one| !tried.contains(*one)).map(ToString::to_string).collect();
        trials.push(Trial::test(format!("{name}::each_capability_is_tried"), move || {
            assert!(untried.is_empty(), "{untried:?}");
            Ok(())
        }));
        let ready = registry.driver(&named.name).and_then(|driver| Ready::on(&host, driver));
        for (what, tunnel) in tunnels {
            let (ready, ignored) = (ready.clone(), ready.is_none());
            let test = move || ready.map_or(Ok(()), |ready| in_runtime(come_up(ready, tunnel)));
            trials.push(Trial::test(format!("{name}::{what}"), test).with_ignored_flag(ignored));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The lines of one side.
type Said = tokio::sync::mpsc::UnboundedReceiver<Line>;

/// The tunnel comes up between two of them, with as many pairs of SAs as it has pairs of selectors, and carries traffic.
async fn come_up(ready: Ready, tunnel: Tunnel) -> Result<(), Failed> {
    let lab = TwoSides::new().await?;
    let (mut left, mut ours) = match lab.start(&lab.left, &ready, &tunnel, None).await {
        Ok(started) => started,
        // Only the running program knows what its libraries lack; a cell is skipped then.
        Err(Failure::Unsupported(unsupported)) => {
            println!("skipped: {unsupported}");
            return Ok(());
        }
        Err(failure) => return Err(failure.into()),
    };
    let (mut right, mut theirs) = lab.start(&lab.right, &ready, &mirrored(&tunnel), None).await?;
    if let Err(failure) = left.initiate().await {
        let said =
            |lines: &mut Said| std::iter::from_fn(|| Some(lines.try_recv().ok()?.text + "\n")).collect::<String>();
        return Err(format!("{failure}\nleft:\n{}\nright:\n{}", said(&mut ours), said(&mut theirs)).into());
    }
    let state: SaState = left.sas().await?;
    assert!(state.phase1_established(), "{state:?}");
    assert_eq!(state.installed().count(), tunnel.traffic.len(), "{state:?}");
    // The responder drops what overtakes the last message of quick mode.
    installed(&mut right, tunnel.traffic.len()).await?;
    lab.echo()?;
    left.stop().await?;
    right.stop().await?;
    Ok(())
}

/// Tunnels that ask for all of `claimed` and nothing else, each with a name.
fn tunnels(claimed: &Capabilities) -> Vec<(String, Tunnel)> {
    let claims = |word: String| Capabilities::matching(&word).iter().any(|one| claimed.has(one));
    let base = Tunnel { phase2: plain_phase2(), ..two_sides::tunnel(NatTraversal::Auto) };
    let mut tunnels = Vec::new();

    let ciphers: Vec<Cipher> = kept(Cipher::ALL, |cipher| claims(format!("ike-{cipher}")));
    let hashes: Vec<Hash> = kept(Hash::ALL, |hash| claims(format!("ike-{hash}")));
    let groups: Vec<Group> = kept(Group::ALL, |group| claims(format!("ike-{group}")));
    for index in 0..ciphers.len().max(hashes.len()).max(groups.len()) {
        let (cipher, hash) = (ciphers[index % ciphers.len()], hashes[index % hashes.len()]);
        let proposal = Phase1Proposal { cipher, hash, group: groups[index % groups.len()] };
        let mut tunnel = base.clone();
        tunnel.phase1.proposals = vec![proposal];
        tunnels.push((format!("phase1_{proposal}"), tunnel));
    }

    let (aead, ciphers): (Vec<Cipher>, Vec<Cipher>) = kept(Cipher::ALL, |cipher| claims(format!("esp-{cipher}")))
        .into_iter()
        .partition(|cipher| cipher.word().contains("gcm"));
    let hashes: Vec<Hash> = kept(Hash::ALL, |hash| claims(format!("esp-{hash}")));
    let groups: Vec<Option<Group>> =
        kept(Group::ALL, |group| claims(format!("pfs-{group}"))).into_iter().map(Some).chain([None]).collect();
    let with_hash = (0..ciphers.len().max(hashes.len()))
        .map(|index| (ciphers[index % ciphers.len()], Some(hashes[index % hashes.len()])));
    let suites: Vec<_> = with_hash.chain(aead.into_iter().map(|cipher| (cipher, None))).collect();
    for index in 0..suites.len().max(groups.len()) {
        let (cipher, integrity) = suites[index % suites.len()];
        let (proposal, pfs) = (Phase2Proposal { cipher, integrity }, groups[index % groups.len()]);
        let mut tunnel = base.clone();
        (tunnel.phase2.proposals, tunnel.phase2.pfs) = (vec![proposal], pfs);
        tunnels.push((format!("phase2_{proposal}_pfs_{}", pfs.map_or("none", |group| group.word())), tunnel));
    }

    for (name, change) in CHANGES {
        let mut tunnel = base.clone();
        change(&mut tunnel);
        tunnels.push(((*name).to_owned(), tunnel));
    }
    tunnels.retain(|(_, tunnel)| Capability::needed_by(tunnel).iter().all(|needed| claimed.has(needed)));
    tunnels
}

fn kept<T: Copy>(all: &[T], claimed: impl Fn(T) -> bool) -> Vec<T> {
    all.iter().copied().filter(|one| claimed(*one)).collect()
}

fn plain_phase2() -> ike_interop::scenario::tunnel::Phase2 {
    let mut phase2 = two_sides::tunnel(NatTraversal::Auto).phase2;
    phase2.pfs = None;
    phase2
}

/// A change of a tunnel.
type Change = fn(&mut Tunnel);

/// What is asked for besides algorithms.
const CHANGES: &[(&str, Change)] = &[
    ("aggressive_mode", |tunnel| tunnel.phase1.exchange = Exchange::Aggressive),
    ("nat_traversal_forced", |tunnel| tunnel.nat_traversal = NatTraversal::Force),
    ("nat_traversal_off", |tunnel| tunnel.nat_traversal = NatTraversal::Off),
    ("identities_fqdn", |tunnel| tunnel.identities = named(Identity::Fqdn, "")),
    ("identities_user_fqdn", |tunnel| tunnel.identities = named(Identity::UserFqdn, "gateway@")),
    ("identities_key_id", |tunnel| tunnel.identities = named(Identity::KeyId, "")),
    ("aggressive_mode_fqdn", |tunnel| aggressive_with(tunnel, named(Identity::Fqdn, ""))),
    ("aggressive_mode_user_fqdn", |tunnel| aggressive_with(tunnel, named(Identity::UserFqdn, "gateway@"))),
    ("aggressive_mode_key_id", |tunnel| aggressive_with(tunnel, named(Identity::KeyId, ""))),
    ("several_proposals", |tunnel| {
        tunnel.phase1.proposals.push("aes128-sha1-modp2048".parse().expect("a proposal"));
        tunnel.phase2.proposals.push("aes256-sha1".parse().expect("a proposal"));
    }),
    ("several_selectors", |tunnel| {
        let network = |text: &str| text.parse().expect("a network");
        tunnel.traffic.push(TrafficPair::between(network("10.3.0.0/24"), network("10.4.0.0/24")));
    }),
    ("one_protocol", |tunnel| tunnel.traffic[0].protocol = Some(Protocol(17))),
    ("one_port", |tunnel| {
        let pair = &mut tunnel.traffic[0];
        (pair.protocol, pair.local_port, pair.remote_port) = (Some(Protocol(17)), Some(7), Some(7));
    }),
    ("dead_peer_detection", |tunnel| {
        tunnel.dpd = Some(Dpd { delay: Span::from_secs(10), timeout: Span::from_secs(30) });
    }),
    ("lifetime_in_data", |tunnel| tunnel.phase2.volume = Some(Kilobytes(4_608_000))),
];

fn aggressive_with(tunnel: &mut Tunnel, identities: Identities) {
    (tunnel.phase1.exchange, tunnel.identities) = (Exchange::Aggressive, identities);
}

fn named(kind: fn(String) -> Identity, before: &str) -> Identities {
    let [local, remote] = NAMES.map(|name| Some(kind(format!("{before}{name}"))));
    Identities { local, remote }
}
