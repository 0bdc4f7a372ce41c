//! Audio and video encoders (paper, section 3.3): one projection for each feature dimension, then an LSTM over sequences of
//! different lengths: features `[rows, steps, dim]` to outputs `[present, steps, hidden]` and last states `[present, hidden]`.
//!
//! Only the valid steps of a sequence are ever read: they are gathered first, so that padding may hold anything, NaN
//! included, and costs no projection. The recurrence then runs over the gathered steps in rows of equal length; an LSTM
//! cannot look ahead, so what stands behind a row's last step changes nothing before it, and the result is that of packed
//! sequences. LibTorch's own packed kernel copies the whole batch at every step of its backward pass: with 400 steps it
//! takes 12 times as long.

use std::collections::{BTreeMap, BTreeSet};

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use crate::config::LstmConfig;
use crate::error::{ModelError, Result};
use crate::feature_batch::ModalityBatch;
use crate::layers::{Linear, dropout};
use crate::variables::variable;

/// A single-layer LSTM under PyTorch's parameter names (`weight_ih_l0`, ...), optionally in both directions.
#[derive(Debug)]
pub struct Lstm {
    /// Weights and biases of each direction.
    directions: Vec<[Tensor; 4]>,
    hidden: i64,
}

impl Lstm {
    /// Every parameter uniform in `±1/sqrt(hidden)`, PyTorch's default.
    pub fn new(p: &Path<'_>, input: i64, hidden: i64, bidirectional: bool) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let suffixes: &[&str] = if bidirectional {
            &["", "_reverse"]
        } else {
            &[""]
        };
        let direction = |suffix: &&str| {
            [
                variable(
                    p,
                    &format!("weight_ih_l0{suffix}"),
                    &[4 * hidden, input],
                    init,
                ),
                variable(
                    p,
                    &format!("weight_hh_l0{suffix}"),
                    &[4 * hidden, hidden],
                    init,
                ),
                variable(p, &format!("bias_ih_l0{suffix}"), &[4 * hidden], init),
                variable(p, &format!("bias_hh_l0{suffix}"), &[4 * hidden], init),
            ]
        };
        Self {
            directions: suffixes.iter().map(direction).collect(),
            hidden,
        }
    }

    /// Width of an output step: `hidden` for each direction.
    pub fn width(&self) -> i64 {
        self.hidden * self.directions.len() as i64
    }

    /// Runs over rows of valid steps, one row after the other: `steps` `[sum of lengths, input]` fp32, `lengths` of at least 1 each,
    /// in any order.
    ///
    /// Returns the outputs `[rows, longest, width]`, zero beyond a row's length, their mask `[rows, longest]` bool, and the state
    /// after the last step of each direction `[rows, width]`.
    pub fn forward(&self, steps: &Tensor, lengths: &[i64]) -> (Tensor, Tensor, Tensor) {
        let device = steps.device();
        let (rows, time) = (
            lengths.len() as i64,
            lengths.iter().copied().max().unwrap_or(0),
        );
        let place = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let mask = Tensor::arange(time, (Kind::Int64, device))
            .unsqueeze(0)
            .lt_tensor(&place(lengths).unsqueeze(1));
        let start = Tensor::zeros([1, rows, self.hidden], (Kind::Float, device));
        let last: Vec<i64> = (0..rows)
            .zip(lengths)
            .map(|(row, length)| row * time + length - 1)
            .collect();
        let last = place(&last);
        let (mut outputs, mut ends) = (Vec::new(), Vec::new());
        for (direction, parameters) in self.directions.iter().enumerate() {
            // Where each place of [rows, time] finds its step, in reading order; and, for the way back, each step its place.
            let (mut find, mut back) = (Vec::new(), Vec::new());
            let mut begin = 0;
            for (row, &length) in (0..).zip(lengths) {
                let ordered = |at: i64| if direction == 0 { at } else { length - 1 - at };
                // Behind the last step anything finite will do.
                find.extend((0..time).map(|at| {
                    if at < length {
                        begin + ordered(at)
                    } else {
                        begin
                    }
                }));
                back.extend(
                    (0..time).map(|at| row * time + if at < length { ordered(at) } else { at }),
                );
                begin += length;
            }
            let padded = steps.index_select(0, &place(&find)).view([rows, time, -1]);
            let (output, _, _) = padded.lstm(
                &[&start, &start],
                &parameters.iter().collect::<Vec<_>>(),
                true,
                1,
                0.0,
                true, // training: without it cuDNN refuses the backward pass; with no dropout it changes no value
                false,
                true,
            );
            let flat = output.flatten(0, 1);
            ends.push(flat.index_select(0, &last));
            outputs.push(if direction == 0 {
                output
            } else {
                flat.index_select(0, &place(&back)).view_as(&output)
            });
        }
        let sequence =
            Tensor::cat(&outputs, -1).masked_fill(&mask.logical_not().unsqueeze(-1), 0.0);
        (sequence, mask, Tensor::cat(&ends, -1))
    }
}

/// What one modality says about the utterances of a batch that have it.
#[derive(Debug)]
pub struct ModalityStates {
    /// `[present]` i64: rows of the batch.
    pub rows: Tensor,
    /// `[present, time, hidden]` fp32, zero beyond the lengths.
    pub sequence: Tensor,
    /// `[present, time]` bool, true on valid steps.
    pub mask: Tensor,
    /// `[present, hidden]` fp32: linear map of the state after the last valid step.
    pub last: Tensor,
}

/// Encoder of one modality.
#[derive(Debug)]
pub struct ModalityEncoder {
    inputs: BTreeMap<i64, Linear>,
    lstm: Lstm,
    output: Linear,
    dropout: f64,
}

impl ModalityEncoder {
    /// With an input projection `input_<dim>` for each of `dims`.
    pub fn new(p: &Path<'_>, dims: &BTreeSet<i64>, config: &LstmConfig) -> Self {
        let (input, hidden) = (config.input.get() as i64, config.hidden.get() as i64);
        Self {
            inputs: dims
                .iter()
                .map(|&dim| (dim, Linear::new(&(p / format!("input_{dim}")), dim, input)))
                .collect(),
            lstm: Lstm::new(&(p / "lstm"), input, hidden, false),
            output: Linear::new(&(p / "output"), hidden, hidden),
            dropout: config.dropout.get(),
        }
    }

    /// Width of [`ModalityStates::last`].
    pub fn width(&self) -> i64 {
        self.lstm.width()
    }

    /// Encodes the sequences of `batch`, whatever their dimensions, in one run of the LSTM; `None` where no row has a step.
    ///
    /// # Errors
    /// A dimension without a projection, lengths that do not fit their tensor.
    pub fn forward(
        &self,
        batch: &ModalityBatch,
        device: Device,
        train: bool,
    ) -> Result<Option<ModalityStates>> {
        let mut rows = Vec::new();
        let mut lengths = Vec::new();
        let mut projected = Vec::new();
        for group in &batch.groups {
            let time = group.check()?;
            let mut valid = Vec::new();
            for (at, (&row, &length)) in group.rows.iter().zip(&group.lengths).enumerate() {
                if length > 0 {
                    rows.push(row);
                    lengths.push(length);
                    valid.extend((0..length).map(|step| at as i64 * time + step));
                }
            }
            if !valid.is_empty() {
                let input = self.inputs.get(&group.dim).ok_or_else(|| {
                    let known: Vec<_> = self.inputs.keys().collect();
                    ModelError::Input(format!(
                        "feature sequences: expected a dimension in {known:?}, found {}",
                        group.dim
                    ))
                })?;
                let values = group
                    .values
                    .to_device(device)
                    .to_kind(Kind::Float)
                    .flatten(0, 1);
                projected.push(input.forward(
                    &values.index_select(0, &Tensor::from_slice(&valid).to_device(device)),
                ));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let steps = dropout(Tensor::cat(&projected, 0), self.dropout, train);
        let (sequence, mask, last) = self.lstm.forward(&steps, &lengths);
        let rows = Tensor::from_slice(&rows).to_device(device);
        Ok(Some(ModalityStates {
            rows,
            sequence,
            mask,
            last: self.output.forward(&last),
        }))
    }
}
