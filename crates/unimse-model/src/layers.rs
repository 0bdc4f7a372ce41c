//! The layers every module shares. A layer holds fp32 weights under the Hub's names and casts them to the kind of its
//! input; norms compute in fp32.

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

/// An affine map, `y = x W^T + b`: `weight` `[output, input]`, `bias` `[output]`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias; both initialised uniformly in `±1/sqrt(input)`, PyTorch's default.
    pub fn new(p: &Path<'_>, input: i64, output: i64) -> Self {
        let bound = 1.0 / (input as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        Self {
            weight: p.var("weight", &[output, input], init),
            bias: Some(p.var("bias", &[output], init)),
        }
    }

    /// With a bias, all zero: the output is 0 until the first step.
    pub fn zeros(p: &Path<'_>, input: i64, output: i64) -> Self {
        Self {
            weight: p.zeros("weight", &[output, input]),
            bias: Some(p.zeros("bias", &[output])),
        }
    }

    /// With a zero bias and normal weights of standard deviation `std`, as BERT initialises.
    pub fn normal(p: &Path<'_>, input: i64, output: i64, std: f64) -> Self {
        let weight = p.var(
            "weight",
            &[output, input],
            Init::Randn {
                mean: 0.0,
                stdev: std,
            },
        );
        Self {
            weight,
            bias: Some(p.zeros("bias", &[output])),
        }
    }

    /// Without a bias, normal weights of standard deviation `std`, as T5 initialises.
    pub fn without_bias(p: &Path<'_>, input: i64, output: i64, std: f64) -> Self {
        Self {
            weight: p.var(
                "weight",
                &[output, input],
                Init::Randn {
                    mean: 0.0,
                    stdev: std,
                },
            ),
            bias: None,
        }
    }

    /// Shares the rows of `table`, `[output, input]`, as a tied output head does.
    pub fn tied(table: &Embedding) -> Self {
        Self {
            weight: table.weight.shallow_clone(),
            bias: None,
        }
    }

    /// `[.., input]` to `[.., output]`, in the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        x.linear(
            &self.weight.to_kind(kind),
            self.bias.as_ref().map(|b| b.to_kind(kind)).as_ref(),
        )
    }

    /// The same map with weights cast once, for repeated use without gradients.
    pub fn cast(&self, kind: Kind) -> Self {
        Self {
            weight: self.weight.to_kind(kind),
            bias: self.bias.as_ref().map(|b| b.to_kind(kind)),
        }
    }

    /// The same map to the outputs named in `rows` `[n]` i64 only.
    pub fn select(&self, rows: &Tensor) -> Self {
        Self {
            weight: self.weight.index_select(0, rows),
            bias: self.bias.as_ref().map(|b| b.index_select(0, rows)),
        }
    }

    /// The weight `[output, input]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }
}

/// A table of vectors, `weight` `[rows, dim]`.
#[derive(Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// Normal with standard deviation `std`; 0 gives zeros.
    pub fn new(p: &Path<'_>, rows: i64, dim: i64, std: f64) -> Self {
        let init = if std == 0.0 {
            Init::Const(0.0)
        } else {
            Init::Randn {
                mean: 0.0,
                stdev: std,
            }
        };
        Self {
            weight: p.var("weight", &[rows, dim], init),
        }
    }

    /// `[..]` i64 to `[.., dim]` fp32; ids must lie below the number of rows.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, ids, -1, false, false)
    }

    /// The table `[rows, dim]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// A second handle on the same table.
    pub fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
        }
    }
}

/// Layer norm over the last dimension, with `weight` and `bias` `[dim]`.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Weight 1, bias 0.
    pub fn new(p: &Path<'_>, dim: i64, eps: f64) -> Self {
        Self {
            weight: p.ones("weight", &[dim]),
            bias: p.zeros("bias", &[dim]),
            eps,
        }
    }

    /// Computes in fp32, returns the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = self.weight.size();
        if x.kind() == Kind::Float || x.device() == Device::Cpu {
            // The CPU kernel takes bf16 inputs with fp32 weights and computes in fp32.
            return x.layer_norm(shape, Some(&self.weight), Some(&self.bias), self.eps, true);
        }
        x.to_kind(Kind::Float)
            .layer_norm(shape, Some(&self.weight), Some(&self.bias), self.eps, true)
            .to_kind(x.kind())
    }
}

/// Root mean square norm over the last dimension, T5's: no mean, no bias, `weight` `[dim]`.
/// `y = x / sqrt(mean(x^2) + eps) * weight`.
#[derive(Debug)]
pub struct RmsNorm {
    weight: Tensor,
    eps: f64,
}

impl RmsNorm {
    /// Weight 1.
    pub fn new(p: &Path<'_>, dim: i64, eps: f64) -> Self {
        Self {
            weight: p.ones("weight", &[dim]),
            eps,
        }
    }

    /// A second handle on the same weight.
    pub fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            eps: self.eps,
        }
    }

    /// Computes in fp32, returns the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let kind = x.kind();
        x.to_kind(Kind::Float)
            .rms_norm(self.weight.size(), Some(&self.weight), self.eps)
            .to_kind(kind)
    }
}

/// Dropout with probability `p`, only while training.
pub fn dropout(x: Tensor, p: f64, train: bool) -> Tensor {
    if train && p > 0.0 {
        x.dropout(p, true)
    } else {
        x
    }
}

/// Additive attention mask `[batch, 1, 1, time]` in `kind` from a bool mask `[batch, time]`: 0 where true, very negative elsewhere.
pub fn key_mask(mask: &Tensor, kind: Kind) -> Tensor {
    // Finite, so that a row without any key gives an average and not NaN; far below any score in bf16 and fp32.
    (mask.logical_not().to_kind(kind) * -1e30)
        .unsqueeze(1)
        .unsqueeze(1)
}
