//! A run folder of the demo corpora, with the labels and predictions that a test gives it.

use arrow::array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};
use unimse_corpus::{
    Corpus, Polarity, Split, Utterance, demo, frame, ingest, polars::prelude::LazyFrame, read,
};

/// A run folder of the demo corpora.
pub(crate) struct Run {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) corpora: Vec<Arc<Corpus>>,
}

impl Run {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, tables) = (folder.path().join("data"), folder.path().join("corpus"));
        demo::write(&data).unwrap();
        ingest(&data, &tables, &[], &mut |_| {}).unwrap();
        let corpora = read(&tables, &Split::ALL).unwrap();
        Self { folder, corpora }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn frame(&self) -> LazyFrame {
        frame(self.folder.path()).unwrap()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Utterance> {
        self.corpora.iter().flat_map(|c| &c.utterances)
    }

    /// Dev and test, which are predicted.
    pub(crate) fn predicted(&self) -> Vec<&Utterance> {
        self.rows().filter(|u| u.split != Split::Train).collect()
    }

    /// What a model says that is wrong by `shift`, and by 2 more of the first utterance of dev; without a score it begins at 0.
    pub(crate) fn said(&self, u: &Utterance, shift: f32) -> f32 {
        let first = self.predicted()[0].utterance_id == u.utterance_id;
        u.score.unwrap_or(0.0) + if first { shift + 2.0 } else { shift }
    }

    /// `<folder>/predictions.parquet` of that model, which says neutral for every emotion.
    pub(crate) fn predict(&self, folder: &str, shift: f32) {
        let rows = self.predicted();
        let said: Vec<f32> = rows.iter().map(|u| self.said(u, shift)).collect();
        let polarities = said.iter().map(|&x| Some(Polarity::from_score(x).name()));
        let neutral = || text(rows.iter().map(|_| Some("neutral")));
        let scores: Float32Array = rows.iter().map(|u| u.score).collect();
        let mut columns = keys(&rows);
        columns.extend([
            (
                "dialogue_id",
                text(rows.iter().map(|u| Some(u.dialogue_id.as_str()))),
            ),
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
    pub(crate) fn label(&self) {
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

pub(crate) fn text<'a>(cells: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(cells.collect::<StringArray>())
}

pub(crate) fn keys(rows: &[&Utterance]) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("corpus", text(rows.iter().map(|u| Some(u.corpus.as_str())))),
        ("split", text(rows.iter().map(|u| Some(u.split.name())))),
        (
            "utterance_id",
            text(rows.iter().map(|u| Some(u.utterance_id.as_str()))),
        ),
    ]
}

pub(crate) fn write(path: &Path, columns: Vec<(&'static str, ArrayRef)>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
