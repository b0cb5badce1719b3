//! The numbers of ISAKMP, the IPsec DOI and IKEv1, under the names IANA and the RFCs give them.

use crate::wire::wire_enum;

wire_enum! {
    /// Payload types (RFC 2408 3.1, RFC 3947, draft-dukes-ike-mode-cfg, the NAT-T drafts).
    PayloadType, u8, "u8", {
        /// End of the chain.
        None = 0 => "NONE",
        /// Security association.
        Sa = 1 => "SA",
        /// Proposal, inside an SA payload.
        Proposal = 2 => "P",
        /// Transform, inside a proposal.
        Transform = 3 => "T",
        /// Key exchange.
        KeyExchange = 4 => "KE",
        /// Identification.
        Id = 5 => "ID",
        /// Certificate.
        Certificate = 6 => "CERT",
        /// Certificate request.
        CertificateRequest = 7 => "CERTREQ",
        /// Hash.
        Hash = 8 => "HASH",
        /// Signature.
        Signature = 9 => "SIG",
        /// Nonce.
        Nonce = 10 => "NONCE",
        /// Notification.
        Notify = 11 => "N",
        /// Delete.
        Delete = 12 => "D",
        /// Vendor ID.
        VendorId = 13 => "VID",
        /// Attributes of mode config and XAUTH.
        Attributes = 14 => "ATTR",
        /// NAT-D in IOS of the draft-07 era (PCAP-PL).
        NatDiscoveryIos = 15 => "NAT-D(15)",
        /// NAT-D (RFC 3947).
        NatDiscovery = 20 => "NAT-D",
        /// NAT-OA (RFC 3947).
        NatOriginalAddress = 21 => "NAT-OA",
        /// NAT-D (draft-ietf-ipsec-nat-t-ike-00 to -03).
        NatDiscoveryDraft = 130 => "NAT-D(130)",
        /// NAT-OA (draft-ietf-ipsec-nat-t-ike-00 to -03).
        NatOriginalAddressDraft = 131 => "NAT-OA(131)",
        /// Fragment (Cisco and Microsoft).
        Fragment = 132 => "FRAG",
    }
}

wire_enum! {
    /// Exchange types (RFC 2408 3.1, RFC 2409 5, draft-dukes-ike-mode-cfg).
    ExchangeType, u8, "u8", {
        /// Base.
        Base = 1 => "base",
        /// Identity protection, which IKE calls main mode.
        Main = 2 => "main mode",
        /// Authentication only.
        AuthenticationOnly = 3 => "authentication only",
        /// Aggressive mode.
        Aggressive = 4 => "aggressive mode",
        /// Informational.
        Informational = 5 => "informational",
        /// Transaction: mode config and XAUTH.
        Transaction = 6 => "transaction",
        /// Quick mode.
        Quick = 32 => "quick mode",
        /// New group mode.
        NewGroup = 33 => "new group mode",
        /// IKEv2 IKE_SA_INIT.
        IkeSaInit = 34 => "IKE_SA_INIT",
        /// IKEv2 IKE_AUTH.
        IkeAuth = 35 => "IKE_AUTH",
        /// IKEv2 CREATE_CHILD_SA.
        CreateChildSa = 36 => "CREATE_CHILD_SA",
        /// IKEv2 INFORMATIONAL.
        Informational2 = 37 => "INFORMATIONAL",
    }
}

wire_enum! {
    /// Protocol ids of proposals, notifies and deletes (RFC 2407 4.4.1).
    ProtocolId, u8, "u8", {
        /// None given.
        None = 0 => "none",
        /// ISAKMP.
        Isakmp = 1 => "ISAKMP",
        /// AH.
        Ah = 2 => "AH",
        /// ESP.
        Esp = 3 => "ESP",
        /// IPComp.
        Ipcomp = 4 => "IPCOMP",
    }
}

wire_enum! {
    /// Identification types (RFC 2407 4.6.2.1).
    IdType, u8, "u8", {
        /// One IPv4 address.
        Ipv4Address = 1 => "ID_IPV4_ADDR",
        /// A host name.
        Fqdn = 2 => "ID_FQDN",
        /// A mail address.
        UserFqdn = 3 => "ID_USER_FQDN",
        /// An IPv4 address and mask.
        Ipv4Subnet = 4 => "ID_IPV4_ADDR_SUBNET",
        /// One IPv6 address.
        Ipv6Address = 5 => "ID_IPV6_ADDR",
        /// An IPv6 address and mask.
        Ipv6Subnet = 6 => "ID_IPV6_ADDR_SUBNET",
        /// First and last IPv4 address.
        Ipv4Range = 7 => "ID_IPV4_ADDR_RANGE",
        /// First and last IPv6 address.
        Ipv6Range = 8 => "ID_IPV6_ADDR_RANGE",
        /// A distinguished name in DER.
        DerAsn1Dn = 9 => "ID_DER_ASN1_DN",
        /// A general name in DER.
        DerAsn1Gn = 10 => "ID_DER_ASN1_GN",
        /// Opaque, such as an EzVPN group name.
        KeyId = 11 => "ID_KEY_ID",
    }
}

wire_enum! {
    /// Notify message types (RFC 2408 3.14.1, RFC 2407 4.6.3, RFC 3706, and Cisco's own).
    NotifyType, u16, "u16", {
        /// INVALID-PAYLOAD-TYPE.
        InvalidPayloadType = 1 => "INVALID_PAYLOAD_TYPE",
        /// DOI-NOT-SUPPORTED.
        DoiNotSupported = 2 => "DOI_NOT_SUPPORTED",
        /// SITUATION-NOT-SUPPORTED.
        SituationNotSupported = 3 => "SITUATION_NOT_SUPPORTED",
        /// INVALID-COOKIE.
        InvalidCookie = 4 => "INVALID_COOKIE",
        /// INVALID-MAJOR-VERSION.
        InvalidMajorVersion = 5 => "INVALID_MAJOR_VERSION",
        /// INVALID-MINOR-VERSION.
        InvalidMinorVersion = 6 => "INVALID_MINOR_VERSION",
        /// INVALID-EXCHANGE-TYPE.
        InvalidExchangeType = 7 => "INVALID_EXCHANGE_TYPE",
        /// INVALID-FLAGS.
        InvalidFlags = 8 => "INVALID_FLAGS",
        /// INVALID-MESSAGE-ID.
        InvalidMessageId = 9 => "INVALID_MESSAGE_ID",
        /// INVALID-PROTOCOL-ID.
        InvalidProtocolId = 10 => "INVALID_PROTOCOL_ID",
        /// INVALID-SPI.
        InvalidSpi = 11 => "INVALID_SPI",
        /// INVALID-TRANSFORM-ID.
        InvalidTransformId = 12 => "INVALID_TRANSFORM_ID",
        /// ATTRIBUTES-NOT-SUPPORTED.
        AttributesNotSupported = 13 => "ATTRIBUTES_NOT_SUPPORTED",
        /// NO-PROPOSAL-CHOSEN.
        NoProposalChosen = 14 => "NO_PROPOSAL_CHOSEN",
        /// BAD-PROPOSAL-SYNTAX.
        BadProposalSyntax = 15 => "BAD_PROPOSAL_SYNTAX",
        /// PAYLOAD-MALFORMED.
        PayloadMalformed = 16 => "PAYLOAD_MALFORMED",
        /// INVALID-KEY-INFORMATION.
        InvalidKeyInformation = 17 => "INVALID_KEY_INFORMATION",
        /// INVALID-ID-INFORMATION.
        InvalidIdInformation = 18 => "INVALID_ID_INFORMATION",
        /// INVALID-CERT-ENCODING.
        InvalidCertEncoding = 19 => "INVALID_CERT_ENCODING",
        /// INVALID-CERTIFICATE.
        InvalidCertificate = 20 => "INVALID_CERTIFICATE",
        /// CERT-TYPE-UNSUPPORTED.
        CertTypeUnsupported = 21 => "CERT_TYPE_UNSUPPORTED",
        /// INVALID-CERT-AUTHORITY.
        InvalidCertAuthority = 22 => "INVALID_CERT_AUTHORITY",
        /// INVALID-HASH-INFORMATION.
        InvalidHashInformation = 23 => "INVALID_HASH_INFORMATION",
        /// AUTHENTICATION-FAILED.
        AuthenticationFailed = 24 => "AUTHENTICATION_FAILED",
        /// INVALID-SIGNATURE.
        InvalidSignature = 25 => "INVALID_SIGNATURE",
        /// ADDRESS-NOTIFICATION.
        AddressNotification = 26 => "ADDRESS_NOTIFICATION",
        /// NOTIFY-SA-LIFETIME.
        NotifySaLifetime = 27 => "NOTIFY_SA_LIFETIME",
        /// CERTIFICATE-UNAVAILABLE.
        CertificateUnavailable = 28 => "CERTIFICATE_UNAVAILABLE",
        /// UNSUPPORTED-EXCHANGE-TYPE.
        UnsupportedExchangeType = 29 => "UNSUPPORTED_EXCHANGE_TYPE",
        /// UNEQUAL-PAYLOAD-LENGTHS.
        UnequalPayloadLengths = 30 => "UNEQUAL_PAYLOAD_LENGTHS",
        /// CONNECTED.
        Connected = 16384 => "CONNECTED",
        /// RESPONDER-LIFETIME.
        ResponderLifetime = 24576 => "RESPONDER_LIFETIME",
        /// REPLAY-STATUS.
        ReplayStatus = 24577 => "REPLAY_STATUS",
        /// INITIAL-CONTACT.
        InitialContact = 24578 => "INITIAL_CONTACT",
        /// R-U-THERE (RFC 3706).
        RUThere = 36136 => "R_U_THERE",
        /// R-U-THERE-ACK (RFC 3706).
        RUThereAck = 36137 => "R_U_THERE_ACK",
        /// Cisco LOAD-BALANCE.
        LoadBalance = 40501 => "LOAD_BALANCE",
        /// Cisco PRESHARED-KEY-HASH.
        PresharedKeyHash = 40503 => "PRESHARED_KEY_HASH",
    }
}

wire_enum! {
    /// Attribute kinds of a phase 1 transform (RFC 2409 Appendix A).
    OakleyAttribute, u16, "u16", {
        /// Encryption algorithm.
        Encryption = 1 => "encryption",
        /// Hash algorithm.
        Hash = 2 => "hash",
        /// Authentication method.
        Authentication = 3 => "authentication",
        /// Group description.
        Group = 4 => "group",
        /// Group type.
        GroupType = 5 => "group type",
        /// Group prime.
        GroupPrime = 6 => "group prime",
        /// Group generator one.
        GroupGeneratorOne = 7 => "group generator one",
        /// Group generator two.
        GroupGeneratorTwo = 8 => "group generator two",
        /// Group curve A.
        GroupCurveA = 9 => "group curve A",
        /// Group curve B.
        GroupCurveB = 10 => "group curve B",
        /// Life type.
        LifeType = 11 => "life type",
        /// Life duration.
        LifeDuration = 12 => "life duration",
        /// Pseudo-random function.
        Prf = 13 => "PRF",
        /// Key length in bits.
        KeyLength = 14 => "key length",
        /// Field size.
        FieldSize = 15 => "field size",
        /// Group order.
        GroupOrder = 16 => "group order",
    }
}

wire_enum! {
    /// Encryption algorithms of phase 1 (RFC 2409 Appendix A, RFC 3602).
    OakleyCipher, u16, "u16", {
        /// DES-CBC.
        Des = 1 => "DES-CBC",
        /// IDEA-CBC.
        Idea = 2 => "IDEA-CBC",
        /// Blowfish-CBC.
        Blowfish = 3 => "BLOWFISH-CBC",
        /// RC5-R16-B64-CBC.
        Rc5 = 4 => "RC5-CBC",
        /// 3DES-CBC.
        TripleDes = 5 => "3DES-CBC",
        /// CAST-CBC.
        Cast = 6 => "CAST-CBC",
        /// AES-CBC.
        Aes = 7 => "AES-CBC",
        /// Camellia-CBC.
        Camellia = 8 => "CAMELLIA-CBC",
    }
}

wire_enum! {
    /// Hash algorithms of phase 1 (RFC 2409 Appendix A, RFC 4868).
    OakleyHash, u16, "u16", {
        /// MD5.
        Md5 = 1 => "MD5",
        /// SHA-1.
        Sha1 = 2 => "SHA",
        /// Tiger.
        Tiger = 3 => "TIGER",
        /// SHA-256.
        Sha256 = 4 => "SHA256",
        /// SHA-384.
        Sha384 = 5 => "SHA384",
        /// SHA-512.
        Sha512 = 6 => "SHA512",
    }
}

wire_enum! {
    /// Authentication methods of phase 1 (RFC 2409 Appendix A, draft-beaulieu-ike-xauth, hybrid).
    AuthenticationMethod, u16, "u16", {
        /// Pre-shared key.
        PreSharedKey = 1 => "pre-shared key",
        /// DSS signatures.
        DssSignature = 2 => "DSS signature",
        /// RSA signatures.
        RsaSignature = 3 => "RSA signature",
        /// RSA encryption.
        RsaEncryption = 4 => "RSA encryption",
        /// Revised RSA encryption.
        RevisedRsaEncryption = 5 => "revised RSA encryption",
        /// Hybrid, initiator, RSA.
        HybridInitRsa = 64221 => "HybridInitRSA",
        /// Hybrid, responder, RSA.
        HybridRespRsa = 64222 => "HybridRespRSA",
        /// XAUTH behind a pre-shared key, initiator.
        XauthInitPreShared = 65001 => "XAUTHInitPreShared",
        /// XAUTH behind a pre-shared key, responder.
        XauthRespPreShared = 65002 => "XAUTHRespPreShared",
        /// XAUTH behind RSA signatures, initiator.
        XauthInitRsa = 65005 => "XAUTHInitRSA",
        /// XAUTH behind RSA signatures, responder.
        XauthRespRsa = 65006 => "XAUTHRespRSA",
    }
}

wire_enum! {
    /// Units of a lifetime (RFC 2409 Appendix A, RFC 2407 4.5).
    LifeType, u16, "u16", {
        /// Seconds.
        Seconds = 1 => "seconds",
        /// Kilobytes.
        Kilobytes = 2 => "kilobytes",
    }
}

wire_enum! {
    /// Attribute kinds of a phase 2 transform (RFC 2407 4.5).
    IpsecAttribute, u16, "u16", {
        /// SA life type.
        LifeType = 1 => "life type",
        /// SA life duration.
        LifeDuration = 2 => "life duration",
        /// Group description.
        Group = 3 => "group",
        /// Encapsulation mode.
        Encapsulation = 4 => "encapsulation",
        /// Authentication algorithm, one of the values in the ESP authentication registry.
        Authentication = 5 => "authentication",
        /// Key length in bits.
        KeyLength = 6 => "key length",
        /// Key rounds.
        KeyRounds = 7 => "key rounds",
        /// Compression dictionary size.
        CompressDictionarySize = 8 => "compress dictionary size",
        /// Private compression algorithm.
        CompressPrivateAlgorithm = 9 => "compress private algorithm",
        /// ECN tunnel.
        EcnTunnel = 10 => "ECN tunnel",
        /// Extended sequence numbers.
        ExtendedSequence = 11 => "extended sequence number",
    }
}

wire_enum! {
    /// Encapsulation modes of phase 2 (RFC 2407 4.5, RFC 3947 5.1, the NAT-T drafts).
    EncapsulationMode, u16, "u16", {
        /// Tunnel.
        Tunnel = 1 => "tunnel",
        /// Transport.
        Transport = 2 => "transport",
        /// Tunnel inside UDP.
        UdpTunnel = 3 => "UDP tunnel",
        /// Transport inside UDP.
        UdpTransport = 4 => "UDP transport",
        /// Tunnel inside UDP, drafts.
        UdpTunnelDraft = 61443 => "UDP tunnel (draft)",
        /// Transport inside UDP, drafts.
        UdpTransportDraft = 61444 => "UDP transport (draft)",
    }
}

wire_enum! {
    /// ESP transform ids of phase 2 (RFC 2407 4.4.4, RFC 3602, RFC 4106).
    EspTransform, u8, "u8", {
        /// DES with 64-bit IV.
        DesIv64 = 1 => "ESP_DES_IV64",
        /// DES-CBC.
        Des = 2 => "ESP_DES",
        /// 3DES-CBC.
        TripleDes = 3 => "ESP_3DES",
        /// RC5.
        Rc5 = 4 => "ESP_RC5",
        /// IDEA.
        Idea = 5 => "ESP_IDEA",
        /// CAST.
        Cast = 6 => "ESP_CAST",
        /// Blowfish.
        Blowfish = 7 => "ESP_BLOWFISH",
        /// No encryption.
        Null = 11 => "ESP_NULL",
        /// AES-CBC.
        Aes = 12 => "ESP_AES",
        /// AES-CTR.
        AesCtr = 13 => "ESP_AES_CTR",
        /// AES-CCM with an 8-octet ICV.
        AesCcm8 = 14 => "ESP_AES_CCM_8",
        /// AES-CCM with a 12-octet ICV.
        AesCcm12 = 15 => "ESP_AES_CCM_12",
        /// AES-CCM with a 16-octet ICV.
        AesCcm16 = 16 => "ESP_AES_CCM_16",
        /// AES-GCM with an 8-octet ICV.
        AesGcm8 = 18 => "ESP_AES_GCM_8",
        /// AES-GCM with a 12-octet ICV.
        AesGcm12 = 19 => "ESP_AES_GCM_12",
        /// AES-GCM with a 16-octet ICV.
        AesGcm16 = 20 => "ESP_AES_GCM_16",
        /// AES-GMAC.
        AesGmac = 23 => "ESP_NULL_AUTH_AES_GMAC",
    }
}

wire_enum! {
    /// AH transform ids of phase 2 (RFC 2407 4.4.3, RFC 4868).
    AhTransform, u8, "u8", {
        /// MD5.
        Md5 = 2 => "AH_MD5",
        /// SHA-1.
        Sha1 = 3 => "AH_SHA",
        /// SHA-256.
        Sha256 = 5 => "AH_SHA2_256",
        /// SHA-384.
        Sha384 = 6 => "AH_SHA2_384",
        /// SHA-512.
        Sha512 = 7 => "AH_SHA2_512",
    }
}

wire_enum! {
    /// IPComp transform ids of phase 2 (RFC 2407 4.4.5).
    IpcompTransform, u8, "u8", {
        /// A private algorithm.
        Oui = 1 => "IPCOMP_OUI",
        /// DEFLATE.
        Deflate = 2 => "IPCOMP_DEFLATE",
        /// LZS.
        Lzs = 3 => "IPCOMP_LZS",
    }
}

wire_enum! {
    /// Encodings of certificates and certificate requests (RFC 2408 3.9).
    CertificateEncoding, u8, "u8", {
        /// PKCS #7 wrapped X.509 certificate.
        Pkcs7 = 1 => "PKCS #7",
        /// PGP certificate.
        Pgp = 2 => "PGP",
        /// DNS signed key.
        DnsSignedKey = 3 => "DNS signed key",
        /// X.509 certificate, signature.
        X509Signature = 4 => "X.509 signature",
        /// X.509 certificate, key exchange.
        X509KeyExchange = 5 => "X.509 key exchange",
        /// Kerberos tokens.
        Kerberos = 6 => "Kerberos",
        /// Certificate revocation list.
        Crl = 7 => "CRL",
        /// Authority revocation list.
        Arl = 8 => "ARL",
        /// SPKI certificate.
        Spki = 9 => "SPKI",
        /// X.509 certificate, attribute.
        X509Attribute = 10 => "X.509 attribute",
        /// Hash and URL of an X.509 certificate (RFC 7296 3.6).
        HashAndUrl = 12 => "hash and URL",
    }
}

wire_enum! {
    /// Values of the phase 2 attribute *authentication algorithm* (RFC 2407 4.5, RFC 4868).
    EspAuthentication, u16, "u16", {
        /// HMAC-MD5.
        HmacMd5 = 1 => "HMAC-MD5",
        /// HMAC-SHA-1.
        HmacSha1 = 2 => "HMAC-SHA",
        /// DES-MAC.
        DesMac = 3 => "DES-MAC",
        /// KPDK.
        Kpdk = 4 => "KPDK",
        /// HMAC-SHA-256.
        HmacSha256 = 5 => "HMAC-SHA256",
        /// HMAC-SHA-384.
        HmacSha384 = 6 => "HMAC-SHA384",
        /// HMAC-SHA-512.
        HmacSha512 = 7 => "HMAC-SHA512",
    }
}

wire_enum! {
    /// Kinds of an attributes payload (draft-dukes-ike-mode-cfg).
    ConfigType, u8, "u8", {
        /// ISAKMP_CFG_REQUEST.
        Request = 1 => "CFG_REQUEST",
        /// ISAKMP_CFG_REPLY.
        Reply = 2 => "CFG_REPLY",
        /// ISAKMP_CFG_SET.
        Set = 3 => "CFG_SET",
        /// ISAKMP_CFG_ACK.
        Ack = 4 => "CFG_ACK",
    }
}

wire_enum! {
    /// Attributes of mode config, XAUTH and Unity (cisco-ios-facts 8.2 [S:VPNC, RACOON]).
    XauthAttribute, u16, "u16", {
        /// INTERNAL_IP4_ADDRESS.
        Ip4Address = 1 => "IP4_ADDRESS",
        /// INTERNAL_IP4_NETMASK.
        Ip4Netmask = 2 => "IP4_NETMASK",
        /// INTERNAL_IP4_DNS.
        Ip4Dns = 3 => "IP4_DNS",
        /// INTERNAL_IP4_NBNS.
        Ip4Nbns = 4 => "IP4_NBNS",
        /// INTERNAL_ADDRESS_EXPIRY.
        AddressExpiry = 5 => "ADDRESS_EXPIRY",
        /// INTERNAL_IP4_DHCP.
        Ip4Dhcp = 6 => "IP4_DHCP",
        /// APPLICATION_VERSION.
        ApplicationVersion = 7 => "APPLICATION_VERSION",
        /// INTERNAL_IP6_ADDRESS.
        Ip6Address = 8 => "IP6_ADDRESS",
        /// INTERNAL_IP6_NETMASK.
        Ip6Netmask = 9 => "IP6_NETMASK",
        /// INTERNAL_IP6_DNS.
        Ip6Dns = 10 => "IP6_DNS",
        /// INTERNAL_IP6_NBNS.
        Ip6Nbns = 11 => "IP6_NBNS",
        /// INTERNAL_IP6_DHCP.
        Ip6Dhcp = 12 => "IP6_DHCP",
        /// INTERNAL_IP4_SUBNET.
        Ip4Subnet = 13 => "IP4_SUBNET",
        /// SUPPORTED_ATTRIBUTES.
        SupportedAttributes = 14 => "SUPPORTED_ATTRIBUTES",
        /// INTERNAL_IP6_SUBNET.
        Ip6Subnet = 15 => "IP6_SUBNET",
        /// XAUTH_TYPE.
        XauthType = 16520 => "XAUTH_TYPE",
        /// XAUTH_USER_NAME.
        XauthUserName = 16521 => "XAUTH_USER_NAME",
        /// XAUTH_USER_PASSWORD.
        XauthUserPassword = 16522 => "XAUTH_USER_PASSWORD",
        /// XAUTH_PASSCODE.
        XauthPasscode = 16523 => "XAUTH_PASSCODE",
        /// XAUTH_MESSAGE.
        XauthMessage = 16524 => "XAUTH_MESSAGE",
        /// XAUTH_CHALLENGE.
        XauthChallenge = 16525 => "XAUTH_CHALLENGE",
        /// XAUTH_DOMAIN.
        XauthDomain = 16526 => "XAUTH_DOMAIN",
        /// XAUTH_STATUS.
        XauthStatus = 16527 => "XAUTH_STATUS",
        /// Unity banner.
        Banner = 28672 => "BANNER",
        /// Unity save password.
        SavePassword = 28673 => "SAVE_PASSWD",
        /// Unity default domain.
        DefaultDomain = 28674 => "DEF_DOMAIN",
        /// Unity split DNS.
        SplitDns = 28675 => "SPLITDNS_NAME",
        /// Unity split include.
        SplitInclude = 28676 => "SPLIT_INCLUDE",
        /// Unity NAT-T port.
        NattPort = 28677 => "NATT_PORT",
        /// Unity split exclude.
        LocalLan = 28678 => "LOCAL_LAN",
        /// Unity PFS.
        Pfs = 28679 => "PFS",
        /// Unity firewall type.
        FirewallType = 28680 => "FW_TYPE",
        /// Unity backup servers.
        BackupServers = 28681 => "BACKUP_SERVERS",
        /// Unity dynamic DNS host name.
        DdnsHostname = 28682 => "DDNS_HOSTNAME",
    }
}
