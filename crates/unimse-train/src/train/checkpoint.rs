//! `checkpoints/last.safetensors`: weights, optimiser moments and the whole state of the loop in one file, replaced in one step. The one
//! before it stays beside it as `previous.safetensors` until the training ends: a file that the disk spoils costs the updates between the two.
//!
//! The random numbers of a step depend only on (seed, step) and the order of an epoch only on (seed, epoch), so the state is small.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::train::identity::Identity;
use crate::train::schedule::Progress;
use unimse_run::{RunFolder, artefact};

/// Where the loop stands: everything but tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoopState {
    /// Epoch under way, from 0.
    pub epoch: usize,
    /// Batches of it that are done.
    pub batch: usize,
    /// Updates made.
    pub step: i64,
    /// Sum of the losses of the epoch so far, and how many.
    pub loss_sum: f64,
    /// Best dev score so far.
    pub best: Option<f64>,
    /// How many corpora it is the mean of.
    #[serde(default)]
    pub best_corpora: usize,
    /// Epoch of it.
    pub best_epoch: usize,
    /// Epochs since, and what the schedule makes of them.
    #[serde(flatten)]
    pub progress: Progress,
    /// Bytes of `events.jsonl` that belong to this state; what lies beyond is cut off on resume.
    pub events: u64,
    /// The same of the file that TensorBoard reads; 0 where an earlier version wrote the state: it then begins here.
    #[serde(default)]
    pub scalars: u64,
    /// True once training ended.
    pub finished: bool,
    /// What the training is made of; the checkpoint of another is refused.
    pub identity: Identity,
}

const KEY: &str = "unimse.state";

/// Writes tensors and state to `path`.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn save(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    state: &LoopState,
) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder, "creating the folder"))?;
    let mut bytes: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let flat = tensor
            .detach()
            .to_device(Device::Cpu)
            .to_kind(Kind::Float)
            .contiguous();
        let mut buffer = vec![0u8; flat.numel() * 4];
        flat.f_copy_data_u8(&mut buffer, flat.numel())?;
        bytes.push((
            name.clone(),
            flat.size().iter().map(|&d| d as usize).collect(),
            buffer,
        ));
    }
    let mut views = Vec::with_capacity(bytes.len());
    for (name, shape, buffer) in &bytes {
        let view = TensorView::new(Dtype::F32, shape.clone(), buffer)
            .map_err(|e| TrainError::artefact(path, e))?;
        views.push((name.as_str(), view));
    }
    let text = serde_json::to_string(state).map_err(|e| TrainError::artefact(path, e))?;
    let metadata = Some(HashMap::from([(KEY.to_owned(), text)]));
    let file = artefact::temporary(folder)?;
    serialize_to_file(views, metadata, file.path()).map_err(|e| TrainError::artefact(path, e))?;
    Ok(artefact::persist(file, path)?)
}

/// Reads the state and, unless `state_only`, the tensors.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn load(
    path: &Path,
    state_only: bool,
) -> Result<(BTreeMap<String, Tensor>, LoopState), TrainError> {
    let bytes = std::fs::read(path).map_err(TrainError::io(path, "reading"))?;
    let bad = |e: &dyn std::fmt::Display| {
        TrainError::artefact(path, format!("not a checkpoint of this program: {e}"))
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(&e))?;
    let text = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| bad(&"no training state"))?;
    let state: Value = serde_json::from_str(text).map_err(|e| bad(&e))?;
    if state["identity"].is_string() {
        return Err(TrainError::artefact(
            path,
            "this training was begun by an earlier version of unimse, whose state cannot be gone on with; name another run folder, or remove this file to begin afresh",
        ));
    }
    let state = serde_json::from_value(state).map_err(|e| bad(&e))?;
    let mut tensors = BTreeMap::new();
    if !state_only {
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(&e))?;
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F32 {
                return Err(bad(&format!(
                    "tensor {name}: expected F32, found {:?}",
                    view.dtype()
                )));
            }
            let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            tensors.insert(
                name,
                Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?,
            );
        }
    }
    Ok((tensors, state))
}

/// Copies the tensor `name` of a checkpoint over `target`.
///
/// # Errors
/// [`TrainError::Checkpoint`] where it is missing or has another shape.
pub(crate) fn copy_tensor(
    saved: &BTreeMap<String, Tensor>,
    name: &str,
    target: &mut Tensor,
) -> Result<(), TrainError> {
    let found = saved
        .get(name)
        .ok_or_else(|| TrainError::Checkpoint(format!("tensor {name} is missing")))?;
    if found.size() != target.size() {
        return Err(TrainError::Checkpoint(format!(
            "tensor {name}: expected shape {:?}, found {:?}",
            target.size(),
            found.size()
        )));
    }
    tch::no_grad(|| target.copy_(found));
    Ok(())
}

/// Gives the checkpoint at `last`, if there is one, the name `previous` too.
///
/// # Errors
/// [`TrainError::Io`] with the path.
pub(crate) fn keep(last: &Path, previous: &Path) -> Result<(), TrainError> {
    if !last.exists() {
        return Ok(());
    }
    forget(previous)?;
    // Without hard links the file moves: until the next one is written the previous one is the only one.
    std::fs::hard_link(last, previous)
        .or_else(|_| std::fs::rename(last, previous))
        .map_err(TrainError::io(previous, "keeping the last checkpoint"))
}

/// Removes the checkpoint at `path`, if there is one.
///
/// # Errors
/// [`TrainError::Io`] with the path.
pub(crate) fn forget(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::io(path, "removing")(error))
        }
        _ => Ok(()),
    }
}

/// The last checkpoint of a run, or, where it is broken or missing, the previous one; standard error tells of it.
///
/// # Errors
/// As [`load`] of the last one, where the previous one cannot be read either.
pub(crate) fn load_latest(
    paths: &RunFolder,
    state_only: bool,
) -> Result<(BTreeMap<String, Tensor>, LoopState), TrainError> {
    let last = load(&paths.last(), state_only);
    let Err(error) = last else { return last };
    match load(&paths.previous(), state_only) {
        Ok(found) => {
            let previous = paths.previous();
            if state_only {
                eprintln!("warning: {error}; going on from {}", previous.display());
            }
            Ok(found)
        }
        Err(_) => Err(error),
    }
}

/// The state of the training in the run folder, if one is there and may be gone on with.
///
/// # Errors
/// [`TrainError::Artefact`] where it is another training than `identity`, with what differs, or where it is unfinished and `resume` is
/// false.
pub(crate) fn resume_state(
    paths: &RunFolder,
    resume: bool,
    identity: &Identity,
) -> Result<Option<LoopState>, TrainError> {
    let last = paths.last();
    if !last.exists() && !paths.previous().exists() {
        return Ok(None);
    }
    let afresh = format!(
        "to begin afresh, name another run folder or remove {}",
        paths.checkpoints().display()
    );
    let (_, state) = load_latest(paths, true)?;
    if let Some(difference) = state.identity.difference(identity) {
        return Err(TrainError::artefact(
            last,
            format!("this is another training: {difference}; {afresh}"),
        ));
    }
    if !state.finished && !resume {
        return Err(TrainError::artefact(
            last,
            format!(
                "an unfinished training (step {}) is here: `--resume` goes on with it; {afresh}",
                state.step
            ),
        ));
    }
    Ok(Some(state))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn state_and_tensors_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints/last.safetensors");
        let t = Tensor::from_slice(&[1.5f32, -0.1, 3.25e-30]).view([3, 1]);
        let state = LoopState {
            epoch: 2,
            step: 17,
            best: Some(0.1 + 0.2),
            ..LoopState::default()
        };
        save(
            &path,
            &BTreeMap::from([("a.b".to_owned(), t.shallow_clone())]),
            &state,
        )
        .unwrap();
        let (tensors, read) = load(&path, false).unwrap();
        assert_eq!(read, state);
        assert_eq!(tensors["a.b"], t);
    }

    #[test]
    fn a_state_of_the_former_format_is_named_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        // as version 0.1 wrote it
        let state = r#"{"epoch":1,"batch":0,"step":4,"loss_sum":0.0,"best":0.5,"best_epoch":0,"stale":0,"plateau":0,"scale":1.0,"events":10,"finished":false,"identity":"ab12"}"#;
        let metadata = Some(HashMap::from([(KEY.to_owned(), state.to_owned())]));
        serialize_to_file(Vec::<(&str, TensorView<'_>)>::new(), metadata, &path).unwrap();
        let error = load(&path, true).unwrap_err().to_string();
        assert!(
            error.contains("last.safetensors: this training was begun by an earlier version"),
            "{error}"
        );
    }

    #[test]
    fn a_spoilt_checkpoint_falls_back_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let paths = RunFolder::new(folder.path());
        let tensors = BTreeMap::from([("a".to_owned(), Tensor::from_slice(&[1f32; 100]))]);
        for step in 1..=3 {
            keep(&paths.last(), &paths.previous()).unwrap();
            let state = LoopState {
                step,
                ..LoopState::default()
            };
            save(&paths.last(), &tensors, &state).unwrap();
        }
        let step = || load_latest(&paths, false).map(|(_, state)| state.step);
        assert_eq!(step().unwrap(), 3);
        let whole = std::fs::read(paths.last()).unwrap();
        std::fs::write(paths.last(), &whole[..whole.len() / 2]).unwrap();
        assert_eq!(step().unwrap(), 2);
        std::fs::remove_file(paths.last()).unwrap();
        assert_eq!(step().unwrap(), 2);
        std::fs::write(paths.last(), &whole[..9]).unwrap();
        forget(&paths.previous()).unwrap();
        let error = step().unwrap_err().to_string();
        assert!(error.contains("last.safetensors"), "{error}");
    }

    #[test]
    fn cut_files_are_errors_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        save(
            &path,
            &BTreeMap::from([("a".to_owned(), Tensor::from_slice(&[1f32; 100]))]),
            &LoopState::default(),
        )
        .unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 4, 20, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(
                load(&path, false)
                    .unwrap_err()
                    .to_string()
                    .contains("last.safetensors")
            );
        }
    }
}
