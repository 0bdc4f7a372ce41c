//! A file that is no library of ONNX Runtime: told as often as somebody asks, and nothing calls into it. In a process of its own, for one loads a library once.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use unimse_media::video::onnx::load_runtime;

#[test]
fn a_library_that_is_none_is_told_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    std::fs::write(&path, "no library").unwrap();
    for _ in 0..3 {
        let error = load_runtime(&path).unwrap_err().to_string();
        assert!(error.contains("failed to load from"), "{error}");
    }
}
