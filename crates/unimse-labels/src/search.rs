//! Exact nearest neighbours by cosine, both ways between two sets of rows, in one pass over blocks of either set.
//!
//! The similarity matrix is computed tile by tile and never stored: a tile feeds the best candidates of its rows and of
//! its columns at once. Candidates are ordered by similarity, then by rank, and similarities do not depend on the tile
//! they are computed in, so the result is the same for any number of threads and any division into blocks.

use std::iter::repeat_with;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use thiserror::Error;

use crate::product::{Lanes, TILE, multiply};

/// What decides between which rows a label may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Who the row is: reported for candidates, and the lower of two ranks wins a tie.
    pub rank: u32,
    /// Rows of the same group (dialogue, video) are never paired.
    pub group: u32,
    /// Looks for candidates.
    pub asks: bool,
    /// May be a candidate.
    pub gives: bool,
}

/// Consecutive rows of a set with their keys.
#[derive(Clone, Debug)]
pub struct Block<V> {
    /// Row-major [keys, dim], rows of unit length.
    pub values: V,
    /// One a row.
    pub keys: Vec<Key>,
}

/// A row of the other set and how similar it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// [`Key::rank`] of the row.
    pub rank: u32,
    /// Cosine.
    pub similarity: f32,
}

/// A donor and its runner-up.
pub(crate) type Best = [Candidate; 2];

impl Candidate {
    pub(crate) const NONE: Self = Self {
        rank: u32::MAX,
        similarity: f32::NEG_INFINITY,
    };

    fn before(&self, other: &Self) -> bool {
        self.similarity > other.similarity
            || (self.similarity == other.similarity && self.rank < other.rank)
    }
}

/// The best `k` candidates of every row of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Matches {
    k: usize,
    rows: usize,
    /// [rows up to the last that asks, k].
    slots: Vec<Candidate>,
}

impl Matches {
    fn new(k: usize) -> Self {
        let (rows, slots) = (0, Vec::new());
        Self { k, rows, slots }
    }

    /// Takes in rows that have no candidates yet. None is kept for those after the last that asks.
    fn add(&mut self, keys: &[Key]) {
        if let Some(last) = keys.iter().rposition(|key| key.asks) {
            let rows = self.rows + last + 1;
            self.slots.resize(rows * self.k, Candidate::NONE);
        }
        self.rows += keys.len();
    }

    /// The slots of some rows, as far as there are any.
    fn part(&mut self, rows: Range<usize>) -> &mut [Candidate] {
        let place = |row: usize| self.slots.len().min(row * self.k);
        let (start, end) = (place(rows.start), place(rows.end));
        &mut self.slots[start..end]
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The candidates of a row, the best first: `k` of them, or all there are.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn of(&self, row: usize) -> &[Candidate] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let slots = self.slots.chunks_exact(self.k).nth(row).unwrap_or(&[]);
        let found = slots.iter().take_while(|slot| **slot != Candidate::NONE);
        &slots[..found.count()]
    }

    /// By how much candidate `place` of `row` (0: the best) is more similar than the next one; `None` where no next one
    /// was kept.
    ///
    /// # Panics
    /// If `row` is not below [`len`](Self::len).
    pub fn margin(&self, row: usize, place: usize) -> Option<f32> {
        let found = self.of(row);
        Some(found.get(place)?.similarity - found.get(place + 1)?.similarity)
    }
}

/// Rows that cannot be searched.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Rows of no width, or no candidate wanted.
    #[error("{name}: 0, expected at least 1")]
    Zero {
        /// `dim` or `k`.
        name: &'static str,
    },
    /// A block does not hold one row a key.
    #[error("{side} block holds {found} values, expected {keys} rows x {dim} dimensions")]
    Shape {
        /// `left` or `right`.
        side: &'static str,
        /// Number of keys.
        keys: usize,
        /// Width of a row.
        dim: usize,
        /// Number of values.
        found: usize,
    },
    /// A row is not a direction: not finite, zero, or not of unit length.
    #[error("{side} row {row} (rank {rank}): {found}, expected a finite row of unit length")]
    Row {
        /// `left` or `right`.
        side: &'static str,
        /// Position in its set, from 0.
        row: usize,
        /// Rank in its key.
        rank: u32,
        /// What is wrong with it.
        found: String,
    },
    /// The right set did not give the same number of rows each time it was opened.
    #[error("right set gave {found} rows when opened again, expected {expected}")]
    Changed {
        /// Rows of the first pass.
        expected: usize,
        /// Rows of a later one.
        found: usize,
    },
}

/// For every row of `left` its `k` best candidates in `right`, and the reverse.
///
/// The sets come as iterators of blocks, which may be of any size and come from anywhere; `right` is opened once for
/// each block of `left`. An error of theirs ends the search. Memory beyond the two blocks at hand: 8 k bytes a row for the
/// result, up to the last row of a set that asks, and a tile of 256 KiB and 256 rows a thread.
///
/// ```
/// use unimse_labels::{Block, Key, SearchError, search};
///
/// let key = |rank| Key { rank, group: rank, asks: true, gives: true };
/// let queries = [Ok::<_, SearchError>(Block { values: vec![1.0, 0.0], keys: vec![key(0)] })];
/// let donors = || (1..3).map(|rank| { // two blocks of one row
///     let (sin, cos) = (rank as f32).sin_cos();
///     Ok(Block { values: vec![cos, sin], keys: vec![key(rank)] })
/// });
/// let (of_queries, of_donors) = search(2, 2, queries, donors)?;
/// assert_eq!(of_queries.of(0).iter().map(|c| c.rank).collect::<Vec<_>>(), [1, 2]);
/// assert!((of_queries.margin(0, 0).ok_or("one candidate")? - (1.0_f32.cos() - 2.0_f32.cos())).abs() < 1e-6);
/// assert_eq!(of_donors.of(1)[0].rank, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`SearchError`], naming side and row, for rows that are no directions; and whatever `left` or `right` report.
pub fn search<V, E, R>(
    dim: usize,
    k: usize,
    left: impl IntoIterator<Item = Result<Block<V>, E>>,
    right: impl Fn() -> R,
) -> Result<(Matches, Matches), E>
where
    V: AsRef<[f32]> + Sync,
    E: From<SearchError>,
    R: IntoIterator<Item = Result<Block<V>, E>>,
{
    for (name, value) in [("dim", dim), ("k", k)] {
        if value == 0 {
            return Err(SearchError::Zero { name }.into());
        }
    }
    let (mut of_left, mut of_right) = (Matches::new(k), Matches::new(k));
    let mut opened = false;
    for block in left {
        let block = block?;
        let base = of_left.rows;
        check(&block, dim, "left", base)?;
        of_left.add(&block.keys);
        let mut at = 0;
        for other in right() {
            let other = other?;
            check(&other, dim, "right", at)?;
            let end = at + other.keys.len();
            if !opened {
                of_right.add(&other.keys);
            }
            same_rows(end.max(of_right.rows), of_right.rows)?;
            let (of_block, of_other) = (of_left.part(base..of_left.rows), of_right.part(at..end));
            meet(&block, &other, dim, k, of_block, of_other);
            at = end;
        }
        same_rows(at, of_right.rows)?;
        opened = true;
    }
    if !opened {
        for other in right() {
            of_right.add(&other?.keys);
        }
    }
    Ok((of_left, of_right))
}

fn same_rows(found: usize, expected: usize) -> Result<(), SearchError> {
    match found == expected {
        true => Ok(()),
        false => Err(SearchError::Changed { expected, found }),
    }
}

/// Refuses a block whose shape or rows are not as promised.
fn check<V: AsRef<[f32]> + Sync>(
    block: &Block<V>,
    dim: usize,
    side: &'static str,
    base: usize,
) -> Result<(), SearchError> {
    let (values, keys) = (block.values.as_ref(), &block.keys);
    if keys.len().checked_mul(dim) != Some(values.len()) {
        return Err(SearchError::Shape {
            side,
            keys: keys.len(),
            dim,
            found: values.len(),
        });
    }
    let faults = values.par_chunks_exact(dim).enumerate();
    match faults.find_map_first(|(at, row)| Some((at, fault(row)?))) {
        Some((at, found)) => Err(SearchError::Row {
            side,
            row: base + at,
            rank: keys[at].rank,
            found,
        }),
        None => Ok(()),
    }
}

/// Rows may miss unit length by this much: far more than f32 rounding, far less than a row that was not normalised.
const UNIT_TOLERANCE: f32 = 1e-3;

/// What keeps a row from being a unit vector.
pub(crate) fn fault(row: &[f32]) -> Option<String> {
    // eight sums side by side, which a compiler turns into vector code; any NaN or infinity spoils one of them
    let mut sums = [0.0_f32; 8];
    let chunks = row.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().map(|value| value * value).sum();
    for chunk in chunks {
        sums.iter_mut()
            .zip(chunk)
            .for_each(|(sum, value)| *sum += value * value);
    }
    let length = (sums.iter().sum::<f32>() + rest).sqrt();
    if (length - 1.0).abs() <= UNIT_TOLERANCE {
        return None;
    }
    if let Some((at, value)) = row.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some(format!("{value} in column {at}"))
    } else if row.iter().all(|&value| value == 0.0) {
        Some("all zero".to_owned())
    } else {
        Some(format!("length {length:.4}"))
    }
}

/// Feeds the pairs of two blocks to the best candidates of either, [keys, k], or of fewer keys where the last ones do not ask.
fn meet<V: AsRef<[f32]> + Sync>(
    left: &Block<V>,
    right: &Block<V>,
    dim: usize,
    k: usize,
    of_left: &mut [Candidate],
    of_right: &mut [Candidate],
) {
    // A thread owns the rows of its strip; it takes the candidates of a tile's columns for the moment of a scan.
    let columns: Vec<_> = tiles(of_right, right.keys.len(), k)
        .map(Mutex::new)
        .collect();
    let strips: Vec<_> = tiles(of_left, left.keys.len(), k).collect();
    let strips = strips.into_par_iter().enumerate();
    strips.for_each_init(Scratch::default, |scratch, (strip, of_rows)| {
        let keys = part(&left.keys, strip, TILE);
        scratch
            .lanes
            .fill(part(left.values.as_ref(), strip, TILE * dim), dim);
        scratch.similarities.resize(TILE * TILE, 0.0);
        let mut rows = Rows::new(keys, of_rows, k);
        for (tile, of_columns) in columns.iter().enumerate() {
            let other = part(&right.keys, tile, TILE);
            if !meets(keys, other) && !meets(other, keys) {
                continue;
            }
            let values = full(
                part(right.values.as_ref(), tile, TILE * dim),
                TILE * dim,
                &mut scratch.padded,
            );
            multiply(&scratch.lanes, values, dim, &mut scratch.similarities);
            let mut of_columns = of_columns.lock().unwrap_or_else(PoisonError::into_inner);
            rows.scan(&scratch.similarities, other, &mut of_columns);
        }
    });
}

/// The slots of the tiles of `rows` rows; empty ones where no row has any.
fn tiles(best: &mut [Candidate], rows: usize, k: usize) -> impl Iterator<Item = &mut [Candidate]> {
    let tiles = best
        .chunks_mut(TILE * k)
        .chain(repeat_with(Default::default));
    tiles.take(rows.div_ceil(TILE))
}

/// What a thread works in.
#[derive(Default)]
struct Scratch {
    lanes: Lanes,
    padded: Vec<f32>,
    similarities: Vec<f32>,
}

/// Chunk `at` of `size` of a slice that is long enough to have one.
fn part<T>(slice: &[T], at: usize, size: usize) -> &[T] {
    let end = slice.len().min((at + 1) * size);
    &slice[at * size..end]
}

/// `values`, filled up with zeros to `len` in `padded` where they are fewer.
fn full<'a>(values: &'a [f32], len: usize, padded: &'a mut Vec<f32>) -> &'a [f32] {
    if values.len() == len {
        return values;
    }
    padded.clear();
    padded.extend_from_slice(values);
    padded.resize(len, 0.0);
    padded
}

/// Whether anyone of `queries` may ask anyone of `donors`.
fn meets(queries: &[Key], donors: &[Key]) -> bool {
    queries.iter().any(|key| key.asks) && donors.iter().any(|key| key.gives)
}

/// Similarities looked at together.
const LANES: usize = 16;

/// The rows of a strip while it passes over the columns.
struct Rows<'a> {
    keys: &'a [Key],
    /// [keys, k], or of fewer keys where the last ones do not ask.
    best: &'a mut [Candidate],
    k: usize,
    /// What a similarity must reach to change the candidates of a row; infinite for rows that do not ask.
    bars: [[f32; LANES]; TILE / LANES],
}

impl<'a> Rows<'a> {
    fn new(keys: &'a [Key], best: &'a mut [Candidate], k: usize) -> Self {
        let mut bars = [[f32::INFINITY; LANES]; TILE / LANES];
        for ((bar, key), best) in bars
            .as_flattened_mut()
            .iter_mut()
            .zip(keys)
            .zip(best.chunks_exact(k))
        {
            *bar = bar_of(key, best);
        }
        Self {
            keys,
            best,
            k,
            bars,
        }
    }

    /// Feeds a tile of similarities [column, row] to the candidates of the rows and of the columns.
    fn scan(&mut self, similarities: &[f32], columns: &[Key], of_columns: &mut [Candidate]) {
        let lines = similarities.chunks_exact(TILE).zip(columns);
        // columns that do not ask may have no slots
        let slots = of_columns.chunks_exact_mut(self.k);
        let slots = slots.chain(repeat_with(Default::default));
        for ((line, column), best) in lines.zip(slots) {
            let mut bar = bar_of(column, best);
            for (chunk, similarities) in line.as_chunks::<LANES>().0.iter().enumerate() {
                // The common case: nothing in the chunk matters.
                if !any_reaches(similarities, &self.bars[chunk], bar) {
                    continue;
                }
                for (lane, &similarity) in similarities.iter().enumerate() {
                    bar = self.offer((chunk, lane), similarity, column, best, bar);
                }
            }
        }
    }

    /// Offers the row in a lane and `column`, whose bar is `bar`, to each other; the bar of the column afterwards.
    fn offer(
        &mut self,
        (chunk, lane): (usize, usize),
        similarity: f32,
        column: &Key,
        of_column: &mut [Candidate],
        bar: f32,
    ) -> f32 {
        let at = chunk * LANES + lane;
        let Some(row) = self.keys.get(at).filter(|row| row.group != column.group) else {
            return bar;
        };
        if similarity >= self.bars[chunk][lane] && column.gives {
            let best = &mut self.best[at * self.k..][..self.k];
            insert(
                best,
                Candidate {
                    rank: column.rank,
                    similarity,
                },
            );
            self.bars[chunk][lane] = bar_of(row, best);
        }
        if similarity >= bar && row.gives {
            insert(
                of_column,
                Candidate {
                    rank: row.rank,
                    similarity,
                },
            );
            return bar_of(column, of_column);
        }
        bar
    }
}

/// Whether any similarity reaches the lower of its two bars; without a branch, so that it becomes vector code.
fn any_reaches(similarities: &[f32; LANES], row_bars: &[f32; LANES], bar: f32) -> bool {
    let mut reached = 0_u32;
    for lane in 0..LANES {
        let row_bar = row_bars[lane];
        let lower = if row_bar < bar { row_bar } else { bar };
        reached |= u32::from(similarities[lane] >= lower);
    }
    reached != 0
}

/// The similarity from which on a candidate may enter: that of the last one, for it may be a tie.
fn bar_of(key: &Key, best: &[Candidate]) -> f32 {
    match best.last() {
        Some(last) if key.asks => last.similarity,
        _ => f32::INFINITY,
    }
}

/// Puts a candidate in its place among the best, if it has one there.
pub(crate) fn insert(best: &mut [Candidate], candidate: Candidate) {
    let place = best.partition_point(|other| other.before(&candidate));
    if place < best.len() {
        best[place..].rotate_right(1);
        best[place] = candidate;
    }
}
