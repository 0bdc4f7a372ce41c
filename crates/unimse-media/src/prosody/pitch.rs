//! Pitch and harmonicity by autocorrelation: Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
//! harmonics-to-noise ratio of a sampled sound". The autocorrelation of a windowed frame over that of its window is free of the window's fall;
//! its maxima are the candidates of the frame, and the cheapest path through the candidates of all frames is the pitch.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex};

use super::{FRAME, HOP};
use crate::SAMPLE_RATE;

/// Lowest and highest pitch, in Hertz.
pub(super) const RANGE: (f64, f64) = (60.0, 600.0);
/// Samples of a window: three periods of the lowest pitch, 50 ms.
const WINDOW: usize = 800;
/// Points of the transform: a window and, without wrapping, the largest lag.
const POINTS: usize = 1_280;
/// Candidates of a frame, the one without voice among them.
const CANDIDATES: usize = 7;
/// Costs of the path, as Praat's defaults have them: strength below which there is no voice, peak below which there is silence (a share of
/// the largest peak), preference of high candidates, jumps by an octave, change between voice and none.
const VOICING: f32 = 0.45;
const SILENCE: f32 = 0.03;
const OCTAVE: f32 = 0.01;
const OCTAVE_JUMP: f32 = 0.35;
const CHANGE: f32 = 0.14;

/// The pitch of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pitch {
    /// Hertz; 0 without voice.
    pub(super) hz: f32,
    /// Autocorrelation at the period, in [0, 1].
    pub(super) strength: f32,
}

impl Pitch {
    pub(super) fn is_voiced(self) -> bool {
        self.hz > 0.0
    }

    /// Energy of the periodic part over that of the rest, in decibels, within [-20, 60].
    pub(super) fn hnr_db(self) -> f32 {
        let strength = self.strength.clamp(0.01, 0.999_999);
        10.0 * (strength / (1.0 - strength)).log10()
    }
}

/// What is the same for every frame.
pub(super) struct Analysis {
    /// Hann, `[WINDOW]`.
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    /// Autocorrelation of the window, 1 at lag 0.
    own: Vec<f32>,
}

impl Analysis {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let hann = |i: usize| {
            let turn = std::f64::consts::TAU * (i as f64 + 0.5) / WINDOW as f64;
            (0.5 - 0.5 * turn.cos()) as f32
        };
        let mut analysis = Self {
            window: (0..WINDOW).map(hann).collect(),
            forward: planner.plan_fft_forward(POINTS),
            back: planner.plan_fft_inverse(POINTS),
            own: Vec::new(),
        };
        let mut work = Work::new(&analysis);
        work.input[..WINDOW].copy_from_slice(&analysis.window);
        work.correlate(&analysis);
        analysis.own = work.lags.iter().map(|lag| lag / work.lags[0]).collect();
        analysis
    }

    /// The pitch of every frame; frame `t` is that of the samples around the middle of `[t HOP, t HOP + FRAME)`.
    pub(super) fn track(&self, samples: &[f32], frames: usize) -> Vec<Pitch> {
        let mut work = Work::new(self);
        let loudest = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let candidates: Vec<Vec<Pitch>> = (0..frames)
            .map(|t| {
                let peak = work.fill(samples, t, &self.window);
                work.correlate(self);
                work.candidates(&self.own, peak, loudest)
            })
            .collect();
        cheapest(&candidates)
    }
}

/// Buffers of one signal.
struct Work {
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    lags: Vec<f32>,
    scratch: Vec<Complex<f32>>,
    scratch_back: Vec<Complex<f32>>,
}

impl Work {
    fn new(analysis: &Analysis) -> Self {
        Self {
            input: analysis.forward.make_input_vec(),
            spectrum: analysis.forward.make_output_vec(),
            lags: analysis.back.make_output_vec(),
            scratch: analysis.forward.make_scratch_vec(),
            scratch_back: analysis.back.make_scratch_vec(),
        }
    }

    /// Puts the window around frame `t` into the input, without its mean; the largest sample in it.
    fn fill(&mut self, samples: &[f32], t: usize, window: &[f32]) -> f32 {
        let middle = t * HOP + FRAME / 2;
        let zeros = (WINDOW / 2).saturating_sub(middle);
        let part = samples
            .get(middle.saturating_sub(WINDOW / 2)..)
            .unwrap_or_default();
        let part = &part[..part.len().min(WINDOW - zeros)];
        let mean = part.iter().sum::<f32>() / part.len().max(1) as f32;
        self.input.fill(0.0);
        let mut peak = 0.0_f32;
        for ((slot, sample), weight) in self.input[zeros..]
            .iter_mut()
            .zip(part)
            .zip(&window[zeros..])
        {
            let sample = sample - mean;
            peak = peak.max(sample.abs());
            *slot = sample * weight;
        }
        peak
    }

    /// The autocorrelation of the input.
    fn correlate(&mut self, analysis: &Analysis) {
        // lengths come from the plans themselves: neither can fail
        let _ = analysis.forward.process_with_scratch(
            &mut self.input,
            &mut self.spectrum,
            &mut self.scratch,
        );
        for bin in &mut self.spectrum {
            *bin = Complex::new(bin.norm_sqr(), 0.0);
        }
        let _ = analysis.back.process_with_scratch(
            &mut self.spectrum,
            &mut self.lags,
            &mut self.scratch_back,
        );
    }

    /// The candidates of a frame, first that without voice; `strength` is what the path is paid for.
    fn candidates(&self, own: &[f32], peak: f32, loudest: f32) -> Vec<Pitch> {
        let silence = (peak / loudest.max(1e-9)) / (SILENCE / (1.0 + VOICING));
        let mut found = vec![Pitch {
            hz: 0.0,
            strength: VOICING + (2.0 - silence).max(0.0),
        }];
        let zero = self.lags[0];
        if zero <= 1e-9 {
            return found;
        }
        let at = |lag: usize| self.lags[lag] / zero / own[lag];
        let rate = f64::from(SAMPLE_RATE);
        let (least, most) = ((rate / RANGE.1) as usize, (rate / RANGE.0) as usize);
        for lag in least..=most {
            let (before, here, after) = (at(lag - 1), at(lag), at(lag + 1));
            if here <= 0.3 || here <= before || here < after {
                continue;
            }
            let (shift, height) = summit(before, here, after);
            let hz = rate as f32 / (lag as f32 + shift);
            if f64::from(hz) < RANGE.0 || f64::from(hz) > RANGE.1 {
                continue;
            }
            found.push(Pitch {
                hz,
                strength: height.min(1.0),
            });
        }
        let worth = |pitch: &Pitch| pitch.strength - OCTAVE * (RANGE.0 as f32 / pitch.hz).log2();
        found[1..].sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        found.truncate(CANDIDATES);
        found
    }
}

/// Place, against the middle, and height of the parabola through three points.
pub(super) fn summit(before: f32, here: f32, after: f32) -> (f32, f32) {
    let curve = before - 2.0 * here + after;
    if curve >= 0.0 {
        return (0.0, here);
    }
    let shift = (0.5 * (before - after) / curve).clamp(-0.5, 0.5);
    (shift, here - 0.25 * (before - after) * shift)
}

/// The path of the least cost through the candidates (Viterbi).
fn cheapest(frames: &[Vec<Pitch>]) -> Vec<Pitch> {
    let gain = |pitch: &Pitch| match pitch.is_voiced() {
        true => pitch.strength - OCTAVE * (RANGE.0 as f32 / pitch.hz).log2(),
        false => pitch.strength,
    };
    let cost = |from: &Pitch, to: &Pitch| match (from.is_voiced(), to.is_voiced()) {
        (true, true) => OCTAVE_JUMP * (from.hz / to.hz).log2().abs(),
        (false, false) => 0.0,
        _ => CHANGE,
    };
    let mut sums: Vec<f32> = frames.first().into_iter().flatten().map(gain).collect();
    let mut froms: Vec<Vec<usize>> = Vec::with_capacity(frames.len());
    for pair in frames.windows(2) {
        let (last, next) = (&pair[0], &pair[1]);
        let mut from = Vec::with_capacity(next.len());
        let mut totals = Vec::with_capacity(next.len());
        for pitch in next {
            let ways = last
                .iter()
                .zip(&sums)
                .map(|(old, sum)| sum - cost(old, pitch));
            let best = ways.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let (place, sum) = best.unwrap_or((0, 0.0));
            from.push(place);
            totals.push(sum + gain(pitch));
        }
        froms.push(from);
        sums = totals;
    }
    let last = sums.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let mut place = last.map_or(0, |(place, _)| place);
    let mut path = Vec::with_capacity(frames.len());
    for (t, frame) in frames.iter().enumerate().rev() {
        path.push(frame[place]);
        if let Some(from) = t.checked_sub(1).and_then(|t| froms.get(t)) {
            place = from[place];
        }
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(samples: &[f32]) -> Vec<Pitch> {
        let frames = super::super::frames(samples.len());
        Analysis::new().track(samples, frames)
    }

    fn wave(hz: f64, seconds: f64) -> Vec<f32> {
        let rate = f64::from(SAMPLE_RATE);
        let harmonics = |i: usize| {
            let turn = std::f64::consts::TAU * hz * i as f64 / rate;
            (1..=5)
                .map(|k| (turn * f64::from(k)).sin() / f64::from(k))
                .sum::<f64>()
        };
        (0..(seconds * rate) as usize)
            .map(|i| (0.3 * harmonics(i)) as f32)
            .collect()
    }

    #[test]
    fn the_pitch_of_a_tone_is_its_frequency() {
        for hz in [70.0, 110.0, 233.0, 440.0, 590.0] {
            let found = tracked(&wave(hz, 0.5));
            let inner = &found[5..found.len() - 5];
            for pitch in inner {
                let cents = 1_200.0 * (f64::from(pitch.hz) / hz).log2();
                assert!(cents.abs() < 5.0, "{hz} Hz: {} Hz", pitch.hz);
                // three periods and a half of 70 Hz fill a window
                assert!(pitch.hnr_db() > 15.0, "{hz} Hz: {} dB", pitch.hnr_db());
            }
        }
    }

    #[test]
    fn silence_has_no_pitch_and_noise_little() {
        assert!(
            tracked(&[0.0; 8_000])
                .iter()
                .all(|pitch| !pitch.is_voiced())
        );
        let mut state = 1_u32;
        let noise: Vec<f32> = (0..16_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let found = tracked(&noise);
        let voiced = found.iter().filter(|pitch| pitch.is_voiced()).count();
        assert!(voiced * 10 < found.len(), "{voiced} of {}", found.len());
    }
}
