//! One padded batch of utterances, and what the model is taught and answers about each of them.
//!
//! Text with context (paper, section 3.3) is `[batch, time]`; features of a modality are `[rows, steps, dim]` for each dimension they come
//! in, over the rows that have them; losses follow section 3.6, equation 7.

use std::collections::BTreeSet;

use tch::{Device, Kind, Tensor};
use unimse_labels::{Field, PerField, PlainLabel};

use crate::checkpointing::Tape;
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
    /// Pads and groups the sequences of a batch, one entry per row; `None` and empty sequences are absent.
    ///
    /// # Errors
    /// A sequence whose length is no multiple of its dimension, or with a value that is not finite.
    pub fn collate(
        sequences: &[Option<SequenceRef<'_>>],
        device: Device,
    ) -> Result<Self, BatchError> {
        let mut by_dim: std::collections::BTreeMap<usize, Vec<(usize, &[f32])>> =
            std::collections::BTreeMap::new();
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

/// Texts are padded to a multiple of this. oneDNN compiles and keeps code for every new shape of a matrix product: eight times fewer shapes
/// keep its cache small (1.5 instead of 3.4 GiB after eight demo epochs) and most products ready (a fifth less time an epoch).
pub(crate) const TIME_STEP: usize = 8;

/// Tokens, padding included, that a row of `tokens` tokens takes in a batch whose longest row it is.
#[must_use]
pub fn padded(tokens: usize) -> usize {
    tokens.next_multiple_of(TIME_STEP)
}

/// A padded batch. Build it with [`Batch::collate`].
#[derive(Debug)]
pub struct Batch {
    /// `[batch, time]` i64 token ids.
    pub tokens: Tensor,
    /// `[batch, time]` bool, true where a token stands.
    pub mask: Tensor,
    /// `[batch, time]` i64: 0 before, 1 current, 2 after the current utterance.
    pub segments: Tensor,
    /// Acoustic features.
    pub audio: ModalityBatch,
    /// Visual features.
    pub video: ModalityBatch,
    /// `[batch]` i64: which utterance a row holds. Rows of one utterance are no negatives of each other in the contrastive losses.
    /// `None`, as [`Batch::collate`] gives it, where every row is another utterance.
    pub identity: Option<Tensor>,
    /// Rows.
    pub size: i64,
}

impl Batch {
    /// Pads `(ids, segments)` of every row with `pad`, to a multiple of 8 tokens, and joins them with their features.
    ///
    /// # Errors
    /// A row without tokens, or whose segments do not match its tokens.
    pub fn collate(
        rows: &[(&[i64], &[i64])],
        pad: i64,
        audio: ModalityBatch,
        video: ModalityBatch,
        device: Device,
    ) -> Result<Self, BatchError> {
        let longest = rows.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0);
        let longest = padded(longest);
        let mut tokens = vec![pad; rows.len() * longest];
        let mut segments = vec![1i64; rows.len() * longest];
        let mut mask = vec![false; rows.len() * longest];
        for (row, (ids, kinds)) in rows.iter().enumerate() {
            if ids.is_empty() || ids.len() != kinds.len() {
                return Err(BatchError::Tokens {
                    row,
                    tokens: ids.len(),
                    segments: kinds.len(),
                });
            }
            let at = row * longest;
            tokens[at..at + ids.len()].copy_from_slice(ids);
            segments[at..at + ids.len()].copy_from_slice(kinds);
            mask[at..at + ids.len()].fill(true);
        }
        let shape = [rows.len() as i64, longest as i64];
        let place = |values: &[i64]| Tensor::from_slice(values).view(shape).to_device(device);
        Ok(Self {
            tokens: place(&tokens),
            segments: place(&segments),
            mask: Tensor::from_slice(&mask)
                .view(shape)
                .to_kind(Kind::Bool)
                .to_device(device),
            audio,
            video,
            identity: None,
            size: rows.len() as i64,
        })
    }
}

impl Batch {
    /// Refuses what LibTorch would answer with an obscure message or an invalid memory access.
    ///
    /// # Errors
    /// Shapes that do not fit each other, no row, more than `max_positions` tokens, ids of `vocabulary` and above, segments that are
    /// not 0, 1 or 2, features of rows that do not exist or have some already.
    pub(crate) fn check(&self, vocabulary: i64, max_positions: Option<i64>) -> Result<()> {
        let expect = |what: &str, expected: String, found: String| {
            Err(ModelError::Input(format!(
                "{what}: expected {expected}, found {found}"
            )))
        };
        let size = self.tokens.size();
        if size.len() != 2 || size[0] != self.size || size[0] == 0 || size[1] == 0 {
            return expect(
                "batch.tokens",
                format!("shape [{}, time], neither of them 0", self.size),
                format!("{size:?}"),
            );
        }
        for (what, tensor) in [
            ("batch.mask", &self.mask),
            ("batch.segments", &self.segments),
        ] {
            if tensor.size() != size {
                return expect(
                    what,
                    format!("shape {size:?}"),
                    format!("{:?}", tensor.size()),
                );
            }
        }
        if let Some(identity) = &self.identity
            && (identity.size() != [self.size] || identity.kind() != Kind::Int64)
        {
            return expect(
                "batch.identity",
                format!("shape [{}] of i64", self.size),
                format!("{:?} of {:?}", identity.size(), identity.kind()),
            );
        }
        if let Some(most) = max_positions {
            let beyond = (size[1] - most).max(0);
            let outside = self.mask.narrow(1, size[1] - beyond, beyond);
            if beyond > 0 && outside.any().int64_value(&[]) != 0 {
                return expect(
                    "batch.tokens",
                    format!("at most {most} tokens"),
                    size[1].to_string(),
                );
            }
        }
        for (what, ids, count) in [
            ("token ids", &self.tokens, vocabulary),
            ("segments", &self.segments, 3),
        ] {
            let (low, high) = (ids.min().int64_value(&[]), ids.max().int64_value(&[]));
            if low < 0 || high >= count {
                return expect(
                    what,
                    format!("0 to {}", count - 1),
                    format!("{low} to {high}"),
                );
            }
        }
        for (what, modality) in [("batch.audio", &self.audio), ("batch.video", &self.video)] {
            let mut seen = BTreeSet::new();
            for &row in modality.groups.iter().flat_map(|group| &group.rows) {
                if row < 0 || row >= self.size || !seen.insert(row) {
                    return expect(
                        what,
                        format!("rows of 0 to {}, each once", self.size - 1),
                        row.to_string(),
                    );
                }
            }
        }
        Ok(())
    }
}

/// What one utterance should be answered with. A field that is `None` in the label is masked whatever its weight.
#[derive(Debug, Clone)]
pub struct Target {
    /// The label.
    pub label: PlainLabel,
    /// How much each field counts in the loss; 0 masks it.
    pub weights: PerField<f32>,
}

/// Losses of one batch; [`Losses::backward`] computes their gradients. `'m` is the life of the model.
#[derive(Debug)]
pub struct Losses<'m> {
    /// Scalar f32: `task + alpha * sum text_audio + beta * sum text_video` (paper, equation 7). Differentiable, except under
    /// gradient checkpointing, where it has no graph and only [`Losses::backward`] knows the way.
    pub total: Tensor,
    /// Task loss, the mean over utterances of the weighted sum over fields.
    pub task: f64,
    /// Contrastive loss text-audio of each fused layer, first to last; empty where it was not computed.
    pub text_audio: Vec<f64>,
    /// Contrastive loss text-video of each fused layer, first to last; empty where it was not computed.
    pub text_video: Vec<f64>,
    /// Under gradient checkpointing the differentiable total and what it was computed on.
    pub(crate) checkpoints: Option<(Tensor, Tape<'m>)>,
}

impl Losses<'_> {
    /// Adds the gradients of `weight * total` to those of the model's parameters.
    pub fn backward(self, weight: f64) {
        match self.checkpoints {
            None => (self.total * weight).backward(),
            Some((total, tape)) => tape.backward(&(total * weight)),
        }
    }
}

/// What the model says about one utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The generated label as text.
    pub raw: String,
    /// Probability of negative, neutral, positive.
    pub polarity: [f64; 3],
    /// `(score, probability)` of every score the grammar can print, ascending; probabilities sum to 1. Empty where the grammar has no intensity.
    pub intensity: Vec<(f32, f64)>,
    /// Probability of each MELD emotion in canonical order; `None` where the grammar lacks the field.
    pub meld: Option<Vec<f64>>,
    /// Probability of each IEMOCAP emotion in canonical order; `None` where the grammar lacks the field.
    pub iemocap: Option<Vec<f64>>,
    /// Probability of the beginnings of labels that were not followed, the largest over the fields: the probabilities of no field are
    /// further off than this in total variation. 0 where every label was followed.
    pub unexplored: f64,
    /// The label that `raw` reads as.
    pub text_label: PlainLabel,
    /// Repairs the parser made while reading `raw`.
    pub repairs: usize,
    /// Whether `raw` could be read at all.
    pub parsable: bool,
}

impl Prediction {
    /// Probability of each class of a field, in canonical order; `None` for the intensity and for a field that the model does not speak.
    #[must_use]
    pub fn classes(&self, field: Field) -> Option<&[f64]> {
        match field {
            Field::Polarity => Some(&self.polarity),
            Field::Intensity => None,
            Field::Meld => self.meld.as_deref(),
            Field::Iemocap => self.iemocap.as_deref(),
        }
    }

    /// Expected intensity under [`Prediction::intensity`]; 0 where there is none.
    pub fn expected_intensity(&self) -> f64 {
        self.intensity
            .iter()
            .map(|&(value, p)| f64::from(value) * p)
            .sum()
    }

    /// The score below which a share `q` of the intensity distribution lies (0.5: the median); 0 where there is none.
    pub fn intensity_quantile(&self, q: f64) -> f64 {
        let mut below = 0.0;
        for &(value, p) in &self.intensity {
            below += p;
            if below >= q {
                return f64::from(value);
            }
        }
        self.intensity
            .last()
            .map_or(0.0, |&(value, _)| f64::from(value))
    }
}
