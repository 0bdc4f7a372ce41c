//! Ctrl-C and SIGTERM: a training saves and stops, an evaluation stops behind its batch; every other command stops at once (its files are replaced whole or not at all).

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the first signal.
pub(crate) static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// True while somebody polls [`INTERRUPTED`].
pub(crate) static POLLED: AtomicBool = AtomicBool::new(false);

/// Waits for the handler to end the process where a signal has come: what it removes makes the main thread fail.
pub(crate) fn wait_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Installs the handler.
pub(crate) fn install() {
    let handler = || {
        let again = INTERRUPTED.swap(true, Ordering::SeqCst);
        if again || !POLLED.load(Ordering::SeqCst) {
            eprintln!("interrupted");
            unimse_corpus::abandon_ingest();
            unimse_media::video::onnx::abandon();
            // LibTorch's threads may be at work: no destructors.
            #[allow(clippy::exit, reason = "a signal ends the process")]
            std::process::exit(130);
        }
        eprintln!("interrupted: finishing what is under way; once more stops at once");
    };
    if let Err(e) = ctrlc::set_handler(handler) {
        eprintln!("warning: Ctrl-C will stop without saving: {e}");
    }
}
