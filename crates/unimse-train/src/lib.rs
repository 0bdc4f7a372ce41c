//! The stages of UniMSE that need a model: unify (paper 3.2), train and select (4.2), evaluate, predict.
//!
//! Reads the Parquet tables of `unimse-corpus`, drives `unimse-model`, scores with `unimse-eval`. It must not know a data set's
//! file layout or the label grammar, and outside [`evaluate`] it never looks at a test label.
//!
//! One module, one idea: [`config`] (layers and keys), [`embeddings`], [`unify`], [`label_summary`], [`dataset`] (tables to batches), [`sampler`] (order of an
//! epoch), [`optimizer`], [`trainer`] (the loop), [`checkpoint`], [`identity`] (what a resumed training must
//! share with its beginning), [`cpu`], [`scoring`] and [`readout`] (dev selection), [`baselines`],
//! [`receipts`] (one opening of the test split), [`card`] and [`saved_model`] (a trained model in its folder), [`row`], [`answer`],
//! [`predictions`], [`evaluate`], [`predict`].
//!
//! # Example
//! A configuration is merged from layers; a key that does not exist is an error.
//! ```
//! use unimse_train::config::RunConfig;
//! let config = RunConfig::merge(None, None, &["fusion.layers=0".into(), "train.epochs=3".into()])?;
//! assert_eq!((config.fusion.layers, config.train.epochs), (0, 3));
//! assert!(RunConfig::merge(None, None, &["fusion.layer=0".into()]).is_err());
//! # Ok::<(), unimse_train::TrainError>(())
//! ```

pub mod accumulation;
pub mod answer;
pub mod baselines;
pub mod card;
pub mod checkpoint;
mod comparison;
pub mod config;
pub mod cpu;
pub mod dataset;
pub mod embeddings;
mod error;
pub mod evaluate;
pub mod events;
pub mod identity;
pub mod label_summary;
pub mod labels_table;
mod layers;
mod memory;
pub mod normaliser;
pub mod optimizer;
pub mod parameter_groups;
pub mod predict;
pub mod predictions;
pub mod preflight;
pub mod readout;
pub mod receipts;
pub mod row;
pub mod run_folder;
pub mod sampler;
pub mod saved_model;
pub mod schedule;
pub mod scoring;
pub mod session;
pub mod trainer;
pub mod unify;

pub use error::TrainError;
