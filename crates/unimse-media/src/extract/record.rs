//! What became of every clip, one line of JSON each. Lines are added as clips are done; at the end the file is written anew, sorted.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unimse_run::{FileError, artefact};

use crate::{Features, MediaError};

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
    /// Version of the card of the sound's features.
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
    /// What became of the pictures; absent where nobody asked, or where the clip could not be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<Pictures>,
}

/// What became of the pictures of one clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// Version of the card of their features.
    pub features: String,
    /// The features' file below the output folder; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Pictures that were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<usize>,
    /// Those that show a face: steps of the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_face: Option<usize>,
    /// Values that were not finite and count as 0.
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
    pub(super) fn new(clip: &str, features: &Features<'_>) -> Self {
        Self {
            clip: clip.to_owned(),
            sha256: None,
            features: audio_version(features),
            file: None,
            steps: None,
            seconds: None,
            non_finite: 0,
            fault: None,
            message: None,
            video: None,
        }
    }

    /// Whether what it says is still so: a clip without features has none, the file of one with features is there.
    pub(super) fn file_is_there(&self, out: &Path) -> bool {
        let is_there = |file: &String| out.join(file).is_file();
        self.file.as_ref().is_none_or(is_there)
    }
}

impl Pictures {
    pub(super) fn new(features: &Features<'_>) -> Self {
        Self {
            features: video_version(features).unwrap_or_default(),
            file: None,
            frames: None,
            with_face: None,
            non_finite: 0,
            fault: None,
            message: None,
        }
    }

    /// As [`Record::file_is_there`].
    pub(super) fn file_is_there(&self, out: &Path) -> bool {
        let is_there = |file: &String| out.join(file).is_file();
        self.file.as_ref().is_none_or(is_there)
    }
}

fn audio_version(features: &Features<'_>) -> String {
    features.audio_card().version.unwrap_or_default()
}

fn video_version(features: &Features<'_>) -> Option<String> {
    let (faces, settings) = features.video?;
    faces.card(&settings).version
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
    pub(super) fn open(out: &Path, features: &Features<'_>) -> Result<Self, MediaError> {
        let path = out.join(RECORDS);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes.map_err(FileError::at(&path, "reading"))?,
        };
        let wrong = |message: String| MediaError::Folder {
            path: path.clone(),
            message,
        };
        let (audio, video) = (audio_version(features), video_version(features));
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
            let pictures = record.video.as_ref().map(|video| &video.features);
            for (expected, found) in [
                (Some(&audio), Some(&record.features)),
                (video.as_ref(), pictures),
            ] {
                if let (Some(expected), Some(found)) = (expected, found)
                    && expected != found
                {
                    return Err(wrong(format!(
                        "expected features of {expected:?}, found those of {found:?}; name another folder"
                    )));
                }
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
