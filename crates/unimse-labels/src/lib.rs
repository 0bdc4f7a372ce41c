#![doc = include_str!("../README.md")]
//!
//! How far such labels can be trusted is measured by [`agreement`]: donors are asked for labels that are known.
//!
//! In one file each: the closed vocabularies (`names`), the fields of a label and one thing for each (`field`), what emotions have in
//! common (`affect`), taxonomies by configuration (`custom`), labels with their provenance (`label`), the text form (`grammar`), its total parser (`parse`), what a
//! corpus brings (`sample`), the protocol (`unify`), the same for a stream (`labeller`), its controls (`control`), its measurement (`agreement`), the
//! nearest-neighbour search over blocks (`search`) and the matrix product under it (`product`).
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
mod labeller;
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
pub use labeller::Labeller;
pub use names::{
    Field, IemocapEmotion, MeldEmotion, Polarity, Source, Split, Taxonomy, UnknownName,
};
pub use options::{DonorProtocol, QueryProtocol, UnifyOptions};
pub use parse::{ParseError, Parsed, Repair};
pub use sample::{Sample, fields_present};
pub use search::{Block, Candidate, Key, Matches, SearchError, search};
pub use unify::{UnifyError, unify, unify_while};
