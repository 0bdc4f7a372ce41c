//! Tiny random checkpoints in Hub layout, batches and targets.
#![allow(dead_code, reason = "not every program of tests needs all")]

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_labels::{Field, Grammar, IemocapEmotion, MeldEmotion, PlainLabel, Polarity};
use unimse_model::t5::{self, T5Config};
use unimse_model::{
    BackboneChoice, Batch, Decoder, FeatureDims, ModalityBatch, ModelConfig, Precision,
    SequenceRef, Target, UniModel, backbones, weights,
};

/// The backbone without a decoder of its own.
pub(crate) const BERT: BackboneChoice = BackboneChoice::Named("bert");
/// The one with it.
pub(crate) const T5: BackboneChoice = BackboneChoice::Named("t5");

/// Every kind of model.
pub(crate) const KINDS: [(BackboneChoice, Decoder); 3] = [
    (BERT, Decoder::Label),
    (T5, Decoder::Label),
    (T5, Decoder::T5),
];

/// Every field.
#[allow(non_snake_case, reason = "a constant that needs an allocation")]
pub(crate) fn GRAMMAR() -> Grammar {
    Grammar::new(&Field::ALL)
}

/// The folder of golden values: `UNIMSE_GOLDEN`, or the copy in the repository.
pub(crate) fn golden() -> std::path::PathBuf {
    std::env::var_os("UNIMSE_GOLDEN").map_or_else(golden_copy, Into::into)
}

/// The golden values in the repository, for tests whose bounds were chosen for their weights.
pub(crate) fn golden_copy() -> std::path::PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden").into()
}

/// Random weights for the T5 that the configuration in `folder` describes.
pub(crate) fn save_t5(folder: &std::path::Path) {
    let store = VarStore::new(Device::Cpu);
    t5::T5::new(
        &store.root(),
        &T5Config::from_folder(folder).unwrap(),
        Precision::Fp32,
    );
    let tensors: Vec<_> = store.variables().into_iter().collect();
    weights::save(&tensors, &folder.join("model.safetensors")).unwrap();
}

pub(crate) fn config(backbone: BackboneChoice, decoder: Decoder) -> ModelConfig {
    let mut config = ModelConfig::default();
    (config.model.backbone, config.model.decoder) = (backbone, decoder);
    config.fusion.layers = number(2);
    config.fusion.bottleneck = number(5);
    config.lstm.hidden = number(6);
    config.lstm.input = number(7);
    config.contrastive.dim = number(8);
    config.label_decoder.heads = number(2);
    config.label_decoder.layers = number(1);
    config
}

/// [`config`] with two fused blocks of the decoder where it is a pretrained one.
pub(crate) fn fused(backbone: BackboneChoice, decoder: Decoder) -> ModelConfig {
    let mut config = config(backbone, decoder);
    if decoder == Decoder::T5 {
        config.fusion.decoder_layers = number(2);
    }
    config
}

/// `x` as a number of a configuration.
#[track_caller]
pub(crate) fn number<X, N: TryFrom<X, Error: std::fmt::Debug>>(x: X) -> N {
    x.try_into().unwrap()
}

/// For tests that compare two passes: LibTorch's generator is shared by tests that run side by side.
pub(crate) fn without_dropout(mut config: ModelConfig) -> ModelConfig {
    let none = number(0.0);
    (config.model.dropout, config.lstm.dropout) = (none, none);
    (config.label_decoder.dropout, config.fusion.dropout) = (none, none);
    config
}

pub(crate) fn dims() -> FeatureDims {
    FeatureDims {
        audio: BTreeSet::from([3, 5]),
        video: BTreeSet::from([4]),
    }
}

pub(crate) fn folder(backbone: BackboneChoice) -> tempfile::TempDir {
    folder_with(backbone, 10, 0)
}

/// LibTorch has one generator for all threads, and tests run side by side: what draws from it holds this.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    tch::set_num_threads(1); // of this test: others have the other cores
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the generator, which gives the numbers of `seed`.
pub(crate) fn seeded(seed: i64) -> MutexGuard<'static, ()> {
    let guard = generator();
    tch::manual_seed(seed);
    guard
}

/// What `draw` makes of any numbers; nothing in it holds the generator a second time.
pub(crate) fn drawn<T>(draw: impl FnOnce() -> T) -> T {
    let _generator = generator();
    draw()
}

/// A checkpoint with random weights. The tokenizer of MiniLM spells every word; that of T5 knows every letter of a label and
/// `merges` random merges of them.
pub(crate) fn folder_with(backbone: BackboneChoice, merges: usize, seed: u64) -> tempfile::TempDir {
    let _generator = seeded(1000 + seed as i64);
    let place = tempfile::tempdir().unwrap();
    let store = VarStore::new(Device::Cpu);
    let config = match backbone {
        BERT => serde_json::json!({
            "model_type": "bert", "vocab_size": 100, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 24, "max_position_embeddings": 128,
        }),
        T5 => serde_json::json!({
            "model_type": "t5", "vocab_size": 100, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 4, "num_decoder_layers": 3, "num_heads": 2,
        }),
        other => panic!("{other:?}: no tiny checkpoint"),
    };
    std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
    match backbone {
        BERT => {
            let bert = backbones::open(place.path(), BERT).unwrap();
            drop(bert.encoder(&store.root(), Precision::Fp32));
            std::fs::write(place.path().join("tokenizer.json"), letters()).unwrap();
        }
        T5 => {
            drop(t5::T5::new(
                &store.root(),
                &T5Config::from_folder(place.path()).unwrap(),
                Precision::Fp32,
            ));
            std::fs::write(
                place.path().join("tokenizer.json"),
                tokenizer(merges, seed).to_string(),
            )
            .unwrap();
        }
        other => panic!("{other:?}: no tiny checkpoint"),
    }
    let mut tensors: Vec<_> = store.variables().into_iter().collect();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    weights::save(&tensors, &place.path().join("model.safetensors")).unwrap();
    place
}

/// A WordPiece tokenizer that spells every word.
fn letters() -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(String::from);
    let letters = ('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]);
    let vocabulary: serde_json::Map<_, _> = special
        .into_iter()
        .chain(letters)
        .enumerate()
        .map(|(id, piece)| (piece, id.into()))
        .collect();
    let token = |piece: &str| serde_json::json!({"SpecialToken": {"id": piece, "type_id": 0}});
    let text = |id: &str| serde_json::json!({"Sequence": {"id": id, "type_id": 0}});
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [token("[CLS]"), text("A"), token("[SEP]")],
            "pair": [token("[CLS]"), text("A"), token("[SEP]"), text("B"), token("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
    .to_string()
}

/// Byte-pair encoding with random merges of letters that stand side by side in labels.
fn tokenizer(merges: usize, seed: u64) -> serde_json::Value {
    let grammar = GRAMMAR();
    let texts: Vec<String> = grammar
        .labels()
        .step_by(7)
        .map(|label| grammar.format(&label))
        .chain(["unknown".to_owned()])
        .collect();
    let letters: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| text.chars())
        .map(String::from)
        .collect();
    let mut pieces: Vec<String> = ["<pad>", "</s>", "<unk>"]
        .map(String::from)
        .into_iter()
        .chain(letters)
        .collect();
    let mut list = Vec::new();
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut tries = 0;
    while list.len() < merges && tries < 10_000 {
        tries += 1;
        let (a, b) = (
            pieces[3 + random(pieces.len() - 3)].clone(),
            pieces[3 + random(pieces.len() - 3)].clone(),
        );
        let joined = format!("{a}{b}");
        if !pieces.contains(&joined) && texts.iter().any(|text| text.contains(&joined)) {
            list.push(format!("{a} {b}"));
            pieces.push(joined);
        }
    }
    let vocabulary: serde_json::Map<_, _> = pieces
        .into_iter()
        .enumerate()
        .map(|(id, piece)| (piece, id.into()))
        .collect();
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "decoder": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": list},
    })
}

pub(crate) fn model(config: &ModelConfig, seed: i64) -> UniModel {
    model_in(config, seed, Precision::Fp32)
}

pub(crate) fn model_in(config: &ModelConfig, seed: i64, precision: Precision) -> UniModel {
    let place = cached(config.model.backbone);
    let _generator = seeded(seed);
    UniModel::new(config, &GRAMMAR(), &place, &dims(), Device::Cpu, precision).unwrap()
}

/// One checkpoint of each backbone for all tests.
fn cached(backbone: BackboneChoice) -> std::path::PathBuf {
    static FOLDERS: [std::sync::OnceLock<tempfile::TempDir>; 2] =
        [const { std::sync::OnceLock::new() }; 2];
    FOLDERS[usize::from(backbone == T5)]
        .get_or_init(|| folder(backbone))
        .path()
        .to_owned()
}

/// A model whose parameters are all away from their initial values, fusion included.
pub(crate) fn shaken(config: &ModelConfig, seed: i64) -> UniModel {
    let model = model(config, seed);
    shake(&model, seed);
    model
}

pub(crate) fn shake(model: &UniModel, seed: i64) {
    let _generator = seeded(seed);
    tch::no_grad(|| {
        for (_, mut tensor) in model.parameters() {
            let noise = tensor.randn_like() * 0.3;
            let _ = tensor.g_add_(&noise);
        }
    });
}

/// Text, and with `features` audio of two dimensions on rows 0, 2, 3 .. (all but 1) and video on the even rows.
pub(crate) fn batch(size: usize, seed: i64, features: bool) -> Batch {
    build(&(0..size).collect::<Vec<_>>(), seed, features)
}

/// Rows of [`batch`].
pub(crate) fn rows(rows: &[usize], seed: i64) -> Batch {
    build(rows, seed, true)
}

/// Row `row` of [`batch`] alone.
pub(crate) fn row(_size: usize, seed: i64, row: usize) -> Batch {
    build(&[row], seed, true)
}

fn build(rows: &[usize], seed: i64, features: bool) -> Batch {
    let number =
        |row: usize, at: usize, below: usize| (row * 31 + at * 17 + seed as usize * 13 + 5) % below;
    let text: Vec<(Vec<i64>, Vec<i64>)> = rows
        .iter()
        .map(|&row| {
            let length = 4 + number(row, 0, 6);
            let ids = (0..length)
                .map(|at| 3 + number(row, at + 1, 90) as i64)
                .collect();
            (
                ids,
                (0..length).map(|at| (at * 3 / length) as i64).collect(),
            )
        })
        .collect();
    let text: Vec<(&[i64], &[i64])> = text
        .iter()
        .map(|(a, b)| (a.as_slice(), b.as_slice()))
        .collect();
    let sequence = |row: usize, dim: usize| -> Vec<f32> {
        (0..dim * (1 + number(row, 3, 5)))
            .map(|at| number(row, at, 97) as f32 / 48.0 - 1.0)
            .collect()
    };
    let (mut audio, mut video) = (Vec::new(), Vec::new());
    for &row in rows {
        let dim = if row.is_multiple_of(2) { 3 } else { 5 };
        audio.push((features && row != 1).then(|| (dim, sequence(row, dim))));
        video.push((features && row.is_multiple_of(2)).then(|| (4, sequence(row, 4))));
    }
    let collate = |sequences: &[Option<(usize, Vec<f32>)>]| {
        let borrowed: Vec<_> = sequences
            .iter()
            .map(|s| {
                s.as_ref()
                    .map(|(dim, values)| SequenceRef { dim: *dim, values })
            })
            .collect();
        ModalityBatch::collate(&borrowed, Device::Cpu).unwrap()
    };
    Batch::collate(&text, 0, collate(&audio), collate(&video), Device::Cpu).unwrap()
}

/// Audio of `steps` steps and the given dimensions, on rows 0, 1 ..
pub(crate) fn audio(_rows: usize, steps: usize, dims: &[usize]) -> ModalityBatch {
    let values: Vec<Vec<f32>> = dims.iter().map(|dim| vec![0.5; dim * steps]).collect();
    let borrowed: Vec<_> = dims
        .iter()
        .zip(&values)
        .map(|(&dim, values)| Some(SequenceRef { dim, values }))
        .collect();
    ModalityBatch::collate(&borrowed, Device::Cpu).unwrap()
}

pub(crate) fn labels() -> [PlainLabel; 4] {
    let label = |polarity, intensity, meld, iemocap| PlainLabel {
        polarity,
        intensity: Some(intensity),
        meld: Some(meld),
        iemocap: Some(iemocap),
    };
    [
        label(
            Polarity::Positive,
            1.6,
            MeldEmotion::Joy,
            IemocapEmotion::Excited,
        ),
        label(
            Polarity::Negative,
            -2.3,
            MeldEmotion::Anger,
            IemocapEmotion::Frustrated,
        ),
        label(
            Polarity::Neutral,
            0.0,
            MeldEmotion::Neutral,
            IemocapEmotion::Neutral,
        ),
        label(
            Polarity::Negative,
            -0.8,
            MeldEmotion::Sadness,
            IemocapEmotion::Sadness,
        ),
    ]
}

pub(crate) fn targets(count: usize) -> Vec<Target> {
    labels()
        .into_iter()
        .cycle()
        .take(count)
        .map(|label| Target {
            label,
            weights: unimse_labels::PerField::from_fn(|_| 1.0),
        })
        .collect()
}

/// Adam, for tests that must see a model learn.
pub(crate) struct Adam {
    parameters: Vec<(Tensor, Tensor, Tensor)>,
    rate: f64,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(model: &UniModel, rate: f64) -> Self {
        let parameters = model
            .parameters()
            .into_iter()
            .map(|(_, p)| (p.shallow_clone(), p.zeros_like(), p.zeros_like()))
            .collect();
        Self {
            parameters,
            rate,
            steps: 0,
        }
    }

    pub(crate) fn step(&mut self) {
        self.steps += 1;
        let (one, two) = (
            1.0 - 0.9f64.powi(self.steps),
            1.0 - 0.999f64.powi(self.steps),
        );
        tch::no_grad(|| {
            for (parameter, mean, square) in &mut self.parameters {
                let mut gradient = parameter.grad();
                if gradient.defined() {
                    *mean = &*mean * 0.9 + &gradient * 0.1;
                    *square = &*square * 0.999 + gradient.square() * 0.001;
                    let step = (&*mean / one) / ((&*square / two).sqrt() + 1e-8) * self.rate;
                    let _ = parameter.g_sub_(&step.to_kind(Kind::Float));
                    let _ = gradient.zero_();
                }
            }
        });
    }
}
