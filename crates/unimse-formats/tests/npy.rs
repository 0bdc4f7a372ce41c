//! `.npy` and `.npz` files that numpy wrote (fixtures/generate.py), and hostile ones.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use unimse_formats::{FormatError, Npz, Tensor, npy_shape, read_npy, read_npy_f64};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// `arange(24).reshape(2, 3, 4) / 8`
fn grid() -> Tensor {
    Tensor {
        shape: vec![2, 3, 4],
        values: (0..24_u8).map(|i| f32::from(i) / 8.0).collect(),
    }
}

/// Writes a file of these bytes and reads it, and its shape.
fn read(bytes: &[u8]) -> (Result<Tensor, FormatError>, Result<Vec<usize>, FormatError>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    (read_npy(file.path()), npy_shape(file.path()))
}

/// A version 1 file.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn npy_files() {
    for name in ["c_order.npy", "fortran_f8.npy"] {
        assert_eq!(read_npy(&fixture(name)).unwrap(), grid());
        assert_eq!(npy_shape(&fixture(name)).unwrap(), grid().shape);
    }
    assert_eq!(
        read_npy(&fixture("big_i2.npy")).unwrap().values,
        [-2.0, 300.0]
    );
    let message = read_npy(&fixture("text.npy")).unwrap_err().to_string();
    assert!(
        message.contains("text.npy: npy: expected a float"),
        "{message}"
    );
    assert!(npy_shape(&fixture("text.npy")).is_err());
}

/// 0.1 as a double is not 0.1 as a float, and 2^53 - 1 is no float at all.
#[test]
fn doubles_lose_no_digit() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let most = 9_007_199_254_740_991.0_f64;
    let data: Vec<u8> = [0.1, most]
        .iter()
        .flat_map(|x: &f64| x.to_le_bytes())
        .collect();
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
    std::fs::write(file.path(), npy(header, &data)).unwrap();
    let read = read_npy_f64(file.path()).unwrap();
    assert_eq!((read.shape, read.values), (vec![2], vec![0.1, most]));
    let halves = read_npy_f64(&fixture("fortran_f8.npy")).unwrap();
    let expected: Vec<f64> = grid().values.iter().map(|&x| f64::from(x)).collect();
    assert_eq!((halves.shape, halves.values), (grid().shape, expected));
    assert!(read_npy_f64(&fixture("text.npy")).is_err());
}

#[test]
fn every_truncation_of_an_npy_file_is_an_error() {
    let bytes = std::fs::read(fixture("c_order.npy")).unwrap();
    for end in 0..bytes.len() {
        let (tensor, shape) = read(&bytes[..end]);
        assert!(tensor.is_err() && shape.is_err(), "{end}");
    }
}

#[test]
fn headers_of_python_2() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }\n";
    let data: Vec<u8> = [0.5_f32, -1.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let (tensor, shape) = read(&npy(header, &data));
    assert_eq!(tensor.unwrap().values, [0.5, -1.0]);
    assert_eq!(shape.unwrap(), [1, 2]);
}

#[test]
fn hostile_headers_are_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let (tensor, shape) = read(bytes);
        for message in [
            tensor.unwrap_err().to_string(),
            shape.unwrap_err().to_string(),
        ] {
            assert!(message.contains(expected), "{message}");
        }
    };
    let header = |descr: &str, shape: &str| {
        npy(
            &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"),
            &[0; 8],
        )
    };
    check(&header("'<f4'", "(1152921504606846976,)"), "truncated");
    let overflow = "(4294967296, 4294967296, 0)";
    check(&header("'<f4'", overflow), "multiply beyond 64 bits");
    check(&header("'<f4'", "(-1,)"), "negative");
    check(&header("'<f4'", "(3,)"), "truncated");
    check(&header("'<f16'", "(1,)"), "found '<f16'");
    check(&header("'<c8'", "(1,)"), "found '<c8'");
    check(&header("'<M8[ns]'", "(1,)"), "found '<M8[ns]'");
    check(&header("'|O'", "(1,)"), "found '|O'");
    check(&header("[('a', '<f4')]", "(2,)"), "found [('a', '<f4')");
    check(&header("'<f4'", &"[".repeat(9000)), "header");
    check(
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
        "expected an .npy header",
    );
    check(
        b"\x93NUMPY\x07\x00\x00\x00\x00\x00",
        "expected an .npy header",
    );
    check(b"", "expected an .npy header");
}

#[test]
fn npz_archives() {
    for name in ["stored.npz", "deflated.npz"] {
        let npz = Npz::open(&fixture(name)).unwrap();
        let names: Vec<_> = npz.names().collect();
        assert_eq!(
            names,
            [
                "c_order",
                "flags",
                "folder/text",
                "fortran",
                "half",
                "none",
                "scalar",
                "unsigned",
                "zeros"
            ]
        );
        for name in ["c_order", "fortran", "half"] {
            assert_eq!(npz.read(name).unwrap(), grid(), "{name}");
        }
        assert_eq!(npz.read("unsigned").unwrap().values, [2_f32.powi(63)]);
        assert_eq!(npz.read("flags").unwrap().values, [1.0, 0.0]);
        assert_eq!(npz.read("none").unwrap().shape, [0, 3]);
        let scalar = npz.read("scalar").unwrap();
        assert_eq!((scalar.shape, scalar.values), (vec![], vec![0.5]));
        let zeros = npz.read("zeros").unwrap();
        assert!(
            zeros.values.len() == zeros.shape[0] * 20 && zeros.values.iter().all(|&x| x == 0.0)
        );
        for (array, expected) in [
            ("folder/text", "array \"folder/text\": expected a float"),
            ("absent", "array \"absent\": not there; found [\"c_order\""),
        ] {
            let message = npz.read(array).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(expected),
                "{message}"
            );
        }
    }
    let message = Npz::open(&fixture("c_order.npy")).unwrap_err().to_string();
    assert!(
        message.contains("c_order.npy: npy: expected an .npz archive"),
        "{message}"
    );
}

/// The central directory declares sizes at byte 24 of each entry (APPNOTE 4.3.12).
#[test]
fn a_member_of_an_impossible_size_is_refused_unread() {
    let mut bytes = std::fs::read(fixture("deflated.npz")).unwrap();
    let name = b"zeros.npy";
    let at = (bytes.windows(name.len()))
        .rposition(|window| window == name)
        .unwrap();
    bytes[at - 46 + 24..at - 46 + 28].copy_from_slice(&0xf000_0000_u32.to_le_bytes());
    let npz = Npz::from_bytes(bytes).unwrap();
    let message = npz.read("zeros").unwrap_err().to_string();
    assert!(
        message.contains("array \"zeros\": expected at most 1032 times its"),
        "{message}"
    );
}

#[test]
fn what_is_written_is_read() {
    for (rows, columns) in [(0, 64), (1, 1), (3, 124)] {
        let values: Vec<f32> = (0..rows * columns).map(|i| i as f32 / 3.0).collect();
        let bytes = unimse_formats::npy_bytes([rows, columns], &values);
        assert_eq!((bytes.len() - 4 * values.len()) % 64, 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let read = unimse_formats::read_npy(file.path()).unwrap();
        assert_eq!((read.shape, read.values), (vec![rows, columns], values));
    }
}

fn read_all(bytes: Vec<u8>) {
    if let Ok(npz) = Npz::from_bytes(bytes) {
        for name in npz.names() {
            let _ = npz.read(name);
        }
    }
}

#[test]
fn every_truncation_of_an_archive_is_survived() {
    let bytes = std::fs::read(fixture("deflated.npz")).unwrap();
    for end in 0..bytes.len() {
        read_all(bytes[..end].to_vec());
    }
}

proptest! {
    #[test]
    fn mutated_bytes_never_panic(
        file in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let name = ["c_order.npy", "stored.npz", "deflated.npz"][file];
        let mut bytes = std::fs::read(fixture(name)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if file == 0 {
            let _ = read(&bytes);
        } else {
            read_all(bytes);
        }
    }

    #[test]
    fn any_header_text_is_survived(text in "[{}()\\[\\]'a-zL0-9<>|:, ]{0,80}") {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}}}");
        let _ = read(&npy(&header, &[0; 64]));
        let _ = read(&npy(&text, &[0; 64]));
    }
}
