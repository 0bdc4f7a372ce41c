//! What a training chooses by where scores on dev are undefined.

use std::fs;

use serde_json::{Value, json};
use unimse_train::train::trainer;

use super::{GO, TRAINED, copied, data, label, paths, put, rescore};

/// Trains on `talks` and a corpus whose dev rows all have one text, so that their predictions are constant; or on the latter alone.
fn train_on_equal_texts(alone: bool) -> (Vec<Value>, Result<(), String>) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    data(&folder, 3);
    for other in ["lone", "chats", "late"] {
        fs::remove_dir_all(folder.join(other)).unwrap();
    }
    if alone {
        fs::remove_dir_all(folder.join("talks")).unwrap();
    }
    let table = "utterance_id,split,text,score\na,train,one,1\nb,train,two,-1\nc,dev,same,1\nd,dev,same,-1\n";
    put(&folder.join("equal/utterances.csv"), table);
    let paths = paths(place.path());
    unimse_corpus::ingest(&folder, &paths.corpus, &[], &mut |_| {}).unwrap();
    label(&TRAINED.config, &paths, TRAINED.checkpoint.path());
    let done = trainer::train(&TRAINED.config, &paths, 5, false, &GO).map_err(|e| e.to_string());
    assert_eq!(paths.best().exists(), done.is_ok());
    let log = fs::read_to_string(paths.events()).unwrap();
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    (events.filter(|e| e["event"] == "epoch").collect(), done)
}

#[test]
fn an_undefined_correlation_is_left_out_of_selection_and_named_in_the_events() {
    let reason = "corr: the predictions are constant";
    let (epochs, done) = train_on_equal_texts(false);
    done.unwrap();
    let dev = &epochs[0]["dev"];
    assert_eq!(dev["undefined"], json!({"equal": reason}));
    assert_eq!(dev["score"], dev["corpora"]["talks"]["corr"]);
    assert!(dev["score"].is_f64());

    let (epochs, done) = train_on_equal_texts(true);
    let dev = &epochs[0]["dev"];
    assert_eq!(
        (&dev["score"], &dev["undefined"]),
        (&Value::Null, &json!({"equal": reason}))
    );
    assert_eq!(epochs[0]["best"], false);
    let error = done.unwrap_err();
    assert!(
        error.starts_with("no epoch had a defined dev score, so no checkpoint was selected; "),
        "{error}"
    );
    assert!(error.contains("events.jsonl says why"), "{error}");
}

#[test]
fn a_dev_split_that_cannot_select_is_refused_before_training() {
    let (_place, mut paths) = copied();
    paths.run = paths.run.with_file_name("fresh");
    for name in ["chats", "late", "lone"] {
        for split in ["train", "dev", "test"] {
            let _ = fs::remove_file(paths.corpus.join(format!("{name}-{split}.parquet")));
        }
    }
    rescore(&paths.corpus.join("talks-dev.parquet"), |_| Some(1.0));
    let error = trainer::train(&TRAINED.config, &paths, 5, false, &GO).unwrap_err();
    let expected = "the dev split cannot select a checkpoint: talks: every gold score is 1, so no correlation is defined";
    assert_eq!(error.to_string(), expected);
    assert!(!paths.best().exists() && !paths.events().exists());
}
