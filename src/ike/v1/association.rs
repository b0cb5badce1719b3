//! What every ISAKMP SA has, whatever state it is in.

use std::net::SocketAddrV4;

use crate::ike::context::{Context, describe};
use crate::ike::event::{EventKind, Phase1Input, Phase1State, Progress, Refusal, Role, SaRef};
use crate::ike::io::Output;
use crate::ike::nat::Nat;
use crate::ike::personality::{NatSupport, NotifySpi, RefusalAnswer, VendorId};
use crate::ike::policy::Peer;
use crate::ike::sa::{IsakmpSaId, UdpEncapsulation};
use crate::ike::v1::informational::told;
use crate::ike::v1::message::{Envelope, Incoming, walk};
use crate::ike::vendor::{self, PeerFeatures};
use crate::wire::isakmp::{
    Body, Cookie, ExchangeType, Header, MessageId, NotifyPayload, NotifyType, PayloadType, ProtocolId,
};

/// What every ISAKMP SA has, whatever state it is in.
#[derive(Clone, Debug)]
pub(crate) struct Association {
    /// Counts the SAs of the engine from 1.
    pub serial: u64,
    /// Zero until keys exist.
    pub connection: u32,
    /// The cookies.
    pub id: IsakmpSaId,
    /// Our side of the exchange.
    pub role: Role,
    /// How far it is.
    pub progress: Progress,
    /// Where its machine is.
    pub state: Phase1State,
    /// Our address and port.
    pub local: SocketAddrV4,
    /// The peer's, as we see them.
    pub remote: SocketAddrV4,
    /// The number of the peer's record.
    pub peer_number: u64,
}

impl Association {
    /// The SA as events name it.
    pub fn reference(&self) -> SaRef {
        SaRef {
            serial: self.serial,
            connection: self.connection,
            initiator_cookie: self.id.initiator,
            responder_cookie: self.id.responder,
            role: self.role,
            progress: self.progress,
        }
    }

    /// The peer as the owner is asked about it.
    pub fn peer(&self) -> Peer {
        Peer { local: *self.local.ip(), remote: self.remote }
    }

    /// Our cookie.
    pub fn own_cookie(&self) -> Cookie {
        match self.role {
            Role::Initiator => self.id.initiator,
            Role::Responder => self.id.responder,
        }
    }

    /// Tells what happened to the SA.
    pub fn tell(&self, cx: &mut Context<'_>, kind: EventKind) {
        cx.tell(self.local, self.remote, Some(self.reference()), kind);
    }

    /// The machine moves.
    pub fn moved(&mut self, cx: &mut Context<'_>, input: Phase1Input, to: Phase1State) {
        let from = std::mem::replace(&mut self.state, to);
        self.tell(cx, EventKind::StateChanged { input, from, to });
    }

    /// Sends a message for the first time.
    pub fn send(&self, cx: &mut Context<'_>, octets: &[u8]) {
        if let Some(datagram) = describe(octets) {
            self.tell(cx, EventKind::DatagramSent(datagram));
        }
        self.transmit(cx, octets);
    }

    /// Sends a message without a word.
    pub fn transmit(&self, cx: &mut Context<'_>, octets: &[u8]) {
        cx.output(Output::Datagram { local: self.local, remote: self.remote, octets: octets.to_vec() });
    }

    /// A payload is about to be processed.
    pub fn processing(&self, cx: &mut Context<'_>, payload: PayloadType, message_id: MessageId) {
        self.tell(cx, EventKind::PayloadProcessed { payload, message_id });
    }

    /// Takes note of the vendor IDs in a clear message, which is the `number`th of the exchange.
    pub fn vendor_ids(&self, cx: &mut Context<'_>, incoming: &Incoming<'_>, number: u8, features: &mut PeerFeatures) {
        let peer_cookie = self.reference().peer_cookie();
        let body = incoming.octets.get(Header::LEN..incoming.header().length as usize).unwrap_or_default();
        for span in walk(incoming.header().next_payload, body) {
            let (PayloadType::VendorId, Some(octets)) = (span.kind, span.body) else { continue };
            features.note(octets);
            let meaning = vendor::meaning(octets, peer_cookie, &cx.shared.personality);
            let behind = span.behind[..span.behind.len().min(8)].to_vec();
            self.tell(cx, EventKind::VendorId { message: number, octets: octets.to_vec(), behind, meaning });
        }
    }

    /// An authenticated message came from where the SA was not before: the exchange goes on there, and so do the pairs.
    pub fn follow(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        if (self.local, self.remote) == (incoming.local, incoming.remote) {
            return;
        }
        let before = std::mem::replace(&mut self.remote, incoming.remote);
        self.local = incoming.local;
        cx.shared.registry.moved(self.serial, self.remote);
        self.tell(cx, EventKind::PortFloated { before });
        let (local, remote) = (self.local, self.remote);
        for inbound in cx.shared.pairs.follow(self.serial, local, remote) {
            cx.output(Output::Rebind { inbound, udp: UdpEncapsulation { local, remote } });
        }
    }

    /// As [`Self::follow`], for a peer behind a NAT whose mapping may change (RFC 3947 4).
    pub fn follow_behind_nat(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>, nat: &Nat) {
        if nat.support.is_some() && nat.remote {
            self.follow(cx, incoming);
        }
    }

    /// A datagram came for an SA that is gone.
    pub fn refuse_unknown(&self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        cx.tell(incoming.local, incoming.remote, Some(self.reference()), EventKind::DatagramRefused(Refusal::NoSa));
    }

    /// Answers what cannot be accepted with a notify in clear, where the personality answers at all.
    pub fn refuse_in_clear(&self, cx: &mut Context<'_>, answer: RefusalAnswer, kind: NotifyType) {
        let RefusalAnswer::Notify(spi) = answer else { return };
        let spi = match spi {
            NotifySpi::Cookies | NotifySpi::CookiesThenSpi => self.id.to_bytes().to_vec(),
            NotifySpi::None | NotifySpi::PeerSpi => Vec::new(),
        };
        let message_id = cx.shared.message_id();
        let notify = NotifyPayload { doi: 1, protocol: ProtocolId::Isakmp, spi, kind, data: Vec::new() };
        self.tell(cx, EventKind::NotifySent(told(message_id, &notify)));
        let envelope = Envelope { id: self.id, exchange: ExchangeType::Informational, message_id };
        self.send(cx, &envelope.clear(vec![Body::Notify(notify)]));
    }

    /// The vendor IDs `ids` as payloads of the message being made.
    pub fn own_vendor_ids(&self, cx: &mut Context<'_>, ids: &[VendorId], chosen: Option<NatSupport>) -> Vec<Body> {
        let shared = &mut *cx.shared;
        let all = vendor::to_send(ids, self.own_cookie(), chosen, &shared.personality, &mut shared.rng);
        all.into_iter()
            .map(|(octets, meaning)| {
                self.tell(cx, EventKind::VendorIdSent { octets: octets.clone(), meaning });
                Body::VendorId(octets)
            })
            .collect()
    }
}
