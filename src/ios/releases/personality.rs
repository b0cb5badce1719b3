//! How a row becomes the personality the IKE engine obeys.

use std::time::Duration;

use super::{Answer, Behaviour, NatTraversal, Phase1, VendorId};
use crate::ike::personality::{
    Ageing, AnswerNumbers, IdPort, NatSupport, NatVersion, NotifySpi, OfferLayout, Padding, Personality,
    Phase2Attribute, RefusalAnswer, Rekeying, Retransmission, VendorId as EngineVendorId, VendorIds,
};
use crate::ios::Release;
use crate::wire::isakmp::OakleyAttribute;

/// UDP, the protocol of a phase 1 identity.
const UDP: u8 = 17;

/// How long a half-open SA of a silent initiator may live: all repeats and one wait more \[I\].
const HALF_OPEN: Duration = Duration::from_secs(60);

impl Release {
    /// How the release speaks IKEv1.
    pub fn personality(self) -> Personality {
        self.behaviour().personality()
    }
}

impl Behaviour {
    /// The row as the IKE engine wants it. Identities are 17/500, behind a NAT 17/0 \[S:LOG-XE1, LOG-XE2\].
    pub fn personality(&self) -> Personality {
        use OakleyAttribute as A;
        use Phase2Attribute as B;
        let timers = &self.timers;
        Personality {
            vendor_ids: self.phase1.vendor_ids(),
            nat_traversal: self.phase1.nat_support(),
            nonce_len: self.phase1.nonce_len,
            padding: if self.phase1.pad_when_aligned { Padding::WholeBlockWhenAligned } else { Padding::WhenNeeded },
            stable_cookies: self.phase1.stable_cookies,
            first_connection: self.phase1.first_connection,
            // [S:PCAP-MM, PCAP-AM, PCAP-PL]
            phase1_attributes: vec![
                A::Encryption,
                A::KeyLength,
                A::Hash,
                A::Group,
                A::Authentication,
                A::LifeType,
                A::LifeDuration,
            ],
            // [S:LOG-XE3, LOG-123]
            phase2_attributes: vec![
                B::Encapsulation,
                B::Seconds,
                B::Kilobytes,
                B::Authentication,
                B::KeyLength,
                B::Group,
            ],
            phase2_layout: OfferLayout::ProposalPerSuite,
            first_number: 1,
            answer_numbers: if self.phase1.renumber_from_one {
                AnswerNumbers::ByPosition
            } else {
                AnswerNumbers::Echoed
            },
            id_port: IdPort { protocol: UDP, port: 500, nat_port: 0 },
            initial_contact: true,
            phase1_lifetime_notify: self.phase1.announce_lifetime,
            phase2_lifetime_notify: self.phase2.announce_lifetime,
            phase1_refusal: self.phase1.refusal.into(),
            // It keeps sending message 1 \[R\] (cisco-ios-facts 3.5).
            believes_clear_refusals: false,
            garbage_answer: self.phase1.garbage.into(),
            phase2_refusal: self.phase2.refusal.into(),
            retransmission: Retransmission {
                waits: vec![timers.retransmit; timers.retransmits as usize],
                // A responder repeats what is unanswered [S:IKESCAN].
                responder: true,
                duplicate_guard: timers.duplicate_guard,
                scale: 1.0,
            },
            ageing: Ageing { node: timers.node_purge, sa: timers.sa_purge, half_open: HALF_OPEN },
            rekeying: Rekeying { phase2_margin: Some(timers.rekey_margin), overlap: timers.rekey_overlap },
        }
    }
}

impl Phase1 {
    fn vendor_ids(&self) -> VendorIds {
        let message = |ids: &[VendorId]| ids.iter().flat_map(|id| self.vendor_id(*id)).collect();
        VendorIds {
            main1: message(self.main1),
            main2: message(self.main2),
            main3: message(self.main3),
            main4: message(self.main4),
        }
    }

    fn vendor_id(&self, id: VendorId) -> Vec<EngineVendorId> {
        match id {
            VendorId::NatTraversal => {
                self.nat_versions().iter().map(|version| EngineVendorId::NatTraversal(*version)).collect()
            }
            VendorId::ChosenNatTraversal => vec![EngineVendorId::ChosenNatTraversal],
            VendorId::Unity => vec![EngineVendorId::Unity],
            VendorId::DeadPeerDetection => vec![EngineVendorId::DeadPeerDetection],
            VendorId::IosCookie => vec![EngineVendorId::IosCookie],
            VendorId::Xauth => vec![EngineVendorId::Xauth],
        }
    }

    fn nat_versions(&self) -> &'static [NatVersion] {
        match self.nat_traversal {
            NatTraversal::Rfc3947 => {
                &[NatVersion::Rfc3947, NatVersion::Draft07, NatVersion::Draft03, NatVersion::Draft02Newline]
            }
            NatTraversal::Draft07 => &[NatVersion::Draft07, NatVersion::Draft03, NatVersion::Draft02Newline],
        }
    }

    fn nat_support(&self) -> Vec<NatSupport> {
        let support = |version: &NatVersion| match version {
            NatVersion::Rfc3947 => NatSupport::RFC3947,
            // Numbered 15 also where RFC 3947 is spoken: the same code offers it \[I\].
            NatVersion::Draft07 => NatSupport::DRAFT07_IOS,
            version => NatSupport::draft(*version),
        };
        self.nat_versions().iter().map(support).collect()
    }
}

impl From<Answer> for RefusalAnswer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Silence => Self::Silent,
            Answer::Notify => Self::Notify(NotifySpi::None),
            Answer::NotifyCookies => Self::Notify(NotifySpi::Cookies),
            Answer::NotifyCookiesAndSpi => Self::Notify(NotifySpi::CookiesThenSpi),
            Answer::NotifySpi => Self::Notify(NotifySpi::PeerSpi),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_ids_stand_in_the_order_of_the_captures() {
        use EngineVendorId as V;
        let new = Release::V15.personality().vendor_ids;
        assert_eq!(new.main1.len(), 4);
        assert_eq!(new.main1[0], V::NatTraversal(NatVersion::Rfc3947));
        assert_eq!(new.main2, [V::ChosenNatTraversal]);
        assert_eq!(new.main3, [V::DeadPeerDetection, V::IosCookie, V::Xauth]);
        assert_eq!(new.main4, [V::Unity, V::DeadPeerDetection, V::IosCookie, V::Xauth]);
        let old = Release::V12_3T.personality();
        assert_eq!(old.vendor_ids.main1[0], V::NatTraversal(NatVersion::Draft07));
        assert_eq!(old.vendor_ids.main3, new.main4);
        assert_eq!(old.nat_traversal[0], NatSupport::DRAFT07_IOS);
    }

    #[test]
    fn a_message_is_repeated_five_times_ten_seconds_apart() {
        let retransmission = Release::Xe16.personality().retransmission;
        assert_eq!(retransmission.waits, [Duration::from_secs(10); 5]);
    }

    #[test]
    fn ipsec_connections_count_from_the_release_base() {
        assert_eq!(Release::Xe16.behaviour().ipsec_connections(1), (2001, 2002));
        assert_eq!(Release::V15.behaviour().ipsec_connections(2), (3, 4));
    }
}
