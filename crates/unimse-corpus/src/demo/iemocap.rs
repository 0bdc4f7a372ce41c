//! The demo's `iemocap`: the release tree of five sessions, a split table and a dict of features for audio and for video.

use super::lexicon::Lexicon;
use super::meld::array;
use super::pickle::{Value, dump};
use super::script::{Cue, Draft, LABEL_NOISE, SPLITS, script};
use super::signal::{Recording, Sensor, record};
use super::{DemoError, File};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use unimse_media::synthetic::Stream;

const SIZES: [usize; 3] = [258, 48, 95];
const TURNS: (usize, usize) = (5, 9);
const DIMS: (usize, usize) = (14, 8);

/// Release code, the name of the lexicon, the pleasantness that annotators hear, and the share per thousand.
const EMOTIONS: [(&str, &str, i32, u32); 11] = [
    ("hap", "joy", 4, 125),
    ("sad", "sadness", 2, 155),
    ("neu", "neutral", 3, 195),
    ("ang", "anger", 2, 165),
    ("exc", "excited", 4, 145),
    ("fru", "frustrated", 2, 180),
    ("sur", "other", 3, 7),
    ("fea", "other", 2, 7),
    ("dis", "other", 2, 7),
    ("oth", "other", 3, 7),
    ("xxx", "other", 3, 7),
];
/// The first six are the classes that count.
const CLASSES: usize = 6;

/// One dialogue's two files.
#[derive(Default)]
struct Dialogue {
    session: usize,
    evaluation: String,
    transcription: String,
}

/// The files of the corpus.
pub(super) fn files() -> Result<Vec<File>, DemoError> {
    let labels: Vec<(usize, u32)> = EMOTIONS
        .iter()
        .enumerate()
        .map(|(index, emotion)| (index, emotion.3))
        .collect();
    let mut studio = Studio::new()?;
    let mut dialogues: BTreeMap<String, Dialogue> = BTreeMap::new();
    let mut splits = "utterance_id,split\n".to_owned();
    let (mut audio, mut video) = (Vec::new(), Vec::new());
    for draft in script("iemocap", SIZES, &labels, TURNS) {
        let spoken = studio.speak(draft)?;
        let id = &spoken.id;
        for (dict, recording) in [&mut audio, &mut video].into_iter().zip(spoken.recordings) {
            dict.extend(recording.map(|recording| (id.clone(), array(recording))));
        }
        let (start, end) = spoken.times;
        let files = (dialogues.entry(spoken.dialogue)).or_insert_with(|| Dialogue {
            session: spoken.session,
            evaluation: "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n".to_owned(),
            ..Dialogue::default()
        });
        let (emotion, strength) = (spoken.emotion, spoken.strength);
        evaluate(&mut files.evaluation, id, (start, end), emotion, strength);
        let (from, to, text) = (seconds(start), seconds(end), spoken.text);
        // Writing to a String cannot fail.
        let _ = writeln!(files.transcription, "{id} [{from:0>8}-{to:0>8}]: {text}");
        let _ = writeln!(splits, "{id},{}", SPLITS.get(spoken.split).unwrap_or(&""));
    }
    let mut files = vec![("iemocap/splits.csv".to_owned(), splits.into_bytes())];
    for (modality, dict) in [("audio", audio), ("video", video)] {
        files.push((
            format!("iemocap/{modality}_features.pkl"),
            dump(&Value::Dict(dict)),
        ));
    }
    for (name, dialogue) in dialogues {
        let folder = format!("iemocap/Session{}/dialog", dialogue.session);
        files.push((
            format!("{folder}/EmoEvaluation/{name}.txt"),
            dialogue.evaluation.into_bytes(),
        ));
        files.push((
            format!("{folder}/transcriptions/{name}.txt"),
            dialogue.transcription.into_bytes(),
        ));
    }
    Ok(files)
}

/// An utterance as the files show it.
struct Spoken {
    split: usize,
    session: usize,
    dialogue: String,
    id: String,
    text: String,
    /// As published.
    emotion: usize,
    strength: f32,
    /// Tenths of a millisecond.
    times: (usize, usize),
    /// Voice and face.
    recordings: [Option<Recording>; 2],
}

/// What utterances are made with, and where it stands.
struct Studio {
    lexicon: Lexicon,
    random: Stream,
    words: Stream,
    heard: Sensor,
    seen: Sensor,
    /// Utterances of each speaker in the dialogue.
    spoken: [usize; 2],
    /// Where the last utterance ended, tenths of a millisecond.
    clock: usize,
}

impl Studio {
    fn new() -> Result<Self, DemoError> {
        Ok(Self {
            lexicon: Lexicon::parse(
                "drama.toml",
                include_str!("../../../../data/demo/drama.toml"),
            )?,
            random: Stream::new("iemocap/utterances"),
            words: Stream::new("iemocap/words"),
            heard: Sensor::new("iemocap/audio", DIMS.0, CLASSES + 1),
            seen: Sensor::new("iemocap/video", DIMS.1, CLASSES + 1),
            spoken: [0, 0],
            clock: 0,
        })
    }

    /// The next utterance; every draw of a stream is in this order.
    fn speak(&mut self, draft: Draft<usize>) -> Result<Spoken, DemoError> {
        let (random, group) = (&mut self.random, draft.group);
        let session = session(draft.split, group);
        let side = if group % 2 == 0 { 'F' } else { 'M' };
        let dialogue = format!("Ses{session:02}{side}_impro{}", 21 + group);
        if draft.turn == 0 {
            self.spoken = [0, 0];
            self.clock = 62_000 + random.below(30_000);
        }
        // Mostly by turns, now and then the same speaker goes on.
        let side = (draft.turn + usize::from(random.chance(0.15))) % 2;
        let letter = if side == 0 { 'F' } else { 'M' };
        let count =
            (self.spoken.get_mut(side)).map_or(0, |count| std::mem::replace(count, *count + 1));
        let symbol = match draft.cue {
            Cue::Clear => EMOTIONS
                .get(draft.label)
                .map_or("other", |emotion| emotion.1),
            Cue::Flat => "flat",
            Cue::TwoFaced => "two_faced",
        };
        let text = self.lexicon.sentence(symbol, &[], &mut self.words)?;
        let strength = random.unit();
        let weights = weights(draft.label, strength);
        let speaker = format!("{session}{letter}");
        let (audio, video) = ((&self.heard, &weights[..]), (&self.seen, &weights[..]));
        let (sound, frames) = record(audio, video, &speaker, random);
        let emotion = if random.chance(LABEL_NOISE) && draft.label < CLASSES {
            random.below(CLASSES)
        } else {
            draft.label
        };
        let start = self.clock + 2_000 + random.below(9_000);
        let end = start + 8_000 + random.below(50_000);
        self.clock = end;
        Ok(Spoken {
            split: draft.split,
            session,
            id: format!("{dialogue}_{letter}{count:03}"),
            dialogue,
            text,
            emotion,
            strength,
            times: (start, end),
            recordings: [sound, frames],
        })
    }
}

/// Sessions 1 to 3 train, 4 is dev, 5 is test.
fn session(split: usize, group: usize) -> usize {
    match SPLITS.get(split) {
        Some(&"test") => 5,
        Some(&"dev") => 4,
        _ => 1 + group % 3,
    }
}

/// How much of each direction shows: the emotion's by its strength, and pleasantness; others share no direction.
fn weights(emotion: usize, strength: f32) -> Vec<f32> {
    let mut weights = vec![0.0; CLASSES + 1];
    if let (Some(weight), true) = (weights.get_mut(emotion), emotion < CLASSES) {
        *weight = 0.8 + 0.4 * strength;
    }
    if let (Some(weight), Some(emotion)) = (weights.last_mut(), EMOTIONS.get(emotion)) {
        *weight = 0.5 * (emotion.2 - 3) as f32;
    }
    weights
}

/// The block of one utterance: the label and its means, then what two annotators said.
fn evaluate(
    out: &mut String,
    id: &str,
    (start, end): (usize, usize),
    emotion: usize,
    strength: f32,
) {
    let (code, _, valence, _) = EMOTIONS
        .get(emotion)
        .copied()
        .unwrap_or(("xxx", "other", 3, 0));
    let activation = 2 + (strength * 2.99) as i32;
    let (v, a, d) = (f64::from(valence), f64::from(activation), 3.0);
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "[{} - {}]\t{id}\t{code}\t[{v:.4}, {:.4}, {d:.4}]",
        seconds(start),
        seconds(end),
        a + 0.5
    );
    let _ = writeln!(out, "A-E1:\tval {valence}; act {activation}; dom  3;\t()");
    let _ = writeln!(
        out,
        "A-E2:\tval {valence}; act {}; dom  3;\t()\n",
        activation + 1
    );
}

/// Tenths of a millisecond as seconds with four decimals.
fn seconds(ticks: usize) -> String {
    format!("{}.{:04}", ticks / 10_000, ticks % 10_000)
}
