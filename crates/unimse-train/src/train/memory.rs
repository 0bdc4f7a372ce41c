//! The least memory that a training needs, reckoned before any of it is asked for. The sums are lower bounds: what they refuse could not
//! have worked, and would have ended with the process killed without a word.

use std::path::Path;

use unimse_model::config::{Decoder, FeatureDims, Modality, ModelConfig};
use unimse_model::unimodel;

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset::Dataset;

/// Bytes of a trained number: weight, gradient, two moments, fp32 each.
const TRAINED: f64 = 16.0;

/// States of the backbone's width that a layer keeps for the backward pass, at the least: queries, keys, values, their mixture, two
/// inputs of norms, the inside of the feed-forward (four times as wide in every published backbone; two counted).
const KEPT: f64 = 8.0;

/// Width and layers of a backbone's encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    dim: f64,
    layers: f64,
}

impl Shape {
    /// As the `config.json` of the checkpoint in `folder` says.
    pub(crate) fn of(config: &ModelConfig, folder: &Path) -> Result<Self, TrainError> {
        let shape = unimodel::backbone(config, folder)?.shape();
        Ok(Self {
            dim: shape.dim as f64,
            layers: shape.layers as f64,
        })
    }
}

/// Bytes that each of a training's `processes` may have: those of the machine by how many of them share it; `None` where nobody tells.
pub(crate) fn available(processes: usize) -> Option<u64> {
    // what was said to another program is not of a training alone
    let here = unimse_c10d::side_by_side().unwrap_or(1).min(processes);
    machine().map(|bytes| bytes / here.max(1) as u64)
}

/// Bytes of this machine, or less where its control group says so.
fn machine() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/meminfo");
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse().ok());
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits
        .iter()
        .filter_map(|path| read(path).trim().parse().ok());
    kib.map(|kib| kib * 1024).into_iter().chain(limits).min()
}

/// Refuses sizes of our own part (the backbone's are those of the weights beside it) that cannot be trained in `available` bytes.
pub(crate) fn check_weights(
    config: &RunConfig,
    shape: Shape,
    dims: &FeatureDims,
    available: Option<u64>,
) -> Result<(), TrainError> {
    let parts = weights(config, shape, dims);
    let bytes: f64 = TRAINED * parts.iter().map(|part| part.2).sum::<f64>();
    let Some(most) = parts.iter().max_by(|a, b| a.2.total_cmp(&b.2)) else {
        return Ok(());
    };
    refuse(bytes, available, || {
        format!("the model, most of it for {} = {},", most.0, most.1)
    })
}

/// Key, value and the numbers that it makes the model hold.
fn weights(
    config: &RunConfig,
    shape: Shape,
    dims: &FeatureDims,
) -> Vec<(&'static str, usize, f64)> {
    let c = config.model();
    let (hidden, input) = (c.lstm.hidden.get() as f64, c.lstm.input.get() as f64);
    let (mut modalities, mut features) = (0.0, 0.0);
    for (modality, dims) in [
        (Modality::Audio, &dims.audio),
        (Modality::Video, &dims.video),
    ] {
        if c.has(modality) {
            modalities += 1.0;
            features += dims.iter().map(|&d| d as f64).sum::<f64>();
        }
    }
    let fused = (c.fusion.layers.get() as f64).min(shape.layers);
    let fusions = fused + c.fusion.decoder_layers.get() as f64;
    let wide = shape.dim + modalities * hidden;
    let contrast = c.contrastive.dim.get() as f64 * c.contrastive.kernel.get() as f64;
    let mut parts = vec![
        (
            "lstm.hidden",
            c.lstm.hidden.get(),
            modalities * 4.0 * hidden * hidden,
        ),
        (
            "lstm.input",
            c.lstm.input.get(),
            input * (features + modalities * 4.0 * hidden),
        ),
        (
            "fusion.bottleneck",
            c.fusion.bottleneck.get(),
            fusions * 2.0 * wide * c.fusion.bottleneck.get() as f64,
        ),
        (
            "fusion.layers",
            c.fusion.layers.get(),
            fusions * wide * shape.dim,
        ),
    ];
    if modalities > 0.0
        && fused > 0.0
        && c.contrastive.alpha.get().min(c.contrastive.beta.get()) > 0.0
    {
        let key = if c.contrastive.kernel.get() > c.contrastive.dim.get() {
            ("contrastive.kernel", c.contrastive.kernel.get())
        } else {
            ("contrastive.dim", c.contrastive.dim.get())
        };
        // text of each fused layer, and each other modality, to the common size
        let numbers = contrast * (fused * shape.dim + modalities * hidden);
        parts.push((key.0, key.1, numbers));
    }
    parts.extend(between_samples(config, shape).into_iter().flatten());
    if c.model.decoder == Decoder::Label {
        let attention = 8.0 * shape.dim * shape.dim;
        let layers = c.label_decoder.layers.get();
        parts.push(("label_decoder.layers", layers, layers as f64 * attention));
    }
    parts
}

/// The same of the contrast between samples, where there is one.
fn between_samples(config: &RunConfig, shape: Shape) -> Option<[(&'static str, usize, f64); 2]> {
    let c = config.model().contrastive;
    let (common, queue) = (c.dim.get(), c.queue.get());
    // rows of the queue have neither gradient nor moments: a quarter of what a weight takes
    let rows = queue as f64 * common as f64 / 4.0;
    (c.samples.get() > 0.0).then_some([
        ("contrastive.dim", common, common as f64 * shape.dim),
        ("contrastive.queue", queue, rows),
    ])
}

/// Refuses batches, as this process reads them, whose states for the backward pass cannot be kept in `available` bytes.
pub(crate) fn check_batches(
    config: &RunConfig,
    shape: Shape,
    dataset: &Dataset,
    batches: &[Vec<usize>],
    available: Option<u64>,
) -> Result<(), TrainError> {
    let largest = batches
        .iter()
        .map(|batch| {
            let time = batch.iter().map(|&i| dataset.examples[i].ids.len()).max();
            (batch.len(), time.unwrap_or(0))
        })
        .max_by_key(|(rows, time)| rows * time);
    let (rows, time) = largest.unwrap_or_default();
    let t = &config.train;
    refuse(
        states(shape, rows, time, t.checkpointing),
        available,
        || {
            format!(
                "a batch of {rows} utterances with {time} tokens each (train.batch = {}, train.token_budget = {})",
                t.batch, t.token_budget
            )
        },
    )
}

/// Bytes of the states that a batch keeps in the encoder, in bf16.
fn states(shape: Shape, rows: usize, time: usize, checkpointing: bool) -> f64 {
    let kept = if checkpointing { 1.0 } else { KEPT };
    2.0 * kept * shape.layers * shape.dim * rows as f64 * time as f64
}

fn refuse(
    bytes: f64,
    available: Option<u64>,
    what: impl FnOnce() -> String,
) -> Result<(), TrainError> {
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    match available {
        Some(available) if bytes > available as f64 => Err(TrainError::Config(format!(
            "{} needs at least {:.1} GiB of memory, this process may have {:.1}",
            what(),
            gib(bytes),
            gib(available as f64)
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    const SHAPE: Shape = Shape {
        dim: 384.0,
        layers: 6.0,
    };
    const GIB: u64 = 1 << 30;

    #[test]
    fn a_model_that_cannot_fit_names_its_largest_part() {
        let dims = FeatureDims {
            audio: [73].into(),
            video: [35].into(),
        };
        let check = |overrides: &[&str], gib: u64, expect: Option<&str>| {
            let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
            let config = RunConfig::merge(None, None, &overrides).unwrap();
            let result = check_weights(&config, SHAPE, &dims, Some(gib * GIB));
            let error = result.err().map(|e| e.to_string());
            match expect {
                Some(expect) => assert!(error.as_ref().unwrap().contains(expect), "{error:?}"),
                None => assert_eq!(error, None),
            }
        };
        check(&[], 1, None);
        // two LSTMs of 4 * 16384^2 weights, 16 bytes each, are 32 GiB
        check(
            &["lstm.hidden=16384", "lstm.input=1", "fusion.layers=0"],
            32,
            Some(
                "most of it for lstm.hidden = 16384, needs at least 32.0 GiB of memory, this process may have 32.0",
            ),
        );
        check(
            &["lstm.hidden=16384", "lstm.input=1", "fusion.layers=0"],
            33,
            None,
        );
        check(
            &["contrastive.dim=65536", "contrastive.kernel=999"],
            64,
            Some("contrastive.dim = 65536"),
        );
        // 65536 rows of 65536 f32 are 16 GiB
        check(
            &[
                "contrastive.samples=1",
                "contrastive.dim=65536",
                "contrastive.queue=65536",
            ],
            16,
            Some("contrastive.queue = 65536"),
        );
        check(
            &["fusion.bottleneck=65536", "model.modalities=[\"text\"]"],
            1,
            Some("fusion.bottleneck = 65536"),
        );
    }

    #[test]
    fn states_of_a_batch() {
        // 6 layers of 384, 1024 rows of 1024 tokens, 8 states of 2 bytes: 36 GiB
        let gib = |checkpointing| states(SHAPE, 1024, 1024, checkpointing) / GIB as f64;
        assert_eq!((gib(false), gib(true)), (36.0, 4.5));
        assert!(available(1).is_none_or(|bytes| bytes > GIB / 16));
        assert_eq!(available(1), machine());
    }
}
