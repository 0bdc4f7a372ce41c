//! The number format of the forward and backward pass. Weights, optimiser state and losses stay fp32 (in f64 they are f64).

use serde::{Deserialize, Serialize};
use tch::Kind;

use crate::cpu;

/// Compute kind of a model.
///
/// ```
/// let x = tch::Tensor::from_slice(&[1.0f32]).to_kind(unimse_model::Precision::Bf16.kind());
/// assert_eq!(x.kind(), tch::Kind::BFloat16);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// Activations and matrix products in bfloat16, norms, softmax and losses in fp32.
    Bf16,
    /// 64-bit floats throughout, for tests of T5 against a reference whose rounding is out of sight; no configuration chooses it. The
    /// weights must be f64 too: `VarStore::set_kind(Kind::Double)` before the model is built.
    Fp64,
}

impl Precision {
    /// The LibTorch kind of activations.
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::Fp64 => Kind::Double,
        }
    }

    /// `"fp32"` or `"bf16"`, as in configuration files, or `"fp64"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp64 => "fp64",
        }
    }

    /// The faster one on `device`: bf16 on CUDA and where [`cpu::faster_in_bf16`] says so, fp32 elsewhere.
    pub fn auto(device: tch::Device) -> Self {
        match device {
            tch::Device::Cuda(_) => Self::Bf16,
            tch::Device::Cpu if cpu::faster_in_bf16() => Self::Bf16,
            _ => Self::Fp32,
        }
    }
}

/// The kind of norms, softmax and losses of activations in `kind`: f64 beside f64, else fp32.
pub(crate) fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double {
        Kind::Double
    } else {
        Kind::Float
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
