//! What gradient checkpointing is for: the peak of memory of a training step. A file of its own, for the peak is that of the
//! process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use tch::{Device, Kind, Tensor};
use unimse_model::{Batch, Decoder, FeatureDims, Modality, ModalityBatch, Precision, UniModel};

/// Most memory that the process ever had, in bytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<f64>().unwrap() * 1024.0
}

const LAYERS: usize = 12;

/// A checkpoint whose encoder is deep enough for its blocks to count.
fn folder() -> tempfile::TempDir {
    let place = tiny::folder_with(tiny::T5, 10, 0);
    let config = serde_json::json!({
        "model_type": "t5", "vocab_size": 100, "d_model": 64, "d_kv": 16, "d_ff": 256, "num_layers": LAYERS, "num_decoder_layers": 2, "num_heads": 4,
    });
    std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
    tiny::save_t5(place.path());
    place
}

fn batch(rows: i64, time: i64) -> Batch {
    let ids = Tensor::randint_low(3, 100, [rows, time], (Kind::Int64, Device::Cpu));
    let nothing = || ModalityBatch { groups: Vec::new() };
    Batch {
        size: rows,
        segments: ids.ones_like(),
        mask: ids.ones_like().to_kind(Kind::Bool),
        tokens: ids,
        audio: nothing(),
        video: nothing(),
        identity: None,
    }
}

#[test]
fn a_step_takes_the_inside_of_one_block_instead_of_all() {
    tch::set_num_threads(1);
    let place = folder();
    let mut config = tiny::config(tiny::T5, Decoder::T5);
    config.model.modalities = tiny::number(vec![Modality::Text]);
    let (rows, time) = (16, 128);
    let run = |checkpointing: bool, batch: &Batch| {
        let mut config = config.clone();
        config.checkpointing = checkpointing;
        let model = UniModel::new(
            &config,
            &tiny::GRAMMAR(),
            place.path(),
            &FeatureDims::default(),
            Device::Cpu,
            Precision::Fp32,
        )
        .unwrap();
        let targets = tiny::targets(batch.size as usize);
        let before = peak();
        let losses = model.loss(batch, &targets, true).unwrap();
        losses.backward(1.0);
        peak() - before
    };
    // The first step also loads code and makes buffers of LibTorch.
    run(true, &batch(1, 8));
    run(false, &batch(1, 8));
    // The peak of the process never falls, so the step that needs less comes first and the other adds to it.
    let large = batch(rows, time);
    let sparing = run(true, &large);
    let plain = sparing + run(false, &large);
    // What a block keeps at least: attention probabilities and the inner activations of its feed-forward, fp32.
    let block = (4 * rows * (4 * time * time + time * 256)) as f64;
    let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
    eprintln!(
        "peak of a step: {:.0} MiB with checkpointing, {:.0} MiB without; {LAYERS} blocks of {:.1} MiB or more",
        mib(sparing),
        mib(plain),
        mib(block)
    );
    assert!(plain > LAYERS as f64 * block, "the test measures something");
    assert!(sparing < 0.5 * plain, "{sparing} of {plain} bytes");
}
