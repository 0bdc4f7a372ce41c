//! Decoding many beginnings of each input at once, token by token: as many rows as beginnings, however they spread over the inputs.
//!
//! Where [`super::Decoding`] gives every input the same number of hypotheses, here the rows are ragged, so that an input with three
//! beginnings costs three rows beside one with three hundred. Keys and values stay with the row that made them; a row finds those of
//! its ancestors by index. The encoder's keys and values are never copied.

use tch::{Kind, Tensor};

use super::decoder::T5Decoder;
use super::layers::{KeyValues, positions};
use crate::layers::key_mask;

/// A decoder after some tokens of many beginnings. Works without gradients.
#[derive(Debug)]
pub(crate) struct Branching {
    decoder: T5Decoder,
    kind: Kind,
    items: i64,
    cross: Vec<KeyValues>,
    /// `[items, 1, 1, time]`.
    cross_bias: Tensor,
    /// By block, then by level: keys and values `[rows of the level, heads, 1, d_kv]`.
    own: Vec<Vec<KeyValues>>,
    /// By level: which of its rows each row of the last level descends from, `[rows]` i64.
    ancestors: Vec<Tensor>,
}

impl Branching {
    /// Starts at no token read, on `source` `[items, time, dim]` under `source_mask` `[items, time]` bool.
    pub(crate) fn new(decoder: &T5Decoder, source: &Tensor, source_mask: &Tensor) -> Self {
        tch::no_grad(|| {
            let decoder = decoder.cast(source.kind(), None);
            Self {
                cross: decoder
                    .blocks
                    .iter()
                    .map(|block| block.cross.key_values(source))
                    .collect(),
                cross_bias: key_mask(source_mask, source.kind()),
                own: decoder.blocks.iter().map(|_| Vec::new()).collect(),
                ancestors: Vec::new(),
                kind: source.kind(),
                items: source.size()[0],
                decoder,
            }
        })
    }

    /// Reads one token a row and gives the logits `[rows, vocabulary]` after it, fp32.
    ///
    /// `tokens`, `parents` and `items` have one entry a row: the token, the row of the step before that it continues (of no meaning in
    /// the first step), and its input. Rows of one input lie together, inputs ascend.
    pub(crate) fn step(&mut self, tokens: &[i64], parents: &[i64], items: &[i64]) -> Tensor {
        tch::no_grad(|| self.step_inner(tokens, parents, items))
    }

    fn step_inner(&mut self, tokens: &[i64], parents: &[i64], items: &[i64]) -> Tensor {
        let device = self.cross_bias.device();
        let place = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let parents = place(parents);
        for level in &mut self.ancestors {
            *level = level.index_select(0, &parents);
        }
        let rows = tokens.len() as i64;
        self.ancestors
            .push(Tensor::arange(rows, (Kind::Int64, device)));
        let levels = self.ancestors.len() as i64;
        let bias = self
            .decoder
            .bias
            .forward(
                &positions(levels - 1, 1, device),
                &positions(0, levels, device),
            )
            .to_kind(self.kind);
        let (slots, most) = slots(items);
        let slots = place(&slots);

        let mut hidden = self
            .decoder
            .embedding
            .forward(&place(tokens).unsqueeze(1))
            .to_kind(self.kind);
        let dim = hidden.size()[2];
        for ((block, own), cross) in self
            .decoder
            .blocks
            .iter()
            .zip(&mut self.own)
            .zip(&self.cross)
        {
            let ancestors = &self.ancestors;
            hidden = block.own.go_on(hidden, &bias, |new| {
                own.push(new);
                lineage(own, ancestors)
            });
            // Rows of one input are queries of one sequence; the shorter sequences end in rows that nobody reads.
            let padded = Tensor::zeros([self.items * most, dim], (self.kind, device))
                .index_copy_(0, &slots, &hidden.squeeze_dim(1))
                .view([self.items, most, dim]);
            let attended = block
                .cross
                .to_source(padded, cross, Some(&self.cross_bias), false)
                .view([-1, dim])
                .index_select(0, &slots);
            hidden = block.feed_forward.forward(attended.unsqueeze(1), false);
        }
        let hidden = self.decoder.norm.forward(&hidden);
        self.decoder
            .logits(&hidden)
            .squeeze_dim(1)
            .to_kind(Kind::Float)
    }
}

/// Keys and values `[rows, heads, levels, d_kv]` of every row and its ancestors, first to last.
fn lineage(levels: &[KeyValues], ancestors: &[Tensor]) -> KeyValues {
    let gather = |of: fn(&KeyValues) -> &Tensor| {
        let each: Vec<Tensor> = levels
            .iter()
            .zip(ancestors)
            .map(|(level, rows)| of(level).index_select(0, rows))
            .collect();
        Tensor::cat(&each, 2)
    };
    KeyValues {
        keys: gather(|level| &level.keys),
        values: gather(|level| &level.values),
    }
}

/// Place of every row among `[items, most]`, and the most rows an input has.
fn slots(items: &[i64]) -> (Vec<i64>, i64) {
    let mut within = Vec::with_capacity(items.len());
    let mut most = 0;
    for (at, &item) in items.iter().enumerate() {
        let place = match at.checked_sub(1) {
            Some(before) if items[before] == item => within[before] + 1,
            _ => 0,
        };
        within.push(place);
        most = most.max(place + 1);
    }
    let slots = items
        .iter()
        .zip(&within)
        .map(|(&item, &place)| item * most + place)
        .collect();
    (slots, most)
}
