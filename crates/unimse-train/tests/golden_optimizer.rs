//! Fifty steps of Adam with L2 and of AdamW on the T5 of `unimse-model` against those of `torch.optim`, both in f64, where rounding does
//! not decide: losses, gradient norms and final parameters 1e-8. Weight decay, clipping, two groups and falling rates are in it.
//! And steps in fp32 cut in two by a checkpoint, bit for bit.
//!
//! Everything is read from the golden folder: shapes, batch, groups and their rates.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;
use unimse_model::Precision;
use unimse_train::TrainError;
use unimse_train::train::checkpoint::{self, LoopState};
use unimse_train::train::optimizer::{Group, Optimizer, Rule};

use crate::golden::{Golden, apart, for_each, for_each_in};
use crate::tiny;

/// One of the optimiser's two layouts.
type Build = fn(Rule, Vec<Group>, Vec<(String, usize, Tensor)>) -> Result<Optimizer, TrainError>;

const LAYOUTS: [Build; 2] = [Optimizer::new, Optimizer::new_flat];

/// The golden weights, kept beside a model that is trained several times.
struct Start(BTreeMap<String, Tensor>);

impl Start {
    fn of(golden: &Golden) -> Self {
        let weights = golden.parameters().into_iter();
        Self(weights.map(|(name, t)| (name, t.detach().copy())).collect())
    }

    /// The model as it was, and an optimiser for it; names with `prefix` are the first group.
    fn again(
        &self,
        golden: &Golden,
        build: Build,
        rule: Rule,
        groups: Vec<Group>,
        prefix: &str,
    ) -> Optimizer {
        let parameters = golden.parameters();
        for (name, tensor) in &parameters {
            let mut tensor = tensor.shallow_clone();
            tch::no_grad(|| tensor.copy_(&self.0[name]));
        }
        let member = |(name, tensor): (String, Tensor)| {
            let group = usize::from(!name.starts_with(prefix));
            (name, group, tensor)
        };
        build(rule, groups, parameters.into_iter().map(member).collect()).unwrap()
    }
}

#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs() / expected.abs();
    assert!(
        error <= 1e-8,
        "{what}: expected {expected}, found {found}, error {error:.1e}"
    );
}

#[test]
fn golden_optimizer_fifty_steps_in_f64() {
    for_each(|golden| {
        golden.soften();
        let start = Start::of(golden);
        for training in golden.exact.iter().flat_map(|exact| &exact.training) {
            let rule = match training.rule.as_str() {
                "adam" => Rule::Adam,
                "adamw" => Rule::AdamW,
                other => panic!("{}: rule {other}", golden.name),
            };
            assert!(training.factors.len() >= 50);
            for (layout, build) in LAYOUTS.into_iter().enumerate() {
                let groups = training.groups.iter().map(|g| Group {
                    lr: g.lr,
                    weight_decay: g.weight_decay,
                });
                let prefix = &training.prefix_of_first_group;
                let mut optimizer = start.again(golden, build, rule, groups.collect(), prefix);
                let what =
                    |of: &str| format!("{} {} layout {layout}: {of}", golden.name, training.rule);
                for (step, factor) in training.factors.iter().enumerate() {
                    let (loss, _) = golden.loss();
                    near(
                        loss.double_value(&[]),
                        training.losses_before_each_step[step],
                        &what(&format!("loss {step}")),
                    );
                    loss.backward();
                    let norm = optimizer.step(*factor, Some(training.clip)).unwrap();
                    near(
                        norm,
                        training.gradient_norms[step],
                        &what(&format!("norm {step}")),
                    );
                }
                let parameters = golden.parameters();
                assert!(parameters.keys().eq(training.final_parameters.keys()));
                for (name, expected) in &training.final_parameters {
                    let apart = apart(&parameters[name], expected);
                    assert!(apart <= 1e-8, "{}: {apart:.1e}", what(name));
                }
            }
        }
    });
}

/// Weights and moments into one safetensors file.
fn save(golden: &Golden, optimizer: &Optimizer, path: &Path) {
    let mut tensors = optimizer.state();
    let weights = golden.parameters().into_iter();
    tensors.extend(weights.map(|(name, t)| (format!("model.{name}"), t)));
    let state = LoopState {
        step: optimizer.steps(),
        ..LoopState::default()
    };
    checkpoint::save(path, &tensors, &state).unwrap();
}

/// What [`save`] wrote.
fn load(golden: &Golden, optimizer: &mut Optimizer, path: &Path) {
    let (tensors, state) = checkpoint::load(path, false).unwrap();
    for (name, mut tensor) in golden.parameters() {
        tch::no_grad(|| tensor.copy_(&tensors[&format!("model.{name}")]));
    }
    optimizer.restore(&tensors, state.step).unwrap();
}

/// Values of every parameter and moment.
fn bits(golden: &Golden, optimizer: &Optimizer) -> BTreeMap<String, Vec<f32>> {
    let values = |t: &Tensor| Vec::try_from(t.detach().reshape([-1])).unwrap();
    let moments = optimizer.state();
    let all = moments.iter().map(|(name, t)| (name.clone(), values(t)));
    all.chain(
        golden
            .parameters()
            .into_iter()
            .map(|(n, t)| (n, values(&t))),
    )
    .collect()
}

#[test]
fn golden_optimizer_goes_on_from_a_checkpoint_to_the_same_bits() {
    const STEPS: usize = 10;
    let groups = || {
        [(3e-4, 1e-2), (1e-4, 0.0)]
            .map(|(lr, weight_decay)| Group { lr, weight_decay })
            .to_vec()
    };
    for_each_in(&tiny::golden(), Precision::Fp32, |golden| {
        let start = Start::of(golden);
        for (rule, build) in [Rule::Adam, Rule::AdamW]
            .into_iter()
            .flat_map(|rule| LAYOUTS.map(|build| (rule, build)))
        {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("middle.safetensors");
            let step = |optimizer: &mut Optimizer| {
                let (loss, _) = golden.loss();
                loss.backward();
                optimizer.step(1.0, Some(1.0)).unwrap();
                loss.double_value(&[])
            };
            let again = || start.again(golden, build, rule, groups(), "encoder.block");
            let mut whole = again();
            let mut losses = Vec::new();
            for at in 0..STEPS {
                if at == STEPS / 2 {
                    save(golden, &whole, &path);
                }
                losses.push(step(&mut whole));
            }
            let expected = bits(golden, &whole);
            let mut resumed = again();
            load(golden, &mut resumed, &path);
            let rest: Vec<f64> = (STEPS / 2..STEPS).map(|_| step(&mut resumed)).collect();
            assert_eq!(losses[STEPS / 2..], rest, "{} {rule:?}", golden.name);
            assert!(
                expected == bits(golden, &resumed),
                "{} {rule:?}",
                golden.name
            );
        }
    });
}
