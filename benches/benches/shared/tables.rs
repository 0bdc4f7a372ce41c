//! The demo data of MOSI as the tables of a run: shared by benches that train.

use std::path::Path;

use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::unify;

use crate::Failure;

/// Seed of every training.
pub(crate) const SEED: u64 = 1;

/// Demo tables below `place`, as the commands make them, and the run folder `place/run` over them.
pub(crate) fn tables(
    place: &Path,
    config: &RunConfig,
    encoder: &str,
) -> Result<RunFolder, Failure> {
    let data = place.join("data");
    unimse_corpus::demo::write(&data)?;
    for other in ["mosei", "meld", "iemocap"] {
        std::fs::remove_dir_all(data.join(other))?;
    }
    let (corpus, labels) = (place.join("corpus"), place.join("labels"));
    unimse_corpus::ingest(&data, &corpus, &[], &mut |_| {})?;
    unify::run(
        &corpus,
        &labels,
        encoder,
        None,
        None,
        &config.labels.options(),
    )?;
    Ok(RunFolder {
        run: place.join("run"),
        corpus,
        labels,
    })
}
