//! Sounds made by arithmetic, wave files of them, and the system's ffmpeg for the other formats.
#![allow(dead_code, reason = "not every program of tests needs all")]

pub(crate) mod onnx;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use unimse_media::synthetic::{Acting, Person, Stream};

/// A vowel: pulses of a glottis of falling spectrum through three resonances, so that pitch, jitter and shimmer are known.
pub(crate) struct Vowel {
    /// Length of each period, in seconds, in turn.
    pub(crate) periods_s: Vec<f64>,
    /// Size of each pulse, in turn.
    pub(crate) sizes: Vec<f64>,
    /// Seconds.
    pub(crate) seconds: f64,
}

impl Vowel {
    /// A voice without tremor at `hz`.
    pub(crate) fn steady(hz: f64, seconds: f64) -> Self {
        Self {
            periods_s: vec![1.0 / hz],
            sizes: vec![1.0],
            seconds,
        }
    }

    /// Samples at `rate`, peak 0.5.
    pub(crate) fn samples(&self, rate: u32) -> Vec<f32> {
        let rate = f64::from(rate);
        let mut out = vec![0.0; (self.seconds * rate) as usize];
        let (mut at, mut number) = (0.01, 0);
        while at < self.seconds {
            let size = self.sizes[number % self.sizes.len()];
            // a pulse between two samples: a smooth bump of half a millisecond around its true place
            let first = ((at - 0.000_25) * rate).ceil() as usize;
            for (i, sample) in out.iter_mut().enumerate().skip(first) {
                let x = (i as f64 / rate - at) / 0.000_25;
                if x >= 1.0 {
                    break;
                }
                *sample += size * (0.5 + 0.5 * (std::f64::consts::PI * x).cos());
            }
            at += self.periods_s[number % self.periods_s.len()];
            number += 1;
        }
        for (hz, width) in [(700.0, 90.0), (1_200.0, 110.0), (2_600.0, 160.0)] {
            resonate(&mut out, hz, width, rate);
        }
        let mean = out.iter().sum::<f64>() / out.len().max(1) as f64;
        out.iter_mut().for_each(|x| *x -= mean);
        let peak = out.iter().fold(0.0_f64, |peak, x| peak.max(x.abs()));
        out.iter().map(|x| (0.5 * x / peak) as f32).collect()
    }
}

/// A resonance of two poles.
fn resonate(signal: &mut [f64], hz: f64, width: f64, rate: f64) {
    let r = (-std::f64::consts::PI * width / rate).exp();
    let (a, b) = (
        2.0 * r * (2.0 * std::f64::consts::PI * hz / rate).cos(),
        -r * r,
    );
    let (mut y1, mut y2) = (0.0, 0.0);
    for x in signal {
        let y = *x + a * y1 + b * y2;
        (y2, y1) = (y1, y);
        *x = y;
    }
}

/// A sine of amplitude `size`.
pub(crate) fn tone(hz: f64, size: f64, seconds: f64, rate: u32) -> Vec<f32> {
    let step = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
    (0..(seconds * f64::from(rate)) as usize)
        .map(|i| (size * (step * i as f64).sin()) as f32)
        .collect()
}

/// Noise in [-size, size], the same every time.
pub(crate) fn noise(size: f64, samples: usize) -> Vec<f32> {
    let mut state = 1_u64;
    (0..samples)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (size * ((state >> 33) as f64 / f64::from(1_u32 << 30) - 1.0)) as f32
        })
        .collect()
}

/// Writes 16-bit samples.
pub(crate) fn write_wave(path: &Path, samples: &[f32], rate: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer
            .write_sample((sample * 32_767.0).round() as i16)
            .unwrap();
    }
    writer.finalize().unwrap();
}

/// Whether the system has ffmpeg; says loudly that a test is skipped where it has none.
pub(crate) fn has_ffmpeg(test: &str) -> bool {
    let has = Command::new("ffmpeg")
        .arg("-version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: {test} needs ffmpeg");
    }
    has
}

/// What ffmpeg makes a film without sound of.
pub(crate) const WITHOUT_SOUND: [&str; 6] = [
    "-f",
    "lavfi",
    "-i",
    "color=size=64x64:duration=1",
    "-c:v",
    "mpeg4",
];

/// `ffmpeg ARGUMENTS`, quietly, over what is there.
pub(crate) fn ffmpeg(arguments: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The folder of a model below `UNIMSE_MODELS` or the checkout's `.models`; says loudly that a test is skipped without it.
pub(crate) fn model(test: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("UNIMSE_MODELS").map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.models");
    let folders = named.into_iter().chain([own]).map(|path| path.join(name));
    let found = folders.into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: {test} needs the model {name}: cargo xtask setup --model {name}");
    }
    found
}

/// The networks that find and describe faces; says loudly that a test is skipped without them or without ffmpeg.
pub(crate) fn faces(test: &str) -> Option<unimse_media::video::Faces> {
    let folder = model(test, "faces")?;
    has_ffmpeg(test).then(|| unimse_media::video::Faces::load(&folder).unwrap())
}

/// Writes the film of a drawn person who says a text, with sound, `arguments` before the file's name: codecs, rotation and the like.
pub(crate) fn film(
    path: &Path,
    name: &str,
    acting: Acting,
    size: (usize, usize),
    arguments: &[&str],
) {
    let (person, mut random) = (Person::new(name), Stream::new(name));
    let speech = person.speak("That is what I mean", acting, &mut random);
    let folder = tempfile::tempdir().unwrap();
    let (raw, wave) = (folder.path().join("raw"), folder.path().join("wave.wav"));
    let frames = person.film(&speech.mouth, acting, size, 10.0, &mut random);
    let frames: Vec<u8> = frames.flat_map(|frame| frame.rgb).collect();
    std::fs::write(&raw, frames).unwrap();
    write_wave(&wave, &speech.samples, 16_000);
    let (size, raw, wave) = (
        format!("{}x{}", size.0, size.1),
        raw.to_str().unwrap(),
        wave.to_str().unwrap(),
    );
    let input = [
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", "10", "-i", raw, "-i", wave,
    ];
    ffmpeg(&[&input[..], arguments, &[path.to_str().unwrap()]].concat());
}
