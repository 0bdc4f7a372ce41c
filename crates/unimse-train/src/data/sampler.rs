//! The order in which an epoch visits the training utterances: a pure function of (seed, epoch).
//!
//! Because nothing else enters, the data cursor of a checkpoint is just (epoch, batch).

use std::collections::VecDeque;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// What the sampler knows of one utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Index of its corpus, from 0.
    pub corpus: usize,
    /// Length of its encoded text in tokens.
    pub tokens: usize,
}

/// How often each corpus is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Mixture {
    /// Corpus c of `n_c` utterances in proportion to `n_c^(1/T)`; 1 is by size.
    Temperature(f64),
    /// Each corpus, by its index, in proportion to its number.
    Quotas(Vec<f64>),
}

impl Mixture {
    /// What the corpus at `index`, of `size` utterances, counts beside the others.
    fn mass(&self, index: usize, size: usize) -> f64 {
        match self {
            _ if size == 0 => 0.0,
            Self::Temperature(temperature) => (size as f64).powf(1.0 / temperature),
            Self::Quotas(quotas) => quotas.get(index).copied().unwrap_or(0.0),
        }
    }
}

/// How batches are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Most utterances in a batch.
    pub batch: usize,
    /// Most tokens in a batch, padding included.
    pub token_budget: usize,
    /// How often each corpus is drawn.
    pub mixture: Mixture,
}

/// Utterances within so many batches are sorted by length together, so that batches hold little padding.
const BUCKET_BATCHES: usize = 16;

impl Plan {
    /// The batches of one epoch as indices into `entries`. An epoch draws as many utterances as there are; the mixture
    /// may draw small corpora more than once and large ones less than once, each in reshuffled passes without replacement.
    /// No batch holds an utterance twice; a corpus drawn very often makes more and smaller batches for it.
    #[must_use]
    pub fn epoch(&self, entries: &[Entry], seed: u64, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64 + 1);
        let mut drawn = self.draw(entries, &mut rng);
        drawn.shuffle(&mut rng);
        let (mut batches, mut left) = (Vec::new(), Vec::<usize>::new());
        for bucket in drawn.chunks(self.batch.max(1) * BUCKET_BATCHES) {
            left.extend(bucket.iter());
            left.sort_by_key(|&i| (entries[i].tokens, i));
            left = self.cut(&left, entries, &mut batches);
        }
        self.place(left, entries, &mut batches);
        batches.shuffle(&mut rng);
        batches
    }

    /// Batches over `entries` in order of length, for evaluation. The rows of a batch have one padded length, so that the padding of a row,
    /// and with it its answer, does not depend on the others.
    #[must_use]
    pub fn by_length(&self, entries: &[Entry]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&i| (entries[i].tokens, i));
        let mut batches = Vec::new();
        let padded = |&i: &usize| unimse_model::batch::padded(entries[i].tokens);
        for group in order.chunk_by(|a, b| padded(a) == padded(b)) {
            self.cut(group, entries, &mut batches);
        }
        batches
    }

    /// Cuts a length-sorted run into batches under both limits; an utterance longer than the budget stands alone. A copy of what the
    /// batch holds waits for the next one. Returns the copies that are left when nothing else is, in order of length.
    fn cut(&self, sorted: &[usize], entries: &[Entry], out: &mut Vec<Vec<usize>>) -> Vec<usize> {
        let mut rest: VecDeque<usize> = sorted.iter().copied().collect();
        loop {
            let (mut batch, mut waiting) = (Vec::new(), Vec::new());
            while let Some(&next) = rest.front() {
                // copies of an utterance stand side by side
                if batch.last() == Some(&next) {
                    waiting.push(next);
                } else if self.fits(&batch, next, entries) {
                    batch.push(next);
                } else {
                    break;
                }
                rest.pop_front();
            }
            if batch.is_empty() {
                return waiting;
            }
            let exhausted = rest.is_empty();
            out.push(batch);
            if exhausted {
                return waiting;
            }
            waiting.into_iter().rev().for_each(|i| rest.push_front(i));
        }
    }

    /// Whether `next` may join `batch` under both limits.
    fn fits(&self, batch: &[usize], next: usize, entries: &[Entry]) -> bool {
        let tokens = batch.iter().chain([&next]).map(|&i| entries[i].tokens);
        let padded = (batch.len() + 1) * tokens.max().unwrap_or(0);
        batch.is_empty() || (batch.len() < self.batch && padded <= self.token_budget)
    }

    /// Puts copies that are left into batches with room that do not hold them, and where there is none into batches of their own.
    fn place(&self, mut left: Vec<usize>, entries: &[Entry], batches: &mut Vec<Vec<usize>>) {
        left.sort_unstable();
        for copies in left.chunk_by(|a, b| a == b) {
            let (one, mut wanted) = (copies[0], copies.len());
            for batch in batches.iter_mut() {
                if wanted > 0 && !batch.contains(&one) && self.fits(batch, one, entries) {
                    batch.push(one);
                    wanted -= 1;
                }
            }
            batches.extend(std::iter::repeat_n(vec![one], wanted));
        }
    }

    fn draw(&self, entries: &[Entry], rng: &mut ChaCha8Rng) -> Vec<usize> {
        let corpora = entries.iter().map(|e| e.corpus + 1).max().unwrap_or(0);
        let mut members = vec![Vec::new(); corpora];
        for (i, e) in entries.iter().enumerate() {
            members[e.corpus].push(i);
        }
        let sizes = members.iter().map(Vec::len).enumerate();
        let mass: Vec<f64> = sizes.map(|(c, size)| self.mixture.mass(c, size)).collect();
        let total: f64 = mass.iter().sum();
        let mut drawn = Vec::with_capacity(entries.len());
        for (group, mass) in members.iter().zip(&mass) {
            let mut want = (entries.len() as f64 * mass / total).round() as usize;
            while want > 0 && !group.is_empty() {
                let mut pass = group.clone();
                pass.shuffle(rng);
                pass.truncate(want);
                want -= pass.len();
                drawn.append(&mut pass);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries(sizes: &[usize]) -> Vec<Entry> {
        sizes
            .iter()
            .enumerate()
            .flat_map(|(corpus, &n)| {
                (0..n).map(move |i| Entry {
                    corpus,
                    tokens: 5 + (i * 7) % 40,
                })
            })
            .collect()
    }

    #[test]
    fn temperature_one_visits_each_utterance_once() {
        let e = entries(&[100, 13]);
        let mut seen: Vec<usize> = Plan {
            batch: 8,
            token_budget: 10_000,
            mixture: Mixture::Temperature(1.0),
        }
        .epoch(&e, 7, 0)
        .into_iter()
        .flatten()
        .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..113).collect::<Vec<_>>());
    }

    #[test]
    fn temperature_two_draws_in_proportion_to_the_square_root() {
        let e = entries(&[900, 100]);
        let plan = Plan {
            batch: 8,
            token_budget: 10_000,
            mixture: Mixture::Temperature(2.0),
        };
        let small = plan
            .epoch(&e, 7, 0)
            .into_iter()
            .flatten()
            .filter(|&i| e[i].corpus == 1)
            .count();
        assert_eq!(small, 1000 * 10 / (30 + 10));
    }

    #[test]
    fn quotas_replace_sizes() {
        let e = entries(&[900, 100, 50]);
        let plan = Plan {
            batch: 8,
            token_budget: 10_000,
            mixture: Mixture::Quotas(vec![2.0, 1.0, 0.0]),
        };
        let drawn = plan.epoch(&e, 7, 0).concat();
        let of = |corpus| drawn.iter().filter(|&&i| e[i].corpus == corpus).count();
        assert_eq!([of(0), of(1), of(2)], [1050 * 2 / 3, 1050 / 3, 0]);
    }

    #[test]
    fn rows_that_are_answered_together_are_padded_alike() {
        let e = entries(&[300, 40]);
        let plan = Plan {
            batch: 16,
            token_budget: 10_000,
            mixture: Mixture::Temperature(1.0),
        };
        let batches = plan.by_length(&e);
        for batch in &batches {
            let lengths = batch.iter().map(|&i| e[i].tokens.next_multiple_of(8));
            assert_eq!(lengths.collect::<std::collections::BTreeSet<_>>().len(), 1);
        }
        let mut seen = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..340).collect::<Vec<_>>());
    }

    /// Copies change how batches are put together, not how many there are: draws / batch, and one more for the last bucket's rest.
    #[test]
    fn copies_cost_no_batches() {
        let mut e = entries(&[900, 20]);
        e.iter_mut().for_each(|e| e.tokens = 10);
        let plan = Plan {
            batch: 8,
            token_budget: 10_000,
            mixture: Mixture::Temperature(2.0),
        };
        // 920 * sqrt(20) / (30 + sqrt(20)) = 119.4 draws of 20 utterances
        let batches = plan.epoch(&e, 7, 0);
        let small = batches.iter().flatten().filter(|&&i| i >= 900).count();
        assert_eq!(small, 119);
        assert!(batches.len() <= 920 / 8 + 1, "{}", batches.len());
    }

    proptest! {
        #[test]
        fn no_batch_holds_an_utterance_twice(small in 1usize..40, large in 1usize..300, batch in 1usize..33, budget in 45usize..2000, temperature in 1.0f64..20.0, seed: u64) {
            let e = entries(&[large, small]);
            let plan = Plan { batch, token_budget: budget, mixture: Mixture::Temperature(temperature) };
            let batches = plan.epoch(&e, seed, 1);
            prop_assert_eq!(&batches, &plan.epoch(&e, seed, 1));
            let mut drawn = vec![0usize; e.len()];
            for b in &batches {
                let longest = b.iter().map(|&i| e[i].tokens).max().unwrap_or(0);
                prop_assert!(b.len() <= batch && !b.is_empty());
                prop_assert!(b.len() == 1 || longest * b.len() <= budget);
                let distinct: std::collections::BTreeSet<_> = b.iter().collect();
                prop_assert_eq!(distinct.len(), b.len(), "{:?}", b);
                b.iter().for_each(|&i| drawn[i] += 1);
            }
            // nothing is lost on the way: whole passes, and the number of draws that the temperature asks for
            let [a, b] = [large, small].map(|n| (n as f64).powf(1.0 / temperature));
            for (range, mass) in [(0..large, a), (large..e.len(), b)] {
                let want = (e.len() as f64 * mass / (a + b)).round() as usize;
                prop_assert_eq!(drawn[range.clone()].iter().sum::<usize>(), want);
                let (low, high) = (drawn[range.clone()].iter().min(), drawn[range].iter().max());
                prop_assert!(high.zip(low).is_some_and(|(h, l)| h - l <= 1));
            }
        }

        #[test]
        fn batches_keep_both_limits_and_repeat_by_seed(n in 1usize..200, batch in 1usize..33, budget in 45usize..2000, seed: u64) {
            let e = entries(&[n, n / 3]);
            let plan = Plan { batch, token_budget: budget, mixture: Mixture::Temperature(1.0) };
            let batches = plan.epoch(&e, seed, 3);
            prop_assert_eq!(&batches, &plan.epoch(&e, seed, 3));
            for b in &batches {
                let longest = b.iter().map(|&i| e[i].tokens).max().unwrap_or(0);
                prop_assert!(b.len() <= batch && !b.is_empty());
                prop_assert!(b.len() == 1 || longest * b.len() <= budget);
            }
            prop_assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), e.len());
        }
    }
}
