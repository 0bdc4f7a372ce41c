//! The card of a model, of runs in `tests/fixtures` (all numbers invented).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use unimse_report::{ModelCard, write_model_card};
use unimse_run::{RunFolder, artefact};

use crate::{fixture, python};

/// A fixture with weights, which its results are of.
fn with_weights(fixture: &str) -> (tempfile::TempDir, RunFolder) {
    let (place, run) = fixture::copy(fixture);
    let run = RunFolder::new(&run);
    artefact::write(&run.best(), b"weights").unwrap();
    scored(&run, &artefact::sha256(&run.best()).unwrap());
    (place, run)
}

/// Makes the results those of the weights with this digest.
fn scored(run: &RunFolder, sha256: &str) {
    let mut results: Value = serde_json::from_slice(&fs::read(run.results()).unwrap()).unwrap();
    results["protocol"]["receipt"] = json!({"split_sha256": "0f3a", "checkpoint_sha256": sha256});
    artefact::write_json(&run.results(), &results).unwrap();
}

fn card(run: &RunFolder) -> String {
    let written = write_model_card(&run.run).unwrap();
    assert_eq!(written, ModelCard::Written(run.model_card()));
    fs::read_to_string(run.model_card()).unwrap()
}

#[test]
fn cards() {
    for fixture in ["single", "synthetic"] {
        let (_place, run) = with_weights(fixture);
        let text = card(&run);
        assert_eq!(card(&run), text, "same run, same bytes");
        insta::assert_snapshot!(format!("card_{fixture}"), text);
    }
}

#[test]
fn data_are_named_with_their_terms_and_generated_ones_loudly() {
    let (_place, run) = with_weights("single");
    let text = card(&run);
    for words in [
        "do not redistribute",
        "GPL-3.0",
        "arXiv:1606.06259",
        "Owners",
    ] {
        assert!(text.contains(words), "{words}");
    }
    assert!(!text.to_lowercase().contains("synthetic"));
    let (_place, run) = with_weights("synthetic");
    let text = card(&run);
    assert!(text.contains("SYNTHETIC DATA") && text.contains("- \"synthetic-data\""));
    assert!(!text.contains("do not redistribute"));
}

#[test]
fn a_card_never_says_the_numbers_of_another_checkpoint() {
    let (_place, run) = with_weights("single");
    card(&run);
    artefact::write(&run.best(), b"other weights").unwrap();
    let found = artefact::sha256(&run.best()).unwrap();
    let scored = Some(artefact::sha256_of(b"weights"));
    let outcome = write_model_card(&run.run).unwrap();
    assert_eq!(outcome, ModelCard::OtherWeights { scored, found });
    assert!(
        !run.model_card().exists(),
        "the card of the weights before is gone"
    );
}

#[test]
fn several_seeds_have_no_card_of_their_own() {
    let (_place, run) = fixture::copy("several");
    assert_eq!(write_model_card(&run).unwrap(), ModelCard::NoCheckpoint);
}

/// Prints what the Hub's library reads of the front matter.
const SCRIPT: &str = "
import json, sys
from huggingface_hub import ModelCard
data = ModelCard.load(sys.argv[1]).data
results = [[r.dataset_name, r.dataset_split, r.metric_type, r.metric_name, r.metric_value] for r in data.eval_results]
rest = {key: data.get(key) for key in ['license', 'library_name', 'language', 'pipeline_tag', 'datasets', 'metrics']}
print(json.dumps({'results': results, **rest}))
";

#[test]
fn the_hub_reads_the_scores_of_the_test_splits() {
    let test = "the_hub_reads_the_scores_of_the_test_splits";
    let Some(python) = python::python(test, "huggingface_hub") else {
        return;
    };
    let (_place, run) = with_weights("single");
    card(&run);
    let read: Value =
        serde_json::from_str(&python::printed(&python, SCRIPT, &run.model_card())).unwrap();
    assert_eq!(read["license"], "other");
    assert_eq!(read["library_name"], "unimse");
    assert_eq!(read["datasets"], json!(["cmu-mosi", "declare-lab/MELD"]));
    let expected = results_of(&run.results());
    assert_eq!(read["results"], json!(expected));
}

/// Title, split, key and value of every test metric, read from the file alone.
fn results_of(path: &Path) -> Vec<Value> {
    let results = unimse_run::Results::read(path).unwrap();
    let mut rows = Vec::new();
    for (name, corpus) in results.corpora.iter() {
        let title = if name == "mosi" { "CMU-MOSI" } else { "MELD" };
        for (metric, value) in &corpus.test.metrics {
            let kind = match metric.to_string().as_str() {
                "mae" => "mae",
                "corr" => "pearsonr",
                "unweighted_average_recall" => "recall",
                key if key.contains("f1") => "f1",
                _ => "accuracy",
            };
            rows.push(json!([title, "test", kind, metric.title(), value]));
        }
    }
    rows
}
