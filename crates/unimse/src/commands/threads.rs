//! One thread count for LibTorch and rayon, and how their threads wait.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What tells GNU's OpenMP, which LibTorch computes with, how its threads wait.
const WAITING: [&str; 2] = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"];

/// Turns of the loop that an OpenMP thread waits in before it sleeps. The library's own 300,000 are more than a millisecond: beside another program that
/// computes, threads then wait for one that was not given a core, and burn the core that it would need (docs/performance.md).
const SPIN: &str = "1000";

/// Starts this program anew with [`SPIN`], for work that lasts: the library reads the variable when it is loaded, before `main`. A value that
/// the user set stays; where the program cannot be started anew, it goes on as it is.
pub(crate) fn wait_briefly() {
    if WAITING.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut anew = Command::new(program);
    anew.args(std::env::args_os().skip(1)).env(WAITING[0], SPIN);
    let error = anew.exec();
    eprintln!(
        "warning: cannot start anew with {}={SPIN}: {error}",
        WAITING[0]
    );
}

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
