//! What extraction makes of clips is what ingest reads: in the layout of a data set, and by the paths in a table of one's own.

use unimse_corpus::{Code, Severity};
use unimse_media::{AudioFeatures, extract::extract, mel, prosody};

use crate::common::{Data, row};

#[test]
fn features_of_clips_and_their_card_are_in_the_tables() {
    let header = "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n";
    let rows = format!("{header}Hi,joy,positive,0,0\nOh,neutral,neutral,0,1\n");
    let silent = format!("{header}Well,neutral,neutral,0,0\n");
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", rows.as_str()),
        ("meld/dev_sent_emo.csv", silent.as_str()),
        ("meld/test_sent_emo.csv", silent.as_str()),
        (
            "calls/utterances.csv",
            "utterance_id,split,text,score,audio\na,train,Great,2,clips/a.wav\nb,train,Bad,-1,clips/b.wav\nc,dev,Well,1,clips/c.mp4\n",
        ),
    ]);
    data.tone("meld/train_splits/dia0_utt0.wav", 16_000, 8_000);
    data.tone("meld/train_splits/dia0_utt1.wav", 16_000, 16_000);
    data.tone("calls/clips/a.wav", 44_100, 44_100);
    data.tone("calls/clips/b.wav", 16_000, 0);
    data.put("calls/clips/c.mp4", b"no clip");
    let extracted = extract(&data.root(), &data.root(), AudioFeatures::Prosody, &|_| {}).unwrap();
    assert_eq!(
        (extracted.records.len(), extracted.findings().count()),
        (5, 2)
    );

    let corpora = data.ingest().unwrap();
    let named = |name: &str| corpora.iter().find(|corpus| corpus.name == name).unwrap();
    let (meld, calls) = (named("meld"), named("calls"));
    for corpus in [meld, calls] {
        assert_eq!(corpus.features.audio.as_ref(), Some(&prosody::card()));
    }
    for id in ["train_dia0_utt0", "train_dia0_utt1"] {
        let audio = row(meld, id).audio.as_ref().unwrap();
        assert_eq!(
            (audio.steps(), audio.dim),
            (1, prosody::NAMES.len()),
            "{id}"
        );
    }
    let has_audio = |id: &str| row(calls, id).audio.is_some();
    assert_eq!(["a", "b", "c"].map(has_audio), [true, false, false]);
    data.check_told(
        Severity::Warning,
        Code::EmptyMedia,
        &["clips/b.wav: no sample", "(NOT_MEDIA): audio is absent"],
    );
}

#[test]
fn a_clip_has_no_features_of_another_with_its_name() {
    let data = Data::new(&[(
        "calls/utterances.csv",
        "utterance_id,split,text,score,audio\na,train,Great,2,./a.oga\nb,dev,Bad,-1,a.wav\nc,test,So,1,later.wav\n",
    )]);
    data.tone("calls/a.oga", 16_000, 8_000); // decoders look at the content
    data.tone("calls/a.wav", 16_000, 16_000);
    extract(&data.root(), &data.root(), AudioFeatures::Prosody, &|_| {}).unwrap();
    data.tone("calls/later.wav", 16_000, 16_000);
    let calls = &data.ingest().unwrap()[0];
    let has_audio = |id: &str| row(calls, id).audio.is_some();
    assert_eq!(["a", "b", "c"].map(has_audio), [true, false, false]);
    for words in [
        ["a.wav: ", "(TWICE): audio is absent"],
        ["later.wav: ", "extraction.jsonl does not have this clip"],
    ] {
        data.check_told(Severity::Warning, Code::EmptyMedia, &words);
    }
}

#[test]
fn log_mel_bands_of_a_clip_are_those_that_ingest_makes_itself() {
    let table = "utterance_id,split,text,score,audio\na,train,Great,2,a.wav\n";
    let data = Data::new(&[("calls/utterances.csv", table)]);
    data.tone("calls/a.wav", 22_050, 30_000);
    let before = data.ingest().unwrap();
    extract(&data.root(), &data.root(), AudioFeatures::Mel, &|_| {}).unwrap();
    let after = data.ingest().unwrap();
    assert_eq!(row(&after[0], "a").audio, row(&before[0], "a").audio);
    assert_eq!(before[0].features, after[0].features);
    assert_eq!(after[0].features.audio, Some(mel::card()));
}
