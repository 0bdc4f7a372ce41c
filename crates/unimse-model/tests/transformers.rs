//! Checkpoints go to transformers and come back: what `save` writes opens there with the same logits, and what
//! `save_pretrained` writes, in one file or in shards, opens here.
//!
//! Needs a Python that can import torch and transformers: `UNIMSE_PYTHON`, or else `python3`. Where the latter cannot, the tests
//! say so and pass. Those of RoBERTa and its like are beside their golden values.

use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::t5::{T5, T5Config};
use unimse_model::weights::{self, load_backbone};
use unimse_model::{Decoder, ModelConfig, ModelError, Precision, UniModel, hub};

use crate::{parity, python, tiny};

/// Opens the folder `ours`, writes logits of `inputs` to `logits`, saves the model again as `whole` and as `sharded`.
const SCRIPT: &str = r#"
import sys, torch
from safetensors.torch import load_file, save_file
from transformers import T5ForConditionalGeneration
ours, inputs, logits, whole, sharded = sys.argv[1:]
model, info = T5ForConditionalGeneration.from_pretrained(ours, output_loading_info=True)
assert not info["missing_keys"] and not info["mismatched_keys"], info
assert all(name.startswith("unimse.") for name in info["unexpected_keys"]), info
assert model.dtype == torch.float32
batch = load_file(inputs)
with torch.no_grad():
    # in f64: the reference has no rounding of its own
    out = model.eval().double()(input_ids=batch["ids"], attention_mask=batch["mask"], decoder_input_ids=batch["labels"])
model.float()
save_file({"logits": out.logits.float()}, logits)
model.save_pretrained(whole)
model.save_pretrained(sharded, max_shard_size="8KB")
"#;

/// A checkpoint in Hub layout, v1.0 or v1.1, with random weights; v1.1 says that it is in half precision.
fn checkpoint(gated: bool) -> tempfile::TempDir {
    let place = tiny::folder_with(tiny::T5, 10, 0);
    if gated {
        let file = place.path().join("config.json");
        let mut config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        config["feed_forward_proj"] = "gated-gelu".into();
        config["tie_word_embeddings"] = false.into();
        config["torch_dtype"] = "float16".into();
        std::fs::write(&file, config.to_string()).unwrap();
        let _generator = tiny::seeded(3);
        tiny::save_t5(place.path());
    }
    place
}

/// Logits of the T5 in `folder`, which may be a checkpoint of a whole model.
fn logits(folder: &Path, ids: &Tensor, mask: &Tensor, labels: &Tensor) -> Tensor {
    use unimse_model::TextEncoder;
    let store = VarStore::new(Device::Cpu);
    let config = T5Config::from_folder(folder).unwrap();
    let t5 = tiny::drawn(|| T5::new(&store.root(), &config, Precision::Fp32));
    load_backbone(&store, folder, &config, &|_| false).unwrap();
    tch::no_grad(|| {
        let mask = mask.to_kind(Kind::Bool);
        let source = t5.encoder.forward(ids, &mask, None, false, &mut |_, h| h);
        t5.decoder.forward(labels, &source, &mask, false)
    })
}

/// Within 1e-4 of the largest logit, the tolerance of every T5 test: v1.1 with these steep weights is 2e-5 from f64, transformers in
/// fp32 up to 4e-6.
#[track_caller]
fn assert_equal(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let largest = expected.abs().max().double_value(&[]);
    let error = (found - expected).abs().max().double_value(&[]) / largest;
    assert!(error < 1e-4, "{what}: error {error:e}");
}

/// A whole model around the checkpoint in `folder`.
fn build(config: &ModelConfig, folder: &Path) -> Result<UniModel, ModelError> {
    let (grammar, dims) = (tiny::GRAMMAR(), tiny::dims());
    let (device, kind) = (Device::Cpu, Precision::Fp32);
    tiny::drawn(|| UniModel::new(config, &grammar, folder, &dims, device, kind))
}

#[test]
fn checkpoints_go_to_transformers_and_come_back() {
    let test = "checkpoints_go_to_transformers_and_come_back";
    let Some(python) = python::python(test) else {
        return;
    };
    for gated in [false, true] {
        let base = checkpoint(gated);
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        // What a run leaves: all weights moved, ours among them, beside configuration and tokenizer.
        let config = tiny::config(tiny::T5, Decoder::T5);
        let mut model = build(&config, base.path()).unwrap();
        tiny::shake(&model, 5);
        hub::copy_description(base.path(), &at("ours")).unwrap();
        model.save(&at("ours/model.safetensors")).unwrap();
        model.load(&at("ours/model.safetensors")).unwrap();

        let ids = Tensor::from_slice(&[5i64, 9, 40, 3, 1, 7, 8, 1, 0, 0]).view([2, 5]);
        let mask = ids.ne(0).to_kind(Kind::Int64);
        let labels = Tensor::from_slice(&[0i64, 12, 33, 0, 4, 5]).view([2, 3]);
        let tensors = [("ids", &ids), ("mask", &mask), ("labels", &labels)]
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
        weights::save(&tensors, &at("inputs.safetensors")).unwrap();
        let names = [
            "ours",
            "inputs.safetensors",
            "logits.safetensors",
            "whole",
            "sharded",
        ];
        python::run(&python, SCRIPT, &names.map(at));
        let expected = &weights::read(&at("logits.safetensors")).unwrap()["logits"];
        for folder in ["ours", "whole", "sharded"] {
            let found = logits(&at(folder), &ids, &mask, &labels);
            assert_equal(&found, expected, &format!("gated {gated}, {folder}"));
        }
        assert!(at("whole/model.safetensors").is_file());
        assert!(at("sharded/model.safetensors.index.json").is_file());
        assert!(!at("sharded/model.safetensors").exists());
        // And a whole model can be built around what transformers wrote.
        std::fs::copy(
            base.path().join("tokenizer.json"),
            at("sharded/tokenizer.json"),
        )
        .unwrap();
        build(model.config(), &at("sharded")).unwrap();
    }
}

#[test]
fn bert_goes_to_transformers_and_comes_back() {
    let test = "bert_goes_to_transformers_and_comes_back";
    parity::round_trip(test, tiny::folder(tiny::BERT).path());
}

#[test]
fn a_head_beside_tied_embeddings_is_used_where_transformers_5_wrote_it() {
    // transformers 5 says "tied" of every T5 and keeps the head of v1.1 beside the table all the same.
    let base = checkpoint(true);
    let (ids, labels) = (
        Tensor::from_slice(&[5i64, 9, 1]),
        Tensor::from_slice(&[0i64, 12]),
    );
    let (ids, labels) = (ids.unsqueeze(0), labels.unsqueeze(0));
    let mask = ids.ones_like();
    let expected = logits(base.path(), &ids, &mask, &labels);
    let file = base.path().join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["tie_word_embeddings"] = true.into();
    config["scale_decoder_outputs"] = false.into();
    std::fs::write(&file, config.to_string()).unwrap();
    assert_eq!(logits(base.path(), &ids, &mask, &labels), expected);
    // Without a head of its own the model is tied, and not scaled.
    let file = base.path().join("model.safetensors");
    let mut tensors = weights::read(&file).unwrap();
    let head = tensors.remove("lm_head.weight").unwrap();
    tensors.insert("shared.weight".to_owned(), head);
    let tensors: Vec<_> = tensors.into_iter().collect();
    weights::save(&tensors, &file).unwrap();
    let tied = T5Config::from_folder(base.path()).unwrap();
    assert!(tied.tie_word_embeddings);
    assert_eq!(tied.output_scale(), 1.0);
}

#[test]
fn a_checkpoint_with_a_lone_sentencepiece_file_says_the_way_out() {
    let base = checkpoint(false);
    std::fs::rename(
        base.path().join("tokenizer.json"),
        base.path().join("spiece.model"),
    )
    .unwrap();
    let built = build(&tiny::config(tiny::T5, Decoder::T5), base.path());
    let error = built.unwrap_err().to_string();
    for part in ["tokenizer.json", "spiece.model", "save_pretrained"] {
        assert!(error.contains(part), "{error}");
    }
}
