//! Bytes as a clip, whole and in part, by every container and codec; the file lies in memory where the system has such a folder.
#![no_main]

use std::{path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use unimse_media::{Span, read_clip};

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("unimse-fuzz-{}", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("the file can be written");
    let part = Span {
        from_s: 0.3,
        to_s: Some(0.4),
    };
    for span in [Span::default(), part] {
        if let Ok(clip) = read_clip(&FILE, span) {
            assert!(clip.samples.iter().all(|sample| sample.is_finite()));
        }
    }
});
