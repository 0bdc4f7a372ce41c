//! Links LibTorch; makes a module and an entry of the registry for every file in `src/backbones`.

use std::path::Path;

include!("../../build/libtorch.rs");

fn main() -> std::io::Result<()> {
    link_libtorch();
    backbones()
}

/// Writes what `src/backbones.rs` includes: the modules, and `ARCHITECTURES`, in the order of their names.
fn backbones() -> std::io::Result<()> {
    let folder = Path::new("src/backbones").canonicalize()?;
    println!("cargo:rerun-if-changed=src/backbones");
    let mut files = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|kind| kind == "rs"));
    files.sort();
    let (mut modules, mut entries) = (String::new(), String::new());
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        modules += &format!("#[path = {file:?}]\nmod {name};\n");
        entries += &format!("    {name}::ARCHITECTURE,\n");
    }
    let out = std::env::var_os("OUT_DIR").ok_or(std::io::ErrorKind::NotFound)?;
    std::fs::write(
        Path::new(&out).join("backbones.rs"),
        format!("{modules}\nconst ARCHITECTURES: &[Architecture] = &[\n{entries}];\n"),
    )
}
