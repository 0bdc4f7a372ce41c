//! A Python that has what a test compares with: `UNIMSE_PYTHON`, or else `python3`. Tests of other crates include this file.
#![allow(dead_code, reason = "not every program of tests needs all")]

use std::path::Path;
use std::process::Command;

/// The Python, where it imports `modules`; where it does not, says that `test` is skipped.
pub(crate) fn python(test: &str, modules: &str) -> Option<String> {
    let python = std::env::var("UNIMSE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", &format!("import {modules}")])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: {test} needs UNIMSE_PYTHON, a Python with {modules}");
    None
}

/// What `script` prints of `path`; it must succeed.
#[track_caller]
pub(crate) fn printed(python: &str, script: &str, path: &Path) -> String {
    let output = Command::new(python)
        .args(["-c", script])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
