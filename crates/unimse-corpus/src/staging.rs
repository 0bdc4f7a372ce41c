//! The folder that tables are written to before they are all there. One whose process was killed is removed by an
//! ingest in the same place an hour later: a living process holds a lock on its own.

use crate::{CorpusError, store};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

const PREFIX: &str = ".unimse-ingest-";

/// The staging folders of this process; `None` once they were abandoned. Held while tables take their names, so that a signal comes before
/// or after all of them.
static LIVING: Mutex<Option<Vec<PathBuf>>> = Mutex::new(Some(Vec::new()));

fn living() -> MutexGuard<'static, Option<Vec<PathBuf>>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what the running ingests of this process have written so far, for a process that a signal ends: on return nothing of them is
/// left. They fail then, and no other can begin. One that is giving its tables their names comes to its end first.
pub fn abandon_ingest() {
    let mut living = living(); // until all is done: an ingest that fails meanwhile waits
    for folder in living.take().unwrap_or_default() {
        // a thread may be making the next file in it
        for _ in 0..10 {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
    }
}

/// A fresh folder, gone when dropped.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    /// Where [`Staging::publish`] renames it to as a whole; `None` where that exists, and it lies inside.
    beside: Option<PathBuf>,
    _lock: Option<File>,
}

impl Staging {
    /// For the tables of `out`: inside it where it exists, for it may be a mount point, or lie where nothing else can be written; else
    /// beside it.
    pub(crate) fn for_tables(out: &Path) -> Result<Self, CorpusError> {
        let beside = out.parent().map(|parent| match parent.as_os_str() {
            name if name.is_empty() => Path::new("."),
            _ => parent,
        });
        let beside = beside.unwrap_or(out);
        sweep(beside);
        if out.exists() || out.is_symlink() {
            sweep(out);
            return Self::new(out).map_err(CorpusError::io(out));
        }
        fs::create_dir_all(beside).map_err(CorpusError::io(beside))?;
        let mut staging = Self::new(beside).map_err(CorpusError::io(beside))?;
        staging.beside = Some(beside.to_owned());
        Ok(staging)
    }

    fn new(parent: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777)); // less the umask, as any other folder
        }
        let mut living = living();
        let Some(living) = living.as_mut() else {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        };
        let folder = builder.prefix(PREFIX).tempdir_in(parent)?;
        living.push(folder.path().to_owned());
        let lock = File::open(folder.path()).and_then(|lock| Ok(lock.try_lock().map(|()| lock)?));
        Ok(Self {
            folder,
            beside: None,
            _lock: lock.ok(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes `out` hold the tables `written`, and no others that an ingest wrote: one after the other where `out` existed, at once where not.
    pub(crate) fn publish(mut self, out: &Path, written: &[String]) -> Result<(), CorpusError> {
        let mut living = living();
        let Some(living) = living.as_mut() else {
            let interrupted = io::Error::new(io::ErrorKind::Interrupted, "interrupted");
            return Err(CorpusError::io(out)(interrupted));
        };
        let Some(beside) = &self.beside else {
            return store::publish(self.path(), out, written);
        };
        store::sync_folder(self.path())?;
        fs::rename(self.path(), out).map_err(CorpusError::io(out))?;
        living.retain(|folder| folder != self.folder.path());
        self.folder.disable_cleanup(true); // it is `out` now
        store::sync_folder(beside)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let mut living = living();
        let Some(living) = living.as_mut() else {
            return;
        };
        if let Some(at) = living
            .iter()
            .position(|folder| folder == self.folder.path())
        {
            let _ = fs::remove_dir_all(living.remove(at)); // here, so that a signal comes before or after
        }
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

        let out = parent.path().join("out");
        let first = Staging::for_tables(&out).unwrap();
        age(first.path());
        let second = Staging::for_tables(&out).unwrap();
        assert!(!dead.exists());
        assert!(other.exists() && file.exists() && fresh.exists());
        assert!(first.path().exists() && second.path().exists());

        let moved = second.path().to_owned();
        second.publish(&out, &[]).unwrap();
        assert!(out.exists() && !moved.exists());
        let gone = first.path().to_owned();
        drop(first);
        assert!(!gone.exists());
    }

    #[test]
    fn what_exists_is_written_inside_and_what_does_not_appears_as_a_whole() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("deep/out");
        let beside = Staging::for_tables(&out).unwrap();
        assert_eq!(beside.path().parent(), out.parent());
        fs::write(beside.path().join("mosi-dev.parquet"), "new").unwrap();
        beside
            .publish(&out, &["mosi-dev.parquet".to_owned()])
            .unwrap();
        let inside = Staging::for_tables(&out).unwrap();
        assert_eq!(inside.path().parent(), Some(out.as_path()));
        fs::write(inside.path().join("mosi-train.parquet"), "new").unwrap();
        inside
            .publish(&out, &["mosi-train.parquet".to_owned()])
            .unwrap();
        let names: Vec<_> = fs::read_dir(&out)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["mosi-train.parquet"]); // the other is of an earlier run
    }
}
