//! What crosses the stages of a run, as plain types, and the one way in which its files are written.
//!
//! It must not know a tensor, a table or a data set's layout: it builds in seconds, and every stage may use it.
//!
//! One module, one idea: [`artefact`] (files that appear whole or not at all), [`card`] (how features were made), [`lock`] (one
//! process at a time in a run folder).
//!
//! # Example
//! ```
//! use unimse_run::{artefact, card::FeatureCard};
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("audio.json");
//! let card = FeatureCard::new("opensmile", 73);
//! artefact::write_json(&path, &card)?;
//! assert_eq!(serde_json::from_slice::<FeatureCard>(&std::fs::read(&path)?)?, card);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// Version of `results.json`: whoever reads another refuses it.
pub const RESULTS_SCHEMA: u64 = 2;

pub mod artefact;
pub mod card;
pub mod lock;

pub use artefact::FileError;
pub use card::{FeatureCard, FeatureCards};
pub use lock::{LockError, RunLock};
