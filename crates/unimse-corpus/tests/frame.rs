//! Frames over demo data: utterances, labels and predictions joined by id, and the queries of `docs/frame.md`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use parquet::{
    arrow::ArrowWriter,
    file::reader::{FileReader, SerializedFileReader},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_corpus::{
    Corpus, Polarity, Split, Utterance, demo, frame, ingest,
    polars::prelude::{AnyValue, DataFrame, LazyFrame, col, len, lit},
    queries, read, steps,
};

/// A run folder of the demo corpora.
struct Run {
    folder: tempfile::TempDir,
    corpora: Vec<Arc<Corpus>>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, tables) = (folder.path().join("data"), folder.path().join("corpus"));
        demo::write(&data).unwrap();
        ingest(&data, &tables, &[], &mut |_| {}).unwrap();
        let corpora = read(&tables, &Split::ALL).unwrap();
        Self { folder, corpora }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn frame(&self) -> LazyFrame {
        frame(self.folder.path()).unwrap()
    }

    fn rows(&self) -> impl Iterator<Item = &Utterance> {
        self.corpora.iter().flat_map(|c| &c.utterances)
    }

    /// Dev and test, which are predicted.
    fn predicted(&self) -> Vec<&Utterance> {
        self.rows().filter(|u| u.split != Split::Train).collect()
    }

    /// What a model says that is wrong by `shift`, and by 2 more of the first utterance of dev; without a score it begins at 0.
    fn said(&self, u: &Utterance, shift: f32) -> f32 {
        let first = self.predicted()[0].utterance_id == u.utterance_id;
        u.score.unwrap_or(0.0) + if first { shift + 2.0 } else { shift }
    }

    /// `<folder>/predictions.parquet` of that model, which says neutral for every emotion.
    fn predict(&self, folder: &str, shift: f32) {
        let rows = self.predicted();
        let said: Vec<f32> = rows.iter().map(|u| self.said(u, shift)).collect();
        let polarities = said.iter().map(|&x| Some(Polarity::from_score(x).name()));
        let neutral = || text(rows.iter().map(|_| Some("neutral")));
        let scores: Float32Array = rows.iter().map(|u| u.score).collect();
        let mut columns = keys(&rows);
        columns.extend([
            ("polarity", text(polarities)),
            (
                "intensity",
                Arc::new(Float32Array::from(said.clone())) as ArrayRef,
            ),
            ("meld", neutral()),
            ("iemocap", neutral()),
            ("truth_score", Arc::new(scores) as ArrayRef),
        ]);
        write(&self.path(folder).join("predictions.parquet"), columns);
    }

    /// `labels/<corpus>.parquet`: MELD's intensities are lent by the utterance `giver` of MOSI.
    fn label(&self) {
        for corpus in &self.corpora {
            let rows: Vec<&Utterance> = corpus.utterances.iter().collect();
            let lent = corpus.name == "meld";
            let intensity: Float32Array = (rows.iter())
                .map(|u| if lent { Some(1.5) } else { u.score })
                .collect();
            let source = |u: &&Utterance| match (lent, u.score) {
                (true, _) => Some("donor"),
                (false, Some(_)) => Some("gold"),
                (false, None) => Some("missing"),
            };
            let mut columns = keys(&rows);
            columns.remove(0); // the file's name is the corpus
            columns.extend([
                ("intensity", Arc::new(intensity) as ArrayRef),
                ("intensity_source", text(rows.iter().map(source))),
                (
                    "intensity_donor_id",
                    text(rows.iter().map(|_| lent.then_some("giver"))),
                ),
            ]);
            let path = self.path("labels").join(format!("{}.parquet", corpus.name));
            write(&path, columns);
        }
    }
}

fn text<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(cells.collect::<StringArray>())
}

fn keys(rows: &[&Utterance]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("corpus", text(rows.iter().map(|u| Some(u.corpus.as_str())))),
        ("split", text(rows.iter().map(|u| Some(u.split.name())))),
        (
            "utterance_id",
            text(rows.iter().map(|u| Some(u.utterance_id.as_str()))),
        ),
    ]
}

fn write(path: &Path, columns: Vec<(&'static str, ArrayRef)>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The rows of a frame: its text columns `by` joined by spaces, and the number in `value`.
fn numbers(frame: &DataFrame, by: &[&str], value: &str) -> BTreeMap<String, f64> {
    let cell = |name: &str, row| frame.column(name).unwrap().get(row).unwrap();
    let row = |row| {
        let names: Vec<String> = by
            .iter()
            .map(|name| cell(name, row).str_value().into_owned())
            .collect();
        let number = match cell(value, row) {
            AnyValue::Null => f64::NAN,
            number => number.str_value().parse().unwrap(),
        };
        (names.join(" "), number)
    };
    (0..frame.height()).map(row).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

#[test]
fn a_corpus_folder_gives_its_utterances_in_order() {
    let run = Run::new();
    let utterances = frame(&run.path("corpus")).unwrap().collect().unwrap();
    let names: Vec<&str> = utterances
        .get_column_names()
        .iter()
        .map(|n| n.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "corpus",
            "split",
            "utterance_id",
            "dialogue_id",
            "turn",
            "speaker",
            "text",
            "start_s",
            "end_s",
            "score",
            "polarity",
            "emotion",
            "emotion_raw",
            "task"
        ]
    );
    assert_eq!(utterances.height(), run.rows().count());
    for (row, u) in run.rows().enumerate() {
        let cell = |name: &str| utterances.column(name).unwrap().get(row).unwrap();
        assert_eq!(cell("utterance_id"), AnyValue::String(&u.utterance_id));
        assert_eq!(cell("text"), AnyValue::String(&u.text));
        assert_eq!(cell("turn"), AnyValue::Int32(u.turn));
        assert_eq!(
            cell("score"),
            u.score.map_or(AnyValue::Null, AnyValue::Float32)
        );
        let emotion = u
            .emotion
            .as_deref()
            .map_or(AnyValue::Null, AnyValue::String);
        assert_eq!(cell("emotion"), emotion);
    }
}

/// Overwrites the features of every table with zeros, which is no Parquet.
fn destroy_features(tables: &Path) {
    for entry in fs::read_dir(tables).unwrap() {
        let path = entry.unwrap().path();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                let name = column.column_path().string();
                if name.starts_with("audio.") || name.starts_with("video.") {
                    let (start, length) = column.byte_range();
                    bytes[start as usize..(start + length) as usize].fill(0);
                }
            }
        }
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn features_are_read_for_their_steps_alone() {
    let run = Run::new();
    let found = steps(run.folder.path()).unwrap().collect().unwrap();
    for (row, u) in run.rows().enumerate() {
        let cell = found.column("audio_steps").unwrap().get(row).unwrap();
        let expected = u
            .audio
            .as_ref()
            .map_or(AnyValue::Null, |s| AnyValue::UInt32(s.steps() as u32));
        assert_eq!(cell, expected, "{}", u.utterance_id);
    }
    destroy_features(&run.path("corpus"));
    assert!(steps(run.folder.path()).is_err());
    assert_eq!(run.frame().collect().unwrap().height(), run.rows().count());
}

#[test]
fn labels_and_predictions_are_joined_by_id() {
    let run = Run::new();
    run.label();
    run.predict(".", 0.5);
    let joined = run.frame().collect().unwrap();
    assert_eq!(joined.height(), run.rows().count());
    for (row, u) in run.rows().enumerate() {
        let cell = |name: &str| joined.column(name).unwrap().get(row).unwrap();
        assert_eq!(cell("utterance_id"), AnyValue::String(&u.utterance_id));
        let lent = u.corpus == "meld";
        let donor = if lent {
            AnyValue::String("giver")
        } else {
            AnyValue::Null
        };
        assert_eq!(cell("label_intensity_donor_id"), donor);
        let said = (u.split != Split::Train).then(|| run.said(u, 0.5));
        assert_eq!(
            cell("predicted_intensity"),
            said.map_or(AnyValue::Null, AnyValue::Float32)
        );
    }
    let names = joined.get_column_names();
    assert!(
        names
            .iter()
            .all(|name| !name.contains("truth") && name.as_str() != "seed")
    );
}

#[test]
fn a_row_about_no_utterance_or_about_one_twice_is_an_error() {
    let run = Run::new();
    let predicted = run.predicted();
    let refused = |rows: &[&Utterance]| {
        let mut columns = keys(rows);
        columns.push(("polarity", text(rows.iter().map(|_| Some("neutral")))));
        write(&run.path("predictions.parquet"), columns);
        frame(run.folder.path()).err().unwrap().to_string()
    };
    let stranger = Utterance {
        utterance_id: "nobody".to_owned(),
        ..predicted[0].clone()
    };
    let error = refused(&[predicted[0], &stranger]);
    let words =
        "predictions.parquet: row 2: expected an utterance of the tables, found mosi dev nobody";
    assert!(error.ends_with(words), "{error}");
    let error = refused(&[predicted[0], predicted[1], predicted[0]]);
    let words = "predictions.parquet: row 3: expected each utterance once, found mosi dev";
    assert!(error.contains(words), "{error}");
    let error = frame(&run.path("data")).err().unwrap().to_string();
    assert!(error.contains("no utterance table"), "{error}");
}

/// A run of two seeds, half a point too high and a quarter too low.
fn two_seeds() -> Run {
    let run = Run::new();
    run.label();
    run.predict("seed-1", 0.5);
    run.predict("seed-2", -0.25);
    run
}

#[test]
fn counts_are_those_of_the_corpora() {
    let run = Run::new();
    let folder = run.folder.path();
    let counted = queries::counts(frame(folder).unwrap(), steps(folder).unwrap());
    let counted = counted.collect().unwrap();
    let utterances = numbers(&counted, &["corpus", "split"], "utterances");
    let audio = numbers(&counted, &["corpus", "split"], "audio");
    assert_eq!(utterances.len(), run.corpora.len() * Split::ALL.len());
    for corpus in &run.corpora {
        for split in Split::ALL {
            let name = format!("{} {split}", corpus.name);
            let rows = || corpus.of_split(split).map(|at| &corpus.utterances[at]);
            assert_eq!(utterances[&name], rows().count() as f64);
            let with_audio = rows().filter(|u| u.audio.is_some()).count();
            assert_eq!(audio[&name], with_audio as f64);
        }
    }
}

#[test]
fn scores_errors_and_confusions_of_one_seed() {
    let run = two_seeds();
    let folder = run.folder.path();
    let meld = run.corpora.iter().find(|c| c.name == "meld").unwrap();
    let of_split = |split| meld.of_split(split).map(|at| &meld.utterances[at]);

    let one = frame(folder).unwrap().filter(col("seed").eq(lit(1)));
    let by_speaker = queries::scores(one.clone(), &["speaker"])
        .collect()
        .unwrap();
    let accuracy = numbers(
        &by_speaker,
        &["corpus", "split", "speaker"],
        "emotion_accuracy",
    );
    let speaker = &meld.utterances.last().unwrap().speaker;
    let neutral: Vec<f64> = of_split(Split::Test)
        .filter(|u| u.speaker == *speaker)
        .map(|u| f64::from(u.emotion.as_deref() == Some("neutral")))
        .collect();
    let name = format!("meld test {}", speaker.as_deref().unwrap());
    close(
        accuracy[&name],
        neutral.iter().sum::<f64>() / neutral.len() as f64,
    );

    // 0.5, but for one
    let first = run.predicted()[0].utterance_id.as_str();
    let worst = queries::worst(one.clone(), 10).collect().unwrap();
    let ids = worst.column("utterance_id").unwrap();
    assert_eq!(ids.get(0).unwrap(), AnyValue::String(first));
    let errors = numbers(&worst, &["utterance_id"], "error");
    assert_eq!(errors.len(), 10);
    for (id, error) in &errors {
        close(*error, if id == first { 0.5 + 2.0 } else { 0.5 });
    }

    let confused = queries::confusions(one.clone()).collect().unwrap();
    let pairs = ["corpus", "split", "emotion", "predicted_emotion"];
    let rows = numbers(&confused, &pairs, "rows");
    let joy = of_split(Split::Dev).filter(|u| u.emotion.as_deref() == Some("joy"));
    assert_eq!(rows["meld dev joy neutral"], joy.count() as f64);
    let mistake = |pair: &String| !pair.contains("neutral neutral") && pair.ends_with(" neutral");
    assert!(rows.keys().all(mistake));
}

#[test]
fn scores_over_seeds_and_the_sources_of_labels() {
    let run = two_seeds();
    let folder = run.folder.path();
    let scores = queries::scores(frame(folder).unwrap(), &["seed"]);
    let over_seeds = queries::across_seeds(scores).collect().unwrap();
    let score = |name: &str, corpus: &str| numbers(&over_seeds, &["corpus", "split"], name)[corpus];
    close(score("mae_mean", "mosi test"), (0.5 + 0.25) / 2.0);
    close(score("mae_sd", "mosi test"), (0.5 - 0.25) / 2.0_f64.sqrt());
    assert!(score("mae_mean", "meld test").is_nan());

    let sources = frame(folder).unwrap().filter(col("split").neq(lit("test")));
    let sources = queries::values(sources, "label_intensity_source")
        .collect()
        .unwrap();
    let groups = ["corpus", "split", "label_intensity_source"];
    let lent = numbers(&sources, &groups, "utterances");
    let meld = run.corpora.iter().find(|c| c.name == "meld").unwrap();
    let train = meld.of_split(Split::Train).count();
    assert_eq!(lent["meld train donor"], train as f64);
    assert!(!lent.contains_key("mosi train donor") && !lent.contains_key("meld test donor"));
}

#[test]
fn seeds_say_how_far_they_agree_on_each_utterance() {
    let run = Run::new();
    run.predict("seed-10", -0.25);
    run.predict("seed-2", 0.5);
    let rows = run.frame().collect().unwrap();
    let seeds = run.predicted().len() * 2 + run.rows().filter(|u| u.split == Split::Train).count();
    assert_eq!(rows.height(), seeds);
    let agreed = queries::over_seeds(run.frame()).collect().unwrap();
    let mean = numbers(&agreed, &["corpus", "split", "utterance_id"], "mean");
    let sd = numbers(&agreed, &["corpus", "split", "utterance_id"], "sd");
    assert_eq!(mean.len(), run.predicted().len());
    for u in run.predicted() {
        let name = format!("{} {} {}", u.corpus, u.split, u.utterance_id);
        let said = [0.5, -0.25].map(|shift| f64::from(run.said(u, shift)));
        close(mean[&name], (said[0] + said[1]) / 2.0);
        close(sd[&name], (0.5 + 0.25) / 2.0_f64.sqrt());
    }
    let by_seed = run.frame().group_by_stable([col("seed")]).agg([len()]);
    let order = by_seed.collect().unwrap();
    let order: Vec<_> = order
        .column("seed")
        .unwrap()
        .i64()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(order, [None, Some(2), Some(10)]); // train first, which is not predicted
}

/// Every Rust block of the page stands in this file, where it is run.
#[test]
fn the_documentation_shows_queries_that_are_run_here() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    let here = squeezed(include_str!("frame.rs"));
    let page = include_str!("../../../docs/frame.md");
    let blocks: Vec<&str> = page
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 5);
    for line in blocks
        .iter()
        .flat_map(|block| block.split(";\n"))
        .filter(|line| !line.trim().is_empty())
    {
        assert!(here.contains(&squeezed(line)), "{line}");
    }
}
