//! The checkpoints of a configuration are at hand, and the machine is fit for them, before any work begins.

use anyhow::Context;
use unimse_model::config::Backbone;
use unimse_train::config::RunConfig;
use unimse_train::model::session::checkpoint_folder;

/// Finds or fetches the checkpoints; the error says which key names what is absent and what to fetch.
pub(crate) fn checkpoints(config: &RunConfig) -> anyhow::Result<()> {
    checkpoint_folder(&config.model.checkpoint).context("model.checkpoint")?;
    checkpoint_folder(&config.labels.encoder).context("labels.encoder")?;
    Ok(())
}

/// A T5 on the CPU is possible and slow: said before the work.
pub(crate) fn warn_without_gpu(config: &RunConfig) {
    if config.model.backbone == Backbone::T5 && !tch::Cuda::is_available() {
        eprintln!(
            "warning: no CUDA device: a T5 backbone on the CPU takes days where its preset was made for a GPU"
        );
    }
}
