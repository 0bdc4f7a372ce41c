//! Beam search over a decoder's whole vocabulary, with the rules of the Hub's `generate(num_beams, length_penalty,
//! early_stopping=False, max_new_tokens)`, so that a checkpoint writes here what it writes there.
//!
//! At every step the `2 * beams` most probable continuations of an input are looked at, in order. One that ends is a
//! finished hypothesis if it is among the first `beams`; the first `beams` of the others go on. The best `beams` finished
//! ones are kept, by [`score`]. An input is done when its best open beam, scored at its present length, is no better than
//! the worst of a full set of finished ones: a heuristic, since with a penalty above 0 a longer text may still score
//! higher. Constrained decoding of labels is another search ([`crate::text_decoder`]); the two share [`score`].

use tch::{Kind, Tensor};

use super::decoding::Decoding;
use crate::error::{ModelError, Result};

/// What to search for, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeamSearch {
    /// Open hypotheses for each input, and the most finished ones kept; at least 1.
    pub beams: usize,
    /// Exponent of the length in [`score`]; above 0 favours long texts. The Hub's default is 1.
    pub length_penalty: f64,
    /// Most tokens of a text, the end token counted and the start token not; at least 1.
    pub max_new_tokens: usize,
    /// The first token read.
    pub start: i64,
    /// The token that ends a text.
    pub end: i64,
}

/// A finished text.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids: the start token, the text, and the end token unless `max_new_tokens` came first.
    pub ids: Vec<i64>,
    /// See [`score`].
    pub score: f64,
}

/// `log_probability / length^length_penalty`, what hypotheses are compared by. `length` counts generated tokens, the end
/// token among them; `log_probability` is the sum of theirs, in nats.
pub fn score(log_probability: f64, length: usize, length_penalty: f64) -> f64 {
    log_probability / (length as f64).powf(length_penalty)
}

/// `texts` as `[texts, longest]` i64, the shorter ones filled up with `fill`.
pub fn padded<'a>(texts: impl IntoIterator<Item = &'a Hypothesis>, fill: i64) -> Tensor {
    let rows: Vec<&[i64]> = texts.into_iter().map(|text| text.ids.as_slice()).collect();
    let longest = rows.iter().map(|ids| ids.len()).max().unwrap_or(0);
    let mut values = vec![fill; rows.len() * longest];
    for (row, ids) in rows.iter().enumerate() {
        values[row * longest..][..ids.len()].copy_from_slice(ids);
    }
    Tensor::from_slice(&values).view([rows.len() as i64, longest as i64])
}

/// An unfinished hypothesis.
#[derive(Debug, Clone)]
struct Open {
    ids: Vec<i64>,
    log_probability: f64,
    /// Beam of the step before that it continues.
    parent: usize,
}

/// One input.
#[derive(Debug)]
struct Item {
    open: Vec<Open>,
    /// Best first, at most as many as there are beams.
    finished: Vec<Hypothesis>,
}

impl BeamSearch {
    /// Searches for the texts of `items` inputs: for each the finished hypotheses, the best first, at least one and at most
    /// `beams`. `decoding` stands at no token read with one hypothesis per input, and gives logits of its whole vocabulary.
    ///
    /// # Errors
    /// Settings that allow no search.
    pub fn run(&self, mut decoding: Decoding, items: usize) -> Result<Vec<Vec<Hypothesis>>> {
        self.check()?;
        let start = Open {
            ids: vec![self.start],
            log_probability: 0.0,
            parent: 0,
        };
        let mut all: Vec<Item> = (0..items)
            .map(|_| Item {
                open: vec![start.clone()],
                finished: Vec::new(),
            })
            .collect();
        // Numbers of the items that are not done, in the order of the rows of the decoder, which has `width` for each.
        let mut alive: Vec<usize> = (0..items).collect();
        let mut width = 1;
        for length in 1..=self.max_new_tokens {
            if alive.is_empty() {
                break;
            }
            let candidates = self.continuations(&mut decoding, &all, &alive, width);
            let mut kept = Vec::new();
            for (at, candidates) in candidates.into_iter().enumerate() {
                if self.advance(&mut all[alive[at]], &candidates, length) {
                    kept.push(at);
                }
            }
            if length == self.max_new_tokens {
                break;
            }
            let place = |values: Vec<usize>| {
                let values: Vec<i64> = values.into_iter().map(|v| v as i64).collect();
                Tensor::from_slice(&values).to_device(decoding.device())
            };
            let rest: Vec<usize> = kept.iter().map(|&at| alive[at]).collect();
            let parent = |(at, &item): (usize, &usize)| {
                let open = &all[item].open;
                // A missing beam repeats the first one; its probability is 0.
                (0..self.beams)
                    .map(|beam| at * width + open.get(beam).map_or(0, |open| open.parent))
                    .collect::<Vec<_>>()
            };
            let rows = place(rest.iter().enumerate().flat_map(parent).collect());
            let items = (kept.len() < alive.len()).then(|| place(kept));
            if let Some(items) = items {
                decoding.keep(&items);
            }
            decoding.branch(&rows, self.beams as i64);
            (alive, width) = (rest, self.beams);
        }
        Ok(all.into_iter().map(|item| item.finished).collect())
    }

    fn check(&self) -> Result<()> {
        for (what, value) in [
            ("beams", self.beams),
            ("max_new_tokens", self.max_new_tokens),
        ] {
            if value < 1 {
                return Err(ModelError::Input(format!(
                    "beam search: {what}: expected at least 1, found {value}"
                )));
            }
        }
        if !self.length_penalty.is_finite() {
            return Err(ModelError::Input(format!(
                "beam search: length_penalty: expected a finite number, found {}",
                self.length_penalty
            )));
        }
        Ok(())
    }

    /// Feeds the last token of every beam; gives for each of `alive` the best continuations as (log-probability of the whole
    /// text, beam, token), best first.
    fn continuations(
        &self,
        decoding: &mut Decoding,
        all: &[Item],
        alive: &[usize],
        width: usize,
    ) -> Vec<Vec<(f64, usize, i64)>> {
        let (mut last, mut sums) = (Vec::new(), Vec::new());
        for open in alive.iter().map(|&item| &all[item].open) {
            for beam in 0..width {
                let open = open.get(beam);
                last.push(open.and_then(|o| o.ids.last().copied()).unwrap_or(self.end));
                sums.push(open.map_or(f64::NEG_INFINITY, |o| o.log_probability));
            }
        }
        let device = decoding.device();
        let column = |x: Tensor| x.to_device(device).unsqueeze(1);
        let logits = decoding.step(&column(Tensor::from_slice(&last)), None);
        let logits = logits.squeeze_dim(1);
        let vocabulary = logits.size()[1];
        let kind = logits.kind();
        let sums = logits.log_softmax(-1, kind) + column(Tensor::from_slice(&sums)).to_kind(kind);
        let sums = sums.view([alive.len() as i64, width as i64 * vocabulary]);
        let count = (2 * self.beams as i64).min(sums.size()[1]);
        let (sums, places) = sums.topk(count, -1, true, true);
        let (sums, places) = (
            values::<f64>(&sums.to_kind(Kind::Double)),
            values::<i64>(&places),
        );
        let found = sums.into_iter().zip(places).map(|(sum, place)| {
            let beam = (place / vocabulary) as usize;
            (sum, beam, place % vocabulary)
        });
        let found: Vec<_> = found.collect();
        found.chunks(count as usize).map(<[_]>::to_vec).collect()
    }

    /// Takes the continuations of `item` that make it `length` tokens long; false if it is done with that.
    fn advance(&self, item: &mut Item, candidates: &[(f64, usize, i64)], length: usize) -> bool {
        let mut open = Vec::with_capacity(self.beams);
        for (rank, &(log_probability, parent, token)) in candidates.iter().enumerate() {
            let Some(before) = item.open.get(parent) else {
                continue; // the continuation of a beam that is not there
            };
            let ends = token == self.end || length == self.max_new_tokens;
            if ends && rank >= self.beams || !ends && open.len() == self.beams {
                continue;
            }
            let mut ids = before.ids.clone();
            ids.push(token);
            if ends {
                let score = score(log_probability, length, self.length_penalty);
                item.finished.push(Hypothesis { ids, score });
            } else {
                open.push(Open {
                    ids,
                    log_probability,
                    parent,
                });
            }
        }
        // Stable: of equals the older stays in front.
        item.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        item.finished.truncate(self.beams);
        item.open = open;
        let Some(best) = item.open.first() else {
            return false;
        };
        let hope = score(best.log_probability, length, self.length_penalty);
        item.finished.len() < self.beams
            || item.finished.last().is_some_and(|worst| hope > worst.score)
    }
}

fn values<T: Clone + Default + tch::kind::Element>(x: &Tensor) -> Vec<T> {
    let x = x.to_device(tch::Device::Cpu).contiguous();
    let mut values = vec![T::default(); x.numel()];
    x.copy_data(&mut values, x.numel());
    values
}
