//! Pickles of both numpy majors and all protocols (fixtures/generate.py), and hostile ones.

use proptest::prelude::*;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use unimse_formats::{Array, FormatError, Item, Kind, Limits, Pickle, PickleErrorKind};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// `arange(24).reshape(2, 3, 4) / 8`
fn grid() -> Vec<f32> {
    (0..24_u8).map(|i| f32::from(i) / 8.0).collect()
}

#[test]
fn every_protocol_of_both_numpy_majors() {
    for major in [1, 2] {
        for protocol in 0..=5 {
            let name = format!("numpy{major}_p{protocol}.pkl");
            eprintln!("{name}");
            check_content(Pickle::open(&fixture(&name)).unwrap().root());
        }
    }
}

fn check_content(root: Item<'_>) {
    check_grids(root);
    check_numbers(root);
    check_texts(root);
    check_objects(root);
    check_nested(root);
    check_containers(root);
}

fn get<'a>(root: Item<'a>, key: &str) -> Item<'a> {
    root.get(key).unwrap_or_else(|| panic!("key {key}"))
}

fn array<'a>(root: Item<'a>, key: &str) -> Array<'a> {
    get(root, key)
        .as_array()
        .unwrap_or_else(|| panic!("array {key}"))
}

fn check_grids(root: Item<'_>) {
    for key in ["c_order", "fortran", "big_endian", "half"] {
        assert_eq!(array(root, key).shape(), [2, 3, 4]);
        assert_eq!(array(root, key).to_f32().unwrap(), grid(), "{key}");
        assert_eq!(
            array(root, key).read_f32(12, 4).unwrap(),
            [1.5, 1.625, 1.75, 1.875],
            "{key}"
        );
    }
    // arange(24).reshape(2, 3, 4)[:, ::2, 1:]
    let expected: Vec<f32> = [1, 9, 13, 21]
        .iter()
        .flat_map(|&from| [from, from + 1, from + 2])
        .map(|i: u8| f32::from(i))
        .collect();
    assert_eq!(array(root, "strided").to_f32().unwrap(), expected);
    for item in get(root, "shared").items().unwrap() {
        assert_eq!(item.as_array().unwrap().to_f32().unwrap(), grid());
    }
}

fn check_numbers(root: Item<'_>) {
    assert_eq!(get(root, "integers").integers().unwrap(), [-2, -1, 0, 300]);
    assert_eq!(get(root, "unsigned").numbers().unwrap(), [0.0, 255.0]);
    assert_eq!(array(root, "flags").to_f32().unwrap(), [1.0, 0.0, 1.0]);
    assert_eq!(get(root, "lengths").integers().unwrap(), [1, 3, 70000, -5]);
    assert_eq!(get(root, "float").as_f64(), Some(0.5));
    assert_eq!(
        (get(root, "long").type_name(), get(root, "long").as_i64()),
        ("int", None)
    );
    let large = array(root, "unsigned_64");
    assert_eq!(large.to_f32().unwrap(), [2_f32.powi(64), 1.0]);
    assert_eq!((large.integer(0), large.integer(1)), (None, Some(1)));
    let special = array(root, "special").to_f32().unwrap();
    assert_eq!(special[..2], [f32::INFINITY, f32::NEG_INFINITY]);
    assert!(special[2].to_bits() == (-0.0_f32).to_bits() && special[3].is_nan());
}

fn check_texts(root: Item<'_>) {
    assert_eq!(array(root, "bytes_ids").shape(), [2, 1]);
    assert_eq!(get(root, "bytes_ids").texts().unwrap(), ["a_1", "b_22"]);
    assert_eq!(
        get(root, "text_ids").texts().unwrap(),
        ["-a$_$1", "\u{e9}$_$22"]
    );
    assert_eq!(
        get(root, "scalar_text").as_str().as_deref(),
        Some("h\u{e9}")
    );
    let scalar = get(root, "bytes_scalar");
    assert_eq!(
        (scalar.type_name(), scalar.as_str().as_deref()),
        ("bytes", Some("a\u{ff}"))
    );
    assert_eq!(get(root, "bytearray").as_str().as_deref(), Some("ab\u{ff}"));
    let nul: Vec<_> = (get(root, "nul").items().unwrap())
        .map(|item| item.texts().unwrap())
        .collect();
    assert_eq!(nul, [["a\0b", ""], ["a\0b", "\u{1f600}"]]);
}

fn check_objects(root: Item<'_>) {
    assert_eq!(array(root, "objects").dtype().kind, Kind::Object);
    assert_eq!(array(root, "objects").text(1).as_deref(), Some("two"));
    assert_eq!(array(root, "objects").item(2).unwrap().type_name(), "None");
    let ragged: Vec<_> = get(root, "ragged")
        .items()
        .unwrap()
        .map(|item| item.as_array().unwrap())
        .collect();
    assert_eq!(ragged[1].shape(), [3, 2]);
    assert_eq!(ragged[1].to_f32().unwrap(), [1.0; 6]);
    let objects = array(root, "objects_fortran");
    assert_eq!((objects.shape(), objects.len()), (&[2, 3][..], 6));
    let kinds: Vec<_> = (0..6)
        .map(|i| objects.item(i).unwrap().type_name())
        .collect();
    assert_eq!(kinds, ["int", "str", "None", "int", "str", "list"]);
    assert_eq!(objects.text(4).as_deref(), Some("b"));
    let scalars: Vec<_> = (get(root, "zero_axes").items().unwrap())
        .map(|item| item.as_array().unwrap())
        .collect();
    assert!(scalars.iter().all(|a| a.shape().is_empty() && a.len() == 1));
    assert_eq!(scalars[0].to_f32().unwrap(), [1.5]);
    assert_eq!(scalars[1].text(0).as_deref(), Some("u"));
    let inner = scalars[2].item(0).unwrap().get("k").unwrap();
    assert_eq!(inner.as_i64(), Some(1));
}

fn check_nested(root: Item<'_>) {
    let nested: Vec<_> = get(root, "nested").items().unwrap().collect();
    assert_eq!(nested[0].type_name(), "None");
    assert_eq!(
        (nested[1].as_i64(), nested[2].as_i64(), nested[3].as_f64()),
        (Some(1), Some(0), Some(1.5))
    );
    assert_eq!(nested[4].as_str().as_deref(), Some("text \u{4e2d}"));
    assert_eq!(nested[5].as_str().as_deref(), Some("raw\0\u{ff}"));
    assert_eq!(
        (nested[6].as_i64(), nested[7].as_i64()),
        (Some(1 << 40), Some(-(1 << 31)))
    );
}

fn check_containers(root: Item<'_>) {
    assert_eq!(get(root, "ordered").get("a").unwrap().as_i64(), Some(2));
    assert_eq!(
        get(root, "default").get("k").unwrap().integers().unwrap(),
        [1]
    );
    assert_eq!(get(root, "set").integers().unwrap(), [7]);
    assert_eq!(get(root, "frozen").integers().unwrap(), [8]);
    let empty: Vec<_> = get(root, "empty").items().unwrap().collect();
    assert!(empty[..4].iter().all(|item| item.count() == Some(0)));
    assert_eq!(
        (empty[4].as_str().as_deref(), empty[5].as_str().as_deref()),
        (Some(""), Some(""))
    );
    assert_eq!(empty[6].as_array().unwrap().shape(), [0, 3]);
    assert_eq!(
        root.entries()
            .unwrap()
            .filter(|(key, _)| key.as_i64() == Some(1))
            .count(),
        1
    );
}

#[test]
fn python_2_strings_are_text() {
    // python 2: pickle.dumps({'id': ['caf\xe9']}, 0) and protocol 2
    for bytes in [
        &b"(dp0\nS'id'\np1\n(lp2\nS'caf\\xe9'\np3\nas."[..],
        b"\x80\x02}q\x01U\x02idq\x02]q\x03U\x04caf\xe9q\x04as.",
    ] {
        let pickle = Pickle::from_bytes(bytes.to_vec()).unwrap();
        assert_eq!(
            pickle.root().get("id").unwrap().texts().unwrap(),
            ["caf\u{e9}"]
        );
    }
}

/// What `generate_python2.py` writes: `str` is bytes, and array payloads are escaped strings.
#[test]
fn python_2_pickles() {
    for protocol in 0..=2 {
        let pickle = Pickle::open(&fixture(&format!("python2_p{protocol}.pkl"))).unwrap();
        let get = |key: &str| pickle.root().get(key).unwrap();
        let numbers = |key: &str| get(key).as_array().unwrap().to_f32().unwrap();
        assert_eq!(
            numbers("bytes"),
            (0..=u8::MAX).map(f32::from).collect::<Vec<_>>()
        );
        assert_eq!(numbers("fortran"), grid());
        assert_eq!(numbers("big_endian"), grid());
        assert_eq!(
            get("ids").texts().unwrap(),
            ["a$_$1", "it's \"\\n\\\0\u{1}8", "\u{e9}\u{4e2d}"]
        );
        assert_eq!(get("array_ids").texts().unwrap(), ["a_1", "b_22"]);
        assert_eq!(get("objects").texts().unwrap(), ["one", "two"]);
        assert_eq!(get("numbers").integers().unwrap(), [1, -(1 << 40), 1, 0]);
        assert_eq!(get("score").as_f64(), Some(-1.6));
        assert_eq!(get("scalar").as_f64(), Some(0.5));
    }
}

/// The error of reading these bytes, which must come at once.
fn error_of(bytes: &[u8]) -> PickleErrorKind {
    let start = Instant::now();
    let error = Pickle::from_bytes(bytes.to_vec()).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!error.to_string().contains('\n'));
    match error {
        FormatError::Pickle { kind, .. } => kind,
        other => panic!("{other}"),
    }
}

#[test]
fn an_unknown_global_is_named_and_not_called() {
    let expected = PickleErrorKind::Global {
        module: "os".into(),
        name: "system".into(),
    };
    assert_eq!(error_of(b"cos\nsystem\n(S'true'\ntR."), expected);
    assert_eq!(
        error_of(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."),
        expected
    );
    assert_eq!(error_of(b"(S'true'\nios\nsystem\n."), expected);
    assert_eq!(error_of(b"(cos\nsystem\nS'true'\no."), expected);
    assert_eq!(error_of(b"\x80\x02cos\nsystem\n)\x81."), expected);
}

/// numpy types whose elements are no real numbers, text or objects.
#[test]
fn unsupported_types_are_named() {
    let check = |name: &str, expected: &str| {
        let path = fixture(&format!("refused_{name}.pkl"));
        let error = match Pickle::open(&path) {
            Err(error) => error,
            Ok(pickle) => pickle.root().as_array().unwrap().to_f32().unwrap_err(),
        };
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("complex", "found an array of <c16");
    check("complex_scalar", "a scalar of dtype <c8");
    check("longdouble", "found an array of <f16");
    check("datetime", "found an array of <M8");
    check("timedelta_scalar", "a scalar of dtype <m8");
    check("structured", "a structured dtype of fields [\"a\", \"b\"]");
    check(
        "masked",
        "global numpy.ma.core._mareconstruct is not allowed",
    );
}

#[test]
fn a_length_beyond_the_file_allocates_nothing() {
    // BINUNICODE8, BINBYTES8, BYTEARRAY8, FRAME
    for opcode in [0x8d_u8, 0x8e, 0x96, 0x95] {
        let mut bytes = vec![0x80, 4, opcode];
        bytes.extend((1_u64 << 60).to_le_bytes());
        assert_eq!(
            error_of(&bytes),
            PickleErrorKind::Truncated {
                needed: 1 << 60,
                left: 0
            }
        );
    }
    // LONG4, BINSTRING, BINBYTES, BINUNICODE
    for opcode in [0x8b, b'T', b'B', b'X'] {
        assert!(matches!(
            error_of(&[0x80, 4, opcode, 0xff, 0xff, 0xff, 0xff, 0]),
            PickleErrorKind::Truncated { .. }
        ));
    }
    assert!(matches!(error_of(b""), PickleErrorKind::Truncated { .. }));
}

#[test]
fn an_array_larger_than_its_bytes_is_refused() {
    let bytes = std::fs::read(fixture("numpy2_p4.pkl")).unwrap();
    // the shape (2, 3, 4) of the first array, as three one-byte integers
    let at = bytes
        .windows(6)
        .position(|w| w == [b'K', 2, b'K', 3, b'K', 4])
        .unwrap();
    let mut larger = bytes.clone();
    larger[at + 1] = 200;
    assert!(
        matches!(error_of(&larger), PickleErrorKind::Malformed(message) if message.contains("[200, 3, 4]"))
    );
}

#[test]
fn a_container_that_holds_itself_is_refused() {
    // x = []; x.append(x)
    assert_eq!(
        error_of(b"\x80\x02]q\x00h\x00a."),
        PickleErrorKind::Recursive
    );
    // x = []; x.append((x,)), the tuple by way of the memo
    assert_eq!(
        error_of(b"\x80\x02]q\x00h\x00\x85q\x010h\x00h\x01a."),
        PickleErrorKind::Recursive
    );
    // d = {}; d["d"] = (d,)
    assert_eq!(
        error_of(b"\x80\x02}q\x00X\x01\x00\x00\x00dh\x00\x85s."),
        PickleErrorKind::Recursive
    );
}

#[test]
fn deep_nesting_and_many_values_meet_their_limits() {
    let deep = [&[b']'; 100_000][..], &[b'a'; 99_999], b"."].concat();
    assert!(matches!(
        error_of(&deep),
        PickleErrorKind::Limit {
            what: "nesting",
            ..
        }
    ));
    let many = [b"(".as_slice(), &[b'N'; 1000], b"l."].concat();
    let limits = Limits {
        values: 500,
        ..Limits::default()
    };
    let error = Pickle::with_limits(many.clone(), limits).unwrap_err();
    assert!(error.to_string().contains("limit of 500"), "{error}");
    assert_eq!(Pickle::from_bytes(many).unwrap().root().count(), Some(1000));
}

#[test]
fn a_copied_list_counts_against_the_limit() {
    // l = [None] * 1000; set(l) over and over: each call would copy
    let mut bytes = [b"(".as_slice(), &[b'N'; 1000], b"lp0\n0"].concat();
    for _ in 0..50_000 {
        bytes.extend(b"c__builtin__\nset\n(g0\ntR0");
    }
    assert!(matches!(error_of(&bytes), PickleErrorKind::Limit { .. }));
}

#[test]
fn every_truncation_is_an_error() {
    for name in [
        "numpy1_p2.pkl",
        "numpy2_p0.pkl",
        "numpy2_p5.pkl",
        "python2_p0.pkl",
    ] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for end in 0..bytes.len() {
            let cut = Pickle::from_bytes(bytes[..end].to_vec());
            assert!(cut.is_err(), "{name}: {end}");
        }
    }
}

/// Touches everything a caller can touch. An object is met once a path to it, so the visits are counted down.
fn walk(item: Item<'_>, left: &mut usize) {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return;
    }
    let _ = (
        item.as_str(),
        item.as_i64(),
        item.as_f64(),
        item.count(),
        item.type_name(),
    );
    let _ = (
        item.numbers().is_ok(),
        item.integers().is_ok(),
        item.texts().is_ok(),
    );
    if let Some(array) = item.as_array() {
        let _ = array.to_f32().is_ok();
        let _ = (
            array.item(0).is_some(),
            array.text(0),
            array.integer(array.len()),
            array.number(1),
        );
    }
    for (key, value) in item.entries().into_iter().flatten() {
        walk(key, left);
        walk(value, left);
    }
    for item in item.items().into_iter().flatten() {
        walk(item, left);
    }
}

/// Inputs that were thought out or that a fuzzer found: each is read at once, or refused at once.
#[test]
fn regressions_are_survived() {
    let folder = fixture("regressions");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("pickle-") {
            continue;
        }
        seen += 1;
        let start = Instant::now();
        match Pickle::open(&path) {
            Ok(pickle) => walk(pickle.root(), &mut 100_000),
            Err(error) => eprintln!("{error}"),
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{name}");
    }
    assert!(seen > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_bytes_never_panic(
        major in 1..=2_u8,
        protocol in 0..=5_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(fixture(&format!("numpy{major}_p{protocol}.pkl"))).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if !keep {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(pickle) = Pickle::from_bytes(bytes) {
            walk(pickle.root(), &mut 100_000);
        }
    }
}
