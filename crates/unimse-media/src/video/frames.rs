//! The pictures of a clip, at a chosen rate and size, one after the other.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    Frame, Settings,
    ffmpeg::{Picture, Process, ffmpeg_version},
};
use crate::{
    Fault, MediaError, Span,
    decode::{MOST_SECONDS, begins, is_text},
    mp4::{self, Outline},
};

/// Containers that ffmpeg may read. Playlists are not among them: they name other files.
const FORMATS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,mpeg,mpegvideo,mpegts,flv,ogg,h264,hevc,m4v";
/// Pixels of a picture that are decoded at most, those of 8K: a header can promise any number.
const MOST_PIXELS: &str = "33177600";
/// Bytes that ffmpeg may ask for at once.
const MOST_BYTES: &str = "1073741824";
/// Share of a clip's pictures that may be broken: one in fifty, as for sound.
const MOST_LOST: &str = "0.02";
/// Time that is waited for ffmpeg, besides twice the length of the film.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pictures of a clip, or of a part of it: iterate. Picture `n` shows the clip `n / rate` seconds after its beginning, or that of the part, whatever
/// the rate of the file and whether it varies; turned as the file says, its pixels made square. What lies before the part is not decoded, but for
/// the pictures since the last whole one. One picture is held at a time. After an error there is no further picture.
#[derive(Debug)]
pub struct Frames {
    path: PathBuf,
    span: Span,
    settings: Settings,
    outline: Outline,
    process: Process,
    /// Pictures so far.
    count: usize,
    /// Time that was spent waiting for them.
    waited: Duration,
    ended: bool,
}

impl Frames {
    /// Starts to decode a clip.
    ///
    /// # Errors
    /// [`MediaError::Ffmpeg`] where the system has none; [`MediaError::Format`] where the file cannot be opened; [`MediaError::Fault`] where it is empty,
    /// text or sound, or is longer than an hour.
    pub fn open(path: &Path, span: Span, settings: &Settings) -> Result<Self, MediaError> {
        let outline = outline(path, span)?;
        ffmpeg_version()?;
        let process = Process::start(&mut command(path, span, settings));
        let process = process.map_err(|source| MediaError::Ffmpeg {
            message: source.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            span,
            settings: *settings,
            outline,
            process,
            count: 0,
            waited: Duration::ZERO,
            ended: false,
        })
    }

    /// Seconds of the clip that were reached.
    fn seconds(&self) -> f64 {
        self.count as f64 / f64::from(self.settings.rate_hz)
    }

    fn advance(&mut self) -> Result<Option<Frame>, Fault> {
        if self.seconds() > MOST_SECONDS {
            return Err(Fault::TooLong {
                found_s: self.seconds(),
            });
        }
        let film = Duration::from_secs_f64(2.0 * self.seconds());
        let left = (PATIENCE + film).saturating_sub(self.waited);
        let started = Instant::now();
        let picture = self.process.picture(self.settings.long_side, left);
        self.waited += started.elapsed();
        match picture {
            Picture::Whole(frame) => {
                self.count += 1;
                Ok(Some(frame))
            }
            Picture::Late => Err(Fault::Late {
                waited_s: self.waited.as_secs_f64(),
            }),
            Picture::Broken(message) => {
                let (_, said) = self.process.end();
                Err(fault(&said, &self.path).unwrap_or(Fault::Malformed(message)))
            }
            Picture::End => self.finish(),
        }
    }

    /// What the end of the pictures means.
    fn finish(&mut self) -> Result<Option<Frame>, Fault> {
        let (success, said) = self.process.end();
        let found_s = self.seconds();
        let wanted_s = self.span.to_s.map(|to| to - self.span.from_s);
        let is_whole = wanted_s
            .is_some_and(|wanted| found_s >= wanted - 1.0 / f64::from(self.settings.rate_hz));
        let ends_early = self.outline.cut || ENDS_EARLY.iter().any(|words| said.contains(words));
        if ends_early && !is_whole {
            return Err(Fault::Cut { found_s });
        }
        if !success {
            let known = fault(&said, &self.path);
            return Err(known.unwrap_or_else(|| Fault::Malformed("ffmpeg failed".to_owned())));
        }
        match self.count {
            0 => Err(Fault::NoFrame),
            _ => Ok(None),
        }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, MediaError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended = !matches!(next, Ok(Some(_)));
        next.map_err(|fault| fault.at(&self.path)).transpose()
    }
}

/// What ffmpeg says of a file that ends before its time.
const ENDS_EARLY: [&str; 4] = [
    "moov atom not found",
    "partial file",
    "File ended prematurely",
    "Truncating packet",
];

/// Looks at a file before ffmpeg does.
fn outline(path: &Path, span: Span) -> Result<Outline, MediaError> {
    let (mut file, start) = begins(path)?;
    let fault = match &start[..] {
        [] => Some(Fault::Empty),
        _ if !span.is_sound() => Some(span.fault()),
        start if is_sound(start) => Some(Fault::NoVideo),
        start if is_text(start) => Some(Fault::NotMedia("text".to_owned())),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(fault.at(path));
    }
    let outline = mp4::outline(&mut file);
    let seconds = outline.video.iter().filter_map(|track| track.seconds);
    match seconds.reduce(f64::max) {
        Some(found_s) if found_s - span.from_s > MOST_SECONDS && span.to_s.is_none() => {
            Err(Fault::TooLong { found_s }.at(path))
        }
        _ => Ok(outline),
    }
}

/// Whether a file begins as those do that hold sound only: wav, flac, mp3, aac.
fn is_sound(start: &[u8]) -> bool {
    let is_wave = start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WAVE");
    let is_frame = matches!(start, [0xff, second, ..] if second & 0xe0 == 0xe0);
    is_wave
        || is_frame
        || [&b"fLaC"[..], b"ID3", b"RF64"]
            .iter()
            .any(|magic| start.starts_with(magic))
}

fn command(path: &Path, span: Span, settings: &Settings) -> Command {
    let mut command = Command::new("ffmpeg");
    // it would write a report of its run, and colours
    command
        .env_remove("FFREPORT")
        .env("AV_LOG_FORCE_NOCOLOR", "1");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error"]);
    command.args(["-max_alloc", MOST_BYTES, "-max_error_rate", MOST_LOST]);
    command.args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS]);
    command.args(["-max_pixels", MOST_PIXELS, "-threads", "1"]);
    if span.from_s > 0.0 {
        command.args(["-ss", &format!("{:.6}", span.from_s)]);
    }
    let seconds = span.to_s.map_or(MOST_SECONDS + 1.0, |to| to - span.from_s);
    command.args(["-t", &format!("{seconds:.6}"), "-i"]);
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    command.arg(input);
    let Settings {
        rate_hz, long_side, ..
    } = settings;
    // square pixels, at most so long; never larger than the film
    let share = format!("min(1,{long_side}/max(iw*sar,ih))");
    let filter = format!(
        "fps={rate_hz}:start_time=0,scale=w='max(1,trunc(iw*sar*{share}+0.5))':h='max(1,trunc(ih*{share}+0.5))':flags=area+accurate_rnd"
    );
    command.args(["-map", "0:V:0", "-filter_threads", "1", "-vf", &filter]);
    command.args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
    command
}

/// What ffmpeg's words mean; `None` where it said nothing.
fn fault(said: &str, path: &Path) -> Option<Fault> {
    if said.contains("matches no streams") {
        return Some(Fault::NoVideo);
    }
    let lines = said.lines().map(|line| plain(line, path));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let find = |words: &[&str]| {
        let has = |line: &&String| words.iter().any(|words| line.contains(words));
        lines.iter().find(has).cloned()
    };
    if let Some(line) = find(&[
        "not found for input stream",
        "Unknown decoder",
        "unknown codec",
        "none) not found",
    ]) {
        return Some(Fault::VideoCodec(line));
    }
    match &lines[..] {
        [] => None,
        [only] if only == "Invalid data found when processing input" => {
            Some(Fault::NotMedia("something else".to_owned()))
        }
        [first, ..] => Some(Fault::Malformed(format!("ffmpeg: {first}"))),
    }
}

/// A line without the file's name and without addresses in memory, which differ from run to run.
fn plain(line: &str, path: &Path) -> String {
    let mut line = line.replace(&format!("file:{}", path.display()), "");
    while let Some(at) = line.find(" @ 0x") {
        let rest = &line[at + 5..];
        let end = rest.find(|c: char| !c.is_ascii_hexdigit());
        line.replace_range(at..at + 5 + end.unwrap_or(rest.len()), "");
    }
    let line = line.trim_start_matches(": ").trim();
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ffmpeg_become_faults_without_names_and_addresses() {
        let path = Path::new("/tmp/a b.mp4");
        for (said, expected) in [
            ("", None),
            (
                "Stream map '0:V:0' matches no streams.\nTo ignore this, ...",
                Some(Fault::NoVideo),
            ),
            (
                "file:/tmp/a b.mp4: Invalid data found when processing input\n",
                Some(Fault::NotMedia("something else".to_owned())),
            ),
            (
                "[mov,mp4 @ 0x55d0c0ffee00] error reading header\nfile:/tmp/a b.mp4: Invalid data found when processing input\n",
                Some(Fault::Malformed(
                    "ffmpeg: [mov,mp4] error reading header".to_owned(),
                )),
            ),
        ] {
            assert_eq!(fault(said, path), expected);
        }
    }
}
