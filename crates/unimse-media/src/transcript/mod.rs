//! What is said in a clip, and when: SubRip (`.srt`), WebVTT (`.vtt`) and the JSON of speech recognisers, told apart by their content.
//!
//! Whoever speaks stands in WebVTT's `<v Monica>`, in the field `speaker` of JSON, or before a colon, as in `Monica: hi`. What stands before a colon is
//! a name where at least half of the captions begin so, or where two begin with the same one: else `Listen: it works` would lose its first word.

mod json;
mod marks;
mod srt;
mod times;
mod vtt;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use unimse_formats::{FormatError, open_file};

use crate::MediaError;

/// Bytes of a transcript that are read at most: hours of speech have some hundred kilobytes.
const MOST_BYTES: u64 = 32 << 20;

/// What somebody says in a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// Where it begins, in seconds from the clip's start; finite, not negative.
    pub start_s: f64,
    /// Where it ends; finite, not before it begins.
    pub end_s: f64,
    /// Who speaks, where the transcript says so.
    pub speaker: Option<String>,
    /// The words, without marks, at least one.
    pub text: String,
}

/// Reads a transcript: SubRip, WebVTT, a JSON list of `{"start", "end", "text", "speaker"}` in seconds, or the JSON of whisper.cpp, openai-whisper or WhisperX.
/// Captions come in the order of their beginnings; those without words are left out.
///
/// # Errors
/// [`MediaError::Format`] where the file cannot be read, [`MediaError::Transcript`] naming the line, what was expected and what was found.
pub fn read(path: &Path) -> Result<Vec<Caption>, MediaError> {
    let mut bytes = Vec::new();
    let mut file = open_file(path)?.take(MOST_BYTES + 1);
    file.read_to_end(&mut bytes)
        .map_err(|source| FormatError::Io {
            path: path.to_owned(),
            source,
        })?;
    parse(&bytes, path)
}

/// As [`read`], of bytes that messages call `path`.
///
/// ```
/// use std::path::Path;
/// use unimse_media::transcript::parse;
///
/// let srt = b"1\n00:00:01,000 --> 00:00:02,500\nMonica: <i>hi</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nJoey: how you doin'\n";
/// let captions = parse(srt, Path::new("scene.srt"))?;
/// assert_eq!((captions[0].start_s, captions[0].end_s), (1.0, 2.5));
/// assert_eq!((captions[0].speaker.as_deref(), captions[0].text.as_str()), (Some("Monica"), "hi"));
/// # Ok::<(), unimse_media::MediaError>(())
/// ```
///
/// # Errors
/// As there.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Caption>, MediaError> {
    captions(bytes).map_err(|Wrong { place, message }| MediaError::Transcript {
        path: path.to_owned(),
        message: match place {
            Some(place) => format!("{place}: {message}"),
            None => message,
        },
    })
}

/// What is wrong with a transcript, and where.
#[derive(Debug, PartialEq)]
struct Wrong {
    /// As `line 3`; none of a whole file.
    place: Option<String>,
    message: String,
}

impl Wrong {
    fn file(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }

    /// In a line, counted from 1.
    fn line(line: usize, expected: &str, found: &str) -> Self {
        Self {
            place: Some(format!("line {line}")),
            message: format!("expected {expected}, found {}", short(found)),
        }
    }
}

/// The beginning of what was found.
fn short(found: &str) -> String {
    let found = found.trim();
    match found.char_indices().nth(60) {
        _ if found.is_empty() => "nothing".to_owned(),
        Some((at, _)) => format!("{:?}...", &found[..at]),
        None => format!("{found:?}"),
    }
}

fn captions(bytes: &[u8]) -> Result<Vec<Caption>, Wrong> {
    if bytes.len() as u64 > MOST_BYTES {
        let most = MOST_BYTES >> 20;
        return Err(Wrong::file(format!(
            "expected a transcript of at most {most} MiB, found more"
        )));
    }
    let text = utf8(bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut captions = match text.trim_start() {
        "" => return Err(Wrong::file("expected captions, found nothing")),
        start if start.starts_with(['{', '[']) => json::parse(&text)?,
        _ if vtt::is_vtt(&text) => named(vtt::parse(&text)?),
        _ => named(srt::parse(&text)?),
    };
    captions.retain(|caption| !caption.text.is_empty());
    if captions.is_empty() {
        return Err(Wrong::file("expected a caption with words, found none"));
    }
    captions.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    Ok(captions)
}

/// Bytes as text, without the mark of UTF-8 that some programs put in front.
fn utf8(bytes: &[u8]) -> Result<&str, Wrong> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Wrong::file(
            "expected UTF-8, found UTF-16; convert it with iconv",
        ));
    }
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    text.map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let found = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Wrong {
            place: Some(format!("line {line}")),
            message: format!("expected UTF-8, found the byte {found:#04x}; convert it with iconv"),
        }
    })
}

/// Takes names before a colon for speakers, where they are such.
fn named(mut captions: Vec<Caption>) -> Vec<Caption> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for caption in captions.iter().filter(|caption| caption.speaker.is_none()) {
        if let Some((name, _)) = marks::name_before_colon(&caption.text) {
            *times.entry(name.to_owned()).or_default() += 1;
        }
    }
    let usual = 2 * times.values().sum::<usize>() >= captions.len();
    for caption in captions
        .iter_mut()
        .filter(|caption| caption.speaker.is_none())
    {
        let found = marks::name_before_colon(&caption.text);
        let found = found.filter(|(name, _)| usual || times.get(*name).is_some_and(|&n| n > 1));
        if let Some((name, words)) = found {
            let (name, words) = (name.to_owned(), words.to_owned());
            (caption.speaker, caption.text) = (Some(name), words);
        }
    }
    captions
}

#[cfg(test)]
mod tests;
