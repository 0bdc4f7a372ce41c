//! Rows as a user hands them in, JSON objects of `text, context, context_after, dialogue_id, turn, audio, video, clip, start_s, end_s` and any further columns:
//! what of them is ours, what their context is, and in which chunks a file of them is answered.

mod clip;
mod dialogue;
mod error;
mod feature;
mod row;

use rayon::prelude::*;
use serde_json::Value;

use crate::predict::{Input, Senses};
pub use dialogue::{Neighbours, contexts};
pub use error::{Reason, RowError};
pub use row::{Row, Texts};

/// Rows of a file that are answered at a time: enough that each length among them fills a batch.
const CHUNK: usize = 512;
/// Rows of a file with clips that are answered at a time: making their features takes longer than answering.
const CLIPS: usize = 32;

/// Rows of one file as the model of `senses` reads them, chunk by chunk; their feature files and clips are read with their chunk.
///
/// # Errors
/// [`RowError`] of the first row whose features cannot be read.
pub fn inputs(
    rows: Vec<Row>,
    neighbours: Neighbours,
    senses: &Senses,
) -> impl Iterator<Item = Result<Vec<Input>, RowError>> {
    let contexts = contexts(&rows, neighbours);
    let size = match rows.iter().any(Row::has_clip) {
        true => CLIPS,
        false => CHUNK,
    };
    let mut rows = rows.into_iter().zip(contexts);
    std::iter::from_fn(move || {
        let chunk: Vec<(Row, Texts)> = rows.by_ref().take(size).collect();
        let read = chunk
            .into_par_iter()
            .map(|(row, around)| row.input(around, senses));
        // all of them first: the error is that of the first row, whichever was read first
        let read: Vec<Result<Input, RowError>> = read.collect();
        let chunk: Result<Vec<Input>, RowError> = read.into_iter().collect();
        Some(chunk).filter(|chunk| !chunk.as_ref().is_ok_and(Vec::is_empty))
    })
}

/// A value in a message: its beginning.
#[must_use]
pub fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}
