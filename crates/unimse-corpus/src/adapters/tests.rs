//! Pickle layouts of MOSI and MOSEI that the demo does not have.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::{
    Code, Corpus, Finding, Split,
    demo::pickle::{Value, dump},
    doctor, ingest, read,
};
use std::{fs, sync::Arc};

fn dict(entries: &[(&str, Value)]) -> Value {
    Value::Dict(
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    )
}

fn texts(texts: &[&str]) -> Value {
    Value::List(
        texts
            .iter()
            .map(|text| Value::Str((*text).to_owned()))
            .collect(),
    )
}

/// A part of an aligned MMSA pickle: two utterances of three steps, two audio features, 768 of text.
fn part(ids: [&str; 2], audio: [f32; 12]) -> Value {
    dict(&[
        ("raw_text", texts(&["good", "bad"])),
        ("id", texts(&ids)),
        ("audio", Value::F32(vec![2, 3, 2], audio.to_vec())),
        ("vision", Value::F32(vec![2, 3, 1], vec![0.0; 6])),
        ("text", Value::F32(vec![2, 3, 768], vec![0.5; 2 * 3 * 768])),
        ("regression_labels", Value::F64(vec![1.5, -2.0])),
    ])
}

struct Data(tempfile::TempDir);

impl Data {
    fn new(file: &str, root: &Value) -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        data.put(file, &dump(root));
        data
    }

    fn put(&self, file: &str, bytes: &[u8]) {
        let path = self.0.path().join("data").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn ingest(&self) -> Result<Arc<Corpus>, String> {
        let out = self.0.path().join("out");
        ingest(&self.0.path().join("data"), &out, &[], &mut |_| {})
            .map_err(|error| error.to_string())?;
        Ok(read(&out, &Split::ALL).unwrap().swap_remove(0))
    }

    fn finding(&self, code: Code) -> Option<Finding> {
        let findings = doctor(&self.0.path().join("data")).unwrap();
        findings.into_iter().find(|f| f.code == code)
    }
}

const STEPS: [f32; 12] = [
    1.0,
    2.0,
    3.0,
    4.0,
    0.0,
    0.0,
    f32::NEG_INFINITY,
    1.0,
    0.0,
    0.0,
    5.0,
    6.0,
];

#[test]
fn an_aligned_pickle_alone_gives_labels_text_and_split() {
    let root = dict(&[
        ("train", part(["a$_$1", "a$_$2"], STEPS)),
        ("valid", part(["b$_$1", "b$_$2"], STEPS)),
        ("test", part(["-c_d$_$1", "-c_d$_$10"], STEPS)),
    ]);
    let data = Data::new("mosi/aligned_50.pkl", &root);
    let corpus = data.ingest().unwrap();
    assert_eq!((corpus.audio_dim, corpus.video_dim), (Some(2), None));
    let steps = |id: &str| {
        corpus
            .utterances
            .iter()
            .find(|u| u.utterance_id == id)
            .unwrap()
    };
    let first = steps("a_1");
    assert_eq!(
        (first.score, first.text.as_str(), first.turn),
        (Some(1.5), "good", 1)
    );
    // no lengths: the last step of zeros is padding, one between others is not
    assert_eq!(first.audio.as_ref().unwrap().values, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        steps("a_2").audio.as_ref().unwrap().values,
        [0.0, 1.0, 0.0, 0.0, 5.0, 6.0]
    );
    let last = steps("-c_d_10");
    assert_eq!(
        (last.dialogue_id.as_str(), last.turn, last.split),
        ("-c_d", 10, Split::Test)
    );
    assert_eq!(data.finding(Code::NonFinite).unwrap().rows.len(), 3);
}

#[test]
fn lengths_decide_and_what_lies_behind_them_is_told() {
    let mut train = part(["a$_$1", "a$_$2"], STEPS);
    let Value::Dict(fields) = &mut train else {
        panic!()
    };
    fields.push((
        "audio_lengths".to_owned(),
        Value::List(vec![Value::Int(1), Value::Int(0)]),
    ));
    fields.push((
        "vision_lengths".to_owned(),
        Value::List(vec![Value::Int(0), Value::Int(9)]),
    ));
    let data = Data::new("mosi/unaligned_50.pkl", &dict(&[("train", train)]));
    let corpus = data.ingest().unwrap();
    assert_eq!(
        corpus.utterances[0].audio.as_ref().unwrap().values,
        [1.0, 2.0]
    );
    assert_eq!(corpus.utterances[1].audio, None);
    // the stream of length 0 is absent, not cut: only the first has something behind its length
    assert_eq!(data.finding(Code::Residue).unwrap().rows, ["a_1"]);
    assert!(data.finding(Code::Length).is_some());
}

#[test]
fn a_mosei_pickle_takes_the_published_split() {
    let ids = ["-3g5yACwYnA$_$10", "-3g5yACwYnA$_$9999"];
    let data = Data::new("mosei/unaligned.pkl", &dict(&[("test", part(ids, STEPS))]));
    let corpus = data.ingest().unwrap();
    assert_eq!(corpus.utterances.len(), 1);
    assert_eq!(corpus.utterances[0].split, Split::Train);
    assert_eq!(
        data.finding(Code::SplitManifest).unwrap().rows,
        ["-3g5yACwYnA_10"]
    );
    assert_eq!(
        data.finding(Code::NotInSplit).unwrap().rows,
        ["-3g5yACwYnA_9999"]
    );
}

#[test]
fn a_pickle_without_labels_cannot_stand_alone() {
    let root = dict(&[(
        "train",
        dict(&[
            ("id", texts(&["a$_$1"])),
            ("audio", Value::F32(vec![1, 1, 1], vec![1.0])),
        ]),
    )]);
    let data = Data::new("mosi/features.pkl", &root);
    let error = data.ingest().unwrap_err();
    assert!(error.contains("expected a label CSV"), "{error}");
    // with a CSV, a field of another number of rows is an error that names it
    data.put(
        "mosi/label.csv",
        b"video_id,clip_id,text,label,mode\na,1,good,1.5,train\n",
    );
    assert_eq!(data.ingest().unwrap().audio_dim, Some(1));
    let root = dict(&[(
        "train",
        dict(&[
            ("id", texts(&["a$_$1"])),
            ("audio", Value::F32(vec![2, 1, 1], vec![1.0; 2])),
        ]),
    )]);
    data.put("mosi/features.pkl", &dump(&root));
    let error = data.ingest().unwrap_err();
    assert!(
        error.contains("mosi/features.pkl, key train.audio: expected 1 rows as in id, found 2"),
        "{error}"
    );
}
