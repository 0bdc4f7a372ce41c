//! What lies in a corpus folder: regular files. Everything that is passed over is told: nothing that is not a regular file is opened, links
//! are followed but not in circles, and what the system refuses is an error.

use crate::{
    Code,
    finding::{Findings, Severity},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use unimse_formats::kind_of_file;

/// Folders deeper than this below a corpus folder are not searched.
const DEPTH: usize = 6;
/// Endings of files that some reader takes; a file without one may be a folder that a broken link hides.
const READ: [&str; 11] = [
    "csv", "jsonl", "parquet", "toml", "txt", "pkl", "pickle", "p", "npy", "csd", "wav",
];

/// All files below `root`, sorted by name. `relative` names a path in findings.
pub(crate) fn files(
    root: &Path,
    relative: &dyn Fn(&Path) -> String,
    findings: &mut Findings,
) -> Vec<PathBuf> {
    let mut walk = Walk {
        files: Vec::new(),
        chain: Vec::new(),
        relative,
        findings,
    };
    walk.folder(root, DEPTH);
    let mut files = walk.files;
    files.sort();
    files
}

/// The error of a path that the system refuses to look at.
pub(crate) fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "broken link: expected a file or folder behind it, found nothing".to_owned()
        }
        _ => format!("cannot be read: {error}"),
    }
}

struct Walk<'a> {
    files: Vec<PathBuf>,
    /// The folders that are being listed, without links: outermost first.
    chain: Vec<PathBuf>,
    relative: &'a dyn Fn(&Path) -> String,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let place = fs::canonicalize(folder);
        if let Ok(place) = &place
            && self.chain.iter().any(|outer| outer.starts_with(place))
        {
            let message = "a link to a folder that holds it: not followed";
            self.add(Severity::Warning, Code::LinkLoop, folder, message);
            return;
        }
        let entries = place.and_then(|place| {
            let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
            self.chain.push(place);
            Ok(entries)
        });
        match entries {
            Ok(entries) => {
                for entry in entries {
                    if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                        self.entry(entry.path(), depth);
                    }
                }
                self.chain.pop();
            }
            Err(error) => self.add(Severity::Error, Code::NoAccess, folder, &refused(&error)),
        }
    }

    fn entry(&mut self, path: PathBuf, depth: usize) {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.add(severity(&path), Code::NoAccess, &path, &refused(&error));
                return;
            }
        };
        if metadata.is_file() {
            self.files.push(path);
        } else if !metadata.is_dir() {
            let message = format!(
                "expected a regular file, found {}: not opened",
                kind_of_file(&metadata)
            );
            self.add(severity(&path), Code::NotAFile, &path, &message);
        } else if depth == 0 {
            let message = format!("more than {DEPTH} folders below the corpus: not searched");
            self.add(Severity::Warning, Code::TooDeep, &path, &message);
        } else {
            self.folder(&path, depth - 1);
        }
    }

    fn add(&mut self, severity: Severity, code: Code, path: &Path, message: &str) {
        let name = (self.relative)(path);
        self.findings.add_as(severity, code, &name, None, message);
    }
}

/// What is missing where a path cannot be read: an error if it may be a data file or a folder.
fn severity(path: &Path) -> Severity {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match ending {
        Some(ending) if !READ.contains(&ending.as_str()) => Severity::Warning,
        _ => Severity::Error,
    }
}
