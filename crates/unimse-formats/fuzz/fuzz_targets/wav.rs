//! Bytes as a wave file: what the header promises is what is read.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use unimse_formats::{parse_wav, parse_wav_header};

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("a.wav");
    let header = parse_wav_header(bytes, path);
    if let Ok(wave) = parse_wav(bytes, path) {
        assert!(wave.samples.iter().all(|sample| sample.is_finite()));
        assert!(
            header.is_ok_and(|(rate, frames)| (rate, frames) == (wave.rate, wave.samples.len()))
        );
    }
});
