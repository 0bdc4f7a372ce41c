//! Wave files through hound.

use crate::FormatError;
use std::{
    fs::File,
    io::{BufReader, Seek},
    path::Path,
};

/// A mono signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// Samples a second.
    pub rate: u32,
    /// Samples in [-1, 1], channels averaged.
    pub samples: Vec<f32>,
}

/// Reads a wave file (integer PCM of 8 to 32 bits or 32-bit float), averaging its channels.
///
/// # Errors
/// When the file is missing, truncated, or not such a wave file.
pub fn read_wav(path: &Path) -> Result<Wave, FormatError> {
    let wrong = |source| FormatError::wav(path, source);
    let mut reader = open(path)?;
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader
            .samples::<f32>()
            .collect::<Result<_, _>>()
            .map_err(wrong)?,
        hound::SampleFormat::Int => {
            let scale =
                1.0 / f64::from(2_u32.pow(u32::from(spec.bits_per_sample.clamp(1, 32)) - 1));
            #[expect(
                clippy::cast_possible_truncation,
                reason = "f32 is the type of signals"
            )]
            let sample = |value: i32| (f64::from(value) * scale) as f32;
            reader
                .samples::<i32>()
                .map(|s| s.map(sample))
                .collect::<Result<_, _>>()
                .map_err(wrong)?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let samples = if channels == 1 {
        samples
    } else {
        samples
            .chunks_exact(channels)
            .map(|frame| frame.iter().sum::<f32>() / f32::from(spec.channels))
            .collect()
    };
    Ok(Wave {
        rate: spec.sample_rate,
        samples,
    })
}

/// Samples a second and samples a channel of a wave file, by its header alone.
///
/// # Errors
/// Those of [`read_wav`], but for errors of single samples.
pub fn wav_header(path: &Path) -> Result<(u32, usize), FormatError> {
    let reader = open(path)?;
    Ok((reader.spec().sample_rate, reader.duration() as usize))
}

/// Reads the header, and refuses a file that is shorter than it says.
fn open(path: &Path) -> Result<hound::WavReader<BufReader<File>>, FormatError> {
    let wrong = |source| FormatError::wav(path, source);
    let file = File::open(path).map_err(FormatError::io(path))?;
    let size = file.metadata().map_err(FormatError::io(path))?.len();
    let mut file = BufReader::new(file);
    let header = hound::WavReader::new(&mut file).map_err(wrong)?;
    let data = u64::from(header.len()) * u64::from(header.spec().bits_per_sample.div_ceil(8));
    let start = file.stream_position().map_err(FormatError::io(path))?;
    if data > size.saturating_sub(start) {
        let message = "truncated: the data chunk is longer than the file";
        return Err(wrong(hound::Error::FormatError(message)));
    }
    file.rewind().map_err(FormatError::io(path))?;
    hound::WavReader::new(file).map_err(wrong)
}
