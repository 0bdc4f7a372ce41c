//! LSTM and fusion against PyTorch: values 1e-5, gradients 1e-4.

use std::collections::HashMap;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::fusion::Fusion;
use unimse_model::layers::Linear;
use unimse_model::lstm::Lstm;

use crate::tiny;

fn cases() -> Option<HashMap<String, Tensor>> {
    let file = tiny::golden().join("modules/cases.safetensors");
    if !file.is_file() {
        eprintln!("skipped: golden_modules needs {}", file.display());
        return None;
    }
    Some(
        Tensor::read_safetensors(file)
            .unwrap()
            .into_iter()
            .collect(),
    )
}

/// `max|a-b| / max|b|`.
fn check(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let error =
        (found - expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]);
    assert!(error <= tolerance, "{what}: {error} > {tolerance}");
}

/// Copies the golden weights into the store, `name` of the variable to key of the case.
fn fill(store: &VarStore, blob: &HashMap<String, Tensor>, key: impl Fn(&str) -> String) {
    for (name, mut variable) in store.variables() {
        tch::no_grad(|| variable.copy_(&blob[&key(&name)]));
    }
}

fn lstm(case: &str, bidirectional: bool, poison: f64) {
    let Some(blob) = cases() else { return };
    let get = |name: &str| &blob[&format!("{case}.{name}")];
    let lengths: Vec<i64> = Vec::try_from(get("lengths")).unwrap();
    let mut x = get("x").copy();
    if poison.is_nan() {
        for (row, &length) in lengths.iter().enumerate() {
            let _ = x
                .get(row as i64)
                .narrow(0, length, x.size()[1] - length)
                .fill_(poison);
        }
    }
    x = x.set_requires_grad(true);
    let input = x.size()[2];
    let hidden = get("weights.weight_hh_l0").size()[1];
    let _generator = tiny::seeded(1);
    let store = VarStore::new(Device::Cpu);
    let module = Lstm::new(&store.root(), input, hidden, bidirectional);
    let linear = Linear::new(
        &(store.root() / "linear"),
        module.width(),
        get("projected").size()[1],
    );
    fill(&store, &blob, |name| format!("{case}.weights.{name}"));

    let time = x.size()[1];
    let valid: Vec<i64> = (0..)
        .zip(&lengths)
        .flat_map(|(row, &length)| (0..length).map(move |at| row * time + at))
        .collect();
    let steps = x.flatten(0, 1).index_select(0, &Tensor::from_slice(&valid));
    let (sequence, _, last) = module.forward(&steps, &lengths);
    let projected = linear.forward(&last);
    check("sequence", &sequence, get("sequence"), 1e-5);
    check("last_hidden", &last, get("last_hidden"), 1e-5);
    check("projected", &projected, get("projected"), 1e-5);
    ((get("r_sequence") * &sequence).sum(Kind::Float)
        + (get("r_projected") * &projected).sum(Kind::Float))
    .backward();
    check("grad.x", &x.grad(), get("grad.x"), 1e-4);
    for (name, variable) in store.variables() {
        check(&name, &variable.grad(), get(&format!("grad.{name}")), 1e-4);
    }
}

#[test]
fn golden_modules_lstm() {
    lstm("lstm_uni", false, 0.0);
}

#[test]
fn golden_modules_lstm_bidirectional() {
    lstm("lstm_bi", true, 0.0);
}

#[test]
fn golden_modules_lstm_padding_of_nan_changes_nothing() {
    lstm("lstm_uni", false, f64::NAN);
    lstm("lstm_bi", true, f64::NAN);
}

#[test]
fn golden_modules_pmf() {
    let Some(blob) = cases() else { return };
    let get = |name: &str| &blob[&format!("pmf.{name}")];
    let bottleneck = get("down.bias").size()[0];
    let others = get("acoustic").size()[1] + get("visual").size()[1];
    for skip in [false, true] {
        let [hidden, acoustic, visual] =
            ["hidden", "acoustic", "visual"].map(|name| get(name).copy().set_requires_grad(true));
        let _generator = tiny::seeded(1);
        let store = VarStore::new(Device::Cpu);
        let fusion = Fusion::new(
            &store.root(),
            hidden.size()[2],
            others,
            bottleneck,
            skip,
            0.0,
        );
        fill(&store, &blob, |name| {
            format!("pmf.{}", name.replace("project", "proj"))
        });
        let states = [acoustic.shallow_clone(), visual.shallow_clone()];
        let out = fusion.forward(&hidden, &states, None, true);
        check(
            "out",
            &out,
            get(if skip { "out_with_skip" } else { "out" }),
            1e-5,
        );
        (get("r_out") * &out).sum(Kind::Float).backward();
        check(
            "grad.acoustic",
            &acoustic.grad(),
            get("grad.acoustic"),
            1e-4,
        );
        check("grad.visual", &visual.grad(), get("grad.visual"), 1e-4);
        // The skip adds r_out to the gradient of the hidden state and changes nothing else.
        let expected = if skip {
            get("grad.hidden") + get("r_out")
        } else {
            get("grad.hidden").shallow_clone()
        };
        check("grad.hidden", &hidden.grad(), &expected, 1e-4);
        for (name, variable) in store.variables() {
            check(
                &name,
                &variable.grad(),
                get(&format!("grad.{}", name.replace("project", "proj"))),
                1e-4,
            );
        }
    }
}
