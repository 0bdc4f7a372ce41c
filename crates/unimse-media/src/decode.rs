//! A clip, or a part of it, as a mono signal at 16 kHz: wave files by `unimse-formats`, every other container by symphonia. What is decoded
//! goes through the resampler block by block, so that memory holds the 16 kHz signal of the part that was asked for and no more.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use unimse_formats::{FormatError, WaveFile, open_file};

use crate::{
    Fault, MediaError, container,
    resample::{RATES, Resampler, SAMPLE_RATE},
};

/// Seconds of a clip, or of the part of it that is asked for, that are decoded at most: an hour, 230 MB of samples.
pub const MOST_SECONDS: f64 = 3_600.0;
/// Half a step of 16 bits: what never rises above it is silence.
const SILENCE: f32 = 0.5 / 32_768.0;
/// Frames of a wave file that are read at a time.
const BLOCK: usize = 1 << 16;

/// The part of a clip that is wanted, in seconds from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Span {
    /// Where it begins; default 0. It and the end are rounded to the nearest sample of the clip, at the clip's own rate.
    pub from_s: f64,
    /// Where it ends; `None`: with the clip. Beyond the clip's end: with the clip.
    pub to_s: Option<f64>,
}

/// A decoded clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Mono samples at [`SAMPLE_RATE`](crate::SAMPLE_RATE), channels averaged; all finite, at least one.
    pub samples: Vec<f32>,
    /// Samples of the file that were not finite and count as 0.
    pub non_finite: usize,
    /// Samples a second of the file.
    pub source_rate: u32,
}

impl Clip {
    /// Length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// Decodes the audio of a clip: wav, flac, mp3, ogg (Vorbis), m4a or mp4 (AAC-LC, ALAC, FLAC, MP3), told apart by their content, never by their
/// name. Of a part of it no more is decoded than that part.
///
/// ```no_run
/// use std::path::Path;
/// use unimse_media::{Span, read_clip};
///
/// let part = Span { from_s: 12.5, to_s: Some(15.0) };
/// let clip = read_clip(Path::new("film.mp4"), part)?;
/// assert!(clip.seconds() <= 2.5);
/// # Ok::<(), unimse_media::MediaError>(())
/// ```
///
/// # Errors
/// [`MediaError::Format`] where the file cannot be opened or is a broken wave file, [`MediaError::Fault`] for everything else that is wrong
/// with it. Silence is a fault too: a modality without content is absent.
pub fn read_clip(path: &Path, span: Span) -> Result<Clip, MediaError> {
    let (file, start) = begins(path)?;
    let clip = match &start[..] {
        [] => Err(Fault::Empty),
        _ if !span.is_sound() => Err(span.fault()),
        start if start.get(8..11) == Some(b"AVI") => Err(Fault::NotMedia("AVI".to_owned())),
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] => {
            let wave = WaveFile::open(path)?;
            of_wave(&wave, span)
        }
        start if is_text(start) => Err(Fault::NotMedia("text".to_owned())),
        _ => caught(file, span),
    };
    clip.and_then(checked).map_err(|fault| fault.at(path))
}

/// Bytes that tell what a file is.
const HEAD: usize = 256;

/// A clip and its first bytes, which are read again.
pub(crate) fn begins(path: &Path) -> Result<(File, Vec<u8>), FormatError> {
    let io = |source| FormatError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = open_file(path)?;
    let mut start = Vec::with_capacity(HEAD);
    (&mut file)
        .take(HEAD as u64)
        .read_to_end(&mut start)
        .map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    Ok((file, start))
}

/// Whether a file that starts so is text; its last character may be cut in two.
pub(crate) fn is_text(start: &[u8]) -> bool {
    let whole = match std::str::from_utf8(start) {
        Err(error) if error.error_len().is_some() => return false,
        Err(error) => error.valid_up_to(),
        Ok(text) => text.len(),
    };
    !start[..whole].contains(&0)
}

/// A decoder of others' that panics on a hostile file is one more fault of that file.
fn caught(file: File, span: Span) -> Result<Clip, Fault> {
    catch_unwind(AssertUnwindSafe(|| container::read(file, span))).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(Fault::Decoder(text.unwrap_or("panic").to_owned()))
    })
}

fn of_wave(wave: &WaveFile, span: Span) -> Result<Clip, Fault> {
    let rate = wave.rate();
    let mut collector = Collector::new(rate, span, 0.0)?;
    let from = collector.skip;
    let end = wave.frames() as u64;
    let end = collector
        .left
        .map_or(end, |left| end.min(from.saturating_add(left)));
    let seconds = end.saturating_sub(from) as f64 / f64::from(rate);
    if seconds > MOST_SECONDS {
        return Err(Fault::TooLong { found_s: seconds });
    }
    collector.skip = 0; // what is left out is not read
    let mut at = usize::try_from(from).unwrap_or(usize::MAX);
    let end = usize::try_from(end).unwrap_or(usize::MAX);
    while at < end {
        let next = at.saturating_add(BLOCK).min(end);
        let (samples, non_finite) = wave.read(at..next);
        collector.non_finite += non_finite;
        collector.push(&samples)?;
        at = next;
    }
    collector.finish()
}

fn checked(clip: Clip) -> Result<Clip, Fault> {
    if clip.samples.is_empty() {
        return Err(Fault::NoSample);
    }
    if clip.samples.iter().all(|sample| sample.abs() <= SILENCE) {
        return Err(Fault::Silent);
    }
    Ok(clip)
}

impl fmt::Display for Span {
    /// `1.5 s to 2 s`, or `1.5 s to the end`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s to ", self.from_s + 0.0)?; // -0 becomes 0
        match self.to_s {
            Some(to_s) => write!(f, "{} s", to_s + 0.0),
            None => f.write_str("the end"),
        }
    }
}

impl Span {
    /// What is said of a part that cannot be.
    pub(crate) fn fault(self) -> Fault {
        Fault::Span(self)
    }

    pub(crate) fn is_sound(self) -> bool {
        self.from_s.is_finite()
            && self.from_s >= 0.0
            && self
                .to_s
                .is_none_or(|to| to.is_finite() && to > self.from_s)
    }
}

/// Takes the samples of a stream from its start, or from a known place of it, and keeps the wanted part.
pub(crate) struct Collector {
    resampler: Resampler,
    rate: u32,
    /// Samples still to be left out.
    pub(crate) skip: u64,
    /// Samples still wanted; `None`: all.
    left: Option<u64>,
    /// Samples kept.
    kept: u64,
    /// Samples that were not finite.
    pub(crate) non_finite: usize,
}

impl Collector {
    /// For a part of a clip whose first sample that comes lies at `first_s` of it, before its start where the encoder's delay comes first. Every time is rounded to a sample of the clip before they are
    /// subtracted, so that a part begins with the same sample wherever reading began.
    pub(crate) fn new(rate: u32, span: Span, first_s: f64) -> Result<Self, Fault> {
        if !RATES.contains(&rate) {
            return Err(Fault::Rate { hz: rate });
        }
        let frames = |seconds: f64| (seconds * f64::from(rate)).round() as i64; // saturates
        let first = frames(first_s);
        let after =
            |seconds: f64| u64::try_from(frames(seconds).saturating_sub(first)).unwrap_or(0);
        let skip = after(span.from_s);
        Ok(Self {
            resampler: Resampler::new(rate)?,
            rate,
            skip,
            left: span.to_s.map(|to| after(to).saturating_sub(skip)),
            kept: 0,
            non_finite: 0,
        })
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether no further sample is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), Fault> {
        let skipped = usize::try_from(self.skip)
            .unwrap_or(usize::MAX)
            .min(samples.len());
        self.skip -= skipped as u64;
        let mut wanted = &samples[skipped..];
        if let Some(left) = &mut self.left {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            wanted = &wanted[..wanted.len().min(most)];
            *left -= wanted.len() as u64;
        }
        self.kept += wanted.len() as u64;
        let seconds = self.kept as f64 / f64::from(self.rate);
        if seconds > MOST_SECONDS {
            return Err(Fault::TooLong { found_s: seconds });
        }
        self.resampler.push(wanted)
    }

    pub(crate) fn finish(self) -> Result<Clip, Fault> {
        Ok(Clip {
            samples: self.resampler.finish()?,
            non_finite: self.non_finite,
            source_rate: self.rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Span, is_text};

    #[test]
    fn parts_in_words() {
        let shown = |from_s, to_s| Span { from_s, to_s }.to_string();
        assert_eq!(shown(1.5, Some(2.0)), "1.5 s to 2 s");
        assert_eq!(shown(-0.0, None), "0 s to the end");
    }

    #[test]
    fn text_is_told_from_sound_wherever_it_is_cut() {
        let text = "情感 and emotion".as_bytes();
        assert!((1..=text.len()).all(|end| is_text(&text[..end])));
        for sound in [&b"fLaC\0\0\0\x22"[..], b"\xff\xfb\x90d", b"OggS\0"] {
            assert!(!is_text(sound));
        }
    }
}
