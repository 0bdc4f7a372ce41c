//! Loading is strict and lists every difference; saving is atomic and gives the Hub's names.

use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::t5::{T5, T5Config, T5Encoder};
use unimse_model::weights::{load, load_backbone, read, save};
use unimse_model::{BackboneChoice, ModelError, Precision, backbones, layers};

use crate::tiny;

fn t5_config(tied: bool) -> T5Config {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        r#"{{"vocab_size": 20, "d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2, "tie_word_embeddings": {tied}}}"#
    );
    std::fs::write(folder.path().join("config.json"), text).unwrap();
    T5Config::from_folder(folder.path()).unwrap()
}

fn t5_store(tied: bool) -> VarStore {
    let store = VarStore::new(Device::Cpu);
    tiny::drawn(|| T5::new(&store.root(), &t5_config(tied), Precision::Fp32));
    store
}

fn named(store: &VarStore) -> Vec<(String, Tensor)> {
    let mut all: Vec<_> = store.variables().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn mismatch(
    result: Result<impl std::fmt::Debug, ModelError>,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    match result.unwrap_err() {
        ModelError::Weights { mismatch, .. } => (
            mismatch.missing,
            mismatch.unexpected,
            mismatch.misshaped.into_iter().map(|m| m.0).collect(),
        ),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let (first, second) = (t5_store(true), t5_store(true));
    save(&named(&first), &path).unwrap();
    assert_eq!(
        std::fs::read_dir(&folder).unwrap().count(),
        1,
        "no temporary file stays"
    );
    load(&second, &path).unwrap();
    assert_eq!(named(&first), named(&second));

    let again = folder.path().join("b.safetensors");
    save(
        &named(&second).into_iter().rev().collect::<Vec<_>>(),
        &again,
    )
    .unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&again).unwrap(),
        "the same bytes in any order"
    );

    // A view of another tensor is stored as what it shows.
    let view = Tensor::arange(6, (Kind::Float, Device::Cpu))
        .view([2, 3])
        .transpose(0, 1);
    save(&[("view".to_owned(), view.shallow_clone())], &path).unwrap();
    assert_eq!(read(&path).unwrap()["view"], view);
}

#[test]
fn every_difference_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let store = t5_store(true);
    let mut tensors = named(&store);
    tensors
        .retain(|(name, _)| name != "shared.weight" && name != "encoder.final_layer_norm.weight");
    tensors.push((
        "decoder.extra".to_owned(),
        Tensor::zeros([1], (Kind::Float, Device::Cpu)),
    ));
    for (name, tensor) in &mut tensors {
        match name.as_str() {
            "decoder.final_layer_norm.weight" => *tensor = tensor.narrow(0, 0, 3),
            "encoder.block.0.layer.0.layer_norm.weight" => *tensor = tensor.to_kind(Kind::Int64),
            _ => {}
        }
    }
    save(&tensors, &path).unwrap();
    let before: Vec<_> = named(&store).iter().map(|(_, t)| t.copy()).collect();
    for result in [
        load(&store, &path).map(|()| vec![]),
        load_backbone(&store, folder.path(), &t5_config(true), &|_| false),
    ] {
        let text = format!("{}", result.as_ref().unwrap_err());
        assert!(
            text.contains("misshaped (2)")
                && text.contains("[8] of floats")
                && text.contains("model"),
            "{text}"
        );
        let (missing, unexpected, misshaped) = mismatch(result);
        assert_eq!(
            missing,
            ["encoder.final_layer_norm.weight", "shared.weight"]
        );
        assert_eq!(unexpected, ["decoder.extra"]);
        assert_eq!(
            misshaped,
            [
                "decoder.final_layer_norm.weight",
                "encoder.block.0.layer.0.layer_norm.weight"
            ]
        );
    }
    let after: Vec<_> = named(&store).into_iter().map(|(_, t)| t).collect();
    assert_eq!(before, after, "a refused file changes nothing");
}

#[test]
fn a_plain_backbone_loads_into_a_bigger_model() {
    let folder = tempfile::tempdir().unwrap();
    let plain = t5_store(false);
    let mut tensors = named(&plain);
    // What releases carry on top: copies of the shared table, and a bias nobody uses.
    let shared = plain.variables()["shared.weight"].shallow_clone();
    tensors.push(("encoder.embed_tokens.weight".to_owned(), shared.copy()));
    tensors.push(("decoder.embed_tokens.weight".to_owned(), shared.copy()));
    tensors.retain(|(name, _)| name != "shared.weight");
    let bias = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    tensors.push((
        bias.to_owned(),
        Tensor::zeros([32, 2], (Kind::Float, Device::Cpu)),
    ));
    let bf16: Vec<_> = tensors
        .into_iter()
        .map(|(name, t)| (name, t.to_kind(Kind::BFloat16)))
        .collect();

    // In two shards.
    let (one, two) = bf16.split_at(bf16.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("1.safetensors", one), ("2.safetensors", two)] {
        save(part, &folder.path().join(file)).unwrap();
        map.extend(part.iter().map(|(name, _)| (name.clone(), file.into())));
    }
    let index = serde_json::json!({"metadata": {}, "weight_map": map}).to_string();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();

    let _generator = tiny::seeded(1);
    let bigger = VarStore::new(Device::Cpu);
    let root = bigger.root();
    T5::new(&root, &t5_config(false), Precision::Fp32);
    layers::Linear::new(&(&root / "fusion" / "down"), 8, 2);
    let ours = |name: &str| name.starts_with("fusion.");
    let initialised = load_backbone(&bigger, folder.path(), &t5_config(true), &ours).unwrap();
    assert_eq!(initialised, ["fusion.down.bias", "fusion.down.weight"]);
    let loaded = &bigger.variables()["shared.weight"];
    assert_eq!(
        (loaded.kind(), loaded),
        (
            Kind::Float,
            &shared.to_kind(Kind::BFloat16).to_kind(Kind::Float)
        )
    );
    let (missing, ..) = mismatch(load_backbone(
        &bigger,
        folder.path(),
        &t5_config(true),
        &|_| false,
    ));
    assert_eq!(missing, ["fusion.down.bias", "fusion.down.weight"]);

    // A model without T5's decoder does without its weights.
    let small = VarStore::new(Device::Cpu);
    let table = layers::Embedding::new(&(small.root() / "shared"), 20, 8, 1.0);
    T5Encoder::new(
        &(small.root() / "encoder"),
        &t5_config(false),
        table,
        Precision::Fp32,
    );
    assert!(
        load_backbone(&small, folder.path(), &t5_config(true), &|_| false)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn bert_under_its_older_names() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 6}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let bert = backbones::open(folder.path(), BackboneChoice::Auto).unwrap();
    let store = || {
        let store = VarStore::new(Device::Cpu);
        tiny::drawn(|| bert.encoder(&store.root(), Precision::Fp32));
        store
    };
    let (first, second) = (store(), store());
    let rename = |name: String| {
        let old = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        format!("bert.{old}")
    };
    let mut tensors: Vec<_> = named(&first)
        .into_iter()
        .map(|(name, t)| (rename(name), t))
        .collect();
    tensors.push((
        "bert.embeddings.position_ids".to_owned(),
        Tensor::arange(6, (Kind::Int64, Device::Cpu)),
    ));
    tensors.push((
        "bert.pooler.dense.bias".to_owned(),
        Tensor::zeros([4], (Kind::Float, Device::Cpu)),
    ));
    tensors.push((
        "cls.predictions.bias".to_owned(),
        Tensor::zeros([9], (Kind::Float, Device::Cpu)),
    ));
    save(&tensors, &folder.path().join("model.safetensors")).unwrap();
    load_backbone(&second, folder.path(), &*bert, &|_| false).unwrap();
    assert_eq!(named(&first), named(&second));
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str, bytes: &[u8], expected: &str| {
        std::fs::write(folder.path().join(file), bytes).unwrap();
        let error = load_backbone(&t5_store(true), folder.path(), &t5_config(true), &|_| false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(expected) && error.contains(&*folder.path().to_string_lossy()),
            "{error}"
        );
        std::fs::remove_file(folder.path().join(file)).unwrap();
    };
    check("pytorch_model.bin", b"", "safe_serialization");
    check("other.bin", b"", "no model.safetensors");
    check("model.safetensors", b"", "model.safetensors");
    check("model.safetensors", &[255; 64], "model.safetensors");
    check("model.safetensors.index.json", b"{}", "weight_map");
    check(
        "model.safetensors.index.json",
        br#"{"weight_map": {"x": "/etc/passwd"}}"#,
        "same folder",
    );
    let good = folder.path().join("good");
    save(&named(&t5_store(true)), &good).unwrap();
    let bytes = std::fs::read(&good).unwrap();
    check(
        "model.safetensors",
        &bytes[..bytes.len() - 1],
        "model.safetensors",
    );
}

/// What is read of a `config.json` with a line of its own, `change`.
fn read_t5(folder: &Path, change: &str) -> Result<T5Config, ModelError> {
    let text = format!(
        r#"{{"vocab_size": 20, "d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, {change}}}"#
    );
    std::fs::write(folder.join("config.json"), text).unwrap();
    T5Config::from_folder(folder)
}

#[test]
fn configurations_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let t5 = |change: &str| read_t5(folder.path(), change);
    assert!(t5(r#""num_heads": 2"#).is_ok());
    for (change, field) in [
        (r#""num_heads": 0"#, "num_heads"),
        (r#""num_head": 2"#, "num_heads"),
        (
            r#""num_heads": 2, "feed_forward_proj": "swish""#,
            "feed_forward_proj: unknown variant `swish`",
        ),
        (
            r#""num_heads": 2, "dense_act_fn": "gelu_new""#,
            "dense_act_fn: expected relu, which goes with feed_forward_proj, found gelu_new",
        ),
        (
            r#""num_heads": 2, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new", "is_gated_act": false"#,
            "is_gated_act: expected true",
        ),
        (
            r#""num_heads": 2, "pad_token_id": null"#,
            "pad_token_id: invalid type: null",
        ),
        (r#""num_heads": 2, "dropout_rate": 1.5"#, "dropout_rate"),
        (r#""num_heads": 2, "pad_token_id": 20"#, "pad_token_id"),
        (
            r#""num_heads": 2, "relative_attention_num_buckets": 3"#,
            "relative_attention_num_buckets: expected a number from 4 to 2147483647, found 3",
        ),
        (
            r#""num_heads": 2, "relative_attention_max_distance": 16"#,
            "max_distance",
        ),
        (r#""num_heads": 99999999999999999999"#, "config.json"),
    ] {
        let error = t5(change).unwrap_err().to_string();
        assert!(
            error.contains(field) && error.contains("config.json"),
            "{change}: {error}"
        );
    }
}

/// Refused before any memory is asked for.
#[test]
fn sizes_that_the_weights_beside_them_do_not_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let t5 = |change: &str| read_t5(folder.path(), change);
    save(
        &named(&t5_store(true)),
        &folder.path().join("model.safetensors"),
    )
    .unwrap();
    assert!(t5(r#""num_heads": 2"#).is_ok());
    for change in [
        r#""num_heads": 2147483647"#,
        r#""num_heads": 2, "num_decoder_layers": 2147483647"#,
    ] {
        let error = t5(change).unwrap_err().to_string();
        assert!(error.contains("the weights beside it"), "{error}");
    }
    let giant = r#"{"model_type": "bert", "vocab_size": 2147483647, "hidden_size": 2147483646, "num_hidden_layers": 2147483647,
        "num_attention_heads": 2, "intermediate_size": 2147483647, "max_position_embeddings": 2147483647}"#;
    std::fs::write(&path, giant).unwrap();
    let error = backbones::open(folder.path(), BackboneChoice::Auto).unwrap_err();
    assert!(
        error.to_string().contains("the weights beside it"),
        "{error}"
    );
    let missing = backbones::open(Path::new("no/such"), BackboneChoice::Auto)
        .unwrap_err()
        .to_string();
    assert!(missing.contains("no/such"), "{missing}");
}
