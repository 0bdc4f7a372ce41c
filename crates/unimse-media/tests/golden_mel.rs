//! Mel features against librosa's: power within 1e-4 of the largest value, decibels within 1e-3.

use std::path::PathBuf;

use unimse_media::mel::{MelSettings, mel_power, power_to_db};

fn floats(file: &safetensors::SafeTensors<'_>, name: &str) -> Vec<f32> {
    let bytes = file.tensor(name).unwrap().data().to_vec();
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect()
}

#[test]
fn golden_mel() {
    let golden = std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    );
    let folder = golden.join("audio");
    if !folder.exists() {
        eprintln!("skipped: golden_mel needs {}", folder.display());
        return;
    }
    let bytes = std::fs::read(folder.join("mel.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let wave = floats(&file, "waveform");
    let text = std::fs::read_to_string(folder.join("mel.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let settings = MelSettings {
            sample_rate: number("sample_rate") as u32,
            n_fft: number("n_fft"),
            hop: number("hop_length"),
            bands: number("n_mels"),
        };
        let key = case["key"].as_str().unwrap();
        let mut got = mel_power(&wave, settings);
        let power = floats(&file, &format!("{key}.power"));
        assert_eq!(got.len(), power.len(), "{key}");
        let largest = power.iter().copied().fold(0.0f32, f32::max);
        let worst = got
            .iter()
            .zip(&power)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst / largest < 1e-4, "{key}: power {}", worst / largest);
        power_to_db(&mut got);
        let db = floats(&file, &format!("{key}.db"));
        let worst = got
            .iter()
            .zip(&db)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1e-3, "{key}: {worst} dB");
    }
}
