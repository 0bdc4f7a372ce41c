//! A comparison of three runs (all numbers invented), with folders that hold their event logs.

use std::fs;
use std::path::{Path, PathBuf};

use unimse_eval::{Difference, Interval, Metric};
use unimse_run::{
    COMPARISON_SCHEMA, Clusters, ComparedCorpus, ComparedMetric, ComparedRun, Comparison, Setting,
    Task,
};

/// The comparison with its folders: `full` of two seeds, `other` of one, and `old`, which has no event log and no corpus in common.
pub(crate) struct World {
    pub(crate) comparison: Comparison,
    pub(crate) runs: Vec<PathBuf>,
    _place: tempfile::TempDir,
}

impl World {
    /// `name` stands in the place of `other`.
    pub(crate) fn new(name: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let runs = ["full", "other", "old"].map(|name| place.path().join(name));
        for seed in ["seed-1", "seed-2"] {
            copy(&fixtures.join("several").join(seed), &runs[0].join(seed));
        }
        copy(&fixtures.join("single"), &runs[1]);
        fs::create_dir(&runs[2]).unwrap();
        Self {
            comparison: comparison(name),
            runs: runs.into(),
            _place: place,
        }
    }

    /// The page and its Markdown.
    pub(crate) fn page(&self) -> unimse_report::ComparisonPage {
        unimse_report::comparison(&self.comparison, &self.runs).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("events.jsonl"), to.join("events.jsonl")).unwrap();
}

fn comparison(name: &str) -> Comparison {
    let full = ComparedRun {
        run: "runs/full".to_owned(),
        preset: Some("minilm".to_owned()),
        trained_on: vec!["mosi".to_owned(), "meld".to_owned()],
        seeds: vec![1, 2],
        test_openings: 2,
        corpora: [
            ("mosi".to_owned(), mosi(&[0.8, 0.9], None)),
            ("meld".to_owned(), meld(&[0.5, 0.6], None)),
        ]
        .into_iter()
        .collect(),
        ..ComparedRun::default()
    };
    let other = ComparedRun {
        run: format!("runs/{name}"),
        seeds: vec![1],
        test_openings: 2,
        leaky: true,
        corpora: [
            (
                "mosi".to_owned(),
                mosi(&[0.7], Some((-0.15, -0.2, -0.1, 0.002))),
            ),
            (
                "meld".to_owned(),
                meld(&[0.54], Some((-0.01, -0.03, 0.02, 0.5))),
            ),
        ]
        .into_iter()
        .collect(),
        ..full.clone()
    };
    let left_out = [(
        "mosei".to_owned(),
        "not compared in the reference".to_owned(),
    )];
    let old = ComparedRun {
        run: "runs/old".to_owned(),
        preset: None,
        corpora: [].into_iter().collect(),
        left_out: left_out.into_iter().collect(),
        ..full.clone()
    };
    Comparison {
        schema: COMPARISON_SCHEMA,
        resamples: 1000,
        seed: 1,
        settings: vec![Setting {
            key: "train.epochs".to_owned(),
            values: vec![Some("5".to_owned()), Some(format!("\"{name}\"")), None],
        }],
        runs: vec![full, other, old],
    }
}

/// Of these MAEs; the reference holds 30 rows beyond the shared ones.
fn mosi(per_seed: &[f64], difference: Option<(f64, f64, f64, f64)>) -> ComparedCorpus {
    let unshared = (0..30).map(|at| format!("video{at}_1"));
    ComparedCorpus {
        task: Task::Sentiment,
        n: 656,
        unshared: match difference {
            None => unshared.collect(),
            Some(_) => Vec::new(),
        },
        resampled: Clusters::Videos,
        clusters: 31,
        metrics: [(Metric::Mae, metric(per_seed, difference))].into(),
    }
}

fn meld(per_seed: &[f64], difference: Option<(f64, f64, f64, f64)>) -> ComparedCorpus {
    ComparedCorpus {
        task: Task::Emotion,
        n: 2610,
        unshared: Vec::new(),
        resampled: Clusters::Dialogues,
        clusters: 280,
        metrics: [(Metric::WeightedF1, metric(per_seed, difference))].into(),
    }
}

fn metric(per_seed: &[f64], difference: Option<(f64, f64, f64, f64)>) -> ComparedMetric {
    let difference = difference.map(|(estimate, low, high, p)| Difference {
        interval: Interval {
            estimate: Some(estimate),
            low: Some(low),
            high: Some(high),
            undefined: None,
        },
        p: Some(p),
    });
    ComparedMetric {
        difference,
        ..ComparedMetric::of_seeds(per_seed.iter().copied().map(Some).collect())
    }
}
