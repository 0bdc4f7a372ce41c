//! Demo corpora that a test damages.

use std::{
    fs,
    path::{Path, PathBuf},
};
use unimse_corpus::{demo, ingest};

/// The demo corpora in a folder `data`, and beside it `out`.
pub(crate) struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        demo::write(&folder.path().join("data")).unwrap();
        Self { folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Some file of the data whose name ends so.
    pub(crate) fn file(&self, corpus: &str, ending: &str) -> PathBuf {
        let mut found = Vec::new();
        let mut folders = vec![self.data().join(corpus)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().ends_with(ending) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found.swap_remove(0)
    }

    pub(crate) fn edit(&self, path: &Path, change: impl FnOnce(String) -> String) {
        fs::write(path, change(fs::read_to_string(path).unwrap())).unwrap();
    }

    pub(crate) fn ingest(&self) -> Result<(), String> {
        ingest(&self.data(), &self.out(), &[], &mut |_| {})
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Ingest must fail with one line that holds these words, and leave no output.
    pub(crate) fn check(&self, words: &[&str]) {
        let error = self.ingest().unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        for word in words {
            assert!(error.contains(word), "expected {word:?} in: {error}");
        }
        assert!(!self.out().exists());
        let left: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["data"], "no temporary folder stays");
    }
}
