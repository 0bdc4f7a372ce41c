//! Log-mel features of speech, by the conventions of librosa 0.11 (`feature.melspectrogram`, `power_to_db`): periodic Hann
//! window, centred frames over zero padding, Slaney mel scale and area normalisation, decibels with 80 dB of range.

use std::path::Path;

use realfft::RealFftPlanner;
use unimse_formats::read_wav;

use crate::{CorpusError, Sequence};

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

/// Log-mel features `[frames, 64]` of a 16 kHz wave file, in decibels.
///
/// # Errors
/// [`CorpusError::Format`] where the file is no wave file; [`CorpusError::Table`] for another sample rate.
pub fn from_wav(path: &Path) -> Result<Sequence, CorpusError> {
    let wave = read_wav(path)?;
    let settings = MelSettings::default();
    if wave.rate != settings.sample_rate {
        return Err(CorpusError::table(path)(format!(
            "sample rate: expected {} Hz (resample the file first), found {} Hz",
            settings.sample_rate, wave.rate
        )));
    }
    let mut values = mel_power(&wave.samples, settings);
    power_to_db(&mut values);
    Ok(Sequence {
        dim: settings.bands,
        values,
    })
}

/// Mel power `[frames, bands]`, row-major; `1 + samples / hop` frames.
#[must_use]
pub fn mel_power(samples: &[f32], s: MelSettings) -> Vec<f32> {
    let filters = filterbank(s);
    let window: Vec<f64> = (0..s.n_fft)
        .map(|i| 0.5 - 0.5 * (2.0 * std::f64::consts::PI * i as f64 / s.n_fft as f64).cos())
        .collect();
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(s.n_fft);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let frames = 1 + samples.len() / s.hop.max(1);
    let mut out = Vec::with_capacity(frames * s.bands);
    for t in 0..frames {
        let start = t * s.hop;
        for (i, (slot, w)) in frame.iter_mut().zip(&window).enumerate() {
            // sample `start + i` of the signal padded by half a frame of zeros
            let at = (start + i).checked_sub(s.n_fft / 2);
            let sample = at.and_then(|at| samples.get(at)).copied().unwrap_or(0.0);
            *slot = f64::from(sample) * w;
        }
        if fft.process(&mut frame, &mut spectrum).is_err() {
            return Vec::new(); // lengths come from the plan itself: cannot happen
        }
        let power: Vec<f64> = spectrum.iter().map(|c| c.norm_sqr()).collect();
        for band in filters.chunks_exact(power.len()) {
            out.push(band.iter().zip(&power).map(|(w, p)| w * p).sum::<f64>() as f32);
        }
    }
    out
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

/// Triangular Slaney filters `[bands, n_fft / 2 + 1]`, each of area 2 over its width in Hertz.
fn filterbank(s: MelSettings) -> Vec<f64> {
    let bins = s.n_fft / 2 + 1;
    let top = hz_to_mel(f64::from(s.sample_rate) / 2.0);
    let edges: Vec<f64> = (0..s.bands + 2)
        .map(|i| mel_to_hz(top * i as f64 / (s.bands + 1) as f64))
        .collect();
    let mut out = vec![0.0; s.bands * bins];
    for (row, edge) in out.chunks_exact_mut(bins).zip(edges.windows(3)) {
        let (low, mid, high) = (edge[0], edge[1], edge[2]);
        for (k, weight) in row.iter_mut().enumerate() {
            let f = k as f64 * f64::from(s.sample_rate) / s.n_fft as f64;
            let triangle = ((f - low) / (mid - low)).min((high - f) / (high - mid));
            *weight = triangle.max(0.0) * 2.0 / (high - low);
        }
    }
    out
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
