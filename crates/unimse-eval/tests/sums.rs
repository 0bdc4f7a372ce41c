//! What comes of sums of clusters is what each metric is on the rows themselves, told here row by row.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use unimse_eval::{
    Central, Convention, Measure, Metric, calibration_measure, coverage_measure, emotion_measure,
    jackknife, presence_measure, randomisation, resample, sentiment_measure,
};

const DRAWS: usize = 12;
const SEED: u64 = 3;

/// NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// The F1 of every class, weighted by its share in the second of (first, second).
fn weighted_f1<C: PartialEq + Copy>(rows: &[(C, C)], classes: &[C]) -> f64 {
    let f1 = |class: C| f1(rows, class) * rows.iter().filter(|row| row.1 == class).count() as f64;
    mean(classes.iter().map(|&class| f1(class))) * classes.len() as f64 / rows.len() as f64
}

fn f1<C: PartialEq>(rows: &[(C, C)], class: C) -> f64 {
    let count = |is: fn(bool, bool) -> bool| {
        let rows = rows.iter().filter(|(p, t)| is(*p == class, *t == class));
        rows.count() as f64
    };
    let hits = count(|p, t| p && t);
    if hits == 0.0 {
        return 0.0;
    }
    2.0 * hits / (2.0 * hits + count(|p, t| p != t))
}

/// Correlation, NaN where a column is constant.
fn corr(rows: &[(f64, f64)]) -> f64 {
    let constant = |column: fn(&(f64, f64)) -> f64| {
        let mut values = rows.iter().map(column);
        let first = values.next();
        values.all(|value| Some(value) == first)
    };
    if constant(|row| row.0) || constant(|row| row.1) {
        return f64::NAN;
    }
    let (p, t) = (
        mean(rows.iter().map(|row| row.0)),
        mean(rows.iter().map(|row| row.1)),
    );
    let sum = |of: fn(f64, f64) -> f64| rows.iter().map(|row| of(row.0 - p, row.1 - t)).sum();
    let (pp, tt, pt): (f64, f64, f64) = (sum(|p, _| p * p), sum(|_, t| t * t), sum(|p, t| p * t));
    pt / (pp.sqrt() * tt.sqrt())
}

fn of_scores(convention: Convention, metric: Metric, rows: &[(f64, f64)]) -> f64 {
    let non_zero: Vec<(f64, f64)> = rows.iter().copied().filter(|row| row.1 != 0.0).collect();
    let mag = convention == Convention::Mag;
    let all = if mag { &non_zero } else { rows };
    let classes = |limit: f64| {
        let class = |x: f64| x.clamp(-limit, limit).round_ties_even();
        let equal = |&(p, t): &(f64, f64)| f64::from(u8::from(class(p) == class(t)));
        mean(rows.iter().map(equal))
    };
    let positive = |rows: &[(f64, f64)], zero: bool| -> Vec<(bool, bool)> {
        let is = |x: f64| x > 0.0 || (zero && x == 0.0);
        rows.iter().map(|&(p, t)| (is(p), is(t))).collect()
    };
    let accuracy =
        |rows: Vec<(bool, bool)>| mean(rows.iter().map(|row| f64::from(u8::from(row.0 == row.1))));
    match metric {
        Metric::Mae => mean(all.iter().map(|(p, t)| (p - t).abs())),
        Metric::Corr => corr(all),
        Metric::Acc7 => classes(3.0),
        Metric::Acc5 => classes(2.0),
        Metric::Acc3 => classes(1.0),
        Metric::Acc2Has0 => accuracy(positive(rows, true)),
        Metric::F1Has0 => weighted_f1(&positive(rows, true), &[false, true]),
        Metric::Acc2Non0 => accuracy(positive(&non_zero, false)),
        Metric::F1Non0 => {
            let mut rows = positive(&non_zero, false);
            if convention == Convention::Mult {
                rows = rows.into_iter().map(|(p, t)| (t, p)).collect();
            }
            weighted_f1(&rows, &[false, true])
        }
        Metric::Acc2 => accuracy(positive(&non_zero, true)),
        _ => weighted_f1(&positive(&non_zero, true), &[false, true]),
    }
}

fn of_classes(metric: Metric, classes: usize, rows: &[(usize, usize)]) -> f64 {
    let all: Vec<usize> = (0..classes).collect();
    match metric {
        Metric::Accuracy => mean(rows.iter().map(|row| f64::from(u8::from(row.0 == row.1)))),
        Metric::WeightedF1 => weighted_f1(rows, &all),
        Metric::MacroF1 => mean(all.iter().map(|&class| f1(rows, class))),
        _ => mean(all.iter().filter_map(|class| {
            let own: Vec<_> = rows.iter().filter(|row| row.1 == *class).collect();
            let hits = own.iter().filter(|row| row.0 == *class).count();
            (!own.is_empty()).then(|| hits as f64 / own.len() as f64)
        })),
    }
}

/// The rows of every cluster, clusters in the order of their first row.
fn members(clusters: &[usize]) -> Vec<Vec<usize>> {
    let mut names: Vec<usize> = Vec::new();
    clusters.iter().for_each(|name| {
        if !names.contains(name) {
            names.push(*name);
        }
    });
    let rows = |name| (0..clusters.len()).filter(move |&row| clusters[row] == name);
    names.into_iter().map(|name| rows(name).collect()).collect()
}

/// Stream `draw` of the generator.
fn random(draw: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(draw as u64);
    random
}

fn near(found: f64, expected: f64) -> bool {
    (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= 1e-11 * expected.abs().max(1.0)
}

/// Every metric of the measure, `expected` of the rows that each draw has, and that are left without each cluster.
fn check(measure: &Measure<'_>, clusters: &[usize], expected: impl Fn(usize, &[usize]) -> f64) {
    let members = members(clusters);
    let n = members.len();
    let resampled = resample(measure, clusters, DRAWS, SEED);
    let left_out = jackknife(measure, clusters);
    let every: Vec<usize> = (0..clusters.len()).collect();
    for (metric, (resampled, left_out)) in resampled.iter().zip(&left_out).enumerate() {
        assert!(near(resampled.value, expected(metric, &every)));
        assert_eq!(resampled.draws.len(), if n < 2 { 0 } else { DRAWS });
        for (draw, &found) in resampled.draws.iter().enumerate() {
            let mut random = random(draw);
            let place = |_| ((u64::from(random.next_u32()) * n as u64) >> 32) as usize;
            let rows: Vec<usize> = (0..n)
                .map(place)
                .flat_map(|at| members[at].clone())
                .collect();
            let expected = expected(metric, &rows);
            assert!(
                near(found, expected),
                "{metric}: {found} {expected} {rows:?}"
            );
        }
        assert_eq!(left_out.len(), n);
        for (out, &found) in left_out.iter().enumerate() {
            let rows = (0..n).filter(|&at| at != out);
            let rows: Vec<usize> = rows.flat_map(|at| members[at].clone()).collect();
            assert!(
                near(found, expected(metric, &rows)),
                "{metric} without {out}"
            );
        }
    }
}

/// p of every metric, counted over rows: a draw exchanges whole clusters.
fn check_exchange(
    measure: &Measure<'_>,
    clusters: &[usize],
    value: impl Fn(usize, &[usize]) -> f64,
) {
    let (n, members) = (clusters.len(), members(clusters));
    for (metric, found) in randomisation(measure, clusters, DRAWS, SEED)
        .into_iter()
        .enumerate()
    {
        let difference = |swapped: &[usize]| {
            let system = |row, second| {
                if swapped.contains(&row) == second {
                    row
                } else {
                    row + n
                }
            };
            let of = |second| (0..n).map(|row| system(row, second)).collect::<Vec<_>>();
            value(metric, &of(false)) - value(metric, &of(true))
        };
        let own = difference(&[]);
        let draw = |draw| {
            let mut random = random(draw);
            let coins = members.iter().filter(|_| random.next_u32() & 1 == 1);
            difference(&coins.flatten().copied().collect::<Vec<_>>())
        };
        let draws: Vec<f64> = (0..DRAWS)
            .map(draw)
            .filter(|value| value.is_finite())
            .collect();
        let as_large = draws
            .iter()
            .filter(|value| value.abs() >= own.abs() - 1e-12)
            .count();
        let p = (1 + as_large) as f64 / (1 + draws.len()) as f64;
        let expected = Some(p).filter(|_| own.is_finite() && !draws.is_empty());
        assert_eq!(found, expected, "{metric}");
    }
}

/// Scores with ties, zeros and few values; sometimes far from 0 in a constant column; of one cluster or many.
fn scores() -> impl Strategy<Value = (Vec<usize>, Vec<(f64, f64)>)> {
    let value = prop_oneof![(-6..7_i32).prop_map(|x| f64::from(x) / 2.0), -4.0..4.0_f64];
    let row = (0..6_usize, value.clone(), prop_oneof![Just(0.0), value]);
    let shift = prop_oneof![3 => Just((1.0, 0.0)), 1 => Just((0.0, 0.1)), 1 => Just((1.0, 1e9))];
    let rows = proptest::collection::vec(row, 1..30);
    (rows, shift, 1..7_usize).prop_map(|(rows, (by, to), clusters)| {
        let row = |(cluster, p, t): (usize, f64, f64)| (cluster % clusters, (p * by + to, t));
        rows.into_iter().map(row).unzip()
    })
}

proptest! {
    #[test]
    fn scores_are_those_of_the_rows((clusters, rows) in scores()) {
        let (prediction, truth): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
        for convention in Convention::ALL {
            let metrics = convention.metrics();
            let measure = sentiment_measure(&prediction, &truth, convention, &metrics).unwrap();
            let value = |metric: usize, at: &[usize]| {
                let rows: Vec<(f64, f64)> = at.iter().map(|&row| rows[row]).collect();
                of_scores(convention, metrics[metric], &rows)
            };
            check(&measure, &clusters, value);
        }
    }

    /// Two systems on the same truths.
    #[test]
    fn exchanged_scores_are_those_of_the_rows((clusters, rows) in scores(), by in -1.0..1.0_f64) {
        let n = rows.len();
        let other = rows.iter().enumerate().map(|(at, (p, t))| (p + by * (at % 3) as f64, *t));
        let both: Vec<(f64, f64)> = rows.iter().copied().chain(other).collect();
        let (prediction, truth): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
        let metrics = Convention::Mmsa.metrics();
        let measure = sentiment_measure(&prediction, &truth, Convention::Mmsa, &metrics).unwrap();
        prop_assume!(prediction.iter().all(|p| p.abs() < 1e6)); // else ties are wider than 1e-12
        check_exchange(&measure, &clusters[..n], |metric, at| {
            let rows: Vec<(f64, f64)> = at.iter().map(|&row| both[row]).collect();
            of_scores(Convention::Mmsa, metrics[metric], &rows)
        });
    }

    /// Of five classes one is nowhere, and others run out in resamples.
    #[test]
    fn classes_are_those_of_the_rows(rows in proptest::collection::vec((0..6_usize, 0..4_usize, 0..4_usize), 1..30)) {
        let clusters: Vec<usize> = rows.iter().map(|row| row.0).collect();
        let (prediction, truth): (Vec<usize>, Vec<usize>) = rows.iter().map(|row| (row.1, row.2)).unzip();
        let labels: Vec<String> = (0..5).map(|class| class.to_string()).collect();
        let measure = emotion_measure(&prediction, &truth, &labels, &Metric::EMOTION).unwrap();
        check(&measure, &clusters, |metric, at| match at {
            [] => f64::NAN,
            at => {
                let rows: Vec<_> = at.iter().map(|&row| (prediction[row], truth[row])).collect();
                of_classes(Metric::EMOTION[metric], 5, &rows)
            }
        });
    }

    #[test]
    fn presence_is_that_of_the_rows(rows in proptest::collection::vec((0..6_usize, any::<(bool, bool)>()), 1..30)) {
        let (clusters, rows): (Vec<usize>, Vec<(bool, bool)>) = rows.into_iter().unzip();
        let (told, is): (Vec<bool>, Vec<bool>) = rows.iter().copied().unzip();
        let emotions = [(told.clone(), is), (told.clone(), told)];
        let measure = presence_measure(emotions.to_vec(), &Metric::PRESENCE).unwrap();
        check(&measure, &clusters, |metric, at| {
            let of = |(told, is): &(Vec<bool>, Vec<bool>)| {
                let rows: Vec<(bool, bool)> = at.iter().map(|&row| (told[row], is[row])).collect();
                let recall = |class| mean(rows.iter().filter(|row| row.1 == class).map(|row| f64::from(u8::from(row.0 == class))));
                match Metric::PRESENCE[metric] {
                    Metric::WeightedAccuracy => f64::midpoint(recall(false), recall(true)),
                    Metric::F1Present if at.is_empty() => f64::NAN,
                    Metric::F1Present => f1(&rows, true),
                    _ => weighted_f1(&rows, &[false, true]),
                }
            };
            mean(emotions.iter().map(of))
        });
    }

    #[test]
    fn probabilities_and_quantiles_are_those_of_the_rows(rows in proptest::collection::vec((0..6_usize, 0..16_u8, 0..2_usize), 1..30)) {
        let clusters: Vec<usize> = rows.iter().map(|row| row.0).collect();
        let said: Vec<[f64; 2]> = rows.iter().map(|row| f64::from(row.1) / 15.0).map(|p| [p, 1.0 - p]).collect();
        let truth: Vec<usize> = rows.iter().map(|row| row.2).collect();
        let measure = calibration_measure(&said, &truth, &Metric::CALIBRATION).unwrap();
        check(&measure, &clusters, |metric, at| {
            let of_true = |row: &usize| said[*row][truth[*row]];
            match Metric::CALIBRATION[metric] {
                Metric::Brier => mean(at.iter().map(|row| 2.0 * (1.0 - of_true(row)).powi(2))),
                Metric::Nll => mean(at.iter().map(|row| -of_true(row).max(1e-12).ln())),
                _ => {
                    let top = |row: &usize| said[*row][0].max(said[*row][1]);
                    let right = |row: &usize| said[*row][truth[*row]] > 0.5 || (said[*row][0] == 0.5 && truth[*row] == 0);
                    let bin = |row: &usize| ((top(row) * 15.0).ceil() as usize).clamp(1, 15);
                    let off = |b: usize| at.iter().filter(|row| bin(row) == b).map(|row| f64::from(u8::from(right(row))) - top(row)).sum::<f64>();
                    (1..=15).map(|b| off(b).abs()).sum::<f64>() / at.len() as f64
                }
            }
        });
        let central: Vec<Central> = said.iter().map(|p| Central { half: (p[0], p[0] + 0.5), most: (p[0] - 1.0, p[0] + 1.0) }).collect();
        let score: Vec<f64> = truth.iter().map(|&class| class as f64).collect();
        let measure = coverage_measure(&central, &score, &Metric::COVERAGE).unwrap();
        check(&measure, &clusters, |metric, at| mean(at.iter().map(|&row| {
            let (low, high) = if metric % 2 == 0 { central[row].half } else { central[row].most };
            if metric < 2 { f64::from(u8::from(low <= score[row] && score[row] <= high)) } else { high - low }
        })));
    }
}
