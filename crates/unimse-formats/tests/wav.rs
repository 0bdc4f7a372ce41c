//! Wave files that hound wrote, broken and hostile ones.

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

/// A file of these chunks; `riff` is its declared size, by default the true one.
fn file(tag: &[u8; 4], riff: Option<u32>, chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
    let body: Vec<u8> = (chunks.iter())
        .flat_map(|(id, size, bytes)| [&id[..], &size.to_le_bytes(), bytes].concat())
        .collect();
    let riff = riff.unwrap_or(4 + body.len() as u32);
    [&tag[..], &riff.to_le_bytes(), b"WAVE", &body].concat()
}

/// The 16 bytes of a `fmt` chunk of 8 kHz.
fn fmt(tag: u16, channels: u16, bytes: u16, bits: u16) -> Vec<u8> {
    let mut chunk = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    let block = channels * bytes;
    chunk.extend(8_000_u32.to_le_bytes());
    chunk.extend((8_000 * u32::from(block)).to_le_bytes());
    chunk.extend([block, bits].map(u16::to_le_bytes).concat());
    chunk
}

/// The 40 bytes of an extensible `fmt` chunk.
fn extensible(encoding: u16, channels: u16, bytes: u16, valid: u16) -> Vec<u8> {
    let mut chunk = fmt(0xfffe, channels, bytes, 8 * bytes);
    chunk.extend([22, valid, 0, 0, encoding].map(u16::to_le_bytes).concat());
    chunk.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    chunk
}

#[test]
fn floats_of_64_bits_and_what_f32_cannot_hold() {
    let values = [0.5, f64::NAN, -0.25, 1e300, f64::INFINITY, 1.0];
    let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    for chunk in [fmt(3, 1, 8, 64), extensible(3, 1, 8, 64)] {
        let bytes = file(
            b"RIFF",
            None,
            &[
                (b"fmt ", chunk.len() as u32, &chunk),
                (b"data", 6 * 8, &data),
            ],
        );
        let (wave, header) = read(&bytes);
        let wave = wave.unwrap();
        assert_eq!(wave.samples, [0.5, 0.0, -0.25, 0.0, 0.0, 1.0]);
        assert_eq!((wave.non_finite, header.unwrap()), (3, (8_000, 6)));
    }
    // one channel of a frame is no number: 0 takes its place in the mean
    let bytes = write(spec(2, 32, SampleFormat::Float), &[f32::NAN, 0.5]);
    let wave = read(&bytes).0.unwrap();
    assert_eq!((&wave.samples[..], wave.non_finite), (&[0.25][..], 1));
}

#[test]
fn a_stream_has_samples_up_to_the_end_of_the_file() {
    let chunk = fmt(1, 1, 2, 16);
    let samples = [1_i16 << 14, i16::MIN, 0].map(i16::to_le_bytes).concat();
    let check = |riff: Option<u32>, size: u32, data: &[u8], expected: &[f32]| {
        let bytes = file(
            b"RIFF",
            riff,
            &[
                (b"fmt ", 16, &chunk),
                (b"LIST", 3, b"abc\0"),
                (b"data", size, data),
            ],
        );
        let (wave, header) = read(&bytes);
        assert_eq!(wave.unwrap().samples, expected, "{riff:?} {size}");
        assert_eq!(header.unwrap(), (8_000, expected.len()));
    };
    let all = [0.5, -1.0, 0.0];
    check(Some(u32::MAX), u32::MAX, &samples, &all); // ffmpeg into a pipe
    check(Some(0), 0, &samples, &all); // a header that was never filled in
    check(Some(4 + 24 + 12 + 8), 0, &samples, &all); // one that was written before the samples
    check(Some(0x7fff_f024), 0x7fff_f000, &samples, &all); // sox
    check(Some(u32::MAX), u32::MAX, &samples[..5], &all[..2]); // stopped within a sample
    check(None, 0, b"LIST\x04\0\0\0abcd", &[]); // empty data, and a chunk behind them
}

#[test]
fn sizes_of_64_bits_and_extensible_integers() {
    let data = [1_i32 << 30, i32::MIN].map(i32::to_le_bytes).concat();
    let sizes = [0_u64, data.len() as u64, 2].map(u64::to_le_bytes).concat();
    let sizes = [&sizes[..], &[0; 4]].concat();
    let chunk = extensible(1, 2, 4, 24); // valid bits are the upper ones
    let bytes = file(
        b"RF64",
        Some(u32::MAX),
        &[
            (b"ds64", sizes.len() as u32, &sizes),
            (b"fmt ", 40, &chunk),
            (b"data", u32::MAX, &data),
            (b"LIST", 4, b"abcd"),
        ],
    );
    assert_eq!(read(&bytes).0.unwrap().samples, [(0.5 - 1.0) / 2.0]);
}

#[test]
fn what_is_not_read_says_what_to_do() {
    let check = |chunk: &[u8], words: &str| {
        let bytes = file(
            b"RIFF",
            None,
            &[(b"fmt ", chunk.len() as u32, chunk), (b"data", 2, &[0; 2])],
        );
        let error = read(&bytes).0.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    check(
        &fmt(7, 1, 1, 8),
        "found mu-law; convert it, as in ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav",
    );
    check(
        &fmt(1, 1, 8, 64),
        "expected integers of 8 to 32 bits or floats of 32 or 64, found integers of 64 bits in 8 bytes",
    );
    check(&fmt(1, 0, 2, 16), "0 bytes for 0 channels");
    check(&fmt(1, 1, 2, 16)[..14], "found 14");
}

#[cfg(unix)]
#[test]
fn a_fifo_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    for error in [
        read_wav(&path).unwrap_err(),
        unimse_formats::read_npy(&path).unwrap_err(),
        unimse_formats::Pickle::open(&path).unwrap_err(),
        unimse_formats::open_file(&path).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(
            message.ends_with("a.wav: expected a regular file, found a FIFO"),
            "{message}"
        );
    }
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
