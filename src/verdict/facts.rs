//! What an event log says, arranged for asking: what each side holds at a moment, and what crossed the wire until then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::evidence::decode::Content;
use crate::evidence::frames::{LoggedFrame, frames};
use crate::evidence::log::{EventLog, Happening, Link};
use crate::ike::KeyRecord;
use crate::ike::event::{Event, EventKind, InstalledPair, Phase1Input, QuickRefusal, QuickVerdict, SaRef};
use crate::implementations::SaState;
use crate::ios::event::RouterEvent;
use crate::wire::Spi;
use crate::wire::isakmp::{Body, Cookie, ExchangeType, MessageId, NotifyType, OakleyAttribute, Payload};

/// An event log with its frames decoded.
pub(super) struct Facts<'a> {
    /// The log.
    pub(super) log: &'a EventLog,
    /// Its frames, in the order of its entries.
    pub(super) frames: Vec<LoggedFrame<'a>>,
}

/// The first entries of a log.
#[derive(Clone, Copy)]
pub(super) struct Until<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// How many entries.
    pub(super) entries: usize,
}

/// Both cookies of an ISAKMP SA.
pub(super) type Cookies = (Cookie, Cookie);

impl<'a> Facts<'a> {
    pub(super) fn new(log: &'a EventLog) -> Self {
        Self { log, frames: frames(log) }
    }

    /// The whole log.
    pub(super) fn whole(&'a self) -> Until<'a> {
        Until { facts: self, entries: self.log.entries.len() }
    }

    /// The log until the implementation was asked for its SAs in the end. What comes behind that is its shutdown.
    pub(super) fn end(&'a self) -> Until<'a> {
        let asked = self
            .log
            .entries
            .iter()
            .rposition(|entry| matches!(entry.what, Happening::Sas { .. } | Happening::SasUntold));
        Until { facts: self, entries: asked.map_or(self.log.entries.len(), |asked| asked + 1) }
    }

    /// The log until the end of a step; `None` when that step did not take place.
    pub(super) fn step(&'a self, wanted: usize) -> Option<Until<'a>> {
        let ended = |what: &Happening| matches!(what, Happening::Step { index, .. } if *index == wanted);
        let entry = self.log.entries.iter().position(|entry| ended(&entry.what))?;
        Some(Until { facts: self, entries: entry })
    }

    /// The algorithms of an ESP SA by the router's key log.
    pub(super) fn suite(&self, wanted: Spi) -> Option<crate::ike::EspSuite> {
        self.log.happenings().find_map(|what| match what {
            Happening::Keys { record } => match &**record {
                KeyRecord::Esp { spi, suite, .. } if *spi == wanted => Some(*suite),
                _ => None,
            },
            _ => None,
        })
    }
}

impl<'a> Until<'a> {
    pub(super) fn happenings(self) -> impl Iterator<Item = &'a Happening> {
        self.facts.log.entries[..self.entries].iter().map(|entry| &entry.what)
    }

    pub(super) fn router(self) -> impl Iterator<Item = &'a RouterEvent> {
        self.happenings().filter_map(|what| match what {
            Happening::Router { event } => Some(&**event),
            _ => None,
        })
    }

    /// What the router's IKE engine told.
    pub(super) fn ike(self) -> impl Iterator<Item = &'a Event> {
        self.router().filter_map(|event| match event {
            RouterEvent::Ike(event) => Some(event),
            _ => None,
        })
    }

    pub(super) fn console(self) -> impl Iterator<Item = &'a str> {
        self.happenings().filter_map(|what| match what {
            Happening::Console { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    /// The lines the implementation wrote.
    pub(super) fn dut_log(self) -> impl Iterator<Item = &'a str> {
        self.happenings().filter_map(|what| match what {
            Happening::Log { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    /// What the router answered to a `show` command last.
    pub(super) fn show(self, wanted: &str) -> Option<&'a str> {
        let answers = self.happenings().filter_map(|what| match what {
            Happening::Show { command, text } if command == wanted => Some(text.as_str()),
            _ => None,
        });
        answers.last()
    }

    /// The implementation's SAs as it told them last.
    pub(super) fn sas(self) -> Option<&'a SaState> {
        let told = self.happenings().filter_map(|what| match what {
            Happening::Sas { state } => Some(&**state),
            _ => None,
        });
        told.last()
    }

    pub(super) fn frames(self) -> impl Iterator<Item = &'a LoggedFrame<'a>> {
        self.facts.frames.iter().take_while(move |frame| frame.entry < self.entries)
    }

    /// The frames of the implementation's link: each packet once, with the implementation's own addresses.
    pub(super) fn dut_frames(self) -> impl Iterator<Item = &'a LoggedFrame<'a>> {
        self.frames().filter(|frame| frame.link == Link::Dut)
    }

    /// Whether IKE of the implementation reached the router's link.
    pub(super) fn dut_ike_arrived(self) -> bool {
        self.frames().any(|frame| frame.link == Link::Cisco && frame.outbound && frame.ike().is_some())
    }

    /// Whether the implementation sent IKE at all.
    pub(super) fn dut_sent_ike(self) -> bool {
        self.dut_frames().any(|frame| !frame.outbound && frame.ike().is_some())
    }

    /// Whether the router sent IKE.
    pub(super) fn cisco_sent_ike(self) -> bool {
        self.frames().any(|frame| frame.link == Link::Cisco && !frame.outbound && frame.ike().is_some())
    }

    /// The ISAKMP SAs the router holds.
    pub(super) fn router_isakmp(self) -> BTreeSet<Cookies> {
        let mut held: BTreeMap<u64, Cookies> = BTreeMap::new();
        for event in self.router() {
            match event {
                RouterEvent::Restarted => held.clear(),
                RouterEvent::Ike(Event { sa: Some(sa), kind, .. }) => match kind {
                    EventKind::StateChanged { input: Phase1Input::Phase1Completed, .. } => {
                        held.insert(sa.serial, cookies(sa));
                    }
                    EventKind::SaDeleted { .. } | EventKind::SaPurged => {
                        held.remove(&sa.serial);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        held.into_values().collect()
    }

    /// Whether the router ever completed phase 1.
    pub(super) fn router_completed_phase1(self) -> bool {
        self.ike()
            .any(|event| matches!(event.kind, EventKind::StateChanged { input: Phase1Input::Phase1Completed, .. }))
    }

    /// The pairs of IPsec SAs the router holds.
    pub(super) fn router_pairs(self) -> Vec<&'a InstalledPair> {
        let mut held: BTreeMap<u32, &InstalledPair> = BTreeMap::new();
        for event in self.router() {
            match event {
                RouterEvent::Restarted => held.clear(),
                RouterEvent::Ike(Event { kind: EventKind::SaInstalled(pair), .. }) => {
                    held.insert(pair.pair, pair);
                }
                RouterEvent::Ike(Event { kind: EventKind::PairRemoved { pair, .. }, .. }) => {
                    held.remove(pair);
                }
                _ => {}
            }
        }
        held.into_values().collect()
    }

    /// Whether a pair was ever installed.
    pub(super) fn router_installed_any(self) -> bool {
        self.ike().any(|event| matches!(event.kind, EventKind::SaInstalled(_)))
    }

    /// What the router's crypto maps refused, in order, and for whom.
    pub(super) fn quick_refusals(self) -> impl Iterator<Item = (&'a Event, QuickRefusal)> {
        self.ike().filter_map(|event| match &event.kind {
            EventKind::QuickJudged { verdict: QuickVerdict::Refused(refusal), .. } => Some((event, *refusal)),
            _ => None,
        })
    }

    /// How many distinct messages of each phase 1 exchange crossed the implementation's link, and whether it was main mode.
    pub(super) fn wire_phase1(self) -> BTreeMap<Cookie, (ExchangeType, u16)> {
        let mut seen = BTreeMap::new();
        for message in self.dut_frames().filter_map(LoggedFrame::ike) {
            let header = &message.header;
            if matches!(header.exchange, ExchangeType::Main | ExchangeType::Aggressive) && header.message_id.0 == 0 {
                let entry = seen.entry(header.initiator_cookie).or_insert((header.exchange, 0));
                entry.1 = entry.1.max(message.named.name.index);
            }
        }
        seen
    }

    /// Whether a whole phase 1 exchange crossed the implementation's link.
    pub(super) fn wire_completed_phase1(self) -> bool {
        self.wire_phase1().values().any(|(exchange, count)| match exchange {
            ExchangeType::Aggressive => *count >= 3,
            _ => *count >= 6,
        })
    }

    /// How many distinct messages of each quick mode crossed the implementation's link.
    pub(super) fn wire_quick(self) -> BTreeMap<(Cookie, MessageId), u16> {
        let mut seen = BTreeMap::new();
        for message in self.dut_frames().filter_map(LoggedFrame::ike) {
            if message.header.exchange == ExchangeType::Quick {
                let count = seen.entry((message.header.initiator_cookie, message.header.message_id)).or_insert(0);
                *count = message.named.name.index.max(*count);
            }
        }
        seen
    }

    /// The notifies the router sent on the wire, decrypted.
    pub(super) fn wire_notifies(self) -> Vec<NotifyType> {
        let cisco = IpAddr::V4(self.facts.log.header.cisco);
        let mut notifies = Vec::new();
        for frame in self.dut_frames() {
            let Some(message) = frame.ike() else { continue };
            if frame.observed.as_ref().is_some_and(|observed| observed.source.ip() == cisco) {
                notifies.extend(message.payloads.iter().filter_map(|payload| match &payload.body {
                    Body::Notify(notify) => Some(notify.kind),
                    _ => None,
                }));
            }
        }
        notifies
    }

    /// The attributes of the phase 1 transform that the responder chose last.
    pub(super) fn wire_phase1_choice(self) -> Option<Vec<(OakleyAttribute, u64)>> {
        let chosen = self.dut_frames().filter_map(LoggedFrame::ike).filter(|message| {
            matches!(message.header.exchange, ExchangeType::Main | ExchangeType::Aggressive)
                && message.named.name.index == 2
        });
        let attributes = |payload: &Payload| match &payload.body {
            Body::Sa(sa) => {
                let attributes = sa.proposals.first()?.transforms.first()?.attributes.iter();
                Some(attributes.filter_map(|found| Some((found.kind.into(), found.number()?))).collect())
            }
            _ => None,
        };
        chosen.filter_map(|message| message.payloads.iter().find_map(attributes)).last()
    }

    /// The ESP packets that crossed either link.
    pub(super) fn esp(self) -> impl Iterator<Item = (&'a LoggedFrame<'a>, Spi)> {
        self.frames().filter_map(|frame| match frame.observed.as_ref()?.content {
            Content::Esp { spi, .. } => Some((frame, spi)),
            _ => None,
        })
    }
}

fn cookies(sa: &SaRef) -> Cookies {
    (sa.initiator_cookie, sa.responder_cookie)
}
