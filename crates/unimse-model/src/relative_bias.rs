//! The learned bias of attention scores by distance (Raffel et al. 2020, section 2.1; Song et al. 2020, MPNet): one table
//! `[buckets, heads]` for all layers of a stack, added to scores `[batch, heads, queries, keys]`.

use tch::nn::Path;
use tch::{Kind, Tensor};

use crate::layers::Embedding;

/// Which distances share a row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Buckets {
    /// Rows; with both directions half of them each.
    pub(crate) count: i64,
    /// Distance from which on all share the last bucket.
    pub(crate) max_distance: i64,
    /// Whether keys ahead of a query are seen.
    pub(crate) bidirectional: bool,
}

impl Buckets {
    /// Bucket of each distance, `[..]` i64: half the buckets of a direction hold one distance each, the others grow logarithmically
    /// up to the largest distance.
    fn of(self, distance: &Tensor) -> Tensor {
        let (buckets, side, distance) = if self.bidirectional {
            let half = self.count / 2;
            (
                half,
                distance.gt(0).to_kind(Kind::Int64) * half,
                distance.abs(),
            )
        } else {
            // Keys ahead of the query are masked; what bucket they get does not matter.
            (
                self.count,
                distance.zeros_like(),
                distance.clamp_max(0).neg(),
            )
        };
        let exact = buckets / 2;
        // Divided, then multiplied, in fp32: the reference rounds so, and at powers of two it matters.
        let octaves = (self.max_distance as f64 / exact as f64).ln();
        let logarithm = (distance.to_kind(Kind::Float) / exact as f64).log() / octaves
            * (buckets - exact) as f64;
        // log 0 = -inf stands where the exact bucket is taken; clamped, since its cast to an integer is undefined.
        let far: Tensor = logarithm.clamp_min(0.0).to_kind(Kind::Int64) + exact;
        side + distance.where_self(&distance.lt(exact), &far.clamp_max(buckets - 1))
    }
}

/// The table and its buckets.
#[derive(Debug)]
pub(crate) struct RelativeBias {
    table: Embedding,
    buckets: Buckets,
}

impl RelativeBias {
    /// The table lies under `p`, drawn with standard deviation `std`.
    pub(crate) fn new(p: &Path<'_>, buckets: Buckets, heads: i64, std: f64) -> Self {
        Self {
            table: Embedding::new(p, buckets.count, heads, std),
            buckets,
        }
    }

    /// Bias `[rows, heads, queries, keys]` fp32 of positions `[rows, queries]` and `[rows, keys]` i64; rows may be 1.
    pub(crate) fn forward(&self, queries: &Tensor, keys: &Tensor) -> Tensor {
        let distance = keys.unsqueeze(1) - queries.unsqueeze(2);
        self.table
            .forward(&self.buckets.of(&distance))
            .permute([0, 3, 1, 2])
    }

    /// A second handle on the same table.
    pub(crate) fn share(&self) -> Self {
        Self {
            table: self.table.share(),
            ..*self
        }
    }
}
