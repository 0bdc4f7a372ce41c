//! The release tree: `Session<n>/dialog/EmoEvaluation/*.txt` and `Session<n>/dialog/transcriptions/*.txt`.

use super::{Annotation, CODES, dialogue_of, vad};
use crate::{
    Code, CorpusError,
    draft::Draft,
    finding::Findings,
    folder::{Folder, at, read_text},
};
use std::{collections::HashMap, path::Path};

/// Every utterance of the release tree, in order of start.
pub(super) fn read(
    folder: &Folder,
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<Vec<Annotation>, CorpusError> {
    let mut annotations = Vec::new();
    let mut texts: HashMap<String, String> = HashMap::new();
    for path in folder.with_extension(&["txt"]) {
        let Some(kind) = place(path) else {
            continue;
        };
        let file = folder.relative(path);
        let text = read_text(path, &file, findings)?;
        draft.add_source(path, &file);
        match kind {
            Kind::Evaluation => read_evaluation(&text, &file, &mut annotations, findings),
            Kind::Transcription => texts.extend(text.lines().filter_map(transcript)),
        }
    }
    for annotation in &mut annotations {
        annotation.text = texts.get(&annotation.id).cloned();
    }
    let start = |a: &Annotation| a.interval.map_or(f64::INFINITY, |[start, _]| start);
    annotations.sort_by(|a, b| start(a).total_cmp(&start(b)).then_with(|| a.id.cmp(&b.id)));
    Ok(annotations)
}

enum Kind {
    Evaluation,
    Transcription,
}

/// Kind of `.../Session<n>/dialog/<kind>/<dialogue>.txt`.
fn place(path: &Path) -> Option<Kind> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let [.., session, dialog, kind, _] = &parts[..] else {
        return None;
    };
    if !session.starts_with("Session") || dialog != "dialog" {
        return None;
    }
    match kind.as_ref() {
        "EmoEvaluation" => Some(Kind::Evaluation),
        "transcriptions" => Some(Kind::Transcription),
        _ => None,
    }
}

/// Lines `[6.2901 - 8.2357]<tab>Ses01F_impro01_F000<tab>neu<tab>[2.5, 2.5, 2.5]`; others are the single raters'.
fn read_evaluation(text: &str, file: &str, out: &mut Vec<Annotation>, findings: &mut Findings) {
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
                findings.error(Code::TimeFormat, file, at(number), message);
            }
            continue;
        };
        let Some(&known) = CODES.iter().find(|&&known| known == code) else {
            let message = format!(
                "utterance {id}: unknown emotion {code:?}, expected one of {}",
                CODES.join(", ")
            );
            findings.add(Code::UnknownEmotion, file, at(number), message);
            continue;
        };
        let ordered = start < end;
        if !ordered {
            let message = "the end is not after the start: times are null";
            findings.warn(Code::TimeOrder, file, at(number), message);
        }
        out.push(Annotation {
            id: id.to_owned(),
            dialogue: dialogue_of(id).to_owned(),
            text: None,
            interval: ordered.then_some([start, end]),
            code: known,
            raw: code.to_owned(),
            vad: vad(cells.next(), file, number, findings),
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
    }

    #[test]
    fn evaluation_lines() {
        let text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n\
                    [6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n\
                    [10.0 - 11.4]\tSes01F_impro01_F001\tjoyy\t[2.5, 2.5, 2.5]\n";
        let (mut out, mut findings) = (Vec::new(), Findings::default());
        read_evaluation(text, "f.txt", &mut out, &mut findings);
        assert_eq!(out.len(), 1);
        assert_eq!(
            (out[0].vad, out[0].interval),
            (Some([2.5; 3]), Some([6.2901, 8.2357]))
        );
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
