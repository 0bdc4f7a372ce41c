//! Demo corpora with a fault in one file: ingest names the file, the place, what it expected and what it found, and writes nothing.

use std::{fs, path::PathBuf};
use unimse_corpus::ingest;

use crate::common::demo::Demo;

#[test]
fn a_missing_column_names_file_and_column() {
    let demo = Demo::new();
    demo.edit(&demo.file("mosi", ".csv"), |text| {
        text.replacen("text", "words", 1)
    });
    demo.check(&[
        "data/mosi/",
        ".csv",
        "missing column",
        "expected text",
        "found",
        "words",
    ]);
    let demo = Demo::new();
    demo.edit(&demo.file("meld", "dev_sent_emo.csv"), |text| {
        text.replacen("Emotion", "Feeling", 1)
    });
    demo.check(&[
        "data/meld/dev_sent_emo.csv",
        "missing column",
        "expected Emotion",
        "Feeling",
    ]);
}

#[test]
fn an_empty_csv_names_the_file() {
    for (corpus, ending) in [
        ("mosi", ".csv"),
        ("mosei", ".csv"),
        ("meld", "train_sent_emo.csv"),
    ] {
        let demo = Demo::new();
        let file = demo.file(corpus, ending);
        demo.edit(&file, |_| String::new());
        demo.check(&[
            &*file.file_name().unwrap().to_string_lossy(),
            "empty file",
            "expected a header",
        ]);
    }
    let demo = Demo::new();
    demo.edit(&demo.file("meld", "train_sent_emo.csv"), |text| {
        text.lines().next().unwrap_or_default().to_owned() + "\n"
    });
    demo.check(&["train_sent_emo.csv", "expected rows", "found none"]);
}

#[test]
fn a_truncated_pickle_names_file_and_byte() {
    for corpus in ["mosi", "mosei", "meld", "iemocap"] {
        let demo = Demo::new();
        let file = demo.file(corpus, ".pkl");
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        demo.check(&[
            &*file.file_name().unwrap().to_string_lossy(),
            "byte",
            "truncated",
            "expected",
            "found",
        ]);
    }
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let demo = Demo::new();
    fs::write(demo.file("mosi", ".pkl"), b"cos\nsystem\n(S'true'\ntR.").unwrap();
    demo.check(&[".pkl", "os.system"]);
}

#[test]
fn an_unknown_emotion_names_the_row() {
    let demo = Demo::new();
    demo.edit(&demo.file("meld", "train_sent_emo.csv"), |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for emotion in [
            "neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger",
        ] {
            lines[2] = lines[2].replace(&format!(",{emotion},"), ",bliss,");
        }
        lines.join("\n")
    });
    demo.check(&[
        "train_sent_emo.csv",
        "line 3",
        "bliss",
        "expected one of: neutral, surprise",
    ]);
    let demo = Demo::new();
    let file = demo
        .data()
        .join("iemocap")
        .join("Session1/dialog/EmoEvaluation");
    let file = fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    demo.edit(&file, |text| {
        let at = text.find("\t[").unwrap();
        format!("{}zzz{}", &text[..at - 3], &text[at..])
    });
    demo.check(&["EmoEvaluation/", "line", "zzz", "expected one of hap"]);
}

#[test]
fn a_score_out_of_range_and_a_repeated_id_name_the_row() {
    let demo = Demo::new();
    demo.edit(&demo.file("mosi", ".csv"), |text| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let header: Vec<_> = lines[0].split(',').map(str::to_owned).collect();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        let label = header.iter().position(|name| name == "label").unwrap();
        lines[1] = lines[1].replacen(&format!(",{},", &row[label]), ",9.5,", 1);
        lines.join("\n")
    });
    demo.check(&[
        "data/mosi/",
        ".csv, line 2",
        "expected a score in [-3, 3]",
        "9.5",
    ]);
    let demo = Demo::new();
    let file = demo.file("mosei", ".csv");
    demo.edit(&file, |text| {
        let line = text.lines().nth(1).unwrap_or_default().to_owned();
        text + &line + "\n"
    });
    demo.check(&["mosei/", ".csv, line", "expected once", "too"]);
}

#[test]
fn features_of_an_unknown_corpus_or_file_are_refused() {
    let demo = Demo::new();
    let check = |corpus: &str, file: PathBuf, word: &str| {
        let error = ingest(
            &demo.data(),
            &demo.out(),
            &[(corpus.to_owned(), file)],
            &mut |_| {},
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains(word), "{error}");
    };
    check(
        "mosy",
        demo.file("mosi", ".pkl"),
        "expected a corpus of the data folder",
    );
    check("mosi", demo.data().join("nothing.pkl"), "expected a file");
    check(
        "mosi",
        demo.file("meld", "audio_features.pkl"),
        "expected a dict with keys train, valid, test",
    );
}

#[test]
fn two_feature_files_that_fit_equally_are_an_error_that_lists_them() {
    let demo = Demo::new();
    let file = demo.file("mosi", ".pkl");
    fs::copy(&file, file.with_file_name("again.pkl")).unwrap();
    demo.check(&[
        "again.pkl",
        &*file.file_name().unwrap().to_string_lossy(),
        "--features mosi=FILE",
    ]);
}
