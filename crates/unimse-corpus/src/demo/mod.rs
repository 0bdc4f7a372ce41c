//! Four small synthetic corpora in the file layouts of MOSI, MOSEI, MELD and IEMOCAP.
//!
//! They make the whole pipeline run without a data set. Their numbers say nothing about real data; `docs/demo.md`
//! describes how they are made. Text tells the label of five utterances in nine; voice and face tell it of all.
//! The same bytes come out on every machine: `data/demo/SHA256SUMS` lists their checksums.
//!
//! ```no_run
//! unimse_corpus::demo::write(std::path::Path::new("demo-data"))?;
//! # Ok::<(), unimse_corpus::demo::DemoError>(())
//! ```

mod iemocap;
mod lexicon;
mod media;
mod meld;
pub(crate) mod pickle;
mod script;
mod sentiment;
mod signal;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use unimse_media::MediaError;
use unimse_run::artefact;

pub use media::{MEDIA_SIZES, Media, write_media};

/// Version of the generator: raise it when its output changes.
pub const VERSION: u32 = 1;

/// Name of the file that marks a data folder as synthetic.
pub const MARKER: &str = "SYNTHETIC";

/// Checksums of what [`write`] writes, as `sha256sum` prints them.
const MANIFEST: &str = include_str!("../../../../data/demo/SHA256SUMS");

/// A file: its path below the folder, with `/`, and its content.
type File = (String, Vec<u8>);

/// Why the demo corpora could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder holds something else, which is left alone.
    #[error("{}: expected an empty folder or demo corpora, found other files; name another folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A clip could not be made.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A lexicon cannot be used.
    #[error("data/demo/{file}: {message}")]
    Lexicon {
        /// The file.
        file: &'static str,
        /// What was expected and found.
        message: String,
    },
    /// The generator and the committed checksums disagree.
    #[error(
        "demo file {file}: expected the checksum of data/demo/SHA256SUMS, generated {found}; see docs/demo.md"
    )]
    Drift {
        /// Path below the folder.
        file: String,
        /// SHA-256 of the generated file.
        found: String,
    },
}

/// Writes `dir/{mosi,mosei,meld,iemocap}/...` and the marker `dir/SYNTHETIC`.
///
/// A new folder appears complete or not at all. In a folder written before, every file is checked, and a damaged or
/// missing one is replaced; files that are not the demo's are left alone.
///
/// # Errors
/// [`DemoError::Foreign`] if `dir` holds files but no demo corpora; [`DemoError::Io`] if the disk refuses.
pub fn write(dir: &Path) -> Result<(), DemoError> {
    let damaged: Vec<&str> = manifest()
        .filter(|(sum, file)| !intact(&dir.join(file), sum))
        .map(|(_, file)| file)
        .collect();
    if damaged.is_empty() {
        return Ok(());
    }
    let empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(source) => {
            return Err(DemoError::Io {
                path: dir.to_owned(),
                source,
            });
        }
    };
    let ours = dir.join(MARKER).exists() || damaged.len() < manifest().count();
    if !empty && !ours {
        return Err(DemoError::Foreign {
            path: dir.to_owned(),
        });
    }
    let files = checked_files()?;
    if empty {
        return write_folder(dir, &files, |_| Ok(()));
    }
    for (file, bytes) in files
        .iter()
        .filter(|(file, _)| damaged.contains(&file.as_str()))
    {
        replace(&dir.join(file), bytes)?;
    }
    Ok(())
}

/// Every file of the demo, whatever the manifest says.
fn files() -> Result<Vec<File>, DemoError> {
    let marker = format!(
        "Synthetic corpora of the unimse demo, generator version {VERSION}: not a row of them is real.\n"
    );
    let mut files = vec![(MARKER.to_owned(), marker.into_bytes())];
    files.extend(sentiment::files()?);
    files.extend(meld::files()?);
    files.extend(iemocap::files()?);
    Ok(files)
}

/// [`files`], held against the manifest.
fn checked_files() -> Result<Vec<File>, DemoError> {
    let files = files()?;
    for (file, bytes) in &files {
        let found = checksum(bytes);
        if !manifest().any(|(sum, name)| name == file && sum == found) {
            return Err(DemoError::Drift {
                file: file.clone(),
                found,
            });
        }
    }
    match manifest().find(|(_, name)| files.iter().all(|(file, _)| file != name)) {
        Some((_, name)) => Err(DemoError::Drift {
            file: name.to_owned(),
            found: "no such file".to_owned(),
        }),
        None => Ok(files),
    }
}

/// Checksum and path of every file.
fn manifest() -> impl Iterator<Item = (&'static str, &'static str)> {
    MANIFEST.lines().filter_map(|line| line.split_once("  "))
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
}

fn intact(path: &Path, sum: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| checksum(&bytes) == sum)
}

/// All files, and what `more` puts there, into a temporary folder beside `dir`, which then takes the place of `dir`.
fn write_folder(
    dir: &Path,
    files: &[File],
    more: impl FnOnce(&Path) -> Result<(), DemoError>,
) -> Result<(), DemoError> {
    let parent = match dir.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io(parent))?;
    let temporary = tempfile::Builder::new()
        .prefix(".demo-")
        .tempdir_in(parent)
        .map_err(io(parent))?;
    let root = temporary.path().join("data");
    for (file, bytes) in files {
        replace(&root.join(file), bytes)?;
    }
    more(&root)?;
    // An empty folder may lie there, and another process may have been faster: then its files are as good as ours.
    match fs::rename(&root, dir) {
        Err(_) if manifest().all(|(sum, file)| intact(&dir.join(file), sum)) => Ok(()),
        result => result.map_err(io(dir)),
    }
}

/// Writes `bytes` under a temporary name, synced, then renames it to `path`.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    artefact::write(path, bytes).map_err(|error| io(&error.path)(error.source))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::Io { path, source }
}

/// Appends one CSV line; a field with a comma or a quote is quoted.
fn csv_line(out: &mut String, fields: &[&str]) {
    let quoted = |field: &&str| {
        if field.contains([',', '"', '\n']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            (*field).to_owned()
        }
    };
    let fields: Vec<String> = fields.iter().map(quoted).collect();
    out.push_str(&fields.join(","));
    out.push('\n');
}
