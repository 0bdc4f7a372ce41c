//! Log-mel features of speech, by the conventions of librosa 0.11 (`feature.melspectrogram`, `power_to_db`): periodic Hann
//! window, centred frames over zero padding, Slaney mel scale and area normalisation, decibels with 80 dB of range.
//! Other sample rates are brought to 16 kHz first, band-limited, as `librosa.load` does.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use realfft::{RealFftPlanner, RealToComplex};
use unimse_formats::{Wave, parse_wav, read_wav, zero_non_finite};
use unimse_run::FeatureCard;

use crate::{
    MediaError, Sequence,
    resample::{SAMPLE_RATE, resample, resampled},
};

/// Changes whenever the features of the same file would: entries of the cache of another version are never read.
pub const VERSION: &str = "mel64-2";

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
            sample_rate: SAMPLE_RATE,
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

/// Log-mel features `[frames, 64]` of a wave file of any common sample rate, in decibels: those of [`from_wav_counting`].
///
/// # Errors
/// As [`from_wav_counting`].
pub fn from_wav(path: &Path) -> Result<Sequence, MediaError> {
    Ok(from_wav_counting(path)?.0)
}

/// Log-mel features `[frames, 64]` of a wave file of any common sample rate, in decibels, all finite; and how many of its samples, or of
/// the powers made of them, were not finite as `f32` and count as 0.
///
/// # Errors
/// [`MediaError::Format`] where the file is no wave file; [`MediaError::Fault`] for a sample rate outside 1 to 768 kHz.
pub fn from_wav_counting(path: &Path) -> Result<(Sequence, usize), MediaError> {
    of_wave(read_wav(path)?, path)
}

/// As [`from_wav`], from the bytes of a wave file that messages call `path`.
///
/// # Errors
/// As [`from_wav_counting`].
pub fn from_wav_bytes(bytes: &[u8], path: &Path) -> Result<Sequence, MediaError> {
    Ok(of_wave(parse_wav(bytes, path)?, path)?.0)
}

fn of_wave(wave: Wave, path: &Path) -> Result<(Sequence, usize), MediaError> {
    let samples = resample(wave.samples, wave.rate).map_err(|fault| fault.at(path))?;
    let (sequence, non_finite) = from_samples(&samples);
    Ok((sequence, wave.non_finite + non_finite))
}

/// Log-mel features `[frames, 64]` of a signal at 16 kHz, and how many powers were not finite and count as 0.
#[must_use]
pub fn from_samples(samples: &[f32]) -> (Sequence, usize) {
    let mut values = ANALYSIS.power(samples);
    let non_finite = zero_non_finite(&mut values);
    power_to_db(&mut values);
    let dim = MelSettings::default().bands;
    (Sequence { dim, values }, non_finite)
}

/// Frames that [`from_wav`] makes of a file with so many samples a channel.
#[must_use]
pub fn steps(rate: u32, samples: usize) -> usize {
    1 + resampled(samples, rate) / MelSettings::default().hop
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

    #[test]
    fn steps_are_known_before_reading() {
        let s = MelSettings::default();
        for (rate, samples, expected) in [(16_000, 16_000, 101), (44_100, 4_411, 11), (8_000, 3, 1)]
        {
            assert_eq!(steps(rate, samples), expected);
            let at_16_khz = resample(vec![0.1; samples], rate).unwrap();
            assert_eq!(mel_power(&at_16_khz, s).len(), expected * s.bands);
        }
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
