//! Tables of one's own: nothing in them is dropped without a word.

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, ListArray, RecordBatch, StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::{
    fs::{self, File},
    sync::Arc,
};
use unimse_corpus::{Code, CorpusKind, Polarity, Sequence, Severity, Split, Task, Taxonomy};
use unimse_labels::MeldEmotion;

use crate::common::{Data, REVIEWS, row};

#[test]
fn an_emotion_and_a_score_in_one_row_are_both_gold() {
    let data = Data::new(&[(
        "calls/utterances.csv",
        "utterance_id,split,text,emotion,taxonomy,score\n\
         a,train,Great,joy,meld,2.5\nb,train,Oh,surprise,meld,-0.5\nc,dev,Fine,joy,meld,-1\nd,test,Well,,meld,1\n",
    )]);
    let corpora = data.ingest().unwrap();
    let calls = &corpora[0];
    assert_eq!(calls.kind, CorpusKind::Own(Task::Emotion(Taxonomy::Meld)));
    let label = |id: &str| {
        let u = row(calls, id);
        (u.score, u.emotion.as_deref(), u.polarity)
    };
    assert_eq!(
        label("a"),
        (Some(2.5), Some("joy"), Some(Polarity::Positive))
    );
    assert_eq!(
        label("b"),
        (Some(-0.5), Some("surprise"), Some(Polarity::Negative))
    );
    assert_eq!(label("d"), (Some(1.0), None, Some(Polarity::Positive)));
    let samples = calls.samples();
    assert_eq!(
        samples[0].intensity.zip(samples[0].meld),
        Some((2.5, MeldEmotion::Joy))
    );
    // the sign of the score wins over what joy implies
    assert_eq!(label("c").2, Some(Polarity::Negative));
    data.check_told(
        Severity::Warning,
        Code::EmotionSign,
        &["calls/utterances.csv, line 4"],
    );
    data.check_told(Severity::Info, Code::TwoLabels, &["gold intensities"]);
}

#[test]
fn a_sentiment_corpus_cannot_hold_an_emotion() {
    let data = Data::new(&[(
        "mosi/utterances.csv",
        "utterance_id,split,text,score,emotion\na,train,Great,2.5,joy\n",
    )]);
    data.check_refused(
        Code::TwoLabels,
        &["mosi/utterances.csv", "score and emotion", "drop emotion"],
    );
}

#[test]
fn a_misspelt_key_is_an_error_where_what_was_meant_is_lacking() {
    let line = |key: &str| {
        format!(
            "{{\"utterance_id\": \"{key}\", \"split\": \"train\", \"text\": \"x\", \"{key}\": 1}}\n"
        )
    };
    let data = Data::new(&[(
        "reviews/utterances.jsonl",
        &(line("score") + &line("scroe")),
    )]);
    data.check_refused(
        Code::UnknownColumn,
        &[
            "reviews/utterances.jsonl, line 2",
            "column \"scroe\": not known, did you mean score?",
        ],
    );
    let table = "utterance_id,split,text,score,dialog_id\na,train,Great,2.5,d1\n";
    let data = Data::new(&[("reviews/utterances.csv", table)]);
    data.check_refused(Code::UnknownColumn, &["\"dialog_id\"", "dialogue_id"]);
}

#[test]
fn further_columns_are_told() {
    let table = REVIEWS
        .replace("score\n", "score,annotator\n")
        .replace(",2.5\n", ",2.5,Ann\n");
    let table = table
        .replace(",-1\n", ",-1,Bob\n")
        .replace(",0\n", ",0,Ann\n");
    let data = Data::new(&[("reviews/utterances.csv", &table)]);
    let words = ["reviews/utterances.csv: column \"annotator\": not known, not used"];
    data.check_told(Severity::Warning, Code::UnknownColumn, &words);
}

#[test]
fn a_column_that_is_there_twice_is_an_error() {
    let table = REVIEWS
        .replace("score\n", "score,Score\n")
        .replace(",2.5\n", ",2.5,1\n");
    let table = table.replace(",-1\n", ",-1,1\n").replace(",0\n", ",0,1\n");
    let data = Data::new(&[("reviews/utterances.csv", &table)]);
    data.check_refused(
        Code::DuplicateColumn,
        &["reviews/utterances.csv: column score: expected once, found score, Score"],
    );
    let object = "{\"utterance_id\": \"a\", \"split\": \"dev\", \"text\": \"x\", \"score\": 1, \"score\": 2}\n";
    let data = Data::new(&[("reviews/utterances.jsonl", object)]);
    data.check_refused(Code::DuplicateColumn, &["line 1", "score: expected once"]);
    let label = "video_id,clip_id,text,label,label,mode\nv,0,x,1,2,train\n";
    let data = Data::new(&[("mosi/label.csv", label)]);
    data.check_refused(Code::DuplicateColumn, &["mosi/label.csv: column label"]);
}

#[test]
fn a_row_without_a_split_is_an_error_and_a_split_without_a_row_is_told() {
    let data = Data::new(&[("reviews/utterances.csv", &REVIEWS.replace("b,dev", "b,"))]);
    data.check_refused(
        Code::Split,
        &["line 3: column split: expected train, dev or test, found nothing"],
    );
    // empty lines are lines
    let data = Data::new(&[(
        "reviews/utterances.csv",
        &REVIEWS.replace("b,dev", "\n\r\nb,"),
    )]);
    data.check_refused(Code::Split, &["line 5: column split"]);
    let object = "{\"utterance_id\": \"a\", \"text\": \"x\", \"score\": 1}\n{\"utterance_id\": \"b\", \"split\": \"dev\", \"text\": \"x\", \"score\": 1}\n";
    let data = Data::new(&[("reviews/utterances.jsonl", object)]);
    data.check_refused(
        Code::Split,
        &["line 1: column split: expected train, dev or test, found nothing"],
    );
    let data = Data::new(&[(
        "reviews/utterances.csv",
        &REVIEWS.replace("c,test,So,0\n", ""),
    )]);
    data.check_told(
        Severity::Warning,
        Code::MissingSplit,
        &["reviews/utterances.csv: no row of split test"],
    );
}

#[test]
fn nested_lists_are_features() {
    let object = |id: &str, split: &str, audio: &str| {
        format!(
            "{{\"utterance_id\": \"{id}\", \"split\": \"{split}\", \"text\": \"x\", \"score\": 1, \"audio\": {audio}}}\n"
        )
    };
    let good = [
        object("a", "train", "[[1, 2], [3, 4.5]]"),
        object("b", "dev", "[5, 6]"),
        object("c", "test", "null"),
        object("d", "test", "\"[[7, 8]]\""),
    ];
    let data = Data::new(&[("reviews/utterances.jsonl", &good.concat())]);
    let sequence = |values: &[f32]| {
        let values = values.to_vec();
        Some(Sequence { dim: 2, values })
    };
    let corpora = data.ingest().unwrap();
    let audio = |id: &str| row(&corpora[0], id).audio.clone();
    assert_eq!(audio("a"), sequence(&[1.0, 2.0, 3.0, 4.5]));
    assert_eq!(audio("b"), sequence(&[5.0, 6.0]));
    assert_eq!(audio("c"), None);
    assert_eq!(audio("d"), sequence(&[7.0, 8.0]));

    let table = "utterance_id,split,text,score,audio\na,train,x,1,\"[[1, 2], [3, 4.5]]\"\n";
    let data = Data::new(&[("reviews/utterances.csv", table)]);
    assert_eq!(
        row(&data.ingest().unwrap()[0], "a").audio,
        sequence(&[1.0, 2.0, 3.0, 4.5])
    );

    for (audio, words) in [
        (
            "[[1, 2], [3]]",
            "column audio: step 2: expected 2 numbers, found 1",
        ),
        ("[[1, NaN]]", "NaN and Infinity are no JSON: write null"),
        (
            "{\"a\": 1}",
            "column audio: expected text or a number, found an object",
        ),
    ] {
        let data = Data::new(&[("reviews/utterances.jsonl", &object("a", "dev", audio))]);
        let error = data.refused();
        assert!(
            error.contains("reviews/utterances.jsonl, line 1: ") && error.contains(words),
            "{error}"
        );
    }
}

/// One row of each split, `audio` as lists of 64-bit floats.
fn batch(second: f64) -> RecordBatch {
    let text = |words: [&str; 3]| Arc::new(StringArray::from(words.to_vec())) as ArrayRef;
    let item = |kind| Arc::new(Field::new("item", kind, true));
    let numbers = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0]));
    let steps = FixedSizeListArray::new(item(DataType::Float64), 2, numbers, None);
    let kind = steps.data_type().clone();
    let offsets = OffsetBuffer::from_lengths([2, 0, 0]);
    let audio = ListArray::new(item(kind), offsets, Arc::new(steps), None);
    RecordBatch::try_from_iter([
        ("utterance_id", text(["a", "b", "c"])),
        ("split", text(["train", "dev", "test"])),
        ("text", text(["x", "y", "z"])),
        (
            "score",
            Arc::new(Float64Array::from(vec![1.0, second, 0.0])) as ArrayRef,
        ),
        ("audio", Arc::new(audio) as ArrayRef),
    ])
    .unwrap()
}

#[test]
fn every_codec_of_parquet_is_read_and_its_rows_count_from_1() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let data = Data::new(&[("reviews/readme.txt", "")]);
        let write = |batch: &RecordBatch| {
            let file = File::create(data.root().join("reviews/utterances.parquet")).unwrap();
            let codec = WriterProperties::builder().set_compression(codec).build();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(codec)).unwrap();
            writer.write(batch).unwrap();
            writer.close().unwrap();
        };
        write(&batch(9.0));
        data.check_refused(
            Code::LabelRange,
            &["reviews/utterances.parquet, row 2: column score: expected a score in [-3, 3], found \"9.0\""],
        );
        write(&batch(-1.0));
        let corpora = data.ingest().unwrap();
        let audio = |id: &str| row(&corpora[0], id).audio.clone();
        let values = vec![1.0, 2.0, 3.0, 4.0];
        assert_eq!(audio("a"), Some(Sequence { dim: 2, values }));
        assert_eq!(
            (audio("b"), row(&corpora[0], "b").score),
            (None, Some(-1.0))
        );
    }
}

const REVIEWS_JSONL: &str = "{\"utterance_id\": \"a\", \"split\": \"train\", \"text\": \"Great\", \"score\": 2.5, \"start_s\": 1, \"end_s\": 2.5}\n\n\
        {\"utterance_id\": \"b\", \"split\": \"valid\", \"text\": \"Bad\", \"score\": -1, \"speaker\": null}\n";

#[test]
fn a_table_of_ones_own_joins_in_every_form() {
    let csv = "utterance_id,split,text,emotion,taxonomy,dialogue_id,audio\n\
        a,train,Great,joy,meld,d1,features/a.npy\nb,train,Oh,surprise,meld,d1,\nc,dev,Hm,,meld,d2,\nd,test,Bah,anger,meld,d3,\n";
    let data = Data::new(&[
        ("calls/utterances.csv", csv),
        ("reviews/utterances.jsonl", REVIEWS_JSONL),
        ("mosi/utterances.jsonl", REVIEWS_JSONL),
        ("notes/readme.txt", "left alone"),
    ]);
    data.npy_in_turn("calls/features/a.npy", [3, 4]);
    let corpora = data.ingest().unwrap();
    let names: Vec<_> = corpora.iter().map(|c| (c.name.as_str(), c.kind)).collect();
    let own = |task| CorpusKind::Own(task);
    let meld = Task::Emotion(Taxonomy::Meld);
    assert_eq!(
        names,
        [
            ("mosi", CorpusKind::Mosi),
            ("calls", own(meld)),
            ("reviews", own(Task::Sentiment))
        ]
    );
    let calls = &corpora[1];
    assert_eq!(
        row(calls, "a").audio.as_ref().map(|s| (s.steps(), s.dim)),
        Some((3, 4))
    );
    assert_eq!((row(calls, "a").turn, row(calls, "b").turn), (0, 1));
    assert_eq!(
        (row(calls, "a").polarity, row(calls, "b").polarity),
        (Some(Polarity::Positive), None)
    );
    assert_eq!(row(calls, "c").emotion, None);
    let samples = calls.samples();
    assert!(
        samples.iter().any(|s| s.meld.is_some()) && samples.iter().all(|s| s.iemocap.is_none())
    );
    let a = row(&corpora[2], "a");
    assert_eq!(
        (a.score, a.start_s, a.end_s, a.split),
        (Some(2.5), Some(1.0), Some(2.5), Split::Train)
    );
    assert_eq!(row(&corpora[2], "b").split, Split::Dev);
}

#[test]
fn a_wrong_line_of_a_table_of_ones_own_is_named() {
    let data = Data::new(&[]);
    for (from, to, words) in [
        (
            "2.5,",
            "9,",
            "line 1: column score: expected a score in [-3, 3], found \"9\"",
        ),
        ("train", "late", "line 1: column split"),
        (
            "\"end_s\": 2.5",
            "\"end_s\": 0",
            "expected start_s before end_s",
        ),
        ("\"text\"", "\"words\"", "missing column: expected text"),
        ("{", "[", "line 1: expected one JSON object"),
    ] {
        data.put(
            "reviews/utterances.jsonl",
            REVIEWS_JSONL.replace(from, to).as_bytes(),
        );
        let error = data.ingest().unwrap_err();
        assert!(
            error.contains("reviews/utterances.jsonl") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn the_tables_we_write_can_be_read_as_a_table_of_ones_own() {
    let data = Data::new(&[(
        "reviews/utterances.csv",
        "utterance_id,split,text,score\na,train,Great,2.5\nb,dev,Bad,-1\nc,test,So,0\n",
    )]);
    let first = data.ingest().unwrap();
    fs::remove_file(data.root().join("reviews/utterances.csv")).unwrap();
    fs::copy(
        data.out().join("reviews-train.parquet"),
        data.root().join("reviews/utterances.parquet"),
    )
    .unwrap();
    let second = data.ingest().unwrap();
    assert_eq!(second[0].utterances, [row(&first[0], "a").clone()]);
}
