//! The folder that tables are written to before they are all there. One whose process was killed is removed by an
//! ingest beside it an hour later: a living process holds a lock on its own.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

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
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::open(folder.path()).and_then(|lock| Ok(lock.try_lock().map(|()| lock)?));
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

/// How long nobody has written to a folder that is swept: a lock says nothing about other hosts, nor before it is taken.
const OLD: Duration = Duration::from_secs(3600);

/// Removes the staging folders of `parent` that are old and that nobody holds, as far as it can.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let modified = entry.metadata().and_then(|about| about.modified());
        let old = modified.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > OLD));
        let path = entry.path();
        if old && File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
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
        let fresh = parent.path().join(".unimse-ingest-fresh");
        fs::create_dir(&fresh).unwrap();
        let old = std::time::SystemTime::now() - 2 * OLD;
        let age = |folder: &Path| File::open(folder).unwrap().set_modified(old).unwrap();
        age(&dead);
        let (other, file) = (
            parent.path().join("tables"),
            parent.path().join(".unimse-ingest-file"),
        );
        fs::create_dir(&other).unwrap();
        fs::write(&file, "").unwrap();

        let first = Staging::new(parent.path()).unwrap();
        age(first.path());
        let second = Staging::new(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(other.exists() && file.exists() && fresh.exists());
        assert!(first.path().exists() && second.path().exists());

        let kept = second.path().to_owned();
        second.keep();
        assert!(kept.exists());
        let gone = first.path().to_owned();
        drop(first);
        assert!(!gone.exists());
    }
}
