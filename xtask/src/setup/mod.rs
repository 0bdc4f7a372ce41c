//! Set-up: LibTorch and the sentence encoder in the user cache, linked into the checkout.
//!
//! Idempotent: what is whole is left alone. Resumable: wheels that arrived are kept. Every command that needs LibTorch runs [`ensure`],
//! which compares names and sizes; `cargo xtask setup` runs [`run`], which reads every byte against its SHA-256.

mod asset;
mod own;
mod pip;
mod wheel;

#[cfg(test)]
mod tests;

use crate::checkout::{Checkout, cache_dir};
use crate::lock::Lock;
use crate::tree;
use anyhow::{Context, Result, bail};
use asset::Asset;
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// LibTorch's version, the one `tch` is bound to.
pub(crate) const VERSION: &str = "2.11.0";
const CPU: &str = "libtorch-2.11.0-cpu";
const CUDA: &str = "libtorch-2.11.0-cuda";
const MINILM: &str = "all-MiniLM-L6-v2";

/// `cargo xtask setup`: a thorough check, and a line for each thing in place.
pub(crate) fn run(checkout: &Checkout, cuda: bool) -> Result<()> {
    set_up(checkout, Some(if cuda { CUDA } else { CPU }), true)
}

/// Makes sure of everything, keeping a CUDA LibTorch where one is linked.
pub(crate) fn ensure(checkout: &Checkout) -> Result<()> {
    set_up(checkout, None, false)
}

fn set_up(checkout: &Checkout, flavour: Option<&str>, thorough: bool) -> Result<()> {
    let cache = cache_dir()?;
    let link = checkout.root.join(".libtorch");
    let own = own::find(&link)?;
    let _lock = lock(&cache)?;
    let pip = pip::Pip::find;

    let libtorch = match &own {
        Some(_) if flavour == Some(CUDA) => bail!(
            "--cuda fetches LibTorch, but LIBTORCH or LIBTORCH_USE_PYTORCH names one of your own: unset it or leave --cuda out"
        ),
        Some(own) => own.clone(),
        None => {
            supported_platform()?;
            let linked_cuda = fs::read_link(&link).is_ok_and(|target| target.ends_with(CUDA));
            let asset = asset(flavour.unwrap_or(if linked_cuda { CUDA } else { CPU }))?;
            asset.ensure(&cache, thorough, &pip)?;
            make_link(&asset.folder(&cache), &link)?;
            format!("{} in {}", asset.title, asset.folder(&cache).display())
        }
    };
    let minilm = asset(MINILM)?;
    minilm.ensure(&cache, thorough, &pip)?;
    make_link(
        &minilm.folder(&cache),
        &checkout.root.join(".models").join(MINILM),
    )?;
    if thorough {
        eprintln!(
            "{libtorch}: ready\n{} in {}: ready",
            minilm.title,
            minilm.folder(&cache).display()
        );
    }
    Ok(())
}

fn asset(name: &str) -> Result<Asset> {
    #[derive(Deserialize)]
    struct Manifest {
        asset: Vec<Asset>,
    }
    let manifest: Manifest =
        toml::from_str(include_str!("manifest.toml")).context("manifest.toml of xtask")?;
    manifest
        .asset
        .into_iter()
        .find(|asset| asset.name == name)
        .with_context(|| format!("manifest.toml of xtask has no {name}"))
}

/// One set-up at a time for each cache.
fn lock(cache: &Path) -> Result<Lock> {
    let path = cache.join("setup.lock");
    match Lock::attempt(&path)? {
        Some(lock) => Ok(lock),
        None => {
            eprintln!("waiting for another set-up to end ...");
            Lock::wait(&path)
        }
    }
}

/// The pinned wheels are for 64-bit Linux on x86 with glibc; elsewhere LibTorch is the user's to bring.
fn supported_platform() -> Result<()> {
    if cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) {
        return Ok(());
    }
    bail!(
        "set-up fetches LibTorch for Linux on x86-64 with glibc only, this is {} on {}: install PyTorch {VERSION} (`pip install torch=={VERSION}`) and set LIBTORCH_USE_PYTORCH=1, or unpack a LibTorch {VERSION} and set LIBTORCH to its folder",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// Makes `link` a symbolic link to `target`, replacing an older link by renaming; never a folder that is not ours.
fn make_link(target: &Path, link: &Path) -> Result<()> {
    match fs::symlink_metadata(link) {
        Ok(metadata) if !metadata.is_symlink() => bail!(
            "{} is in the way: move it, or set LIBTORCH to it, so that set-up can put its link there",
            link.display()
        ),
        Ok(_) if fs::read_link(link).is_ok_and(|found| found == target) => return Ok(()),
        _ => {}
    }
    let at = || format!("cannot link {} to {}", link.display(), target.display());
    if let Some(dir) = link.parent() {
        fs::create_dir_all(dir).with_context(at)?;
    }
    let fresh = tree::sibling(link, "tmp");
    tree::remove(&fresh)?;
    std::os::unix::fs::symlink(target, &fresh).with_context(at)?;
    fs::rename(&fresh, link).with_context(at)
}
