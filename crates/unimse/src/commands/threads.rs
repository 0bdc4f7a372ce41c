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
    if let Some(mut anew) = anew(|name| std::env::var_os(name).is_some()) {
        let error = anew.exec();
        eprintln!("warning: cannot start anew with GOMP_SPINCOUNT={SPIN}: {error}");
    }
}

/// This program with its arguments and [`SPIN`]; none where one of the variables is set, as it is once it was started anew.
fn anew(is_set: impl Fn(&str) -> bool) -> Option<Command> {
    if WAITING.into_iter().any(is_set) {
        return None;
    }
    let mut anew = Command::new(std::env::current_exe().ok()?);
    anew.args(std::env::args_os().skip(1)).env(WAITING[0], SPIN);
    Some(anew)
}

/// Applies `--threads`; default all cores of this process, or its part of them. Refuses a `LOCAL_WORLD_SIZE` that does not say which.
pub(crate) fn set(threads: Option<u16>) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let own = (cores / unimse_c10d::side_by_side()?).max(1);
    let n = threads.map_or(own, usize::from);
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
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn started_anew_once_and_never_against_the_user() {
        let first = anew(|_| false).unwrap();
        let given: Vec<_> = first.get_envs().collect();
        assert_eq!(given, [("GOMP_SPINCOUNT".as_ref(), Some(SPIN.as_ref()))]);
        // with what it was given, or what the user gave, it is not started again
        for name in WAITING {
            assert!(anew(|other| other == name).is_none(), "{name}");
        }
    }
}
