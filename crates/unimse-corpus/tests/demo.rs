//! Demo corpora through the whole crate: tables, provenance, atomicity, the doctor.

use std::fs;
use unimse_corpus::{
    Code, CorpusKind, Finding, Polarity, Severity, Split, Task, doctor, ingest, read,
};

use crate::common::demo::Demo;

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
    let description = 1; // croissant.json
    assert_eq!(
        first.len(),
        CorpusKind::KNOWN.len() * Split::ALL.len() + description
    );
    demo.ingest().unwrap();
    assert!(first == bytes(), "tables differ between two runs");
    fs::remove_dir_all(demo.data().join("iemocap")).unwrap();
    demo.ingest().unwrap();
    assert_eq!(
        bytes().len(),
        3 * Split::ALL.len() + description,
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
