//! One process at a time in a run folder: two trainings in one folder would write over each other's checkpoints and events.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::FileError;

/// Why a run folder could not be had alone.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{}: {} is at work in this run: wait for its end, or name another run folder", run.display(), holder(*process))]
    Busy {
        /// The run folder.
        run: PathBuf,
        /// Id of the process, where it has written it down.
        process: Option<u32>,
    },
    /// The file of the lock cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
}

fn holder(process: Option<u32>) -> String {
    process.map_or_else(
        || "another process".to_owned(),
        |id| format!("process {id}"),
    )
}

/// The lock of a run folder. It ends with this value, and with the process however that ends: the kernel holds it, not the file.
#[derive(Debug)]
pub struct RunLock(File);

impl RunLock {
    /// Takes the lock of the folder `run`, which is made where it is absent; the file `.lock` in it names the holder and stays.
    /// Where the file system has no locks, nothing is locked.
    ///
    /// # Errors
    /// [`LockError::Busy`] at once where another process holds it; [`LockError::File`] where the file cannot be written.
    pub fn take(run: &Path) -> Result<Self, LockError> {
        std::fs::create_dir_all(run).map_err(FileError::at(run, "creating the folder"))?;
        let path = run.join(".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(FileError::at(&path, "opening"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // What cannot be read or is half written names nobody.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Busy {
                    run: run.to_path_buf(),
                    process: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => {
                return Err(FileError::at(&path, "locking")(error).into());
            }
        }
        let named = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        named.map_err(FileError::at(&path, "writing"))?;
        Ok(Self(file))
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Not left to closing the file: a child on its way to exec may still hold a copy of it.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn the_second_learns_who_is_first() {
        let place = tempfile::tempdir().unwrap();
        let run = place.path().join("a/run");
        let held = RunLock::take(&run).unwrap();
        let error = RunLock::take(&run).unwrap_err().to_string();
        let first = format!("process {} is at work", std::process::id());
        assert!(
            error.contains(&first) && error.contains(run.to_str().unwrap()),
            "{error}"
        );
        drop(held);
        std::fs::write(run.join(".lock"), "4294967295 and more").unwrap();
        let again = RunLock::take(&run).unwrap();
        let text = std::fs::read_to_string(run.join(".lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        std::fs::write(run.join(".lock"), "").unwrap();
        let error = RunLock::take(&run).unwrap_err().to_string();
        assert!(error.contains("another process is at work"), "{error}");
        drop(again);
    }
}
