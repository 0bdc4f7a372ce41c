//! Utterances cut out of whole clips: the same features as of clips that were cut before, what is done again, what is said of parts that cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use unimse_formats::read_npy;
use unimse_media::{
    AudioFeatures, Fault, Features, MediaError, Span,
    extract::{Extracted, Part, Parts, RECORDS, extract, extract_parts, records},
    synthetic::Acting,
    video::{self, Settings},
};

use crate::common::{Vowel, faces, ffmpeg, film, has_ffmpeg, noise, write_wave};

const RATE: u32 = 22_050;
const TABLE: &str = "own/utterances.csv";
/// The clip's length in seconds.
const SECONDS: f64 = 6.0;

fn part(id: &str, clip: &str, from_s: f64, to_s: Option<f64>) -> Part {
    Part {
        row: format!("{TABLE}, line {id}"),
        utterance: id.to_owned(),
        corpus: "own".to_owned(),
        clip: clip.to_owned(),
        span: Span { from_s, to_s },
        fault: None,
    }
}

fn parts(list: Vec<Part>) -> Parts {
    Parts {
        cut: list.iter().map(|part| part.clip.clone()).collect(),
        sources: BTreeSet::from([TABLE.to_owned()]),
        list,
    }
}

/// A folder with a table and a clip `own/film.wav` whose voice rises, so that no part is like another.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(world.data().join("own")).unwrap();
        fs::write(world.data().join(TABLE), "utterance_id,clip\n").unwrap();
        write_wave(&world.film(), &Self::samples(), RATE);
        world
    }

    fn samples() -> Vec<f32> {
        let mut samples: Vec<f32> = (0..6)
            .flat_map(|at| Vowel::steady(90.0 + 20.0 * f64::from(at), 1.0).samples(RATE))
            .collect();
        for (sample, hiss) in samples.iter_mut().zip(noise(0.01, 6 * RATE as usize)) {
            *sample += hiss;
        }
        samples
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn film(&self) -> PathBuf {
        self.data().join("own/film.wav")
    }

    fn run(&self, list: Vec<Part>) -> Extracted {
        self.try_run(list, AudioFeatures::Both).unwrap()
    }

    fn try_run<'a>(
        &self,
        list: Vec<Part>,
        features: impl Into<Features<'a>>,
    ) -> Result<Extracted, MediaError> {
        extract_parts(&self.data(), &parts(list), &self.out(), features, &|_| {})
    }

    fn features(&self, id: &str) -> Vec<u8> {
        fs::read(self.out().join(Part::target("own", "audio", id))).unwrap()
    }
}

#[test]
fn a_part_has_the_features_of_a_clip_that_was_cut_before() {
    let world = World::new();
    let times = [
        (0.0, Some(1.3)),
        (1.3, Some(2.75)),
        (2.2, Some(4.0)),
        (4.123_4, None),
    ];
    let list = (0..4).map(|i| part(&i.to_string(), "own/film.wav", times[i].0, times[i].1));
    let extracted = world.run(list.collect());
    assert_eq!(
        (extracted.records.len(), extracted.findings().count()),
        (4, 0)
    );
    let samples = World::samples();
    let index = |seconds: f64| (seconds * f64::from(RATE)).round() as usize;
    for (id, (from, to)) in times.into_iter().enumerate() {
        let cut = world.0.path().join("cut");
        fs::create_dir_all(&cut).unwrap();
        let to = to.map_or(samples.len(), index);
        write_wave(&cut.join("one.wav"), &samples[index(from)..to], RATE);
        let apart = world.0.path().join(format!("apart{id}"));
        extract(&cut, &apart, AudioFeatures::Both, &|_| {}).unwrap();
        let expected = fs::read(apart.join("audio/one.npy")).unwrap();
        assert!(world.features(&id.to_string()) == expected, "part {id}");
    }
    // the film as a whole is nobody's, and the table is there for ingest
    assert!(!world.out().join("own/audio/film.npy").exists());
    assert!(world.out().join(TABLE).is_file());
    let seconds: f64 = times
        .iter()
        .map(|(from, to)| to.unwrap_or(SECONDS) - from)
        .sum();
    assert!((extracted.seconds() - seconds).abs() < 4.0 / 16_000.0 * 2.0);
}

#[test]
fn only_parts_that_are_new_or_others_are_extracted_again() {
    let world = World::new();
    let list = || {
        vec![
            part("a", "own/film.wav", 0.0, Some(1.0)),
            part("b", "own/film.wav", 1.0, Some(2.0)),
            part("c", "own/film.wav", 2.0, None),
        ]
    };
    assert_eq!(world.run(list()).kept, 0);
    let before = ["a", "b", "c"].map(|id| world.features(id));
    assert_eq!(world.run(list()).kept, 3);
    // another time, a row that moved within its table, features that were lost
    let mut moved = list();
    moved[0].span.to_s = Some(1.5);
    moved[1].row = format!("{TABLE}, line 99");
    fs::remove_file(world.out().join(Part::target("own", "audio", "c"))).unwrap();
    let extracted = world.run(moved);
    assert_eq!(extracted.kept, 1);
    let record = &extracted.records[1];
    assert_eq!(
        (
            record.utterance.as_deref(),
            record.row.as_deref(),
            record.start_s,
            record.end_s
        ),
        (
            Some("b"),
            Some("own/utterances.csv, line 99"),
            Some(1.0),
            Some(2.0)
        )
    );
    assert_eq!(records(&world.out()).unwrap(), extracted.records);
    let after = ["a", "b", "c"].map(|id| world.features(id));
    assert!(after[0] != before[0] && after[1..] == before[1..]);
    // another clip under the same id, and back
    fs::copy(world.film(), world.data().join("own/copy.wav")).unwrap();
    let mut other = list();
    other[2].clip = "own/copy.wav".to_owned();
    assert_eq!(world.run(other).kept, 1); // b; the time of a is the first one again
    fs::remove_file(world.data().join("own/copy.wav")).unwrap();
    assert_eq!(world.run(list()).kept, 2);
    // other content: everything
    write_wave(&world.film(), &World::samples()[1..], RATE);
    assert_eq!(world.run(list()).kept, 0);
}

/// Eleven parts that cannot be, and two that can.
fn broken() -> Vec<Part> {
    let film = "own/film.wav";
    let bad_row = Part {
        fault: Some(Fault::Row {
            column: "end_s".to_owned(),
            expected: "more than 3".to_owned(),
            found: "2".to_owned(),
        }),
        ..part("row", film, 0.0, None)
    };
    vec![
        bad_row.clone(),
        Part {
            row: format!("{TABLE}, line 7"),
            ..bad_row
        },
        part("behind", film, 6.5, Some(7.0)),
        part("behind, to the end", film, 1e300, None),
        part("past", film, 5.0, Some(7.0)),
        part("nearly", film, 5.0, Some(6.4)),
        part("turned", film, 3.0, Some(2.0)),
        part("negative", film, -1.0, None),
        part("no number", film, f64::NAN, None),
        part("instant", film, 1.0, Some(1.0 + 1e-9)),
        part("gone", "own/gone.mp4", 0.0, None),
        part("text", "own/text.mp4", 0.0, Some(1.0)),
        part("../out of here", film, 1.0, Some(2.0)),
    ]
}

#[test]
fn what_is_wrong_with_a_part_is_recorded_and_the_others_go_on() {
    let world = World::new();
    fs::write(world.data().join("own/text.mp4"), "no clip").unwrap();
    let list = broken();
    let extracted = world.run(list.clone());
    let told: BTreeMap<&str, (&str, &str)> = (extracted.findings())
        .map(|record| {
            let message = record.message.as_deref().unwrap();
            (
                record.utterance.as_deref().unwrap(),
                (record.fault.as_deref().unwrap(), message),
            )
        })
        .collect();
    let past = "expected the part from 5 s to 7 s, found 1.00 s of it: the clip ends before";
    let behind = "expected the part from 6.5 s to 7 s, found 0.00 s of it: the clip ends before";
    assert_eq!(
        told["row"],
        ("ROW", "column end_s: expected more than 3, found 2")
    );
    assert_eq!(told["past"], ("SPAN", past));
    assert_eq!(told["behind"], ("SPAN", behind));
    for (id, kind) in [
        ("behind, to the end", "SPAN"),
        ("turned", "SPAN"),
        ("negative", "SPAN"),
        ("no number", "SPAN"),
        ("instant", "NO_SAMPLE"),
        ("gone", "UNREADABLE"),
        ("text", "NOT_MEDIA"),
    ] {
        assert_eq!(told[id].0, kind, "{id}: {}", told[id].1);
    }
    assert_eq!(extracted.findings().count(), 2 + 2 + 7); // the row twice
    assert_eq!(extracted.records.len(), list.len());
    // half a second behind the end is the rounding of those who wrote the times
    world.features("nearly");
    world.features("../out of here");
    assert!(
        world
            .out()
            .join("own/audio/utterances/%2E.%2Fout%20of%20here.npy")
            .is_file()
    );
    // what could be opened is not opened again, and says the same
    let again = world.run(list);
    assert_eq!(again.kept, extracted.records.len() - 4); // the two rows, what is gone, and what is no number
    let lines = |extracted: &Extracted| format!("{:?}", extracted.records);
    assert_eq!(lines(&again), lines(&extracted));
}

#[test]
fn an_output_with_another_table_is_refused_before_anything_is_done() {
    let world = World::new();
    let list = || vec![part("a", "own/film.wav", 0.0, Some(1.0))];
    world.run(list());
    // editors write a new file: the link to the old one stays
    fs::remove_file(world.data().join(TABLE)).unwrap();
    fs::write(world.data().join(TABLE), "utterance_id,clip,start_s\n").unwrap();
    let before = fs::read(world.out().join(RECORDS)).unwrap();
    let error = world
        .try_run(list(), AudioFeatures::Both)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("out/own/utterances.csv: expected the content of"),
        "{error}"
    );
    assert_eq!(fs::read(world.out().join(RECORDS)).unwrap(), before);
    fs::remove_file(world.out().join(TABLE)).unwrap();
    assert_eq!(world.run(list()).kept, 1);
}

/// Where the test runs itself as the process that is killed.
const CHILD: &str = "UNIMSE_TEST_KILLED_PARTS";

#[test]
fn a_killed_run_loses_no_part() {
    let list = || -> Vec<Part> {
        let at = |i: i32| f64::from(i) * 0.09;
        let one = |i| part(&format!("{i:02}"), "own/film.wav", at(i), Some(at(i) + 0.5));
        (0..60).map(one).collect()
    };
    let run = |data: &Path, out: &Path| {
        extract_parts(data, &parts(list()), out, AudioFeatures::Both, &|_| {}).unwrap()
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        run(
            &Path::new(&folder).join("data"),
            &Path::new(&folder).join("out"),
        );
        return;
    }
    let world = World::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parts::a_killed_run_loses_no_part"])
        .env(CHILD, world.0.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines =
        || fs::read_to_string(world.out().join(RECORDS)).map_or(0, |text| text.lines().count());
    while lines() < 5 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let recorded = lines();
    let extracted = run(&world.data(), &world.out());
    assert!(
        recorded >= 4 && extracted.kept + 1 >= recorded,
        "{recorded}"
    );
    let fresh = world.0.path().join("fresh");
    run(&world.data(), &fresh);
    for name in [RECORDS, "own/features.toml", TABLE] {
        assert!(fs::read(world.out().join(name)).unwrap() == fs::read(fresh.join(name)).unwrap());
    }
    for i in 0..60 {
        let name = Part::target("own", "audio", &format!("{i:02}"));
        assert!(fs::read(world.out().join(&name)).unwrap() == fs::read(fresh.join(name)).unwrap());
    }
}

#[test]
fn parts_of_compressed_sound_are_those_of_the_wave_file_within_the_codecs_error() {
    if !has_ffmpeg("parts_of_compressed_sound_are_those_of_the_wave_file_within_the_codecs_error") {
        return;
    }
    let world = World::new();
    // the largest mean difference of the bands, in decibels
    for (name, arguments, most) in [
        ("film.flac", &["-c:a", "flac"][..], 0.01),
        ("film.m4a", &["-c:a", "aac", "-b:a", "192k"], 1.5),
        ("film.mp3", &["-c:a", "libmp3lame", "-b:a", "192k"], 1.5),
        ("film.ogg", &["-c:a", "libvorbis", "-q:a", "7"], 1.5),
    ] {
        let path = world.data().join("own").join(name);
        let (input, output) = (world.film(), path.to_str().unwrap().to_owned());
        ffmpeg(&[&["-i", input.to_str().unwrap()][..], arguments, &[&output]].concat());
        let clip = format!("own/{name}");
        let times = [(0.0, 1.5), (1.7, 3.0), (4.25, 5.5)];
        let list = times.iter().enumerate().flat_map(|(i, &(from, to))| {
            let of = |kind: &str, clip: &str| part(&format!("{kind}{i}"), clip, from, Some(to));
            [of("wave", "own/film.wav"), of(name, &clip)]
        });
        let behind = [(5.0, 7.0), (6.5, 7.0), (1e6, 1e6 + 1.0)].map(|(from, to)| {
            let id = format!("behind {from}");
            part(&id, &clip, from, Some(to))
        });
        let list = list.chain(behind).collect();
        let extracted = world.try_run(list, AudioFeatures::Mel).unwrap();
        let told = extracted.findings().map(|record| record.fault.as_deref());
        assert_eq!(
            told.collect::<Vec<_>>(),
            [Some("SPAN"); 3],
            "{name}: {extracted:?}"
        );
        for i in 0..times.len() {
            let read = |kind: &str| {
                let target = Part::target("own", "audio", &format!("{kind}{i}"));
                read_npy(&world.out().join(target)).unwrap()
            };
            let (wave, own) = (read("wave"), read(name));
            assert_eq!(wave.shape, own.shape, "{name} {i}");
            let pairs = wave.values.iter().zip(&own.values);
            let loud: Vec<f32> = pairs
                .filter(|(a, _)| **a > -40.0)
                .map(|(a, b)| (a - b).abs())
                .collect();
            let mean = loud.iter().sum::<f32>() / loud.len() as f32;
            assert!(mean < most, "{name} {i}: {mean} dB");
        }
        fs::remove_file(&path).unwrap(); // else it would be a clip of its own beside the next one
    }
}

#[test]
fn the_pictures_of_a_part_are_those_of_its_time() {
    let Some(faces) = faces("the_pictures_of_a_part_are_those_of_its_time") else {
        return;
    };
    let world = World::new();
    let path = world.data().join("own/film.mp4");
    film(
        &path,
        "ann",
        Acting::NEUTRAL,
        (160, 120),
        &["-c:v", "mpeg4", "-q:v", "4"],
    );
    let settings = Settings::default();
    let features = Features {
        video: Some((&faces, settings)),
        ..AudioFeatures::Mel.into()
    };
    let times = [(0.0, 0.6), (0.6, 1.2)];
    let list = times.iter().enumerate();
    let list = list.map(|(i, &(from, to))| part(&i.to_string(), "own/film.mp4", from, Some(to)));
    let extracted = world.try_run(list.collect(), features).unwrap();
    assert_eq!(
        (extracted.findings().count(), extracted.unseen().count()),
        (0, 0)
    );
    for (i, (from_s, to_s)) in times.into_iter().enumerate() {
        let span = Span {
            from_s,
            to_s: Some(to_s),
        };
        let expected = video::sequence(&path, span, &faces, &settings).unwrap();
        let target = Part::target("own", "video", &i.to_string());
        let found = read_npy(&world.out().join(target)).unwrap();
        assert_eq!(found.values, expected.sequence.values, "part {i}");
        assert_eq!(expected.frames, 3); // 0.6 s at 5 pictures a second
    }
}
