//! Metrics of sentiment analysis, in the conventions of the literature.
//!
//! The published numbers of one method differ by convention, so a value is only worth something with its name:
//! `non0` leaves out the rows with truth 0 and asks `> 0`, `has0` keeps them and asks `>= 0`; some code calls the
//! weighted F1 with its arguments swapped, so that its weights come from the predictions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unimse_labels::UnknownName;

use crate::Metric;
use crate::scores::{EvalError, Scores, check_finite, check_lengths};

/// Which metrics there are and how they count.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// MMSA's: `mae corr acc7 acc5 acc3 acc2_non0 f1_non0 acc2_has0 f1_has0`.
    #[default]
    Mmsa,
    /// That of MulT and MISA: `mae corr acc7 acc5 acc3 acc2_non0 f1_non0`, the F1 with swapped arguments.
    Mult,
    /// MAG-BERT's: `mae corr acc2 f1`, all over the rows with a non-zero truth, positive from 0 upwards.
    Mag,
}

/// The rows that a metric counts.
#[derive(Clone, Copy)]
enum Rows {
    All,
    /// Those with a truth other than zero.
    Non0,
}

/// What makes a score positive.
#[derive(Clone, Copy)]
enum Positive {
    Above0,
    From0,
}

#[derive(Clone, Copy)]
enum Measure {
    Mae,
    Corr,
    /// Equality after clipping to +-limit and rounding half to even.
    Classes(f64),
    Binary(Positive),
    /// F1 of both classes, weighted by their share in the truth.
    WeightedF1(Positive),
    /// The same with truth and prediction exchanged.
    SwappedF1(Positive),
}

/// How a convention computes a metric.
type Rule = (Metric, Rows, Measure);

const MMSA: &[Rule] = &[
    (Metric::Mae, Rows::All, Measure::Mae),
    (Metric::Corr, Rows::All, Measure::Corr),
    (Metric::Acc7, Rows::All, Measure::Classes(3.0)),
    (Metric::Acc5, Rows::All, Measure::Classes(2.0)),
    (Metric::Acc3, Rows::All, Measure::Classes(1.0)),
    (
        Metric::Acc2Non0,
        Rows::Non0,
        Measure::Binary(Positive::Above0),
    ),
    (
        Metric::F1Non0,
        Rows::Non0,
        Measure::WeightedF1(Positive::Above0),
    ),
    (
        Metric::Acc2Has0,
        Rows::All,
        Measure::Binary(Positive::From0),
    ),
    (
        Metric::F1Has0,
        Rows::All,
        Measure::WeightedF1(Positive::From0),
    ),
];

const MULT: &[Rule] = &[
    (Metric::Mae, Rows::All, Measure::Mae),
    (Metric::Corr, Rows::All, Measure::Corr),
    (Metric::Acc7, Rows::All, Measure::Classes(3.0)),
    (Metric::Acc5, Rows::All, Measure::Classes(2.0)),
    (Metric::Acc3, Rows::All, Measure::Classes(1.0)),
    (
        Metric::Acc2Non0,
        Rows::Non0,
        Measure::Binary(Positive::Above0),
    ),
    (
        Metric::F1Non0,
        Rows::Non0,
        Measure::SwappedF1(Positive::Above0),
    ),
];

const MAG: &[Rule] = &[
    (Metric::Mae, Rows::Non0, Measure::Mae),
    (Metric::Corr, Rows::Non0, Measure::Corr),
    (Metric::Acc2, Rows::Non0, Measure::Binary(Positive::From0)),
    (Metric::F1, Rows::Non0, Measure::WeightedF1(Positive::From0)),
];

impl Convention {
    /// Every convention.
    pub const ALL: [Self; 3] = [Self::Mmsa, Self::Mult, Self::Mag];

    /// The name: `mmsa`, `mult` or `mag`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mmsa => "mmsa",
            Self::Mult => "mult",
            Self::Mag => "mag",
        }
    }

    /// Whether `metric` is one of this convention.
    pub fn has(self, metric: Metric) -> bool {
        self.rules().iter().any(|rule| rule.0 == metric)
    }

    fn rules(self) -> &'static [Rule] {
        match self {
            Self::Mmsa => MMSA,
            Self::Mult => MULT,
            Self::Mag => MAG,
        }
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Convention {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL
            .into_iter()
            .find(|convention| convention.name() == text);
        known.ok_or_else(|| UnknownName::new("convention", text, &Self::ALL.map(Self::name)))
    }
}

/// Every metric of a convention, in its fixed order; n counts all rows.
///
/// Values are taken as they are, f32 or f64, and compared and summed in f64, in the order of the rows.
///
/// # Errors
/// No rows, unequal lengths, NaN or an infinity. What a metric alone cannot do (the correlation of a constant) is
/// not an error but stands in [`Scores::undefined`].
pub fn sentiment<T: Copy + Into<f64>>(
    prediction: &[T],
    truth: &[T],
    convention: Convention,
) -> Result<Scores, EvalError> {
    check(prediction, truth)?;
    let rows = prediction.iter().zip(truth);
    let rows = rows.map(|(&p, &t)| (p.into(), t.into()));
    let values = convention
        .rules()
        .iter()
        .map(|&(metric, kept, measure)| (metric, compute(kept, measure, rows.clone())));
    Ok(Scores::collect(truth.len(), values))
}

/// One metric as a function of row numbers, for [`bootstrap`](crate::bootstrap); NaN where it is undefined.
/// The function panics on a row number out of range.
///
/// # Errors
/// As [`sentiment`], or a metric that the convention does not have.
pub fn sentiment_metric<'a, T: Copy + Into<f64> + Sync>(
    prediction: &'a [T],
    truth: &'a [T],
    convention: Convention,
    metric: Metric,
) -> Result<impl Fn(&[usize]) -> f64 + Sync + 'a, EvalError> {
    check(prediction, truth)?;
    let rules = convention.rules();
    let Some(&(_, kept, measure)) = rules.iter().find(|rule| rule.0 == metric) else {
        let names: Vec<&str> = rules.iter().map(|rule| rule.0.key()).collect();
        return Err(EvalError::UnknownMetric {
            found: metric,
            expected: names.join(", "),
        });
    };
    Ok(move |rows: &[usize]| {
        compute(
            kept,
            measure,
            rows.iter()
                .map(|&row| (prediction[row].into(), truth[row].into())),
        )
        .unwrap_or(f64::NAN)
    })
}

fn check<T: Copy + Into<f64>>(prediction: &[T], truth: &[T]) -> Result<(), EvalError> {
    check_lengths(prediction, truth)?;
    check_finite("prediction", prediction)?;
    check_finite("truth", truth)
}

/// One metric over (prediction, truth), or why it is undefined.
fn compute(
    kept: Rows,
    measure: Measure,
    rows: impl Iterator<Item = (f64, f64)> + Clone,
) -> Result<f64, &'static str> {
    let rows = rows.filter(|&(_, truth)| matches!(kept, Rows::All) || truth != 0.0);
    match measure {
        Measure::Mae => mean(rows.map(|(p, t)| (p - t).abs())),
        Measure::Corr => correlation(rows),
        Measure::Classes(limit) => {
            let class = move |score: f64| score.clamp(-limit, limit).round_ties_even();
            mean(rows.map(|(p, t)| f64::from(u8::from(class(p) == class(t)))))
        }
        Measure::Binary(positive) => {
            mean(rows.map(|(p, t)| f64::from(u8::from(positive.is(p) == positive.is(t)))))
        }
        Measure::WeightedF1(positive) => {
            weighted_f1(rows.map(|(p, t)| (positive.is(p), positive.is(t))))
        }
        Measure::SwappedF1(positive) => {
            weighted_f1(rows.map(|(p, t)| (positive.is(t), positive.is(p))))
        }
    }
}

impl Positive {
    fn is(self, score: f64) -> bool {
        match self {
            Self::Above0 => score > 0.0,
            Self::From0 => score >= 0.0,
        }
    }
}

/// The only rows that can run out are those with a non-zero truth: [`check`] refuses empty input.
const NO_ROWS: &str = "no row has a non-zero truth";
const BEYOND: &str = "sums of the values are beyond 64-bit floats";

fn mean(values: impl Iterator<Item = f64>) -> Result<f64, &'static str> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    match sum / n as f64 {
        _ if n == 0 => Err(NO_ROWS),
        mean if mean.is_finite() => Ok(mean),
        _ => Err(BEYOND),
    }
}

/// Pearson's correlation, in two passes.
fn correlation(rows: impl Iterator<Item = (f64, f64)> + Clone) -> Result<f64, &'static str> {
    let mean_p = mean(rows.clone().map(|(p, _)| p))?;
    let mean_t = mean(rows.clone().map(|(_, t)| t))?;
    // asked of the values: the mean of equal ones may be off by a rounding, and their variance then is not 0
    if constant(rows.clone().map(|(p, _)| p)) {
        return Err("the predictions are constant");
    }
    if constant(rows.clone().map(|(_, t)| t)) {
        return Err("the truths are constant");
    }
    let (mut pp, mut tt, mut pt) = (0.0, 0.0, 0.0);
    for (p, t) in rows {
        let (p, t) = (p - mean_p, t - mean_t);
        pp += p * p;
        tt += t * t;
        pt += p * t;
    }
    let whole = pp.sqrt() * tt.sqrt();
    if whole > 0.0 && whole.is_finite() {
        Ok((pt / whole).clamp(-1.0, 1.0))
    } else {
        Err(BEYOND)
    }
}

fn constant(mut values: impl Iterator<Item = f64>) -> bool {
    let first = values.next();
    values.all(|value| Some(value) == first)
}

/// The F1 of both classes, weighted by the number of rows of the class in the second column.
pub(crate) fn weighted_f1(rows: impl Iterator<Item = (bool, bool)>) -> Result<f64, &'static str> {
    let mut count = [[0_u64; 2]; 2]; // [second][first]
    rows.for_each(|(first, second)| count[usize::from(second)][usize::from(first)] += 1);
    let n: u64 = count.iter().flatten().sum();
    if n == 0 {
        return Err(NO_ROWS);
    }
    let wrong = count[0][1] + count[1][0];
    let part = |class: usize| {
        let (hits, support) = (count[class][class], count[class][0] + count[class][1]);
        // F1 = 2 hits / (2 hits + misses + false alarms); a class without hits has 0, its denominator or not.
        if hits == 0 {
            0.0
        } else {
            support as f64 * 2.0 * hits as f64 / (2 * hits + wrong) as f64
        }
    };
    Ok((part(0) + part(1)) / n as f64)
}
