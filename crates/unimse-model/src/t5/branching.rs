//! Decoding many beginnings of each input at once, token by token: as many rows as beginnings, however they spread over the inputs.
//!
//! Where [`super::Decoding`] gives every input the same number of hypotheses, here the rows are ragged, so that an input with three
//! beginnings costs three rows beside one with three hundred. Keys and values stay with the row that made them; a row finds those of
//! its ancestors by index. The encoder's keys and values are never copied. What the first block attends to in its own tokens does not depend on
//! the input, so it is computed once for all rows that have read the same tokens. Beginnings that differ in a token alone that the next place
//! is blind to need one row only.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use super::decoder::{Blind, Block, T5Decoder};
use super::layers::{KeyValues, positions};
use crate::layers::key_mask;

/// A decoder after some tokens of many beginnings. Works without gradients.
#[derive(Debug)]
pub(crate) struct Branching {
    decoder: T5Decoder,
    kind: Kind,
    items: i64,
    /// By block.
    cross: Vec<KeyValues>,
    /// `[items, 1, 1, time]`.
    cross_bias: Tensor,
    /// Which of the distinct sequences of tokens each row has read.
    sequences: Vec<i64>,
    /// The first block's keys and values, by distinct sequence.
    first: Lineage,
    /// Those of the others, by row.
    own: Vec<Lineage>,
}

/// Keys and values of every level, `[rows of the level, heads, 1, d_kv]`, and of which rows those of the last level descend.
#[derive(Debug, Default)]
struct Lineage {
    levels: Vec<KeyValues>,
    /// By level, `[rows of the last level]` i64.
    ancestors: Vec<Tensor>,
}

/// Where the rows of a step stand among `[items, most]`.
struct Places {
    slots: Tensor,
    most: i64,
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
                sequences: Vec::new(),
                first: Lineage::default(),
                own: decoder.blocks.iter().map(|_| Lineage::default()).collect(),
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
        let (new, before) = self.distinct(tokens, parents);
        let parents = place(parents);
        let at = self.first.ancestors.len() as i64;
        let seen: Vec<i64> = (0..=at).filter(|&key| !self.hidden(at, key)).collect();
        let bias = self
            .decoder
            .bias
            .forward(&positions(at, 1, device), &place(&seen).unsqueeze(0))
            .to_kind(self.kind);
        let places = Places::new(items, device);

        self.first.descend(&place(&before), new.len());
        let mut hidden = self
            .decoder
            .embedding
            .forward(&place(&new).unsqueeze(1))
            .to_kind(self.kind);
        for (at, block) in self.decoder.blocks.iter().enumerate() {
            let lineage = if at == 0 {
                &mut self.first
            } else {
                self.own[at].descend(&parents, tokens.len());
                &mut self.own[at]
            };
            hidden = block
                .own
                .go_on(hidden, &bias, |new| lineage.join(new, &seen));
            let mut query = block.cross.query(&hidden);
            if at == 0 {
                let rows = place(&self.sequences);
                hidden = hidden.index_select(0, &rows);
                query = query.index_select(0, &rows);
            }
            hidden += self.attend(at, block, &query, &places);
            hidden = block.feed_forward.forward(hidden, false);
        }
        let hidden = self.decoder.norm.forward(&hidden);
        self.decoder
            .logits(&hidden)
            .squeeze_dim(1)
            .to_kind(Kind::Float)
    }

    /// Whether place number `query` does not see that number `key`.
    fn hidden(&self, query: i64, key: i64) -> bool {
        self.decoder.blind() == Some(Blind { query, key })
    }

    /// The distinct sequences of this step: the last token of each, and the one of the step before that it continues.
    fn distinct(&mut self, tokens: &[i64], parents: &[i64]) -> (Vec<i64>, Vec<i64>) {
        let (mut new, mut before) = (Vec::new(), Vec::new());
        let mut known = HashMap::new();
        let sequence = |(&token, &parent): (&i64, &i64)| {
            let old = self.sequences.get(parent as usize).copied().unwrap_or(0);
            *known.entry((old, token)).or_insert_with(|| {
                new.push(token);
                before.push(old);
                new.len() as i64 - 1
            })
        };
        self.sequences = tokens.iter().zip(parents).map(sequence).collect();
        (new, before)
    }

    /// What the rows with the queries `[rows, 1, inner]` see of their inputs in block `at`, `[rows, 1, dim]`: rows of one input are
    /// queries of one sequence, of which the shorter ones end in places that nobody reads.
    fn attend(&self, at: usize, block: &Block, query: &Tensor, places: &Places) -> Tensor {
        let inner = query.size()[2];
        let padded = Tensor::zeros(
            [self.items * places.most, inner],
            (self.kind, query.device()),
        )
        .index_copy_(0, &places.slots, &query.squeeze_dim(1))
        .view([self.items, places.most, inner]);
        let seen = block
            .cross
            .look(&padded, &self.cross[at], &self.cross_bias)
            .reshape([-1, inner])
            .index_select(0, &places.slots);
        block.cross.output(&seen).unsqueeze(1)
    }
}

impl Lineage {
    /// Goes to a level of `rows` rows, which continue the rows `parents` of the last one.
    fn descend(&mut self, parents: &Tensor, rows: usize) {
        for level in &mut self.ancestors {
            *level = level.index_select(0, parents);
        }
        let own = Tensor::arange(rows as i64, (Kind::Int64, parents.device()));
        self.ancestors.push(own);
    }

    /// Keeps the keys and values of the last level; those of every row and its ancestors on the levels `seen`, `[rows, heads, levels, d_kv]`,
    /// first to last.
    fn join(&mut self, new: KeyValues, seen: &[i64]) -> KeyValues {
        self.levels.push(new);
        let gather = |of: fn(&KeyValues) -> &Tensor| {
            let of_level = |&level: &i64| {
                let (level, rows) = (
                    &self.levels[level as usize],
                    &self.ancestors[level as usize],
                );
                of(level).index_select(0, rows)
            };
            let each: Vec<Tensor> = seen.iter().map(of_level).collect();
            Tensor::cat(&each, 2)
        };
        KeyValues {
            keys: gather(|level| &level.keys),
            values: gather(|level| &level.values),
        }
    }
}

impl Places {
    fn new(items: &[i64], device: Device) -> Self {
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
        let slots: Vec<i64> = items
            .iter()
            .zip(&within)
            .map(|(&item, &place)| item * most + place)
            .collect();
        Self {
            slots: Tensor::from_slice(&slots).to_device(device),
            most,
        }
    }
}
