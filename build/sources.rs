/// Digest of the sources below `parts`, files or folders of the workspace: versions of the code are told apart by it. Those of tests
/// decide nothing and are left out.
///
/// Build scripts include this file; the package lies two folders below the workspace.
fn digest_of_sources(parts: &[&str]) -> std::io::Result<String> {
    let root = std::path::Path::new("../..");
    let mut files = Vec::new();
    for part in parts {
        let path = root.join(part);
        println!("cargo:rerun-if-changed={}", path.display());
        if path.is_dir() {
            files_below(&path, &mut files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    files.dedup();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for file in files {
        hash = fnv(hash, file.to_string_lossy().as_bytes());
        hash = fnv(hash, &std::fs::read(file)?);
    }
    Ok(format!("{hash:016x}"))
}

fn files_below(
    folder: &std::path::Path,
    found: &mut Vec<std::path::PathBuf>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// FNV-1a of 64 bits, going on from `hash`: it tells versions apart, and needs no crate that every build would wait for.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(hash, step)
}

/// Where the sources lie that decide what a stage writes.
fn sources_of(stage: &str) -> Vec<&'static str> {
    // the code of others, and what every stage uses
    let shared = ["Cargo.lock", "crates/unimse-labels/src", "crates/unimse-run/src"];
    // what a model is, and how tables reach it
    let model = [
        "crates/unimse-corpus/src",
        "crates/unimse-eval/src",
        "crates/unimse-c10d/src",
        "crates/unimse-contrastive/src",
        "crates/unimse-model/src",
        "crates/unimse-train/src/config",
        "crates/unimse-train/src/data",
        "crates/unimse-train/src/model",
        "crates/unimse-train/src/processes.rs",
    ];
    let (model, own): (&[&str], &[&str]) = match stage {
        "ingest" => (
            &[],
            &[
                "crates/unimse-formats/src",
                "crates/unimse-media/src",
                "crates/unimse-corpus/src",
                "data/demo",
                "data/splits",
            ],
        ),
        "unify" => (&model, &["crates/unimse-train/src/unify"]),
        // dev is scored as `evaluate` scores it
        "train" => (
            &model,
            &[
                "crates/unimse-train/src/train",
                "crates/unimse-train/src/evaluate/readout.rs",
                "crates/unimse-train/src/evaluate/scoring.rs",
            ],
        ),
        "evaluate" => (
            &model,
            &["crates/unimse-train/src/evaluate", "crates/unimse-train/src/unify"],
        ),
        "report" => (
            &[],
            &[
                "crates/unimse/src/commands/report",
                "crates/unimse-eval/src",
                "crates/unimse-report/src",
                "crates/unimse-train/src/compare/table.rs",
                "data/paper",
            ],
        ),
        other => panic!("no stage {other}"),
    };
    [&shared[..], model, own].concat()
}
