//! Inter-modality contrastive learning (paper, section 3.5): masked pooling over time and InfoNCE.
//!
//! Both kernels take tensors of any float kind and compute in fp32: the log-sum-exp of similarities divided by a small
//! temperature has no room for bfloat16's eight bits.
//!
//! What this crate must not do: hold parameters, know what a modality is, or read files.
//!
//! ```
//! use tch::{Kind, Tensor};
//! use unimse_contrastive::{Negatives, Reduction, info_nce, masked_mean};
//!
//! let text = Tensor::randn([4, 9, 16], (Kind::Float, tch::Device::Cpu)); // [batch, time, dim]
//! let valid = Tensor::ones([4, 9], (Kind::Bool, tch::Device::Cpu)); // [batch, time]
//! let audio = Tensor::randn([4, 16], (Kind::Float, tch::Device::Cpu)); // [batch, dim]
//! let loss = info_nce(&masked_mean(&text, &valid)?, &audio, Negatives::InBatch, None, 0.1, Reduction::Mean)?;
//! assert!(loss.double_value(&[]) >= 0.0);
//! # Ok::<(), unimse_contrastive::ContrastiveError>(())
//! ```

mod info_nce;
mod pooling;

pub use info_nce::{Negatives, Reduction, info_nce};
pub use pooling::masked_mean;

/// A tensor of the wrong shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{argument}: expected shape {expected}, found {found:?}")]
pub struct ContrastiveError {
    /// Name of the argument.
    pub argument: &'static str,
    /// The shape it must have.
    pub expected: String,
    /// The shape it has.
    pub found: Vec<i64>,
}

fn check(
    argument: &'static str,
    found: Vec<i64>,
    fits: bool,
    expected: impl FnOnce() -> String,
) -> Result<(), ContrastiveError> {
    if fits {
        Ok(())
    } else {
        Err(ContrastiveError {
            argument,
            expected: expected(),
            found,
        })
    }
}
