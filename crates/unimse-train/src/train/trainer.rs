//! The training loop (paper 4.2): one model over all corpora, dev selection, a checkpoint that resumes to the same bytes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use unimse_corpus::splits::{Corpora, Dev, Learning, RowRef, Train};
use unimse_eval::{Metric, Scores};
use unimse_model::ModelError;
use unimse_model::batch::Prediction;
use unimse_model::unimodel::{ParameterGroup, UniModel};
use unimse_run::{
    DevScores, End, Epoch, Event, EventLog, Readout, RunFolder, RunLock, Start, Step, Task,
    artefact,
};

use crate::TrainError;
use crate::config::{RunConfig, TrainConfig, Unfreeze};
use crate::data::dataset::{self, Dataset};
use crate::data::labels_table::LabelTable;
use crate::data::normaliser::Normaliser;
use crate::data::reader::Speakers;
use crate::data::sampler::{Entry, Plan};
use crate::evaluate::scoring::{self, Selection};
use crate::model::card::{self, Card};
use crate::model::session::{self, Session, checkpoint_folder};
use crate::train::checkpoint::{self, LoopState, resume_state};
use crate::train::identity::Identity;
use crate::train::memory::{self, Shape};
use crate::train::optimizer::Optimizer;
use crate::train::parameter_groups::parameter_groups;
use crate::train::schedule::Rates;
use crate::train::{accumulation, preflight};

/// The fixed parts of a training.
struct Trainer<'a> {
    config: &'a TrainConfig,
    seed: u64,
    /// What is saved with the weights that dev selects, but for what only dev can say.
    card: Card,
    normaliser: Normaliser,
    session: Session,
    train: Dataset,
    entries: Vec<Entry>,
    dev: Dataset,
    plan: Plan,
    updates: i64,
    rates: Rates,
    paths: &'a RunFolder,
    interrupt: &'a AtomicBool,
}

/// Trains and selects; see the module. `interrupt` is polled after every batch. Once the training is accepted, the whole `config` is
/// saved in the run; one that is refused writes nothing.
///
/// # Errors
/// [`TrainError::Interrupted`] after saving; [`TrainError::Artefact`] where the folder holds another training, or an unfinished one
/// and `resume` is false; [`TrainError::Locked`] while another process is at work in the folder; [`TrainError::NonFinite`] for a loss that is no number; else what the parts say.
pub fn train(
    config: &RunConfig,
    paths: &RunFolder,
    seed: u64,
    resume: bool,
    interrupt: &AtomicBool,
) -> Result<(), TrainError> {
    let _lock = RunLock::take(&paths.run)?;
    let folder = checkpoint_folder(&config.model.checkpoint)?;
    let identity = Identity::of(config, paths, &folder, seed)?;
    let saved = resume_state(paths, resume, &identity)?;
    if saved.as_ref().is_some_and(|s| s.finished) {
        eprintln!("train: already finished");
        return Ok(());
    }
    let trainer = Trainer::new(config, paths, &folder, seed, interrupt)?;
    trainer.accept(config)?;
    trainer.run(saved, identity)
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

/// The labelled rows of train, and dev.
fn datasets(
    corpora: &Corpora<Learning>,
    tables: &[LabelTable],
    session: &Session,
    config: &RunConfig,
) -> Result<(Dataset, Dataset), TrainError> {
    let reader = session.reader();
    let train = Dataset::new(corpora, Train, Some(tables), reader, config)?;
    let dev = Dataset::new(corpora, Dev, None, reader, config)?;
    scoring::check_selectable(&dev)?;
    match (train.examples.len(), dev.examples.len()) {
        (0, _) | (_, 0) => Err(TrainError::Data(format!(
            "training needs labelled train and dev rows, found {} and {}",
            train.examples.len(),
            dev.examples.len()
        ))),
        _ => Ok((train, dev)),
    }
}

/// Who speaks in train.
fn speakers(corpora: &Corpora<Learning>) -> Speakers {
    let row = |at: RowRef| &corpora.list()[at.corpus].utterances[at.utterance];
    Speakers::of(corpora.rows(Train).map(row))
}

impl<'a> Trainer<'a> {
    /// Reads tables and checkpoint and checks that there is memory for them; writes nothing.
    fn new(
        config: &'a RunConfig,
        paths: &'a RunFolder,
        folder: &Path,
        seed: u64,
        interrupt: &'a AtomicBool,
    ) -> Result<Self, TrainError> {
        let mut corpora = dataset::read_corpora::<Learning>(&paths.corpus)?;
        let normaliser = Normaliser::fit(corpora.list().iter().map(AsRef::as_ref));
        corpora.edit(|corpus| normaliser.apply(corpus));
        let tables = dataset::read_labels(&paths.labels, corpora.list())?;
        let (fields, model) = (dataset::fields(&tables), config.model());
        let dims = dataset::feature_dims(corpora.list(), &model);
        let available = memory::available().filter(|_| !session::device().is_cuda());
        let shape = Shape::of(&model, folder)?;
        memory::check_weights(config, shape, &dims, available)?;

        let mut session = Session::new(config, &fields, &dims, seed)?;
        freeze(&mut session.model, config.train.unfreeze);
        session.speakers = config.model.speakers.then(|| speakers(&corpora));
        let (train, dev) = datasets(&corpora, &tables, &session, config)?;
        let t = &config.train;
        let plan = Plan {
            batch: t.batch.get(),
            token_budget: t.token_budget.get(),
            temperature: t.temperature.get(),
        };
        let entries = train.entries();
        let first = plan.epoch(&entries, seed, 0);
        memory::check_batches(config, shape, &train, &first, available)?;
        let updates = (0..t.epochs.get()).map(|e| plan.epoch(&entries, seed, e).len());
        let updates: usize = updates.map(|n| n.div_ceil(t.accumulate.get())).sum();
        let card = Card {
            schema: card::SCHEMA,
            seed,
            epoch: 0,
            backbone: session.model.backbone().model_type().to_owned(),
            fields,
            dims,
            speakers: session.speakers.clone(),
            readout: Readout::TRAINING,
            files: Default::default(),
            config: config.clone(),
        };
        Ok(Self {
            config: t,
            seed,
            card,
            normaliser,
            session,
            train,
            entries,
            dev,
            plan,
            updates: updates as i64,
            rates: Rates::new(t, updates as i64),
            paths,
            interrupt,
        })
    }

    /// The first files of a training that nothing speaks against: one that is refused leaves the folder as it was.
    fn accept(&self, config: &RunConfig) -> Result<(), TrainError> {
        self.normaliser.save(&self.paths.normaliser())?;
        let checkpoints = self.paths.checkpoints();
        unimse_model::hub::copy_description(&self.session.folder, &checkpoints)?;
        Ok(artefact::write(
            &self.paths.config(),
            config.to_toml()?.as_bytes(),
        )?)
    }

    fn run(&self, saved: Option<LoopState>, identity: Identity) -> Result<(), TrainError> {
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
        let mut events = EventLog::open(&self.paths.events(), state.events)?;
        let (all, trained) = self.session.model.parameter_count();
        if state.step == 0 && state.epoch == 0 && state.batch == 0 {
            events.write(&Event::Start(Start {
                seed: self.seed,
                examples: self.train.examples.len(),
                dev: self.dev.examples.len(),
                updates: self.updates,
                parameters: all,
                trained,
                initialised: self.session.model.initialised().to_vec(),
            }))?;
        }
        let estimate = preflight::estimate(
            &self.session.model,
            &self.train,
            &self.plan.epoch(&self.entries, self.seed, 0),
            self.config.epochs.get(),
        )?;
        eprintln!(
            "train: {} utterances, {} dev, {all} parameters ({trained} trained); {estimate}",
            self.train.examples.len(),
            self.dev.examples.len()
        );

        while state.epoch < self.config.epochs.get()
            && !(state.best.is_some() && self.rates.exhausted(&state.progress))
        {
            self.epoch(&mut optimizer, &mut state, &mut events)?;
        }
        if state.best.is_none() {
            return Err(TrainError::Data(format!(
                "no epoch had a defined dev score, so no checkpoint was selected; {} says why",
                self.paths.events().display()
            )));
        }
        events.write(&Event::End(End {
            step: state.step,
            best_epoch: state.best_epoch,
            score: state.best,
        }))?;
        state.finished = true;
        state.events = events.length();
        checkpoint::save(&self.paths.last(), &Default::default(), &state)
    }

    fn optimizer(&self) -> Result<Optimizer, TrainError> {
        let (groups, members) = {
            let model = &self.session.model;
            parameter_groups(self.config, model.parameters(), &model.blocks_above())
        };
        Optimizer::new(self.config.optimizer, groups, members)
    }

    fn epoch(
        &self,
        optimizer: &mut Optimizer,
        state: &mut LoopState,
        events: &mut EventLog,
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
            let (loss, step) = self.micro_step(&batches, state)?;
            state.loss_sum += loss;
            state.batch += 1;
            bar.inc(1);
            if accumulation::completes(state.batch, batches.len(), self.config.accumulate.get()) {
                let scale = self.rates.factor(state.step, &state.progress);
                let norm = optimizer.step(scale, Some(self.config.clip.get()))?;
                state.step += 1;
                if state.step == 1 || state.step % 10 == 0 {
                    events.write(&Event::Step(Step {
                        step: state.step.unsigned_abs(),
                        lr: Some(scale),
                        norm: Some(norm),
                        ..step
                    }))?;
                }
                let interrupted = self.interrupt.load(Ordering::Relaxed);
                if interrupted || state.step % self.config.save_every.get() as i64 == 0 {
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

    /// Forward and backward of the next batch: its loss, and its part of the event.
    fn micro_step(
        &self,
        batches: &[Vec<usize>],
        state: &LoopState,
    ) -> Result<(f64, Step), TrainError> {
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
        let event = Step {
            epoch: state.epoch as u64,
            loss: Some(total),
            task: Some(losses.task),
            text_audio: losses.text_audio.iter().copied().map(Some).collect(),
            text_video: losses.text_video.iter().copied().map(Some).collect(),
            ..Step::default()
        };
        losses.backward(accumulation::share(
            batches,
            state.batch,
            self.config.accumulate.get(),
        ));
        Ok((total, event))
    }

    /// Dev score, best checkpoint, early stopping.
    fn finish_epoch(
        &self,
        optimizer: &Optimizer,
        state: &mut LoopState,
        events: &mut EventLog,
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
        let selection = scoring::selection(&pairs)?;
        let best = selection.beats(state.best.map(|mean| (state.best_corpora, mean)));
        if best {
            self.select(state.epoch, &predictions)?;
            (state.best, state.best_corpora) = (selection.score, selection.defined);
            state.best_epoch = state.epoch;
        }
        self.rates.note(&mut state.progress, best);
        let train_loss = state.loss_sum / batches as f64;
        let seconds = started.elapsed().as_secs_f64();
        self.show(state, &selection, train_loss, seconds);
        events.write(&Event::Epoch(Epoch {
            epoch: state.epoch as u64,
            step: state.step.unsigned_abs(),
            train_loss: Some(train_loss),
            dev: dev_scores(selection),
            best,
            seconds: Some(seconds),
        }))?;
        state.epoch += 1;
        (state.batch, state.loss_sum) = (0, 0.0);
        self.save(optimizer, state, events)
    }

    /// The line of an epoch on standard error.
    fn show(&self, state: &LoopState, selection: &Selection, train_loss: f64, seconds: f64) {
        let corpora = selection.corpora.iter();
        let corpora: Vec<String> = corpora
            .map(|(name, task, scores)| headline(name, *task, scores))
            .collect();
        let score = selection
            .score
            .map_or_else(|| "undefined".to_owned(), |s| format!("{s:.4}"));
        let best = if state.best_epoch == state.epoch && state.best == selection.score {
            " best"
        } else {
            ""
        };
        eprintln!(
            "epoch {}/{}: loss {train_loss:.4}, dev {score}{best} ({}), {seconds:.0} s",
            state.epoch + 1,
            self.config.epochs.get(),
            corpora.join(", "),
        );
    }

    /// Saves the weights that dev likes best, then the card that says how to read them. A kill in between leaves a card of other weights,
    /// which nobody opens; resuming comes here again with the same weights and predictions.
    fn select(&self, epoch: usize, dev: &[Prediction]) -> Result<(), TrainError> {
        self.session.model.save(&self.paths.best())?;
        let readout = scoring::choose_readout(&self.dev, dev)?;
        let card = Card {
            epoch,
            readout,
            ..self.card.clone()
        };
        card.save(&self.paths.checkpoints())
    }

    fn save(
        &self,
        optimizer: &Optimizer,
        state: &mut LoopState,
        events: &EventLog,
    ) -> Result<(), TrainError> {
        state.events = events.length();
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

/// What the event log keeps of a selection.
fn dev_scores(selection: Selection) -> DevScores {
    let corpora = selection.corpora.into_iter();
    DevScores {
        score: selection.score,
        corpora: corpora
            .map(|(name, _, scores)| (name, scores.metrics))
            .collect(),
        undefined: selection.undefined.into_iter().collect(),
    }
}

fn headline(name: &str, task: Task, scores: &Scores) -> String {
    let value = |metric| {
        scores
            .get(metric)
            .map_or_else(|| "undefined".to_owned(), |v| format!("{v:.3}"))
    };
    match task {
        Task::Sentiment => {
            format!(
                "{name} MAE {} Corr {}",
                value(Metric::Mae),
                value(Metric::Corr)
            )
        }
        Task::Emotion => format!("{name} WF1 {}", value(Metric::WeightedF1)),
    }
}
