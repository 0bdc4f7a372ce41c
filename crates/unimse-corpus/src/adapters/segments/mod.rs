//! Computational sequences (`.csd`) of the CMU SDK: what happens when in each video, cut into utterances by the label file's intervals.
//!
//! The label file (`*_Opinion_Labels.csd`, `*_Labels.csd`) numbers no clips: the segments of a video in order of their start are its clips in
//! order of their number. That is checked by the scores; where they disagree nothing is taken from the sequences.

mod label_file;

use super::media::detail;
use crate::{
    Code, CorpusError,
    draft::{Draft, Modality},
    feature::{Feature, Recent},
    finding::Findings,
    folder::Folder,
};
use label_file::{Segment, segments};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_formats::Csd;

/// What a sequence holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Labels,
    Feature(Modality),
    Words,
}

fn content_of(sequence: &str, stem: &str) -> Option<Content> {
    let name = format!("{sequence} {stem}").to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["label"]) {
        Some(Content::Labels)
    } else if has(&["word", "glove", "phone", "text", "transcript"]) {
        Some(Content::Words)
    } else if has(&["covarep", "opensmile", "acoustic", "audio", "mfcc", "mel"]) {
        Some(Content::Feature(Modality::Audio))
    } else if has(&[
        "facet",
        "openface",
        "visual",
        "vision",
        "video",
        "expression",
    ]) {
        Some(Content::Feature(Modality::Video))
    } else {
        None
    }
}

/// An opened sequence of a corpus folder.
struct Sequence {
    path: PathBuf,
    name: String,
    csd: Arc<Recent>,
}

/// The sequences to use: those asked for, else all of the folder.
pub(super) struct Sequences(BTreeMap<Content, Vec<Sequence>>);

impl Sequences {
    /// Opens every `.csd` of `paths`.
    pub(super) fn open(folder: &Folder, paths: &[PathBuf], findings: &mut Findings) -> Self {
        let mut by_content: BTreeMap<Content, Vec<Sequence>> = BTreeMap::new();
        for path in paths {
            let name = folder.relative(path);
            let csd = match Csd::open(path) {
                Ok(csd) => csd,
                Err(error) => {
                    findings.add(Code::Unreadable, &name, None, error.detail());
                    continue;
                }
            };
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            match content_of(csd.name(), &stem) {
                Some(content) => by_content.entry(content).or_default().push(Sequence {
                    path: path.clone(),
                    name,
                    csd: Arc::new(Recent::new(csd)),
                }),
                None => {
                    let message = format!(
                        "sequence {:?}: neither labels, words, audio nor video by its name",
                        csd.name()
                    );
                    findings.warn(Code::UnusedFile, &name, None, message);
                }
            }
        }
        Self(by_content)
    }

    /// The label file alone.
    pub(super) fn of_labels(mut self) -> Self {
        self.0.retain(|content, _| *content == Content::Labels);
        self
    }

    /// Name of the label file, where there is one.
    pub(super) fn label_file(&self) -> Option<&str> {
        let labels = self.0.get(&Content::Labels)?.first();
        labels.map(|sequence| sequence.name.as_str())
    }

    /// Names of the files that hold a modality.
    pub(super) fn holding(&self, modality: Modality) -> Vec<&str> {
        let sequences = self
            .0
            .get(&Content::Feature(modality))
            .into_iter()
            .flatten();
        sequences.map(|sequence| sequence.name.as_str()).collect()
    }

    /// Gives every utterance its times, and what the sequences hold between them. The draft's scores are those of the label CSV.
    pub(super) fn join(
        &self,
        draft: &mut Draft,
        findings: &mut Findings,
    ) -> Result<(), CorpusError> {
        let Some(labels) = self.0.get(&Content::Labels) else {
            for sequence in self.0.values().flatten() {
                let message = "no label file (*_Labels.csd) gives the segments: not used";
                findings.add(Code::NoSegments, &sequence.name, None, message);
            }
            return Ok(());
        };
        let [labels] = &labels[..] else {
            let names: Vec<_> = labels
                .iter()
                .map(|sequence| sequence.name.as_str())
                .collect();
            let message = format!("expected one label file, found {}", names.join(", "));
            findings.add(Code::AmbiguousLabels, &draft.name, None, message);
            return Ok(());
        };
        let segments = match segments(labels, draft, findings) {
            Ok(segments) => segments,
            Err(error) => {
                findings.add(Code::Unreadable, &labels.name, None, detail(&error));
                return Ok(());
            }
        };
        for (row, segment) in draft.rows.iter_mut().zip(&segments) {
            if let Some(segment) = segment {
                let [start, end] = segment.interval;
                (row.utterance.start_s, row.utterance.end_s) = (Some(start), Some(end));
                row.utterance.intensities = segment.intensities;
            }
        }
        draft.add_source(&labels.path, &labels.name);
        for sequence in self.0.get(&Content::Words).into_iter().flatten() {
            let message = "holds words, no audio or video: the text of the label CSV is used";
            findings.info(Code::UnusedFile, &sequence.name, None, message);
        }
        for modality in Modality::ALL {
            match self.0.get(&Content::Feature(modality)).map(Vec::as_slice) {
                None => {}
                Some([sequence]) => {
                    draft.add_source(&sequence.path, &sequence.name);
                    cut(sequence, modality, &segments, draft, findings);
                }
                Some(_) => {
                    let message = format!(
                        "expected one {} sequence, found {}; choose with --features {}=FILE (and the label file)",
                        modality.name(),
                        self.holding(modality).join(", "),
                        draft.name
                    );
                    findings.add(Code::AmbiguousFeatures, &draft.name, None, message);
                }
            }
        }
        Ok(())
    }
}

/// The rows of a sequence whose middle lies in an utterance's segment.
fn cut(
    sequence: &Sequence,
    modality: Modality,
    segments: &[Option<Segment>],
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut report = |code, row, message: String| findings.add(code, &sequence.name, row, message);
    let dim = match sequence.csd.csd.dim() {
        Ok(Some(dim)) => dim,
        Ok(None) => {
            let message = "expected numbers, found text";
            return report(Code::Layout, None, message.to_owned());
        }
        Err(error) => return report(Code::Unreadable, None, error.detail()),
    };
    let mut known: Option<(String, Vec<[f64; 2]>)> = None;
    let mut empty = Vec::new();
    for (row, segment) in draft.rows.iter_mut().zip(segments) {
        let (Some(segment), video) = (segment, row.utterance.dialogue_id.clone()) else {
            continue;
        };
        if known.as_ref().is_none_or(|(name, _)| *name != video) {
            match sequence.csd.csd.intervals(&video) {
                Ok(intervals) => known = Some((video.clone(), intervals.unwrap_or_default())),
                Err(error) => {
                    let row = Some(format!("video {video}"));
                    report(Code::Unreadable, row, error.detail());
                    break;
                }
            }
        }
        let [start, end] = segment.interval;
        let rows: Vec<usize> = known
            .iter()
            .flat_map(|(_, intervals)| intervals.iter().enumerate())
            .filter(|(_, [from, to])| (start..end).contains(&((from + to) / 2.0)))
            .map(|(i, _)| i)
            .collect();
        if rows.is_empty() {
            empty.push(row.utterance.utterance_id.clone());
        } else {
            *row.slot(modality) = Some(Feature::cut(&sequence.csd, video, rows, dim));
        }
    }
    for id in empty {
        let message = format!(
            "nothing between the times of this utterance: no {}",
            modality.name()
        );
        findings.info(Code::UnmatchedId, &sequence.name, Some(id), message);
    }
}

/// Whether a path names a sequence.
pub(super) fn is_sequence(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_by_name() {
        let check =
            |sequence: &str, stem: &str, content| assert_eq!(content_of(sequence, stem), content);
        check(
            "Opinion Segment Labels",
            "CMU_MOSI_Opinion_Labels",
            Some(Content::Labels),
        );
        check("words", "CMU_MOSI_TimestampedWords", Some(Content::Words));
        check(
            "COVAREP",
            "CMU_MOSEI_COVAREP",
            Some(Content::Feature(Modality::Audio)),
        );
        check(
            "FACET 4.2",
            "CMU_MOSEI_VisualFacet42",
            Some(Content::Feature(Modality::Video)),
        );
        check("something", "else", None);
    }
}
