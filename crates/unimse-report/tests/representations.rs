//! What the report shows of utterances before and after fusion, of text and its own audio and video, and of the cost of the stages.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use unimse_report::write;

/// The fixture of one seed in a folder of its own, with `representations.json` as `found` where there is one, and other results as `change` says.
fn run(found: Option<&Value>, change: impl Fn(&mut Value)) -> (tempfile::TempDir, PathBuf) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/single");
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let results = folder.path().join("results.json");
    let mut value: Value = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    change(&mut value);
    fs::write(results, value.to_string()).unwrap();
    if let Some(found) = found {
        let path = folder.path().join("representations.json");
        fs::write(path, found.to_string()).unwrap();
    }
    let run = folder.path().to_owned();
    (folder, run)
}

fn report(run: &Path) -> (String, String) {
    let written = write(run, &[]).unwrap();
    let read = |path| fs::read_to_string(path).unwrap();
    (read(written.markdown), read(written.html))
}

fn points() -> Value {
    let row = |corpus: &str, split: &str, class: Value, x: f64| json!({"corpus": corpus, "split": split, "utterance_id": "u", "class": class, "before": [x, 1.0], "after": [-x, 0.5]});
    json!({
        "schema": 1, "dim": 384,
        "before": {"layer": 3, "variance": [0.25, 0.125]},
        "after": {"layer": 5, "variance": [0.5, 0.0625]},
        "separation": [{"corpus": "meld", "split": "test", "n": 2, "before": -0.125, "after": 0.25}],
        "rows": [
            row("mosi", "dev", json!("neutral"), 9.0),
            row("mosi", "test", json!("positive"), 1.0),
            row("meld", "test", json!("joy"), 2.0),
            row("meld", "test", json!("</text><b>&"), 3.0),
            row("meld", "test", Value::Null, 4.0),
        ],
    })
}

fn aligned(results: &mut Value) {
    results["corpora"]["mosi"]["test"]["alignment"] = json!([{
        "modality": "audio", "n": 4, "chance": {"mrr": 0.5208333333333334, "recall_at_1": 0.25},
        "layers": [
            {"layer": 3, "found": {"mrr": 0.625, "recall_at_1": 0.5}},
            {"layer": 4, "found": {"mrr": 0.75, "recall_at_1": 0.5}},
        ],
    }]);
}

#[test]
fn points_are_drawn_by_corpus_and_by_class() {
    let (_folder, run) = run(Some(&points()), |_| {});
    let (markdown, html) = report(&run);
    for text in [&markdown, &html] {
        assert!(text.contains("Before and after fusion"));
        assert!(text.contains(
            "25.0 % and 12.5 % of the variance before fusion, 50.0 % and 6.2 % after it"
        ));
        assert!(text.contains("384 numbers"));
    }
    // dev is not drawn; a row without gold is drawn by corpus only
    assert!(html.contains("mosi (1)") && html.contains("meld (3)"));
    assert!(html.contains("joy (1)") && !html.contains("neutral (1)"));
    assert!(html.contains("&lt;/text&gt;"), "names are escaped");
    assert_eq!(html.matches("25.0 % of the variance").count(), 3); // an axis of each picture
    assert!(markdown.contains("| meld | test | 2 | −0.125 | 0.250 |"));
}

#[test]
fn neighbours_are_drawn_where_the_run_has_them() {
    let mut found = points();
    for (at, row) in found["rows"].as_array_mut().unwrap().iter_mut().enumerate() {
        row["near_before"] = json!([at, 1.0]);
        row["near_after"] = json!([1.0, at]);
    }
    let (_folder, run) = run(Some(&found), |_| {});
    let (_, html) = report(&run);
    // both corpora together, and each alone
    assert_eq!(html.matches(">Before fusion, t-SNE<").count(), 3);
    assert_eq!(html.matches(">After fusion, t-SNE<").count(), 3);
    assert!(html.contains("perplexity 30"));
    found["rows"] = points()["rows"].clone();
    fs::write(run.join("representations.json"), found.to_string()).unwrap();
    assert!(!report(&run).1.contains("t-SNE<"), "a run of before");
}

#[test]
fn ranks_stand_beside_chance() {
    let (_folder, run) = run(None, aligned);
    let (markdown, html) = report(&run);
    assert!(html.contains("Text and its own audio and video"));
    assert!(html.contains("mosi: finds its audio among 4"));
    assert!(markdown.contains("| mosi | audio | 4 | 4 | 0.750 | 0.521 | 0.500 | 0.250 |"));
}

#[test]
fn a_run_of_before_shows_neither() {
    let (_folder, run) = run(None, |_| {});
    let (markdown, html) = report(&run);
    for text in [&markdown, &html] {
        assert!(!text.contains("Before and after fusion"));
    }
    // its time was recorded, its memory was not
    assert!(html.contains("Time and memory") && !html.contains(">Largest memory<"));
}

#[test]
fn stages_have_time_memory_and_speed() {
    let (_folder, run) = run(None, |results| {
        results["utterances"] = json!({"mosi": {"train": 30, "dev": 10, "test": 20}});
        results["timing"] = json!({"train_s": 1.0, "evaluate_s": 20.0, "answer_s": 6.0});
    });
    let path = run.join("provenance.json");
    let mut provenance: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let stage = |seconds: f64| json!({"seconds": seconds, "peak_bytes": 3 << 20});
    provenance["stages"]["ingest"] = stage(12.0);
    provenance["stages"]["evaluate"] = stage(25.0);
    fs::write(&path, provenance.to_string()).unwrap();
    let (markdown, html) = report(&run);
    assert!(html.contains(">Largest memory<") && html.contains("ingest: 3<"));
    let row = |stage: &str| {
        let start = format!("| {stage} | ");
        let line = markdown.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("{markdown}")).to_owned()
    };
    assert!(row("ingest").ends_with("| 12.0 | 3 | 5.0 |"), "60 in 12 s");
    assert!(row("evaluate").ends_with("| 25.0 | 3 | 5.0 |"), "30 in 6 s");
}

#[test]
fn a_broken_file_of_points_is_named() {
    let (_folder, run) = run(Some(&json!({"schema": 1, "dim": "x"})), |_| {});
    let error = write(&run, &[]).unwrap_err().to_string();
    assert!(error.contains("representations.json"), "{error}");
}
