//! The crate graph against the map in docs/architecture.md.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Who uses whom in a normal build; development dependencies do not count.
struct Graph {
    members: Vec<String>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn load() -> Self {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version=1",
                "--locked",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let members = list(&metadata["workspace_members"])
            .iter()
            .map(|id| names[&text(id)].clone())
            .collect();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            // Two versions of one name count as one: more is reached, never less.
            let used = uses.entry(names[&text(&node["id"])].clone()).or_default();
            for dep in list(&node["deps"]) {
                if list(&dep["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"] != "dev")
                {
                    used.insert(names[&text(&dep["pkg"])].clone());
                }
            }
        }
        Self { members, uses }
    }

    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(name) = open.pop() {
            for used in self.uses.get(name).into_iter().flatten() {
                if seen.insert(used.as_str()) {
                    open.push(used);
                }
            }
        }
        seen.contains(to)
    }
}

/// The crates of the map, in its order: the first word of each line of the block that begins `crates, ground floor first`.
fn map() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/architecture.md");
    let text = fs::read_to_string(path).unwrap();
    let start = text.find("crates, ground floor first").unwrap();
    let block = text[start..].split("```").next().unwrap();
    block
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_crate_uses_only_those_above_it() {
    let (graph, floors) = (Graph::load(), map());
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        sorted(&floors),
        sorted(&graph.members),
        "the map in docs/architecture.md and the workspace name different crates"
    );
    for (floor, name) in floors.iter().enumerate() {
        for used in graph.uses[name].iter().filter(|used| floors.contains(used)) {
            assert!(
                floors[..floor].contains(used),
                "{name} uses {used}, which is not above it in docs/architecture.md"
            );
        }
    }
}

#[test]
fn light_crates_reach_no_heavy_library() {
    let graph = Graph::load();
    for (light, heavy) in [
        (
            "unimse-labels",
            &["tch", "torch-sys", "polars", "arrow", "parquet"][..],
        ),
        ("unimse-formats", &["tch", "torch-sys"]),
        ("unimse-run", &["tch", "torch-sys", "arrow", "polars"]),
        ("unimse-eval", &["tch", "torch-sys"]),
        (
            "unimse-media",
            &["tch", "torch-sys", "polars", "arrow", "parquet"],
        ),
        ("unimse-corpus", &["tch", "torch-sys"]),
        ("unimse-python", &["tch", "torch-sys", "unimse-model"]),
        (
            "unimse-report",
            &["tch", "torch-sys", "polars", "arrow", "parquet"],
        ),
        ("xtask", &["tch", "torch-sys", "polars", "arrow", "unimse"]),
    ] {
        for heavy in heavy {
            assert!(
                !graph.reaches(light, heavy),
                "{light} must build without {heavy}"
            );
        }
    }
    // The walk sees what is there; features of all members together, so that `unimse` asking for a frame gives one to all.
    assert!(graph.reaches("unimse", "torch-sys") && graph.reaches("unimse-corpus", "polars"));
}

/// A frame holds the labels of test rows: only who asks for one links polars, and what trains does not.
#[test]
fn what_trains_links_no_polars() {
    let links = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--edges=normal",
                "--prefix=none",
                "--format={lib}",
            ])
            .args(["--package", package])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("arrow"), "{text}");
        text.lines().any(|library| library == "polars")
    };
    assert!(!links("unimse-train"));
    assert!(!links("unimse-python"));
    assert!(links("unimse"));
}
