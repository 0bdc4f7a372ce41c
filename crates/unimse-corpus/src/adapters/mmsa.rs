//! Feature pickles of MOSI and MOSEI: `{train, valid, test}` of parallel arrays.
//!
//! MMSA: `id` as `video$_$clip`, `audio`, `vision` `[rows, steps, dim]` right-padded, `audio_lengths`,
//! `vision_lengths` (unaligned) or none (aligned). SDK/UniMSE: `id` `[rows, 1]` of bytes `video_clip`, `labels`
//! `[rows, 1, 1]`, sequences left-padded with zero steps.

use crate::{CorpusError, draft::Modality, feature::Feature, finding::Findings};
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
            findings.error("UNREADABLE", name, None, error.detail());
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
            findings.error("LAYOUT", name, None, message);
        } else {
            findings.warn("UNUSED_FILE", name, None, message);
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
            findings.error("FIELD", name, Some(format!("key {split}.{field}")), message);
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
    part: Item<'_>,
    file: &mut FeatureFile,
) -> Result<(), Problem> {
    let broken = |field: &str| {
        let field = field.to_owned();
        move |error: FormatError| Box::new((field, error.detail()))
    };
    let ids = part
        .get("id")
        .map(Item::texts)
        .transpose()
        .map_err(broken("id"))?
        .unwrap_or_default();
    let rows = ids.len();
    let same_length = |field: &str, found: usize| {
        if found == rows {
            Ok(())
        } else {
            Err(Box::new((
                field.to_owned(),
                format!("expected {rows} rows as in id, found {found}"),
            )))
        }
    };
    let sdk = part.get("labels").is_some() && part.get("raw_text").is_none();
    let label_field = if sdk { "labels" } else { "regression_labels" };
    let labels = part
        .get(label_field)
        .map(Item::numbers)
        .transpose()
        .map_err(broken(label_field))?;
    let texts = part
        .get("raw_text")
        .map(Item::texts)
        .transpose()
        .map_err(broken("raw_text"))?;
    if let Some(labels) = &labels {
        same_length(label_field, labels.len())?;
    }
    if let Some(texts) = &texts {
        same_length("raw_text", texts.len())?;
    }
    let mut modalities = [Vec::new(), Vec::new()];
    let mut has_lengths = true;
    for (place, (field, length_field)) in modalities
        .iter_mut()
        .zip([("audio", "audio_lengths"), ("vision", "vision_lengths")])
    {
        let Some(block) = part.get(field) else {
            continue;
        };
        same_length(field, block.count().unwrap_or(0))?;
        let lengths = part
            .get(length_field)
            .map(Item::integers)
            .transpose()
            .map_err(broken(length_field))?;
        if let Some(lengths) = &lengths {
            same_length(length_field, lengths.len())?;
        }
        has_lengths &= lengths.is_some();
        let features =
            rows_of(pickle, block).map_err(|message| Box::new((field.to_owned(), message)))?;
        let mut clipped = 0;
        *place = features
            .into_iter()
            .enumerate()
            .map(|(row, feature)| match &lengths {
                Some(lengths) => {
                    let length = usize::try_from(lengths[row]).unwrap_or(0);
                    clipped += usize::from(length > feature.steps);
                    Some(feature.truncated(length))
                }
                None => Some(feature),
            })
            .collect();
        if clipped > 0 {
            file.repairs.push(format!("key {split}.{length_field}: {clipped} lengths beyond the array: all its steps are used"));
        }
    }
    let padding = match (sdk, has_lengths) {
        (true, _) => Padding::Left,
        (false, true) => Padding::Lengths,
        (false, false) => Padding::Right,
    };
    let [mut audio, mut video] = modalities;
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
