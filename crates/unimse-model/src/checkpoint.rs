//! The files of a checkpoint in the Hub's layout, and what their headers say of the tensors in them; no tensor is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{ModelError, Result};

/// The safetensors files of a checkpoint folder, in order.
///
/// # Errors
/// There is neither `model.safetensors` nor an index, or the index cannot be read.
pub fn checkpoint_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let single = folder.join("model.safetensors");
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.is_file() {
        let hint = if folder.join("pytorch_model.bin").is_file() {
            "; pytorch_model.bin is there but pickled weights are not read: save the model with safe_serialization"
        } else {
            ""
        };
        let message = format!("no model.safetensors and no model.safetensors.index.json{hint}");
        return Err(ModelError::io(folder)(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            message,
        )));
    }
    Ok(shards(&index)?
        .into_iter()
        .map(|name| folder.join(name))
        .collect())
}

/// The shapes of the tensors of a checkpoint folder by name, as its files spell them; no tensor is read.
pub(crate) fn tensor_shapes(folder: &Path) -> Result<BTreeMap<String, Vec<u64>>> {
    #[derive(serde::Deserialize)]
    struct Entry {
        /// Absent in the entry that tells about the file.
        shape: Option<Vec<u64>>,
    }
    let mut shapes = BTreeMap::new();
    for path in checkpoint_files(folder)? {
        let mut file = std::fs::File::open(&path).map_err(ModelError::io(&path))?;
        let mut length = [0; 8];
        file.read_exact(&mut length)
            .map_err(ModelError::io(&path))?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length))
            .read_to_end(&mut header)
            .map_err(ModelError::io(&path))?;
        let entries: BTreeMap<String, Entry> = ModelError::parse(&path, &header)?;
        let entries = entries.into_iter();
        shapes.extend(entries.filter_map(|(name, entry)| Some((name, entry.shape?))));
    }
    Ok(shapes)
}

/// Refuses a `config.json` at `path` that describes a model out of all proportion to the weights beside it: no such memory shall be
/// asked for, while a tensor that is missing is for loading to name. `parameters` counts the numbers described, given whether the weights have a decoder. Weights that are not there, or that
/// cannot be read, are refused when they are loaded.
pub(crate) fn check_size(path: &Path, parameters: impl FnOnce(bool) -> i128) -> Result<()> {
    let shapes = path.parent().map(tensor_shapes);
    let Some(Ok(shapes)) = shapes else {
        return Ok(());
    };
    let parameters = parameters(shapes.keys().any(|name| name.starts_with("decoder.block.")));
    let held: i128 = shapes
        .values()
        .map(|shape| {
            shape
                .iter()
                .fold(1, |n: i128, &m| n.saturating_mul(i128::from(m)))
        })
        .fold(0, i128::saturating_add);
    if parameters <= 4 * held.clamp(1 << 24, i128::MAX / 4) {
        return Ok(());
    }
    Err(ModelError::config(
        path,
        "the sizes",
        format!("those of the weights beside it, {held} numbers"),
        format!("a model of {parameters}"),
    ))
}

/// The names of the files that the index of a sharded checkpoint lists, sorted.
pub(crate) fn shards(index: &Path) -> Result<BTreeSet<String>> {
    let names: BTreeSet<String> = weight_map(index)?.into_values().collect();
    match names
        .iter()
        .find(|name| Path::new(name).file_name() != Some(name.as_ref()))
    {
        Some(bad) => Err(ModelError::config(
            index,
            "weight_map",
            "names of files in the same folder",
            bad,
        )),
        None => Ok(names),
    }
}

/// For every tensor of a sharded checkpoint the file it is in.
fn weight_map(index: &Path) -> Result<BTreeMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index = ModelError::read_json(index)?;
    Ok(index.weight_map)
}
