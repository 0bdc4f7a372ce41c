//! Weights of networks: files as PyTorch wrote them, made here byte by byte, and what is said of broken ones.

use proptest::prelude::*;
use unimse_formats::{FormatError, parse_hdf5, parse_torch};

const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
const SYSTEM: &[u8] = b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.";

/// A dict of one tensor `w` of a storage `7`, with the elements that the storage has.
fn state_dict(offset: u8, shape: [u8; 2], stride: [u8; 2], elements: &[f32]) -> Vec<u8> {
    let state = [
        &b"\x80\x02ccollections\nOrderedDict\n)RX\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuK"[..],
        &[elements.len() as u8],
        b"NtQK",
        &[offset, b'K', shape[0], b'K', shape[1], 0x86],
        &[b'K', stride[0], b'K', stride[1], 0x86],
        b"\x89ccollections\nOrderedDict\n)RtRs}X\x09\x00\x00\x00_metadata}sb.",
    ]
    .concat();
    let keys = b"\x80\x02]X\x01\x00\x00\x007a.";
    let count = (elements.len() as u64).to_le_bytes();
    let values: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
    [MAGIC, SYSTEM, &state, keys, &count, &values].concat()
}

const ELEMENTS: [f32; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

#[test]
fn a_tensor_is_its_part_of_a_storage() {
    let tensors = parse_torch(state_dict(1, [2, 3], [3, 1], &ELEMENTS)).unwrap();
    let [(name, tensor)] = &tensors.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one tensor");
    };
    assert_eq!((name.as_str(), &tensor.shape[..]), ("w", &[2, 3][..]));
    assert_eq!(tensor.values, ELEMENTS[1..7]);
    // turned around: its first axis is the fast one
    let tensors = parse_torch(state_dict(1, [2, 3], [1, 2], &ELEMENTS)).unwrap();
    assert_eq!(tensors["w"].values, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
}

#[test]
fn what_is_no_such_file_is_told_in_words() {
    let whole = state_dict(0, [2, 3], [3, 1], &ELEMENTS);
    let cases: [(Vec<u8>, &str); 5] = [
        (b"PK\x03\x04".to_vec(), "PyTorch 1.6 and later"),
        (
            state_dict(3, [2, 3], [3, 1], &ELEMENTS),
            "shape [2, 3] and strides [3, 1] from 3 on do not fit a storage of 8",
        ),
        (
            state_dict(0, [200, 200], [0, 0], &ELEMENTS),
            "more than the file",
        ),
        (
            whole[..whole.len() - 1].to_vec(),
            "storage \"7\" is not whole",
        ),
        // another global: nothing runs
        (
            [MAGIC, b"\x80\x02cos\nsystem\n."].concat(),
            "global os.system is not allowed",
        ),
    ];
    for (bytes, expected) in cases {
        let error = parse_torch(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = parse_hdf5(b"no hdf5".to_vec(), "model_weights").unwrap_err();
    assert!(matches!(error, FormatError::Weights { .. }), "{error}");
}

#[test]
fn numpy_pickles_know_nothing_of_tensors() {
    let error = unimse_formats::Pickle::from_bytes(b"\x80\x02ctorch\nFloatStorage\n.".to_vec());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("torch.FloatStorage is not allowed"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(at in 0_usize..400, by in any::<u8>(), cut in 0_usize..400) {
        let mut bytes = state_dict(1, [2, 3], [3, 1], &ELEMENTS);
        let place = at % bytes.len();
        bytes[place] ^= by;
        bytes.truncate(bytes.len() - cut % bytes.len());
        let _ = parse_torch(bytes);
    }
}
