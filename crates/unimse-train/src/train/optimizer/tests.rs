//! References by arithmetic, the two layouts against each other, threads, gradients that are absent or not contiguous.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use rand::{RngExt, SeedableRng};

use super::*;

/// Scalar reference in f64, written from the formulas of Kingma and Ba (2015) and Loshchilov and Hutter (2019).
fn reference(rule: Rule, mut w: f64, gradients: &[f64], lr: f64, wd: f64) -> f64 {
    let (mut m, mut v) = (0.0, 0.0);
    for (t, g) in gradients.iter().enumerate() {
        let t = t as i32 + 1;
        let g = if rule == Rule::Adam { g + wd * w } else { *g };
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        if rule == Rule::AdamW {
            w -= lr * wd * w;
        }
        w -= lr * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
    }
    w
}

#[test]
fn both_rules_follow_the_reference() {
    for rule in [Rule::Adam, Rule::AdamW] {
        let w = Tensor::from_slice(&[0.5f32, -2.0]).set_requires_grad(true);
        let mut o = Optimizer::new(
            rule,
            vec![Group {
                lr: 0.01,
                weight_decay: 0.1,
            }],
            vec![("w".into(), 0, w.shallow_clone())],
        )
        .unwrap();
        let gradients = [0.3, -0.7, 1.1];
        for g in gradients {
            (&w * Tensor::from_slice(&[g as f32, -2.0 * g as f32]))
                .sum(Kind::Float)
                .backward();
            o.step(1.0, None).unwrap();
        }
        let got = Vec::<f32>::try_from(&w).unwrap();
        let twice: Vec<f64> = gradients.iter().map(|g| -2.0 * g).collect();
        assert!((f64::from(got[0]) - reference(rule, 0.5, &gradients, 0.01, 0.1)).abs() < 1e-6);
        assert!((f64::from(got[1]) - reference(rule, -2.0, &twice, 0.01, 0.1)).abs() < 1e-6);
    }
}

#[test]
fn clipping_scales_by_the_global_norm() {
    let w = Tensor::from_slice(&[0.0f32, 0.0]).set_requires_grad(true);
    let mut o = Optimizer::new(
        Rule::Adam,
        vec![Group {
            lr: 0.0,
            weight_decay: 0.0,
        }],
        vec![("w".into(), 0, w.shallow_clone())],
    )
    .unwrap();
    (&w * Tensor::from_slice(&[3.0f32, 4.0]))
        .sum(Kind::Float)
        .backward();
    let norm = o.step(1.0, Some(1.0)).unwrap();
    assert!((norm - 5.0).abs() < 1e-6);
    let m = Vec::<f32>::try_from(&o.state()["exp_avg.w"]).unwrap();
    assert!((m[0] - 0.1 * 0.6).abs() < 1e-5 && (m[1] - 0.1 * 0.8).abs() < 1e-5);
}

#[test]
fn a_nan_gradient_is_an_error_and_changes_nothing() {
    let w = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
    let mut o = Optimizer::new(
        Rule::AdamW,
        vec![Group {
            lr: 0.1,
            weight_decay: 0.1,
        }],
        vec![("w".into(), 0, w.shallow_clone())],
    )
    .unwrap();
    (&w * f64::NAN).sum(Kind::Float).backward();
    assert!(matches!(
        o.step(1.0, Some(1.0)),
        Err(TrainError::NonFinite { .. })
    ));
    assert_eq!(Vec::<f32>::try_from(&w).unwrap(), vec![1.0]);
}

#[test]
fn state_restores_to_the_same_bits() {
    let make = || Tensor::from_slice(&[0.5f32, -1.0, 2.0]).set_requires_grad(true);
    let group = || {
        vec![Group {
            lr: 0.05,
            weight_decay: 1e-4,
        }]
    };
    let step = |w: &Tensor, o: &mut Optimizer, k: f64| {
        (w * k).square().sum(Kind::Float).backward();
        o.step(1.0, Some(1.0)).unwrap();
    };
    let w = make();
    let mut o = Optimizer::new(
        Rule::Adam,
        group(),
        vec![("w".into(), 0, w.shallow_clone())],
    )
    .unwrap();
    step(&w, &mut o, 1.0);
    let saved: BTreeMap<String, Tensor> =
        o.state().into_iter().map(|(k, v)| (k, v.copy())).collect();
    let middle = w.detach().copy();
    step(&w, &mut o, 2.0);
    let resumed = middle.set_requires_grad(true);
    let mut p = Optimizer::new(
        Rule::Adam,
        group(),
        vec![("w".into(), 0, resumed.shallow_clone())],
    )
    .unwrap();
    p.restore(&saved, 1).unwrap();
    step(&resumed, &mut p, 2.0);
    assert_eq!(
        Vec::<f32>::try_from(&w).unwrap(),
        Vec::<f32>::try_from(&resumed).unwrap()
    );
}

/// Parameters of odd shapes in two groups, one of them without gradient, one empty, one longer than a chunk.
fn odd_parameters(seed: u64) -> Vec<(String, usize, Tensor)> {
    // LibTorch's own generator is one for all tests, which run side by side.
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let shapes: [&[i64]; 6] = [&[3, 5], &[], &[1], &[40_000], &[0, 4], &[17, 2, 3]];
    shapes
        .iter()
        .enumerate()
        .map(|(at, shape)| {
            let count = shape.iter().product::<i64>();
            let values: Vec<f32> = (0..count).map(|_| random.random_range(-2.0..2.0)).collect();
            let value = Tensor::from_slice(&values).reshape(*shape);
            (format!("p{at}"), at % 2, value.set_requires_grad(true))
        })
        .collect()
}

/// Gradients between 0.5 and 1.5 (nothing cancels, so layouts differ by rounding only): `p2` takes part in odd steps, `p1` never.
fn backward(parameters: &[(String, usize, Tensor)], step: i64) {
    let value = |at: i64| ((at * 37 + step * 11) % 101) as f32 / 100.0 + 0.5;
    for (name, _, t) in parameters {
        if name != "p1" && (name != "p2" || step % 2 == 1) {
            let slope: Vec<f32> = (0..t.numel() as i64).map(value).collect();
            let loss = t.reshape([-1]) * Tensor::from_slice(&slope);
            loss.sum(Kind::Float).backward();
        }
    }
}

fn groups() -> Vec<Group> {
    [(0.01, 0.1), (0.02, 0.0)]
        .map(|(lr, weight_decay)| Group { lr, weight_decay })
        .to_vec()
}

fn bits(parameters: &[(String, usize, Tensor)], optimizer: &Optimizer) -> Vec<Vec<f32>> {
    let values = |t: &Tensor| Vec::try_from(t.detach().reshape([-1])).unwrap();
    let all = parameters.iter().map(|(.., t)| values(t));
    all.chain(optimizer.state().values().map(values)).collect()
}

#[test]
fn flat_and_fused_make_the_same_update() {
    for rule in [Rule::Adam, Rule::AdamW] {
        for max_norm in [None, Some(1.0), Some(1e9)] {
            let [(a, mut fused), (b, mut flat)] =
                [Optimizer::new, Optimizer::new_flat].map(|new| {
                    let parameters = odd_parameters(1);
                    let copies = parameters
                        .iter()
                        .map(|(n, g, t)| (n.clone(), *g, t.shallow_clone()));
                    let optimizer = new(rule, groups(), copies.collect()).unwrap();
                    (parameters, optimizer)
                });
            assert!(matches!(fused.layout, Layout::Fused));
            for step in 0..5 {
                backward(&a, step);
                backward(&b, step);
                // a rate of 0 changes moments only
                let scale = [1.0, 0.5, 0.0][step as usize % 3];
                let norms = [&mut fused, &mut flat].map(|o| o.step(scale, max_norm).unwrap());
                assert!((norms[0] - norms[1]).abs() < 1e-5 * norms[0], "{norms:?}");
            }
            for (x, y) in bits(&a, &fused).iter().zip(bits(&b, &flat)) {
                let largest = x.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
                let error = x.iter().zip(y).map(|(x, y)| (x - y).abs());
                let error = error.fold(0.0, f32::max) / largest;
                assert!(error < 2e-6, "{rule:?}, {max_norm:?}: {error:e}");
            }
            for (.., t) in a.iter().chain(&b).filter(|(.., t)| t.grad().defined()) {
                assert_eq!(t.grad().abs().sum(Kind::Float).double_value(&[]), 0.0);
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let parameters = odd_parameters(2);
        let copies = parameters
            .iter()
            .map(|(n, g, t)| (n.clone(), *g, t.shallow_clone()));
        let mut optimizer = Optimizer::new(Rule::AdamW, groups(), copies.collect()).unwrap();
        let norms: Vec<f64> = (0..3)
            .map(|step| {
                backward(&parameters, step);
                pool.install(|| optimizer.step(1.0, Some(0.5)).unwrap())
            })
            .collect();
        (norms, bits(&parameters, &optimizer))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
}

/// A gradient that was never there and one of zeros are the same, for a resumed run starts without any.
#[test]
fn an_absent_gradient_is_zero_in_both_layouts() {
    for new in [Optimizer::new, Optimizer::new_flat] {
        let run = |zeros: bool| {
            let w = Tensor::from_slice(&[0.5f32, -1.0]).set_requires_grad(true);
            let parameter = vec![("w".to_owned(), 0, w.shallow_clone())];
            let mut optimizer = new(Rule::Adam, groups(), parameter).unwrap();
            if zeros {
                (&w * 0.0).sum(Kind::Float).backward();
            }
            optimizer.step(1.0, Some(1.0)).unwrap();
            bits(&[("w".to_owned(), 0, w)], &optimizer)
        };
        assert_eq!(run(false), run(true));
    }
}

#[test]
fn a_state_moves_between_layouts_and_odd_strides_are_read() {
    let transposed = || {
        let t = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        vec![("t".to_owned(), 0, t.tr().set_requires_grad(true))]
    };
    let w = transposed();
    let mut flat = Optimizer::new(Rule::AdamW, groups(), transposed()).unwrap();
    assert!(
        matches!(flat.layout, Layout::Flat(_)),
        "the parameter is not contiguous"
    );
    let names = |o: &Optimizer| o.state().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&flat), ["exp_avg.t", "exp_avg_sq.t"]);
    let ones = |o: &Optimizer| -> BTreeMap<String, Tensor> {
        o.state()
            .into_iter()
            .map(|(k, v)| (k, v.ones_like()))
            .collect()
    };
    flat.restore(&ones(&flat), 3).unwrap();
    assert_eq!(flat.steps(), 3);
    assert_eq!(flat.state()["exp_avg.t"], w[0].2.detach().ones_like());
    let error = flat.restore(&BTreeMap::new(), 3).unwrap_err().to_string();
    assert_eq!(error, "checkpoint: tensor exp_avg.t is missing");
}

#[test]
fn parameters_that_do_not_fit_are_named() {
    let half = Tensor::zeros([2], (Kind::BFloat16, Device::Cpu));
    let parameter = vec![("w".to_owned(), 0, half)];
    let error = Optimizer::new(Rule::Adam, groups(), parameter).unwrap_err();
    let expected = "parameter w: expected f32 and a group below 2, found BFloat16 and 0";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn moments_of_an_absent_gradient_end_at_zero() {
    let w = Tensor::from_slice(&[1.0f32]).set_requires_grad(true);
    let parameter = vec![("w".to_owned(), 1, w)];
    let mut optimizer = Optimizer::new(Rule::AdamW, groups(), parameter).unwrap();
    let normal = f64::from(f32::MIN_POSITIVE);
    let saved = |k, v: f64| (format!("{k}.w"), Tensor::from_slice(&[v as f32]));
    // 0.9 of the smallest normal number is subnormal, 0.999 of twice that number is not
    let state = [saved("exp_avg", normal), saved("exp_avg_sq", 2.0 * normal)];
    optimizer.restore(&BTreeMap::from(state), 700).unwrap();
    optimizer.step(1.0, None).unwrap();
    assert_eq!(optimizer.state()["exp_avg.w"].double_value(&[0]), 0.0);
    let second = optimizer.state()["exp_avg_sq.w"].double_value(&[0]);
    assert!((second / normal - 2.0 * 0.999).abs() < 1e-6);
}
