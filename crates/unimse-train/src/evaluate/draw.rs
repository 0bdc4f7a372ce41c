//! Rows for questions that are too costly to ask of all.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Most rows of a corpus and split that are answered under every condition of `evaluate.robustness`, that text is to be matched with audio and video
/// among, and that are shown as points.
pub(super) const MOST_ROWS: usize = 400;

/// Places of at most [`MOST_ROWS`] of `n` rows, ascending.
pub(super) fn draw(n: usize, seed: u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..n).collect();
    if n > MOST_ROWS {
        places.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        places.truncate(MOST_ROWS);
        places.sort_unstable();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_drawn_once_each_in_their_order() {
        assert_eq!(draw(5, 1), [0, 1, 2, 3, 4]);
        let (some, same) = (draw(5000, 1), draw(5000, 1));
        assert_eq!(some.len(), MOST_ROWS);
        assert!(some.is_sorted_by(|a, b| a < b) && some == same);
        assert!(some[MOST_ROWS - 1] > 4500 && some != draw(5000, 2));
    }
}
