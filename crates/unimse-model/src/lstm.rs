//! Audio and video encoders (paper, section 3.3): one projection for each feature dimension, then an LSTM over packed sequences.
//!
//! Only the valid steps of a sequence are ever read: they are gathered first, so that padding costs nothing and may hold
//! anything, NaN included.

use std::collections::{BTreeMap, BTreeSet};

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use crate::batch::ModalityBatch;
use crate::config::LstmConfig;
use crate::error::{ModelError, Result};
use crate::layers::{Linear, dropout};

/// Where each valid step of some padded sequences goes when they are packed: longest sequence first, step by step.
struct Packing {
    /// Rows of the input, longest first.
    order: Vec<usize>,
    lengths: Vec<i64>,
    steps: i64,
}

impl Packing {
    /// `lengths` of at least 1 each.
    fn new(lengths: &[i64]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
        Self { order, lengths: lengths.to_vec(), steps: lengths.iter().copied().max().unwrap_or(0) }
    }

    /// `(row, step)` of every packed step, and how many sequences reach each step.
    fn steps(&self) -> (Vec<(usize, i64)>, Vec<i64>) {
        let mut alive = self.order.len();
        let mut steps = Vec::new();
        let mut sizes = Vec::new();
        for step in 0..self.steps {
            while alive > 0 && self.lengths[self.order[alive - 1]] <= step {
                alive -= 1;
            }
            steps.extend(self.order[..alive].iter().map(|&row| (row, step)));
            sizes.push(alive as i64);
        }
        (steps, sizes)
    }
}

/// A single-layer LSTM under PyTorch's parameter names (`weight_ih_l0`, ...), optionally in both directions.
#[derive(Debug)]
pub struct PackedLstm {
    parameters: Vec<Tensor>,
    hidden: i64,
    directions: i64,
}

impl PackedLstm {
    /// Every parameter uniform in `±1/sqrt(hidden)`, PyTorch's default.
    pub fn new(p: &Path<'_>, input: i64, hidden: i64, bidirectional: bool) -> Self {
        let bound = 1.0 / (hidden as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let suffixes: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
        let parameters = suffixes
            .iter()
            .flat_map(|suffix| {
                [
                    p.var(&format!("weight_ih_l0{suffix}"), &[4 * hidden, input], init),
                    p.var(&format!("weight_hh_l0{suffix}"), &[4 * hidden, hidden], init),
                    p.var(&format!("bias_ih_l0{suffix}"), &[4 * hidden], init),
                    p.var(&format!("bias_hh_l0{suffix}"), &[4 * hidden], init),
                ]
            })
            .collect();
        Self { parameters, hidden, directions: suffixes.len() as i64 }
    }

    /// Width of an output step: `hidden` for each direction.
    pub fn width(&self) -> i64 {
        self.hidden * self.directions
    }

    /// Runs over the valid steps of `x` `[rows, time, input]` fp32; `lengths` of 1 to `time`, in any order.
    ///
    /// Returns the outputs `[rows, time, width]`, zero beyond a row's length, and the state after the last valid step of each
    /// direction `[rows, width]`.
    pub fn forward(&self, x: &Tensor, lengths: &[i64]) -> (Tensor, Tensor) {
        let time = x.size()[1];
        let packing = Packing::new(lengths);
        let (steps, sizes) = packing.steps();
        let index: Vec<i64> = steps.iter().map(|&(row, step)| row as i64 * time + step).collect();
        let data = x.flatten(0, 1).index_select(0, &Tensor::from_slice(&index).to_device(x.device()));
        self.run(&data, &sizes, &steps, &packing, time)
    }

    /// `data` `[valid steps, input]` in packed order.
    fn run(&self, data: &Tensor, sizes: &[i64], steps: &[(usize, i64)], packing: &Packing, time: i64) -> (Tensor, Tensor) {
        let device = data.device();
        let rows = packing.order.len();
        let start = Tensor::zeros([self.directions, rows as i64, self.hidden], (Kind::Float, device));
        let (output, last, _) = Tensor::lstm_data(
            data,
            &Tensor::from_slice(sizes),
            &[&start, &start],
            &self.parameters.iter().collect::<Vec<_>>(),
            true,
            1,
            0.0,
            false,
            self.directions == 2,
        );
        // Back to [rows, time]: a step that is not valid reads the extra row of zeros at the end.
        let mut place = vec![steps.len() as i64; rows * time as usize];
        for (at, &(row, step)) in steps.iter().enumerate() {
            place[row * time as usize + step as usize] = at as i64;
        }
        let zero = Tensor::zeros([1, self.width()], (Kind::Float, device));
        let sequence = Tensor::cat(&[output, zero], 0)
            .index_select(0, &Tensor::from_slice(&place).to_device(device))
            .view([rows as i64, time, self.width()]);
        let mut back = vec![0i64; rows];
        for (at, &row) in packing.order.iter().enumerate() {
            back[row] = at as i64;
        }
        // [directions, rows, hidden] to [rows, directions * hidden], forward first.
        let last = last.transpose(0, 1).flatten(1, 2).index_select(0, &Tensor::from_slice(&back).to_device(device));
        (sequence, last)
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
    lstm: PackedLstm,
    output: Linear,
    dropout: f64,
}

impl ModalityEncoder {
    /// With an input projection `input_<dim>` for each of `dims`.
    pub fn new(p: &Path<'_>, dims: &BTreeSet<i64>, config: &LstmConfig) -> Self {
        let (input, hidden) = (config.input as i64, config.hidden as i64);
        Self {
            inputs: dims.iter().map(|&dim| (dim, Linear::new(&(p / format!("input_{dim}")), dim, input))).collect(),
            lstm: PackedLstm::new(&(p / "lstm"), input, hidden, false),
            output: Linear::new(&(p / "output"), hidden, hidden),
            dropout: config.dropout,
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
    pub fn forward(&self, batch: &ModalityBatch, device: Device, train: bool) -> Result<Option<ModalityStates>> {
        let mut rows = Vec::new();
        let mut lengths = Vec::new();
        // Projected valid steps of all groups, one after the other, and where the steps of each row begin in them.
        let mut projected = Vec::new();
        let mut begins = Vec::new();
        let mut count = 0i64;
        for group in &batch.groups {
            let time = group.check()?;
            let mut valid = Vec::new();
            for (at, (&row, &length)) in group.rows.iter().zip(&group.lengths).enumerate() {
                if length > 0 {
                    rows.push(row);
                    lengths.push(length);
                    begins.push(count);
                    valid.extend((0..length).map(|step| at as i64 * time + step));
                    count += length;
                }
            }
            if !valid.is_empty() {
                let input = self.inputs.get(&group.dim).ok_or_else(|| {
                    let known: Vec<_> = self.inputs.keys().collect();
                    ModelError::Input(format!("feature sequences: expected a dimension in {known:?}, found {}", group.dim))
                })?;
                let values = group.values.to_device(device).to_kind(Kind::Float).flatten(0, 1);
                projected.push(input.forward(&values.index_select(0, &Tensor::from_slice(&valid).to_device(device))));
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let packing = Packing::new(&lengths);
        let (steps, sizes) = packing.steps();
        let index: Vec<i64> = steps.iter().map(|&(row, step)| begins[row] + step).collect();
        let data = Tensor::cat(&projected, 0).index_select(0, &Tensor::from_slice(&index).to_device(device));
        let data = dropout(data, self.dropout, train);
        let (sequence, last) = self.lstm.run(&data, &sizes, &steps, &packing, packing.steps);
        let lengths = Tensor::from_slice(&lengths).to_device(device).unsqueeze(1);
        let mask = Tensor::arange(packing.steps, (Kind::Int64, device)).unsqueeze(0).lt_tensor(&lengths);
        let rows = Tensor::from_slice(&rows).to_device(device);
        Ok(Some(ModalityStates { rows, sequence, mask, last: self.output.forward(&last) }))
    }
}
