//! Locks between processes: they go with the process that holds them, however it ends.

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::Path;

/// A held lock, given up when dropped.
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock at `path`; none while another holds it.
    pub(crate) fn attempt(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        let taken = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(taken.then(|| Self(file)))
    }

    /// Waits for the lock at `path`.
    pub(crate) fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not left to closing the file: a child on its way to exec may still hold a copy of it.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn open(path: &Path) -> Result<File> {
    let advice = "point XDG_CACHE_HOME to a folder you can write";
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot make {}; {advice}", dir.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}; {advice}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/lock");
        let held = Lock::wait(&path).unwrap();
        assert!(Lock::attempt(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::attempt(&path).unwrap().is_some());
    }
}
