//! Wave files: RIFF and RF64, integers of 8 to 32 bits, floats of 32 and 64 bits, and files that a program wrote into a pipe, whose
//! header cannot say how long they are.

use crate::{FormatError, bytes::Bytes};
use std::{
    ops::{Range, RangeInclusive},
    path::Path,
};

/// A mono signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// Samples a second.
    pub rate: u32,
    /// Finite samples, in [-1, 1] where the file holds integers; channels averaged.
    pub samples: Vec<f32>,
    /// Samples of the file that are not finite as `f32` (NaN, infinities, beyond its range): they are read as 0.
    pub non_finite: usize,
}

/// Reads a wave file (integer PCM of 8 to 32 bits, float of 32 or 64 bits), averaging its channels.
///
/// # Errors
/// When the file is missing, truncated, or not such a wave file.
pub fn read_wav(path: &Path) -> Result<Wave, FormatError> {
    let file = WaveFile::open(path)?;
    let (samples, non_finite) = file.read(0..file.frames());
    Ok(Wave {
        rate: file.rate(),
        samples,
        non_finite,
    })
}

/// A wave file whose samples stay on disk until a part of them is asked for.
#[derive(Debug)]
pub struct WaveFile {
    bytes: Bytes,
    format: Format,
    data: Range<usize>,
}

impl WaveFile {
    /// Reads the header.
    ///
    /// # Errors
    /// Those of [`read_wav`].
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        let bytes = Bytes::open(path)?;
        let header = header(bytes.as_slice());
        let (format, data) = header.map_err(|message| FormatError::wav(path, message))?;
        Ok(Self {
            bytes,
            format,
            data,
        })
    }

    /// Samples a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.format.rate
    }

    /// Samples a channel.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.data.len() / self.format.frame()
    }

    /// The samples of these frames as far as the file has them, channels averaged, and how many were not finite and are 0: see [`Wave`].
    #[must_use]
    pub fn read(&self, frames: Range<usize>) -> (Vec<f32>, usize) {
        let end = frames.end.min(self.frames());
        let at = |frame: usize| self.data.start + frame.min(end) * self.format.frame();
        let part = self.bytes.as_slice().get(at(frames.start)..at(end));
        self.format.decode(part.unwrap_or_default())
    }
}

/// As [`read_wav`], from the bytes of a wave file that messages call `path`.
///
/// # Errors
/// When the bytes are truncated, or not those of such a wave file.
pub fn parse_wav(bytes: &[u8], path: &Path) -> Result<Wave, FormatError> {
    let (format, data) = header(bytes).map_err(|message| FormatError::wav(path, message))?;
    let (samples, non_finite) = format.decode(bytes.get(data).unwrap_or_default());
    Ok(Wave {
        rate: format.rate,
        samples,
        non_finite,
    })
}

/// Samples a second and samples a channel of a wave file, by its header alone.
///
/// # Errors
/// Those of [`read_wav`].
pub fn wav_header(path: &Path) -> Result<(u32, usize), FormatError> {
    let file = WaveFile::open(path)?;
    Ok((file.rate(), file.frames()))
}

/// As [`wav_header`], from the bytes of a wave file that messages call `path`.
///
/// # Errors
/// Those of [`parse_wav`].
pub fn parse_wav_header(bytes: &[u8], path: &Path) -> Result<(u32, usize), FormatError> {
    let (format, data) = header(bytes).map_err(|message| FormatError::wav(path, message))?;
    Ok((format.rate, data.len() / format.frame()))
}

/// What a `fmt` chunk says.
#[derive(Clone, Copy, Debug)]
struct Format {
    float: bool,
    channels: usize,
    rate: u32,
    /// Bytes of a sample.
    width: usize,
    /// Bits that an integer's full scale has.
    bits: u32,
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;
/// What follows the encoding's number in the sub-format of an extensible header.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// The format, and where the samples are: whole frames, within the file.
fn header(bytes: &[u8]) -> Result<(Format, Range<usize>), String> {
    let riff = match bytes.first_chunk::<12>() {
        Some([b'R', b'I', b'F', b'F', a, b, c, d, b'W', b'A', b'V', b'E'])
        | Some([b'R', b'F', b'6', b'4', a, b, c, d, b'W', b'A', b'V', b'E']) => {
            u32::from_le_bytes([*a, *b, *c, *d])
        }
        _ => return Err("expected RIFF or RF64 and WAVE at the start, found neither".to_owned()),
    };
    let (mut at, mut format, mut long) = (12_usize, None, None);
    while let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let [id @ .., a, b, c, d] = *head;
        let size = u32::from_le_bytes([a, b, c, d]);
        let body = at + 8;
        let rest = bytes.get(body..).unwrap_or_default();
        match &id {
            b"fmt " => {
                let chunk = rest.get(..size as usize);
                let chunk = chunk.ok_or("truncated: the fmt chunk is longer than the file")?;
                format = Some(Format::read(chunk)?);
            }
            // sizes of 64 bits: that of the file, then that of the data
            b"ds64" => long = rest.get(8..).and_then(|rest| rest.first_chunk()).copied(),
            b"data" => {
                let format: Format = format.ok_or("expected a fmt chunk before the data chunk")?;
                let long = long.filter(|_| size == u32::MAX).map(u64::from_le_bytes);
                let length = match long {
                    Some(long) => Some(usize::try_from(long).unwrap_or(usize::MAX)),
                    None if endless(riff, size, body) => None,
                    None => Some(size as usize),
                };
                return Ok((format, format.frames(body, rest.len(), length)?));
            }
            _ => {}
        }
        // chunks begin at even places
        at = body.saturating_add(size as usize + (size as usize & 1));
    }
    Err("truncated: expected a data chunk, found the end of the file".to_owned())
}

/// Sizes that only a program writes which cannot know: `u32::MAX` (ffmpeg), about 2^31 (sox, arecord).
const UNKNOWN: RangeInclusive<u32> = 0x7fff_f000..=0x8000_0000;

/// Whether the data chunk at `body` goes on to the end of the file: its writer could not go back to fill in the sizes. A size of 0 is such
/// a one unless the file's own size tells of chunks behind empty data.
fn endless(riff: u32, size: u32, body: usize) -> bool {
    match size {
        u32::MAX => true,
        0 => riff == u32::MAX || riff as usize + 8 <= body,
        _ => UNKNOWN.contains(&size),
    }
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, String> {
        let u16_at = |at: usize| chunk.get(at..).and_then(|rest| rest.first_chunk()).copied();
        let short = || {
            format!(
                "truncated: expected a fmt chunk of 16 bytes, or 40 if extensible, found {}",
                chunk.len()
            )
        };
        let number = |at| u16_at(at).map(u16::from_le_bytes).ok_or_else(short);
        let rate = chunk.get(4..).and_then(|rest| rest.first_chunk()).copied();
        let rate = u32::from_le_bytes(rate.ok_or_else(short)?);
        let (mut tag, channels, block, bits) = (number(0)?, number(2)?, number(12)?, number(14)?);
        let width = usize::from(block).checked_div(usize::from(channels));
        let width = width.filter(|width| width * usize::from(channels) == usize::from(block));
        let width = width.filter(|width| *width > 0).ok_or_else(|| {
            format!("expected frames of whole samples, found {block} bytes for {channels} channels")
        })?;
        let mut bits = u32::from(bits);
        if tag == EXTENSIBLE {
            let subformat = chunk.get(24..40).ok_or_else(short)?;
            tag = number(24)?;
            bits = 8 * width as u32; // fewer valid bits are the upper ones
            if subformat[2..] != SUBFORMAT {
                tag = EXTENSIBLE;
            }
        }
        let float = match (tag, width, bits) {
            (PCM, 1..=4, 1..) if bits <= 8 * width as u32 => false,
            (FLOAT, 4, 32) | (FLOAT, 8, 64) => true,
            (PCM | FLOAT, ..) => {
                return Err(format!(
                    "expected integers of 8 to 32 bits or floats of 32 or 64, found {} of {bits} bits in {width} bytes",
                    if tag == PCM { "integers" } else { "floats" }
                ));
            }
            _ => {
                return Err(format!(
                    "expected PCM or float samples, found {}; convert it, as in ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav",
                    encoding(tag)
                ));
            }
        };
        Ok(Self {
            float,
            channels: usize::from(channels),
            rate,
            width,
            bits,
        })
    }

    /// Bytes of a frame, at least 1.
    fn frame(self) -> usize {
        self.channels * self.width
    }

    /// Where the samples are, of the `rest` bytes behind `start`; without a length all whole frames.
    fn frames(
        self,
        start: usize,
        rest: usize,
        length: Option<usize>,
    ) -> Result<Range<usize>, String> {
        let length = match length {
            None => rest - rest % self.frame(),
            Some(length) if length > rest => {
                return Err(format!(
                    "truncated: expected {length} bytes of samples, found {rest}"
                ));
            }
            Some(length) if length % self.frame() != 0 => {
                return Err(format!(
                    "expected whole frames of {} bytes, found {length} bytes of samples",
                    self.frame()
                ));
            }
            Some(length) => length,
        };
        Ok(start..start + length)
    }

    /// One value a frame, and how many samples were not finite.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "f32 is the type of signals"
    )]
    fn decode(self, data: &[u8]) -> (Vec<f32>, usize) {
        let unused = 32_u32.saturating_sub(self.bits); // of integers: floats may have 64
        let scale = 2_f64.powi(1 - self.bits as i32);
        let integer = |value: i32| (f64::from(value << unused >> unused) * scale) as f32;
        match (self.float, self.width) {
            (true, 4) => self.average(data, f32::from_le_bytes),
            (true, _) => self.average(data, |bytes| f64::from_le_bytes(bytes) as f32),
            // the one unsigned width
            (false, 1) => self.average(data, |[byte]| (f64::from(byte) - 128.0) as f32 / 128.0),
            (false, 2) => self.average(data, |bytes| integer(i16::from_le_bytes(bytes).into())),
            (false, 3) => self.average(data, |[a, b, c]| {
                integer(i32::from_le_bytes([0, a, b, c]) >> 8)
            }),
            (false, _) => self.average(data, |bytes| integer(i32::from_le_bytes(bytes))),
        }
    }

    /// The means over the channels of samples of `WIDTH` bytes, and how many samples were not finite.
    fn average<const WIDTH: usize>(
        self,
        data: &[u8],
        sample: impl Fn([u8; WIDTH]) -> f32,
    ) -> (Vec<f32>, usize) {
        let mut non_finite = 0;
        let mut sample = |bytes: &[u8; WIDTH]| {
            let value = sample(*bytes);
            if value.is_finite() {
                return value;
            }
            non_finite += 1;
            0.0
        };
        let samples = data.as_chunks::<WIDTH>().0;
        let means = match self.channels {
            1 => samples.iter().map(sample).collect(),
            channels => samples
                .chunks_exact(channels)
                .map(|frame| frame.iter().map(&mut sample).sum::<f32>() / channels as f32)
                .collect(),
        };
        (means, non_finite)
    }
}

/// An encoding's number and, of the common ones, its name.
fn encoding(tag: u16) -> String {
    let name = match tag {
        2 | 0x11 => "ADPCM",
        6 => "A-law",
        7 => "mu-law",
        0x55 => "MP3",
        EXTENSIBLE => "an unknown sub-format",
        _ => return format!("encoding {tag:#06x}"),
    };
    name.to_owned()
}
