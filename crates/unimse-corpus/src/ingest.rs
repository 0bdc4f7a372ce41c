//! From a data folder to utterance tables.

use crate::{
    Code, CorpusError, CorpusKind, Summary, adapters, croissant, demo, draft::refuse,
    finding::Findings, folder::Folder, staging::Staging, store, walk,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use unimse_formats::kind_of_file;
use unimse_run::CROISSANT;

/// Reads every corpus of `data` (`data/<mosi|mosei|meld|iemocap>/...`; other folders are left alone) and writes
/// `out/<corpus>-<split>.parquet`, and `out/croissant.json` that describes them.
///
/// `features` chooses feature files by corpus, `("mosi", file)`, instead of the search. `progress` receives one line
/// a step. All or nothing: on an error `out` is absent or as it was; on success it holds the tables of exactly this
/// run (other files in it are left alone). The same files give the same bytes.
///
/// The tables are written to a folder `.unimse-ingest-*` first: beside `out` where that does not exist yet, so that it appears as a
/// whole, else inside it, so that it may be a mount point or lie in a folder that cannot be written; then one table after the other is
/// renamed. [`abandon_ingest`](crate::abandon_ingest) removes that folder when a signal ends the process.
///
/// # Errors
/// One line that names the file, the row or key, what was expected and what was found.
pub fn ingest(
    data: &Path,
    out: &Path,
    features: &[(String, PathBuf)],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Summary>, CorpusError> {
    ingest_while(data, out, features, progress, &|| true)
}

/// As [`ingest`], for as long as `wanted` says so: it is asked before every corpus and with every few row groups.
///
/// # Errors
/// As [`ingest`], and [`CorpusError::Interrupted`]; `out` then is as it was.
pub fn ingest_while(
    data: &Path,
    out: &Path,
    features: &[(String, PathBuf)],
    progress: &mut dyn FnMut(&str),
    wanted: &dyn Fn() -> bool,
) -> Result<Vec<Summary>, CorpusError> {
    let mut findings = Findings::default();
    let folders = open_folders(data, &mut findings)?;
    refuse(data, &findings)?;
    for finding in findings.warnings() {
        progress(&format!("warning: {finding}"));
    }
    check_choices(features, &folders)?;
    let synthetic = is_synthetic(data)?;
    let staging = Staging::for_tables(out)?;
    let mut summaries = Vec::new();
    for opened in folders {
        if !wanted() {
            return Err(CorpusError::Interrupted);
        }
        let name = &opened.folder.name;
        progress(&format!("{name}: reading"));
        let chosen: Vec<PathBuf> = features
            .iter()
            .filter(|(corpus, _)| corpus == name)
            .map(|(_, file)| file.clone())
            .collect();
        let mut findings = opened.findings;
        refuse(data, &findings)?;
        let mut draft = adapters::read(opened.kind, &opened.folder, &chosen, &mut findings)?;
        draft.finish(synthetic, &mut findings);
        refuse(data, &findings)?;
        let written = store::write(
            &draft,
            staging.path(),
            synthetic,
            &mut findings,
            progress,
            wanted,
        )?;
        for s in &written {
            progress(&format!(
                "{name} {}: {} utterances, {} with audio, {} with video",
                s.split, s.utterances, s.audio, s.video
            ));
        }
        for finding in findings.warnings() {
            progress(&format!("{name}: warning: {finding}"));
        }
        summaries.extend(written);
    }
    croissant::write(staging.path(), &summaries)?;
    let mut written: Vec<String> = summaries
        .iter()
        .map(|s| store::file_name(&s.corpus, s.split))
        .collect();
    written.push(CROISSANT.to_owned());
    staging.publish(out, &written)?;
    Ok(summaries)
}

/// The entries of a data folder that [`ingest`] reads: the corpus folders, and the mark of generated data where it is there.
///
/// # Errors
/// As [`ingest`] before it reads a corpus.
pub fn data_entries(data: &Path) -> Result<Vec<String>, CorpusError> {
    let mut findings = Findings::default();
    let folders = open_folders(data, &mut findings)?;
    refuse(data, &findings)?;
    let mut entries: Vec<String> = folders
        .into_iter()
        .map(|opened| opened.folder.name)
        .collect();
    if is_synthetic(data)? {
        entries.push(demo::MARKER.to_owned());
    }
    Ok(entries)
}

/// Whether the folder is marked as generated data.
pub(crate) fn is_synthetic(data: &Path) -> Result<bool, CorpusError> {
    let marker = data.join(demo::MARKER);
    marker.try_exists().map_err(CorpusError::io(&marker))
}

/// A corpus folder, and what its files have to say before one of them is read.
pub(crate) struct Opened {
    /// `None`: its table is of the user's own.
    pub(crate) kind: Option<CorpusKind>,
    pub(crate) folder: Folder,
    pub(crate) findings: Findings,
}

/// The corpus folders of a data folder: the four data sets in their order, then those with a table of the user's own by name. `findings`
/// tells of entries that cannot be looked at: one of them may be a corpus.
pub(crate) fn open_folders(
    data: &Path,
    findings: &mut Findings,
) -> Result<Vec<Opened>, CorpusError> {
    let names = folder_names(data, findings)?;
    let mut kinds: Vec<(Option<CorpusKind>, &str)> = Vec::new();
    for kind in CorpusKind::KNOWN {
        let found = names.keys().find(|name| kind.name() == Some(name));
        kinds.extend(found.map(|name| (Some(kind), name.as_str())));
    }
    let own = (names.iter()).filter(|(name, own)| **own && CorpusKind::from_name(name).is_none());
    kinds.extend(own.map(|(name, _)| (None, name.as_str())));
    if kinds.is_empty() && findings.first_error().is_none() {
        return Err(CorpusError::NoCorpus {
            data: data.to_owned(),
            found: entries_in_words(data)?,
        });
    }
    let open = |(kind, name): (Option<CorpusKind>, &str)| {
        let mut findings = Findings::default();
        let folder = Folder::open(data, name, &mut findings);
        Opened {
            kind,
            folder,
            findings,
        }
    };
    Ok(kinds.into_iter().map(open).collect())
}

/// The folders below a data folder, and whether each holds a table of the user's own. A folder that cannot be read is an error, for it may
/// be a corpus; of what is no folder only a data set's name and what must not be opened are told.
fn folder_names(
    data: &Path,
    findings: &mut Findings,
) -> Result<BTreeMap<String, bool>, CorpusError> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(data).map_err(CorpusError::io(data))? {
        let entry = entry.map_err(CorpusError::io(data))?;
        let (path, name) = (entry.path(), entry.file_name());
        let shown = name.to_string_lossy().into_owned();
        if shown.starts_with('.') || shown == "lost+found" {
            continue; // the latter belongs to the file system
        }
        let known = CorpusKind::from_name(&shown).is_some();
        match look_at(&path) {
            Err(error) => findings.error(Code::NoAccess, &shown, None, walk::refused(&error)),
            Ok((_, Some(own))) => {
                check_name(&shown, name.to_str().is_none() && own, findings);
                names.insert(shown, own);
            }
            Ok((found, None)) if known => {
                let message = format!("expected a folder, found {found}");
                findings.error(Code::NoAccess, &shown, None, message);
            }
            Ok((found, None)) if found != "a file" => {
                let message = format!("found {found}: not opened");
                findings.warn(Code::NotAFile, &shown, None, message);
            }
            Ok(_) => {}
        }
    }
    Ok(names)
}

/// What lies at a path, and for a folder that can be read whether it holds a table of the user's own, or what should be one.
fn look_at(path: &Path) -> io::Result<(&'static str, Option<bool>)> {
    let about = fs::metadata(path)?;
    if !about.is_dir() {
        return Ok((kind_of_file(&about), None));
    }
    fs::read_dir(path)?.next().transpose()?;
    let mut own = false;
    for file in adapters::OWN_FILES {
        match fs::symlink_metadata(path.join(file)) {
            Ok(_) => own = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok((kind_of_file(&about), Some(own)))
}

fn check_name(name: &str, garbled: bool, findings: &mut Findings) {
    if garbled {
        let message = "expected a name in UTF-8, for its tables are called like it";
        findings.error(Code::FolderName, name, None, message);
    }
    let lower = name.to_lowercase();
    if lower != name && CorpusKind::from_name(&lower).is_some() {
        let message = format!("expected {lower} in lower case: not read as that data set");
        findings.warn(Code::FolderName, name, None, message);
    }
}

/// The first names in a folder, for people.
fn entries_in_words(data: &Path) -> Result<String, CorpusError> {
    let names = fs::read_dir(data).and_then(|entries| {
        let name =
            |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<io::Result<Vec<String>>>()
    });
    let mut names = names.map_err(CorpusError::io(data))?;
    names.sort();
    names.truncate(8);
    Ok(match names[..] {
        [] => "an empty folder".to_owned(),
        _ => names.join(", "),
    })
}

fn check_choices(features: &[(String, PathBuf)], folders: &[Opened]) -> Result<(), CorpusError> {
    for (corpus, file) in features {
        let wrong = |message: String| CorpusError::Features {
            corpus: corpus.clone(),
            file: file.clone(),
            message,
        };
        let Some(opened) = folders.iter().find(|opened| opened.folder.name == *corpus) else {
            let names: Vec<_> = folders
                .iter()
                .map(|opened| opened.folder.name.as_str())
                .collect();
            return Err(wrong(format!(
                "expected a corpus of the data folder ({}), found {corpus:?}",
                names.join(", ")
            )));
        };
        match fs::metadata(file) {
            Ok(about) if about.is_file() => {}
            Ok(about) => {
                let found = kind_of_file(&about);
                return Err(wrong(format!("expected a regular file, found {found}")));
            }
            Err(error) => return Err(wrong(format!("expected a file, found none: {error}"))),
        }
        if adapters::has_own_table(&opened.folder) {
            let message = "expected no choice: the columns audio and video of its table utterances.* name the files";
            return Err(wrong(message.to_owned()));
        }
    }
    Ok(())
}
