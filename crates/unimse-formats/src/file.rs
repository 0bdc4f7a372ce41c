//! Opening files of a user's folder: regular ones only.

use crate::FormatError;
use std::{
    fs::{self, File, Metadata},
    path::Path,
};

/// Opens a regular file for reading, behind links too. A FIFO would wait for a writer, a device may never end.
///
/// # Errors
/// [`FormatError::NotAFile`] for anything else that lies there, [`FormatError::Io`] where nothing does or the system refuses.
pub fn open_file(path: &Path) -> Result<File, FormatError> {
    let metadata = fs::metadata(path).map_err(FormatError::io(path))?;
    if !metadata.is_file() {
        return Err(FormatError::NotAFile {
            path: path.to_owned(),
            found: kind_of_file(&metadata),
        });
    }
    File::open(path).map_err(FormatError::io(path))
}

/// What lies at a path, in words, for messages: `a file`, `a folder`, `a FIFO`, `a socket`, `a device`.
#[must_use]
pub fn kind_of_file(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    match (kind.is_dir(), kind.is_file()) {
        (true, _) => "a folder",
        (_, true) => "a file",
        _ => "something else",
    }
}
