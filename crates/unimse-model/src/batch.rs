//! One padded batch of utterances, and what the model is taught and answers about each of them.
//!
//! Text with context (paper, section 3.3) is `[batch, time]`; features lie beside it ([`ModalityBatch`]).

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use unimse_labels::{Field, PerField, PlainLabel};

use crate::error::{ModelError, Result};
use crate::feature_batch::{BatchError, ModalityBatch};

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
    /// Every row twice, the second time behind the first, as one utterance: two passes with different dropout.
    pub(crate) fn twice(&self) -> Self {
        let double = |x: &Tensor| Tensor::cat(&[x, x], 0);
        let rows = || Tensor::arange(self.size, (Kind::Int64, self.tokens.device()));
        Self {
            tokens: double(&self.tokens),
            mask: double(&self.mask),
            segments: double(&self.segments),
            audio: self.audio.twice(self.size),
            video: self.video.twice(self.size),
            identity: Some(double(
                &self
                    .identity
                    .as_ref()
                    .map_or_else(rows, Tensor::shallow_clone),
            )),
            size: 2 * self.size,
        }
    }

    /// Refuses what LibTorch would answer with an obscure message or an invalid memory access.
    ///
    /// # Errors
    /// Shapes that do not fit each other, no row, more than `max_positions` tokens, ids of `vocabulary` and above, segments that are
    /// not 0, 1 or 2, features of rows that do not exist or have some already.
    pub(crate) fn check(&self, vocabulary: i64, max_positions: Option<i64>) -> Result<()> {
        self.check_shapes()?;
        self.check_positions(max_positions)?;
        check_ids("token ids", &self.tokens, vocabulary)?;
        check_ids("segments", &self.segments, 3)?;
        self.audio.check("batch.audio", self.size)?;
        self.video.check("batch.video", self.size)
    }

    fn check_shapes(&self) -> Result<()> {
        let size = self.tokens.size();
        if size.len() != 2 || size[0] != self.size || size[0] == 0 || size[1] == 0 {
            let expected = format!("shape [{}, time], neither of them 0", self.size);
            return expect("batch.tokens", expected, format!("{size:?}"));
        }
        for (what, tensor) in [
            ("batch.mask", &self.mask),
            ("batch.segments", &self.segments),
        ] {
            let found = tensor.size();
            if found != size {
                return expect(what, format!("shape {size:?}"), format!("{found:?}"));
            }
        }
        match &self.identity {
            Some(of) if of.size() != [self.size] || of.kind() != Kind::Int64 => expect(
                "batch.identity",
                format!("shape [{}] of i64", self.size),
                format!("{:?} of {:?}", of.size(), of.kind()),
            ),
            _ => Ok(()),
        }
    }

    /// Padding may reach beyond the positions that a backbone knows, tokens may not.
    fn check_positions(&self, max_positions: Option<i64>) -> Result<()> {
        let Some(most) = max_positions else {
            return Ok(());
        };
        let time = self.tokens.size()[1];
        let beyond = (time - most).max(0);
        let outside = self.mask.narrow(1, time - beyond, beyond);
        if beyond > 0 && outside.any().int64_value(&[]) != 0 {
            let expected = format!("at most {most} tokens");
            return expect("batch.tokens", expected, time.to_string());
        }
        Ok(())
    }
}

/// Refuses `ids` below 0, or of `count` and above.
fn check_ids(what: &str, ids: &Tensor, count: i64) -> Result<()> {
    let (low, high) = (ids.min().int64_value(&[]), ids.max().int64_value(&[]));
    if low < 0 || high >= count {
        let (expected, found) = (format!("0 to {}", count - 1), format!("{low} to {high}"));
        return expect(what, expected, found);
    }
    Ok(())
}

fn expect(what: &str, expected: String, found: String) -> Result<()> {
    Err(ModelError::Input(format!(
        "{what}: expected {expected}, found {found}"
    )))
}

/// What one utterance should be answered with. A field that is `None` in the label is masked whatever its weight.
#[derive(Debug, Clone)]
pub struct Target {
    /// The label.
    pub label: PlainLabel,
    /// How much each field counts in the loss; 0 masks it.
    pub weights: PerField<f32>,
}

/// What the model says about one utterance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
