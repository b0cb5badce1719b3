//! The files of reviewed transcripts: which a cell is compared with, what waits for a decision, what an accepted one changes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{contents, same};
use crate::ios::Release;
use crate::scenario::{Cell, Twin};

/// The reviewed transcripts of one scenario, or one twin of it, with one implementation: one for all releases, and one for
/// each that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shelf {
    folder: PathBuf,
    /// `acl-not-mirrored.fixed@strongswan`.
    stem: String,
    /// The scenario's file name, for insta's header.
    source: String,
    /// `phase2/acl-not-mirrored with strongswan`.
    about: String,
    /// The releases the scenario is run against.
    releases: Vec<Release>,
}

/// A transcript that waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its file, which ends in `.snap.new`.
    pub file: PathBuf,
    /// The releases it was found with.
    pub releases: Vec<Release>,
    /// The one that was reviewed; `None` when none was.
    pub reviewed: Option<String>,
    /// The one that was found.
    pub found: String,
}

impl Shelf {
    /// The place of a cell's transcripts, filed under `implementation`.
    pub fn of(cell: &Cell, implementation: &str) -> Self {
        let source = &cell.scenario.source.path;
        let words = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
        let fixed = cell.twin == Some(Twin::Fixed);
        let twin = if fixed { ".fixed" } else { "" };
        Self {
            folder: source.parent().unwrap_or(Path::new("")).join("snapshots"),
            stem: format!("{}{twin}@{}", words(source.file_stem()), implementation),
            source: words(source.file_name()),
            about: format!("{}{} with {implementation}", cell.scenario.name, if fixed { ", fixed," } else { "" }),
            releases: cell.scenario.releases.clone(),
        }
    }

    /// What the transcripts are of: `phase2/acl-not-mirrored with strongswan`.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The releases the scenario is run against.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The folder all of it lies in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The scenario's file name.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Every file that may hold one of its reviewed transcripts.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.releases.iter().map(|release| self.own(*release)).chain([self.shared()])
    }

    /// The file of a release's own transcript.
    pub(super) fn own(&self, release: Release) -> PathBuf {
        self.folder.join(format!("{}@{release}.snap", self.stem))
    }

    /// The file of the transcript that stands for every release without its own.
    pub(super) fn shared(&self) -> PathBuf {
        self.folder.join(format!("{}.snap", self.stem))
    }

    /// The file of the reviewed transcript of a release, and its whole text.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read.
    pub fn reviewed_file(&self, release: Release) -> io::Result<Option<(PathBuf, String)>> {
        for file in [self.own(release), self.shared()] {
            if let Some(text) = read_whole(&file)? {
                return Ok(Some((file, text)));
            }
        }
        Ok(None)
    }

    /// The reviewed transcript of a release, and its file.
    fn reviewed(&self, release: Release) -> io::Result<Option<(PathBuf, String)>> {
        Ok(self.reviewed_file(release)?.map(|(file, text)| (file, contents(&text).to_owned())))
    }

    /// Lays what a run found beside the reviewed ones where it differs, in place of what earlier runs laid there: once for all
    /// releases that share a transcript, if they agree again. `None` stands for a cell whose transcript is not worth a look.
    ///
    /// A transcript of which none was reviewed is laid down only where others of its folder are: who keeps none wants none.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, written or removed.
    pub fn propose(&self, found: &BTreeMap<Release, Option<String>>) -> io::Result<Vec<PathBuf>> {
        let mut proposed: Vec<(Release, &String)> = Vec::new();
        let mut sharing = Vec::new();
        for release in &self.releases {
            if read(&self.own(*release))?.is_none() {
                sharing.push(*release);
            }
            let Some(found) = found.get(release) else { continue };
            remove(&pending(&self.own(*release)))?;
            remove(&pending(&self.shared()))?;
            let Some(found) = found else { continue };
            let differs = match self.reviewed(*release)? {
                Some((_, reviewed)) => !same(&reviewed, found),
                None => self.folder.is_dir(),
            };
            if differs {
                proposed.push((*release, found));
            }
        }
        let mut files = Vec::new();
        let text_of = |release| proposed.iter().find(|(one, _)| *one == release).map(|(_, text)| *text);
        let agreed = sharing.first().and_then(|first| text_of(*first));
        let agreed = agreed
            .filter(|text| sharing.iter().all(|release| text_of(*release).is_some_and(|other| same(text, other))));
        if let Some(text) = agreed {
            let file = pending(&self.shared());
            fs::write(&file, self.file(None, text))?;
            files.push(file);
        }
        for (release, text) in &proposed {
            if agreed.is_none() || !sharing.contains(release) {
                let file = pending(&self.own(*release));
                fs::write(&file, self.file(Some(*release), text))?;
                files.push(file);
            }
        }
        Ok(files)
    }

    /// What waits for a decision.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn pending(&self) -> io::Result<Vec<Pending>> {
        let mut waiting = Vec::new();
        let shared = pending(&self.shared());
        if let Some(found) = read(&shared)? {
            let own = |release: &Release| self.own(*release).exists() || pending(&self.own(*release)).exists();
            let releases: Vec<Release> = self.releases.iter().copied().filter(|release| !own(release)).collect();
            waiting.push(Pending { file: shared, releases, reviewed: read(&self.shared())?, found });
        }
        for release in &self.releases {
            let file = pending(&self.own(*release));
            if let Some(found) = read(&file)? {
                let reviewed = self.reviewed(*release)?.map(|(_, text)| text);
                waiting.push(Pending { file, releases: vec![*release], reviewed, found });
            }
        }
        Ok(waiting)
    }

    /// Makes these transcripts the reviewed ones, and takes what waits for these releases away. Most releases share one file,
    /// and each that differs has its own; until every release has a reviewed transcript, each has its own.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, written or removed.
    pub fn accept(&self, accepted: &BTreeMap<Release, String>) -> io::Result<()> {
        let mut texts: Vec<(Release, String)> = Vec::new();
        for release in &self.releases {
            match accepted.get(release) {
                Some(text) => texts.push((*release, text.clone())),
                None => texts.extend(self.reviewed(*release)?.map(|(_, text)| (*release, text))),
            }
        }
        let shared = match texts.len() == self.releases.len() {
            true => self.most_common(&texts)?,
            false => None,
        };
        fs::create_dir_all(&self.folder)?;
        if let Some(text) = &shared {
            self.write(None, text)?;
        }
        for (release, text) in &texts {
            match &shared {
                Some(shared) if same(shared, text) => remove(&self.own(*release))?,
                _ => self.write(Some(*release), text)?,
            }
        }
        for release in accepted.keys() {
            remove(&pending(&self.own(*release)))?;
        }
        if !accepted.is_empty() {
            remove(&pending(&self.shared()))?;
        }
        Ok(())
    }

    /// Takes away what waits, without making it the reviewed one.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn reject(&self, waiting: &Pending) -> io::Result<()> {
        remove(&waiting.file)
    }

    /// The transcript of most releases; of several, the one that is shared already, or else the first.
    fn most_common(&self, texts: &[(Release, String)]) -> io::Result<Option<String>> {
        let before = read(&self.shared())?;
        let rank = |text: &str| {
            let count = texts.iter().filter(|(_, other)| same(text, other)).count();
            (count, before.as_ref().is_some_and(|before| same(before, text)))
        };
        // Of equal ones the last is taken, so that the first stands last.
        Ok(texts.iter().rev().max_by_key(|(_, text)| rank(text)).map(|(_, text)| text.clone()))
    }

    fn write(&self, release: Option<Release>, text: &str) -> io::Result<()> {
        let file = release.map_or_else(|| self.shared(), |release| self.own(release));
        match read(&file)? {
            Some(before) if same(&before, text) => Ok(()),
            _ => fs::write(file, self.file(release, text)),
        }
    }

    /// A file in insta's form.
    fn file(&self, release: Option<Release>, text: &str) -> String {
        let against = release.map_or(String::new(), |release| format!(" against {release}"));
        let header = format!("source: {}\nexpression: transcript of {}{against}", self.source, self.about);
        format!("---\n{header}\n---\n{}\n", text.trim_end())
    }
}

/// Where a transcript waits that may replace that of `file`.
fn pending(file: &Path) -> PathBuf {
    file.with_extension("snap.new")
}

fn read(file: &Path) -> io::Result<Option<String>> {
    Ok(read_whole(file)?.map(|text| contents(&text).to_owned()))
}

fn read_whole(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(naming(file, &error)),
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(naming(file, &error)),
        _ => Ok(()),
    }
}

fn naming(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::verdict::rig;

    const A: &str = "== quick mode\nquick-mode-1 dut > cisco\n";
    const B: &str = "== quick mode\nquick-mode-1 dut > cisco\n  VID x\n";
    const RELEASES: [Release; 3] = [Release::V12_4, Release::V15, Release::Xe16];

    /// A shelf in a folder of its own, which goes with it.
    struct Lent(Shelf, PathBuf);

    impl Lent {
        fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let next = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("ike-interop-shelf-{}-{next}", std::process::id()));
            let mut cell = rig::cell("tunnel/plain", false);
            rig::change(&mut cell, |scenario| {
                scenario.source.path = folder.join("plain.yaml");
                scenario.releases = RELEASES.to_vec();
            });
            Self(Shelf::of(&cell, "builtin"), folder)
        }

        fn accept(&self, texts: &[(Release, &str)]) {
            let texts = texts.iter().map(|(release, text)| (*release, (*text).to_owned()));
            self.0.accept(&texts.collect()).unwrap();
        }

        fn propose(&self, texts: [Option<&str>; 3]) -> Vec<String> {
            let found = RELEASES.into_iter().zip(texts.map(|text| text.map(str::to_owned)));
            self.0.propose(&found.collect()).unwrap();
            self.files()
        }

        fn files(&self) -> Vec<String> {
            let entries = fs::read_dir(self.1.join("snapshots")).into_iter().flatten();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names.iter().map(|name| name.replacen("plain@builtin", "", 1)).collect()
        }
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.1);
        }
    }

    #[test]
    fn releases_that_agree_share_a_file_and_the_others_have_their_own() {
        let lent = Lent::new();
        lent.accept(&[(Release::V15, A)]);
        assert_eq!(lent.files(), ["@15.x.snap"], "nobody knows of the others");
        lent.accept(&[(Release::V12_4, B), (Release::Xe16, A)]);
        assert_eq!(lent.files(), [".snap", "@12.4.snap"]);
        assert_eq!(lent.0.reviewed(Release::V12_4).unwrap().unwrap().1, B);
        assert_eq!(lent.0.reviewed(Release::Xe16).unwrap().unwrap().1, A);
        lent.accept(&[(Release::V12_4, A)]);
        assert_eq!(lent.files(), [".snap"]);
        lent.accept(&[(Release::V15, B)]);
        lent.accept(&[(Release::Xe16, B)]);
        assert_eq!(lent.files(), [".snap", "@12.4.snap"], "the most share it");
        let shared = fs::read_to_string(lent.0.shared()).unwrap();
        assert!(
            shared.starts_with("---\nsource: plain.yaml\nexpression: transcript of tunnel/plain with builtin\n---\n")
        );
        assert!(shared.ends_with(B));
    }

    #[test]
    fn what_differs_waits_beside_what_it_differs_from() {
        let lent = Lent::new();
        assert!(lent.propose([Some(A), Some(A), Some(A)]).is_empty(), "no transcript is kept here");
        lent.accept(&RELEASES.map(|release| (release, A)));
        assert_eq!(lent.propose([Some(A), Some(A), Some(A)]), [".snap"]);
        assert_eq!(lent.propose([Some(B), Some(B), Some(B)]), [".snap", ".snap.new"]);
        assert_eq!(lent.0.pending().unwrap()[0].releases, RELEASES);
        assert_eq!(lent.propose([Some(A), Some(B), Some(A)]), [".snap", "@15.x.snap.new"]);
        assert_eq!(lent.propose([Some(B), None, Some(B)]), [".snap", "@12.4.snap.new", "@xe16.snap.new"]);
        let waiting = lent.0.pending().unwrap();
        lent.accept(&[(waiting[0].releases[0], &waiting[0].found)]);
        lent.0.reject(&waiting[1]).unwrap();
        assert_eq!(lent.files(), [".snap", "@12.4.snap"]);
        assert_eq!(lent.propose([Some(A), Some(B), Some(B)]), [".snap", ".snap.new", "@12.4.snap", "@12.4.snap.new"]);
        let waiting = lent.0.pending().unwrap();
        assert_eq!(waiting[0].releases, [Release::V15, Release::Xe16]);
        lent.accept(&[(Release::V15, B), (Release::Xe16, B)]);
        assert_eq!(lent.files(), [".snap", "@12.4.snap.new"]);
    }

    #[test]
    fn what_no_cell_has_is_a_stray() {
        let lent = Lent::new();
        lent.accept(&RELEASES.map(|release| (release, A)));
        lent.accept(&[(Release::V15, B)]);
        let folder = lent.1.join("snapshots");
        for name in ["plain.yaml", "other.yaml"] {
            fs::write(lent.1.join(name), "").unwrap();
        }
        let strays =
            ["gone@builtin.snap", "gone@builtin.snap.new", "plain.fixed@builtin.snap", "plain@builtin@xe17.snap"];
        let kept = [
            "other.fixed@builtin.snap",
            "other@builtin@15.x.snap.new",
            "plain@builtin.snap.new",
            "notes.txt",
            "own.snap",
        ];
        for name in strays.iter().chain(&kept) {
            fs::write(folder.join(name), A).unwrap();
        }
        let found = super::super::strays([&lent.0]).unwrap();
        assert_eq!(found, strays.map(|name| folder.join(name)));
    }
}
