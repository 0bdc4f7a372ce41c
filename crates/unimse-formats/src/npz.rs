//! `.npz` archives: `.npy` files in a zip.

use crate::{
    FormatError,
    bytes::Bytes,
    npy::{Header, Tensor},
};
use npyz::npz::array_name_from_file_name;
use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};
use zip::{ZipArchive, read::ZipFile};

/// Deflate makes at most this many bytes of one.
const MAX_RATIO: u64 = 1032;

/// An opened archive, stored (`numpy.savez`) or deflated (`numpy.savez_compressed`).
#[derive(Debug)]
pub struct Npz {
    path: PathBuf,
    archive: ZipArchive<Cursor<Bytes>>,
    /// Position of every array in the archive.
    arrays: BTreeMap<String, usize>,
}

impl Npz {
    /// Maps an archive and lists its arrays.
    ///
    /// # Errors
    /// When the file is missing or no zip archive.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        Self::list(path, Bytes::open(path)?)
    }

    /// Reads an archive held in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open); the path reads `<memory>`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Self::list(Path::new("<memory>"), Bytes::owned(bytes))
    }

    fn list(path: &Path, bytes: Bytes) -> Result<Self, FormatError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| {
            FormatError::npy(path, format!("expected an .npz archive, found: {error}"))
        })?;
        let name = |i| {
            Some((
                array_name_from_file_name(archive.name_for_index(i)?)?.to_owned(),
                i,
            ))
        };
        let arrays = (0..archive.len()).filter_map(name).collect();
        Ok(Self {
            path: path.to_owned(),
            archive,
            arrays,
        })
    }

    /// Names of the arrays, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Reads a numeric array, of the types that [`read_npy`](crate::read_npy) takes.
    ///
    /// # Errors
    /// When there is no such array, it is broken or of another type, or its declared size is more than deflate could
    /// make of the archive's bytes. The message names the array.
    pub fn read(&self, name: &str) -> Result<Tensor, FormatError> {
        let wrong = |message| FormatError::npy(&self.path, format!("array {name:?}: {message}"));
        let Some(&index) = self.arrays.get(name) else {
            let found: Vec<_> = self.names().take(8).collect();
            return Err(wrong(format!("not there; found {found:?}")));
        };
        let mut archive = self.archive.clone(); // shares the bytes and the list
        let member = (archive.by_index(index)).map_err(|error| wrong(error.to_string()))?;
        let bytes = unpack(member).map_err(wrong)?;
        Header::read(&bytes)
            .and_then(|header| header.tensor(&bytes))
            .map_err(wrong)
    }
}

/// The bytes of a member, checksum verified. They grow as they are unpacked, whatever size is declared.
fn unpack<R: Read>(member: ZipFile<'_, R>) -> Result<Vec<u8>, String> {
    let (size, packed) = (member.size(), member.compressed_size());
    if size > packed.saturating_mul(MAX_RATIO) {
        return Err(format!(
            "expected at most {MAX_RATIO} times its {packed} packed bytes, found {size} declared"
        ));
    }
    let mut bytes = Vec::new();
    (member.take(size).read_to_end(&mut bytes)).map_err(|error| error.to_string())?;
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    Err(format!(
        "truncated: expected {size} bytes, found {}",
        bytes.len()
    ))
}
