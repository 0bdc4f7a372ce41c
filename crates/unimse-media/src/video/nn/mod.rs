//! What small convolutional networks need, on one core and without LibTorch: layers of known size over [`Map`]s. Values are 32-bit floats; the
//! products of matrices are those of the gemm crate, the order of their sums is the processor's.

mod conv;
mod pool;
mod product;

pub(super) use conv::{Conv, Depthwise, Edges, Norm};
pub(super) use pool::max_pool;

/// Activations of a layer, `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Map {
    pub(super) fn zeros(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
            values: vec![0.0; channels * height * width],
        }
    }

    /// Values of a channel.
    pub(super) fn area(&self) -> usize {
        self.height * self.width
    }

    /// `max(x, 0)`.
    pub(super) fn relu(mut self) -> Self {
        self.values.iter_mut().for_each(|x| *x = x.max(0.0));
        self
    }

    /// `x` above 0, and below it `x` times the slope of its channel.
    pub(super) fn prelu(mut self, slopes: &[f32]) -> Self {
        let area = self.area().max(1);
        for (channel, slope) in self.values.chunks_exact_mut(area).zip(slopes) {
            channel
                .iter_mut()
                .for_each(|x| *x = x.max(0.0) + slope * x.min(0.0));
        }
        self
    }

    /// The sum with another map of the same shape.
    pub(super) fn plus(mut self, other: &Self) -> Self {
        debug_assert_eq!(
            (self.channels, self.height, self.width),
            (other.channels, other.height, other.width)
        );
        let pairs = self.values.iter_mut().zip(&other.values);
        pairs.for_each(|(x, y)| *x += y);
        self
    }

    /// Mean of every channel.
    pub(super) fn means(&self) -> Vec<f32> {
        let area = self.area().max(1);
        let channels = self.values.chunks_exact(area);
        channels
            .map(|channel| channel.iter().sum::<f32>() / area as f32)
            .collect()
    }
}

/// The share of the second of two: their softmax.
pub(super) fn second_of_two(first: f32, second: f32) -> f32 {
    1.0 / (1.0 + (first - second).exp())
}
