//! The training loop (paper 4.2): one model over all corpora, dev selection, a checkpoint that resumes to the same bytes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use unimse_corpus::splits::Learning;
use unimse_run::{End, Event, Readout, RunFolder, RunLock, Start, Step, artefact};

use crate::TrainError;
use crate::config::{RunConfig, TrainConfig};
use crate::data::dataset::{self, Dataset};
use crate::data::normaliser::Normaliser;
use crate::data::sampler::{Entry, Plan};
use crate::model::card::{self, Card};
use crate::model::session::{self, Session, checkpoint_folder};
use crate::processes::Processes;
use crate::train::checkpoint::{self, LoopState, resume_state};
use crate::train::course::Course;
use crate::train::feed::Feed;
use crate::train::identity::Identity;
use crate::train::memory::{self, Shape};
use crate::train::parameter_groups::of_backbone;
use crate::train::schedule::Rates;
use crate::train::{accumulation, preflight, setup};

/// The fixed parts of a training.
pub(super) struct Trainer<'a> {
    pub(super) config: &'a TrainConfig,
    seed: u64,
    /// What is saved with the weights that dev selects, but for what only dev can say.
    pub(super) card: Card,
    normaliser: Normaliser,
    pub(super) session: Session,
    pub(super) train: Dataset,
    entries: Vec<Entry>,
    pub(super) dev: Dataset,
    pub(super) plan: Plan,
    updates: i64,
    pub(super) rates: Rates,
    pub(super) paths: &'a RunFolder,
    pub(super) interrupt: &'a AtomicBool,
    pub(super) processes: &'a Processes,
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
    let alone = Processes::alone();
    train_together(config, paths, seed, resume, interrupt, &alone)
}

/// [`train`] by several `processes`, each of which calls this, joined with its [`session::device`]. Every one takes its share of each batch; the numbers are those of one process up to
/// rounding, but for dropout, of which every one draws its own. Every one answers its part of dev, to the bit as one process would. The one of rank 0 scores and writes.
///
/// # Errors
/// As [`train`]; [`TrainError::Group`] where another process ends, once it trains [`TrainError::Lost`], [`TrainError::Config`] where one would train something else than that of rank 0.
pub fn train_together(
    config: &RunConfig,
    paths: &RunFolder,
    seed: u64,
    resume: bool,
    interrupt: &AtomicBool,
    processes: &Processes,
) -> Result<(), TrainError> {
    let lock = processes.leads().then(|| RunLock::take(&paths.run));
    let _lock = lock.transpose()?;
    let folder = checkpoint_folder(&config.model.checkpoint)?;
    let identity = Identity {
        processes: processes.rank().size as u64,
        ..Identity::of(config, paths, &folder, seed)?
    };
    processes.agree(&identity.parts())?;
    let saved = resume_state(paths, resume, &identity)?;
    processes.wait()?; // all have read it
    if saved.as_ref().is_some_and(|s| s.finished) {
        if !processes.leads() {
            return Ok(());
        }
        eprintln!("train: already finished");
        // a kill right behind the last save leaves it
        return checkpoint::forget(&paths.previous());
    }
    let together = (interrupt, processes);
    let trainer = Trainer::new(config, paths, &folder, seed, together)?;
    if trainer.processes.leads() {
        trainer.accept(config)?;
    }
    let done = trainer.run(saved, identity);
    done.map_err(TrainError::of_training)
}

/// A seed for one purpose and one position, so that no generator state has to be saved.
fn mix(seed: u64, position: u64) -> i64 {
    let mut z = seed ^ position.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 1) as i64
}

impl<'a> Trainer<'a> {
    /// Reads tables and checkpoint and checks that there is memory for them; writes nothing.
    pub(super) fn new(
        config: &'a RunConfig,
        paths: &'a RunFolder,
        folder: &Path,
        seed: u64,
        (interrupt, processes): (&'a AtomicBool, &'a Processes),
    ) -> Result<Self, TrainError> {
        let mut corpora = dataset::read_corpora::<Learning>(&paths.corpus)?;
        let normaliser = Normaliser::fit(corpora.list().iter().map(AsRef::as_ref));
        corpora.edit(|corpus| normaliser.apply(corpus));
        let tables = dataset::read_labels(&paths.labels, corpora.list())?;
        let (fields, model) = (dataset::fields(&tables), config.model());
        let dims = dataset::feature_dims(corpora.list(), &model);
        let rank = processes.rank();
        let available = memory::available(rank.size).filter(|_| !session::device().is_cuda());
        let shape = Shape::of(&model, folder)?;
        memory::check_weights(config, shape, &dims, available)?;

        let mut session = Session::new(config, &fields, &dims, seed)?;
        setup::freeze(&mut session.model, config.train.unfreeze);
        session.speakers = config.model.speakers.then(|| setup::speakers(&corpora));
        session.voice = setup::voice(&corpora, &normaliser, &model)?;
        let (train, dev) = setup::datasets(&corpora, &tables, &session, config)?;
        session.model.adjust(&setup::class_shares(&train))?;
        let t = &config.train;
        let plan = Plan {
            batch: t.batch.get(),
            token_budget: t.token_budget.get(),
            mixture: setup::mixture(t, &train)?,
        };
        let entries = train.entries();
        let first = rank.parts(plan.epoch(&entries, seed, 0));
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
            features: setup::feature_cards(&corpora, &model),
            speakers: session.speakers.clone(),
            voice: session.voice.clone(),
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
            rates: Rates::new(t, config.contrastive.warmup, updates as i64),
            paths,
            interrupt,
            processes,
        })
    }

    /// The batches of the first epoch, as this process reads them.
    pub(super) fn first_epoch(&self) -> Vec<Vec<usize>> {
        let all = self.plan.epoch(&self.entries, self.seed, 0);
        self.processes.rank().parts(all)
    }

    /// The first files of a training that nothing speaks against: one that is refused leaves the folder as it was.
    fn accept(&self, config: &RunConfig) -> Result<(), TrainError> {
        let checkpoints = self.paths.checkpoints();
        artefact::sweep(&checkpoints)?;
        checkpoint::forget(&self.paths.model_card())?; // it would be of another checkpoint
        self.normaliser.save(&self.paths.normaliser())?;
        unimse_model::hub::copy_description(&self.session.folder, &checkpoints)?;
        Ok(artefact::write(
            &self.paths.config(),
            config.to_toml()?.as_bytes(),
        )?)
    }

    fn run(&self, saved: Option<LoopState>, identity: Identity) -> Result<(), TrainError> {
        let mut course = Course::begin(
            &self.session.model,
            self.config,
            self.paths,
            saved,
            identity,
            self.processes.leads(),
        )?;
        let (all, trained) = self.session.model.parameter_count();
        let state = &course.state;
        if state.step == 0 && state.epoch == 0 && state.batch == 0 {
            course.tell(&Event::Start(Start {
                seed: self.seed,
                examples: self.train.examples.len(),
                dev: self.dev.examples.len(),
                updates: self.updates,
                parameters: all,
                trained,
                initialised: self.session.model.initialised().to_vec(),
            }))?;
        }
        let rank = self.processes.rank();
        let model = &self.session.model;
        let estimate = preflight::estimate(model, &self.train, &self.first_epoch(), self.config)?;
        self.processes.wait()?; // not all read, write and measure as fast
        if self.processes.leads() {
            let by = match rank.size {
                1 => String::new(),
                size => format!(" by each of {size} processes"),
            };
            eprintln!(
                "train: {} utterances, {} dev, {all} parameters ({trained} trained); {estimate}{by}",
                self.train.examples.len(),
                self.dev.examples.len()
            );
        }

        while course.state.epoch < self.config.epochs.get()
            && !(course.state.best.is_some() && self.rates.exhausted(&course.state.progress))
        {
            self.epoch(&mut course)?;
        }
        self.end(course)
    }

    fn end(&self, mut course: Course) -> Result<(), TrainError> {
        let state = &course.state;
        if state.best.is_none() {
            return Err(TrainError::Data(format!(
                "no epoch had a defined dev score, so no checkpoint was selected; {} says why",
                self.paths.events().display()
            )));
        }
        if !self.processes.leads() {
            return self.processes.wait();
        }
        course.tell(&Event::End(End {
            step: state.step,
            best_epoch: state.best_epoch,
            score: state.best,
        }))?;
        course.state.finished = true;
        course.keep_logs();
        checkpoint::save(&self.paths.last(), &Default::default(), &course.state)?;
        checkpoint::forget(&self.paths.previous())?;
        self.processes.wait()
    }

    fn epoch(&self, course: &mut Course) -> Result<(), TrainError> {
        let started = Instant::now();
        let epoch = course.state.epoch;
        let batches = self.plan.epoch(&self.entries, self.seed, epoch);
        let bar = match self.processes.leads() {
            true => ProgressBar::new(batches.len() as u64),
            false => ProgressBar::hidden(),
        };
        bar.set_style(
            ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(format!("epoch {}", epoch + 1));
        bar.set_position(course.state.batch as u64);
        let feed = Feed {
            dataset: &self.train,
            modality_dropout: self.config.modality_dropout.get(),
            device: self.session.model.device(),
            rank: self.processes.rank(),
        };
        let (seed, first) = (self.seed, course.state.batch);
        std::thread::scope(|scope| {
            let seeds = move |batch| step_seed(seed, epoch, batch);
            let loaded = feed.run(scope, &batches, first, seeds);
            while course.state.batch < batches.len() {
                let next = loaded.recv().map_err(|_| {
                    TrainError::Data("no batch came: the thread that makes them ended".to_owned())
                })??;
                let (loss, step) = self.micro_step(&batches, &course.state, &next)?;
                course.state.loss_sum += loss;
                course.state.batch += 1;
                bar.inc(1);
                let (done, accumulate) = (course.state.batch, self.config.accumulate.get());
                if accumulation::completes(done, batches.len(), accumulate) {
                    let updated = self.update(course, step);
                    updated.inspect_err(|_| bar.abandon())?;
                }
            }
            Ok::<(), TrainError>(())
        })?;
        bar.finish_and_clear();
        let drawn = batches[first..].iter().map(Vec::len).sum();
        self.finish_epoch(course, batches.len(), drawn, started)
    }

    /// One update of the weights from the gradients at hand, summed over the processes, told and saved as configured.
    fn update(&self, course: &mut Course, step: Step) -> Result<(), TrainError> {
        let done = course.state.step;
        let scale = self.rates.factor(done, &course.state.progress);
        let held = self.rates.holds_backbone(done);
        let told = done == 0 || (done + 1) % 10 == 0;
        let norms = if told {
            course.optimizer.norms()
        } else {
            Vec::new()
        };
        let rate = |group| {
            if held && of_backbone(group) {
                0.0
            } else {
                scale
            }
        };
        let clip = Some(self.config.clip.get());
        let norm = course.optimizer.step_groups(rate, clip)?;
        course.state.step += 1;
        if let Some(average) = &mut course.average {
            average.update(course.state.step);
        }
        if told {
            course.tell(&Event::Step(Step {
                step: course.state.step.unsigned_abs(),
                lr: Some(scale),
                norm: Some(norm),
                norms: setup::norms_by_part(&norms),
                ..step
            }))?;
        }
        let asked = self.interrupt.load(Ordering::Relaxed);
        let interrupted = self.processes.any(asked)?;
        if interrupted || course.state.step % self.config.save_every.get() as i64 == 0 {
            self.save(course)?;
        }
        if interrupted {
            let step = course.state.step;
            return Err(TrainError::Interrupted { step });
        }
        Ok(())
    }

    pub(super) fn save(&self, course: &mut Course) -> Result<(), TrainError> {
        if self.processes.leads() {
            course.save(&self.session.model, self.paths)?;
        }
        self.processes.wait()
    }

    /// The seed of dropout in batch `batch` of an epoch, in this process.
    pub(super) fn step_seed(&self, epoch: usize, batch: usize) -> i64 {
        let seed = step_seed(self.seed, epoch, batch);
        match self.processes.rank().rank {
            0 => seed,
            rank => mix(seed.unsigned_abs(), rank as u64),
        }
    }
}

fn step_seed(seed: u64, epoch: usize, batch: usize) -> i64 {
    mix(seed, (epoch as u64) << 32 | batch as u64)
}
