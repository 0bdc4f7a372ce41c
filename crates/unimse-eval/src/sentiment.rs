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
use crate::scores::{EvalError, Scores, check_lengths};

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
    Classes(f32),
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
/// Values are read as f32, as the reference implementations do, and summed in f64.
///
/// # Errors
/// No rows, unequal lengths, NaN or an infinity. What a metric alone cannot do (the correlation of a constant) is
/// not an error but stands in [`Scores::undefined`].
pub fn sentiment(
    prediction: &[f32],
    truth: &[f32],
    convention: Convention,
) -> Result<Scores, EvalError> {
    check(prediction, truth)?;
    let rows = prediction.iter().copied().zip(truth.iter().copied());
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
pub fn sentiment_metric<'a>(
    prediction: &'a [f32],
    truth: &'a [f32],
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
            rows.iter().map(|&row| (prediction[row], truth[row])),
        )
        .unwrap_or(f64::NAN)
    })
}

fn check(prediction: &[f32], truth: &[f32]) -> Result<(), EvalError> {
    check_lengths(prediction, truth)?;
    for (column, values) in [("prediction", prediction), ("truth", truth)] {
        if let Some((row, &found)) = values
            .iter()
            .enumerate()
            .find(|(_, value)| !value.is_finite())
        {
            return Err(EvalError::NotFinite { column, row, found });
        }
    }
    Ok(())
}

/// One metric over (prediction, truth), or why it is undefined.
fn compute(
    kept: Rows,
    measure: Measure,
    rows: impl Iterator<Item = (f32, f32)> + Clone,
) -> Result<f64, &'static str> {
    let rows = rows.filter(|&(_, truth)| matches!(kept, Rows::All) || truth != 0.0);
    match measure {
        Measure::Mae => mean(rows.map(|(p, t)| (f64::from(p) - f64::from(t)).abs())),
        Measure::Corr => correlation(rows),
        Measure::Classes(limit) => {
            let class = move |score: f32| score.clamp(-limit, limit).round_ties_even();
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
    fn is(self, score: f32) -> bool {
        match self {
            Self::Above0 => score > 0.0,
            Self::From0 => score >= 0.0,
        }
    }
}

/// The only rows that can run out are those with a non-zero truth: [`check`] refuses empty input.
const NO_ROWS: &str = "no row has a non-zero truth";

fn mean(values: impl Iterator<Item = f64>) -> Result<f64, &'static str> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), value| (n + 1, sum + value));
    if n == 0 {
        Err(NO_ROWS)
    } else {
        Ok(sum / n as f64)
    }
}

/// Pearson's correlation, in two passes. The sum of equal f32 values is exact in f64, so a constant has a variance
/// of exactly zero.
fn correlation(rows: impl Iterator<Item = (f32, f32)> + Clone) -> Result<f64, &'static str> {
    let mean_p = mean(rows.clone().map(|(p, _)| f64::from(p)))?;
    let mean_t = mean(rows.clone().map(|(_, t)| f64::from(t)))?;
    let (mut pp, mut tt, mut pt) = (0.0, 0.0, 0.0);
    for (p, t) in rows {
        let (p, t) = (f64::from(p) - mean_p, f64::from(t) - mean_t);
        pp += p * p;
        tt += t * t;
        pt += p * t;
    }
    if pp == 0.0 {
        Err("the predictions are constant")
    } else if tt == 0.0 {
        Err("the truths are constant")
    } else {
        Ok((pt / (pp.sqrt() * tt.sqrt())).clamp(-1.0, 1.0))
    }
}

/// The F1 of both classes, weighted by the number of rows of the class in the second column.
fn weighted_f1(rows: impl Iterator<Item = (bool, bool)>) -> Result<f64, &'static str> {
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
