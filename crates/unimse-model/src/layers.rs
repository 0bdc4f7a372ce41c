//! The layers every module shares. A layer holds fp32 weights under the Hub's names and casts them to the kind of its
//! input; norms compute in fp32.

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};

use crate::precision::wide;
use crate::variables::variable;

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
            weight: variable(p, "weight", &[output, input], init),
            bias: Some(variable(p, "bias", &[output], init)),
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
        let weight = variable(
            p,
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
            weight: variable(
                p,
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
            weight: variable(p, "weight", &[rows, dim], init),
        }
    }

    /// `[..]` i64 to `[.., dim]` in the kind of the weights; ids must lie below the number of rows.
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

    /// A second handle on the same weight and bias.
    pub fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            eps: self.eps,
        }
    }

    /// Computes in fp32, returns the kind of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let shape = self.weight.size();
        if x.kind() == wide(x.kind()) || x.device() == Device::Cpu {
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
        let (shape, kind) = (self.weight.size(), x.kind());
        if kind == wide(kind) || x.device() != Device::Cpu {
            return x
                .to_kind(wide(kind))
                .rms_norm(shape, Some(&self.weight), self.eps)
                .to_kind(kind);
        }
        // LibTorch has no CPU kernel for this norm and composes it, in bf16 at several times the cost of layer norm. The
        // vector [x, -x] has mean 0 and the mean square of x as its variance, so the first half of its layer norm is it.
        let both = Tensor::cat(&[x, &x.neg()], -1);
        let weight = Tensor::cat(&[&self.weight, &self.weight.zeros_like()], 0);
        let dim = shape.iter().product::<i64>();
        both.layer_norm([2 * dim], Some(&weight), None::<&Tensor>, self.eps, true)
            .narrow(-1, 0, dim)
    }
}

/// Dropout with probability `p`, only while training: what is kept grows by `1 / (1 - p)`.
///
/// On the CPU LibTorch draws one number at a time and so takes longer than the matrix products around it; here 16 bits
/// decide on each value, drawn four at a time, which rounds `p` to a multiple of 2^-16.
pub fn dropout(x: Tensor, p: f64, train: bool) -> Tensor {
    if !train || p <= 0.0 {
        return x;
    }
    if x.device() != Device::Cpu {
        return x.dropout(p, true);
    }
    const STEPS: f64 = 65536.0;
    let dropped = (p * STEPS).round().min(STEPS - 1.0);
    let (shape, n) = (x.size(), x.numel() as i64);
    let draws =
        Tensor::empty([(n + 3) / 4], (Kind::Int64, Device::Cpu)).random_from_(i64::MIN, None);
    let draws = draws
        .view_dtype(Kind::Int16)
        .narrow(0, 0, n)
        .view(shape.as_slice());
    let kept = draws.ge(dropped as i64 - 32768).to_kind(x.kind()) * (STEPS / (STEPS - dropped));
    x * kept
}

/// Additive attention mask `[batch, 1, 1, time]` in `kind` from a bool mask `[batch, time]`: 0 where true, very negative elsewhere.
pub fn key_mask(mask: &Tensor, kind: Kind) -> Tensor {
    // Finite, so that a row without any key gives an average and not NaN; far below any score in bf16 and fp32.
    (mask.logical_not().to_kind(kind) * -1e30)
        .unsqueeze(1)
        .unsqueeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_its_share_of_every_lane_and_the_mean() {
        let _generator = crate::generator::seeded(1);
        let (n, p) = (400_003i64, 0.1);
        let x = Tensor::ones([n], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let y = dropout(x.shallow_clone(), p, true);
        // 0.1 is 6554 of 65536 steps.
        let kept = 1.0 - 6554.0 / 65536.0;
        let zeros = y.eq(0.0);
        assert!((y.max().double_value(&[]) - 1.0 / kept).abs() < 1e-6);
        // Each 64-bit draw decides on four values; 100 000 of a kind, five standard deviations.
        let bound = 5.0 * (kept * (1.0 - kept) / 1e5f64).sqrt();
        for lane in 0..4 {
            let share = zeros
                .slice(0, lane, n, 4)
                .to_kind(Kind::Float)
                .mean(Kind::Float);
            assert!(
                (share.double_value(&[]) - (1.0 - kept)).abs() < bound,
                "lane {lane}: {share:?}"
            );
        }
        y.sum(Kind::Float).backward();
        assert_eq!(
            x.grad(),
            y.detach(),
            "the gradient is dropped where the value is"
        );

        assert_eq!(dropout(x.detach(), p, false), x.detach());
        let nearly_all = dropout(x.detach(), 0.999_999_9, true);
        assert!(nearly_all.isfinite().all().int64_value(&[]) == 1);
        for kind in [Kind::BFloat16, Kind::Double] {
            assert_eq!(dropout(x.detach().to_kind(kind), p, true).kind(), kind);
        }
    }
}
