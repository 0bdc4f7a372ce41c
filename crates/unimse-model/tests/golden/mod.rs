//! The golden T5 folders: weights, a batch, what PyTorch gave in fp32 (`case.safetensors`), and in f64 (`f64.json`).
#![allow(dead_code, reason = "not every program of tests needs all")]

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::t5::{T5, T5Config, shift_right};
use unimse_model::weights::{load_backbone, read};
use unimse_model::{Precision, TextEncoder};

use crate::tiny;

/// Norm of a tensor, and the sums of its entries weighted by cos(i) and sin(i) of their index.
pub(crate) type Fingerprint = [f64; 3];

/// `f64.json`.
#[derive(Deserialize)]
pub(crate) struct Exact {
    /// Tensors of `case.safetensors` by name, encoder states zero where the mask is.
    pub(crate) values: BTreeMap<String, Fingerprint>,
    pub(crate) texts: Vec<Texts>,
    pub(crate) training: Vec<Training>,
}

/// What is generated for the batch: 12 tokens at most.
#[derive(Deserialize)]
pub(crate) struct Texts {
    pub(crate) beams: usize,
    pub(crate) end: i64,
    pub(crate) length_penalty: f64,
    /// Padded to one length.
    pub(crate) ids: Vec<Vec<i64>>,
    pub(crate) scores: Vec<f64>,
}

/// Updates on the batch.
#[derive(Deserialize)]
pub(crate) struct Training {
    pub(crate) rule: String,
    pub(crate) prefix_of_first_group: String,
    pub(crate) groups: Vec<Rates>,
    pub(crate) clip: f64,
    /// Of the rates, for each update.
    pub(crate) factors: Vec<f64>,
    pub(crate) losses_before_each_step: Vec<f64>,
    pub(crate) gradient_norms: Vec<f64>,
    pub(crate) final_parameters: BTreeMap<String, Fingerprint>,
}

#[derive(Deserialize)]
pub(crate) struct Rates {
    pub(crate) lr: f64,
    pub(crate) weight_decay: f64,
}

/// One folder of golden values and the model it is of.
pub(crate) struct Golden {
    pub(crate) name: &'static str,
    pub(crate) model: T5,
    pub(crate) store: VarStore,
    pub(crate) case: BTreeMap<String, Tensor>,
    /// `None` in folders of a former generator.
    pub(crate) exact: Option<Exact>,
}

impl Golden {
    fn read(name: &'static str, folder: &Path, precision: Precision) -> Self {
        let config = T5Config::from_folder(folder).unwrap();
        assert_eq!(config.dropout_rate, 0.0);
        let mut store = VarStore::new(Device::Cpu);
        if precision == Precision::Fp64 {
            store.set_kind(Kind::Double);
        }
        let model = tiny::drawn(|| T5::new(&store.root(), &config, precision));
        let initialised = load_backbone(&store, folder, &config, &|_| false).unwrap();
        assert!(initialised.is_empty());
        let path = folder.join("f64.json");
        let exact = path
            .is_file()
            .then(|| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
        Self {
            name,
            model,
            store,
            case: read(&folder.join("case.safetensors")).unwrap(),
            exact,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.case
            .get(name)
            .unwrap_or_else(|| panic!("{}: no {name} in case.safetensors", self.name))
    }

    pub(crate) fn mask(&self) -> Tensor {
        self.tensor("attention_mask").to_kind(Kind::Bool)
    }

    /// Encoder states of the batch.
    pub(crate) fn source(&self) -> Tensor {
        let ids = self.tensor("input_ids");
        let encoder = &self.model.encoder;
        encoder.forward(ids, &self.mask(), None, false, &mut |_, h| h)
    }

    /// Decoder inputs of `labels`.
    pub(crate) fn inputs(&self, labels: &Tensor) -> Tensor {
        let config = self.model.config();
        shift_right(labels, config.start_token(), config.pad_token_id)
    }

    /// Loss and logits of the batch, no gradient left from before.
    pub(crate) fn loss(&self) -> (Tensor, Tensor) {
        for mut variable in self.store.variables().into_values() {
            variable.zero_grad();
        }
        let (ids, labels) = (self.tensor("input_ids"), self.tensor("labels"));
        self.model.loss(ids, &self.mask(), labels, true)
    }

    /// Parameters by name.
    pub(crate) fn parameters(&self) -> BTreeMap<String, Tensor> {
        self.store.variables().into_iter().collect()
    }

    /// A third of every matrix, so that the random weights are no steeper than trained ones.
    pub(crate) fn soften(&self) {
        for mut matrix in self.parameters().into_values().filter(|v| v.dim() == 2) {
            tch::no_grad(|| matrix *= 1.0 / 3.0);
        }
    }
}

/// Runs `test` on both golden models of `UNIMSE_GOLDEN` or of the repository, in f64.
pub(crate) fn for_each(test: impl Fn(&Golden)) {
    for_each_in(&tiny::golden(), Precision::Fp64, |g| {
        if g.exact.is_none() {
            eprintln!(
                "skipped: {} has no f64.json; `generate.py FOLDER - t5_f64` adds it",
                g.name
            );
        }
        test(g);
    });
}

/// Runs `test` on the golden models in `root`.
pub(crate) fn for_each_in(root: &Path, precision: Precision, test: impl Fn(&Golden)) {
    for name in ["t5_v1_0_relu_tied", "t5_v1_1_gated_gelu_untied"] {
        let folder = root.join(name);
        if !folder.is_dir() {
            eprintln!("skipped: {name} is not in {}", root.display());
            continue;
        }
        test(&Golden::read(name, &folder, precision));
    }
}

/// `max|a - b| / max|b|`.
pub(crate) fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let expected = expected.to_kind(Kind::Double);
    let largest = expected.abs().max().double_value(&[]).max(1e-30);
    let apart = (found.to_kind(Kind::Double) - expected).abs();
    apart.max().double_value(&[]) / largest
}

/// How far `found` is from the tensor of which `expected` is the fingerprint, in units of its norm.
pub(crate) fn apart(found: &Tensor, expected: &Fingerprint) -> f64 {
    let found: Vec<f64> =
        Vec::try_from(found.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap();
    let norm = found.iter().map(|v| v * v).sum::<f64>().sqrt();
    let sum = |weight: fn(f64) -> f64| -> f64 {
        let weighted = found.iter().enumerate().map(|(i, v)| v * weight(i as f64));
        weighted.sum()
    };
    let found = [norm, sum(f64::cos), sum(f64::sin)];
    let distances = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    distances.fold(0.0, f64::max) / expected[0].max(1e-300)
}
