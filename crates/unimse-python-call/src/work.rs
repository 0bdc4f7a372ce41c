//! Long work: without the interpreter's lock, on threads that outlive no fork, ended by Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::{PyErr, PyResult, Python};
use rayon::ThreadPool;

use crate::errors::input;

/// How often Python's signals are looked at: what a person takes for at once.
const LOOK: Duration = Duration::from_millis(50);

/// Whether work is still wanted; it is when nobody pressed Ctrl-C.
#[derive(Default)]
pub struct Wanted(AtomicBool);

impl Wanted {
    /// False once the work should end.
    pub fn is(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }

    /// From now on it is not.
    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` on the threads of this process while this one waits and looks at Python's signals.
///
/// Where a handler of one raises, as that of Ctrl-C does, `work` is told, and when it has ended the exception is raised in place of its
/// result. The interpreter's lock is given up meanwhile, so other threads of Python go on.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&Wanted) -> T + Send) -> PyResult<T> {
    py.detach(|| {
        let (wanted, pool) = (Wanted::default(), pool()?);
        let (sender, receiver) = channel();
        let mut raised: Option<PyErr> = None;
        let done = pool.in_place_scope(|scope| {
            let wanted = &wanted;
            scope.spawn(move |_| {
                // the receiver waits for it
                let _ = sender.send(work(wanted));
            });
            loop {
                match receiver.recv_timeout(LOOK) {
                    Ok(done) => return Some(done),
                    Err(RecvTimeoutError::Disconnected) => return None, // a panic, which the scope passes on
                    Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                        raised = Python::attach(|py| py.check_signals()).err();
                        if raised.is_some() {
                            wanted.end();
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        });
        match (raised, done) {
            (Some(raised), _) => Err(raised),
            (None, Some(done)) => Ok(done),
            (None, None) => Err(input("the work ended without a result")),
        }
    })
}

/// The threads of this process, as many as it has cores or as `RAYON_NUM_THREADS` says. A fork copies none of them, so a child that was
/// forked from a process that had some makes its own.
fn pool() -> PyResult<Arc<ThreadPool>> {
    static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, pool)) = &*pool
        && *owner == process
    {
        return Ok(Arc::clone(pool));
    }
    let threads = rayon::ThreadPoolBuilder::new().thread_name(|at| format!("unimse-{at}"));
    let threads = Arc::new(threads.build().map_err(input)?);
    // that of the parent has no threads here that could end
    std::mem::forget(pool.replace((process, Arc::clone(&threads))));
    Ok(threads)
}
