//! Controls of the donor search: the donors that were found, replaced by others that might as well have lent.
//!
//! What a borrowed label is worth is only seen beside one that was not borrowed from a similar text. Both controls keep who takes a label,
//! its polarity, and that nothing passes within a dialogue or video. They depend on the seed and the samples alone, not on their order.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::search::{Best, Candidate};
use crate::{Field, PerField, Polarity, Sample, Split, UnifyOptions};

/// Samples with their embeddings.
#[derive(Clone, Copy)]
pub(crate) struct Embedded<'a> {
    pub(crate) samples: &'a [Sample],
    /// The samples by rank.
    pub(crate) order: &'a [usize],
    /// Row-major [samples, dim], rows of unit length.
    pub(crate) embeddings: &'a [f32],
    pub(crate) dim: usize,
}

impl Embedded<'_> {
    /// Gives every sample that has a donor one that is drawn among all samples that might lend it the field, each as likely as any other.
    /// Every sample and field has a stream of random numbers of its own.
    pub(crate) fn draw(&self, donors: &mut PerField<Vec<Best>>, options: &UnifyOptions) {
        for field in Field::BORROWED {
            for polarity in Polarity::ALL {
                let lenders: Vec<usize> = (0..self.order.len())
                    .filter(|&rank| {
                        let sample = &self.samples[self.order[rank]];
                        sample.polarity == Some(polarity)
                            && sample.has(field)
                            && options.gives(sample)
                    })
                    .collect();
                let mut by_group = HashMap::<_, usize>::new();
                for &lender in &lenders {
                    *by_group.entry(self.group(self.order[lender])).or_default() += 1;
                }
                for rank in self.takers(&donors[field], polarity) {
                    let row = self.order[rank];
                    let own = by_group.get(&self.group(row)).copied().unwrap_or_default();
                    let stream = (rank * Field::ALL.len() + field.index()) as u64;
                    let mut random = stream_of(options.seed, stream);
                    let drawn = below(lenders.len() - own, &mut random);
                    let mut others = lenders
                        .iter()
                        .filter(|&&lender| own == 0 || self.apart(row, self.order[lender]));
                    if let Some(&lender) = others.nth(drawn) {
                        donors[field][row] = self.lent(row, lender);
                    }
                }
            }
        }
    }

    /// Exchanges the donors of a field among the samples of one polarity and split that have one, so that each takes that of another: a
    /// random cycle (Sattolo 1986). Where the exchange would give a sample a donor of its own dialogue or video, the next partner is
    /// asked; a sample that nobody can exchange with keeps its donor.
    pub(crate) fn shuffle(&self, donors: &mut PerField<Vec<Best>>, options: &UnifyOptions) {
        for field in Field::BORROWED {
            for polarity in Polarity::ALL {
                for split in Split::ALL {
                    let takers: Vec<usize> = self
                        .takers(&donors[field], polarity)
                        .into_iter()
                        .map(|rank| self.order[rank])
                        .filter(|&row| self.samples[row].split == split)
                        .collect();
                    let place = (field.index() * Polarity::ALL.len() + polarity.index())
                        * Split::ALL.len()
                        + split.index();
                    let mut random = stream_of(options.seed, place as u64);
                    self.cycle(&mut donors[field], &takers, &mut random);
                }
            }
        }
    }

    fn cycle(&self, best: &mut [Best], takers: &[usize], random: &mut ChaCha8Rng) {
        let lender = |best: &[Best], at: usize| best[takers[at]][0].rank as usize;
        let mut lenders: Vec<usize> = (0..takers.len()).map(|at| lender(best, at)).collect();
        for last in (1..takers.len()).rev() {
            let first = below(last, random);
            let partner = (0..last).map(|step| (first + step) % last).find(|&other| {
                self.apart(takers[last], self.order[lenders[other]])
                    && self.apart(takers[other], self.order[lenders[last]])
            });
            if let Some(other) = partner {
                lenders.swap(last, other);
            }
        }
        for (&row, &lender) in takers.iter().zip(&lenders) {
            best[row] = self.lent(row, lender);
        }
    }

    /// Ranks of the samples of a polarity that have a donor.
    fn takers(&self, best: &[Best], polarity: Polarity) -> Vec<usize> {
        (0..self.order.len())
            .filter(|&rank| {
                let row = self.order[rank];
                self.samples[row].polarity == Some(polarity) && best[row][0] != Candidate::NONE
            })
            .collect()
    }

    /// The dialogue or video of a sample.
    fn group(&self, row: usize) -> (&str, &str) {
        (&self.samples[row].corpus, &self.samples[row].group)
    }

    /// Whether two samples are of different dialogues or videos.
    fn apart(&self, row: usize, other: usize) -> bool {
        self.group(row) != self.group(other)
    }

    /// The sample of rank `lender` as the donor of `row`, without a runner-up.
    fn lent(&self, row: usize, lender: usize) -> Best {
        let values = |row: usize| &self.embeddings[row * self.dim..][..self.dim];
        let pairs = values(row).iter().zip(values(self.order[lender]));
        let similarity = pairs.map(|(a, b)| a * b).sum();
        let donor = Candidate {
            rank: lender as u32,
            similarity,
        };
        [donor, Candidate::NONE]
    }
}

fn stream_of(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

/// A number below `n`, from 64 random bits by a multiplication: the bias is under n / 2^64. 0 for an `n` of 0.
fn below(n: usize, random: &mut ChaCha8Rng) -> usize {
    ((u128::from(random.next_u64()) * n as u128) >> 64) as usize
}
