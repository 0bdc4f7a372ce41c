//! Programs of others read what we say of runs and of ourselves: ro-crate-py a run's metadata, cffconvert `CITATION.cff`.

use std::fs;
use std::path::Path;

use unimse_run::{RESULTS_SCHEMA, Results, RoCrate, RunFolder, artefact};

use crate::python;

/// Prints the files that ro-crate-py finds, having checked what the specification demands of the root.
const CRATE: &str = r##"
import sys, hashlib, pathlib
from rocrate.rocrate import ROCrate
folder = pathlib.Path(sys.argv[1])
crate = ROCrate(folder)
root = crate.root_dataset
assert crate.metadata.id == "ro-crate-metadata.json", crate.metadata.id
assert root["name"] and root["description"] and root["datePublished"] and root["license"], root.properties()
action = crate.dereference("#run")
assert action.type == "CreateAction" and action["instrument"].type == "SoftwareApplication"
for entity in crate.data_entities:
    path = folder / entity.id
    if entity.type == "File":
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entity["sha256"], entity.id
        assert str(path.stat().st_size) == entity["contentSize"], entity.id
    print(entity.type, entity.id)
"##;

#[test]
fn ro_crate_py_reads_a_run() {
    let Some(python) = python::python("ro_crate_py_reads_a_run", "rocrate") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::new(folder.path());
    let results = Results {
        schema: RESULTS_SCHEMA,
        synthetic: true,
        ..Results::default()
    };
    results.write(&run.results()).unwrap();
    artefact::write(&run.best(), b"weights").unwrap();
    artefact::write(
        &run.receipts(),
        br#"{"unix_time":0,"split_sha256":"a","checkpoint_sha256":"b"}"#,
    )
    .unwrap();
    RoCrate::write(&run).unwrap();
    let printed = python::printed(&python, CRATE, folder.path());
    let mut lines: Vec<&str> = printed.lines().collect();
    lines.sort_unstable();
    let expected = [
        "File checkpoints/model.safetensors",
        "File receipts.jsonl",
        "File results.json",
    ];
    assert_eq!(lines, expected);
}

const CITATION: &str = "
import sys
from cffconvert import Citation
text = open(sys.argv[1], encoding='utf-8').read()
citation = Citation(text)
citation.validate()
print(citation.cffversion)
";

/// `CITATION.cff` at the top of the workspace.
fn citation() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../CITATION.cff")
}

#[test]
fn cffconvert_accepts_the_citation() {
    let Some(python) = python::python("cffconvert_accepts_the_citation", "cffconvert") else {
        return;
    };
    assert_eq!(python::printed(&python, CITATION, &citation()), "1.2.0\n");
}

#[test]
fn the_citation_is_of_this_version_and_names_the_paper() {
    let text = fs::read_to_string(citation()).unwrap();
    let version = format!("\nversion: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "expected{version}");
    for line in [
        "cff-version: 1.2.0",
        "references:",
        "    doi: 10.18653/v1/2022.emnlp-main.534",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}
