//! The demo's `mosi` and `mosei`: a label CSV and an MMSA pickle with unaligned sequences.

use super::lexicon::Lexicon;
use super::pickle::{Value, dump};
use super::script::{Cue, Draft, LABEL_NOISE, SPLITS, script};
use super::signal::{Recording, Sensor, record};
use super::{DemoError, File, csv_line};
use unimse_media::synthetic::Stream;

/// How the two corpora differ.
struct Plan {
    name: &'static str,
    /// The CSV's name, and what follows `mode` in its header.
    csv: (&'static str, &'static str),
    sizes: [usize; 3],
    /// The symbol of the lexicon that lists what is reviewed.
    topic: &'static str,
    dims: (usize, usize),
    /// A score is a whole number of `1 / unit`.
    unit: i32,
    /// Largest numerators of a weak and of a mid score.
    bounds: (i32, i32),
    /// `raw_text` is an object array, as MMSA's, or a list.
    objects: bool,
}

const MOSI: Plan = Plan {
    name: "mosi",
    csv: ("MOSI-label.csv", ",label_by"),
    sizes: [250, 46, 92],
    topic: "film",
    dims: (12, 10),
    unit: 10,
    bounds: (10, 20),
    objects: true,
};

const MOSEI: Plan = Plan {
    name: "mosei",
    csv: ("label.csv", ""),
    sizes: [264, 48, 94],
    topic: "product",
    dims: (16, 14),
    unit: 3,
    bounds: (3, 6),
    objects: false,
};

/// Sign and degree of a clip: -3 strongly negative, 0 neutral, 3 strongly positive, with shares per hundred.
const DEGREES: [(i32, u32); 7] = [
    (-3, 13),
    (-2, 14),
    (-1, 12),
    (0, 22),
    (1, 12),
    (2, 14),
    (3, 13),
];
/// Clips of a video.
const CLIPS: (usize, usize) = (3, 8);

/// A clip as the files show it.
struct Clip {
    split: usize,
    video: String,
    clip: usize,
    text: String,
    /// As printed in the CSV.
    score: String,
    audio: Option<Recording>,
    video_frames: Option<Recording>,
}

impl Clip {
    fn value(&self) -> f64 {
        self.score.parse().unwrap_or(0.0)
    }

    fn annotation(&self) -> (&'static str, f64) {
        match self.value() {
            score if score > 0.0 => ("Positive", 2.0),
            score if score < 0.0 => ("Negative", 0.0),
            _ => ("Neutral", 1.0),
        }
    }
}

/// The files of both corpora.
pub(super) fn files() -> Result<Vec<File>, DemoError> {
    let mut lexicon = Lexicon::parse(
        "reviews.toml",
        include_str!("../../../../data/demo/reviews.toml"),
    )?;
    let mut files = Vec::new();
    for plan in [&MOSI, &MOSEI] {
        let clips = clips(plan, &mut lexicon)?;
        files.push((
            format!("{}/{}", plan.name, plan.csv.0),
            csv(plan, &clips).into_bytes(),
        ));
        files.push((
            format!("{}/mmsa_unaligned.pkl", plan.name),
            dump(&pickle(plan, &clips)),
        ));
    }
    Ok(files)
}

fn clips(plan: &Plan, lexicon: &mut Lexicon) -> Result<Vec<Clip>, DemoError> {
    let name = plan.name;
    let mut random = Stream::new(&format!("{name}/clips"));
    let mut words = Stream::new(&format!("{name}/words"));
    let audio = Sensor::new(&format!("{name}/audio"), plan.dims.0, 2);
    let video = Sensor::new(&format!("{name}/video"), plan.dims.1, 2);
    let mut id = String::new();
    let mut clips = Vec::new();
    for Draft {
        split,
        turn,
        label: degree,
        cue,
        ..
    } in script(name, plan.sizes, &DEGREES, CLIPS)
    {
        if turn == 0 {
            id = video_id(&mut random);
        }
        let felt = numerator(degree, plan, &mut random);
        let valence = felt as f32 / plan.unit as f32;
        let (symbol, degree) = symbols(degree, cue);
        let verdict = format!("say_{degree}");
        let bindings = [("topic", plan.topic), ("cue", degree), ("say", &verdict)];
        let text = lexicon.sentence(symbol, &bindings, &mut words)?;
        // Voice: loudness of feeling and its sign; face: mostly the sign.
        let arousal = valence.abs() - 1.3;
        let (audio, video_frames) = record(
            (&audio, &[0.5 * valence, 0.5 * arousal]),
            (&video, &[0.6 * valence, 0.2 * arousal]),
            &id,
            &mut random,
        );
        let range = 3 * plan.unit;
        let drawn = random.below(2 * range as usize + 1) as i32 - range;
        let labelled = if random.chance(LABEL_NOISE) {
            drawn
        } else {
            felt
        };
        let score = if plan.unit == 10 {
            format!("{:.1}", f64::from(labelled) / 10.0)
        } else {
            format!(
                "{:?}",
                (f64::from(labelled) / f64::from(plan.unit) * 1e7).round() / 1e7
            )
        };
        clips.push(Clip {
            split,
            video: id.clone(),
            clip: turn + 1,
            text,
            score,
            audio,
            video_frames,
        });
    }
    Ok(clips)
}

/// The symbol of the sentence and the symbol that `cue` stands for in it.
fn symbols(degree: i32, cue: Cue) -> (&'static str, &'static str) {
    match (cue, degree) {
        (Cue::Flat, _) => ("flat", "neutral"),
        (Cue::TwoFaced, _) => ("two_faced", "neutral"),
        (Cue::Clear, 0) => ("neutral", "neutral"),
        (Cue::Clear, -1) => ("polar", "negative_weak"),
        (Cue::Clear, -2) => ("polar", "negative_mid"),
        (Cue::Clear, i32::MIN..=-3) => ("polar", "negative_strong"),
        (Cue::Clear, 1) => ("polar", "positive_weak"),
        (Cue::Clear, 2) => ("polar", "positive_mid"),
        (Cue::Clear, 3..) => ("polar", "positive_strong"),
    }
}

/// A score of this degree, in units.
fn numerator(degree: i32, plan: &Plan, random: &mut Stream) -> i32 {
    let (weak, mid) = plan.bounds;
    let (low, high) = match degree.abs() {
        0 => return 0,
        1 => (1 + weak / 4, weak),
        2 => (weak + 1, mid),
        _ => (mid + 1, 3 * plan.unit),
    };
    degree.signum() * (low + random.below((high - low + 1) as usize) as i32)
}

/// Eleven characters as a video site gives them, `demo` first.
fn video_id(random: &mut Stream) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_";
    let letters = (0..7).filter_map(|_| random.pick(LETTERS).map(|&letter| char::from(letter)));
    "demo".chars().chain(letters).collect()
}

fn mode(split: usize) -> &'static str {
    match SPLITS.get(split) {
        Some(&"dev") => "valid",
        Some(name) => name,
        None => "",
    }
}

fn csv(plan: &Plan, clips: &[Clip]) -> String {
    let (_, extra) = plan.csv;
    let mut text = format!("video_id,clip_id,text,label,annotation,mode{extra}\n");
    for clip in clips {
        let number = clip.clip.to_string();
        let mut row = vec![
            clip.video.as_str(),
            &number,
            &clip.text,
            &clip.score,
            clip.annotation().0,
            mode(clip.split),
        ];
        if !extra.is_empty() {
            row.push("0");
        }
        csv_line(&mut text, &row);
    }
    text
}

fn pickle(plan: &Plan, clips: &[Clip]) -> Value {
    let split = |split: usize| {
        let clips: Vec<&Clip> = clips.iter().filter(|clip| clip.split == split).collect();
        let texts = clips
            .iter()
            .map(|clip| Value::Str(clip.text.clone()))
            .collect();
        let (audio, audio_lengths) =
            padded(clips.iter().map(|clip| clip.audio.as_ref()), plan.dims.0);
        let (vision, vision_lengths) = padded(
            clips.iter().map(|clip| clip.video_frames.as_ref()),
            plan.dims.1,
        );
        let ids = clips
            .iter()
            .map(|clip| format!("{}$_${}", clip.video, clip.clip));
        Value::Dict(vec![
            (
                "raw_text".into(),
                if plan.objects {
                    Value::Objects(texts)
                } else {
                    Value::List(texts)
                },
            ),
            ("audio".into(), audio),
            ("vision".into(), vision),
            ("id".into(), Value::Unicode(ids.collect())),
            ("audio_lengths".into(), audio_lengths),
            ("vision_lengths".into(), vision_lengths),
            (
                "annotations".into(),
                Value::List(
                    clips
                        .iter()
                        .map(|clip| Value::Str(clip.annotation().0.into()))
                        .collect(),
                ),
            ),
            (
                "classification_labels".into(),
                Value::F64(clips.iter().map(|clip| clip.annotation().1).collect()),
            ),
            (
                "regression_labels".into(),
                Value::F64(clips.iter().map(|clip| clip.value()).collect()),
            ),
        ])
    };
    Value::Dict(
        (0..SPLITS.len())
            .map(|index| (mode(index).to_owned(), split(index)))
            .collect(),
    )
}

/// `[clips, longest, dim]`, zero rows after the end, and the lengths; an absent recording has length 0.
fn padded<'a>(
    recordings: impl Iterator<Item = Option<&'a Recording>> + Clone,
    dim: usize,
) -> (Value, Value) {
    let lengths: Vec<usize> = recordings
        .clone()
        .map(|recording| recording.map_or(0, Recording::steps))
        .collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut values = Vec::with_capacity(lengths.len() * longest * dim);
    for (row, recording) in recordings.enumerate() {
        values.extend(recording.map_or(&[][..], |recording| &recording.values));
        values.resize((row + 1) * longest * dim, 0.0);
    }
    let shape = vec![lengths.len(), longest, dim];
    (
        Value::F32(shape, values),
        Value::List(lengths.into_iter().map(|n| Value::Int(n as i32)).collect()),
    )
}
