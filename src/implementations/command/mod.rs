//! Any IKE daemon, as `ike-interop.toml` describes it: by its command lines, its configuration's templates and patterns for
//! what it says.

mod check;
mod driver;
mod log;
mod probe;
mod status;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Source};
use crate::implementations::declared::Place;
use crate::implementations::declared::file::CommandFile;
use crate::implementations::declared::text::{Template, environment, reason};
use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unanswered, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;
use crate::scenario::names::ImplementationName;

/// A daemon that is declared by its command lines.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    name: ImplementationName,
    file: CommandFile,
    /// The templates of its configuration files, by the names these have.
    templates: BTreeMap<String, Source>,
    capabilities: Capabilities,
    /// What relative paths are relative to.
    folder: PathBuf,
    /// Where programs are that the user has told.
    programs: BTreeMap<String, PathBuf>,
}

impl Command {
    /// The daemon that `file` declares at `place`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it and its templates.
    pub(crate) fn declared(
        name: ImplementationName,
        file: CommandFile,
        place: &Place<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let (capabilities, templates) = check::file(&file, place)?;
        let (folder, programs) = (place.folder.to_owned(), place.programs.clone());
        let command = Self { name, file, templates, capabilities, folder, programs };
        let errors = check::rendering(&command, place);
        if errors.is_empty() { Ok(command) } else { Err(errors) }
    }

    /// Where the program called `word` is: where the user says, relative to the declaration, in the folders it names, or on `path`.
    fn locate(&self, word: &str, path: &[PathBuf]) -> Option<PathBuf> {
        if let Some(told) = self.programs.get(word) {
            return Some(told.clone());
        }
        if word.contains('/') {
            return Some(self.folder.join(word)).filter(|file| file.is_file());
        }
        let folders = self.file.folders.iter().map(|folder| self.folder.join(folder)).chain(path.iter().cloned());
        folders.map(|folder| folder.join(word)).find(|file| file.is_file())
    }

    /// The programs of all its command lines that do not depend on the cell.
    fn program_words(&self) -> impl Iterator<Item = &str> {
        let file = &self.file;
        let some = [
            Some(&file.command),
            file.version.as_ref().map(|version| &version.command),
            file.ready.as_ref().and_then(|ready| ready.command.as_ref()),
            Some(&file.initiate.command),
            file.terminate.as_ref(),
            file.status.as_ref().map(|status| &status.command),
            file.stop.as_ref(),
            file.probe.as_ref().map(|probe| &probe.command),
        ];
        some.into_iter().flatten().chain(&file.setup).filter_map(|line| line.0.first()?.plain())
    }

    fn version(&self, host: &Host) -> Result<String, String> {
        let Some(query) = &self.file.version else { return Ok("unknown".to_owned()) };
        let render = |template: &Template| template.render(&minijinja::context! {});
        let words = query.command.0.iter().map(render).collect::<Result<Vec<_>, _>>()?;
        let Some((program, arguments)) = words.split_first() else { return Ok("unknown".to_owned()) };
        let program = self.locate(program, &host.path).ok_or_else(|| format!("there is no {program}"))?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let text = host.output_of(&program, &arguments)?;
        let found = match &query.pattern {
            Some(pattern) => {
                pattern.0.captures(&text).and_then(|found| found.get(1).or(found.get(0))).map(|found| found.as_str())
            }
            None => text.lines().map(str::trim).find(|line| !line.is_empty()),
        };
        found.map(str::to_owned).ok_or_else(|| format!("{} does not tell its version as declared", program.display()))
    }
}

impl Implementation for Command {
    fn name(&self) -> &str {
        self.name.word()
    }

    fn availability(&self, host: &Host) -> Availability {
        let missing = |reason: String| Availability::Missing { reason, remedy: self.file.install.clone() };
        if let Some(word) = self.program_words().find(|word| self.locate(word, &host.path).is_none()) {
            return missing(format!("there is no {word}"));
        }
        let data_path = match Way::first(&self.ways(host)) {
            Ok(data_path) => data_path,
            Err(Lack { reason, remedy }) => return Availability::Unfit { reason, remedy },
        };
        let program = self.file.command.0.first().and_then(Template::plain).unwrap_or_default();
        match (self.version(host), self.locate(program, &host.path)) {
            (Ok(version), Some(path)) => Availability::Ready { version, path, data_path },
            (Ok(_), None) => missing(format!("there is no {program}")),
            (Err(reason), _) => missing(reason),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        self.file.data_path.ways(host)
    }

    fn capabilities(&self, _: &Host) -> Capabilities {
        self.capabilities.clone()
    }

    fn has(&self, capability: &Capability, host: &Host) -> Result<bool, Unanswered> {
        match &self.file.probe {
            // What is declared comes first, but the probe is asked in any case: it is what is being proved.
            Some(probe) => Ok(self.ask(probe, capability, host)? && self.may_have(capability)),
            None => Ok(self.capabilities.has(capability)),
        }
    }

    fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        Ok(())
    }

    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles {
        let values = values::values(tunnel, options);
        let render = |(name, template): (&String, &Source)| {
            let text = render(template, &values).unwrap_or_else(|error| error.to_string());
            (name.clone(), text)
        };
        self.templates.iter().map(render).collect()
    }

    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Ok(Box::new(driver::Daemon::start(self, cell).await?) as Box<dyn Running>) })
    }
}

/// The text of a template file with its values, or the place where it cannot be made.
fn render(template: &Source, values: &minijinja::Value) -> Result<String, Box<Diagnostic>> {
    let rendered = environment().render_named_str("template", &template.text, values);
    rendered.map_err(|error| {
        let line = error.line().unwrap_or(1);
        let span = error.range().unwrap_or_else(|| line_span(&template.text, line));
        Box::new(Diagnostic::error(template, span, "this template cannot be filled in", reason(&error)))
    })
}

/// The octets of a line, counted from 1.
fn line_span(text: &str, line: usize) -> std::ops::Range<usize> {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text[start..].lines().next().map_or(0, str::len);
    start..start + length
}

/// The absolute path of what a bind names: a configuration file in `config`, or something relative to `folder`.
fn bound(source: &str, templates: &BTreeMap<String, Source>, config: &Path, folder: &Path) -> PathBuf {
    if templates.contains_key(source) { config.join(source) } else { folder.join(source) }
}
