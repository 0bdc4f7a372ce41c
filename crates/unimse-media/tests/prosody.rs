//! Prosodic functionals of sounds whose pitch, jitter, shimmer, noise and resonances are known by arithmetic.

use proptest::prelude::*;
use unimse_media::prosody::{NAMES, card, from_samples};

use crate::common::{Vowel, noise, tone};

struct Found(Vec<f32>);

impl Found {
    fn of(samples: &[f32]) -> Self {
        let features = from_samples(samples);
        assert_eq!((features.dim, features.steps()), (NAMES.len(), 1));
        Self(features.values)
    }

    fn get(&self, name: &str) -> f64 {
        f64::from(self.0[NAMES.iter().position(|known| *known == name).unwrap()])
    }

    fn assert(&self, name: &str, expected: f64, tolerance: f64) {
        let found = self.get(name);
        assert!(
            (found - expected).abs() <= tolerance,
            "{name}: expected {expected}, found {found}"
        );
    }
}

fn semitones(hz: f64) -> f64 {
    12.0 * (hz / 27.5).log2()
}

#[test]
fn the_card_counts_the_names_and_names_differ() {
    assert_eq!(card().dimension, NAMES.len());
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NAMES.len());
}

#[test]
fn a_steady_vowel_has_its_pitch_and_resonances_and_no_tremor() {
    for hz in [90.0, 140.0, 220.0] {
        let found = Found::of(&Vowel::steady(hz, 1.5).samples(16_000));
        found.assert("f0_mean", semitones(hz), 0.05);
        found.assert("f0_range", 0.0, 0.1);
        found.assert("jitter_mean", 0.0, 0.002);
        found.assert("shimmer_mean", 0.0, 0.1);
        assert!(found.get("hnr_mean") > 18.0, "{}", found.get("hnr_mean"));
        assert!(found.get("voiced_fraction") > 0.95);
        found.assert("f1_mean", 700.0, 80.0);
        found.assert("f2_mean", 1_200.0, 120.0);
        found.assert("f3_mean", 2_600.0, 400.0);
    }
}

#[test]
fn periods_that_alternate_are_jitter_and_sizes_that_alternate_are_shimmer() {
    let (period, share) = (0.01, 0.01);
    let trembling = Vowel {
        periods_s: vec![period * (1.0 + share), period * (1.0 - share)],
        sizes: vec![1.0],
        seconds: 1.5,
    };
    let found = Found::of(&trembling.samples(16_000));
    // neighbours differ by two shares of the mean period
    found.assert("jitter_mean", 2.0 * share, 0.15 * 2.0 * share);
    let wavering = Vowel {
        periods_s: vec![period],
        sizes: vec![1.0, 0.9],
        seconds: 1.5,
    };
    let found = Found::of(&wavering.samples(16_000));
    let expected = 20.0 * (1.0 / 0.9_f64).log10();
    found.assert("shimmer_mean", expected, 0.25 * expected);
    found.assert("jitter_mean", 0.0, 0.004);
}

#[test]
fn noise_over_a_tone_is_the_ratio_that_it_was_mixed_with() {
    let mut samples = tone(200.0, 0.3, 2.0, 16_000);
    // power 0.3^2 / 2 against 0.05^2 / 3 of even noise
    for (sample, hiss) in samples.iter_mut().zip(noise(0.05, 32_000)) {
        *sample += hiss;
    }
    let expected = 10.0 * ((0.3_f64.powi(2) / 2.0) / (0.05_f64.powi(2) / 3.0)).log10();
    let found = Found::of(&samples);
    found.assert("hnr_mean", expected, 1.5);
    let power = 0.3_f64.powi(2) / 2.0 + 0.05_f64.powi(2) / 3.0;
    found.assert("level", 10.0 * power.log10(), 0.05);
}

#[test]
fn a_sine_to_which_the_ear_is_most_sensitive_is_about_one_loud_and_louder_by_the_power_of_its_size()
{
    let loudness = |size| Found::of(&tone(3_400.0, size, 1.0, 16_000)).get("loudness_mean");
    let full = loudness(1.0);
    assert!((0.8..3.0).contains(&full), "{full}");
    let ratio = loudness(0.1) / full;
    assert!((ratio - 0.1_f64.powf(0.66)).abs() < 0.02, "{ratio}");
}

/// Two seconds of voice, each 0.4 s loud and 0.1 s silent.
#[test]
fn stretches_of_voice_are_counted_and_measured() {
    let mut samples = Vowel::steady(130.0, 2.0).samples(16_000);
    for (i, sample) in samples.iter_mut().enumerate() {
        if i % 8_000 >= 6_400 {
            *sample = 0.0;
        }
    }
    let found = Found::of(&samples);
    found.assert("voiced_stretches", 4.0 / 2.0, 0.05);
    found.assert("voiced_length_mean", 0.4, 0.04);
    found.assert("voiced_fraction", 0.8, 0.08);
    found.assert("loudness_peaks", 4.0 / 2.0, 0.55);
}

#[test]
fn without_voice_what_is_of_voice_is_0() {
    let found = Found::of(&noise(0.1, 16_000));
    assert!(found.get("voiced_fraction") < 0.1);
    let silent = Found::of(&[0.0; 16_000]);
    for name in [
        "f0_mean",
        "hnr_mean",
        "jitter_mean",
        "f1_mean",
        "voiced_fraction",
        "loudness_mean",
    ] {
        assert_eq!(silent.get(name), 0.0, "{name}");
    }
    assert_eq!(from_samples(&[]).steps(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_signal_gives_finite_numbers(
        samples in proptest::collection::vec(prop_oneof![-1.0_f32..1.0, Just(0.0), -1e30_f32..1e30], 1..4_000),
    ) {
        let found = from_samples(&samples);
        prop_assert_eq!(found.steps(), 1);
        prop_assert!(found.values.iter().all(|value| value.is_finite()));
    }
}
