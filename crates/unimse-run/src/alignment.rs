//! How often the text of an utterance finds its own audio and its own video, by fused layer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text against one other modality, on rows of one corpus and split that have both; of an aggregate the means over seeds. `docs/protocol.md`
/// defines the ranks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alignment {
    /// `audio` or `video`.
    pub modality: String,
    /// Rows asked, each of which is a candidate for all: at most 400, drawn by the seed.
    pub n: usize,
    /// What ranks drawn at random would give on the average.
    pub chance: Retrieval,
    /// The fused layers, from the lowest.
    pub layers: Vec<LayerRetrieval>,
}

/// One fused layer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerRetrieval {
    /// Its number in the encoder, from 0.
    pub layer: usize,
    /// What its text finds.
    pub found: Retrieval,
}

/// What the ranks of the own audio or video, the nearest candidate being 1, say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Retrieval {
    /// Mean of one over the rank.
    pub mrr: f64,
    /// Share of rank 1.
    pub recall_at_1: f64,
}

impl Retrieval {
    /// The expectation over ranks that are equally likely among `n` candidates.
    #[must_use]
    pub fn chance(n: usize) -> Self {
        Self::tied(0, n)
    }

    /// The expectation for one row with `nearer` candidates before its own, which stands among `tied` equally near ones (at least 1, itself) in
    /// random order.
    #[must_use]
    pub fn tied(nearer: usize, tied: usize) -> Self {
        let ranks = nearer + 1..=nearer + tied;
        let share = 1.0 / tied as f64;
        Self {
            mrr: ranks.map(|rank| 1.0 / rank as f64).sum::<f64>() * share,
            recall_at_1: if nearer == 0 { share } else { 0.0 },
        }
    }

    /// The mean of several; zeros of none.
    #[must_use]
    pub fn mean(all: &[Self]) -> Self {
        let mean =
            |value: fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / all.len().max(1) as f64;
        Self {
            mrr: mean(|r| r.mrr),
            recall_at_1: mean(|r| r.recall_at_1),
        }
    }
}

/// The means over seeds; empty where one of them has other layers, modalities or rows.
pub(crate) fn mean(seeds: &[&[Alignment]]) -> Vec<Alignment> {
    let Some((first, others)) = seeds.split_first() else {
        return Vec::new();
    };
    if others.iter().any(|other| shape(other) != shape(first)) {
        return Vec::new();
    }
    let mut merged = first.to_vec();
    for (at, alignment) in merged.iter_mut().enumerate() {
        for (layer, into) in alignment.layers.iter_mut().enumerate() {
            let found = seeds.iter().map(|seed| seed[at].layers[layer].found);
            into.found = Retrieval::mean(&found.collect::<Vec<_>>());
        }
    }
    merged
}

/// What was asked, without what was found.
fn shape(all: &[Alignment]) -> Vec<(&str, usize, Vec<usize>)> {
    let layers = |a: &Alignment| a.layers.iter().map(|l| l.layer).collect();
    let each = all.iter();
    each.map(|a| (a.modality.as_str(), a.n, layers(a)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alignment(n: usize, mrr: f64) -> Alignment {
        let found = Retrieval {
            mrr,
            recall_at_1: 0.0,
        };
        Alignment {
            modality: "audio".to_owned(),
            n,
            chance: Retrieval::chance(n),
            layers: vec![LayerRetrieval { layer: 3, found }],
        }
    }

    #[test]
    fn ties_are_broken_by_chance() {
        let first = Retrieval::tied(0, 1);
        assert_eq!((first.mrr, first.recall_at_1), (1.0, 1.0));
        // ranks 3, 4 and 5, each with a third
        let third = Retrieval::tied(2, 3);
        let expected = (1.0 / 3.0 + 1.0 / 4.0 + 1.0 / 5.0) / 3.0;
        assert!((third.mrr - expected).abs() < 1e-12);
        assert_eq!(third.recall_at_1, 0.0);
        let chance = Retrieval::chance(4);
        assert!((chance.mrr - (1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0) / 4.0).abs() < 1e-12);
        assert_eq!(chance.recall_at_1, 1.0 / 4.0);
    }

    #[test]
    fn seeds_are_averaged_where_they_asked_the_same() {
        let (one, other) = ([alignment(9, 0.2)], [alignment(9, 0.4)]);
        let merged = mean(&[&one, &other]);
        assert!((merged[0].layers[0].found.mrr - (0.2 + 0.4) / 2.0).abs() < 1e-12);
        assert_eq!(mean(&[&one, &[alignment(8, 0.4)]]), []);
        assert_eq!(mean(&[&one, &[]]), []);
    }
}
