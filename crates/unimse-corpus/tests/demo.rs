//! Demo corpora through the whole crate: tables, provenance, atomicity, errors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};
use unimse_corpus::{
    Code, CorpusKind, Finding, Polarity, Severity, Split, Task, demo, doctor, ingest, read,
};

struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        demo::write(&folder.path().join("data")).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Some file of the data whose name ends so.
    fn file(&self, corpus: &str, ending: &str) -> PathBuf {
        let mut found = Vec::new();
        let mut folders = vec![self.data().join(corpus)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found.swap_remove(0)
    }

    fn edit(&self, path: &Path, change: impl FnOnce(String) -> String) {
        fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
    }

    fn ingest(&self) -> Result<(), String> {
        ingest(&self.data(), &self.out(), &[], &mut |_| {})
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Ingest must fail with one line that holds these words, and leave no output.
    fn check(&self, words: &[&str]) {
        let error = self.ingest().unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        for word in words {
            assert!(error.contains(word), "expected {word:?} in: {error}");
        }
        assert!(!self.out().exists());
        let left: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["data"], "no temporary folder stays");
    }
}

#[test]
fn tables_hold_what_the_layouts_hold() {
    let demo = Demo::new();
    demo.ingest().unwrap();
    let corpora = read(&demo.out(), &Split::ALL).unwrap();
    assert_eq!(
        corpora.iter().map(|c| c.kind).collect::<Vec<_>>(),
        CorpusKind::KNOWN
    );
    for corpus in &corpora {
        assert!(corpus.synthetic);
        assert!(!corpus.sources.is_empty());
        assert!(
            corpus.audio_dim.is_some() && corpus.video_dim.is_some(),
            "{}: {:?}",
            corpus.name,
            corpus.notes
        );
        for split in Split::ALL {
            assert!(
                corpus.of_split(split).count() > 0,
                "{} {split}",
                corpus.name
            );
        }
        let order: Vec<_> = corpus
            .utterances
            .iter()
            .map(|u| (u.split, &u.dialogue_id, u.turn))
            .collect();
        assert!(order.is_sorted(), "{}", corpus.name);
        for u in &corpus.utterances {
            match corpus.task() {
                Task::Sentiment => assert_eq!(u.polarity, u.score.map(Polarity::from_score)),
                Task::Emotion(taxonomy) => {
                    assert!(
                        u.emotion
                            .as_deref()
                            .is_none_or(|name| taxonomy.labels().contains(&name))
                    );
                    assert!(u.emotion_raw.is_some());
                }
            }
            for (sequence, dim) in [(&u.audio, corpus.audio_dim), (&u.video, corpus.video_dim)] {
                if let Some(sequence) = sequence {
                    assert_eq!(Some(sequence.dim), dim);
                    assert!(sequence.steps() > 0 && sequence.values.iter().all(|x| x.is_finite()));
                }
            }
        }
    }
}

#[test]
fn the_same_files_give_the_same_bytes_and_a_second_run_replaces_the_first() {
    let demo = Demo::new();
    demo.ingest().unwrap();
    let bytes = || -> Vec<_> {
        let mut files: Vec<_> = fs::read_dir(demo.out())
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        files
            .into_iter()
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    };
    let first = bytes();
    assert_eq!(first.len(), CorpusKind::KNOWN.len() * Split::ALL.len());
    demo.ingest().unwrap();
    assert!(first == bytes(), "tables differ between two runs");
    fs::remove_dir_all(demo.data().join("iemocap")).unwrap();
    demo.ingest().unwrap();
    assert_eq!(
        bytes().len(),
        3 * Split::ALL.len(),
        "tables of a corpus that is gone do not stay"
    );
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let demo = Demo::new();
    demo.ingest().unwrap();
    let table = demo.out().join("mosi-train.parquet");
    let before = fs::read(&table).unwrap();
    demo.edit(&demo.file("meld", "test_sent_emo.csv"), |_| String::new());
    demo.ingest().unwrap_err();
    assert!(fs::read(&table).unwrap() == before);
}

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
fn a_folder_without_a_corpus_says_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("music")).unwrap();
    let out = folder.path().join("out");
    let error = ingest(folder.path(), &out, &[], &mut |_| {})
        .unwrap_err()
        .to_string();
    for word in [
        "no corpus found",
        "mosi, mosei, meld or iemocap",
        "found music",
    ] {
        assert!(error.contains(word), "{error}");
    }
    let codes: Vec<_> = doctor(folder.path())
        .unwrap()
        .into_iter()
        .map(|f| f.code)
        .collect();
    assert_eq!(codes, [Code::NoCorpus]);
}

#[test]
fn the_doctor_tells_everything_at_once() {
    let demo = Demo::new();
    let errors = |findings: &[Finding]| {
        findings
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .count()
    };
    assert_eq!(errors(&doctor(&demo.data()).unwrap()), 0);
    demo.edit(&demo.file("mosi", ".csv"), |text| {
        text.replacen("text", "words", 1)
    });
    demo.edit(&demo.file("meld", "dev_sent_emo.csv"), |_| String::new());
    let pickle = demo.file("mosei", ".pkl");
    fs::write(&pickle, &fs::read(&pickle).unwrap()[..1000]).unwrap();
    let findings = doctor(&demo.data()).unwrap();
    let codes: Vec<_> = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| f.code)
        .collect();
    for code in [Code::MissingColumn, Code::EmptyCsv, Code::Unreadable] {
        assert!(codes.contains(&code), "{findings:?}");
    }
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

#[test]
fn windows_1252_is_read_and_reported() {
    let demo = Demo::new();
    let file = demo.file("meld", "train_sent_emo.csv");
    let mut bytes = fs::read(&file).unwrap();
    let header = bytes.iter().position(|&byte| byte == b'\n').unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let text = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "Utterance")
        .unwrap();
    let row = reader.records().next().unwrap().unwrap();
    let at = header
        + bytes[header..]
            .windows(row[text].len())
            .position(|w| w == row[text].as_bytes())
            .unwrap();
    bytes[at] = 0x92; // a right single quotation mark
    fs::write(&file, bytes).unwrap();
    demo.ingest().unwrap();
    let corpora = read(&demo.out(), &Split::ALL).unwrap();
    let meld = corpora
        .iter()
        .find(|corpus| corpus.kind == CorpusKind::Meld)
        .unwrap();
    let expected = format!("\u{2019}{}", &row[text][1..]);
    assert!(meld.utterances.iter().any(|u| u.text == expected));
    assert!(meld.notes.iter().any(|note| note.contains("[ENCODING]")));
}

#[test]
fn a_file_that_is_no_table_is_an_error_that_names_it() {
    let demo = Demo::new();
    demo.ingest().unwrap();
    fs::write(demo.out().join("meld-dev.parquet"), b"PAR1 no PAR1").unwrap();
    assert!(
        read(&demo.out(), &Split::ALL)
            .unwrap_err()
            .to_string()
            .contains("meld-dev.parquet")
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(
        read(empty.path(), &Split::ALL)
            .unwrap_err()
            .to_string()
            .contains("no utterance table")
    );
}
