//! Links LibTorch; bakes in the digest of the sources that decide what a training computes.

use std::path::{Path, PathBuf};

include!("../../build/libtorch.rs");

/// The crates whose code stands between the tables of a run and its checkpoint.
const CRATES: [&str; 6] = [
    "unimse-labels",
    "unimse-corpus",
    "unimse-eval",
    "unimse-contrastive",
    "unimse-model",
    "unimse-train",
];

fn main() -> std::io::Result<()> {
    link_libtorch();
    let mut files = vec![PathBuf::from("../../Cargo.lock")]; // the code of others
    for name in CRATES {
        let folder = Path::new("..").join(name).join("src");
        println!("cargo:rerun-if-changed={}", folder.display());
        sources(&folder, &mut files)?;
    }
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in files.iter().filter(|file| file.is_file()) {
        hash = fnv(hash, file.to_string_lossy().as_bytes());
        hash = fnv(hash, &std::fs::read(file)?);
    }
    println!("cargo:rustc-env=UNIMSE_SOURCES={hash:016x}");
    Ok(())
}

/// The files of source below `folder`; those of tests decide nothing.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// FNV-1a of 64 bits, going on from `hash`: it tells versions apart, and needs no crate that every build would wait for.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(hash, step)
}
