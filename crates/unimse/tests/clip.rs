//! `unimse predict` on clips: a caption is answered as the row that it is, and says what its answer rests on; what cannot be read is refused by name.
#![cfg(unix)]

mod film;
mod page;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use unimse_media::{AudioFeatures, Span, read_clip};

use crate::run::{self, World, answers, assert_refused, close, stderr};
use crate::waves;

/// Four captions in three seconds, the last behind the clip's end.
const SRT: &str = "1\n00:00:00,250 --> 00:00:01,000\nMonica: <i>That</i> is great.\n\n2\n00:00:01,000 --> 00:00:02,000\nJoey: I <b>hate</b> it & that.\n\n\
    3\n00:00:02,000 --> 00:00:03,000\nMonica: Oh no.\n\n4\n00:00:09,000 --> 00:00:10,000\nJoey: &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; gone\n";

/// A run that hears, a clip `a.wav` of three seconds whose third is silent, and its captions.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let world = World::trained(&|data| waves::corpus(data, 12)).0;
        let tone = |t: i32| {
            if t < 32_000 {
                ((t % 100) * 80) as i16
            } else {
                0
            }
        };
        let samples: Vec<i16> = (0..48_000).map(tone).collect();
        fs::write(world.path("a.wav"), waves::wave(&samples)).unwrap();
        fs::write(world.path("a.srt"), SRT).unwrap();
        world
    })
}

fn at(name: &str) -> String {
    world().path(name).display().to_string()
}

fn parts(answer: &Value) -> Vec<&str> {
    let without = answer["rests_on"]["without"].as_array();
    let parts = without.into_iter().flatten();
    parts.map(|part| part["part"].as_str().unwrap()).collect()
}

#[test]
fn a_caption_is_answered_as_the_row_that_it_is() {
    let found = answers(&world().predict(&["--clip", &at("a.wav"), "--transcript", &at("a.srt")]));
    assert_eq!(found.len(), 4);
    let texts: Vec<&str> = found.iter().map(|a| a["text"].as_str().unwrap()).collect();
    assert_eq!(
        texts[..3],
        ["That is great.", "I hate it & that.", "Oh no."]
    );
    let speakers: Vec<&str> = found
        .iter()
        .map(|a| a["speaker"].as_str().unwrap())
        .collect();
    assert_eq!(speakers, ["Monica", "Joey", "Monica", "Joey"]);
    assert_eq!(
        (&found[0]["start_s"], &found[0]["end_s"]),
        (&json!(0.25), &json!(1.0))
    );
    assert_eq!(found[0]["rests_on"]["read"], json!(["text", "audio"]));
    assert_eq!(parts(&found[0]), ["audio"]);
    // silence, and what lies behind the end, is no sound
    for (answer, words) in [(&found[2], "silent"), (&found[3], "no sample")] {
        assert_eq!(answer["rests_on"]["read"], json!(["text"]));
        let reason = answer["rests_on"]["absent"]["audio"].as_str().unwrap();
        assert!(reason.starts_with(words), "{reason}");
        assert!(parts(answer).is_empty());
    }
    // the same rows with features of the sound, and without
    let heard = |from_s: f64, to_s: f64| -> Vec<Vec<f32>> {
        let span = Span {
            from_s,
            to_s: Some(to_s),
        };
        let clip = read_clip(Path::new(&at("a.wav")), span).unwrap();
        let (sequence, _) = AudioFeatures::Mel.of(&clip.samples);
        sequence
            .values
            .chunks(sequence.dim)
            .map(<[f32]>::to_vec)
            .collect()
    };
    let row = |turn: usize, audio: Option<Vec<Vec<f32>>>| json!({"text": texts[turn], "speaker": speakers[turn], "dialogue_id": "d", "turn": turn, "audio": audio});
    let rows = |first: Option<Vec<Vec<f32>>>| {
        let rows = [
            row(0, first),
            row(1, Some(heard(1.0, 2.0))),
            row(2, None),
            row(3, None),
        ];
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        answers(&world().piped(&lines))
    };
    let (with, deaf) = (rows(Some(heard(0.25, 1.0))), rows(None));
    let label = found[0]["polarity"]["label"].as_str().unwrap();
    let p = |answer: &Value| answer["polarity"]["probabilities"][label].as_f64().unwrap();
    for (answer, expected) in found.iter().zip(&with) {
        assert!(close(p(answer), p(expected)), "{answer} and {expected}");
    }
    let change = found[0]["rests_on"]["without"][0]["polarity_change"]
        .as_f64()
        .unwrap();
    assert!((change - (p(&with[0]) - p(&deaf[0]))).abs() < 1e-5);
    assert!((p(&with[0]) - p(&deaf[0])).abs() > 1e-6, "audio is heard");
}

#[test]
fn rows_of_several_clips_are_answered_in_one_call() {
    let rows = world().path("clips.jsonl");
    fs::copy(at("a.wav"), at("b.wav")).unwrap();
    let row = |clip: &str, from: f64| json!({"id": 7, "text": "hello", "clip": clip, "start_s": from, "end_s": from + 0.5});
    let lines = format!(
        "{}\n{}\n{}\n",
        row("a.wav", 0.0),
        row("b.wav", 0.5),
        json!({"text": "well", "clip": "b.wav"})
    );
    fs::write(&rows, &lines).unwrap();
    let from_file = answers(&world().predict(&["--input", &at("clips.jsonl")]));
    let names: Vec<&Value> = from_file.iter().map(|a| &a["clip"]).collect();
    assert_eq!(names, ["a.wav", "b.wav", "b.wav"]);
    assert_eq!(from_file[0]["id"], 7);
    // a row without times is of the whole clip, and says how long that is
    assert_eq!(
        (&from_file[2]["start_s"], &from_file[2]["end_s"]),
        (&json!(0.0), &json!(3.0))
    );
    let piped = answers(&world().piped(&lines));
    assert_eq!(
        piped[1]["rests_on"]["read"],
        from_file[1]["rests_on"]["read"]
    );
    // one text of one clip is the same as such a row
    let one = answers(&world().predict(&["--clip", &at("b.wav"), "--text", "well"]));
    assert_eq!(
        one[0]["polarity"]["label"],
        from_file[2]["polarity"]["label"]
    );
    assert_eq!(one[0]["rests_on"]["read"], json!(["text", "audio"]));
    let silent = answers(&world().predict(&["--clip", &at("b.wav"), "--text", ""]));
    assert_eq!(silent[0]["rests_on"]["read"], json!(["audio"]));
}

#[test]
fn a_recogniser_of_ones_own_writes_the_transcript() {
    let script = |name: &str, body: &str| {
        let path = world().path(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let whisper =
        r#"{"transcription": [{"offsets": {"from": 250, "to": 1000}, "text": " That is great."}]}"#;
    let ask = |command: &str| world().predict(&["--clip", &at("a.wav"), "--asr", command]);
    // as whisper-cli -oj: text on standard output, JSON beside the wave file
    let beside = script(
        "asr-beside",
        &format!(
            "test \"$1\" = -oj && head -c 4 \"$2\" | grep -q RIFF && echo '[00:00] That' && echo '{whisper}' > \"$2.json\""
        ),
    );
    let printed = script(
        "asr-printed",
        "echo '[{\"start\": 0.25, \"end\": 1, \"text\": \"That is great.\", \"speaker\": \"A\"}]'",
    );
    for command in [format!("{beside} -oj"), format!("{printed} {{clip}}")] {
        let found = answers(&ask(&command));
        assert_eq!(found.len(), 1, "{command}");
        assert_eq!(
            (&found[0]["text"], &found[0]["start_s"]),
            (&json!("That is great."), &json!(0.25))
        );
    }
    let failing = script("asr-failing", "echo first >&2; echo no model >&2; exit 3");
    assert_refused(
        &ask(&failing),
        &["--asr", "asr-failing", "exit status: 3", "no model"],
    );
    let wordless = script("asr-wordless", "echo hello");
    assert_refused(
        &ask(&wordless),
        &[
            "asr-wordless",
            "standard output: line 1: expected a line of times",
        ],
    );
    assert_refused(
        &ask("/no/such/program"),
        &["/no/such/program: cannot be run"],
    );
    assert_refused(&ask("'open"), &["expected a command, quotes closed"]);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let world = world();
    fs::write(world.path("broken.vtt"), "WEBVTT\n\n00:01 -> 00:02\nhi\n").unwrap();
    fs::write(world.path("text.mp4"), "no film at all\n").unwrap();
    let clip = at("a.wav");
    for (arguments, words) in [
        (
            vec!["--clip", &clip],
            vec!["a.wav", "--text, --transcript or --asr"],
        ),
        (
            vec!["--clip", &clip, "--transcript", &at("broken.vtt")],
            vec!["broken.vtt: line 3: expected times such as"],
        ),
        (
            vec!["--clip", &at("text.mp4"), "--text", "hi"],
            vec!["text.mp4", "field clip", "found text"],
        ),
        (
            vec!["--clip", &at("none.wav"), "--text", "hi"],
            vec!["none.wav"],
        ),
        (
            vec!["--text", "hi", "--html", &at("out.html")],
            vec!["--html: expected --clip"],
        ),
    ] {
        assert_refused(&world.predict(&arguments), &words);
    }
    for (row, words) in [
        (
            json!({"text": "t", "clip": 5}),
            "field clip: expected a path",
        ),
        (
            json!({"text": "t", "clip": "a.wav", "start_s": -1}),
            "field start_s: expected seconds from 0 on, found -1",
        ),
        (
            json!({"text": "t", "clip": "a.wav", "start_s": 2, "end_s": 1}),
            "field end_s: expected an end behind 2 s, found 1 s",
        ),
    ] {
        assert_refused(&world.piped(&format!("{row}\n")), &["line 1", words]);
    }
    let usage = world.predict(&["--clip", &clip, "--transcript", "a.srt", "--text", "t"]);
    assert_eq!(usage.status.code(), Some(2), "{}", stderr(&usage));
}

#[test]
fn features_of_another_card_are_refused_by_name_and_those_without_one_by_size() {
    let world = world();
    let folder = world.path("features/audio");
    fs::create_dir_all(&folder).unwrap();
    run::write_npy(&folder.join("a.npy"), &[0.5; 64]);
    let row = json!({"text": "hello", "audio": "features/audio/a.npy"});
    let ask = || world.piped(&format!("{row}\n"));
    let output = ask();
    assert_eq!(answers(&output).len(), 1);
    assert!(
        stderr(&output).contains("only their size was compared"),
        "{}",
        stderr(&output)
    );
    let describe = |text: &str| fs::write(world.path("features/features.toml"), text).unwrap();
    describe("[audio]\ntool = \"opensmile\"\nversion = \"3.0\"\n");
    assert_refused(
        &ask(),
        &[
            "field audio: expected the features of training, ",
            "mel-spectrogram (unimse ",
            "found opensmile (3.0), 64 features a step",
        ],
    );
    describe("[audio]\ntool = \"mel-spectrogram\"\nsettings = { hop = 160 }\n");
    let output = ask();
    assert_eq!(answers(&output).len(), 1);
    assert!(!stderr(&output).contains("note:"), "{}", stderr(&output));
    describe("[audio]\ntool = \"mel-spectrogram\"\nsettings = { hop = 80 }\n");
    assert_refused(&ask(), &["expected hop 160, found 80"]);
    // a model of features that are not made here answers from the words, and says so
    let copy = world.copy("covarep");
    world.reseal(&copy, &|card| {
        for (_, cards) in card["features"].as_object_mut().unwrap() {
            cards["audio"] = json!({"tool": "covarep", "dimension": 64});
        }
    });
    let arguments = [
        "predict",
        "--run",
        copy.to_str().unwrap(),
        "--clip",
        &at("a.wav"),
        "--text",
    ];
    let ask = |text: &str| run::unimse(&[&arguments[..], &[text]].concat(), Path::new("/"), "");
    let found = answers(&ask("hello"));
    let reason = found[0]["rests_on"]["absent"]["audio"].as_str().unwrap();
    assert!(
        reason.contains("trained on covarep, 64 features a step, which are not made of clips"),
        "{reason}"
    );
    assert_refused(&ask(""), &["expected words", "trained on covarep"]);
}
