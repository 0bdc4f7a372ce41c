//! Contrastive learning between modalities (paper, section 3.5) and samples: masked pooling over time, InfoNCE (equation 6), and the
//! supervised loss.
//!
//! | function | from | to |
//! |---|---|---|
//! | [`masked_mean`] | `[batch, time, dim]`, mask `[batch, time]` | `[batch, dim]` |
//! | [`info_nce`] | anchors and positives `[batch, dim]` | a scalar, or `[batch]` |
//! | [`symmetric_info_nce`] | both sides `[batch, dim]` | the same, mean of both directions |
//! | [`normalise`] | vectors `[.., dim]` | the same with length 1 |
//! | [`supervised`] | vectors `[batch, dim]`, classes `[batch]` | a scalar |
//!
//! The kernels take tensors of any float kind and compute in fp32: the log-sum-exp of similarities divided by a small
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
mod supervised;

pub use info_nce::{Negatives, Reduction, info_nce, normalise, symmetric_info_nce};
pub use pooling::masked_mean;
pub use supervised::{Classed, supervised};

/// An argument that no loss can be computed of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ContrastiveError {
    /// A tensor of the wrong shape.
    #[error("{argument}: expected shape {expected}, found {found:?}")]
    Shape {
        /// Name of the argument.
        argument: &'static str,
        /// The shape it must have.
        expected: String,
        /// The shape it has.
        found: Vec<i64>,
    },
    /// The temperature is zero, negative or no number.
    #[error("temperature: expected a positive number, found {0}")]
    Temperature(f64),
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
        Err(ContrastiveError::Shape {
            argument,
            expected: expected(),
            found,
        })
    }
}
