//! Every file of tests is part of a program of tests: one that nobody declares would be compiled by nobody, and pass.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::packages::packages;

/// The files beside the program at `path` that it declares as modules; those of a `#[path]` lie elsewhere.
fn modules(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let before = std::iter::once("").chain(text.lines());
    let declared = text.lines().zip(before).filter_map(|(line, before)| {
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
        (!before.starts_with("#[path")).then(|| path.with_file_name(format!("{name}.rs")))
    });
    declared.collect()
}

#[test]
fn every_file_of_tests_is_part_of_a_program() {
    let mut counted = 0;
    for package in packages() {
        let targets = package["targets"].as_array().unwrap().iter();
        let programs = targets.filter(|target| target["kind"][0] == "test");
        let mut known: BTreeSet<PathBuf> = programs
            .map(|target| target["src_path"].as_str().unwrap().into())
            .collect();
        let modules: Vec<PathBuf> = known.iter().flat_map(|path| modules(path)).collect();
        known.extend(modules);
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let files = fs::read_dir(manifest.with_file_name("tests"));
        let files = files.into_iter().flatten().map(|file| file.unwrap().path());
        for file in files.filter(|file| file.extension().is_some_and(|name| name == "rs")) {
            assert!(
                known.contains(&file),
                "{}: expected a `mod` of it in tests/suite.rs, or a [[test]] in Cargo.toml, found neither",
                file.display()
            );
            counted += 1;
        }
    }
    assert!(counted > 100, "{counted}");
}
