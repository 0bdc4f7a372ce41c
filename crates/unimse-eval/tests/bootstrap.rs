//! The bootstrap: known answers, clusters against rows, the same for any number of threads, and cheap.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use unimse_eval::{Interval, Measure, Metric, emotion_measure, resample};

fn mean(values: &[f64]) -> Measure<'_> {
    Measure::means(values.len(), 1, |rows, sums| {
        rows.iter().for_each(|&row| sums[0] += values[row]);
    })
}

/// Of the one metric of a measure.
fn interval(measure: &Measure<'_>, clusters: &[usize], resamples: usize, seed: u64) -> Interval {
    resample(measure, clusters, resamples, seed)[0].interval()
}

/// Every row is a cluster of its own.
fn alone(n: usize) -> Vec<usize> {
    (0..n).collect()
}

/// Low and high.
fn bounds(interval: &Interval) -> (f64, f64) {
    (interval.low.unwrap(), interval.high.unwrap())
}

#[test]
fn the_interval_of_a_mean_is_that_of_the_normal_approximation() {
    let n = 400;
    let values: Vec<f64> = (0..n).map(|at| f64::from(at % 20)).collect();
    let interval = interval(&mean(&values), &alone(values.len()), 4000, 1);
    let variance = (20.0_f64.powi(2) - 1.0) / 12.0; // of 0..20, uniformly
    let half = 1.96 * (variance / f64::from(n)).sqrt();
    assert_eq!(interval.estimate, Some(9.5));
    let (low, high) = bounds(&interval);
    assert!((low - (9.5 - half)).abs() < 0.05 * half, "{interval:?}");
    assert!((high - (9.5 + half)).abs() < 0.05 * half, "{interval:?}");
}

/// 400 videos of 25 utterances, all of a video with one value: the mean is that of 400 independent values, so its standard error is
/// sqrt(var / 400), and rows taken for independent would make it five times too small.
#[test]
fn equal_utterances_of_a_video_count_once() {
    let (videos, each) = (400, 25);
    let clusters: Vec<usize> = (0..videos * each).map(|row| row / each).collect();
    let values: Vec<f64> = clusters.iter().map(|video| (video % 20) as f64).collect();
    let variance = (20.0_f64.powi(2) - 1.0) / 12.0;
    let half = 1.96 * (variance / videos as f64).sqrt();
    let width = |clusters: &[usize]| {
        let (low, high) = bounds(&interval(&mean(&values), clusters, 2000, 1));
        (high - low) / 2.0
    };
    let (by_video, by_row) = (width(&clusters), width(&alone(values.len())));
    assert!((by_video - half).abs() < 0.06 * half, "{by_video} {half}");
    let row_half = half / (each as f64).sqrt();
    assert!(
        (by_row - row_half).abs() < 0.06 * row_half,
        "{by_row} {row_half}"
    );
}

/// A standard normal number, nearly: the sum of twelve uniform ones less six.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12)
        .map(|_| f64::from(random.next_u32()) / 4_294_967_296.0)
        .sum::<f64>()
        - 6.0
}

/// 300 data sets of 50 videos with 3 to 17 utterances, half of the variance between videos, true mean 0: how often the interval
/// holds it.
#[test]
fn an_interval_over_videos_holds_the_truth_and_one_over_utterances_does_not() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let sets = 300;
    let (mut by_video, mut by_row) = (0, 0);
    for _ in 0..sets {
        let (mut clusters, mut values) = (Vec::new(), Vec::new());
        for video in 0..50 {
            let effect = normal(&mut random);
            for _ in 0..3 + random.next_u32() % 15 {
                clusters.push(video);
                values.push(effect + normal(&mut random));
            }
        }
        let holds = |clusters: &[usize]| {
            let (low, high) = bounds(&interval(&mean(&values), clusters, 300, 1));
            u32::from(low <= 0.0 && 0.0 <= high)
        };
        by_video += holds(&clusters);
        by_row += holds(&alone(values.len()));
    }
    let share = |held: u32| f64::from(held) / f64::from(sets);
    assert!(
        (0.90..=0.98).contains(&share(by_video)),
        "{}",
        share(by_video)
    );
    assert!(share(by_row) < 0.70, "{}", share(by_row));
}

/// The bootstrap over rows, as textbooks have it: n draws below n for every resample.
#[test]
fn rows_that_are_their_own_clusters_give_the_bootstrap_over_rows() {
    let values: Vec<f64> = (0..83_u32).map(|at| f64::from(at * at % 29)).collect();
    let (n, resamples, seed) = (values.len(), 41, 5);
    let measure = mean(&values);
    let mut expected: Vec<f64> = (0..resamples)
        .map(|resample| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(resample);
            let draw = |_| ((u64::from(random.next_u32()) * n as u64) >> 32) as usize;
            measure.of_rows(&(0..n).map(draw).collect::<Vec<_>>())[0]
        })
        .collect();
    expected.sort_unstable_by(f64::total_cmp);
    // 2.5 % of 40 steps is one, so both quantiles are values
    let expected = (expected[1], expected[39]);
    let found = interval(&measure, &alone(n), resamples as usize, seed);
    assert_eq!(bounds(&found), expected);
    let named: Vec<usize> = alone(n).iter().map(|row| 1000 - 7 * row).collect();
    assert_eq!(interval(&measure, &named, resamples as usize, seed), found);
}

#[test]
fn threads_change_nothing_and_the_seed_does() {
    let values: Vec<f64> = (0..97).map(|at| f64::from(at * at % 31)).collect();
    let clusters: Vec<usize> = (0..97).map(|row| row % 13).collect();
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| resample(&mean(&values), &clusters, 500, seed))
    };
    assert_eq!(with(1, 7), with(4, 7));
    assert_ne!(with(1, 7), with(1, 8));
}

#[test]
fn a_paired_difference_cancels_what_the_rows_share() {
    let a: Vec<f64> = (0..50).map(|at| f64::from(at * 37 % 50)).collect();
    let b: Vec<f64> = a.iter().map(|value| value - 0.25).collect();
    let clusters: Vec<usize> = (0..50).map(|row| row / 4).collect();
    let [a, b] = [a, b].map(|values| resample(&mean(&values), &clusters, 200, 1));
    let difference = a[0].less(&b[0]).interval();
    let (low, high) = bounds(&difference);
    assert!((low - 0.25).abs() < 1e-9 && (high - 0.25).abs() < 1e-9);
    assert!(difference.above_zero() && !difference.below_zero());
}

/// A metric that sums say nothing of.
fn of_rows<'a>(rows: usize, value: impl Fn(&[usize]) -> f64 + Sync + 'a) -> Measure<'a> {
    Measure::new(rows, 0, |_, _| {}).metric(move |_, rows| Ok(value(&rows())))
}

#[test]
fn resamples_without_a_value_are_left_out() {
    let defined_for_row_0 = |rows: &[usize]| if rows.contains(&0) { 1.0 } else { f64::NAN };
    let interval = interval(&of_rows(3, defined_for_row_0), &alone(3), 100, 1);
    assert_eq!(
        (interval.estimate, bounds(&interval)),
        (Some(1.0), (1.0, 1.0))
    );
}

#[test]
fn without_an_interval_there_is_a_reason_and_the_estimate_does_not_pose_as_one() {
    let check = |measure: Measure<'_>, clusters: &[usize], estimate, reason: &str| {
        let interval = interval(&measure, clusters, 50, 1);
        assert_eq!(interval.estimate, estimate);
        assert_eq!((interval.low, interval.high), (None, None));
        assert!(!interval.above_zero() && !interval.below_zero());
        let said = interval.undefined.unwrap();
        assert!(said.contains(reason), "{said}");
    };
    for (n, value) in [(3, f64::NAN), (3, f64::INFINITY), (0, f64::NAN)] {
        let measure = of_rows(n, move |_| value);
        check(measure, &alone(n), None, "no value on these rows");
    }
    check(of_rows(3, |_| 2.0), &[7, 7, 7], Some(2.0), "one cluster");
    let all_rows_only = |rows: &[usize]| {
        if rows == [0, 1, 2, 3, 4, 5, 6, 7] {
            2.0
        } else {
            f64::NAN
        }
    };
    check(
        of_rows(8, all_rows_only),
        &alone(8),
        Some(2.0),
        "none of 50 resamples",
    );
}

#[test]
fn as_json_an_interval_has_numbers_or_a_reason() {
    let json = |interval: &Interval| serde_json::to_string(interval).unwrap();
    let one = interval(&of_rows(2, |_| 2.0), &[0, 0], 10, 1);
    let text = json(&one);
    assert!(
        text.starts_with(r#"{"estimate":2.0,"undefined":""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Interval>(&text).unwrap(), one);
    let two = interval(&of_rows(2, |_| 2.0), &[0, 1], 10, 1);
    assert_eq!(json(&two), r#"{"estimate":2.0,"low":2.0,"high":2.0}"#);
}

#[test]
fn two_thousand_resamples_of_as_many_rows_as_meld_hold_the_estimate() {
    let truth: Vec<usize> = (0..2610).map(|row| row * row % 7).collect();
    let prediction: Vec<usize> = (0..2610)
        .map(|row| if row % 3 == 0 { row % 7 } else { truth[row] })
        .collect();
    let labels: Vec<String> = (0..7).map(|class| class.to_string()).collect();
    let measure = emotion_measure(&prediction, &truth, &labels, &[Metric::WeightedF1]);
    let interval = interval(&measure.unwrap(), &alone(truth.len()), 2000, 1);
    let (low, high) = bounds(&interval);
    assert!(low < interval.estimate.unwrap() && interval.estimate.unwrap() < high);
}
