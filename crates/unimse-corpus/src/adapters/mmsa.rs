//! Feature pickles of MOSI and MOSEI: `{train, valid, test}` of parallel arrays.
//!
//! MMSA: `id` as `video$_$clip`, `audio`, `vision` `[rows, steps, dim]` right-padded, `audio_lengths`,
//! `vision_lengths` (unaligned) or none (aligned). SDK/UniMSE: `id` `[rows, 1]` of bytes `video_clip`, `labels`
//! `[rows, 1, 1]`, sequences left-padded with zero steps.

use crate::{Code, CorpusError, draft::Modality, feature::Feature, finding::Findings};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_formats::{FormatError, Item, Pickle};
use unimse_labels::Split;

/// One utterance of a feature file.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) split: Split,
    pub(super) label: Option<f64>,
    pub(super) text: Option<String>,
    audio: Option<Feature>,
    video: Option<Feature>,
    padding: Padding,
}

/// How the end of a sequence is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// By lengths, already applied.
    Lengths,
    /// Steps of zeros before it.
    Left,
    /// Steps of zeros after it.
    Right,
}

/// An opened feature file; nothing of its arrays is read yet.
pub(super) struct FeatureFile {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
    pub(super) repairs: Vec<String>,
}

impl FeatureFile {
    /// Whether every utterance has its text and its score here.
    pub(super) fn labelled(&self) -> bool {
        let complete = |entry: &Entry| entry.label.is_some() && entry.text.is_some();
        !self.entries.is_empty() && self.entries.iter().all(complete)
    }

    /// A modality of an entry without its padding; `None` when nothing is left.
    pub(super) fn feature(
        &self,
        at: usize,
        modality: Modality,
    ) -> Result<Option<Feature>, CorpusError> {
        let entry = &self.entries[at];
        let feature = match modality {
            Modality::Audio => entry.audio.clone(),
            Modality::Video => entry.video.clone(),
        };
        let feature = match (feature, entry.padding) {
            (Some(feature), Padding::Left) => Some(feature.without_padding(true)?),
            (Some(feature), Padding::Right) => Some(feature.without_padding(false)?),
            (feature, _) => feature,
        };
        Ok(feature.filter(|feature| feature.steps > 0))
    }
}

/// Opens a pickle of this layout. A broken one is an error finding; another layout too if it was asked for,
/// otherwise it is passed over with a remark.
pub(super) fn open(
    path: &Path,
    name: &str,
    chosen: bool,
    findings: &mut Findings,
) -> Option<FeatureFile> {
    let pickle = match Pickle::open(path) {
        Ok(pickle) => Arc::new(pickle),
        Err(error) => {
            findings.add(Code::Unreadable, name, None, error.detail());
            return None;
        }
    };
    let parts: Vec<(Split, Item<'_>)> = (pickle.root().entries().into_iter().flatten())
        .filter_map(|(key, part)| Some((key.as_str()?.parse().ok()?, part)))
        .filter(|(_, part)| part.get("id").is_some())
        .collect();
    if parts.is_empty() {
        let message = format!(
            "expected a dict with keys train, valid, test, each with id, audio, vision, found a {}",
            describe(pickle.root())
        );
        if chosen {
            findings.add(Code::Layout, name, None, message);
        } else {
            findings.warn(Code::UnusedFile, name, None, message);
        }
        return None;
    }
    let mut file = FeatureFile {
        path: path.to_owned(),
        name: name.to_owned(),
        entries: vec![],
        repairs: vec![],
    };
    for (split, part) in parts {
        if let Err(problem) = read_part(&pickle, split, part, &mut file) {
            let (field, message) = *problem;
            findings.add(
                Code::Field,
                name,
                Some(format!("key {split}.{field}")),
                message,
            );
            return None;
        }
    }
    Some(file)
}

/// A dict by its keys, anything else by its type.
fn describe(item: Item<'_>) -> String {
    match item.entries() {
        Some(entries) => {
            let keys: Vec<_> = entries
                .take(8)
                .map(|(key, _)| key.as_str().map_or("?".into(), |k| k.into_owned()))
                .collect();
            format!("dict with keys {}", keys.join(", "))
        }
        None => item.type_name().to_owned(),
    }
}

type Problem = Box<(String, String)>;

fn read_part(
    pickle: &Arc<Pickle>,
    split: Split,
    item: Item<'_>,
    file: &mut FeatureFile,
) -> Result<(), Problem> {
    let ids = field(item, "id", Item::texts)?.unwrap_or_default();
    let part = Part {
        pickle,
        split,
        item,
        rows: ids.len(),
    };
    let sdk = item.get("labels").is_some() && item.get("raw_text").is_none();
    let label_field = if sdk { "labels" } else { "regression_labels" };
    let labels = field(item, label_field, Item::numbers)?;
    let texts = field(item, "raw_text", Item::texts)?;
    if let Some(labels) = &labels {
        part.check_rows(label_field, labels.len())?;
    }
    if let Some(texts) = &texts {
        part.check_rows("raw_text", texts.len())?;
    }
    let mut has_lengths = true;
    let mut audio = part.features("audio", "audio_lengths", &mut has_lengths, file)?;
    let mut video = part.features("vision", "vision_lengths", &mut has_lengths, file)?;
    let padding = match (sdk, has_lengths) {
        (true, _) => Padding::Left,
        (false, true) => Padding::Lengths,
        (false, false) => Padding::Right,
    };
    for (row, id) in ids.into_iter().enumerate() {
        file.entries.push(Entry {
            id: id.replace("$_$", "_"),
            split,
            label: labels.as_ref().map(|labels| labels[row]),
            text: texts.as_ref().map(|texts| texts[row].clone()),
            audio: audio.get_mut(row).and_then(Option::take),
            video: video.get_mut(row).and_then(Option::take),
            padding,
        });
    }
    Ok(())
}

/// A field of a split's dict; `None` where it has none.
fn field<'a, T>(
    item: Item<'a>,
    name: &str,
    read: impl FnOnce(Item<'a>) -> Result<T, FormatError>,
) -> Result<Option<T>, Problem> {
    let value = item.get(name).map(read).transpose();
    value.map_err(|error| Box::new((name.to_owned(), error.detail())))
}

/// The dict of a split.
struct Part<'a> {
    pickle: &'a Arc<Pickle>,
    split: Split,
    item: Item<'a>,
    /// How many ids it has.
    rows: usize,
}

impl Part<'_> {
    fn check_rows(&self, field: &str, found: usize) -> Result<(), Problem> {
        if found == self.rows {
            return Ok(());
        }
        let message = format!("expected {} rows as in id, found {found}", self.rows);
        Err(Box::new((field.to_owned(), message)))
    }

    /// The features of a modality, row by row, cut to their lengths; empty where the split has none. `has_lengths` falls where they come without.
    fn features(
        &self,
        name: &str,
        length_name: &str,
        has_lengths: &mut bool,
        file: &mut FeatureFile,
    ) -> Result<Vec<Option<Feature>>, Problem> {
        let Some(block) = self.item.get(name) else {
            return Ok(Vec::new());
        };
        self.check_rows(name, block.count().unwrap_or(0))?;
        let lengths = field(self.item, length_name, Item::integers)?;
        let features = rows_of(self.pickle, block);
        let wrong = |message| Box::new((name.to_owned(), message));
        let Some(lengths) = lengths else {
            *has_lengths = false;
            return Ok(features.map_err(wrong)?.into_iter().map(Some).collect());
        };
        self.check_rows(length_name, lengths.len())?;
        let mut clipped = 0;
        let cut = (features.map_err(wrong)?.into_iter().zip(lengths)).map(|(feature, length)| {
            let length = usize::try_from(length).unwrap_or(0);
            clipped += usize::from(length > feature.steps);
            Some(feature.truncated(length))
        });
        let cut = cut.collect();
        if clipped > 0 {
            let split = self.split;
            file.repairs.push(format!(
                "key {split}.{length_name}: {clipped} lengths beyond the array: all its steps are used"
            ));
        }
        Ok(cut)
    }
}

/// The rows of a numeric array, or the arrays of a list or object array.
fn rows_of(pickle: &Arc<Pickle>, block: Item<'_>) -> Result<Vec<Feature>, String> {
    let one = |item: Option<Item<'_>>| {
        let array = item.and_then(|item| item.as_array());
        array
            .and_then(|array| Feature::whole(pickle, &array))
            .ok_or_else(|| {
                format!(
                    "expected arrays [steps, dim], found {}",
                    item.map_or("nothing", |item| item.type_name())
                )
            })
    };
    if let Some(array) = block.as_array() {
        let rows = array.shape().first().copied().unwrap_or(0);
        if array.item(0).is_some() {
            return (0..rows).map(|row| one(array.item(row))).collect();
        }
        return (0..rows)
            .map(|row| {
                Feature::row(pickle, &array, row).ok_or_else(|| {
                    format!(
                        "expected an array [rows, steps, dim], found shape {:?}",
                        array.shape()
                    )
                })
            })
            .collect();
    }
    match block.items() {
        Some(items) => items.map(|item| one(Some(item))).collect(),
        None => Err(format!(
            "expected an array [rows, steps, dim], found a {}",
            block.type_name()
        )),
    }
}
