//! The evaluate stage: opens the test split once, scores the selected checkpoint and the baselines, writes predictions and results.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::ProgressBar;
use unimse_corpus::Corpus;
use unimse_corpus::splits::{Corpora, Dev, Test, Whole};
use unimse_eval::{Convention, emotion, sentiment};
use unimse_labels::Split;
use unimse_model::batch::Prediction;
use unimse_run::{
    ByName, Confusion, CorpusResults, Event, FusedLayer, Fusion, Readout, Results, Robustness,
    RunFolder, RunLock, SplitScores, Timing, artefact,
};

use crate::TrainError;
use crate::config::{BaselineChoice, RunConfig};
use crate::data::dataset::{self, Dataset};
use crate::data::labels_table::LabelTable;
use crate::evaluate::comparison::{Fitted, compare, fit};
use crate::evaluate::description::describe;
use crate::evaluate::robustness::{Plain, robustness};
use crate::evaluate::scoring::{Pairs, Values};
use crate::evaluate::views::{Rows, views};
use crate::model::card::Card;
use crate::model::saved_model::SavedModel;
use crate::model::session::answering_plan;
use crate::unify::read_embeddings;
use crate::unify::summary::read_summary;

pub mod baselines;
mod comparison;
mod description;
mod finetuned;
mod fitting;
mod knn;
pub mod predictions;
pub mod readout;
pub mod receipts;
mod robustness;
pub mod scoring;
mod spoil;
mod views;

/// Everything that is read, checked and fitted before the test split is opened.
struct Prepared<'a> {
    saved: &'a SavedModel,
    config: &'a RunConfig,
    dev: Dataset,
    test: Dataset,
    fitted: Vec<(&'a Corpus, Fitted)>,
    interrupt: &'a AtomicBool,
}

/// A split with what the model says of it.
type Answered<'a> = (&'a Dataset, &'a [Prediction]);

/// Fails where somebody has asked to stop.
fn unless(interrupt: &AtomicBool) -> Result<(), TrainError> {
    match interrupt.load(Ordering::Relaxed) {
        true => Err(TrainError::Stopped(
            "before the scores were written".to_owned(),
        )),
        false => Ok(()),
    }
}

/// Scores the run's selected checkpoint on dev and test; writes `predictions.parquet` and `results.json`.
///
/// Whatever can be checked and fitted without a test label is, before the receipt of the test split is written. `interrupt` is polled after
/// every batch; a baseline that is being trained is saved, and the next call goes on with it.
///
/// # Errors
/// [`TrainError::Stopped`] after an interruption, else [`TrainError`] of the part that failed; `results.json` is then as it was.
pub fn evaluate(
    config: &RunConfig,
    folder: &RunFolder,
    interrupt: &AtomicBool,
) -> Result<Results, TrainError> {
    let started = Instant::now();
    let _lock = RunLock::take(&folder.run)?;
    artefact::sweep(&folder.run)?;
    let saved = SavedModel::open(folder)?;
    saved.must_match(config, &folder.config())?;
    let mut corpora = dataset::read_corpora::<Whole>(&folder.corpus)?;
    corpora.edit(|corpus| saved.normaliser.apply(corpus));
    corpora.edit(|corpus| without_unread(corpus, &saved.card));
    let all = corpora.list();
    let tables = dataset::read_labels(&folder.labels, all)?;
    let prepared = Prepared::new(config, folder, &saved, &corpora, &tables, interrupt)?;
    let mut results = describe(config, &saved.card, all, &tables);
    results.fusion = prepared.fusion()?;
    if let Some(summary) = read_summary(&folder.labels)? {
        (results.agreement, results.leak) = (summary.agreement, summary.leak);
    }
    prepared.score(folder, &mut results)?;
    results.timing = Some(Timing {
        train_s: train_seconds(&folder.events()),
        evaluate_s: started.elapsed().as_secs_f64(),
    });
    results.write(&folder.results())?;
    Ok(results)
}

impl<'a> Prepared<'a> {
    fn new(
        config: &'a RunConfig,
        folder: &RunFolder,
        saved: &'a SavedModel,
        corpora: &'a Corpora<Whole>,
        tables: &[LabelTable],
        interrupt: &'a AtomicBool,
    ) -> Result<Self, TrainError> {
        let reader = saved.session.reader();
        let dev = Dataset::new(corpora, Dev, None, reader, config)?;
        let test = Dataset::new(corpora, Test, None, reader, config)?;
        check(&dev, &test, &saved.card, &folder.corpus)?;
        Ok(Self {
            saved,
            config,
            dev,
            test,
            fitted: fit_baselines(
                config,
                folder,
                saved.card.seed,
                (corpora, tables),
                interrupt,
            )?,
            interrupt,
        })
    }

    /// How much each fused layer adds, on the fullest batch of test inputs.
    fn fusion(&self) -> Result<Fusion, TrainError> {
        let model = &self.saved.session.model;
        let batches = answering_plan(&self.config.train).by_length(&self.test.entries());
        let fullest = batches.iter().max_by_key(|batch| batch.len());
        let fullest = fullest.map_or(&[][..], Vec::as_slice);
        let ratios = model.fusion_ratios(&self.test.batch(fullest, model.device())?)?;
        let layers = ratios.iter().map(|&(layer, ratio)| FusedLayer {
            layer,
            ratio: Some(ratio).filter(|ratio| ratio.is_finite()),
        });
        Ok(Fusion {
            skip: (!ratios.is_empty()).then_some(self.config.fusion.skip),
            layers: layers.collect(),
        })
    }

    /// Answers dev, opens the test split, and puts the scores into `results`.
    fn score(&self, folder: &RunFolder, results: &mut Results) -> Result<(), TrainError> {
        let (dev, test) = (&self.dev, &self.test);
        let readout = self.saved.card.readout;
        let bar = ProgressBar::new((dev.examples.len() + test.examples.len()) as u64);
        let plan = answering_plan(&self.config.train);
        let predict = |dataset: &Dataset, before: usize| {
            self.saved.session.predict(dataset, &plan, |done| {
                bar.set_position((before + done) as u64);
                unless(self.interrupt)
            })
        };
        let of_dev = predict(dev, 0)?;
        scoring::check_answers(dev, &of_dev)?;

        // from here on nothing may fail that can be foreseen: the test split counts as opened
        let receipt = receipts::receipt(folder, test)?;
        let openings = receipt.record(&folder.receipts())?;
        results.protocol.test_openings = Some(openings);
        results.protocol.receipt = Some(receipt);
        let of_test = predict(test, dev.examples.len())?;
        bar.finish_and_clear();
        let parts: [Answered<'_>; 2] = [(dev, &of_dev), (test, &of_test)];
        predictions::write(&folder.predictions(), &parts, readout)?;
        scoring::check_answers(test, &of_test)?;
        results.corpora = self.score_corpora([(dev, &of_dev), (test, &of_test)], readout)?;
        Ok(())
    }

    /// The corpora with scored test rows, of the answers on dev and test.
    fn score_corpora(
        &self,
        [dev, test]: [Answered<'_>; 2],
        readout: Readout,
    ) -> Result<ByName<CorpusResults>, TrainError> {
        let of_dev = scoring::pairs(dev.0, dev.1, readout);
        let mut corpora = Vec::new();
        for pair in scoring::pairs(test.0, test.1, readout) {
            let fitted = self.fitted.iter().find(|(c, _)| c.name == pair.corpus);
            let Some((corpus, fitted)) = fitted else {
                continue;
            };
            let of_dev = of_dev.iter().find(|p| p.corpus == pair.corpus);
            let mut scores = split_scores(&pair)?;
            count_outputs(&pair, test.1, &mut scores);
            compare(&pair, fitted, test.0, &self.config.evaluate, &mut scores)?;
            let index = test.0.corpora.iter().position(|c| c.name == corpus.name);
            let rows = |(dataset, said)| Rows::new(dataset, said, index.unwrap_or_default());
            scores.views = views(
                corpus.task(),
                &rows(test),
                &rows(dev),
                &self.config.evaluate,
            )?;
            scores.robustness = self.robustness(test, &pair, readout)?;
            let dev = of_dev.map(|of_dev| {
                let mut scores = split_scores(of_dev)?;
                scores.robustness = self.robustness(dev, of_dev, readout)?;
                Ok::<_, TrainError>(scores)
            });
            let entry = CorpusResults {
                task: pair.task(),
                features: corpus.features.clone(),
                dev: dev.transpose()?,
                test: scores,
            };
            corpora.push((corpus.name.clone(), entry));
        }
        Ok(corpora.into_iter().collect())
    }

    /// The scores with inputs missing or spoiled, where the configuration asks for them.
    fn robustness(
        &self,
        (dataset, predictions): Answered<'_>,
        pair: &Pairs,
        readout: Readout,
    ) -> Result<Option<Robustness>, TrainError> {
        let plain = Plain {
            session: &self.saved.session,
            config: self.config,
            readout,
            dataset,
            predictions,
            interrupt: self.interrupt,
        };
        let asked = self.config.evaluate.robustness;
        asked.then(|| robustness(plain, pair)).transpose()
    }
}

/// Takes from a corpus without train rows the features that the model has no projection for: it is answered without them.
fn without_unread(corpus: &mut Corpus, card: &Card) {
    if corpus.of_split(Split::Train).next().is_some() {
        return; // whose features must be those of training: `check` says so
    }
    let unread = |dim: Option<usize>, known: &BTreeSet<i64>| {
        dim.filter(|&dim| !known.is_empty() && !known.contains(&(dim as i64)))
    };
    let audio = unread(corpus.audio_dim, &card.dims.audio);
    let video = unread(corpus.video_dim, &card.dims.video);
    for (name, dim) in [("audio", audio), ("video", video)] {
        if let Some(dim) = dim {
            eprintln!(
                "warning: corpus {}: no training row has {name} of {dim} features a step, so the model cannot read it; its rows are answered without",
                corpus.name
            );
        }
    }
    for u in &mut corpus.utterances {
        u.audio = u.audio.take().filter(|_| audio.is_none());
        u.video = u.video.take().filter(|_| video.is_none());
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
    for dataset in [dev, test] {
        for u in dataset.examples.iter().map(|e| dataset.utterance(e)) {
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
                        u.corpus, u.utterance_id
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The baselines of every corpus that has test rows; `labels` are in the order of the corpora.
fn fit_baselines<'a>(
    config: &RunConfig,
    folder: &RunFolder,
    seed: u64,
    (corpora, labels): (&'a Corpora<Whole>, &[LabelTable]),
    interrupt: &AtomicBool,
) -> Result<Vec<(&'a Corpus, Fitted)>, TrainError> {
    let mut all = Vec::new();
    for (index, (corpus, table)) in corpora.list().iter().zip(labels).enumerate() {
        if corpus.of_split(Split::Test).next().is_none() {
            continue;
        }
        let mut fitted = fit(corpus, &read_embeddings(&folder.labels, corpus)?);
        if config.evaluate.baselines == BaselineChoice::Finetuned {
            let asked = finetuned::Asked {
                corpora,
                index,
                table,
            };
            let answers = finetuned::answer(config, folder, seed, asked, interrupt)?;
            fitted.add_finetuned(corpus.task(), answers);
        }
        all.push((corpus.as_ref(), fitted));
    }
    Ok(all)
}

/// Metrics and what is undefined; conventions (MSA) or classes and confusion (ERC).
fn split_scores(pair: &Pairs) -> Result<SplitScores, TrainError> {
    let scores = pair.score()?;
    let mut out = SplitScores {
        n: Some(scores.n),
        metrics: scores.metrics,
        undefined: scores.undefined,
        ..SplitScores::default()
    };
    match &pair.values {
        Values::Sentiment { prediction, truth } => {
            for convention in [Convention::Mult, Convention::Mag] {
                let scores = sentiment(prediction, truth, convention)?;
                out.conventions.insert(convention, scores.metrics);
            }
        }
        Values::Emotion {
            prediction,
            truth,
            labels,
        } => {
            let scores = emotion(prediction, truth, labels)?;
            out.per_class = scores.per_class;
            out.confusion = Some(Confusion {
                labels: scores.labels,
                rows_truth: scores.confusion,
            });
        }
    }
    Ok(out)
}

/// Counts generated text that was unparsable, repaired, or zero, and the most by which an utterance's probabilities may be off.
fn count_outputs(pair: &Pairs, predictions: &[Prediction], scores: &mut SplitScores) {
    let rows = || pair.examples.iter().map(|&i| &predictions[i]);
    let zero = |p: &&Prediction| p.text_label.intensity == Some(0.0);
    scores.unparsable = Some(rows().filter(|p| !p.parsable).count());
    scores.repaired = Some(rows().filter(|p| p.repairs > 0).count());
    scores.generated_zeros = Some(rows().filter(zero).count());
    scores.unexplored = Some(rows().map(|p| p.unexplored).fold(0.0, f64::max));
}

/// Sum of the epochs' durations in the event log.
fn train_seconds(events: &Path) -> f64 {
    let text = std::fs::read_to_string(events).unwrap_or_default();
    let seconds = |line: &str| match serde_json::from_str(line) {
        Ok(Event::Epoch(epoch)) => epoch.seconds,
        _ => None,
    };
    text.lines().filter_map(seconds).sum()
}
