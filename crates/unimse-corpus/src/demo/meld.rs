//! The demo's `meld`: three CSVs with MELD's columns, and a pickle of three dicts for audio and one for video.

use super::lexicon::Lexicon;
use super::pickle::{Value, dump};
use super::random::Stream;
use super::script::{Cue, Draft, LABEL_NOISE, SPLITS, script};
use super::signal::{Recording, Sensor, record};
use super::{DemoError, File, csv_line};

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
    let mut lexicon = Lexicon::parse(
        "sitcom.toml",
        include_str!("../../../../data/demo/sitcom.toml"),
    )?;
    let speakers = lexicon.list("speakers")?.to_vec();
    let mut random = Stream::new("meld/utterances");
    let mut words = Stream::new("meld/words");
    // One direction an emotion, and one for pleasant against unpleasant, which surprise alone leaves open.
    let heard = Sensor::new("meld/audio", DIMS.0, EMOTIONS.len() + 1);
    let seen = Sensor::new("meld/video", DIMS.1, EMOTIONS.len() + 1);
    let labels: Vec<(usize, u32)> = EMOTIONS
        .iter()
        .enumerate()
        .map(|(index, &(_, share))| (index, share))
        .collect();
    let mut tables = vec![HEADER.to_owned(); SPLITS.len()];
    let mut rows = [0_usize; 3];
    let mut audio = vec![Vec::new(); SPLITS.len()];
    let mut video = audio.clone();
    let mut cast = Vec::new();
    let mut clock = 0;
    for Draft {
        split,
        group,
        turn,
        label,
        cue,
    } in script("meld", SIZES, &labels, TURNS)
    {
        if turn == 0 {
            cast = (0..2 + random.below(2))
                .filter_map(|_| random.pick(&speakers).cloned())
                .collect();
            clock = 60_000 + 1_000 * random.below(1_100) as u32;
        }
        let speaker = random.pick(&cast).cloned().unwrap_or_default();
        let pleasant = random.chance(0.5);
        let symbol = match cue {
            Cue::Clear => name(label),
            Cue::Flat => "flat",
            Cue::TwoFaced => "two_faced",
        };
        let text = lexicon.sentence(symbol, &[], &mut words)?;
        let weights = weights(label, pleasant, &mut random);
        let (sound, frames) = record((&heard, &weights), (&seen, &weights), &speaker, &mut random);
        let labelled = if random.chance(LABEL_NOISE) {
            random.below(EMOTIONS.len())
        } else {
            label
        };
        let start = clock + 100 + random.below(900) as u32;
        let end = start + 700 + random.below(4_000) as u32;
        clock = end;
        let key = format!("{group}_{turn}");
        for (dicts, recording) in [(&mut audio, sound), (&mut video, frames)] {
            if let (Some(dict), Some(recording)) = (dicts.get_mut(split), recording) {
                dict.push((key.clone(), array(recording)));
            }
        }
        if let (Some(table), Some(row)) = (tables.get_mut(split), rows.get_mut(split)) {
            *row += 1;
            let (dialogue, utterance) = (group.to_string(), turn.to_string());
            let (season, episode) = ((1 + group % 4).to_string(), (1 + group / 4).to_string());
            csv_line(
                table,
                &[
                    &row.to_string(),
                    &text,
                    &speaker,
                    name(labelled),
                    sentiment(name(labelled), pleasant),
                    &dialogue,
                    &utterance,
                    &season,
                    &episode,
                    &time(start),
                    &time(end),
                ],
            );
        }
    }
    let tables = SPLITS.iter().zip(tables);
    let mut files: Vec<File> = tables
        .map(|(split, table)| (format!("meld/{split}_sent_emo.csv"), table.into_bytes()))
        .collect();
    for (modality, dicts) in [("audio", audio), ("video", video)] {
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

fn name(emotion: usize) -> &'static str {
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
