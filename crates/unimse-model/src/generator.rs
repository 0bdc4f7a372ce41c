//! LibTorch has one generator for all threads, and tests run side by side: what draws from it holds this.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seeds the generator and keeps other tests from it.
pub(crate) fn seeded(seed: i64) -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    guard
}
