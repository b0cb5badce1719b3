//! The internet between the implementation and the router.

use std::net::Ipv4Addr;
use std::time::Duration;

use ike_interop::lab::internet::{
    Action, Attachment, Config, Impairment, Input, Internet, NatConfig, Output, PathMtu, Side,
};
use ike_interop::time::Instant;
use ike_interop::wire::ethernet::MacAddress;

use super::Story;

/// Frames that come in at either side, with time between them.
pub fn internet(octets: &[u8]) {
    let mut internet = Internet::new(config());
    let mut story = Story(octets);
    let mut now = Instant::ZERO;
    while let Some(kind) = story.octet() {
        let Some(piece) = story.piece() else { break };
        let side = if kind & 1 == 0 { Side::Dut } else { Side::Cisco };
        now += Duration::from_millis(u64::from(kind >> 1));
        // Right in its addresses, so that it is looked at, or as it came.
        let bytes = match kind & 2 {
            0 => piece.to_vec(),
            _ => [&mac(side).0[..], &[2, 0, 0, 0, 9, 9], &[8, 0], piece].concat(),
        };
        let length = bytes.len();
        internet.handle(now, Input::Frame { side, bytes });
        spent(&mut internet, now, length);
    }
    for _ in 0..64 {
        let Some(wake) = internet.next_timeout() else { break };
        now = now.max(wake);
        internet.handle(now, Input::Timeout);
        spent(&mut internet, now, 0);
    }
}

/// Takes what came of one input, which is no more than that justifies.
fn spent(internet: &mut Internet, now: Instant, length: usize) {
    let outputs: Vec<Output> = std::iter::from_fn(|| internet.poll()).collect();
    assert!(outputs.len() <= 64 + length, "{} outputs of one input", outputs.len());
    assert!(internet.next_timeout().is_none_or(|next| next >= now));
}

fn mac(side: Side) -> MacAddress {
    match side {
        Side::Dut => MacAddress([2, 0, 0, 0, 3, 1]),
        Side::Cisco => MacAddress([2, 0, 0, 0, 3, 2]),
    }
}

fn config() -> Config {
    let attachment = |side, net: [u8; 3], last| Attachment {
        mac: mac(side),
        address: Ipv4Addr::new(net[0], net[1], net[2], 254),
        subnet: ike_interop::wire::ipv4::Ipv4Prefix::containing(Ipv4Addr::new(net[0], net[1], net[2], 0), 24),
        peer: Ipv4Addr::new(net[0], net[1], net[2], last),
        peer_mac: MacAddress([2, 0, 0, 0, 1, last]),
    };
    let impair = |pattern: &str, action, times| Impairment {
        pattern: pattern.parse().expect("a pattern"),
        from: None,
        action,
        times,
    };
    Config {
        dut: attachment(Side::Dut, [192, 0, 2], 10),
        cisco: attachment(Side::Cisco, [198, 51, 100], 1),
        nat: Some(NatConfig::behind(Ipv4Addr::new(203, 0, 113, 5))),
        impairments: vec![
            impair("main-mode-2", Action::Drop, Some(2)),
            impair("esp", Action::Duplicate, None),
            impair("ike", Action::Reorder, Some(1)),
        ],
        mtu: PathMtu { octets: 1400, silent: false },
        unrouted: Vec::new(),
    }
}
