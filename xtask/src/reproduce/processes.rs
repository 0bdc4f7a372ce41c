//! Several processes of `unimse` that do one stage together on this machine, told of each other as `torchrun` would tell them (docs/processes.md).

use crate::child;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroUsize;
use std::process::Command;

/// Runs `command` once for each of `processes` ranks, to the end of all.
pub(super) fn run(
    what: &str,
    processes: NonZeroUsize,
    command: impl Fn() -> Command,
) -> Result<()> {
    if processes.get() == 1 {
        return child::run(what, &mut command());
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let port = free.context("cannot find a free port")?.port();
    let of_rank = |rank: usize| {
        let mut command = command();
        for (name, value) in [
            ("RANK", rank),
            ("LOCAL_RANK", rank),
            ("WORLD_SIZE", processes.get()),
            ("LOCAL_WORLD_SIZE", processes.get()),
            ("MASTER_PORT", port.into()),
        ] {
            command.env(name, value.to_string());
        }
        command.env("MASTER_ADDR", Ipv4Addr::LOCALHOST.to_string());
        command
    };
    let others = (1..processes.get()).map(of_rank).collect();
    child::run_together(what, &mut of_rank(0), others)
}
