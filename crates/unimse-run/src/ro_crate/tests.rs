#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
use super::*;
use crate::{Git, Provenance, Receipt, Source};
use std::fs;
use std::path::Path;

/// A run with one file of each kind; `abc` is the checkpoint.
fn run_in(folder: &Path) -> RunFolder {
    let run = RunFolder::new(folder);
    let results = Results {
        schema: crate::RESULTS_SCHEMA,
        trained_on: vec!["meld".to_owned()],
        seeds: vec![7],
        ..Results::default()
    };
    results.write(&run.results()).unwrap();
    artefact::write(&run.best(), b"abc").unwrap();
    artefact::write(&run.config(), b"preset = \"minilm\"\n").unwrap();
    let receipt = "{\"unix_time\":1000000000,\"split_sha256\":\"a\",\"checkpoint_sha256\":\"b\"}\n";
    artefact::write(&run.receipts(), receipt.as_bytes()).unwrap();
    let source = Source {
        bytes: 3,
        sha256: "c".repeat(64),
    };
    let provenance = Provenance {
        git: Git {
            hash: Some("d".repeat(40)),
            dirty: Some(false),
        },
        versions: [("unimse".to_owned(), "unimse 0.1.0".to_owned())].into(),
        sources: [("meld/a b.csv".to_owned(), source)].into(),
        ..Provenance::default()
    };
    artefact::write_json(&run.provenance(), &provenance).unwrap();
    fs::write(folder.join(".lock"), "7").unwrap();
    run
}

fn entity<'a>(of: &'a RoCrate, id: &str) -> &'a Entity {
    let found: Vec<_> = of.graph.iter().filter(|entity| entity.id == id).collect();
    assert_eq!(found.len(), 1, "{id}");
    found[0]
}

#[test]
fn a_run_folder_is_a_crate_whose_references_all_lead_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path());
    RoCrate::write(&run).unwrap();
    let bytes = fs::read(run.metadata()).unwrap();
    let read: RoCrate = serde_json::from_slice(&bytes).unwrap();

    assert_eq!(entity(&read, RO_CRATE).about, Some(Link::to("./")));
    let root = entity(&read, "./");
    assert_eq!(root.date_published.as_deref(), Some("2001-09-09"));
    let weights = entity(&read, "checkpoints/model.safetensors");
    assert_eq!(weights.content_size.as_deref(), Some("3"));
    // FIPS 180-2, appendix B.1: the digest of "abc"
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(weights.sha256.as_deref(), Some(digest));
    let action = entity(&read, "#run");
    assert_eq!(
        action.object,
        [Link::to("config.toml"), Link::to("#source/meld/a%20b.csv")]
    );
    assert_eq!(action.result, [weights.link(), Link::to("results.json")]);
    let program = entity(&read, "#unimse");
    assert_eq!(program.identifier, Some("d".repeat(40)));
    let terms = entity(&read, "#terms").description.clone().unwrap();
    assert!(terms.contains("meld: MELD, GPL-3.0"), "{terms}");

    for from in &read.graph {
        let one = [&from.about, &from.license, &from.instrument];
        let many = [
            &from.has_part,
            &from.mentions,
            &from.object,
            &from.result,
            &from.citation,
        ];
        let links = one.into_iter().flatten().chain(many.into_iter().flatten());
        for link in links {
            entity(&read, &link.id);
        }
    }
    assert!(read.graph.iter().all(|entity| entity.id != ".lock"));
    RoCrate::write(&run).unwrap();
    assert_eq!(
        fs::read(run.metadata()).unwrap(),
        bytes,
        "same files, same bytes"
    );
}

#[test]
fn the_runs_of_seeds_describe_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path());
    let seed = run_in(&folder.path().join("seed-1"));
    RoCrate::write(&seed).unwrap();
    let later = Receipt {
        split_sha256: "a".to_owned(),
        checkpoint_sha256: "b".to_owned(),
    };
    later.record(&seed.receipts()).unwrap(); // today
    let read = RoCrate::of(&run).unwrap();
    assert_eq!(entity(&read, "seed-1/").kind, "Dataset");
    entity(&read, "seed-1/ro-crate-metadata.json");
    let inside = |entity: &&Entity| entity.id.starts_with("seed-1/");
    assert_eq!(read.graph.iter().filter(inside).count(), 2);
    let today = Receipt::last_opened(&seed.receipts()).unwrap();
    assert_eq!(entity(&read, "./").date_published, today.map(time::date));
}
