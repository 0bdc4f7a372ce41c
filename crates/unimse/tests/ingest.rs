//! `unimse ingest` as a shell sees it: signals, permissions, and where an error stands in a file.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::waves;

const UNIMSE: &str = env!("CARGO_BIN_EXE_unimse");

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Starts ingest, sends `signal` as soon as there is a staging folder in `place`, and gives the exit code.
fn interrupted(data: &Path, out: &Path, place: &Path, signal: &str) -> Option<i32> {
    let mut child = Command::new(UNIMSE)
        .args(["ingest", "--data", data.to_str().unwrap()])
        .args(["--out", out.to_str().unwrap()])
        .env("XDG_CACHE_HOME", data.with_file_name("cache"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let staged = |name: &String| name.starts_with(".unimse-ingest-");
    while !names(place).iter().any(staged) {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing staged");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill")
        .args(["-s", signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn an_interrupted_ingest_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    waves::corpus(&data, 600);
    for signal in ["INT", "TERM"] {
        assert_eq!(interrupted(&data, &out, folder.path(), signal), Some(130));
        let left: Vec<_> = names(folder.path())
            .into_iter()
            .filter(|name| name != "cache")
            .collect();
        assert_eq!(left, ["data"], "{signal}");
    }
    fs::create_dir(&out).unwrap();
    fs::write(out.join("mine.txt"), "kept").unwrap();
    assert_eq!(interrupted(&data, &out, &out, "INT"), Some(130));
    assert_eq!(names(&out), ["mine.txt"]);
}

#[test]
fn what_ingest_writes_has_the_permissions_that_the_umask_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    waves::corpus(&data, 3);
    let cache = folder.path().join("cache");
    let script = "umask 027; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh", UNIMSE, "ingest", "--data"])
        .args([&data, Path::new("--out"), &out])
        .env("XDG_CACHE_HOME", &cache)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o777 & !0o027);
    let tables = names(&out);
    assert_eq!(
        tables.len(),
        3 + 1,
        "a table a split, and their description"
    );
    for table in tables {
        assert_eq!(mode(&out.join(&table)), 0o666 & !0o027, "{table}");
    }
    let mut entries = vec![cache];
    while let Some(path) = entries.pop() {
        if path.is_dir() {
            assert_eq!(mode(&path), 0o777 & !0o027, "{}", path.display());
            entries.extend(names(&path).iter().map(|name| path.join(name)));
        } else {
            assert_eq!(mode(&path), 0o666 & !0o027, "{}", path.display());
        }
    }
}

#[test]
fn the_doctor_goes_on_behind_a_file_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    waves::corpus(&data, 3);
    fs::create_dir(data.join("broken")).unwrap();
    fs::write(data.join("broken/utterances.parquet"), "PAR1").unwrap();
    let output = Command::new(UNIMSE)
        .args(["doctor", "--json", data.to_str().unwrap()])
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = findings["findings"].as_array().unwrap();
    let has = |code: &str, file: &str| {
        let found = |f: &&serde_json::Value| f["code"] == code && f["file"] == file;
        findings.iter().any(|f| found(&f))
    };
    assert!(
        has("UNREADABLE", "broken") && has("FOUND", "calls"),
        "{findings:?}"
    );
}
