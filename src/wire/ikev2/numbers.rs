//! The numbers of IKEv2, under the names IANA and RFC 7296 give them.

use crate::wire::numbers::wire_enum;

wire_enum! {
    /// IKEv2 payload types (RFC 7296 3.2, RFC 7383).
    PayloadType, u8, "u8", {
        /// End of the chain.
        None = 0 => "NONE",
        /// Security association.
        Sa = 33 => "SA",
        /// Key exchange.
        KeyExchange = 34 => "KE",
        /// Identification, initiator.
        IdInitiator = 35 => "IDi",
        /// Identification, responder.
        IdResponder = 36 => "IDr",
        /// Certificate.
        Certificate = 37 => "CERT",
        /// Certificate request.
        CertificateRequest = 38 => "CERTREQ",
        /// Authentication.
        Authentication = 39 => "AUTH",
        /// Nonce.
        Nonce = 40 => "NONCE",
        /// Notify.
        Notify = 41 => "N",
        /// Delete.
        Delete = 42 => "D",
        /// Vendor ID.
        VendorId = 43 => "VID",
        /// Traffic selector, initiator.
        SelectorInitiator = 44 => "TSi",
        /// Traffic selector, responder.
        SelectorResponder = 45 => "TSr",
        /// Encrypted and authenticated.
        Encrypted = 46 => "SK",
        /// Configuration.
        Configuration = 47 => "CP",
        /// Extensible authentication.
        Eap = 48 => "EAP",
        /// Encrypted and authenticated fragment.
        EncryptedFragment = 53 => "SKF",
    }
}

wire_enum! {
    /// Transform types of a proposal (RFC 7296 3.3.2).
    TransformType, u8, "u8", {
        /// Encryption algorithm.
        Encryption = 1 => "ENCR",
        /// Pseudo-random function.
        Prf = 2 => "PRF",
        /// Integrity algorithm.
        Integrity = 3 => "INTEG",
        /// Diffie-Hellman group.
        Group = 4 => "DH",
        /// Extended sequence numbers.
        ExtendedSequence = 5 => "ESN",
    }
}

wire_enum! {
    /// Transform ids of type 1 (IANA, IKEv2 parameters).
    Encryption, u16, "u16", {
        /// DES with 64-bit IV.
        DesIv64 = 1 => "DES_IV64",
        /// DES.
        Des = 2 => "DES",
        /// 3DES.
        TripleDes = 3 => "3DES",
        /// RC5.
        Rc5 = 4 => "RC5",
        /// IDEA.
        Idea = 5 => "IDEA",
        /// CAST.
        Cast = 6 => "CAST",
        /// Blowfish.
        Blowfish = 7 => "BLOWFISH",
        /// None.
        Null = 11 => "NULL",
        /// AES-CBC.
        AesCbc = 12 => "AES_CBC",
        /// AES-CTR.
        AesCtr = 13 => "AES_CTR",
        /// AES-CCM, 8-octet ICV.
        AesCcm8 = 14 => "AES_CCM_8",
        /// AES-CCM, 12-octet ICV.
        AesCcm12 = 15 => "AES_CCM_12",
        /// AES-CCM, 16-octet ICV.
        AesCcm16 = 16 => "AES_CCM_16",
        /// AES-GCM, 8-octet ICV.
        AesGcm8 = 18 => "AES_GCM_8",
        /// AES-GCM, 12-octet ICV.
        AesGcm12 = 19 => "AES_GCM_12",
        /// AES-GCM, 16-octet ICV.
        AesGcm16 = 20 => "AES_GCM_16",
        /// AES-GMAC.
        AesGmac = 21 => "NULL_AUTH_AES_GMAC",
        /// Camellia-CBC.
        CamelliaCbc = 23 => "CAMELLIA_CBC",
        /// ChaCha20 with Poly1305.
        ChaCha20Poly1305 = 28 => "CHACHA20_POLY1305",
    }
}

wire_enum! {
    /// Transform ids of type 2.
    Prf, u16, "u16", {
        /// HMAC-MD5.
        HmacMd5 = 1 => "HMAC_MD5",
        /// HMAC-SHA-1.
        HmacSha1 = 2 => "HMAC_SHA1",
        /// HMAC-Tiger.
        HmacTiger = 3 => "HMAC_TIGER",
        /// AES-XCBC.
        AesXcbc = 4 => "AES128_XCBC",
        /// HMAC-SHA-256.
        HmacSha256 = 5 => "HMAC_SHA2_256",
        /// HMAC-SHA-384.
        HmacSha384 = 6 => "HMAC_SHA2_384",
        /// HMAC-SHA-512.
        HmacSha512 = 7 => "HMAC_SHA2_512",
        /// AES-CMAC.
        AesCmac = 8 => "AES128_CMAC",
    }
}

wire_enum! {
    /// Transform ids of type 3.
    Integrity, u16, "u16", {
        /// None.
        None = 0 => "NONE",
        /// HMAC-MD5, 96 bits.
        HmacMd5 = 1 => "HMAC_MD5_96",
        /// HMAC-SHA-1, 96 bits.
        HmacSha1 = 2 => "HMAC_SHA1_96",
        /// DES-MAC.
        DesMac = 3 => "DES_MAC",
        /// KPDK-MD5.
        KpdkMd5 = 4 => "KPDK_MD5",
        /// AES-XCBC, 96 bits.
        AesXcbc = 5 => "AES_XCBC_96",
        /// HMAC-MD5, 128 bits.
        HmacMd5Full = 6 => "HMAC_MD5_128",
        /// HMAC-SHA-1, 160 bits.
        HmacSha1Full = 7 => "HMAC_SHA1_160",
        /// AES-CMAC, 96 bits.
        AesCmac = 8 => "AES_CMAC_96",
        /// HMAC-SHA-256, 128 bits.
        HmacSha256 = 12 => "HMAC_SHA2_256_128",
        /// HMAC-SHA-384, 192 bits.
        HmacSha384 = 13 => "HMAC_SHA2_384_192",
        /// HMAC-SHA-512, 256 bits.
        HmacSha512 = 14 => "HMAC_SHA2_512_256",
    }
}

wire_enum! {
    /// Protocol ids of proposals, notifies and deletes (RFC 7296 3.3.1).
    ProtocolId, u8, "u8", {
        /// None given.
        None = 0 => "none",
        /// IKE.
        Ike = 1 => "IKE",
        /// AH.
        Ah = 2 => "AH",
        /// ESP.
        Esp = 3 => "ESP",
    }
}

wire_enum! {
    /// Authentication methods (RFC 7296 3.8, RFC 4754, RFC 7427).
    AuthMethod, u8, "u8", {
        /// RSA digital signature.
        RsaSignature = 1 => "RSA signature",
        /// Shared key message integrity code.
        SharedKey = 2 => "shared key",
        /// DSS digital signature.
        DssSignature = 3 => "DSS signature",
        /// ECDSA with SHA-256 on P-256.
        Ecdsa256 = 9 => "ECDSA with SHA-256",
        /// ECDSA with SHA-384 on P-384.
        Ecdsa384 = 10 => "ECDSA with SHA-384",
        /// ECDSA with SHA-512 on P-521.
        Ecdsa521 = 11 => "ECDSA with SHA-512",
        /// Generic secure password.
        SecurePassword = 12 => "generic secure password",
        /// Null authentication.
        Null = 13 => "NULL",
        /// Digital signature.
        DigitalSignature = 14 => "digital signature",
    }
}

wire_enum! {
    /// Kinds of a configuration payload (RFC 7296 3.15).
    ConfigType, u8, "u8", {
        /// CFG_REQUEST.
        Request = 1 => "CFG_REQUEST",
        /// CFG_REPLY.
        Reply = 2 => "CFG_REPLY",
        /// CFG_SET.
        Set = 3 => "CFG_SET",
        /// CFG_ACK.
        Ack = 4 => "CFG_ACK",
    }
}

wire_enum! {
    /// Traffic selector types (RFC 7296 3.13.1).
    SelectorType, u8, "u8", {
        /// A range of IPv4 addresses.
        Ipv4Range = 7 => "TS_IPV4_ADDR_RANGE",
        /// A range of IPv6 addresses.
        Ipv6Range = 8 => "TS_IPV6_ADDR_RANGE",
    }
}

wire_enum! {
    /// Notify message types (RFC 7296 3.10.1 and the extensions IANA lists).
    NotifyType, u16, "u16", {
        /// UNSUPPORTED_CRITICAL_PAYLOAD.
        UnsupportedCriticalPayload = 1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        /// INVALID_IKE_SPI.
        InvalidIkeSpi = 4 => "INVALID_IKE_SPI",
        /// INVALID_MAJOR_VERSION.
        InvalidMajorVersion = 5 => "INVALID_MAJOR_VERSION",
        /// INVALID_SYNTAX.
        InvalidSyntax = 7 => "INVALID_SYNTAX",
        /// INVALID_MESSAGE_ID.
        InvalidMessageId = 9 => "INVALID_MESSAGE_ID",
        /// INVALID_SPI.
        InvalidSpi = 11 => "INVALID_SPI",
        /// NO_PROPOSAL_CHOSEN.
        NoProposalChosen = 14 => "NO_PROPOSAL_CHOSEN",
        /// INVALID_KE_PAYLOAD.
        InvalidKePayload = 17 => "INVALID_KE_PAYLOAD",
        /// AUTHENTICATION_FAILED.
        AuthenticationFailed = 24 => "AUTHENTICATION_FAILED",
        /// SINGLE_PAIR_REQUIRED.
        SinglePairRequired = 34 => "SINGLE_PAIR_REQUIRED",
        /// NO_ADDITIONAL_SAS.
        NoAdditionalSas = 35 => "NO_ADDITIONAL_SAS",
        /// INTERNAL_ADDRESS_FAILURE.
        InternalAddressFailure = 36 => "INTERNAL_ADDRESS_FAILURE",
        /// FAILED_CP_REQUIRED.
        FailedCpRequired = 37 => "FAILED_CP_REQUIRED",
        /// TS_UNACCEPTABLE.
        TsUnacceptable = 38 => "TS_UNACCEPTABLE",
        /// INVALID_SELECTORS.
        InvalidSelectors = 39 => "INVALID_SELECTORS",
        /// UNACCEPTABLE_ADDRESSES.
        UnacceptableAddresses = 40 => "UNACCEPTABLE_ADDRESSES",
        /// UNEXPECTED_NAT_DETECTED.
        UnexpectedNatDetected = 41 => "UNEXPECTED_NAT_DETECTED",
        /// TEMPORARY_FAILURE.
        TemporaryFailure = 43 => "TEMPORARY_FAILURE",
        /// CHILD_SA_NOT_FOUND.
        ChildSaNotFound = 44 => "CHILD_SA_NOT_FOUND",
        /// INITIAL_CONTACT.
        InitialContact = 16384 => "INITIAL_CONTACT",
        /// SET_WINDOW_SIZE.
        SetWindowSize = 16385 => "SET_WINDOW_SIZE",
        /// ADDITIONAL_TS_POSSIBLE.
        AdditionalTsPossible = 16386 => "ADDITIONAL_TS_POSSIBLE",
        /// IPCOMP_SUPPORTED.
        IpcompSupported = 16387 => "IPCOMP_SUPPORTED",
        /// NAT_DETECTION_SOURCE_IP.
        NatDetectionSource = 16388 => "NAT_DETECTION_SOURCE_IP",
        /// NAT_DETECTION_DESTINATION_IP.
        NatDetectionDestination = 16389 => "NAT_DETECTION_DESTINATION_IP",
        /// COOKIE.
        Cookie = 16390 => "COOKIE",
        /// USE_TRANSPORT_MODE.
        UseTransportMode = 16391 => "USE_TRANSPORT_MODE",
        /// HTTP_CERT_LOOKUP_SUPPORTED.
        HttpCertLookup = 16392 => "HTTP_CERT_LOOKUP_SUPPORTED",
        /// REKEY_SA.
        RekeySa = 16393 => "REKEY_SA",
        /// ESP_TFC_PADDING_NOT_SUPPORTED.
        EspTfcPaddingNotSupported = 16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        /// NON_FIRST_FRAGMENTS_ALSO.
        NonFirstFragmentsAlso = 16395 => "NON_FIRST_FRAGMENTS_ALSO",
        /// MOBIKE_SUPPORTED.
        MobikeSupported = 16396 => "MOBIKE_SUPPORTED",
        /// ADDITIONAL_IP4_ADDRESS.
        AdditionalIp4Address = 16397 => "ADDITIONAL_IP4_ADDRESS",
        /// ADDITIONAL_IP6_ADDRESS.
        AdditionalIp6Address = 16398 => "ADDITIONAL_IP6_ADDRESS",
        /// NO_ADDITIONAL_ADDRESSES.
        NoAdditionalAddresses = 16399 => "NO_ADDITIONAL_ADDRESSES",
        /// UPDATE_SA_ADDRESSES.
        UpdateSaAddresses = 16400 => "UPDATE_SA_ADDRESSES",
        /// COOKIE2.
        Cookie2 = 16401 => "COOKIE2",
        /// NO_NATS_ALLOWED.
        NoNatsAllowed = 16402 => "NO_NATS_ALLOWED",
        /// AUTH_LIFETIME.
        AuthLifetime = 16403 => "AUTH_LIFETIME",
        /// MULTIPLE_AUTH_SUPPORTED.
        MultipleAuthSupported = 16404 => "MULTIPLE_AUTH_SUPPORTED",
        /// ANOTHER_AUTH_FOLLOWS.
        AnotherAuthFollows = 16405 => "ANOTHER_AUTH_FOLLOWS",
        /// REDIRECT_SUPPORTED.
        RedirectSupported = 16406 => "REDIRECT_SUPPORTED",
        /// REDIRECT.
        Redirect = 16407 => "REDIRECT",
        /// REDIRECTED_FROM.
        RedirectedFrom = 16408 => "REDIRECTED_FROM",
        /// EAP_ONLY_AUTHENTICATION.
        EapOnlyAuthentication = 16417 => "EAP_ONLY_AUTHENTICATION",
        /// CHILDLESS_IKEV2_SUPPORTED.
        ChildlessIkev2Supported = 16418 => "CHILDLESS_IKEV2_SUPPORTED",
        /// QUICK_CRASH_DETECTION.
        QuickCrashDetection = 16419 => "QUICK_CRASH_DETECTION",
        /// IKEV2_FRAGMENTATION_SUPPORTED.
        FragmentationSupported = 16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        /// SIGNATURE_HASH_ALGORITHMS.
        SignatureHashAlgorithms = 16431 => "SIGNATURE_HASH_ALGORITHMS",
        /// USE_PPK.
        UsePpk = 16435 => "USE_PPK",
        /// INTERMEDIATE_EXCHANGE_SUPPORTED.
        IntermediateExchangeSupported = 16438 => "INTERMEDIATE_EXCHANGE_SUPPORTED",
    }
}
