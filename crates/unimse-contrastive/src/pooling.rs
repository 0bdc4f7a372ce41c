//! Mean over the valid steps of padded sequences (paper, section 3.5): `[batch, time, dim]` to `[batch, dim]`.

use tch::{Kind, Tensor};

use crate::{ContrastiveError, check};

/// Mean of `x` over the steps where `mask` is true: `y_b = sum_t m_bt x_bt / sum_t m_bt`.
///
/// # Shapes
/// `x` `[batch, time, dim]` of any float kind, `mask` `[batch, time]` bool; the result is `[batch, dim]` fp32.
/// A row without a valid step gives zeros. Masked steps contribute neither value nor gradient, even where they are NaN.
///
/// # Errors
/// Other shapes.
pub fn masked_mean(x: &Tensor, mask: &Tensor) -> Result<Tensor, ContrastiveError> {
    let shape = x.size();
    check("x", shape.clone(), shape.len() == 3, || {
        "[batch, time, dim]".to_owned()
    })?;
    check("mask", mask.size(), mask.size() == shape[..2], || {
        format!("{:?}", &shape[..2])
    })?;
    let valid = mask.unsqueeze(-1);
    let count = valid.sum_dim_intlist(1, false, Kind::Float).clamp_min(1.0);
    Ok(x.to_kind(Kind::Float)
        .masked_fill(&valid.logical_not(), 0.0)
        .sum_dim_intlist(1, false, Kind::Float)
        / count)
}
