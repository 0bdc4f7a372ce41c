//! Layouts beyond the demo's: computational sequences, wave and npy files, the release tree and the table of IEMOCAP; and all of them with damaged bytes.

use proptest::prelude::*;
use std::{fs, path::Path};
use unimse_corpus::{Code, Severity, Split, Utterance};
use unimse_labels::BasicEmotion;

use crate::common::{Data, row};

const MOSEI: &str = "video_id,clip_id,text,label,annotation,mode\n\
    v1,0,one,1.0,Positive,train\nv1,1,two,-2.0,Negative,train\nv1,2,three,3.0,Positive,train\n\
    v2,0,a,1.0,Positive,dev\nv2,1,b,0.0,Neutral,dev\nv2,2,c,2.0,Positive,dev\nv2,3,d,-1.0,Negative,dev\n\
    v3,0,x,1.0,Positive,test\nv3,2,z,-3.0,Negative,test\n";

#[test]
fn sequences_are_cut_by_segments_in_order_of_start_and_scores_must_agree() {
    let data = Data::new(&[("mosei/label.csv", MOSEI)]);
    data.fixture("labels.csd", "mosei/CMU_MOSEI_Labels.csd");
    data.fixture("covarep.csd", "mosei/CMU_MOSEI_COVAREP.csd");
    let corpora = data.ingest().unwrap();
    let corpus = &corpora[0];
    assert_eq!((corpus.audio_dim, corpus.video_dim), (Some(2), None));
    let audio = corpus.features.audio.as_ref().unwrap();
    assert_eq!((audio.tool.as_str(), audio.dimension), ("COVAREP", 2));
    // v1 in order of start: 1, -2, 3; rows whose middle lies in [2, 4) are 8 to 15
    let two = row(corpus, "v1_1");
    assert_eq!((two.start_s, two.end_s), (Some(2.0), Some(4.0)));
    let expected: Vec<f32> = (8_i16..16)
        .flat_map(|i| [f32::from(i), -f32::from(i)])
        .collect();
    assert_eq!(two.audio.as_ref().unwrap().values, expected);
    // happiness, sadness, anger, surprise, disgust, fear
    assert_eq!(two.intensities, Some([1.0, 0.0, 0.5, 0.0, 0.0, 2.0]));
    assert_eq!(two.strongest_emotion(), Some(BasicEmotion::Fear));
    // for comparison only: neither the tables nor the unifier take it for a label
    let labels = |u: &Utterance| u.emotion.is_some() || u.emotion_raw.is_some();
    assert!(!corpus.utterances.iter().any(labels));
    let samples = corpus.samples();
    assert!((samples.iter()).all(|sample| sample.meld.is_none() && sample.iemocap.is_none()));
    // v2: clips 1 and 2 were numbered against time
    for (id, known) in [
        ("v2_0", true),
        ("v2_1", false),
        ("v2_2", false),
        ("v2_3", true),
    ] {
        assert_eq!(row(corpus, id).audio.is_some(), known, "{id}");
        assert_eq!(row(corpus, id).start_s.is_some(), known, "{id}");
    }
    // v3: three segments, clips 0 and 2
    assert_eq!(row(corpus, "v3_2").start_s, Some(2.0));
    let mismatch = data
        .doctor()
        .into_iter()
        .find(|f| f.code == Code::SegmentMismatch)
        .unwrap();
    assert_eq!(mismatch.rows, ["v2_1", "v2_2"]);
}

#[test]
fn ratings_that_are_no_numbers_are_null_and_told() {
    let data = Data::new(&[("mosei/label.csv", MOSEI)]);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut labels = fs::read(fixtures.join("labels.csd")).unwrap();
    let known = [1.0_f32, 0.0, 0.5, 0.0, 0.0, 2.0]
        .map(f32::to_le_bytes)
        .concat();
    let at = (labels.windows(known.len())).position(|bytes| bytes == known);
    let at = at.unwrap() + 8; // the third, anger
    labels[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    data.put("mosei/CMU_MOSEI_Labels.csd", &labels);
    let corpora = data.ingest().unwrap();
    let rated = |u: &&Utterance| u.start_s.is_some() && u.intensities.is_none();
    assert_eq!(corpora[0].utterances.iter().filter(rated).count(), 1);
    let message = |data: &Data| {
        let mut findings = data.doctor().into_iter();
        findings
            .find(|f| f.code == Code::RatingFormat)
            .unwrap()
            .to_string()
    };
    let told = message(&data);
    assert!(
        told.starts_with("mosei/CMU_MOSEI_Labels.csd, video "),
        "{told}"
    );

    let table = "video_id,clip_id,text,label,mode,happiness,sadness,anger,surprise,disgust,fear\n\
        v,0,x,1,train,1,0,nan,0,0,0\nv,1,x,1,train,1,0,0,0,0,0\nv,2,x,1,train,,,,,,\n";
    let data = Data::new(&[("mosei/label.csv", table)]);
    let corpora = data.ingest().unwrap();
    let intensities = ["v_0", "v_1", "v_2"].map(|id| row(&corpora[0], id).intensities);
    assert_eq!(
        intensities,
        [None, Some([1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), None]
    );
    let findings = data.doctor();
    let told = findings
        .iter()
        .find(|f| f.code == Code::RatingFormat)
        .unwrap();
    assert_eq!(
        (&told.file[..], &told.rows[..]),
        ("mosei/label.csv", &["line 2".to_owned()][..])
    );
}

#[test]
fn sequences_without_segments_are_not_used() {
    let data = Data::new(&[("mosei/label.csv", MOSEI)]);
    data.fixture("covarep.csd", "mosei/CMU_MOSEI_COVAREP.csd");
    assert_eq!(data.ingest().unwrap()[0].audio_dim, None);
    assert!(data.codes(Severity::Warning).contains(&Code::NoSegments));
    data.put("mosei/CMU_MOSEI_Labels.csd", b"\x89HDF\r\n\x1a\n cut");
    let error = data.ingest().unwrap_err();
    assert!(error.contains("mosei/CMU_MOSEI_Labels.csd"), "{error}");
}

const MELD: &str = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n\
    1,Hello,Ross,joy,positive,0,0,8,21,\"00:16:16,059\",\"00:16:21,731\"\n\
    2,Oh,Rachel,surprise,negative,0,3,8,21,\"0:16:22,5\",\"0:16:21,0\"\n";

#[test]
fn wave_files_become_log_mel_and_npy_files_features() {
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", MELD),
        ("meld/dev_sent_emo.csv", MELD),
        ("meld/test_sent_emo.csv", MELD),
    ]);
    for split in [
        "train_splits",
        "dev_splits_complete",
        "output_repeated_splits_test",
    ] {
        data.tone(&format!("meld/{split}/dia0_utt0.wav"), 16_000, 16_000);
        data.tone(&format!("meld/{split}/dia0_utt3.wav"), 48_000, 48_000);
    }
    data.put("meld/train_splits/notes.wav", b"no utterance");
    for split in ["train", "dev", "test"] {
        data.npy_in_turn(&format!("meld/video/{split}/0_3.npy"), [7, 5]);
    }
    let corpora = data.ingest().unwrap();
    let corpus = &corpora[0];
    assert_eq!((corpus.audio_dim, corpus.video_dim), (Some(64), Some(5)));
    for id in ["train_dia0_utt0", "dev_dia0_utt3", "test_dia0_utt3"] {
        let audio = row(corpus, id).audio.as_ref().unwrap();
        assert_eq!((audio.dim, audio.steps()), (64, 1 + 16_000 / 160), "{id}");
        // in the middle of the tone, the loudest of 64 bands up to 8 kHz is the one around 440 Hz
        let frame = &audio.values[50 * 64..51 * 64];
        let loudest = (0..64)
            .max_by(|&a, &b| frame[a].total_cmp(&frame[b]))
            .unwrap();
        // 440 Hz is 6.6 mel of 45.2 in 65 steps
        assert!((8..=10).contains(&loudest), "{id}: band {loudest}");
    }
    assert_eq!(row(corpus, "train_dia0_utt0").video, None);
    assert_eq!(
        row(corpus, "train_dia0_utt3")
            .video
            .as_ref()
            .unwrap()
            .steps(),
        7
    );
    let late = row(corpus, "train_dia0_utt3");
    assert_eq!((late.start_s, late.end_s), (None, None));
}

#[test]
fn broken_media_are_errors_but_for_the_two_known_ones() {
    let dev = "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID\nHi,joy,positive,110,7\nYes,joy,positive,110,8\n";
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", MELD),
        ("meld/dev_sent_emo.csv", dev),
        ("meld/test_sent_emo.csv", MELD),
    ]);
    data.tone("meld/dev/dia110_utt8.wav", 16_000, 800);
    data.put("meld/dev/dia110_utt7.wav", b"RIFF");
    assert_eq!(
        row(&data.ingest().unwrap()[0], "dev_dia110_utt7").audio,
        None
    );
    assert!(data.codes(Severity::Info).contains(&Code::KnownBadMedia));
    data.put("meld/dev/dia110_utt8.wav", b"RIFF");
    let error = data.ingest().unwrap_err();
    assert!(error.contains("meld/dev/dia110_utt8.wav"), "{error}");
}

const EVALUATION: &str = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n\
    [8.0 - 9.5]\tSes01F_impro01_M000\thap\t[4.0, 3.5, 2.0]\nC-E2:\tHappiness;\t()\n\
    [6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\nC-E2:\tNeutral;\t()\n";

#[test]
fn the_release_tree_of_iemocap() {
    let place = "iemocap/IEMOCAP_full_release/Session1";
    let data = Data::new(&[
        (
            &format!("{place}/dialog/EmoEvaluation/Ses01F_impro01.txt"),
            EVALUATION,
        ),
        (
            &format!("{place}/dialog/transcriptions/Ses01F_impro01.txt"),
            "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nSes01F_impro01_M000 [008.0000-009.5000]: Yes?\n",
        ),
        (
            "iemocap/splits.csv",
            "utterance_id,split\nSes01F_impro01_F000,train\nSes01F_impro01_M000,train\n",
        ),
    ]);
    data.tone(
        &format!("{place}/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"),
        16_000,
        3_200,
    );
    data.tone(
        &format!("{place}/dialog/wav/Ses01F_impro01.wav"),
        16_000,
        3_200,
    );
    let corpora = data.ingest().unwrap();
    let corpus = &corpora[0];
    let first = row(corpus, "Ses01F_impro01_F000");
    assert_eq!(
        (first.turn, first.start_s, first.vad),
        (0, Some(6.2901), Some([2.5; 3]))
    );
    assert_eq!(first.audio.as_ref().unwrap().steps(), 1 + 3_200 / 160);
    let second = row(corpus, "Ses01F_impro01_M000");
    assert_eq!(
        (second.turn, second.text.as_str(), second.audio.as_ref()),
        (1, "Yes?", None)
    );
    assert_eq!(
        (second.emotion.as_deref(), second.four_way()),
        (Some("joy"), Some("joy"))
    );
    assert_eq!(second.vad, Some([4.0, 3.5, 2.0]));
}

#[test]
fn the_table_of_iemocap() {
    let table = "vid_cid,label,VAD,text,vid\n\
        Ses01F_impro01_F000,neu,\"[2.5, 2.5, 2.5]\",Excuse me.,Ses01F_impro01\n\
        Ses01F_impro01_M000,Excited,\"[4, 4, 4]\",\"Yes, what?\",Ses01F_impro01\n\
        Ses05M_impro01_M000,sur,,Oh!,Ses05M_impro01\n";
    let data = Data::new(&[
        ("iemocap/iemocap.csv", table),
        (
            "iemocap/splits.csv",
            "utterance_id,split\nSes01F_impro01_F000,train\nSes01F_impro01_M000,train\nSes05M_impro01_M000,test\n",
        ),
    ]);
    let corpora = data.ingest().unwrap();
    let second = row(&corpora[0], "Ses01F_impro01_M000");
    assert_eq!(
        (second.turn, second.emotion.as_deref(), second.four_way()),
        (1, Some("excited"), Some("joy"))
    );
    assert_eq!(
        (second.vad, second.emotion_raw.as_deref()),
        (Some([4.0; 3]), Some("Excited"))
    );
    let other = row(&corpora[0], "Ses05M_impro01_M000");
    assert_eq!(
        (
            other.split,
            other.polarity,
            other.emotion.as_deref(),
            other.vad
        ),
        (Split::Test, None, None, None)
    );
    data.put(
        "iemocap/iemocap.csv",
        table.replace("neu", "meh").as_bytes(),
    );
    let error = data.ingest().unwrap_err();
    for word in [
        "iemocap/iemocap.csv, line 2",
        "unknown emotion \"meh\"",
        "expected",
    ] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn speakers_of_both_train_and_test_are_told() {
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", MELD),
        ("meld/dev_sent_emo.csv", MELD),
        ("meld/test_sent_emo.csv", MELD),
    ]);
    let overlap = data
        .doctor()
        .into_iter()
        .find(|f| f.code == Code::SpeakerOverlap)
        .unwrap();
    assert_eq!(overlap.rows, ["Rachel", "Ross"]);
    assert!(!overlap.advice().is_empty());
}

/// A folder with every layout of this file, and the names of its files.
fn everything() -> (Data, Vec<&'static str>) {
    let files = [
        ("mosei/label.csv", MOSEI),
        ("meld/train_sent_emo.csv", MELD),
        ("meld/dev_sent_emo.csv", MELD),
        ("meld/test_sent_emo.csv", MELD),
        (
            "iemocap/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
            EVALUATION,
        ),
        (
            "iemocap/Session1/dialog/transcriptions/Ses01F_impro01.txt",
            "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n",
        ),
        (
            "iemocap/splits.csv",
            "utterance_id,split\nSes01F_impro01_F000,train\n",
        ),
        (
            "calls/utterances.csv",
            "utterance_id,split,text,score,audio\na,train,Great,2,a.npy\nb,dev,\"So, so\",0,\n",
        ),
        (
            "chats/utterances.csv",
            "utterance_id,split,text,emotion,taxonomy\na,train,Great,delight,mine\n",
        ),
        (
            "chats/taxonomy.toml",
            "name = \"mine\"\n[[classes]]\nname = \"delight\"\npolarity = \"positive\"\n",
        ),
        (
            "reviews/utterances.jsonl",
            "{\"utterance_id\": \"a\", \"split\": \"dev\", \"text\": \"x\", \"score\": 1}\n",
        ),
    ];
    let data = Data::new(&files);
    data.fixture("labels.csd", "mosei/labels.csd");
    data.fixture("covarep.csd", "mosei/covarep.csd");
    data.tone("meld/train/dia0_utt0.wav", 8_000, 900);
    data.npy_in_turn("meld/video/train/0_3.npy", [7, 5]);
    data.npy_in_turn("calls/a.npy", [3, 4]);
    let mut names: Vec<_> = files.map(|(name, _)| name).to_vec();
    names.extend([
        "mosei/labels.csd",
        "mosei/covarep.csd",
        "meld/train/dia0_utt0.wav",
        "meld/video/train/0_3.npy",
        "calls/a.npy",
    ]);
    (data, names)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happens to the bytes of one file, the doctor reports and ingest answers with one line or with tables.
    #[test]
    fn damaged_files_are_reported(file in any::<prop::sample::Index>(), cut in prop::option::of(any::<prop::sample::Index>()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let (data, names) = everything();
        let name = names[file.index(names.len())];
        let mut bytes = fs::read(data.root().join(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        data.put(name, &bytes);
        let errors = data.doctor().iter().filter(|f| f.severity == Severity::Error).count();
        match data.ingest() {
            Ok(_) => prop_assert_eq!(errors, 0, "{}", name),
            Err(message) => prop_assert!(!message.contains('\n') && errors > 0, "{name}: {message}"),
        }
    }
}
