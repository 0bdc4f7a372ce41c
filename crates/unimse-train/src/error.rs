//! What can go wrong in the stages that need a model.

use std::path::PathBuf;

use unimse_c10d::GroupError;
use unimse_model::ModelError;

/// Errors of unify, train, evaluate and predict. Each names the file or the field.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file could not be read or written.
    #[error("{path}: {action} failed: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A configuration key or value is wrong.
    #[error("configuration: {0}")]
    Config(String),
    /// A file of the run does not hold what it should.
    #[error("{path}: {message}", path = path.display())]
    Artefact {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        message: String,
    },
    /// A checkpoint does not fit the model.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A loss or gradient stopped being a number.
    #[error(
        "step {step}: {what} is not finite; lower the learning rate or look for non-finite features with `unimse doctor`"
    )]
    NonFinite {
        /// Which quantity.
        what: String,
        /// Updates made before it.
        step: i64,
    },
    /// The run was interrupted; what was done is saved.
    #[error("interrupted after step {step}; `--resume` goes on from there")]
    Interrupted {
        /// Updates made and saved.
        step: i64,
    },
    /// The evaluation was interrupted; what was there before stays.
    #[error("interrupted {0}; run `unimse evaluate` again")]
    Stopped(String),
    /// The data allow no training or evaluation.
    #[error("{0}")]
    Data(String),
    /// Another process works in the run folder.
    #[error(transparent)]
    Locked(#[from] unimse_run::LockError),
    /// The results of a run could not be read.
    #[error(transparent)]
    Results(#[from] unimse_run::ResultsError),
    /// The tables could not be read.
    #[error(transparent)]
    Corpus(#[from] unimse_corpus::CorpusError),
    /// The model could not be built or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A metric could not be computed.
    #[error(transparent)]
    Eval(#[from] unimse_eval::EvalError),
    /// Labels could not be unified.
    #[error(transparent)]
    Unify(#[from] unimse_labels::UnifyError),
    /// The processes that train together do not find each other.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The processes that train together lost each other.
    #[error("{0}; `--resume` goes on from the last checkpoint")]
    Lost(GroupError),
    /// LibTorch refused an operation.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl From<unimse_run::FileError> for TrainError {
    fn from(error: unimse_run::FileError) -> Self {
        Self::Io {
            path: error.path,
            action: error.action,
            source: error.source,
        }
    }
}

impl TrainError {
    /// The same; of a training under way that lost a process, with what can be done.
    pub(crate) fn of_training(self) -> Self {
        match self {
            Self::Group(lost @ GroupError::Lost { .. })
            | Self::Model(ModelError::Group(lost @ GroupError::Lost { .. })) => Self::Lost(lost),
            other => other,
        }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// For a file whose contents are wrong.
    pub(crate) fn artefact(path: impl Into<PathBuf>, message: impl std::fmt::Display) -> Self {
        Self::Artefact {
            path: path.into(),
            message: message.to_string(),
        }
    }
}
