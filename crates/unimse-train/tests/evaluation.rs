//! `evaluate` on small corpora of one's own: what results hold, and that whatever can be wrong is said before the test split counts as
//! opened.

mod further;
mod selection;
mod shown;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::{evaluate, train::trainer, unify};

use crate::tiny;

static GO: AtomicBool = AtomicBool::new(false);

/// One row of a table: split, video or dialogue, label.
type Row = (&'static str, &'static str, String);

fn table(header: &str, rows: &[Row], more: &str) -> String {
    let line = |(i, (split, dialogue, label)): (usize, &Row)| {
        format!("u{i},{split},{dialogue},word {i} {label},{label}{more}\n")
    };
    let lines: String = rows.iter().enumerate().map(line).collect();
    format!("utterance_id,split,dialogue_id,text,{header}\n{lines}")
}

fn npy(dim: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (2, {dim}), }}");
    let padded = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
    bytes.extend(padded.as_bytes());
    (0..2 * dim).for_each(|i| bytes.extend((i as f32).to_le_bytes()));
    bytes
}

fn put(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Scores of rows, several a video.
fn scores(split: &'static str, videos: &'static [&'static str], each: usize) -> Vec<Row> {
    let rows = videos.iter().flat_map(|video| vec![*video; each]);
    rows.enumerate()
        .map(|(i, video)| (split, video, format!("{}", i as i32 % 5 - 2)))
        .collect()
}

/// `talks`: scores and audio of `dim` features, three test videos. `lone`: one train row, all test rows of one video. `chats`: emotions,
/// every train row of one class. `late`: no train row.
fn data(folder: &Path, dim: usize) {
    let talks = [
        scores("train", &["a", "b", "c"], 5),
        scores("dev", &["d", "e"], 4),
        scores("test", &["f", "g", "h"], 3),
    ];
    put(
        &folder.join("talks/utterances.csv"),
        table("score,audio", &talks.concat(), ",a.npy"),
    );
    put(&folder.join("talks/a.npy"), npy(dim));
    put(
        &folder.join("talks/features.toml"),
        "[audio]\ntool = \"covarep\"\nrate_hz = 100\n",
    );
    let lone = [
        scores("train", &["a"], 1),
        scores("dev", &["d"], 3),
        scores("test", &["f"], 4),
    ];
    put(
        &folder.join("lone/utterances.csv"),
        table("score", &lone.concat(), ""),
    );
    let said = |split, dialogue, emotion: &str| (split, dialogue, emotion.to_owned());
    let chats = [
        said("train", "a", "joy"),
        said("train", "a", "joy"),
        said("train", "b", "joy"),
        said("dev", "d", "anger"),
        said("dev", "d", "joy"),
        said("test", "f", "joy"),
        said("test", "f", "anger"),
        said("test", "g", "neutral"),
    ];
    put(
        &folder.join("chats/utterances.csv"),
        table("emotion,taxonomy", &chats, ",meld"),
    );
    let late = [scores("dev", &["d"], 3), scores("test", &["f", "g"], 2)];
    put(
        &folder.join("late/utterances.csv"),
        table("score", &late.concat(), ""),
    );
}

/// A run trained once; `checkpoint` is the folder of its tiny backbone.
struct Trained {
    place: tempfile::TempDir,
    checkpoint: tempfile::TempDir,
    config: RunConfig,
}

fn config(checkpoint: &Path) -> RunConfig {
    let overrides = [
        &format!("model.checkpoint={}", checkpoint.display()),
        "model.max_tokens=24",
        "label_decoder.heads=2",
        "fusion.layers=1",
        "train.epochs=1",
        "train.batch=16",
        "train.precision=fp32",
        "evaluate.resamples=200",
    ];
    RunConfig::merge(None, None, &overrides.map(str::to_owned)).unwrap()
}

fn paths(place: &Path) -> RunFolder {
    RunFolder {
        run: place.join("run"),
        corpus: place.join("corpus"),
        labels: place.join("labels"),
    }
}

static TRAINED: LazyLock<Trained> = LazyLock::new(|| {
    tch::set_num_threads(1); // tests run side by side
    let (checkpoint, place) = (tiny::folder(tiny::BERT), tempfile::tempdir().unwrap());
    let config = config(checkpoint.path());
    data(&place.path().join("data"), 3);
    let paths = paths(place.path());
    unimse_corpus::ingest(&place.path().join("data"), &paths.corpus, &[], &mut |_| {}).unwrap();
    label(&config, &paths, checkpoint.path());
    trainer::train(&config, &paths, 5, false, &GO).unwrap();
    Trained {
        place,
        checkpoint,
        config,
    }
});

fn label(config: &RunConfig, paths: &RunFolder, encoder: &Path) {
    let encoder = encoder.to_str().unwrap();
    let options = config.labels.options();
    unify::run(&paths.corpus, &paths.labels, encoder, None, None, &options).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// A copy of the trained run that a test may change.
fn copied() -> (tempfile::TempDir, RunFolder) {
    let place = tempfile::tempdir().unwrap();
    copy(TRAINED.place.path(), place.path());
    let paths = paths(place.path());
    (place, paths)
}

#[test]
fn results_say_what_was_resampled_and_which_baselines_could_not_be_fitted() {
    let (_place, paths) = copied();
    let typed = evaluate::evaluate(&TRAINED.config, &paths, &GO).unwrap();
    assert_eq!(unimse_run::Results::read(&paths.results()).unwrap(), typed);
    let results: Value = serde_json::from_slice(&fs::read(paths.results()).unwrap()).unwrap();
    assert_eq!(results["schema"], 5);
    assert_eq!(results["model_type"], "bert");
    assert_eq!(results["trained_on"], json!(["chats", "lone", "talks"]));
    assert_eq!(
        (&results["label_form"], &results["fusion"]["skip"]),
        (&json!("fields"), &json!(true))
    );
    // the backbone has two layers, the last is fused
    let layers = results["fusion"]["layers"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[0]["layer"]), (1, &json!(2 - 1)));

    let features = &results["corpora"]["talks"]["features"];
    assert_eq!(
        *features,
        json!({"audio": {"tool": "covarep", "dimension": 3, "rate_hz": 100.0}})
    );
    assert_eq!(results["corpora"]["lone"]["features"], json!({}));
    assert!(paths.run.join("predictions.parquet").exists());
    assert_resampled(&results["corpora"]);
    assert_not_fitted(&results["corpora"]);
}

/// A corpus that only has test rows, with features that no projection of the model reads.
#[test]
fn a_corpus_that_is_only_tested_on_is_answered_without_features_of_other_dimensions() {
    let (place, paths) = copied();
    let data = place.path().join("data");
    let rows = scores("test", &["p", "q"], 3);
    put(
        &data.join("unseen/utterances.csv"),
        table("score,audio", &rows, ",a.npy"),
    );
    put(&data.join("unseen/a.npy"), npy(3 + 4));
    fs::remove_dir_all(&paths.corpus).unwrap();
    unimse_corpus::ingest(&data, &paths.corpus, &[], &mut |_| {}).unwrap();
    label(&TRAINED.config, &paths, TRAINED.checkpoint.path());
    let results = evaluate::evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let unseen = results.corpora.get("unseen").unwrap();
    assert_eq!(unseen.test.n, Some(2 * 3));
    assert!(!results.trained_on.contains(&"unseen".to_owned()));
    let donors = serde_json::to_value(&results).unwrap()["donors"].clone();
    assert_eq!(donors, "train");
}

/// What the intervals of every corpus were resampled by, and that they hold the estimate.
fn assert_resampled(corpora: &Value) {
    let test = |name: &str| &corpora[name]["test"];
    for (name, resampled, clusters, baselines) in [
        ("talks", "videos", 3, &["mean", "ridge", "knn"][..]),
        ("lone", "videos", 1, &["mean", "knn"]),
        ("chats", "dialogues", 2, &["majority", "knn"]),
        ("late", "videos", 2, &[]),
    ] {
        let test = test(name);
        assert_eq!(
            (&test["resampled"], &test["clusters"]),
            (&json!(resampled), &json!(clusters)),
            "{name}"
        );
        let fitted = test.get("baselines").and_then(Value::as_object);
        let names: Vec<&String> = fitted.into_iter().flat_map(|b| b.keys()).collect();
        assert_eq!(names, baselines, "{name}");
    }
    let interval = &test("talks")["intervals"]["mae"];
    let (low, high) = (
        interval["low"].as_f64().unwrap(),
        interval["high"].as_f64().unwrap(),
    );
    let mae = test("talks")["metrics"]["mae"].as_f64().unwrap();
    assert!(low <= mae && mae <= high);
    for interval in [
        &test("lone")["intervals"]["mae"],
        &test("lone")["baselines"]["mean"]["difference"]["mae"],
    ] {
        assert!(interval["estimate"].is_f64() && interval.get("low").is_none());
        assert!(
            interval["undefined"]
                .as_str()
                .unwrap()
                .contains("one cluster")
        );
    }
}

/// Which baselines could not be fitted, and why.
fn assert_not_fitted(corpora: &Value) {
    let test = |name: &str| &corpora[name]["test"];
    assert_eq!(test("talks").get("not_fitted"), None);
    for (corpus, baseline, reason) in [
        (
            "lone",
            "ridge",
            "expected at least 2 train rows with gold, found 1",
        ),
        (
            "chats",
            "logistic",
            "expected at least 2 classes in train, found 1",
        ),
        (
            "late",
            "mean",
            "expected train rows with a gold score, found none",
        ),
        (
            "late",
            "ridge",
            "expected train rows with a gold score, found none",
        ),
        (
            "late",
            "knn",
            "expected at least 1 train rows with gold, found 0",
        ),
    ] {
        assert_eq!(
            test(corpus)["not_fitted"][baseline],
            reason,
            "{corpus} {baseline}"
        );
    }
    // a choice that nobody made is not recorded
    assert_eq!(test("talks")["baselines"]["mean"].get("chosen"), None);
    assert!(test("talks")["baselines"]["ridge"]["chosen"]["lambda"].is_number());
}

/// The error of `evaluate` on a changed copy of the run, which must have opened and written nothing.
fn refused(change: impl Fn(&RunFolder) -> RunFolder) -> String {
    let (_place, paths) = copied();
    let paths = change(&paths);
    let error = evaluate::evaluate(&TRAINED.config, &paths, &GO).unwrap_err();
    for name in [
        "receipts.jsonl",
        "predictions.parquet",
        "representations.json",
        "results.json",
    ] {
        assert!(!paths.run.join(name).exists(), "{name} after: {error}");
    }
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

fn tables(folder: &Path, split: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    files
        .filter(|p| p.to_str().unwrap().ends_with(&format!("-{split}.parquet")))
        .collect()
}

/// Replaces the scores of a table.
fn rescore(table: &Path, score: impl Fn(usize) -> Option<f32>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(table).unwrap()).unwrap();
    let metadata = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .cloned();
    let metadata = metadata.map(|m| m.into_iter().filter(|e| e.key != "ARROW:schema").collect());
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    let whole = concat_batches(&schema, &batches).unwrap();
    let mut columns = whole.columns().to_vec();
    let new: Float32Array = (0..whole.num_rows()).map(score).collect();
    columns[schema.index_of("score").unwrap()] = Arc::new(new) as ArrayRef;
    let whole = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_key_value_metadata(metadata)
        .build();
    let mut writer =
        ArrowWriter::try_new(File::create(table).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&whole).unwrap();
    writer.close().unwrap();
}

#[test]
fn without_test_tables_or_gold_nothing_is_opened() {
    let error = refused(|paths| {
        tables(&paths.corpus, "test")
            .into_iter()
            .for_each(|t| fs::remove_file(t).unwrap());
        paths.clone()
    });
    assert!(
        error.contains("corpus: expected a table <corpus>-test.parquet with rows, found none"),
        "{error}"
    );
    let error = refused(|paths| {
        fs::remove_file(paths.corpus.join("chats-test.parquet")).unwrap();
        for name in ["talks", "lone", "late"] {
            rescore(&paths.corpus.join(format!("{name}-test.parquet")), |_| None);
        }
        paths.clone()
    });
    assert!(
        error
            .contains("expected a gold score or emotion in some row of the test split, found none"),
        "{error}"
    );
}

#[test]
fn a_gold_score_that_is_none_is_named_before_the_test_split_is_opened() {
    for (score, found) in [(7.0, "7"), (f32::NAN, "NaN")] {
        let error = refused(|paths| {
            rescore(&paths.corpus.join("talks-test.parquet"), |row| {
                Some(if row == 1 { score } else { 1.0 })
            });
            paths.clone()
        });
        // 15 train and 8 dev rows come first
        let expected =
            format!("corpus talks: utterance u24: expected a gold score in [-3, 3], found {found}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn files_that_evaluation_needs_are_read_before_the_test_split_is_opened() {
    for (file, words) in [
        ("embeddings/talks.parquet", "talks.parquet"),
        ("summary.json", "summary.json"),
        ("chats.parquet", "chats.parquet"),
    ] {
        let error = refused(|paths| {
            fs::write(paths.labels.join(file), "{").unwrap();
            paths.clone()
        });
        assert!(error.contains(words), "{file}: {error}");
    }
}

#[test]
fn features_of_another_dimension_are_named_before_the_test_split_is_opened() {
    let other = tempfile::tempdir().unwrap();
    data(&other.path().join("data"), 4);
    let corpus = other.path().join("corpus");
    unimse_corpus::ingest(&other.path().join("data"), &corpus, &[], &mut |_| {}).unwrap();
    let error = refused(|paths| RunFolder {
        corpus: corpus.clone(),
        ..paths.clone()
    });
    assert!(
        error.contains("corpus talks: ") && error.contains("audio"),
        "{error}"
    );
}
