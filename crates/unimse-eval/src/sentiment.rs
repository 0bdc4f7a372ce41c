//! Metrics of sentiment analysis, in the conventions of the literature.
//!
//! The published numbers of one method differ by convention, so a value is only worth something with its name:
//! `non0` leaves out the rows with truth 0 and asks `> 0`, `has0` keeps them and asks `>= 0`; some code calls the
//! weighted F1 with its arguments swapped, so that its weights come from the predictions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unimse_labels::UnknownName;

use crate::measure::{BEYOND, check_metrics, mean};
use crate::scores::{EvalError, Scores, check_finite, check_lengths};
use crate::{Measure, Metric};

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
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    All,
    /// Those with a truth other than zero.
    Non0,
}

/// What makes a score positive.
#[derive(Clone, Copy, PartialEq)]
enum Positive {
    Above0,
    From0,
}

#[derive(Clone, Copy)]
enum Kind {
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
type Rule = (Metric, Rows, Kind);

const MMSA: &[Rule] = &[
    (Metric::Mae, Rows::All, Kind::Mae),
    (Metric::Corr, Rows::All, Kind::Corr),
    (Metric::Acc7, Rows::All, Kind::Classes(3.0)),
    (Metric::Acc5, Rows::All, Kind::Classes(2.0)),
    (Metric::Acc3, Rows::All, Kind::Classes(1.0)),
    (Metric::Acc2Non0, Rows::Non0, Kind::Binary(Positive::Above0)),
    (
        Metric::F1Non0,
        Rows::Non0,
        Kind::WeightedF1(Positive::Above0),
    ),
    (Metric::Acc2Has0, Rows::All, Kind::Binary(Positive::From0)),
    (Metric::F1Has0, Rows::All, Kind::WeightedF1(Positive::From0)),
];

const MULT: &[Rule] = &[
    (Metric::Mae, Rows::All, Kind::Mae),
    (Metric::Corr, Rows::All, Kind::Corr),
    (Metric::Acc7, Rows::All, Kind::Classes(3.0)),
    (Metric::Acc5, Rows::All, Kind::Classes(2.0)),
    (Metric::Acc3, Rows::All, Kind::Classes(1.0)),
    (Metric::Acc2Non0, Rows::Non0, Kind::Binary(Positive::Above0)),
    (
        Metric::F1Non0,
        Rows::Non0,
        Kind::SwappedF1(Positive::Above0),
    ),
];

const MAG: &[Rule] = &[
    (Metric::Mae, Rows::Non0, Kind::Mae),
    (Metric::Corr, Rows::Non0, Kind::Corr),
    (Metric::Acc2, Rows::Non0, Kind::Binary(Positive::From0)),
    (Metric::F1, Rows::Non0, Kind::WeightedF1(Positive::From0)),
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

    /// Its metrics, in its order.
    pub fn metrics(self) -> Vec<Metric> {
        self.rules().iter().map(|rule| rule.0).collect()
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
pub fn sentiment<T: Copy + Into<f64> + Sync>(
    prediction: &[T],
    truth: &[T],
    convention: Convention,
) -> Result<Scores, EvalError> {
    let metrics = convention.metrics();
    Ok(sentiment_measure(prediction, truth, convention, &metrics)?.scores(&metrics))
}

/// Some metrics of a convention, in the order of `metrics`.
///
/// # Errors
/// As [`sentiment`], or a metric that the convention does not have.
pub fn sentiment_measure<'a, T: Copy + Into<f64> + Sync>(
    prediction: &'a [T],
    truth: &'a [T],
    convention: Convention,
    metrics: &[Metric],
) -> Result<Measure<'a>, EvalError> {
    check_lengths(prediction, truth)?;
    check_finite("prediction", prediction)?;
    check_finite("truth", truth)?;
    check_metrics(metrics, &convention.metrics())?;
    let row = move |row: usize| -> (f64, f64) { (prediction[row].into(), truth[row].into()) };
    let rules = metrics.iter().filter_map(|metric| {
        let mut rules = convention.rules().iter();
        rules.find(|rule| rule.0 == *metric)
    });
    // metrics that need the same sums share them
    let mut summed: Vec<(Rows, Summed)> = Vec::new();
    let mut placed = Vec::new();
    for &(_, kept, kind) in rules {
        let all = || (0..truth.len()).map(row).filter(move |row| kept.has(*row));
        let of_kind = (kept, kind.summed(all));
        let at = summed.iter().position(|known| *known == of_kind);
        let at = at.unwrap_or_else(|| {
            summed.push(of_kind);
            summed.len() - 1
        });
        let start = summed[..at].iter().map(|(_, what)| what.width()).sum();
        placed.push((kept, kind, start..start + of_kind.1.width()));
    }
    let width = summed.iter().map(|(_, what)| what.width()).sum();
    let add = move |rows: &[usize], mut sums: &mut [f64]| {
        for &(kept, what) in &summed {
            let (own, others) = sums.split_at_mut(what.width());
            sums = others;
            let rows = rows.iter().map(|&at| row(at));
            what.add(rows.filter(|row| kept.has(*row)), own);
        }
    };
    let empty = Measure::new(truth.len(), width, add);
    let measure = placed
        .into_iter()
        .fold(empty, |measure, (kept, kind, own)| {
            measure.metric(move |sums, rows| {
                kind.value(&sums[own.clone()], || {
                    let rows = rows().into_iter().map(row);
                    rows.filter(|row| kept.has(*row)).collect()
                })
            })
        });
    Ok(measure)
}

impl Rows {
    /// Of (prediction, truth).
    fn has(self, (_, truth): (f64, f64)) -> bool {
        matches!(self, Self::All) || truth != 0.0
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

/// What is added up of the rows that a metric counts.
#[derive(Clone, Copy, PartialEq)]
enum Summed {
    /// Rows, absolute errors.
    Errors,
    /// Rows, and of what predictions and truths are more than the centre: p, t, p^2, t^2, p t. The centre is near their means, so that the
    /// sums hold what a variance is made of and little else.
    Moments { centre: (f64, f64) },
    /// Rows, and those whose classes are equal after clipping to +-limit.
    Equal(f64),
    /// Rows by [truth, prediction], not positive and positive.
    Cells(Positive),
}

/// Added to a small number it leaves no fraction, rounded half to even: floats from 2^52 on have none.
const NO_FRACTION: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52

impl Summed {
    fn width(self) -> usize {
        match self {
            Self::Errors | Self::Equal(_) => 2,
            Self::Moments { .. } => 6,
            Self::Cells(_) => 4,
        }
    }

    /// Adds (prediction, truth) of rows.
    fn add(self, rows: impl Iterator<Item = (f64, f64)>, sums: &mut [f64]) {
        match self {
            Self::Errors => add(sums, rows.map(|(p, t)| [1.0, (p - t).abs()])),
            Self::Moments { centre } => {
                let rows = rows.map(|(p, t)| (p - centre.0, t - centre.1));
                add(sums, rows.map(|(p, t)| [1.0, p, t, p * p, t * t, p * t]));
            }
            Self::Equal(limit) => {
                let class = |score: f64| score.clamp(-limit, limit) + NO_FRACTION;
                let equal = |(p, t)| f64::from(u8::from(class(p) == class(t)));
                add(sums, rows.map(|row| [1.0, equal(row)]));
            }
            Self::Cells(positive) => {
                let cell = |(p, t)| 2 * usize::from(positive.is(t)) + usize::from(positive.is(p));
                rows.for_each(|row| sums[cell(row)] += 1.0);
            }
        }
    }
}

/// Adds rows of terms to the sums.
fn add<const N: usize>(sums: &mut [f64], rows: impl Iterator<Item = [f64; N]>) {
    if let Some(sums) = sums.first_chunk_mut::<N>() {
        *sums = rows.fold(*sums, |sums, terms| {
            std::array::from_fn(|at| sums[at] + terms[at])
        });
    }
}

impl Kind {
    /// `rows` gives all that the metric counts, (prediction, truth).
    fn summed<I: Iterator<Item = (f64, f64)>>(self, rows: impl Fn() -> I) -> Summed {
        match self {
            Self::Mae => Summed::Errors,
            Self::Corr => {
                let n = rows().count() as f64;
                let sum = rows().fold((0.0, 0.0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
                Summed::Moments {
                    centre: (sum.0 / n, sum.1 / n),
                }
            }
            Self::Classes(limit) => Summed::Equal(limit),
            Self::Binary(positive) | Self::WeightedF1(positive) | Self::SwappedF1(positive) => {
                Summed::Cells(positive)
            }
        }
    }

    /// From its sums, or from the (prediction, truth) that were summed; or why it is undefined.
    fn value(self, sums: &[f64], rows: impl Fn() -> Vec<(f64, f64)>) -> Result<f64, &'static str> {
        let cells = || [[sums[0], sums[1]], [sums[2], sums[3]]];
        let n = match self {
            Self::Mae | Self::Corr | Self::Classes(_) => sums[0],
            _ => sums.iter().sum(),
        };
        if n == 0.0 {
            return Err("no row has a non-zero truth"); // no other rows can run out
        }
        match self {
            Self::Mae | Self::Classes(_) => mean(sums[1], n),
            Self::Corr => of_moments(sums).map_or_else(|| correlation(&rows()), Ok),
            Self::Binary(_) => mean(sums[0] + sums[3], n),
            Self::WeightedF1(_) => weighted_f1(cells()),
            Self::SwappedF1(_) => {
                let [[a, b], [c, d]] = cells();
                weighted_f1([[a, c], [b, d]])
            }
        }
    }
}

/// The share of the squares about the centre that must be left about the mean: less means that subtraction took more than four bits of them,
/// or all, as where all values are equal.
const LEFT: f64 = 1.0 / 16.0;

/// Pearson's correlation from [`Summed::Moments`]; `None` where they do not tell it well enough.
fn of_moments(sums: &[f64]) -> Option<f64> {
    let &[n, p, t, pp, tt, pt] = sums.first_chunk()?;
    let (about_p, about_t) = (pp - p * p / n, tt - t * t / n);
    let whole = about_p.sqrt() * about_t.sqrt();
    let told = about_p > LEFT * pp && about_t > LEFT * tt && whole > 0.0 && whole.is_finite();
    told.then(|| ((pt - p * t / n) / whole).clamp(-1.0, 1.0))
}

/// The same in two passes over (prediction, truth).
fn correlation(rows: &[(f64, f64)]) -> Result<f64, &'static str> {
    let n = rows.len() as f64;
    let mean_p = mean(rows.iter().map(|row| row.0).sum(), n)?;
    let mean_t = mean(rows.iter().map(|row| row.1).sum(), n)?;
    // asked of the values: the mean of equal ones may be off by a rounding, and their variance then is not 0
    if rows.iter().all(|row| row.0 == rows[0].0) {
        return Err("the predictions are constant");
    }
    if rows.iter().all(|row| row.1 == rows[0].1) {
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

/// The F1 of both classes of `count` [second, first], weighted by the number of rows of the class in the second.
pub(crate) fn weighted_f1(count: [[f64; 2]; 2]) -> Result<f64, &'static str> {
    let wrong = count[0][1] + count[1][0];
    let part = |class: usize| {
        let (hits, support) = (count[class][class], count[class][0] + count[class][1]);
        // F1 = 2 hits / (2 hits + misses + false alarms); a class without hits has 0, its denominator or not.
        if hits == 0.0 {
            0.0
        } else {
            support * 2.0 * hits / (2.0 * hits + wrong)
        }
    };
    mean(part(0) + part(1), count.iter().flatten().sum())
}
