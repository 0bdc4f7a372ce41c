//! The system's ffmpeg as a child process: found and its version checked once, its pictures read as they come, killed when it is too slow, what it says
//! on standard error bounded.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Frame;
use crate::MediaError;

/// The oldest release that knows every option that is used.
const OLDEST: u32 = 4;
/// Bytes of standard error that are kept; the rest is read and dropped.
const MOST_SAID: u64 = 1 << 13;
/// Time for a process that closed its output to end.
const LEAVE: Duration = Duration::from_secs(5);

/// The first line that the system's `ffmpeg -version` prints, such as `ffmpeg version 5.1.9`; asked once a process.
///
/// # Errors
/// [`MediaError::Ffmpeg`] where there is none, or one older than release 4.
pub fn ffmpeg_version() -> Result<&'static str, MediaError> {
    static VERSION: OnceLock<Result<String, String>> = OnceLock::new();
    match VERSION.get_or_init(|| version(Path::new("ffmpeg"))) {
        Ok(version) => Ok(version),
        Err(message) => Err(MediaError::Ffmpeg {
            message: message.clone(),
        }),
    }
}

fn version(program: &Path) -> Result<String, String> {
    const INSTALL: &str =
        "video needs ffmpeg 4 or later on PATH (apt install ffmpeg, brew install ffmpeg)";
    let output = Command::new(program).arg("-version").output();
    let output = output.map_err(|error| format!("{INSTALL}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    let words = line.strip_prefix("ffmpeg version ");
    let Some(word) = words.and_then(|words| words.split(' ').next()) else {
        return Err(format!("{INSTALL}: expected its version, found {line:?}"));
    };
    // releases are 5.1.9 or n5.1.9; what is built from a commit is N-109542-gd5e603d and new enough
    let number = word.trim_start_matches('n');
    let end = number.find(|c: char| !c.is_ascii_digit());
    let major: Result<u32, _> = number[..end.unwrap_or(number.len())].parse();
    match major {
        Ok(major) if major < OLDEST => Err(format!("{INSTALL}, found {word}")),
        _ => Ok(line.to_owned()),
    }
}

/// An ffmpeg that writes pictures (PPM) to its standard output.
#[derive(Debug)]
pub(super) struct Process {
    child: Arc<Mutex<Child>>,
    pictures: BufReader<ChildStdout>,
    said: Option<JoinHandle<String>>,
    watch: Arc<Watch>,
}

/// What there was of a picture.
#[derive(Debug)]
pub(super) enum Picture {
    Whole(Frame),
    /// The process closed its output.
    End,
    /// It was not done within the time, and was killed.
    Late,
    /// Something else than a picture.
    Broken(String),
}

impl Process {
    /// Starts a command whose standard streams are set here.
    pub(super) fn start(command: &mut Command) -> std::io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("a stream of the process is missing");
        let pictures = BufReader::with_capacity(1 << 16, child.stdout.take().ok_or_else(missing)?);
        let errors = child.stderr.take().ok_or_else(missing)?;
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            let mut errors = errors.take(MOST_SAID);
            let _ = errors.read_to_end(&mut said); // what cannot be read was not said
            let _ = std::io::copy(&mut errors.into_inner(), &mut std::io::sink());
            String::from_utf8_lossy(&said).into_owned()
        });
        let child = Arc::new(Mutex::new(child));
        let watch = Arc::new(Watch::default());
        let (watched, killed) = (Arc::clone(&watch), Arc::clone(&child));
        std::thread::spawn(move || watched.run(&killed));
        Ok(Self {
            child,
            pictures,
            said: Some(said),
            watch,
        })
    }

    /// The next picture, at most `side` pixels wide and high, within a time.
    pub(super) fn picture(&mut self, side: usize, time: Duration) -> Picture {
        self.watch.set(Some(Instant::now() + time));
        let picture = picture(&mut self.pictures, side);
        self.watch.set(None);
        match picture {
            _ if self.watch.lock().expired => Picture::Late,
            Ok(Some(frame)) => Picture::Whole(frame),
            Ok(None) => Picture::End,
            Err(message) => Picture::Broken(message),
        }
    }

    /// Whether the process ended as it should, and what it said; it is killed where it does not end.
    pub(super) fn end(&mut self) -> (bool, String) {
        let until = Instant::now() + LEAVE;
        let mut child = lock(&self.child);
        let success = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                _ => {
                    kill(&mut child);
                    break false;
                }
            }
        };
        drop(child);
        let said = self.said.take().map(JoinHandle::join);
        (success, said.and_then(Result::ok).unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watch.lock().done = true;
        self.watch.changed.notify_all();
        let mut child = lock(&self.child);
        kill(&mut child);
        let _ = child.wait(); // fails where that was done
    }
}

/// Ends a process and those that it started, or nothing where it has ended; where `ffmpeg` is a script they hold its streams.
fn kill(child: &mut Child) {
    // each fails for a process that is gone
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills a process that is not done in time.
#[derive(Debug, Default)]
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    deadline: Option<Instant>,
    expired: bool,
    done: bool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn set(&self, deadline: Option<Instant>) {
        self.lock().deadline = deadline;
        self.changed.notify_all();
    }

    fn run(&self, child: &Mutex<Child>) {
        let mut state = self.lock();
        while !state.done {
            let Some(deadline) = state.deadline else {
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                (state.expired, state.done) = (true, true);
                kill(&mut lock(child));
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A binary PPM picture with 8 bits a colour; `None` at the end of the stream.
fn picture(stream: &mut impl BufRead, side: usize) -> Result<Option<Frame>, String> {
    let mut numbers = [0; 3];
    let first = word(stream)?;
    if first.is_empty() {
        return Ok(None);
    }
    if first != "P6" {
        return Err(format!("expected a picture, found {first:?}"));
    }
    for number in &mut numbers {
        let word = word(stream)?;
        let parsed = word.parse().ok();
        *number = parsed.ok_or_else(|| format!("expected a size, found {word:?}"))?;
    }
    let [width, height, most] = numbers;
    if !(1..=side).contains(&width) || !(1..=side).contains(&height) || most != 255 {
        return Err(format!(
            "expected a picture of at most {side} by {side} pixels with 8 bits a colour, found {width} by {height} with values up to {most}"
        ));
    }
    let mut rgb = vec![0; width * height * 3];
    let read = stream.read_exact(&mut rgb);
    read.map_err(|_| "a picture that is not whole".to_owned())?;
    Ok(Some(Frame { width, height, rgb }))
}

/// What stands before the next white space.
fn word(stream: &mut impl BufRead) -> Result<String, String> {
    let mut word = String::new();
    for byte in stream.by_ref().take(16).bytes() {
        match byte.map_err(|error| error.to_string())? {
            byte if byte.is_ascii_whitespace() => break,
            byte => word.push(char::from(byte)),
        }
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn pictures_come_one_after_the_other() {
        let mut process = shell("printf 'P6\\n2 1\\n255\\nabcdefP6 1 1 255 xyz'; echo said >&2");
        for expected in ["abcdef", "xyz"] {
            let Picture::Whole(frame) = process.picture(10, MINUTE) else {
                panic!("a picture");
            };
            assert_eq!(frame.rgb, expected.as_bytes());
        }
        assert!(matches!(process.picture(10, MINUTE), Picture::End));
        assert_eq!(process.end(), (true, "said\n".to_owned()));
    }

    #[test]
    fn what_is_no_picture_is_told() {
        for (script, expected) in [
            ("printf 'P6 99 1 255 '", "found 99 by 1"),
            ("printf 'P6 2 2 255 abc'", "not whole"),
            ("printf 'P6 two'", "found \"two\""),
            ("printf 'GIF89a'", "found \"GIF89a\""),
            ("printf 'P6 0 1 255 '", "found 0 by 1"),
            ("printf 'P6 2 2 65535 '", "65535"),
        ] {
            let Picture::Broken(message) = shell(script).picture(10, MINUTE) else {
                panic!("{script}");
            };
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_process_that_does_not_go_on_is_killed() {
        let started = Instant::now();
        let mut process = shell("exec sleep 600");
        let picture = process.picture(10, Duration::from_millis(50));
        assert!(matches!(picture, Picture::Late));
        assert!(!process.end().0);
        // one that is dropped too
        drop(shell("exec sleep 600"));
        // and one that talks without end, whose words are bounded
        let mut process = shell("yes >&2");
        let picture = process.picture(10, Duration::from_millis(50));
        assert!(matches!(picture, Picture::Late));
        assert_eq!(process.end().1.len() as u64, MOST_SAID);
        assert!(started.elapsed() < MINUTE);
    }

    #[test]
    fn an_ffmpeg_that_is_missing_or_too_old_says_what_to_install() {
        use std::os::unix::fs::PermissionsExt;
        let missing = version(Path::new("/no/such/ffmpeg")).unwrap_err();
        assert!(missing.contains("apt install ffmpeg"), "{missing}");
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ffmpeg");
        for (says, fits) in [
            ("ffmpeg version 3.4.2 Copyright", false),
            ("ffmpeg version n4.4.1 Copyright", true),
            ("ffmpeg version 7.1 Copyright", true),
            ("ffmpeg version N-109542-gd5e603d Copyright", true),
            ("something else", false),
        ] {
            std::fs::write(&program, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&program, executable).unwrap();
            assert_eq!(version(&program).is_ok(), fits, "{says}");
        }
    }
}
