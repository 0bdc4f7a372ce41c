//! From sorted rows to metrics, their intervals, and what sets two systems apart.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Result, bail};
use unimse_eval::{
    Central, Convention, Difference, EvalError, Interval, Measure, Metric, Resampled,
    calibration_measure, coverage_measure, emotion, emotion_measure, jackknife, presence_measure,
    randomisation, resample, sentiment_measure,
};
use unimse_run::{Against, Intervals, ScoredRows, ScoredTask};

use super::matrix::Matrix;
use super::rows::{MOST_DRAWN, Rows};

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
        ScoredTask::Sentiment => (convention.metrics(), &Metric::COVERAGE[..]),
        ScoredTask::Emotion => (Metric::EMOTION.to_vec(), &Metric::CALIBRATION[..]),
        ScoredTask::Presence => (Metric::PRESENCE.to_vec(), &[][..]),
    };
    metrics.extend(more.iter().filter(|_| further));
    metrics
}

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
        let clusters = rows.cluster_count();
        let mut scored = ScoredRows {
            n,
            clusters,
            dealt: (self.resamples > 0 && clusters > MOST_DRAWN).then_some(MOST_DRAWN),
            ..ScoredRows::default()
        };
        let drawn = match self.resamples {
            0 => Cow::default(), // nothing is
            _ => rows.drawn(self.seed),
        };
        let (further, own): (Vec<Metric>, Vec<Metric>) =
            (self.metrics.iter()).partition(|metric| is_further(**metric));
        let asked = [own, further].into_iter().filter(|all| !all.is_empty());
        for metrics in asked {
            let mut found = values.measure(self, &metrics, 0..n)?.of_all();
            for (&metric, value) in metrics.iter().zip(&found) {
                match value {
                    Ok(value) => drop(scored.metrics.insert(metric, *value)),
                    Err(reason) => {
                        let reason = undefined(metric).unwrap_or_else(|| (*reason).to_owned());
                        scored.undefined.insert(metric, reason);
                    }
                }
            }
            if rows.systems.len() > 1 {
                found.extend(values.measure(self, &metrics, n..2 * n)?.of_all());
            }
            self.intervals(values, &drawn, &metrics, &found, &mut scored)?;
        }
        Ok(scored)
    }

    /// Intervals of `metrics`, and what sets both systems apart; `found` has their values, those of the second system behind those of the first.
    fn intervals(
        &self,
        values: &Values,
        clusters: &[usize],
        metrics: &[Metric],
        found: &[Result<f64, &'static str>],
        scored: &mut ScoredRows,
    ) -> Result<()> {
        let (n, both) = (scored.n, found.len() > metrics.len());
        // a metric without a value has none on resamples either, or means nothing there
        let (some, none): (Vec<_>, Vec<_>) = (metrics.iter().enumerate()).partition(|(at, _)| {
            found
                .iter()
                .skip(*at)
                .step_by(metrics.len())
                .any(Result::is_ok)
        });
        for (_, metric) in none.into_iter().filter(|_| both) {
            let nothing = Drawn::of(f64::NAN);
            let against = nothing.against(&nothing, None);
            scored.against.insert(*metric, against);
        }
        let metrics: Vec<Metric> = some.into_iter().map(|(_, metric)| *metric).collect();
        if metrics.is_empty() || (self.resamples == 0 && !both) {
            return Ok(());
        }
        let first = self.drawn(clusters, &values.measure(self, &metrics, 0..n)?);
        for (&metric, drawn) in metrics.iter().zip(&first) {
            let value = drawn.over.value;
            if self.resamples > 0 && value.is_finite() {
                scored.intervals.insert(metric, drawn.intervals(value));
            }
        }
        if both {
            let second = self.drawn(clusters, &values.measure(self, &metrics, n..2 * n)?);
            let p = self.exchanged(clusters, &values.measure(self, &metrics, 0..2 * n)?);
            let each = first.iter().zip(&second).zip(p);
            let against = each.map(|((first, second), p)| first.against(second, p));
            scored.against.extend(metrics.iter().copied().zip(against));
        }
        Ok(())
    }

    /// The metrics of one system; without resamples, on the rows as they are alone.
    fn drawn(&self, clusters: &[usize], measure: &Measure<'_>) -> Vec<Drawn> {
        if self.resamples == 0 {
            let values = measure.of_all().into_iter();
            return values
                .map(|value| Drawn::of(value.unwrap_or(f64::NAN)))
                .collect();
        }
        let resampled = resample(measure, clusters, self.resamples, self.seed);
        let left_out = jackknife(measure, clusters);
        let each = resampled.into_iter().zip(left_out);
        each.map(|(over, jackknife)| Drawn { over, jackknife })
            .collect()
    }

    /// p-values of metrics of both systems.
    fn exchanged(&self, clusters: &[usize], measure: &Measure<'_>) -> Vec<Option<f64>> {
        if self.resamples == 0 {
            return vec![None; measure.count()];
        }
        randomisation(measure, clusters, self.resamples, self.seed)
    }
}

/// Whether a metric is of probabilities or quantiles.
fn is_further(metric: Metric) -> bool {
    Metric::COVERAGE.contains(&metric) || Metric::CALIBRATION.contains(&metric)
}

/// A metric of one system on the rows as they are, on resamples, and without each cluster.
struct Drawn {
    over: Resampled,
    jackknife: Vec<f64>,
}

impl Drawn {
    /// Nothing was drawn.
    fn of(value: f64) -> Self {
        Self {
            over: Resampled {
                value,
                draws: Vec::new(),
            },
            jackknife: Vec::new(),
        }
    }

    /// The second system, and this one less the second.
    fn against(&self, second: &Self, p_randomisation: Option<f64>) -> Against {
        let (ours, theirs) = (self.over.value, second.over.value);
        let mut against = Against {
            value: Some(theirs).filter(|value| value.is_finite()),
            p_randomisation,
            ..Against::default()
        };
        let pairs = self.jackknife.iter().zip(&second.jackknife);
        let both = Self {
            over: self.over.less(&second.over),
            jackknife: pairs.map(|(ours, theirs)| ours - theirs).collect(),
        };
        if self.jackknife.is_empty() {
            let estimate = Some(both.over.value).filter(|value| value.is_finite());
            against.difference.interval.estimate = estimate;
        } else {
            against.difference = Difference::between(&self.over, &second.over);
            against.bca = both.intervals(ours.abs() + theirs.abs()).bca;
        }
        against
    }

    /// `scale`: the size of what the value was computed from.
    fn intervals(&self, scale: f64) -> Intervals {
        let Resampled { value, draws } = &self.over;
        Intervals {
            percentile: self.over.interval(),
            bca: Interval::bca(*value, scale, draws, &self.jackknife),
            lost: draws.iter().filter(|value| !value.is_finite()).count(),
        }
    }
}

/// Truths and predictions as metrics take them, the rows of a second system behind those of the first.
struct Values {
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
            kind,
            probabilities,
            central,
        }
    }

    /// Some metrics of `rows`, none of probabilities or quantiles among others.
    fn measure(
        &self,
        scoring: &Scoring,
        metrics: &[Metric],
        rows: Range<usize>,
    ) -> Result<Measure<'_>, EvalError> {
        let further = metrics.iter().any(|&metric| is_further(metric));
        match &self.kind {
            Kind::Scores { truth, .. } if further => {
                coverage_measure(&self.central[rows.clone()], &truth[rows], metrics)
            }
            Kind::Scores { prediction, truth } => {
                let (prediction, truth) = (&prediction[rows.clone()], &truth[rows]);
                sentiment_measure(prediction, truth, scoring.convention, metrics)
            }
            Kind::Classes { truth, .. } if further => {
                let said: Vec<&[f64]> = self.probabilities.rows().collect();
                calibration_measure(&said[rows.clone()], &truth[rows], metrics)
            }
            Kind::Classes { prediction, truth } => {
                let (prediction, truth) = (&prediction[rows.clone()], &truth[rows]);
                emotion_measure(prediction, truth, &scoring.labels, metrics)
            }
            Kind::Present(emotions) => {
                let emotions = emotions.iter();
                let own = emotions.map(|(p, t)| (&p[rows.clone()], &t[rows.clone()]));
                presence_measure(own.collect(), metrics)
            }
        }
    }

    /// What is said of the classes of the first system.
    fn describe(&self, scoring: &Scoring, scored: &mut ScoredRows) -> Result<()> {
        if let Kind::Classes { prediction, truth } = &self.kind {
            let n = scored.n;
            let all = emotion(&prediction[..n], &truth[..n], &scoring.labels)?;
            scored.per_class = all.per_class;
            scored.confusion_rows_truth = all.confusion;
            if !self.probabilities.values.is_empty() {
                let unlike = self.probabilities.rows().zip(&prediction[..n]);
                let unlike = unlike.filter(|(said, class)| said.iter().any(|p| *p > said[**class]));
                scored.unlike_probabilities = Some(unlike.count());
            }
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
