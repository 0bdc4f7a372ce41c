//! One thread count for LibTorch and rayon.

/// Applies `--threads`; default all cores of this process.
pub(crate) fn set(threads: Option<u16>) {
    let n = threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    tch::set_num_threads(n as i32);
    // rayon's pool is built at most once; this is the first use of it
    if rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build_global()
        .is_err()
    {
        eprintln!(
            "warning: rayon's threads were already started; --threads holds for LibTorch only"
        );
    }
}
