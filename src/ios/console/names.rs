//! The words IOS has for what the protocol knows as numbers.

use std::net::Ipv4Addr;

use crate::crypto::{Cipher, Hash};
use crate::ike::event::{OfferedTransform, Phase1Input, Phase1State, Progress, QuickInput, QuickState};
use crate::ios::config::Transform;
use crate::wire::isakmp::{
    AhTransform, Attribute, AttributeValue, AuthenticationMethod, ConfigType, EncapsulationMode, EspAuthentication,
    EspTransform, ExchangeType, IdPayload, IdType, IpsecAttribute, LifeType, NotifyType, OakleyAttribute, OakleyCipher,
    OakleyHash, ProtocolId,
};

/// The state word on packet lines and in `show crypto isakmp sa` (cisco-ios-facts 2.5), without padding.
pub(super) fn progress(progress: Progress) -> &'static str {
    match progress {
        Progress::MainNoState => "MM_NO_STATE",
        Progress::MainSaSetup => "MM_SA_SETUP",
        Progress::MainKeyExchange => "MM_KEY_EXCH",
        Progress::MainKeyAuth => "MM_KEY_AUTH",
        Progress::AggressiveNoState => "AG_NO_STATE",
        Progress::AggressiveInit => "AG_INIT_EXCH",
        Progress::AggressiveAuth => "AG_AUTH",
        Progress::Xauth => "CONF_XAUTH",
        Progress::ModeConfig => "CONF_ADDR",
        Progress::QuickIdle => "QM_IDLE",
    }
}

/// The state word as debug lines have it: `QM_IDLE` is followed by six blanks \[S:LOG-XE1, LOG-12x\], `CONF_XAUTH` and
/// `CONF_ADDR` fill the same width \[R\].
pub(super) fn padded_progress(state: Progress) -> String {
    match state {
        Progress::QuickIdle | Progress::Xauth | Progress::ModeConfig => format!("{:13}", progress(state)),
        state => progress(state).to_owned(),
    }
}

/// The state of the phase 1 machine. Main mode \[S:LOG-XE1, LOG-XE2\]; the others \[R\].
pub(super) fn phase1_state(state: Phase1State) -> String {
    match state {
        Phase1State::Ready => "IKE_READY".to_owned(),
        Phase1State::InitiatorMain(message) => format!("IKE_I_MM{message}"),
        Phase1State::ResponderMain(message) => format!("IKE_R_MM{message}"),
        Phase1State::InitiatorAggressive(message) => format!("IKE_I_AM{message}"),
        Phase1State::ResponderAggressive(message) => format!("IKE_R_AM{message}"),
        Phase1State::XauthStarting => "IKE_XAUTH_AAA_START_LOGIN_AWAIT".to_owned(),
        Phase1State::XauthRequestSent => "IKE_XAUTH_REQ_SENT".to_owned(),
        Phase1State::XauthChecking => "IKE_XAUTH_AAA_CONT_LOGIN_AWAIT".to_owned(),
        Phase1State::XauthSetSent => "IKE_XAUTH_SET_SENT".to_owned(),
        Phase1State::ConfigPreparing => "IKE_CONFIG_AUTHOR_AAA_AWAIT".to_owned(),
        Phase1State::Complete => "IKE_P1_COMPLETE".to_owned(),
        Phase1State::Deleted => "IKE_DEST_SA".to_owned(),
    }
}

/// What moves the phase 1 machine (cisco-ios-facts 9.0).
pub(super) fn phase1_input(input: Phase1Input) -> &'static str {
    match input {
        Phase1Input::MessageReceived(ExchangeType::Aggressive) => "IKE_MESG_FROM_PEER, IKE_AM_EXCH",
        Phase1Input::MessageReceived(_) => "IKE_MESG_FROM_PEER, IKE_MM_EXCH",
        Phase1Input::NotifyIn => "IKE_MESG_FROM_PEER, IKE_INFO_NOTIFY",
        Phase1Input::DeleteIn => "IKE_MESG_FROM_PEER, IKE_INFO_DELETE",
        Phase1Input::ConfigIn(ConfigType::Request) => "IKE_MESG_FROM_PEER, IKE_CFG_REQUEST",
        Phase1Input::ConfigIn(ConfigType::Reply) => "IKE_MESG_FROM_PEER, IKE_CFG_REPLY",
        Phase1Input::ConfigIn(ConfigType::Set) => "IKE_MESG_FROM_PEER, IKE_CFG_SET",
        Phase1Input::ConfigIn(_) => "IKE_MESG_FROM_PEER, IKE_CFG_ACK",
        Phase1Input::Processed => "IKE_MESG_INTERNAL, IKE_PROCESS_MAIN_MODE",
        Phase1Input::Completed => "IKE_MESG_INTERNAL, IKE_PROCESS_COMPLETE",
        Phase1Input::Failed => "IKE_MESG_INTERNAL, IKE_PROCESS_ERROR",
        Phase1Input::Phase1Completed => "IKE_MESG_INTERNAL, IKE_PHASE1_COMPLETE",
        Phase1Input::Phase1Deleted => "IKE_MESG_INTERNAL, IKE_PHASE1_DEL",
        Phase1Input::SaRequested(ExchangeType::Aggressive) => "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_AM",
        Phase1Input::SaRequested(_) => "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_MM",
        Phase1Input::LoginStarted => "IKE_MESG_FROM_AAA, IKE_AAA_START_LOGIN",
        Phase1Input::LoginJudged => "IKE_MESG_FROM_AAA, IKE_AAA_CONT_LOGIN",
        Phase1Input::LivenessTimer => "IKE_MESG_FROM_TIMER, IKE_TIMER_IM_ALIVE",
    }
}

/// The state of a quick mode \[S:LOG-XE*\].
pub(super) fn quick_state(state: QuickState) -> &'static str {
    match state {
        QuickState::Ready => "IKE_QM_READY",
        QuickState::AwaitingSpi => "IKE_QM_SPI_STARVE",
        QuickState::AwaitingInstall => "IKE_QM_IPSEC_INSTALL_AWAIT",
        QuickState::FirstSent => "IKE_QM_I_QM1",
        QuickState::SecondSent => "IKE_QM_R_QM2",
        QuickState::Complete => "IKE_QM_PHASE2_COMPLETE",
    }
}

/// What moves a quick mode \[S:LOG-XE*\].
pub(super) fn quick_input(input: QuickInput) -> &'static str {
    match input {
        QuickInput::MessageReceived => "IKE_MESG_FROM_PEER, IKE_QM_EXCH",
        QuickInput::Initiated => "IKE_MESG_INTERNAL, IKE_INIT_QM",
        QuickInput::SpiObtained => "IKE_MESG_INTERNAL, IKE_GOT_SPI",
        QuickInput::Installed => "IKE_MESG_FROM_IPSEC, IPSEC_INSTALL_DONE",
    }
}

/// A notify type: PROPOSAL_NOT_CHOSEN \[S:LOG-XE1\], DPD/R_U_THERE_ACK \[S\], DPD/R_U_THERE \[R\], otherwise its usual
/// name.
pub(super) fn notify(kind: NotifyType) -> String {
    match kind {
        NotifyType::NoProposalChosen => "PROPOSAL_NOT_CHOSEN".to_owned(),
        NotifyType::RUThere => "DPD/R_U_THERE".to_owned(),
        NotifyType::RUThereAck => "DPD/R_U_THERE_ACK".to_owned(),
        kind => kind.to_string(),
    }
}

/// An exchange as `%CRYPTO-6-IKMP_MODE_FAILURE` names it \[S:CARTS\].
pub(super) fn mode(exchange: ExchangeType) -> &'static str {
    match exchange {
        ExchangeType::Main => "Main",
        ExchangeType::Aggressive => "Aggressive",
        ExchangeType::Quick => "Quick",
        ExchangeType::Transaction => "Transaction",
        _ => "Informational",
    }
}

/// A phase 1 attribute as a line, with its six blanks; `true` when it is the duration in four octets, which no family
/// gives an id. AES, 3DES, SHA, MD5 and pre-share \[S\]; the other words \[R\].
pub(super) fn oakley_attribute(attribute: &Attribute) -> (String, bool) {
    let Attribute { kind, value } = attribute;
    let number = match value {
        AttributeValue::Basic(number) => *number,
        AttributeValue::Variable(octets) => return duration(*kind, OakleyAttribute::LifeDuration, "life", octets),
    };
    let text = match OakleyAttribute::from(*kind) {
        OakleyAttribute::Encryption => match OakleyCipher::from(number) {
            OakleyCipher::Unknown(number) => format!("encryption... What? {number}?"),
            cipher => format!("encryption {cipher}"),
        },
        OakleyAttribute::KeyLength => format!("keylength of {number}"),
        OakleyAttribute::Hash => match OakleyHash::from(number) {
            OakleyHash::Unknown(number) => format!("hash algorithm... What? {number}?"),
            hash => format!("hash {hash}"),
        },
        OakleyAttribute::Group => format!("default group {number}"),
        OakleyAttribute::Authentication => format!("auth {}", oakley_authentication(number)),
        OakleyAttribute::LifeType => match LifeType::from(number) {
            LifeType::Seconds => "life type in seconds".to_owned(),
            LifeType::Kilobytes => "life type in kilobytes".to_owned(),
            LifeType::Unknown(number) => format!("life type of {number}"),
        },
        OakleyAttribute::LifeDuration => format!("life duration (basic) of {number}"),
        kind => format!("unknown attribute {} of {number}", u16::from(kind)),
    };
    (format!("      {text}"), false)
}

fn oakley_authentication(number: u16) -> String {
    match AuthenticationMethod::from(number) {
        AuthenticationMethod::PreSharedKey => "pre-share".to_owned(),
        AuthenticationMethod::RsaSignature => "RSA sig".to_owned(),
        AuthenticationMethod::RsaEncryption => "RSA encr".to_owned(),
        AuthenticationMethod::Unknown(number) => format!("{number}"),
        method => method.to_string(),
    }
}

/// A phase 2 attribute as a line, with its six blanks; `true` for the duration in four octets.
pub(super) fn ipsec_attribute(attribute: &Attribute) -> (String, bool) {
    let Attribute { kind, value } = attribute;
    let number = match value {
        AttributeValue::Basic(number) => *number,
        AttributeValue::Variable(octets) => return duration(*kind, IpsecAttribute::LifeDuration, "SA life", octets),
    };
    let text = match IpsecAttribute::from(*kind) {
        IpsecAttribute::Encapsulation => format!("encaps is {}", encapsulation(number)),
        IpsecAttribute::LifeType => match LifeType::from(number) {
            LifeType::Seconds => "SA life type in seconds".to_owned(),
            LifeType::Kilobytes => "SA life type in kilobytes".to_owned(),
            LifeType::Unknown(number) => format!("SA life type of {number}"),
        },
        IpsecAttribute::LifeDuration => format!("SA life duration (basic) of {number}"),
        IpsecAttribute::Authentication => format!("authenticator is {}", EspAuthentication::from(number)),
        IpsecAttribute::KeyLength => format!("key length is {number}"),
        IpsecAttribute::Group => format!("group is {number}"),
        kind => format!("unknown attribute {} of {number}", u16::from(kind)),
    };
    (format!("      {text}"), false)
}

/// 1 and 3 \[S:LOG-XE2, LOG-XE3\]; the others \[R\].
fn encapsulation(number: u16) -> String {
    let name = match EncapsulationMode::from(number) {
        EncapsulationMode::Tunnel => "Tunnel",
        EncapsulationMode::Transport => "Transport",
        EncapsulationMode::UdpTunnel | EncapsulationMode::UdpTunnelDraft => "Tunnel-UDP",
        EncapsulationMode::UdpTransport | EncapsulationMode::UdpTransportDraft => "Transport-UDP",
        EncapsulationMode::Unknown(_) => "unknown",
    };
    format!("{number} ({name})")
}

/// A variable attribute: two blanks after `of`, one at the end \[S:LOG-XE1, LOG-12x\].
fn duration(kind: u16, duration: impl Into<u16>, word: &str, octets: &[u8]) -> (String, bool) {
    let hex: String = octets.iter().map(|octet| format!("0x{octet:X} ")).collect();
    if kind == duration.into() {
        (format!("      {word} duration (VPI) of  {hex}"), true)
    } else {
        (format!("      unknown attribute {kind} of  {hex}"), true)
    }
}

/// The transform after `transform 1, `: `ESP_AES ` has a trailing blank, `ESP_3DES` has none \[S:LOG-XE1, LOG-XE2\].
pub(super) fn transform_id(transform: &OfferedTransform) -> String {
    match transform.protocol {
        ProtocolId::Ah => AhTransform::from(transform.id).to_string(),
        ProtocolId::Ipcomp => format!("IPCOMP {}", transform.id),
        _ => match EspTransform::from(transform.id) {
            EspTransform::Aes => "ESP_AES ".to_owned(),
            EspTransform::Unknown(id) => format!("unknown ESP transform {id}"),
            esp => esp.to_string(),
        },
    }
}

/// What one offered phase 2 transform asks for, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub encapsulation: Option<u16>,
    pub authentication: Option<u16>,
    pub key_length: Option<u16>,
}

/// Reads the attributes of an offered transform.
pub(super) fn asked(transform: &OfferedTransform) -> Asked {
    let mut asked = Asked::default();
    for attribute in &transform.attributes {
        let AttributeValue::Basic(number) = attribute.value else { continue };
        match IpsecAttribute::from(attribute.kind) {
            IpsecAttribute::Encapsulation => asked.encapsulation = Some(number),
            IpsecAttribute::Authentication => asked.authentication = Some(number),
            IpsecAttribute::KeyLength => asked.key_length = Some(number),
            _ => {}
        }
    }
    asked
}

/// Offered transforms in the words of the configuration, each with a trailing blank: `esp-aes 256 esp-sha512-hmac `.
pub(super) fn transform_words(transforms: &[OfferedTransform]) -> String {
    let words = transforms.iter().flat_map(|transform| {
        let asked = asked(transform);
        let hash = asked.authentication.map(EspAuthentication::from).and_then(hash_of);
        if transform.protocol == ProtocolId::Ah {
            return [hash.map_or("ah-unknown".to_owned(), |hash| Transform::Ah(hash).words()), String::new()];
        }
        let cipher = esp_transform(EspTransform::from(transform.id), asked.key_length);
        let cipher = cipher.map_or(format!("esp-{}", transform.id), Transform::words);
        [cipher, hash.map_or(String::new(), |hash| Transform::EspHmac(hash).words())]
    });
    words.filter(|word| !word.is_empty()).map(|word| word + " ").collect()
}

fn hash_of(authentication: EspAuthentication) -> Option<Hash> {
    match authentication {
        EspAuthentication::HmacMd5 => Some(Hash::Md5),
        EspAuthentication::HmacSha1 => Some(Hash::Sha1),
        EspAuthentication::HmacSha256 => Some(Hash::Sha256),
        EspAuthentication::HmacSha384 => Some(Hash::Sha384),
        EspAuthentication::HmacSha512 => Some(Hash::Sha512),
        _ => None,
    }
}

/// The configuration's transform for an ESP transform; `None` for what the configuration cannot say.
fn esp_transform(transform: EspTransform, key_length: Option<u16>) -> Option<Transform> {
    let cipher = match (transform, key_length.unwrap_or(128)) {
        (EspTransform::Des | EspTransform::DesIv64, _) => Cipher::Des,
        (EspTransform::TripleDes, _) => Cipher::TripleDes,
        (EspTransform::Null, _) => Cipher::Null,
        (EspTransform::Aes, 128) => Cipher::Aes128,
        (EspTransform::Aes, 192) => Cipher::Aes192,
        (EspTransform::Aes, 256) => Cipher::Aes256,
        (EspTransform::AesGcm8 | EspTransform::AesGcm12 | EspTransform::AesGcm16, 128) => Cipher::Aes128Gcm,
        (EspTransform::AesGcm8 | EspTransform::AesGcm12 | EspTransform::AesGcm16, 192) => Cipher::Aes192Gcm,
        (EspTransform::AesGcm8 | EspTransform::AesGcm12 | EspTransform::AesGcm16, 256) => Cipher::Aes256Gcm,
        (EspTransform::AesGmac, bits) => return Some(Transform::EspGmac(bits)),
        _ => return None,
    };
    Some(Transform::EspCipher(cipher))
}

/// A cipher and an integrity algorithm in the words of the configuration, each with a trailing blank.
pub(super) fn suite_words(cipher: Option<Cipher>, integrity: Option<Hash>) -> String {
    let integrity = integrity.map(if cipher.is_some() { Transform::EspHmac } else { Transform::Ah });
    let transforms = cipher.map(Transform::EspCipher).into_iter().chain(integrity);
    transforms.map(|transform| transform.words() + " ").collect()
}

/// Key length of a cipher in bits as `keysize=` prints it: 0 where the cipher has only one.
pub(super) fn keysize(cipher: Option<Cipher>) -> u16 {
    match cipher {
        Some(Cipher::Aes128 | Cipher::Aes128Gcm) => 128,
        Some(Cipher::Aes192 | Cipher::Aes192Gcm) => 192,
        Some(Cipher::Aes256 | Cipher::Aes256Gcm) => 256,
        _ => 0,
    }
}

/// First address and mask of a proxy identity; a range has no mask, so its last address stands there.
pub(super) fn proxy_address(id: &IdPayload) -> (Ipv4Addr, Ipv4Addr) {
    let address = |at: usize| {
        let octets = id.data.get(at..at + 4).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        octets.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from)
    };
    match id.kind {
        IdType::Ipv4Subnet | IdType::Ipv4Range => (address(0), address(4)),
        _ => (address(0), Ipv4Addr::BROADCAST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_four_octets_end_with_a_blank() {
        let attribute = Attribute::duration(OakleyAttribute::LifeDuration, 86400);
        let expected = "      life duration (VPI) of  0x0 0x1 0x51 0x80 ";
        assert_eq!(oakley_attribute(&attribute), (expected.to_owned(), true));
        let attribute = Attribute::duration(IpsecAttribute::LifeDuration, 3600);
        assert_eq!(ipsec_attribute(&attribute), ("      SA life duration (basic) of 3600".to_owned(), false));
    }

    #[test]
    fn transforms_in_the_words_of_the_configuration() {
        let transform = OfferedTransform {
            protocol: ProtocolId::Esp,
            number: 1,
            id: EspTransform::Aes.into(),
            attributes: vec![
                Attribute::basic(IpsecAttribute::Authentication, EspAuthentication::HmacSha512),
                Attribute::basic(IpsecAttribute::KeyLength, 256_u16),
            ],
        };
        assert_eq!(transform_words(&[transform]), "esp-aes 256 esp-sha512-hmac ");
        assert_eq!(suite_words(Some(Cipher::TripleDes), Some(Hash::Md5)), "esp-3des esp-md5-hmac ");
        assert_eq!(suite_words(None, Some(Hash::Sha1)), "ah-sha-hmac ");
    }
}
