//! What became of every clip, one line of JSON each. Lines are added as clips are done; at the end the file is written anew, sorted.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unimse_run::{FileError, artefact};

use crate::{AudioFeatures, MediaError};

/// Name of the file of records, in the output folder.
pub const RECORDS: &str = "extraction.jsonl";

/// What became of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name below the data folder, with `/`.
    pub clip: String,
    /// SHA-256 of its content; absent where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Version of the features' card.
    pub features: String,
    /// The features' file below the output folder; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Steps of the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Length of the clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Samples and values that were not finite and count as 0.
    #[serde(default)]
    pub non_finite: usize,
    /// Why there are no features, in one word: [`MediaError::kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Record {
    pub(super) fn new(clip: &str, features: AudioFeatures) -> Self {
        Self {
            clip: clip.to_owned(),
            sha256: None,
            features: version(features),
            file: None,
            steps: None,
            seconds: None,
            non_finite: 0,
            fault: None,
            message: None,
        }
    }

    /// Whether what it says is still so: a clip without features has none, the file of one with features is there.
    pub(super) fn file_is_there(&self, out: &Path) -> bool {
        self.file
            .as_ref()
            .is_none_or(|file| out.join(file).is_file())
    }
}

fn version(features: AudioFeatures) -> String {
    features.card().version.unwrap_or_default()
}

/// The records of an output folder, being added to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<String, Record>,
}

impl Journal {
    /// Reads what earlier runs recorded. A last line that was cut off counts for nothing.
    pub(super) fn open(out: &Path, features: AudioFeatures) -> Result<Self, MediaError> {
        let path = out.join(RECORDS);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.map_err(FileError::at(&path, "reading"))?,
        };
        let wrong = |message: String| MediaError::Folder {
            path: path.clone(),
            message,
        };
        let mut known = HashMap::new();
        let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        for (number, line) in lines
            .iter()
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
        {
            let record: Record = match serde_json::from_slice(line) {
                Ok(record) => record,
                Err(_) if number + 1 == lines.len() => break, // the process was killed in the middle of it
                Err(error) => return Err(wrong(format!("line {}: {error}", number + 1))),
            };
            if record.features != version(features) {
                return Err(wrong(format!(
                    "expected features of {:?}, found those of {:?}; name another folder",
                    version(features),
                    record.features
                )));
            }
            known.insert(record.clip.clone(), record);
        }
        // whole lines only: what follows must not be glued to half a one
        let mut whole: Vec<&Record> = known.values().collect();
        whole.sort_by(|a, b| a.clip.cmp(&b.clip));
        write(out, whole)?;
        let mut options = OpenOptions::new();
        let file = options.append(true).open(&path);
        let file = file.map_err(FileError::at(&path, "opening"))?;
        Ok(Self { path, file, known })
    }

    /// The record of a clip whose content is still the same.
    pub(super) fn known(&self, clip: &str, sha256: &str) -> Option<Record> {
        let known = self.known.get(clip);
        known
            .filter(|known| known.sha256.as_deref() == Some(sha256))
            .cloned()
    }

    pub(super) fn add(&mut self, record: &Record) -> Result<(), MediaError> {
        let line = line(record, &self.path)?;
        let written = self.file.write_all(line.as_bytes());
        Ok(written.map_err(FileError::at(&self.path, "writing"))?)
    }
}

fn line(record: &Record, path: &Path) -> Result<String, FileError> {
    let text = serde_json::to_string(record);
    let text = text.map_err(|error| FileError::at(path, "writing JSON")(error.into()))?;
    Ok(text + "\n")
}

/// Writes records in their order.
pub(super) fn write<'a>(
    out: &Path,
    records: impl IntoIterator<Item = &'a Record>,
) -> Result<(), MediaError> {
    let path = out.join(RECORDS);
    let lines: Result<String, FileError> = records
        .into_iter()
        .map(|record| line(record, &path))
        .collect();
    Ok(artefact::write(&path, lines?.as_bytes())?)
}
