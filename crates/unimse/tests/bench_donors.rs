//! `unimse bench-donors`: what it prints is what it was asked for.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;

#[test]
fn streamed_and_in_memory_searches_agree_and_have_rates() {
    let out = Command::new(env!("CARGO_BIN_EXE_unimse"))
        .args([
            "bench-donors",
            "--queries",
            "40000",
            "--donors",
            "70",
            "--dim",
            "3",
        ]) // three blocks
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let asked = [("queries", 40_000), ("donors", 70), ("dim", 3)];
    assert!(
        asked.iter().all(|(key, value)| report[key] == *value),
        "{report}"
    );
    for run in ["in_memory", "streamed"] {
        assert!(report[run]["pairs_per_second"].as_f64().unwrap() > 0.0);
    }
}
