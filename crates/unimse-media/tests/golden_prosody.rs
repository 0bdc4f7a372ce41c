//! Prosodic functionals against openSMILE's eGeMAPSv02, Praat and librosa on synthesised voices, each descriptor with its tolerance: the trackers
//! of pitch and the marks of periods are other methods, so it is what two good methods may differ by, not two builds of one. Resonances and
//! spectral slopes, on which those tools differ from what the voice was made with, are in `prosody.rs` against arithmetic.

use std::path::PathBuf;

use serde_json::Value;
use unimse_media::prosody::{NAMES, from_samples};

/// Our name, tool, its name, what its value is multiplied by, and the tolerance in our unit.
const COMPARED: [(&str, &str, &str, f64, f64); 28] = [
    (
        "f0_mean",
        "opensmile",
        "F0semitoneFrom27.5Hz_sma3nz_amean",
        1.0,
        0.15,
    ),
    (
        "f0_p20",
        "opensmile",
        "F0semitoneFrom27.5Hz_sma3nz_percentile20.0",
        1.0,
        0.2,
    ),
    (
        "f0_p50",
        "opensmile",
        "F0semitoneFrom27.5Hz_sma3nz_percentile50.0",
        1.0,
        0.2,
    ),
    (
        "f0_p80",
        "opensmile",
        "F0semitoneFrom27.5Hz_sma3nz_percentile80.0",
        1.0,
        0.2,
    ),
    ("f0_mean", "praat", "f0_mean", 1.0, 0.1),
    ("f0_p50", "librosa", "f0_median", 1.0, 0.6),
    // openSMILE's loudness has no stated scale: ours is 0.95 of it
    (
        "loudness_mean",
        "opensmile",
        "loudness_sma3_amean",
        0.95,
        0.03,
    ),
    (
        "loudness_p20",
        "opensmile",
        "loudness_sma3_percentile20.0",
        0.95,
        0.01,
    ),
    (
        "loudness_p50",
        "opensmile",
        "loudness_sma3_percentile50.0",
        0.95,
        0.06,
    ),
    (
        "loudness_p80",
        "opensmile",
        "loudness_sma3_percentile80.0",
        0.95,
        0.04,
    ),
    (
        "loudness_peaks",
        "opensmile",
        "loudnessPeaksPerSec",
        1.0,
        0.6,
    ),
    (
        "jitter_mean",
        "opensmile",
        "jitterLocal_sma3nz_amean",
        1.0,
        0.003,
    ),
    ("jitter_mean", "praat", "jitter", 1.0, 0.002),
    (
        "shimmer_mean",
        "opensmile",
        "shimmerLocaldB_sma3nz_amean",
        1.0,
        0.25,
    ),
    ("shimmer_mean", "praat", "shimmer_db", 1.0, 0.3),
    ("hnr_mean", "praat", "hnr_mean", 1.0, 3.0),
    (
        "alpha_ratio_mean",
        "opensmile",
        "alphaRatioV_sma3nz_amean",
        1.0,
        2.0,
    ),
    (
        "alpha_ratio_unvoiced",
        "opensmile",
        "alphaRatioUV_sma3nz_amean",
        1.0,
        2.0,
    ),
    (
        "hammarberg_mean",
        "opensmile",
        "hammarbergIndexV_sma3nz_amean",
        1.0,
        2.0,
    ),
    (
        "hammarberg_unvoiced",
        "opensmile",
        "hammarbergIndexUV_sma3nz_amean",
        1.0,
        2.0,
    ),
    ("mfcc1_mean", "opensmile", "mfcc1_sma3_amean", 1.0, 0.5),
    ("mfcc2_mean", "opensmile", "mfcc2_sma3_amean", 1.0, 0.5),
    ("mfcc3_mean", "opensmile", "mfcc3_sma3_amean", 1.0, 0.5),
    ("mfcc4_mean", "opensmile", "mfcc4_sma3_amean", 1.0, 0.5),
    ("level", "opensmile", "equivalentSoundLevel_dBp", 1.0, 0.02),
    ("level", "librosa", "level", 1.0, 0.01),
    (
        "voiced_stretches",
        "opensmile",
        "VoicedSegmentsPerSec",
        1.0,
        0.6,
    ),
    (
        "voiced_length_mean",
        "opensmile",
        "MeanVoicedSegmentLengthSec",
        1.0,
        0.05,
    ),
];

/// Standard deviations, which openSMILE gives as shares of the mean: our name, its name without the ending, the tolerance in our unit.
const DEVIATIONS: [(&str, &str, f64); 5] = [
    ("f0_sd", "F0semitoneFrom27.5Hz_sma3nz", 0.1),
    ("mfcc1_sd", "mfcc1_sma3", 0.5),
    ("mfcc2_sd", "mfcc2_sma3", 0.5),
    ("mfcc3_sd", "mfcc3_sma3", 0.5),
    ("mfcc4_sd", "mfcc4_sma3", 0.5),
];

#[test]
fn golden_prosody() {
    let golden = std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    );
    let folder = golden.join("audio");
    if !folder.join("prosody.json").exists() {
        eprintln!(
            "skipped: golden_prosody needs {}/prosody.json",
            folder.display()
        );
        return;
    }
    let bytes = std::fs::read(folder.join("prosody.safetensors")).unwrap();
    let waves = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let text = std::fs::read_to_string(folder.join("prosody.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for (voice, expected) in golden["voices"].as_object().unwrap() {
        let wave = waves.tensor(voice).unwrap().data();
        let (samples, _) = wave.as_chunks::<2>();
        let samples: Vec<f32> = samples
            .iter()
            .map(|&sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0)
            .collect();
        let features = from_samples(&samples);
        let mut compare = |name: &str, tool: &str, expected: f64, tolerance: f64| {
            let place = NAMES.iter().position(|known| *known == name).unwrap();
            let found = f64::from(features.values[place]);
            if (found - expected).abs() > tolerance {
                wrong.push(format!(
                    "{voice} {name}: {found}, {tool} {expected}, tolerance {tolerance}"
                ));
            }
        };
        let value = |tool: &str, key: &str| expected[tool][key].as_f64().unwrap();
        for (name, tool, key, factor, tolerance) in COMPARED {
            compare(name, tool, factor * value(tool, key), tolerance);
        }
        for (name, key, tolerance) in DEVIATIONS {
            let mean = value("opensmile", &format!("{key}_amean"));
            let share = value("opensmile", &format!("{key}_stddevNorm"));
            compare(name, "opensmile", share * mean, tolerance);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
