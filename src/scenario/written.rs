//! The texts a scenario is made of, kept together so that it can be made again where none of its files is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Source};
use crate::scenario::load::{interpret, read};
use crate::scenario::names::Names;
use crate::scenario::{Cell, Scenario, cells};

/// A scenario as it was written: its file and every file it names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The scenario's name.
    pub name: String,
    /// The path of its file.
    pub path: PathBuf,
    /// The text of its file.
    pub text: String,
    /// The texts of the files it names, by the path it names them with.
    pub files: BTreeMap<String, String>,
    /// The implementations that could be named.
    pub implementations: Names,
}

impl Written {
    /// Makes the scenario again.
    ///
    /// # Errors
    ///
    /// What is wrong with it: another version of this program may have understood it otherwise.
    pub fn scenario(&self) -> Result<Scenario, Vec<Diagnostic>> {
        let source = Source::new(self.path.clone(), self.text.as_str());
        interpret(source, self.name.clone(), Beside::kept(&self.path, &self.files), &self.implementations)
    }

    /// Makes one of its cells again; `None` when it has no cell of that name.
    ///
    /// # Errors
    ///
    /// See [`Self::scenario`].
    pub fn cell(&self, name: &str) -> Result<Option<Cell>, Vec<Diagnostic>> {
        let scenario = Arc::new(self.scenario()?);
        Ok(cells(&[scenario]).into_iter().find(|cell| cell.name == name))
    }
}

/// Where the files are that a scenario names, by paths from its own folder.
pub(crate) struct Beside<'a> {
    folder: PathBuf,
    /// The texts they had once; the disk is not looked at then.
    kept: Option<&'a BTreeMap<String, String>>,
    /// Every text that was asked for.
    read: RefCell<BTreeMap<String, String>>,
}

impl<'a> Beside<'a> {
    /// Files in a folder.
    pub(crate) fn folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), kept: None, read: RefCell::default() }
    }

    /// Texts that were kept of a scenario that was at `path`.
    fn kept(path: &Path, texts: &'a BTreeMap<String, String>) -> Self {
        Self { kept: Some(texts), ..Self::folder(path.parent().unwrap_or(Path::new(""))) }
    }

    /// Reads the file that the scenario in `source` names at `place`.
    pub(crate) fn read(
        &self,
        file: &str,
        source: &Source,
        place: impl Fn() -> Range<usize>,
    ) -> Result<Source, Vec<Diagnostic>> {
        let path = self.folder.join(file);
        let text = match self.kept {
            Some(texts) => texts.get(file).cloned().ok_or_else(|| "it was not kept".to_owned()),
            None => read(&path).map(|source| source.text.to_string()).map_err(|error| error.to_string()),
        };
        match text {
            Ok(text) => {
                self.read.borrow_mut().insert(file.to_owned(), text.clone());
                Ok(Source::new(path, text))
            }
            Err(why) => Err(vec![Diagnostic::error(
                source,
                place(),
                format!("cannot read {}: {why}", path.display()),
                "expected a file beside this one",
            )]),
        }
    }

    /// The texts that were read.
    pub(crate) fn into_texts(self) -> BTreeMap<String, String> {
        self.read.into_inner()
    }
}
