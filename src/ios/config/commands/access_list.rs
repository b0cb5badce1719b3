//! `access-list`, `ip access-list` and the entries of both.

use super::super::grammar::Element::{self, Icmp, Int, Ip, Kw, Many, OneOf, Opt, Rest, TcpPort, UdpPort, Word};
use super::super::grammar::{Arg, Value};
use super::{Args, Command, Edit, Mode, Run, Subject, command, find_or_add};
use crate::ios::acl::{
    AccessList, Ace, AclKind, AclLine, Action, AddressMatch, IcmpMatch, PortMatch, Protocol, icmp_number,
    protocol_number,
};

const GLOBAL: &[Mode] = &[Mode::Global];
const EXTENDED: &[Mode] = &[Mode::ExtendedAcl];
const STANDARD: &[Mode] = &[Mode::StandardAcl];
const BOTH: &[Mode] = &[Mode::StandardAcl, Mode::ExtendedAcl];

const STANDARD_NUMBER: Element = OneOf(&[&[Int("number", 1, 99)], &[Int("number", 1300, 1999)]]);
const EXTENDED_NUMBER: Element = OneOf(&[&[Int("number", 100, 199)], &[Int("number", 2000, 2699)]]);
const ACTION: Element = OneOf(&[&[Kw("permit")], &[Kw("deny")]]);
const SEQUENCE: Element = Int("sequence", 1, 2_147_483_647);

const ADDRESS: Element = OneOf(&[
    &[Kw("any")],
    &[Kw("host"), Ip("address")],
    &[Ip("address"), Ip("wildcard")],
    &[Kw("object-group"), Word("group")],
]);

macro_rules! ports {
    ($port:ident) => {
        Opt(&[OneOf(&[
            &[Kw("eq"), $port("port"), Many(&[$port("port")])],
            &[Kw("neq"), $port("port"), Many(&[$port("port")])],
            &[Kw("lt"), $port("port")],
            &[Kw("gt"), $port("port")],
            &[Kw("range"), $port("port"), $port("port")],
        ])])
    };
}

const TCP_PORTS: Element = ports!(TcpPort);
const UDP_PORTS: Element = ports!(UdpPort);

const OPTIONS: Element = Many(&[OneOf(&[
    &[Kw("log")],
    &[Kw("log-input")],
    &[Kw("dscp"), Word("value")],
    &[Kw("fragments")],
    &[Kw("option"), Word("value")],
    &[Kw("precedence"), Word("value")],
    &[Kw("reflect"), Word("value")],
    &[Kw("time-range"), Word("value")],
    &[Kw("tos"), Word("value")],
    &[Kw("ttl"), Rest("value")],
])]);

const TCP_OPTIONS: Element = Opt(&[OneOf(&[
    &[Kw("established")],
    &[Kw("ack")],
    &[Kw("fin")],
    &[Kw("psh")],
    &[Kw("rst")],
    &[Kw("syn")],
    &[Kw("urg")],
])]);

const EXTENDED_ACE: Element = OneOf(&[
    &[
        OneOf(&[
            &[Kw("ip")],
            &[Kw("ahp")],
            &[Kw("eigrp")],
            &[Kw("esp")],
            &[Kw("gre")],
            &[Kw("igmp")],
            &[Kw("ipinip")],
            &[Kw("nos")],
            &[Kw("ospf")],
            &[Kw("pcp")],
            &[Kw("pim")],
            &[Int("protocol", 0, 255)],
        ]),
        ADDRESS,
        ADDRESS,
        OPTIONS,
    ],
    &[Kw("tcp"), ADDRESS, TCP_PORTS, ADDRESS, TCP_PORTS, TCP_OPTIONS, OPTIONS],
    &[Kw("udp"), ADDRESS, UDP_PORTS, ADDRESS, UDP_PORTS, OPTIONS],
    &[
        Kw("icmp"),
        ADDRESS,
        ADDRESS,
        Opt(&[OneOf(&[&[Icmp("message")], &[Int("type", 0, 255), Opt(&[Int("code", 0, 255)])]])]),
        OPTIONS,
    ],
]);

const STANDARD_ACE: Element = OneOf(&[
    &[Kw("any"), Opt(&[Kw("log")])],
    &[Kw("host"), Ip("address"), Opt(&[Kw("log")])],
    &[Ip("address"), Opt(&[Ip("wildcard")]), Opt(&[Kw("log")])],
]);

pub(super) const COMMANDS: &[Command] = &[
    command(GLOBAL, &[Kw("access-list"), EXTENDED_NUMBER, ACTION, EXTENDED_ACE], 2, Run::Model(numbered_ace)),
    command(GLOBAL, &[Kw("access-list"), STANDARD_NUMBER, ACTION, STANDARD_ACE], 2, Run::Model(numbered_ace)),
    command(
        GLOBAL,
        &[Kw("access-list"), OneOf(&[&[EXTENDED_NUMBER], &[STANDARD_NUMBER]]), Kw("remark"), Opt(&[Rest("text")])],
        2,
        Run::Model(numbered_remark),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("access-list"), Kw("standard"), Word("name")],
        4,
        Run::Enter(Mode::StandardAcl, standard),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("access-list"), Kw("extended"), Word("name")],
        4,
        Run::Enter(Mode::ExtendedAcl, extended),
    ),
    command(
        GLOBAL,
        &[
            Kw("ip"),
            Kw("access-list"),
            Kw("resequence"),
            Word("name"),
            Int("start", 1, 2_147_483_647),
            Int("step", 1, 2_147_483_647),
        ],
        0,
        Run::Model(resequence),
    ),
    command(EXTENDED, &[Opt(&[SEQUENCE]), ACTION, EXTENDED_ACE], 3, Run::Model(named_ace)),
    command(STANDARD, &[Opt(&[SEQUENCE]), ACTION, STANDARD_ACE], 3, Run::Model(named_ace)),
    command(BOTH, &[SEQUENCE], 1, Run::Model(remove_sequence)),
    command(BOTH, &[Opt(&[SEQUENCE]), Kw("remark"), Opt(&[Rest("text")])], 2, Run::Model(named_remark)),
    command(
        EXTENDED,
        &[Opt(&[SEQUENCE]), OneOf(&[&[Kw("dynamic"), Rest("text")], &[Kw("evaluate"), Rest("text")]])],
        2,
        Run::NotSimulated("dynamic and reflexive entries are not simulated"),
    ),
];

/// The list a line names, made when there is none.
fn list_named(edit: &mut Edit<'_>, name: &str, kind: AclKind, args: &Args<'_>) -> usize {
    let make = || AccessList::new(name, kind, args.line_span());
    find_or_add(&mut edit.config.access_lists, |list| list.name == name, make)
}

fn numbered_list(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<usize> {
    let number = args.int::<u32>("number")?.value;
    Some(list_named(edit, &number.to_string(), AclKind::of_number(number)?, args))
}

/// `no access-list N ...` removes the whole list, whatever follows the number. \[R\]
fn remove_numbered(edit: &mut Edit<'_>, args: &Args<'_>) {
    if let Some(number) = args.int::<u32>("number") {
        let name = number.to_string();
        edit.config.access_lists.retain(|list| list.name != name);
    }
}

fn numbered_ace(edit: &mut Edit<'_>, args: &Args<'_>) {
    if args.negated {
        return remove_numbered(edit, args);
    }
    if let Some(ace) = ace(edit, args)
        && let Some(place) = numbered_list(edit, args)
    {
        edit.config.access_lists[place].insert(ace, None);
    }
}

fn numbered_remark(edit: &mut Edit<'_>, args: &Args<'_>) {
    if args.negated {
        return remove_numbered(edit, args);
    }
    if let Some(place) = numbered_list(edit, args) {
        let text = args.text("text").map_or(String::new(), |text| text.value);
        edit.config.access_lists[place].lines.push(AclLine::Remark(text));
    }
}

fn standard(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    named(edit, args, AclKind::Standard)
}

fn extended(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    named(edit, args, AclKind::Extended)
}

fn named(edit: &mut Edit<'_>, args: &Args<'_>, kind: AclKind) -> Option<Subject> {
    let name = args.text("name")?;
    if args.negated {
        edit.config.access_lists.retain(|list| list.name != name.value);
        return None;
    }
    let numbered = name.parse::<u32>().ok();
    if numbered.is_some_and(|number| AclKind::of_number(number) != Some(kind)) {
        let label = format!("no {} list has that number", kind.word());
        edit.reject(name.span.range(), "% Invalid access list name.", label);
        return None;
    }
    if edit.config.access_list(&name).is_some_and(|list| list.kind != kind) {
        let label = format!("the list exists and is not {}", kind.word());
        edit.reject(name.span.range(), "% A named access list of another type with this name already exists", label);
        return None;
    }
    Some(Subject::AccessList(list_named(edit, &name, kind, args)))
}

fn resequence(edit: &mut Edit<'_>, args: &Args<'_>) {
    let (Some(name), Some(start), Some(step)) = (args.text("name"), args.int::<u32>("start"), args.int::<u32>("step"))
    else {
        return;
    };
    let Some(list) = edit.config.access_lists.iter_mut().find(|list| list.name == name.value) else {
        return edit.reject(name.span.range(), "% Access list does not exist", "expected the name of an access list");
    };
    let mut sequence = start.value;
    for line in &mut list.lines {
        if let AclLine::Ace(ace) = line {
            ace.sequence = sequence;
            sequence = sequence.saturating_add(step.value);
        }
    }
}

fn subject<'edit>(edit: &'edit mut Edit<'_>) -> Option<&'edit mut AccessList> {
    match edit.subject {
        Subject::AccessList(place) => edit.config.access_lists.get_mut(place),
        _ => None,
    }
}

fn named_ace(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(ace) = ace(edit, args) else {
        return;
    };
    let Some(list) = subject(edit) else {
        return;
    };
    if args.negated {
        list.remove(|known| known.says_the_same(&ace));
    } else {
        list.insert(ace, args.int("sequence").map(|sequence| sequence.value));
    }
}

/// A sequence number alone: `no 10`.
fn remove_sequence(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(sequence) = args.int::<u32>("sequence") else {
        return;
    };
    if !args.negated {
        return edit.reject(args.line.end..args.line.end, "% Incomplete command.", "expected permit, deny or remark");
    }
    if let Some(list) = subject(edit) {
        list.remove(|ace| ace.sequence == sequence.value);
    }
}

fn named_remark(edit: &mut Edit<'_>, args: &Args<'_>) {
    let text = args.text("text").map_or(String::new(), |text| text.value);
    if let Some(list) = subject(edit) {
        if args.negated {
            list.lines.retain(|line| *line != AclLine::Remark(text.clone()));
        } else {
            list.lines.push(AclLine::Remark(text));
        }
    }
}

/// The entry of a line; `None` when it asks for what is not simulated, which is said.
fn ace(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Ace> {
    const NOT_SIMULATED: &[&str] = &[
        "object-group",
        "dscp",
        "fragments",
        "option",
        "precedence",
        "reflect",
        "time-range",
        "tos",
        "ttl",
        "ack",
        "fin",
        "psh",
        "rst",
        "syn",
        "urg",
    ];
    if let Some(keyword) = NOT_SIMULATED.iter().find(|keyword| args.has(keyword)) {
        let title = format!("access list entries with `{keyword}` are not simulated: the line is ignored");
        edit.reject(args.range(keyword), title, "the entry is left out of the list");
        if let Some(remark) = edit.remarks.last_mut() {
            remark.help = Some("write the entry without it, or expect other traffic to match".to_owned());
        }
        return None;
    }
    let mut words = args.args.iter().skip_while(|arg| !["permit", "deny"].contains(&arg.name)).peekable();
    let action = if words.next()?.name == "deny" { Action::Deny } else { Action::Permit };
    let mut ace = Ace { action, ..Ace::permit_any(args.line_span()) };
    ace.log = args.has("log") || args.has("log-input");
    ace.established = args.has("established");
    let extended = match words.peek()? {
        arg if arg.name == "protocol" => Some(Protocol::Number(u8::try_from(number(arg)?).ok()?)),
        arg if arg.name == "ip" => Some(Protocol::Any),
        arg => protocol_number(arg.name).map(Protocol::Number),
    };
    let Some(protocol) = extended else {
        ace.source = address(&mut words)?;
        return Some(ace);
    };
    words.next();
    ace.protocol = protocol;
    ace.source = address(&mut words)?;
    ace.source_ports = ports(&mut words);
    ace.destination = address(&mut words)?;
    ace.destination_ports = ports(&mut words);
    ace.icmp = icmp(args);
    Some(ace)
}

type Words<'args, I> = std::iter::Peekable<I>;

fn address<'args, I: Iterator<Item = &'args Arg>>(words: &mut Words<'args, I>) -> Option<AddressMatch> {
    let first = words.next()?;
    match (first.name, &first.value) {
        ("any", Value::Keyword) => Some(AddressMatch::ANY),
        ("host", Value::Keyword) => match words.next()?.value {
            Value::Ip(address) => Some(AddressMatch::host(address)),
            _ => None,
        },
        (_, Value::Ip(address)) => {
            let wildcard = words.next_if(|arg| arg.name == "wildcard").map(|arg| &arg.value);
            match wildcard {
                Some(Value::Ip(wildcard)) => Some(AddressMatch::new(*address, *wildcard)),
                _ => Some(AddressMatch::host(*address)),
            }
        }
        _ => None,
    }
}

fn ports<'args, I: Iterator<Item = &'args Arg>>(words: &mut Words<'args, I>) -> PortMatch {
    const OPERATORS: [&str; 5] = ["eq", "neq", "lt", "gt", "range"];
    let Some(operator) = words.next_if(|arg| OPERATORS.contains(&arg.name)) else {
        return PortMatch::Any;
    };
    let mut ports = Vec::new();
    while let Some(port) = words.next_if(|arg| arg.name == "port") {
        ports.extend(number(port).and_then(|port| u16::try_from(port).ok()));
    }
    match (operator.name, ports.as_slice()) {
        ("eq", _) => PortMatch::Eq(ports),
        ("neq", _) => PortMatch::Neq(ports),
        ("lt", &[port]) => PortMatch::Lt(port),
        ("gt", &[port]) => PortMatch::Gt(port),
        ("range", &[one, other]) => PortMatch::Range(one.min(other), one.max(other)),
        _ => PortMatch::Any,
    }
}

fn icmp(args: &Args<'_>) -> Option<IcmpMatch> {
    if let Some(keyword) = args.text("message") {
        let (message, code) = icmp_number(&keyword)?;
        return Some(IcmpMatch { message, code });
    }
    let message = args.int("type")?.value;
    Some(IcmpMatch { message, code: args.int("code").map(|code| code.value) })
}

fn number(arg: &Arg) -> Option<u64> {
    match arg.value {
        Value::Int(number) => Some(number),
        _ => None,
    }
}
