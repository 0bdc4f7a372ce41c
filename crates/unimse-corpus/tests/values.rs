//! Feature files of a table of one's own: every file that was read is named, values that are no numbers follow one rule whatever the file.
#![cfg(unix)]

use arrow::array::{Array, AsArray, Float32Array, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use unimse_corpus::{Code, Severity, Split, read};

use crate::common::{Data, row};

const FEATURES: &str = "utterance_id,split,text,score,audio,video\n\
    a,train,x,1,a.wav,v/a.npy\nb,dev,x,1,,v/b.npy\nc,test,x,1,,\n";

#[test]
fn every_file_that_was_read_is_a_source() {
    let data = Data::new(&[]);
    data.npy("calls/v/a.npy", 2, &[1.0, 2.0]);
    data.npy("calls/v/b.npy", 2, &[3.0, 4.0]);
    data.wave("calls/a.wav", &[0.5; 320], 36 + 320 * 8, 320 * 8);
    // another file of the same name, outside the data folder
    let outside = data.0.path().join("b.npy");
    fs::copy(data.root().join("calls/v/a.npy"), &outside).unwrap();
    let other = data.0.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(data.root().join("calls/v/b.npy"), other.join("b.npy")).unwrap();
    let table = format!(
        "{}d,train,x,1,,{}\ne,train,x,1,,{}\n",
        FEATURES,
        outside.display(),
        other.join("b.npy").display()
    );
    data.put("calls/utterances.csv", table.as_bytes());
    let corpora = data.ingest().unwrap();
    let sources: Vec<_> = (corpora[0].sources.iter())
        .map(|s| (s.path.as_str(), s.sha256.clone()))
        .collect();
    let sum = |path: &str| {
        let bytes = fs::read(data.root().join(path)).unwrap();
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let expected = [
        ("b.npy", sum("calls/v/a.npy")),
        ("b.npy (2)", sum("calls/v/b.npy")),
        ("calls/a.wav", sum("calls/a.wav")),
        ("calls/utterances.csv", sum("calls/utterances.csv")),
        ("calls/v/a.npy", sum("calls/v/a.npy")),
        ("calls/v/b.npy", sum("calls/v/b.npy")),
    ];
    assert_eq!(sources, expected);
}

#[test]
fn what_is_not_finite_is_read_as_0_counted_and_told_whatever_the_file() {
    let data = Data::new(&[
        ("calls/utterances.csv", FEATURES),
        (
            "lists/utterances.jsonl",
            "{\"utterance_id\": \"j\", \"split\": \"dev\", \"text\": \"x\", \"score\": 1, \"audio\": [[1, null], [1e300, -4]]}\n",
        ),
    ]);
    data.npy("calls/v/a.npy", 3, &[1.0, f64::NAN, -1e300]);
    data.npy("calls/v/b.npy", 3, &[f64::INFINITY, 2.0, f64::MAX]);
    let mut samples = vec![0.25; 1600];
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let whole = row(&data.ingest().unwrap()[0], "a").audio.clone();
    samples[800] = f64::NAN;
    samples[801] = 1e300;
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let corpora = data.ingest().unwrap();
    let video = |id: &str| row(&corpora[0], id).video.as_ref().unwrap().values.clone();
    assert_eq!(video("a"), [1.0, 0.0, 0.0]);
    assert_eq!(video("b"), [0.0, 2.0, 0.0]);
    assert_eq!(
        row(&corpora[1], "j").audio.as_ref().unwrap().values,
        [1.0, 0.0, 0.0, -4.0]
    );
    // two samples of 0 in a tone of 0.25 change frames around them, and no other
    let (whole, audio) = (whole.unwrap(), row(&corpora[0], "a").audio.clone().unwrap());
    assert_eq!(whole.values[..64], audio.values[..64]);
    assert_ne!(whole.values[5 * 64..6 * 64], audio.values[5 * 64..6 * 64]);
    assert!(audio.values.iter().all(|x| x.is_finite()));
    data.check_told(
        Severity::Warning,
        Code::NonFinite,
        &[
            "calls, a (2 in calls/a.wav): audio values that are not finite: set to zero",
            "a (2 in calls/v/a.npy), b (2 in calls/v/b.npy): video values",
            "lists, j (2): audio values",
        ],
    );
}

/// The table again, with the first value of its column `video` no number.
fn poison(table: &std::path::Path) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(table).unwrap()).unwrap();
    let metadata = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned();
    let metadata = metadata.map(|m| m.into_iter().filter(|e| e.key != "ARROW:schema").collect());
    let batch = builder.build().unwrap().next().unwrap().unwrap();
    let at = batch.schema().index_of("video").unwrap();
    let lists = batch.column(at).as_list::<i32>();
    let steps = lists.values().as_fixed_size_list();
    let mut values = steps
        .values()
        .as_primitive::<Float32Type>()
        .values()
        .to_vec();
    values[0] = f32::NAN;
    let DataType::FixedSizeList(item, dim) = steps.data_type() else {
        panic!("steps have a fixed size")
    };
    let values = Arc::new(Float32Array::from(values));
    let steps = arrow::array::FixedSizeListArray::new(item.clone(), *dim, values, None);
    let DataType::List(step) = lists.data_type() else {
        panic!("features are lists")
    };
    let column = ListArray::new(
        step.clone(),
        lists.offsets().clone(),
        Arc::new(steps),
        lists.nulls().cloned(),
    );
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(column);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .build();
    let mut writer = ArrowWriter::try_new(
        File::create(table).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_table_that_another_program_wrote_follows_the_same_rule() {
    let table = FEATURES.replace("a.wav", "");
    let data = Data::new(&[("calls/utterances.csv", &table)]);
    data.npy("calls/v/a.npy", 2, &[1.0, 2.0]);
    data.npy("calls/v/b.npy", 2, &[1.0, 2.0]);
    data.ingest().unwrap();
    poison(&data.out().join("calls-train.parquet"));
    let corpora = read(&data.out(), &Split::ALL).unwrap();
    assert_eq!(
        row(&corpora[0], "a").video.as_ref().unwrap().values,
        [0.0, 2.0]
    );
    let note =
        "calls-train.parquet, a (1): video values that are not finite: set to zero [NON_FINITE]";
    assert!(
        corpora[0].notes.iter().any(|known| known == note),
        "{:?}",
        corpora[0].notes
    );
    // a table behind a broken link is not a split without rows
    fs::remove_file(data.out().join("calls-dev.parquet")).unwrap();
    symlink("gone", data.out().join("calls-dev.parquet")).unwrap();
    let error = read(&data.out(), &Split::ALL).unwrap_err().to_string();
    assert!(error.contains("calls-dev.parquet"), "{error}");
}

#[test]
fn a_wave_file_from_a_pipe_is_read_to_its_end() {
    let data = Data::new(&[(
        "calls/utterances.csv",
        &FEATURES.replace("v/a.npy", "").replace("v/b.npy", ""),
    )]);
    let samples: Vec<f64> = (0..1600).map(|i| f64::from(i % 64) / 100.0).collect();
    data.wave("calls/a.wav", &samples, u32::MAX, u32::MAX);
    let streamed = data.ingest().unwrap();
    data.wave("calls/a.wav", &samples, 36 + 1600 * 8, 1600 * 8);
    let known = data.ingest().unwrap();
    let audio = row(&streamed[0], "a").audio.as_ref().unwrap();
    assert_eq!(audio.steps(), 1 + 1600 / 160);
    assert_eq!(Some(audio), row(&known[0], "a").audio.as_ref());
}
