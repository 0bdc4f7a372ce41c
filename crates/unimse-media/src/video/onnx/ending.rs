//! What becomes of answers when the process ends. ONNX Runtime takes itself apart then, while other threads go on: an answer under way would fail as if
//! the model were at fault, and be recorded so.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

static ABANDONED: AtomicBool = AtomicBool::new(false);
/// Calls of the library that have not come back.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// How long they are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends the answers under way and gives out none from now on: threads that ask for one wait for ever. A handler of signals calls it before it ends the process.
pub fn abandon() {
    ABANDONED.store(true, Ordering::SeqCst);
    let started = Instant::now();
    while UNDER_WAY.load(Ordering::SeqCst) > 0 && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(2));
    }
}

pub(super) fn is_abandoned() -> bool {
    ABANDONED.load(Ordering::SeqCst)
}

/// Does work that calls the library and does not panic; it does not come back where the process ends.
pub(super) fn under_way<T>(work: impl FnOnce() -> T) -> T {
    UNDER_WAY.fetch_add(1, Ordering::SeqCst);
    let done = (!is_abandoned()).then(work);
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    match done {
        Some(done) if !is_abandoned() => done,
        _ => loop {
            thread::park();
        },
    }
}
