//! What `evaluate` says beside the main metrics: the fine-tuned baseline, views, and answers with inputs taken away.

use std::fs;
use std::sync::atomic::AtomicBool;

use unimse_eval::Metric;
use unimse_run::{ConditionScores, CorpusResults, Receipt, Results, RunFolder};
use unimse_train::TrainError;
use unimse_train::config::RunConfig;
use unimse_train::data::row::Row;
use unimse_train::evaluate::evaluate;
use unimse_train::evaluate::readout::score;
use unimse_train::model::saved_model::SavedModel;
use unimse_train::model::session::answering_plan;

use super::{GO, TRAINED, copied};

static STOP: AtomicBool = AtomicBool::new(true);

fn of<'a>(results: &'a Results, corpus: &str) -> &'a CorpusResults {
    results.corpora.get(corpus).unwrap()
}

fn config(overrides: &[&str]) -> RunConfig {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, TRAINED.config.to_toml().unwrap()).unwrap();
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    RunConfig::merge(None, Some(&file), &overrides).unwrap()
}

/// Scores of the test rows of `talks`, as the fixture makes them: nine rows.
const TALKS: [f32; 9] = [-2.0, -1.0, 0.0, 1.0, 2.0, -2.0, -1.0, 0.0, 1.0];

#[test]
fn with_nothing_taken_away_the_scores_are_the_plain_ones_to_the_byte() {
    let (_place, paths) = copied();
    let results = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    for (corpus, main, rows) in [("talks", Metric::Mae, 9), ("chats", Metric::WeightedF1, 3)] {
        let of_corpus = of(&results, corpus);
        for split in [Some(&of_corpus.test), of_corpus.dev.as_ref()] {
            let (split, robust) = (split.unwrap(), split.unwrap().robustness.as_ref().unwrap());
            let plain = split.metrics[&main].to_bits();
            let same = |scores: &ConditionScores| scores[&main].to_bits() == plain;
            let rates: Vec<f64> = robust.missing.iter().map(|m| m.rate * 10.0).collect();
            assert!(
                rates
                    .iter()
                    .zip(0..10)
                    .all(|(rate, i)| (rate - f64::from(i)).abs() < 1e-9)
            );
            assert!(same(&robust.missing[0].metrics), "{corpus}");
            let whole = robust
                .subsets
                .iter()
                .filter(|s| s.modalities == robust.modalities);
            assert!(whole.into_iter().all(|s| same(&s.metrics)), "{corpus}");
        }
        assert_eq!(of_corpus.test.robustness.as_ref().unwrap().n, rows);
    }
    // `chats` has text alone
    let robust = of(&results, "chats").test.robustness.as_ref().unwrap();
    assert!(
        robust
            .left_out
            .as_ref()
            .unwrap()
            .contains("neither audio nor video")
    );
    assert!(robust.subsets.is_empty() && robust.noise.is_empty() && robust.shuffled.is_empty());
    let robust = of(&results, "talks").test.robustness.as_ref().unwrap();
    assert_eq!(
        (
            robust.left_out.as_ref(),
            robust.shuffled.len(),
            robust.noise.len()
        ),
        (None, 1, 3)
    );
    assert_eq!(robust.modalities, ["text", "audio"]);
}

#[test]
fn without_any_modality_every_row_has_the_answer_of_an_empty_utterance() {
    let (_place, paths) = copied();
    let results = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let saved = SavedModel::open(&paths).unwrap();
    let silent = saved.session.reader().read(&[(None, "")], 0).unwrap();
    let row = Row {
        ids: &silent.ids,
        segments: &silent.segments,
        audio: None,
        video: None,
    };
    let plan = answering_plan(&TRAINED.config.train);
    let name = |_| "an empty utterance".to_owned();
    let answers = saved
        .session
        .predict_rows(&[row], &plan, &name, |_| Ok(()))
        .unwrap();
    let constant = score(saved.card.readout.intensity, &answers[0]);
    let mae = TALKS
        .iter()
        .map(|t| f64::from((constant - t).abs()))
        .sum::<f64>()
        / 9.0;

    let robust = of(&results, "talks").test.robustness.as_ref().unwrap();
    let nothing = robust.subsets.last().unwrap();
    assert!(nothing.modalities.is_empty());
    assert!(
        (nothing.metrics[&Metric::Mae] - mae).abs() < 1e-5,
        "{nothing:?}, expected {mae}"
    );
    // the correlation of a constant is undefined
    assert!(!nothing.metrics.contains_key(&Metric::Corr));
    let subsets: Vec<String> = robust
        .subsets
        .iter()
        .map(|s| s.modalities.join("+"))
        .collect();
    assert_eq!(subsets, ["text", "audio", "text+audio", ""]);
}

#[test]
fn views_are_scored_with_intervals_by_video_or_dialogue() {
    let (_place, paths) = copied();
    let results = evaluate(&TRAINED.config, &paths, &GO).unwrap();
    let talks = &of(&results, "talks").test;
    let names: Vec<&str> = talks.views.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["polarity", "intensity"]);
    let polarity = talks.views.get("polarity").unwrap();
    assert_eq!((polarity.n, polarity.metrics.len()), (9, 6));
    let accuracy = &polarity.metrics[&Metric::Accuracy];
    assert!(accuracy.low <= accuracy.estimate && accuracy.estimate <= accuracy.high);
    let width = |metric| {
        let views = talks.views.get("intensity").unwrap();
        views.metrics[&metric].estimate.unwrap()
    };
    assert!(width(Metric::Width50) <= width(Metric::Width90));
    assert!(width(Metric::Coverage50) <= width(Metric::Coverage90));
    let emotion = of(&results, "chats").test.views.get("emotion").unwrap();
    assert_eq!(
        (emotion.n, emotion.labels.len(), emotion.metrics.len()),
        (3, 7, 3)
    );
    assert_eq!(
        Results::read(&paths.results()).unwrap().corpora,
        results.corpora
    );
}

#[test]
fn the_fine_tuned_baseline_stops_goes_on_and_repeats() {
    let config = config(&["evaluate.baselines=finetuned", "evaluate.robustness=false"]);
    let (_place, paths) = copied();
    let stopped = evaluate(&config, &paths, &STOP).unwrap_err();
    assert!(matches!(stopped, TrainError::Stopped(_)), "{stopped}");
    assert!(
        stopped.to_string().contains("in the baseline finetuned of"),
        "{stopped}"
    );
    assert_eq!(Receipt::last(&paths.receipts()).unwrap(), None);

    let gone_on = evaluate(&config, &paths, &GO).unwrap();
    let weights = |paths: &RunFolder| fs::read(paths.finetuned("talks").best()).unwrap();
    let (_other, whole) = copied();
    let at_once = evaluate(&config, &whole, &GO).unwrap();
    assert_eq!(gone_on.corpora, at_once.corpora);
    assert!(weights(&paths) == weights(&whole));
    // a second call trains nothing
    let before = fs::metadata(paths.finetuned("talks").best())
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(
        evaluate(&config, &paths, &GO).unwrap().corpora,
        at_once.corpora
    );
    let after = fs::metadata(paths.finetuned("talks").best())
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);

    let test = &of(&at_once, "talks").test;
    assert!(test.robustness.is_none());
    let baseline = test.baselines.get("finetuned").unwrap();
    assert_eq!(baseline.chosen.unwrap().epoch, Some(1)); // of one
    assert!(baseline.metrics.contains_key(&Metric::Mae));
    assert!(baseline.difference[&Metric::Mae].low.is_some());
    let why = of(&at_once, "late")
        .test
        .not_fitted
        .get("finetuned")
        .unwrap();
    assert_eq!(why, "expected train rows with gold, found none");
    // it has seen no test table, and no label but its own
    let own = paths.finetuned("talks");
    assert!(!own.corpus.join("talks-test.parquet").exists());
    assert!(!own.corpus.join("chats-train.parquet").exists());
}

#[test]
fn a_fine_tuned_baseline_of_other_labels_is_trained_afresh() {
    let config = config(&["evaluate.baselines=finetuned", "evaluate.robustness=false"]);
    let (_place, paths) = copied();
    evaluate(&config, &paths, &GO).unwrap();
    let first = fs::read(paths.finetuned("talks").best()).unwrap();
    super::rescore(&paths.corpus.join("talks-dev.parquet"), |row| {
        Some(row as f32 % 3.0 - 1.0)
    });
    evaluate(&config, &paths, &GO).unwrap();
    // dev selects among one epoch: the weights are the same, the training another
    assert!(first == fs::read(paths.finetuned("talks").best()).unwrap());
    let events = fs::read_to_string(paths.finetuned("talks").events()).unwrap();
    assert_eq!(events.matches("\"event\":\"start\"").count(), 1);
}
