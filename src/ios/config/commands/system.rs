//! Names, users, time stamps, and the EXEC commands found in pasted sessions.

use super::super::grammar::Element::{self, Int, Ip, Kw, Many, OneOf, Opt, Rest, Secret, Word};
use super::super::model::{LocalPool, RunningConfig, Timestamps, User};
use super::super::span::Spanned;
use super::{Args, Command, Edit, Mode, Run, command, toggle};

const GLOBAL: &[Mode] = &[Mode::Global];
const EXEC: &[Mode] = &[Mode::Exec];

const TIMESTAMP_OPTIONS: Element =
    Many(&[OneOf(&[&[Kw("msec")], &[Kw("localtime")], &[Kw("show-timezone")], &[Kw("year")]])]);

pub(super) const COMMANDS: &[Command] = &[
    command(GLOBAL, &[Kw("hostname"), Word("name")], 1, Run::Model(hostname)),
    command(GLOBAL, &[Kw("ip"), Kw("domain-name"), Word("name")], 2, Run::Model(domain_name)),
    command(GLOBAL, &[Kw("ip"), Kw("domain"), Kw("name"), Word("name")], 3, Run::Model(domain_name)),
    command(
        GLOBAL,
        &[Kw("ip"), OneOf(&[&[Kw("domain"), Kw("lookup")], &[Kw("domain-lookup")]]), Opt(&[Rest("text")])],
        2,
        Run::NoEffect,
    ),
    command(
        GLOBAL,
        &[Kw("ip"), OneOf(&[&[Kw("domain"), Kw("list")], &[Kw("domain-list")]]), Rest("text")],
        2,
        Run::NoEffect,
    ),
    command(
        GLOBAL,
        &[
            Kw("service"),
            Kw("timestamps"),
            Opt(&[
                OneOf(&[&[Kw("log")], &[Kw("debug")]]),
                Opt(&[OneOf(&[&[Kw("uptime")], &[Kw("datetime"), TIMESTAMP_OPTIONS]])]),
            ]),
        ],
        2,
        Run::Model(timestamps),
    ),
    command(GLOBAL, &[Kw("logging"), Kw("console"), Opt(&[Rest("text")])], 2, Run::Model(logging_console)),
    command(
        GLOBAL,
        &[Kw("logging"), Kw("buffered"), Opt(&[Int("size", 4096, 2_147_483_647)]), Opt(&[Word("level")])],
        2,
        Run::Model(logging_buffered),
    ),
    command(
        GLOBAL,
        &[Kw("logging"), Opt(&[Kw("host")]), Ip("address"), Opt(&[Rest("text")])],
        3,
        Run::Model(logging_host),
    ),
    command(GLOBAL, &[Kw("service"), Kw("sequence-numbers")], 2, Run::Model(sequence_numbers)),
    command(
        GLOBAL,
        &[
            Kw("username"),
            Word("name"),
            Many(&[OneOf(&[
                &[Kw("privilege"), Int("privilege", 0, 15)],
                &[Kw("nopassword")],
                &[Kw("autocommand"), Rest("text")],
                &[Kw("view"), Word("view")],
                &[Kw("one-time")],
            ])]),
            Opt(&[
                OneOf(&[&[Kw("password")], &[Kw("secret")]]),
                OneOf(&[&[Int("key-type", 0, 9), Secret("key")], &[Secret("key")]]),
            ]),
        ],
        2,
        Run::Model(username),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("local"), Kw("pool"), Word("name"), Ip("first"), Opt(&[Ip("last")]), Opt(&[Rest("text")])],
        4,
        Run::Model(local_pool),
    ),
    command(GLOBAL, &[Kw("aaa"), Kw("new-model")], 2, Run::Model(aaa_new_model)),
    command(EXEC, &[Kw("configure"), Opt(&[OneOf(&[&[Kw("terminal")], &[Kw("memory")]])])], 0, Run::Configure),
    command(EXEC, &[Kw("enable"), Opt(&[Int("level", 0, 15)])], 0, Run::NoEffect),
    command(
        EXEC,
        &[
            OneOf(&[
                &[Kw("clear")],
                &[Kw("clock")],
                &[Kw("copy")],
                &[Kw("debug")],
                &[Kw("delete")],
                &[Kw("dir")],
                &[Kw("disable")],
                &[Kw("login")],
                &[Kw("logout")],
                &[Kw("more")],
                &[Kw("ping")],
                &[Kw("reload")],
                &[Kw("show")],
                &[Kw("ssh")],
                &[Kw("telnet")],
                &[Kw("terminal")],
                &[Kw("traceroute")],
                &[Kw("undebug")],
                &[Kw("verify")],
                &[Kw("write")],
            ]),
            Opt(&[Rest("text")]),
        ],
        1,
        Run::NoEffect,
    ),
];

fn hostname(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.hostname = args.text("name").filter(|_| !args.negated).unwrap_or(RunningConfig::default().hostname);
}

fn domain_name(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.domain_name = args.text("name").filter(|_| !args.negated);
}

fn timestamps(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = match () {
        () if args.negated => Timestamps::None,
        () if args.has("datetime") => Timestamps::Datetime {
            msec: args.has("msec"),
            localtime: args.has("localtime"),
            show_timezone: args.has("show-timezone"),
            year: args.has("year"),
        },
        () => Timestamps::Uptime,
    };
    let value = Spanned::new(value, args.line_span());
    let service = &mut edit.config.service;
    let plain = !args.has("log") && !args.has("debug");
    if args.has("log") || args.negated && plain {
        service.log = value;
    }
    if args.has("debug") || plain {
        service.debug = value;
    }
}

fn logging_console(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.logging.console, args, true);
}

fn logging_buffered(edit: &mut Edit<'_>, args: &Args<'_>) {
    let size = args.int("size").unwrap_or(Spanned::new(4096, args.line_span()));
    edit.config.logging.buffered = (!args.negated).then_some(size);
}

fn logging_host(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(host) = args.ip("address") {
        edit.config.logging.hosts.retain(|known| *known != host);
        if !args.negated {
            edit.config.logging.hosts.push(host);
        }
    }
}

fn sequence_numbers(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.service.sequence_numbers, args, true);
}

fn username(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(name) = args.text("name") else {
        return;
    };
    let users = &mut edit.config.users;
    let known = users.iter().position(|user| user.name == name.value).map(|place| users.remove(place));
    if args.negated {
        return;
    }
    let mut user = known.unwrap_or(User {
        name: name.value,
        privilege: 1,
        password: None,
        is_secret: false,
        span: args.line_span(),
    });
    user.span = args.line_span();
    if let Some(privilege) = args.int("privilege") {
        user.privilege = privilege.value;
    }
    if let Some(password) = args.secret() {
        user.password = Some(password.value);
        user.is_secret = args.has("secret");
    }
    users.push(user);
}

fn local_pool(edit: &mut Edit<'_>, args: &Args<'_>) {
    let (Some(name), Some(first)) = (args.text("name"), args.ip("first")) else {
        if let Some(name) = args.text("name").filter(|_| args.negated) {
            edit.config.local_pools.retain(|pool| pool.name != name.value);
        }
        return;
    };
    let last = args.ip("last").unwrap_or(first);
    if last.value < first.value {
        let range = first.span.range().start..last.span.range().end;
        return edit.reject(range, "%Bad IP range", "expected the lower address first");
    }
    edit.config.local_pools.retain(|pool| pool.name != name.value);
    if !args.negated {
        let pool = LocalPool { name: name.value, first: first.value, last: last.value, span: args.line_span() };
        edit.config.local_pools.push(pool);
    }
}

fn aaa_new_model(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.aaa_new_model, args, true);
}
