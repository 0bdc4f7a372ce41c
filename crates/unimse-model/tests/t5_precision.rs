//! T5 in fp32 and in bf16 against itself in f64 and in fp32, and what must not depend on the batch.

use tch::{Device, Kind, Tensor};
use unimse_model::t5::Decoding;
use unimse_model::{Precision, TextEncoder};

use crate::golden::{Golden, error, for_each_in};
use crate::tiny;

/// Values and gradients of a model, as f64.
fn everything(g: &Golden) -> Vec<(String, Tensor)> {
    let (loss, logits) = g.loss();
    loss.backward();
    let mask = g.mask();
    let source = g.source() * mask.unsqueeze(-1);
    let ids = g.tensor("long_input_ids");
    let whole = ids.ones_like().to_kind(Kind::Bool);
    let long = g
        .model
        .encoder
        .forward(ids, &whole, None, false, &mut |_, h| h);
    let inputs = g.inputs(g.tensor("long_labels"));
    let mut decoding = Decoding::new(&g.model.decoder, &long, &whole, 1, None);
    let steps = [0, 1, 2].map(|at| decoding.step(&inputs.narrow(1, at, 1), None));
    let long_logits = g.model.decoder.forward(&inputs, &long, &whole, false);
    let mut all: Vec<(String, Tensor)> = [
        ("loss", loss.reshape([1])),
        ("logits", logits),
        ("encoder", source),
        ("long encoder", long),
        ("long logits", long_logits),
        ("steps", Tensor::cat(&steps, 1)),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into();
    let parameters = g.parameters().into_iter();
    all.extend(parameters.map(|(name, p)| (format!("gradient of {name}"), p.grad())));
    let double = |(name, t): (String, Tensor)| (name, t.detach().to_kind(Kind::Double));
    all.into_iter().map(double).collect()
}

/// With weights that are no steeper than trained ones, fp32 is near f64 on every CPU and for every seed: values 1e-5, gradients 1e-4
/// of their largest entry.
#[test]
fn golden_t5_in_fp32_is_near_f64() {
    let run = |precision| {
        let all = std::cell::RefCell::new(Vec::new());
        for_each_in(&tiny::golden(), precision, |g| {
            g.soften();
            all.borrow_mut().push((g.name, everything(g)));
        });
        all.into_inner()
    };
    for ((model, exact), (_, found)) in run(Precision::Fp64).iter().zip(run(Precision::Fp32)) {
        assert!(exact.len() > 50);
        for ((name, exact), (other, found)) in exact.iter().zip(&found) {
            assert_eq!(name, other);
            let most = if name.starts_with("gradient") {
                1e-4
            } else {
                1e-5
            };
            let error = error(found, exact);
            assert!(error < most, "{model}: {name}: error {error:e}");
        }
    }
}

#[test]
fn bf16_stays_near_fp32() {
    let run = |precision, results: &std::cell::RefCell<Vec<(f64, Tensor)>>| {
        for_each_in(&tiny::golden_copy(), precision, |g| {
            g.soften();
            let (loss, logits) =
                g.model
                    .loss(g.tensor("input_ids"), &g.mask(), g.tensor("labels"), true);
            assert_eq!(
                (loss.kind(), logits.kind()),
                (Kind::Float, precision.kind())
            );
            loss.backward();
            assert!(
                g.store
                    .variables()
                    .values()
                    .all(|v| v.grad().kind() == Kind::Float),
                "master gradients are fp32"
            );
            results
                .borrow_mut()
                .push((loss.double_value(&[]), logits.detach().to_kind(Kind::Float)));
        });
    };
    let (full, half) = Default::default();
    run(Precision::Fp32, &full);
    run(Precision::Bf16, &half);
    for ((loss, logits), (near_loss, near_logits)) in
        full.into_inner().into_iter().zip(half.into_inner())
    {
        // One rounding to 8 bits is up to 2^-9 = 0.002 of a value.
        let error =
            (&near_logits - &logits).norm().double_value(&[]) / logits.norm().double_value(&[]);
        assert!(
            (near_loss - loss).abs() < 0.01 * loss,
            "loss {loss}, in bf16 {near_loss}"
        );
        assert!(error < 0.02, "logits: relative error {error:e}");
    }
}

#[test]
fn rows_of_like_length_together_are_the_rows_in_one_batch() {
    for_each_in(&tiny::golden_copy(), Precision::Fp32, |g| {
        let (ids, mask) = (g.tensor("input_ids"), g.mask());
        let expected = g.source() * mask.unsqueeze(-1);
        assert!(error(&g.model.encode(ids, &mask), &expected) < 1e-5);
        // Enough rows for several groups, in no order of length.
        let (rows, copies) = (ids.size()[0], 5);
        let repeat = |x: &Tensor| x.repeat([copies, 1]);
        let found = g.model.encode(&repeat(ids), &repeat(&mask));
        for copy in 0..copies {
            let part = found.narrow(0, copy * rows, rows);
            assert!(error(&part, &expected) < 1e-5, "{}: copy {copy}", g.name);
        }
    });
}

#[test]
fn padding_and_segments() {
    for_each_in(&tiny::golden_copy(), Precision::Fp32, |g| {
        let (ids, mask) = (g.tensor("input_ids"), g.mask());
        let source = g.source();
        let garbage = ids.where_self(&mask, &(ids.zeros_like() + 3));
        let other = g
            .model
            .encoder
            .forward(&garbage, &mask, None, false, &mut |_, h| h);
        let valid = mask.unsqueeze(-1).to_kind(Kind::Float);
        assert_eq!(
            &source * &valid,
            other * &valid,
            "{}: what stands under the mask does not matter",
            g.name
        );

        let segments = Tensor::zeros(source.size(), (Kind::Float, Device::Cpu));
        let same = g
            .model
            .encoder
            .forward(ids, &mask, Some(&segments), false, &mut |_, h| h);
        assert_eq!(source, same, "{}: zero segments change nothing", g.name);
    });
}
