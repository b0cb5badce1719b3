//! The same traces from what the engine itself tells: two routers negotiate in memory.

use std::time::Duration;

use super::*;
use crate::crypto::{Cipher, Group, Hash};
use crate::ike::policy::DeadPeerDetection;
use crate::ike::rig::{A, Pair, policy};
use crate::ike::{Input, Selector};

/// What both consoles show from an instant on of a negotiation between two routers, random numbers blotted out.
fn consoles(release: Release, pair: &Pair, from: Instant) -> String {
    let side = |name: &str, events: &[(Instant, ike::Event)]| {
        let mut console = Console::new(release, name, Settings::default());
        let lines = events.iter().flat_map(|(at, event)| {
            let event = RouterEvent::Ike(event.clone());
            console.render(*at, &event).into_iter().map(|line| (line.at, line.text)).collect::<Vec<_>>()
        });
        let mut text = format!("{name}#\n");
        for (at, line) in lines.filter(|(at, _)| *at >= from) {
            text += &format!("{:>4}.{:03} {line}\n", at.since_start().as_secs(), at.since_start().subsec_millis());
        }
        text
    };
    blotted(&(side("initiator", &pair.a.events) + &side("responder", &pair.b.events)))
}

/// The text without SPIs, message ids and the octet behind an XAUTH vendor ID.
fn blotted(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        let before_xauth = lines.get(index + 1).is_some_and(|next| next.ends_with("vendor ID is XAUTH"));
        let mut rest = *line;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            let end = rest[start..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(rest.len(), |end| start + end);
            let word = &rest[start..end];
            let number = word.bytes().all(|octet| octet.is_ascii_digit());
            let blot = match word {
                "4608000" => word,
                _ if word.starts_with("0x") && word.len() > 7 => "0xH",
                _ if number && (word.len() > 6 || before_xauth && rest[..start].ends_with("major ")) => "N",
                _ => word,
            };
            out += &rest[..start];
            out += blot;
            rest = &rest[end..];
        }
        out = out.replace("-N", "N") + rest + "\n";
    }
    out
}

fn routers(release: Release) -> Pair {
    let mut pair = Pair::speaking(release.personality(), release.personality(), 7);
    pair.b.owner.entries[0].suites[0].cipher = Cipher::Aes256;
    pair
}

/// Lets A begin with what B accepts unless the test changes something.
fn connect(pair: &mut Pair, time: Duration) {
    let mut request = pair.request();
    request.suites[0].cipher = Cipher::Aes256;
    request.lifetimes.kilobytes = Some(4_608_000);
    pair.ask(request);
    pair.run(time);
}

macro_rules! assert_consoles {
    ($name:literal, $negotiate:expr) => {
        for release in [Release::V12_4, Release::Xe16] {
            let mut pair = routers(release);
            let negotiate: fn(&mut Pair) -> Instant = $negotiate;
            let from = negotiate(&mut pair);
            let consoles = consoles(release, &pair, from);
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("engine-{}-{release}", $name), consoles);
            });
        }
    };
}

#[test]
fn success() {
    assert_consoles!("success", |pair| {
        connect(pair, Duration::from_secs(2));
        assert_eq!((pair.a.pairs.len(), pair.b.pairs.len()), (1, 1));
        Instant::ZERO
    });
}

#[test]
fn success_behind_nat() {
    assert_consoles!("nat", |pair| {
        pair.network.nat = Some("203.0.113.77".parse().unwrap());
        pair.network.port_shift = 12;
        connect(pair, Duration::from_secs(2));
        assert_eq!((pair.a.pairs.len(), pair.b.pairs.len()), (1, 1));
        Instant::ZERO
    });
}

#[test]
fn no_policy_fits() {
    assert_consoles!("policy-mismatch", |pair| {
        pair.b.owner.policies = vec![policy(Cipher::Aes256, Hash::Sha1, Group::Modp1024)];
        connect(pair, Duration::from_secs(90));
        assert!(pair.b.pairs.is_empty());
        Instant::ZERO
    });
}

#[test]
fn the_pre_shared_key_is_wrong() {
    assert_consoles!("psk-mismatch", |pair| {
        pair.b.owner.key = Some("other".to_owned());
        connect(pair, Duration::from_secs(150));
        assert!(pair.b.pairs.is_empty());
        Instant::ZERO
    });
}

#[test]
fn there_is_no_key_to_begin_with() {
    assert_consoles!("no-key", |pair| {
        pair.a.owner.key = None;
        connect(pair, Duration::from_secs(2));
        assert!(pair.wire.is_empty());
        Instant::ZERO
    });
}

#[test]
fn proxy_identities_are_refused() {
    assert_consoles!("proxy-mismatch", |pair| {
        pair.b.owner.entries[0].selectors.remote = Selector::host(A);
        connect(pair, Duration::from_secs(60));
        assert!(pair.b.pairs.is_empty());
        Instant::ZERO
    });
}

#[test]
fn the_transform_is_refused() {
    assert_consoles!("transform-mismatch", |pair| {
        pair.b.owner.entries[0].suites[0].integrity = Some(Hash::Md5);
        connect(pair, Duration::from_secs(60));
        assert!(pair.b.pairs.is_empty());
        Instant::ZERO
    });
}

#[test]
fn perfect_forward_secrecy_is_missing() {
    assert_consoles!("pfs-mismatch", |pair| {
        pair.b.owner.entries[0].pfs = Some(Group::Modp2048);
        connect(pair, Duration::from_secs(60));
        assert!(pair.b.pairs.is_empty());
        Instant::ZERO
    });
}

#[test]
fn an_operator_clears_everything() {
    assert_consoles!("cleared", |pair| {
        connect(pair, Duration::from_secs(2));
        let from = pair.now;
        pair.input(true, Input::Clear { peer: None, isakmp: true, ipsec: true });
        pair.run(Duration::from_secs(120));
        assert!(pair.b.pairs.is_empty());
        from
    });
}

#[test]
fn a_dead_peer_is_noticed() {
    assert_consoles!("dpd", |pair| {
        let (idle, retry) = (Duration::from_secs(10), Duration::from_secs(2));
        pair.a.owner.settings.dpd = Some(DeadPeerDetection { idle, retry, attempts: 5, periodic: true });
        connect(pair, Duration::from_secs(15));
        let from = pair.now;
        pair.run(Duration::from_secs(9));
        pair.network.loss = 1.0;
        pair.run(Duration::from_secs(120));
        assert!(pair.a.pairs.is_empty());
        from
    });
}
