//! The stages of UniMSE that need a model: unify (paper 3.2), train and select (4.2), evaluate, predict.
//!
//! Reads the Parquet tables of `unimse-corpus`, drives `unimse-model`, scores with `unimse-eval`. It must not know a data set's
//! file layout or the label grammar, and outside [`evaluate`] it never looks at a test label.
//!
//! A folder is a stage, or what stages share: `config` (layers and keys), `data` (tables to batches), `unify`, `model` (a model with
//! its tokenizer, and as it is saved), `train` (the loop and what it is made of), `evaluate` (scores, baselines, the one opening of the
//! test split), `compare` (runs beside a reference), `predict`. Unify, train and evaluate can be the work of several [`processes`]. What they write is typed in `unimse-run`.
//!
//! # Example
//! A configuration is merged from layers; a key that does not exist is an error.
//! ```
//! use unimse_train::config::RunConfig;
//! let config = RunConfig::merge(None, None, &["fusion.layers=0".into(), "train.epochs=3".into()])?;
//! assert_eq!((config.fusion.layers.get(), config.train.epochs.get()), (0, 3));
//! assert!(RunConfig::merge(None, None, &["fusion.layer=0".into()]).is_err());
//! # Ok::<(), unimse_train::TrainError>(())
//! ```

pub mod compare;
pub mod config;
pub mod data;
mod error;
pub mod evaluate;
pub mod model;
pub mod predict;
pub mod processes;
pub mod train;
pub mod unify;

pub use error::TrainError;
