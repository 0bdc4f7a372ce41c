//! IEMOCAP: the release tree or a table CSV, feature files keyed by utterance id, the release's wave files.

use super::{
    dicts, manifest,
    media::{self, Naming},
};
use crate::{
    CorpusError, CorpusKind, Split, Utterance,
    draft::Draft,
    finding::Findings,
    folder::{Folder, Table, at, in_words, read_text},
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

/// Columns of the table form.
const COLUMNS: [&str; 3] = ["vid_cid|utterance_id", "label|emotion", "text"];

/// What is known of an utterance before it has a split.
struct Annotation {
    id: String,
    dialogue: String,
    text: Option<String>,
    interval: Option<[f64; 2]>,
    /// Release code.
    code: &'static str,
    /// As the source writes it.
    raw: String,
    vad: Option<[f32; 3]>,
    /// Where it stands.
    file: String,
    line: u64,
}

pub(super) fn read(
    folder: &Folder,
    features: &[PathBuf],
    findings: &mut Findings,
) -> Result<Draft, CorpusError> {
    let mut draft = Draft::new(CorpusKind::Iemocap, &folder.name);
    let mut annotations = read_tree(folder, &mut draft, findings)?;
    let table = table(folder, !annotations.is_empty(), findings)?;
    if annotations.is_empty()
        && let Some(table) = &table
    {
        draft.add_source(&table.path, &table.file);
        annotations = read_table(table, findings);
    }
    if annotations.is_empty() && table.is_none() {
        let message = format!(
            "expected utterances in Session1..5/dialog/EmoEvaluation/*.txt, or a CSV with columns {}, found neither",
            in_words(&COLUMNS)
        );
        findings.error("NO_LABELS", &folder.name, None, message);
    }
    if annotations.is_empty() {
        return Ok(draft);
    }
    let splits = Splits::choose(folder, &annotations, &mut draft, findings)?;
    add_rows(annotations, &splits, &folder.name, &mut draft, findings);
    dicts::join(
        folder,
        features,
        &mut draft,
        |u| u.utterance_id.clone(),
        findings,
    )?;
    if features.is_empty() {
        media::join(folder, &mut draft, &NAMING, findings)?;
    }
    Ok(draft)
}

/// `sentences/wav/<dialogue>/<utterance>.wav`, or `.npy` files of that name.
const NAMING: Naming = Naming {
    key_of_stem: |stem| {
        // the release also holds whole dialogues (`Ses01F_impro01`), which are no utterances
        let (_, last) = stem.rsplit_once('_')?;
        last.starts_with(['F', 'M']).then(|| stem.to_owned())
    },
    key: |u| u.utterance_id.clone(),
    by_split: false,
    known_bad: &[],
};

/// Every utterance of the release tree, in dialogue order.
fn read_tree(
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
        annotation.text = texts.remove(&annotation.id);
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
                findings.error("TIME_FORMAT", file, at(number), message);
            }
            continue;
        };
        let Some(&known) = CODES.iter().find(|&&known| known == code) else {
            let message = format!(
                "utterance {id}: unknown emotion {code:?}, expected one of {}",
                CODES.join(", ")
            );
            findings.error("UNKNOWN_EMOTION", file, at(number), message);
            continue;
        };
        let ordered = start < end;
        if !ordered {
            let message = "the end is not after the start: times are null";
            findings.warn("TIME_ORDER", file, at(number), message);
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

/// The dialogue of an utterance id.
fn dialogue_of(id: &str) -> &str {
    id.rsplit_once('_').map_or(id, |(dialogue, _)| dialogue)
}

/// `[2.5, 2.5, 2.5]`: valence, activation, dominance.
fn vad(cell: Option<&str>, file: &str, line: u64, findings: &mut Findings) -> Option<[f32; 3]> {
    let cell = cell.map(str::trim).filter(|cell| !cell.is_empty())?;
    let numbers: Result<Vec<f32>, _> = (cell.trim_matches(['[', ']', '(', ')']))
        .split([',', ';', ' '])
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect();
    let numbers = numbers
        .ok()
        .and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    match numbers.filter(|numbers| numbers.iter().all(|x| x.is_finite())) {
        Some(numbers) => {
            if numbers.iter().any(|x| !(1.0..=5.0).contains(x)) {
                let message = format!("valence, activation, dominance outside [1, 5]: {cell}");
                findings.info("VAD_RANGE", file, at(line), message);
            }
            Some(numbers)
        }
        None => {
            let message =
                format!("expected [valence, activation, dominance], found {cell:?}: null");
            findings.warn("VAD_FORMAT", file, at(line), message);
            None
        }
    }
}

/// The table with these columns, where there is one; `other` says that the labels come from elsewhere.
fn table(
    folder: &Folder,
    other: bool,
    findings: &mut Findings,
) -> Result<Option<Table>, CorpusError> {
    let mut tables = folder.tables(findings)?;
    tables.retain(|table| table.short_name() != "splits.csv");
    let best = tables
        .iter()
        .map(|table| table.matches(&COLUMNS))
        .max()
        .unwrap_or(0);
    tables.retain(|table| table.matches(&COLUMNS) == best);
    if best < 2 {
        return Ok(None);
    }
    if other {
        for table in &tables {
            let message = "the release tree gives the labels: this table is not used";
            findings.info("UNUSED_FILE", &table.file, None, message);
        }
        return Ok(None);
    }
    if tables.len() > 1 {
        let names: Vec<_> = tables.iter().map(|table| table.file.as_str()).collect();
        let message = format!("expected one label CSV, found {}", names.join(", "));
        findings.error("AMBIGUOUS_LABELS", &folder.name, None, message);
        return Ok(None);
    }
    Ok(tables.pop())
}

/// `vid_cid, label, text`, optionally `VAD` and `vid`; a dialogue's rows are in order.
fn read_table(table: &Table, findings: &mut Findings) -> Vec<Annotation> {
    let Some([id, label, text]) = table.require(COLUMNS, findings) else {
        return Vec::new();
    };
    let (ratings, dialogue) = (table.find(&["VAD"]), table.find(&["vid", "dialogue_id"]));
    let mut annotations = Vec::new();
    for (line, row) in &table.rows {
        let id = row[id].trim().replace("$_$", "_");
        if id.is_empty() {
            let message = "expected an utterance id, found an empty one";
            findings.error("EMPTY_ID", &table.file, at(*line), message);
            continue;
        }
        let raw = row[label].trim();
        let Some(code) = code_of(raw) else {
            let message = format!(
                "utterance {id}: unknown emotion {raw:?}, expected a release code ({}) or a name such as joy, sadness, neutral, anger, excited, frustrated",
                CODES.join(", ")
            );
            findings.error("UNKNOWN_EMOTION", &table.file, at(*line), message);
            continue;
        };
        let named = dialogue
            .map(|column| row[column].trim())
            .filter(|name| !name.is_empty());
        annotations.push(Annotation {
            dialogue: named.unwrap_or_else(|| dialogue_of(&id)).to_owned(),
            id,
            text: Some(row[text].to_owned()),
            interval: None,
            code,
            raw: raw.to_owned(),
            vad: vad(
                ratings.map(|column| &row[column]),
                &table.file,
                *line,
                findings,
            ),
            file: table.file.clone(),
            line: *line,
        });
    }
    annotations
}

/// The release code of an emotion as tables in circulation write it.
fn code_of(label: &str) -> Option<&'static str> {
    let label = label.to_lowercase();
    if let Some(&code) = CODES.iter().find(|&&code| code == label) {
        return Some(code);
    }
    Some(match label.as_str() {
        "joy" | "happy" | "happiness" => "hap",
        "sadness" => "sad",
        "neutral" => "neu",
        "anger" | "angry" => "ang",
        "excited" | "excitement" => "exc",
        "frustrated" | "frustration" => "fru",
        "surprise" | "surprised" => "sur",
        "fear" | "fearful" => "fea",
        "disgust" | "disgusted" => "dis",
        "other" => "oth",
        "unknown" | "undefined" => "xxx",
        _ => return None,
    })
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
        annotations: &[Annotation],
        draft: &mut Draft,
        findings: &mut Findings,
    ) -> Result<Self, CorpusError> {
        if let Some(own) = manifest::own(folder, draft, findings)? {
            return Ok(Self::Own(own));
        }
        let published = manifest::iemocap();
        if annotations
            .iter()
            .any(|e| published.contains_key(e.id.as_str()))
        {
            return Ok(Self::Published(published));
        }
        let message = "no splits.csv and no published id: session 5 is test, the others are train, dev is empty";
        findings.warn("NO_SPLIT", &folder.name, None, message);
        Ok(Self::BySession)
    }

    fn of(&self, annotation: &Annotation) -> Option<Split> {
        match self {
            Self::Own(splits) => splits.get(&annotation.id).copied(),
            Self::Published(splits) => splits.get(annotation.id.as_str()).copied(),
            Self::BySession if annotation.id.starts_with("Ses05") => Some(Split::Test),
            Self::BySession => Some(Split::Train),
        }
    }
}

/// Turns count the utterances of a dialogue in order, those outside the split included.
fn add_rows(
    annotations: Vec<Annotation>,
    splits: &Splits,
    name: &str,
    draft: &mut Draft,
    findings: &mut Findings,
) {
    let mut turns: BTreeMap<String, i32> = BTreeMap::new();
    for a in annotations {
        let next = turns.entry(a.dialogue.clone()).or_default();
        let turn = *next;
        *next = next.saturating_add(1);
        let row = || Some(a.id.clone());
        let Some(split) = splits.of(&a) else {
            let message = "not in the split manifest: left out";
            findings.info("NOT_IN_SPLIT", name, row(), message);
            continue;
        };
        let Some(text) = a.text else {
            let message = "expected a line in dialog/transcriptions, found none: left out";
            findings.warn("NO_TEXT", name, row(), message);
            continue;
        };
        let emotion = IemocapEmotion::from_release_code(a.code);
        let utterance = Utterance {
            corpus: draft.name.clone(),
            split,
            speaker: speaker(&a.id),
            utterance_id: a.id,
            dialogue_id: a.dialogue,
            turn,
            text,
            start_s: a.interval.map(|[start, _]| start),
            end_s: a.interval.map(|[_, end]| end),
            score: None,
            polarity: emotion.map(IemocapEmotion::polarity),
            emotion: emotion.map(|emotion| emotion.name().to_owned()),
            emotion_raw: Some(a.raw),
            audio: None,
            video: None,
            vad: a.vad,
            intensities: None,
        };
        draft.push(utterance, &a.file, a.line);
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
    fn emotions_of_tables() {
        assert_eq!(code_of("Frustrated"), Some("fru"));
        assert_eq!(code_of("hap"), Some("hap"));
        assert_eq!(code_of("joyy"), None);
        let mut findings = Findings::default();
        assert_eq!(
            vad(Some("(2.5, 3, 1)"), "f", 1, &mut findings),
            Some([2.5, 3.0, 1.0])
        );
        assert_eq!(vad(Some(""), "f", 1, &mut findings), None);
        assert_eq!(findings.warnings().count(), 0);
        assert_eq!(vad(Some("[2.5, nan, 1]"), "f", 1, &mut findings), None);
        assert_eq!(findings.warnings().count(), 1);
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
