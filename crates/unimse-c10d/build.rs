//! Links LibTorch; compiles the shim over its c10d.
//!
//! The headers of c10d include five of gloo, which PyTorch's wheel does not ship. Of gloo they need a few names, which the shim declares
//! itself; the files that they ask for are empty ones, made here. Where LibTorch is one for CUDA with the headers of NCCL beside its own, as `cargo xtask
//! setup --cuda` puts them there, the shim binds NCCL too.

use std::path::{Path, PathBuf};

include!("../../build/libtorch.rs");

/// What `ProcessGroupGloo.hpp` of LibTorch 2.11 includes.
const GLOO: [&str; 5] = [
    "algorithm.h",
    "common/error.h",
    "context.h",
    "rendezvous/store.h",
    "transport/device.h",
];

fn main() -> std::io::Result<()> {
    link_libtorch();
    println!("cargo:rerun-if-changed=src/shim.cpp");
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or_else(missing)?);
    let lib = PathBuf::from(std::env::var_os("DEP_TCH_LIBTORCH_LIB").ok_or_else(missing)?);
    let include = lib.parent().map(|root| root.join("include"));
    let include = include.ok_or_else(missing)?;
    let empty = out.join("include");
    for header in GLOO {
        let file = empty.join("gloo").join(header);
        std::fs::create_dir_all(file.parent().unwrap_or(&empty))?;
        std::fs::write(file, "")?;
    }
    let nvidia = include.join("nvidia");
    let cuda = lib.join("libtorch_cuda.so").exists() && nvidia.join("nccl.h").exists();
    let api = include.join("torch/csrc/api/include");
    let cccl = nvidia.join("cccl");
    compile(&[&empty, &include, &api, &nvidia, &cccl], cuda);
    Ok(())
}

fn compile(includes: &[&Path], cuda: bool) {
    let mut shim = cc::Build::new();
    if cuda {
        shim.define("USE_C10D_NCCL", None);
    }
    shim.cpp(true)
        .std("c++17")
        .includes(includes)
        .warnings(false) // those of LibTorch's headers
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .define("USE_C10D_GLOO", None)
        .file("src/shim.cpp")
        .compile("unimse_c10d");
    let cuda = if cuda {
        &["torch_cuda", "c10_cuda"][..]
    } else {
        &[]
    };
    for library in cuda.iter().chain(&["torch_cpu", "c10"]) {
        println!("cargo:rustc-link-lib={library}");
    }
}
