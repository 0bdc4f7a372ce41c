//! Several processes that work on one thing: PyTorch's c10d (Li et al., 2020, "PyTorch Distributed"), over gloo for tensors of the CPU and over NCCL for
//! those of a GPU.
//!
//! LibTorch holds `c10d::TCPStore`, `c10d::ProcessGroupGloo` and, in its build for CUDA, `c10d::ProcessGroupNCCL`, which tch does not bind; `shim.cpp` puts plain functions before them, and
//! `ffi.rs` is the one place that calls these. Processes find each other by the variables that `torchrun` sets ([`Place`]).
//!
//! | function | from | to |
//! |---|---|---|
//! | [`Group::all_reduce`] | tensors of the same shapes everywhere | their sums over the processes, in place |
//! | [`Group::gradients`] | leaves, before a backward pass | the sums of their gradients, begun during the pass or after it |
//! | [`Group::all_gather`] | `[..]`, the same shape everywhere | one of each process, by rank |
//! | [`Group::gather_rows`] | `[rows, ..]`, as many rows as a process has | one of each process, by rank |
//! | [`Group::gather_bytes`] | bytes, as many as a process has | those of each process, by rank |
//! | [`Group::broadcast`] | a tensor | that of one process, in place |
//! | [`Group::barrier`] | | when all have come |
//!
//! Every process must call the same functions in the same order. Where one ends, the others get an error at once, for the kernel closes
//! its connections; where one hangs, after ten minutes, or after the time that the caller gives. NCCL works behind the caller's back: that a process ended is heard
//! with the next tensor of the CPU, and a sum that does not end is given up after ten minutes.
//!
//! What this crate must not do: know a model, or when to speak.

mod ffi;
mod group;
mod place;

pub use group::{Gradients, Group, TIMEOUT};
pub use place::{Place, local_rank, side_by_side};

/// What keeps processes from working together.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// A variable of the environment that does not say where this process stands.
    #[error("environment variable {name}: expected {expected}, found {found}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it must hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The others were not found.
    #[error(
        "process {rank} of {size} found no group at {address} (MASTER_ADDR:MASTER_PORT), waited up to {seconds} s: {cause}"
    )]
    Join {
        /// Of this process, from 0.
        rank: usize,
        /// Processes of the group.
        size: usize,
        /// `MASTER_ADDR:MASTER_PORT`.
        address: String,
        /// Seconds that it waited at the most.
        seconds: u64,
        /// What c10d says, or what was found at the address.
        cause: String,
    },
    /// Another process ended, or did not answer in time.
    #[error(
        "process {rank} of {size}: {action}: another process has ended or does not answer ({cause})"
    )]
    Lost {
        /// Of this process, from 0.
        rank: usize,
        /// Processes of the group.
        size: usize,
        /// What was tried.
        action: &'static str,
        /// What c10d says.
        cause: String,
    },
    /// A tensor that cannot travel.
    #[error("{argument}: expected {expected}, found {found}")]
    Tensor {
        /// Name of the argument.
        argument: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// LibTorch refused an operation.
    #[error("LibTorch: {0}")]
    Torch(#[from] tch::TchError),
}
