//! The tables as a Python user sees them: pyarrow reads every value back, and a table that pyarrow wrote joins as one of one's own.
//!
//! pyarrow comes from pip, once, into the build folder. Python with pip is what the set-up of this project needs anyway.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use unimse_corpus::{Corpus, Split, demo, ingest, read};

/// Prints one line an utterance, numbers as they are summed in f64, and writes a table of its own.
const SCRIPT: &str = r#"
import sys
import pyarrow as pa, pyarrow.parquet as pq
out, own = sys.argv[1:]
for name in ["mosi-dev", "iemocap-test"]:
    table = pq.read_table(f"{out}/{name}.parquet")
    assert pq.read_metadata(f"{out}/{name}.parquet").metadata[b"unimse.schema"] == b"3"
    assert pa.types.is_dictionary(table.schema.field("polarity").type)
    for row in table.to_pylist():
        sums = []
        for key in ["audio", "video", "vad"]:
            value = row[key]
            flat = [] if value is None else [x for step in value for x in (step if isinstance(step, list) else [step])]
            total = 0.0
            for x in flat:
                total += x
            sums.append("none" if value is None else f"{len(flat)}:{total:.6f}")
        print("\t".join([row["corpus"], row["split"], row["utterance_id"], row["text"], str(row["turn"]), str(row["polarity"]), str(row["emotion"]), *sums]))
rows = {"utterance_id": ["a", "b"], "split": ["train", "test"], "text": ["Gut", "Bad, really"], "score": pa.array([1.5, -2.0], pa.float32()), "turn": pa.array([3, None], pa.int64())}
pq.write_table(pa.table(rows), own)
"#;

/// Folder for `PYTHONPATH` that holds pyarrow.
fn pyarrow() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pyarrow");
    let marker = folder.join("complete");
    if !marker.exists() {
        let pip = Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--upgrade",
                "--only-binary",
                ":all:",
                "--target",
            ])
            .arg(&folder)
            .arg("pyarrow>=14")
            .output()
            .expect("python3: expected on the path, as the set-up needs it");
        assert!(
            pip.status.success(),
            "pip install pyarrow: {}",
            String::from_utf8_lossy(&pip.stderr)
        );
        fs::write(marker, "").unwrap();
    }
    folder
}

fn line(u: &unimse_corpus::Utterance) -> String {
    let sum = |values: Option<&[f32]>| {
        values.map_or("none".to_owned(), |values| {
            format!(
                "{}:{:.6}",
                values.len(),
                values.iter().map(|&x| f64::from(x)).sum::<f64>()
            )
        })
    };
    let name = |name: Option<&str>| name.unwrap_or("None").to_owned();
    [
        u.corpus.clone(),
        u.split.name().to_owned(),
        u.utterance_id.clone(),
        u.text.clone(),
        u.turn.to_string(),
        name(u.polarity.map(unimse_corpus::Polarity::name)),
        name(u.emotion.as_deref()),
        sum(u.audio.as_ref().map(|s| &s.values[..])),
        sum(u.video.as_ref().map(|s| &s.values[..])),
        sum(u.vad.as_ref().map(|v| &v[..])),
    ]
    .join("\t")
}

#[test]
fn pyarrow_reads_what_we_write_and_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    demo::write(&data).unwrap();
    ingest(&data, &out, &[], &mut |_| {}).unwrap();
    let own = folder.path().join("own/calls/utterances.parquet");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    let python = Command::new("python3")
        .args(["-c", SCRIPT])
        .args([&out, &own])
        .env("PYTHONPATH", pyarrow())
        .output()
        .unwrap();
    assert!(
        python.status.success(),
        "{}",
        String::from_utf8_lossy(&python.stderr)
    );
    let corpora = read(&out, &Split::ALL).unwrap();
    let lines = |name: &str, split| {
        let corpus: &Corpus = corpora.iter().find(|c| c.name == name).unwrap();
        let rows = corpus.of_split(split).map(|i| line(&corpus.utterances[i]));
        rows.collect::<Vec<_>>()
    };
    let expected = [lines("mosi", Split::Dev), lines("iemocap", Split::Test)].concat();
    let found = String::from_utf8(python.stdout).unwrap();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);

    ingest(
        &folder.path().join("own"),
        &folder.path().join("out2"),
        &[],
        &mut |_| {},
    )
    .unwrap();
    let calls = read(&folder.path().join("out2"), &Split::ALL)
        .unwrap()
        .swap_remove(0);
    let rows: Vec<_> = calls
        .utterances
        .iter()
        .map(|u| (u.text.as_str(), u.score, u.turn))
        .collect();
    assert_eq!(
        rows,
        [("Gut", Some(1.5), 3), ("Bad, really", Some(-2.0), 0)]
    );
}
