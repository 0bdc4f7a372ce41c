//! The same sound through every format; parts; and what is wrong with a file, by kind.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use unimse_media::{Clip, Fault, MediaError, Span, mel, read_clip};

use crate::common::{Vowel, WITHOUT_SOUND, ffmpeg, has_ffmpeg, noise, tone, write_wave};

fn whole(path: &Path) -> Result<Clip, MediaError> {
    read_clip(path, Span::default())
}

fn kind(path: &Path) -> &'static str {
    whole(path).map_or_else(|error| error.kind(), |_| "none")
}

/// Signal against difference, in decibels.
fn snr(signal: &[f32], other: &[f32]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f32>| -> f64 {
        values.map(|x| f64::from(x) * f64::from(x)).sum()
    };
    let difference = power(&mut signal.iter().zip(other).map(|(a, b)| a - b));
    10.0 * (power(&mut signal.iter().copied()) / difference.max(1e-30)).log10()
}

/// Three seconds of a voice over a little noise at 44.1 kHz, as `a.wav`.
fn voice(folder: &Path) -> PathBuf {
    let mut samples = Vowel::steady(120.0, 3.0).samples(44_100);
    for (sample, hiss) in samples.iter_mut().zip(noise(0.002, 3 * 44_100)) {
        *sample += hiss;
    }
    let path = folder.join("a.wav");
    write_wave(&path, &samples, 44_100);
    path
}

#[test]
fn a_wave_file_is_read_as_before_and_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    write_wave(&path, &tone(440.0, 0.5, 2.0, 16_000), 16_000);
    let clip = whole(&path).unwrap();
    assert_eq!(
        (clip.samples.len(), clip.source_rate, clip.non_finite),
        (32_000, 16_000, 0)
    );
    assert_eq!(
        clip.samples,
        unimse_formats::read_wav(&path).unwrap().samples
    );
    let (from, to) = (0.5, 1.25);
    let part = read_clip(
        &path,
        Span {
            from_s: from,
            to_s: Some(to),
        },
    )
    .unwrap();
    assert_eq!(part.samples, clip.samples[8_000..20_000]);
    let rest = read_clip(
        &path,
        Span {
            from_s: 1.5,
            to_s: Some(99.0),
        },
    )
    .unwrap();
    assert_eq!(rest.samples, clip.samples[24_000..]);
    for (from_s, to_s, kind) in [
        (2.5, None, "NO_SAMPLE"),
        (1.0, Some(0.5), "SPAN"),
        (-1.0, None, "SPAN"),
        (f64::NAN, None, "SPAN"),
    ] {
        let found = read_clip(&path, Span { from_s, to_s }).unwrap_err();
        assert_eq!(found.kind(), kind, "{from_s} {to_s:?}: {found}");
    }
}

/// The delay that an encoder adds is taken away again, so that features of one moment are compared with those of the same moment.
#[test]
fn every_format_gives_the_same_sound() {
    if !has_ffmpeg("every_format_gives_the_same_sound") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let wave = voice(folder.path());
    let expected = whole(&wave).unwrap();
    let bands = mel::from_samples(&expected.samples).0;
    // the least ratio of signal to difference, and the largest mean difference of the bands, in decibels
    for (name, arguments, least, most) in [
        ("a.flac", &["-c:a", "flac"][..], 90.0, 0.01),
        ("alac.m4a", &["-c:a", "alac"], 90.0, 0.01),
        ("a.m4a", &["-c:a", "aac", "-b:a", "192k"], 25.0, 1.5),
        (
            "a.mp4",
            &["-c:a", "aac", "-b:a", "192k", "-movflags", "faststart"],
            25.0,
            1.5,
        ),
        ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "192k"], 25.0, 1.5),
        ("a.ogg", &["-c:a", "libvorbis", "-q:a", "7"], 20.0, 1.5),
    ] {
        let path = folder.path().join(name);
        let (input, output) = (wave.to_str().unwrap(), path.to_str().unwrap());
        ffmpeg(&[&["-i", input][..], arguments, &[output]].concat());
        let clip = whole(&path).unwrap();
        assert_eq!(clip.source_rate, 44_100, "{name}");
        let late = clip.samples.len() as f64 - expected.samples.len() as f64;
        assert!(late.abs() <= 1_200.0, "{name}: {late} samples longer");
        let found = snr(&expected.samples, &clip.samples);
        assert!(found > least, "{name}: {found} dB");
        let own = mel::from_samples(&clip.samples).0;
        let pairs = bands.values.iter().zip(&own.values);
        let loud = pairs.filter(|(a, _)| **a > -40.0);
        let (sum, count) = loud.fold((0.0, 0), |(s, n), (a, b)| {
            (s + f64::from((a - b).abs()), n + 1)
        });
        let mean = sum / f64::from(count);
        assert!(
            count > 1_000 && mean < most,
            "{name}: {mean} dB over {count} values"
        );
        // a part of it, of which the rest is not decoded, is that part of the whole
        let span = Span {
            from_s: 1.0,
            to_s: Some(1.5),
        };
        let part = read_clip(&path, span).unwrap();
        assert!(
            part.samples.len().abs_diff(8_000) <= 1,
            "{name}: {}",
            part.samples.len()
        );
        let ratio = snr(&clip.samples[16_160..23_840], &part.samples[160..]);
        assert!(ratio > 40.0, "{name}: the part differs, {ratio} dB");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_kind() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(kind(&write("empty.mp4", b"")), "EMPTY");
    assert_eq!(
        kind(&write(
            "text.mp4",
            b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"
        )),
        "NOT_MEDIA"
    );
    let bytes: Vec<u8> = (0..4_096_u32)
        .map(|i| ((i * i) >> 3) as u8 & 0x7f)
        .collect();
    assert_eq!(kind(&write("bytes.m4a", &bytes)), "NOT_MEDIA");
    assert_eq!(kind(&write("cut.mp4", b"\0\0\0\x18ftypmp42")), "TRUNCATED");
    assert_eq!(kind(folder.path()), "UNREADABLE");
    assert_eq!(kind(&folder.path().join("absent.wav")), "UNREADABLE");
    let path = folder.path().join("silent.wav");
    write_wave(&path, &[0.0; 16_000], 16_000);
    assert_eq!(kind(&path), "SILENT");
    write_wave(&path, &[], 16_000);
    assert_eq!(kind(&path), "NO_SAMPLE");
    write_wave(&path, &[0.5; 160], 16_000);
    let wave = fs::read(&path).unwrap();
    assert_eq!(kind(&write("truncated.wav", &wave[..100])), "WAVE");
    let mut fast = wave.clone();
    fast[24..28].copy_from_slice(&2_000_000_000_u32.to_le_bytes());
    let error = whole(&write("fast.wav", &fast)).unwrap_err();
    let expected = "expected 1000 to 768000 Hz, found 2000000000 Hz";
    assert!(error.to_string().contains(expected), "{error}");
    let mut slow = wave;
    slow[24..28].copy_from_slice(&0_u32.to_le_bytes());
    assert_eq!(kind(&write("slow.wav", &slow)), "SAMPLE_RATE");
}

#[test]
fn a_wave_file_of_hours_is_refused_before_it_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    write_wave(&path, &[0.5; 10], 1_000);
    let mut bytes = fs::read(&path).unwrap();
    let length = 2 * 1_000 * 3_700_u32; // bytes of 3700 s
    bytes[40..44].copy_from_slice(&length.to_le_bytes());
    bytes.resize(44 + length as usize, 1);
    fs::write(&path, bytes).unwrap();
    let error = whole(&path).unwrap_err();
    assert!(
        matches!(error, MediaError::Fault { fault: Fault::TooLong { found_s }, .. } if found_s == 3_700.0),
        "{error}"
    );
    let span = Span {
        from_s: 3_600.0,
        to_s: None,
    };
    assert_eq!(read_clip(&path, span).unwrap().samples.len(), 100 * 16_000);
}

#[test]
fn faults_of_containers_are_said_by_kind() {
    if !has_ffmpeg("faults_of_containers_are_said_by_kind") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let wave = voice(folder.path());
    let input = wave.to_str().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = |name: &str, arguments: &[&str]| {
        let path = at(name);
        ffmpeg(&[arguments, &[path.to_str().unwrap()]].concat());
        path
    };
    let aac = made(
        "a.mp4",
        &["-i", input, "-c:a", "aac", "-movflags", "faststart"],
    );
    let flac = made("a.flac", &["-i", input]);
    let cut = |from: &Path, name: &str, share: f64| {
        let bytes = fs::read(from).unwrap();
        let path = at(name);
        fs::write(&path, &bytes[..(share * bytes.len() as f64) as usize]).unwrap();
        path
    };
    assert_eq!(kind(&cut(&aac, "cut.mp4", 0.6)), "TRUNCATED");
    assert_eq!(kind(&cut(&flac, "cut.flac", 0.6)), "TRUNCATED");
    let video = made("silent.mp4", &WITHOUT_SOUND);
    assert_eq!(kind(&video), "NO_AUDIO");
    let opus = made("a.opus", &["-i", input, "-c:a", "libopus"]);
    assert_eq!(kind(&opus), "CODEC");
    // a header that promises ten hours
    let mut bytes = fs::read(&aac).unwrap();
    let header = bytes.windows(4).position(|name| name == b"mdhd").unwrap();
    let ticks = 44_100_u32 * 36_000;
    bytes[header + 20..header + 24].copy_from_slice(&ticks.to_be_bytes());
    let long = at("long.mp4");
    fs::write(&long, &bytes).unwrap();
    assert_eq!(kind(&long), "TOO_LONG");
    let part = read_clip(
        &long,
        Span {
            from_s: 0.5,
            to_s: Some(1.0),
        },
    )
    .unwrap();
    assert!(part.samples.len().abs_diff(8_000) <= 1);
}

/// Bytes of a whole file with some of them changed, and its end cut off.
fn mutated(bytes: &[u8], changes: &[(usize, u8)], length: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(at, by) in changes {
        let at = at % bytes.len();
        bytes[at] ^= by;
    }
    let length = bytes.len() - length % bytes.len();
    bytes.truncate(length);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever a file holds, an answer comes, in time and in bounds.
    #[test]
    fn mutated_files_end_in_samples_or_a_fault(
        format in 0_usize..4,
        changes in proptest::collection::vec((0_usize..1 << 20, any::<u8>()), 0..20),
        early in proptest::collection::vec((0_usize..600, any::<u8>()), 0..4),
        cut in prop_oneof![Just(0_usize), 0_usize..1 << 16],
    ) {
        let originals = originals();
        let original = &originals[format % originals.len()];
        let changes = [changes, early].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, mutated(original, &changes, cut)).unwrap();
        let started = std::time::Instant::now();
        match whole(&path) {
            Ok(clip) => prop_assert!(clip.samples.iter().all(|sample| sample.is_finite())),
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{error}"),
        }
        prop_assert!(started.elapsed().as_secs() < 20);
    }
}

/// Half a second in every format that can be made here, made once.
fn originals() -> &'static [Vec<u8>] {
    static ORIGINALS: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let wave = folder.path().join("a.wav");
        write_wave(&wave, &Vowel::steady(150.0, 0.5).samples(16_000), 16_000);
        let mut all = vec![fs::read(&wave).unwrap()];
        if has_ffmpeg("mutated_files_end_in_samples_or_a_fault (but for wave files)") {
            for name in ["a.flac", "a.mp4", "a.mp3", "a.ogg"] {
                let path = folder.path().join(name);
                ffmpeg(&["-i", wave.to_str().unwrap(), path.to_str().unwrap()]);
                all.push(fs::read(&path).unwrap());
            }
        }
        all
    })
}
