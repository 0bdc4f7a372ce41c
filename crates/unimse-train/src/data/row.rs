//! One utterance as the model reads it, and rows padded into a batch: the same for training, evaluation and prediction.

use tch::Device;
use unimse_corpus::Sequence;
use unimse_model::{Batch, BatchError, ModalityBatch, SequenceRef};

/// An encoded utterance with its features, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Token ids of the context window.
    pub ids: &'a [i64],
    /// Segment of every token: 0 before, 1 current, 2 after.
    pub segments: &'a [i64],
    /// Standardised acoustic features; `None` where the utterance, or the model, has none.
    pub audio: Option<SequenceRef<'a>>,
    /// Standardised visual features.
    pub video: Option<SequenceRef<'a>>,
}

/// Features as a row has them.
#[must_use]
pub fn features(sequence: Option<&Sequence>) -> Option<SequenceRef<'_>> {
    sequence.map(|s| SequenceRef {
        dim: s.dim,
        values: &s.values,
    })
}

/// Pads rows into one batch on `device`; `pad` is the id of padding.
///
/// # Errors
/// [`BatchError`] with the row that cannot be used.
pub fn collate(rows: &[Row<'_>], pad: i64, device: Device) -> Result<Batch, BatchError> {
    let texts: Vec<_> = rows.iter().map(|r| (r.ids, r.segments)).collect();
    let audio: Vec<_> = rows.iter().map(|r| r.audio).collect();
    let video: Vec<_> = rows.iter().map(|r| r.video).collect();
    let audio = ModalityBatch::collate(&audio, device)?;
    let video = ModalityBatch::collate(&video, device)?;
    Batch::collate(&texts, pad, audio, video, device)
}
