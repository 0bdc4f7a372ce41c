//! The real MOSI and MELD, where `UNIMSE_DATA` names their folder.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_corpus::{Code, Corpus, CorpusKind, Severity, Split, doctor, ingest, read};

fn data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("UNIMSE_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {test} needs UNIMSE_DATA");
    }
    folder
}

/// Ingests the folder and reads the tables back.
fn round_trip(data: &std::path::Path, features: &[(String, PathBuf)]) -> Vec<Arc<Corpus>> {
    let out = tempfile::tempdir().unwrap();
    let tables = out.path().join("tables");
    ingest(data, &tables, features, &mut |_| {}).unwrap();
    read(&tables, &Split::ALL).unwrap()
}

fn counts(corpus: &Corpus) -> [usize; 3] {
    Split::ALL.map(|split| corpus.of_split(split).count())
}

/// Every text and score of MOSI is the one that its CSV has.
fn compare_mosi(mosi: &Corpus, data: &Path) {
    let mut reader = csv::Reader::from_path(data.join("mosi/MOSI-label.csv")).unwrap();
    let texts: HashMap<String, (String, f32)> = (reader.records())
        .map(|row| row.unwrap())
        .map(|row| {
            (
                format!("{}_{}", &row[0], &row[1]),
                (row[2].to_owned(), row[3].parse().unwrap()),
            )
        })
        .collect();
    assert_eq!(texts.len(), mosi.utterances.len());
    for u in &mosi.utterances {
        assert_eq!(
            (&u.text, u.score),
            (&texts[&u.utterance_id].0, Some(texts[&u.utterance_id].1))
        );
    }
}

/// Every text of MELD is the one that its CSVs have.
fn compare_meld(meld: &Corpus, data: &Path) {
    for split in Split::ALL {
        let mut reader =
            csv::Reader::from_path(data.join(format!("meld/{split}_sent_emo.csv"))).unwrap();
        let found: HashMap<&str, &str> = meld
            .of_split(split)
            .map(|i| &meld.utterances[i])
            .map(|u| (&*u.utterance_id, &*u.text))
            .collect();
        for row in reader.records() {
            let row = row.unwrap();
            assert_eq!(
                found[&*format!("{split}_dia{}_utt{}", &row[5], &row[6])],
                &row[1]
            );
        }
    }
}

#[test]
fn mosi_and_meld_have_the_published_counts_and_their_own_texts() {
    let Some(data) = data("mosi_and_meld_have_the_published_counts_and_their_own_texts") else {
        return;
    };
    let corpora = round_trip(&data, &[]);
    let [mosi, meld] = &corpora[..] else {
        panic!("expected mosi and meld")
    };
    assert_eq!(
        (mosi.kind, counts(mosi)),
        (CorpusKind::Mosi, [1284, 229, 686])
    );
    assert_eq!(
        (meld.kind, counts(meld)),
        (CorpusKind::Meld, [9989, 1109, 2610])
    );
    assert_eq!((mosi.audio_dim, mosi.video_dim), (Some(73), None));
    assert!(
        mosi.utterances
            .iter()
            .all(|u| u.video.is_none() && u.audio.as_ref().unwrap().values.len() == 73)
    );
    assert!(!mosi.synthetic && !meld.synthetic);

    compare_mosi(mosi, &data);
    compare_meld(meld, &data);
    // one test utterance of MELD ends before it starts
    assert_eq!(
        meld.utterances
            .iter()
            .filter(|u| u.start_s.is_none())
            .count(),
        1
    );
}

#[test]
fn the_other_split_is_used_only_when_asked_for_and_with_a_warning() {
    let Some(data) = data("the_other_split_is_used_only_when_asked_for_and_with_a_warning") else {
        return;
    };
    let other = data.join("mosi_layouts/mmsa_unaligned_62_31.pkl");
    let corpora = round_trip(&data, &[("mosi".to_owned(), other)]);
    let mosi = &corpora[0];
    assert_eq!(
        counts(mosi),
        [1284, 229, 686],
        "the split stays the label CSV's"
    );
    assert_eq!((mosi.audio_dim, mosi.video_dim), (Some(73), Some(100)));
    assert!(
        mosi.notes
            .iter()
            .any(|note| note.contains("[SPLIT_MISMATCH]")),
        "{:?}",
        mosi.notes
    );
}

#[test]
fn the_left_padded_layout_gives_the_same_audio() {
    let Some(data) = data("the_left_padded_layout_gives_the_same_audio") else {
        return;
    };
    let sdk = data.join("mosi_layouts/mosi_data_noalign.pkl");
    let (plain, padded) = (
        round_trip(&data, &[]),
        round_trip(&data, &[("mosi".to_owned(), sdk)]),
    );
    assert_eq!(plain[0].utterances, padded[0].utterances);
}

#[test]
fn the_doctor_finds_no_error() {
    let Some(data) = data("the_doctor_finds_no_error") else {
        return;
    };
    let findings = doctor(&data).unwrap();
    let errors: Vec<_> = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!findings.iter().any(|f| f.code == Code::Counts));
}
