//! ISAKMP and IKEv1 messages (RFC 2408, RFC 2407, RFC 2409, RFC 3947).

mod attribute;
mod header;
mod message;
mod numbers;
mod payload;
mod sa;

pub use attribute::{Attribute, AttributeValue};
pub use header::{Cookie, Flags, Header, MessageId, Version};
pub use message::{Chain, Contents, Message, decode_payloads, emit_payloads};
pub use numbers::{
    AhTransform, AuthenticationMethod, CertificateEncoding, ConfigType, EncapsulationMode, EspAuthentication,
    EspTransform, ExchangeType, IdType, IpcompTransform, IpsecAttribute, LifeType, NotifyType, OakleyAttribute,
    OakleyCipher, OakleyHash, PayloadType, ProtocolId, XauthAttribute,
};
pub use payload::{AttributesPayload, Body, CertificatePayload, DeletePayload, IdPayload, NotifyPayload, Payload};
pub use sa::{Proposal, SaPayload, Transform};
