//! Wave files that hound wrote, broken and hostile ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use std::io::Cursor;
use unimse_formats::{FormatError, Wave, read_wav, wav_header};

fn spec(channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec {
        channels,
        sample_rate: 22_050,
        bits_per_sample,
        sample_format,
    }
}

fn write<S: hound::Sample + Copy>(spec: WavSpec, samples: &[S]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for &sample in samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    file.into_inner()
}

type Read = (Result<Wave, FormatError>, Result<(u32, usize), FormatError>);

fn read(bytes: &[u8]) -> Read {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    (read_wav(file.path()), wav_header(file.path()))
}

#[test]
fn every_sample_format() {
    let check = |bytes: Vec<u8>, expected: &[f32]| {
        let (wave, header) = read(&bytes);
        let wave = wave.unwrap();
        assert_eq!((wave.rate, &wave.samples[..]), (22_050, expected));
        assert_eq!(header.unwrap(), (22_050, expected.len()));
    };
    let half = [0.5, -1.0, 0.0];
    check(write(spec(1, 8, SampleFormat::Int), &[64, -128, 0]), &half);
    check(
        write(spec(1, 16, SampleFormat::Int), &[1 << 14, -(1 << 15), 0]),
        &half,
    );
    check(
        write(spec(1, 24, SampleFormat::Int), &[1 << 22, -(1 << 23), 0]),
        &half,
    );
    check(
        write(spec(1, 32, SampleFormat::Int), &[1 << 30, i32::MIN, 0]),
        &half,
    );
    check(write(spec(1, 32, SampleFormat::Float), &half), &half);
    // channels are averaged
    check(
        write(
            spec(2, 16, SampleFormat::Int),
            &[1 << 14, 0, -(1 << 15), -(1 << 15)],
        ),
        &[(0.5 + 0.0) / 2.0, -1.0],
    );
    check(write::<i16>(spec(1, 16, SampleFormat::Int), &[]), &[]);
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let bytes = write(spec(1, 16, SampleFormat::Int), &[1_i16, 2, 3]);
    for end in 0..bytes.len() {
        let (wave, header) = read(&bytes[..end]);
        assert!(header.is_err(), "{end}");
        let message = wave.unwrap_err().to_string();
        assert!(message.contains(": wav: "), "{end}: {message}");
    }
    // the length of the data, just before the three samples
    let mut long = bytes;
    let at = long.len() - 3 * 2 - 4;
    long[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    let (wave, header) = read(&long);
    for error in [wave.unwrap_err(), header.unwrap_err()] {
        assert!(error.to_string().contains("truncated"), "{error}");
    }
    let absent = std::path::Path::new("absent.wav");
    assert!(
        wav_header(absent)
            .unwrap_err()
            .to_string()
            .starts_with("absent.wav: ")
    );
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(
        stereo: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = if stereo {
            write(spec(2, 24, SampleFormat::Int), &[1_i32; 8])
        } else {
            write(spec(1, 32, SampleFormat::Float), &[0.5_f32; 4])
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let (Ok(wave), Ok((rate, frames))) = read(&bytes) {
            prop_assert_eq!((wave.rate, wave.samples.len()), (rate, frames));
        }
    }
}
