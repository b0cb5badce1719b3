//! Quick mode as responder: which crypto map entry takes a proposal, and which lines refuse it (facts 5.2 to 5.5).

use super::CryptoInterface;
use super::entry::{MapEntry, entries, proxy_pair, suite};
use crate::ike::event::QuickRefusal;
use crate::ike::{Mode, QuickChoice, QuickOffer};
use crate::ios::acl::{Action, Cover, ProxyPair};
use crate::ios::config::{DhGroup, RunningConfig, Span, TransformMode};
use crate::ios::event::{ConfigLine, ProposalRefused};

/// A refusal by one entry, and the words of the configuration that it rests on.
struct Refused {
    refusal: QuickRefusal,
    spans: Vec<Span>,
}

/// Judges one alternative of an offer.
///
/// Entries are walked by sequence number, those that serve the peer count \[R; consistent with LOG-XE1\]; proxies come
/// first, then transform sets, then perfect forward secrecy [S:NOTES-KR order]. When an entry refuses, later ones with the
/// same peer are tried \[R\]; of several refusals the one that came furthest is told.
pub(super) fn choose(
    config: &RunningConfig,
    interfaces: &[CryptoInterface],
    offer: &QuickOffer,
) -> Result<QuickChoice, Box<ProposalRefused>> {
    let here: Vec<_> = interfaces.iter().filter(|interface| interface.address == offer.peer.local).collect();
    if here.is_empty() {
        return Err(refused(config, offer, None, no_policy(config, offer)));
    }
    let proxies = proxy_pair(&offer.selectors);
    let mut nearest: Option<(String, Refused)> = None;
    let mut strangers = Vec::new();
    for interface in here {
        for entry in entries(config, &interface.map) {
            if !entry.serves(offer.peer.address()) {
                strangers.extend(entry.settings.peers.iter().map(|peer| peer.span));
                continue;
            }
            match judge(&entry, offer, proxies.as_ref()) {
                Ok(()) => {
                    return Ok(QuickChoice {
                        entry: entry.name.to_string(),
                        interface: interface.name.clone(),
                        lifetimes: entry.lifetimes(config),
                    });
                }
                Err(other) => match &mut nearest {
                    Some((_, best)) if progress(best.refusal) == progress(other.refusal) => {
                        best.spans.extend(other.spans);
                    }
                    Some((_, best)) if progress(best.refusal) > progress(other.refusal) => {}
                    _ => nearest = Some((entry.name.to_string(), other)),
                },
            }
        }
    }
    let (entry, refusal) = match nearest {
        Some((entry, refusal)) => (Some(entry), refusal),
        None => (None, Refused { refusal: QuickRefusal::ProxyIdentities, spans: strangers }),
    };
    Err(refused(config, offer, entry, refusal))
}

/// How far a proposal came before it was refused.
fn progress(refusal: QuickRefusal) -> u8 {
    match refusal {
        QuickRefusal::NoPolicy => 0,
        QuickRefusal::ProxyIdentities => 1,
        QuickRefusal::Transform => 2,
        QuickRefusal::Encapsulation => 3,
        QuickRefusal::Pfs { .. } => 4,
    }
}

fn judge(entry: &MapEntry<'_>, offer: &QuickOffer, proxies: Option<&ProxyPair>) -> Result<(), Refused> {
    judge_proxies(entry, proxies)?;
    judge_transforms(entry, offer)?;
    judge_pfs(entry, offer)
}

/// The exact mirror or less is accepted. [S: facts 5.2, NOTES]
fn judge_proxies(entry: &MapEntry<'_>, proxies: Option<&ProxyPair>) -> Result<(), Refused> {
    let Some(list) = entry.acl else { return Ok(()) };
    let cover = proxies.map_or(Cover::Outside, |proxies| list.cover(proxies));
    let denied = match cover {
        Cover::Exact(_) | Cover::Inside(_) => return Ok(()),
        Cover::Denied(ace) => Some(ace.span),
        Cover::Outside => None,
    };
    let permitted = list.entries().filter(|ace| ace.action == Action::Permit).map(|ace| ace.span);
    let spans = denied.into_iter().chain(permitted).collect();
    Err(Refused { refusal: QuickRefusal::ProxyIdentities, spans })
}

/// A transform set with the same algorithms must be among the entry's; its mode must fit too. A set in transport mode takes
/// tunnel mode unless it says `require`, a set in tunnel mode takes nothing else. \[R: facts 5.5\]
fn judge_transforms(entry: &MapEntry<'_>, offer: &QuickOffer) -> Result<(), Refused> {
    let offered = match &offer.transforms[..] {
        [transform] => transform.suite(),
        _ => None,
    };
    let same: Vec<_> = entry.transform_sets.iter().filter(|set| offered.is_some() && suite(set) == offered).collect();
    if same.is_empty() {
        let spans = entry.transform_sets.iter().map(|set| set.span).collect();
        return Err(Refused { refusal: QuickRefusal::Transform, spans });
    }
    let mode = offer.transforms.first().and_then(|transform| transform.mode());
    let fits = |set: TransformMode| match mode {
        Some(Mode::Tunnel) => set != TransformMode::TransportRequire,
        Some(Mode::Transport) => set != TransformMode::Tunnel,
        None => false,
    };
    if same.iter().any(|set| fits(set.mode.value)) {
        return Ok(());
    }
    let line = |span: Span, of: Span| if span.is_none() { of } else { span };
    let spans = same.iter().map(|set| line(set.mode.span, set.span)).collect();
    Err(Refused { refusal: QuickRefusal::Encapsulation, spans })
}

/// Without `set pfs` any offer is accepted, with it only the same group. [S: facts 5.4]
fn judge_pfs(entry: &MapEntry<'_>, offer: &QuickOffer) -> Result<(), Refused> {
    let Some(pfs) = entry.settings.pfs else { return Ok(()) };
    if offer.pfs.is_some() && offer.pfs == pfs.value.supported() {
        return Ok(());
    }
    let refusal =
        QuickRefusal::Pfs { offered: offer.pfs.map(|group| group.number()), configured: DhGroup::number(pfs.value) };
    Err(Refused { refusal, spans: vec![pfs.span] })
}

/// The interface that has the address, but no crypto map.
fn no_policy(config: &RunningConfig, offer: &QuickOffer) -> Refused {
    let has = |interface: &&crate::ios::config::Interface| {
        interface.addresses().any(|network| network.ip() == offer.peer.local)
    };
    let spans = config.interfaces.iter().filter(has).map(|interface| interface.span).collect();
    Refused { refusal: QuickRefusal::NoPolicy, spans }
}

fn refused(config: &RunningConfig, offer: &QuickOffer, entry: Option<String>, why: Refused) -> Box<ProposalRefused> {
    Box::new(ProposalRefused {
        local: offer.peer.local,
        remote: offer.peer.remote,
        entry,
        local_proxy: offer.selectors.local.to_id(),
        remote_proxy: offer.selectors.remote.to_id(),
        transforms: offer.transforms.clone(),
        refusal: why.refusal,
        lines: why.spans.into_iter().filter_map(|span| ConfigLine::at(config, span)).collect(),
    })
}
