//! Embeddings kept between runs: one Parquet file an encoder, a row by the SHA-256 of its text.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, FixedSizeBinaryArray};

use crate::TrainError;
use crate::data::labels_table::read_batches;
use crate::unify::embeddings::{Embeddings, lists, write_rows};

/// SHA-256 of a text.
pub(super) type Key = [u8; 32];

/// What a cache file holds.
#[derive(Default)]
pub(super) struct Known {
    keys: Vec<Key>,
    places: HashMap<Key, usize>,
    embeddings: Embeddings,
}

impl Known {
    /// Adds what was embedded, one row a key.
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = Key>, new: Embeddings) {
        for key in keys {
            self.places.insert(key, self.keys.len());
            self.keys.push(key);
        }
        self.embeddings.dim = new.dim;
        self.embeddings.rows.extend(new.rows);
    }

    /// Places of the keys that it does not hold, the first of equal ones.
    pub(super) fn lacks(&self, keys: &[Key]) -> Vec<usize> {
        let mut seen = HashSet::new();
        let new = keys.iter().enumerate();
        new.filter(|(_, key)| !self.places.contains_key(*key) && seen.insert(**key))
            .map(|(at, _)| at)
            .collect()
    }

    /// The embeddings of keys that it holds, in their order.
    pub(super) fn of(&self, keys: &[Key]) -> Embeddings {
        let places = keys.iter().filter_map(|key| self.places.get(key));
        let rows = places.flat_map(|&at| self.embeddings.row(at));
        Embeddings {
            rows: rows.copied().collect(),
            dim: self.embeddings.dim,
        }
    }

    /// Reads a file that [`Known::write`] wrote.
    ///
    /// # Errors
    /// [`TrainError::Artefact`] naming one that holds something else.
    pub(super) fn read(path: &Path) -> Result<Self, TrainError> {
        let wrong = |message: &str| {
            TrainError::artefact(
                path,
                format!("{message}; delete the file to embed its texts again"),
            )
        };
        let (batches, _) = read_batches(path).map_err(|error| wrong(&error.to_string()))?;
        let mut known = Self::default();
        for batch in &batches {
            let keys = batch
                .column_by_name("text_sha256")
                .and_then(|c| c.as_fixed_size_binary_opt());
            let keys = keys.ok_or_else(|| wrong("expected a column text_sha256 of 32 bytes"))?;
            let keys = keys
                .iter()
                .map(|key| key.and_then(|key| Key::try_from(key).ok()));
            let keys: Option<Vec<Key>> = keys.collect();
            let keys = keys.ok_or_else(|| wrong("expected a column text_sha256 of 32 bytes"))?;
            let (rows, dim) = lists(batch).ok_or_else(|| {
                wrong("expected a column embedding of f32 lists of one length, none null")
            })?;
            if known.embeddings.dim != 0 && known.embeddings.dim != dim {
                return Err(wrong("embeddings of two widths"));
            }
            known.add(keys, Embeddings { rows, dim });
        }
        Ok(known)
    }

    /// Replaces the file in one step.
    pub(super) fn write(&self, path: &Path) -> Result<(), TrainError> {
        let keys = FixedSizeBinaryArray::try_from_iter(self.keys.iter())
            .map_err(|e| TrainError::artefact(path, e))?;
        write_rows(
            path,
            "text_sha256",
            Arc::new(keys),
            &self.embeddings.rows,
            self.embeddings.dim,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn a_cache_file_reads_back_as_written_and_names_itself_when_broken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache/x.parquet");
        let mut known = Known::default();
        known.add(
            [[1; 32], [2; 32]],
            Embeddings {
                rows: vec![1.0, 0.0, 0.0, 1.0],
                dim: 2,
            },
        );
        known.write(&path).unwrap();
        let mut again = Known::read(&path).unwrap();
        assert_eq!(
            (&again.keys, &again.embeddings),
            (&known.keys, &known.embeddings)
        );
        again.add(
            [[3; 32]],
            Embeddings {
                rows: vec![0.6, 0.8],
                dim: 2,
            },
        );
        assert_eq!(again.embeddings.row(again.places[&[3; 32]]), [0.6, 0.8]);

        std::fs::write(&path, b"PAR1 no").unwrap();
        let error = Known::read(&path).err().unwrap().to_string();
        assert!(
            error.contains("x.parquet") && error.contains("delete the file"),
            "{error}"
        );
        write_rows(
            &path,
            "other",
            Arc::new(StringArray::from(vec!["a"])),
            &[1.0],
            1,
        )
        .unwrap();
        let error = Known::read(&path).err().unwrap().to_string();
        assert!(error.contains("text_sha256"), "{error}");
    }
}
