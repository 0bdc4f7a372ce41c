//! Any sample rate to 16 kHz, band-limited as `librosa.load` does, block by block.

use std::ops::RangeInclusive;

use crate::Fault;
use rubato::{
    Fft, FixedSync, Indexing, Resampler as _, WindowFunction,
    audioadapter_buffers::direct::InterleavedSlice,
};

/// Samples a second of everything that is analysed.
pub const SAMPLE_RATE: u32 = 16_000;
/// Sample rates that are read, in Hertz; beyond them a small file could ask for any amount of memory.
pub(crate) const RATES: RangeInclusive<u32> = 1_000..=768_000;
/// Samples of 16 kHz in one of the resampler's blocks, and the length of its filter: tones pass up to 7.8 kHz. A
/// multiple of what 16 kHz over the common divisor is at all usual rates, such as 160 for 44.1 kHz; the blocks of others
/// are larger, and their result can be half a sample late.
const BLOCK: usize = 1280;

/// `ceil(samples * 16000 / rate)`, librosa's length.
pub(crate) fn resampled(samples: usize, rate: u32) -> usize {
    let exact = (samples as u128 * u128::from(SAMPLE_RATE)).div_ceil(u128::from(rate.max(1)));
    usize::try_from(exact).unwrap_or(usize::MAX)
}

/// A whole signal at 16 kHz.
pub(crate) fn resample(samples: Vec<f32>, rate: u32) -> Result<Vec<f32>, Fault> {
    if rate == SAMPLE_RATE || samples.is_empty() {
        return Ok(samples);
    }
    let mut resampler = Resampler::new(rate)?;
    resampler.push(&samples)?;
    resampler.finish()
}

/// What the resampler does not take; its own sizes are asked for before each call, so that it takes all.
fn refused(error: impl std::fmt::Display) -> Fault {
    Fault::Malformed(format!("resampling: {error}"))
}

/// Changes the sample rate by truncating or extending the spectrum of blocks, behind a filter against aliases.
pub(crate) struct Resampler {
    rate: u32,
    /// `None` where nothing is to be changed.
    fft: Option<Fft<f32>>,
    /// Samples that do not fill a block yet.
    waiting: Vec<f32>,
    /// One block of the result.
    block: Vec<f32>,
    /// Samples of the result that are the filter's own delay and still to be dropped.
    delay: usize,
    /// Samples that came in.
    taken: usize,
    out: Vec<f32>,
}

impl Resampler {
    /// `Err` for a rate outside [`RATES`].
    pub(crate) fn new(rate: u32) -> Result<Self, Fault> {
        if !RATES.contains(&rate) {
            return Err(Fault::Rate { hz: rate });
        }
        let fft = (rate != SAMPLE_RATE).then(|| {
            let (window, fixed) = (WindowFunction::BlackmanHarris2, FixedSync::Output);
            let (from, to) = (rate as usize, SAMPLE_RATE as usize);
            Fft::new_custom(from, to, BLOCK, 1, 1, window, fixed).map_err(refused)
        });
        let fft: Option<Fft<f32>> = fft.transpose()?;
        Ok(Self {
            rate,
            block: vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())],
            delay: fft.as_ref().map_or(0, |fft| fft.output_delay()),
            fft,
            waiting: Vec::new(),
            taken: 0,
            out: Vec::new(),
        })
    }

    /// Takes samples of the old rate.
    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), Fault> {
        self.taken += samples.len();
        let Some(fft) = &self.fft else {
            self.out.extend_from_slice(samples);
            return Ok(());
        };
        let mut needed = fft.input_frames_next();
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = &waiting[..];
        // a block that is just full waits: it may be the last one
        while rest.len() > needed {
            rest = &rest[self.process(rest, None)?..];
            needed = self.fft.as_ref().map_or(0, |fft| fft.input_frames_next());
        }
        self.waiting = rest.to_vec();
        Ok(())
    }

    /// The whole signal at 16 kHz.
    pub(crate) fn finish(mut self) -> Result<Vec<f32>, Fault> {
        let length = resampled(self.taken, self.rate);
        if self.fft.is_some() && self.taken > 0 {
            let waiting = std::mem::take(&mut self.waiting);
            let mut left = waiting.len();
            while self.out.len() < length {
                self.process(&waiting, Some(left))?;
                left = 0;
            }
        }
        self.out.resize(length, 0.0); // its own length is rounded through a float
        Ok(self.out)
    }

    /// One block of the result from the start of `samples`, of which only `valid` count; samples that it took.
    fn process(&mut self, samples: &[f32], valid: Option<usize>) -> Result<usize, Fault> {
        let Some(fft) = &mut self.fft else {
            return Ok(samples.len());
        };
        let length = self.block.len();
        let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(refused)?;
        let mut output = InterleavedSlice::new_mut(&mut self.block, 1, length).map_err(refused)?;
        let mut indexing = Indexing::new();
        indexing.partial_len = valid;
        let (took, gave) = fft
            .process_into_buffer(&input, &mut output, Some(&indexing))
            .map_err(refused)?;
        let dropped = self.delay.min(gave);
        self.delay -= dropped;
        self.out.extend_from_slice(&self.block[dropped..gave]);
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn sine(hz: f64, rate: u32, samples: usize) -> Vec<f32> {
        let step = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
        (0..samples)
            .map(|i| (step * i as f64).sin() as f32)
            .collect()
    }

    const COMMON_RATES: [u32; 8] = [
        8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000,
    ];

    /// Away from the ends a resampled sine is the sine sampled at 16 kHz, in phase.
    #[test]
    fn tones_keep_their_samples_at_every_rate() {
        for rate in COMMON_RATES {
            for hz in [0.0, 50.0, 1_000.0, 3_700.0, 7_800.0] {
                if hz >= 0.95 * f64::from(rate) / 2.0 {
                    continue;
                }
                let out = resample(sine(hz, rate, rate as usize), rate).unwrap();
                assert_eq!(out.len(), 16_000);
                let expected = sine(hz, 16_000, out.len());
                let inner = out.len() / 3..2 * out.len() / 3;
                let worst = out[inner.clone()]
                    .iter()
                    .zip(&expected[inner])
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(worst < 1e-3, "{hz} Hz at {rate} Hz: {worst}");
            }
        }
    }

    /// What 16 kHz cannot hold must not come back as an alias: -80 dB and less is left of it.
    #[test]
    fn tones_above_8_khz_are_removed() {
        for (rate, hz) in [
            (22_050, 8_100.0),
            (44_100, 9_000.0),
            (48_000, 15_000.0),
            (96_000, 40_000.0),
        ] {
            let out = resample(sine(hz, rate, rate as usize), rate).unwrap();
            let worst = out[4_000..12_000]
                .iter()
                .fold(0.0_f32, |m, x| m.max(x.abs()));
            assert!(worst < 1e-4, "{hz} Hz at {rate} Hz: {worst}");
        }
    }

    #[test]
    fn a_signal_in_pieces_is_the_signal_at_once() {
        for rate in COMMON_RATES {
            let samples = sine(440.0, rate, rate as usize / 3 + 7);
            let whole = resample(samples.clone(), rate).unwrap();
            for size in [1, 1_151, 1_152, 4_096] {
                let mut resampler = Resampler::new(rate).unwrap();
                for piece in samples.chunks(size) {
                    resampler.push(piece).unwrap();
                }
                assert!(
                    resampler.finish().unwrap() == whole,
                    "{rate} Hz by {size} samples"
                );
            }
        }
    }

    #[test]
    fn lengths_are_those_of_librosa_and_odd_rates_are_refused() {
        for (rate, samples, expected) in [
            (16_000, 16_000, 16_000),
            (44_100, 44_100, 16_000),
            (44_100, 1, 1),       // ceil(0.36)
            (44_100, 4411, 1601), // ceil(1600.36)
            (8_000, 3, 6),
            (22_050, 0, 0),
            (16_001, 16_001, 16_000),
        ] {
            let out = resample(vec![0.1; samples], rate).unwrap();
            assert_eq!(out.len(), expected, "{samples} at {rate} Hz");
            assert_eq!(resampled(samples, rate), expected);
        }
        assert!(
            resample(vec![0.1; 4], 1)
                .unwrap_err()
                .to_string()
                .contains("found 1 Hz")
        );
        assert!(resample(vec![0.1; 4], u32::MAX).is_err());
    }
}
