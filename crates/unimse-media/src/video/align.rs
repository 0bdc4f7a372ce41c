//! A face, upright and at one size: the similarity transform that brings its five landmarks closest to those of a mean face.

use super::{expression::SIDE, frame::Frame};

/// Where the landmarks lie in the picture that is cut out, as shares of its side: where they do in the pictures of FER2013 on the mean, eyes 0.4 apart.
const TEMPLATE: [[f32; 2]; 5] = [
    [0.30, 0.38],
    [0.70, 0.38],
    [0.50, 0.58],
    [0.34, 0.77],
    [0.66, 0.77],
];

/// Turning, scaling and moving: `x' = a x - b y + c`, `y' = b x + a y + d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Similarity {
    pub(super) a: f32,
    pub(super) b: f32,
    pub(super) c: f32,
    pub(super) d: f32,
}

impl Similarity {
    /// The one that brings points closest to others in the sense of least squares. Points that are all one are moved only.
    pub(super) fn between(from: &[[f32; 2]; 5], to: &[[f32; 2]; 5]) -> Self {
        let mean = |points: &[[f32; 2]; 5], axis: usize| {
            points.iter().map(|point| point[axis]).sum::<f32>() / points.len() as f32
        };
        let (from_x, from_y) = (mean(from, 0), mean(from, 1));
        let (to_x, to_y) = (mean(to, 0), mean(to, 1));
        let (mut along, mut across, mut norm) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (x, y) = (p[0] - from_x, p[1] - from_y);
            let (u, v) = (q[0] - to_x, q[1] - to_y);
            along += x * u + y * v;
            across += x * v - y * u;
            norm += x * x + y * y;
        }
        let (a, b) = match norm > 0.0 {
            true => (along / norm, across / norm),
            false => (1.0, 0.0),
        };
        let c = to_x - a * from_x + b * from_y;
        let d = to_y - b * from_x - a * from_y;
        Self { a, b, c, d }
    }

    pub(super) fn apply(self, [x, y]: [f32; 2]) -> [f32; 2] {
        [
            self.a * x - self.b * y + self.c,
            self.b * x + self.a * y + self.d,
        ]
    }

    /// How much larger things become.
    fn scale(self) -> f32 {
        self.a.hypot(self.b)
    }
}

/// The grey picture of a face, `[64, 64]`, 0 to 255.
pub(super) fn aligned(frame: &Frame, landmarks: &[[f32; 2]; 5]) -> Vec<f32> {
    let grey = cut(landmarks, SIDE, 0.0, |x, y| [frame.grey(x, y)]);
    grey.into_iter().flatten().collect()
}

/// The picture of a face in red, green and blue, `[side, side]`, 0 to 255, with a margin on each side as a share of the face's own.
pub(super) fn colour(
    frame: &Frame,
    landmarks: &[[f32; 2]; 5],
    side: usize,
    margin: f32,
) -> Vec<[f32; 3]> {
    cut(landmarks, side, margin, |x, y| frame.colour(x, y))
}

/// The upright picture of a face, `[side, side]`, of what `value` says of a place. Where the frame is larger each value is the mean of several places.
fn cut<const C: usize>(
    landmarks: &[[f32; 2]; 5],
    side: usize,
    margin: f32,
    value: impl Fn(f32, f32) -> [f32; C],
) -> Vec<[f32; C]> {
    let within = |share: f32| (share + margin) / (1.0 + 2.0 * margin);
    let template = TEMPLATE.map(|point| point.map(|share| within(share) * side as f32 - 0.5));
    let back = Similarity::between(&template, landmarks);
    let samples = (back.scale().ceil() as usize).clamp(1, 8);
    let places: Vec<f32> = (0..samples)
        .map(|i| (i as f32 + 0.5) / samples as f32 - 0.5)
        .collect();
    let mut picture = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let mut sums = [0.0; C];
            for down in &places {
                for across in &places {
                    let [u, v] = back.apply([x as f32 + across, y as f32 + down]);
                    let pairs = sums.iter_mut().zip(value(u, v));
                    pairs.for_each(|(sum, value)| *sum += value);
                }
            }
            picture.push(sums.map(|sum| sum / (samples * samples) as f32));
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_turns_scales_and_moves() {
        let known = Similarity {
            a: 3.0,
            b: 4.0,
            c: -10.0,
            d: 20.0,
        };
        let to = TEMPLATE.map(|point| known.apply(point));
        let found = Similarity::between(&TEMPLATE, &to);
        for (found, known) in [
            (found.a, 3.0),
            (found.b, 4.0),
            (found.c, -10.0),
            (found.d, 20.0),
        ] {
            assert!((found - known).abs() < 1e-4, "{found} {known}");
        }
        assert!((known.scale() - 5.0).abs() < 1e-6);
        let one = [[7.0, 8.0]; 5];
        let moved = Similarity::between(&one, &[[1.0, 2.0]; 5]).apply([7.0, 8.0]);
        assert_eq!(moved, [1.0, 2.0]);
    }

    #[test]
    fn a_turned_face_is_upright_afterwards() {
        // bright at the left eye, dark elsewhere; the frame shows the face turned by 90 degrees at 1.5 times the size
        let (width, height) = (200, 200);
        let turn = Similarity {
            a: 0.0,
            b: 96.0,
            c: 150.0,
            d: 50.0,
        };
        let landmarks = TEMPLATE.map(|point| turn.apply(point));
        let mut rgb = vec![0; width * height * 3];
        let [eye_x, eye_y] = landmarks[0];
        for y in 0..height {
            for x in 0..width {
                if (x as f32 - eye_x).hypot(y as f32 - eye_y) < 8.0 {
                    rgb[(y * width + x) * 3..][..3].fill(200);
                }
            }
        }
        let frame = Frame { width, height, rgb };
        let grey = aligned(&frame, &landmarks);
        let at =
            |[x, y]: [f32; 2]| grey[(y * SIDE as f32) as usize * SIDE + (x * SIDE as f32) as usize];
        assert!(at(TEMPLATE[0]) > 195.0, "{}", at(TEMPLATE[0]));
        assert!(TEMPLATE[1..].iter().all(|&point| at(point) < 1.0));
    }
}
