//! What the encoder of every backbone without a decoder is held to: transformers' states and gradients, whole models around it, the way to
//! transformers and back. `data/golden/NAME`, by the section `encoders` of `generate.py`, has a small checkpoint and the values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::weights::{self, load_backbone, read};
use unimse_model::{BackboneChoice, Precision, TextEncoder, UniModel, backbones, hub, no_hook};

use crate::{python, tiny};

/// Largest error in fp32, relative to the largest entry.
const TOLERANCE: f64 = 1e-4;

/// Opens the folder `ours`, writes states of `inputs` to `states`, saves the model again as `plain` and, with a head on top and so under
/// names with a prefix, sharded, as `headed`.
const SCRIPT: &str = r#"
import sys, torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM
ours, inputs, states, plain, headed = sys.argv[1:]
model, info = AutoModel.from_pretrained(ours, output_loading_info=True, add_pooling_layer=False)
assert not info["missing_keys"] and not info["mismatched_keys"], info
assert info["unexpected_keys"] and all(name.startswith("unimse.") for name in info["unexpected_keys"]), info
batch = load_file(inputs)
with torch.no_grad():
    # in f64: the reference has no rounding of its own
    out = model.eval().double()(input_ids=batch["ids"], attention_mask=batch["mask"], output_hidden_states=True)
save_file({str(i): state.float().contiguous() for i, state in enumerate(out.hidden_states)}, states)
model.float().save_pretrained(plain)
AutoModelForMaskedLM.from_pretrained(ours).save_pretrained(headed, max_shard_size="8KB")
"#;

/// The folder of golden values called `name`, if it is there.
pub(crate) fn golden(test: &str, name: &str) -> Option<PathBuf> {
    let folder = tiny::golden().join(name);
    if !folder.is_dir() {
        eprintln!("skipped: {test} needs {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The encoder of the checkpoint in `folder`, whatever stands on top of it there.
pub(crate) fn open(folder: &Path) -> (VarStore, Box<dyn TextEncoder>) {
    let backbone = backbones::open(folder, BackboneChoice::Auto).unwrap();
    let store = VarStore::new(Device::Cpu);
    let encoder = tiny::drawn(|| backbone.encoder(&store.root(), Precision::Fp32));
    let initialised = load_backbone(&store, folder, &*backbone, &|_| false).unwrap();
    assert!(initialised.is_empty());
    (store, encoder)
}

/// What goes into every layer, and what comes out of the last.
pub(crate) fn states(encoder: &dyn TextEncoder, ids: &Tensor, mask: &Tensor) -> Vec<Tensor> {
    let (first, _) = encoder.embed(ids, mask, None, false);
    let mut all = vec![first];
    let last = encoder.forward(ids, mask, None, false, &mut |_, hidden| {
        all.push(hidden.shallow_clone());
        hidden
    });
    let of_last_layer = all.last().unwrap();
    assert_eq!(&last, of_last_layer, "nothing follows the last layer");
    all
}

/// `max|a - b|` over the larger of `max|b|` and `scale`.
fn error(found: &Tensor, expected: &Tensor, scale: f64) -> f64 {
    assert_eq!(found.size(), expected.size());
    let largest = expected.abs().max().double_value(&[]).max(scale);
    (found - expected).abs().max().double_value(&[]) / largest
}

#[track_caller]
fn assert_states(found: &[Tensor], expected: &[Tensor], mask: &Tensor, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let valid = mask.unsqueeze(-1);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = error(&(found * &valid), &(expected * &valid), 0.0);
        assert!(error < TOLERANCE, "{what}: state {at}: error {error:e}");
    }
}

/// States of a padded batch, of an input as long as positions reach, and the gradient of every parameter.
pub(crate) fn states_and_gradients(folder: &Path) {
    let (store, encoder) = open(folder);
    let case = read(&folder.join("case.safetensors")).unwrap();
    let (ids, mask) = (
        &case["input_ids"],
        case["attention_mask"].to_kind(Kind::Bool),
    );
    let found = states(&*encoder, ids, &mask);
    let expected: Vec<Tensor> = (0..=encoder.layers())
        .map(|at| case[&format!("hidden_states.{at}")].shallow_clone())
        .collect();
    assert_states(&found, &expected, &mask, "batch");

    let last = found.last().unwrap();
    (last * &case["r"]).sum(Kind::Float).backward();
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let golden: BTreeMap<&str, &Tensor> = case
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("grad.")?, tensor)))
        .collect();
    assert!(variables.keys().eq(golden.keys()), "every one learns");
    let largest = |t: &&Tensor| t.abs().max().double_value(&[]);
    let scale = golden.values().map(largest).fold(0.0, f64::max);
    for (name, variable) in &variables {
        // That of a key's bias is nothing but rounding: softmax does not see it.
        let error = error(&variable.grad(), golden[name.as_str()], 1e-2 * scale);
        assert!(error < TOLERANCE, "gradient of {name}: error {error:e}");
    }

    let ids = &case["long_input_ids"];
    let most = encoder.shape().max_positions.unwrap();
    assert_eq!(ids.size()[1], most, "as long as positions reach");
    let mask = ids.ones_like().to_kind(Kind::Bool);
    let found = tch::no_grad(|| encoder.forward(ids, &mask, None, false, &mut no_hook));
    let error = error(&found, &case["long_last_hidden_state"], 0.0);
    assert!(error < TOLERANCE, "long input: error {error:e}");
}

/// The states of a text do not depend on how far it is padded, beyond the last position too, nor on what stands there.
pub(crate) fn padding_changes_nothing(folder: &Path) {
    let (_store, encoder) = open(folder);
    let most = encoder.shape().max_positions.unwrap();
    let ids = Tensor::from_slice(&[0i64, 9, 17, 30, 2]).unsqueeze(0);
    let run = |ids: &Tensor, length: i64| {
        let columns = Tensor::arange(ids.size()[1], (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let hidden =
            tch::no_grad(|| encoder.forward(ids, &columns.lt(length), None, false, &mut no_hook));
        hidden.narrow(1, 0, length)
    };
    let alone = run(&ids, 5);
    for pad in [1, 7] {
        for width in [8, most, most + 20] {
            let padded = ids.constant_pad_nd([0, width - 5]);
            let tail = Tensor::arange(width, (Kind::Int64, Device::Cpu)).ge(5);
            let padded = padded.masked_fill(&tail, pad);
            let error = error(&run(&padded, 5), &alone, 0.0);
            assert!(error < 1e-5, "{width} columns of {pad}: error {error:e}");
        }
    }
}

/// A whole model around `folder`, every parameter away from where it began.
pub(crate) fn whole(folder: &Path) -> UniModel {
    let model = {
        let _generator = tiny::seeded(3);
        let config = tiny::config(BackboneChoice::Auto, unimse_model::Decoder::Label);
        let (grammar, dims) = (tiny::GRAMMAR(), tiny::dims());
        let (device, kind) = (Device::Cpu, Precision::Fp32);
        UniModel::new(&config, &grammar, folder, &dims, device, kind).unwrap()
    };
    tiny::shake(&model, 5);
    model
}

/// What a run leaves opens in transformers with equal states, and what transformers saves opens here.
pub(crate) fn round_trip(test: &str, folder: &Path) {
    let Some(python) = python::python(test) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    hub::copy_description(folder, &at("ours")).unwrap();
    whole(folder).save(&at("ours/model.safetensors")).unwrap();
    let ids = Tensor::from_slice(&[5i64, 9, 30, 3, 11, 7, 8, 2, 1, 1]).view([2, 5]);
    let mask = ids.ne(1).to_kind(Kind::Int64);
    let inputs = [("ids", &ids), ("mask", &mask)]
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    weights::save(&inputs, &at("inputs.safetensors")).unwrap();
    let names = [
        "ours",
        "inputs.safetensors",
        "states.safetensors",
        "plain",
        "headed",
    ];
    python::run(&python, SCRIPT, &names.map(at));
    assert!(at("headed/model.safetensors.index.json").is_file());
    let mask = mask.to_kind(Kind::Bool);
    let saved = read(&at("states.safetensors")).unwrap();
    for name in ["ours", "plain", "headed"] {
        let (_store, encoder) = open(&at(name));
        let expected: Vec<Tensor> = (0..saved.len())
            .map(|i| saved[&i.to_string()].shallow_clone())
            .collect();
        let found = tch::no_grad(|| states(&*encoder, &ids, &mask));
        assert_states(&found, &expected, &mask, name);
    }
}

/// A whole model predicts, learns, and answers from what it saved; the blocks that are trained are the last ones.
pub(crate) fn models_learn(folder: &Path) {
    let mut model = whole(folder);
    let all = model.parameters().len();
    let frozen = model.outside_last_blocks(1);
    assert!(frozen.iter().any(|name| name.starts_with("embeddings.")));
    assert!(
        frozen
            .iter()
            .any(|name| name.starts_with("encoder.layer.0."))
    );
    assert!(
        !frozen
            .iter()
            .any(|name| name.starts_with("encoder.layer.1."))
    );
    assert!(frozen.len() < all);
    model.freeze(|name| frozen.contains(name));
    let (batch, targets) = (tiny_batch(), tiny::targets(3));
    let before = model.predict(&batch).unwrap();
    let mut adam = tiny::Adam::new(&model, 0.01);
    let mut losses = Vec::new();
    for _ in 0..30 {
        let loss = tiny::drawn(|| model.loss(&batch, &targets, true).unwrap());
        losses.push(loss.task);
        loss.backward(1.0);
        adam.step();
    }
    assert!(losses[29] < 0.5 * losses[0], "{losses:?}");
    let after = model.predict(&batch).unwrap();
    assert_ne!(before, after);

    let place = tempfile::tempdir().unwrap();
    hub::copy_description(folder, place.path()).unwrap();
    model.save(&place.path().join("model.safetensors")).unwrap();
    let (config, grammar) = (model.config(), model.grammar());
    let _generator = tiny::seeded(1);
    let opened = UniModel::open(
        config,
        grammar,
        place.path(),
        &tiny::dims(),
        Device::Cpu,
        Precision::Fp32,
    );
    assert_eq!(opened.unwrap().predict(&batch).unwrap(), after);
}

/// Three rows with ids below 33, audio and video.
fn tiny_batch() -> unimse_model::Batch {
    let mut batch = tiny::batch(3, 2, true);
    batch.tokens = batch.tokens.remainder(30) + 3;
    batch
}
