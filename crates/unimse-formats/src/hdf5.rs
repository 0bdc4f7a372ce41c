//! HDF5 files through hdf5-reader: how they are opened, what their arrays hold, and the arrays of a group, as Keras lays out the weights of a network.

use crate::{
    FormatError, Tensor,
    bytes::Bytes,
    dtype::{self, DType, Kind},
};
use hdf5_reader::{
    ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions, StringPadding, StringSize, VarLenKind,
    error::Error, group::Group,
};
use std::{collections::BTreeMap, path::Path};

/// Largest array that is read: a video's features take some tens of MiB.
pub(crate) const MAX_BYTES: usize = 1 << 30;
/// Deflate, the filter with the highest ratio, makes at most this many bytes of one.
const MAX_RATIO: usize = 1032;
/// Most levels of groups, and most groups and arrays: a group may hold itself.
const MAX_DEPTH: usize = 16;
const MAX_MEMBERS: usize = 1 << 14;

/// Opens a file, and the most bytes of one array.
pub(crate) fn open(bytes: Bytes) -> Result<(Hdf5File, usize), Error> {
    let limit = (bytes.as_slice().len().saturating_mul(MAX_RATIO)).min(MAX_BYTES);
    let options = OpenOptions {
        chunk_cache_bytes: 0, // every array is read once
        max_chunk_bytes: limit,
        max_read_bytes: limit,
        max_object_header_bytes: 1 << 20,
        ..OpenOptions::default()
    };
    Ok((Hdf5File::from_owner(bytes, options)?, limit))
}

/// How an array's elements are stored.
pub(crate) enum Element {
    Number(DType),
    FixedText(usize, StringPadding),
    HeapText(StringPadding),
    Other,
}

pub(crate) fn element(array: &Dataset) -> Element {
    let number = |kind, size: u8, order| {
        Element::Number(DType {
            kind,
            size: usize::from(size),
            big_endian: order == ByteOrder::BigEndian,
        })
    };
    match *array.dtype() {
        Datatype::FloatingPoint { size, byte_order } => number(Kind::Float, size, byte_order),
        Datatype::FixedPoint {
            size,
            signed,
            byte_order,
        } => {
            let kind = if signed { Kind::Int } else { Kind::Uint };
            number(kind, size, byte_order)
        }
        Datatype::String {
            size: StringSize::Fixed(size),
            padding,
            ..
        } => Element::FixedText(size as usize, padding),
        Datatype::String { padding, .. } => Element::HeapText(padding),
        Datatype::VarLen {
            kind: VarLenKind::String,
            padding,
            ..
        } => Element::HeapText(padding),
        _ => Element::Other,
    }
}

/// Reads every array of numbers below a group of a file, by its name below that group, such as `conv2d_1/conv2d_1/kernel:0`. All of them together take
/// at most 1 GiB.
///
/// # Errors
/// When the file is missing, no HDF5, without that group, or an array is broken, too large or holds no numbers.
pub fn read_hdf5(path: &Path, group: &str) -> Result<BTreeMap<String, Tensor>, FormatError> {
    arrays(path, Bytes::open(path)?, group)
}

/// The same of a file in memory.
///
/// # Errors
/// As [`read_hdf5`]; the path reads `<memory>`.
pub fn parse_hdf5(bytes: Vec<u8>, group: &str) -> Result<BTreeMap<String, Tensor>, FormatError> {
    arrays(Path::new("<memory>"), Bytes::owned(bytes), group)
}

fn arrays(path: &Path, bytes: Bytes, group: &str) -> Result<BTreeMap<String, Tensor>, FormatError> {
    let wrong = |message: String| FormatError::weights(path, message);
    let broken = |error: Error| wrong(format!("expected an HDF5 file, found: {error}"));
    let (file, limit) = open(bytes).map_err(broken)?;
    let top = file.root_group().map_err(broken)?;
    let top = (top.group(group)).map_err(|error| wrong(format!("group {group}: {error}")))?;
    let mut walk = Walk {
        members: 0,
        bytes: limit,
        found: BTreeMap::new(),
    };
    walk.group(&top, "", MAX_DEPTH).map_err(wrong)?;
    Ok(walk.found)
}

/// What was found, and how much more may be.
struct Walk {
    members: usize,
    bytes: usize,
    found: BTreeMap<String, Tensor>,
}

impl Walk {
    fn group(&mut self, group: &Group, prefix: &str, depth: usize) -> Result<(), String> {
        let at = |error: Error| format!("group {prefix:?}: {error}");
        let (groups, arrays) = group.member_names().map_err(at)?;
        self.members += groups.len() + arrays.len();
        if depth == 0 || self.members > MAX_MEMBERS {
            return Err(format!(
                "expected at most {MAX_DEPTH} levels and {MAX_MEMBERS} members, found more at group {prefix:?}"
            ));
        }
        for name in arrays {
            let array = group.dataset(&name).map_err(at)?;
            let name = format!("{prefix}{name}");
            let tensor = self
                .array(&array)
                .map_err(|error| format!("array {name:?}: {error}"))?;
            self.found.insert(name, tensor);
        }
        for name in groups {
            let inner = group.group(&name).map_err(at)?;
            self.group(&inner, &format!("{prefix}{name}/"), depth - 1)?;
        }
        Ok(())
    }

    fn array(&mut self, array: &Dataset) -> Result<Tensor, String> {
        let Element::Number(dtype) = element(array) else {
            return Err("expected numbers".to_owned());
        };
        let raw = array.read_raw_bytes().map_err(|error| error.to_string())?;
        let (mut shape, mut count) = (Vec::new(), 1_usize);
        for &axis in array.shape() {
            let axis = usize::try_from(axis).unwrap_or(usize::MAX);
            count = count.saturating_mul(axis);
            shape.push(axis);
        }
        if dtype.size == 0 || count.checked_mul(dtype.size) != Some(raw.len()) {
            return Err(format!(
                "expected {count} elements of {} bytes, found {} bytes",
                dtype.size,
                raw.len()
            ));
        }
        self.bytes = (self.bytes.checked_sub(raw.len())).ok_or("too much with those before it")?;
        let mut values = Vec::with_capacity(count);
        dtype::to_f32(dtype, &raw, &mut values).ok_or("expected numbers")?;
        Ok(Tensor { shape, values })
    }
}
