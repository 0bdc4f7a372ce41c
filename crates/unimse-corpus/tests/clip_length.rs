//! Clips of MELD beside their times.

use unimse_corpus::{Code, Severity};

use crate::common::Data;

/// MELD whose train clips last `seconds`; the times of each say two seconds.
fn meld(seconds: &[f64]) -> Data {
    let header = "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime,EndTime\n";
    let row = |i: usize| format!("Hi,joy,positive,0,{i},\"00:00:10,000\",\"00:00:12,000\"\n");
    let rows: String = (0..seconds.len()).map(row).collect();
    let (train, other) = (format!("{header}{rows}"), format!("{header}{}", row(0)));
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", &train),
        ("meld/dev_sent_emo.csv", &other),
        ("meld/test_sent_emo.csv", &other),
    ]);
    for (i, seconds) in seconds.iter().enumerate() {
        let samples = (seconds * 16_000.0) as usize;
        data.tone(
            &format!("meld/train_splits/dia0_utt{i}.wav"),
            16_000,
            samples,
        );
    }
    data
}

#[test]
fn what_lasts_otherwise_than_its_times_say_is_counted_and_named() {
    // half a second is allowed of two
    let data = meld(&[2.0, 2.4, 1.6, 3.0, 0.5, 4.0]);
    let found = data.doctor();
    let found: Vec<_> = found
        .iter()
        .filter(|f| f.code == Code::ClipLength)
        .collect();
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|f| f.severity == Severity::Warning && f.file == "meld")
    );
    let rows_of = |word: &str| {
        &found
            .iter()
            .find(|f| f.message.contains(word))
            .unwrap()
            .rows
    };
    let longer = rows_of("longer");
    assert_eq!(longer.len(), 2);
    // a frame more than 3 s have steps of 10 ms
    assert_eq!(longer[0], "train_dia0_utt3 (3.01 s, its times say 2.00 s)");
    assert_eq!(
        rows_of("shorter"),
        &["train_dia0_utt4 (0.51 s, its times say 2.00 s)"]
    );
}

#[test]
fn features_of_an_unknown_rate_have_no_length() {
    let data = meld(&[]);
    data.put(
        "meld/train_sent_emo.csv",
        &std::fs::read(data.root().join("meld/dev_sent_emo.csv")).unwrap(),
    );
    data.npy("meld/audio/train/0_0.npy", 3, &[1.0; 9]);
    assert!(data.doctor().iter().all(|f| f.code != Code::ClipLength));
    let card = "[audio]\ntool = \"opensmile\"\nrate_hz = 50\n";
    data.put("meld/features.toml", card.as_bytes());
    let found = data.doctor();
    let found = found.iter().find(|f| f.code == Code::ClipLength).unwrap();
    // three steps at 50 a second
    assert_eq!(
        found.rows,
        ["train_dia0_utt0 (0.06 s, its times say 2.00 s)"]
    );
}
