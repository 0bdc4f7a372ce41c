//! Gradient checkpointing of the whole model: the same losses and gradients from less memory.

use tch::{Kind, Tensor};
use unimse_model::{ModelConfig, UniModel};

use crate::tiny::{self, KINDS, batch, targets};

/// The model of `config` with and without checkpointing, on the same weights.
fn pair(config: &ModelConfig) -> [UniModel; 2] {
    [false, true].map(|checkpointing| {
        let config = ModelConfig {
            checkpointing,
            ..config.clone()
        };
        tiny::shaken(&config, 4)
    })
}

/// Total loss and the gradient of every parameter that has one.
fn gradients(model: &UniModel, seed: i64, weight: f64) -> (Tensor, Vec<(String, Tensor)>) {
    let _generator = tiny::seeded(seed);
    let losses = model.loss(&batch(4, 7, true), &targets(4), true).unwrap();
    let total = losses.total.detach();
    losses.backward(weight);
    let parameters = model.parameters().into_iter();
    let learnt = parameters.filter_map(|(name, p)| {
        let gradient = p.grad();
        gradient.defined().then(|| (name, gradient.copy()))
    });
    (total, learnt.collect())
}

/// Equal but for the order in which contributions were added: `|a - b| / |b|` of a tensor, Euclidean norms. Rounding is up to 1e-6 here, a
/// contribution that is lost or counted twice moves a norm by far more than 1e-5.
#[track_caller]
fn assert_near(found: &Tensor, expected: &Tensor, what: &str) {
    let norm = |x: &Tensor| x.to_kind(Kind::Double).norm().double_value(&[]);
    let (error, size) = (norm(&(found - expected)), norm(expected));
    // Sums of hundreds of fp32 terms in another order: some tens of the last place, 6e-8.
    assert!(error <= 4e-6 * size, "{what}: error {error:e} of {size:e}");
}

#[test]
fn without_dropout_losses_and_gradients_are_the_same() {
    for (backbone, decoder) in KINDS {
        for skip in [false, true] {
            let mut config = tiny::fused(backbone, decoder);
            config = tiny::without_dropout(config);
            config.fusion.skip = skip;
            for frozen in [false, true] {
                let [mut plain, mut sparing] = pair(&config);
                if frozen {
                    for model in [&mut plain, &mut sparing] {
                        let outside = model.outside_last_blocks(1);
                        model.freeze(|name| outside.contains(name));
                    }
                }
                let expected = gradients(&plain, 1, 0.5);
                let found = gradients(&sparing, 1, 0.5);
                assert_eq!(found.0, expected.0, "{backbone:?} {decoder:?}: the loss");
                assert_eq!(found.1.len(), expected.1.len());
                assert!(found.1.len() > 20, "{}", found.1.len());
                for ((name, found), (other, expected)) in found.1.iter().zip(&expected.1) {
                    assert_eq!(name, other);
                    assert_near(found, expected, &format!("{backbone:?} {decoder:?} {name}"));
                }
            }
        }
    }
}

#[test]
fn with_dropout_the_gradient_is_that_of_the_loss() {
    for (backbone, decoder) in KINDS {
        let mut config = tiny::fused(backbone, decoder);
        config.checkpointing = true;
        (config.model.dropout, config.fusion.dropout) = (tiny::number(0.2), tiny::number(0.2));
        let model = tiny::model(&config, 4);
        let (_, gradient) = gradients(&model, 9, 1.0);
        let (_, twice) = gradients(&model, 9, 1.0);
        for ((name, one), (_, two)) in gradient.iter().zip(&twice) {
            assert_near(two, &(one * 2.0), name);
        }
        // Along the gradient itself a step of e changes the loss by e |gradient|^2, if both passes dropped the same values.
        let parameters: std::collections::HashMap<_, _> = model.parameters().into_iter().collect();
        let square: f64 = gradient
            .iter()
            .map(|(_, g)| g.square().sum(Kind::Double).double_value(&[]))
            .sum();
        let step = 1e-3 / square.sqrt();
        let loss = |sign: f64| {
            let shift = |by: f64| {
                tch::no_grad(|| {
                    for (name, gradient) in &gradient {
                        let _ = parameters[name].shallow_clone().g_add_(&(gradient * by));
                    }
                });
            };
            shift(sign * step);
            let _generator = tiny::seeded(9);
            let losses = model.loss(&batch(4, 7, true), &targets(4), true).unwrap();
            shift(-sign * step);
            losses.total.double_value(&[])
        };
        let slope = (loss(1.0) - loss(-1.0)) / (2.0 * step);
        assert!(
            (slope / square - 1.0).abs() < 0.02,
            "{backbone:?} {decoder:?}: slope {slope}, |gradient|^2 {square}"
        );
    }
}

#[test]
fn the_total_alone_has_no_gradient() {
    let (backbone, decoder) = KINDS[0];
    let [plain, sparing] = pair(&tiny::config(backbone, decoder));
    let needs = |model: &UniModel, train| {
        let _generator = tiny::seeded(2);
        let losses = model.loss(&batch(2, 1, true), &targets(2), train).unwrap();
        losses.total.requires_grad()
    };
    assert!(needs(&plain, true) && !needs(&sparing, true));
    assert!(needs(&sparing, false), "only training is on the tape");
}
