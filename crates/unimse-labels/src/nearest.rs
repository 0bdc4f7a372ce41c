//! Exact nearest neighbours by cosine, both ways between two sets, in blocks.
//!
//! The similarity matrix of the sets is computed tile by tile and never stored: a tile feeds the running best of its
//! rows and of its columns at once. Results do not depend on tiles or threads, because an element of the product is
//! summed in the same order wherever it stands and ties are broken by rank.

use rayon::prelude::*;

/// Rows and columns of a tile: 256 KiB of similarities.
const TILE: usize = 256;

/// One utterance as the search sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Row of the embeddings.
    pub(crate) row: usize,
    /// Position in the order that breaks ties: the lowest wins.
    pub(crate) rank: usize,
    /// Items of the same group are never paired.
    pub(crate) group: usize,
    /// Looks for a donor.
    pub(crate) asks: bool,
    /// May be a donor.
    pub(crate) gives: bool,
}

/// The best candidate so far and how close the second came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Nearest {
    pub(crate) similarity: f32,
    /// Rank of the candidate; `usize::MAX` before the first.
    pub(crate) rank: usize,
    /// Similarity of the second best; minus infinity where there is none.
    pub(crate) runner_up: f32,
}

impl Nearest {
    pub(crate) const NONE: Self = Self {
        similarity: f32::NEG_INFINITY,
        rank: usize::MAX,
        runner_up: f32::NEG_INFINITY,
    };

    /// Joins the results over two disjoint sets of candidates, in any order.
    pub(crate) fn merge(&mut self, mut other: Self) {
        let better = other.similarity > self.similarity
            || (other.similarity == self.similarity && other.rank < self.rank);
        if better {
            std::mem::swap(self, &mut other);
        }
        self.runner_up = self.runner_up.max(other.similarity);
    }

    fn offer(&mut self, similarity: f32, rank: usize) {
        if similarity >= self.runner_up {
            self.merge(Self {
                similarity,
                rank,
                runner_up: f32::NEG_INFINITY,
            });
        }
    }
}

/// For every item of `left` its nearest in `right`, and the reverse; [`Nearest::NONE`] where nobody may donate.
///
/// `embeddings` is row-major [rows, dim] with unit rows; the caller has checked that every `Item::row` lies inside.
pub(crate) fn nearest(
    embeddings: &[f32],
    dim: usize,
    left: &[Item],
    right: &[Item],
) -> (Vec<Nearest>, Vec<Nearest>) {
    let none = || {
        (
            vec![Nearest::NONE; left.len()],
            vec![Nearest::NONE; right.len()],
        )
    };
    let tiles = left.par_chunks(TILE).enumerate();
    tiles
        .fold(none, |(mut of_left, mut of_right), (tile, rows)| {
            let a = gather(embeddings, dim, rows);
            let mut similarities = Vec::new();
            let of_rows = &mut of_left[tile * TILE..][..rows.len()];
            for (columns, of_columns) in right.chunks(TILE).zip(of_right.chunks_mut(TILE)) {
                if !meets(rows, columns) && !meets(columns, rows) {
                    continue;
                }
                multiply(
                    &a,
                    &gather(embeddings, dim, columns),
                    dim,
                    &mut similarities,
                );
                scan(&similarities, rows, columns, of_rows, of_columns);
            }
            (of_left, of_right)
        })
        .reduce(none, |mut total, part| {
            total
                .0
                .iter_mut()
                .zip(part.0)
                .for_each(|(best, other)| best.merge(other));
            total
                .1
                .iter_mut()
                .zip(part.1)
                .for_each(|(best, other)| best.merge(other));
            total
        })
}

/// Whether anyone of `queries` may ask anyone of `donors`.
fn meets(queries: &[Item], donors: &[Item]) -> bool {
    queries.iter().any(|item| item.asks) && donors.iter().any(|item| item.gives)
}

fn gather(embeddings: &[f32], dim: usize, items: &[Item]) -> Vec<f32> {
    items
        .iter()
        .flat_map(|item| &embeddings[item.row * dim..][..dim])
        .copied()
        .collect()
}

/// Feeds a tile of similarities [rows, columns] to the best of its rows and of its columns.
fn scan(
    similarities: &[f32],
    rows: &[Item],
    columns: &[Item],
    of_rows: &mut [Nearest],
    of_columns: &mut [Nearest],
) {
    for ((line, row), of_row) in similarities
        .chunks_exact(columns.len())
        .zip(rows)
        .zip(of_rows)
    {
        for ((&similarity, column), of_column) in
            line.iter().zip(columns).zip(of_columns.iter_mut())
        {
            if row.group == column.group {
                continue;
            }
            if row.asks && column.gives {
                of_row.offer(similarity, column.rank);
            }
            if column.asks && row.gives {
                of_column.offer(similarity, row.rank);
            }
        }
    }
}

/// `out = a b^T` for row-major `a` [m, dim] and `b` [n, dim].
#[allow(
    unsafe_code,
    reason = "matrixmultiply takes raw pointers; the lengths below bound every access"
)]
fn multiply(a: &[f32], b: &[f32], dim: usize, out: &mut Vec<f32>) {
    let (m, n) = (a.len() / dim, b.len() / dim);
    out.clear();
    out.resize(m * n, 0.0);
    let (stride, width) = (dim as isize, n as isize);
    // SAFETY: `a` holds m rows and `b` n rows of `dim` values, `out` m rows of `n`, all contiguous, and `out` is
    // borrowed mutably, so it overlaps neither.
    unsafe {
        matrixmultiply::sgemm(
            m,
            dim,
            n,
            1.0,
            a.as_ptr(),
            stride,
            1,
            b.as_ptr(),
            1,
            stride,
            0.0,
            out.as_mut_ptr(),
            width,
            1,
        );
    }
}
