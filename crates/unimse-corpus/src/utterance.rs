//! The one row type every data set becomes, and the corpus that holds the rows.

use crate::Code;
use serde::{Deserialize, Serialize};
use unimse_labels::{
    BasicEmotion, CustomTaxonomy, IemocapEmotion, MeldEmotion, Polarity, Sample, Split, Taxonomy,
};
use unimse_media::Sequence;
use unimse_run::FeatureCards;

/// One utterance of one corpus with its gold labels and features.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Name of the corpus (`mosi`, `mosei`, `meld`, `iemocap`).
    pub corpus: String,
    /// Official split.
    pub split: Split,
    /// Unique within the corpus: `<video>_<clip>`, `<split>_dia<d>_utt<u>`, or the id as released (IEMOCAP).
    pub utterance_id: String,
    /// Dialogue or video; context never leaves it.
    pub dialogue_id: String,
    /// Position in the dialogue: rises with time, may have gaps.
    pub turn: i32,
    /// Speaker where the data set names one.
    pub speaker: Option<String>,
    /// Transcript.
    pub text: String,
    /// Start in the source video, seconds.
    pub start_s: Option<f64>,
    /// End in the source video, seconds; after `start_s`.
    pub end_s: Option<f64>,
    /// Gold sentiment intensity in [-3, 3] (MSA corpora).
    pub score: Option<f32>,
    /// Gold polarity: sign of the score, the sentiment column, or what the emotion implies; `None` neither gives nor takes labels.
    pub polarity: Option<Polarity>,
    /// Gold emotion by its canonical name in the corpus' taxonomy (ERC corpora).
    pub emotion: Option<String>,
    /// The emotion as the data set writes it; kept also where `emotion` is `None`.
    pub emotion_raw: Option<String>,
    /// Audio features; `None` when the modality is absent.
    pub audio: Option<Sequence>,
    /// Video features; `None` when the modality is absent.
    pub video: Option<Sequence>,
    /// Valence, activation, dominance, each in [1, 5] (IEMOCAP).
    pub vad: Option<[f32; 3]>,
    /// Intensity in [0, 3] of each of [`INTENSITIES`] (MOSEI, where the label files hold them).
    pub intensities: Option<[f32; 6]>,
}

/// The emotions that MOSEI's annotators rated, in the order of its label file.
pub const INTENSITIES: [&str; 6] = [
    "happiness",
    "sadness",
    "anger",
    "surprise",
    "disgust",
    "fear",
];

impl Utterance {
    /// The four-way view of IEMOCAP that much of the field reports: excited counts as joy; anger, sadness and neutral stay; the rest is `None`.
    #[must_use]
    pub fn four_way(&self) -> Option<&str> {
        match self.emotion.as_deref()? {
            "excited" => Some("joy"),
            name @ ("joy" | "sadness" | "neutral" | "anger") => Some(name),
            _ => None,
        }
    }

    /// The emotion that MOSEI's annotators rated highest, among equals the first of [`INTENSITIES`]; `None` where all are 0.
    /// It judges donors (`agreement`) and is never a gold label: MOSEI has no emotion classes.
    #[must_use]
    pub fn strongest_emotion(&self) -> Option<BasicEmotion> {
        strongest(self.intensities?)
    }

    /// What the label unifier needs to know of this utterance of a corpus of this task.
    #[must_use]
    pub fn sample(&self, task: Task) -> Sample {
        let emotion = self.emotion.as_deref();
        Sample {
            corpus: self.corpus.clone(),
            utterance_id: self.utterance_id.clone(),
            group: self.dialogue_id.clone(),
            split: self.split,
            polarity: self.polarity,
            intensity: self.score,
            meld: emotion
                .filter(|_| task == Task::Emotion(Taxonomy::Meld))
                .and_then(|name| name.parse::<MeldEmotion>().ok()),
            iemocap: emotion
                .filter(|_| task == Task::Emotion(Taxonomy::Iemocap))
                .and_then(|name| name.parse::<IemocapEmotion>().ok()),
        }
    }
}

/// Which reader a corpus needs: one of the four data sets, in the order in which they appear everywhere, or a table of the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CorpusKind {
    /// CMU-MOSI.
    Mosi,
    /// CMU-MOSEI.
    Mosei,
    /// MELD.
    Meld,
    /// IEMOCAP.
    Iemocap,
    /// Any other folder that holds a table `utterances.csv`, `.jsonl` or `.parquet`.
    Own(Task),
}

impl CorpusKind {
    /// The four data sets, in order.
    pub const KNOWN: [Self; 4] = [Self::Mosi, Self::Mosei, Self::Meld, Self::Iemocap];

    /// Name of the data set's folder, tables and JSON keys; `None` for one of the user's own, which is called as its folder is.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Mosi => Some("mosi"),
            Self::Mosei => Some("mosei"),
            Self::Meld => Some("meld"),
            Self::Iemocap => Some("iemocap"),
            Self::Own(_) => None,
        }
    }

    /// The data set called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::KNOWN
            .into_iter()
            .find(|kind| kind.name() == Some(name))
    }

    /// What the corpus is annotated for.
    #[must_use]
    pub fn task(self) -> Task {
        match self {
            Self::Mosi | Self::Mosei => Task::Sentiment,
            Self::Meld => Task::Emotion(Taxonomy::Meld),
            Self::Iemocap => Task::Emotion(Taxonomy::Iemocap),
            Self::Own(task) => task,
        }
    }

    /// Published number of utterances in train, dev and test.
    #[must_use]
    pub fn published_counts(self) -> Option<[usize; 3]> {
        match self {
            Self::Mosi => Some([1284, 229, 686]),
            Self::Mosei => Some([16326, 1871, 4659]),
            Self::Meld => Some([9989, 1109, 2610]),
            Self::Iemocap => Some([5354, 528, 1650]),
            Self::Own(_) => None,
        }
    }
}

/// What a corpus is annotated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Sentiment intensity in [-3, 3] (MSA).
    Sentiment,
    /// Emotion recognition in conversation (ERC), in a taxonomy.
    Emotion(Taxonomy),
}

impl Task {
    /// All three.
    pub const ALL: [Self; 3] = [
        Self::Sentiment,
        Self::Emotion(Taxonomy::Meld),
        Self::Emotion(Taxonomy::Iemocap),
    ];

    /// `sentiment`, or the name of the taxonomy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Emotion(Taxonomy::Meld) => "meld",
            Self::Emotion(Taxonomy::Iemocap) => "iemocap",
        }
    }

    /// The task of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

/// A file that a table was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path relative to the data folder, with `/`; a file given by `--features` outside it by its file name.
    pub path: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
}

/// One data set, all splits.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// Which data set.
    pub kind: CorpusKind,
    /// Its name: that of the folder it came from.
    pub name: String,
    /// The user's own emotions, where `emotion_raw` holds such: their classes are gold in both taxonomies.
    pub taxonomy: Option<CustomTaxonomy>,
    /// All utterances, sorted by (split, dialogue_id, turn).
    pub utterances: Vec<Utterance>,
    /// Files the utterances came from.
    pub sources: Vec<SourceFile>,
    /// Audio features a step; `None` when no utterance has audio.
    pub audio_dim: Option<usize>,
    /// Video features a step; `None` when no utterance has video.
    pub video_dim: Option<usize>,
    /// How the features were made.
    pub features: FeatureCards,
    /// What the adapter repaired or left out, one line each.
    pub notes: Vec<String>,
    /// True for generated demo data, whose numbers never stand beside published ones.
    pub synthetic: bool,
}

impl Corpus {
    /// The utterances as the label unifier takes them, in order.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let sample = |u: &Utterance| {
            let sample = u.sample(self.task());
            let own = self.taxonomy.as_ref().zip(u.emotion_raw.as_deref());
            match own.and_then(|(own, word)| own.class(word).ok()) {
                Some(class) => Sample {
                    meld: class.meld,
                    iemocap: class.iemocap,
                    ..sample
                },
                None => sample,
            }
        };
        self.utterances.iter().map(sample).collect()
    }

    /// What the corpus is annotated for.
    #[must_use]
    pub fn task(&self) -> Task {
        self.kind.task()
    }

    /// The notes of one kind of finding.
    pub fn notes_of_kind(&self, code: Code) -> impl Iterator<Item = &str> {
        let notes = self.notes.iter().map(String::as_str);
        notes.filter(move |note| Code::in_note(note) == Some(code))
    }

    /// Indices of the utterances of one split, in order.
    pub fn of_split(&self, split: Split) -> impl Iterator<Item = usize> + '_ {
        (self.utterances.iter().enumerate())
            .filter_map(move |(i, u)| (u.split == split).then_some(i))
    }
}

/// The first of the highest ratings, in the order of [`INTENSITIES`].
fn strongest(ratings: [f32; 6]) -> Option<BasicEmotion> {
    let mut best = (None, 0.0);
    for (name, rating) in INTENSITIES.into_iter().zip(ratings) {
        if rating > best.1 {
            best = (Some(name), rating);
        }
    }
    best.0?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_emotion_is_the_first_of_the_highest() {
        for (ratings, expected) in [
            ([0.0; 6], None),
            ([1.0 / 3.0; 6], Some(BasicEmotion::Joy)),
            (
                [0.0, 2.0 / 3.0, 1.0, 1.0, 0.0, 1.0 / 3.0],
                Some(BasicEmotion::Anger),
            ),
            ([0.0, 0.0, 0.0, 1.0, 2.0, 3.0], Some(BasicEmotion::Fear)),
        ] {
            assert_eq!(strongest(ratings), expected, "{ratings:?}");
        }
    }
}
