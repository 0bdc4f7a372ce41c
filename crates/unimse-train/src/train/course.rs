//! What moves in a training: optimiser, average, place in the data, logs; saved and restored as one.

use unimse_model::unimodel::UniModel;
use unimse_run::{Event, EventLog, RunFolder, ScalarLog};

use crate::TrainError;
use crate::config::TrainConfig;
use crate::train::average::Average;
use crate::train::checkpoint::{self, LoopState};
use crate::train::identity::Identity;
use crate::train::optimizer::Optimizer;
use crate::train::parameter_groups::parameter_groups;

/// The moving parts beside the model itself.
pub(super) struct Course {
    pub(super) optimizer: Optimizer,
    /// With `train.average`.
    pub(super) average: Option<Average>,
    pub(super) state: LoopState,
    /// `None` in a process that does not write.
    logs: Option<(EventLog, ScalarLog)>,
}

impl Course {
    /// That of a new training, or, where `saved` is one, of the training in the folder, whose weights `model` then gets. Where `writes` is false
    /// it has no logs.
    ///
    /// # Errors
    /// A checkpoint or a log that cannot be read or does not fit the model.
    pub(super) fn begin(
        model: &UniModel,
        config: &TrainConfig,
        paths: &RunFolder,
        saved: Option<LoopState>,
        identity: Identity,
        writes: bool,
    ) -> Result<Self, TrainError> {
        let (groups, members) = parameter_groups(config, model.parameters(), &model.blocks_above());
        let optimizer = Optimizer::new(config.optimizer, groups, members)?;
        let decay = config.average.get();
        let average = (decay > 0.0).then(|| Average::new(decay, model.parameters()));
        let resumed = saved.is_some();
        let state = saved.unwrap_or_else(|| LoopState {
            identity,
            ..LoopState::default()
        });
        let logs = || {
            let events = EventLog::open(&paths.events(), state.events)?;
            let scalars = ScalarLog::open(&paths.scalars(), state.scalars)?;
            Ok::<_, TrainError>((events, scalars))
        };
        let logs = writes.then(logs).transpose()?;
        let mut course = Self {
            optimizer,
            average,
            logs,
            state,
        };
        if resumed {
            course.restore(model, paths)?;
        }
        Ok(course)
    }

    /// Exchanges the weights of the model with their average, where there is one; a second call exchanges them back.
    pub(super) fn swap_average(&mut self) {
        if let Some(average) = &mut self.average {
            average.swap();
        }
    }

    /// Appends an event to both logs.
    pub(super) fn tell(&mut self, event: &Event) -> Result<(), TrainError> {
        if let Some((events, scalars)) = &mut self.logs {
            events.write(event)?;
            scalars.write(event)?;
        }
        Ok(())
    }

    /// Makes what the logs hold part of the state.
    pub(super) fn keep_logs(&mut self) {
        if let Some((events, scalars)) = &self.logs {
            self.state.events = events.length();
            self.state.scalars = scalars.length();
        }
    }

    /// Writes the checkpoint that a training goes on from; the one before it stays beside it.
    pub(super) fn save(&mut self, model: &UniModel, paths: &RunFolder) -> Result<(), TrainError> {
        self.keep_logs();
        let mut tensors = self.optimizer.state();
        tensors.extend(self.average.iter().flat_map(Average::state));
        tensors.extend(model.memory());
        // frozen tensors are those of the checkpoint the model was built from
        for (name, tensor) in model.parameters() {
            if tensor.requires_grad() {
                tensors.insert(format!("model.{name}"), tensor);
            }
        }
        checkpoint::keep(&paths.last(), &paths.previous())?;
        checkpoint::save(&paths.last(), &tensors, &self.state)
    }

    fn restore(&mut self, model: &UniModel, paths: &RunFolder) -> Result<(), TrainError> {
        let (tensors, _) = checkpoint::load_latest(paths, false)?;
        for (name, mut tensor) in model.parameters() {
            if tensor.requires_grad() {
                checkpoint::copy_tensor(&tensors, &format!("model.{name}"), &mut tensor)?;
            }
        }
        if let Some(average) = &mut self.average {
            average.restore(&tensors)?;
        }
        model.restore_memory(&tensors)?;
        self.optimizer.restore(&tensors, self.state.step)
    }
}
