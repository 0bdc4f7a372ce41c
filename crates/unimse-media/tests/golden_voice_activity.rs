//! Voice activity beside the network of silero-vad in PyTorch (`data/golden/voice_activity.py`).

use std::path::PathBuf;

use safetensors::SafeTensors;
use unimse_media::{
    SAMPLE_RATE, VoiceActivity,
    synthetic::{Acting, Person, Stream},
};

use crate::common;

/// Both sum some hundred products of 32-bit numbers in another order, layer after layer.
const TOLERANCE: f32 = 1e-4;

fn network(test: &str) -> Option<VoiceActivity> {
    let folder = common::model(test, "voice-activity")?;
    Some(VoiceActivity::load(&folder).unwrap())
}

#[test]
fn golden_voice_activity() {
    let Some(network) = network("golden_voice_activity") else {
        return;
    };
    let golden = std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    );
    let bytes = std::fs::read(golden.join("audio/voice_activity.safetensors")).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let data = |name: &str| golden.tensor(name).unwrap().data();
    let samples = data("signal").as_chunks().0.iter();
    let samples: Vec<f32> = samples
        .map(|&x| f32::from(i16::from_le_bytes(x)) / 32_768.0)
        .collect();
    let found = network.probabilities(&samples);
    let expected = data("probabilities").as_chunks().0;
    assert_eq!(found.len(), expected.len());
    for (window, (found, &expected)) in found.iter().zip(expected).enumerate() {
        let expected = f32::from_le_bytes(expected);
        assert!(
            (found - expected).abs() < TOLERANCE,
            "window {window}: {found}, {expected}"
        );
    }
    let ends: Vec<usize> = network
        .stretches(&samples)
        .into_iter()
        .flat_map(|stretch| [stretch.start, stretch.end])
        .collect();
    let expected = data("stretches").as_chunks().0.iter();
    let expected: Vec<usize> = expected.map(|&x| i64::from_le_bytes(x) as usize).collect();
    assert_eq!(ends, expected);
}

#[test]
fn speech_is_found_between_silence_and_noise_is_none() {
    let Some(network) = network("speech_is_found_between_silence_and_noise_is_none") else {
        return;
    };
    let speech = Person::new("ann").speak(
        "Nobody told me about the meeting on Monday.",
        Acting::NEUTRAL,
        &mut Stream::new("ann"),
    );
    let second = SAMPLE_RATE as usize;
    let mut samples = common::noise(1e-3, second);
    samples.extend(&speech.samples);
    samples.extend(common::noise(1e-3, second));
    let stretches = network.stretches(&samples);
    let found: usize = stretches.iter().map(ExactSizeIterator::len).sum();
    assert_eq!(network.speech(&samples).len(), found);
    let inside = second / 2..second + speech.samples.len() + second / 2;
    assert!(
        stretches
            .iter()
            .all(|s| inside.contains(&s.start) && inside.contains(&s.end))
    );
    assert!(found * 4 > speech.samples.len() * 3, "{found}");
    for nobody in [
        common::noise(0.1, 3 * second),
        vec![0.0; 3 * second],
        Vec::new(),
    ] {
        assert!(network.speech(&nobody).is_empty());
    }
}

#[test]
fn weights_of_something_else_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(unimse_media::voice_activity::FILE);
    let error = || VoiceActivity::load(folder.path()).unwrap_err().to_string();
    assert!(
        error().contains("silero_vad_16k.safetensors"),
        "{}",
        error()
    );
    for bytes in [
        &b""[..],
        b"PK\x03\x04",
        &[0xff; 64],
        b"\x02\0\0\0\0\0\0\0{}",
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(error().contains("weights: "), "{}", error());
    }
}
