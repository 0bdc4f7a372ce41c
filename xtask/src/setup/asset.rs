//! A folder of the user cache made from wheels: fetched, verified, assembled beside its place and renamed into it.
//!
//! A folder counts only with its stamp `complete`, which lists every file with size and SHA-256 and is written last. So a set-up killed at
//! any moment leaves either nothing or a whole folder; wheels that arrived whole are kept for the next try, and deleted after it succeeds.

use super::pip::{Pip, progress};
use super::wheel::{Take, Wheel};
use crate::tree;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};
use unimse_run::artefact;

const STAMP: &str = "complete";

/// One entry of `manifest.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asset {
    /// Its folder in the cache.
    pub(crate) name: String,
    /// What it is called in messages.
    pub(crate) title: String,
    /// The most disk space needed at once, in units of 10^6 bytes.
    pub(crate) peak_mb: u64,
    /// Present when pip resolves dependencies: what to take from the other wheels it brings.
    #[serde(default)]
    dependencies: Option<Vec<Take>>,
    /// Present when the wheels hold the parts of one zip.
    #[serde(default)]
    archive: Option<Archive>,
    /// How much pip fetches for them, about.
    #[serde(default)]
    dependencies_mb: u64,
    /// Small files written as they stand here.
    #[serde(default)]
    written: BTreeMap<String, String>,
    /// SHA-256 of files that must come out exactly so.
    #[serde(default)]
    pinned: BTreeMap<String, String>,
    wheel: Vec<Wheel>,
}

/// A zip in parts, and what to take from the whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    /// Folder of the asset, with a final `/`, that the wheels put the parts into; it is removed. Their names give the order.
    parts: String,
    take: Vec<Take>,
}

impl Asset {
    /// Where it lies.
    pub(crate) fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(&self.name)
    }

    /// Makes sure the folder is there and whole, fetching it if not; says which. `thorough` reads every byte, else names and sizes count.
    pub(crate) fn ensure(
        &self,
        cache: &Path,
        thorough: bool,
        pip: &dyn Fn() -> Result<Pip>,
    ) -> Result<bool> {
        let folder = self.folder(cache);
        match self.damage(&folder, thorough)? {
            None => return Ok(false),
            Some(damage) if folder.exists() => {
                eprintln!("{}: {damage}; fetching it again", self.title)
            }
            Some(_) => {}
        }
        let pip = pip()?;
        self.require_space(cache)?;
        eprintln!(
            "{}: fetching {} into {}",
            self.title,
            self.size_in_words(),
            folder.display()
        );
        let downloads = cache.join("downloads");
        fs::create_dir_all(&downloads).with_context(|| full_disk(&downloads))?;
        for wheel in &self.wheel {
            pip.fetch(wheel, self.dependencies.is_some(), &downloads)?;
        }
        let partial = tree::sibling(&folder, "partial");
        tree::remove(&partial)?;
        let wheels = self.assemble(&downloads, &partial)?;
        tree::replace_dir(&partial, &folder)?;
        for wheel in wheels {
            tree::remove(&wheel)?;
        }
        drop(fs::remove_dir(&downloads)); // stays while another asset's wheels lie in it
        Ok(true)
    }

    /// What is wrong with the folder, if anything.
    fn damage(&self, folder: &Path, thorough: bool) -> Result<Option<String>> {
        let stamp = match fs::read_to_string(folder.join(STAMP)) {
            Ok(stamp) => stamp,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Some(
                    "incomplete (an earlier set-up was cut short)".to_owned(),
                ));
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read {}", folder.join(STAMP).display()));
            }
        };
        let mut recorded = BTreeMap::new();
        for line in stamp.lines() {
            let mut fields = line.splitn(3, ' ');
            let (Some(sha256), Some(Ok(bytes)), Some(path)) = (
                fields.next(),
                fields.next().map(str::parse::<u64>),
                fields.next(),
            ) else {
                return Ok(Some(format!("its record {STAMP} is damaged")));
            };
            recorded.insert(path, (sha256, bytes));
        }
        for (path, expected) in &self.pinned {
            if recorded
                .get(path.as_str())
                .is_none_or(|(sha256, _)| sha256 != expected)
            {
                return Ok(Some(format!("{path} is not of this version")));
            }
        }
        for (path, (sha256, bytes)) in recorded {
            let file = folder.join(path);
            let found = fs::metadata(&file).map(|metadata| metadata.len()).ok();
            if found != Some(bytes) {
                let found = found.map_or("none".to_owned(), |found| format!("{found} bytes"));
                return Ok(Some(format!(
                    "{path} is damaged (expected {bytes} bytes, found {found})"
                )));
            }
            if thorough && artefact::sha256(&file)? != sha256 {
                return Ok(Some(format!("{path} is damaged (wrong SHA-256)")));
            }
        }
        Ok(None)
    }

    fn require_space(&self, cache: &Path) -> Result<()> {
        fs::create_dir_all(cache).with_context(|| {
            format!(
                "cannot make {}; point XDG_CACHE_HOME to a folder you can write",
                cache.display()
            )
        })?;
        let disk = rustix::fs::statvfs(cache)
            .with_context(|| format!("cannot ask for the free space of {}", cache.display()))?;
        enough_space(
            &self.title,
            cache,
            disk.f_bavail.saturating_mul(disk.f_frsize) / 1_000_000,
            self.peak_mb,
        )
    }

    fn size_in_words(&self) -> String {
        let pinned: u64 = self.wheel.iter().map(|wheel| wheel.bytes).sum();
        format!("{} MB", pinned / 1_000_000 + self.dependencies_mb)
    }

    /// Builds the folder from wheels that are all there; the list of wheels used.
    fn assemble(&self, downloads: &Path, partial: &Path) -> Result<Vec<PathBuf>> {
        let mut record = BTreeMap::new();
        let mut used = Vec::new();
        for wheel in &self.wheel {
            let path = downloads.join(&wheel.file);
            extract(&path, &wheel.take, partial, &mut record)?;
            used.push(path);
        }
        for (name, _) in tree::files(downloads)?
            .into_iter()
            .filter(|_| self.dependencies.is_some())
        {
            let path = downloads.join(&name);
            if name.ends_with(".whl") && !used.contains(&path) {
                extract(
                    &path,
                    self.dependencies.as_deref().unwrap_or_default(),
                    partial,
                    &mut record,
                )?;
                used.push(path);
            }
        }
        if let Some(archive) = &self.archive {
            archive.unpack(partial, &mut record)?;
        }
        for (name, text) in &self.written {
            artefact::write(&partial.join(name), text.as_bytes())
                .with_context(|| full_disk(partial))?;
            record.insert(
                name.clone(),
                (artefact::sha256_of(text.as_bytes()), text.len() as u64),
            );
        }
        for (name, expected) in &self.pinned {
            match record.get(name) {
                Some((found, _)) if found == expected => {}
                Some((found, _)) => bail!(
                    "{}: wrong checksum of {name}: expected SHA-256 {expected}, found {found}",
                    self.title
                ),
                None => bail!("{}: {name} is in none of its packages", self.title),
            }
        }
        let stamp: String = record
            .iter()
            .map(|(path, (sha256, bytes))| format!("{sha256} {bytes} {path}\n"))
            .collect();
        artefact::write(&partial.join(STAMP), stamp.as_bytes())
            .with_context(|| full_disk(partial))?;
        rustix::fs::sync();
        Ok(used)
    }
}

impl Archive {
    /// Joins the parts in `folder`, extracts what is taken, and removes them from folder and record.
    fn unpack(&self, folder: &Path, record: &mut BTreeMap<String, (String, u64)>) -> Result<()> {
        let parts = folder.join(&self.parts);
        let whole = parts.join("whole.zip");
        let failed = || full_disk(&whole);
        let mut out = File::create(&whole).with_context(failed)?;
        for (name, _) in record
            .range(self.parts.clone()..)
            .take_while(|(name, _)| name.starts_with(&self.parts))
        {
            let mut part = File::open(folder.join(name)).with_context(failed)?;
            std::io::copy(&mut part, &mut out).with_context(failed)?;
            tree::remove(&folder.join(name))?;
        }
        record.retain(|name, _| !name.starts_with(&self.parts));
        extract(&whole, &self.take, folder, record)?;
        tree::remove(&parts)
    }
}

fn enough_space(title: &str, cache: &Path, free_mb: u64, needed_mb: u64) -> Result<()> {
    if free_mb < needed_mb {
        bail!(
            "{title} needs {needed_mb} MB of free disk space while it is set up, {} has {free_mb} MB: free some, or point XDG_CACHE_HOME to another disk",
            cache.display()
        );
    }
    Ok(())
}

fn full_disk(path: &Path) -> String {
    format!(
        "cannot write {}; is the disk full? Free some space and run `cargo xtask setup` again",
        path.display()
    )
}

/// Extracts what `take` names into `folder`, hashing on the way; each entry must match something.
fn extract(
    wheel: &Path,
    take: &[Take],
    folder: &Path,
    record: &mut BTreeMap<String, (String, u64)>,
) -> Result<()> {
    let at = || {
        format!(
            "cannot read {}; delete it and run `cargo xtask setup` again",
            wheel.display()
        )
    };
    let file = File::open(wheel).with_context(at)?;
    let bar = progress(None);
    bar.set_message("extracting");
    let mut archive =
        zip::ZipArchive::new(BufReader::with_capacity(1 << 20, file)).with_context(at)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).with_context(at)?;
        let Some(target) = take.iter().find_map(|take| take.target(entry.name())) else {
            continue;
        };
        if entry.is_dir()
            || !Path::new(&target)
                .components()
                .all(|part| matches!(part, Component::Normal(_)))
        {
            continue;
        }
        let path = folder.join(&target);
        fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(|| full_disk(&path))?;
        let mut out = File::create(&path).with_context(|| full_disk(&path))?;
        let mut hasher = <sha2::Sha256 as sha2::Digest>::new();
        let (mut block, mut bytes) = (vec![0; 1 << 18], 0_u64);
        loop {
            let n = entry.read(&mut block).with_context(at)?;
            if n == 0 {
                break;
            }
            out.write_all(&block[..n])
                .with_context(|| full_disk(&path))?;
            sha2::Digest::update(&mut hasher, &block[..n]);
            bytes += n as u64;
            bar.inc(n as u64);
        }
        record.insert(
            target,
            (artefact::hex(&sha2::Digest::finalize(hasher)), bytes),
        );
    }
    bar.finish_and_clear();
    Ok(())
}
