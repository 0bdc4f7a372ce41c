//! The sentence encoder on a tiny random checkpoint: pooling, batches, fingerprints.

use std::path::Path;

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::weights::load_backbone;
use unimse_model::{
    BackboneChoice, ModelError, Pooling, Precision, SentenceEncoder, Tokenizer, backbones, no_hook,
};

use crate::tiny;

const TEXTS: [&str; 5] = [
    "positive,1.6,joy",
    "joy",
    "negative,-0.4,anger,frustrated",
    "fear",
    "0",
];

fn encode(encoder: &SentenceEncoder, batch: usize) -> Vec<f32> {
    let rows = encoder.encode::<ModelError>(&TEXTS, batch, &mut |_| Ok(()));
    rows.unwrap()
}

fn load(folder: &Path) -> SentenceEncoder {
    open(folder, None).unwrap()
}

fn open(folder: &Path, pooling: Option<Pooling>) -> Result<SentenceEncoder, ModelError> {
    tiny::drawn(|| SentenceEncoder::load(folder, pooling, Device::Cpu, Precision::Fp32))
}

fn pool(folder: &Path, text: &str) {
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    std::fs::write(folder.join("1_Pooling/config.json"), text).unwrap();
}

/// The hidden states of one text, without padding, `[time, dim]`.
fn states(folder: &Path, text: &str) -> Tensor {
    let backbone = backbones::open(folder, BackboneChoice::Auto).unwrap();
    let store = VarStore::new(Device::Cpu);
    let encoder = tiny::drawn(|| backbone.encoder(&store.root(), Precision::Fp32));
    load_backbone(&store, folder, &*backbone, &|_| false).unwrap();
    let ids = Tokenizer::from_folder(folder)
        .unwrap()
        .encode_text(text, 40)
        .unwrap();
    let tokens = Tensor::from_slice(&ids).unsqueeze(0);
    let mask = tokens.ones_like().to_kind(Kind::Bool);
    tch::no_grad(|| encoder.forward(&tokens, &mask, None, false, &mut no_hook)).squeeze_dim(0)
}

fn assert_row(found: &[f32], expected: &Tensor) {
    let expected = expected / expected.norm();
    let difference = (Tensor::from_slice(found) - expected)
        .abs()
        .max()
        .double_value(&[]);
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn a_row_is_the_mean_of_the_states_or_the_first_one_whatever_the_batch() {
    let folder = tiny::folder(tiny::BERT);
    let mean = load(folder.path());
    pool(
        folder.path(),
        r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#,
    );
    let first = load(folder.path());
    let dim = mean.dim() as usize;
    for batch in [1, 2, 64] {
        let means = encode(&mean, batch);
        let firsts = encode(&first, batch);
        for (at, text) in TEXTS.iter().enumerate() {
            let states = states(folder.path(), text);
            let row = |rows: &[f32]| rows[at * dim..(at + 1) * dim].to_vec();
            assert_row(
                &row(&means),
                &states.mean_dim([0i64].as_slice(), false, Kind::Float),
            );
            assert_row(&row(&firsts), &states.get(0));
        }
    }
    for two in [
        "{}",
        r#"{"pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#,
        r#"{"pooling_mode": "lasttoken"}"#,
    ] {
        pool(folder.path(), two);
        let error = open(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("pooling_mode"), "{error}");
    }
    // What the caller says counts, whatever the folder says.
    let named = open(folder.path(), Some(Pooling::Cls));
    assert_eq!(encode(&named.unwrap(), 64), encode(&first, 64));
}

#[test]
fn the_fingerprint_is_that_of_every_file_that_decides() {
    let folder = tiny::folder(tiny::BERT);
    let fingerprint = || SentenceEncoder::fingerprint(folder.path(), None).unwrap();
    let plain = fingerprint();
    assert_eq!((plain.len(), &plain), (64, &fingerprint()));
    pool(folder.path(), r#"{"pooling_mode_cls_token": true}"#);
    let pooled = fingerprint();
    assert_ne!(plain, pooled);
    let named = |pooling| SentenceEncoder::fingerprint(folder.path(), Some(pooling)).unwrap();
    assert_ne!(named(Pooling::Mean), named(Pooling::Cls));
    let config = folder.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text} ")).unwrap();
    assert_ne!(pooled, fingerprint());
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let error = SentenceEncoder::fingerprint(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}
