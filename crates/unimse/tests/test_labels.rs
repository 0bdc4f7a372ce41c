//! No test label reaches what is learned or chosen: the test labels of a whole data folder are permuted in its files, and labels of train
//! and dev, checkpoint and selection are the same bytes.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use unimse_corpus::{Utterance, read};
use unimse_labels::{DonorProtocol, Split};
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::data::labels_table::{LabelTable, Row};
use unimse_train::train::checkpoint::{self, LoopState};
use unimse_train::train::identity::Identity;
use unimse_train::{train::trainer, unify};

use crate::{processes, tiny};

const CORPORA: [&str; 4] = ["mosi", "mosei", "meld", "iemocap"];

/// The permutation: every label goes so many rows up.
const UP: usize = 7;

/// Moves the test labels of every corpus of the demo's data folder, wherever its files tell them.
fn permute(data: &Path) {
    for (corpus, table) in [("mosi", "MOSI-label.csv"), ("mosei", "label.csv")] {
        let folder = data.join(corpus);
        let test = |row: &csv::StringRecord| &row[5] == "test";
        let rows = permute_csv(&folder.join(table), &["label", "annotation"], test);
        let pickle = folder.join("mmsa_unaligned.pkl");
        let mut bytes = std::fs::read(&pickle).unwrap();
        for key in ["classification_labels", "regression_labels"] {
            permute_numbers(&mut bytes, key, rows);
        }
        permute_words(&mut bytes, "annotations");
        std::fs::write(pickle, bytes).unwrap();
    }
    let table = data.join("meld/test_sent_emo.csv");
    permute_csv(&table, &["Emotion", "Sentiment"], |_| true);
    permute_evaluations(&data.join("iemocap/Session5/dialog/EmoEvaluation"));
}

/// Moves the columns of the rows that are `wanted`; how many those are.
fn permute_csv(
    path: &Path,
    columns: &[&str],
    wanted: impl Fn(&csv::StringRecord) -> bool,
) -> usize {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let columns: Vec<usize> = columns
        .iter()
        .map(|column| header.iter().position(|h| h == *column).unwrap())
        .collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let labels = |row: &csv::StringRecord| -> Vec<String> {
        columns.iter().map(|&c| row[c].to_owned()).collect()
    };
    let mut moved: Vec<Vec<String>> = rows.iter().filter(|r| wanted(r)).map(labels).collect();
    let count = moved.len();
    moved.rotate_left(UP);
    let mut moved = moved.into_iter();
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(&header).unwrap();
    for row in rows {
        let labels = wanted(&row).then(|| moved.next().unwrap());
        let field = |(at, old): (usize, &str)| {
            let new = columns.iter().position(|&c| c == at).zip(labels.as_ref());
            new.map_or_else(|| old.to_owned(), |(k, labels)| labels[k].clone())
        };
        let fields = row.iter().enumerate().map(field);
        writer.write_record(fields).unwrap();
    }
    writer.flush().unwrap();
    count
}

/// Where the value of the last `key` of a pickle begins: test is the last split.
fn value(bytes: &[u8], key: &str) -> usize {
    let found = bytes.windows(key.len()).rposition(|w| w == key.as_bytes());
    found.unwrap() + key.len()
}

/// Moves the numbers of the float64 array under `key`: opcode `B`, the length in bytes, the numbers.
fn permute_numbers(bytes: &mut [u8], key: &str, rows: usize) {
    let begin = value(bytes, key);
    let mut head = vec![b'B'];
    head.extend((8 * rows as u32).to_le_bytes());
    let at = bytes[begin..].windows(5).position(|w| w == head).unwrap();
    let numbers = begin + at + head.len();
    bytes[numbers..numbers + 8 * rows].rotate_left(8 * UP);
}

/// Moves the strings of the list under `key`: opcodes `](`, then `X`, the length and the letters of each, then `e`.
fn permute_words(bytes: &mut Vec<u8>, key: &str) {
    let begin = value(bytes, key) + 2;
    let (mut at, mut words) = (begin, Vec::new());
    while bytes[at] == b'X' {
        let length = u32::from_le_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        words.push(bytes[at..at + 5 + length].to_vec());
        at += 5 + length;
    }
    assert_eq!(bytes[at], b'e');
    words.rotate_left(UP);
    bytes.splice(begin..at, words.concat());
}

/// Moves code and ratings of the utterances of a folder of IEMOCAP, in the order of its files.
fn permute_evaluations(folder: &Path) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let texts: Vec<String> = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let split = |line: &str| -> Option<(String, String)> {
        let parts: Vec<&str> = line.split('\t').collect();
        let labelled = line.starts_with('[') && parts.len() == 4;
        labelled.then(|| (parts[..2].join("\t"), parts[2..].join("\t")))
    };
    let all = texts.iter().flat_map(|text| text.lines());
    let mut labels: Vec<String> = all.filter_map(split).map(|(_, label)| label).collect();
    labels.rotate_left(UP);
    let mut labels = labels.into_iter();
    for (path, text) in paths.iter().zip(&texts) {
        let lines = text.lines().map(|line| match split(line) {
            Some((row, _)) => format!("{row}\t{}\n", labels.next().unwrap()),
            None => format!("{line}\n"),
        });
        std::fs::write(path, lines.collect::<String>()).unwrap();
    }
}

/// Tables, labels and a training of one data folder.
struct Trained {
    paths: RunFolder,
}

impl Trained {
    fn new(data: &Path, place: &Path, config: &RunConfig) -> Self {
        let paths = RunFolder::new(place);
        unimse_corpus::ingest(data, &paths.corpus, &[], &mut |_| {}).unwrap();
        let trained = Self { paths };
        trained.unify(config, &trained.paths.labels);
        trainer::train(config, &trained.paths, 3, false, &AtomicBool::new(false)).unwrap();
        trained
    }

    fn unify(&self, config: &RunConfig, out: &Path) {
        let options = config.labels.options();
        let encoder = &config.labels.encoder;
        unify::run(&self.paths.corpus, out, encoder, None, None, &options).unwrap();
    }

    /// Rows of the utterance tables of all corpora that are in test, or that are not.
    fn utterances(&self, test: bool) -> Vec<Utterance> {
        let corpora = read(&self.paths.corpus, &Split::ALL).unwrap();
        assert_eq!(corpora.len(), CORPORA.len());
        let all = corpora.into_iter().flat_map(|c| c.utterances.clone());
        all.filter(|u| (u.split == Split::Test) == test).collect()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.paths.run.join(name)).unwrap()
    }

    /// Events without what the machine decides: losses, dev scores, which epoch was the best.
    fn events(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes("events.jsonl")).unwrap();
        let event = |line: &str| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            for measured in ["seconds", "utterances_per_second", "memory"] {
                event[measured] = Value::Null;
            }
            event
        };
        text.lines().map(event).collect()
    }

    /// The state of the loop, and what the training was made of.
    fn state(&self) -> (LoopState, Identity) {
        let (_, mut state) = checkpoint::load(&self.paths.last(), false).unwrap();
        state.events = 0; // bytes of a log that holds times
        let identity = std::mem::take(&mut state.identity);
        (state, identity)
    }
}

/// Label rows of train and dev of all corpora.
fn learned(labels: &Path) -> Vec<Row> {
    let tables = CORPORA.map(|corpus| LabelTable::read(labels, corpus).unwrap());
    let all = tables.into_iter().flat_map(|table| table.rows);
    all.filter(|row| row.split != Split::Test).collect()
}

/// One short training of a tiny model around `checkpoint`.
fn config(checkpoint: &Path) -> RunConfig {
    let encoder = checkpoint.display();
    let overrides = [
        format!("model.checkpoint={encoder}"),
        format!("labels.encoder={encoder}"),
        "model.max_tokens=24".to_owned(),
        "label_decoder.heads=2".to_owned(),
        "fusion.layers=2".to_owned(),
        "train.epochs=2".to_owned(),
        "train.batch=64".to_owned(),
        "train.precision=fp32".to_owned(),
    ];
    RunConfig::merge(None, None, &overrides).unwrap()
}

/// The test rows of every corpus have other labels and are the same otherwise.
fn assert_moved(plain: &Trained, permuted: &Trained) {
    let (before, after) = (plain.utterances(true), permuted.utterances(true));
    for corpus in CORPORA {
        let pairs = before
            .iter()
            .zip(&after)
            .filter(|(a, _)| a.corpus == corpus);
        let label = |u: &Utterance| (u.score, u.polarity, u.emotion_raw.clone());
        let (all, moved) = pairs.fold((0, 0), |(all, moved), (a, b)| {
            assert_eq!((&a.utterance_id, &a.text), (&b.utterance_id, &b.text));
            (all + 1, moved + usize::from(label(a) != label(b)))
        });
        assert!(2 * moved > all, "{corpus}: {moved} of {all} labels moved");
    }
}

#[test]
fn permuted_test_labels_change_nothing_that_is_learned_or_chosen() {
    let name = "test_labels::permuted_test_labels_change_nothing_that_is_learned_or_chosen";
    if !processes::alone(name) {
        return;
    }
    tch::set_num_threads(1);
    let (checkpoint, place) = (tiny::folder(tiny::BERT), tempfile::tempdir().unwrap());
    let at = |name: &str| place.path().join(name);
    let config = config(checkpoint.path());
    for data in ["data", "permuted-data"] {
        unimse_corpus::demo::write(&at(data)).unwrap();
    }
    permute(&at("permuted-data"));
    let plain = Trained::new(&at("data"), &at("plain"), &config);
    let permuted = Trained::new(&at("permuted-data"), &at("permuted"), &config);

    assert_moved(&plain, &permuted);
    assert!(plain.utterances(false) == permuted.utterances(false));
    let labels = |t: &Trained| learned(&t.paths.labels);
    assert!(
        labels(&plain) == labels(&permuted),
        "labels of train or dev"
    );
    for corpus in CORPORA {
        let name = format!("labels/embeddings/{corpus}.parquet");
        assert!(plain.bytes(&name) == permuted.bytes(&name), "{name}");
    }
    for name in ["model.safetensors", "features.json", "model.json"] {
        let name = format!("checkpoints/{name}");
        assert!(plain.bytes(&name) == permuted.bytes(&name), "{name}");
    }
    assert_eq!(plain.events(), permuted.events());
    let ((a, made_of), (b, other)) = (plain.state(), permuted.state());
    assert_eq!(a, b);
    // what the trainings are made of differs in the tables, which hold the test rows, and in nothing else
    assert_ne!(made_of.tables, other.tables);
    let tables = made_of.tables.clone();
    assert_eq!(made_of, Identity { tables, ..other });

    // what the test would see if test rows could give labels
    let mut leaky = config;
    leaky.labels.donors = DonorProtocol::All;
    for trained in [&plain, &permuted] {
        trained.unify(&leaky, &trained.paths.run.join("leaky"));
    }
    let labels = |t: &Trained| learned(&t.paths.run.join("leaky"));
    assert!(labels(&plain) != labels(&permuted), "a leak would be seen");
}
