//! Files of a run are written to a temporary name, synced and renamed: a reader sees the old file or the new one, never half. They are
//! readable as the user's umask says, as any file that a program makes.

use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {action}", path.display())]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What was being done, such as `writing`.
    pub action: &'static str,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

impl FileError {
    /// For `map_err`: an error of the system while `action` was done to `path`.
    pub fn at(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self {
            path,
            action,
            source,
        }
    }
}

/// What the name of every temporary file begins with.
const PREFIX: &str = ".unimse-writing-";

/// Removes the temporary files in `folder` that killed processes left. For whoever alone writes there: the holder of a run's lock.
///
/// # Errors
/// The folder cannot be listed, or a file not removed; an absent folder holds none.
pub fn sweep(folder: &Path) -> Result<(), FileError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(FileError::at(folder, "listing"))?,
    };
    for entry in entries {
        let entry = entry.map_err(FileError::at(folder, "listing"))?;
        let ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes());
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(FileError::at(&path, "removing"))?;
        }
    }
    Ok(())
}

/// A temporary file in `folder` with the permissions of a plain new file, to be given its name by [`persist`]. The folder is made where
/// it is absent.
///
/// # Errors
/// The folder cannot be made or written.
pub fn temporary(folder: &Path) -> Result<NamedTempFile, FileError> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    std::fs::create_dir_all(folder).map_err(FileError::at(folder, "creating the folder"))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666)); // less what the umask takes away
    }
    builder
        .tempfile_in(folder)
        .map_err(FileError::at(folder, "creating a temporary file"))
}

/// Gives a finished temporary file its name, synced; what had the name before is replaced.
///
/// # Errors
/// Syncing or renaming fails; the old file, if any, is untouched then.
pub fn persist(file: NamedTempFile, path: &Path) -> Result<(), FileError> {
    file.as_file()
        .sync_all()
        .map_err(FileError::at(path, "syncing"))?;
    file.persist(path)
        .map_err(|error| FileError::at(path, "renaming")(error.error))?;
    Ok(())
}

/// Replaces `path` by `bytes` in one step.
///
/// # Errors
/// [`FileError`] with the path; the old file, if any, is untouched then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = temporary(path.parent().unwrap_or_else(|| Path::new(".")))?;
    file.write_all(bytes)
        .map_err(FileError::at(path, "writing"))?;
    persist(file, path)
}

/// [`write()`] of pretty JSON with a final newline.
///
/// # Errors
/// As [`write()`]; a value that JSON cannot hold is one too.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), FileError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| FileError::at(path, "writing JSON")(error.into()))?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Bytes of a file that are hashed at a time.
const BLOCK: usize = 1 << 18;

/// SHA-256 of a file in lower-case hexadecimal, read in blocks.
///
/// # Errors
/// [`FileError`] with the path.
pub fn sha256(path: &Path) -> Result<String, FileError> {
    let file = std::fs::File::open(path).map_err(FileError::at(path, "opening"))?;
    let mut file = std::io::BufReader::with_capacity(BLOCK, file);
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(FileError::at(path, "reading"))?;
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of bytes in lower-case hexadecimal.
#[must_use]
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal form of a digest.
#[must_use]
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn what_a_killed_process_left_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let left = temporary(folder.path()).unwrap();
        let (_, left) = left.keep().unwrap(); // as if the process had died here
        let kept = folder.path().join("results.json");
        write(&kept, b"{}").unwrap();
        sweep(folder.path()).unwrap();
        assert!(!left.exists() && kept.exists());
        sweep(&folder.path().join("absent")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn has_the_permissions_of_a_plain_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write(&ours, b"x").unwrap();
        std::fs::write(&plain, b"x").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn an_error_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"x").unwrap();
        let path = folder.path().join("file/below");
        let error = write(&path, b"x").unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
