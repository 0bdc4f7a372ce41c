//! `unimse extract` on whole films that a table cuts into utterances, from the table to the tables that ingest writes.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use unimse_formats::read_npy;
use unimse_media::synthetic::Acting;

use crate::media;

fn unimse(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output and standard error of a command that must succeed.
fn succeeds(folder: &Path, arguments: &str) -> (String, String) {
    let output = unimse(folder, arguments);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{arguments}: {err}");
    (out, err)
}

fn table(folder: &Path, rows: &[Value]) {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(folder.join("films/talks/utterances.jsonl"), lines).unwrap();
}

fn row(id: &str, split: &str, clip: &str, times: Option<(f64, f64)>) -> Value {
    let mut row =
        json!({"utterance_id": id, "split": split, "text": "So", "score": 1, "clip": clip});
    if let Some((start, end)) = times {
        row["start_s"] = start.into();
        row["end_s"] = end.into();
    }
    row
}

#[test]
fn a_film_becomes_the_utterances_that_its_table_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join("films/talks/raw")).unwrap();
    let mut samples = media::Vowel::steady(120.0, 2.0).samples(44_100);
    samples.extend(media::Vowel::steady(200.0, 2.0).samples(44_100));
    media::write_wave(&folder.join("films/talks/raw/talk.wav"), &samples, 44_100);
    let good = [
        row("talk 1", "train", "raw/talk.wav", Some((0.0, 1.5))),
        row("talk 2", "dev", "raw/talk.wav", Some((1.5, 3.25))),
        row("talk 3", "test", "raw/talk.wav", None),
    ];
    let bad = [
        row("b1", "train", "raw/talk.wav", Some((3.0, 9.0))),
        row("b2", "train", "raw/other.wav", None),
        row("b3", "train", "../../../etc/passwd", None),
    ];
    table(folder, &[&good[..], &bad].concat());
    let extract = "extract --data films --out data --audio-features prosody";
    let (said, told) = succeeds(folder, extract);
    let expected = "data: 6 clips and parts of clips, 3 with prosody features, 3 without; extraction.jsonl says why\n";
    assert_eq!(said, expected);
    for message in [
        "extract: talks/utterances.jsonl, line 4, talks/raw/talk.wav: expected the part from 3 s to 9 s, found 1.00 s of it: the clip ends before [SPAN]",
        "line 5, talks/raw/other.wav: column clip: expected a file in the folder of the table, found \"raw/other.wav\", which is not there [ROW]",
        "line 6, talks/../../../etc/passwd: column clip: expected the path of a clip, relative to the folder of the table and within it, found \"../../../etc/passwd\" [ROW]",
    ] {
        assert!(told.contains(message), "{message}\n{told}");
    }
    // those that could be read are known, the broken one among them
    let (_, told) = succeeds(folder, extract);
    assert!(told.contains("4 clips of an earlier run"), "{told}");

    // an utterance is what the same stretch is as a clip of its own
    fs::create_dir_all(folder.join("cut")).unwrap();
    let cut = &samples[(1.5 * 44_100.0) as usize..(3.25 * 44_100.0) as usize];
    media::write_wave(&folder.join("cut/one.wav"), cut, 44_100);
    succeeds(
        folder,
        "extract --data cut --out apart --audio-features prosody",
    );
    let own = fs::read(folder.join("data/talks/audio/utterances/talk%202.npy")).unwrap();
    assert!(own == fs::read(folder.join("apart/audio/one.npy")).unwrap());

    let (said, told) = succeeds(folder, "ingest --data data --out tables");
    assert!(said.contains("audio 1 x 60"), "{said}");
    for words in [
        "line 4: column clip: audio is absent: expected the part",
        "(SPAN)",
        "(ROW)",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
}

#[test]
fn sound_and_pictures_of_a_film_are_those_of_each_utterance() {
    let name = "sound_and_pictures_of_a_film_are_those_of_each_utterance";
    let Some(faces) = media::model(name, "faces").filter(|_| media::has_ffmpeg(name)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir_all(folder.join(".models")).unwrap();
    std::os::unix::fs::symlink(
        fs::canonicalize(faces).unwrap(),
        folder.join(".models/faces"),
    )
    .unwrap();
    fs::create_dir_all(folder.join("films/talks")).unwrap();
    let film = folder.join("films/talks/film.mp4");
    let codec = ["-c:v", "mpeg4", "-q:v", "4", "-c:a", "aac"];
    media::film(&film, "ann", Acting::NEUTRAL, (160, 120), &codec);
    let times = [
        ("a", "train", 0.0, 0.6),
        ("b", "dev", 0.2, 1.0),
        ("c", "test", 0.6, 1.2),
    ];
    let rows = times.map(|(id, split, from, to)| row(id, split, "film.mp4", Some((from, to))));
    table(folder, &rows);
    let extract = "extract --data films --out data --video-features faces --threads 2";
    let (said, told) = succeeds(folder, extract);
    assert!(
        said.contains("3 clips and parts of clips, 3 with mel features"),
        "{said}{told}"
    );
    assert!(said.contains("3 clips with a face"), "{said}{told}");
    for (id, _, from, to) in times {
        let seconds: f64 = to - from;
        let steps = |modality: &str| {
            let file = format!("data/talks/{modality}/utterances/{id}.npy");
            read_npy(&folder.join(file)).unwrap().shape
        };
        // 5 pictures and 100 hops a second, the frames of the sound centred
        assert_eq!(
            steps("video"),
            [(5.0 * seconds).round() as usize, 145],
            "{id}"
        );
        assert_eq!(
            steps("audio"),
            [(100.0 * seconds).round() as usize + 1, 64],
            "{id}"
        );
    }
    let (said, _) = succeeds(folder, "ingest --data data --out tables");
    assert!(said.contains("145"), "{said}");
}
