//! Where the landmarks of a face lie to each other: distances in units of the distance of the eyes, after the head's turn in the plane of the picture is
//! taken back. They are no action units: five points say nothing of brows, lids and lips.

use super::mtcnn::Face;

/// The numbers, in their order; distances in units of the distance of the eyes.
pub(super) const NAMES: [&str; 10] = [
    // between the corners of the mouth
    "mouth_width",
    // from the line of the eyes down to the nose, and to the middle of the mouth
    "nose_height",
    "mouth_height",
    // from the nose down to the left and to the right corner of the mouth as the frame shows them: smaller where it is raised
    "left_corner_height",
    "right_corner_height",
    // from the middle of the eyes to the nose and to the middle of the mouth, to the right: what turns of the head move
    "nose_shift",
    "mouth_shift",
    // angle of the line of the eyes to the horizontal, in radians
    "roll",
    // distance of the eyes as a share of the frame's height
    "eye_distance",
    // how sure the detector is of the face, 0.7 to 1
    "score",
];

/// They for a face; 0 each for one whose eyes are one point.
pub(super) fn describe(face: &Face, frame_height: usize) -> [f32; NAMES.len()] {
    let [left, right, ..] = face.landmarks;
    let (across, down) = (right[0] - left[0], right[1] - left[1]);
    let unit = across.hypot(down);
    if unit <= 0.0 {
        return [0.0; NAMES.len()];
    }
    let (cos, sin) = (across / unit, down / unit);
    let middle = [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0];
    // from the middle of the eyes, along their line and at right angles to it
    let upright = |point: [f32; 2]| {
        let (x, y) = ((point[0] - middle[0]) / unit, (point[1] - middle[1]) / unit);
        [cos * x + sin * y, cos * y - sin * x]
    };
    let [_, _, nose, left_corner, right_corner] = face.landmarks.map(upright);
    let mouth = [
        (left_corner[0] + right_corner[0]) / 2.0,
        (left_corner[1] + right_corner[1]) / 2.0,
    ];
    [
        (right_corner[0] - left_corner[0]).hypot(right_corner[1] - left_corner[1]),
        nose[1],
        mouth[1],
        left_corner[1] - nose[1],
        right_corner[1] - nose[1],
        nose[0],
        mouth[0],
        down.atan2(across),
        unit / frame_height.max(1) as f32,
        face.score,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eyes 40 pixels apart; turned by an angle around a point, and moved.
    fn face(angle: f32, size: f32) -> Face {
        let upright = [
            [-20.0, 0.0],
            [20.0, 0.0],
            [4.0, 24.0],
            [-16.0, 44.0],
            [20.0, 40.0],
        ];
        let (sin, cos) = angle.sin_cos();
        let landmarks = upright.map(|[x, y]| {
            let (x, y): (f32, f32) = (size * x, size * y);
            [cos * x - sin * y + 300.0, sin * x + cos * y + 100.0]
        });
        Face {
            bounds: [0.0; 4],
            landmarks,
            score: 0.9,
        }
    }

    #[test]
    fn distances_are_in_eye_distances_whatever_the_size_and_the_turn() {
        let expected = [
            36.0_f32.hypot(4.0) / 40.0,
            24.0 / 40.0,
            42.0 / 40.0,
            (44.0 - 24.0) / 40.0,
            (40.0 - 24.0) / 40.0,
            4.0 / 40.0,
            2.0 / 40.0,
        ];
        for (angle, size) in [(0.0, 1.0), (0.3, 1.0), (-0.4, 2.5)] {
            let found = describe(&face(angle, size), 400);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
            assert!((found[7] - angle).abs() < 1e-4);
            assert!((found[8] - size * 40.0 / 400.0).abs() < 1e-5);
        }
        let point = Face {
            landmarks: [[5.0, 5.0]; 5],
            ..face(0.0, 1.0)
        };
        assert_eq!(describe(&point, 400), [0.0; NAMES.len()]);
    }
}
