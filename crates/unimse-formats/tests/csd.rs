//! Computational sequences that h5py wrote (fixtures/generate_csd.py), faulty and hostile ones, and the real ones.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use unimse_formats::{Csd, CsdFeatures, CsdVideo};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn open(name: &str) -> Csd {
    Csd::open(&fixture(name)).unwrap()
}

fn numbers(csd: &Csd, video: &str) -> (usize, Vec<f32>) {
    match csd.video(video).unwrap().unwrap().features {
        CsdFeatures::Numbers { dim, values } => (dim, values),
        CsdFeatures::Text(_) => panic!("{video} holds text"),
    }
}

fn texts(csd: &Csd, video: &str) -> Vec<String> {
    match csd.video(video).unwrap().unwrap().features {
        CsdFeatures::Text(texts) => texts,
        CsdFeatures::Numbers { .. } => panic!("{video} holds numbers"),
    }
}

/// `arange(3 * rows) / 8`
fn grid(rows: u8) -> (usize, Vec<f32>) {
    (3, (0..3 * rows).map(|i| f32::from(i) / 8.0).collect())
}

#[test]
fn every_storage_and_number_type() {
    for name in ["numbers_earliest.csd", "numbers_latest.csd"] {
        eprintln!("{name}");
        let csd = open(name);
        assert_eq!(csd.name(), "COVAREP");
        let videos: Vec<_> = csd.video_ids().collect();
        assert_eq!(
            videos,
            [
                "-big",
                "chunked",
                "contiguous",
                "empty",
                "flat",
                "growing",
                "gzip",
                "half",
                "integers",
                "vid\u{e9}o"
            ]
        );
        assert_eq!(csd.dim().unwrap(), Some(3));
        for (video, rows) in [
            ("contiguous", 4),
            ("chunked", 9),
            ("gzip", 9),
            ("growing", 9),
            ("-big", 4),
            ("half", 4),
            ("empty", 0),
            ("vid\u{e9}o", 1),
        ] {
            assert_eq!(numbers(&csd, video), grid(rows), "{video}");
            let intervals = csd.video(video).unwrap().unwrap().intervals;
            // arange(2 * rows).reshape(rows, 2) / 4
            let expected: Vec<_> = (0..rows)
                .map(|row| [f64::from(2 * row) / 4.0, f64::from(2 * row + 1) / 4.0])
                .collect();
            assert_eq!(intervals, expected, "{video}");
        }
        assert_eq!(
            csd.video("integers").unwrap().unwrap(),
            CsdVideo {
                intervals: vec![[0.0, 1.0], [1.0, 2.0]],
                features: CsdFeatures::Numbers {
                    dim: 1,
                    values: vec![-2.0, 300.0]
                },
            }
        );
        assert_eq!(
            numbers(&csd, "flat"),
            (1, vec![0.5, f32::INFINITY, f32::NEG_INFINITY])
        );
        assert!(csd.video("absent").unwrap().is_none());
    }
}

#[test]
fn words() {
    let csd = open("words.csd");
    assert_eq!(csd.dim().unwrap(), None);
    assert_eq!(
        texts(&csd, "fixed"),
        ["hello", "sp", "", "caf\u{e9}", "caf\u{e9}"]
    );
    assert_eq!(texts(&csd, "flat"), ["a", "bc"]);
    assert_eq!(
        texts(&csd, "variable"),
        ["na\u{ef}ve", "", "\u{4e2d}\u{6587}"]
    );
}

#[test]
fn groups_of_many_videos() {
    for name in ["many_earliest.csd", "many_latest.csd"] {
        let csd = open(name);
        let videos: Vec<_> = csd.video_ids().map(str::to_owned).collect();
        let expected: Vec<_> = (0..300).map(|i| format!("v{i:03}")).collect();
        assert_eq!(videos, expected);
        for video in videos {
            assert_eq!(numbers(&csd, &video), (1, vec![1.5]));
        }
    }
}

#[test]
fn faults_name_the_file_and_the_video() {
    let csd = open("faults.csd");
    let check = |video: &str, expected: &str| {
        let message = csd.video(video).unwrap_err().to_string();
        assert!(
            message.contains("faults.csd: csd: ")
                && message.contains(&format!("video {video:?}"))
                && message.contains(expected),
            "{message}"
        );
    };
    check(
        "rows differ",
        "expected intervals of shape [3, 2] as there are 3 rows of features, found [2, 2]",
    );
    check("three axes", "found [2, 2, 2]");
    check("records", "expected numbers or text");
    check("words a row", "expected one text a row, found 2");
    check("intervals are words", "intervals: expected numbers");
    check("no columns", "found [2, 0]");
    check("nothing", "features");
    check("huge", "limit");
}

/// 4000 references to 20 kB, more than any compression could make of the file.
#[test]
fn texts_beyond_what_the_file_could_hold_are_refused() {
    let csd = open("repeated.csd");
    assert_eq!(texts(&csd, "one")[0].len(), 20_000);
    let message = csd.video("repeated text").unwrap_err().to_string();
    assert!(message.contains("text beyond"), "{message}");
}

#[test]
fn other_files_are_refused() {
    let check = |name: &str, expected: &str| {
        let message = Csd::open(&fixture(name)).unwrap_err().to_string();
        assert!(
            message.contains(name) && message.contains(expected),
            "{message}"
        );
    };
    check("two_roots.csd", "found 2: [\"a\", \"b\"]");
    check("no_data.csd", "group a/data");
    check("text.npy", "expected an HDF5 file");
    check("absent.csd", "No such file");
    assert!(Csd::from_bytes(Vec::new()).is_err());
}

#[test]
fn a_sequence_can_be_read_by_several_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&open("words.csd"));
}

/// Reads all that a file gives, as a caller that survives faulty videos would.
fn read_all(bytes: Vec<u8>) {
    let Ok(csd) = Csd::from_bytes(bytes) else {
        return;
    };
    let _ = csd.dim();
    for video in csd.video_ids().take(20) {
        if let Ok(Some(found)) = csd.video(video) {
            assert_eq!(found.intervals.len(), found.features.rows());
        }
    }
}

const FIXTURES: [&str; 6] = [
    "numbers_earliest.csd",
    "numbers_latest.csd",
    "words.csd",
    "many_earliest.csd",
    "many_latest.csd",
    "faults.csd",
];

#[test]
fn every_truncation_is_survived() {
    let bytes = std::fs::read(fixture("words.csd")).unwrap();
    for end in (0..bytes.len()).step_by(7) {
        read_all(bytes[..end].to_vec());
    }
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(
        file in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = std::fs::read(fixture(FIXTURES[file])).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_all(bytes);
    }
}

/// The published words and labels of CMU-MOSI, where `UNIMSE_DATA` names the folder.
#[test]
fn real_sequences() {
    let Some(data) = std::env::var_os("UNIMSE_DATA").map(PathBuf::from) else {
        eprintln!("skipped: real_sequences needs UNIMSE_DATA");
        return;
    };
    let layouts = data.join("mosi_layouts");
    let labels = Csd::open(&layouts.join("CMU_MOSI_Opinion_Labels.csd")).unwrap();
    assert_eq!(labels.name(), "Opinion Segment Labels");
    assert_eq!(labels.dim().unwrap(), Some(1));
    let segments: usize = labels
        .video_ids()
        .map(|id| numbers(&labels, id).1.len())
        .sum();
    assert_eq!(segments, 1284 + 229 + 686);
    let words = Csd::open(&layouts.join("CMU_MOSI_TimestampedWords.csd")).unwrap();
    assert_eq!(words.dim().unwrap(), None);
    assert!(words.video_ids().eq(labels.video_ids()));
    for video in words.video_ids() {
        let said = texts(&words, video);
        assert!(said.iter().all(|word| !word.is_empty()), "{video}");
    }
}
