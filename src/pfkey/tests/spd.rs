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

#[test]
fn an_update_replaces_and_keeps_the_number() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let mut update = tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0);
    update.header.kind = MessageType::SpdUpdate;
    assert_eq!(rig.done(socket, &update).policy().unwrap().id, 9);
    let mut discard = policy(Direction::Outbound, LEFT, RIGHT, PolicyType::Discard, Vec::new());
    discard.header.kind = MessageType::SpdUpdate;
    assert_eq!(rig.done(socket, &discard).policy().unwrap().id, 9);
    assert_eq!(rig.engine.policies().map(|policy| policy.treatment).collect::<Vec<_>>(), [Treatment::Discard]);
    let mut index = policy(Direction::Forward, LEFT, RIGHT, PolicyType::Discard, Vec::new());
    index.header.kind = MessageType::SpdSetIdx;
    assert_eq!(rig.done(socket, &index).policy().unwrap().id, 18);
}

#[test]
fn reqids_beyond_the_administrators_are_the_engines() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let mut reqid = |net, reqid| {
        let added = rig.done(socket, &tunnel(Direction::Outbound, LEFT, [10, 2, net], Level::Unique, reqid));
        let request = added.policy().unwrap().requests[0];
        (request.level, request.reqid)
    };
    assert_eq!(reqid(1, 0x3fff), (Level::Unique, 0x3fff));
    assert_eq!(reqid(2, 0x9999), (Level::Unique, 0x4000));
    assert_eq!(reqid(3, 0), (Level::Unique, 0x4001));
    let required = rig.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Default, 7));
    assert_eq!(required.policy().unwrap().requests[0].level, Level::Require);
    let used = rig.done(socket, &tunnel(Direction::Inbound, LEFT, RIGHT, Level::Use, 0));
    assert_eq!(used.policy().unwrap().requests[0].level, Level::Use);
}

#[test]
fn what_no_policy_can_be_made_of_is_refused() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let add = tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0);
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut policy = add.policy().unwrap().clone();
        change(&mut policy);
        instead(add.clone(), Extension::Policy(policy))
    };
    let without = |kind| {
        let mut message = add.clone();
        message.extensions.retain(|other| other.kind() != kind);
        message
    };
    let cases = [
        (with(&|policy| policy.direction = Direction::Any), Errno::Invalid),
        (with(&|policy| policy.direction = Direction::Unknown(4)), Errno::Invalid),
        (with(&|policy| policy.kind = PolicyType::Entrust), Errno::Invalid),
        (with(&|policy| policy.requests[0].protocol = 51), Errno::ProtocolNotSupported),
        (with(&|policy| policy.requests.push(policy.requests[0])), Errno::ProtocolNotSupported),
        (with(&|policy| policy.requests[0].mode = IpsecMode::Beet), Errno::Invalid),
        (with(&|policy| policy.requests[0].level = Level::Unknown(4)), Errno::Invalid),
        (with(&|policy| policy.requests[0].ends = None), Errno::Invalid),
        (without(ExtensionType::Policy), Errno::Invalid),
        (without(ExtensionType::AddressSource), Errno::Invalid),
        (without(ExtensionType::AddressDestination), Errno::Invalid),
    ];
    for (case, errno) in cases {
        assert_eq!(rig.refused(socket, &case), errno, "{case:?}");
    }
    assert_eq!(rig.engine.policies().count(), 0);
}
