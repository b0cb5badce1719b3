//! `crypto ipsec`, transform sets, `crypto logging`.

use super::super::grammar::Element::{self, Int, Kw, Many, OneOf, Opt, Word};
use super::super::model::{
    DfBit, Ipsec, IpsecProfile, MapSettings, ReplayWindow, Transform, TransformMode, TransformSet, VolumeLifetime,
};
use super::super::span::Spanned;
use super::{Args, Command, Edit, Mode, Run, Subject, command, find_or_add, toggle};
use crate::crypto::{Cipher, Hash};

const GLOBAL: &[Mode] = &[Mode::Global];
const TRANSFORM_SET: &[Mode] = &[Mode::TransformSet];

const KEY_BITS: Element = Opt(&[OneOf(&[&[Kw("128")], &[Kw("192")], &[Kw("256")]])]);

const TRANSFORM: Element = OneOf(&[
    &[Kw("ah-md5-hmac")],
    &[Kw("ah-sha-hmac")],
    &[Kw("ah-sha256-hmac")],
    &[Kw("ah-sha384-hmac")],
    &[Kw("ah-sha512-hmac")],
    &[Kw("esp-des")],
    &[Kw("esp-3des")],
    &[Kw("esp-aes"), KEY_BITS],
    &[Kw("esp-gcm"), KEY_BITS],
    &[Kw("esp-gmac"), KEY_BITS],
    &[Kw("esp-null")],
    &[Kw("esp-seal")],
    &[Kw("esp-md5-hmac")],
    &[Kw("esp-sha-hmac")],
    &[Kw("esp-sha256-hmac")],
    &[Kw("esp-sha384-hmac")],
    &[Kw("esp-sha512-hmac")],
    &[Kw("comp-lzs")],
]);

/// `lifetime ...` after `security-association`. Seconds up to 86400 on IOS, up to 30 days on IOS-XE (facts 5.5).
pub(super) const LIFETIME: Element = OneOf(&[
    &[Kw("seconds"), Int("seconds", 120, 2_592_000)],
    &[Kw("days"), Int("days", 1, 30)],
    &[Kw("kilobytes"), Kw("disable")],
    &[Kw("kilobytes"), Int("kilobytes", 2560, 4_294_967_295)],
]);

/// `replay ...` after `security-association`.
pub(super) const REPLAY: Element = OneOf(&[
    &[Kw("disable")],
    &[Kw("window-size"), OneOf(&[&[Kw("64")], &[Kw("128")], &[Kw("256")], &[Kw("512")], &[Kw("1024")]])],
]);

pub(super) const DF_BITS: Element = OneOf(&[&[Kw("clear")], &[Kw("set")], &[Kw("copy")]]);

pub(super) const COMMANDS: &[Command] = &[
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("transform-set"), Word("name"), TRANSFORM, Many(&[TRANSFORM])],
        4,
        Run::Enter(Mode::TransformSet, transform_set),
    ),
    command(
        TRANSFORM_SET,
        &[Kw("mode"), OneOf(&[&[Kw("tunnel")], &[Kw("transport"), Opt(&[Kw("require")])]])],
        1,
        Run::Model(mode),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("security-association"), Kw("lifetime"), LIFETIME],
        4,
        Run::Model(lifetime),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("security-association"), Kw("replay"), REPLAY],
        4,
        Run::Model(replay),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("security-association"), Kw("idle-time"), Int("seconds", 60, 86_400)],
        4,
        Run::Model(idle_time),
    ),
    command(GLOBAL, &[Kw("crypto"), Kw("ipsec"), Kw("df-bit"), DF_BITS], 3, Run::Model(df_bit)),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("ipsec"),
            Kw("fragmentation"),
            OneOf(&[&[Kw("before-encryption")], &[Kw("after-encryption")]]),
        ],
        3,
        Run::Model(fragmentation),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("nat-transparency"), Kw("udp-encapsulation")],
        4,
        Run::Model(nat_transparency),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("nat-transparency"), Kw("spi-matching")],
        4,
        Run::NotSimulated("SPIs are chosen at random"),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("ipsec"), Kw("profile"), Word("name")],
        4,
        Run::Enter(Mode::IpsecProfile, profile),
    ),
    command(GLOBAL, &[Kw("crypto"), Kw("logging"), Kw("session")], 3, Run::Model(logging_session)),
];

fn transform_set(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?;
    let sets = &mut edit.config.ipsec.transform_sets;
    if args.negated {
        sets.retain(|set| set.name != name);
        return None;
    }
    let transforms = transforms(args);
    if let Some(surplus) = surplus(&transforms) {
        edit.reject(
            surplus.span.range(),
            format!("transform set `{name}` holds too many transforms of one kind"),
            "expected at most one AH transform, one ESP cipher, one ESP HMAC and one compression",
        );
        return None;
    }
    let make = || TransformSet {
        name: name.clone(),
        transforms: Vec::new(),
        mode: Spanned::implied(TransformMode::Tunnel),
        span: args.line_span(),
    };
    let place = find_or_add(sets, |set| set.name == name, make);
    sets[place].transforms = transforms;
    sets[place].span = args.line_span();
    Some(Subject::TransformSet(place))
}

/// The transforms of the line, key lengths joined to their cipher.
fn transforms(args: &Args<'_>) -> Vec<Spanned<Transform>> {
    let mut transforms: Vec<Spanned<Transform>> = Vec::new();
    for arg in args.args {
        let transform = match arg.name {
            "ah-md5-hmac" => Transform::Ah(Hash::Md5),
            "ah-sha-hmac" => Transform::Ah(Hash::Sha1),
            "ah-sha256-hmac" => Transform::Ah(Hash::Sha256),
            "ah-sha384-hmac" => Transform::Ah(Hash::Sha384),
            "ah-sha512-hmac" => Transform::Ah(Hash::Sha512),
            "esp-des" => Transform::EspCipher(Cipher::Des),
            "esp-3des" => Transform::EspCipher(Cipher::TripleDes),
            "esp-aes" => Transform::EspCipher(Cipher::Aes128),
            "esp-gcm" => Transform::EspCipher(Cipher::Aes128Gcm),
            "esp-gmac" => Transform::EspGmac(128),
            "esp-null" => Transform::EspCipher(Cipher::Null),
            "esp-seal" => Transform::EspSeal,
            "esp-md5-hmac" => Transform::EspHmac(Hash::Md5),
            "esp-sha-hmac" => Transform::EspHmac(Hash::Sha1),
            "esp-sha256-hmac" => Transform::EspHmac(Hash::Sha256),
            "esp-sha384-hmac" => Transform::EspHmac(Hash::Sha384),
            "esp-sha512-hmac" => Transform::EspHmac(Hash::Sha512),
            "comp-lzs" => Transform::CompLzs,
            bits @ ("192" | "256") => {
                if let Some(last) = transforms.last_mut() {
                    last.value = with_key(last.value, bits == "256");
                    last.span = super::Span::new(args.source, last.span.range().start..arg.range.end);
                }
                continue;
            }
            _ => continue,
        };
        transforms.push(Spanned::new(transform, args.span_of(arg)));
    }
    transforms
}

fn with_key(transform: Transform, longest: bool) -> Transform {
    match (transform, longest) {
        (Transform::EspCipher(Cipher::Aes128), false) => Transform::EspCipher(Cipher::Aes192),
        (Transform::EspCipher(Cipher::Aes128), true) => Transform::EspCipher(Cipher::Aes256),
        (Transform::EspCipher(Cipher::Aes128Gcm), false) => Transform::EspCipher(Cipher::Aes192Gcm),
        (Transform::EspCipher(Cipher::Aes128Gcm), true) => Transform::EspCipher(Cipher::Aes256Gcm),
        (Transform::EspGmac(_), false) => Transform::EspGmac(192),
        (Transform::EspGmac(_), true) => Transform::EspGmac(256),
        (other, _) => other,
    }
}

/// The first transform of a kind the set already has.
fn surplus(transforms: &[Spanned<Transform>]) -> Option<Spanned<Transform>> {
    let kind = |transform: Transform| match transform {
        Transform::Ah(_) => 0,
        Transform::EspCipher(_) | Transform::EspGmac(_) | Transform::EspSeal => 1,
        Transform::EspHmac(_) => 2,
        Transform::CompLzs => 3,
    };
    let mut seen = [false; 4];
    transforms.iter().copied().find(|transform| std::mem::replace(&mut seen[kind(transform.value)], true))
}

fn mode(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Subject::TransformSet(place) = edit.subject else {
        return;
    };
    let mode = match () {
        () if args.negated => None,
        () if args.has("require") => Some(TransformMode::TransportRequire),
        () if args.has("transport") => Some(TransformMode::Transport),
        () => Some(TransformMode::Tunnel),
    };
    if let Some(set) = edit.config.ipsec.transform_sets.get_mut(place) {
        set.mode = mode.map_or(Spanned::implied(TransformMode::Tunnel), |mode| Spanned::new(mode, args.line_span()));
    }
}

/// The seconds of a `lifetime` line.
pub(super) fn lifetime_seconds(args: &Args<'_>) -> Option<Spanned<u32>> {
    let days = || args.int::<u32>("days").map(|days| Spanned::new(days.value * 86_400, days.span));
    args.int("seconds").or_else(days).map(|seconds| Spanned::new(seconds.value, args.line_span()))
}

/// The kilobytes of a `lifetime` line.
pub(super) fn lifetime_kilobytes(args: &Args<'_>) -> Option<Spanned<VolumeLifetime>> {
    let disabled = args.has("disable").then_some(VolumeLifetime::Unlimited);
    let kilobytes = args.int("kilobytes").map(|kilobytes| VolumeLifetime::Kilobytes(kilobytes.value));
    disabled.or(kilobytes).map(|lifetime| Spanned::new(lifetime, args.line_span()))
}

/// The window of a `replay` line.
pub(super) fn replay_window(args: &Args<'_>) -> Option<Spanned<ReplayWindow>> {
    let window = if args.has("disable") {
        ReplayWindow::Disabled
    } else {
        ReplayWindow::Size(args.args.iter().find_map(|arg| arg.name.parse().ok())?)
    };
    Some(Spanned::new(window, args.line_span()))
}

/// The value of a `df-bit` or `set security-association dfbit` line: its last keyword.
pub(super) fn df_bit_of(args: &Args<'_>) -> Option<Spanned<DfBit>> {
    let last = args.args.last()?;
    let value = match last.name {
        "clear" => DfBit::Clear,
        "set" => DfBit::Set,
        "copy" => DfBit::Copy,
        _ => return None,
    };
    Some(Spanned::new(value, args.line_span()))
}

fn lifetime(edit: &mut Edit<'_>, args: &Args<'_>) {
    let ipsec = &mut edit.config.ipsec;
    let fresh = Ipsec::default();
    if args.negated {
        if !args.has("kilobytes") {
            ipsec.lifetime_seconds = fresh.lifetime_seconds;
        }
        if !args.has("seconds") && !args.has("days") {
            ipsec.lifetime_kilobytes = fresh.lifetime_kilobytes;
        }
    } else {
        ipsec.lifetime_seconds = lifetime_seconds(args).unwrap_or(ipsec.lifetime_seconds);
        ipsec.lifetime_kilobytes = lifetime_kilobytes(args).unwrap_or(ipsec.lifetime_kilobytes);
    }
}

fn replay(edit: &mut Edit<'_>, args: &Args<'_>) {
    let window = replay_window(args).filter(|_| !args.negated);
    edit.config.ipsec.replay = window.unwrap_or(Ipsec::default().replay);
}

fn idle_time(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.ipsec.idle_time = args.int("seconds").filter(|_| !args.negated);
}

fn df_bit(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = df_bit_of(args).filter(|_| !args.negated);
    edit.config.ipsec.df_bit = value.unwrap_or(Ipsec::default().df_bit);
}

fn fragmentation(edit: &mut Edit<'_>, args: &Args<'_>) {
    let before = !args.has("after-encryption") || args.negated;
    edit.config.ipsec.fragment_before_encryption = Spanned::new(before, args.line_span());
}

fn nat_transparency(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.ipsec.nat_transparency, args, true);
}

fn profile(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let profiles = &mut edit.config.ipsec.profiles;
    if args.negated {
        profiles.retain(|profile| profile.name != name);
        return None;
    }
    let make = || IpsecProfile { name: name.clone(), settings: MapSettings::default(), span: args.line_span() };
    Some(Subject::IpsecProfile(find_or_add(profiles, |profile| profile.name == name, make)))
}

fn logging_session(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.ipsec.logging_session, args, true);
}
