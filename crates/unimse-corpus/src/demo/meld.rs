//! The demo's `meld`: three CSVs with MELD's columns, and a pickle of three dicts for audio and one for video.

use super::lexicon::Lexicon;
use super::pickle::{Value, dump};
use super::script::{Cue, Draft, LABEL_NOISE, SPLITS, script};
use super::signal::{Recording, Sensor, record};
use super::{DemoError, File, csv_line};
use unimse_media::synthetic::Stream;

const SIZES: [usize; 3] = [270, 49, 96];
const TURNS: (usize, usize) = (5, 9);
const DIMS: (usize, usize) = (20, 12);
const HEADER: &str = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n";

/// The emotions and their shares per hundred.
const EMOTIONS: [(&str, u32); 7] = [
    ("neutral", 21),
    ("surprise", 14),
    ("fear", 11),
    ("sadness", 13),
    ("joy", 16),
    ("disgust", 11),
    ("anger", 14),
];

/// The files of the corpus.
pub(super) fn files() -> Result<Vec<File>, DemoError> {
    let mut studio = Studio::new()?;
    let spoken = script("meld", SIZES, &shares(), TURNS).into_iter();
    let spoken: Vec<Spoken> = spoken
        .map(|draft| studio.speak(draft))
        .collect::<Result<_, _>>()?;
    let mut files = table_files(&spoken);
    let mut dicts = [(); 2].map(|()| vec![Vec::new(); SPLITS.len()]);
    for spoken in spoken {
        let key = format!("{}_{}", spoken.group, spoken.turn);
        for (dicts, recording) in dicts.iter_mut().zip(spoken.recordings) {
            if let (Some(dict), Some(recording)) = (dicts.get_mut(spoken.split), recording) {
                dict.push((key.clone(), array(recording)));
            }
        }
    }
    for (modality, dicts) in ["audio", "video"].into_iter().zip(dicts) {
        let dicts = SPLITS
            .iter()
            .zip(dicts)
            .map(|(split, dict)| ((*split).to_owned(), Value::Dict(dict)));
        files.push((
            format!("meld/{modality}_features.pkl"),
            dump(&Value::Dict(dicts.collect())),
        ));
    }
    Ok(files)
}

/// The emotions by index, and how often each is felt.
pub(super) fn shares() -> Vec<(usize, u32)> {
    let shares = EMOTIONS.iter().map(|&(_, share)| share);
    shares.enumerate().collect()
}

/// An utterance as the files show it.
#[derive(Clone)]
pub(super) struct Spoken {
    pub(super) split: usize,
    pub(super) group: usize,
    pub(super) turn: usize,
    pub(super) speaker: String,
    pub(super) text: String,
    /// As published.
    pub(super) emotion: usize,
    pub(super) pleasant: bool,
    /// Milliseconds.
    pub(super) times: [u32; 2],
    /// Voice and face.
    pub(super) recordings: [Option<Recording>; 2],
}

/// What utterances are made with, and where it stands.
struct Studio {
    lexicon: Lexicon,
    speakers: Vec<String>,
    random: Stream,
    words: Stream,
    heard: Sensor,
    seen: Sensor,
    /// Who speaks in the dialogue.
    cast: Vec<String>,
    /// Where the last utterance ended, milliseconds.
    clock: u32,
}

impl Studio {
    fn new() -> Result<Self, DemoError> {
        let lexicon = Lexicon::parse(
            "sitcom.toml",
            include_str!("../../../../data/demo/sitcom.toml"),
        )?;
        Ok(Self {
            speakers: lexicon.list("speakers")?.to_vec(),
            lexicon,
            random: Stream::new("meld/utterances"),
            words: Stream::new("meld/words"),
            // One direction an emotion, and one for pleasant against unpleasant, which surprise alone leaves open.
            heard: Sensor::new("meld/audio", DIMS.0, EMOTIONS.len() + 1),
            seen: Sensor::new("meld/video", DIMS.1, EMOTIONS.len() + 1),
            cast: Vec::new(),
            clock: 0,
        })
    }

    /// The next utterance; every draw of a stream is in this order.
    fn speak(&mut self, draft: Draft<usize>) -> Result<Spoken, DemoError> {
        let random = &mut self.random;
        if draft.turn == 0 {
            self.cast = (0..2 + random.below(2))
                .filter_map(|_| random.pick(&self.speakers).cloned())
                .collect();
            self.clock = 60_000 + 1_000 * random.below(1_100) as u32;
        }
        let speaker = random.pick(&self.cast).cloned().unwrap_or_default();
        let pleasant = random.chance(0.5);
        let symbol = match draft.cue {
            Cue::Clear => name(draft.label),
            Cue::Flat => "flat",
            Cue::TwoFaced => "two_faced",
        };
        let text = self.lexicon.sentence(symbol, &[], &mut self.words)?;
        let weights = weights(draft.label, pleasant, random);
        let (audio, video) = ((&self.heard, &weights[..]), (&self.seen, &weights[..]));
        let (sound, frames) = record(audio, video, &speaker, random);
        let emotion = if random.chance(LABEL_NOISE) {
            random.below(EMOTIONS.len())
        } else {
            draft.label
        };
        let start = self.clock + 100 + random.below(900) as u32;
        let end = start + 700 + random.below(4_000) as u32;
        self.clock = end;
        Ok(Spoken {
            split: draft.split,
            group: draft.group,
            turn: draft.turn,
            speaker,
            text,
            emotion,
            pleasant,
            times: [start, end],
            recordings: [sound, frames],
        })
    }
}

/// The CSV of each split.
pub(super) fn table_files(spoken: &[Spoken]) -> Vec<File> {
    let named = |(split, table): (&str, String)| {
        let name = format!("meld/{split}_sent_emo.csv");
        (name, table.into_bytes())
    };
    SPLITS.into_iter().zip(tables(spoken)).map(named).collect()
}

fn tables(spoken: &[Spoken]) -> Vec<String> {
    let mut tables = vec![HEADER.to_owned(); SPLITS.len()];
    let mut rows = [0_usize; 3];
    for s in spoken {
        let (Some(table), Some(row)) = (tables.get_mut(s.split), rows.get_mut(s.split)) else {
            continue;
        };
        *row += 1;
        let [start, end] = s.times.map(time);
        csv_line(
            table,
            &[
                &row.to_string(),
                &s.text,
                &s.speaker,
                name(s.emotion),
                sentiment(name(s.emotion), s.pleasant),
                &s.group.to_string(),
                &s.turn.to_string(),
                &(1 + s.group % 4).to_string(),
                &(1 + s.group / 4).to_string(),
                &start,
                &end,
            ],
        );
    }
    tables
}

pub(super) fn name(emotion: usize) -> &'static str {
    EMOTIONS.get(emotion).map_or("neutral", |(name, _)| name)
}

/// As MELD marks it: surprise alone can be either.
fn sentiment(emotion: &str, pleasant: bool) -> &'static str {
    match emotion {
        "neutral" => "neutral",
        "joy" => "positive",
        "surprise" if pleasant => "positive",
        _ => "negative",
    }
}

/// How much of each direction shows: the emotion's by its strength, and pleasantness for all but neutral.
fn weights(emotion: usize, pleasant: bool, random: &mut Stream) -> Vec<f32> {
    let mut weights = vec![0.0; EMOTIONS.len() + 1];
    if let Some(weight) = weights.get_mut(emotion) {
        *weight = 0.8 + 0.4 * random.unit();
    }
    if let Some(weight) = weights.last_mut() {
        *weight = match sentiment(name(emotion), pleasant) {
            "positive" => 0.6,
            "negative" => -0.6,
            _ => 0.0,
        };
    }
    weights
}

/// `[steps, dim]`.
pub(super) fn array(recording: Recording) -> Value {
    Value::F32(vec![recording.steps(), recording.dim], recording.values)
}

/// `HH:MM:SS,mmm`.
fn time(milliseconds: u32) -> String {
    let seconds = milliseconds / 1_000;
    format!(
        "{:02}:{:02}:{:02},{:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1_000
    )
}
