//! Pre-trained modality fusion, PMF (paper, section 3.4, equations 3 to 5): an adapter after the feed-forward of an encoder
//! layer, and of a decoder block with `fusion.decoder_layers`, that mixes the last audio and video state into every token.
//!
//! Text states `[batch, time, dim]`, audio and video states `[batch, hidden]` each, `F` and `U` `[batch, time, dim + 2 hidden]`,
//! `D` `[batch, time, bottleneck]`.

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use crate::layers::{Linear, dropout};
use crate::variables::variable;

/// What fusion mixes into the states of tokens.
#[derive(Debug, Default)]
pub struct Others {
    /// State of each modality in use beside text, `[batch, hidden]`, in the order audio, video.
    pub states: Vec<Tensor>,
    /// With `fusion.skip_absent`, `[batch]` bool: the rows that are fused. `None`: all are.
    pub fused: Option<Tensor>,
}

impl Others {
    /// Those of the rows `rows` `[n]` i64.
    #[must_use]
    pub fn select(&self, rows: &Tensor) -> Self {
        let select = |x: &Tensor| x.index_select(0, rows);
        Self {
            states: self.states.iter().map(select).collect(),
            fused: self.fused.as_ref().map(select),
        }
    }

    /// The same tensors under another name.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            states: self.states.iter().map(Tensor::shallow_clone).collect(),
            fused: self.fused.as_ref().map(Tensor::shallow_clone),
        }
    }
}

/// One fused layer: `F = [h ; a ; v]`, `D = sigmoid(W_d F + b_d)`, `U = W_u D + b_u`, `out = W (U + F) + b`, plus `h` with
/// `skip`.
///
/// With `skip`, `W` and `b` start at zero, so that the encoder is exactly the pretrained one until the first step; that
/// step moves only `W` and `b`, every later one all of them.
#[derive(Debug)]
pub struct Fusion {
    down: Linear,
    up: Linear,
    project: Linear,
    skip: bool,
    dropout: f64,
}

impl Fusion {
    /// `dim` is the width of the text states, `others` that of the audio and video states together (0 for text alone),
    /// `bottleneck` that of `D`; `dropout` acts on the fused term.
    pub fn new(
        p: &Path<'_>,
        dim: i64,
        others: i64,
        bottleneck: i64,
        skip: bool,
        dropout: f64,
    ) -> Self {
        let wide = dim + others;
        let project = p / "project";
        Self {
            down: Linear::new(&(p / "down"), wide, bottleneck),
            up: Linear::new(&(p / "up"), bottleneck, wide),
            project: if skip {
                Linear::zeros(&project, wide, dim)
            } else {
                Linear::new(&project, wide, dim)
            },
            skip,
            dropout,
        }
    }

    /// The same layer with weights cast once, for repeated use without gradients.
    pub(crate) fn cast(&self, kind: Kind) -> Self {
        Self {
            down: self.down.cast(kind),
            up: self.up.cast(kind),
            project: self.project.cast(kind),
            ..*self
        }
    }

    /// The fused term `W (U + F) + b`.
    ///
    /// # Shapes
    /// `hidden` `[batch, time, dim]`; each of `states` `[batch, dim_i]`, constant over time, in the order audio, video; their
    /// widths sum to `others`. The result has the shape and kind of `hidden`.
    pub fn term(&self, hidden: &Tensor, states: &[Tensor]) -> Tensor {
        let size = hidden.size();
        let mut parts = vec![hidden.shallow_clone()];
        for state in states {
            let state = state.to_kind(hidden.kind()).unsqueeze(1);
            parts.push(state.expand([size[0], size[1], state.size()[2]], false));
        }
        let joined = Tensor::cat(&parts, -1);
        let up = self.up.forward(&self.down.forward(&joined).sigmoid());
        self.project.forward(&(up + joined))
    }

    /// What the next layer reads: the fused term, plus `hidden` with `skip`. Shapes as in [`Fusion::term`]; rows for which `fused` `[batch]` bool is
    /// false keep their `hidden`.
    pub fn forward(
        &self,
        hidden: &Tensor,
        states: &[Tensor],
        fused: Option<&Tensor>,
        train: bool,
    ) -> Tensor {
        let term = dropout(self.term(hidden, states), self.dropout, train);
        let out = if self.skip { hidden + term } else { term };
        match fused {
            Some(fused) => out.where_self(&fused.view([-1, 1, 1]), hidden),
            None => out,
        }
    }
}

/// Mean over valid tokens of `|term| / |hidden|` (Euclidean norms over the last dimension): 0 says that fusion is dead.
///
/// # Shapes
/// `term` and `hidden` `[batch, time, dim]`, `mask` `[batch, time]` bool.
pub fn fusion_ratio(term: &Tensor, hidden: &Tensor, mask: &Tensor) -> f64 {
    let norm = |x: &Tensor| x.to_kind(Kind::Float).norm_scalaropt_dim(2.0, -1, false);
    let ratio = norm(term) / norm(hidden).clamp_min(1e-12);
    ratio
        .masked_select(mask)
        .mean(Kind::Float)
        .double_value(&[])
}

/// The learned vector that stands for a modality an utterance lacks.
#[derive(Debug)]
pub struct Absent {
    vector: Tensor,
}

impl Absent {
    /// A vector of width `dim` called `name`, drawn with standard deviation 0.02.
    pub fn new(p: &Path<'_>, name: &str, dim: i64) -> Self {
        Self {
            vector: variable(
                p,
                name,
                &[dim],
                Init::Randn {
                    mean: 0.0,
                    stdev: 0.02,
                },
            ),
        }
    }

    /// `[batch, dim]`: the rows of `states` `[present, dim]` at the places `rows` `[present]` i64, the learned vector elsewhere.
    pub fn fill(&self, batch: i64, present: Option<(&Tensor, &Tensor)>) -> Tensor {
        let absent = self.vector.unsqueeze(0).expand([batch, -1], false);
        match present {
            None => absent,
            Some((rows, states)) => absent.contiguous().index_copy(0, rows, states),
        }
    }
}
