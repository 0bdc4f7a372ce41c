//! Where the networks lie that set-up fetches on request.

use std::path::{Path, PathBuf};

use unimse_run::cache_folder;

use crate::MediaError;

/// The folder of a model in the user's cache, where `cargo xtask setup --model NAME` puts it, or `.models/NAME`; `what` it is, for the error.
pub(crate) fn find(name: &str, what: &str) -> Result<PathBuf, MediaError> {
    let cache = cache_folder().map(|cache| cache.join(name));
    let own = Path::new(".models").join(name);
    let folders = cache.into_iter().chain([own.clone()]);
    let found = folders.into_iter().find(|folder| folder.is_dir());
    found.ok_or_else(|| MediaError::Folder {
        path: own,
        message: format!("{what} are not here: cargo xtask setup --model {name}"),
    })
}
