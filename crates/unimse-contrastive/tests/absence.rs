//! Absent rows, kinds and shapes.

use std::sync::Mutex;

use tch::{Device, Kind, Tensor};
use unimse_contrastive::{Negatives, Reduction, info_nce, masked_mean};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Normal numbers of `seed`: LibTorch has one generator for all threads, and tests run side by side.
fn normal(seed: i64, shape: [i64; 2]) -> Tensor {
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _generator = GENERATOR.lock().unwrap();
    tch::manual_seed(seed);
    Tensor::randn(shape, FLOAT)
}

#[test]
fn an_absent_row_is_neither_anchor_nor_negative() {
    let (query, positive) = (normal(1, [6, 8]), normal(2, [6, 8]));
    let keep = Tensor::from_slice(&[0i64, 2, 3, 5]);
    let expected = info_nce(
        &query.index_select(0, &keep),
        &positive.index_select(0, &keep),
        Negatives::InBatch,
        None,
        0.1,
        Reduction::None,
    )
    .unwrap();

    let garbage = positive.copy();
    garbage.get(1).copy_(&Tensor::full([8], f64::NAN, FLOAT));
    garbage.get(4).copy_(&Tensor::full([8], 1e30, FLOAT));
    let garbage = garbage.set_requires_grad(true);
    let present = Tensor::from_slice(&[true, false, true, true, false, true]);
    let losses = info_nce(
        &query,
        &garbage,
        Negatives::InBatch,
        Some(&present),
        0.1,
        Reduction::None,
    )
    .unwrap();
    assert_eq!(losses.size(), [6]);
    assert_eq!(losses.index_select(0, &keep), expected);
    assert_eq!(losses.double_value(&[1]), 0.0);

    let mean = info_nce(
        &query,
        &garbage,
        Negatives::InBatch,
        Some(&present),
        0.1,
        Reduction::Mean,
    )
    .unwrap();
    assert!((mean.double_value(&[]) - expected.mean(Kind::Float).double_value(&[])).abs() < 1e-6);
    mean.backward();
    let gradient = garbage.grad();
    assert_eq!(
        gradient.get(1).abs().sum(Kind::Float).double_value(&[]),
        0.0
    );
    assert_eq!(
        gradient.get(4).abs().sum(Kind::Float).double_value(&[]),
        0.0
    );
    assert!(gradient.get(0).abs().sum(Kind::Float).double_value(&[]) > 0.0);
}

#[test]
fn no_present_row_gives_zero_with_a_gradient() {
    let query = normal(3, [3, 4]).set_requires_grad(true);
    let absent = Tensor::zeros([3], (Kind::Bool, Device::Cpu));
    let loss = info_nce(
        &query,
        &query.detach(),
        Negatives::InBatch,
        Some(&absent),
        0.1,
        Reduction::Mean,
    )
    .unwrap();
    assert_eq!(loss.double_value(&[]), 0.0);
    loss.backward();
    assert_eq!(query.grad().abs().sum(Kind::Float).double_value(&[]), 0.0);
}

#[test]
fn bfloat16_inputs_are_computed_in_fp32() {
    let [query, positive] = [4, 5].map(|seed| normal(seed, [16, 32]).to_kind(Kind::BFloat16));
    let run = |q: &Tensor, p: &Tensor| {
        info_nce(q, p, Negatives::InBatch, None, 0.07, Reduction::Mean).unwrap()
    };
    let half = run(&query, &positive);
    assert_eq!(half.kind(), Kind::Float);
    assert_eq!(
        half,
        run(&query.to_kind(Kind::Float), &positive.to_kind(Kind::Float))
    );
}

#[test]
fn masked_steps_do_not_exist() {
    let x = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0, f32::NAN, f32::INFINITY, 7.0, 8.0])
        .view([2, 2, 2])
        .set_requires_grad(true);
    let mask = Tensor::from_slice(&[true, true, false, true]).view([2, 2]);
    let mean = masked_mean(&x, &mask).unwrap();
    assert_eq!(
        Vec::<Vec<f64>>::try_from(&mean.to_kind(Kind::Double)).unwrap(),
        [[(1.0 + 3.0) / 2.0, (2.0 + 4.0) / 2.0], [7.0, 8.0]]
    );
    mean.sum(Kind::Float).backward();
    assert_eq!(
        Vec::<f64>::try_from(x.grad().to_kind(Kind::Double).view(-1)).unwrap(),
        [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 1.0, 1.0]
    );
    let nothing = masked_mean(&x, &Tensor::zeros([2, 2], (Kind::Bool, Device::Cpu))).unwrap();
    assert_eq!(nothing.abs().sum(Kind::Float).double_value(&[]), 0.0);
}

#[test]
fn wrong_shapes_are_named() {
    let x = Tensor::zeros([3, 4], FLOAT);
    let error = info_nce(
        &x,
        &Tensor::zeros([3, 5], FLOAT),
        Negatives::InBatch,
        None,
        0.1,
        Reduction::Mean,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "positive: expected shape [3, 4], found [3, 5]"
    );
    let error = info_nce(&x, &x, Negatives::Paired(&x), None, 0.1, Reduction::Mean).unwrap_err();
    assert_eq!(
        error.to_string(),
        "negatives: expected shape [3, negatives, 4], found [3, 4]"
    );
    let error = masked_mean(&x, &x).unwrap_err();
    assert_eq!(
        error.to_string(),
        "x: expected shape [batch, time, dim], found [3, 4]"
    );
}
