//! The run folder OUT: whether it may be written, and the scratch folder for what is not yet known to be good.

use crate::checkout::cache_dir;
use crate::lock::Lock;
use crate::tree;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use unimse_run::{DOWNSTREAM, RunFolder, artefact, dotted};

/// What makes two runs the same run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) preset: String,
    pub(super) seeds: Vec<u64>,
    /// The whole merged configuration; in OUT it has a file of its own.
    #[serde(skip)]
    pub(super) config: String,
}

impl Identity {
    fn path(out: &Path) -> PathBuf {
        out.join(".stages").join("run.json")
    }

    /// OUT must be new, or a run of this identity, or be redone by force; a folder of other things is never touched.
    pub(super) fn check(&self, out: &Path, force: bool) -> Result<()> {
        let Ok(mut entries) = fs::read_dir(out) else {
            if out.exists() {
                bail!("--out {} is not a folder that can be read", out.display());
            }
            return Ok(());
        };
        let there = fs::read(Self::path(out))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let Some(there) = there else {
            if entries.all(|entry| entry.is_ok_and(|entry| is_nothing(&entry.file_name()))) {
                return Ok(());
            }
            bail!(
                "--out {} holds other things and no run: name a new folder",
                out.display()
            );
        };
        let config = fs::read_to_string(out.join("config.toml"));
        let difference = if there.seeds != self.seeds {
            format!("seeds {:?}, not {:?}", there.seeds, self.seeds)
        } else if config.as_ref().is_ok_and(|config| *config != self.config) {
            format!(
                "another configuration ({})",
                difference(&config.unwrap_or_default(), &self.config)
            )
        } else {
            return Ok(());
        };
        if force {
            return Ok(());
        }
        bail!(
            "{} holds a run with {difference}: name another --out, or redo it with --force",
            out.display()
        );
    }

    /// Makes OUT a run of this identity. By force, what an earlier run left goes.
    pub(super) fn adopt(&self, out: &Path, force: bool) -> Result<()> {
        fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        // First, so that a folder cut short here is still known as a run.
        artefact::write(&Self::path(out), &serde_json::to_vec_pretty(self)?)?;
        let stale = |name: &str| {
            DOWNSTREAM.contains(&name) || name == "labels" || RunFolder::seed_of(name).is_some()
        };
        for entry in fs::read_dir(out)?.flatten().filter(|_| force) {
            if entry.file_name().to_str().is_some_and(stale) {
                tree::remove(&entry.path())?;
            }
        }
        artefact::write(&out.join("config.toml"), self.config.as_bytes())?;
        Ok(())
    }
}

/// Name of the scratch folder in an OUT that can have none beside it.
const INSIDE: &str = ".unimse-partial";

/// What does not make a folder one of other things: our scratch folder, and what a fresh file system has in its root.
fn is_nothing(name: &OsStr) -> bool {
    name == INSIDE || name == "lost+found"
}

/// A folder on OUT's file system for what is not yet known to be good; gone with this value. It lies beside OUT, which so stays absent
/// until there is something to put there; in OUT where that is a mount point, from outside which nothing can be renamed into it, or
/// where the folder above cannot be written.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    made_parent: Option<PathBuf>,
}

impl Scratch {
    pub(super) fn for_run(out: &Path) -> Result<Self> {
        let parent = out.parent();
        let made_parent = parent
            .filter(|parent| !parent.exists())
            .map(Path::to_path_buf);
        let beside = tree::sibling(out, "partial");
        let mounted = out.is_dir() && parent.is_some_and(|parent| mount(parent) != mount(out));
        let made = if mounted { None } else { Some(fresh(&beside)) };
        let path = match made {
            Some(Ok(())) => beside,
            Some(Err(error)) if !out.is_dir() => {
                return Err(error).with_context(|| {
                    format!("cannot make a folder beside --out {}", out.display())
                });
            }
            _ => {
                let inside = out.join(INSIDE);
                fresh(&inside)
                    .with_context(|| format!("cannot make a folder in --out {}", out.display()))?;
                inside
            }
        };
        Ok(Self { path, made_parent })
    }
}

/// Makes an empty folder, whatever an earlier run left there.
fn fresh(path: &Path) -> Result<()> {
    tree::remove(path)?;
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
}

/// Which mount a folder lies on: its device, and on Linux the mount's number, since one device can be mounted twice.
fn mount(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let device = fs::metadata(path).ok()?.dev();
    #[cfg(target_os = "linux")]
    let number = {
        use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
        statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).map_or(0, |found| found.stx_mnt_id)
    };
    #[cfg(not(target_os = "linux"))]
    let number = 0;
    Some((device, number))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        drop(fs::remove_dir_all(&self.path));
        if let Some(parent) = &self.made_parent {
            drop(fs::remove_dir(parent)); // fails, as it should, when a run lies in it
        }
    }
}

/// One reproduction at a time for each OUT.
pub(super) fn lock(out: &Path) -> Result<Lock> {
    let path = cache_dir()?
        .join("locks")
        .join(artefact::sha256_of(out.as_os_str().as_encoded_bytes()));
    Lock::attempt(&path)?.with_context(|| {
        format!(
            "another reproduction is at work in {}: wait for its end, or name another --out",
            out.display()
        )
    })
}

/// The first key in which two configurations differ, in words.
fn difference(there: &str, here: &str) -> String {
    let (Ok(there), Ok(here)) = (there.parse::<toml::Table>(), here.parse::<toml::Table>()) else {
        return "config.toml differs".to_owned();
    };
    let (there, here) = (dotted(&there), dotted(&here));
    let value = |table: &BTreeMap<String, String>, key: &String| {
        table
            .get(key)
            .cloned()
            .unwrap_or_else(|| "absent".to_owned())
    };
    let differs = there
        .keys()
        .chain(here.keys())
        .find(|key| there.get(*key) != here.get(*key));
    differs.map_or("config.toml differs".to_owned(), |key| {
        format!(
            "{key} is {} there, {} here",
            value(&there, key),
            value(&here, key)
        )
    })
}
