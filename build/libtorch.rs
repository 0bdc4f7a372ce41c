/// Lets the binaries and tests of the crate whose build script calls this find LibTorch at run time.
/// Cargo hands link arguments to one package only, so each crate that uses tch includes this file; its own dependency
/// on torch-sys is what makes `DEP_TCH_LIBTORCH_LIB` known.
fn link_libtorch() {
    let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return; // torch-sys tells its folder on Linux and macOS only
    };
    let lib = std::path::Path::new(&lib);
    // Only files that exist: cargo takes a missing one for changed, and would build everything again each time. `build-version`
    // is new with every LibTorch that setup links, so it stands for the CUDA library too.
    for file in ["libtorch_cuda.so", "../build-version"] {
        let file = lib.join(file);
        if file.exists() {
            println!("cargo:rerun-if-changed={}", file.display());
        }
    }
    // The folder itself, not the link in the checkout: a binary copied elsewhere keeps working.
    let lib = lib.canonicalize().unwrap_or_else(|_| lib.to_owned());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        // No symbol of it is used, it registers itself when loaded; the linker would leave it out.
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo:rustc-link-arg=-ltorch_cuda");
        println!("cargo:rustc-link-arg=-Wl,--as-needed");
    }
}
