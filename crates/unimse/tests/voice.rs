//! `model.voice_in_words` from sound files to answers: a row, its clip and the run itself are told the same words, and the words are read.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use unimse_corpus::demo::{Media, write_media};

use crate::run::{self, World, answers, close, unimse};

/// Utterances of train, dev and test.
const SIZES: [usize; 3] = [40, 12, 12];
const SETTINGS: [&str; 5] = [
    "model.voice_in_words=true",
    "model.context_before=0",
    "model.context_after=0",
    "train.modality_dropout=0.3",
    "evaluate.robustness=true",
];

/// Whether two answers hold the same probabilities.
fn same(a: &Value, b: &Value) -> bool {
    ["polarity", "meld"].iter().all(|field| {
        let [a, b] = [a, b].map(|answer| answer[field]["probabilities"].as_object().unwrap());
        let close =
            |name: &String, p: &Value| close(p.as_f64().unwrap(), b[name].as_f64().unwrap());
        !a.is_empty() && a.iter().all(|(name, p)| close(name, p))
    })
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn rows_their_clips_and_the_run_are_told_the_same_of_a_voice() {
    let place = tempfile::tempdir().unwrap();
    let clips = place.path().join("clips");
    write_media(&clips, Media::Sound, SIZES).unwrap();
    let extract = |data: &Path| {
        let [from, to] = [&clips, data].map(|path| path.to_str().unwrap());
        let all = [
            "extract",
            "--data",
            from,
            "--out",
            to,
            "--audio-features",
            "prosody",
        ];
        let output = unimse(&all, Path::new("/"), "");
        assert!(output.status.success(), "{}", run::stderr(&output));
    };
    let world = World::evaluated(&extract, &SETTINGS);
    let card = fs::read(world.path("run/checkpoints/model.json")).unwrap();
    let card: Value = serde_json::from_slice(&card).unwrap();
    let thirds = card["voice"]["corpora"]["meld"]["thirds"]
        .as_object()
        .unwrap();
    let told: Vec<&String> = thirds.keys().collect();
    assert_eq!(told, ["loudness", "pitch", "rate"]);

    let (rows, predictions) = (world.rows(), world.predictions());
    assert_eq!(rows.len(), SIZES[1] + SIZES[2]);
    let as_rows = answers(&world.piped(&lines(&rows)));
    let as_clips: Vec<Value> = rows.iter().map(|row| clip(row, &clips)).collect();
    let as_clips = answers(&world.piped(&lines(&as_clips)));
    for ((row, answer), of_clip) in rows.iter().zip(&as_rows).zip(&as_clips) {
        let key = ["corpus", "utterance_id"].map(|name| row[name].as_str().unwrap().to_owned());
        assert!(same(answer, &predictions[&key]), "{row} as a row");
        assert!(same(of_clip, answer), "{row} as a clip");
        let voice = of_clip["rests_on"]["voice"].as_str().unwrap();
        assert!(voice.starts_with('(') && voice.ends_with(')'), "{voice}");
    }

    // the same weights without a word for the voice: every row with audio is answered otherwise, one without audio is not
    let mute = world.copy("mute");
    world.reseal(&mute, &|card| {
        card["voice"] = json!({"corpora": {}, "others": []})
    });
    let ask = |rows: &[Value]| {
        let run = mute.to_str().unwrap();
        let all = ["predict", "--run", run, "--input", "-"];
        answers(&unimse(&all, Path::new("/"), &lines(rows)))
    };
    let others = ask(&rows);
    let changed = as_rows.iter().zip(&others).filter(|(a, b)| !same(a, b));
    assert_eq!(changed.count(), rows.len());
    let silent: Vec<Value> = rows.iter().map(without_audio).collect();
    let deaf = answers(&world.piped(&lines(&silent)));
    assert!(deaf.iter().zip(&ask(&silent)).all(|(a, b)| same(a, b)));
}

/// A row of the demo with its sound file in the place of features.
fn clip(row: &Value, clips: &Path) -> Value {
    let id = row["utterance_id"].as_str().unwrap();
    let (split, name) = id.split_once('_').unwrap();
    let folder = match split {
        "dev" => "dev_splits_complete",
        _ => "output_repeated_splits_test",
    };
    let mut row = without_audio(row);
    row["clip"] = json!(clips.join("meld").join(folder).join(format!("{name}.wav")));
    // such a corpus is the only one of this model, so nobody need say that a clip is of it
    row.as_object_mut().unwrap().remove("corpus");
    row
}

fn without_audio(row: &Value) -> Value {
    let mut row = row.clone();
    row["audio"] = Value::Null;
    row
}
