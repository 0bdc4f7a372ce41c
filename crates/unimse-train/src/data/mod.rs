//! From tables to batches: utterances and labels joined by id, feature scales, the order of an epoch, padding.

pub mod dataset;
pub mod labels_table;
pub mod normaliser;
pub mod reader;
pub mod row;
pub mod sampler;
pub mod voice;
