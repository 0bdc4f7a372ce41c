//! Computational sequences (`.csd`) of the CMU SDK: what happens when in each video, cut into utterances by the label file's intervals.
//!
//! The label file (`*_Opinion_Labels.csd`, `*_Labels.csd`) numbers no clips: the segments of a video in order of their start are its clips in
//! order of their number. That is checked by the scores; where they disagree nothing is taken from the sequences.

use super::media::detail;
use crate::{
    CorpusError,
    draft::{Draft, Modality},
    feature::{Feature, Recent},
    finding::Findings,
    folder::Folder,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_formats::{Csd, CsdFeatures};

/// Scores of a label CSV and of a label file further apart than this belong to different segments.
const SCORE_TOLERANCE: f64 = 0.05;

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
                    findings.error("UNREADABLE", &name, None, error.detail());
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
                    findings.warn("UNUSED_FILE", &name, None, message);
                }
            }
        }
        Self(by_content)
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
                findings.warn("NO_SEGMENTS", &sequence.name, None, message);
            }
            return Ok(());
        };
        let [labels] = &labels[..] else {
            let names: Vec<_> = labels
                .iter()
                .map(|sequence| sequence.name.as_str())
                .collect();
            let message = format!("expected one label file, found {}", names.join(", "));
            findings.error("AMBIGUOUS_LABELS", &draft.name, None, message);
            return Ok(());
        };
        let segments = match segments(labels, draft, findings) {
            Ok(segments) => segments,
            Err(error) => {
                findings.error("UNREADABLE", &labels.name, None, detail(&error));
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
            findings.info("UNUSED_FILE", &sequence.name, None, message);
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
                    findings.error("AMBIGUOUS_FEATURES", &draft.name, None, message);
                }
            }
        }
        Ok(())
    }
}

/// A row of the label file.
#[derive(Clone, Debug)]
struct Segment {
    interval: [f64; 2],
    score: f64,
    /// Happiness, sadness, anger, surprise, disgust, fear.
    intensities: Option<[f32; 6]>,
}

/// The segment of every row of the draft.
fn segments(
    labels: &Sequence,
    draft: &Draft,
    findings: &mut Findings,
) -> Result<Vec<Option<Segment>>, CorpusError> {
    let mut videos: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, row) in draft.rows.iter().enumerate() {
        videos
            .entry(&row.utterance.dialogue_id)
            .or_default()
            .push(i);
    }
    let mut found = vec![None; draft.rows.len()];
    for (video, mut clips) in videos {
        clips.sort_by_key(|&i| draft.rows[i].utterance.turn);
        let row = || Some(format!("video {video}"));
        let Some(content) = labels.csd.video(video)? else {
            findings.warn(
                "UNMATCHED_ID",
                &labels.name,
                row(),
                "in the label CSV but not in the label file: no times",
            );
            continue;
        };
        let CsdFeatures::Numbers { dim, values } = &content.features else {
            let message = "expected scores, found text".to_owned();
            return Err(CorpusError::table(&labels.path)(message));
        };
        let mut here: Vec<Segment> = (content.intervals.iter().zip(values.chunks_exact(*dim)))
            .map(|(&interval, row)| Segment {
                interval,
                score: f64::from(row[0]),
                intensities: row.get(1..7).and_then(|row| row.try_into().ok()),
            })
            .collect();
        let rated = here.iter_mut().filter_map(|s| {
            let broken = s.intensities?.iter().any(|x| !x.is_finite());
            broken.then(|| s.intensities = None)
        });
        if rated.count() > 0 {
            let message = "intensities that are not finite: null";
            findings.warn("RATING_FORMAT", &labels.name, row(), message);
        }
        let all = here.len();
        here.retain(|s| s.interval[0] < s.interval[1] && s.interval.iter().all(|x| x.is_finite()));
        if here.len() < all {
            let message = "segments that do not end after they start: left out";
            findings.warn("TIME_ORDER", &labels.name, row(), message);
        }
        here.sort_by(|a, b| a.interval[0].total_cmp(&b.interval[0]));
        assign(&clips, &here, draft, &labels.name, &mut found, findings);
    }
    for video in labels.csd.csd.video_ids() {
        if !draft
            .rows
            .iter()
            .any(|row| row.utterance.dialogue_id == video)
        {
            let message = "in the label file but not in the label CSV: left out";
            findings.info(
                "UNMATCHED_ID",
                &labels.name,
                Some(format!("video {video}")),
                message,
            );
        }
    }
    Ok(found)
}

/// Clips of one video to its segments: in order where there are as many, else by number (from 0 or from 1, whichever agrees more often).
fn assign(
    clips: &[usize],
    segments: &[Segment],
    draft: &Draft,
    file: &str,
    found: &mut [Option<Segment>],
    findings: &mut Findings,
) {
    let utterance = |clip: usize| &draft.rows[clip].utterance;
    let agrees = |clip: usize, segment: Option<&Segment>| {
        let (Some(score), Some(segment)) = (utterance(clip).score, segment) else {
            return false;
        };
        (f64::from(score) - segment.score).abs() <= SCORE_TOLERANCE
    };
    let by_number = |first: i32| -> Vec<Option<&Segment>> {
        let place = |clip: &usize| usize::try_from(utterance(*clip).turn - first).ok();
        clips
            .iter()
            .map(|clip| segments.get(place(clip)?))
            .collect()
    };
    let mut guesses = vec![by_number(0), by_number(1)];
    if clips.len() == segments.len() {
        guesses.insert(0, segments.iter().map(Some).collect());
    }
    let agreement = |guess: &Vec<Option<&Segment>>| {
        clips
            .iter()
            .zip(guess)
            .filter(|&(&clip, &segment)| agrees(clip, segment))
            .count()
    };
    // the first of the best
    let Some(best) = guesses.into_iter().rev().max_by_key(agreement) else {
        return;
    };
    let wrong: Vec<usize> = (0..clips.len())
        .filter(|&i| !agrees(clips[i], best[i]))
        .collect();
    let doubt = match (wrong.first(), wrong.last()) {
        (Some(&first), Some(&last)) => first..last + 1,
        _ => 0..0,
    };
    for (i, (&clip, segment)) in clips.iter().zip(&best).enumerate() {
        let id = || Some(utterance(clip).utterance_id.clone());
        if wrong.contains(&i) {
            let message =
                "the score of its segment differs from the label CSV's: no times and no sequences";
            findings.warn("SEGMENT_MISMATCH", file, id(), message);
        } else if doubt.contains(&i) {
            let message = "between two mismatches of its video the order is in doubt: no times and no sequences";
            findings.info("SEGMENT_DOUBT", file, id(), message);
        } else {
            found[clip] = segment.cloned();
        }
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
    let dim = match sequence.csd.csd.dim() {
        Ok(Some(dim)) => dim,
        Ok(None) => {
            findings.error(
                "LAYOUT",
                &sequence.name,
                None,
                "expected numbers, found text",
            );
            return;
        }
        Err(error) => {
            findings.error("UNREADABLE", &sequence.name, None, error.detail());
            return;
        }
    };
    let mut known: Option<(String, Vec<[f64; 2]>)> = None;
    for (row, segment) in draft.rows.iter_mut().zip(segments) {
        let (Some(segment), video) = (segment, row.utterance.dialogue_id.clone()) else {
            continue;
        };
        if known.as_ref().is_none_or(|(name, _)| *name != video) {
            match sequence.csd.csd.intervals(&video) {
                Ok(intervals) => known = Some((video.clone(), intervals.unwrap_or_default())),
                Err(error) => {
                    findings.error(
                        "UNREADABLE",
                        &sequence.name,
                        Some(format!("video {video}")),
                        error.detail(),
                    );
                    return;
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
            let message = format!(
                "nothing between the times of this utterance: no {}",
                modality.name()
            );
            findings.info(
                "UNMATCHED_ID",
                &sequence.name,
                Some(row.utterance.utterance_id.clone()),
                message,
            );
            continue;
        }
        *row.slot(modality) = Some(Feature::cut(&sequence.csd, video, rows, dim));
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
