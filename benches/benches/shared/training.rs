//! A training on the demo data of MOSI, step by step: shared by benches that measure it.

use unimse_corpus::splits::{Learning, Train};
use unimse_model::batch::{Batch, Target};
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::data::dataset::{self, Dataset};
use unimse_train::data::normaliser::Normaliser;
use unimse_train::data::sampler::{Mixture, Plan};
use unimse_train::model::session::Session;
use unimse_train::train::optimizer::Optimizer;
use unimse_train::train::parameter_groups::parameter_groups;

use crate::Failure;
use crate::tables::SEED;

/// What the bare step works on: the model as a training begins it, and the batches of its first epoch.
pub(crate) struct Bare {
    pub(crate) session: Session,
    pub(crate) optimizer: Optimizer,
    pub(crate) batches: Vec<(Batch, Vec<Target>)>,
    pub(crate) clip: f64,
}

impl Bare {
    pub(crate) fn new(config: &RunConfig, run: &RunFolder) -> Result<Self, Failure> {
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
            clip: config.train.clip.get(),
            session,
        })
    }

    /// One step of the model on batch `at`: forward, backward, update.
    pub(crate) fn step(&mut self, at: usize) -> Result<(), Failure> {
        let (batch, targets) = &self.batches[at];
        let losses = self
            .session
            .model
            .training_loss(batch, targets, 1.0, None)?;
        losses.backward(1.0);
        self.optimizer.step_groups(|_| 1.0, Some(self.clip))?;
        Ok(())
    }
}
