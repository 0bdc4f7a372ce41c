//! Label tables and what describes them: the first byte says whose, the rest is the file. The doctor must report and never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{cell::RefCell, fs, path::Path};

const MELD: &str = "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime,EndTime\nHi,joy,positive,0,0,\"0:00:01,5\",\"0:00:02,000\"\n";

/// The file that the bytes become, and the files it needs beside it.
const PLACES: [(&str, &[(&str, &str)]); 9] = [
    ("mosi/label.csv", &[]),
    ("mosei/label.csv", &[]),
    ("meld/train_sent_emo.csv", &[("meld/dev_sent_emo.csv", MELD), ("meld/test_sent_emo.csv", MELD)]),
    ("iemocap/iemocap.csv", &[("iemocap/splits.csv", "utterance_id,split\nSes01F_impro01_F000,train\n")]),
    ("iemocap/splits.csv", &[("iemocap/iemocap.csv", "vid_cid,label,text\nSes01F_impro01_F000,neu,Hi\n")]),
    (
        "iemocap/Session1/dialog/EmoEvaluation/a.txt",
        &[("iemocap/Session1/dialog/transcriptions/a.txt", "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n")],
    ),
    ("own/utterances.csv", &[]),
    ("own/utterances.jsonl", &[]),
    ("own/taxonomy.toml", &[("own/utterances.csv", "utterance_id,split,text,emotion,taxonomy\na,train,Great,delight,moods\n")]),
];

thread_local! {
    static DATA: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("names have a folder")).expect("a writable folder");
    fs::write(path, bytes).expect("a writable folder");
}

fuzz_target!(|input: &[u8]| {
    let Some((&place, bytes)) = input.split_first() else { return };
    let (name, beside) = PLACES[usize::from(place) % PLACES.len()];
    DATA.with_borrow_mut(|data| {
        let root = data.get_or_insert_with(|| tempfile::tempdir().expect("a temporary folder"));
        put(root.path(), name, bytes);
        beside.iter().for_each(|(name, text)| put(root.path(), name, text.as_bytes()));
        let corpus = root.path().join(name.split('/').next().unwrap_or_default());
        unimse_corpus::doctor(root.path()).expect("the folder can be read");
        fs::remove_dir_all(corpus).expect("a writable folder");
    });
});
