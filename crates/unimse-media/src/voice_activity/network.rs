//! The network of silero-vad 6 at 16 kHz: a short-time Fourier transform as a convolution, four convolutions with a rectifier, one LSTM cell that goes from
//! window to window, and one output.

use std::path::Path;

use unimse_formats::FormatError;

use super::WINDOW;
use crate::video::Weights;

/// Samples of the window before that a window sees too, and samples mirrored behind it.
const CONTEXT: usize = 64;
const MIRRORED: usize = 64;
/// Samples of a frame, and from frame to frame.
const FRAME: usize = 256;
const HOP: usize = 128;
/// Frames of a window, and frequencies of a frame.
const FRAMES: usize = (CONTEXT + WINDOW + MIRRORED - FRAME) / HOP + 1;
const BINS: usize = FRAME / 2 + 1;
/// Width of the state.
const STATE: usize = 128;
/// Taps of a convolution.
const TAPS: usize = 3;
/// Inputs, outputs and stride of the convolutions.
const CONVOLUTIONS: [[usize; 3]; 4] = [[BINS, 128, 1], [128, 64, 2], [64, 64, 2], [64, STATE, 1]];
/// Accumulators of a sum, so that the compiler can use vectors.
const LANES: usize = 8;

pub(super) struct Network {
    /// `[2 * BINS, FRAME]`: cosines, then sines.
    transform: Vec<f32>,
    convolutions: Vec<Convolution>,
    /// `[4 * STATE, STATE]` for the input and for the state, gates in the order input, forget, cell, output.
    from_input: Vec<f32>,
    from_state: Vec<f32>,
    /// Sum of both biases, `[4 * STATE]`.
    gates: Vec<f32>,
    last: Vec<f32>,
    bias: f32,
}

impl Network {
    pub(super) fn load(path: &Path) -> Result<Self, FormatError> {
        let mut weights = Weights::safetensors(path)?;
        let mut convolutions = Vec::with_capacity(CONVOLUTIONS.len());
        for (index, [inputs, outputs, stride]) in CONVOLUTIONS.into_iter().enumerate() {
            let name = format!("conv{}", index + 1);
            let kernels = weights.take(&format!("{name}.weight"), &[outputs, inputs, TAPS])?;
            convolutions.push(Convolution {
                taps: by_tap(&kernels, inputs),
                bias: weights.take(&format!("{name}.bias"), &[outputs])?,
                inputs,
                stride,
            });
        }
        let mut gates = weights.take("lstm_cell.bias_ih", &[4 * STATE])?;
        let more = weights.take("lstm_cell.bias_hh", &[4 * STATE])?;
        gates
            .iter_mut()
            .zip(more)
            .for_each(|(gate, more)| *gate += more);
        let bias = weights.take("final_conv.bias", &[1])?;
        Ok(Self {
            transform: weights.take("stft_conv.weight", &[2 * BINS, 1, FRAME])?,
            convolutions,
            from_input: weights.take("lstm_cell.weight_ih", &[4 * STATE, STATE])?,
            from_state: weights.take("lstm_cell.weight_hh", &[4 * STATE, STATE])?,
            gates,
            last: weights.take("final_conv.weight", &[1, STATE, 1])?,
            bias: bias.first().copied().unwrap_or_default(),
        })
    }

    /// One value a window, the last one filled up with silence.
    pub(super) fn probabilities(&self, samples: &[f32]) -> Vec<f32> {
        let mut window = vec![0.0; CONTEXT + WINDOW + MIRRORED];
        let mut state = State::default();
        let mut found = Vec::with_capacity(samples.len().div_ceil(WINDOW));
        for chunk in samples.chunks(WINDOW) {
            // what the window before ended with
            window.copy_within(WINDOW..WINDOW + CONTEXT, 0);
            let (own, mirrored) = window[CONTEXT..].split_at_mut(WINDOW);
            own.fill(0.0);
            own[..chunk.len()].copy_from_slice(chunk);
            let back = own.iter().rev().skip(1);
            mirrored
                .iter_mut()
                .zip(back)
                .for_each(|(to, from)| *to = *from);
            found.push(self.window(&window, &mut state));
        }
        found
    }

    fn window(&self, window: &[f32], state: &mut State) -> f32 {
        let mut map = Vec::with_capacity(FRAMES * BINS);
        for frame in 0..FRAMES {
            let frame = &window[frame * HOP..][..FRAME];
            let part = |row: usize| dot(&self.transform[row * FRAME..][..FRAME], frame);
            map.extend((0..BINS).map(|bin| part(bin).hypot(part(BINS + bin))));
        }
        for convolution in &self.convolutions {
            map = convolution.forward(&map);
        }
        self.step(&map, state);
        let read = state.hidden.iter().zip(&self.last);
        sigmoid(self.bias + read.map(|(h, w)| h.max(0.0) * w).sum::<f32>())
    }

    /// The LSTM's step.
    fn step(&self, input: &[f32], state: &mut State) {
        let gate = |row: usize| {
            let own = |weights: &[f32], x: &[f32]| dot(&weights[row * STATE..][..STATE], x);
            self.gates[row] + own(&self.from_input, input) + own(&self.from_state, &state.hidden)
        };
        let gates: Vec<f32> = (0..4 * STATE).map(gate).collect();
        let [of_input, of_forget, of_cell, of_output] =
            [0, 1, 2, 3].map(|gate| &gates[gate * STATE..][..STATE]);
        for unit in 0..STATE {
            let fresh = sigmoid(of_input[unit]) * of_cell[unit].tanh();
            let cell = sigmoid(of_forget[unit]) * state.cell[unit] + fresh;
            state.cell[unit] = cell;
            state.hidden[unit] = sigmoid(of_output[unit]) * cell.tanh();
        }
    }
}

struct State {
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            hidden: vec![0.0; STATE],
            cell: vec![0.0; STATE],
        }
    }
}

/// A convolution over frames with a frame of zeros on both sides, and a rectifier.
struct Convolution {
    /// `[outputs, TAPS, inputs]`.
    taps: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    stride: usize,
}

impl Convolution {
    /// `[frames, inputs]` to `[frames / stride, outputs]`, halves rounded up.
    fn forward(&self, map: &[f32]) -> Vec<f32> {
        let frames = map.len() / self.inputs;
        let mut out = Vec::with_capacity(frames.div_ceil(self.stride) * self.bias.len());
        for centre in (0..frames).step_by(self.stride) {
            // the frames that there are of the three
            let (from, to) = (centre.saturating_sub(1), (centre + 2).min(frames));
            let seen = &map[from * self.inputs..to * self.inputs];
            let skipped = (from + 1 - centre) * self.inputs;
            let kernels = self.taps.chunks_exact(TAPS * self.inputs);
            out.extend(kernels.zip(&self.bias).map(|(kernel, bias)| {
                (bias + dot(&kernel[skipped..][..seen.len()], seen)).max(0.0)
            }));
        }
        out
    }
}

/// `[outputs, inputs, TAPS]` as `[outputs, TAPS, inputs]`.
fn by_tap(kernels: &[f32], inputs: usize) -> Vec<f32> {
    let of_output = |kernel: &[f32]| -> Vec<f32> {
        let tap = |tap: usize| kernel.iter().copied().skip(tap).step_by(TAPS);
        (0..TAPS).flat_map(tap).collect()
    };
    kernels
        .chunks_exact(inputs * TAPS)
        .flat_map(of_output)
        .collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
