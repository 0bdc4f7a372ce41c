//! Steps of fine-tuning a text encoder whole: mean pooling, one linear head of seven classes, cross-entropy, AdamW, in `train.precision = "auto"`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::weights::load_backbone;
use unimse_model::{BackboneChoice, Precision, TextEncoder, Tokenizer, backbones, no_hook};

use crate::protocol::{Failure, Job, Side};
use crate::t5::{BATCH, optimizer, padded};
use crate::texts;

const CLASSES: usize = 7;
/// Word pieces of a text, at most.
const MAX_TOKENS: usize = 256;
const RATE: f64 = 1e-5;

/// What the sides share.
#[derive(Serialize, Deserialize)]
struct Task {
    model: PathBuf,
    batches: Vec<Rows>,
}

#[derive(Serialize, Deserialize)]
struct Rows {
    ids: Vec<Vec<i64>>,
    labels: Vec<i64>,
}

pub(crate) fn side(name: &str, job: &Job) -> Result<Side, Failure> {
    let file = job.folder.join("work.json");
    if job.side == "prepare" {
        // seconds a step, not tenths
        let steps = if name == "all-mpnet-base-v2" { 4 } else { 12 };
        let task = task(
            job.model(name)?,
            job.size(steps, 2),
            job.size(BATCH.0, BATCH.1),
        )?;
        std::fs::write(&file, serde_json::to_vec(&task)?)?;
        return Ok(Side::prepared());
    }
    let task: Task = serde_json::from_slice(&std::fs::read(&file)?)?;
    tch::manual_seed(1);
    let model = Classifier::load(&task.model)?;
    let batches: Vec<_> = task.batches.iter().map(tensors).collect();
    let first = batches.first().ok_or("no batch was prepared")?;
    let check = tch::no_grad(|| model.loss(first, false)).double_value(&[]);
    let mut optimizer = optimizer(&model.store, RATE)?;
    Ok(Side::new(vec![check], move || {
        for batch in &batches {
            let loss = model.loss(batch, true);
            loss.backward();
            optimizer.step(1.0, None)?;
            loss.double_value(&[]);
        }
        Ok(())
    }))
}

/// So many batches of so many texts.
fn task(model: &Path, batches: usize, batch: usize) -> Result<Task, Failure> {
    let tokenizer = Tokenizer::from_folder(model)?;
    let texts = texts::at_least(batches * batch)?;
    let mut rows = Vec::new();
    for texts in texts.chunks(batch).take(batches) {
        let ids = texts
            .iter()
            .map(|text| tokenizer.encode_text(text, MAX_TOKENS));
        rows.push(Rows {
            ids: ids.collect::<Result<_, _>>()?,
            labels: (0..texts.len()).map(|i| (i % CLASSES) as i64).collect(),
        });
    }
    Ok(Task {
        model: model.to_owned(),
        batches: rows,
    })
}

/// Token ids, their mask, labels.
fn tensors(rows: &Rows) -> (Tensor, Tensor, Tensor) {
    let ids = padded(&rows.ids, -1);
    (
        ids.clamp_min(0),
        ids.ge(0),
        Tensor::from_slice(&rows.labels),
    )
}

struct Classifier {
    store: VarStore,
    encoder: Box<dyn TextEncoder>,
    weight: Tensor,
    bias: Tensor,
}

impl Classifier {
    fn load(folder: &Path) -> Result<Self, Failure> {
        let store = VarStore::new(Device::Cpu);
        let backbone = backbones::open(folder, BackboneChoice::Auto)?;
        let encoder = backbone.encoder(&store.root(), Precision::auto(Device::Cpu));
        load_backbone(&store, folder, &*backbone, &|_| false)?;
        let (classes, dim) = (CLASSES as i64, encoder.dim());
        // the same on both sides
        let numbers = Tensor::arange(classes * dim, (Kind::Float, Device::Cpu));
        let numbers = (numbers * 37.0).remainder(101.0) / 101.0 - 0.5;
        let head = store.root() / "head";
        let weight = head.var_copy("weight", &(numbers.view([classes, dim]) / 10.0));
        let bias = head.zeros("bias", &[classes]);
        Ok(Self {
            store,
            encoder,
            weight,
            bias,
        })
    }

    fn loss(&self, (ids, mask, labels): &(Tensor, Tensor, Tensor), train: bool) -> Tensor {
        let states = self.encoder.forward(ids, mask, None, train, &mut no_hook);
        let weights = mask.unsqueeze(-1).to_kind(states.kind());
        let over_time = |x: &Tensor| x.sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let mean = over_time(&(states * &weights)) / over_time(&weights);
        mean.linear(&self.weight, Some(&self.bias))
            .cross_entropy_for_logits(labels)
    }
}
