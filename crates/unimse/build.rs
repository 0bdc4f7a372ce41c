//! Bakes into the binary: LibTorch's folder (rpath), the git revision, and the version of each stage's code.

use std::process::Command;

include!("../../build/libtorch.rs");
include!("../../build/sources.rs");

fn main() -> std::io::Result<()> {
    link_libtorch();
    for file in ["../../.git/HEAD", "../../.git/refs/heads"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    println!("cargo:rustc-env=UNIMSE_GIT={}", revision());
    for stage in ["ingest", "unify", "train", "evaluate", "report"] {
        let digest = digest_of_sources(&sources_of(stage))?;
        println!(
            "cargo:rustc-env=UNIMSE_CODE_{}={digest}",
            stage.to_uppercase()
        );
    }
    Ok(())
}

fn revision() -> String {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output();
    let hash = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let hash = hash.map(|hash| hash.trim().to_owned());
    hash.filter(|hash| !hash.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
