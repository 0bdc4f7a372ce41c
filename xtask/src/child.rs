//! Running child processes so that signals and exit codes pass through.
//!
//! A child has a process group of its own, and xtask passes SIGINT and SIGTERM on to it: so it gets each signal once, whether that was meant
//! for xtask, for its group or typed at the terminal. While a child runs, xtask does not end by itself; the child's exit code becomes its
//! own. Should xtask be killed, the kernel kills the child with it, so that no training goes on unseen beside a resumed one.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use std::cell::Cell;
use std::fmt;
use std::io::{ErrorKind, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};
use wait4::Wait4;

/// How long a process may outlive the one that it works with. It hears of the end as soon as it asks for something, for the connection is closed
/// then; until then it may compute.
const LINGER: Duration = Duration::from_secs(30);

static CHILD: Mutex<Option<Pid>> = Mutex::new(None);
static SIGNALLED: AtomicI32 = AtomicI32::new(0);

thread_local! {
    /// See [`take_peak`].
    static PEAK: Cell<u64> = const { Cell::new(0) };
}

/// A child that did not end with success.
#[derive(Debug)]
pub(crate) struct Failed {
    what: String,
    status: Option<ExitStatus>,
    interrupted: bool,
}

impl Failed {
    /// The code to exit with: the child's own, or 128 + the signal.
    pub(crate) fn exit_code(&self) -> u8 {
        let signal = SIGNALLED.load(Ordering::SeqCst);
        let code = match self.status {
            Some(status) => status
                .code()
                .or(status.signal().map(|signal| 128 + signal))
                .unwrap_or(1),
            None => 128 + signal,
        };
        u8::try_from(code)
            .ok()
            .filter(|code| *code != 0)
            .unwrap_or(1)
    }

    /// Whether a signal asked us or the child to stop, and the child did as it was asked.
    pub(crate) fn interrupted(&self) -> bool {
        let asked = [SIGINT, SIGTERM].map(|signal| 128 + signal);
        let code = self.status.and_then(|status| status.code());
        self.interrupted || code.is_some_and(|code| asked.contains(&code))
    }

    /// What to say; none where the child has said it.
    pub(crate) fn message(&self) -> Option<String> {
        if self.interrupted {
            return self
                .status
                .is_none_or(|status| status.code().is_none())
                .then(|| "interrupted".to_owned());
        }
        let signal = self.status?.signal()?;
        let hint = if signal == Signal::KILL.as_raw() {
            " (out of memory?)"
        } else {
            ""
        };
        Some(format!("{} was ended by signal {signal}{hint}", self.what))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{} failed: {status}", self.what),
            None => write!(f, "{} interrupted", self.what),
        }
    }
}

impl std::error::Error for Failed {}

/// Whether an error is a child's own, so that other work may go on: neither an interruption nor something that the user must decide.
pub(crate) fn failed_alone(error: &anyhow::Error) -> bool {
    let failed = error.downcast_ref::<Failed>();
    failed.is_some_and(|failed| !failed.interrupted())
}

/// Starts the thread that passes signals on. Call once, first.
pub(crate) fn watch_signals() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGTSTP, SIGCONT]).context("cannot watch for signals")?;
    std::thread::spawn(move || signals.forever().for_each(pass_on));
    Ok(())
}

fn pass_on(signal: i32) {
    let child = lock();
    let send = |signal| {
        // A child that has just ended needs no signal.
        let _ = child.map(|group| kill_process_group(group, signal));
    };
    match signal {
        SIGTSTP => {
            send(Signal::STOP);
            let _ = kill_process(rustix::process::getpid(), Signal::STOP);
        }
        SIGCONT => send(Signal::CONT),
        _ => {
            SIGNALLED.store(signal, Ordering::SeqCst);
            if child.is_none() {
                // Between two children nothing is left to be put in order: every artefact is whole at any moment.
                std::process::exit(128 + signal);
            }
            send(if signal == SIGINT {
                Signal::INT
            } else {
                Signal::TERM
            });
        }
    }
}

/// Runs `command` to its end; an error of type [`Failed`] unless it succeeds. `what` names it in messages.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    run_with(what, command, |_| Ok(()))
}

/// As [`run`]; what the child says on standard output.
pub(crate) fn output(what: &str, command: &mut Command) -> Result<Vec<u8>> {
    let mut said = Vec::new();
    command.stdout(Stdio::piped());
    run_with(what, command, |child| {
        if let Some(out) = &mut child.stdout {
            let read = out.read_to_end(&mut said);
            read.with_context(|| format!("cannot read what {what} says"))?;
        }
        Ok(())
    })?;
    Ok(said)
}

/// As [`run`], with `work` done while the child runs, such as reading its output.
pub(crate) fn run_with(
    what: &str,
    command: &mut Command,
    work: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<()> {
    let status = status_with(what, command, work)?;
    let interrupted = SIGNALLED.load(Ordering::SeqCst) != 0;
    if !status.success() {
        return Err(Failed {
            what: what.to_owned(),
            status: Some(status),
            interrupted,
        }
        .into());
    }
    if interrupted {
        return Err(Failed {
            what: what.to_owned(),
            status: None,
            interrupted,
        }
        .into());
    }
    Ok(())
}

/// As [`run`] of `first`, with `others` beside it in its process group: signals reach all. They must end when the first one does; one that does not
/// within [`LINGER`] is killed. An error of the first one, else of another.
pub(crate) fn run_together(
    what: &str,
    first: &mut Command,
    mut others: Vec<Command>,
) -> Result<()> {
    let mut begun = Vec::new();
    let done = run_with(what, first, |leader| {
        let group = i32::try_from(leader.id()).context("a process without a number")?;
        for other in &mut others {
            die_with_parent(other);
            let child = other.process_group(group).spawn();
            begun.push(child.with_context(|| format!("cannot start {what} once more"))?);
        }
        Ok(())
    });
    let deadline = Instant::now() + LINGER;
    let ended: Vec<ExitStatus> = begun
        .into_iter()
        .map(|child| end_by(child, deadline))
        .collect::<Result<_>>()?;
    done?;
    match ended.into_iter().find(|status| !status.success()) {
        None => Ok(()),
        Some(status) => Err(Failed {
            what: what.to_owned(),
            status: Some(status),
            interrupted: false,
        }
        .into()),
    }
}

/// Waits for `child` until `deadline`, and kills it then.
fn end_by(mut child: Child, deadline: Instant) -> Result<ExitStatus> {
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    Ok(child.wait()?)
}

/// Runs `command` to its end and returns its status.
pub(crate) fn status_with(
    what: &str,
    command: &mut Command,
    work: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<ExitStatus> {
    die_with_parent(command);
    command.process_group(0);
    let mut slot = lock();
    let spawned = command.spawn();
    let mut child = spawned.with_context(|| {
        format!(
            "cannot start {what} ({})",
            command.get_program().to_string_lossy()
        )
    })?;
    *slot = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    drop(slot);
    let worked = work(&mut child);
    if worked.is_err() {
        drop(child.kill());
    }
    let ended = loop {
        match child.wait4() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            ended => break ended,
        }
    };
    *lock() = None;
    worked?;
    let ended = ended.with_context(|| format!("cannot wait for {what}"))?;
    PEAK.set(PEAK.get().max(ended.rusage.maxrss));
    Ok(ended.status)
}

/// Largest resident memory, in bytes, that any child had which this thread started and which ended since it last asked; 0 where none did.
pub(crate) fn take_peak() -> u64 {
    PEAK.take()
}

/// Fails if a signal asked us to stop.
pub(crate) fn check_interrupted(what: &str) -> Result<()> {
    if SIGNALLED.load(Ordering::SeqCst) == 0 {
        return Ok(());
    }
    Err(Failed {
        what: what.to_owned(),
        status: None,
        interrupted: true,
    }
    .into())
}

fn lock() -> std::sync::MutexGuard<'static, Option<Pid>> {
    CHILD
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The kernel kills the child when the thread that started it ends.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "pre_exec has no safe form; the closure makes one system call and allocates nothing"
)]
pub(crate) fn die_with_parent(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe and the closure touches no memory shared with the parent.
    unsafe {
        command.pre_exec(|| {
            Ok(rustix::process::set_parent_process_death_signal(Some(
                Signal::KILL,
            ))?)
        });
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_: &mut Command) {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn exit_codes_pass_through() {
        run("true", &mut sh("exit 0")).unwrap();
        let failed = |error: anyhow::Error| error.downcast::<Failed>().unwrap();
        let plain = failed(run("x", &mut sh("exit 3")).unwrap_err());
        assert_eq!((plain.exit_code(), plain.message()), (3, None));
        let killed = failed(run("x", &mut sh("kill -KILL $$")).unwrap_err());
        assert_eq!(killed.exit_code(), 128 + 9);
        assert!(killed.message().unwrap().contains("signal 9"));
        let missing = run("the tool", &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(
            format!("{missing:#}").starts_with("cannot start the tool"),
            "{missing:#}"
        );
    }

    #[test]
    fn those_that_run_together_fail_together() {
        let place = tempfile::tempdir().unwrap();
        let run = |first: &str, others: &[&str]| {
            let script = |text: &&str| {
                let mut command = sh(text);
                command.current_dir(place.path());
                command
            };
            let others = others.iter().map(script).collect();
            run_together("x", &mut script(&first), others)
        };
        run("exit 0", &["echo one > one", "echo two > two"]).unwrap();
        assert!(
            ["one", "two"]
                .iter()
                .all(|name| place.path().join(name).exists())
        );
        let code = |done: Result<()>| done.unwrap_err().downcast::<Failed>().unwrap().exit_code();
        assert_eq!(code(run("exit 3", &["exit 4"])), 3);
        assert_eq!(code(run("exit 0", &["exit 0", "exit 4"])), 4);
    }

    #[test]
    fn the_peak_is_that_of_the_largest_child() {
        const HELD: u64 = 20_000_000;
        take_peak();
        run("small", &mut sh("exit 0")).unwrap();
        let small = take_peak();
        assert!(0 < small && small < HELD, "{small}");
        let script = format!("x=$(head -c {HELD} /dev/zero | tr '\\0' a)");
        run("large", &mut sh(&script)).unwrap();
        run("small", &mut sh("exit 0")).unwrap();
        assert!(take_peak() >= HELD);
        assert_eq!(take_peak(), 0);
    }
}
