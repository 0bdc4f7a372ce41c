//! InfoNCE (paper, section 3.5, equation 6): the cross-entropy of picking an anchor's positive among negatives by cosine similarity,
//! `[batch, dim]` against `[batch, dim]` to a scalar or `[batch]`.

use tch::{Kind, Tensor};

use crate::{ContrastiveError, check};

/// Where the negatives of an anchor come from.
#[derive(Debug, Clone, Copy)]
pub enum Negatives<'a> {
    /// The positives of the other anchors (the paper's choice).
    InBatch,
    /// The positives of the anchors with another identity, `[batch]` i64. Rows of one identity hold one utterance, which a sampler
    /// has drawn several times: its copies would be negatives as near as the positive.
    OtherIdentities(&'a Tensor),
    /// `[negatives, dim]`, shared by all anchors.
    Unpaired(&'a Tensor),
    /// `[batch, negatives, dim]`, each anchor's own.
    Paired(&'a Tensor),
}

/// What becomes of the losses of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Scalar: the mean over the anchors that are present; 0 without any.
    Mean,
    /// `[batch]`: the loss of each anchor; 0 where absent.
    None,
}

/// InfoNCE of L2-normalised vectors (van den Oord et al., 2018; paper, equation 6):
/// `L_i = -log( exp(q_i . p_i / tau) / sum_j exp(q_i . k_j / tau) )`, where the keys `k` are the positive and the negatives.
///
/// # Shapes
/// `query` and `positive` `[batch, dim]` of any float kind; `present` `[batch]` bool, `None` for all: an absent row is no
/// anchor and no one's in-batch negative, and what it holds (even NaN) changes nothing. The result is fp32, see [`Reduction`].
///
/// # Errors
/// Other shapes, a temperature that is not positive.
pub fn info_nce(
    query: &Tensor,
    positive: &Tensor,
    negatives: Negatives<'_>,
    present: Option<&Tensor>,
    temperature: f64,
    reduction: Reduction,
) -> Result<Tensor, ContrastiveError> {
    if !(temperature.is_finite() && temperature > 0.0) {
        return Err(ContrastiveError::Temperature(temperature));
    }
    check_anchors(query, positive, present)?;
    check_negatives(negatives, query.size()[0], query.size()[1])?;
    let rows = present.map(|mask| mask.nonzero().squeeze_dim(1));
    let pick = |x: &Tensor| match &rows {
        Some(rows) => x.index_select(0, rows),
        None => x.shallow_clone(),
    };

    let (batch, query) = (query.size()[0], normalise(&pick(query)));
    let positive = normalise(&pick(positive));
    let anchors = query.size()[0];
    let target = Tensor::arange(anchors, (Kind::Int64, query.device()));
    let (similarities, target) = match negatives {
        Negatives::InBatch => (query.matmul(&positive.tr()), target),
        Negatives::OtherIdentities(identity) => {
            let identity = pick(identity);
            let mut same = identity.unsqueeze(0).eq_tensor(&identity.unsqueeze(1));
            let copies = same.fill_diagonal_(0, false);
            let all = query.matmul(&positive.tr());
            (all.masked_fill(&copies, f64::NEG_INFINITY), target)
        }
        Negatives::Unpaired(negatives) => {
            let similarity = query.matmul(&normalise(negatives).tr());
            let first = target.zeros_like();
            (with_positive(&query, &positive, similarity), first)
        }
        Negatives::Paired(negatives) => {
            let negatives = normalise(&pick(negatives));
            let similarity = negatives.matmul(&query.unsqueeze(-1)).squeeze_dim(-1);
            let first = target.zeros_like();
            (with_positive(&query, &positive, similarity), first)
        }
    };
    let chosen = (similarities / temperature)
        .log_softmax(-1, Kind::Float)
        .gather(1, &target.unsqueeze(1), false);
    let losses = -chosen.squeeze_dim(1);
    Ok(match (reduction, rows) {
        (Reduction::Mean, _) => losses.sum(Kind::Float) / anchors.max(1) as f64,
        (Reduction::None, None) => losses,
        (Reduction::None, Some(rows)) => {
            Tensor::zeros([batch], (Kind::Float, losses.device())).index_copy(0, &rows, &losses)
        }
    })
}

fn check_anchors(
    query: &Tensor,
    positive: &Tensor,
    present: Option<&Tensor>,
) -> Result<(), ContrastiveError> {
    let shape = query.size();
    let matrix = || "[batch, dim]".to_owned();
    check("query", shape.clone(), shape.len() == 2, matrix)?;
    let found = positive.size();
    check("positive", found.clone(), found == shape, || {
        format!("{shape:?}")
    })?;
    let batch = shape[0];
    present.map_or(Ok(()), |present| {
        let fits = present.size() == [batch];
        check("present", present.size(), fits, || format!("[{batch}]"))
    })
}

fn check_negatives(negatives: Negatives<'_>, batch: i64, dim: i64) -> Result<(), ContrastiveError> {
    match negatives {
        Negatives::InBatch => Ok(()),
        Negatives::OtherIdentities(identity) => {
            let fits = identity.size() == [batch] && identity.kind() == Kind::Int64;
            check("identity", identity.size(), fits, || {
                format!("[{batch}] i64")
            })
        }
        Negatives::Unpaired(negatives) => {
            let size = negatives.size();
            let fits = size.len() == 2 && size[1] == dim;
            check("negatives", size, fits, || format!("[negatives, {dim}]"))
        }
        Negatives::Paired(negatives) => {
            let size = negatives.size();
            let fits = size.len() == 3 && size[0] == batch && size[2] == dim;
            check("negatives", size, fits, || {
                format!("[{batch}, negatives, {dim}]")
            })
        }
    }
}

/// Mean of [`info_nce`] from `one` to `other` and from `other` to `one`, negatives in-batch (Radford et al., 2021, figure 3; not in
/// the paper, where text alone is the anchor).
///
/// # Shapes
/// `one` and `other` `[batch, dim]`; `identity` `[batch]` i64 as in [`Negatives::OtherIdentities`], `None` where every row has its
/// own; everything else as in [`info_nce`].
///
/// # Errors
/// As [`info_nce`].
pub fn symmetric_info_nce(
    one: &Tensor,
    other: &Tensor,
    identity: Option<&Tensor>,
    present: Option<&Tensor>,
    temperature: f64,
    reduction: Reduction,
) -> Result<Tensor, ContrastiveError> {
    let direction = |query: &Tensor, positive: &Tensor| {
        let negatives = identity.map_or(Negatives::InBatch, Negatives::OtherIdentities);
        info_nce(query, positive, negatives, present, temperature, reduction)
    };
    Ok((direction(one, other)? + direction(other, one)?) * 0.5)
}

/// Unit vectors along the last dimension, fp32; what is all zeros stays so.
pub fn normalise(x: &Tensor) -> Tensor {
    let x = x.to_kind(Kind::Float);
    let norm = x.norm_scalaropt_dim(2.0, -1, true).clamp_min(1e-12);
    x / norm
}

/// Similarities `[anchors, 1 + negatives]`, the positive first.
fn with_positive(query: &Tensor, positive: &Tensor, negatives: Tensor) -> Tensor {
    let own = (query * positive).sum_dim_intlist(-1, true, Kind::Float);
    Tensor::cat(&[own, negatives], 1)
}
