//! Where the models are that benches work with.

use std::path::{Path, PathBuf};

/// The folder of the model called `name` below `UNIMSE_MODELS`, or else `.models` of the checkout, if it is at hand.
pub(crate) fn backbone(name: &str) -> Option<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.models");
    let named = std::env::var_os("UNIMSE_MODELS").map(PathBuf::from);
    let folders = named.into_iter().chain([checkout]);
    let mut models = folders.map(|folder| folder.join(name));
    models.find(|model| model.join("config.json").is_file())
}
