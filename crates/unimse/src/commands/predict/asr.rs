//! `--asr`: a speech recogniser of the user's own, as a command that is run without a shell.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use unimse_media::transcript::{self, Caption};
use unimse_media::{Clip, SAMPLE_RATE, Span, read_clip};

use crate::interrupt::INTERRUPTED;

/// How long a recogniser may take, beside [`SECONDS_A_SECOND`].
const START: Duration = Duration::from_secs(600);
/// Seconds that it may take for a second of the clip.
const SECONDS_A_SECOND: f64 = 20.0;
/// Bytes of output and of messages that are read.
const MOST_BYTES: u64 = 32 << 20;
/// How often it is looked at.
const PATIENCE: Duration = Duration::from_millis(20);
/// Endings of transcripts, those with most in them first.
const ENDINGS: [&str; 3] = ["json", "vtt", "srt"];

/// What `command` hears in `clip`; `None` where a signal came.
///
/// # Errors
/// A clip that cannot be read; a command that cannot be run, fails, takes too long or writes no transcript.
pub(super) fn transcribe(command: &str, clip: &Path) -> Result<Option<Vec<Caption>>> {
    let heard = read_clip(clip, Span::default())?;
    let folder = tempfile::tempdir().context("--asr: a folder for the transcript")?;
    let wave = folder.path().join("clip.wav");
    write_wave(&wave, &heard).context("--asr: the clip's sound as a wave file")?;
    let words = words(command, clip, &wave)?;
    let limit = START + Duration::from_secs_f64(SECONDS_A_SECOND * heard.seconds());
    let Some(printed) = run(&words, limit)? else {
        return Ok(None);
    };
    captions(folder.path(), &printed, &words[0]).map(Some)
}

/// The words of the command, split as a shell splits them, with the paths in their places.
fn words(command: &str, clip: &Path, wave: &Path) -> Result<Vec<String>> {
    let mut words = shlex::split(command)
        .filter(|words| words.first().is_some_and(|program| !program.is_empty()))
        .ok_or_else(|| anyhow!("--asr: expected a command, quotes closed, found {command:?}"))?;
    let absolute = std::path::absolute(clip)?;
    let folder = wave.parent().unwrap_or(wave);
    let mut named = false;
    for (mark, path) in [("{wav}", wave), ("{clip}", &absolute), ("{dir}", folder)] {
        let path = path
            .to_str()
            .with_context(|| format!("--asr: {}: expected a path in UTF-8", path.display()))?;
        for word in words.iter_mut().skip(1).filter(|word| word.contains(mark)) {
            *word = word.replace(mark, path);
            named |= mark != "{dir}";
        }
    }
    if !named {
        words.push(wave.display().to_string());
    }
    Ok(words)
}

/// Runs the command and gives what it printed; `None` where a signal came.
fn run(words: &[String], limit: Duration) -> Result<Option<Vec<u8>>> {
    let program = &words[0];
    let mut child = Command::new(program)
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("--asr: {program}: cannot be run"))?;
    let printed = reader(child.stdout.take());
    let said = reader(child.stderr.take());
    let Some(status) = wait(&mut child, program, limit)? else {
        return Ok(None);
    };
    if !status.success() {
        let said = said.recv_timeout(PATIENCE).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!(
            "--asr: {program}: {status}: {}",
            last.unwrap_or("no message")
        );
    }
    // what the command left running may keep its output open
    let printed = printed.recv_timeout(Duration::from_secs(5));
    Ok(Some(printed.unwrap_or_default()))
}

/// Waits for the end; a command that takes too long, or that a signal makes unwanted, is killed.
fn wait(child: &mut Child, program: &str, limit: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("--asr")? {
            return Ok(Some(status));
        }
        let interrupted = INTERRUPTED.load(Ordering::SeqCst);
        if interrupted || begun.elapsed() > limit {
            // it may have ended meanwhile
            let _ = child.kill();
            child.wait().context("--asr")?;
            if interrupted {
                return Ok(None);
            }
            bail!(
                "--asr: {program}: expected an end within {limit:.0?}, found none: it was stopped"
            );
        }
        std::thread::sleep(PATIENCE);
    }
}

/// What a pipe gives, read beside the process, which would wait for a reader.
fn reader(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, read) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // what was read until then counts
            let _ = (&mut pipe).take(MOST_BYTES).read_to_end(&mut bytes);
            let _ = send.send(bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
    });
    read
}

/// The transcript in the folder, or that which was printed.
fn captions(folder: &Path, printed: &[u8], program: &str) -> Result<Vec<Caption>> {
    let ending = |path: &PathBuf| {
        let ending = path.extension()?.to_str()?;
        ENDINGS.iter().position(|known| *known == ending)
    };
    let entries = std::fs::read_dir(folder).context("--asr: the folder of the transcript")?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let written = paths.filter_map(|path| Some((ending(&path)?, path))).min();
    match written {
        Some((_, path)) => Ok(transcript::read(&path)?),
        None => transcript::parse(printed, Path::new("standard output")).with_context(|| {
            format!("--asr: {program}: expected a transcript in {{dir}} or on standard output")
        }),
    }
}

/// A mono wave file of 16 bits.
fn write_wave(path: &Path, clip: &Clip) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in &clip.samples {
        writer.write_sample((sample * 32_767.0).round() as i16)?; // saturates
    }
    writer.finalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn paths_take_their_places() {
        let split = |command: &str| words(command, Path::new("/c/a.mp4"), Path::new("/t/clip.wav"));
        for (command, expected) in [
            ("asr", &["asr", "/t/clip.wav"][..]),
            (
                "asr -m 'a model' -oj",
                &["asr", "-m", "a model", "-oj", "/t/clip.wav"],
            ),
            ("asr {clip} --out={dir}", &["asr", "/c/a.mp4", "--out=/t"]),
            ("asr --out {dir}", &["asr", "--out", "/t", "/t/clip.wav"]),
            (
                "asr -f {wav} ; rm",
                &["asr", "-f", "/t/clip.wav", ";", "rm"],
            ),
        ] {
            assert_eq!(split(command).unwrap(), expected);
        }
        for command in ["", "  ", "asr 'x", "''"] {
            let error = split(command).unwrap_err().to_string();
            assert!(error.contains("expected a command"), "{error}");
        }
    }
}
