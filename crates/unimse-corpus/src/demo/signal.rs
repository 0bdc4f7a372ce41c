//! Voice and face as sequences: `x_t = envelope_t * sum_k weight_k direction_k + speaker + noise_t`.
//!
//! The directions are orthogonal, so the mean over time shows every weight in a linear way; the noise is autoregressive
//! (coefficient 0.6). Every dimension has roughly mean 0 and variance 1 over a corpus.

use unimse_media::synthetic::Stream;

/// Root mean square of a direction over its dimensions.
const SIGNAL: f32 = 0.8;
/// Standard deviation of a speaker's own offset, per dimension.
const SPEAKER: f32 = 0.25;
/// Stationary standard deviation of the noise, per dimension.
const NOISE: f32 = 0.5;
/// Autoregression of the noise.
const MEMORY: f32 = 0.6;
/// Share of utterances without audio, and share without video; none lacks both.
const ABSENT: f32 = 0.06;
/// Shortest and longest sequence, in steps.
const STEPS: (usize, usize) = (4, 20);

/// A sequence `[steps, dim]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recording {
    pub(super) dim: usize,
    pub(super) values: Vec<f32>,
}

impl Recording {
    /// Number of steps.
    pub(super) fn steps(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }
}

/// A microphone or camera: the directions in which one corpus shows what people feel.
pub(super) struct Sensor {
    name: String,
    dim: usize,
    directions: Vec<Vec<f32>>,
}

impl Sensor {
    /// `count` orthogonal directions of `dim` >= `count` dimensions, which depend on `name` alone.
    pub(super) fn new(name: &str, dim: usize, count: usize) -> Self {
        let mut random = Stream::new(&format!("{name}/directions"));
        let mut directions: Vec<Vec<f32>> = Vec::new();
        for _ in 0..count {
            let mut direction = random.normals(dim, 1.0);
            for earlier in &directions {
                let share = dot(&direction, earlier) / dot(earlier, earlier).max(f32::MIN_POSITIVE);
                direction
                    .iter_mut()
                    .zip(earlier)
                    .for_each(|(x, e)| *x -= share * e);
            }
            let scale =
                SIGNAL * (dim as f32 / dot(&direction, &direction).max(f32::MIN_POSITIVE)).sqrt();
            direction.iter_mut().for_each(|x| *x *= scale);
            directions.push(direction);
        }
        Self {
            name: name.to_owned(),
            dim,
            directions,
        }
    }

    /// `[count, dim]`.
    #[cfg(test)]
    pub(super) fn directions(&self) -> &[Vec<f32>] {
        &self.directions
    }

    /// A recording of `steps` steps of `speaker`; `weights[k]` says how much of direction k shows.
    fn record(
        &self,
        steps: usize,
        weights: &[f32],
        speaker: &str,
        random: &mut Stream,
    ) -> Recording {
        let offset =
            Stream::new(&format!("{}/speaker/{speaker}", self.name)).normals(self.dim, SPEAKER);
        let mut latent = vec![0.0_f32; self.dim];
        for (weight, direction) in weights.iter().zip(&self.directions) {
            latent
                .iter_mut()
                .zip(direction)
                .for_each(|(x, d)| *x += weight * d);
        }
        let mut noise = random.normals(self.dim, NOISE);
        let fresh = NOISE * (1.0 - MEMORY * MEMORY).sqrt();
        let mut values = Vec::with_capacity(steps * self.dim);
        for step in 0..steps {
            let envelope = envelope(step, steps);
            values.extend(
                latent
                    .iter()
                    .zip(&offset)
                    .zip(&noise)
                    .map(|((x, o), n)| envelope * x + o + n),
            );
            noise
                .iter_mut()
                .for_each(|n| *n = MEMORY * *n + fresh * random.normal());
        }
        Recording {
            dim: self.dim,
            values,
        }
    }
}

/// The audio and the video of an utterance; now and then one of the two is absent.
pub(super) fn record(
    audio: (&Sensor, &[f32]),
    video: (&Sensor, &[f32]),
    speaker: &str,
    random: &mut Stream,
) -> (Option<Recording>, Option<Recording>) {
    let shot = |(sensor, weights): (&Sensor, &[f32]), random: &mut Stream| {
        let steps = STEPS.0 + random.below(STEPS.1 - STEPS.0 + 1);
        sensor.record(steps, weights, speaker, random)
    };
    let heard = shot(audio, random);
    let seen = shot(video, random);
    let chance = random.unit();
    if chance < ABSENT {
        (None, Some(seen))
    } else if chance < 2.0 * ABSENT {
        (Some(heard), None)
    } else {
        (Some(heard), Some(seen))
    }
}

/// Rises from 0.5 to 1.25 over the first half and falls to 1 at the end.
fn envelope(step: usize, steps: usize) -> f32 {
    let time = step as f32 / (steps.max(2) - 1) as f32;
    if time < 0.5 {
        0.5 + 1.5 * time
    } else {
        1.5 - 0.5 * time
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
