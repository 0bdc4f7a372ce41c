//! The variables of the modules: drawn where a model begins, left unwritten where every one of them is about to come from a file. Drawing the
//! 27 million of MiniLM and ours takes longer than reading them.

use std::cell::Cell;

use tch::Tensor;
use tch::nn::{Init, Path};

thread_local! {
    static UNWRITTEN: Cell<bool> = const { Cell::new(false) };
}

/// The trainable variable `name` of `size` under `p`, drawn as `init` says, or unwritten within [`unwritten`].
pub(crate) fn variable(p: &Path<'_>, name: &str, size: &[i64], init: Init) -> Tensor {
    if UNWRITTEN.get() {
        p.add(name, Tensor::empty(size, (p.kind(), p.device())), true)
    } else {
        p.var(name, size, init)
    }
}

/// Lets `build` make its variables on this thread without values: whoever calls it fills each of them.
pub(crate) fn unwritten<T>(build: impl FnOnce() -> T) -> T {
    let before = UNWRITTEN.replace(true);
    let built = build();
    UNWRITTEN.set(before);
    built
}
