//! The checkpoints of a configuration are at hand, and the machine is fit for them, before any work begins.

use anyhow::Context;
use unimse_model::unimodel;
use unimse_train::config::RunConfig;
use unimse_train::model::session::checkpoint_folder;

/// Numbers of a backbone from which a training on a CPU takes hours.
const LARGE: i128 = 50_000_000;

/// Finds or fetches the checkpoints; the error says which key names what is absent and what to fetch, or which does not fit them.
pub(crate) fn checkpoints(config: &RunConfig) -> anyhow::Result<()> {
    let folder = checkpoint_folder(&config.model.checkpoint).context("model.checkpoint")?;
    checkpoint_folder(&config.labels.encoder).context("labels.encoder")?;
    unimodel::backbone(&config.model(), &folder)?;
    warn_without_gpu(config);
    Ok(())
}

/// A large backbone on the CPU is possible and slow: said before the work. What is wrong with the checkpoint is for others to say.
pub(crate) fn warn_without_gpu(config: &RunConfig) {
    let Ok(folder) = checkpoint_folder(&config.model.checkpoint) else {
        return;
    };
    let Ok(backbone) = unimodel::backbone(&config.model(), &folder) else {
        return;
    };
    let size = backbone.parameters();
    if size >= LARGE && !tch::Cuda::is_available() {
        eprintln!(
            "warning: no CUDA device: a {} of {} million numbers takes hours to days on the CPU",
            backbone.model_type(),
            size / 1_000_000
        );
    }
}
