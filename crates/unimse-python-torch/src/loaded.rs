//! A model that is loaded: one thread of Python at a time computes with it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use pyo3::{PyErr, PyResult, Python};
use unimse_model::ModelError;
use unimse_python_call::errors::{input, of_corpus, of_format, of_results, system};
use unimse_python_call::work::{self, Wanted};
use unimse_train::TrainError;

/// How often a thread that waits for another's work looks again, and at Python's signals.
const LOOK: Duration = Duration::from_millis(5);

/// What computes. Calls from several threads wait for each other: each uses all threads of torch.
pub(crate) struct Loaded<T> {
    model: Mutex<T>,
    /// The process that computed last.
    process: AtomicU32,
}

impl<T: Send> Loaded<T> {
    /// Loads it without the interpreter's lock.
    pub(crate) fn new(
        py: Python<'_>,
        load: impl FnOnce() -> Result<T, TrainError> + Send,
    ) -> PyResult<Self> {
        let model = work::run(py, |_| load())?;
        Ok(Self {
            model: Mutex::new(model.map_err(|error| of_train(&error))?),
            process: AtomicU32::new(std::process::id()),
        })
    }

    /// What `compute` gives, with as many threads as torch has in the calling one. It is handed what ends it between batches.
    ///
    /// # Errors
    /// Those of `compute`; `KeyboardInterrupt`; an `InputError` in a process that was forked while another thread of its parent computed:
    /// that thread is not in the child and gives the model back to nobody.
    pub(crate) fn compute<R: Send>(
        &self,
        py: Python<'_>,
        compute: impl FnOnce(&mut T, Tick<'_>) -> PyResult<R> + Send,
    ) -> PyResult<R> {
        let mut model = self.lock(py)?;
        let (model, threads) = (&mut *model, tch::get_num_threads());
        work::run(py, |wanted| {
            // the thread that computes takes over the number of the one that asks
            tch::set_num_threads(threads);
            compute(model, &mut || while_wanted(wanted))
        })?
    }

    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, T>> {
        let own = std::process::id();
        let mut others = 0;
        loop {
            let model = match self.model.try_lock() {
                Ok(model) => model,
                // of a call that panicked: nothing in a model changes while it answers
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    // seen once, it may be a thread of this process that has yet to say so
                    others += u32::from(self.process.load(Ordering::Relaxed) != own);
                    if others > 1 {
                        return Err(input(
                            "this process was forked while another thread computed with the model; load it again here",
                        ));
                    }
                    py.detach(|| std::thread::sleep(LOOK));
                    py.check_signals()?;
                    continue;
                }
            };
            self.process.store(own, Ordering::Relaxed);
            return Ok(model);
        }
    }
}

/// Ends the work between two batches.
pub(crate) type Tick<'a> = &'a mut dyn FnMut() -> Result<(), TrainError>;

/// What an unwanted call ends with; the exception that made it so is raised in its place.
fn while_wanted(wanted: &Wanted) -> Result<(), TrainError> {
    match wanted.is() {
        true => Ok(()),
        false => Err(TrainError::Data("interrupted".to_owned())),
    }
}

/// Of a run, its model or the rows that it is asked.
pub(crate) fn of_train(error: &TrainError) -> PyErr {
    match error {
        TrainError::Io { .. } | TrainError::Model(ModelError::Io { .. }) => system(error),
        TrainError::Model(ModelError::Format(error)) => of_format(error),
        TrainError::Corpus(error) => of_corpus(error),
        TrainError::Results(error) => of_results(error),
        _ => input(error),
    }
}
