//! The sub-modes of phase 1: policy, profile, peer, client group, keyring.

use pnet::ipnetwork::Ipv4Network;

use super::super::grammar::Element::{self, Int, Ip, Kw, Many, OneOf, Opt, Rest, Secret, Word};
use super::super::model::{
    Authentication, ClientAddressing, ClientGroup, ClientSettings, DhGroup, Identity, IsakmpPeer, IsakmpPolicy,
    IsakmpProfile, Keyring, MatchIdentity, PreSharedKey,
};
use super::super::span::Spanned;
use super::isakmp::{keepalive_of, key_peer};
use super::{Args, Command, Edit, INTERFACE, Mode, Run, Subject, command};
use crate::crypto::{Cipher, Hash};

const POLICY: &[Mode] = &[Mode::IsakmpPolicy];
const PROFILE: &[Mode] = &[Mode::IsakmpProfile];
const PEER: &[Mode] = &[Mode::IsakmpPeer];
const GROUP: &[Mode] = &[Mode::ClientGroup];
const KEYRING: &[Mode] = &[Mode::Keyring];

/// The Diffie-Hellman groups IOS has, by number.
const DH_GROUPS: Element = OneOf(&[
    &[Kw("1")],
    &[Kw("2")],
    &[Kw("5")],
    &[Kw("14")],
    &[Kw("15")],
    &[Kw("16")],
    &[Kw("19")],
    &[Kw("20")],
    &[Kw("21")],
    &[Kw("24")],
]);

const KEY: Element = OneOf(&[&[Int("key-type", 0, 7), Secret("key")], &[Secret("key")]]);

pub(super) const COMMANDS: &[Command] = &[
    command(
        POLICY,
        &[
            Kw("encryption"),
            OneOf(&[
                &[Kw("des")],
                &[Kw("3des")],
                &[Kw("aes"), Opt(&[OneOf(&[&[Kw("128")], &[Kw("192")], &[Kw("256")]])])],
            ]),
        ],
        1,
        Run::Model(encryption),
    ),
    command(
        POLICY,
        &[Kw("hash"), OneOf(&[&[Kw("md5")], &[Kw("sha")], &[Kw("sha256")], &[Kw("sha384")], &[Kw("sha512")]])],
        1,
        Run::Model(hash),
    ),
    command(
        POLICY,
        &[Kw("authentication"), OneOf(&[&[Kw("rsa-sig")], &[Kw("rsa-encr")], &[Kw("pre-share")], &[Kw("ecdsa-sig")]])],
        1,
        Run::Model(authentication),
    ),
    command(POLICY, &[Kw("group"), DH_GROUPS], 1, Run::Model(group)),
    command(POLICY, &[Kw("lifetime"), Int("seconds", 60, 86_400)], 1, Run::Model(lifetime)),
    command(KEYRING, &[Kw("description"), Rest("text")], 1, Run::Model(keyring_description)),
    command(
        KEYRING,
        &[
            Kw("pre-shared-key"),
            OneOf(&[
                &[Kw("address"), Ip("address"), Opt(&[Ip("mask")])],
                &[Kw("address"), Kw("ipv6"), Word("prefix")],
                &[Kw("hostname"), Word("host")],
            ]),
            Kw("key"),
            KEY,
        ],
        2,
        Run::Model(keyring_key),
    ),
    command(
        KEYRING,
        &[Kw("local-address"), OneOf(&[&[Ip("address")], &[INTERFACE]]), Opt(&[Word("vrf")])],
        1,
        Run::Model(keyring_local_address),
    ),
    command(
        KEYRING,
        &[Kw("rsa-pubkey"), Rest("text")],
        1,
        Run::NotSimulatedMode(Mode::Other, "RSA keys are not simulated"),
    ),
    command(PROFILE, &[Kw("description"), Rest("text")], 1, Run::Model(description)),
    command(PROFILE, &[Kw("vrf"), Word("vrf")], 1, Run::Model(vrf)),
    command(PROFILE, &[Kw("keyring"), Word("name"), Many(&[Word("name")])], 1, Run::Model(keyring)),
    command(
        PROFILE,
        &[
            Kw("self-identity"),
            OneOf(&[
                &[Kw("address")],
                &[Kw("fqdn"), Opt(&[Word("fqdn")])],
                &[Kw("user-fqdn"), Word("user-fqdn")],
                &[Kw("dn")],
            ]),
        ],
        1,
        Run::Model(self_identity),
    ),
    command(
        PROFILE,
        &[
            Kw("match"),
            Kw("identity"),
            OneOf(&[
                &[Kw("address"), Ip("address"), Opt(&[Ip("mask"), Opt(&[Word("vrf")])])],
                &[Kw("host"), Kw("domain"), Word("domain")],
                &[Kw("host"), Word("host")],
                &[Kw("user"), Kw("domain"), Word("domain")],
                &[Kw("user"), Word("user")],
                &[Kw("group"), Word("group")],
            ]),
        ],
        3,
        Run::Model(match_identity),
    ),
    command(
        PROFILE,
        &[Kw("keepalive"), Int("interval", 10, 3600), Kw("retry"), Int("retry", 2, 60)],
        1,
        Run::Model(keepalive),
    ),
    command(
        PROFILE,
        &[Kw("local-address"), OneOf(&[&[Ip("address")], &[INTERFACE]]), Opt(&[Word("vrf")])],
        1,
        Run::Model(local_address),
    ),
    command(PROFILE, &[Kw("virtual-template"), Int("number", 1, 4096)], 1, Run::Model(virtual_template)),
    command(PROFILE, &[Kw("initiate"), Kw("mode"), Kw("aggressive")], 2, Run::Model(initiate_aggressive)),
    command(
        PROFILE,
        &[Kw("client"), Kw("authentication"), Kw("list"), Word("list")],
        3,
        Run::Model(client_authentication),
    ),
    command(
        PROFILE,
        &[Kw("isakmp"), Kw("authorization"), Kw("list"), Word("list")],
        3,
        Run::Model(isakmp_authorization),
    ),
    command(
        PROFILE,
        &[
            Kw("client"),
            Kw("configuration"),
            OneOf(&[&[Kw("address"), OneOf(&[&[Kw("respond")], &[Kw("initiate")]])], &[Kw("group"), Word("group")]]),
        ],
        3,
        Run::Model(client_configuration),
    ),
    command(PEER, &[Kw("set"), Kw("aggressive-mode"), Kw("password"), KEY], 3, Run::Model(aggressive_mode_password)),
    command(
        PEER,
        &[
            Kw("set"),
            Kw("aggressive-mode"),
            Kw("client-endpoint"),
            OneOf(&[
                &[Kw("ipv4-address"), Ip("address")],
                &[Kw("fqdn"), Word("fqdn")],
                &[Kw("user-fqdn"), Word("user-fqdn")],
            ]),
        ],
        3,
        Run::Model(client_endpoint),
    ),
    command(GROUP, &[Kw("key"), KEY], 1, Run::Model(group_key)),
    command(GROUP, &[Kw("pool"), Word("name")], 1, Run::Model(group_pool)),
    command(GROUP, &[Kw("acl"), Word("name")], 1, Run::Model(group_acl)),
    command(GROUP, &[Kw("domain"), Word("name")], 1, Run::Model(group_domain)),
    command(GROUP, &[Kw("dns"), Ip("address"), Opt(&[Ip("address")])], 1, Run::Model(group_dns)),
    command(GROUP, &[Kw("wins"), Ip("address"), Opt(&[Ip("address")])], 1, Run::Model(group_wins)),
    command(GROUP, &[Kw("netmask"), Ip("address")], 1, Run::Model(group_netmask)),
    command(GROUP, &[Kw("split-dns"), Word("name")], 2, Run::Model(group_split_dns)),
    command(GROUP, &[Kw("backup-gateway"), Word("name")], 2, Run::Model(group_backup_gateway)),
    command(GROUP, &[Kw("max-users"), Int("number", 1, 5000)], 1, Run::Model(group_limit)),
    command(GROUP, &[Kw("max-logins"), Int("number", 1, 10)], 1, Run::Model(group_limit)),
    command(GROUP, &[Kw("save-password")], 1, Run::Model(group_flag)),
    command(GROUP, &[Kw("pfs")], 1, Run::Model(group_flag)),
    command(GROUP, &[Kw("include-local-lan")], 1, Run::Model(group_flag)),
    command(GROUP, &[Kw("group-lock")], 1, Run::Model(group_flag)),
    command(GROUP, &[Kw("access-restrict"), Rest("text")], 1, Run::NotSimulated("no client is turned away by it")),
    command(GROUP, &[Kw("firewall"), Rest("text")], 1, Run::NotSimulated("no client is turned away by it")),
    command(GROUP, &[Kw("configuration"), Rest("text")], 1, Run::NotSimulated("clients are sent no such URL")),
];

impl Edit<'_> {
    fn policy(&mut self) -> Option<&mut IsakmpPolicy> {
        match self.subject {
            Subject::Policy(place) => self.config.isakmp.policies.get_mut(place),
            _ => None,
        }
    }

    fn profile(&mut self) -> Option<&mut IsakmpProfile> {
        match self.subject {
            Subject::Profile(place) => self.config.isakmp.profiles.get_mut(place),
            _ => None,
        }
    }

    fn peer(&mut self) -> Option<&mut IsakmpPeer> {
        match self.subject {
            Subject::Peer(place) => self.config.isakmp.peers.get_mut(place),
            _ => None,
        }
    }

    pub(in crate::ios::config) fn client_group(&mut self) -> Option<&mut ClientGroup> {
        match self.subject {
            Subject::Group(place) => self.config.isakmp.client_groups.get_mut(place),
            _ => None,
        }
    }

    fn keyring(&mut self) -> Option<&mut Keyring> {
        match self.subject {
            Subject::Keyring(place) => self.config.isakmp.keyrings.get_mut(place),
            _ => None,
        }
    }
}

/// Sets a policy's value from the line; `no` goes back to the default.
fn in_policy<T>(
    edit: &mut Edit<'_>,
    args: &Args<'_>,
    field: impl Fn(&mut IsakmpPolicy) -> &mut Spanned<T>,
    value: Option<Spanned<T>>,
) {
    let Some(policy) = edit.policy() else {
        return;
    };
    if args.negated {
        let mut fresh = IsakmpPolicy::new(policy.priority, policy.span);
        std::mem::swap(field(policy), field(&mut fresh));
    } else if let Some(value) = value {
        *field(policy) = value;
    }
}

fn encryption(edit: &mut Edit<'_>, args: &Args<'_>) {
    let cipher = args.choice(&[("des", Cipher::Des), ("3des", Cipher::TripleDes), ("aes", Cipher::Aes128)]);
    let key = args.choice(&[("128", Cipher::Aes128), ("192", Cipher::Aes192), ("256", Cipher::Aes256)]);
    let value = cipher.map(|cipher| Spanned::new(key.map_or(cipher.value, |key| key.value), args.line_span()));
    in_policy(edit, args, |policy| &mut policy.encryption, value);
}

fn hash(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = args.choice(&[
        ("md5", Hash::Md5),
        ("sha", Hash::Sha1),
        ("sha256", Hash::Sha256),
        ("sha384", Hash::Sha384),
        ("sha512", Hash::Sha512),
    ]);
    let value = value.map(|hash| Spanned::new(hash.value, args.line_span()));
    in_policy(edit, args, |policy| &mut policy.hash, value);
}

fn authentication(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = args.choice(&[
        ("rsa-sig", Authentication::RsaSignature),
        ("rsa-encr", Authentication::RsaEncryption),
        ("pre-share", Authentication::PreShared),
        ("ecdsa-sig", Authentication::EcdsaSignature),
    ]);
    let value = value.map(|method| Spanned::new(method.value, args.line_span()));
    in_policy(edit, args, |policy| &mut policy.authentication, value);
}

fn group(edit: &mut Edit<'_>, args: &Args<'_>) {
    let number = args.args.iter().find_map(|arg| arg.name.parse().ok());
    let value = number.map(|number| Spanned::new(DhGroup::from_number(number), args.line_span()));
    in_policy(edit, args, |policy| &mut policy.group, value);
}

fn lifetime(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = args.int("seconds").map(|seconds| Spanned::new(seconds.value, args.line_span()));
    in_policy(edit, args, |policy| &mut policy.lifetime, value);
}

fn keyring_description(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(keyring) = edit.keyring() {
        keyring.description = args.text("text").filter(|_| !args.negated).map(|text| text.value);
    }
}

fn keyring_key(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(peer) = key_peer(edit, args) else {
        return;
    };
    let (key, span) = (args.secret(), args.line_span());
    if let Some(keyring) = edit.keyring() {
        keyring.keys.retain(|known| known.peer != peer);
        if let Some(key) = key.filter(|_| !args.negated) {
            keyring.keys.push(PreSharedKey { peer, key, no_xauth: false, span });
        }
    }
}

fn keyring_local_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(keyring) = edit.keyring() {
        keyring.local_address = args.local_address().filter(|_| !args.negated);
    }
}

fn description(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.description = args.text("text").filter(|_| !args.negated).map(|text| text.value);
    }
}

fn vrf(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.vrf = args.text("vrf").filter(|_| !args.negated);
    }
}

fn keyring(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(profile) = edit.profile() else {
        return;
    };
    if args.negated && args.text("name").is_none() {
        profile.keyrings.clear();
    }
    for name in args.texts("name") {
        profile.keyrings.retain(|known| *known != name);
        if !args.negated {
            profile.keyrings.push(name);
        }
    }
}

/// The identity of `self-identity` and `set aggressive-mode client-endpoint`.
fn identity(args: &Args<'_>) -> Option<Spanned<Identity>> {
    let identity = if args.has("dn") {
        Identity::DistinguishedName
    } else if let Some(user) = args.text("user-fqdn") {
        Identity::UserFqdn(user.value)
    } else if args.has("fqdn") {
        Identity::Fqdn(args.text("fqdn").map(|fqdn| fqdn.value))
    } else {
        Identity::Address(args.ip("address").map(|address| address.value))
    };
    Some(Spanned::new(identity, args.line_span())).filter(|_| !args.negated)
}

fn self_identity(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.self_identity = identity(args);
    }
}

fn match_identity(edit: &mut Edit<'_>, args: &Args<'_>) {
    let identity = if let Some(address) = args.ip("address") {
        let length = match args.ip("mask") {
            Some(mask) => match pnet::ipnetwork::ipv4_mask_to_prefix(mask.value) {
                Ok(length) => length,
                Err(_) => {
                    return edit.reject(mask.span.range(), "% Invalid address or mask", "expected a subnet mask");
                }
            },
            None if address.is_unspecified() => 0,
            None => 32,
        };
        let network = Ipv4Network::new(address.value, length).map(|network| network.network());
        let network = network.and_then(|address| Ipv4Network::new(address, length));
        network.ok().map(|network| MatchIdentity::Address(network, args.text("vrf").map(|vrf| vrf.value)))
    } else if let Some(domain) = args.text("domain") {
        let of_host = args.has("host");
        Some(if of_host { MatchIdentity::HostDomain(domain.value) } else { MatchIdentity::UserDomain(domain.value) })
    } else if let Some(host) = args.text("host") {
        Some(MatchIdentity::Host(host.value))
    } else if let Some(user) = args.text("user") {
        Some(MatchIdentity::User(user.value))
    } else {
        args.text("group").map(|group| MatchIdentity::Group(group.value))
    };
    let (Some(identity), Some(profile)) = (identity, edit.profile()) else {
        return;
    };
    profile.match_identity.retain(|known| known.value != identity);
    if !args.negated {
        profile.match_identity.push(Spanned::new(identity, args.line_span()));
    }
}

fn keepalive(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.keepalive = keepalive_of(args).filter(|_| !args.negated);
    }
}

fn local_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.local_address = args.local_address().filter(|_| !args.negated);
    }
}

fn virtual_template(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        profile.virtual_template = args.int("number").filter(|_| !args.negated);
    }
}

fn initiate_aggressive(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        super::toggle(&mut profile.initiate_aggressive, args, true);
    }
}

fn client_authentication(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        set_client(&mut profile.client, args);
    }
}

fn isakmp_authorization(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        set_client(&mut profile.client, args);
    }
}

fn client_configuration(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(profile) = edit.profile() {
        set_client(&mut profile.client, args);
    }
}

/// One of the client lines, which profiles and crypto maps share.
pub(super) fn set_client(client: &mut ClientSettings, args: &Args<'_>) {
    let kept = !args.negated;
    if args.has("authentication") {
        client.authentication_list = args.text("list").filter(|_| kept);
    } else if args.has("authorization") {
        client.authorization_list = args.text("list").filter(|_| kept);
    } else if args.has("group") {
        client.group = args.text("group").filter(|_| kept);
    } else {
        let line = args.line_span();
        if args.has("respond") || args.negated && !args.has("initiate") {
            client.respond = kept.then_some(Spanned::new(ClientAddressing::Respond, line));
        }
        if args.has("initiate") || args.negated && !args.has("respond") {
            client.initiate = kept.then_some(Spanned::new(ClientAddressing::Initiate, line));
        }
    }
}

fn aggressive_mode_password(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(peer) = edit.peer() {
        peer.password = args.secret().filter(|_| !args.negated);
    }
}

fn client_endpoint(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(peer) = edit.peer() {
        peer.client_endpoint = identity(args);
    }
}

fn group_key(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.key = args.secret().filter(|_| !args.negated);
    }
}

fn group_pool(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.pool = args.text("name").filter(|_| !args.negated);
    }
}

fn group_acl(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.acl = args.text("name").filter(|_| !args.negated);
    }
}

fn group_domain(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.domain = args.text("name").filter(|_| !args.negated).map(|name| name.value);
    }
}

fn group_dns(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.dns = args.ips("address").filter(|_| !args.negated).map(|address| address.value).collect();
    }
}

fn group_wins(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.wins = args.ips("address").filter(|_| !args.negated).map(|address| address.value).collect();
    }
}

fn group_netmask(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        group.netmask = args.ip("address").filter(|_| !args.negated).map(|mask| mask.value);
    }
}

fn group_split_dns(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let (Some(group), Some(name)) = (edit.client_group(), args.text("name")) {
        in_list(&mut group.split_dns, name.value, args);
    }
}

fn group_backup_gateway(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let (Some(group), Some(name)) = (edit.client_group(), args.text("name")) {
        in_list(&mut group.backup_gateways, name.value, args);
    }
}

fn in_list(list: &mut Vec<String>, name: String, args: &Args<'_>) {
    list.retain(|known| *known != name);
    if !args.negated {
        list.push(name);
    }
}

fn group_limit(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        let limit = args.int("number").filter(|_| !args.negated).map(|number| number.value);
        if args.has("max-users") {
            group.max_users = limit;
        } else {
            group.max_logins = limit;
        }
    }
}

fn group_flag(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(group) = edit.client_group() {
        let flag = match () {
            () if args.has("save-password") => &mut group.save_password,
            () if args.has("pfs") => &mut group.pfs,
            () if args.has("include-local-lan") => &mut group.include_local_lan,
            () => &mut group.group_lock,
        };
        *flag = !args.negated;
    }
}
