//! Convolutions: patches of the input become columns, strip by strip so that they stay in a core's cache, and those are multiplied by the weights.

use super::{Map, product::multiply};

/// Numbers of a strip of columns: 128 KiB.
const STRIP: usize = 1 << 15;

/// What a window does at the edges of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::video) enum Edges {
    /// It stays inside.
    Inside,
    /// It reaches over them, into zeros, so that there are as many results as inputs, over the stride; as TensorFlow pads.
    Same,
}

impl Edges {
    /// Inputs that are missing before the first.
    pub(super) fn before(self, length: usize, size: usize, stride: usize) -> usize {
        match self {
            Self::Inside => 0,
            Self::Same => {
                let last = length.div_ceil(stride).saturating_sub(1) * stride;
                (last + size).saturating_sub(length) / 2
            }
        }
    }

    fn count(self, length: usize, size: usize, stride: usize) -> usize {
        match self {
            Self::Inside => (length + 1).saturating_sub(size).div_ceil(stride),
            Self::Same => length.div_ceil(stride),
        }
    }
}

/// A convolution by square windows.
#[derive(Clone, Debug)]
pub(in crate::video) struct Conv {
    pub(in crate::video) inputs: usize,
    pub(in crate::video) outputs: usize,
    /// Rows and columns of a window.
    pub(in crate::video) size: usize,
    pub(in crate::video) stride: usize,
    pub(in crate::video) edges: Edges,
    /// `[outputs, inputs, size, size]`
    pub(in crate::video) weights: Vec<f32>,
    /// `[outputs]`
    pub(in crate::video) bias: Vec<f32>,
}

impl Conv {
    /// The convolution of a map of `inputs` channels; of one that is smaller than a window nothing is left.
    pub(in crate::video) fn apply(&self, map: &Map) -> Map {
        debug_assert_eq!(map.channels, self.inputs);
        let count = |length| self.edges.count(length, self.size, self.stride);
        let (height, width) = (count(map.height), count(map.width));
        let mut out = Map::zeros(self.outputs, height, width);
        let area = height * width;
        if area == 0 {
            return out;
        }
        let depth = self.inputs * self.size * self.size;
        if self.size == 1 && self.stride == 1 {
            let shape = [area, depth, self.outputs];
            multiply(
                (&map.values, area),
                &self.weights,
                (&mut out.values, area),
                shape,
            );
        } else {
            let rows = (STRIP / (depth * width)).clamp(1, height);
            let mut columns = vec![0.0; depth * rows * width];
            for top in (0..height).step_by(rows) {
                let lanes = rows.min(height - top) * width;
                self.unfold(map, top, width, &mut columns[..depth * lanes]);
                let to = &mut out.values[top * width..];
                let shape = [lanes, depth, self.outputs];
                multiply((&columns, lanes), &self.weights, (to, area), shape);
            }
        }
        for (channel, bias) in out.values.chunks_exact_mut(area).zip(&self.bias) {
            channel.iter_mut().for_each(|x| *x += bias);
        }
        out
    }

    /// The windows of rows of the result from `top` on, as `[inputs * size * size, rows * width]`.
    fn unfold(&self, map: &Map, top: usize, width: usize, columns: &mut [f32]) {
        let (size, stride) = (self.size, self.stride);
        let above = self.edges.before(map.height, size, stride);
        let left = self.edges.before(map.width, size, stride);
        let lanes = columns.len() / (self.inputs * size * size);
        for (step, column) in columns.chunks_exact_mut(lanes).enumerate() {
            let (channel, row, shift) = (step / (size * size), step / size % size, step % size);
            let plane = &map.values[channel * map.area()..][..map.area()];
            for (y, to) in column.chunks_exact_mut(width).enumerate() {
                let y = ((top + y) * stride + row).checked_sub(above);
                let Some(y) = y.filter(|&y| y < map.height) else {
                    to.fill(0.0);
                    continue;
                };
                window_row(
                    &plane[y * map.width..][..map.width],
                    to,
                    shift,
                    left,
                    stride,
                );
            }
        }
    }
}

/// `to[x] = row[x * stride + shift - left]`, 0 outside.
fn window_row(row: &[f32], to: &mut [f32], shift: usize, left: usize, stride: usize) {
    if stride == 1 {
        let first = left.saturating_sub(shift).min(to.len());
        let from = (first + shift).saturating_sub(left);
        let count = row.len().saturating_sub(from).min(to.len() - first);
        to[..first].fill(0.0);
        to[first..first + count].copy_from_slice(&row[from..from + count]);
        to[first + count..].fill(0.0);
        return;
    }
    for (x, to) in to.iter_mut().enumerate() {
        let at = (x * stride + shift).checked_sub(left);
        *to = at.and_then(|at| row.get(at)).copied().unwrap_or(0.0);
    }
}

/// A convolution of every channel by itself, by windows of 3 by 3, as many results as inputs.
#[derive(Clone, Debug)]
pub(in crate::video) struct Depthwise {
    /// `[channels, 3, 3]`
    pub(in crate::video) weights: Vec<f32>,
}

impl Depthwise {
    pub(in crate::video) fn apply(&self, map: &Map) -> Map {
        let mut out = Map::zeros(map.channels, map.height, map.width);
        let (area, width) = (map.area().max(1), map.width);
        let planes = map.values.chunks_exact(area);
        let planes = planes.zip(out.values.chunks_exact_mut(area));
        let mut padded = vec![0.0; width + 2];
        for ((plane, out), weights) in planes.zip(self.weights.chunks_exact(9)) {
            for (y, row) in plane.chunks_exact(width).enumerate() {
                padded[1..=width].copy_from_slice(row);
                // this row is the lowest of the windows above it, and the highest of those below
                for (line, taps) in weights.chunks_exact(3).enumerate() {
                    let Some(to) = (y + 1).checked_sub(line).filter(|&to| to < map.height) else {
                        continue;
                    };
                    let to = &mut out[to * width..][..width];
                    for (x, to) in to.iter_mut().enumerate() {
                        let [a, b, c] = [padded[x], padded[x + 1], padded[x + 2]];
                        *to += taps[0] * a + taps[1] * b + taps[2] * c;
                    }
                }
            }
        }
        out
    }
}

/// Batch normalisation with the statistics of training: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.
pub(in crate::video) struct Norm {
    pub(in crate::video) gamma: Vec<f32>,
    pub(in crate::video) beta: Vec<f32>,
    pub(in crate::video) mean: Vec<f32>,
    pub(in crate::video) variance: Vec<f32>,
    pub(in crate::video) epsilon: f32,
}

impl Norm {
    /// The convolution that does both.
    pub(in crate::video) fn fold_into(&self, mut conv: Conv) -> Conv {
        let depth = conv.inputs * conv.size * conv.size;
        for (output, weights) in conv.weights.chunks_exact_mut(depth).enumerate() {
            let scale = self.gamma[output] / (self.variance[output] + self.epsilon).sqrt();
            weights.iter_mut().for_each(|weight| *weight *= scale);
            let bias = &mut conv.bias[output];
            *bias = (*bias - self.mean[output]) * scale + self.beta[output];
        }
        conv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that differ everywhere.
    fn map(channels: usize, height: usize, width: usize) -> Map {
        let mut map = Map::zeros(channels, height, width);
        for (i, x) in map.values.iter_mut().enumerate() {
            *x = (i * 7 % 23) as f32 - 11.0;
        }
        map
    }

    /// The definition, by seven loops.
    fn slow(conv: &Conv, map: &Map, [height, width]: [usize; 2], before: usize) -> Vec<f32> {
        let mut out = Vec::new();
        for output in 0..conv.outputs {
            for y in 0..height {
                for x in 0..width {
                    let mut sum = conv.bias[output];
                    for input in 0..conv.inputs {
                        for (row, column) in
                            (0..conv.size * conv.size).map(|i| (i / conv.size, i % conv.size))
                        {
                            let at = (
                                (y * conv.stride + row).checked_sub(before),
                                (x * conv.stride + column).checked_sub(before),
                            );
                            if let (Some(at_y), Some(at_x)) = at
                                && at_y < map.height
                                && at_x < map.width
                            {
                                let weight = conv.weights[((output * conv.inputs + input)
                                    * conv.size
                                    + row)
                                    * conv.size
                                    + column];
                                sum += weight
                                    * map.values[(input * map.height + at_y) * map.width + at_x];
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn convolutions_are_their_definition() {
        for (size, stride, edges, [height, width], before) in [
            (3, 1, Edges::Inside, [5, 7], 0),
            (3, 1, Edges::Same, [7, 9], 1),
            (1, 2, Edges::Same, [4, 5], 0),
            (1, 1, Edges::Inside, [7, 9], 0),
            (2, 1, Edges::Inside, [6, 8], 0),
        ] {
            let map = map(2, 7, 9);
            let conv = Conv {
                inputs: 2,
                outputs: 3,
                size,
                stride,
                edges,
                weights: (0..6 * size * size)
                    .map(|i| (i * 5 % 13) as f32 - 6.0)
                    .collect(),
                bias: vec![0.5, -1.0, 2.0],
            };
            let out = conv.apply(&map);
            assert_eq!([out.height, out.width], [height, width]);
            // whole numbers and halves: exact in any order
            assert_eq!(out.values, slow(&conv, &map, [height, width], before));
        }
    }

    #[test]
    fn each_channel_is_convolved_by_itself() {
        let (map, depthwise) = (
            map(2, 5, 4),
            Depthwise {
                weights: (0..18).map(|i| i as f32 - 9.0).collect(),
            },
        );
        let out = depthwise.apply(&map);
        for channel in 0..2 {
            let one = Map {
                channels: 1,
                values: map.values[channel * 20..][..20].to_vec(),
                ..map
            };
            let conv = Conv {
                inputs: 1,
                outputs: 1,
                size: 3,
                stride: 1,
                edges: Edges::Same,
                weights: depthwise.weights[channel * 9..][..9].to_vec(),
                bias: vec![0.0],
            };
            assert_eq!(out.values[channel * 20..][..20], conv.apply(&one).values);
        }
    }

    #[test]
    fn a_norm_that_is_folded_in_normalises() {
        let map = map(1, 2, 2);
        let norm = Norm {
            gamma: vec![3.0],
            beta: vec![0.25],
            mean: vec![4.0],
            variance: vec![15.0],
            epsilon: 1.0,
        };
        let conv = Conv {
            inputs: 1,
            outputs: 1,
            size: 1,
            stride: 1,
            edges: Edges::Inside,
            weights: vec![2.0],
            bias: vec![1.0],
        };
        let out = norm.fold_into(conv).apply(&map);
        let expected: Vec<f32> = map
            .values
            .iter()
            .map(|x| (2.0 * x + 1.0 - 4.0) / 16.0_f32.sqrt() * 3.0 + 0.25)
            .collect();
        assert_eq!(out.values, expected);
    }
}
