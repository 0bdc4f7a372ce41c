//! The bootstrap: known answers, the same for any number of threads, and cheap.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::{Duration, Instant};

use unimse_eval::{Interval, bootstrap, emotion_metric, paired_bootstrap};

fn mean<'a>(values: &'a [f64]) -> impl Fn(&[usize]) -> f64 + Sync + 'a {
    |rows: &[usize]| rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
}

#[test]
fn the_interval_of_a_mean_is_that_of_the_normal_approximation() {
    let n = 400;
    let values: Vec<f64> = (0..n).map(|at| f64::from(at % 20)).collect();
    let interval = bootstrap(n as usize, 4000, 1, mean(&values));
    let variance = (20.0_f64.powi(2) - 1.0) / 12.0; // of 0..20, uniformly
    let half = 1.96 * (variance / f64::from(n)).sqrt();
    assert_eq!(interval.estimate, 9.5);
    assert!(
        (interval.low - (9.5 - half)).abs() < 0.05 * half,
        "{interval:?}, half width {half}"
    );
    assert!(
        (interval.high - (9.5 + half)).abs() < 0.05 * half,
        "{interval:?}, half width {half}"
    );
}

#[test]
fn threads_change_nothing_and_the_seed_does() {
    let values: Vec<f64> = (0..97).map(|at| f64::from(at * at % 31)).collect();
    let with = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| bootstrap(values.len(), 500, seed, mean(&values)))
    };
    assert_eq!(with(1, 7), with(4, 7));
    assert_ne!(with(1, 7), with(1, 8));
}

#[test]
fn a_paired_difference_cancels_what_the_rows_share() {
    let a: Vec<f64> = (0..50).map(|at| f64::from(at * 37 % 50)).collect();
    let b: Vec<f64> = a.iter().map(|value| value - 0.25).collect();
    let difference = paired_bootstrap(a.len(), 200, 1, mean(&a), mean(&b));
    assert!((difference.low - 0.25).abs() < 1e-9 && (difference.high - 0.25).abs() < 1e-9);
    assert!(difference.above_zero() && !difference.below_zero());
}

#[test]
fn resamples_without_a_value_are_left_out() {
    let defined_for_row_0 = |rows: &[usize]| if rows.contains(&0) { 1.0 } else { f64::NAN };
    assert_eq!(
        bootstrap(3, 100, 1, defined_for_row_0),
        Interval {
            estimate: 1.0,
            low: 1.0,
            high: 1.0
        }
    );
    let nowhere = bootstrap(3, 100, 1, |_| f64::NAN);
    assert!(nowhere.estimate.is_nan() && nowhere.low.is_nan() && nowhere.high.is_nan());
    assert_eq!(
        bootstrap(3, 0, 1, |_| 2.0),
        Interval {
            estimate: 2.0,
            low: 2.0,
            high: 2.0
        }
    );
    assert!(
        bootstrap(0, 10, 1, |rows| if rows.is_empty() {
            f64::NAN
        } else {
            0.0
        })
        .estimate
        .is_nan()
    );
}

#[test]
fn two_thousand_resamples_of_the_meld_test_split_take_no_time() {
    let truth: Vec<usize> = (0..2610).map(|row| row * row % 7).collect();
    let prediction: Vec<usize> = (0..2610)
        .map(|row| if row % 3 == 0 { row % 7 } else { truth[row] })
        .collect();
    let labels: Vec<String> = (0..7).map(|class| class.to_string()).collect();
    let metric = || emotion_metric(&prediction, &truth, &labels, "weighted_f1").unwrap();
    let start = Instant::now();
    let interval = bootstrap(truth.len(), 2000, 1, metric());
    let took = start.elapsed();
    assert!(interval.low < interval.estimate && interval.estimate < interval.high);
    assert!(took < Duration::from_secs(1), "{took:?}"); // about 30 ms on two idle cores
}
