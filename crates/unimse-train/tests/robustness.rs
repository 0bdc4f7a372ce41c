//! Three epochs on data with holes: losses, weights and dev scores stay numbers, or one error says why not.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, ListArray, RecordBatch};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tch::Kind;
use unimse_corpus::Steps;
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::{TrainError, train::checkpoint, train::trainer, unify};

use crate::tiny;

static GO: AtomicBool = AtomicBool::new(false);

/// A cell of an utterance table: corpus, split and modality, place of the row in its table.
struct Cell<'a> {
    corpus: &'a str,
    split: &'a str,
    modality: &'a str,
    row: usize,
}

/// What stands in a cell instead: `None` where the modality is absent, else the steps one after the other.
type Edit = fn(&Cell<'_>, Option<Vec<f32>>) -> Option<Vec<f32>>;

const ROWS: usize = 40;

/// The demo's MOSI and MELD, their first [`ROWS`] rows each, ingested once.
static TABLES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    unimse_corpus::demo::write(&data).unwrap();
    for other in ["mosei", "iemocap"] {
        std::fs::remove_dir_all(data.join(other)).unwrap();
    }
    unimse_corpus::ingest(&data, &place.path().join("corpus"), &[], &mut |_| {}).unwrap();
    place
});

/// The feature column of `batch`, every cell as `edit` says.
fn column(batch: &RecordBatch, cell: &mut Cell<'_>, edit: Edit) -> ArrayRef {
    let old = batch.column_by_name(cell.modality).unwrap();
    let DataType::List(step) = old.data_type() else {
        panic!("features are lists of steps");
    };
    let DataType::FixedSizeList(item, dim) = step.data_type() else {
        panic!("steps have a fixed size");
    };
    let steps = Steps::view(old).unwrap();
    let (mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..batch.num_rows() {
        cell.row = row;
        let new = edit(cell, steps.get(row).map(|s| s.values.to_vec()));
        valid.push(new.is_some());
        let new = new.unwrap_or_default();
        lengths.push(new.len() / (*dim).max(1) as usize);
        values.extend(new);
    }
    let flat = Arc::new(Float32Array::from(values));
    let inner = FixedSizeListArray::new(item.clone(), *dim, flat, None);
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = Some(NullBuffer::from(valid));
    Arc::new(ListArray::new(
        step.clone(),
        offsets,
        Arc::new(inner),
        nulls,
    ))
}

/// Copies a table with its metadata, cut to [`ROWS`] rows, features as `edit` says.
fn rewrite(from: &Path, to: &Path, edit: Edit) {
    let name = from.file_stem().unwrap().to_str().unwrap();
    let (corpus, split) = name.split_once('-').unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(from).unwrap()).unwrap();
    let metadata = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned();
    let metadata = metadata.map(|m| m.into_iter().filter(|e| e.key != "ARROW:schema").collect());
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let whole = concat_batches(&schema, &batches).unwrap();
    let whole = whole.slice(0, whole.num_rows().min(ROWS));
    let mut columns = whole.columns().to_vec();
    for modality in ["audio", "video"] {
        let mut cell = Cell {
            corpus,
            split,
            modality,
            row: 0,
        };
        columns[whole.schema().index_of(modality).unwrap()] = column(&whole, &mut cell, edit);
    }
    let whole = RecordBatch::try_new(whole.schema(), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .build();
    let file = File::create(to).unwrap();
    let mut writer = ArrowWriter::try_new(file, whole.schema(), Some(properties)).unwrap();
    writer.write(&whole).unwrap();
    writer.close().unwrap();
}

/// Trains three epochs on the edited tables and checks that everything told and saved is a number.
fn train(edit: Edit, overrides: &[&str]) -> Result<(), TrainError> {
    tch::set_num_threads(1); // tests run side by side
    let (checkpoint, work) = (tiny::folder(tiny::BERT), tempfile::tempdir().unwrap());
    let encoder = checkpoint.path().to_str().unwrap();
    let paths = RunFolder {
        run: work.path().join("run"),
        corpus: work.path().join("corpus"),
        labels: work.path().join("labels"),
    };
    std::fs::create_dir(&paths.corpus).unwrap();
    for table in std::fs::read_dir(TABLES.path().join("corpus")).unwrap() {
        let table = table.unwrap().path();
        if table.extension().is_some_and(|x| x == "parquet") {
            rewrite(&table, &paths.corpus.join(table.file_name().unwrap()), edit);
        }
    }
    let mut all = vec![
        format!("model.checkpoint={encoder}"),
        "model.max_tokens=24".to_owned(),
        "label_decoder.heads=2".to_owned(),
        "fusion.layers=2".to_owned(),
        "train.epochs=3".to_owned(),
        "train.batch=16".to_owned(),
        "train.precision=fp32".to_owned(),
    ];
    all.extend(overrides.iter().map(|&o| o.to_owned()));
    let config = RunConfig::merge(None, None, &all).unwrap();
    unify::run(
        &paths.corpus,
        &paths.labels,
        encoder,
        None,
        None,
        &config.labels.options(),
    )
    .unwrap();
    trainer::train(&config, &paths, 5, false, &GO)?;
    assert_numbers(&paths);
    Ok(())
}

/// Everything told and saved of three epochs is a number.
fn assert_numbers(paths: &RunFolder) {
    let events = std::fs::read_to_string(paths.events()).unwrap();
    let mut epochs = 0;
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let numbers: &[&str] = match event["event"].as_str().unwrap() {
            "step" => &["/loss", "/task", "/norm"],
            "epoch" => {
                epochs += 1;
                &["/train_loss", "/dev/score"]
            }
            _ => &[],
        };
        for number in numbers {
            // JSON has no NaN: it would be null
            assert!(
                event.pointer(number).unwrap().is_number(),
                "{number} of {line}"
            );
        }
    }
    assert_eq!(epochs, 3);
    let (tensors, _) = checkpoint::load(&paths.last(), false).unwrap();
    for (name, tensor) in tensors {
        assert_eq!(tensor.isfinite().all().int64_value(&[]), 1, "{name}");
        assert_eq!(tensor.kind(), Kind::Float);
    }
}

#[test]
fn whole_features_train() {
    train(|_, features| features, &[]).unwrap();
}

#[test]
fn features_that_are_no_numbers_are_read_as_0() {
    for bad in [
        (|cell, features| poison(cell, features, "train", f32::NAN)) as Edit,
        |cell, features| poison(cell, features, "dev", f32::INFINITY),
    ] {
        train(bad, &[]).unwrap();
    }
}

/// Feature 2 of the first step of MOSI's fourth row of `split` becomes `value`.
fn poison(
    cell: &Cell<'_>,
    features: Option<Vec<f32>>,
    split: &str,
    value: f32,
) -> Option<Vec<f32>> {
    let mut features = features?;
    if (cell.corpus, cell.split, cell.modality, cell.row) == ("mosi", split, "audio", 3) {
        features[2] = value;
    }
    Some(features)
}

#[test]
fn audio_without_a_step_is_absent() {
    let some = |cell: &Cell<'_>, features: Option<Vec<f32>>| {
        let empty = cell.modality == "audio" && cell.row.is_multiple_of(3);
        if empty { Some(Vec::new()) } else { features }
    };
    train(some, &[]).unwrap();
}

#[test]
fn audio_that_only_dev_has_trains() {
    let none = |cell: &Cell<'_>, features: Option<Vec<f32>>| {
        let empty = cell.modality == "audio" && cell.split == "train";
        if empty { Some(Vec::new()) } else { features }
    };
    train(none, &[]).unwrap();
}

#[test]
fn batches_of_one_train() {
    train(
        |_, features| features,
        &[
            "train.batch=1",
            "train.save_every=1000",
            "contrastive.symmetric=true",
        ],
    )
    .unwrap();
    train(
        |_, features| features,
        &["train.batch=1", "contrastive.symmetric=true"],
    )
    .unwrap();
}

#[test]
fn no_audio_at_all_trains() {
    let deaf = |cell: &Cell<'_>, features| {
        if cell.modality == "audio" {
            None
        } else {
            features
        }
    };
    train(deaf, &[]).unwrap();
}

#[test]
fn a_corpus_of_text_alone_trains_beside_another() {
    let blind = |cell: &Cell<'_>, features| {
        if cell.corpus == "meld" {
            None
        } else {
            features
        }
    };
    train(blind, &[]).unwrap();
}

#[test]
fn text_alone_trains_in_a_model_that_could_hear_and_see() {
    train(|_, _| None, &[]).unwrap();
}

#[test]
fn a_loss_that_explodes_is_an_error_that_names_its_batch() {
    let rates = [
        "train.lr_backbone=1e38",
        "train.lr_rest=1e38",
        "train.warmup=0",
    ];
    let error = train(|_, features| features, &rates).unwrap_err();
    assert!(
        matches!(error, TrainError::NonFinite { step: 1.., .. }),
        "{error}"
    );
    let error = error.to_string();
    for part in ["the loss of epoch 1, batch", "corpus m", "utterance "] {
        assert!(error.contains(part), "{error}");
    }
}
