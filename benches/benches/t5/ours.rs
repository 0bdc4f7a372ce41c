//! What a side is asked and answers, and our side.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Tensor};
use unimse_labels::{Field, Grammar};
use unimse_model::t5::{IGNORED, T5, T5Config};
use unimse_model::text_decoder::TextDecoder;
use unimse_model::weights;
use unimse_model::{Precision, Tokenizer};
use unimse_train::train::optimizer::{Group, Optimizer, Rule};

pub(crate) type Failure = Box<dyn Error>;

/// What both sides are asked to do; see `peers/t5.py`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) checkpoint: PathBuf,
    pub(crate) threads: usize,
    pub(crate) mode: String,
    pub(crate) bf16: bool,
    pub(crate) dropout: f64,
    pub(crate) lr: f64,
    pub(crate) warm: usize,
    pub(crate) steps: usize,
    pub(crate) most: usize,
    pub(crate) batches: Vec<Rows>,
}

#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<Vec<i64>>,
    pub(crate) labels: Vec<Vec<i64>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) seconds: f64,
    pub(crate) losses: Vec<f64>,
    pub(crate) peak: u64,
}

pub(crate) fn grammar() -> Grammar {
    Grammar::new(&[Field::Intensity, Field::Meld, Field::Iemocap])
}

fn padded(rows: &[Vec<i64>], value: i64) -> Tensor {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut all = vec![value; rows.len() * width];
    for (line, row) in all.chunks_mut(width.max(1)).zip(rows) {
        line[..row.len()].copy_from_slice(row);
    }
    Tensor::from_slice(&all).view([rows.len() as i64, width as i64])
}

/// AdamW of all parameters, of none where nothing is trained.
fn optimizer(store: &VarStore, lr: f64, train: bool) -> Result<Optimizer, Failure> {
    let group = Group {
        lr,
        weight_decay: 0.01,
    };
    let parameters = store.variables().into_iter();
    let mut parameters: Vec<_> = parameters.map(|(name, value)| (name, 0, value)).collect();
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Optimizer::new(
        Rule::AdamW,
        vec![group],
        if train { parameters } else { Vec::new() },
    )?)
}

/// Our side, in a process of its own.
pub(crate) fn answer(job: &Job) -> Result<Answer, Failure> {
    tch::set_num_threads(job.threads as i32);
    tch::manual_seed(1);
    rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build_global()?;
    let mut config = T5Config::from_folder(&job.checkpoint)?;
    config.dropout_rate = job.dropout;
    let precision = if job.bf16 {
        Precision::Bf16
    } else {
        Precision::Fp32
    };
    let store = VarStore::new(Device::Cpu);
    let model = T5::new(&store.root(), &config, precision);
    weights::load_backbone(&store, &job.checkpoint, &config, &|_| false)?;
    let train = job.mode == "train";
    let mut optimizer = optimizer(&store, job.lr, train)?;
    let tokenizer = Tokenizer::from_folder(&job.checkpoint)?;
    let decoder = TextDecoder::new(&grammar(), tokenizer, &config)?;
    let batches: Vec<_> = job
        .batches
        .iter()
        .map(|rows| {
            let ids = padded(&rows.ids, -1);
            (ids.clamp_min(0), ids.ge(0), padded(&rows.labels, IGNORED))
        })
        .collect();
    let cast = (!train).then(|| model.cast());
    let (mut losses, mut start) = (Vec::new(), Instant::now());
    for (i, (ids, mask, labels)) in batches.iter().enumerate() {
        if i == job.warm {
            start = Instant::now();
        }
        if train && i < job.steps {
            let (loss, _) = model.loss(ids, mask, labels, true);
            loss.backward();
            optimizer.step(1.0, None)?;
            losses.push(loss.double_value(&[]));
        } else if train {
            let (loss, _) = tch::no_grad(|| model.loss(ids, mask, labels, true));
            losses.push(loss.double_value(&[]));
        } else if let Some(cast) = &cast {
            let source = cast.encode(ids, mask);
            decoder.generate(&cast.decoder, &source, mask);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Answer {
        seconds,
        losses,
        peak: peak(),
    })
}

/// Largest memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kilobytes.unwrap_or(0u64) * 1024
}
