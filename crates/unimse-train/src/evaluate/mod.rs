//! The evaluate stage: opens the test split once, scores the selected checkpoint and the baselines, writes predictions, representations and results.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use unimse_corpus::Corpus;
use unimse_corpus::splits::{Corpora, Dev, Test, Whole};
use unimse_eval::{Convention, emotion, sentiment};
use unimse_labels::Split;
use unimse_model::batch::Prediction;
use unimse_run::{
    ByName, Confusion, CorpusResults, Event, FusedLayer, Fusion, Results, Robustness, RunFolder,
    RunLock, SplitScores, Timing, artefact,
};

use crate::TrainError;
use crate::config::{BaselineChoice, RunConfig};
use crate::data::dataset::{self, Dataset};
use crate::data::labels_table::LabelTable;
use crate::evaluate::alignment::alignment;
use crate::evaluate::checks::{check, without_unread};
use crate::evaluate::comparison::{Fitted, compare, fit};
use crate::evaluate::description::describe;
use crate::evaluate::passes::Pass;
use crate::evaluate::scoring::{Pairs, Values};
use crate::evaluate::shown::{Shown, ShownRow};
use crate::evaluate::views::{Rows, views};
use crate::model::saved_model::SavedModel;
use crate::model::session::answering_plan;
use crate::processes::Processes;
use crate::train::identity::Identity;
use crate::unify::read_embeddings;
use crate::unify::summary::read_summary;

mod alignment;
pub mod baselines;
mod checks;
mod comparison;
mod description;
mod draw;
mod finetuned;
mod fitting;
mod knn;
mod neighbourhood;
mod passes;
mod plane;
pub mod predictions;
pub mod readout;
pub mod receipts;
mod representations;
mod robustness;
pub mod scoring;
mod shown;
mod spoil;
mod views;

/// Everything that is read, checked and fitted before the test split is opened.
struct Prepared<'a> {
    saved: &'a SavedModel,
    config: &'a RunConfig,
    dev: Dataset,
    test: Dataset,
    /// In the leading process.
    fitted: Vec<(&'a Corpus, Fitted)>,
    interrupt: &'a AtomicBool,
    processes: &'a Processes,
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

/// Scores the run's selected checkpoint on dev and test; writes `predictions.parquet`, `representations.json` and `results.json`.
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
    evaluate_together(config, folder, interrupt, &Processes::alone())
}

/// [`evaluate`] by several `processes`, each of which calls this, joined with its [`device`](crate::model::session::device). Every one answers its part
/// of the rows; what is written is to the byte that of one process with as many threads, but for times. The one of rank 0 opens the test split, trains and
/// fits the baselines, scores and writes; all get the results.
///
/// # Errors
/// As [`evaluate`]; [`TrainError::Group`] where another process ends, [`TrainError::Config`] where one would evaluate something else than that of rank 0.
pub fn evaluate_together(
    config: &RunConfig,
    folder: &RunFolder,
    interrupt: &AtomicBool,
    processes: &Processes,
) -> Result<Results, TrainError> {
    let started = Instant::now();
    let lock = processes.leads().then(|| RunLock::take(&folder.run));
    let _lock = lock.transpose()?;
    if processes.leads() {
        artefact::sweep(&folder.run)?;
    }
    let saved = SavedModel::open(folder)?;
    if processes.rank().size > 1 {
        let identity = Identity::of(config, folder, &folder.checkpoints(), saved.card.seed)?;
        processes.agree(&identity.parts())?;
    }
    saved.must_match(config, &folder.config())?;
    let mut corpora = dataset::read_corpora::<Whole>(&folder.corpus)?;
    corpora.edit(|corpus| saved.normaliser.apply(corpus));
    corpora.edit(|corpus| without_unread(corpus, &saved.card));
    let all = corpora.list();
    let tables = dataset::read_labels(&folder.labels, all)?;
    let asked = (interrupt, processes);
    let prepared = Prepared::new(config, folder, &saved, (&corpora, &tables), asked)?;
    let mut results = describe(config, &saved.card, all, &tables);
    if let Some(summary) = read_summary(&folder.labels)? {
        (results.agreement, results.leak) = (summary.agreement, summary.leak);
    }
    if processes.leads() {
        results.fusion = prepared.fusion()?;
    }
    let passes = prepared.answer(folder, &mut results)?;
    let robust = prepared.robust(&passes)?;
    processes.lead(|| {
        let answer_s = passes.iter().map(|pass| pass.seconds).sum();
        results.corpora = prepared.score(folder, &passes, robust)?;
        results.timing = Some(Timing {
            train_s: train_seconds(&folder.events()),
            evaluate_s: started.elapsed().as_secs_f64(),
            answer_s: Some(answer_s),
        });
        results.write(&folder.results())?;
        Ok(results)
    })
}

impl<'a> Prepared<'a> {
    fn new(
        config: &'a RunConfig,
        folder: &RunFolder,
        saved: &'a SavedModel,
        (corpora, tables): (&'a Corpora<Whole>, &[LabelTable]),
        (interrupt, processes): (&'a AtomicBool, &'a Processes),
    ) -> Result<Self, TrainError> {
        let reader = saved.session.reader();
        let dev = Dataset::new(corpora, Dev, None, reader, config)?;
        let test = Dataset::new(corpora, Test, None, reader, config)?;
        check(&dev, &test, &saved.card, &folder.corpus)?;
        let (mut fitted, seed) = (Vec::new(), saved.card.seed);
        processes.lead(|| {
            fitted = fit_baselines(config, folder, seed, (corpora, tables), interrupt)?;
            Ok(())
        })?;
        Ok(Self {
            saved,
            config,
            dev,
            test,
            fitted,
            interrupt,
            processes,
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

    /// The representations, written, and the scores of the corpora with test rows.
    fn score(
        &self,
        folder: &RunFolder,
        [of_dev, of_test]: &[Pass; 2],
        robust: Vec<Robustness>,
    ) -> Result<ByName<CorpusResults>, TrainError> {
        let layers = self.saved.session.model.fused_layers();
        let shown = [(&self.dev, &of_dev.shown), (&self.test, &of_test.shown)];
        representations::write(folder, layers, &shown)?;
        let parts: [Answered<'_>; 2] =
            [(&self.dev, &of_dev.answers), (&self.test, &of_test.answers)];
        self.score_corpora(parts, &of_test.shown, robust)
    }

    /// The corpora with scored test rows, of the answers on dev and test and of what was shown of test.
    fn score_corpora(
        &self,
        [dev, test]: [Answered<'_>; 2],
        shown: &Shown,
        robust: Vec<Robustness>,
    ) -> Result<ByName<CorpusResults>, TrainError> {
        let readout = self.saved.card.readout;
        let of_dev = scoring::pairs(dev.0, dev.1, readout);
        let (mut corpora, mut robust) = (Vec::new(), robust.into_iter());
        for pair in scoring::pairs(test.0, test.1, readout) {
            let robustness = robust.next();
            let fitted = self.fitted.iter().find(|(c, _)| c.name == pair.corpus);
            let Some((corpus, fitted)) = fitted else {
                continue;
            };
            let of_dev = of_dev.iter().find(|p| p.corpus == pair.corpus);
            let mut scores = split_scores(&pair)?;
            count_outputs(&pair, test.1, &mut scores);
            compare(&pair, fitted, test.0, &self.config.evaluate, &mut scores)?;
            let index = test.0.corpora.iter().position(|c| c.name == corpus.name);
            let index = index.unwrap_or_default();
            let rows = |(dataset, said)| Rows::new(dataset, said, index);
            scores.views = views(
                corpus.task(),
                &rows(test),
                &rows(dev),
                &self.config.evaluate,
            )?;
            scores.robustness = robustness;
            let own = shown
                .rows()
                .filter(|(at, _)| test.0.examples[*at].corpus == index);
            let own: Vec<&ShownRow> = own.map(|(_, row)| row).collect();
            scores.alignment = alignment(self.saved.session.model.fused_layers(), &own)?;
            let entry = CorpusResults {
                task: pair.task(),
                features: corpus.features.clone(),
                dev: of_dev.map(split_scores).transpose()?,
                test: scores,
            };
            corpora.push((corpus.name.clone(), entry));
        }
        Ok(corpora.into_iter().collect())
    }
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
