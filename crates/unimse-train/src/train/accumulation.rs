//! Gradient accumulation: several batches make one update.
//!
//! The task loss is a mean over utterances, so a batch counts by its share of the utterances of its update: the sum of gradients is that
//! of one large batch, whatever the sizes of the batches. The contrastive losses, whose negatives are those of a batch, become the
//! mean over utterances of what each batch says.

/// Weight of the loss of batch `at` of an epoch, where every `accumulate` batches make an update and the last one has what is left:
/// its utterances over those of its update.
#[must_use]
pub fn share(batches: &[Vec<usize>], at: usize, accumulate: usize) -> f64 {
    let first = at - at % accumulate;
    let last = (first + accumulate).min(batches.len());
    let utterances: usize = batches[first..last].iter().map(Vec::len).sum();
    batches[at].len() as f64 / utterances as f64
}

/// Whether an update follows the batch before `next`.
#[must_use]
pub fn completes(next: usize, batches: usize, accumulate: usize) -> bool {
    next.is_multiple_of(accumulate) || next == batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_count_by_their_utterances() {
        let batches: Vec<Vec<usize>> = [3, 1, 4, 2, 2].map(|n| vec![0; n]).to_vec();
        let shares =
            |accumulate| -> Vec<f64> { (0..5).map(|at| share(&batches, at, accumulate)).collect() };
        assert_eq!(shares(1), [1.0; 5]);
        assert_eq!(shares(2), [3.0 / 4.0, 1.0 / 4.0, 4.0 / 6.0, 2.0 / 6.0, 1.0]);
        // the last update has two batches instead of three
        assert_eq!(shares(3), [3.0 / 8.0, 1.0 / 8.0, 4.0 / 8.0, 0.5, 0.5]);
        assert_eq!(shares(9), [3.0, 1.0, 4.0, 2.0, 2.0].map(|n| n / 12.0));
    }

    #[test]
    fn an_update_follows_every_so_many_batches_and_the_last() {
        let after = |accumulate| (1..=5).filter(move |&next| completes(next, 5, accumulate));
        assert!(after(1).eq([1, 2, 3, 4, 5]));
        assert!(after(2).eq([2, 4, 5]));
        assert!(after(9).eq([5]));
    }
}
