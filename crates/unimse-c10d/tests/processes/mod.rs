//! Tests of several processes: the test begins itself anew, once for each rank, with the variables that `torchrun` would set; or once, to be alone.
#![allow(dead_code, reason = "not every program of tests needs all")]

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

/// Begins the test called `name`, its module in front, anew, once for each of `size` ranks.
pub(crate) fn begin(name: &str, size: usize) -> Vec<Child> {
    spawn(ranks(size, |_| anew(name)))
}

/// The test called `name` and no other.
pub(crate) fn anew(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    command
}

#[track_caller]
fn succeeds(ended: &Output, what: &str) {
    let [out, said] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text));
    let ran = ended.status.success() && out.contains("1 passed"); // none for a name that no test has
    assert!(ran, "{what}: {out}{said}");
}

/// Whether the test called `name`, its module in front, is alone in this process. Where it is not, it runs in a process of its own and must succeed:
/// LibTorch has one generator for all threads, so only there a seed decides every number of a training.
pub(crate) fn alone(name: &str) -> bool {
    const ALONE: &str = "UNIMSE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|alone| alone == name) {
        return true;
    }
    let mut anew = anew(name);
    succeeds(&anew.env(ALONE, name).output().unwrap(), name);
    false
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
        succeeds(&ended, &format!("rank {rank} of {size}"));
    }
}
