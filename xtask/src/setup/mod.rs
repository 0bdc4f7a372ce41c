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

/// A model that is fetched on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Model {
    /// all-mpnet-base-v2: MPNet, 109 M parameters, width 768 as T5-base; about 395 MB to fetch.
    #[value(name = "all-mpnet-base-v2")]
    Mpnet,
    /// MTCNN and mini-Xception, for `unimse extract --video-features faces`; about 3 MB to fetch.
    Faces,
    /// silero-vad, for `unimse extract --voice-activity`; about 11 MB to fetch.
    VoiceActivity,
    /// ONNX Runtime's shared library, for `unimse extract --video-features FILE.onnx`; about 18 MB to fetch.
    Onnxruntime,
}

impl Model {
    /// Its name in the manifest, and below `.models`.
    const fn name(self) -> &'static str {
        match self {
            Self::Mpnet => "all-mpnet-base-v2",
            Self::Faces => "faces",
            Self::VoiceActivity => "voice-activity",
            Self::Onnxruntime => "onnxruntime",
        }
    }
}

/// `cargo xtask setup`: a thorough check, and a line for each thing in place.
pub(crate) fn run(checkout: &Checkout, cuda: bool, models: &[Model]) -> Result<()> {
    set_up(checkout, Some(if cuda { CUDA } else { CPU }), true)?;
    let cache = cache_dir()?;
    let _lock = lock(&cache)?;
    models
        .iter()
        .try_for_each(|model| set_up_model(checkout, &cache, model.name(), true))
}

/// Makes sure of a model that is fetched on request.
pub(crate) fn ensure_model(checkout: &Checkout, model: Model) -> Result<()> {
    let cache = cache_dir()?;
    let _lock = lock(&cache)?;
    set_up_model(checkout, &cache, model.name(), false)
}

/// Makes sure of a model in the cache, and of its link below `.models`.
fn set_up_model(checkout: &Checkout, cache: &Path, name: &str, thorough: bool) -> Result<()> {
    let model = asset(name)?;
    model.ensure(cache, thorough, &pip::Pip::find)?;
    let (folder, link) = (
        model.folder(cache),
        checkout.root.join(".models").join(name),
    );
    make_link(&folder, &link)?;
    if thorough {
        eprintln!("{} in {}: ready", model.title, folder.display());
    }
    Ok(())
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

    let libtorch = match &own {
        Some(_) if flavour == Some(CUDA) => bail!(
            "--cuda fetches LibTorch, but LIBTORCH or LIBTORCH_USE_PYTORCH names one of your own: unset it or leave --cuda out"
        ),
        Some(own) => own.clone(),
        None => {
            supported_platform()?;
            let linked_cuda = fs::read_link(&link).is_ok_and(|target| target.ends_with(CUDA));
            let asset = asset(flavour.unwrap_or(if linked_cuda { CUDA } else { CPU }))?;
            asset.ensure(&cache, thorough, &pip::Pip::find)?;
            make_link(&asset.folder(&cache), &link)?;
            format!("{} in {}", asset.title, asset.folder(&cache).display())
        }
    };
    if thorough {
        eprintln!("{libtorch}: ready");
    }
    set_up_model(checkout, &cache, MINILM, thorough)
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
