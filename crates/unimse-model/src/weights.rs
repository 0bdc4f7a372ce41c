//! Weights as safetensors under the Hub's parameter names: strict to load, atomic to save.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_formats::Bytes;

use crate::backbones::Backbone;
use crate::checkpoint::checkpoint_files;
use crate::error::{ModelError, Result};
use crate::mismatch::Mismatch;
use crate::parameters::OURS;

/// Copies the file `path`, written by [`save`], into every variable of `store`. The names and shapes must be the same.
pub fn load(store: &VarStore, path: &Path) -> Result<()> {
    let tensors = read(path)?;
    fit(store, path, &tensors, &|_| false, &|_, _| false)?;
    for (name, mut variable) in store.variables() {
        if let Some(tensor) = tensors.get(&name) {
            tch::no_grad(|| variable.f_copy_(tensor))?;
        }
    }
    Ok(())
}

/// Gives the variables of `store` the values of a checkpoint of the Hub in `folder` (`model.safetensors`, or shards with their index). What is read
/// becomes the variables' memory: nothing is copied, and every handle on a variable sees it.
///
/// `backbone` says what the checkpoint's names mean. Variables named so by `is_ours` are not expected in the checkpoint; those it does not have are returned, sorted:
/// they keep their initial values. Any other missing, unexpected or misshaped tensor is an error that lists all.
pub fn load_backbone(
    store: &VarStore,
    folder: &Path,
    backbone: &dyn Backbone,
    is_ours: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut tensors = BTreeMap::new();
    for file in checkpoint_files(folder)? {
        tensors.extend(read(&file)?);
    }
    let tensors = backbone.rename(tensors);
    // A plain backbone does without what is ours in the checkpoint of a run.
    let is_redundant = |name: &str, model: &BTreeSet<String>| match name.starts_with(OURS) {
        true => !model.iter().any(|m| m.starts_with(OURS)),
        false => backbone.is_redundant(name, model),
    };
    let initialised = fit(store, folder, &tensors, is_ours, &is_redundant)?;
    for (name, mut variable) in store.variables() {
        if let Some(tensor) = tensors.get(&name) {
            let placed = tensor
                .f_to_device(variable.device())?
                .f_to_kind(variable.kind())?;
            variable.f_set_data(&placed)?;
        }
    }
    Ok(initialised)
}

/// Every tensor of a safetensors file by name, on the CPU, in its own kind. The file is mapped, so that its bytes are copied once.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let broken = |source| ModelError::SafeTensors {
        path: path.to_owned(),
        source,
    };
    let bytes = Bytes::open(path)?;
    let file = SafeTensors::deserialize(bytes.as_slice()).map_err(broken)?;
    file.iter()
        .map(|(name, view)| Ok((name.to_owned(), tensor(path, name, &view)?)))
        .collect()
}

fn tensor(path: &Path, name: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        other => {
            return Err(ModelError::config(
                path,
                name,
                "F32, F64, F16, BF16, I64, I32, U8 or BOOL",
                other,
            ));
        }
    };
    let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
    Ok(Tensor::f_from_data_size(view.data(), &shape, kind)?)
}

/// Compares `tensors`, read from `path`, with the variables of `store`: the names of those that they lack and may lack, sorted, or all that is wrong.
fn fit(
    store: &VarStore,
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    may_lack: &dyn Fn(&str) -> bool,
    is_redundant: &dyn Fn(&str, &BTreeSet<String>) -> bool,
) -> Result<Vec<String>> {
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let names: BTreeSet<String> = variables.keys().cloned().collect();
    let mut mismatch = Mismatch::default();
    let mut initialised = Vec::new();
    for (name, variable) in &variables {
        match tensors.get(name) {
            None if may_lack(name) => initialised.push(name.clone()),
            None => mismatch.missing.push(name.clone()),
            Some(t) if t.size() != variable.size() || !t.is_floating_point() => {
                let expected = format!("{:?} of floats", variable.size());
                mismatch.misshaped.push((
                    name.clone(),
                    expected,
                    format!("{:?} of {:?}", t.size(), t.kind()),
                ));
            }
            Some(_) => {}
        }
    }
    mismatch.unexpected = tensors
        .keys()
        .filter(|name| !names.contains(*name) && !is_redundant(name, &names))
        .cloned()
        .collect();
    if mismatch.is_empty() {
        return Ok(initialised);
    }
    Err(ModelError::Weights {
        path: path.to_owned(),
        mismatch,
    })
}

/// Writes `tensors` to `path` as transformers writes them, so that it opens them too. The same tensors give the same
/// bytes. The file appears complete or not at all: it is written beside `path`, synced and renamed.
pub fn save(tensors: &[(String, Tensor)], path: &Path) -> Result<()> {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, Stored::new(tensor)?)))
        .collect::<Result<_>>()?;
    // A single entry: the map has no order of its own.
    let info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    replace(path, |temporary| {
        safetensors::serialize_to_file(views, Some(info), temporary).map_err(|source| {
            ModelError::SafeTensors {
                path: temporary.to_owned(),
                source,
            }
        })
    })
}

/// Lets `write` write a file beside `path`, which then, synced, takes its place.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    write(&temporary).inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary); // on a full disk, half a file is in the way of the next
    })?;
    std::fs::File::open(&temporary)
        .and_then(|f| f.sync_all())
        .map_err(ModelError::io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(ModelError::io(path))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(ModelError::io(folder))
}

/// A tensor on its way to a file; its bytes are copied when they are written, one tensor at a time.
struct Stored {
    tensor: Tensor,
    shape: Vec<usize>,
    dtype: Dtype,
}

impl Stored {
    fn new(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let dtype = match tensor.kind() {
            Kind::Float => Dtype::F32,
            Kind::Double => Dtype::F64,
            Kind::Half => Dtype::F16,
            Kind::BFloat16 => Dtype::BF16,
            Kind::Int64 => Dtype::I64,
            Kind::Int => Dtype::I32,
            Kind::Uint8 => Dtype::U8,
            Kind::Bool => Dtype::BOOL,
            other => {
                return Err(ModelError::Input(format!(
                    "tensors of kind {other:?} cannot be saved"
                )));
            }
        };
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        Ok(Self {
            tensor,
            shape,
            dtype,
        })
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        // A contiguous CPU tensor of a known kind: the copy has nothing left to refuse.
        self.tensor.copy_data_u8(&mut bytes, self.tensor.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}
