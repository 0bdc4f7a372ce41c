//! Universal labels: one label space for sentiment scores and emotions, its text form, and the donor search that
//! fills it (UniMSE, section 3.2).
//!
//! A corpus for sentiment analysis knows an intensity and no emotion, a corpus for emotion recognition the reverse.
//! [`unify`] lets them lend labels to each other: every utterance takes what it lacks from the utterance of the same
//! polarity whose sentence embedding is nearest, and every field says where its value came from.
//!
//! ```
//! use unimse_labels::{Grammar, MeldEmotion, Polarity, Sample, Source, Split, UnifyOptions, fields_present, unify};
//!
//! let samples = [
//!     Sample::sentiment("mosi", "v1_1", "v1", Split::Train, 1.6),
//!     Sample::meld("meld", "dia0_utt0", "dia0", Split::Train, Polarity::Positive, MeldEmotion::Joy),
//!     Sample::meld("meld", "dia1_utt0", "dia1", Split::Train, Polarity::Positive, MeldEmotion::Surprise),
//! ];
//! let embeddings = [1.0, 0.0, /**/ 0.8, 0.6, /**/ 0.0, 1.0]; // [3, 2], unit rows, from any sentence encoder
//! let labels = unify(&samples, &embeddings, 2, &UnifyOptions::default())?;
//! let (first, grammar) = (labels[0].as_ref().ok_or("no polarity")?, Grammar::new(&fields_present(&samples)));
//! assert_eq!(grammar.format(&first.plain()), "positive,1.6,joy");
//! assert_eq!((first.meld.source, first.intensity.source), (Source::Donor, Source::Gold));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! How far such labels can be trusted is measured by [`agreement`]: donors are asked for labels that are known.
//!
//! In one file each: the closed vocabularies (`names`), the fields of a label and one thing for each (`field`), what emotions have in
//! common (`affect`), taxonomies by configuration (`custom`), labels with their provenance (`label`), the text form (`grammar`), its total parser (`parse`), what a
//! corpus brings (`sample`), the protocol (`unify`), its controls (`control`), its measurement (`agreement`), the nearest-neighbour
//! search over blocks (`search`) and the matrix product under it (`product`).
//!
//! [`search`] is of use by itself: exact, both directions from one pass, in memory or streamed from anywhere.
//!
//! The crate does no I/O, runs no model and knows no data set; it must stay free of LibTorch, arrow and polars.

mod affect;
mod agreement;
mod control;
mod custom;
mod field;
mod grammar;
mod label;
mod names;
mod options;
mod parse;
mod product;
mod sample;
mod search;
mod unify;

pub use affect::{Affect, BasicEmotion};
pub use agreement::{Agreement, Judged, Question, agreement};
pub use custom::{CustomEmotion, CustomTaxonomy, TaxonomyError};
pub use field::{FieldValue, LabelledField, PerField};
pub use grammar::{Form, Grammar};
pub use label::{Donor, Labelled, PlainLabel, UniversalLabel};
pub use names::{
    Field, IemocapEmotion, MeldEmotion, Polarity, Source, Split, Taxonomy, UnknownName,
};
pub use options::{DonorProtocol, QueryProtocol, UnifyOptions};
pub use parse::{ParseError, Parsed, Repair};
pub use sample::{Sample, fields_present};
pub use search::{Block, Candidate, Key, Matches, SearchError, search};
pub use unify::{UnifyError, unify, unify_while};
