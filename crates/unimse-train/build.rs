//! Links LibTorch; bakes in the digest of the sources that decide what a training computes.

include!("../../build/libtorch.rs");
include!("../../build/sources.rs");

fn main() -> std::io::Result<()> {
    link_libtorch();
    let digest = digest_of_sources(&sources_of("train"))?;
    println!("cargo:rustc-env=UNIMSE_SOURCES={digest}");
    Ok(())
}
