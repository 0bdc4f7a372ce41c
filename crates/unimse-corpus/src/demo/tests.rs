#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;

/// `UNIMSE_BLESS=1` rewrites data/demo/SHA256SUMS.
#[test]
fn manifest_lists_what_is_generated() {
    let lines = files()
        .unwrap()
        .into_iter()
        .map(|(file, bytes)| format!("{}  {file}\n", checksum(&bytes)));
    let found: String = lines.collect();
    if std::env::var_os("UNIMSE_BLESS").is_some() {
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/demo/SHA256SUMS"),
            &found,
        )
        .unwrap();
    }
    for (listed, found) in MANIFEST.lines().zip(found.lines()) {
        assert_eq!(
            listed, found,
            "if the change is meant, raise VERSION and run again with UNIMSE_BLESS=1"
        );
    }
    assert_eq!(
        MANIFEST.lines().count(),
        found.lines().count(),
        "the number of files"
    );
}
