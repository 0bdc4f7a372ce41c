//! Run folders written by hand, with answers whose metrics are arithmetic: the corpora `talks` (scores) and `chats` (emotions of MELD).

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use unimse_labels::{MeldEmotion, Taxonomy};
use unimse_run::{
    Confusion, CorpusResults, EmotionReadout, FeatureCards, IntensityReadout, PredictedRow,
    Protocol, RESULTS_SCHEMA, Readout, Results, RunFolder, SplitScores, Task,
};
use unimse_train::config::RunConfig;
use unimse_train::evaluate::predictions::write_rows;

/// Test rows of the corpus `talks`: utterance, video, gold score.
pub(crate) const TALKS: [(&str, &str, f32); 6] = [
    ("u0", "a", -2.0),
    ("u1", "a", 1.0),
    ("u2", "b", 2.0),
    ("u3", "b", -1.0),
    ("u4", "c", 3.0),
    ("u5", "c", -3.0),
];

/// Utterance tables with `talks` (scores) and `chats` (emotions of MELD).
static TABLES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = place.path().join("data").join(name).join("utterances.csv");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let talks = TALKS.map(|(id, video, score)| format!("{id},test,{video},word {id},{score}\n"));
    put(
        "talks",
        format!(
            "utterance_id,split,dialogue_id,text,score\n{}",
            talks.concat()
        ),
    );
    put(
        "chats",
        "utterance_id,split,dialogue_id,text,emotion,taxonomy\nc0,test,x,hello,joy,meld\nc1,test,y,no,anger,meld\n"
            .to_owned(),
    );
    let data = place.path().join("data");
    unimse_corpus::ingest(&data, &place.path().join("corpus"), &[], &mut |_| {}).unwrap();
    place
});

const READOUT: Readout = Readout {
    intensity: IntensityReadout::Expectation,
    emotion: EmotionReadout::Marginal,
};

/// A row of `talks` whose answer is `score`.
pub(crate) fn talk((id, _, truth): (&str, &str, f32), score: f32) -> PredictedRow {
    let mut scores = vec![0.0; 61];
    scores[(score * 10.0) as usize % 61] = 1.0;
    PredictedRow {
        corpus: "talks".to_owned(),
        split: "test".to_owned(),
        utterance_id: id.to_owned(),
        polarity: "positive".to_owned(),
        intensity: Some(score),
        raw: "positive,0.5,joy".to_owned(),
        truth_score: Some(truth),
        intensity_probabilities: Some(scores),
        ..PredictedRow::default()
    }
}

fn chat(id: &str, truth: &str, answer: &str) -> PredictedRow {
    PredictedRow {
        corpus: "chats".to_owned(),
        split: "test".to_owned(),
        utterance_id: id.to_owned(),
        polarity: "positive".to_owned(),
        meld: Some(answer.to_owned()),
        raw: "positive,0.5,joy".to_owned(),
        truth_emotion: Some(truth.to_owned()),
        meld_probabilities: Some(vec![
            1.0 / MeldEmotion::ALL.len() as f32;
            MeldEmotion::ALL.len()
        ]),
        intensity_probabilities: Some(vec![1.0 / 61.0; 61]),
        ..PredictedRow::default()
    }
}

/// All test rows; those of `talks` are off by `errors`.
pub(crate) fn rows(errors: [f32; 6]) -> Vec<PredictedRow> {
    let talks = TALKS.into_iter().zip(errors);
    let mut rows: Vec<_> = talks.map(|(row, error)| talk(row, row.2 + error)).collect();
    rows.push(chat("c0", "joy", "joy"));
    rows.push(chat("c1", "anger", "joy"));
    rows
}

fn results(seed: u64, rows: &[PredictedRow]) -> Results {
    let corpus = |task, confusion| CorpusResults {
        task,
        features: FeatureCards::default(),
        dev: None,
        test: SplitScores {
            confusion,
            ..SplitScores::default()
        },
    };
    let labels: Vec<String> = Taxonomy::Meld
        .labels()
        .iter()
        .map(|&l| l.to_owned())
        .collect();
    let confusion = Confusion {
        rows_truth: vec![vec![0; labels.len()]; labels.len()],
        labels,
    };
    let corpora = [
        ("talks", corpus(Task::Sentiment, None)),
        ("chats", corpus(Task::Emotion, Some(confusion))),
    ];
    let corpora = corpora
        .into_iter()
        .filter(|(name, _)| rows.iter().any(|r| r.corpus == *name));
    Results {
        schema: RESULTS_SCHEMA,
        protocol: Protocol {
            test_openings: Some(1),
            ..Protocol::default()
        },
        seeds: vec![seed],
        fields: vec!["intensity".to_owned(), "meld".to_owned()],
        readout: Some(READOUT),
        corpora: corpora
            .map(|(name, corpus)| (name.to_owned(), corpus))
            .collect(),
        ..Results::default()
    }
}

/// Writes a run folder.
pub(crate) fn write(folder: &Path, seed: u64, rows: &[PredictedRow]) {
    let run = RunFolder::new(folder);
    fs::create_dir_all(&run.corpus).unwrap();
    for entry in fs::read_dir(TABLES.path().join("corpus")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, run.corpus.join(path.file_name().unwrap())).unwrap();
    }
    let values = [
        "evaluate.resamples=500".to_owned(),
        "evaluate.seed=9".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &values).unwrap();
    fs::write(run.config(), config.to_toml().unwrap()).unwrap();
    results(seed, rows).write(&run.results()).unwrap();
    write_rows(&run.predictions(), rows, READOUT).unwrap();
}
