//! The messages about policies.

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{Output, Treatment};

const LEFT: [u8; 3] = [10, 1, 0];
const RIGHT: [u8; 3] = [10, 2, 0];

#[test]
fn policies_are_added_shown_and_deleted() {
    let mut rig = Rig::new();
    let (setkey, racoon) = (rig.open(), rig.open());
    assert_eq!(rig.refused(setkey, &spd(MessageType::SpdDump)), Errno::NoEntry);
    let add = tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0);
    let heard = rig.say(setkey, &add);
    assert_eq!(heard.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [setkey, racoon]);
    let added = heard[0].1.policy().unwrap().clone();
    assert_eq!((added.id, added.direction, added.priority), (9, Direction::Outbound, 0x8000_0000));
    assert_eq!(added.requests, add.policy().unwrap().requests);
    assert_eq!(rig.outputs, [Output::PoliciesChanged]);
    assert_eq!(rig.refused(setkey, &add), Errno::Exists);
    let inbound = rig.done(setkey, &tunnel(Direction::Inbound, RIGHT, LEFT, Level::Unique, 0));
    assert_eq!(inbound.policy().unwrap().requests[0].reqid, 0x4000);
    let dump = rig.say(racoon, &spd(MessageType::SpdDump));
    let shown = |(_, message): &(_, Message)| (message.header.sequence, message.policy().unwrap().id);
    assert_eq!(dump.iter().map(shown).collect::<Vec<_>>(), [(1, 16), (0, 9)]);
    let by_id = |id| Extension::Policy(Policy { id, requests: Vec::new(), ..added.clone() });
    let got = rig.done(racoon, &spd(MessageType::SpdGet).with(by_id(16)));
    assert_eq!(got.source().unwrap().address.to_string(), "10.2.0.0:0");
    assert_eq!(rig.refused(racoon, &spd(MessageType::SpdGet).with(by_id(24))), Errno::NoEntry);
    rig.done(setkey, &spd(MessageType::SpdDelete2).with(by_id(16)));
    let mut delete = add;
    delete.header.kind = MessageType::SpdDelete;
    rig.done(setkey, &delete);
    assert_eq!(rig.refused(setkey, &delete), Errno::NoEntry);
    assert_eq!(rig.engine.policies().count(), 0);
    rig.done(setkey, &policy(Direction::Outbound, LEFT, RIGHT, PolicyType::None, Vec::new()));
    assert_eq!(rig.engine.policies().map(|policy| policy.treatment).collect::<Vec<_>>(), [Treatment::Bypass]);
    rig.done(setkey, &spd(MessageType::SpdFlush));
    assert_eq!(rig.engine.policies().count(), 0);
}
