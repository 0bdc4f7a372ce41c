//! ONNX models of the user's own as what describes faces: their numbers are arithmetic, what is wrong with them is told by file and reason.

use std::{fs, path::PathBuf};

use unimse_media::{
    AudioFeatures, Features, MediaError, Span,
    extract::extract,
    synthetic::Acting,
    video::{
        self, Frame,
        onnx::{Network, load_runtime, made},
    },
};

use crate::common::{
    self,
    onnx::{BOOL, FLOAT, Graph, INT64, field, floats, info, means, node, number, one, tensor},
};

/// Where the landmarks of a face lie, as shares of its side (`video::align`).
const FACE: [[f32; 2]; 5] = [
    [0.30, 0.38],
    [0.70, 0.38],
    [0.50, 0.58],
    [0.34, 0.77],
    [0.66, 0.77],
];
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Red, then green less blue.
const MATRIX: [&[f32]; 3] = [&[1.0, 0.0], &[0.0, 1.0], &[0.0, -1.0]];

/// Loads ONNX Runtime; says loudly that a test is skipped without it.
fn runtime(test: &str) -> bool {
    let Some(folder) = common::model(test, "onnxruntime") else {
        return false;
    };
    load_runtime(&folder.join("libonnxruntime.so")).unwrap();
    true
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn network(&self, graph: &Graph, settings: &str) -> Result<Network, MediaError> {
        self.write("net.toml", settings);
        Network::load(&self.write("net.onnx", graph.model()))
    }
}

/// A frame of 200 by 200 pixels: a colour in the square from 60 to 140 where the face is, another around it.
fn frame(inside: [u8; 3], outside: [u8; 3]) -> (Frame, [[f32; 2]; 5]) {
    let mut rgb = Vec::new();
    for y in 0..200 {
        for x in 0..200 {
            let is_in = (60..140).contains(&x) && (60..140).contains(&y);
            rgb.extend(if is_in { inside } else { outside });
        }
    }
    let frame = Frame {
        width: 200,
        height: 200,
        rgb,
    };
    (
        frame,
        FACE.map(|point| point.map(|share| 60.0 + 80.0 * share)),
    )
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < tolerance,
            "{found}, expected {expected}"
        );
    }
}

#[test]
fn what_a_network_says_is_arithmetic() {
    if !runtime("what_a_network_says_is_arithmetic") {
        return;
    }
    let place = Place::new();
    let colour = [200, 100, 50];
    let (frame, face) = frame(colour, colour);
    let share = colour.map(|level| f32::from(level) / 255.0);
    let scaled = |mean: [f32; 3], std: [f32; 3]| -> [f32; 3] {
        std::array::from_fn(|channel| (share[channel] - mean[channel]) / std[channel])
    };
    let [r, g, b] = scaled(MEAN, STD);
    let own = "mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.25, 0.125]\n";
    let [x, y, z] = scaled([0.5; 3], [0.5, 0.25, 0.125]);
    let grey = 0.299 * share[0] + 0.587 * share[1] + 0.114 * share[2];
    for (input, last, settings, expected) in [
        (&[1, 3, 64, 64], false, "", [r, g - b]),
        (&[-1, 3, -1, -1], false, "size = 48", [r, g - b]),
        (&[-1, 32, 32, 3], true, "", [r, g - b]),
        (&[1, 3, 64, 64], false, own, [x, y - z]),
        // the first channel is blue now, and has the first mean
        (
            &[1, 3, 64, 64],
            false,
            "bgr = true",
            [
                (share[2] - MEAN[0]) / STD[0],
                (share[1] - MEAN[1]) / STD[1] - (share[0] - MEAN[2]) / STD[2],
            ],
        ),
    ] {
        let network = place
            .network(&means(input, last, &MATRIX), settings)
            .unwrap();
        assert_eq!(network.dimension(), 2);
        let found = network.describe(&frame, &face).unwrap();
        assert_close(&found, &expected, 1e-4);
    }
    let one = means(&[1, 1, 48, 48], false, &[&[2.0, -1.0, 0.5]]);
    let found = place.network(&one, "").unwrap().describe(&frame, &face);
    assert_close(&found.unwrap(), &[2.0 * grey, -grey, 0.5 * grey], 1e-5);
    // [1, numbers, 1, 1] is the same as [1, numbers]
    let mut pooled = means(&[1, 3, 64, 64], false, &MATRIX);
    pooled.nodes = vec![node("GlobalAveragePool", &["picture"], &["said"], &[])];
    pooled.outputs = vec![info("said", FLOAT, &[1, 3, 1, 1])];
    let found = place.network(&pooled, "").unwrap().describe(&frame, &face);
    assert_close(&found.unwrap(), &[r, g, b], 1e-4);
}

#[test]
fn the_margin_is_a_share_of_the_face_on_each_side() {
    if !runtime("the_margin_is_a_share_of_the_face_on_each_side") {
        return;
    }
    let place = Place::new();
    let (frame, face) = frame([255; 3], [0; 3]);
    let plain = "mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]\n";
    for margin in [0.0_f32, 0.1, 0.5] {
        let settings = format!("{plain}margin = {margin:?}");
        let graph = means(&[1, 3, 80, 80], false, &[&[1.0], &[0.0], &[0.0]]);
        let network = place.network(&graph, &settings).unwrap();
        let white = 1.0 / (1.0 + 2.0 * margin).powi(2);
        // half a pixel of the edge on each side
        assert_close(&network.describe(&frame, &face).unwrap(), &[white], 0.03);
    }
}

/// A model that says a constant of any picture.
fn constant(element: u64, dims: &[i64], raw: &[u8]) -> Graph {
    Graph {
        nodes: vec![node("Identity", &["constant"], &["said"], &[])],
        tensors: vec![tensor("constant", element, dims, raw)],
        inputs: vec![info("picture", FLOAT, &[1, 3, 64, 64])],
        outputs: vec![info("said", element, dims)],
    }
}

/// Models of another form, and what is said of them.
fn of_another_form() -> Vec<(Graph, &'static str)> {
    let good = means(&[1, 3, 64, 64], false, &MATRIX);
    let edited = |edit: &dyn Fn(&mut Graph)| {
        let mut graph = good.clone();
        edit(&mut graph);
        graph
    };
    let input = |dims: &[i64]| edited(&|graph| graph.inputs = vec![info("picture", FLOAT, dims)]);
    let nodes = |node: &[u8]| edited(&|graph| graph.nodes = vec![node.to_vec()]);
    let two = |graph: &mut Graph| graph.inputs.push(info("more", FLOAT, &[1]));
    let mut custom = node("Magic", &["picture"], &["said"], &[]);
    custom.extend(field(7, "com.example"));
    let double = node("Cast", &["picture"], &["said"], &[one("to", 11)]);
    let whole = edited(&|graph| {
        graph.inputs = vec![info("picture", INT64, &[1, 3, 64, 64])];
        let cast = node("Cast", &["picture"], &["floats"], &[one("to", FLOAT)]);
        let means = node("GlobalAveragePool", &["floats"], &["said"], &[]);
        graph.nodes = vec![cast, means];
        graph.outputs = vec![info("said", FLOAT, &[1, 3, 1, 1])];
    });
    let place = [field(1, "location"), field(2, "weights.bin")].concat();
    let mut away = floats("matrix", &[3, 2], &[]);
    away.extend([field(13, place), number(14, 1)].concat());
    let four = means(&[1, 4, 64, 64], false, &[&[1.0][..]; 4]);
    vec![
        (four, "one channel for grey"),
        (input(&[3, 64, 64]), "ONNX Runtime: "), // it has no axis 3
        (input(&[1, 3, 0, 0]), "8 to 1024 pixels a side"),
        (input(&[1, 3, 1 << 40, 1 << 40]), "8 to 1024 pixels a side"),
        (input(&[4, 3, 64, 64]), "one picture at a time"),
        (whole, "an input of 32-bit floats"),
        (edited(&two), "expected one input, found 2"),
        (edited(&|graph| graph.inputs.clear()), "ONNX Runtime: "),
        (edited(&|graph| graph.outputs.clear()), ""),
        (nodes(&custom), "ONNX Runtime: "),
        (nodes(&double), "ONNX Runtime: "),
        (
            edited(&|graph| graph.tensors = vec![away.clone()]),
            "weights lie in other files",
        ),
    ]
}

/// Models that say something else than some numbers, and what is said of them.
fn of_another_answer() -> Vec<(Graph, &'static str)> {
    let floats = |dims: &[i64], count: usize| constant(FLOAT, dims, &vec![0; 4 * count]);
    let nan = [f32::NAN.to_le_bytes(), 1.0_f32.to_le_bytes()].concat();
    let shape = "expected a shape [1, numbers] or [1, numbers, 1, 1]";
    vec![
        (constant(INT64, &[1, 1], &[0; 8]), "expected 32-bit floats"),
        (constant(BOOL, &[1, 1], &[1]), "expected 32-bit floats"),
        (floats(&[2], 2), shape),
        (floats(&[2, 1], 2), shape),
        (floats(&[1, 1, 1, 1, 1], 1), shape),
        (floats(&[1, 0], 0), "1 to 8192 numbers, found 0"),
        (floats(&[1, 9000], 9000), "1 to 8192 numbers, found 9000"),
        (floats(&[1, 1 << 40], 0), "ONNX Runtime: "),
        (
            constant(FLOAT, &[1, 2], &nan),
            "finite numbers, found NaN at 0",
        ),
    ]
}

#[test]
fn what_is_no_such_network_is_told_by_file_and_reason() {
    if !runtime("what_is_no_such_network_is_told_by_file_and_reason") {
        return;
    }
    let place = Place::new();
    let check = |found: Result<Network, MediaError>, words: &str| {
        let error = found.unwrap_err().to_string();
        let is_told =
            error.contains("net.onnx: ") && error.contains(words) && !error.contains('\n');
        assert!(is_told, "{words}: {error}");
    };
    for (graph, words) in [of_another_form(), of_another_answer()].concat() {
        check(place.network(&graph, ""), words);
    }
    let good = means(&[1, 3, 64, 64], false, &MATRIX);
    check(
        place.network(&good, "output = \"other\""),
        "output: expected one of [\"said\"]",
    );
    check(
        place.network(&good, "size = 48"),
        "size: expected the side that the input declares, found 48",
    );
    check(
        place.network(&good, "mean = [0.5]"),
        "mean: expected a number for each of 3 channels",
    );
    place.write("net.toml", "");
    let bytes = good.model();
    for cut in (0..bytes.len()).step_by(7) {
        let path = place.write("net.onnx", &bytes[..cut]);
        check(Network::load(&path), "");
    }
    for bytes in [
        &b"no model"[..],
        b"PK\x03\x04",
        &[0xff; 64],
        b"....ORTM....",
        &[0; 1000],
    ] {
        let path = place.write("net.onnx", bytes);
        check(Network::load(&path), "");
    }
    let error = Network::load(place.0.path()).unwrap_err().to_string();
    assert!(error.contains("a folder"), "{error}");
    assert!(Network::load(&place.0.path().join("none.onnx")).is_err());
}

#[test]
fn a_card_names_the_model_and_opens_no_other() {
    if !runtime("a_card_names_the_model_and_opens_no_other") {
        return;
    }
    let Some(faces) = common::faces("a_card_names_the_model_and_opens_no_other") else {
        return;
    };
    let place = Place::new();
    let graph = means(&[1, 3, -1, -1], false, &MATRIX);
    let faces = faces.with_network(
        place
            .network(&graph, "size = 40\nmargin = 0.1\nrate_hz = 2")
            .unwrap(),
    );
    let card = faces.card(&faces.settings());
    assert_eq!(
        (faces.dimension(), card.dimension, card.rate_hz),
        (2, 2, Some(2.0))
    );
    assert_eq!(
        card.name(),
        "mtcnn + net.onnx (unimse onnx-1), 2 features a step"
    );
    assert_eq!(made(&card), Some("net.onnx"));
    assert_eq!(
        card.weights.keys().collect::<Vec<_>>(),
        ["net.onnx", "onet.pt", "pnet.pt", "rnet.pt"]
    );
    let sha256 = unimse_run::artefact::sha256_of(&graph.model());
    assert_eq!(card.weights["net.onnx"], sha256);
    assert_eq!(
        (
            &*card.settings["size"],
            &*card.settings["margin"],
            &*card.settings["output"]
        ),
        ("40", "0.1", "said")
    );
    // the same bytes under another name, without the file of settings
    let moved = place.write("moved.onnx", graph.model());
    let again = common::faces("card")
        .unwrap()
        .with_network(Network::of_card(&moved, &card).unwrap());
    assert_eq!(again.card(&faces.settings()), card);
    let other = place.write(
        "other.onnx",
        means(&[1, 3, -1, -1], false, &[&[1.0, 2.0][..]; 3]).model(),
    );
    let error = Network::of_card(&other, &card).unwrap_err().to_string();
    assert!(
        error.contains("other.onnx: expected the model of training") && error.contains(&sha256),
        "{error}"
    );
    let error = Network::of_card(&other, &AudioFeatures::Mel.card()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected features of an ONNX model")
    );
}

#[test]
fn a_film_is_described_and_features_of_another_network_are_refused() {
    let test = "a_film_is_described_and_features_of_another_network_are_refused";
    let Some(faces) = common::faces(test).filter(|_| runtime(test)) else {
        return;
    };
    let place = Place::new();
    let (data, out) = (place.0.path().join("data"), place.0.path().join("out"));
    fs::create_dir(&data).unwrap();
    let codec = ["-c:v", "mpeg4", "-q:v", "4", "-c:a", "aac"];
    for name in ["ann", "ben"] {
        common::film(
            &data.join(format!("{name}.mp4")),
            name,
            Acting::NEUTRAL,
            (160, 120),
            &codec,
        );
    }
    let graph = means(&[1, 3, 64, 64], false, &MATRIX);
    let faces = faces.with_network(place.network(&graph, "").unwrap());
    let features = |faces| Features {
        video: Some((faces, video::Settings::default())),
        ..AudioFeatures::Mel.into()
    };
    let extracted = extract(&data, &out, features(&faces), &|_| {}).unwrap();
    let settings = faces.settings();
    for record in &extracted.records {
        let pictures = record.video.as_ref().unwrap();
        assert_eq!(pictures.fault, None);
        let found =
            video::sequence(&data.join(&record.clip), Span::default(), &faces, &settings).unwrap();
        assert_eq!(
            (found.sequence.dim, found.with_face),
            (2, pictures.with_face.unwrap())
        );
        assert_eq!(
            (pictures.with_face.unwrap() > 3, found.non_finite),
            (true, 0)
        );
    }
    let toml = fs::read_to_string(out.join("features.toml")).unwrap();
    assert!(toml.contains("tool = \"mtcnn + net.onnx\""), "{toml}");
    // other weights under the same name
    let other = means(&[1, 3, 64, 64], false, &[&[1.0, 1.0][..]; 3]);
    let other = common::faces(test)
        .unwrap()
        .with_network(place.network(&other, "").unwrap());
    let refused = || {
        let error = extract(&data, &out, features(&other), &|_| {}).unwrap_err();
        assert!(
            error.to_string().contains("expected features of"),
            "{error}"
        );
    };
    refused();
    // nor are they taken for the other's where their card is gone
    fs::remove_file(out.join("features.toml")).unwrap();
    refused();
}
