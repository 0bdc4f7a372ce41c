//! Resonances of the vocal tract: linear prediction of order 11 over 0 to 5.5 kHz (Markel and Gray 1976) of the spectrum that pre-emphasis
//! flattens, whose complex roots are frequency and width of the resonances.

use realfft::num_complex::Complex;

/// The first three resonances of a frame; 0 where fewer are found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Formants {
    /// Frequencies in Hertz.
    pub(super) hz: [f32; 3],
    /// Width of the first one in Hertz.
    pub(super) width: f32,
}

const ORDER: usize = 11;
/// Upper end of the spectrum that is predicted, in Hertz.
const TOP: f64 = 5_500.0;
/// Frequencies of resonances, in Hertz: beyond them lie tilt and edge of the spectrum.
const RANGE: std::ops::Range<f64> = 90.0..5_400.0;
/// Wider ones are no resonances.
const WIDEST: f64 = 400.0;
/// Pre-emphasis: 6 dB an octave, against the fall of the voice.
const EMPHASIS: f64 = 0.97;
/// Steps of the search for roots, and the change at which it ends.
const STEPS: usize = 60;
const CLOSE: f64 = 1e-10;

/// What is the same for every frame.
pub(super) struct Analysis {
    /// Cosines that turn the power spectrum up to [`TOP`] into correlations, `[ORDER + 1][bins]`.
    cosines: Vec<Vec<f32>>,
}

impl Analysis {
    /// Of spectra of `bins` bins, `step` Hertz apart.
    pub(super) fn new(bins: usize, step: f64) -> Self {
        let kept = bins.min(1 + (TOP / step) as usize);
        let row = |lag: usize| {
            let cosine = |bin: usize| {
                // the first bin and the last stand for half as much
                let weight = if bin == 0 || bin + 1 == kept {
                    0.5
                } else {
                    1.0
                };
                let turn = std::f64::consts::PI * bin as f64 * step / TOP;
                let lifted = 1.0 + EMPHASIS * EMPHASIS - 2.0 * EMPHASIS * turn.cos();
                (weight * lifted * (turn * lag as f64).cos()) as f32
            };
            (0..kept).map(cosine).collect()
        };
        Self {
            cosines: (0..=ORDER).map(row).collect(),
        }
    }

    /// The resonances of a power spectrum.
    pub(super) fn of(&self, power: &[f32]) -> Formants {
        let correlations = self.cosines.iter().map(|row| {
            let pairs = row.iter().zip(power);
            f64::from(pairs.map(|(cosine, power)| cosine * power).sum::<f32>())
        });
        let correlations: Vec<f64> = correlations.collect();
        let Some(polynomial) = predict(&correlations) else {
            return Formants::default();
        };
        let mut found: Vec<(f64, f64)> = roots(&polynomial)
            .into_iter()
            .map(|root| {
                (
                    root.arg() / std::f64::consts::PI * TOP,
                    -root.norm().ln() * 2.0 * TOP / std::f64::consts::PI,
                )
            })
            .filter(|(hz, width)| RANGE.contains(hz) && (0.0..WIDEST).contains(width))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut formants = Formants::default();
        for (slot, (hz, _)) in formants.hz.iter_mut().zip(&found) {
            *slot = *hz as f32;
        }
        formants.width = found.first().map_or(0.0, |(_, width)| *width as f32);
        formants
    }
}

/// Coefficients of the predictor's polynomial, the highest power (1) first: the recursion of Levinson and Durbin. `None` for silence.
fn predict(correlations: &[f64]) -> Option<[f64; ORDER + 1]> {
    let mut error = *correlations.first()?;
    let mut a = [0.0; ORDER + 1];
    a[0] = 1.0;
    if error <= 1e-12 {
        return None;
    }
    for i in 1..=ORDER {
        let sum: f64 = (0..i).map(|j| a[j] * correlations[i - j]).sum();
        let reflection = -sum / error;
        let last = a;
        for (j, value) in a.iter_mut().enumerate().take(i + 1).skip(1) {
            *value += reflection * last[i - j];
        }
        error *= 1.0 - reflection * reflection;
        if error <= 0.0 || !error.is_finite() {
            return None;
        }
    }
    Some(a)
}

/// All roots of a polynomial whose highest power comes first with 1, at once (Weierstrass, Durand, Kerner).
fn roots(polynomial: &[f64; ORDER + 1]) -> [Complex<f64>; ORDER] {
    let mut roots = [Complex::default(); ORDER];
    for (i, root) in roots.iter_mut().enumerate() {
        // within the circle that a predictor's roots lie in, not symmetric about the real axis
        *root = Complex::from_polar(0.9, 0.4 + std::f64::consts::TAU * i as f64 / ORDER as f64);
    }
    for _ in 0..STEPS {
        let mut change = 0.0_f64;
        for i in 0..ORDER {
            let at = roots[i];
            let value = polynomial
                .iter()
                .fold(Complex::default(), |sum: Complex<f64>, &c| sum * at + c);
            let others = (0..ORDER).filter(|&j| j != i);
            let one = Complex::new(1.0, 0.0);
            let product: Complex<f64> = others.fold(one, |product, j| product * (at - roots[j]));
            let step: Complex<f64> = value / product;
            if step.re.is_finite() && step.im.is_finite() {
                roots[i] -= step;
                change = change.max(step.norm());
            }
        }
        if change < CLOSE {
            break;
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    /// A spectrum made of three resonances gives them back.
    #[test]
    fn resonances_of_a_spectrum_are_found() {
        let step = 31.25;
        let expected = [(500.0, 80.0), (1_500.0, 100.0), (2_500.0, 140.0)];
        let power = |bin: usize| {
            let turn = std::f64::consts::PI * bin as f64 * step / TOP;
            let z = Complex::from_polar(1.0, turn);
            let denominator = expected.iter().fold(1.0, |product, &(hz, width)| {
                let (r, at) = (
                    (-std::f64::consts::PI * width / (2.0 * TOP)).exp(),
                    std::f64::consts::PI * hz / TOP,
                );
                let pole = Complex::from_polar(r, at);
                product * ((z - pole) * (z - pole.conj())).norm_sqr()
            });
            // as if emphasis had been taken away from it
            let lifted = (Complex::new(1.0, 0.0) - EMPHASIS * z.conj()).norm_sqr();
            (1.0 / denominator / lifted) as f32
        };
        let spectrum: Vec<f32> = (0..257).map(power).collect();
        let found = Analysis::new(257, step).of(&spectrum);
        for (hz, (expected, _)) in found.hz.iter().zip(expected) {
            assert!(
                (f64::from(*hz) - expected).abs() < 15.0,
                "{hz} for {expected}"
            );
        }
        assert!((found.width - 80.0).abs() < 25.0, "{}", found.width);
    }

    #[test]
    fn roots_are_those_of_the_polynomial() {
        // (z^11 - 1): the roots of unity
        let mut polynomial = [0.0; ORDER + 1];
        (polynomial[0], polynomial[ORDER]) = (1.0, -1.0);
        for root in roots(&polynomial) {
            assert!((root.powu(ORDER as u32) - 1.0).norm() < 1e-8);
        }
    }
}
