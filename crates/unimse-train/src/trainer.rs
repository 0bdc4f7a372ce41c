//! The training loop (paper 4.2): one model over all corpora, dev selection, a checkpoint that resumes to the same bytes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sha2::{Digest, Sha256};
use unimse_labels::Split;
use unimse_model::ModelError;
use unimse_model::unimodel::{ParameterGroup, UniModel};

use crate::checkpoint::{self, LoopState};
use crate::config::{RunConfig, TrainConfig, Unfreeze};
use crate::dataset::{self, Dataset};
use crate::events::Events;
use crate::normaliser::Normaliser;
use crate::optimizer::Optimizer;
use crate::parameter_groups::parameter_groups;
use crate::readout::Readout;
use crate::run_folder::{Card, Paths};
use crate::sampler::{Entry, Plan};
use crate::schedule::Rates;
use crate::session::Session;
use crate::{TrainError, accumulation, preflight, scoring};
use unimse_run::artefact;

/// The fixed parts of a training.
struct Trainer<'a> {
    config: &'a TrainConfig,
    seed: u64,
    session: Session,
    train: Dataset,
    entries: Vec<Entry>,
    dev: Dataset,
    plan: Plan,
    updates: i64,
    rates: Rates,
    paths: &'a Paths,
    interrupt: &'a AtomicBool,
}

/// Trains and selects; see the module. `interrupt` is polled after every batch.
///
/// # Errors
/// [`TrainError::Interrupted`] after saving; [`TrainError::Data`] where an unfinished training exists and `resume` is false;
/// [`TrainError::NonFinite`] for a loss that is no number; else what the parts say.
pub fn train(
    config: &RunConfig,
    paths: &Paths,
    seed: u64,
    resume: bool,
    interrupt: &AtomicBool,
) -> Result<(), TrainError> {
    let identity = identity(config, paths, seed)?;
    let saved = resume_state(paths, resume, &identity)?;
    if saved.as_ref().is_some_and(|s| s.finished) {
        eprintln!("train: already finished");
        return Ok(());
    }
    let mut corpora = dataset::read_corpora(&paths.corpus, &[Split::Train, Split::Dev])?;
    let normaliser = Normaliser::fit(&corpora);
    normaliser.apply(&mut corpora);
    normaliser.save(&paths.normaliser())?;
    let tables = dataset::read_labels(&paths.labels, &corpora)?;
    let fields = dataset::fields(&tables);
    let model_config = config.model();
    let dims = dataset::feature_dims(&corpora, &model_config);
    artefact::write_json(
        &paths.card(),
        &Card {
            seed,
            fields: fields.clone(),
            dims: dims.clone(),
        },
    )?;

    let mut session = Session::new(config, &fields, &dims, seed)?;
    unimse_model::hub::copy_description(&session.folder, &paths.checkpoints())?;
    freeze(&mut session.model, config.train.unfreeze);
    let of_split = |split: Split| {
        let mut part = corpora.clone();
        part.iter_mut()
            .for_each(|c| c.utterances.retain(|u| u.split == split));
        part
    };
    let train = Dataset::new(
        of_split(Split::Train),
        Some(&tables),
        &session.tokenizer,
        config,
    )?;
    let dev = Dataset::new(of_split(Split::Dev), None, &session.tokenizer, config)?;
    drop(corpora);
    if train.examples.is_empty() || dev.examples.is_empty() {
        return Err(TrainError::Data(format!(
            "training needs labelled train and dev rows, found {} and {}",
            train.examples.len(),
            dev.examples.len()
        )));
    }
    let t = &config.train;
    let plan = Plan {
        batch: t.batch,
        token_budget: t.token_budget,
        temperature: t.temperature,
    };
    let entries = train.entries();
    let updates: usize = (0..t.epochs)
        .map(|e| plan.epoch(&entries, seed, e).len().div_ceil(t.accumulate))
        .sum();
    let trainer = Trainer {
        config: t,
        seed,
        session,
        train,
        entries,
        dev,
        plan,
        updates: updates as i64,
        rates: Rates::new(t, updates as i64),
        paths,
        interrupt,
    };
    trainer.run(saved, identity)
}

/// Hash of the configuration, the seed, the thread count and the bytes of every table.
fn identity(config: &RunConfig, paths: &Paths, seed: u64) -> Result<String, TrainError> {
    let mut hash = Sha256::new();
    hash.update(config.to_toml()?);
    hash.update(seed.to_le_bytes());
    hash.update(tch::get_num_threads().to_le_bytes());
    for folder in [&paths.corpus, &paths.labels] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .map_err(TrainError::io(folder, "listing"))?
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "parquet"))
            .collect();
        files.sort();
        for file in files {
            hash.update(artefact::sha256(&file)?);
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

fn resume_state(
    paths: &Paths,
    resume: bool,
    identity: &str,
) -> Result<Option<LoopState>, TrainError> {
    let last = paths.last();
    if !last.exists() {
        return Ok(None);
    }
    let (_, state) = checkpoint::load(&last, true)?;
    if state.identity != identity {
        return Err(TrainError::artefact(
            last,
            "this training had another configuration, seed, thread count or data; give another folder, or `--force` to start over",
        ));
    }
    if !state.finished && !resume {
        return Err(TrainError::artefact(
            last,
            format!(
                "an unfinished training (step {}) is here; `--resume` goes on, `--force` starts over",
                state.step
            ),
        ));
    }
    Ok(Some(state))
}

fn freeze(model: &mut UniModel, unfreeze: Unfreeze) {
    match unfreeze {
        Unfreeze::All => {}
        Unfreeze::LastTwo => {
            let frozen = model.outside_last_blocks(2);
            model.freeze(|name| frozen.contains(name));
        }
        Unfreeze::None => model.freeze(|name| UniModel::group_of(name) == ParameterGroup::Backbone),
    }
}

/// A seed for one purpose and one position, so that no generator state has to be saved.
fn mix(seed: u64, position: u64) -> i64 {
    let mut z = seed ^ position.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 1) as i64
}

impl Trainer<'_> {
    fn run(&self, saved: Option<LoopState>, identity: String) -> Result<(), TrainError> {
        let mut optimizer = self.optimizer()?;
        let mut state = match saved {
            Some(state) => {
                self.restore(&mut optimizer, &state)?;
                state
            }
            None => LoopState {
                identity,
                ..LoopState::default()
            },
        };
        let mut events = Events::open(&self.paths.events(), state.events)?;
        let (all, trained) = self.session.model.parameter_count();
        if state.step == 0 && state.epoch == 0 && state.batch == 0 {
            events.write(&json!({"event": "start", "seed": self.seed, "examples": self.train.examples.len(), "dev": self.dev.examples.len(),
                "updates": self.updates, "parameters": all, "trained": trained,
                "initialised": self.session.model.initialised()}))?;
        }
        let estimate = preflight::estimate(
            &self.session.model,
            &self.train,
            &self.plan.epoch(&self.entries, self.seed, 0),
            self.config.epochs,
        )?;
        eprintln!(
            "train: {} utterances, {} dev, {all} parameters ({trained} trained); {estimate}",
            self.train.examples.len(),
            self.dev.examples.len()
        );

        while state.epoch < self.config.epochs
            && !(state.best.is_some() && self.rates.exhausted(&state.progress))
        {
            self.epoch(&mut optimizer, &mut state, &mut events)?;
        }
        events.write(&json!({"event": "end", "step": state.step, "best_epoch": state.best_epoch, "score": state.best}))?;
        state.finished = true;
        state.events = events.len();
        checkpoint::save(&self.paths.last(), &Default::default(), &state)
    }

    fn optimizer(&self) -> Result<Optimizer, TrainError> {
        let (groups, members) = parameter_groups(self.config, self.session.model.parameters());
        Optimizer::new(self.config.optimizer, groups, members)
    }

    fn epoch(
        &self,
        optimizer: &mut Optimizer,
        state: &mut LoopState,
        events: &mut Events,
    ) -> Result<(), TrainError> {
        let started = Instant::now();
        let batches = self.plan.epoch(&self.entries, self.seed, state.epoch);
        let bar = ProgressBar::new(batches.len() as u64);
        bar.set_style(
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(format!("epoch {}", state.epoch + 1));
        bar.set_position(state.batch as u64);
        while state.batch < batches.len() {
            let losses = self.micro_step(&batches, state)?;
            state.loss_sum += losses.0;
            state.batch += 1;
            bar.inc(1);
            if accumulation::completes(state.batch, batches.len(), self.config.accumulate) {
                let scale = self.rates.factor(state.step, &state.progress);
                let norm = optimizer.step(scale, Some(self.config.clip))?;
                state.step += 1;
                if state.step == 1 || state.step % 10 == 0 {
                    let mut event = losses.1;
                    event["step"] = json!(state.step);
                    event["lr"] = json!(scale);
                    event["norm"] = json!(norm);
                    events.write(&event)?;
                }
                let interrupted = self.interrupt.load(Ordering::Relaxed);
                if interrupted || state.step % self.config.save_every == 0 {
                    self.save(optimizer, state, events)?;
                }
                if interrupted {
                    bar.abandon();
                    return Err(TrainError::Interrupted { step: state.step });
                }
            }
        }
        bar.finish_and_clear();
        self.finish_epoch(optimizer, state, events, batches.len(), started)
    }

    /// Forward and backward of the next batch: its loss and the event that tells of it.
    fn micro_step(
        &self,
        batches: &[Vec<usize>],
        state: &LoopState,
    ) -> Result<(f64, serde_json::Value), TrainError> {
        let indices = &batches[state.batch];
        let position = (state.epoch as u64) << 32 | state.batch as u64;
        tch::manual_seed(mix(self.seed, position));
        let batch = self.train.batch(indices, self.session.model.device())?;
        let targets = self.train.targets(indices)?;
        let losses = match self.session.model.loss(&batch, &targets, true) {
            Err(ModelError::NonFinite(parts)) => {
                let what = format!(
                    "the loss of epoch {}, batch {} ({parts}; {} utterances, among them {})",
                    state.epoch + 1,
                    state.batch + 1,
                    indices.len(),
                    indices
                        .first()
                        .map(|&i| self.train.name(i))
                        .unwrap_or_default(),
                );
                let step = state.step;
                return Err(TrainError::NonFinite { what, step });
            }
            other => other?,
        };
        let total = losses.total.double_value(&[]);
        let event = json!({"event": "step", "epoch": state.epoch, "loss": total, "task": losses.task,
            "text_audio": losses.text_audio, "text_video": losses.text_video});
        losses.backward(accumulation::share(
            batches,
            state.batch,
            self.config.accumulate,
        ));
        Ok((total, event))
    }

    /// Dev score, best checkpoint, early stopping.
    fn finish_epoch(
        &self,
        optimizer: &Optimizer,
        state: &mut LoopState,
        events: &mut Events,
        batches: usize,
        started: Instant,
    ) -> Result<(), TrainError> {
        let tick = |_| {
            if self.interrupt.load(Ordering::Relaxed) {
                Err(TrainError::Interrupted { step: state.step })
            } else {
                Ok(())
            }
        };
        let predictions = match self.session.predict(&self.dev, &self.plan, tick) {
            Err(e @ TrainError::Interrupted { .. }) => {
                self.save(optimizer, state, events)?;
                return Err(e);
            }
            other => other?,
        };
        let pairs = scoring::pairs(&self.dev, &predictions, Readout::TRAINING);
        let (score, corpora) = scoring::selection(&pairs)?;
        let best = state.best.is_none_or(|b| score > b);
        if best {
            self.session.model.save(&self.paths.best())?;
            (state.best, state.best_epoch) = (Some(score), state.epoch);
        }
        self.rates.note(&mut state.progress, best);
        let train_loss = state.loss_sum / batches as f64;
        let metrics: serde_json::Map<String, serde_json::Value> = corpora
            .iter()
            .map(|(name, s)| {
                (
                    name.clone(),
                    s.scores()
                        .metrics
                        .iter()
                        .map(|(k, v)| (k.clone(), json!(v)))
                        .collect(),
                )
            })
            .collect();
        events.write(&json!({"event": "epoch", "epoch": state.epoch, "step": state.step, "train_loss": train_loss,
            "dev": {"score": score, "corpora": metrics}, "best": best, "seconds": started.elapsed().as_secs_f64()}))?;
        let line: Vec<String> = corpora.iter().map(|(name, s)| headline(name, s)).collect();
        eprintln!(
            "epoch {}/{}: loss {train_loss:.4}, dev {score:.4}{} ({}), {:.0} s",
            state.epoch + 1,
            self.config.epochs,
            if best { " best" } else { "" },
            line.join(", "),
            started.elapsed().as_secs_f64()
        );
        state.epoch += 1;
        (state.batch, state.loss_sum) = (0, 0.0);
        self.save(optimizer, state, events)
    }

    fn save(
        &self,
        optimizer: &Optimizer,
        state: &mut LoopState,
        events: &Events,
    ) -> Result<(), TrainError> {
        state.events = events.len();
        let mut tensors = optimizer.state();
        // frozen tensors are those of the checkpoint the model was built from
        for (name, tensor) in self.session.model.parameters() {
            if tensor.requires_grad() {
                tensors.insert(format!("model.{name}"), tensor);
            }
        }
        checkpoint::save(&self.paths.last(), &tensors, state)
    }

    fn restore(&self, optimizer: &mut Optimizer, state: &LoopState) -> Result<(), TrainError> {
        let (tensors, _) = checkpoint::load(&self.paths.last(), false)?;
        for (name, mut tensor) in self.session.model.parameters() {
            if !tensor.requires_grad() {
                continue;
            }
            let saved = tensors
                .get(&format!("model.{name}"))
                .ok_or_else(|| TrainError::Checkpoint(format!("tensor model.{name} is missing")))?;
            if saved.size() != tensor.size() {
                return Err(TrainError::Checkpoint(format!(
                    "tensor model.{name}: expected shape {:?}, found {:?}",
                    tensor.size(),
                    saved.size()
                )));
            }
            tch::no_grad(|| tensor.copy_(saved));
        }
        optimizer.restore(&tensors, state.step)
    }
}

fn headline(name: &str, scores: &scoring::CorpusScores) -> String {
    let s = scores.scores();
    let value = |key: &str| {
        s.get(key)
            .map_or_else(|| "undefined".to_owned(), |v| format!("{v:.3}"))
    };
    match scores {
        scoring::CorpusScores::Sentiment(_) => {
            format!("{name} MAE {} Corr {}", value("mae"), value("corr"))
        }
        scoring::CorpusScores::Emotion(_) => format!("{name} WF1 {}", value("weighted_f1")),
    }
}
