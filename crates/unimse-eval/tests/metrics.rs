//! Refusals, undefined values and invariants of the metrics.

use proptest::prelude::*;
use unimse_eval::{
    Convention, EvalError, Metric, Scores, class_indices, emotion, emotion_measure, sentiment,
    sentiment_measure,
};

fn classes(n: usize) -> Vec<String> {
    (0..n).map(|class| format!("c{class}")).collect()
}

#[test]
fn sentiment_refuses_what_it_cannot_compare() {
    let error = |prediction: &[f32], truth: &[f32]| {
        sentiment(prediction, truth, Convention::Mmsa).unwrap_err()
    };
    assert_eq!(error(&[], &[]), EvalError::Empty);
    assert_eq!(
        error(&[1.0], &[1.0, 2.0]),
        EvalError::Length {
            predictions: 1,
            truths: 2
        }
    );
    let infinite = EvalError::NotFinite {
        column: "truth",
        row: 1,
        found: f64::INFINITY,
    };
    assert_eq!(error(&[0.0, 0.0], &[0.0, f32::INFINITY]), infinite);
    let text = error(&[0.0, f32::NAN], &[0.0, 1.0]).to_string();
    assert_eq!(text, "prediction in row 2: NaN, expected a finite number");
    let unknown = sentiment_measure(&[1.0], &[1.0], Convention::Mag, &[Metric::Acc7])
        .err()
        .unwrap();
    assert_eq!(
        unknown.to_string(),
        "no metric `acc7` here, expected one of: mae, corr, acc2, f1"
    );
}

#[test]
fn emotion_refuses_what_it_cannot_compare() {
    let error = |prediction: &[usize], truth: &[usize]| {
        emotion(prediction, truth, &classes(2)).unwrap_err()
    };
    assert_eq!(error(&[], &[]), EvalError::Empty);
    assert_eq!(
        error(&[1], &[]),
        EvalError::Length {
            predictions: 1,
            truths: 0
        }
    );
    assert_eq!(
        error(&[0, 2], &[0, 1]).to_string(),
        "prediction in row 2: class `2`, expected one of: c0, c1"
    );
    assert!(matches!(
        emotion(&[0], &[0], &[]),
        Err(EvalError::ClassList { .. })
    ));
    assert!(matches!(
        emotion(&[0], &[0], &["a".to_owned(), "a".to_owned()]),
        Err(EvalError::ClassList { .. })
    ));
    assert!(matches!(
        emotion_measure(&[0], &[0], &classes(2), &[Metric::Mae]),
        Err(EvalError::UnknownMetric { .. })
    ));
    let named = class_indices("truth", &["c1", "joy"], &classes(2)).unwrap_err();
    assert_eq!(
        named.to_string(),
        "truth in row 2: class `joy`, expected one of: c0, c1"
    );
    assert_eq!(
        class_indices("truth", &["c1", "c0"], &classes(2)),
        Ok(vec![1, 0])
    );
}

#[test]
fn a_convention_fixes_names_and_order() {
    let keys = |convention| -> Vec<Metric> {
        let scores = sentiment(&[1.0, -1.0, 0.5], &[1.0, -2.0, 0.1], convention).unwrap();
        scores.metrics.into_keys().collect()
    };
    let mult = [
        Metric::Mae,
        Metric::Corr,
        Metric::Acc7,
        Metric::Acc5,
        Metric::Acc3,
        Metric::Acc2Non0,
        Metric::F1Non0,
    ];
    let mag = [Metric::Mae, Metric::Corr, Metric::Acc2, Metric::F1];
    assert_eq!(keys(Convention::Mult), mult);
    assert_eq!(
        keys(Convention::Mmsa),
        [&mult[..], &[Metric::Acc2Has0, Metric::F1Has0]].concat()
    );
    assert_eq!(keys(Convention::Mag), mag);
    for convention in Convention::ALL {
        assert_eq!(convention.name().parse(), Ok(convention));
        assert_eq!(serde_json::to_value(convention).unwrap(), convention.name());
        assert_eq!(keys(convention), convention.metrics());
    }
    assert!(
        "MMSA"
            .parse::<Convention>()
            .unwrap_err()
            .to_string()
            .contains("mmsa, mult, mag")
    );
    let errors = Metric::ALL.into_iter().filter(|m| !m.higher_is_better());
    assert!(errors.eq([
        Metric::Mae,
        Metric::Ece,
        Metric::Brier,
        Metric::Nll,
        Metric::Width50,
        Metric::Width90
    ]));
}

#[test]
fn undefined_values_have_a_reason_and_survive_json() {
    let scores = sentiment(&[0.3, 0.3], &[0.0, 0.0], Convention::Mmsa).unwrap();
    let json = serde_json::to_value(&scores).unwrap();
    assert_eq!(json["undefined"]["corr"], "the predictions are constant");
    assert_eq!(json["undefined"]["f1_non0"], "no row has a non-zero truth");
    assert!(json["metrics"].get("corr").is_none());
    assert_eq!(json["metrics"]["acc2_has0"], 1.0);
    assert_eq!(serde_json::from_value::<Scores>(json).unwrap(), scores);
    let one = sentiment(&[0.3], &[0.1], Convention::Mag).unwrap();
    assert_eq!(
        one.undefined,
        [(Metric::Corr, "the predictions are constant".to_owned())].into()
    );
    let constant = sentiment(&[0.3, 0.1], &[0.7, 0.7], Convention::Mag).unwrap();
    assert_eq!(
        constant.undefined,
        [(Metric::Corr, "the truths are constant".to_owned())].into()
    );
}

proptest! {
    #[test]
    fn sentiment_invariants(rows in proptest::collection::vec((-4.0_f32..4.0, -30..31_i32), 1..80)) {
        let prediction: Vec<f32> = rows.iter().map(|row| row.0).collect();
        let truth: Vec<f32> = rows.iter().map(|row| row.1 as f32 / 10.0).collect();
        for convention in Convention::ALL {
            let scores = sentiment(&prediction, &truth, convention).unwrap();
            for (name, value) in &scores.metrics {
                let range = match name { Metric::Corr => -1.0..=1.0, Metric::Mae => 0.0..=7.0, _ => 0.0..=1.0 };
                prop_assert!(range.contains(value), "{name} = {value}");
            }
            let perfect = sentiment(&truth, &truth, convention).unwrap();
            for (name, value) in &perfect.metrics {
                prop_assert!((value - f64::from(u8::from(*name != Metric::Mae))).abs() < 1e-12, "{name} = {value}");
            }
            let mut order: Vec<usize> = (0..rows.len()).rev().collect();
            order.rotate_left(rows.len() / 3);
            for (&name, value) in &scores.metrics {
                let shuffled = sentiment_measure(&prediction, &truth, convention, &[name]).unwrap().of_rows(&order);
                prop_assert!((shuffled[0] - value).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn emotion_invariants(rows in proptest::collection::vec((0..5_usize, 0..5_usize), 1..80)) {
        let (prediction, truth): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        let labels = classes(5);
        let found = emotion(&prediction, &truth, &labels).unwrap();
        let right = rows.iter().filter(|(p, t)| p == t).count() as f64;
        prop_assert_eq!(found.scores.get(Metric::Accuracy), Some(right / rows.len() as f64));
        prop_assert_eq!(found.confusion.iter().flatten().sum::<u64>(), rows.len() as u64);
        for (class, entry) in found.per_class.iter().enumerate() {
            prop_assert_eq!(entry.support, truth.iter().filter(|&&t| t == class).count() as u64);
            let harmonic = 2.0 * entry.precision * entry.recall / (entry.precision + entry.recall);
            let expected = if harmonic.is_nan() { 0.0 } else { harmonic };
            prop_assert!((entry.f1 - expected).abs() < 1e-12);
        }
        let mean = |weight: fn(u64) -> f64| {
            let weights: f64 = found.per_class.iter().map(|class| weight(class.support)).sum();
            found.per_class.iter().map(|class| weight(class.support) * class.f1).sum::<f64>() / weights
        };
        prop_assert!((found.scores.get(Metric::WeightedF1).unwrap() - mean(|support| support as f64)).abs() < 1e-12);
        prop_assert!((found.scores.get(Metric::MacroF1).unwrap() - mean(|_| 1.0)).abs() < 1e-12);
        let recalls: Vec<f64> = found.per_class.iter().filter(|c| c.support > 0).map(|c| c.recall).collect();
        let recall = recalls.iter().sum::<f64>() / recalls.len() as f64;
        prop_assert!((found.scores.get(Metric::UnweightedAverageRecall).unwrap() - recall).abs() < 1e-12);
    }
}
