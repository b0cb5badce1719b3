//! What the exchanges under an ISAKMP SA are protected with.

use crate::ike::context::Context;
use crate::ike::event::{Deletion, EventKind};
use crate::ike::keys::{EncryptionKey, IvChain, PhaseOneKeys};
use crate::ike::nat::Nat;
use crate::ike::proposal::phase1::Agreed;
use crate::ike::v1::association::Association;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::informational::told;
use crate::ike::v1::message::{Envelope, Incoming, Opened, open};
use crate::wire::Spi;
use crate::wire::isakmp::{
    Body, DeletePayload, ExchangeType, IdPayload, MessageId, NotifyPayload, PayloadType, ProtocolId,
};

/// What the exchanges under an ISAKMP SA are protected with, and who the peer is.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub agreed: Agreed,
    pub keys: PhaseOneKeys,
    pub encryption: EncryptionKey,
    /// The IV behind the last message of phase 1.
    pub iv: IvChain,
    /// The peer's identity.
    pub identity: IdPayload,
    pub nat: Nat,
}

impl Session {
    /// The first IV of an exchange.
    pub fn first_iv(&self, message_id: MessageId) -> IvChain {
        self.encryption.phase_two_iv(&self.iv, message_id)
    }

    /// Decrypts the first message of an exchange of the peer and checks its HASH(1).
    pub fn open_first(
        &self,
        incoming: &Incoming<'_>,
        sa: &Association,
        cx: &mut Context<'_>,
        created: impl FnOnce(&mut Context<'_>),
    ) -> Result<Opened, Failure> {
        let message_id = incoming.header().message_id;
        let opened = open(incoming.message, &self.encryption, &self.first_iv(message_id))?;
        created(cx);
        sa.processing(cx, PayloadType::Hash, message_id);
        let (hash, rest) = opened.hash_and_rest()?;
        if self.keys.skeyid_a.hash_1(message_id, rest) != *hash {
            let method = self.agreed.authentication;
            sa.tell(cx, EventKind::HashMismatch { message_id, method });
            return Err(Failure::HashMismatch);
        }
        sa.tell(cx, EventKind::HashVerified { message_id });
        Ok(opened)
    }

    /// Sends a notify under a message id of its own.
    pub fn notify(&self, sa: &Association, cx: &mut Context<'_>, notify: NotifyPayload, about: Option<MessageId>) {
        let message_id = self.node(sa, cx);
        let mut event = told(message_id, &notify);
        event.about = about;
        sa.tell(cx, EventKind::NotifySent(event));
        self.inform(sa, cx, message_id, Body::Notify(notify));
    }

    /// Tells the peer that our inbound SAs are gone.
    pub fn delete_esp(&self, sa: &Association, cx: &mut Context<'_>, spis: &[Spi]) {
        let message_id = self.node(sa, cx);
        let protocol = ProtocolId::Esp;
        sa.tell(
            cx,
            EventKind::DeleteSent(Deletion { message_id, protocol, spis: spis.iter().map(|spi| spi.0).collect() }),
        );
        let spis = spis.iter().map(|spi| spi.to_bytes().to_vec()).collect();
        self.inform(sa, cx, message_id, Body::Delete(DeletePayload { doi: 1, protocol, spi_size: 4, spis }));
    }

    /// Tells the peer that the ISAKMP SA is gone.
    pub fn delete_isakmp(&self, sa: &Association, cx: &mut Context<'_>) {
        let message_id = self.node(sa, cx);
        let protocol = ProtocolId::Isakmp;
        sa.tell(cx, EventKind::DeleteSent(Deletion { message_id, protocol, spis: Vec::new() }));
        let spis = vec![sa.id.to_bytes().to_vec()];
        self.inform(sa, cx, message_id, Body::Delete(DeletePayload { doi: 1, protocol, spi_size: 16, spis }));
    }

    fn node(&self, sa: &Association, cx: &mut Context<'_>) -> MessageId {
        let message_id = cx.shared.message_id();
        sa.tell(cx, EventKind::NodeCreated { message_id, exchange: ExchangeType::Informational });
        message_id
    }

    /// Sends one payload in an informational exchange, which ends with it.
    fn inform(&self, sa: &Association, cx: &mut Context<'_>, message_id: MessageId, body: Body) {
        let envelope = Envelope { id: sa.id, exchange: ExchangeType::Informational, message_id };
        let hash = |rest: &[u8]| self.keys.skeyid_a.hash_informational(message_id, rest);
        let padding = cx.shared.personality.padding;
        let (octets, _) = envelope.seal_hashed(vec![body], hash, &self.encryption, &self.first_iv(message_id), padding);
        sa.send(cx, &octets);
        sa.tell(cx, EventKind::NodePurged { message_id });
    }
}
