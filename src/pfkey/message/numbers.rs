//! The numbers of PF_KEY as Linux has them (`linux/pfkeyv2.h`, `linux/ipsec.h`).

use crate::wire::wire_enum;

wire_enum! {
    /// Message types (RFC 2367 3.1; those with X are KAME's).
    MessageType, u8, "u8", {
        /// Reserve an SPI.
        GetSpi = 1 => "GETSPI",
        /// Give a larval SA its keys, or a mature one another lifetime.
        Update = 2 => "UPDATE",
        /// Make a mature SA.
        Add = 3 => "ADD",
        /// Delete an SA.
        Delete = 4 => "DELETE",
        /// Show an SA.
        Get = 5 => "GET",
        /// An SA is wanted; or the one that was wanted cannot be had.
        Acquire = 6 => "ACQUIRE",
        /// Be told of acquires and expiries.
        Register = 7 => "REGISTER",
        /// An SA has reached a lifetime.
        Expire = 8 => "EXPIRE",
        /// Delete all SAs of a type.
        Flush = 9 => "FLUSH",
        /// Show all SAs of a type.
        Dump = 10 => "DUMP",
        /// Get a copy of everything.
        Promisc = 11 => "X_PROMISC",
        /// Not used by Linux.
        PChange = 12 => "X_PCHANGE",
        /// Replace a policy.
        SpdUpdate = 13 => "X_SPDUPDATE",
        /// Add a policy.
        SpdAdd = 14 => "X_SPDADD",
        /// Delete a policy by its selector.
        SpdDelete = 15 => "X_SPDDELETE",
        /// Show a policy by its id.
        SpdGet = 16 => "X_SPDGET",
        /// Not used by Linux.
        SpdAcquire = 17 => "X_SPDACQUIRE",
        /// Show all policies.
        SpdDump = 18 => "X_SPDDUMP",
        /// Delete all policies.
        SpdFlush = 19 => "X_SPDFLUSH",
        /// Add a policy by its selector only.
        SpdSetIdx = 20 => "X_SPDSETIDX",
        /// A policy has reached its lifetime.
        SpdExpire = 21 => "X_SPDEXPIRE",
        /// Delete a policy by its id.
        SpdDelete2 = 22 => "X_SPDDELETE2",
        /// The peer's NAT maps it to another address or port.
        NatTNewMapping = 23 => "X_NAT_T_NEW_MAPPING",
        /// Move an SA to other addresses.
        Migrate = 24 => "X_MIGRATE",
    }
}

wire_enum! {
    /// SA types (RFC 2367 3.4).
    SaType, u8, "u8", {
        /// All, or none.
        Unspecified = 0 => "unspec",
        /// Authentication Header.
        Ah = 2 => "ah",
        /// Encapsulating Security Payload.
        Esp = 3 => "esp",
        /// RSVP authentication.
        Rsvp = 5 => "rsvp",
        /// OSPFv2 authentication.
        OspfV2 = 6 => "ospfv2",
        /// RIPv2 authentication.
        RipV2 = 7 => "ripv2",
        /// Mobile IP authentication.
        MobileIp = 8 => "mip",
        /// IP payload compression.
        IpComp = 9 => "ipcomp",
    }
}

wire_enum! {
    /// States of an SA (RFC 2367 3.2).
    SaState, u8, "u8", {
        /// Its SPI is reserved, its keys are to come.
        Larval = 0 => "larval",
        /// In use.
        Mature = 1 => "mature",
        /// Past its soft lifetime.
        Dying = 2 => "dying",
        /// Past its hard lifetime.
        Dead = 3 => "dead",
    }
}

wire_enum! {
    /// Integrity algorithms (`SADB_AALG_*`, `SADB_X_AALG_*`).
    AuthAlgorithm, u8, "u8", {
        /// No integrity.
        None = 0 => "none",
        /// HMAC-MD5-96.
        Md5Hmac = 2 => "hmac-md5",
        /// HMAC-SHA-1-96.
        Sha1Hmac = 3 => "hmac-sha1",
        /// HMAC-SHA-256.
        Sha256Hmac = 5 => "hmac-sha256",
        /// HMAC-SHA-384-192.
        Sha384Hmac = 6 => "hmac-sha384",
        /// HMAC-SHA-512-256.
        Sha512Hmac = 7 => "hmac-sha512",
        /// HMAC-RIPEMD-160-96.
        Ripemd160Hmac = 8 => "hmac-ripemd160",
        /// AES-XCBC-MAC-96.
        AesXcbcMac = 9 => "aes-xcbc-mac",
        /// HMAC-SM3-256.
        Sm3Hmac = 10 => "hmac-sm3",
        /// No integrity, as KAME names it.
        Null = 251 => "null",
    }
}

wire_enum! {
    /// Encryption algorithms (`SADB_EALG_*`, `SADB_X_EALG_*`).
    EncryptAlgorithm, u8, "u8", {
        /// No encryption algorithm.
        None = 0 => "none",
        /// DES-CBC.
        DesCbc = 2 => "des-cbc",
        /// 3DES-CBC.
        TripleDesCbc = 3 => "3des-cbc",
        /// CAST-128-CBC.
        CastCbc = 6 => "cast128-cbc",
        /// Blowfish-CBC.
        BlowfishCbc = 7 => "blowfish-cbc",
        /// ESP without encryption (RFC 2410).
        Null = 11 => "null",
        /// AES-CBC.
        AesCbc = 12 => "aes-cbc",
        /// AES-CTR.
        AesCtr = 13 => "aes-ctr",
        /// AES-CCM with an ICV of 16 octets.
        AesCcm16 = 16 => "aes-ccm16",
        /// AES-GCM with an ICV of 8 octets.
        AesGcm8 = 18 => "aes-gcm8",
        /// AES-GCM with an ICV of 12 octets.
        AesGcm12 = 19 => "aes-gcm12",
        /// AES-GCM with an ICV of 16 octets.
        AesGcm16 = 20 => "aes-gcm16",
        /// Camellia-CBC.
        CamelliaCbc = 22 => "camellia-cbc",
        /// AES-GMAC without encryption.
        NullAesGmac = 23 => "null-aes-gmac",
        /// Serpent-CBC.
        SerpentCbc = 252 => "serpent-cbc",
        /// Twofish-CBC.
        TwofishCbc = 253 => "twofish-cbc",
    }
}

wire_enum! {
    /// Extension types (RFC 2367 2.3; from 17 on KAME's and Linux's).
    ExtensionType, u16, "u16", {
        /// `sadb_sa`.
        Sa = 1 => "SA",
        /// What was used up of the lifetime.
        LifetimeCurrent = 2 => "LIFETIME_CURRENT",
        /// When the SA dies.
        LifetimeHard = 3 => "LIFETIME_HARD",
        /// When a successor is wanted.
        LifetimeSoft = 4 => "LIFETIME_SOFT",
        /// Source address.
        AddressSource = 5 => "ADDRESS_SRC",
        /// Destination address.
        AddressDestination = 6 => "ADDRESS_DST",
        /// Inner source address.
        AddressProxy = 7 => "ADDRESS_PROXY",
        /// Integrity key.
        KeyAuth = 8 => "KEY_AUTH",
        /// Encryption key.
        KeyEncrypt = 9 => "KEY_ENCRYPT",
        /// Identity of the source.
        IdentitySource = 10 => "IDENTITY_SRC",
        /// Identity of the destination.
        IdentityDestination = 11 => "IDENTITY_DST",
        /// Security labels.
        Sensitivity = 12 => "SENSITIVITY",
        /// What an acquired SA may be made of.
        Proposal = 13 => "PROPOSAL",
        /// Integrity algorithms there are.
        SupportedAuth = 14 => "SUPPORTED_AUTH",
        /// Encryption algorithms there are.
        SupportedEncrypt = 15 => "SUPPORTED_ENCRYPT",
        /// SPIs that may be reserved.
        SpiRange = 16 => "SPIRANGE",
        /// Private to key management.
        KmPrivate = 17 => "X_KMPRIVATE",
        /// A policy.
        Policy = 18 => "X_POLICY",
        /// Mode, reqid and sequence.
        Sa2 = 19 => "X_SA2",
        /// How ESP travels in UDP.
        NatTType = 20 => "X_NAT_T_TYPE",
        /// Source port of ESP in UDP.
        NatTSourcePort = 21 => "X_NAT_T_SPORT",
        /// Destination port of ESP in UDP.
        NatTDestinationPort = 22 => "X_NAT_T_DPORT",
        /// The peer's address before the NAT.
        NatTOriginalAddress = 23 => "X_NAT_T_OA",
        /// Security context of a Linux security module.
        SecurityContext = 24 => "X_SEC_CTX",
        /// Addresses for key management.
        KmAddress = 25 => "X_KMADDRESS",
        /// Which SAs to dump.
        Filter = 26 => "X_FILTER",
    }
}

wire_enum! {
    /// IPsec modes (`IPSEC_MODE_*`).
    IpsecMode, u8, "u8", {
        /// Either.
        Any = 0 => "any",
        /// Transport.
        Transport = 1 => "transport",
        /// Tunnel.
        Tunnel = 2 => "tunnel",
        /// Bound end-to-end tunnel.
        Beet = 3 => "beet",
    }
}

wire_enum! {
    /// Levels of an IPsec request (`IPSEC_LEVEL_*`, setkey(8)).
    Level, u8, "u8", {
        /// The system's default: require.
        Default = 0 => "default",
        /// Through an SA if there is one.
        Use = 1 => "use",
        /// Through any SA between the ends.
        Require = 2 => "require",
        /// Through the SA of this reqid.
        Unique = 3 => "unique",
    }
}

wire_enum! {
    /// Directions of a policy (`IPSEC_DIR_*`).
    Direction, u8, "u8", {
        /// Any; no policy has it.
        Any = 0 => "any",
        /// Packets to this system.
        Inbound = 1 => "in",
        /// Packets that leave.
        Outbound = 2 => "out",
        /// Packets that pass through after decapsulation.
        Forward = 3 => "fwd",
    }
}

wire_enum! {
    /// What a policy does with a packet (`IPSEC_POLICY_*`).
    PolicyType, u16, "u16", {
        /// It is lost.
        Discard = 0 => "discard",
        /// It passes in clear.
        None = 1 => "none",
        /// It passes an SA.
        Ipsec = 2 => "ipsec",
        /// As the socket's policy says.
        Entrust = 3 => "entrust",
        /// It passes in clear, whatever the system's policies say.
        Bypass = 4 => "bypass",
    }
}

wire_enum! {
    /// Error numbers of Linux that stand in `sadb_msg_errno`.
    Errno, u8, "u8", {
        /// `ENOENT`.
        NoEntry = 2 => "no entry",
        /// `ESRCH`.
        NoSuchSa = 3 => "no such SA",
        /// `ENOMEM`.
        NoMemory = 12 => "out of memory",
        /// `EEXIST`.
        Exists = 17 => "exists already",
        /// `EINVAL`.
        Invalid = 22 => "invalid",
        /// `ENOSYS`: Linux says this of an algorithm it does not have.
        NotImplemented = 38 => "not implemented",
        /// `EMSGSIZE`.
        MessageSize = 90 => "wrong message length",
        /// `EPROTONOSUPPORT`.
        ProtocolNotSupported = 93 => "protocol not supported",
        /// `EOPNOTSUPP`.
        NotSupported = 95 => "not supported",
        /// `EAFNOSUPPORT`.
        FamilyNotSupported = 97 => "address family not supported",
        /// `ENOBUFS`.
        NoBuffers = 105 => "no buffers",
    }
}
