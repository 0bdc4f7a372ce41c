//! Log-mel features of speech, by the conventions of librosa 0.11 (`feature.melspectrogram`, `power_to_db`): periodic Hann
//! window, centred frames over zero padding, Slaney mel scale and area normalisation, decibels with 80 dB of range.
//! Other sample rates are brought to 16 kHz first, band-limited, as `librosa.load` does.

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{Arc, LazyLock},
};

use realfft::{RealFftPlanner, RealToComplex};
use rubato::{
    Fft, FixedSync, Resampler, WindowFunction, audioadapter_buffers::direct::InterleavedSlice,
};
use unimse_formats::{Wave, parse_wav, read_wav};
use unimse_run::FeatureCard;

use crate::{CorpusError, Sequence, zero_non_finite};

/// Changes whenever the features of the same file would: entries of the cache of another version are never read.
pub(crate) const VERSION: &str = "mel64-2";

/// Frame and band settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MelSettings {
    /// Samples a second.
    pub sample_rate: u32,
    /// Samples of a frame and of its Fourier transform.
    pub n_fft: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Bands.
    pub bands: usize,
}

/// 25 ms frames every 10 ms at 16 kHz, 64 bands.
impl Default for MelSettings {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            n_fft: 400,
            hop: 160,
            bands: 64,
        }
    }
}

/// The tool of [`card`].
pub const TOOL: &str = "mel-spectrogram";

/// What other runs must share with features of [`from_wav`].
#[must_use]
pub fn card() -> FeatureCard {
    let s = MelSettings::default();
    let settings = [
        ("conventions", "librosa 0.11".to_owned()),
        ("sample_rate", s.sample_rate.to_string()),
        ("n_fft", s.n_fft.to_string()),
        ("hop", s.hop.to_string()),
        ("n_mels", s.bands.to_string()),
        ("scale", "decibel".to_owned()),
    ];
    FeatureCard {
        version: Some(format!("unimse {}", VERSION)),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        rate_hz: Some(f64::from(s.sample_rate) / s.hop as f64),
        ..FeatureCard::new(TOOL, s.bands)
    }
}

/// Sample rates that are read, in Hertz; beyond them a small file could ask for any amount of memory.
const RATES: RangeInclusive<u32> = 1_000..=768_000;
/// Samples of 16 kHz in one of the resampler's blocks, and the length of its filter: tones pass up to 7.8 kHz. A
/// multiple of what 16 kHz over the common divisor is at all usual rates, such as 160 for 44.1 kHz; the blocks of others
/// are larger, and their result can be half a sample late.
const BLOCK: usize = 1280;

/// Log-mel features `[frames, 64]` of a wave file of any common sample rate, in decibels: those of [`from_wav_counting`].
///
/// # Errors
/// As [`from_wav_counting`].
pub fn from_wav(path: &Path) -> Result<Sequence, CorpusError> {
    Ok(from_wav_counting(path)?.0)
}

/// Log-mel features `[frames, 64]` of a wave file of any common sample rate, in decibels, all finite; and how many of its samples, or of
/// the powers made of them, were not finite as `f32` and count as 0.
///
/// # Errors
/// [`CorpusError::Format`] where the file is no wave file; [`CorpusError::Table`] for a sample rate outside 1 to
/// 768 kHz.
pub fn from_wav_counting(path: &Path) -> Result<(Sequence, usize), CorpusError> {
    of_wave(read_wav(path)?, path)
}

/// As [`from_wav`], from the bytes of a wave file that messages call `path`.
///
/// # Errors
/// As [`from_wav_counting`].
pub fn from_wav_bytes(bytes: &[u8], path: &Path) -> Result<Sequence, CorpusError> {
    Ok(of_wave(parse_wav(bytes, path)?, path)?.0)
}

fn of_wave(wave: Wave, path: &Path) -> Result<(Sequence, usize), CorpusError> {
    let settings = MelSettings::default();
    let samples = resample(wave.samples, wave.rate, settings.sample_rate)
        .map_err(CorpusError::table(path))?;
    let mut values = ANALYSIS.power(&samples);
    let non_finite = wave.non_finite + zero_non_finite(&mut values);
    power_to_db(&mut values);
    let dim = settings.bands;
    Ok((Sequence { dim, values }, non_finite))
}

/// Frames that [`from_wav`] makes of a file with so many samples a channel.
#[must_use]
pub fn steps(rate: u32, samples: usize) -> usize {
    let settings = MelSettings::default();
    1 + resampled(samples, rate, settings.sample_rate) / settings.hop
}

/// `ceil(samples * to / from)`, librosa's length.
fn resampled(samples: usize, from: u32, to: u32) -> usize {
    let exact = (samples as u128 * u128::from(to)).div_ceil(u128::from(from.max(1)));
    usize::try_from(exact).unwrap_or(usize::MAX)
}

/// Changes the sample rate by truncating or extending the spectrum of blocks, behind a filter against aliases.
fn resample(samples: Vec<f32>, from: u32, to: u32) -> Result<Vec<f32>, String> {
    if from == to || samples.is_empty() {
        return Ok(samples);
    }
    if !RATES.contains(&from) {
        let (least, most) = RATES.into_inner();
        return Err(format!(
            "sample rate: expected {least} to {most} Hz, found {from} Hz"
        ));
    }
    let (window, fixed) = (WindowFunction::BlackmanHarris2, FixedSync::Output);
    let mut resampler =
        Fft::<f32>::new_custom(from as usize, to as usize, BLOCK, 1, 1, window, fixed)
            .map_err(|error| error.to_string())?;
    let input =
        InterleavedSlice::new(&samples, 1, samples.len()).map_err(|error| error.to_string())?;
    let mut out = resampler
        .process_all(&input, samples.len(), None)
        .map_err(|error| error.to_string())?
        .take_data();
    out.resize(resampled(samples.len(), from, to), 0.0); // its own length is rounded through a float
    Ok(out)
}

/// Mel power `[frames, bands]`, row-major; `1 + samples / hop` frames.
#[must_use]
pub fn mel_power(samples: &[f32], s: MelSettings) -> Vec<f32> {
    Analysis::new(s).power(samples)
}

/// That of [`from_wav`], made once a process.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| Analysis::new(MelSettings::default()));

/// What the settings say of every frame.
struct Analysis {
    settings: MelSettings,
    /// `[n_fft]`.
    window: Vec<f64>,
    fft: Arc<dyn RealToComplex<f64>>,
    bands: Vec<Band>,
}

impl Analysis {
    fn new(settings: MelSettings) -> Self {
        let n = settings.n_fft;
        let hann = |i| 0.5 - 0.5 * (2.0 * std::f64::consts::PI * i as f64 / n as f64).cos();
        Self {
            settings,
            window: (0..n).map(hann).collect(),
            fft: RealFftPlanner::new().plan_fft_forward(n),
            bands: filterbank(settings),
        }
    }

    /// See [`mel_power`].
    fn power(&self, samples: &[f32]) -> Vec<f32> {
        let (hop, half) = (self.settings.hop, self.settings.n_fft / 2);
        let mut frame = self.fft.make_input_vec();
        let mut spectrum = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let mut power = vec![0.0; spectrum.len()];
        let frames = 1 + samples.len() / hop.max(1);
        let mut out = Vec::with_capacity(frames * self.bands.len());
        for t in 0..frames {
            // the frame begins half a frame before sample `t hop`; zeros lie on either side of the signal
            let zeros = half.saturating_sub(t * hop).min(frame.len());
            let own = samples.get((t * hop).saturating_sub(half)..);
            let own = own.unwrap_or_default();
            let end = (zeros + own.len()).min(frame.len());
            frame[..zeros].fill(0.0);
            frame[end..].fill(0.0);
            let window = &self.window[zeros..end];
            for ((slot, w), &sample) in frame[zeros..end].iter_mut().zip(window).zip(own) {
                *slot = f64::from(sample) * w;
            }
            let done = (self.fft).process_with_scratch(&mut frame, &mut spectrum, &mut scratch);
            if done.is_err() {
                return Vec::new(); // lengths come from the plan itself: cannot happen
            }
            let norms = spectrum.iter().map(realfft::num_complex::Complex::norm_sqr);
            power.iter_mut().zip(norms).for_each(|(p, norm)| *p = norm);
            out.extend(self.bands.iter().map(|band| band.of(&power)));
        }
        out
    }
}

/// `10 log10(max(1e-10, S))`, cut 80 dB below the largest value; in place.
pub fn power_to_db(power: &mut [f32]) {
    for p in power.iter_mut() {
        *p = 10.0 * p.max(1e-10).log10();
    }
    let floor = power.iter().copied().fold(f32::NEG_INFINITY, f32::max) - 80.0;
    for p in power.iter_mut() {
        *p = p.max(floor);
    }
}

/// A filter over the bins of a spectrum, those left out in which it is 0: a triangle covers few of them.
struct Band {
    first: usize,
    weights: Vec<f64>,
}

impl Band {
    fn of(&self, power: &[f64]) -> f32 {
        let pairs = self.weights.iter().zip(&power[self.first..]);
        pairs.map(|(w, p)| w * p).sum::<f64>() as f32
    }
}

/// Triangular Slaney filters over `n_fft / 2 + 1` bins, each of area 2 over its width in Hertz.
fn filterbank(s: MelSettings) -> Vec<Band> {
    let top = hz_to_mel(f64::from(s.sample_rate) / 2.0);
    let edges: Vec<f64> = (0..s.bands + 2)
        .map(|i| mel_to_hz(top * i as f64 / (s.bands + 1) as f64))
        .collect();
    let band = |edge: &[f64]| {
        let (low, mid, high) = (edge[0], edge[1], edge[2]);
        let weight = |k: usize| {
            let f = k as f64 * f64::from(s.sample_rate) / s.n_fft as f64;
            let triangle = ((f - low) / (mid - low)).min((high - f) / (high - mid));
            triangle.max(0.0) * 2.0 / (high - low)
        };
        let bins = 0..s.n_fft / 2 + 1;
        let first = bins.clone().find(|&k| weight(k) > 0.0).unwrap_or(0);
        let weights = (first..bins.end).map(weight).take_while(|&w| w > 0.0);
        Band {
            first,
            weights: weights.collect(),
        }
    };
    edges.windows(3).map(band).collect()
}

/// Slaney's scale: linear below 1000 Hz (3 mel per 200 Hz), logarithmic above (27 steps for a factor 6.4).
fn hz_to_mel(hz: f64) -> f64 {
    if hz < 1000.0 {
        hz * 3.0 / 200.0
    } else {
        15.0 + (hz / 1000.0).ln() * 27.0 / 6.4f64.ln()
    }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < 15.0 {
        mel * 200.0 / 3.0
    } else {
        1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn scales_invert_each_other() {
        for hz in [0.0, 123.0, 999.9, 1000.0, 7999.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9);
        }
    }

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
                let out = resample(sine(hz, rate, rate as usize), rate, 16_000).unwrap();
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
            let out = resample(sine(hz, rate, rate as usize), rate, 16_000).unwrap();
            let worst = out[4_000..12_000]
                .iter()
                .fold(0.0_f32, |m, x| m.max(x.abs()));
            assert!(worst < 1e-4, "{hz} Hz at {rate} Hz: {worst}");
        }
    }

    #[test]
    fn lengths_are_those_of_librosa_and_known_before_reading() {
        for (rate, samples, expected) in [
            (16_000, 16_000, 16_000),
            (44_100, 44_100, 16_000),
            (44_100, 1, 1),       // ceil(0.36)
            (44_100, 4411, 1601), // ceil(1600.36)
            (8_000, 3, 6),
            (22_050, 0, 0),
            (16_001, 16_001, 16_000),
        ] {
            let out = resample(vec![0.1; samples], rate, 16_000).unwrap();
            assert_eq!(out.len(), expected, "{samples} at {rate} Hz");
            let settings = MelSettings::default();
            let frames = mel_power(&out, settings).len() / settings.bands;
            assert_eq!(steps(rate, samples), frames);
        }
        assert!(
            resample(vec![0.1; 4], 1, 16_000)
                .unwrap_err()
                .contains("found 1 Hz")
        );
        assert!(resample(vec![0.1; 4], u32::MAX, 16_000).is_err());
    }

    #[test]
    fn silence_is_the_floor_and_short_files_have_a_frame() {
        let s = MelSettings::default();
        let mut silent = mel_power(&[], s);
        assert_eq!(silent.len(), s.bands);
        power_to_db(&mut silent);
        assert!(
            silent
                .iter()
                .all(|&d| (d - 10.0 * 1e-10f32.log10()).abs() < 1e-4)
        );
    }
}
