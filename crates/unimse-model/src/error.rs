//! The one error type of this crate.

use std::path::{Path, PathBuf};

/// What [`crate`] functions return.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// Everything that can go wrong between a folder of weights and a prediction. Each names the file and the field at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file is not the JSON that was expected.
    #[error("{}: {}{source}", path.display(), at(field))]
    Json {
        /// The file.
        path: PathBuf,
        /// The key at fault; empty where the whole file is.
        field: String,
        /// Reason, line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A value of a configuration file cannot be used.
    #[error("{}: {field}: expected {expected}, found {found}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The key in it.
        field: String,
        /// What the model can use.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A safetensors file is broken.
    #[error("{}: {source}", path.display())]
    SafeTensors {
        /// The file.
        path: PathBuf,
        /// Which rule of the format it breaks.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// The tensors of a file are not those of the model.
    #[error("{}: the weights do not fit the model: {}", path.display(), mismatch)]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// Every tensor at fault.
        mismatch: crate::mismatch::Mismatch,
    },
    /// A tokenizer file is broken or lacks what the model needs.
    #[error("{}: {message}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A checkpoint is neither a folder nor to be had from the Hub.
    #[error("{0}")]
    Hub(String),
    /// The input does not fit the model.
    #[error("{0}")]
    Input(String),
    /// A loss is NaN or infinite; says which part of it.
    #[error("the loss is not finite: {0}")]
    NonFinite(String),
    /// A file could not be mapped.
    #[error(transparent)]
    Format(#[from] unimse_formats::FormatError),
    /// The processes that share a batch lost each other.
    #[error(transparent)]
    Group(#[from] unimse_c10d::GroupError),
    /// LibTorch refused.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    /// An [`ModelError::Io`] of `path`, for `map_err`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// `text`, the content of the JSON file `path`; what is wrong with it is a [`ModelError::Json`].
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T> {
        let wrong = |field: String, source| Self::Json {
            path: path.to_owned(),
            field,
            source,
        };
        let mut json = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut json)
            .map_err(|e| wrong(e.path().to_string(), e.into_inner()))?;
        json.end().map_err(|e| wrong(String::new(), e))?;
        Ok(value)
    }

    /// [`ModelError::parse`] of the file `path`.
    pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
        Self::parse(path, &std::fs::read(path).map_err(Self::io(path))?)
    }

    /// A [`ModelError::Config`].
    pub fn config(path: &Path, field: &str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Config {
            path: path.to_owned(),
            field: field.to_owned(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

/// `field` as the beginning of a message.
fn at(field: &str) -> String {
    match field {
        "" | "." | "?" => String::new(),
        field => format!("{field}: "),
    }
}
