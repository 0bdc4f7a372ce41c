//! `unimse serve` as clients, careless ones and hostile ones see it: it answers as `predict` does, refuses with what is wrong and where, and nothing
//! that one of them does ends it.
#![cfg(unix)]

mod client;
mod hostile;
mod page;

use std::path::Path;
use std::sync::OnceLock;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use client::Server;

use crate::run::{self, World, answers, unimse};
use crate::{tiny, waves};

/// A run that hears: beside the demo it was trained on wave files.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| World::trained(&|data| waves::corpus(data, 12)).0)
}

fn server() -> Server {
    Server::start(&world().path("run"), &[])
}

/// Half a second of a tone, in base64.
fn tone() -> String {
    let samples: Vec<i16> = (0..8_000).map(|t| (t % 100) * 80).collect();
    BASE64_STANDARD.encode(waves::wave(&samples))
}

fn rows_body(rows: &[Value]) -> Vec<u8> {
    json!({ "rows": rows }).to_string().into_bytes()
}

/// A batch of texts, and what `predict` says of the same rows.
#[test]
fn answers_are_those_of_predict_from_http_and_from_standard_input() {
    let world = world();
    let mut rows: Vec<Value> = world.rows().into_iter().take(20).collect();
    rows.push(
        json!({"text": "and now?", "audio": {"wav": tone()}, "note": [1],
        "context": [{"speaker": "Joey", "text": "so"}, "well"]}),
    );
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let file = world.path("served.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let expected = answers(&world.predict(&["--input", file.to_str().unwrap()]));
    let server = server();
    let found = server.post("/predict", &rows_body(&rows)).answered();
    assert_eq!(found["answers"], json!(expected));
    assert_eq!(found["answers"][20]["note"], json!([1]));
    let run = world.path("run");
    let arguments = ["serve", run.to_str().unwrap(), "--stdin"];
    let from_stdin = answers(&unimse(&arguments, Path::new("/"), &lines));
    let texts = |answers: &[Value]| -> Vec<Value> {
        answers
            .iter()
            .map(|answer| answer["text"].clone())
            .collect()
    };
    assert_eq!(texts(&from_stdin), texts(&expected));
}

#[test]
fn a_clip_in_a_request_is_answered_as_one_on_disk() {
    let world = world();
    let samples: Vec<i16> = (0..8_000).map(|t| (t % 100) * 80).collect();
    std::fs::write(world.path("tone.wav"), waves::wave(&samples)).unwrap();
    let clip = world.path("tone.wav").display().to_string();
    let expected = answers(&world.predict(&["--clip", &clip, "--text", "and now?"]));
    let server = server();
    let row = json!({"text": "and now?", "clip": {"base64": tone()}});
    let found = server
        .post("/predict", &rows_body(std::slice::from_ref(&row)))
        .answered();
    let found = &found["answers"][0];
    for field in ["polarity", "intensity", "meld", "rests_on", "end_s"] {
        assert_eq!(found[field], expected[0][field], "{field}");
    }
    assert_eq!(found.get("clip"), None, "its bytes do not come back");
    let explained = server.post("/explain", json!({ "row": row }).to_string().as_bytes());
    assert_eq!(explained.answered()["without"][0]["part"], "/row/audio");
    let many = vec![row; 5];
    let refused = server.post("/predict", &rows_body(&many));
    assert_eq!(refused.status, 413);
}

#[test]
fn an_explanation_says_what_mattered() {
    let server = server();
    let row = json!({"text": "that is great", "speaker": "Monica", "audio": {"wav": tone()}, "context_after": ["oh"],
        "context": ["beyond", "beyond", "beyond", "no"]});
    let found = server
        .post("/explain", json!({ "row": row }).to_string().as_bytes())
        .answered();
    let plain = server
        .post("/predict", &rows_body(std::slice::from_ref(&row)))
        .answered();
    let close = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-5;
    let probability = |answer: &Value, class: &Value| {
        answer["polarity"]["probabilities"][class.as_str().unwrap()].clone()
    };
    let class = &found["answer"]["polarity"]["label"];
    assert!(close(
        &probability(&found["answer"], class),
        &probability(&plain["answers"][0], class)
    ));
    let sum: f64 = found["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["probability"].as_f64().unwrap())
        .sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    // each part's change is what /predict says of the row without it
    let parts: Vec<&Value> = found["without"].as_array().unwrap().iter().collect();
    let names: Vec<&str> = parts
        .iter()
        .map(|part| part["part"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"/row/audio") && names.contains(&"/row/context/3"),
        "{names:?}"
    );
    let unread = found["unread"].as_array().unwrap().len();
    assert_eq!(
        names.len() + unread,
        4 + 1 + 1,
        "every turn and the audio is in one list"
    );
    let mut deaf = row;
    deaf.as_object_mut().unwrap().remove("audio");
    let deaf = server.post("/predict", &rows_body(&[deaf])).answered();
    let change = probability(&found["answer"], class).as_f64().unwrap()
        - probability(&deaf["answers"][0], class).as_f64().unwrap();
    let audio = parts
        .iter()
        .find(|part| part["part"] == "/row/audio")
        .unwrap();
    assert!(
        close(&audio["polarity_change"], &json!(change)),
        "{audio} and {change}"
    );
    let gone = "the encoder of this run is gone";
    assert_eq!(found["nearest"], json!([]), "{gone}");
}

/// A copy of the run with its tables and an encoder equal to the one that embedded them.
fn run_with_encoder(name: &str) -> (std::path::PathBuf, tempfile::TempDir) {
    let world = world();
    let run = world.copy(name);
    for tables in ["corpus", "labels"] {
        std::os::unix::fs::symlink(world.path(tables), run.join(tables)).unwrap();
    }
    let encoder = tiny::folder(tiny::BERT);
    let config = std::fs::read_to_string(world.path("run/config.toml")).unwrap();
    let mut config: toml::Table = config.parse().unwrap();
    config["labels"]["encoder"] = encoder.path().to_str().unwrap().into();
    std::fs::write(run.join("config.toml"), config.to_string()).unwrap();
    (run, encoder)
}

#[test]
fn the_nearest_training_utterances_come_with_their_labels_and_with_texts_on_request() {
    let (run, _encoder) = run_with_encoder("near");
    let corpora =
        unimse_corpus::read(&world().path("corpus"), &[unimse_labels::Split::Train]).unwrap();
    let meld = corpora.iter().find(|c| c.name == "meld").unwrap();
    let asked = meld
        .utterances
        .iter()
        .find(|u| u.emotion.is_some() && !u.text.is_empty())
        .unwrap();
    let body = json!({"row": {"text": asked.text}}).to_string();
    for (more, with_text) in [(&[][..], false), (&["--with-text"][..], true)] {
        let server = Server::start(&run, more);
        let found = server.post("/explain", body.as_bytes()).answered();
        let nearest = found["nearest"].as_array().unwrap();
        assert_eq!(nearest.len(), 8);
        let first = nearest[0]["similarity"].as_f64().unwrap();
        assert!(
            (first - 1.0).abs() < 1e-4,
            "the text itself is in the table: {first}"
        );
        for near in nearest {
            let known = corpora.iter().find(|c| c.name == near["corpus"]).unwrap();
            let known = known
                .utterances
                .iter()
                .find(|u| u.utterance_id == near["utterance_id"])
                .unwrap();
            let text = with_text.then_some(&known.text);
            assert_eq!(near.get("text"), text.map(|t| json!(t)).as_ref());
        }
        let similarities: Vec<f64> = nearest
            .iter()
            .map(|n| n["similarity"].as_f64().unwrap())
            .collect();
        assert!(similarities.is_sorted_by(|a, b| a >= b));
    }
}

#[test]
fn what_cannot_be_served_is_refused_in_one_line() {
    let world = world();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = world.path("run");
    let run = run.to_str().unwrap();
    let refused = |arguments: &[&str], words: &[&str]| {
        run::assert_refused(&unimse(arguments, Path::new("/"), ""), words);
    };
    refused(
        &["serve", run, "--listen", &address],
        &["--listen", &address],
    );
    refused(
        &["serve", "/nowhere", "--listen", "127.0.0.1:0"],
        &["/nowhere"],
    );
}
