//! One adapter a data set, one Arrow schema, Parquet tables, splits, context, statistics, doctor.
//!
//! This crate alone knows how MOSI, MOSEI, MELD and IEMOCAP lie on disk (`docs/datasets.md` describes the layouts).
//! It joins by id, never by row order, and keeps a missing modality null. It must not know models, metrics or the
//! text form of labels, and it never uses the labels of test rows for anything but copying them.
//!
//! ```no_run
//! use std::path::Path;
//! unimse_corpus::ingest(Path::new("data"), Path::new("tables"), &[], &mut |line| eprintln!("{line}"))?;
//! for corpus in unimse_corpus::read_tables(Path::new("tables"))? {
//!     println!("{}: {} utterances", corpus.name, corpus.utterances.len());
//! }
//! # Ok::<(), unimse_corpus::CorpusError>(())
//! ```

mod adapters;
mod cards;
mod context;
pub mod demo;
mod doctor;
mod draft;
mod error;
mod feature;
mod finding;
mod finite;
mod folder;
mod ingest;
pub mod mel;
mod mel_cache;
mod row_blocks;
mod schema;
mod staging;
#[cfg(feature = "statistics")]
mod statistics;
mod store;
mod utterance;
mod walk;

pub use context::{Context, context, windows};
pub use doctor::doctor;
pub use error::CorpusError;
pub use finding::{Finding, Severity};
pub use finite::zero_non_finite;
pub use ingest::{data_entries, ingest};
pub use row_blocks::RowBlocks;
pub use schema::{Steps, StepsRef};
pub use staging::abandon_ingest;
#[cfg(feature = "statistics")]
pub use statistics::statistics;
pub use store::{Summary, open_table, read_tables};
pub use unimse_labels::{Polarity, Split, Taxonomy};
pub use utterance::{Corpus, CorpusKind, INTENSITIES, Sequence, SourceFile, Task, Utterance};
