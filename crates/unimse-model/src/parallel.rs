//! Several batches at a time on the processor, each on threads of its own.
//!
//! The products of one batch of short texts are small: shared among all threads, these wait for each other after every one of them. A thread
//! that answers whole batches waits for nobody. With at least as many batches as threads every batch is computed by one thread, so that its
//! numbers do not depend on how many there are. Nor do they depend on how many processes share the batches ([`some`]).
//!
//! ```no_run
//! # fn model() -> unimse_model::UniModel { unimplemented!() }
//! # fn batch(_: usize) -> unimse_model::Batch { unimplemented!() }
//! let model = model();
//! let mut answers = Vec::new();
//! unimse_model::parallel::each(
//!     &model.inference(),
//!     3,
//!     |model, at| model.predict(&batch(at)),
//!     |found| found.map(|found| answers.extend(found)),
//! )?;
//! # Ok::<(), unimse_model::ModelError>(())
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::sentence::SentenceEncoder;
use crate::t5::T5;
use crate::unimodel::Inference;

/// Batches at a time, at most: each holds the states of its layers.
const MOST: usize = 8;

/// What several threads may read at once, though a tensor is not `Sync`.
///
/// # Safety
/// What [`each`] is given to do with it must write no tensor that it holds. Methods on `&self` that compute without gradients do not.
#[expect(unsafe_code, reason = "a promise that the compiler cannot check")]
pub unsafe trait ReadOnly {}

// SAFETY: it computes without gradients and holds no state beside weights.
#[expect(unsafe_code, reason = "see the trait")]
unsafe impl ReadOnly for Inference<'_> {}

// SAFETY: `encode`, `generate` and the decoder's steps compute without gradients and keep their state outside of it.
#[expect(unsafe_code, reason = "see the trait")]
unsafe impl ReadOnly for T5 {}

// SAFETY: `embed` computes without gradients and holds no state beside weights and tokenizer.
#[expect(unsafe_code, reason = "see the trait")]
unsafe impl ReadOnly for SentenceEncoder {}

/// A model that a thread reads beside others.
struct Read<'m, M>(&'m M);

// SAFETY: threads only read what it refers to, as `ReadOnly` promises; LibTorch allows that, and counts references atomically.
#[expect(unsafe_code, reason = "a tensor is not `Sync`")]
unsafe impl<M: ReadOnly> Send for Read<'_, M> {}

/// Does `work` for the numbers from 0 to `count`, as many at a time as LibTorch has threads (eight at most), and hands what it gives to `done` on the
/// calling thread, in order. On another device than the processor, call `work` yourself: there is one queue.
///
/// # Errors
/// The first that `done` gives; what is not begun by then is left.
pub fn each<M: ReadOnly, R: Send, E>(
    model: &M,
    count: usize,
    work: impl Fn(&M, usize) -> R + Sync,
    done: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let all: Vec<usize> = (0..count).collect();
    some(model, &all, count, work, done)
}

/// [`each`] for the `numbers` alone, of which there are `count` elsewhere: with as many threads each, so that what `work` computes is to the bit what
/// it computes in [`each`].
///
/// # Errors
/// As [`each`].
pub fn some<M: ReadOnly, R: Send, E>(
    model: &M,
    numbers: &[usize],
    count: usize,
    work: impl Fn(&M, usize) -> R + Sync,
    mut done: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let workers = threads.min(count).min(MOST);
    if workers < 2 {
        let mut each = numbers.iter();
        return each.try_for_each(|&number| done(work(model, number)));
    }
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let result = std::thread::scope(|scope| {
        for _ in 0..workers.min(numbers.len()) {
            let (model, sender, next, work) = (Read(model), sender.clone(), &next, &work);
            scope.spawn(move || {
                let model = model;
                // This thread's share; what LibTorch takes for the number of all threads is set right below.
                tch::set_num_threads((threads / workers) as i32);
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&number) = numbers.get(at) else {
                        break;
                    };
                    if sender.send((at, work(model.0, number))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        in_order(receiver, &mut done)
    });
    tch::set_num_threads(threads as i32);
    result
}

/// Hands on what arrives, in order of its number. The receiver is closed at the end, so that workers stop after an error.
fn in_order<R, E>(
    receiver: mpsc::Receiver<(usize, R)>,
    done: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (at, found) in receiver {
        early.insert(at, found);
        while let Some(found) = early.remove(&next) {
            done(found)?;
            next += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;
    // SAFETY: it holds no tensor.
    #[expect(unsafe_code, reason = "see the trait")]
    unsafe impl ReadOnly for Nothing {}

    #[test]
    fn what_is_done_comes_back_in_order_and_stops_at_an_error() {
        for count in [0, 1, 2, 40] {
            let mut all = Vec::new();
            let done = |at: usize| {
                all.push(at);
                Ok::<(), usize>(())
            };
            each(&Nothing, count, |_, at| at, done).unwrap_or_default();
            assert_eq!(all, Vec::from_iter(0..count));
        }
        let mut odd = Vec::new();
        let done = |number: usize| {
            odd.push(number);
            Ok::<(), usize>(())
        };
        some(&Nothing, &[1, 3, 5], 6, |_, number| number, done).unwrap_or_default();
        assert_eq!(odd, [1, 3, 5]);
        let threads = tch::get_num_threads();
        let stopped = each(
            &Nothing,
            1000,
            |_, at| at,
            |at| if at < 3 { Ok(()) } else { Err(at) },
        );
        assert_eq!(stopped, Err(3));
        assert_eq!(tch::get_num_threads(), threads, "as before");
    }
}
