//! One adapter a data set, one Arrow schema, Parquet tables, splits, context, doctor.
//!
//! This crate alone knows how MOSI, MOSEI, MELD and IEMOCAP lie on disk (`docs/datasets.md` describes the layouts).
//! It joins by id, never by row order, and keeps a missing modality null. It must not know models, metrics or the
//! text form of labels, and it never uses the labels of test rows for anything but copying them.
//!
//! ```no_run
//! use std::path::Path;
//! use unimse_corpus::Split;
//!
//! unimse_corpus::ingest(Path::new("data"), Path::new("tables"), &[], &mut |line| eprintln!("{line}"))?;
//! for corpus in unimse_corpus::read(Path::new("tables"), &Split::ALL)? {
//!     println!("{}: {} utterances", corpus.name, corpus.utterances.len());
//! }
//! # Ok::<(), unimse_corpus::CorpusError>(())
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod adapters;
mod cards;
pub mod cell;
mod code;
mod context;
mod croissant;
pub mod demo;
mod doctor;
mod draft;
mod error;
mod feature;
mod finding;
mod folder;
#[cfg(feature = "frame")]
mod frame;
mod hints;
mod ingest;
mod known;
mod labels;
mod mel_cache;
mod parts;
mod samples;
mod schema;
pub mod splits;
mod staging;
mod store;
mod utterance;
mod walk;

pub use code::Code;
pub use context::{Context, context, windows};
pub use doctor::doctor;
pub use error::CorpusError;
pub use finding::{Finding, Severity};
#[cfg(feature = "frame")]
pub use frame::{FRAME_KEYS, frame, queries, steps, tables_in};
pub use hints::{Hint, hints};
pub use ingest::{data_entries, ingest, ingest_while};
pub use labels::{LabelRow, label_row, labels_to_batch};
pub use parts::parts;
#[cfg(feature = "frame")]
pub use polars;
pub use samples::samples_from_batch;
pub use schema::{Steps, StepsRef};
pub use staging::abandon_ingest;
pub use store::{Summary, open_table, read};
pub use unimse_formats::zero_non_finite;
pub use unimse_labels::{Polarity, Split, Taxonomy};
pub use unimse_media::Sequence;
pub use utterance::{Corpus, CorpusKind, INTENSITIES, SourceFile, Task, Utterance};
