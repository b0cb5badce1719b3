//! Whole negotiations, both sides in memory: main mode and quick mode, nine messages.

use std::net::Ipv4Addr;
use std::time::Duration;

use divan::{Bencher, black_box};
use ike_interop::crypto::{Cipher, Group, Hash, Secret};
use ike_interop::ike::event::QuickRefusal;
use ike_interop::ike::{
    Engine, EspSuite, Identity, IdentityVerdict, Input, IsakmpPolicy, Lifetimes, Mode, Output, Peer, Personality,
    Policy, PreSharedKey, QuickChoice, QuickOffer, QuickRequest, RequestId, Selector, Selectors,
};
use ike_interop::ios::Release;
use ike_interop::time::Instant;
use ike_interop::wire::isakmp::{AuthenticationMethod, IdPayload};
use rand::SeedableRng;
use rand::rngs::StdRng;

const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const B: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SUITE: EspSuite = EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) };

fn main() {
    divan::main();
}

/// An owner that takes everything.
struct Owner {
    address: Ipv4Addr,
    group: Group,
}

impl Policy for Owner {
    fn isakmp_policies(&mut self, _: &Peer) -> Vec<IsakmpPolicy> {
        vec![IsakmpPolicy {
            priority: 10,
            cipher: Cipher::Aes256,
            hash: Hash::Sha256,
            group: self.group,
            authentication: AuthenticationMethod::PreSharedKey,
            lifetime: Some(Duration::from_secs(86400)),
        }]
    }

    fn pre_shared_key(&mut self, _: &Peer) -> Option<PreSharedKey> {
        Some(PreSharedKey { key: Secret::from(&b"s3cret"[..]), keyring: String::new() })
    }

    fn identity(&mut self, _: &Peer) -> Identity {
        Identity::Address(self.address)
    }

    fn judge_identity(&mut self, _: &Peer, _: &IdPayload) -> IdentityVerdict {
        IdentityVerdict::Accepted { profile: None }
    }

    fn choose(&mut self, _: &QuickOffer) -> Result<QuickChoice, QuickRefusal> {
        Ok(QuickChoice { entry: "MAP 10".to_owned(), interface: "outside".to_owned(), lifetimes: lifetimes() })
    }
}

fn lifetimes() -> Lifetimes {
    Lifetimes { seconds: Some(3600), kilobytes: None }
}

fn request(pfs: Option<Group>) -> QuickRequest {
    QuickRequest {
        id: RequestId(1),
        entry: "TUNNEL".to_owned(),
        interface: "outside".to_owned(),
        local: A,
        peer: B,
        selectors: Selectors { local: Selector::host(A), remote: Selector::host(B) },
        suites: vec![SUITE],
        mode: Mode::Tunnel,
        pfs,
        lifetimes: lifetimes(),
    }
}

/// Both sides until nothing crosses any more; how many pairs were installed on both.
fn negotiate(group: Group, pfs: Option<Group>) -> usize {
    let mut engines = [
        Engine::new(Personality::linux(), StdRng::seed_from_u64(1)),
        Engine::new(Release::V15.personality(), StdRng::seed_from_u64(2)),
    ];
    let mut owners = [Owner { address: A, group }, Owner { address: B, group }];
    let mut inputs = vec![(0, Input::RequestSa(request(pfs)))];
    let mut installed = 0;
    while let Some((side, input)) = inputs.pop() {
        engines[side].handle(Instant::ZERO, input, &mut owners[side]);
        while let Some(output) = engines[side].poll() {
            match output {
                Output::Datagram { local, remote, octets } => {
                    inputs.insert(0, (1 - side, Input::Datagram { local: remote, remote: local, octets }));
                }
                Output::Install(_) => installed += 1,
                _ => {}
            }
        }
    }
    installed
}

#[divan::bench(args = [Group::Modp1024, Group::Modp1536, Group::Modp2048, Group::Modp3072, Group::Modp4096])]
fn main_and_quick_mode(bencher: Bencher, group: Group) {
    assert_eq!(negotiate(group, None), 2);
    bencher.bench_local(|| negotiate(black_box(group), None));
}

#[divan::bench]
fn with_perfect_forward_secrecy(bencher: Bencher) {
    bencher.bench_local(|| negotiate(Group::Modp2048, black_box(Some(Group::Modp2048))));
}
