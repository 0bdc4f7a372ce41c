//! The demo with media: a corpus in the layout of MELD's release whose clips are files of a synthesised voice and a drawn face.
//!
//! What is felt is told by the words of five utterances in nine, as in the other corpora, and by voice and face of all but three in ten of those
//! five: there the words alone tell it. So neither words nor voice and face are enough.

use super::lexicon::Lexicon;
use super::meld::{self, Spoken};
use super::script::{Cue, script};
use super::{DemoError, File, MARKER, VERSION, write_folder};
use rayon::prelude::*;
use std::path::Path;
use std::str::FromStr;
use unimse_labels::MeldEmotion;
use unimse_media::synthetic::{Acting, Person, Stream};
use unimse_media::{MediaError, SAMPLE_RATE};

/// Utterances of train, dev and test.
pub const MEDIA_SIZES: [usize; 3] = [300, 54, 150];
/// Folders of the clips, as in the release.
const FOLDERS: [&str; 3] = [
    "train_splits",
    "dev_splits_complete",
    "output_repeated_splits_test",
];
const TURNS: (usize, usize) = (5, 9);
/// Share of utterances with telling words whose voice and face stay neutral.
const DEADPAN: f32 = 0.3;
/// Pixels of a side, and pictures a second.
const SIDE: usize = 120;
const RATE: f32 = 5.0;

/// What the clips are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Wave files of the voices.
    Sound,
    /// mp4 files of voices and faces, by the system's ffmpeg.
    Film,
}

impl FromStr for Media {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "sound" => Ok(Self::Sound),
            "film" => Ok(Self::Film),
            _ => Err(format!("expected sound or film, found {name:?}")),
        }
    }
}

/// Writes `dir/meld`, the three tables of MELD's release and a clip an utterance, by the threads of rayon's current pool, and the marker
/// `dir/SYNTHETIC`. `sizes` says how many utterances train, dev and test have; [`MEDIA_SIZES`] is usual.
///
/// # Errors
/// [`DemoError::Foreign`] if `dir` holds files; [`DemoError::Media`] if there is no ffmpeg for films; [`DemoError::Io`] if the disk refuses.
pub fn write_media(dir: &Path, media: Media, sizes: [usize; 3]) -> Result<(), DemoError> {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(DemoError::Foreign {
            path: dir.to_owned(),
        });
    }
    let scenes = scenes(sizes)?;
    let spoken: Vec<Spoken> = scenes.iter().map(|scene| scene.spoken.clone()).collect();
    let marker = format!(
        "Synthetic corpus of the unimse demo with media, generator version {VERSION}: nobody's voice and nobody's face.\n"
    );
    let mut files: Vec<File> = vec![(MARKER.to_owned(), marker.into_bytes())];
    files.extend(meld::table_files(&spoken));
    write_folder(dir, &files, |root| {
        for folder in FOLDERS {
            let folder = root.join("meld").join(folder);
            std::fs::create_dir_all(&folder).map_err(super::io(&folder))?;
        }
        let shot = |scene: &Scene| scene.shoot(root, media);
        Ok(scenes.par_iter().try_for_each(shot)?)
    })
}

/// An utterance and how it is played.
struct Scene {
    spoken: Spoken,
    acting: Acting,
}

fn scenes(sizes: [usize; 3]) -> Result<Vec<Scene>, DemoError> {
    let mut lexicon = Lexicon::parse(
        "sitcom.toml",
        include_str!("../../../../data/demo/sitcom.toml"),
    )?;
    let speakers = lexicon.list("speakers")?.to_vec();
    let mut random = Stream::new("media/utterances");
    let mut words = Stream::new("media/words");
    let (mut cast, mut clock) = (Vec::new(), 0);
    let mut scenes = Vec::new();
    for draft in script("media", sizes, &meld::shares(), TURNS) {
        if draft.turn == 0 {
            let two_or_three = 0..2 + random.below(2);
            cast = two_or_three
                .filter_map(|_| random.pick(&speakers).cloned())
                .collect();
            clock = 60_000 + 1_000 * random.below(1_100) as u32;
        }
        let name = meld::name(draft.label);
        let symbol = match draft.cue {
            Cue::Clear => name,
            Cue::Flat => "flat",
            Cue::TwoFaced => "two_faced",
        };
        let text = lexicon.sentence(symbol, &[], &mut words)?;
        let deadpan = random.chance(DEADPAN) && draft.cue == Cue::Clear;
        let intensity = 0.7 + 0.3 * random.unit();
        let acting = match name.parse::<MeldEmotion>() {
            Ok(emotion) if !deadpan => Acting {
                emotion: emotion.basic(),
                intensity,
            },
            _ => Acting::NEUTRAL,
        };
        let mut scene = Scene {
            spoken: Spoken {
                split: draft.split,
                group: draft.group,
                turn: draft.turn,
                speaker: random.pick(&cast).cloned().unwrap_or_default(),
                text,
                emotion: draft.label,
                pleasant: true, // a surprise is a good one
                times: [0; 2],
                recordings: [None, None],
            },
            acting,
        };
        let samples = scene.spoken_aloud(&mut scene.random()).samples.len();
        let start = clock + 100 + random.below(900) as u32;
        clock = start + (samples as u64 * 1_000 / u64::from(SAMPLE_RATE)) as u32;
        scene.spoken.times = [start, clock];
        scenes.push(scene);
    }
    Ok(scenes)
}

impl Scene {
    /// The chance of this scene alone, so that scenes can be played in any order.
    fn random(&self) -> Stream {
        let Spoken {
            split, group, turn, ..
        } = self.spoken;
        Stream::new(&format!("media/scene/{split}/{group}/{turn}"))
    }

    fn person(&self) -> Person {
        Person::new(&self.spoken.speaker)
    }

    fn spoken_aloud(&self, random: &mut Stream) -> unimse_media::synthetic::Speech {
        self.person().speak(&self.spoken.text, self.acting, random)
    }

    /// Writes the clip below `root`.
    fn shoot(&self, root: &Path, media: Media) -> Result<(), MediaError> {
        let mut random = self.random();
        let speech = self.spoken_aloud(&mut random);
        let Spoken {
            split, group, turn, ..
        } = self.spoken;
        let folder = FOLDERS.get(split).unwrap_or(&"");
        let stem = format!("meld/{folder}/dia{group}_utt{turn}");
        match media {
            Media::Sound => speech.write_wav(&root.join(stem + ".wav")),
            Media::Film => {
                let person = self.person();
                let size = (SIDE, SIDE);
                let film = person.film(&speech.mouth, self.acting, size, RATE, &mut random);
                speech.write_mp4(&root.join(stem + ".mp4"), RATE, film)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use std::collections::BTreeMap;
    use unimse_media::{Span, read_clip};

    const SMALL: [usize; 3] = [9, 5, 5];

    #[test]
    fn every_utterance_has_a_clip_as_long_as_the_table_says_and_the_same_bytes_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| dir.path().join(name));
        write_media(&first, Media::Sound, SMALL).unwrap();
        write_media(&second, Media::Sound, SMALL).unwrap();
        for scene in scenes(SMALL).unwrap() {
            let s = &scene.spoken;
            let name = format!("meld/{}/dia{}_utt{}.wav", FOLDERS[s.split], s.group, s.turn);
            let clip = read_clip(&first.join(&name), Span::default()).unwrap();
            let told_s = f64::from(s.times[1] - s.times[0]) / 1_000.0;
            assert!((clip.seconds() - told_s).abs() < 0.002, "{name}");
            let bytes = |dir: &Path| std::fs::read(dir.join(&name)).unwrap();
            assert_eq!(bytes(&first), bytes(&second), "{name}");
        }
        let foreign = write_media(&first, Media::Sound, SMALL);
        assert!(matches!(foreign, Err(DemoError::Foreign { .. })));
    }

    #[test]
    fn words_tell_what_voice_and_face_do_not_and_the_other_way_round() {
        let scenes = scenes(MEDIA_SIZES).unwrap();
        let mut counts: BTreeMap<(bool, bool), usize> = BTreeMap::new();
        let lexicon = include_str!("../../../../data/demo/sitcom.toml");
        let lists: BTreeMap<String, Vec<String>> = toml::from_str(lexicon).unwrap();
        assert!(lists.contains_key("flat") && lists.contains_key("two_faced"));
        let neutral = |scene: &&Scene| meld::name(scene.spoken.emotion) == "neutral";
        let drafts = script("media", MEDIA_SIZES, &meld::shares(), TURNS);
        for (scene, draft) in scenes
            .iter()
            .zip(&drafts)
            .filter(|(scene, _)| !neutral(scene))
        {
            let key = (draft.cue == Cue::Clear, scene.acting != Acting::NEUTRAL);
            *counts.entry(key).or_default() += 1;
        }
        let all: usize = counts.values().sum();
        let share = |key| counts.get(&key).map_or(0.0, |&n| n as f32 / all as f32);
        assert!(
            (share((false, true)) - 4.0 / 9.0).abs() < 0.03,
            "{counts:?}"
        );
        assert!(
            (share((true, false)) - DEADPAN * 5.0 / 9.0).abs() < 0.05,
            "{counts:?}"
        );
        assert_eq!(share((false, false)), 0.0, "{counts:?}");
    }
}
