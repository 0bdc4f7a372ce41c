//! Films of drawn faces: pictures by the system's ffmpeg, faces in them, what is said of broken films.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use std::{fs, path::Path};

use common::{WITHOUT_SOUND, faces, ffmpeg, film, has_ffmpeg};
use unimse_labels::BasicEmotion;
use unimse_media::{
    Span,
    synthetic::Acting,
    video::{Frames, Settings, names, sequence},
};

const MPEG4: [&str; 4] = ["-c:v", "mpeg4", "-q:v", "4"];

fn pictures(path: &Path, span: Span) -> Vec<unimse_media::video::Frame> {
    let frames = Frames::open(path, span, &Settings::default()).unwrap();
    frames.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_drawn_face_is_found_in_nearly_all_pictures() {
    let Some(faces) = faces("a_drawn_face_is_found_in_nearly_all_pictures") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut frames, mut with_face) = (0, 0);
    for (number, name) in ["ann", "bob", "cleo", "dan"].into_iter().enumerate() {
        let path = folder.path().join(format!("{name}.mp4"));
        let acting = Acting {
            emotion: [
                None,
                Some(BasicEmotion::Joy),
                Some(BasicEmotion::Sadness),
                Some(BasicEmotion::Anger),
            ][number],
            intensity: 1.0,
        };
        film(&path, name, acting, (640, 360), &MPEG4);
        let started = std::time::Instant::now();
        let found = sequence(&path, Span::default(), &faces, &Settings::default()).unwrap();
        eprintln!(
            "{name}: {} of {} in {:?}",
            found.with_face,
            found.frames,
            started.elapsed()
        );
        assert_eq!(
            (found.sequence.dim, found.sequence.steps()),
            (names().len(), found.with_face)
        );
        frames += found.frames;
        with_face += found.with_face;
    }
    assert!(with_face * 10 >= frames * 9, "{with_face} of {frames}");
}
