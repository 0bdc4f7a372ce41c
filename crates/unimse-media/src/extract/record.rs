//! What became of every clip, and of every part of one, one line of JSON each. Lines are added as clips are done; at the end the file is written anew, sorted.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unimse_run::{FileError, artefact};

use super::clips::{Found, split};
use crate::{Features, MediaError, video::onnx};

/// Name of the file of records, in the output folder.
pub const RECORDS: &str = "extraction.jsonl";

/// What became of one clip, or of the part of it that an utterance takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name below the data folder, with `/`.
    pub clip: String,
    /// Id of the utterance that takes a part of it; absent where the clip is described as a whole, as the next three are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utterance: Option<String>,
    /// Table and row that ask for the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Where the part begins, in seconds of the clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<f64>,
    /// Where it ends; absent: with the clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_s: Option<f64>,
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
    /// Length of the clip, or of the part.
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
    pub(super) fn new(clip: &Found, features: &Features<'_>) -> Self {
        let mut record = Self {
            clip: clip.name.clone(),
            utterance: None,
            row: None,
            start_s: None,
            end_s: None,
            sha256: None,
            features: audio_version(features),
            file: None,
            steps: None,
            seconds: None,
            non_finite: 0,
            fault: None,
            message: None,
            video: None,
        };
        record.asked_by(clip);
        record
    }

    /// Takes over who asks for the part: a row may have moved within its table.
    pub(super) fn asked_by(&mut self, clip: &Found) {
        let Some((row, utterance)) = &clip.asked else {
            return;
        };
        self.row = Some(row.clone());
        self.utterance = Some(utterance.clone());
        // a part that cannot be may have times that JSON does not
        self.start_s = Some(clip.span.from_s).filter(|seconds| seconds.is_finite());
        self.end_s = clip.span.to_s.filter(|seconds| seconds.is_finite());
    }

    /// What it is of.
    fn key(&self) -> Key {
        let row = self.row.as_deref().filter(|_| self.sha256.is_none());
        key(&self.clip, self.utterance.as_deref(), row)
    }

    /// Whether what it says is still so: a clip without features has none, the file of one with features is there, as long as `features` make it.
    pub(super) fn file_is_there(&self, out: &Path, features: &Features<'_>) -> bool {
        let dimension = features.audio_card().dimension;
        is_whole(out, self.file.as_deref(), self.steps, dimension)
    }
}

/// Bytes of the header of a feature file.
const HEADER: u64 = 128;

/// Whether no file is expected, or one of so many steps is there in its whole length.
fn is_whole(out: &Path, file: Option<&str>, steps: Option<usize>, dimension: usize) -> bool {
    let Some(file) = file else { return true };
    let numbers = steps.map_or(0, |steps| steps as u64 * dimension as u64);
    let length = HEADER + numbers * size_of::<f32>() as u64;
    std::fs::metadata(out.join(file)).is_ok_and(|about| about.is_file() && about.len() == length)
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
    pub(super) fn file_is_there(&self, out: &Path, features: &Features<'_>) -> bool {
        let Some((faces, settings)) = features.video else {
            return true;
        };
        let dimension = faces.card(&settings).dimension;
        is_whole(out, self.file.as_deref(), self.with_face, dimension)
    }
}

fn audio_version(features: &Features<'_>) -> String {
    features.audio_card().version.unwrap_or_default()
}

/// Of a network of the user's own the whole card counts: its weights and settings are no release of ours.
fn video_version(features: &Features<'_>) -> Option<String> {
    let (faces, settings) = features.video?;
    let card = faces.card(&settings);
    if onnx::made(&card).is_none() {
        return card.version;
    }
    let whole = artefact::sha256_of(serde_json::to_string(&card).unwrap_or_default().as_bytes());
    let version = card.version.unwrap_or_default();
    Some(format!("{version}, {} (card {})", card.tool, &whole[..12]))
}

/// The records of an output folder: none where nothing was extracted. A last line that was cut off, by a process that was killed, counts for nothing.
///
/// # Errors
/// [`MediaError::File`] where the file cannot be read, [`MediaError::Folder`] where a line is no record.
pub fn read(out: &Path) -> Result<Vec<Record>, MediaError> {
    let path = out.join(RECORDS);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes.map_err(FileError::at(&path, "reading"))?,
    };
    let mut records = Vec::new();
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    for (number, line) in (1..).zip(&lines).filter(|(_, line)| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) if number == lines.len() => break,
            Err(error) => {
                let message = format!("line {number}: {error}");
                return Err(MediaError::Folder { path, message });
            }
        }
    }
    Ok(records)
}

/// The records of an output folder, being added to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    known: HashMap<Key, Record>,
}

/// A clip; or corpus and utterance, whatever part of which clip it is, for they decide where its features lie; and the row where nobody could read
/// the clip, for an id may be there twice then.
type Key = (String, Option<String>, Option<String>);

fn key(clip: &str, utterance: Option<&str>, row: Option<&str>) -> Key {
    let of = match utterance {
        Some(_) => split(clip).0,
        None => clip,
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    (of.to_owned(), owned(utterance), owned(row))
}

impl Journal {
    /// Reads what earlier runs recorded.
    pub(super) fn open(out: &Path, features: &Features<'_>) -> Result<Self, MediaError> {
        let path = out.join(RECORDS);
        let wrong = |message: String| MediaError::Folder {
            path: path.clone(),
            message,
        };
        let (audio, video) = (audio_version(features), video_version(features));
        let mut known = HashMap::new();
        for record in read(out)? {
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
            known.insert(record.key(), record);
        }
        // whole lines only: what follows must not be glued to half a one
        let mut whole: Vec<&Record> = known.values().collect();
        whole.sort_by_key(|record| record.key());
        write(out, whole)?;
        let mut options = OpenOptions::new();
        let file = options.append(true).open(&path);
        let file = file.map_err(FileError::at(&path, "opening"))?;
        Ok(Self { path, file, known })
    }

    /// The record of a clip whose content, and whose part, is still the same.
    pub(super) fn known(&self, clip: &Found, sha256: &str) -> Option<Record> {
        let utterance = clip.asked.as_ref().map(|(_, utterance)| utterance.as_str());
        let known = self.known.get(&key(&clip.name, utterance, None))?;
        let is_same = known.sha256.as_deref() == Some(sha256)
            && known.clip == clip.name
            && known.start_s.unwrap_or_default() == clip.span.from_s
            && known.end_s == clip.span.to_s;
        let mut known = is_same.then(|| known.clone())?;
        known.asked_by(clip);
        Some(known)
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
