//! Quick mode (RFC 2409 5.5): a state for each wait, and what both roles share.

pub(crate) mod initiator;
#[cfg(test)]
mod recorded;
pub(crate) mod responder;

use crate::crypto::{Group, IcvLength, SaKeys};
use crate::ike::context::Context;
use crate::ike::event::{EventKind, InstalledPair, OfferedTransform};
use crate::ike::io::{KeyRecord, Output};
use crate::ike::keys::QuickModeExchange;
use crate::ike::pairs::Pair;
use crate::ike::policy::QuickChoice;
use crate::ike::sa::{EspSa, EspSuite, Lifetimes, Mode, QuickRequest, SaPair, UdpEncapsulation};
use crate::ike::selector::Selectors;
use crate::ike::v1::association::Association;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::message::Payloads;
use crate::ike::v1::session::Session;
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::isakmp::{Body, IdPayload, MessageId, PayloadType, ProtocolId};

/// Everything a quick mode has agreed on.
pub(crate) struct Negotiated<'a> {
    pub message_id: MessageId,
    pub initiator: bool,
    pub request: Option<&'a QuickRequest>,
    pub choice: QuickChoice,
    pub transform: &'a OfferedTransform,
    pub suite: EspSuite,
    pub mode: Mode,
    pub pfs: Option<Group>,
    pub lifetimes: Lifetimes,
    pub selectors: Selectors,
    pub inbound: Spi,
    pub outbound: Spi,
    pub ni_b: &'a [u8],
    pub nr_b: &'a [u8],
    pub g_qm_xy: Option<&'a [u8]>,
}

/// Makes the pair and installs it.
pub(crate) fn install(session: &Session, sa: &Association, cx: &mut Context<'_>, negotiated: Negotiated<'_>) {
    let Negotiated { message_id, initiator, request, choice, transform, suite, mode, pfs, .. } = negotiated;
    let Negotiated { lifetimes, selectors, inbound, outbound, ni_b, nr_b, g_qm_xy, .. } = negotiated;
    let keys = |spi: Spi| -> SaKeys {
        let exchange = QuickModeExchange { g_qm_xy, protocol: ProtocolId::Esp, spi: spi.0, ni_b, nr_b };
        session.keys.skeyid_d.sa_keys(&exchange, suite.cipher, suite.integrity)
    };
    let pair = SaPair {
        number: cx.shared.pairs.next_number(),
        request: request.map(|request| request.id),
        entry: choice.entry,
        interface: choice.interface,
        isakmp: sa.id,
        message_id,
        initiator,
        local: *sa.local.ip(),
        remote: *sa.remote.ip(),
        mode,
        udp: transform.in_udp().then_some(UdpEncapsulation { local: sa.local, remote: sa.remote }),
        selectors,
        suite,
        pfs,
        lifetimes,
        inbound: EspSa { spi: inbound, keys: keys(inbound) },
        outbound: EspSa { spi: outbound, keys: keys(outbound) },
    };
    sa.tell(cx, EventKind::SaInstalled(told(&pair, transform)));
    log_keys(cx, &pair);
    let (renew, expires) = timers(cx, &pair);
    cx.output(Output::Install(Box::new(pair.clone())));
    cx.shared.pairs.insert(Pair {
        sa: pair,
        serial: sa.serial,
        identity: session.identity.clone(),
        request: request.cloned(),
        renew,
        renewing: false,
        replaced: None,
        expires,
    });
}

/// The outbound half of a pair may be used. The pair it renews lives on for a while, for what is still under way.
pub(crate) fn enable_outbound(sa: &Association, cx: &mut Context<'_>, inbound: Spi) {
    let Some(pair) = cx.shared.pairs.get(inbound) else { return };
    let (number, outbound) = (pair.sa.number, pair.sa.outbound.spi);
    let replaced = cx.shared.pairs.replaced_by(&pair.sa);
    sa.tell(cx, EventKind::OutboundEnabled { pair: number, spi: outbound.0 });
    cx.output(Output::EnableOutbound { inbound, outbound });
    let until = cx.now + cx.shared.personality.rekeying.overlap;
    for old in replaced {
        if let Some(pair) = cx.shared.pairs.get_mut(old) {
            pair.replaced = Some(until);
        }
    }
}

/// IDci and IDcr of a message: none, or both.
pub(crate) fn ids<'a>(payloads: &Payloads<'a>) -> Result<Option<(&'a IdPayload, &'a IdPayload)>, Failure> {
    let all: Vec<&IdPayload> = payloads
        .all(PayloadType::Id)
        .filter_map(|body| match body {
            Body::Id(id) => Some(id),
            _ => None,
        })
        .collect();
    match all[..] {
        [] => Ok(None),
        [idci, idcr] => Ok(Some((idci, idcr))),
        _ => Err(Failure::bad_value(format!("{} ID payloads, expected none or two", all.len()))),
    }
}

/// The peer's SPI of four octets.
pub(crate) fn peer_spi(octets: &[u8]) -> Result<Spi, Failure> {
    let spi = <[u8; 4]>::try_from(octets).map(|octets| Spi(u32::from_be_bytes(octets)));
    match spi {
        Ok(spi) if spi >= Spi::FIRST_FREE => Ok(spi),
        Ok(spi) => Err(Failure::bad_value(format!("reserved SPI {spi}"))),
        Err(_) => Err(Failure::bad_value(format!("SPI of {} octets, expected 4", octets.len()))),
    }
}

/// When a pair is renewed and when it ends. A lifetime too short for the margin is renewed at its half.
fn timers(cx: &Context<'_>, pair: &SaPair) -> (Option<Instant>, Option<Instant>) {
    let Some(lifetime) = pair.lifetimes.duration() else { return (None, None) };
    let rekeying = cx.shared.personality.rekeying;
    // The initiator goes first, so that both sides do not renew at once.
    let margin = rekeying.phase2_margin.map(|margin| if pair.initiator { margin } else { margin / 2 });
    let renew = margin.map(|margin| cx.now + lifetime.saturating_sub(margin).max(lifetime / 2));
    (renew, Some(cx.now + lifetime))
}

fn told(pair: &SaPair, transform: &OfferedTransform) -> InstalledPair {
    InstalledPair {
        message_id: pair.message_id,
        pair: pair.number,
        initiator: pair.initiator,
        inbound_spi: pair.inbound.spi.0,
        outbound_spi: pair.outbound.spi.0,
        transforms: vec![transform.clone()],
        local_proxy: pair.selectors.local.to_id(),
        remote_proxy: pair.selectors.remote.to_id(),
        seconds: pair.lifetimes.seconds.unwrap_or(0),
        kilobytes: pair.lifetimes.kilobytes.unwrap_or(0),
        pfs: pair.pfs.map(Group::number),
        policy: pair.entry.clone(),
        interface: pair.interface.clone(),
    }
}

fn log_keys(cx: &mut Context<'_>, pair: &SaPair) {
    let suite = pair.suite;
    for (esp, source, destination) in
        [(&pair.inbound, pair.remote, pair.local), (&pair.outbound, pair.local, pair.remote)]
    {
        let (spi, keys, icv_length) = (esp.spi, esp.keys.clone(), IcvLength::Standard);
        cx.output(Output::Keys(KeyRecord::Esp { source, destination, spi, suite, icv_length, keys }));
    }
}
