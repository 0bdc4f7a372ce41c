//! State dicts as PyTorch wrote them before 1.6: five pickles (a magic number, the version, the system, the dict of tensors, the keys of the storages), then
//! every storage as its number of elements and their bytes. A tensor is a part of a storage.

use super::{
    heap::Limits,
    item::{Item, Object},
    opened::Pickle,
    value::Dialect,
};
use crate::{FormatError, Tensor, bytes::Bytes};
use std::{collections::BTreeMap, path::Path};

/// `pickle.dumps(0x1950a86a20f9469cfc6c, protocol=2)`.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// The only version there was.
const VERSION: i64 = 1001;

/// Reads a state dict of 32-bit floats in PyTorch's format before release 1.6, by the names of its tensors. Nothing is executed.
///
/// # Errors
/// When the file is missing, in another format (a zip of PyTorch 1.6 and later among them), broken, or holds a tensor of another type.
pub fn read_torch(path: &Path) -> Result<BTreeMap<String, Tensor>, FormatError> {
    tensors(path, &Bytes::open(path)?)
}

/// The same of a file in memory.
///
/// # Errors
/// As [`read_torch`]; the path reads `<memory>`.
pub fn parse_torch(bytes: Vec<u8>) -> Result<BTreeMap<String, Tensor>, FormatError> {
    tensors(Path::new("<memory>"), &Bytes::owned(bytes))
}

fn tensors(path: &Path, bytes: &Bytes) -> Result<BTreeMap<String, Tensor>, FormatError> {
    let wrong = |message: String| FormatError::weights(path, message);
    let file = bytes.as_slice();
    if !file.starts_with(MAGIC) {
        let found = match file {
            [b'P', b'K', ..] => "a zip, as PyTorch 1.6 and later write",
            _ => "something else",
        };
        return Err(wrong(format!(
            "expected a state dict in PyTorch's format before release 1.6, found {found}"
        )));
    }
    let mut at = MAGIC.len();
    let mut next = || {
        let limits = Limits::for_size(file.len());
        let (pickle, end) = Pickle::read_at(path, bytes.clone(), at, Dialect::Torch, limits)?;
        at = end;
        Ok::<_, FormatError>(pickle)
    };
    let (version, system, state, keys) = (next()?, next()?, next()?, next()?);
    let version = version.root().object();
    if !matches!(version, Object::Int(VERSION)) {
        return Err(wrong(format!(
            "expected version {VERSION}, found {version:?}"
        )));
    }
    let little = system.root().get("little_endian").map(|item| item.object());
    if !matches!(little, Some(Object::Bool(true))) {
        return Err(wrong("expected little-endian numbers".to_owned()));
    }
    let storages = storages(&file[at..], keys.root()).map_err(wrong)?;
    let entries = state.root().entries();
    let entries = entries.ok_or_else(|| wrong("expected a dict of tensors".to_owned()))?;
    // tensors may share a storage, but all of them must not be more than the file
    let mut left = file.len() / size_of::<f32>();
    let mut tensors = BTreeMap::new();
    for (name, item) in entries {
        let name = name.as_str().unwrap_or_default().into_owned();
        let tensor = tensor(item, &storages, &mut left);
        let tensor = tensor.map_err(|message| wrong(format!("tensor {name:?}: {message}")))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// The bytes of every storage by its key.
fn storages<'a>(
    mut file: &'a [u8],
    keys: Item<'_>,
) -> Result<BTreeMap<String, &'a [[u8; 4]]>, String> {
    let mut storages = BTreeMap::new();
    for key in keys.items().ok_or("expected a list of storages")? {
        let key = key
            .as_str()
            .ok_or("expected the key of a storage as text")?;
        let parts = file.split_first_chunk::<8>().and_then(|(count, rest)| {
            let bytes = usize::try_from(u64::from_le_bytes(*count)).ok()?;
            rest.split_at_checked(bytes.checked_mul(size_of::<f32>())?)
        });
        let Some((storage, rest)) = parts else {
            return Err(format!("truncated: storage {key:?} is not whole"));
        };
        file = rest;
        storages.insert(key.into_owned(), storage.as_chunks().0);
    }
    Ok(storages)
}

/// A tensor of its arguments: `(storage, offset, size, stride, requires_grad, hooks)`.
fn tensor(
    item: Item<'_>,
    storages: &BTreeMap<String, &[[u8; 4]]>,
    left: &mut usize,
) -> Result<Tensor, String> {
    let arguments: Vec<Item<'_>> = item.items().into_iter().flatten().collect();
    let [storage, offset, size, stride, ..] = arguments[..] else {
        return Err(format!("expected a tensor, found {}", item.type_name()));
    };
    // ("storage", type, key, location, elements, view)
    let storage: Vec<Item<'_>> = storage.items().into_iter().flatten().collect();
    let key = storage.get(2).and_then(|key| key.as_str());
    let storage = key.as_deref().and_then(|key| storages.get(key));
    let storage = storage.ok_or("its storage is not in the file")?;
    let (offset, shape, stride) = numbers(&[offset])
        .zip(axes(size))
        .zip(axes(stride))
        .map(|((offset, shape), stride)| (offset[0], shape, stride))
        .ok_or("expected offset, size and stride as whole numbers")?;
    let wrong = || {
        let found = storage.len();
        format!(
            "shape {shape:?} and strides {stride:?} from {offset} on do not fit a storage of {found}"
        )
    };
    let count = (shape.iter()).try_fold(1_usize, |count, &axis| count.checked_mul(axis));
    let count = count
        .filter(|_| shape.len() == stride.len())
        .ok_or_else(wrong)?;
    *left = (left.checked_sub(count)).ok_or("all tensors together are more than the file")?;
    let mut values = Vec::with_capacity(count);
    for element in 0..count {
        // the last axis is the fastest
        let (mut rest, mut at) = (element, Some(offset));
        for (&axis, &stride) in shape.iter().zip(&stride).rev() {
            let step = (rest % axis).checked_mul(stride);
            at = at.zip(step).and_then(|(at, step)| at.checked_add(step));
            rest /= axis;
        }
        let bytes = at.and_then(|at| storage.get(at)).ok_or_else(wrong)?;
        values.push(f32::from_le_bytes(*bytes));
    }
    Ok(Tensor { shape, values })
}

fn axes(item: Item<'_>) -> Option<Vec<usize>> {
    numbers(&item.items()?.collect::<Vec<_>>())
}

fn numbers(items: &[Item<'_>]) -> Option<Vec<usize>> {
    let number = |item: &Item<'_>| match item.object() {
        Object::Int(number) => usize::try_from(number).ok(),
        _ => None,
    };
    items.iter().map(number).collect()
}
