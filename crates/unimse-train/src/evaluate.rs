//! The evaluate stage: opens the test split once, scores the selected checkpoint and the baselines, writes predictions and results.

use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use unimse_corpus::{Corpus, Task};
use unimse_eval::{Convention, emotion, sentiment};
use unimse_labels::{Source, Split};
use unimse_model::batch::Prediction;

use crate::comparison::compare;
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
use unimse_run::artefact;

/// Scores the run's selected checkpoint on dev and test; writes `predictions.parquet` and `results.json`.
///
/// # Errors
/// [`TrainError`] of the part that failed; `results.json` is then as it was.
pub fn evaluate(config: &RunConfig, paths: &Paths) -> Result<Value, TrainError> {
    let started = Instant::now();
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
    let plan = answering_plan(&config.train);
    let bar = ProgressBar::new((dev.examples.len() + test.examples.len()) as u64);
    let predict = |d: &Dataset, base: usize| {
        session.predict(d, &plan, |done| {
            bar.set_position((base + done) as u64);
            Ok(())
        })
    };
    let dev_predictions = predict(&dev, 0)?;
    let readout = card.readout;
    let receipt = receipts::open(&paths.run, &test, &paths.best())?;
    let test_predictions = predict(&test, dev.examples.len())?;
    bar.finish_and_clear();
    let batches = plan.by_length(&test.entries());
    let fullest = batches.iter().max_by_key(|b| b.len());
    let ratios = match fullest {
        Some(rows) => session
            .model
            .fusion_ratios(&test.batch(rows, session.model.device())?)?,
        None => Vec::new(),
    };

    let dev_pairs = scoring::pairs(&dev, &dev_predictions, readout);
    let test_pairs = scoring::pairs(&test, &test_predictions, readout);
    let mut corpora = Map::new();
    for pair in &test_pairs {
        let Some(corpus) = all.iter().find(|c| c.name == pair.corpus) else {
            continue;
        };
        let embeddings = read_embeddings(&paths.labels, corpus)?;
        let mut entry = Map::new();
        entry.insert(
            "task".into(),
            json!(if matches!(pair.values, Values::Sentiment { .. }) {
                "sentiment"
            } else {
                "emotion"
            }),
        );
        entry.insert("features".into(), json!(features(corpus)));
        if let Some(dev) = dev_pairs.iter().find(|p| p.corpus == pair.corpus) {
            entry.insert("dev".into(), summary(dev)?);
        }
        let mut scored = summary(pair)?;
        outputs(&mut scored, pair, &test_predictions);
        compare(
            &mut scored,
            pair,
            corpus,
            &test,
            &embeddings,
            &config.evaluate,
        )?;
        entry.insert("test".into(), scored);
        corpora.insert(corpus.name.clone(), Value::Object(entry));
    }
    predictions::write(
        &paths.run.join("predictions.parquet"),
        &[(&dev, &dev_predictions), (&test, &test_predictions)],
        readout,
    )?;

    let layers = ratios
        .iter()
        .enumerate()
        .map(|(j, r)| json!({"layer": j, "ratio": r}))
        .collect::<Vec<_>>();
    let labels = read_summary(&paths.labels)?;
    let results = json!({
        "schema": 1,
        "synthetic": all.iter().any(|c| c.synthetic),
        "leaky": tables.iter().any(|t| t.leaky),
        "protocol": {"name": "clean", "selection": "dev", "test_openings": receipt.openings, "receipt": receipt.json()},
        "seeds": [card.seed],
        "fields": card.fields,
        "preset": config.preset,
        "backbone": checkpoint_name(&config.model.checkpoint),
        "decoder": config.model.decoder,
        "modalities": config.model.modalities,
        "readout": readout.to_string(),
        "fusion": {"layers": layers},
        "labels": tables.iter().map(|t| (t.corpus.clone(), label_sources(t))).collect::<Map<_, _>>(),
        "agreement": labels.as_ref().map(|l| &l.agreement).into_iter().flatten().collect::<Vec<_>>(),
        "leak": labels.as_ref().and_then(|l| l.leak.as_ref()),
        "corpora": corpora,
        "timing": {"train_s": train_seconds(&paths.events()), "evaluate_s": started.elapsed().as_secs_f64()},
    });
    artefact::write_json(&paths.run.join("results.json"), &results)?;
    Ok(results)
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

/// Counts of generated text that was unparsable, repaired, or zero.
fn outputs(scored: &mut Value, pair: &Pairs, predictions: &[Prediction]) {
    let rows = || pair.examples.iter().map(|&i| &predictions[i]);
    scored["unparsable"] = json!(rows().filter(|p| !p.parsable).count());
    scored["repaired"] = json!(rows().filter(|p| p.repairs > 0).count());
    scored["generated_zeros"] = json!(
        rows()
            .filter(|p| p.text_label.intensity == Some(0.0))
            .count()
    );
}

/// The last part of a folder or Hub id: what a reader calls the checkpoint.
fn checkpoint_name(checkpoint: &str) -> &str {
    checkpoint
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(checkpoint)
}

/// What the corpus gave as input, in words.
fn features(c: &Corpus) -> String {
    let part = |name: &str, dim: Option<usize>| {
        dim.map_or_else(|| format!("no {name}"), |d| format!("{name} {d}"))
    };
    let context = if matches!(c.task(), Task::Sentiment) {
        "video"
    } else {
        "dialogue"
    };
    format!(
        "text with {context} context, {}, {}",
        part("audio", c.audio_dim),
        part("video", c.video_dim)
    )
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
