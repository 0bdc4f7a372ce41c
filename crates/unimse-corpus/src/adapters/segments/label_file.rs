//! The label file: which segment of a video each utterance is.

use super::Sequence;
use crate::{Code, CorpusError, draft::Draft, finding::Findings};
use std::collections::BTreeMap;
use unimse_formats::{CsdFeatures, CsdVideo};

/// Scores of a label CSV and of a label file further apart than this belong to different segments.
const SCORE_TOLERANCE: f64 = 0.05;

/// A row of the label file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) interval: [f64; 2],
    score: f64,
    /// Happiness, sadness, anger, surprise, disgust, fear.
    pub(super) intensities: Option<[f32; 6]>,
}

/// The segment of every row of the draft.
pub(super) fn segments(
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
    for (video, clips) in &mut videos {
        clips.sort_by_key(|&i| draft.rows[i].utterance.turn);
        let Some(content) = labels.csd.video(video)? else {
            let message = "in the label CSV but not in the label file: no times";
            findings.warn(Code::UnmatchedId, &labels.name, named(video), message);
            continue;
        };
        let here = segments_of(&content, video, labels, findings)?;
        assign(clips, &here, draft, &labels.name, &mut found, findings);
    }
    for video in labels.csd.csd.video_ids() {
        if !videos.contains_key(video) {
            let message = "in the label file but not in the label CSV: left out";
            findings.info(Code::UnmatchedId, &labels.name, named(video), message);
        }
    }
    Ok(found)
}

/// A video as findings name it.
fn named(video: &str) -> Option<String> {
    Some(format!("video {video}"))
}

/// The segments of a video in order of their start.
fn segments_of(
    content: &CsdVideo,
    video: &str,
    labels: &Sequence,
    findings: &mut Findings,
) -> Result<Vec<Segment>, CorpusError> {
    let CsdFeatures::Numbers { dim, values } = &content.features else {
        let message = "expected scores, found text";
        return Err(CorpusError::table(&labels.path)(message));
    };
    let mut segments: Vec<Segment> = (content.intervals.iter().zip(values.chunks_exact(*dim)))
        .map(|(&interval, row)| Segment {
            interval,
            score: f64::from(row[0]),
            intensities: row.get(1..7).and_then(|row| row.try_into().ok()),
        })
        .collect();
    let rated = segments.iter_mut().filter_map(|s| {
        let broken = s.intensities?.iter().any(|x| !x.is_finite());
        broken.then(|| s.intensities = None)
    });
    if rated.count() > 0 {
        let message = "intensities that are not finite: null";
        findings.add(Code::RatingFormat, &labels.name, named(video), message);
    }
    let all = segments.len();
    segments.retain(|s| s.interval[0] < s.interval[1] && s.interval.iter().all(|x| x.is_finite()));
    if segments.len() < all {
        let message = "segments that do not end after they start: left out";
        findings.warn(Code::TimeOrder, &labels.name, named(video), message);
    }
    segments.sort_by(|a, b| a.interval[0].total_cmp(&b.interval[0]));
    Ok(segments)
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
            findings.add(Code::SegmentMismatch, file, id(), message);
        } else if doubt.contains(&i) {
            let message = "between two mismatches of its video the order is in doubt: no times and no sequences";
            findings.add(Code::SegmentDoubt, file, id(), message);
        } else {
            found[clip] = segment.cloned();
        }
    }
}
