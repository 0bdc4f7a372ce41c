//! Wave files through hound.

use crate::FormatError;
use std::path::Path;

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
    let wrong = |source| FormatError::Wav {
        path: path.to_owned(),
        source,
    };
    let mut reader = hound::WavReader::open(path).map_err(wrong)?;
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
