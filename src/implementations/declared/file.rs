//! `ike-interop.toml` as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{CommandLine, Pattern, Template};
use crate::implementations::{DataPath, Host, Way};
use crate::scenario::names::ImplementationName;
use crate::scenario::text::{self, texts, words};
use crate::scenario::units::Span;

/// Where programs are, and which implementations there are besides those that are part of ike-interop.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ike-interop.toml")]
pub(crate) struct ConfigFile {
    /// What scenarios run with whose matrix names no implementation; `builtin` and `strongswan` unless given.
    #[serde(default, deserialize_with = "text::some")]
    pub(crate) usual: Vec<ImplementationName>,
    /// Where programs are, by their names (charon, racoon, setkey, swanctl, ...); relative to this file.
    #[serde(default)]
    pub(crate) programs: BTreeMap<String, PathBuf>,
    /// Implementations, by the names that scenarios, reports and `-i` use.
    #[serde(default)]
    #[expect(dead_code, reason = "the loader reads each by its kind; the schema needs it")]
    pub(crate) implementation: BTreeMap<String, DeclarationFile>,
}

/// An implementation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[expect(dead_code, reason = "see `ConfigFile::implementation`")]
pub(crate) enum DeclarationFile {
    /// Another version of strongSwan than the one that is found by itself.
    Strongswan(VersionFile),
    /// Any daemon, by its command lines.
    Command(Box<CommandFile>),
}

/// A version of an implementation that ike-interop knows how to run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionFile {
    /// What it is, in one sentence.
    #[serde(default)]
    pub(crate) about: Option<String>,
    /// It runs in every scenario that this implementation runs in; the one of its kind unless given. `none`: only where it is named.
    #[serde(default)]
    pub(crate) beside: Option<Beside>,
    /// The folder it was installed below; relative to this file.
    pub(crate) prefix: PathBuf,
    /// Environment variables, such as LD_LIBRARY_PATH.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
}

/// Any daemon, by its command lines.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandFile {
    /// What it is, in one sentence.
    #[serde(default)]
    pub(crate) about: Option<String>,
    /// It runs in every scenario that this implementation runs in; `builtin` unless given. `none`: only where it is named.
    #[serde(default)]
    pub(crate) beside: Option<Beside>,
    /// The daemon and its arguments. It stays in the foreground and logs to standard output or error.
    pub(crate) command: CommandLine,
    /// Further folders to look for programs in; relative to this file.
    #[serde(default)]
    pub(crate) folders: Vec<PathBuf>,
    /// What to do when a program is missing, such as a command that installs it.
    #[serde(default)]
    pub(crate) install: String,
    /// How it tells its version.
    #[serde(default)]
    pub(crate) version: Option<VersionQuery>,
    /// Environment variables.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Template>,
    /// Configuration files: the name of each below the folder `{{ config }}`, and its template, a file relative to this one.
    #[serde(default)]
    pub(crate) config: BTreeMap<String, PathBuf>,
    /// Folders that it finds empty and its own, besides /run and /tmp. They exist on this machine.
    #[serde(default)]
    pub(crate) private: Vec<PathBuf>,
    /// What it finds elsewhere: the absolute path, and the configuration file's name, or a path relative to this file.
    #[serde(default)]
    pub(crate) binds: BTreeMap<PathBuf, String>,
    /// Who encrypts and decrypts the packets.
    pub(crate) data_path: DataPathWord,
    /// How one knows that it is ready; as soon as it runs unless given.
    #[serde(default)]
    pub(crate) ready: Option<Ready>,
    /// Commands to run when it is ready, such as one that loads the configuration. Each must succeed.
    #[serde(default)]
    pub(crate) setup: Vec<CommandLine>,
    /// How it is told to bring the tunnel up.
    pub(crate) initiate: Initiate,
    /// How one knows that the negotiation failed. The first that fits a line of its log, or of the command that initiates, counts.
    #[serde(default)]
    pub(crate) refused: Vec<RefusedFile>,
    /// Deletes all SAs.
    #[serde(default)]
    pub(crate) terminate: Option<CommandLine>,
    /// How it tells its SAs; what it believes is not judged unless given.
    #[serde(default)]
    pub(crate) status: Option<Status>,
    /// Ends it; SIGTERM does unless given.
    #[serde(default)]
    pub(crate) stop: Option<CommandLine>,
    /// What it can do: capabilities by their words, or by the beginning of words and a `*`. All there are unless given.
    #[serde(default)]
    pub(crate) capabilities: Option<Vec<String>>,
    /// A program that says what it can do.
    #[serde(default)]
    pub(crate) probe: Option<Probe>,
}

/// Beside which implementation one runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// None: only where it is named.
    None,
    /// This one.
    Implementation(ImplementationName),
}

impl std::str::FromStr for Beside {
    type Err = crate::scenario::names::BadImplementationName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            name => name.parse().map(Self::Implementation),
        }
    }
}

words! {
    /// Who encrypts and decrypts the packets.
    DataPathWord, "data path", {
        None = "none": "Nobody: only the negotiation is looked at, and scenarios that send traffic are skipped.",
        Tun = "tun": "The implementation, in user space behind a TUN device.",
        Kernel = "kernel": "The kernel's ESP.",
        PfKey = "pfkey": "Whoever answers PF_KEY: the kernel where it has that and ESP, or else ike-interop itself, in user space.",
    }
}

impl DataPathWord {
    /// The ways it may take on `host`, the best first.
    pub(crate) fn ways(self, host: &Host) -> Vec<Way> {
        match self {
            Self::None => vec![Way::taking(DataPath::None, [])],
            Self::Tun => vec![host.tun()],
            Self::Kernel => vec![host.kernel()],
            Self::PfKey => host.by_pf_key(),
        }
    }

    /// The data paths that cells with it may have.
    pub(crate) fn data_paths(self) -> &'static [DataPath] {
        match self {
            Self::None => &[DataPath::None],
            Self::Tun => &[DataPath::Tun],
            Self::Kernel => &[DataPath::Kernel],
            Self::PfKey => &[DataPath::Kernel, DataPath::KeyEngine],
        }
    }
}

/// How a program tells its version.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    /// The program and its arguments. It runs outside every cell, without the files and the environment of one.
    pub(crate) command: CommandLine,
    /// What to look for in its output: the first group is the version. Without it the first line is.
    #[serde(default)]
    pub(crate) pattern: Option<Pattern>,
}

/// How one knows that a daemon is ready: by a line of its log, or by a command that succeeds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    /// A line of its log that says so.
    #[serde(default)]
    pub(crate) pattern: Option<Pattern>,
    /// A command that succeeds once it is; tried again and again.
    #[serde(default)]
    pub(crate) command: Option<CommandLine>,
    /// A line of its log that says that it runs without something it needs.
    #[serde(default)]
    pub(crate) unfit: Option<Pattern>,
    /// How long it may take.
    #[serde(default = "ten_seconds")]
    pub(crate) within: Span,
}

fn ten_seconds() -> Span {
    Span::from_secs(10)
}

/// How a daemon is told to bring the tunnel up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Initiate {
    /// The command; run for each pair of selectors when `pair` stands in it, once otherwise.
    pub(crate) command: CommandLine,
    /// A line that says that phase 2 is up, of the log or the command; that the command succeeds unless given.
    #[serde(default)]
    pub(crate) established: Option<Pattern>,
    /// A line that says that phase 1 is up; tells refusals of phase 2 from those of phase 1.
    #[serde(default)]
    pub(crate) phase1: Option<Pattern>,
}

/// A line that tells of a failed negotiation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusedFile {
    /// The line.
    pub(crate) pattern: Pattern,
    /// Why it failed.
    #[serde(default)]
    pub(crate) why: Why,
    /// The phase, 1 or 2; by `initiate.phase1` unless given.
    #[serde(default)]
    pub(crate) phase: Option<PhaseWord>,
}

words! {
    /// A phase of IKEv1.
    PhaseWord, "phase", {
        One = "1": "Main or aggressive mode.",
        Two = "2": "Quick mode.",
    }
}

words! {
    /// Why a negotiation failed.
    #[derive(Default)]
    Why, "reason of a failed negotiation", {
        #[default]
        Refused = "refused": "The Cisco refused.",
        NoAnswer = "no-answer": "The Cisco did not answer.",
        Authentication = "authentication": "A message could not be decrypted or authenticated, as with different keys.",
        Unacceptable = "unacceptable": "The Cisco answered with something that was not asked for.",
        Local = "local": "The implementation's own system failed it.",
        Deleted = "deleted": "The Cisco deleted the SA.",
    }
}

/// How an implementation tells its SAs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// The command that prints them.
    pub(crate) command: CommandLine,
    /// An established ISAKMP SA in its output, with the groups `initiator_cookie` and `responder_cookie` (hexadecimal).
    pub(crate) phase1: Pattern,
    /// An installed pair of IPsec SAs in its output, with the groups `spi_in` and `spi_out` (hexadecimal), `local` and `remote`
    /// (networks), and where they are told `packets_in`, `packets_out`, `octets_in` and `octets_out`.
    pub(crate) phase2: Pattern,
}

/// A program that says what an implementation can do.
///
/// It is asked for one capability at a time, `{{ capability }}`, and says that the implementation has it by exit status 0.
/// First of all it is asked for one that nobody has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Probe {
    /// The program and its arguments.
    pub(crate) command: CommandLine,
    /// What it prints when the implementation does not have the capability; by exit status 127 unless given.
    #[serde(default)]
    pub(crate) unsupported: Option<Pattern>,
}

texts! {
    Beside, "Beside", "The name of an implementation, or none.", "^[a-z][a-z0-9._-]{0,31}$";
}
