//! A Python that can import torch and transformers: `UNIMSE_PYTHON`, or else `python3`.

use std::process::Command;

/// The Python, if there is one; where there is none, says that `test` is skipped.
pub(crate) fn python(test: &str) -> Option<String> {
    let named = std::env::var("UNIMSE_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", "import torch, safetensors, transformers"])
        .output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        named.is_none(),
        "UNIMSE_PYTHON = {python}: expected a Python that imports torch, safetensors and transformers"
    );
    eprintln!("skipped: {test} needs UNIMSE_PYTHON, a Python with transformers");
    None
}

/// Runs `script` with `arguments`; it must succeed.
#[track_caller]
pub(crate) fn run(python: &str, script: &str, arguments: &[std::path::PathBuf]) {
    let output = Command::new(python)
        .args(["-c", script])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
