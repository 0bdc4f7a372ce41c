//! What one frame's spectrum says: loudness, balance of low and high frequencies, MFCC, flux, resonances.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{FRAME, HOP, formants::Formants};
use crate::SAMPLE_RATE;

/// Points of the transform: a frame and zeros behind it.
const POINTS: usize = 512;
/// Bins of the power spectrum.
const BINS: usize = POINTS / 2 + 1;
/// Bands of the mel filterbank.
const BANDS: usize = 26;
/// Edges of the filterbank, in Hertz.
const EDGES: (f64, f64) = (20.0, 8_000.0);
/// Cepstral coefficients.
pub(super) const MFCC: usize = 4;
/// Least power of a band or a bin whose logarithm is taken: about that of a sample of 16 bits.
const FLOOR: f32 = 1e-10;

/// Descriptors of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Frame {
    pub(super) loudness: f32,
    pub(super) alpha_ratio_db: f32,
    pub(super) hammarberg_db: f32,
    /// Over 0 to 500 Hz, in dB a Hertz.
    pub(super) slope_low: f32,
    /// Over 500 to 1500 Hz, in dB a Hertz.
    pub(super) slope_high: f32,
    pub(super) mfcc: [f32; MFCC],
    pub(super) flux: f32,
    /// Mean square of the samples, without a window.
    pub(super) power: f32,
    pub(super) formants: Formants,
}

/// What is the same for every frame.
pub(super) struct Analysis {
    /// Hamming, `[FRAME]`.
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
    /// First bin and weights of every band.
    bands: Vec<(usize, Vec<f32>)>,
    /// Sensitivity of the ear at the middle of every band.
    ear: Vec<f32>,
    /// Cosines of the transform to cepstra, liftered, `[MFCC][BANDS]`.
    cosines: Vec<Vec<f32>>,
    resonances: super::formants::Analysis,
}

impl Analysis {
    pub(super) fn new() -> Self {
        let hamming = |i: usize| {
            let turn = std::f64::consts::TAU * i as f64 / (FRAME - 1) as f64;
            (0.54 - 0.46 * turn.cos()) as f32
        };
        let (middles, bands) = filterbank();
        let window: Vec<f32> = (0..FRAME).map(hamming).collect();
        Self {
            ear: hearing(&middles, &window),
            window,
            fft: RealFftPlanner::new().plan_fft_forward(POINTS),
            bands,
            cosines: (1..=MFCC).map(cosines).collect(),
            resonances: super::formants::Analysis::new(BINS, hz_of_bin(1)),
        }
    }

    /// The descriptors of every frame that lies whole in the signal; a shorter signal is one frame, with zeros behind it.
    /// `voiced` says of which frames resonances are sought.
    pub(super) fn frames(&self, samples: &[f32], voiced: &[bool]) -> Vec<Frame> {
        let mut input = self.fft.make_input_vec();
        let mut output = self.fft.make_output_vec();
        let mut scratch = self.fft.make_scratch_vec();
        let (mut power, mut amplitude) = (vec![0.0; BINS], vec![0.0; BINS]);
        let mut before = Vec::new();
        let mut out = Vec::with_capacity(voiced.len());
        for (t, &voiced) in voiced.iter().enumerate() {
            let frame = samples.get(t * HOP..).unwrap_or_default();
            let frame = &frame[..frame.len().min(FRAME)];
            input.fill(0.0);
            for ((slot, sample), weight) in input.iter_mut().zip(frame).zip(&self.window) {
                *slot = sample * weight;
            }
            let done = self
                .fft
                .process_with_scratch(&mut input, &mut output, &mut scratch);
            if done.is_err() {
                return Vec::new(); // lengths come from the plan itself: cannot happen
            }
            let norms = output.iter().map(Complex::norm_sqr);
            power.iter_mut().zip(norms).for_each(|(p, norm)| *p = norm);
            let mean_square = frame.iter().map(|x| x * x).sum::<f32>() / FRAME as f32;
            let mut described = self.describe(&power, mean_square);
            described.flux = flux(&power, &mut amplitude, &mut before);
            if voiced {
                described.formants = self.resonances.of(&power);
            }
            out.push(described);
        }
        out
    }

    fn describe(&self, power: &[f32], mean_square: f32) -> Frame {
        let mut bands = [0.0; BANDS];
        for (band, (first, weights)) in bands.iter_mut().zip(&self.bands) {
            let pairs = weights.iter().zip(&power[*first..]);
            *band = pairs.map(|(weight, power)| weight * power).sum();
        }
        let heard = bands.iter().zip(&self.ear);
        let loudness = heard
            .map(|(power, ear)| (power * ear).powf(0.33))
            .sum::<f32>();
        let logs = bands.map(|power| power.max(FLOOR).ln());
        let mut mfcc = [0.0; MFCC];
        for (value, cosines) in mfcc.iter_mut().zip(&self.cosines) {
            *value = cosines.iter().zip(&logs).map(|(c, log)| c * log).sum();
        }
        let sum = |from, to| power[bins(from, to)].iter().sum::<f32>().max(FLOOR);
        let peak = |from, to| power[bins(from, to)].iter().copied().fold(FLOOR, f32::max);
        Frame {
            loudness,
            alpha_ratio_db: decibels(sum(1_000.0, 5_000.0) / sum(50.0, 1_000.0)),
            hammarberg_db: decibels(peak(0.0, 2_000.0) / peak(2_000.0, 5_000.0)),
            slope_low: slope(power, bins(0.0, 500.0)),
            slope_high: slope(power, bins(500.0, 1_500.0)),
            mfcc,
            flux: 0.0,
            power: mean_square,
            formants: Formants::default(),
        }
    }
}

pub(super) fn decibels(power: f32) -> f32 {
    10.0 * power.max(FLOOR).log10()
}

fn hz_of_bin(bin: usize) -> f64 {
    bin as f64 * f64::from(SAMPLE_RATE) / POINTS as f64
}

/// The bins from one frequency up to another, both in Hertz.
fn bins(from: f64, to: f64) -> std::ops::Range<usize> {
    let first = |hz: f64| (hz / hz_of_bin(1)).ceil() as usize;
    first(from)..first(to)
}

/// Least-squares slope of the power in decibels over the frequency in Hertz.
fn slope(power: &[f32], bins: std::ops::Range<usize>) -> f32 {
    let n = bins.len() as f64;
    let middle = (bins.start + bins.end - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for bin in bins {
        let x = bin as f64 - middle;
        products += x * f64::from(decibels(power[bin]));
        squares += x * x;
    }
    debug_assert!(n > 1.0, "a slope needs two bins");
    (products / squares / hz_of_bin(1)) as f32
}

/// Distance of successive amplitude spectra, each divided by its length; 0 for the first frame and for silence.
fn flux(power: &[f32], amplitude: &mut Vec<f32>, before: &mut Vec<f32>) -> f32 {
    let length = power.iter().sum::<f32>().max(FLOOR).sqrt();
    let scaled = power.iter().map(|power| power.sqrt() / length);
    amplitude.clear();
    amplitude.extend(scaled);
    let pairs = amplitude.iter().zip(&*before);
    let distance = pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
    std::mem::swap(amplitude, before);
    distance
}

fn mel(hz: f64) -> f64 {
    1_127.0 * (1.0 + hz / 700.0).ln()
}

fn hz(mel: f64) -> f64 {
    700.0 * ((mel / 1_127.0).exp() - 1.0)
}

/// Triangles of equal width on the mel scale and height 1 (HTK): their middles in Hertz, and of each the first bin and the weights.
fn filterbank() -> (Vec<f64>, Vec<(usize, Vec<f32>)>) {
    let (low, high) = (mel(EDGES.0), mel(EDGES.1));
    let width = (high - low) / (BANDS + 1) as f64;
    let middles = (1..=BANDS).map(|band| low + band as f64 * width);
    let band = |middle: f64| {
        let weight = |bin: usize| 1.0 - (mel(hz_of_bin(bin)) - middle).abs() / width;
        let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        let weights = (first..BINS).map(weight).take_while(|&weight| weight > 0.0);
        (first, weights.map(|weight| weight as f32).collect())
    };
    (
        middles.clone().map(hz).collect(),
        middles.map(band).collect(),
    )
}

/// The ear's sensitivity by frequency, as a power: the curve of equal loudness of Hermansky (1990), with the term for more than 5 kHz, in
/// angular frequency; without scale.
fn sensitivity(hz: f64) -> f64 {
    let w = (std::f64::consts::TAU * hz).powi(2);
    (w + 56.8e6) * w * w / ((w + 6.3e6).powi(2) * (w + 0.38e9) * (w.powi(3) + 9.58e26))
}

/// What a band's power is multiplied by before it is compressed: a sine of full scale in the middle of the band to which the ear is most
/// sensitive gives 1.
fn hearing(middles: &[f64], window: &[f32]) -> Vec<f32> {
    let best = middles
        .iter()
        .map(|&hz| sensitivity(hz))
        .fold(0.0, f64::max);
    let sine = (window.iter().map(|&weight| f64::from(weight)).sum::<f64>() / 2.0).powi(2);
    middles
        .iter()
        .map(|&hz| (sensitivity(hz) / best / sine) as f32)
        .collect()
}

/// Row `i` of the cosine transform, with HTK's lifter of 22.
fn cosines(i: usize) -> Vec<f32> {
    let pi = std::f64::consts::PI;
    let lifter = 1.0 + 11.0 * (pi * i as f64 / 22.0).sin();
    let scale = lifter * (2.0 / BANDS as f64).sqrt();
    (0..BANDS)
        .map(|band| (scale * (pi * i as f64 * (band as f64 + 0.5) / BANDS as f64).cos()) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spectrum_that_falls_evenly_has_its_slope_and_balance() {
        // -0.01 dB a Hertz
        let power: Vec<f32> = (0..BINS)
            .map(|bin| 10_f64.powf(-0.001 * hz_of_bin(bin)) as f32)
            .collect();
        let frame = Analysis::new().describe(&power, 0.0);
        assert!((frame.slope_low + 0.01).abs() < 1e-5, "{}", frame.slope_low);
        assert!((frame.slope_high + 0.01).abs() < 1e-5);
        // the strongest bins are those at 0 and 2000 Hz
        assert!((frame.hammarberg_db - 0.01 * 2_000.0).abs() < 1e-3);
        // geometric series: bins 32..160 against 2..32, each step 10^-0.03125
        let series =
            |from: f64, to: f64| (0.1_f64.powf(from / 32.0) - 0.1_f64.powf(to / 32.0)) as f32;
        let expected = 10.0 * (series(32.0, 160.0) / series(2.0, 32.0)).log10();
        assert!((frame.alpha_ratio_db - expected).abs() < 1e-3);
    }

    #[test]
    fn the_ear_hears_best_at_a_few_kilohertz() {
        assert!(sensitivity(3_000.0) > 10.0 * sensitivity(100.0));
        assert!(sensitivity(3_000.0) > 2.0 * sensitivity(7_500.0));
        assert_eq!(sensitivity(0.0), 0.0);
    }
}
