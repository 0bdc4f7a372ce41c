//! What `evaluate` says beside the main metrics: the fine-tuned baseline, views, and answers with inputs taken away.

use std::fs;

use unimse_eval::Metric;
use unimse_run::{ConditionScores, CorpusResults, Results};
use unimse_train::config::RunConfig;
use unimse_train::data::row::Row;
use unimse_train::evaluate::evaluate;
use unimse_train::evaluate::readout::score;
use unimse_train::model::saved_model::SavedModel;
use unimse_train::model::session::answering_plan;

use super::{GO, TRAINED, copied};

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
        let robust = of_corpus.test.robustness.as_ref().unwrap();
        let plain = of_corpus.test.metrics[&main].to_bits();
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
        assert_eq!(robust.n, rows);
        assert!(of_corpus.dev.as_ref().unwrap().robustness.is_none());
    }
    // what is drawn at random is drawn again
    assert_eq!(
        evaluate(&TRAINED.config, &paths, &GO).unwrap().corpora,
        results.corpora
    );
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
    let silent = saved.session.reader().read(&[(None, "")], 0, None).unwrap();
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
fn the_fine_tuned_baseline_sees_the_train_and_dev_rows_of_its_corpus_alone() {
    let config = config(&["evaluate.baselines=finetuned", "evaluate.robustness=false"]);
    let (_place, paths) = copied();
    let results = evaluate(&config, &paths, &GO).unwrap();
    let test = &of(&results, "talks").test;
    assert!(test.robustness.is_none());
    let baseline = test.baselines.get("finetuned").unwrap();
    assert_eq!(baseline.chosen.unwrap().epoch, Some(1)); // of one
    assert!(baseline.metrics.contains_key(&Metric::Mae));
    assert!(baseline.difference[&Metric::Mae].low.is_some());
    let why = of(&results, "late").test.not_fitted.get("finetuned");
    assert_eq!(why.unwrap(), "expected train rows with gold, found none");
    let own = paths.finetuned("talks");
    let tables: Vec<String> = ["corpus", "labels"]
        .into_iter()
        .flat_map(|folder| names(&own.run.join(folder)))
        .collect();
    assert_eq!(
        tables,
        ["talks-dev.parquet", "talks-train.parquet", "talks.parquet"]
    );
}

/// Names in a folder, sorted.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_fine_tuned_baseline_of_other_tables_is_trained_afresh() {
    let config = config(&["evaluate.baselines=finetuned", "evaluate.robustness=false"]);
    let (_place, paths) = copied();
    let trained = || {
        evaluate(&config, &paths, &GO).unwrap();
        let own = paths.finetuned("talks");
        let log = fs::read_to_string(own.events()).unwrap();
        assert_eq!(log.matches("\"event\":\"start\"").count(), 1);
        fs::metadata(own.best()).unwrap().modified().unwrap()
    };
    let first = trained();
    assert_eq!(first, trained()); // the same: nothing is trained again
    super::rescore(&paths.corpus.join("talks-dev.parquet"), |row| {
        Some(row as f32 % 3.0 - 1.0)
    });
    assert_ne!(first, trained());
}
