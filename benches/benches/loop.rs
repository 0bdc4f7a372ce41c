//! The whole training loop against the bare step of the model (forward, backward, update) on the same batches, made before the clock starts:
//! what reading tables into batches, events, logs and checkpoints cost. Demo data of MOSI, all-MiniLM-L6-v2 trained whole, in
//! `train.precision = "auto"`. The loop's rate is the one that it tells itself, `utterances_per_second` of an epoch, dev left out. Loop and step in
//! turn, the best round of each; read the ratio.
//!
//! `UNIMSE_MODELS`, or else `.models` of the checkout, holds `all-MiniLM-L6-v2`. Arguments: `--test` (one round of one epoch), `--threads N`,
//! `--rounds N`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use unimse_corpus::splits::{Learning, Train};
use unimse_model::batch::{Batch, Target};
use unimse_run::{Event, RunFolder};
use unimse_train::config::RunConfig;
use unimse_train::data::dataset::{self, Dataset};
use unimse_train::data::normaliser::Normaliser;
use unimse_train::data::sampler::{Mixture, Plan};
use unimse_train::model::session::Session;
use unimse_train::train::optimizer::Optimizer;
use unimse_train::train::parameter_groups::parameter_groups;
use unimse_train::train::trainer;
use unimse_train::unify;

type Failure = Box<dyn std::error::Error>;

/// Seed of both sides.
const SEED: u64 = 1;

/// The value behind an argument, or a default.
fn argument<T: std::str::FromStr>(name: &str, default: T) -> Result<T, Failure>
where
    T::Err: std::error::Error + 'static,
{
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    Ok(match (arguments.next(), arguments.next()) {
        (Some(_), Some(value)) => value.parse()?,
        (Some(_), None) => return Err(format!("{name}: expected a number").into()),
        (None, _) => default,
    })
}

/// The folder of the backbone, if it is at hand.
fn backbone() -> Option<PathBuf> {
    let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/../.models");
    let named = std::env::var_os("UNIMSE_MODELS").map(PathBuf::from);
    let folders = named.into_iter().chain([PathBuf::from(checkout)]);
    let mut models = folders.map(|folder| folder.join("all-MiniLM-L6-v2"));
    models.find(|model| model.join("config.json").is_file())
}

/// Demo tables below `place`, as the commands make them.
fn tables(place: &Path, config: &RunConfig, encoder: &str) -> Result<(), Failure> {
    let data = place.join("data");
    unimse_corpus::demo::write(&data)?;
    for other in ["mosei", "meld", "iemocap"] {
        std::fs::remove_dir_all(data.join(other))?;
    }
    let (corpus, labels) = (place.join("corpus"), place.join("labels"));
    unimse_corpus::ingest(&data, &corpus, &[], &mut |_| {})?;
    unify::run(
        &corpus,
        &labels,
        encoder,
        None,
        None,
        &config.labels.options(),
    )?;
    Ok(())
}

/// Utterances a second of the loop in the best of its epochs.
fn of_loop(config: &RunConfig, run: &RunFolder) -> Result<f64, Failure> {
    trainer::train(config, run, SEED, false, &AtomicBool::new(false))?;
    let mut best = 0.0_f64;
    for line in std::fs::read_to_string(run.events())?.lines() {
        if let Event::Epoch(epoch) = serde_json::from_str(line)? {
            best = best.max(epoch.utterances_per_second.unwrap_or_default());
        }
    }
    Ok(best)
}

/// What the bare step works on: the model as a training begins it, and the batches of its first epoch.
struct Bare {
    session: Session,
    optimizer: Optimizer,
    batches: Vec<(Batch, Vec<Target>)>,
    utterances: usize,
    clip: f64,
}

impl Bare {
    fn new(config: &RunConfig, run: &RunFolder) -> Result<Self, Failure> {
        let mut corpora = dataset::read_corpora::<Learning>(&run.corpus)?;
        let normaliser = Normaliser::fit(corpora.list().iter().map(AsRef::as_ref));
        corpora.edit(|corpus| normaliser.apply(corpus));
        let tables = dataset::read_labels(&run.labels, corpora.list())?;
        let dims = dataset::feature_dims(corpora.list(), &config.model());
        let session = Session::new(config, &dataset::fields(&tables), &dims, SEED)?;
        let train = Dataset::new(&corpora, Train, Some(&tables), session.reader(), config)?;
        let plan = Plan {
            batch: config.train.batch.get(),
            token_budget: config.train.token_budget.get(),
            mixture: Mixture::Temperature(config.train.temperature.get()),
        };
        let indices = plan.epoch(&train.entries(), SEED, 0);
        let device = session.model.device();
        let load = |batch: &Vec<usize>| Ok((train.batch(batch, device)?, train.targets(batch)?));
        let batches = indices.iter().map(load).collect::<Result<_, Failure>>()?;
        let model = &session.model;
        let (groups, members) =
            parameter_groups(&config.train, model.parameters(), &model.blocks_above());
        Ok(Self {
            optimizer: Optimizer::new(config.train.optimizer, groups, members)?,
            batches,
            utterances: indices.iter().map(Vec::len).sum(),
            clip: config.train.clip.get(),
            session,
        })
    }

    /// Utterances a second over all batches.
    fn epoch(&mut self) -> Result<f64, Failure> {
        let start = Instant::now();
        for (batch, targets) in &self.batches {
            let losses = self.session.model.training_loss(batch, targets, 1.0)?;
            losses.backward(1.0);
            self.optimizer.step_groups(|_| 1.0, Some(self.clip))?;
        }
        Ok(self.utterances as f64 / start.elapsed().as_secs_f64())
    }
}

fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--test");
    let (rounds, epochs) = if check {
        (1, 1)
    } else {
        (argument("--rounds", 2)?, 2)
    };
    let threads = argument(
        "--threads",
        std::thread::available_parallelism()?.get() as i32,
    )?;
    tch::set_num_threads(threads);
    let Some(encoder) = backbone() else {
        println!("left out: loop needs all-MiniLM-L6-v2");
        return Ok(());
    };
    let encoder = encoder.display().to_string();
    let overrides = [
        format!("model.checkpoint={encoder}"),
        format!("train.epochs={epochs}"),
        "train.unfreeze=all".to_owned(),
        "train.patience=1000".to_owned(),
    ];
    let config = RunConfig::merge(None, None, &overrides)?;
    let place = tempfile::tempdir()?;
    tables(place.path(), &config, &encoder)?;

    let (mut whole, mut step) = (0.0_f64, 0.0_f64);
    for round in 0..rounds {
        let run = RunFolder {
            run: place.path().join(format!("run-{round}")),
            corpus: place.path().join("corpus"),
            labels: place.path().join("labels"),
        };
        whole = whole.max(of_loop(&config, &run)?);
        let mut bare = Bare::new(&config, &run)?;
        for _ in 0..epochs {
            step = step.max(bare.epoch()?);
        }
    }
    println!(
        "loop {whole:.1} utterances/s, bare step {step:.1} utterances/s, ratio {:.3} ({threads} threads)",
        whole / step
    );
    Ok(())
}
