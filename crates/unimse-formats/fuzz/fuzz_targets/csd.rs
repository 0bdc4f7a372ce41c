//! Bytes as a computational sequence, its first videos read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unimse_formats::Csd;

fuzz_target!(|bytes: &[u8]| {
    let Ok(csd) = Csd::from_bytes(bytes.to_vec()) else {
        return;
    };
    let _ = csd.dim();
    for video in csd.video_ids().take(20) {
        if let Ok(Some(found)) = csd.video(video) {
            assert_eq!(found.intervals.len(), found.features.rows());
        }
    }
});
