//! Bytes as 32-bit samples, described by bands and functionals: every number finite.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_media::AudioFeatures;

fuzz_target!(|bytes: &[u8]| {
    let samples: Vec<f32> = bytes
        .as_chunks()
        .0
        .iter()
        .map(|&sample| f32::from_le_bytes(sample))
        .filter(|sample| sample.is_finite())
        .collect();
    let (sequence, _) = AudioFeatures::Both.of(&samples);
    assert!(sequence.values.iter().all(|value| value.is_finite()));
});
