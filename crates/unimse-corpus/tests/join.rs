//! Frames over demo data: utterances, labels and predictions joined by id.

use parquet::file::reader::{FileReader, SerializedFileReader};
use std::{
    fs::{self, File},
    path::Path,
};
use unimse_corpus::{Split, Utterance, frame, polars::prelude::AnyValue, steps};

use crate::common::run::{Run, keys, text, write};

#[test]
fn a_corpus_folder_gives_its_utterances_in_order() {
    let run = Run::new();
    let utterances = frame(&run.path("corpus")).unwrap().collect().unwrap();
    let names: Vec<&str> = utterances
        .get_column_names()
        .iter()
        .map(|n| n.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "corpus",
            "split",
            "utterance_id",
            "dialogue_id",
            "turn",
            "speaker",
            "text",
            "start_s",
            "end_s",
            "score",
            "polarity",
            "emotion",
            "emotion_raw",
            "task"
        ]
    );
    assert_eq!(utterances.height(), run.rows().count());
    for (row, u) in run.rows().enumerate() {
        let cell = |name: &str| utterances.column(name).unwrap().get(row).unwrap();
        assert_eq!(cell("utterance_id"), AnyValue::String(&u.utterance_id));
        assert_eq!(cell("text"), AnyValue::String(&u.text));
        assert_eq!(cell("turn"), AnyValue::Int32(u.turn));
        assert_eq!(
            cell("score"),
            u.score.map_or(AnyValue::Null, AnyValue::Float32)
        );
        let emotion = u
            .emotion
            .as_deref()
            .map_or(AnyValue::Null, AnyValue::String);
        assert_eq!(cell("emotion"), emotion);
    }
}

/// Overwrites the features of every table with zeros, which is no Parquet.
fn destroy_features(tables: &Path) {
    for entry in fs::read_dir(tables).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "parquet") {
            continue; // croissant.json
        }
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                let name = column.column_path().string();
                if name.starts_with("audio.") || name.starts_with("video.") {
                    let (start, length) = column.byte_range();
                    bytes[start as usize..(start + length) as usize].fill(0);
                }
            }
        }
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn features_are_read_for_their_steps_alone() {
    let run = Run::new();
    let found = steps(run.folder.path()).unwrap().collect().unwrap();
    for (row, u) in run.rows().enumerate() {
        let cell = found.column("audio_steps").unwrap().get(row).unwrap();
        let expected = u
            .audio
            .as_ref()
            .map_or(AnyValue::Null, |s| AnyValue::UInt32(s.steps() as u32));
        assert_eq!(cell, expected, "{}", u.utterance_id);
    }
    destroy_features(&run.path("corpus"));
    assert!(steps(run.folder.path()).is_err());
    assert_eq!(run.frame().collect().unwrap().height(), run.rows().count());
}

#[test]
fn labels_and_predictions_are_joined_by_id() {
    let run = Run::new();
    run.label();
    run.predict(".", 0.5);
    let joined = run.frame().collect().unwrap();
    assert_eq!(joined.height(), run.rows().count());
    for (row, u) in run.rows().enumerate() {
        let cell = |name: &str| joined.column(name).unwrap().get(row).unwrap();
        assert_eq!(cell("utterance_id"), AnyValue::String(&u.utterance_id));
        let lent = u.corpus == "meld";
        let donor = if lent {
            AnyValue::String("giver")
        } else {
            AnyValue::Null
        };
        assert_eq!(cell("label_intensity_donor_id"), donor);
        let said = (u.split != Split::Train).then(|| run.said(u, 0.5));
        assert_eq!(
            cell("predicted_intensity"),
            said.map_or(AnyValue::Null, AnyValue::Float32)
        );
    }
    let names = joined.get_column_names();
    assert!(
        names
            .iter()
            .all(|name| !name.contains("truth") && name.as_str() != "seed")
    );
}

#[test]
fn a_row_about_no_utterance_or_about_one_twice_is_an_error() {
    let run = Run::new();
    let predicted = run.predicted();
    let refused = |rows: &[&Utterance]| {
        let mut columns = keys(rows);
        columns.push(("polarity", text(rows.iter().map(|_| Some("neutral")))));
        write(&run.path("predictions.parquet"), columns);
        frame(run.folder.path()).err().unwrap().to_string()
    };
    let stranger = Utterance {
        utterance_id: "nobody".to_owned(),
        ..predicted[0].clone()
    };
    let error = refused(&[predicted[0], &stranger]);
    let words =
        "predictions.parquet: row 2: expected an utterance of the tables, found mosi dev nobody";
    assert!(error.ends_with(words), "{error}");
    let error = refused(&[predicted[0], predicted[1], predicted[0]]);
    let words = "predictions.parquet: row 3: expected each utterance once, found mosi dev";
    assert!(error.contains(words), "{error}");
    let error = frame(&run.path("data")).err().unwrap().to_string();
    assert!(error.contains("no utterance table"), "{error}");
}
