//! MPNet against transformers, all-mpnet-base-v2 itself among its checkpoints.

use std::path::PathBuf;

use tch::{Device, Tensor};
use unimse_model::weights::read;
use unimse_model::{BackboneChoice, ModelError, Precision, SentenceEncoder, backbones};

use crate::{parity, tiny};

const NAME: &str = "mpnet";

#[test]
fn golden_mpnet_states_and_gradients() {
    let test = "golden_mpnet_states_and_gradients";
    let Some(folder) = parity::golden(test, NAME) else {
        return;
    };
    parity::states_and_gradients(&folder);
    parity::padding_changes_nothing(&folder);
}

#[test]
fn golden_mpnet_goes_to_transformers_and_comes_back() {
    let test = "golden_mpnet_goes_to_transformers_and_comes_back";
    if let Some(folder) = parity::golden(test, NAME) {
        parity::round_trip(test, &folder);
    }
}

#[test]
fn golden_mpnet_whole_models_learn() {
    if let Some(folder) = parity::golden("golden_mpnet_whole_models_learn", NAME) {
        parity::models_learn(&folder);
    }
}

#[test]
fn buckets_that_the_reference_does_not_use_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let config = tiny::golden_copy().join(NAME).join("config.json");
    let text = std::fs::read_to_string(config).unwrap();
    let open = |text: &str| {
        std::fs::write(place.path().join("config.json"), text).unwrap();
        backbones::open(place.path(), BackboneChoice::Auto)
    };
    let shape = open(&text).unwrap().shape();
    assert_eq!((shape.max_positions, shape.layers), (Some(150 - 1 - 1), 2));
    let buckets = "\"relative_attention_num_buckets\": ";
    assert!(text.contains(buckets));
    let other = text.replace(&format!("{buckets}32"), &format!("{buckets}16"));
    let error = open(&other).unwrap_err().to_string();
    assert!(
        error.contains("relative_attention_num_buckets: expected 32, found 16"),
        "{error}"
    );
}

/// all-mpnet-base-v2 in the folder `UNIMSE_MODELS`, which may lack it: the small checkpoint has the same parts.
fn all_mpnet(test: &str) -> Option<PathBuf> {
    let Some(models) = std::env::var_os("UNIMSE_MODELS") else {
        eprintln!("skipped: {test} needs UNIMSE_MODELS");
        return None;
    };
    let folder = PathBuf::from(models).join("all-mpnet-base-v2");
    if !folder.is_dir() {
        eprintln!("left out: {test} needs {}", folder.display());
        return None;
    }
    Some(folder)
}

#[test]
fn golden_all_mpnet_base_v2() {
    let test = "golden_all_mpnet_base_v2";
    let (Some(golden), Some(folder)) = (parity::golden(test, NAME), all_mpnet(test)) else {
        return;
    };
    let expected = read(&golden.join("all_mpnet_base_v2.safetensors")).unwrap();
    let expected = &expected["embeddings"];
    let texts = std::fs::read_to_string(golden.join("all_mpnet_base_v2.json")).unwrap();
    let texts: Vec<String> = serde_json::from_str(&texts).unwrap();
    let (device, kind) = (Device::Cpu, Precision::Fp32);
    let encoder = tiny::drawn(|| SentenceEncoder::load(&folder, None, device, kind)).unwrap();
    let shape = [texts.len() as i64, encoder.dim()];
    assert_eq!(expected.size(), shape);
    let rows = encoder
        .encode::<ModelError>(&texts, 8, &mut |_| Ok(()))
        .unwrap();
    let error = (Tensor::from_slice(&rows).view(shape) - expected)
        .abs()
        .max();
    let error = error.double_value(&[]) / expected.abs().max().double_value(&[]);
    assert!(error < 1e-4, "error {error:e}");
}
