//! The sections of a run's configuration that the model does not see: labels, training, evaluation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unimse_labels::{DonorProtocol, Form, QueryProtocol, UnifyOptions};
use unimse_model::Pooling;
use unimse_model::config::{AtLeastOne, Cosine, Count, Factor, NonNegative, Positive, Share};

use crate::train::optimizer::Rule;

/// Universal labels (paper 3.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelsConfig {
    /// Sentence encoder that finds donors and carries the frozen baselines: a folder or a Hub id.
    pub encoder: String,
    /// How the encoder's token states become one vector: `mean` or `cls`; default what its `1_Pooling/config.json` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Who lends labels: `train` (default); `all`, the official release's way, which marks everything `leaky`; `none`, every utterance keeps
    /// its own fields alone, and in the `label` decoder none reads another (in that of T5 they do, in answers too); `random` and `shuffled`, controls that lend as often but not from similar texts.
    pub donors: DonorProtocol,
    /// Seed of the donors `random` and `shuffled`; default 1.
    pub donor_seed: u64,
    /// Donors below this cosine are refused; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_similarity: Option<Cosine>,
    /// Text form of a label: `fields` (default) or the paper's `triple`.
    pub form: Form,
    /// Decimals of the intensity, 1 to 4; default 1.
    pub decimals: Count<1, 4>,
}

impl Default for LabelsConfig {
    fn default() -> Self {
        Self {
            encoder: ".models/all-MiniLM-L6-v2".to_owned(),
            pooling: None,
            donors: DonorProtocol::Train,
            donor_seed: 1,
            min_similarity: None,
            form: Form::Fields,
            decimals: Count::literal::<1>(),
        }
    }
}

impl LabelsConfig {
    /// The options of the unifier; test rows are never queries here.
    #[must_use]
    pub fn options(&self) -> UnifyOptions {
        UnifyOptions {
            donors: self.donors,
            queries: QueryProtocol::TrainDev,
            min_similarity: self.min_similarity.map(|s| s.get() as f32),
            seed: self.donor_seed,
        }
    }
}

/// Which compute kind the model runs in; weights stay fp32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// The faster one: bf16 on CUDA and on CPUs with AMX or, of AMD, with AVX512-BF16; else fp32.
    Auto,
    /// Single precision.
    Fp32,
    /// bfloat16 compute.
    Bf16,
}

/// Which part of the backbone is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfreeze {
    /// All of it.
    All,
    /// The last two encoder and the last two decoder blocks (the paper's released setting for T5); embeddings and final norms are frozen.
    LastTwo,
    /// Nothing.
    None,
}

/// Optimisation (paper 4.2) and selection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Most epochs.
    pub epochs: Count<1, 10_000>,
    /// Utterances a batch holds at most.
    pub batch: Count<1, 65_536>,
    /// Padded tokens a batch holds at most.
    pub token_budget: Count<1, 16_777_216>,
    /// Batches whose gradients make one update; each counts by its share of the utterances.
    pub accumulate: Count<1, 1_000_000>,
    /// Temperature of the corpus mixture; 1 is by size.
    pub temperature: AtLeastOne,
    /// Share of an epoch's draws that each corpus gets, by name, in place of what the temperature gives it: `{ mosi = 1.0, meld = 2.0 }` draws MELD
    /// twice as often. A corpus of the run that is not named is not drawn. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<String, NonNegative>,
    /// `adam` (L2, as published) or `adamw`.
    pub optimizer: Rule,
    /// Learning rate of the backbone, of its last block.
    pub lr_backbone: NonNegative,
    /// Factor of the backbone's rate from each block to the one below it, and from the first to the embeddings; default 1, the same rate
    /// for all (layer-wise rates: Howard and Ruder, 2018).
    pub layer_decay: Factor,
    /// Learning rate of the fusion layers.
    pub lr_fusion: NonNegative,
    /// Learning rate of everything else.
    pub lr_rest: NonNegative,
    /// Weight decay of matrices, embeddings and convolutions; biases, norms and vectors take none.
    pub weight_decay: NonNegative,
    /// Global gradient norm limit.
    pub clip: Positive,
    /// Share of all updates over which the rate rises from 0.
    pub warmup: Share,
    /// Share of all updates over which the backbone stands still, so that the fresh parts do not spoil it; default 0.
    pub head_warmup: Share,
    /// Decay of the moving average of the weights that dev scores and selects, in place of the weights themselves; default 0, no average. The first
    /// updates decay faster: update t at most by (1 + t) / (10 + t).
    pub average: Share,
    /// Chance with which an utterance's audio is taken away while training, and its video; default 0.
    pub modality_dropout: Share,
    /// After the warm-up: `plateau` or `linear`.
    pub schedule: Schedule,
    /// Epochs without a better dev score before the plateau schedule halves the rate.
    pub plateau_patience: usize,
    /// Epochs without a better dev score before training ends.
    pub patience: usize,
    /// Which part of the backbone is trained.
    pub unfreeze: Unfreeze,
    /// Compute kind.
    pub precision: PrecisionChoice,
    /// Gradient checkpointing: less memory for a third to a half more time; default false.
    pub checkpointing: bool,
    /// Weight of borrowed (donor) fields in the loss; gold and rule fields weigh 1.
    pub donor_weight: NonNegative,
    /// Power of the donor's similarity (0 where negative) that a borrowed field's weight is multiplied with; default 0: all donors alike.
    pub donor_power: NonNegative,
    /// Weight of gold intensities in the loss.
    pub intensity_weight: NonNegative,
    /// Updates between two saved checkpoints.
    pub save_every: Count<1, 1_000_000_000>,
}

/// Course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Halved when the dev score stops rising.
    Plateau,
    /// Falls linearly to 0 at the last update.
    Linear,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: Count::literal::<10>(),
            batch: Count::literal::<32>(),
            token_budget: Count::literal::<4096>(),
            accumulate: Count::literal::<1>(),
            temperature: const { AtLeastOne::literal(1.0) },
            quotas: BTreeMap::new(),
            optimizer: Rule::AdamW,
            lr_backbone: const { NonNegative::literal(5e-5) },
            layer_decay: const { Factor::literal(1.0) },
            lr_fusion: const { NonNegative::literal(1e-4) },
            lr_rest: const { NonNegative::literal(1e-4) },
            weight_decay: const { NonNegative::literal(1e-4) },
            clip: const { Positive::literal(1.0) },
            warmup: const { Share::literal(0.06) },
            head_warmup: const { Share::literal(0.0) },
            average: const { Share::literal(0.0) },
            modality_dropout: const { Share::literal(0.0) },
            schedule: Schedule::Linear,
            plateau_patience: 1,
            patience: 3,
            unfreeze: Unfreeze::All,
            precision: PrecisionChoice::Auto,
            checkpointing: false,
            donor_weight: const { NonNegative::literal(0.3) },
            donor_power: const { NonNegative::literal(0.0) },
            intensity_weight: const { NonNegative::literal(1.0) },
            save_every: Count::literal::<100>(),
        }
    }
}

/// Evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// Bootstrap resamples of the test set.
    pub resamples: Count<100, 1_000_000>,
    /// Seed of the resampling, of what `robustness` draws at random, and of the rows that are shown before and after fusion.
    pub seed: u64,
    /// `frozen` (default): baselines on frozen sentence embeddings. `finetuned`: beside them the run's own backbone fine-tuned on the text of
    /// each corpus alone, which takes about as long again as the training of the text part.
    pub baselines: BaselineChoice,
    /// Whether test rows are answered again with inputs missing or spoiled; default true. About 20 passes over at most 400 rows of each
    /// corpus: minutes on two cores.
    pub robustness: bool,
}

/// Which baselines are fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BaselineChoice {
    /// Mean or majority, ridge or logistic regression, nearest neighbours: all on frozen sentence embeddings.
    Frozen,
    /// These, and a text-only model of the same backbone fine-tuned on each corpus alone.
    Finetuned,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            resamples: Count::literal::<2000>(),
            seed: 20_221_207,
            baselines: BaselineChoice::Frozen,
            robustness: true,
        }
    }
}
