//! The test split is opened once per run: `receipts.jsonl` records each opening, and results say how many there were.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FileError, artefact};

/// What was opened with what, as results show it; the time is in `receipts.jsonl` alone, so that equal runs give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// SHA-256 over corpus, id and gold of every test row.
    pub split_sha256: String,
    /// SHA-256 of the weights.
    pub checkpoint_sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    unix_time: u64,
    #[serde(flatten)]
    receipt: Receipt,
}

impl Receipt {
    /// Records in the file `path` that the test rows are about to be scored, before they are; how many openings it has seen, this one included.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub fn record(&self, path: &Path) -> Result<usize, FileError> {
        let mut log = read(path)?;
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let line = Line {
            unix_time: time,
            receipt: self.clone(),
        };
        let line = serde_json::to_string(&line)
            .map_err(|error| FileError::at(path, "writing")(error.into()))?;
        log.push_str(&line);
        log.push('\n');
        artefact::write(path, log.as_bytes())?;
        Ok(log.lines().count())
    }

    /// The last opening in the file `path`; `None` where there is none or its line is no receipt.
    ///
    /// # Errors
    /// [`FileError`] with the path, where it is there and cannot be read.
    pub fn last(path: &Path) -> Result<Option<Self>, FileError> {
        Ok(last_line(path)?.map(|line| line.receipt))
    }

    /// When that opening was, in seconds since 1970.
    ///
    /// # Errors
    /// As [`Receipt::last`].
    pub fn last_opened(path: &Path) -> Result<Option<u64>, FileError> {
        Ok(last_line(path)?.map(|line| line.unix_time))
    }
}

fn last_line(path: &Path) -> Result<Option<Line>, FileError> {
    let log = read(path)?;
    let last = log.lines().rfind(|line| !line.trim().is_empty());
    Ok(last.and_then(|line| serde_json::from_str(line).ok()))
}

/// The whole log; empty where there is none.
fn read(path: &Path) -> Result<String, FileError> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(FileError::at(path, "reading")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn openings_are_counted_and_the_last_one_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        assert_eq!(Receipt::last(&path).unwrap(), None);
        let receipt = |checkpoint: &str| Receipt {
            split_sha256: "a".to_owned(),
            checkpoint_sha256: checkpoint.to_owned(),
        };
        assert_eq!(receipt("1").record(&path).unwrap(), 1);
        assert_eq!(receipt("2").record(&path).unwrap(), 2);
        assert_eq!(Receipt::last(&path).unwrap(), Some(receipt("2")));
    }
}
