//! Sentence embeddings for the donor search of the label unifier (paper, section 3.2).

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

use crate::backbones::{self, BackboneChoice};
use crate::checkpoint::checkpoint_files;
use crate::encoder::{TextEncoder, no_hook};
use crate::error::{ModelError, Result};
use crate::precision::Precision;
use crate::tokenizer::Tokenizer;
use crate::weights::load_backbone;

/// Most word pieces of a sentence, special tokens included; the rest is cut off.
const MAX_TOKENS: usize = 256;

/// What says how a sentence-transformers checkpoint pools.
pub(crate) const POOLING: &str = "1_Pooling/config.json";

/// How token states become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean (all-MiniLM-L6-v2).
    Mean,
    /// The first one, that of `[CLS]` or `<s>` (SimCSE).
    Cls,
}

impl std::str::FromStr for Pooling {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            other => Err(format!("expected mean or cls, found {other}")),
        }
    }
}

impl Pooling {
    /// As `1_Pooling/config.json` of a sentence-transformers folder says; the mean where there is none, as there.
    fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join(POOLING);
        if !path.exists() {
            return Ok(Self::Mean);
        }
        let config: serde_json::Map<String, serde_json::Value> = ModelError::read_json(&path)?;
        let mut modes: Vec<&str> = config
            .iter()
            .filter(|(_, value)| value.as_bool() == Some(true))
            .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
            .collect();
        // Later releases name the mode instead.
        modes.extend(config.get("pooling_mode").and_then(|mode| mode.as_str()));
        match modes.as_slice() {
            ["mean_tokens" | "mean"] => Ok(Self::Mean),
            ["cls_token" | "cls"] => Ok(Self::Cls),
            _ => Err(ModelError::config(
                &path,
                "pooling_mode_*",
                "either mean_tokens or cls_token",
                format!("{modes:?}"),
            )),
        }
    }
}

/// A frozen sentence encoder, by default all-MiniLM-L6-v2; the encoder of any backbone can be one.
#[derive(Debug)]
pub struct SentenceEncoder {
    encoder: Box<dyn TextEncoder>,
    tokenizer: Tokenizer,
    pooling: Pooling,
    max_tokens: usize,
    device: Device,
}

/// Texts as tokens, cut into batches for [`SentenceEncoder::embed`].
#[derive(Debug)]
pub struct Sentences {
    ids: Vec<Vec<i64>>,
    batches: Vec<Vec<usize>>,
}

impl Sentences {
    /// The places of the texts of every batch.
    #[must_use]
    pub fn batches(&self) -> &[Vec<usize>] {
        &self.batches
    }
}

impl SentenceEncoder {
    /// Loads a Hub folder: `config.json`, `tokenizer.json`, `model.safetensors`; without `pooling`, that of its
    /// `1_Pooling/config.json`, and the mean where it has none.
    pub fn load(
        folder: &Path,
        pooling: Option<Pooling>,
        device: Device,
        precision: Precision,
    ) -> Result<Self> {
        let backbone = backbones::open(folder, BackboneChoice::Auto)?;
        let shape = backbone.shape();
        let tokenizer = Tokenizer::from_folder(folder)?;
        tokenizer.check_vocabulary(shape.vocabulary)?;
        let mut store = VarStore::new(device);
        let encoder = backbone.encoder(&store.root(), precision);
        load_backbone(&store, folder, &*backbone, &|_| false)?;
        store.freeze();
        let positions = shape.max_positions.map_or(MAX_TOKENS, |n| n as usize);
        let max_tokens = MAX_TOKENS.min(positions);
        Ok(Self {
            encoder,
            tokenizer,
            pooling: pooling.map_or_else(|| Pooling::from_folder(folder), Ok)?,
            max_tokens,
            device,
        })
    }

    /// SHA-256, in hexadecimal, over every file of a checkpoint folder that decides its embeddings, and how this encoder
    /// cuts texts off and pools. Two encoders of the same fingerprint embed a text alike.
    pub fn fingerprint(folder: &Path, pooling: Option<Pooling>) -> Result<String> {
        let mut hash = Sha256::new();
        let mut files = vec![folder.join("config.json"), folder.join("tokenizer.json")];
        match pooling {
            None => {
                Pooling::from_folder(folder)?;
                files.extend(Some(folder.join(POOLING)).filter(|path| path.exists()));
            }
            Some(pooling) => hash.update(format!("{pooling:?} pooling, ")),
        }
        files.extend(checkpoint_files(folder)?);
        hash.update(format!("sentence embeddings 1, {MAX_TOKENS} tokens"));
        for path in files {
            let mut file = std::fs::File::open(&path).map_err(ModelError::io(&path))?;
            let length = file.metadata().map_err(ModelError::io(&path))?.len();
            hash.update(length.to_le_bytes());
            std::io::copy(&mut file, &mut hash).map_err(ModelError::io(&path))?;
        }
        Ok(hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    /// Width of an embedding.
    pub fn dim(&self) -> i64 {
        self.encoder.dim()
    }

    /// Embeddings `[texts, dim]`, row-major, every row of length 1, in the order of `texts`.
    ///
    /// Texts of like length share a batch of at most `batch`; an embedding does not depend on its batch beyond rounding.
    /// `tick` hears after each batch how many texts are done, and may stop the work with an error.
    pub fn encode<E: From<ModelError>>(
        &self,
        texts: &[impl AsRef<str>],
        batch: usize,
        tick: &mut dyn FnMut(usize) -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let sentences = self.sentences(texts, batch)?;
        let dim = self.dim() as usize;
        let mut rows = vec![0.0; texts.len() * dim];
        let mut done = 0;
        for (at, places) in sentences.batches().iter().enumerate() {
            let values = self.embed(&sentences, at)?;
            for (&i, row) in places.iter().zip(values.chunks_exact(dim)) {
                rows[i * dim..(i + 1) * dim].copy_from_slice(row);
            }
            done += places.len();
            tick(done)?;
        }
        Ok(rows)
    }

    /// Texts of like length in batches of at most `batch`, the longest first: a batch that does not fit into memory fails at once.
    ///
    /// # Errors
    /// A text that the tokenizer cannot read.
    pub fn sentences(&self, texts: &[impl AsRef<str>], batch: usize) -> Result<Sentences> {
        let ids = texts
            .iter()
            .map(|text| self.tokenizer.encode_text(text.as_ref(), self.max_tokens))
            .collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(ids[i].len())); // stable
        let batches = order.chunks(batch.max(1)).map(<[usize]>::to_vec).collect();
        Ok(Sentences { ids, batches })
    }

    /// Embeddings `[texts, dim]` of the texts of batch `at`, row-major, every row of length 1, in the batch's order.
    ///
    /// # Errors
    /// What LibTorch says.
    pub fn embed(&self, sentences: &Sentences, at: usize) -> Result<Vec<f32>> {
        let batch: Vec<&[i64]> = sentences.batches[at]
            .iter()
            .map(|&i| sentences.ids[i].as_slice())
            .collect();
        let values = self.forward(&batch)?.flatten(0, 1);
        Ok(Vec::<f32>::try_from(&values)?)
    }

    /// `[batch, dim]` fp32 on the CPU.
    fn forward(&self, ids: &[&[i64]]) -> Result<Tensor> {
        let longest = ids.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut padded = vec![self.tokenizer.pad(); ids.len() * longest];
        let mut valid = vec![false; padded.len()];
        for (row, own) in ids.iter().enumerate() {
            padded[row * longest..][..own.len()].copy_from_slice(own);
            valid[row * longest..][..own.len()].fill(true);
        }
        let shape = [ids.len() as i64, longest as i64];
        let tokens = Tensor::f_from_slice(&padded)?
            .view(shape)
            .to_device(self.device);
        let mask = Tensor::f_from_slice(&valid)?
            .view(shape)
            .to_device(self.device);
        let _guard = tch::no_grad_guard();
        let hidden = self
            .encoder
            .forward(&tokens, &mask, None, false, &mut no_hook)
            .to_kind(Kind::Float);
        let pooled = match self.pooling {
            Pooling::Cls => hidden.select(1, 0),
            Pooling::Mean => {
                let weights = mask.to_kind(Kind::Float).unsqueeze(-1);
                (hidden * &weights).sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
                    / weights.sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
            }
        };
        let length = pooled
            .norm_scalaropt_dim(2.0, [-1i64].as_slice(), true)
            .clamp_min(1e-12);
        Ok((pooled / length).to_device(Device::Cpu))
    }
}
