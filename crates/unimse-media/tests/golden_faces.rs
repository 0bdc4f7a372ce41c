//! The networks against their originals: MTCNN against facenet-pytorch on a drawn face, mini-Xception against PyTorch. Tolerances: half a pixel for boxes
//! and landmarks, 0.001 for scores, 0.001 for what mini-Xception says (the largest values are near 10).

use std::path::PathBuf;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use unimse_labels::BasicEmotion;
use unimse_media::{
    synthetic::{Acting, Person, Stream},
    video::{Faces, Frame},
};

use crate::common::model;

const SIZE: (usize, usize) = (200, 150);

fn drawn() -> Frame {
    let (person, mut random) = (Person::new("golden"), Stream::new("golden"));
    let acting = Acting {
        emotion: Some(BasicEmotion::Joy),
        intensity: 1.0,
    };
    let mut film = person.film(&[0.3], acting, SIZE, 10.0, &mut random);
    film.next().unwrap()
}

#[test]
fn golden_faces() {
    let golden = std::env::var_os("UNIMSE_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/golden")),
        PathBuf::from,
    );
    let folder = golden.join("video");
    let file = folder.join("picture.safetensors");
    if std::env::var_os("UNIMSE_BLESS").is_some() {
        let frame = drawn();
        let view = TensorView::new(Dtype::U8, vec![SIZE.1, SIZE.0, 3], &frame.rgb).unwrap();
        let bytes = safetensors::serialize([("picture", view)], None).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&file, bytes).unwrap();
        return;
    }
    let Some(weights) = model("golden_faces", "faces") else {
        return;
    };
    let faces = Faces::load(&weights).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let picture = SafeTensors::deserialize(&bytes).unwrap();
    let frame = Frame {
        width: SIZE.0,
        height: SIZE.1,
        rgb: picture.tensor("picture").unwrap().data().to_vec(),
    };
    let text = std::fs::read_to_string(folder.join("faces.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    compare_faces(&faces, &frame, golden["faces"].as_array().unwrap());
    compare_expression(
        &faces,
        &std::fs::read(folder.join("faces.safetensors")).unwrap(),
    );
}

fn compare_faces(faces: &Faces, frame: &Frame, expected: &[Value]) {
    let found = faces.detect(frame, 20);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let bounds: [f32; 4] = serde_json::from_value(expected["bounds"].clone()).unwrap();
        let landmarks: [[f32; 2]; 5] =
            serde_json::from_value(expected["landmarks"].clone()).unwrap();
        let places = found.bounds.iter().chain(found.landmarks.iter().flatten());
        for (found, expected) in places.zip(bounds.iter().chain(landmarks.iter().flatten())) {
            assert!(
                (found - expected).abs() < 0.5,
                "{found}, facenet-pytorch {expected}"
            );
        }
        let score = expected["score"].as_f64().unwrap();
        assert!(
            (f64::from(found.score) - score).abs() < 1e-3,
            "{} {score}",
            found.score
        );
    }
}

fn compare_expression(faces: &Faces, golden: &[u8]) {
    let golden = SafeTensors::deserialize(golden).unwrap();
    let grey: Vec<f32> = (0..64 * 64).map(|i| (i * 37 % 251) as f32).collect();
    let (pooled, classes) = faces.express(&grey);
    for (name, found) in [("pooled", pooled), ("classes", classes)] {
        let expected = golden.tensor(name).unwrap();
        let (expected, _) = expected.data().as_chunks::<4>();
        assert_eq!(found.len(), expected.len());
        for (found, &expected) in found.iter().zip(expected) {
            let expected = f32::from_le_bytes(expected);
            assert!(
                (found - expected).abs() < 1e-3,
                "{name}: {found}, PyTorch {expected}"
            );
        }
    }
}
