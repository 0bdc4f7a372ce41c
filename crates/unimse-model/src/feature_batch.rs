//! The feature sequences of a batch, padded: `[rows, steps, dim]` for each dimension they come in, over the rows that have them.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Device, Tensor};

use crate::error::{ModelError, Result};

/// Feature sequences of one modality that share a dimension.
#[derive(Debug)]
pub struct FeatureGroup {
    /// Feature dimension D.
    pub dim: i64,
    /// Rows of the batch the sequences belong to, one each.
    pub rows: Vec<i64>,
    /// `[rows, time, dim]` f32; what lies beyond a row's length is never read.
    pub values: Tensor,
    /// Valid steps of each row; 0 means absent.
    pub lengths: Vec<i64>,
}

impl FeatureGroup {
    /// Padded number of steps.
    ///
    /// # Errors
    /// Rows, lengths and values that do not fit each other.
    pub(crate) fn check(&self) -> Result<i64> {
        let size = self.values.size();
        let rows = self.rows.len() as i64;
        let fits = size.len() == 3
            && size[0] == rows
            && size[2] == self.dim
            && self.lengths.len() == self.rows.len();
        if !fits {
            let (dim, lengths) = (self.dim, self.lengths.len());
            return Err(ModelError::Input(format!(
                "feature group: expected values of shape [{rows}, time, {dim}] and {rows} lengths, found {size:?} and {lengths}"
            )));
        }
        if let Some(length) = self
            .lengths
            .iter()
            .find(|&&length| length < 0 || length > size[1])
        {
            return Err(ModelError::Input(format!(
                "feature group: expected lengths of 0 to {}, found {length}",
                size[1]
            )));
        }
        Ok(size[1])
    }
}

/// One modality of a batch; rows in no group are absent.
#[derive(Debug, Default)]
pub struct ModalityBatch {
    /// One group per feature dimension.
    pub groups: Vec<FeatureGroup>,
}

/// A feature sequence of one utterance, borrowed: row-major `[steps, dim]`.
#[derive(Debug, Clone, Copy)]
pub struct SequenceRef<'a> {
    /// Feature dimension D.
    pub dim: usize,
    /// `steps * dim` values.
    pub values: &'a [f32],
}

/// A feature sequence that cannot be batched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BatchError {
    /// The number of values is no multiple of the dimension.
    #[error("row {row}: expected a multiple of {dim} feature values, found {found}")]
    Shape {
        /// Row of the batch.
        row: usize,
        /// Feature dimension.
        dim: usize,
        /// Number of values.
        found: usize,
    },
    /// A feature is NaN or infinite.
    #[error("row {row}, step {step}, feature {feature}: expected a finite number, found {value}")]
    NotFinite {
        /// Row of the batch.
        row: usize,
        /// Step of the sequence.
        step: usize,
        /// Feature of the step.
        feature: usize,
        /// The value.
        value: f32,
    },
    /// An encoded text holds no token, or as many segments as tokens are missing.
    #[error(
        "row {row}: expected as many segments as tokens and at least one token, found {tokens} tokens and {segments} segments"
    )]
    Tokens {
        /// Row of the batch.
        row: usize,
        /// Tokens of the row.
        tokens: usize,
        /// Segments of the row.
        segments: usize,
    },
}

impl BatchError {
    /// Row of the batch that is at fault.
    pub fn row(&self) -> usize {
        match *self {
            Self::Shape { row, .. } | Self::NotFinite { row, .. } | Self::Tokens { row, .. } => row,
        }
    }
}

impl ModalityBatch {
    /// The sequences of a batch of `size` rows, and again for the rows behind them.
    pub(crate) fn twice(&self, size: i64) -> Self {
        let double = |group: &FeatureGroup| FeatureGroup {
            dim: group.dim,
            rows: group
                .rows
                .iter()
                .copied()
                .chain(group.rows.iter().map(|row| row + size))
                .collect(),
            values: Tensor::cat(&[&group.values, &group.values], 0),
            lengths: group.lengths.repeat(2),
        };
        Self {
            groups: self.groups.iter().map(double).collect(),
        }
    }

    /// Pads and groups the sequences of a batch, one entry per row; `None` and empty sequences are absent.
    ///
    /// # Errors
    /// A sequence whose length is no multiple of its dimension, or with a value that is not finite.
    pub fn collate(
        sequences: &[Option<SequenceRef<'_>>],
        device: Device,
    ) -> Result<Self, BatchError> {
        let mut by_dim: BTreeMap<usize, Vec<(usize, &[f32])>> = BTreeMap::new();
        for (row, sequence) in sequences.iter().enumerate() {
            let Some(SequenceRef { dim, values }) = *sequence else {
                continue;
            };
            if dim == 0 || !values.len().is_multiple_of(dim) {
                return Err(BatchError::Shape {
                    row,
                    dim,
                    found: values.len(),
                });
            }
            if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                return Err(BatchError::NotFinite {
                    row,
                    step: at / dim,
                    feature: at % dim,
                    value: values[at],
                });
            }
            if !values.is_empty() {
                by_dim.entry(dim).or_default().push((row, values));
            }
        }
        let groups = by_dim
            .into_iter()
            .map(|(dim, members)| {
                let longest = members.iter().map(|(_, v)| v.len()).max().unwrap_or(0);
                let mut padded = vec![0f32; members.len() * longest];
                for (slot, (_, values)) in padded.chunks_exact_mut(longest).zip(&members) {
                    slot[..values.len()].copy_from_slice(values);
                }
                FeatureGroup {
                    dim: dim as i64,
                    rows: members.iter().map(|&(row, _)| row as i64).collect(),
                    lengths: members
                        .iter()
                        .map(|(_, v)| (v.len() / dim) as i64)
                        .collect(),
                    values: Tensor::from_slice(&padded)
                        .view([members.len() as i64, (longest / dim) as i64, dim as i64])
                        .to_device(device),
                }
            })
            .collect();
        Ok(Self { groups })
    }
}

impl ModalityBatch {
    /// Refuses features of rows that a batch of `size` rows does not have, or of a row that has some already; `what` names the modality.
    pub(crate) fn check(&self, what: &str, size: i64) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut rows = self.groups.iter().flat_map(|group| &group.rows);
        match rows.find(|&&row| row < 0 || row >= size || !seen.insert(row)) {
            Some(row) => Err(ModelError::Input(format!(
                "{what}: expected rows of 0 to {}, each once, found {row}",
                size - 1
            ))),
            None => Ok(()),
        }
    }
}
