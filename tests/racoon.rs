//! The racoon driver against real racoons, two at a time, in namespaces of a sandbox that `main` enters on its first line.
//! Ignored, with the reason printed, where racoon cannot run.

mod two_sides;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use ike_interop::cli;
use ike_interop::crypto::{Cipher, Hash};
use ike_interop::implementations::racoon::Racoon;
use ike_interop::implementations::{
    ConfigFiles, Failure, Host, Implementation, Options, Phase, Refusal, Retransmission, Running, SaState,
};
use ike_interop::lab::{Namespace, sandbox};
use ike_interop::scenario::tunnel::{NatTraversal, Tunnel};
use libtest_mimic::{Arguments, Failed, Trial};
use two_sides::{Ready, TwoSides, in_runtime, installed, mirrored, tunnel};

type Outcome = Result<(), Failed>;
type Test = fn(Ready) -> Pin<Box<dyn Future<Output = Outcome>>>;

fn main() -> ExitCode {
    // The key engine is this very program, started anew in a namespace.
    if cli::started_by_cell() {
        return cli::main();
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return ExitCode::from(3);
    }
    let ready = Ready::on(&Host::probe(), Arc::new(Racoon));
    let tests: [(&str, Test); 3] = [
        ("a_pair_with_pfs_comes_up_carries_traffic_and_is_deleted_on_both_sides", |found| Box::pin(terminate(found))),
        ("esp_in_udp_passes_beside_racoons_own_socket", |found| Box::pin(in_udp(found))),
        ("policies_that_setkey_does_not_take_are_told", |found| Box::pin(bad_policies(found))),
    ];
    let trials = tests.map(|(name, test)| {
        let ready = ready.clone();
        let ignored = ready.is_none();
        let run = move || ready.map_or(Ok(()), |found| in_runtime(test(found)));
        Trial::test(name, run).with_ignored_flag(ignored)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Two racoons.
struct Lab {
    found: Ready,
    sides: TwoSides,
}

impl Lab {
    async fn new(found: Ready) -> Result<Self, Failed> {
        Ok(Self { found, sides: TwoSides::new().await? })
    }

    async fn start(
        &self,
        side: &Namespace,
        tunnel: &Tunnel,
        native: Option<&ConfigFiles>,
    ) -> Result<Box<dyn Running>, Failure> {
        self.sides.start(side, &self.found, tunnel, native).await.map(|(running, _)| running)
    }

    async fn start_both(&self, tunnel: &Tunnel) -> Result<[Box<dyn Running>; 2], Failed> {
        let left = self.start(&self.sides.left, tunnel, None).await?;
        let right = self.start(&self.sides.right, &mirrored(tunnel), None).await?;
        Ok([left, right])
    }
}

async fn terminate(found: Ready) -> Outcome {
    let lab = Lab::new(found).await?;
    let [mut left, mut right] = lab.start_both(&tunnel(NatTraversal::Auto)).await?;
    left.initiate().await?;
    let theirs = installed(&mut right, 1).await?;
    lab.sides.echo()?;
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
    lab.sides.echo()?;
    left.stop().await?;
    right.stop().await?;
    Ok(())
}

async fn in_udp(found: Ready) -> Outcome {
    let lab = Lab::new(found).await?;
    let [mut left, mut right] = lab.start_both(&tunnel(NatTraversal::Force)).await?;
    left.initiate().await?;
    installed(&mut right, 1).await?;
    lab.sides.echo()?;
    let state = left.sas().await?;
    assert!(state.phase2.iter().all(|sa| sa.udp_encapsulation && sa.received.packets == 1), "{state:?}");
    assert!(state.phase1.iter().all(|sa| (sa.local.port, sa.remote.port) == (4500, 4500)), "{state:?}");
    Ok(())
}

async fn bad_policies(found: Ready) -> Outcome {
    let lab = Lab::new(found).await?;
    let tunnel = tunnel(NatTraversal::Auto);
    let options = Options { data_path: lab.found.data_path, retransmission: Retransmission::default() };
    let mut files = Racoon.configure(&tunnel, &options);
    files.insert(
        "ipsec-tools.conf".to_owned(),
        "spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel;\n".to_owned(),
    );
    match lab.start(&lab.sides.left, &tunnel, Some(&files)).await.map(drop) {
        Err(Failure::Configuration { program, reason }) => {
            assert!(program == "setkey" && !reason.is_empty(), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    files = Racoon.configure(&tunnel, &options);
    files.insert("ipsec-tools.conf".to_owned(), "spdflush;\n".to_owned());
    let mut running = lab.start(&lab.sides.left, &tunnel, Some(&files)).await?;
    match running.initiate().await {
        Err(Failure::Refused { phase: Phase::Two, refusal: Refusal::Local(_), .. }) => Ok(()),
        other => panic!("{other:?}"),
    }
}
