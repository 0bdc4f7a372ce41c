//! Prosodic functionals of a clip in the manner of eGeMAPS (Eyben et al. 2016, "The Geneva minimalistic acoustic parameter set"): one step of 60
//! numbers. The kernels are own ones after the publications named below; `tests/golden_prosody.rs` compares them with openSMILE and librosa.
//!
//! Signal: mono, 16 kHz, in [-1, 1]. Frames: 20 ms every 10 ms, Hamming window, 512 points, without padding. Contours are smoothed over three
//! frames, those of voiced frames within their stretch of voice. What has no value (the pitch of a clip without voice) is 0; `voiced_fraction`
//! tells.
//!
//! | descriptor | unit | window | over | functionals | source |
//! |---|---|---|---|---|---|
//! | `f0` | semitones above 27.5 Hz | Hann, 50 ms | voiced | mean, sd, p20, p50, p80, p20 to p80, rise, fall | autocorrelation, 60 to 600 Hz, path of Boersma 1993 |
//! | `loudness` | sum of compressed bands | Hamming, 20 ms | all | mean, sd, p20, p50, p80, p20 to p80, rise, fall | 26 mel bands 20 to 8000 Hz, equal loudness, power 0.33: Hermansky 1990 |
//! | `hnr` | dB | Hann, 50 ms | voiced | mean, sd | `10 log10(r / (1 - r))`, r the autocorrelation at the period: Boersma 1993 |
//! | `jitter` | 1 | two periods | periods | mean, sd | difference of neighbouring periods over the mean period |
//! | `shimmer` | dB | two periods | periods | mean, sd | difference of neighbouring peak-to-peak amplitudes |
//! | `f1`, `f2`, `f3` | Hz | Hamming, 20 ms | voiced | mean, sd | linear prediction of order 11 up to 5.5 kHz: Markel and Gray 1976 |
//! | `f1_width` | Hz | Hamming, 20 ms | voiced | mean, sd | the same |
//! | `alpha_ratio` | dB | Hamming, 20 ms | voiced; unvoiced | mean, sd; mean | energy of 1 to 5 kHz over that of 50 to 1000 Hz |
//! | `hammarberg` | dB | Hamming, 20 ms | voiced; unvoiced | mean, sd; mean | peak of 0 to 2 kHz over that of 2 to 5 kHz: Hammarberg 1980 |
//! | `slope_0_500`, `slope_500_1500` | dB a Hz | Hamming, 20 ms | voiced; unvoiced | mean, sd; mean | least squares over the power spectrum in dB |
//! | `mfcc1` to `mfcc4` | 1 | Hamming, 20 ms | all | mean, sd | 26 mel bands, natural logarithm, lifter 22: HTK |
//! | `flux` | 1 | Hamming, 20 ms | all | mean, sd | distance of successive amplitude spectra of length 1 |
//! | `level` | dB of full scale | whole clip | all | one value | mean square of the frames |
//! | `loudness_peaks`, `voiced_stretches` | a second | whole clip | all | one value | peaks over a tenth of the range, about syllables; stretches of voice |
//! | `voiced_fraction` | 1 | whole clip | all | one value | voiced frames over all |
//! | `voiced_length`, `unvoiced_length` | s | whole clip | stretches | mean, sd | lengths of stretches with and without voice |
//!
//! `rise` and `fall` are mean slopes of rising and falling parts, in units a second. Unlike eGeMAPS, `sd` is the standard deviation itself, in the
//! descriptor's unit, not divided by the mean (which a semitone scale or decibels make meaningless).

mod formants;
mod functionals;
mod periods;
mod pitch;
mod spectrum;

use std::sync::LazyLock;

use unimse_run::FeatureCard;

use crate::{SAMPLE_RATE, Sequence};
use functionals::{moments, peaks, percentile, slopes, smoothed, stretches};
use pitch::Pitch;
use spectrum::Frame;

/// Samples of a frame.
const FRAME: usize = 320;
/// Samples from one frame to the next.
const HOP: usize = 160;
/// Seconds from one frame to the next.
const STEP_S: f32 = HOP as f32 / SAMPLE_RATE as f32;

/// Changes whenever the features of the same samples would.
pub const VERSION: &str = "prosody60-1";
/// The tool of [`card`].
pub const TOOL: &str = "prosodic-functionals";

/// The names of the numbers, in their order.
pub const NAMES: [&str; 60] = [
    "f0_mean",
    "f0_sd",
    "f0_p20",
    "f0_p50",
    "f0_p80",
    "f0_range",
    "f0_rise",
    "f0_fall",
    "loudness_mean",
    "loudness_sd",
    "loudness_p20",
    "loudness_p50",
    "loudness_p80",
    "loudness_range",
    "loudness_rise",
    "loudness_fall",
    "hnr_mean",
    "hnr_sd",
    "jitter_mean",
    "jitter_sd",
    "shimmer_mean",
    "shimmer_sd",
    "f1_mean",
    "f1_sd",
    "f2_mean",
    "f2_sd",
    "f3_mean",
    "f3_sd",
    "f1_width_mean",
    "f1_width_sd",
    "alpha_ratio_mean",
    "alpha_ratio_sd",
    "hammarberg_mean",
    "hammarberg_sd",
    "slope_0_500_mean",
    "slope_0_500_sd",
    "slope_500_1500_mean",
    "slope_500_1500_sd",
    "alpha_ratio_unvoiced",
    "hammarberg_unvoiced",
    "slope_0_500_unvoiced",
    "slope_500_1500_unvoiced",
    "mfcc1_mean",
    "mfcc1_sd",
    "mfcc2_mean",
    "mfcc2_sd",
    "mfcc3_mean",
    "mfcc3_sd",
    "mfcc4_mean",
    "mfcc4_sd",
    "flux_mean",
    "flux_sd",
    "level",
    "loudness_peaks",
    "voiced_stretches",
    "voiced_fraction",
    "voiced_length_mean",
    "voiced_length_sd",
    "unvoiced_length_mean",
    "unvoiced_length_sd",
];

/// What other runs must share with features of [`from_samples`].
#[must_use]
pub fn card() -> FeatureCard {
    let settings = [
        ("conventions", "in the manner of eGeMAPS".to_owned()),
        ("sample_rate", SAMPLE_RATE.to_string()),
        ("frame", FRAME.to_string()),
        ("hop", HOP.to_string()),
        (
            "pitch",
            format!(
                "autocorrelation, {} to {} Hz",
                pitch::RANGE.0,
                pitch::RANGE.1
            ),
        ),
    ];
    FeatureCard {
        version: Some(format!("unimse {VERSION}")),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        columns: NAMES.map(str::to_owned).into(),
        ..FeatureCard::new(TOOL, NAMES.len())
    }
}

/// The functionals of a signal at 16 kHz, `[1, 60]`, by [`NAMES`]; all finite. No step for a signal without a sample.
///
/// ```
/// use unimse_media::prosody::{NAMES, from_samples};
///
/// let tone = |i: usize| 0.3 * (std::f32::consts::TAU * 220.0 * i as f32 / 16_000.0).sin();
/// let features = from_samples(&(0..16_000).map(tone).collect::<Vec<f32>>());
/// let pitch = features.values[NAMES.iter().position(|name| *name == "f0_mean").unwrap()];
/// assert!((pitch - 36.0).abs() < 0.1); // three octaves above 27.5 Hz
/// ```
#[must_use]
pub fn from_samples(samples: &[f32]) -> Sequence {
    let dim = NAMES.len();
    if samples.is_empty() {
        return Sequence {
            dim,
            values: Vec::new(),
        };
    }
    let frames = frames(samples.len());
    let track = ANALYSIS.pitch.track(samples, frames);
    let voiced: Vec<bool> = track.iter().map(|pitch| pitch.is_voiced()).collect();
    let described = ANALYSIS.spectrum.frames(samples, &voiced);
    let mut values = Vec::with_capacity(dim);
    pitch_functionals(&mut values, &track, &voiced);
    let loudness: Vec<f32> = described.iter().map(|frame| frame.loudness).collect();
    contour(&mut values, &loudness, &|_| true);
    voice_functionals(&mut values, samples, &track, &described, &voiced);
    spectral_functionals(&mut values, &described, &voiced);
    let seconds = frames as f32 * STEP_S;
    let power = moments(
        &described
            .iter()
            .map(|frame| frame.power)
            .collect::<Vec<f32>>(),
    )
    .0;
    values.push(spectrum::decibels(power));
    values.push(peaks(&smoothed(&loudness, |_| true)) as f32 / seconds);
    let with_voice = stretches(&voiced, true, STEP_S);
    values.push(with_voice.len() as f32 / seconds);
    values.push(voiced.iter().filter(|voiced| **voiced).count() as f32 / frames as f32);
    for lengths in [with_voice, stretches(&voiced, false, STEP_S)] {
        let (mean, sd) = moments(&lengths);
        values.extend([mean, sd]);
    }
    unimse_formats::zero_non_finite(&mut values);
    debug_assert_eq!(values.len(), dim);
    Sequence { dim, values }
}

/// Frames that lie whole in a signal; one of a shorter one.
fn frames(samples: usize) -> usize {
    1 + samples.saturating_sub(FRAME) / HOP
}

/// Made once a process.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| Analysis {
    pitch: pitch::Analysis::new(),
    spectrum: spectrum::Analysis::new(),
});

struct Analysis {
    pitch: pitch::Analysis,
    spectrum: spectrum::Analysis,
}

fn pitch_functionals(values: &mut Vec<f32>, track: &[Pitch], voiced: &[bool]) {
    let semitones: Vec<f32> = track
        .iter()
        .map(|pitch| 12.0 * (pitch.hz.max(1.0) / 27.5).log2())
        .collect();
    contour(values, &semitones, &|t| voiced[t]);
}

/// Mean, sd, percentiles and slopes of a contour where it is kept.
fn contour(values: &mut Vec<f32>, contour: &[f32], kept: &dyn Fn(usize) -> bool) {
    let smooth = smoothed(contour, kept);
    let mut sorted: Vec<f32> = (0..smooth.len())
        .filter(|&t| kept(t))
        .map(|t| smooth[t])
        .collect();
    sorted.sort_by(f32::total_cmp);
    let (mean, sd) = moments(&sorted);
    let [low, middle, high] = [0.2, 0.5, 0.8].map(|share| percentile(&sorted, share));
    let (rise, fall) = slopes(&smooth, kept, STEP_S);
    values.extend([mean, sd, low, middle, high, high - low, rise, fall]);
}

/// Mean and sd of a descriptor over the frames that are kept.
fn pair(values: &mut Vec<f32>, contour: &[f32], kept: &dyn Fn(usize) -> bool) {
    let smooth = smoothed(contour, kept);
    let of: Vec<f32> = (0..smooth.len())
        .filter(|&t| kept(t))
        .map(|t| smooth[t])
        .collect();
    let (mean, sd) = moments(&of);
    values.extend([mean, sd]);
}

fn voice_functionals(
    values: &mut Vec<f32>,
    samples: &[f32],
    track: &[Pitch],
    described: &[Frame],
    voiced: &[bool],
) {
    let hnr: Vec<f32> = track.iter().map(|pitch| pitch.hnr_db()).collect();
    pair(values, &hnr, &|t| voiced[t]);
    let perturbation = periods::perturbation(samples, track);
    for differences in [&perturbation.jitter, &perturbation.shimmer_db] {
        let (mean, sd) = moments(differences);
        values.extend([mean, sd]);
    }
    for number in 0..3 {
        let hz: Vec<f32> = described
            .iter()
            .map(|frame| frame.formants.hz[number])
            .collect();
        pair(values, &hz, &|t| hz[t] > 0.0);
    }
    let widths: Vec<f32> = described.iter().map(|frame| frame.formants.width).collect();
    pair(values, &widths, &|t| widths[t] > 0.0);
}

fn spectral_functionals(values: &mut Vec<f32>, described: &[Frame], voiced: &[bool]) {
    let column = |of: &dyn Fn(&Frame) -> f32| described.iter().map(of).collect::<Vec<f32>>();
    let balances = [
        column(&|frame| frame.alpha_ratio_db),
        column(&|frame| frame.hammarberg_db),
        column(&|frame| frame.slope_low),
        column(&|frame| frame.slope_high),
    ];
    for balance in &balances {
        pair(values, balance, &|t| voiced[t]);
    }
    for balance in &balances {
        let unvoiced: Vec<f32> = (0..voiced.len())
            .filter(|&t| !voiced[t])
            .map(|t| balance[t])
            .collect();
        values.push(moments(&unvoiced).0);
    }
    for number in 0..spectrum::MFCC {
        pair(values, &column(&|frame| frame.mfcc[number]), &|_| true);
    }
    pair(values, &column(&|frame| frame.flux), &|_| true);
}
