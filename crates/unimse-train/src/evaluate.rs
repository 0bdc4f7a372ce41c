//! The evaluate stage: opens the test split once, scores the selected checkpoint and the baselines, writes predictions and results.

use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use serde_json::{Map, Value, json};
use unimse_corpus::{Corpus, Task};
use unimse_eval::{Convention, Interval, bootstrap, emotion, paired_bootstrap, sentiment};
use unimse_labels::{Source, Split};
use unimse_model::batch::Prediction;

use crate::baselines::{Baseline, Part, emotion_baselines, sentiment_baselines};
use crate::config::{EvaluateConfig, RunConfig};
use crate::dataset::{self, Dataset};
use crate::labels_table::LabelTable;
use crate::normaliser::Normaliser;
use crate::sampler::Plan;
use crate::scoring::{self, Pairs, Values};
use crate::session::Session;
use crate::trainer::{Card, Paths};
use crate::unify::{Embeddings, read_embeddings};
use crate::{TrainError, artefact, predictions, receipts};

/// Metrics of a sentiment corpus that get intervals and differences to the baselines.
const SENTIMENT: [&str; 5] = ["mae", "corr", "acc7", "acc2_non0", "acc2_has0"];
/// The same of an emotion corpus.
const EMOTION: [&str; 3] = ["accuracy", "weighted_f1", "macro_f1"];

/// Scores the run's selected checkpoint on dev and test; writes `predictions.parquet` and `results.json`.
///
/// # Errors
/// [`TrainError`] of the part that failed; `results.json` is then as it was.
pub fn evaluate(config: &RunConfig, paths: &Paths) -> Result<Value, TrainError> {
    let started = Instant::now();
    let best = paths.best();
    if !best.exists() {
        return Err(TrainError::artefact(
            best,
            "no trained model is here; run `unimse train` first",
        ));
    }
    let card = Card::load(&paths.card())?;
    let all = dataset::read_corpora(&paths.corpus, &Split::ALL)?;
    let tables = dataset::read_labels(&paths.labels, &all)?;
    let mut normalised = all.clone();
    Normaliser::load(&paths.normaliser())?.apply(&mut normalised);

    let mut session = Session::new(config, &card.fields, &card.dims, card.seed)?;
    session.model.load(&best)?;
    let of_split = |split: Split| {
        let mut part = normalised.clone();
        part.iter_mut()
            .for_each(|c| c.utterances.retain(|u| u.split == split));
        Dataset::new(part, None, &session.tokenizer, &config.model())
    };
    let (dev, test) = (of_split(Split::Dev)?, of_split(Split::Test)?);
    drop(normalised);
    let t = &config.train;
    let plan = Plan {
        batch: t.batch.max(64),
        token_budget: t.token_budget,
        temperature: 1.0,
    };
    let bar = ProgressBar::new((dev.examples.len() + test.examples.len()) as u64);
    let predict = |d: &Dataset, base: usize| {
        session.predict(d, &plan, |done| {
            bar.set_position((base + done) as u64);
            Ok(())
        })
    };
    let dev_predictions = predict(&dev, 0)?;
    let readout = scoring::choose_readout(&dev, &dev_predictions)?;
    let receipt = receipts::open(&paths.run, &test, &best)?;
    let test_predictions = predict(&test, dev.examples.len())?;
    bar.finish_and_clear();
    let ratios = session
        .model
        .fusion_ratios(&test.batch(&plan.by_length(&test.entries())[0], session.model.device())?)?;

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
    let results = json!({
        "schema": 1,
        "synthetic": all.iter().any(|c| c.synthetic),
        "leaky": tables.iter().any(|t| t.leaky),
        "protocol": {"name": "clean", "selection": "dev", "test_openings": receipt.openings, "receipt": receipt.json()},
        "seeds": [card.seed],
        "fields": card.fields,
        "preset": config.preset,
        "backbone": config.model.backbone,
        "decoder": config.model.decoder,
        "modalities": config.model.modalities,
        "readout": readout.to_string(),
        "fusion": {"layers": layers},
        "labels": tables.iter().map(|t| (t.corpus.clone(), label_sources(t))).collect::<Map<_, _>>(),
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
            let mut out = scores_json(&sentiment(prediction, truth, Convention::Mmsa)?);
            let mut others = Map::new();
            for convention in [Convention::Mult, Convention::Mag] {
                others.insert(
                    convention.name().to_owned(),
                    scores_json(&sentiment(prediction, truth, convention)?)["metrics"].take(),
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
            let mut out = scores_json(&e.scores);
            out["per_class"] = json!(e.per_class);
            out["confusion"] = json!({"labels": labels, "rows_truth": e.confusion});
            out
        }
    })
}

fn scores_json(s: &unimse_eval::Scores) -> Value {
    let metrics: Map<String, Value> = s
        .metrics
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    let undefined: Map<String, Value> = s
        .undefined
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    json!({"n": s.n, "metrics": metrics, "undefined": undefined})
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

/// Intervals of the metrics; baselines with theirs and the paired difference (ours minus theirs).
fn compare(
    scored: &mut Value,
    pair: &Pairs,
    corpus: &Corpus,
    test: &Dataset,
    embeddings: &Embeddings,
    c: &EvaluateConfig,
) -> Result<(), TrainError> {
    let dim = embeddings.dim;
    let test_ids: Vec<usize> = {
        // rows of `corpus` that the pair's examples are
        let by_id: std::collections::HashMap<&str, usize> = corpus
            .utterances
            .iter()
            .enumerate()
            .map(|(i, u)| (u.utterance_id.as_str(), i))
            .collect();
        let id = |&e: &usize| {
            let e = &test.examples[e];
            by_id[test.corpora[e.corpus].utterances[e.utterance]
                .utterance_id
                .as_str()]
        };
        pair.examples.iter().map(id).collect()
    };
    let rows = |ids: &[usize]| -> Vec<f32> {
        ids.iter()
            .flat_map(|&i| embeddings.rows[i * dim..(i + 1) * dim].iter().copied())
            .collect()
    };
    let (intervals, baselines) = match &pair.values {
        Values::Sentiment { prediction, truth } => {
            let gold = |split| -> (Vec<usize>, Vec<f32>) {
                corpus
                    .of_split(split)
                    .filter_map(|i| Some((i, corpus.utterances[i].score?)))
                    .unzip()
            };
            let ((train_ids, train_y), (dev_ids, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            let train = Part {
                inputs: rows(&train_ids),
                truth: &train_y,
            };
            let dev = Part {
                inputs: rows(&dev_ids),
                truth: &dev_y,
            };
            let fitted = sentiment_baselines(&train, &dev, &rows(&test_ids), dim)?;
            let metric = |p: &[f32], key: &str, at: &[usize]| {
                let pick = |v: &[f32]| at.iter().map(|&i| v[i]).collect::<Vec<_>>();
                sentiment(&pick(p), &pick(truth), Convention::Mmsa)
                    .ok()
                    .and_then(|s| s.get(key))
                    .unwrap_or(f64::NAN)
            };
            let score = |p: &[f32]| Ok(scores_json(&sentiment(p, truth, Convention::Mmsa)?));
            table(
                &SENTIMENT,
                prediction,
                &fitted,
                truth.len(),
                c,
                metric,
                score,
            )?
        }
        Values::Emotion {
            prediction,
            truth,
            labels,
        } => {
            let gold = |split| -> (Vec<usize>, Vec<usize>) {
                corpus
                    .of_split(split)
                    .filter_map(|i| Some((i, class(&corpus.utterances[i], labels)?)))
                    .unzip()
            };
            let ((train_ids, train_y), (dev_ids, dev_y)) = (gold(Split::Train), gold(Split::Dev));
            let train = Part {
                inputs: rows(&train_ids),
                truth: &train_y,
            };
            let dev = Part {
                inputs: rows(&dev_ids),
                truth: &dev_y,
            };
            let fitted = emotion_baselines(&train, &dev, &rows(&test_ids), dim, labels)?;
            let metric = |p: &[usize], key: &str, at: &[usize]| {
                let pick = |v: &[usize]| at.iter().map(|&i| v[i]).collect::<Vec<_>>();
                emotion(&pick(p), &pick(truth), labels)
                    .ok()
                    .and_then(|s| s.scores.get(key))
                    .unwrap_or(f64::NAN)
            };
            let score = |p: &[usize]| Ok(scores_json(&emotion(p, truth, labels)?.scores));
            table(&EMOTION, prediction, &fitted, truth.len(), c, metric, score)?
        }
    };
    scored["intervals"] = intervals;
    scored["baselines"] = baselines;
    Ok(())
}

fn class(u: &unimse_corpus::Utterance, labels: &[String]) -> Option<usize> {
    labels
        .iter()
        .position(|l| Some(l.as_str()) == u.emotion.as_deref())
}

/// Intervals of ours and of each baseline's difference.
fn table<T: Sync>(
    keys: &[&str],
    ours: &[T],
    fitted: &[Baseline<T>],
    n: usize,
    c: &EvaluateConfig,
    metric: impl Fn(&[T], &str, &[usize]) -> f64 + Sync,
    score: impl Fn(&[T]) -> Result<Value, TrainError>,
) -> Result<(Value, Value), TrainError> {
    let metric = &metric;
    let mut intervals = Map::new();
    for &key in keys {
        let interval = bootstrap(n, c.resamples, c.seed, |at| metric(ours, key, at));
        intervals.insert(key.to_owned(), interval_json(interval));
    }
    let mut baselines = Map::new();
    for b in fitted {
        let mut entry = score(&b.prediction)?;
        entry["chosen"] = b.lambda.map_or_else(|| json!({}), |l| json!({"lambda": l}));
        let mut difference = Map::new();
        for &key in keys {
            let interval = paired_bootstrap(
                n,
                c.resamples,
                c.seed,
                |at| metric(ours, key, at),
                |at| metric(&b.prediction, key, at),
            );
            difference.insert(key.to_owned(), interval_json(interval));
        }
        entry["difference"] = Value::Object(difference);
        baselines.insert(b.name.to_owned(), entry);
    }
    Ok((Value::Object(intervals), Value::Object(baselines)))
}

/// An interval; null where a metric was undefined on the sample.
fn interval_json(i: Interval) -> Value {
    if i.estimate.is_finite() && i.low.is_finite() && i.high.is_finite() {
        json!({"estimate": i.estimate, "low": i.low, "high": i.high})
    } else {
        Value::Null
    }
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
