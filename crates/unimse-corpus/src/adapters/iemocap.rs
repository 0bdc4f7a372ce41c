//! IEMOCAP: the release tree, and feature pickles keyed by utterance id.

use super::{dicts, manifest};
use crate::{
    CorpusError, CorpusKind, Split, Utterance,
    draft::Draft,
    finding::Findings,
    folder::{Folder, at, read_text},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use unimse_labels::IemocapEmotion;

/// Emotion codes of the release; the last five are outside the six-way metric.
const CODES: [&str; 11] = [
    "hap", "sad", "neu", "ang", "exc", "fru", "sur", "fea", "dis", "oth", "xxx",
];

/// A line of `EmoEvaluation`.
struct Evaluation {
    id: String,
    start: f64,
    end: f64,
    code: String,
    session: String,
    /// Where it stands.
    file: String,
    line: u64,
}

pub(super) fn read(
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = Draft::new(CorpusKind::Iemocap);
    let mut evaluations = Vec::new();
    let mut texts: HashMap<String, String> = HashMap::new();
    for path in folder.with_extension(&["txt"]) {
        let Some((session, kind)) = place(path) else {
            continue;
        };
        let file = folder.relative(path);
        let text = read_text(path, &file, findings)?;
        draft.add_source(path, &file);
        match kind {
            Kind::Evaluation => read_evaluation(&text, &session, &file, &mut evaluations, findings),
            Kind::Transcription => texts.extend(text.lines().filter_map(transcript)),
        }
    }
    if evaluations.is_empty() {
        let message = "expected utterances in Session1..5/dialog/EmoEvaluation/*.txt, found none";
        findings.error("NO_LABELS", &folder.name, None, message);
        return Ok(draft);
    }
    let splits = Splits::choose(folder, &evaluations, &mut draft, findings)?;
    add_rows(
        evaluations,
        &texts,
        &splits,
        &folder.name,
        &mut draft,
        findings,
    );
    dicts::join(
        folder,
        features,
        &mut draft,
        |u| u.utterance_id.clone(),
        findings,
    )?;
    Ok(draft)
}

enum Kind {
    Evaluation,
    Transcription,
}

/// Session and kind of `.../Session<n>/dialog/<kind>/<dialogue>.txt`.
fn place(path: &Path) -> Option<(String, Kind)> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let [.., session, dialog, kind, _] = &parts[..] else {
        return None;
    };
    if !session.starts_with("Session") || dialog != "dialog" {
        return None;
    }
    match kind.as_ref() {
        "EmoEvaluation" => Some((session.to_string(), Kind::Evaluation)),
        "transcriptions" => Some((session.to_string(), Kind::Transcription)),
        _ => None,
    }
}

/// Lines `[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5, 2.5, 2.5]`; others are the single raters'.
fn read_evaluation(
    text: &str,
    session: &str,
    file: &str,
    out: &mut Vec<Evaluation>,
    findings: &mut Findings,
) {
    for (number, line) in (1..).zip(text.lines()) {
        if !line.starts_with('[') {
            continue;
        }
        let mut cells = line.split('\t').map(str::trim);
        let (Some(interval), Some(id), Some(code)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let Some([start, end]) = interval_of(interval) else {
            if interval != "[START_TIME - END_TIME]" {
                let message = format!("expected an interval [start - end], found {interval:?}");
                findings.error("TIME_FORMAT", file, at(number), message);
            }
            continue;
        };
        if !CODES.contains(&code) {
            let message = format!(
                "utterance {id}: unknown emotion {code:?}, expected one of {}",
                CODES.join(", ")
            );
            findings.error("UNKNOWN_EMOTION", file, at(number), message);
            continue;
        }
        let (id, code, session) = (id.to_owned(), code.to_owned(), session.to_owned());
        out.push(Evaluation {
            id,
            start,
            end,
            code,
            session,
            file: file.to_owned(),
            line: number,
        });
    }
}

/// `[6.2901 - 8.2357]` or `[006.2901-008.2357]`.
fn interval_of(cell: &str) -> Option<[f64; 2]> {
    let (start, end) = cell
        .strip_prefix('[')?
        .trim_end_matches(':')
        .strip_suffix(']')?
        .split_once('-')?;
    let seconds = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    Some([seconds(start)?, seconds(end)?])
}

/// `Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`
fn transcript(line: &str) -> Option<(String, String)> {
    let (id, rest) = line.split_once(' ')?;
    let (interval, text) = rest.split_once("]:")?;
    interval_of(&format!("{}]", interval.trim_start()))?;
    Some((id.to_owned(), text.trim().to_owned()))
}

/// Where the split comes from.
enum Splits {
    Own(HashMap<String, Split>),
    Published(HashMap<&'static str, Split>),
    BySession,
}

impl Splits {
    fn choose(
        folder: &Folder,
        evaluations: &[Evaluation],
        draft: &mut Draft,
        findings: &mut Findings,
    ) -> Result<Self, CorpusError> {
        if let Some(own) = manifest::own(folder, draft, findings)? {
            return Ok(Self::Own(own));
        }
        let published = manifest::iemocap();
        if evaluations
            .iter()
            .any(|e| published.contains_key(e.id.as_str()))
        {
            return Ok(Self::Published(published));
        }
        let message = "no splits.csv and no published id: session 5 is test, the others are train, dev is empty";
        findings.warn("NO_SPLIT", &folder.name, None, message);
        Ok(Self::BySession)
    }

    fn of(&self, evaluation: &Evaluation) -> Option<Split> {
        match self {
            Self::Own(splits) => splits.get(&evaluation.id).copied(),
            Self::Published(splits) => splits.get(evaluation.id.as_str()).copied(),
            Self::BySession if evaluation.session == "Session5" => Some(Split::Test),
            Self::BySession => Some(Split::Train),
        }
    }
}

fn add_rows(
    evaluations: Vec<Evaluation>,
    texts: &HashMap<String, String>,
    splits: &Splits,
    name: &str,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut dialogues: BTreeMap<String, Vec<Evaluation>> = BTreeMap::new();
    for evaluation in evaluations {
        let dialogue = evaluation
            .id
            .rsplit_once('_')
            .map_or(evaluation.id.as_str(), |(dialogue, _)| dialogue);
        dialogues
            .entry(dialogue.to_owned())
            .or_default()
            .push(evaluation);
    }
    for (dialogue_id, mut members) in dialogues {
        members.sort_by(|a, b| a.start.total_cmp(&b.start).then_with(|| a.id.cmp(&b.id)));
        for (turn, evaluation) in (0..).zip(members) {
            let row = || Some(evaluation.id.clone());
            let Some(split) = splits.of(&evaluation) else {
                findings.info(
                    "NOT_IN_SPLIT",
                    name,
                    row(),
                    "not in the split manifest: left out",
                );
                continue;
            };
            let Some(text) = texts.get(&evaluation.id) else {
                let message = "expected a line in dialog/transcriptions, found none: left out";
                findings.warn("NO_TEXT", name, row(), message);
                continue;
            };
            let emotion = IemocapEmotion::from_release_code(&evaluation.code);
            let ordered = evaluation.start < evaluation.end;
            if !ordered {
                findings.warn(
                    "TIME_ORDER",
                    name,
                    row(),
                    "the end is not after the start: times are null",
                );
            }
            let utterance = Utterance {
                corpus: CorpusKind::Iemocap.name().to_owned(),
                split,
                utterance_id: evaluation.id.clone(),
                dialogue_id: dialogue_id.clone(),
                turn,
                speaker: speaker(&evaluation.id),
                text: text.clone(),
                start_s: ordered.then_some(evaluation.start),
                end_s: ordered.then_some(evaluation.end),
                score: None,
                polarity: emotion.map(IemocapEmotion::polarity),
                emotion: emotion.map(|emotion| emotion.name().to_owned()),
                emotion_raw: Some(evaluation.code.clone()),
                audio: None,
                video: None,
            };
            draft.push(utterance, &evaluation.file, evaluation.line);
        }
    }
}

/// Session and gender, which name one of the ten actors: `Ses01F` for `Ses01M_impro01_F000`.
fn speaker(id: &str) -> Option<String> {
    let gender = id.rsplit_once('_')?.1.chars().next()?;
    Some(format!("{}{gender}", id.get(..5)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_release() {
        let line = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.";
        assert_eq!(
            transcript(line),
            Some(("Ses01F_impro01_F000".to_owned(), "Excuse me.".to_owned()))
        );
        assert_eq!(transcript("M: hm"), None);
        assert_eq!(interval_of("[6.2901 - 8.2357]"), Some([6.2901, 8.2357]));
        assert_eq!(interval_of("[START_TIME - END_TIME]"), None);
        assert_eq!(speaker("Ses01M_impro01_F000").as_deref(), Some("Ses01F"));
    }

    #[test]
    fn evaluation_lines() {
        let text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n\
                    [6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n\
                    [10.0 - 11.4]\tSes01F_impro01_F001\tjoyy\t[2.5, 2.5, 2.5]\n";
        let (mut out, mut findings) = (Vec::new(), Findings::default());
        read_evaluation(text, "Session1", "f.txt", &mut out, &mut findings);
        assert_eq!(out.len(), 1);
        let error = findings
            .first_error()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            error.starts_with(
                "f.txt, line 5: utterance Ses01F_impro01_F001: unknown emotion \"joyy\""
            ),
            "{error}"
        );
    }
}
