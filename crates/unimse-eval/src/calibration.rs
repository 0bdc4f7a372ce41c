//! What the probabilities of classes are worth: whether 0.7 is right in 70 of 100 cases.
//!
//! With `p[i, c]` the probability of class c for row i, `t[i]` its true class and n rows:
//!
//! - `ece` = sum over bins b of `n_b / n * |accuracy(b) - confidence(b)|` (Naeini, Cooper and Hauskrecht, AAAI 2015; with 15 bins, Guo et al.,
//!   ICML 2017). A row lies in the bin of its largest probability; bin b of 15 holds `((b - 1) / 15, b / 15]`.
//! - `brier` = `1 / n * sum over i and c of (p[i, c] - [c = t[i]])^2`, from 0 to 2 (Brier, Monthly Weather Review 1950).
//! - `nll` = `-1 / n * sum over i of ln p[i, t[i]]`, in nats; a probability below 1e-12 counts as 1e-12.

use crate::measure::{check_metrics, mean};
use crate::scores::{EvalError, check_lengths};
use crate::{Measure, Metric};

/// Bins of the expected calibration error.
const BINS: usize = 15;
/// Smallest probability that the log-likelihood knows.
const LEAST: f64 = 1e-12;
/// How far from 1 the sum of a distribution may be.
const SLACK: f64 = 1e-3;

/// What one row adds to a metric.
#[derive(Clone, Copy)]
struct Row {
    /// The largest probability.
    confidence: f64,
    /// Whether the first class that has it is the true one.
    right: bool,
    brier: f64,
    nll: f64,
}

impl Row {
    fn new(probabilities: &[f64], truth: usize) -> Self {
        let mut top = 0;
        for (class, &p) in probabilities.iter().enumerate() {
            if p > probabilities[top] {
                top = class;
            }
        }
        let classes = probabilities.iter().enumerate();
        let off = |(class, &p): (usize, &f64)| p - f64::from(u8::from(class == truth));
        Self {
            confidence: probabilities[top],
            right: top == truth,
            brier: classes.map(|row| off(row).powi(2)).sum(),
            nll: -probabilities[truth].max(LEAST).ln(),
        }
    }

    fn bin(self) -> usize {
        let bin = (self.confidence * BINS as f64).ceil() as usize;
        bin.clamp(1, BINS) - 1
    }
}

/// Some of [`Metric::CALIBRATION`], in the order of `metrics`. `probabilities` holds one distribution a row, all over the same classes, `truth`
/// their true classes.
///
/// ```
/// use unimse_eval::{Metric, calibration_measure};
///
/// let (said, truth) = (vec![vec![0.8, 0.2], vec![0.4, 0.6]], [0, 0]);
/// let brier = calibration_measure(&said, &truth, &[Metric::Brier])?.of_rows(&[0, 1]);
/// let expected = ((0.04 + 0.04) + (0.36 + 0.36)) / 2.0;
/// assert!((brier[0] - expected).abs() < 1e-12);
/// # Ok::<(), unimse_eval::EvalError>(())
/// ```
///
/// # Errors
/// No rows, unequal lengths, a row that is no distribution, a class that it does not have, a metric of another kind.
pub fn calibration_measure<P: AsRef<[f64]>>(
    probabilities: &[P],
    truth: &[usize],
    metrics: &[Metric],
) -> Result<Measure<'static>, EvalError> {
    check(probabilities, truth)?;
    check_metrics(metrics, &Metric::CALIBRATION)?;
    let pairs = probabilities.iter().zip(truth);
    let all: Vec<Row> = pairs
        .map(|(p, &class)| Row::new(p.as_ref(), class))
        .collect();
    // rows, Brier, NLL, then in every bin hits less confidence: |accuracy - confidence| times its rows
    let add = move |rows: &[usize], sums: &mut [f64]| {
        for row in rows.iter().map(|&row| all[row]) {
            sums[0] += 1.0;
            sums[1] += row.brier;
            sums[2] += row.nll;
            sums[3 + row.bin()] += f64::from(u8::from(row.right)) - row.confidence;
        }
    };
    let empty = Measure::new(truth.len(), 3 + BINS, add);
    Ok(metrics.iter().fold(empty, |measure, &metric| {
        measure.metric(move |sums, _| match metric {
            Metric::Ece => mean(sums[3..].iter().map(|off| off.abs()).sum(), sums[0]),
            Metric::Brier => mean(sums[1], sums[0]),
            _ => mean(sums[2], sums[0]),
        })
    }))
}

/// The rows of one bin of a reliability diagram (DeGroot and Fienberg, The Statistician 1983).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReliabilityBin {
    /// Rows whose largest probability lies in the bin.
    pub n: usize,
    /// Mean of their largest probabilities, 0 for no rows.
    pub confidence: f64,
    /// Share of them whose most probable class is the true one, 0 for no rows.
    pub accuracy: f64,
}

/// The 15 bins of `ece` with what lies in them, by ascending confidence: the sum of `n / rows * |accuracy - confidence|` is the `ece` of
/// [`calibration_measure`].
///
/// # Errors
/// As [`calibration_measure`].
pub fn reliability<P: AsRef<[f64]>>(
    probabilities: &[P],
    truth: &[usize],
) -> Result<Vec<ReliabilityBin>, EvalError> {
    check(probabilities, truth)?;
    let mut bins = vec![ReliabilityBin::default(); BINS];
    for (p, &class) in probabilities.iter().zip(truth) {
        let row = Row::new(p.as_ref(), class);
        let bin = &mut bins[row.bin()];
        bin.n += 1;
        bin.confidence += row.confidence;
        bin.accuracy += f64::from(u8::from(row.right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.n > 0) {
        bin.confidence /= bin.n as f64;
        bin.accuracy /= bin.n as f64;
    }
    Ok(bins)
}

fn check<P: AsRef<[f64]>>(probabilities: &[P], truth: &[usize]) -> Result<(), EvalError> {
    check_lengths(probabilities, truth)?;
    let classes = probabilities[0].as_ref().len();
    for (row, (p, &class)) in probabilities.iter().zip(truth).enumerate() {
        let p = p.as_ref();
        let wrong = |expected: String, found: String| {
            Err(EvalError::Probabilities {
                row,
                expected,
                found,
            })
        };
        if p.len() != classes || p.is_empty() {
            return wrong(
                format!("one for each of {} classes", classes.max(1)),
                p.len().to_string(),
            );
        }
        let sum: f64 = p.iter().sum();
        if !p.iter().all(|&p| p >= 0.0) || (sum - 1.0).abs() > SLACK {
            return wrong("numbers from 0 that sum to 1".to_owned(), format!("{p:?}"));
        }
        if class >= classes {
            return wrong(format!("a true class below {classes}"), class.to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn value(metric: Metric, probabilities: &[Vec<f64>], truth: &[usize]) -> f64 {
        let measure = calibration_measure(probabilities, truth, &[metric]);
        measure.unwrap().of_all()[0].unwrap()
    }

    #[test]
    fn each_score_is_its_formula() {
        // two rows in the bin (11/15, 12/15], one of them right; one, right, in (8/15, 9/15]
        let said = [
            vec![0.75, 0.25, 0.0],
            vec![0.05, 0.77, 0.18],
            vec![0.2, 0.24, 0.56],
        ];
        let truth = [0, 0, 2];
        let ece = ((0.75 + 0.77 - 1.0) + (1.0 - 0.56)) / 3.0;
        assert!((value(Metric::Ece, &said, &truth) - ece).abs() < 1e-12);
        let brier = [
            0.25f64.powi(2) + 0.25f64.powi(2),
            0.95f64.powi(2) + 0.77f64.powi(2) + 0.18f64.powi(2),
            0.2f64.powi(2) + 0.24f64.powi(2) + 0.44f64.powi(2),
        ];
        let brier = brier.iter().sum::<f64>() / 3.0;
        assert!((value(Metric::Brier, &said, &truth) - brier).abs() < 1e-12);
        let nll = -(0.75f64.ln() + 0.05f64.ln() + 0.56f64.ln()) / 3.0;
        assert!((value(Metric::Nll, &said, &truth) - nll).abs() < 1e-12);
    }

    #[test]
    fn a_confident_error_costs_most_and_stays_a_number() {
        let (said, truth) = ([vec![1.0, 0.0]], [1]);
        assert_eq!(value(Metric::Ece, &said, &truth), 1.0);
        assert_eq!(value(Metric::Brier, &said, &truth), 2.0);
        assert!((value(Metric::Nll, &said, &truth) - 12.0 * 10f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_distribution_is_named_with_its_row() {
        let error = |said: &[Vec<f64>], truth: &[usize]| {
            let measure = calibration_measure(said, truth, &[Metric::Ece]);
            measure.err().unwrap().to_string()
        };
        let good = vec![0.5, 0.5];
        assert_eq!(
            error(&[good.clone(), vec![0.5, 0.6]], &[0, 1]),
            "probabilities in row 2: found [0.5, 0.6], expected numbers from 0 that sum to 1"
        );
        assert!(error(&[good.clone(), vec![f64::NAN, 1.0]], &[0, 1]).contains("NaN"));
        assert!(error(&[good.clone(), vec![1.0]], &[0, 0]).contains("one for each of 2 classes"));
        assert!(error(std::slice::from_ref(&good), &[2]).contains("a true class below 2"));
        assert!(error(&[vec![]], &[0]).contains("one for each of 1 classes"));
        assert!(error(&[], &[]).contains("no rows"));
        let other = calibration_measure(&[good], &[0], &[Metric::Mae]).err();
        assert!(other.unwrap().to_string().contains("ece, brier, nll"));
    }

    #[test]
    fn the_bins_hold_every_row_and_add_up_to_the_error() {
        let said = [
            vec![0.75, 0.25, 0.0],
            vec![0.05, 0.77, 0.18],
            vec![0.2, 0.24, 0.56],
        ];
        let truth = [0, 0, 2];
        let bins = reliability(&said, &truth).unwrap();
        assert_eq!(bins.len(), BINS);
        // (11/15, 12/15] holds two rows, one of them right
        assert_eq!((bins[11].n, bins[11].accuracy), (2, 1.0 / 2.0));
        assert!((bins[11].confidence - (0.75 + 0.77) / 2.0).abs() < 1e-12);
        assert_eq!((bins[8].n, bins[8].accuracy), (1, 1.0));
        let off = |bin: &ReliabilityBin| bin.n as f64 / 3.0 * (bin.accuracy - bin.confidence).abs();
        let ece = bins.iter().map(off).sum::<f64>();
        assert!((value(Metric::Ece, &said, &truth) - ece).abs() < 1e-12);
        assert!(reliability(&said, &[3, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn scores_keep_their_ranges(raw in proptest::collection::vec((proptest::collection::vec(0.01f64..1.0, 4), 0usize..4), 1..40)) {
            let said: Vec<Vec<f64>> = raw.iter().map(|(p, _)| p.iter().map(|x| x / p.iter().sum::<f64>()).collect()).collect();
            let truth: Vec<usize> = raw.iter().map(|(_, class)| *class).collect();
            prop_assert!((0.0..=1.0).contains(&value(Metric::Ece, &said, &truth)));
            prop_assert!((0.0..=2.0).contains(&value(Metric::Brier, &said, &truth)));
            prop_assert!(value(Metric::Nll, &said, &truth) >= 0.0);
        }
    }
}
