//! Gradients along a tape against those of one graph with the same seeds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tch::nn::VarStore;

use super::*;
use crate::encoder::TextEncoder;
use crate::generator::seeded;
use crate::precision::Precision;
use crate::t5::{Memory, T5, T5Config};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

#[test]
fn the_chain_rule_by_hand() {
    // y = (a x)^2 with x = 3 b, loss = y + 2 x: d/da = 2 a x^2, d/db = 3 (2 a^2 x + 2).
    let scalar = |value: f32| Tensor::from(value).set_requires_grad(true);
    let (a, b) = (scalar(5.0), scalar(0.5));
    let tape = Tape::recompute();
    let _generator = seeded(0);
    let mut x = &b * 3.0;
    tape.cut([&mut x]);
    let scaled = tape.run(&[&x], |x| &x[0] * &a);
    let y = tape.run(&[&scaled], |x| x[0].square());
    // Nothing learns in here, so nothing is remembered.
    let constant = tape.run(&[&Tensor::from(1f32)], |x| &x[0] + 1.0);
    assert!(!constant.requires_grad());
    assert_eq!(format!("{tape:?}"), "Tape { mode: Recompute, pieces: 3 }");
    tape.backward(&(y + x * 2.0 + constant));
    assert_eq!(a.grad().double_value(&[]), 2.0 * 5.0 * 1.5 * 1.5);
    assert_eq!(b.grad().double_value(&[]), 3.0 * (2.0 * 25.0 * 1.5 + 2.0));
}

#[test]
fn a_block_that_the_loss_does_not_use_learns_nothing() {
    let a = Tensor::from(2f32).set_requires_grad(true);
    let b = Tensor::from(3f32).set_requires_grad(true);
    let _generator = seeded(0);
    let tape = Tape::recompute();
    let used = tape.run(&[], |_| &a * 2.0);
    let _unused = tape.run(&[], |_| &b * 2.0);
    tape.backward(&used);
    assert_eq!(a.grad().double_value(&[]), 2.0);
    assert!(!b.grad().defined());
}

/// Loss of a small T5 and its gradients, by name.
fn gradients(mode: Mode, gated: bool, precision: Precision, frozen: bool) -> Vec<(String, Tensor)> {
    let config = serde_json::json!({
        "vocab_size": 30, "d_model": 12, "d_kv": 4, "d_ff": 20, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 3,
        "dropout_rate": 0.2, "feed_forward_proj": if gated { "gated-gelu" } else { "relu" }, "tie_word_embeddings": !gated,
    });
    let config: T5Config = serde_json::from_value(config).unwrap();
    let _generator = seeded(7);
    let store = VarStore::new(Device::Cpu);
    let t5 = T5::new(&store.root(), &config, precision);
    if frozen {
        for (name, tensor) in store.variables() {
            let stays = name.contains("encoder.block.2") || name.contains("decoder.block.1");
            let _ = tensor.set_requires_grad(stays);
        }
    }
    let ids = Tensor::randint(30, [4, 9], (Kind::Int64, Device::Cpu));
    let mask = Tensor::rand([4, 9], FLOAT).gt(0.2);
    let inputs = Tensor::randint(30, [4, 5], (Kind::Int64, Device::Cpu));
    let tape = Tape::new(mode);
    let (mut hidden, mut bias) = t5.encoder.embed(&ids, &mask, None, true);
    tape.cut([&mut hidden, &mut bias]);
    let encoder = &t5.encoder;
    for at in 0..encoder.layers() {
        hidden = tape.run(&[&hidden, &bias], move |x| {
            encoder.layer(at, &x[0], &x[1], true)
        });
    }
    let mut source = encoder.finish(hidden, true);
    tape.cut([&mut source]);
    let logits = t5
        .decoder
        .forward_on(&tape, &inputs, &Memory::of_text(&source, &mask), true);
    // The loss also reads the encoder directly, as the contrastive one does.
    let loss = logits.to_kind(Kind::Float).square().mean(Kind::Float)
        + source.to_kind(Kind::Float).sin().mean(Kind::Float);
    let mut found = vec![("loss".to_owned(), loss.detach())];
    tape.backward(&loss);
    let next = Tensor::rand([1], FLOAT);
    let mut variables: Vec<_> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, variable) in variables {
        assert_eq!(
            variable.grad().defined(),
            variable.requires_grad(),
            "{name}"
        );
        if variable.requires_grad() {
            found.push((name, variable.grad()));
        }
    }
    found.push(("the generator afterwards".to_owned(), next));
    found
}

#[test]
fn loss_and_gradients_with_dropout_equal_those_of_one_graph() {
    for gated in [false, true] {
        for frozen in [false, true] {
            let expected = gradients(Mode::Seeded, gated, Precision::Fp32, frozen);
            let found = gradients(Mode::Recompute, gated, Precision::Fp32, frozen);
            assert_eq!(found.len(), expected.len());
            assert!(found.len() > 20);
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                if name.starts_with("the generator") {
                    continue;
                }
                // Only the order in which contributions are added differs.
                let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
                let (error, size) = (norm(&(found - expected)), norm(expected));
                assert!(error <= 1e-6 * size, "{name}: {error:e} of {size:e}");
            }
            // Once more: the same, to the bit, and the generator ends where it ended.
            let again = gradients(Mode::Recompute, gated, Precision::Fp32, frozen);
            assert_eq!(found, again);
        }
    }
}

#[test]
fn bf16_gradients_are_as_near_to_fp32_as_those_of_one_graph() {
    let exact = gradients(Mode::Seeded, true, Precision::Fp32, false);
    let plain = gradients(Mode::Seeded, true, Precision::Bf16, false);
    let found = gradients(Mode::Recompute, true, Precision::Bf16, false);
    assert_eq!(found[0], plain[0], "the loss, to the bit");
    let parameters = exact.len() - 2;
    let error = |values: &[(String, Tensor)]| -> f64 {
        let of_parameter = |at: usize| {
            let error = (&values[at].1 - &exact[at].1).norm() / exact[at].1.norm();
            error.double_value(&[])
        };
        (1..=parameters).map(of_parameter).sum::<f64>() / parameters as f64
    };
    let (plain, found) = (error(&plain), error(&found));
    assert!(
        found < 1.2 * plain,
        "mean error {found:e}, of one graph {plain:e}"
    );
}
