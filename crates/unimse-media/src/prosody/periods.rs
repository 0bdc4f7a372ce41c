//! From period to period: jitter and shimmer. Marks are set one period apart where the waveforms around two of them are most alike
//! (cross-correlation, between samples by a parabola), from the strongest point of each stretch of voice to both sides.

use super::{
    FRAME, HOP,
    pitch::{Pitch, summit},
};
use crate::SAMPLE_RATE;

/// Periods whose lengths differ by more than this factor are no neighbours of one voice, and so are amplitudes (Praat's defaults).
const MOST_PERIOD: f64 = 1.3;
const MOST_AMPLITUDE: f64 = 1.6;
/// How far a period may lie from the one that the pitch says, as shares of it.
const LEAST: f64 = 0.8;
const MOST: f64 = 1.25;
/// Correlation below which the voice has ended.
const ALIKE: f32 = 0.3;

/// Differences between neighbouring periods, one value for each pair of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Perturbation {
    /// Difference of two periods over the mean period of the clip.
    pub(super) jitter: Vec<f32>,
    /// Difference of two peak-to-peak amplitudes, in decibels.
    pub(super) shimmer_db: Vec<f32>,
}

/// Jitter and shimmer of every stretch of voice.
pub(super) fn perturbation(samples: &[f32], track: &[Pitch]) -> Perturbation {
    let mut found = Perturbation::default();
    let (mut sum, mut count) = (0.0, 0_usize);
    let mut start = 0;
    while start < track.len() {
        let Some(first) = track[start..].iter().position(|pitch| pitch.is_voiced()) else {
            break;
        };
        let first = start + first;
        let length = track[first..]
            .iter()
            .take_while(|pitch| pitch.is_voiced())
            .count();
        start = first + length;
        let marks = marks(samples, track, first..start);
        let periods: Vec<f64> = marks.windows(2).map(|pair| pair[1] - pair[0]).collect();
        sum += periods.iter().sum::<f64>();
        count += periods.len();
        for pair in periods.windows(2) {
            if within(pair[0], pair[1], MOST_PERIOD) {
                found.jitter.push((pair[1] - pair[0]).abs() as f32);
            }
        }
        let sizes = marks.windows(3).map(|three| {
            let (before, after) = ((three[0] + three[1]) / 2.0, (three[1] + three[2]) / 2.0);
            size(samples, before, after)
        });
        let sizes: Vec<f64> = sizes.collect();
        for pair in sizes.windows(2) {
            if pair[0].min(pair[1]) > 0.0 && within(pair[0], pair[1], MOST_AMPLITUDE) {
                found
                    .shimmer_db
                    .push((20.0 * (pair[1] / pair[0]).log10().abs()) as f32);
            }
        }
    }
    let mean = (sum / count.max(1) as f64).max(1.0) as f32;
    found
        .jitter
        .iter_mut()
        .for_each(|difference| *difference /= mean);
    found
}

fn within(a: f64, b: f64, factor: f64) -> bool {
    a.max(b) <= factor * a.min(b)
}

/// Largest less smallest sample of a period, from halfway to the mark before to halfway to the one behind.
fn size(samples: &[f32], from: f64, to: f64) -> f64 {
    let (from, to) = (from as usize, (to as usize).min(samples.len()));
    let part = samples.get(from..to).unwrap_or_default();
    let least = part.iter().copied().fold(f32::INFINITY, f32::min);
    let most = part.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if part.is_empty() {
        0.0
    } else {
        f64::from(most - least)
    }
}

/// Marks of a stretch of voiced frames, in samples, rising.
fn marks(samples: &[f32], track: &[Pitch], frames: std::ops::Range<usize>) -> Vec<f64> {
    let from = frames.start * HOP;
    let to = (frames.end * HOP + FRAME - HOP).min(samples.len());
    let Some(part) = samples.get(from..to) else {
        return Vec::new();
    };
    let strongest = part
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let Some((strongest, _)) = strongest else {
        return Vec::new();
    };
    let first = (from + strongest) as f64;
    let walk = |forward: bool| {
        let mut at = first;
        let mut found = Vec::new();
        while let Some(next) = neighbour(samples, period(track, &frames, at), at, forward)
            .filter(|next| (from as f64..to as f64).contains(next))
        {
            found.push(next);
            at = next;
        }
        found
    };
    let mut marks = walk(false);
    marks.reverse();
    marks.push(first);
    marks.extend(walk(true));
    marks
}

/// The period around a sample, in samples, by the pitch of the nearest frame of the stretch.
fn period(track: &[Pitch], frames: &std::ops::Range<usize>, at: f64) -> f64 {
    let frame = ((at - FRAME as f64 / 2.0) / HOP as f64).round().max(0.0) as usize;
    let pitch = track[frame.clamp(frames.start, frames.end - 1)];
    f64::from(SAMPLE_RATE) / f64::from(pitch.hz)
}

/// The mark about one period after another, or before it; `None` where the waveform has no like there.
fn neighbour(samples: &[f32], period: f64, at: f64, forward: bool) -> Option<f64> {
    let whole = at.round();
    let half = (period / 2.0) as usize;
    let middle = whole as usize;
    let own = samples.get(middle.checked_sub(half)?..middle + half)?;
    let energy = own.iter().map(|x| x * x).sum::<f32>();
    let like = |lag: usize| -> Option<f32> {
        let middle = if forward {
            middle + lag
        } else {
            middle.checked_sub(lag)?
        };
        let other = samples.get(middle.checked_sub(half)?..middle + half)?;
        let product = own.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let others = other.iter().map(|x| x * x).sum::<f32>();
        Some(product / (energy * others).sqrt().max(1e-12))
    };
    let (least, most) = ((LEAST * period) as usize, (MOST * period).ceil() as usize);
    let likes: Vec<f32> = (least..=most).map_while(like).collect();
    let best = likes.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    let (place, &height) = best.filter(|(_, height)| **height > ALIKE)?;
    let shift = match (
        place.checked_sub(1).and_then(|before| likes.get(before)),
        likes.get(place + 1),
    ) {
        (Some(&before), Some(&after)) => summit(before, height, after).0,
        _ => 0.0,
    };
    let lag = (least + place) as f64 + f64::from(shift);
    // the part of a sample by which the mark was rounded stays
    Some(if forward { at + lag } else { at - lag })
}
