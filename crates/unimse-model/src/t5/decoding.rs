//! Decoding token by token: own keys and values are kept, those of the encoder's output are computed once.

use tch::{Kind, Tensor};

use super::decoder::T5Decoder;
use super::layers::{KeyValues, positions};
use crate::fusion::Others;
use crate::layers::key_mask;
use crate::precision::wide;

/// A decoder in the middle of `beams` hypotheses for each of `items` inputs. Row `item * beams + beam` of every tensor
/// is one hypothesis. Works without gradients.
#[derive(Debug)]
pub struct Decoding {
    decoder: T5Decoder,
    kind: Kind,
    beams: i64,
    cross: Vec<KeyValues>,
    /// `[items, 1, 1, time]`.
    cross_bias: Tensor,
    /// What fused blocks take, of each item.
    others: Others,
    own: Vec<Option<KeyValues>>,
    /// Position of every kept key, `[rows, keys]`, -1 for none; one row while all rows agree.
    places: Option<Tensor>,
    /// Tokens read so far, `[rows, 1]`, one row while all agree.
    read: Tensor,
}

impl Decoding {
    /// Starts at no token read, on `source` `[items, time, dim]` under `source_mask` `[items, time]` bool.
    /// With `vocabulary` `[n]` i64, logits are those of these label ids only, in this order.
    pub fn new(
        decoder: &T5Decoder,
        source: &Tensor,
        source_mask: &Tensor,
        beams: i64,
        vocabulary: Option<&Tensor>,
    ) -> Self {
        tch::no_grad(|| {
            let decoder = decoder.cast(source.kind(), vocabulary);
            Self {
                cross: decoder
                    .blocks
                    .iter()
                    .map(|b| b.cross.key_values(source))
                    .collect(),
                cross_bias: key_mask(source_mask, source.kind()),
                own: decoder.blocks.iter().map(|_| None).collect(),
                kind: source.kind(),
                others: Others::default(),
                places: None,
                read: Tensor::zeros([1, 1], (Kind::Int64, source.device())),
                beams,
                decoder,
            }
        })
    }

    /// The same with what fused blocks mix in, of each of the inputs.
    #[must_use]
    pub fn with_others(mut self, others: &Others) -> Self {
        self.others = others.share();
        self
    }

    /// Reads `tokens` `[rows, n]` i64 and gives the logits `[rows, n, vocabulary]` after each, fp32 (f64 of an f64 model).
    ///
    /// With `counts` `[rows]` i64, row r reads only its first `counts[r]` tokens; the logits behind them mean nothing.
    /// So forced runs of different lengths go in one step.
    pub fn step(&mut self, tokens: &Tensor, counts: Option<&Tensor>) -> Tensor {
        tch::no_grad(|| self.step_inner(tokens, counts))
    }

    fn step_inner(&mut self, tokens: &Tensor, counts: Option<&Tensor>) -> Tensor {
        let (rows, length) = (tokens.size()[0], tokens.size()[1]);
        let offsets = positions(0, length, tokens.device());
        let queries = &self.read + &offsets; // [rows or 1, n]
        let new_places = match counts {
            Some(counts) => queries.where_scalarother(&offsets.lt_tensor(&counts.unsqueeze(1)), -1),
            None => queries.shallow_clone(),
        };
        self.read = match counts {
            Some(counts) => &self.read + counts.unsqueeze(1),
            None => &self.read + length,
        };
        let places = match &self.places {
            None => new_places,
            Some(old) => {
                let all = old.size()[0].max(new_places.size()[0]);
                Tensor::cat(
                    &[
                        old.expand([all, -1], false),
                        new_places.expand([all, -1], false),
                    ],
                    1,
                )
            }
        };
        let hidden_keys = (places.unsqueeze(1).gt_tensor(&queries.unsqueeze(2)))
            .logical_or(&places.lt(0).unsqueeze(1))
            .unsqueeze(1);
        let bias = (self.decoder.bias.forward(&queries, &places)
            + hidden_keys.to_kind(wide(self.kind)) * -1e30)
            .to_kind(self.kind);
        self.places = Some(places);

        let mut hidden = self.decoder.embedding.forward(tokens).to_kind(self.kind);
        let blocks = self.decoder.blocks.iter().enumerate();
        for (((at, block), own), cross) in blocks.zip(&mut self.own).zip(&self.cross) {
            hidden = block.own.go_on(hidden, &bias, |new| {
                let all = new.after(own.take());
                *own = Some(all.share());
                all
            });
            // Cross-attention has no positions, so all tokens of all beams of an item are queries of one sequence.
            let dim = hidden.size()[2];
            hidden = hidden.reshape([-1, self.beams * length, dim]);
            hidden = block
                .cross
                .to_source(hidden, cross, Some(&self.cross_bias), false);
            hidden = block
                .feed_forward
                .forward(hidden.reshape([rows, length, dim]), false);
            if let Some(fusion) = self.decoder.fusion(at) {
                // All tokens of an item take the same states.
                let of_items = hidden.reshape([-1, self.beams * length, dim]);
                let (states, fused) = (&self.others.states, self.others.fused.as_ref());
                let mixed = fusion.forward(&of_items, states, fused, false);
                hidden = mixed.reshape([rows, length, dim]);
            }
        }
        self.decoder
            .logits(&self.decoder.norm.forward(&hidden))
            .to_kind(wide(self.kind))
    }

    /// Continues from other hypotheses: row r becomes what row `rows[r]` was. Rows must stay within their item.
    pub fn reorder(&mut self, rows: &Tensor) {
        tch::no_grad(|| {
            for own in self.own.iter_mut().flatten() {
                own.keys = own.keys.index_select(0, rows);
                own.values = own.values.index_select(0, rows);
            }
            for state in self.places.iter_mut().chain([&mut self.read]) {
                if state.size()[0] > 1 {
                    *state = state.index_select(0, rows);
                }
            }
        });
    }

    /// As [`Decoding::reorder`], with another number of hypotheses: `rows` `[items * beams]`.
    pub fn branch(&mut self, rows: &Tensor, beams: i64) {
        self.beams = beams;
        self.reorder(rows);
    }

    /// Hypotheses for each input.
    pub fn beams(&self) -> i64 {
        self.beams
    }

    /// Where it computes.
    pub fn device(&self) -> tch::Device {
        self.read.device()
    }

    /// Keeps only the inputs `items` `[n]` i64, as when the others are finished.
    pub fn keep(&mut self, items: &Tensor) {
        tch::no_grad(|| {
            let beams = Tensor::arange(self.beams, (Kind::Int64, items.device()));
            self.reorder(&(items.unsqueeze(1) * self.beams + beams).flatten(0, 1));
            for cross in &mut self.cross {
                cross.keys = cross.keys.index_select(0, items);
                cross.values = cross.values.index_select(0, items);
            }
            self.cross_bias = self.cross_bias.index_select(0, items);
            self.others = self.others.select(items);
        });
    }
}

#[cfg(test)]
mod tests;
