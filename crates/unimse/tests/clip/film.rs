//! A film of a drawn face with a synthesised voice, from the file to the label, by all three modalities.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use unimse_formats::npy_bytes;
use unimse_labels::BasicEmotion;
use unimse_media::synthetic::Acting;
use unimse_media::video::onnx::{Network, load_runtime};
use unimse_media::video::{self, Faces};
use unimse_media::{AudioFeatures, Sequence, Span, read_clip};

use crate::media::onnx::{means, rounds};
use crate::media::{faces, film, model};
use crate::run::{self, World, answers, stderr};

const ACTED: [Option<BasicEmotion>; 3] = [None, Some(BasicEmotion::Joy), Some(BasicEmotion::Anger)];

fn acting(at: usize) -> Acting {
    Acting {
        emotion: ACTED[at % 3],
        intensity: 1.0,
    }
}

fn film_of(path: &Path, at: usize) {
    let codec = ["-c:v", "mpeg4", "-q:v", "4", "-c:a", "aac"];
    film(
        path,
        &format!("person {at}"),
        acting(at),
        (320, 240),
        &codec,
    );
}

/// Links a model to where the binary seeks it when it works in a folder.
fn link(place: &Path, name: &str) {
    let models = place.join(".models");
    fs::create_dir_all(&models).unwrap();
    std::os::unix::fs::symlink(model("film", name).unwrap(), models.join(name)).unwrap();
}

/// A corpus `films` of nine clips with the features that a clip is given.
fn corpus(data: &Path, faces: &Faces) {
    let folder = data.join("films");
    fs::create_dir_all(&folder).unwrap();
    let (settings, prosody) = (faces.settings(), AudioFeatures::Prosody);
    let write = |name: String, sequence: &Sequence| {
        let bytes = npy_bytes([sequence.steps(), sequence.dim], &sequence.values);
        fs::write(folder.join(&name), bytes).unwrap();
        name
    };
    let mut table = "utterance_id,split,text,score,audio,video\n".to_owned();
    for at in 0..9 {
        let path = folder.join(format!("{at}.mp4"));
        film_of(&path, at);
        let heard = read_clip(&path, Span::default()).unwrap();
        let audio = write(format!("{at}-a.npy"), &prosody.of(&heard.samples).0);
        let seen = video::sequence(&path, Span::default(), faces, &settings).unwrap();
        let video = write(format!("{at}-v.npy"), &seen.sequence);
        let split = ["train", "dev", "test"][at / 3];
        writeln!(
            table,
            "u{at},{split},that is what I mean,{},{audio},{video}",
            at % 3
        )
        .unwrap();
    }
    fs::write(folder.join("utterances.csv"), table).unwrap();
    let cards = json!({"audio": prosody.card(), "video": faces.card(&settings)});
    let cards = toml::Table::try_from(cards).unwrap();
    fs::write(folder.join("features.toml"), cards.to_string()).unwrap();
}

#[test]
fn a_film_is_answered_by_all_three_modalities() {
    let Some(faces) = faces("a_film_is_answered_by_all_three_modalities") else {
        return;
    };
    let (world, _, _) = World::trained(&|data| corpus(data, &faces));
    film_of(&world.path("own.mp4"), 4);
    let (seconds, place) = (
        read_clip(&world.path("own.mp4"), Span::default())
            .unwrap()
            .seconds(),
        world.path("."),
    );
    let captions = json!([
        {"start": 0.0, "end": seconds / 2.0, "text": "That is", "speaker": "Monica"},
        {"start": seconds / 2.0, "end": seconds, "text": "what I mean.", "speaker": "Joey"},
    ]);
    fs::write(world.path("own.json"), captions.to_string()).unwrap();
    let ask = || {
        let arguments = [
            "predict",
            "--run",
            "run",
            "--clip",
            "own.mp4",
            "--transcript",
            "own.json",
        ];
        run::unimse(&arguments, &place, "")
    };
    // the networks are sought where the set-up links them
    let without = ask();
    let has_networks = unimse_run::cache_folder().is_some_and(|cache| cache.join("faces").is_dir());
    assert!(
        has_networks || stderr(&without).contains("setup --model faces"),
        "{}",
        stderr(&without)
    );
    link(&world.path("."), "faces");
    let started = Instant::now();
    let found = answers(&ask());
    eprintln!(
        "{seconds:.2} s of film, answered in {:?}, the model opened among it",
        started.elapsed()
    );
    assert_eq!(found.len(), 2);
    for answer in &found {
        assert_rests_on_all(answer);
    }
}

#[test]
fn a_film_is_answered_by_the_network_of_training_and_no_other() {
    let test = "a_film_is_answered_by_the_network_of_training_and_no_other";
    let Some((faces, runtime)) = faces(test).zip(model(test, "onnxruntime")) else {
        return;
    };
    load_runtime(&runtime.join("libonnxruntime.so")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, matrix: &[&[f32]]| {
        let path = folder.path().join(name);
        fs::write(&path, means(&[1, 3, 32, 32], false, matrix).model()).unwrap();
        path
    };
    let right = write("net.onnx", &[&[1.0, 0.0, 2.0][..]; 3]);
    let other = write("other.onnx", &[&[0.0, 1.0, 2.0][..]; 3]);
    let faces = faces.with_network(Network::load(&right).unwrap());
    let (world, _, _) = World::trained(&|data| corpus(data, &faces));
    film_of(&world.path("own.mp4"), 4);
    link(&world.path("."), "faces");
    link(&world.path("."), "onnxruntime");
    let ask = |more: &[&str]| {
        let text = ["--clip", "own.mp4", "--text", "That is what I mean."];
        let arguments = [&["predict", "--run", "run"], &text[..], more].concat();
        run::unimse(&arguments, &world.path("."), "")
    };
    let without = answers(&ask(&[]));
    let rests_on = &without[0]["rests_on"];
    assert_eq!(rests_on["read"], json!(["text", "audio"]));
    let reason = rests_on["absent"]["video"].as_str().unwrap();
    assert!(
        reason.contains("net.onnx") && reason.contains("--video-model"),
        "{reason}"
    );
    // its name and the folder do not matter, its bytes do
    fs::rename(&right, world.path("renamed.onnx")).unwrap();
    let with = answers(&ask(&["--video-model", "renamed.onnx"]));
    assert_rests_on_all(&with[0]);
    for (model, words) in [
        (
            other.to_str().unwrap(),
            "expected the model of training, net.onnx",
        ),
        ("none.onnx", "none.onnx"),
    ] {
        let refused = ask(&["--video-model", model]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
}

#[test]
fn an_interrupted_extraction_blames_no_network() {
    let test = "an_interrupted_extraction_blames_no_network";
    if faces(test).zip(model(test, "onnxruntime")).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    link(place, "faces");
    link(place, "onnxruntime");
    fs::create_dir(place.join("clips")).unwrap();
    film_of(&place.join("clips/a.mp4"), 0);
    fs::write(place.join("net.onnx"), rounds(300_000).model()).unwrap();
    let arguments = ["extract", "--data", "clips", "--out", "out"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args(arguments)
        .args(["--video-features", "net.onnx"])
        .current_dir(place)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (records, started) = (place.join("out/extraction.jsonl"), Instant::now());
    while !records.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no record");
        std::thread::sleep(Duration::from_millis(5));
    }
    // some answer is under way
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(child.try_wait().unwrap(), None, "the clip was too short");
    let sent = Command::new("kill")
        .args(["-s", "INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fs::read_to_string(records).unwrap(), "");
}

fn assert_rests_on_all(answer: &Value) {
    let rests_on = &answer["rests_on"];
    assert_eq!(rests_on["read"], json!(["text", "audio", "video"]));
    assert_eq!(rests_on.get("absent"), None);
    let without = rests_on["without"].as_array().unwrap();
    let parts: Vec<&Value> = without.iter().map(|w| &w["part"]).collect();
    assert_eq!(parts, ["audio", "video", "audio and video"]);
    assert!(
        without.iter().any(|w| w["polarity_change"] != json!(0.0)),
        "{answer}"
    );
}
