//! The evaluate stage: opens the test split once, scores the selected checkpoint and the baselines, writes predictions and results.

use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Map, Value, json};
use unimse_corpus::Corpus;
use unimse_eval::{Convention, emotion, sentiment};
use unimse_labels::{Source, Split};
use unimse_model::batch::Prediction;

use crate::card::Card;
use crate::comparison::{Fitted, compare, fit};
use crate::config::RunConfig;
use crate::dataset::{self, Dataset};
use crate::label_summary::read_summary;
use crate::labels_table::LabelTable;
use crate::run_folder::Paths;
use crate::saved_model::SavedModel;
use crate::scoring::{self, Pairs, Values};
use crate::session::answering_plan;
use crate::unify::read_embeddings;
use crate::{TrainError, predictions, receipts};
use unimse_run::{FeatureCards, RESULTS_SCHEMA, RunLock, artefact};

/// Scores the run's selected checkpoint on dev and test; writes `predictions.parquet` and `results.json`.
///
/// Whatever can be checked and fitted without a test label is, before the receipt of the test split is written.
///
/// # Errors
/// [`TrainError`] of the part that failed; `results.json` is then as it was.
pub fn evaluate(config: &RunConfig, paths: &Paths) -> Result<Value, TrainError> {
    let started = Instant::now();
    let _lock = RunLock::take(&paths.run)?;
    let saved = SavedModel::open(paths)?;
    saved.must_match(config, &paths.run.join("config.toml"))?;
    let (session, card) = (&saved.session, &saved.card);
    let all = dataset::read_corpora(&paths.corpus, &Split::ALL)?;
    let tables = dataset::read_labels(&paths.labels, &all)?;
    let mut normalised = all.clone();
    saved.normaliser.apply(&mut normalised);

    let of_split = |split: Split| {
        let mut part = normalised.clone();
        part.iter_mut()
            .for_each(|c| c.utterances.retain(|u| u.split == split));
        Dataset::new(part, None, &session.tokenizer, config)
    };
    let (dev, test) = (of_split(Split::Dev)?, of_split(Split::Test)?);
    drop(normalised);
    check(&dev, &test, card, &paths.corpus)?;
    let fitted = fit_baselines(&all, paths)?;
    let labels = read_summary(&paths.labels)?;
    let plan = answering_plan(&config.train);
    let bar = ProgressBar::new((dev.examples.len() + test.examples.len()) as u64);
    let predict = |d: &Dataset, base: usize| {
        session.predict(d, &plan, |done| {
            bar.set_position((base + done) as u64);
            Ok(())
        })
    };
    let dev_predictions = predict(&dev, 0)?;
    scoring::check_answers(&dev, &dev_predictions)?;
    let readout = card.readout;
    let batches = plan.by_length(&test.entries());
    let fullest = batches
        .iter()
        .max_by_key(|b| b.len())
        .map_or(&[][..], Vec::as_slice);
    let fusion = session
        .model
        .fusion_ratios(&test.batch(fullest, session.model.device())?)?;

    // from here on nothing may fail that can be foreseen: the test split counts as opened
    let receipt = receipts::open(&paths.run, &test, &paths.best())?;
    let test_predictions = predict(&test, dev.examples.len())?;
    bar.finish_and_clear();
    predictions::write(
        &paths.run.join("predictions.parquet"),
        &[(&dev, &dev_predictions), (&test, &test_predictions)],
        readout,
    )?;
    scoring::check_answers(&test, &test_predictions)?;
    let corpora = score_corpora(
        &fitted,
        &scoring::pairs(&dev, &dev_predictions, readout),
        &scoring::pairs(&test, &test_predictions, readout),
        &(&test, &test_predictions),
        config,
    )?;
    let trained_on = all
        .iter()
        .filter(|c| c.of_split(Split::Train).next().is_some());
    let results = json!({
        "schema": RESULTS_SCHEMA,
        "synthetic": all.iter().any(|c| c.synthetic),
        "leaky": tables.iter().any(|t| t.leaky),
        "protocol": {"name": "clean", "selection": "dev", "test_openings": receipt.openings, "receipt": receipt.json()},
        "seeds": [card.seed],
        "fields": card.fields,
        "trained_on": trained_on.map(|c| &c.name).collect::<Vec<_>>(),
        "preset": config.preset,
        "backbone": checkpoint_name(&config.model.checkpoint),
        "model_type": session.model.backbone().model_type(),
        "decoder": config.model.decoder,
        "label_form": config.labels.form,
        "modalities": config.model.modalities,
        "readout": readout.to_string(),
        "fusion": FusionResults::new(config, &fusion),
        "labels": tables.iter().map(|t| (t.corpus.clone(), label_sources(t))).collect::<Map<_, _>>(),
        "agreement": labels.as_ref().map(|l| &l.agreement).into_iter().flatten().collect::<Vec<_>>(),
        "leak": labels.as_ref().and_then(|l| l.leak.as_ref()),
        "corpora": corpora,
        "timing": {"train_s": train_seconds(&paths.events()), "evaluate_s": started.elapsed().as_secs_f64()},
    });
    artefact::write_json(&paths.run.join("results.json"), &results)?;
    Ok(results)
}

/// One corpus in `results.json`.
#[derive(Serialize)]
struct CorpusResults<'a> {
    task: &'static str,
    features: &'a FeatureCards,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev: Option<Value>,
    test: Value,
}

/// Fusion in `results.json`.
#[derive(Serialize)]
struct FusionResults {
    /// Whether the hidden state is added; `None` without fused layers.
    skip: Option<bool>,
    layers: Vec<FusedLayer>,
}

/// Mean over tokens of |fused term| / |hidden state| after one encoder layer, which counts from 0.
#[derive(Serialize)]
struct FusedLayer {
    layer: usize,
    ratio: f64,
}

impl FusionResults {
    fn new(config: &RunConfig, ratios: &[(usize, f64)]) -> Self {
        let layers = ratios.iter();
        Self {
            skip: (!ratios.is_empty()).then_some(config.fusion.skip),
            layers: layers
                .map(|&(layer, ratio)| FusedLayer { layer, ratio })
                .collect(),
        }
    }
}

/// Checks before the test split is opened what scoring it would stumble over.
fn check(dev: &Dataset, test: &Dataset, card: &Card, tables: &Path) -> Result<(), TrainError> {
    let nothing = |what: &str| {
        Err(TrainError::Data(format!(
            "{}: expected {what}, found none; nothing can be scored, and the test split was not opened",
            tables.display()
        )))
    };
    if test.examples.is_empty() {
        return nothing("a table <corpus>-test.parquet with rows");
    }
    scoring::check_gold(dev)?;
    if scoring::check_gold(test)? == 0 {
        return nothing("a gold score or emotion in some row of the test split");
    }
    for corpus in [dev, test].into_iter().flat_map(|d| &d.corpora) {
        for u in &corpus.utterances {
            for (name, features, known) in [
                ("audio", &u.audio, &card.dims.audio),
                ("video", &u.video, &card.dims.video),
            ] {
                let found = features.as_ref().map(|s| s.dim);
                // without any dimension the model does not use the modality
                if let Some(dim) =
                    found.filter(|&d| !known.is_empty() && !known.contains(&(d as i64)))
                {
                    return Err(TrainError::Data(format!(
                        "corpus {}: utterance {}: {name}: expected {known:?} features a step as in training, found {dim}",
                        corpus.name, u.utterance_id
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The corpora with scored test rows; `test` holds the answers behind `test_pairs`.
fn score_corpora(
    fitted: &[(&Corpus, Fitted)],
    dev_pairs: &[Pairs],
    test_pairs: &[Pairs],
    test: &(&Dataset, &[Prediction]),
    config: &RunConfig,
) -> Result<Map<String, Value>, TrainError> {
    let mut corpora = Map::new();
    for pair in test_pairs {
        let Some((corpus, fitted)) = fitted.iter().find(|(c, _)| c.name == pair.corpus) else {
            continue;
        };
        let mut scored = summary(pair)?;
        outputs(&mut scored, pair, test.1);
        let comparison = json!(compare(pair, fitted, test.0, &config.evaluate)?);
        if let (Value::Object(scored), Value::Object(more)) = (&mut scored, comparison) {
            scored.extend(more);
        }
        let dev = dev_pairs.iter().find(|p| p.corpus == pair.corpus);
        let entry = CorpusResults {
            task: pair.task(),
            features: &corpus.features,
            dev: dev.map(summary).transpose()?,
            test: scored,
        };
        corpora.insert(corpus.name.clone(), json!(entry));
    }
    Ok(corpora)
}

/// The baselines of every corpus that has test rows.
fn fit_baselines<'a>(
    all: &'a [Corpus],
    paths: &Paths,
) -> Result<Vec<(&'a Corpus, Fitted)>, TrainError> {
    let tested = all
        .iter()
        .filter(|c| c.of_split(Split::Test).next().is_some());
    tested
        .map(|corpus| {
            Ok((
                corpus,
                fit(corpus, &read_embeddings(&paths.labels, corpus)?),
            ))
        })
        .collect()
}

/// n, metrics and what is undefined; conventions (MSA) or classes and confusion (ERC).
fn summary(pair: &Pairs) -> Result<Value, TrainError> {
    Ok(match &pair.values {
        Values::Sentiment { prediction, truth } => {
            let mut out = json!(sentiment(prediction, truth, Convention::Mmsa)?);
            let mut others = Map::new();
            for convention in [Convention::Mult, Convention::Mag] {
                others.insert(
                    convention.name().to_owned(),
                    json!(sentiment(prediction, truth, convention)?)["metrics"].take(),
                );
            }
            out["conventions"] = Value::Object(others);
            out
        }
        Values::Emotion {
            prediction,
            truth,
            labels,
        } => {
            let e = emotion(prediction, truth, labels)?;
            let mut out = json!(e.scores);
            out["per_class"] = json!(e.per_class);
            out["confusion"] = json!({"labels": labels, "rows_truth": e.confusion});
            out
        }
    })
}

/// Counts of generated text that was unparsable, repaired, or zero, and the most by which an utterance's probabilities may be off.
fn outputs(scored: &mut Value, pair: &Pairs, predictions: &[Prediction]) {
    let rows = || pair.examples.iter().map(|&i| &predictions[i]);
    scored["unparsable"] = json!(rows().filter(|p| !p.parsable).count());
    scored["repaired"] = json!(rows().filter(|p| p.repairs > 0).count());
    scored["generated_zeros"] = json!(
        rows()
            .filter(|p| p.text_label.intensity == Some(0.0))
            .count()
    );
    scored["unexplored"] = json!(rows().map(|p| p.unexplored).fold(0.0, f64::max));
}

/// The last part of a folder or Hub id: what a reader calls the checkpoint.
fn checkpoint_name(checkpoint: &str) -> &str {
    checkpoint
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(checkpoint)
}

fn label_sources(t: &LabelTable) -> Value {
    let count = |of: &dyn Fn(&unimse_labels::UniversalLabel) -> Source| -> Value {
        let mut out = Map::new();
        for source in [Source::Gold, Source::Donor, Source::Rule, Source::Missing] {
            let n = t
                .rows
                .iter()
                .filter(|r| r.split != Split::Test)
                .filter_map(|r| r.label.as_ref())
                .filter(|l| of(l) == source)
                .count();
            out.insert(source.name().to_owned(), json!(n));
        }
        Value::Object(out)
    };
    json!({"intensity": count(&|l| l.intensity.source), "meld": count(&|l| l.meld.source), "iemocap": count(&|l| l.iemocap.source)})
}

/// Sum of the epochs' durations in the event log.
fn train_seconds(events: &Path) -> f64 {
    let text = std::fs::read_to_string(events).unwrap_or_default();
    let seconds = |l: &str| {
        serde_json::from_str::<Value>(l)
            .ok()
            .filter(|e| e["event"] == "epoch")
            .and_then(|e| e["seconds"].as_f64())
    };
    text.lines().filter_map(seconds).sum()
}
