//! From a data folder to utterance tables.

use crate::{
    CorpusError, CorpusKind, Summary, adapters, demo, draft::refuse, finding::Findings,
    folder::Folder, staging::Staging, store,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Reads every corpus of `data` (`data/<mosi|mosei|meld|iemocap>/...`; other folders are left alone) and writes
/// `out/<corpus>-<split>.parquet`.
///
/// `features` chooses feature files by corpus, `("mosi", file)`, instead of the search. `progress` receives one line
/// a step. All or nothing: on an error `out` is absent or as it was; on success it holds the tables of exactly this
/// run (other files in it are left alone). The same files give the same bytes.
///
/// # Errors
/// One line that names the file, the row or key, what was expected and what was found.
pub fn ingest(
    data: &Path,
    out: &Path,
    features: &[(String, PathBuf)],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Summary>, CorpusError> {
    let folders = open_folders(data)?;
    check_choices(features, &folders)?;
    let synthetic = data.join(demo::MARKER).exists();
    let parent = out
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(CorpusError::io(parent))?;
    let staging = Staging::new(parent).map_err(CorpusError::io(parent))?;
    let mut summaries = Vec::new();
    for (kind, folder) in &folders {
        let name = &folder.name;
        progress(&format!("{name}: reading"));
        let chosen: Vec<PathBuf> = features
            .iter()
            .filter(|(corpus, _)| corpus == name)
            .map(|(_, file)| file.clone())
            .collect();
        let mut findings = Findings::default();
        let mut draft = adapters::read(*kind, folder, &chosen, &mut findings)?;
        draft.finish(synthetic, &mut findings);
        refuse(data, &findings)?;
        let written = store::write(&draft, staging.path(), synthetic, &mut findings, progress)?;
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
    let written: Vec<String> = summaries
        .iter()
        .map(|s| store::file_name(&s.corpus, s.split))
        .collect();
    if out.exists() {
        store::publish(staging.path(), out, &written)?;
    } else {
        store::sync_folder(staging.path())?;
        readable(staging.path())?;
        fs::rename(staging.path(), out).map_err(CorpusError::io(out))?;
        staging.keep(); // it is `out` now
    }
    store::sync_folder(parent)?;
    Ok(summaries)
}

/// A temporary folder is its owner's alone; the tables need not be.
fn readable(folder: &Path) -> Result<(), CorpusError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
            .map_err(CorpusError::io(folder))?;
    }
    Ok(())
}

/// The corpus folders of a data folder: the four data sets in their order, then those with a table of the user's own by name.
pub(crate) fn open_folders(data: &Path) -> Result<Vec<(Option<CorpusKind>, Folder)>, CorpusError> {
    let mut folders = Vec::new();
    for kind in CorpusKind::KNOWN {
        let folder = Folder::open(data, kind.name().unwrap_or_default())?;
        folders.extend(folder.map(|folder| (Some(kind), folder)));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(data).map_err(CorpusError::io(data))? {
        let name = entry.map_err(CorpusError::io(data))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.retain(|name| !name.starts_with('.') && CorpusKind::from_name(name).is_none());
    names.sort();
    for name in names {
        if adapters::OWN_FILES
            .iter()
            .any(|file| data.join(&name).join(file).is_file())
        {
            folders.extend(Folder::open(data, &name)?.map(|folder| (None, folder)));
        }
    }
    if folders.is_empty() {
        let mut names: Vec<String> = (fs::read_dir(data).map_err(CorpusError::io(data))?)
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let found = if shown.is_empty() {
            "an empty folder".to_owned()
        } else {
            shown
        };
        return Err(CorpusError::NoCorpus {
            data: data.to_owned(),
            found,
        });
    }
    Ok(folders)
}

fn check_choices(
    features: &[(String, PathBuf)],
    folders: &[(Option<CorpusKind>, Folder)],
) -> Result<(), CorpusError> {
    for (corpus, file) in features {
        let wrong = |message: String| CorpusError::Features {
            corpus: corpus.clone(),
            file: file.clone(),
            message,
        };
        if !folders.iter().any(|(_, folder)| folder.name == *corpus) {
            let names: Vec<_> = folders
                .iter()
                .map(|(_, folder)| folder.name.as_str())
                .collect();
            return Err(wrong(format!(
                "expected a corpus of the data folder ({}), found {corpus:?}",
                names.join(", ")
            )));
        }
        if !file.is_file() {
            return Err(wrong("expected a file, found none".to_owned()));
        }
    }
    Ok(())
}
