//! Tests of several processes: the test begins itself anew, once for each rank, with the variables that `torchrun` would set.
#![allow(clippy::unwrap_used, dead_code, reason = "tests fail by panicking")]

use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use tch::Device;
use unimse_c10d::{Group, Place, TIMEOUT};

/// The group that this process was begun for; `None` in the process of the test itself.
pub(crate) fn joined() -> Option<Group> {
    let place = Place::of_this_process().unwrap()?;
    Some(Group::join(&place, Device::Cpu, TIMEOUT).unwrap())
}

/// Gives `command` the variables of each of `size` ranks in turn.
pub(crate) fn ranks(size: usize, command: impl Fn(usize) -> Command) -> Vec<Command> {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let of_rank = |rank: usize| {
        let mut command = command(rank);
        command
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("WORLD_SIZE", size.to_string())
            .env("LOCAL_WORLD_SIZE", size.to_string())
            .env("MASTER_ADDR", "127.0.0.1")
            .env("MASTER_PORT", port.port().to_string());
        command
    };
    (0..size).map(of_rank).collect()
}

/// Begins the test called `name` anew, once for each of `size` ranks.
pub(crate) fn begin(name: &str, size: usize) -> Vec<Child> {
    let itself = std::env::current_exe().unwrap();
    spawn(ranks(size, |_| {
        let mut command = Command::new(&itself);
        command.args(["--exact", name, "--nocapture"]);
        command
    }))
}

/// Begins all; what they say is kept.
pub(crate) fn spawn(commands: Vec<Command>) -> Vec<Child> {
    let pipe = |mut command: Command| {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    };
    commands.into_iter().map(pipe).collect()
}

/// Waits for all.
pub(crate) fn end(children: Vec<Child>) -> Vec<Output> {
    let ended = children.into_iter().map(Child::wait_with_output);
    ended.map(Result::unwrap).collect()
}

/// [`begin`], and all of them succeed.
pub(crate) fn all_succeed(name: &str, size: usize) {
    for (rank, ended) in end(begin(name, size)).into_iter().enumerate() {
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success(), "rank {rank} of {size}: {out}{said}");
    }
}
