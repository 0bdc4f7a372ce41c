//! Files of a run are written to a temporary name, synced and renamed: a reader sees the old file or the new one, never half.

use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::TrainError;

/// Replaces `path` by `bytes` in one step.
///
/// # Errors
/// [`TrainError::Io`] with the path; the old file, if any, is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(TrainError::io(folder, "creating the folder"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .map_err(TrainError::io(folder, "creating a temporary file"))?;
    file.write_all(bytes)
        .map_err(TrainError::io(path, "writing"))?;
    persist(file, path)
}

/// Gives a finished temporary file its name, synced.
pub(crate) fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<(), TrainError> {
    file.as_file()
        .sync_all()
        .map_err(TrainError::io(path, "syncing"))?;
    file.persist(path).map_err(|e| TrainError::Io {
        path: path.into(),
        action: "renaming",
        source: e.error,
    })?;
    Ok(())
}

/// [`write()`] of pretty JSON with a final newline.
///
/// # Errors
/// As [`write()`]; a value that JSON cannot hold is [`TrainError::Artefact`].
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), TrainError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| TrainError::artefact(path, e))?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// SHA-256 of a file in hexadecimal.
///
/// # Errors
/// [`TrainError::Io`] with the path.
pub fn sha256(path: &Path) -> Result<String, TrainError> {
    let mut file = std::fs::File::open(path).map_err(TrainError::io(path, "opening"))?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(TrainError::io(path, "reading"))?;
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn replaces_whole_files_and_hashes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/a.txt");
        write(&path, b"first").unwrap();
        write(&path, b"abc").unwrap();
        // FIPS 180-2, appendix B.1: the digest of "abc".
        assert_eq!(
            sha256(&path).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            std::fs::read_dir(folder.path().join("sub"))
                .unwrap()
                .count(),
            1
        );
    }
}
