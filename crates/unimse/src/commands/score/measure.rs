//! From sorted rows to metrics, their intervals, and what sets two systems apart.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use unimse_eval::{
    Central, Convention, Difference, EvalError, Interval, Metric, OverSeeds, calibration_metric,
    coverage_metric, emotion, emotion_metric, jackknife, presence, presence_metric, randomisation,
    resample, sentiment, sentiment_metric,
};
use unimse_run::{Against, Intervals, ScoredRows, ScoredTask};

use super::matrix::Matrix;
use super::rows::Rows;

/// How rows are scored.
pub(super) struct Scoring {
    pub(super) task: ScoredTask,
    pub(super) convention: Convention,
    pub(super) labels: Vec<String>,
    pub(super) metrics: Vec<Metric>,
    pub(super) resamples: usize,
    pub(super) seed: u64,
}

/// The metrics that there are; `further`: those of probabilities or quantiles.
pub(super) fn available(task: ScoredTask, convention: Convention, further: bool) -> Vec<Metric> {
    let (mut metrics, more) = match task {
        ScoredTask::Sentiment => {
            let known = Metric::ALL
                .into_iter()
                .filter(|&metric| convention.has(metric));
            (known.collect(), &Metric::COVERAGE[..])
        }
        ScoredTask::Emotion => (Metric::EMOTION.to_vec(), &Metric::CALIBRATION[..]),
        ScoredTask::Presence => (Metric::PRESENCE.to_vec(), &[][..]),
    };
    metrics.extend(more.iter().filter(|_| further));
    metrics
}

/// A metric as a function of row numbers: those of the second system follow those of the first.
type Measure<'a> = Box<dyn Fn(&[usize]) -> f64 + Sync + 'a>;

impl Scoring {
    /// The scores of some rows; of several emotions the means, and each by itself.
    pub(super) fn rows(&self, rows: &Rows) -> Result<ScoredRows> {
        if self.task == ScoredTask::Presence && rows.truth.width > 1 {
            return self.emotions(rows);
        }
        let values = Values::new(self.task, rows);
        let mut scored = self.of(&values, rows, |_| None)?;
        values.describe(self, &mut scored)?;
        Ok(scored)
    }

    fn emotions(&self, rows: &Rows) -> Result<ScoredRows> {
        let names = self.labels.iter().enumerate();
        let mut emotions = Vec::new();
        for (at, name) in names {
            emotions.push((name.clone(), self.rows(&rows.emotion(at))?));
        }
        let undefined = |metric: Metric| {
            let mut all = emotions.iter();
            all.find_map(|(name, scored)| {
                Some(format!("{name}: {}", scored.undefined.get(&metric)?))
            })
        };
        let mut scored = self.of(&Values::new(self.task, rows), rows, undefined)?;
        scored.emotions = emotions.into_iter().collect();
        Ok(scored)
    }

    /// Metrics, intervals and differences; `undefined` says why a metric has no value, where that is known.
    fn of(
        &self,
        values: &Values,
        rows: &Rows,
        undefined: impl Fn(Metric) -> Option<String>,
    ) -> Result<ScoredRows> {
        let n = rows.len();
        let every: Vec<usize> = (0..n).collect();
        let reasons = values.undefined(self)?;
        let mut scored = ScoredRows {
            n,
            clusters: rows.cluster_count(),
            ..ScoredRows::default()
        };
        for &metric in &self.metrics {
            let measure = values.measure(self, metric)?;
            let value = measure(&every);
            if value.is_finite() {
                scored.metrics.insert(metric, value);
            } else {
                let reason = undefined(metric).or_else(|| reasons.get(&metric).cloned());
                let reason = reason.unwrap_or_else(|| "it has no value on these rows".to_owned());
                scored.undefined.insert(metric, reason);
            }
            let draws = Draws {
                clusters: &rows.clusters,
                resamples: self.resamples,
                seed: self.seed,
            };
            let first = draws.of(value, &measure);
            if rows.systems.len() > 1 {
                scored
                    .against
                    .insert(metric, draws.against(&first, &measure));
            }
            if self.resamples > 0 && value.is_finite() {
                scored.intervals.insert(metric, first.intervals(value));
            }
        }
        Ok(scored)
    }
}

/// What is drawn, and how often.
struct Draws<'a> {
    clusters: &'a [usize],
    resamples: usize,
    seed: u64,
}

/// A metric on the rows as they are, on resamples, and without each cluster.
struct Drawn {
    over: OverSeeds,
    jackknife: Result<Vec<f64>, String>,
}

impl Draws<'_> {
    fn of(&self, value: f64, measure: impl Fn(&[usize]) -> f64 + Sync) -> Drawn {
        let wanted = self.resamples > 0 && value.is_finite();
        let (resampled, jackknife) = if wanted {
            (
                resample(self.clusters, self.resamples, self.seed, &measure),
                jackknife(self.clusters, &measure),
            )
        } else {
            (Vec::new(), Ok(Vec::new()))
        };
        let over = OverSeeds { value, resampled };
        Drawn { over, jackknife }
    }

    /// The second system, and the first less the second.
    fn against(&self, first: &Drawn, measure: &Measure<'_>) -> Against {
        let n = self.clusters.len();
        let second = |rows: &[usize]| {
            let rows: Vec<usize> = rows.iter().map(|row| n + row).collect();
            measure(&rows)
        };
        let every: Vec<usize> = (0..n).collect();
        let value = second(&every);
        let mut against = Against {
            value: Some(value).filter(|value| value.is_finite()),
            ..Against::default()
        };
        let difference = first.over.value - value;
        if self.resamples == 0 {
            let estimate = Some(difference).filter(|value| value.is_finite());
            against.difference.interval.estimate = estimate;
            return against;
        }
        let second = self.of(value, second);
        against.difference = Difference::between(&first.over, &second.over);
        let both = Drawn {
            over: OverSeeds {
                value: difference,
                resampled: less(&first.over.resampled, &second.over.resampled),
            },
            jackknife: match (&first.jackknife, &second.jackknife) {
                (Ok(first), Ok(second)) => Ok(less(first, second)),
                (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            },
        };
        let scale = first.over.value.abs() + value.abs();
        against.bca = both.intervals(scale).bca;
        against.p_randomisation = randomisation(self.clusters, self.resamples, self.seed, measure);
        against
    }
}

fn less(first: &[f64], second: &[f64]) -> Vec<f64> {
    let pairs = first.iter().zip(second);
    pairs.map(|(first, second)| first - second).collect()
}

impl Drawn {
    /// `scale`: the size of what the value was computed from.
    fn intervals(&self, scale: f64) -> Intervals {
        let OverSeeds { value, resampled } = &self.over;
        let lost = resampled.iter().filter(|value| !value.is_finite()).count();
        let percentile = Interval::percentile(*value, resampled);
        let bca = match &self.jackknife {
            Ok(jackknife) => Interval::bca(*value, scale, resampled, jackknife),
            Err(why) => Interval {
                estimate: percentile.estimate,
                undefined: Some(why.clone()),
                ..Interval::default()
            },
        };
        Intervals {
            percentile,
            bca,
            lost,
        }
    }
}

/// Truths and predictions as metrics take them, the rows of a second system behind those of the first.
struct Values {
    /// Rows of one system.
    n: usize,
    kind: Kind,
    probabilities: Matrix,
    central: Vec<Central>,
}

enum Kind {
    Scores {
        prediction: Vec<f64>,
        truth: Vec<f64>,
    },
    Classes {
        prediction: Vec<usize>,
        truth: Vec<usize>,
    },
    /// One pair a emotion.
    Present(Vec<(Vec<bool>, Vec<bool>)>),
}

impl Values {
    fn new(task: ScoredTask, rows: &Rows) -> Self {
        let mut truth = Matrix::new(rows.truth.width);
        let mut prediction = truth.clone();
        let mut probabilities = Matrix::default();
        let mut central = Vec::new();
        for system in &rows.systems {
            truth.values.extend(&rows.truth.values);
            prediction.values.extend(&system.prediction.values);
            probabilities.width = system.probabilities.width;
            probabilities.values.extend(&system.probabilities.values);
            let quantiles = system.quantiles.values.as_chunks::<4>().0.iter();
            central.extend(quantiles.map(|&[q05, q25, q75, q95]| Central {
                half: (q25, q75),
                most: (q05, q95),
            }));
        }
        let classes = |column: Matrix| column.values.iter().map(|&x| x as usize).collect();
        let kind = match task {
            ScoredTask::Sentiment => Kind::Scores {
                prediction: prediction.values,
                truth: truth.values,
            },
            ScoredTask::Emotion => Kind::Classes {
                prediction: classes(prediction),
                truth: classes(truth),
            },
            ScoredTask::Presence => {
                let of = |column: &Matrix, emotion| {
                    let rows = column.rows().map(|row| row[emotion] > 0.0);
                    rows.collect::<Vec<bool>>()
                };
                let emotions = 0..truth.width;
                Kind::Present(
                    emotions
                        .map(|e| (of(&prediction, e), of(&truth, e)))
                        .collect(),
                )
            }
        };
        Self {
            n: rows.len(),
            kind,
            probabilities,
            central,
        }
    }

    fn measure(&self, scoring: &Scoring, metric: Metric) -> Result<Measure<'_>> {
        Ok(match &self.kind {
            Kind::Scores { truth, .. } if Metric::COVERAGE.contains(&metric) => {
                Box::new(coverage_metric(&self.central, truth, metric)?)
            }
            Kind::Scores { prediction, truth } => {
                let convention = scoring.convention;
                Box::new(sentiment_metric(prediction, truth, convention, metric)?)
            }
            Kind::Classes { truth, .. } if Metric::CALIBRATION.contains(&metric) => {
                let rows: Vec<&[f64]> = self.probabilities.rows().collect();
                Box::new(calibration_metric(&rows, truth, metric)?)
            }
            Kind::Classes { prediction, truth } => {
                Box::new(emotion_metric(prediction, truth, &scoring.labels, metric)?)
            }
            Kind::Present(emotions) => {
                let measures = emotions.iter().map(|(p, t)| presence_metric(p, t, metric));
                let measures: Vec<_> = measures.collect::<Result<_, EvalError>>()?;
                let n = measures.len() as f64;
                Box::new(move |rows| measures.iter().map(|of| of(rows)).sum::<f64>() / n)
            }
        })
    }

    /// Why metrics of the first system have no value.
    fn undefined(&self, scoring: &Scoring) -> Result<BTreeMap<Metric, String>, EvalError> {
        let n = self.n;
        Ok(match &self.kind {
            Kind::Scores { prediction, truth } => {
                sentiment(&prediction[..n], &truth[..n], scoring.convention)?.undefined
            }
            Kind::Classes { .. } => BTreeMap::new(),
            Kind::Present(emotions) => match &emotions[..] {
                [(prediction, truth)] => presence(&prediction[..n], &truth[..n])?.undefined,
                _ => BTreeMap::new(),
            },
        })
    }

    /// What is said of the classes of the first system.
    fn describe(&self, scoring: &Scoring, scored: &mut ScoredRows) -> Result<()> {
        if let Kind::Classes { prediction, truth } = &self.kind {
            let n = self.n;
            let all = emotion(&prediction[..n], &truth[..n], &scoring.labels)?;
            scored.per_class = all.per_class;
            scored.confusion_rows_truth = all.confusion;
        }
        Ok(())
    }
}

/// The metrics asked for, each of those that there are; all of them where none is named.
pub(super) fn chosen(wanted: &[Metric], available: Vec<Metric>) -> Result<Vec<Metric>> {
    if let Some(unknown) = wanted.iter().find(|metric| !available.contains(metric)) {
        let known: Vec<&str> = available.iter().map(|metric| metric.key()).collect();
        bail!(
            "--metrics: no metric `{unknown}` here, expected one of: {}",
            known.join(", ")
        );
    }
    let all = available.into_iter();
    Ok(all
        .filter(|metric| wanted.is_empty() || wanted.contains(metric))
        .collect())
}
