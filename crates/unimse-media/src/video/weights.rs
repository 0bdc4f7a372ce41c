//! Weights of the networks, by name and shape, with the file they came from.

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
use unimse_formats::{FormatError, Tensor, open_file, read_hdf5, read_torch};

use super::nn::{Conv, Depthwise, Edges, Norm};

/// No network here has more.
const MOST_BYTES: u64 = 1 << 27;

/// What is left of a file's weights.
pub(crate) struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// A state dict of PyTorch's.
    pub(super) fn torch(path: &Path) -> Result<Self, FormatError> {
        Ok(Self {
            path: path.to_owned(),
            tensors: read_torch(path)?,
        })
    }

    /// The weights of a model that Keras saved. It names each array by its layer twice and a suffix: `conv2d_1/conv2d_1_1/kernel:0`.
    pub(super) fn keras(path: &Path) -> Result<Self, FormatError> {
        let tensors = read_hdf5(path, "model_weights")?.into_iter();
        let short = |name: String| match name.split('/').collect::<Vec<_>>()[..] {
            [layer, .., array] => format!("{layer}/{}", array.trim_end_matches(":0")),
            _ => name,
        };
        Ok(Self {
            path: path.to_owned(),
            tensors: tensors
                .map(|(name, tensor)| (short(name), tensor))
                .collect(),
        })
    }

    /// The 32-bit tensors of a safetensors file.
    pub(crate) fn safetensors(path: &Path) -> Result<Self, FormatError> {
        let wrong = |message: String| FormatError::Weights {
            path: path.to_owned(),
            message,
        };
        let mut bytes = Vec::new();
        let file = open_file(path)?;
        let read = file.take(MOST_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| wrong(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let tensors = file.iter().filter(|(_, view)| view.dtype() == Dtype::F32);
        let tensors = tensors.map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            let tensor = Tensor {
                shape: view.shape().to_vec(),
                values: values.map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            };
            (name.to_owned(), tensor)
        });
        Ok(Self {
            path: path.to_owned(),
            tensors: tensors.collect(),
        })
    }

    /// The values of a tensor of this shape, all finite.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, FormatError> {
        let wrong = |found: String| FormatError::Weights {
            path: self.path.clone(),
            message: format!("{name}: expected finite numbers of shape {shape:?}, found {found}"),
        };
        match self.tensors.remove(name) {
            None => Err(wrong("none".to_owned())),
            Some(tensor) if tensor.shape != shape => Err(wrong(format!("{:?}", tensor.shape))),
            Some(tensor) if tensor.values.iter().any(|x| !x.is_finite()) => {
                Err(wrong("others among them".to_owned()))
            }
            Some(tensor) => Ok(tensor.values),
        }
    }

    /// A convolution of PyTorch's, `[outputs, inputs, size, size]`, without padding.
    pub(super) fn conv(&mut self, name: &str, shape: [usize; 3]) -> Result<Conv, FormatError> {
        let [outputs, inputs, size] = shape;
        Ok(Conv {
            inputs,
            outputs,
            size,
            stride: 1,
            edges: Edges::Inside,
            weights: self.take(&format!("{name}.weight"), &[outputs, inputs, size, size])?,
            bias: self.take(&format!("{name}.bias"), &[outputs])?,
        })
    }

    /// A convolution of Keras's without bias, `[size, size, inputs, outputs]`.
    pub(super) fn keras_conv(
        &mut self,
        name: &str,
        [outputs, inputs, size]: [usize; 3],
    ) -> Result<Conv, FormatError> {
        let values = self.take(name, &[size, size, inputs, outputs])?;
        Ok(Conv {
            inputs,
            outputs,
            size,
            stride: 1,
            edges: Edges::Inside,
            weights: channels_first(&values, size * size, inputs, outputs),
            bias: vec![0.0; outputs],
        })
    }

    /// The windows of a separable convolution of Keras's, `[3, 3, channels, 1]`.
    pub(super) fn depthwise(
        &mut self,
        layer: &str,
        channels: usize,
    ) -> Result<Depthwise, FormatError> {
        let name = format!("{layer}/depthwise_kernel");
        let values = self.take(&name, &[3, 3, channels, 1])?;
        let weights = channels_first(&values, 9, 1, channels);
        Ok(Depthwise { weights })
    }

    /// A batch normalisation of Keras's, whose epsilon is 0.001.
    pub(super) fn norm(&mut self, layer: &str, channels: usize) -> Result<Norm, FormatError> {
        let mut take = |name: &str| self.take(&format!("{layer}/{name}"), &[channels]);
        Ok(Norm {
            gamma: take("gamma")?,
            beta: take("beta")?,
            mean: take("moving_mean")?,
            variance: take("moving_variance")?,
            epsilon: 1e-3,
        })
    }
}

/// `[taps, inputs, outputs]` as `[outputs, inputs, taps]`.
fn channels_first(values: &[f32], taps: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for output in 0..outputs {
        for input in 0..inputs {
            turned.extend((0..taps).map(|tap| values[(tap * inputs + input) * outputs + output]));
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::channels_first;

    #[test]
    fn axes_are_turned_around() {
        // two taps, two inputs, three outputs: value = 100 tap + 10 input + output
        let values: Vec<f32> = [0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112]
            .map(|x| x as f32)
            .into();
        let turned = channels_first(&values, 2, 2, 3);
        assert_eq!(turned[..4], [0.0, 100.0, 10.0, 110.0]);
        assert_eq!(turned[8..], [2.0, 102.0, 12.0, 112.0]);
    }
}
