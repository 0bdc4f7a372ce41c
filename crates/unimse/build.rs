//! Bakes LibTorch's folder (rpath) and the git revision into the binary.

use std::process::Command;

include!("../../build/libtorch.rs");

fn main() {
    link_libtorch();
    for file in ["../../.git/HEAD", "../../.git/refs/heads"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(args)
            .output()
            .ok()
            .filter(|o| o.status.success())?;
        String::from_utf8(output.stdout)
            .ok()
            .map(|s| s.trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=UNIMSE_GIT={revision}");
}
