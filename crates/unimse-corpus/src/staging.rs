//! The folder that tables are written to before they are all there. One whose process was killed is removed by the next
//! ingest beside it: a living process holds a lock on its own.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = ".unimse-ingest-";

/// A fresh folder, gone when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    _lock: Option<File>,
}

impl Staging {
    /// In `parent`, on whose file system the tables shall lie.
    pub(crate) fn new(parent: &Path) -> io::Result<Self> {
        // While it is locked, nobody sees a folder that is not locked yet. Not every file system has locks; then nothing is swept.
        let gate = File::open(parent).and_then(|gate| gate.lock().map(|()| gate));
        if gate.is_ok() {
            sweep(parent)?;
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::open(folder.path()).and_then(|lock| lock.lock().map(|()| lock));
        Ok(Self {
            folder,
            _lock: lock.ok(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is, or where it was moved to.
    pub(crate) fn keep(self) {
        let _ = self.folder.keep();
    }
}

/// Removes every staging folder of `parent` that nobody holds.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let ours = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(PREFIX.as_bytes());
        if !ours || !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join(".unimse-ingest-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("mosi-train.parquet"), "half").unwrap();
        let (other, file) = (
            parent.path().join("tables"),
            parent.path().join(".unimse-ingest-file"),
        );
        fs::create_dir(&other).unwrap();
        fs::write(&file, "").unwrap();

        let first = Staging::new(parent.path()).unwrap();
        let second = Staging::new(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(other.exists() && file.exists());
        assert!(first.path().exists() && second.path().exists());

        let kept = second.path().to_owned();
        second.keep();
        assert!(kept.exists());
        let gone = first.path().to_owned();
        drop(first);
        assert!(!gone.exists());
    }
}
