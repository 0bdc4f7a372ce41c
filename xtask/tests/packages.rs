//! What `cargo package` and docs.rs read of the library crates.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The members of the workspace, as cargo tells them.
pub(crate) fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Members that others depend on: those with a library, but for the benches' empty one.
fn libraries() -> Vec<Value> {
    let is_library = |package: &Value| {
        let targets = package["targets"].as_array().unwrap();
        let library = targets.iter().any(|target| target["kind"][0] == "lib");
        library && package["name"] != "unimse-benches"
    };
    let mut packages = packages();
    packages.retain(is_library);
    packages
}

#[test]
fn every_library_says_what_it_is() {
    let libraries = libraries();
    assert!(libraries.len() > 10);
    for package in libraries {
        let name = &package["name"];
        for key in ["description", "license", "readme", "rust_version"] {
            assert!(package[key].is_string(), "{name}: {key}");
        }
        for key in ["keywords", "categories"] {
            let count = package[key].as_array().unwrap().len();
            assert!((1..=5).contains(&count), "{name}: {key}");
        }
        assert!(
            package["metadata"]["docs"]["rs"]["targets"].is_array(),
            "{name}"
        );
        // a dependency by path alone cannot be packaged
        for dependency in package["dependencies"].as_array().unwrap() {
            let bare = dependency["req"] == "*" && dependency["kind"] != "dev";
            assert!(!bare, "{name}: {}: expected a version", dependency["name"]);
        }
    }
}

/// Each package that `cargo tree` lists for these arguments, with its features.
fn features(arguments: &[&str]) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--prefix=none", "--format={p} {f}"]);
    let output = tree
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}

/// With other features a crate is compiled again, and so is all that depends on it: ten minutes of a processor. What build scripts and macros use has
/// features of its own, so with and without it.
#[test]
fn the_wheel_with_torch_compiles_itself_alone() {
    for (edges, of_the_wheel) in [
        ("normal,build,dev", "normal,build"),
        ("normal,dev,no-proc-macro", "normal,no-proc-macro"),
    ] {
        let workspace = features(&["--workspace", "--edges", edges]);
        let mut asked = vec!["--package=unimse-python-torch", "--features=as-workspace"];
        asked.extend(["--edges", of_the_wheel]);
        let wheel = features(&asked);
        assert!(wheel.len() > 100, "{wheel:?}");
        let other: Vec<_> = wheel.difference(&workspace).collect();
        let [own] = &other[..] else {
            panic!(
                "other features than in the workspace, so `as-workspace` lacks some: {other:#?}"
            );
        };
        assert!(own.starts_with("unimse-python-torch "), "{own}");
    }
}
