//! T5 of the t5-small shape with random weights, in `train.precision = "auto"`: training steps, and labels decoded within the grammar. The peer generates
//! without constraint as many tokens as the longest label has. Checkpoint, texts and labels are the same.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Tensor};
use unimse_labels::{Field, Grammar, PerField};
use unimse_model::t5::{IGNORED, T5, T5Config};
use unimse_model::text_decoder::TextDecoder;
use unimse_model::weights;
use unimse_model::{Precision, Target, Tokenizer, parallel};
use unimse_train::data::sampler::{Entry, Mixture, Plan};
use unimse_train::train::optimizer::{Group, Optimizer, Rule};

use crate::protocol::{Failure, Job, Side};
use crate::texts;

/// Texts of a batch, and those of a quick run.
pub(crate) const BATCH: (usize, usize) = (32, 4);
/// Tokens of a text, at most.
const MAX_TOKENS: usize = 512;
const RATE: f64 = 1e-4;
const SHAPE: &str = r#"{"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 32128, "d_model": 512,
    "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "dropout_rate": 0.1, "decoder_start_token_id": 0,
    "eos_token_id": 1, "pad_token_id": 0, "is_encoder_decoder": true}"#;
/// What the sides share: the same texts, each side's in its own batches.
#[derive(Serialize, Deserialize)]
struct Task {
    /// Whether to train; else to generate.
    train: bool,
    /// Tokens of the longest label.
    longest: usize,
    ours: Vec<Rows>,
    theirs: Vec<Rows>,
}

#[derive(Serialize, Deserialize, Clone)]
struct Rows {
    ids: Vec<Vec<i64>>,
    labels: Vec<Vec<i64>>,
}

pub(crate) fn side(contest: &str, job: &Job) -> Result<Side, Failure> {
    let (file, checkpoint) = (job.folder.join("work.json"), job.folder.join("checkpoint"));
    if job.side == "prepare" {
        let tokenizer = job.model("t5-tokenizer")?.join("tokenizer.json");
        write_checkpoint(&checkpoint, &tokenizer)?;
        let task = task(contest, job, &checkpoint)?;
        std::fs::write(&file, serde_json::to_vec(&task)?)?;
        return Ok(Side::prepared());
    }
    let task: Task = serde_json::from_slice(&std::fs::read(&file)?)?;
    tch::manual_seed(1);
    let config = T5Config::from_folder(&checkpoint)?;
    let store = VarStore::new(Device::Cpu);
    let model = T5::new(&store.root(), &config, Precision::auto(Device::Cpu));
    weights::load_backbone(&store, &checkpoint, &config, &|_| false)?;
    // both sides' first batch, whatever the order of ours
    let (ids, mask, labels) = tensors(task.theirs.first().ok_or("no batch was prepared")?);
    let (loss, _) = tch::no_grad(|| model.loss(&ids, &mask, &labels, false));
    let check = vec![loss.double_value(&[])];
    if task.train {
        let batches: Vec<_> = task.ours.iter().map(tensors).collect();
        let mut optimizer = optimizer(&store, RATE)?;
        return Ok(Side::new(check, move || {
            for (ids, mask, labels) in &batches {
                let (loss, _) = model.loss(ids, mask, labels, true);
                loss.backward();
                optimizer.step(1.0, None)?;
                loss.double_value(&[]);
            }
            Ok(())
        }));
    }
    let decoder = TextDecoder::new(&grammar(), Tokenizer::from_folder(&checkpoint)?, &config)?;
    let (cast, batches) = (model.cast(), task.ours);
    Ok(Side::new(check, move || {
        let label = |t5: &T5, at: usize| {
            let Rows { ids, .. } = &batches[at];
            let ids = padded(ids, -1);
            let (ids, mask) = (ids.clamp_min(0), ids.ge(0));
            decoder.generate(&t5.decoder, &t5.encode(&ids, &mask), &mask)
        };
        parallel::each(&cast, batches.len(), label, |_| Ok(()))
    }))
}

fn grammar() -> Grammar {
    Grammar::new(&[Field::Intensity, Field::Meld, Field::Iemocap])
}

/// A checkpoint of the shape with random weights.
fn write_checkpoint(folder: &Path, tokenizer: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.json"), SHAPE)?;
    std::fs::copy(tokenizer, folder.join("tokenizer.json"))?;
    tch::manual_seed(1);
    let store = VarStore::new(Device::Cpu);
    let _model = T5::new(
        &store.root(),
        &T5Config::from_folder(folder)?,
        Precision::Fp32,
    );
    let mut all: Vec<_> = store.variables().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(weights::save(&all, &folder.join("model.safetensors"))?)
}

/// Token ids of texts, and of a label for each.
fn rows(folder: &Path, least: usize) -> Result<Rows, Failure> {
    let tokenizer = Tokenizer::from_folder(folder)?;
    let config = T5Config::from_folder(folder)?;
    let decoder = TextDecoder::new(&grammar(), Tokenizer::from_folder(folder)?, &config)?;
    let all: Vec<_> = grammar().labels().collect();
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    for (i, text) in texts::at_least(least)?.iter().enumerate() {
        let target = Target {
            label: all[i * 7919 % all.len()],
            weights: PerField::from_fn(|_| 1.0),
        };
        ids.push(tokenizer.encode_text(text, MAX_TOKENS)?);
        labels.push(decoder.encode(&target)?.ids);
    }
    Ok(Rows { ids, labels })
}

fn task(contest: &str, job: &Job, checkpoint: &Path) -> Result<Task, Failure> {
    let batches = match contest {
        "t5_epoch" => job.size(8, 2),
        "t5_step" => job.size(4, 2),
        _ => job.size(10, 2),
    };
    let plan = Plan {
        batch: job.size(BATCH.0, BATCH.1),
        token_budget: usize::MAX,
        mixture: Mixture::Temperature(1.0),
    };
    let rows = rows(checkpoint, batches * plan.batch)?;
    let all = rows.ids.len();
    // the first texts, or those of the first batches of a shuffled epoch
    let of = |i: usize| match contest {
        "t5_epoch" => i * 7919 % all,
        _ => i,
    };
    let chosen: Vec<usize> = (0..batches * plan.batch).map(of).collect();
    let entry = |&i: &usize| Entry {
        corpus: 0,
        tokens: rows.ids[i].len(),
    };
    let entries: Vec<Entry> = chosen.iter().map(entry).collect();
    let in_order: Vec<Vec<usize>> = chosen.chunks(plan.batch).map(<[usize]>::to_vec).collect();
    let places = |order: Vec<Vec<usize>>| -> Vec<Vec<usize>> {
        let batch = |batch: &Vec<usize>| batch.iter().map(|&at| chosen[at]).collect();
        order.iter().map(batch).collect()
    };
    let ours = match contest {
        "t5_epoch" => places(plan.epoch(&entries, 1, 0)),
        "t5_generate_by_length" => places(plan.by_length(&entries)),
        _ => in_order.clone(),
    };
    let gather = |batches: &[Vec<usize>]| -> Vec<Rows> {
        let batch = |batch: &Vec<usize>| Rows {
            ids: batch.iter().map(|&i| rows.ids[i].clone()).collect(),
            labels: batch.iter().map(|&i| rows.labels[i].clone()).collect(),
        };
        batches.iter().map(batch).collect()
    };
    Ok(Task {
        train: matches!(contest, "t5_step" | "t5_epoch"),
        longest: rows.labels.iter().map(Vec::len).max().unwrap_or(1),
        ours: gather(&ours),
        theirs: gather(&in_order),
    })
}

/// Token ids, their mask, labels.
fn tensors(rows: &Rows) -> (Tensor, Tensor, Tensor) {
    let ids = padded(&rows.ids, -1);
    (ids.clamp_min(0), ids.ge(0), padded(&rows.labels, IGNORED))
}

/// Rows `[rows, longest]`, filled up with `value`.
pub(crate) fn padded(rows: &[Vec<i64>], value: i64) -> Tensor {
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut all = vec![value; rows.len() * width];
    for (line, row) in all.chunks_mut(width.max(1)).zip(rows) {
        line[..row.len()].copy_from_slice(row);
    }
    Tensor::from_slice(&all).view([rows.len() as i64, width as i64])
}

/// AdamW of all parameters.
pub(crate) fn optimizer(store: &VarStore, lr: f64) -> Result<Optimizer, Failure> {
    let group = Group {
        lr,
        weight_decay: 0.01,
    };
    let variables = store.variables().into_iter();
    let mut parameters: Vec<_> = variables.map(|(name, value)| (name, 0, value)).collect();
    parameters.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Optimizer::new(Rule::AdamW, vec![group], parameters)?)
}
