//! A face in frontal light, drawn pixel by pixel: head, hair, brows, eyes, nose and mouth, moved by the muscles of an emotion.
//!
//! Coordinates: the middle of the face is the origin, y grows downwards, the chin lies at 1 and the hair begins at -0.72.

use super::{
    Acting, MOUTH_RATE, Person, Stream,
    acting::Muscles,
    paint::{Colour, Pixel, bell, ellipse, scaled, strip},
};
use crate::video::Frame;

/// Frames over which an expression comes and goes a little.
const SWAY_S: f32 = 1.7;
const SKIN: [Colour; 4] = [
    [0.93, 0.76, 0.66],
    [0.86, 0.67, 0.54],
    [0.72, 0.52, 0.40],
    [0.52, 0.36, 0.27],
];
const HAIR: [Colour; 4] = [
    [0.10, 0.08, 0.07],
    [0.26, 0.16, 0.10],
    [0.45, 0.30, 0.17],
    [0.70, 0.56, 0.34],
];
const IRIS: [Colour; 3] = [[0.25, 0.15, 0.08], [0.25, 0.38, 0.48], [0.25, 0.36, 0.22]];
const WALL: [Colour; 4] = [
    [0.62, 0.66, 0.70],
    [0.45, 0.50, 0.44],
    [0.70, 0.64, 0.55],
    [0.38, 0.42, 0.52],
];

/// What distinguishes a face.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Looks {
    skin: Colour,
    hair: Colour,
    iris: Colour,
    wall: Colour,
    shirt: Colour,
    long_hair: bool,
    /// Half the width of the head, and half the distance of the eyes.
    head: f32,
    eyes: f32,
    /// Sizes beside the usual ones.
    nose: f32,
    mouth: f32,
    brows: f32,
}

impl Looks {
    pub(super) fn new(female: bool, random: &mut Stream) -> Self {
        let any = |list: &[Colour], random: &mut Stream| random.pick(list).copied();
        let skin = any(&SKIN, random).unwrap_or_default();
        let hair = any(&HAIR, random).unwrap_or_default();
        let iris = any(&IRIS, random).unwrap_or_default();
        let wall = any(&WALL, random).unwrap_or_default();
        let mut between = |low: f32, high: f32| low + (high - low) * random.unit();
        Self {
            skin: scaled(skin, between(0.94, 1.04)),
            hair,
            iris,
            wall,
            shirt: [between(0.1, 0.7), between(0.1, 0.7), between(0.1, 0.7)],
            long_hair: female,
            head: between(0.70, 0.76),
            eyes: between(0.29, 0.33),
            nose: between(0.9, 1.1),
            mouth: between(0.9, 1.1),
            brows: if female {
                between(0.7, 0.9)
            } else {
                between(1.0, 1.3)
            },
        }
    }
}

impl Person {
    /// Frames of `width` x `height` pixels, `rate` a second, as long as `mouth` (values of [`Speech::mouth`](super::Speech::mouth)) lasts: the face that says
    /// it as `acting` has it. `random` decides about blinks, small movements and the grain of the camera.
    pub fn film<'a>(
        &'a self,
        mouth: &'a [f32],
        acting: Acting,
        (width, height): (usize, usize),
        rate: f32,
        random: &'a mut Stream,
    ) -> Film<'a> {
        Film {
            looks: &self.looks,
            mouth,
            muscles: acting.muscles(),
            size: (width, height),
            rate,
            at: 0,
            sway: [0.0; 3].map(|_: f32| random.unit() * std::f32::consts::TAU),
            blink: 0.5 + 2.0 * random.unit(),
            random,
        }
    }
}

/// Frames one after another; one is in memory at a time.
pub struct Film<'a> {
    looks: &'a Looks,
    mouth: &'a [f32],
    muscles: Muscles,
    size: (usize, usize),
    rate: f32,
    /// Frames drawn.
    at: usize,
    /// Phases of the movements of the head.
    sway: [f32; 3],
    /// When the eyes close next, in seconds.
    blink: f32,
    random: &'a mut Stream,
}

impl Iterator for Film<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let time = self.at as f32 / self.rate;
        let opening = *self.mouth.get((time * MOUTH_RATE as f32) as usize)?;
        self.at += 1;
        if time > self.blink + 0.16 {
            self.blink = time + 1.5 + 2.5 * self.random.unit();
        }
        let shut = 1.0 - ((time - self.blink) / 0.08 - 1.0).abs().min(1.0);
        let moves = self.sway.map(|phase| (time / SWAY_S + phase).sin());
        let pose = Pose {
            looks: self.looks,
            muscles: self.muscles.scaled(0.9 + 0.1 * moves[0]),
            opening,
            shut,
            shift: (0.04 * moves[0], 0.03 * moves[1]),
            roll: 0.05 * moves[2],
        };
        Some(pose.frame(self.size, self.random))
    }
}

/// A face at one moment.
struct Pose<'a> {
    looks: &'a Looks,
    muscles: Muscles,
    /// Of the mouth by speech, 0 to 1.
    opening: f32,
    /// Of the eyes, 1 is closed.
    shut: f32,
    /// Of the head, in units of the drawing.
    shift: (f32, f32),
    /// Radians.
    roll: f32,
}

impl Pose<'_> {
    fn frame(&self, (width, height): (usize, usize), random: &mut Stream) -> Frame {
        let unit = height.min(width) as f32 / 3.1;
        let (sin, cos) = self.roll.sin_cos();
        let mut rgb = Vec::with_capacity(width * height * 3);
        for row in 0..height {
            for column in 0..width {
                let x = (column as f32 + 0.5 - width as f32 / 2.0) / unit - self.shift.0;
                let y = (row as f32 + 0.5 - height as f32 / 2.0) / unit - self.shift.1;
                let place = (cos * x + sin * y, cos * y - sin * x);
                let grain = 0.012 * (random.unit() + random.unit() - 1.0);
                let colour = self.pixel(place, 1.0 / unit);
                rgb.extend(colour.map(|part| ((part + grain).clamp(0.0, 1.0) * 255.0) as u8));
            }
        }
        Frame { width, height, rgb }
    }

    fn pixel(&self, place: (f32, f32), width: f32) -> Colour {
        let looks = self.looks;
        let mut pixel = Pixel {
            colour: scaled(looks.wall, 1.0 - 0.12 * place.1),
            width,
        };
        let hair = scaled(
            looks.hair,
            0.85 + 0.3 * bell(place, (-0.3, -0.9), (0.4, 0.3)),
        );
        if looks.long_hair {
            pixel.cover(
                scaled(hair, 0.8),
                ellipse(place, (0.0, 0.1), (looks.head + 0.22, 1.25)),
            );
        }
        let neck = scaled(looks.skin, 0.72);
        let cylinder = 1.0 - 0.5 * (place.0 / 0.4).powi(2);
        pixel.cover(
            scaled(neck, cylinder),
            strip(place.1, 0.5, 1.6, place.0 / 0.38, 0.38),
        );
        pixel.cover(looks.shirt, ellipse(place, (0.0, 2.05), (1.25, 0.85)));
        for side in [-1.0, 1.0] {
            let ear = ellipse(place, (side * (looks.head + 0.01), 0.0), (0.1, 0.19));
            pixel.cover(scaled(looks.skin, 0.82), ear);
        }
        self.head(&mut pixel, place);
        if (-0.75..0.1).contains(&place.1) {
            // one half is drawn, the other is its mirror image
            let side = if place.0 < 0.0 { -1.0 } else { 1.0 };
            self.eye(&mut pixel, (side * place.0, place.1), side);
        }
        if (0.25..1.0).contains(&place.1) && place.0.abs() < 0.55 {
            self.mouth(&mut pixel, place);
        }
        self.hair(&mut pixel, place, hair);
        pixel.colour
    }

    /// How far below the middle the chin lies.
    fn chin(&self) -> f32 {
        1.0 + 0.09 * self.muscles.jaw + 0.04 * self.opening
    }

    /// The skin of the head with its light and shadow, and the nose.
    fn head(&self, pixel: &mut Pixel, place: (f32, f32)) {
        let (looks, muscles) = (self.looks, self.muscles);
        let (x, y) = place;
        let below = (y / self.chin()).max(0.0);
        // the jaw is narrower than the cheeks
        let half = looks.head * (1.0 - 0.14 * below * below);
        let distance = ellipse(
            place,
            (0.0, 0.0),
            (half, if y > 0.0 { self.chin() } else { 1.05 }),
        );
        let (across, down) = (x / half, y / 1.1);
        let depth = (1.0 - across * across - 0.6 * down * down).max(0.0).sqrt();
        let light = 0.62 + 0.4 * depth - 0.07 * across - 0.05 * down;
        pixel.cover(scaled(looks.skin, light), distance);
        if distance > 0.0 {
            return;
        }
        let nose = looks.nose;
        for side in [-1.0, 1.0] {
            let at = |x: f32, y: f32| (side * x, y);
            pixel.light(-0.22 * bell(place, at(looks.eyes, -0.17), (0.17, 0.10))); // sockets
            pixel.light(-0.15 * bell(place, at(0.11 * nose, -0.06), (0.045, 0.14))); // beside the ridge
            pixel.light(-0.20 * bell(place, at(0.15 * nose, 0.2), (0.04, 0.06))); // wings
            let cheek = at(0.40, 0.24 - 0.06 * muscles.smile);
            pixel.light((0.06 + 0.06 * muscles.smile) * bell(place, cheek, (0.14, 0.10)));
            // from the nose to the corners of the mouth
            let fold = muscles.smile.max(muscles.wrinkle) * 0.24 + 0.05;
            let along = ((y - 0.36) / 0.16).clamp(-1.5, 1.5);
            let line = side * x - 0.27 - 0.08 * along;
            pixel
                .light(-fold * (-0.5 * (line / 0.025).powi(2)).exp() * (1.0 - along * along / 2.3));
            let nostril = ellipse(
                place,
                at(0.065 * nose, 0.245 - 0.03 * muscles.wrinkle),
                (0.035, 0.018),
            );
            pixel.cover(scaled(looks.skin, 0.3), nostril);
            // creases beside the ridge, and between the brows
            let crease = muscles.wrinkle * bell(place, at(0.06, -0.16), (0.018, 0.07));
            let frown = muscles.brow_lower * bell(place, at(0.045, -0.36), (0.014, 0.08));
            pixel.light(-0.35 * crease.max(frown));
        }
        pixel.light(0.12 * bell(place, (0.0, 0.02), (0.035, 0.18)));
        pixel.light(0.10 * bell(place, (0.0, 0.19), (0.05, 0.04)));
        pixel.light(-0.22 * bell(place, (0.0, 0.285), (0.10, 0.022)));
        // lines of a raised forehead
        let raised = muscles.brow_inner.max(muscles.brow_outer);
        for line in [-0.62, -0.54] {
            pixel.light(-0.16 * raised * bell(place, (0.0, line), (0.22, 0.012)));
        }
    }

    /// The eye and the brow at positive x.
    fn eye(&self, pixel: &mut Pixel, place: (f32, f32), side: f32) {
        let (looks, muscles) = (self.looks, self.muscles);
        let (cx, cy, half) = (looks.eyes, -0.13, 0.15);
        let along = (place.0 - cx) / half;
        let arch = (1.0 - along * along).max(0.0);
        let open = 1.0 - self.shut;
        let upper = cy - open * (0.070 + 0.04 * muscles.lid - 0.032 * muscles.squint) * arch;
        let lower = cy + (0.040 - 0.022 * muscles.squint) * (0.4 + 0.6 * open) * arch;
        // the lid above, then the ball in the gap, then the edges of the lids
        pixel.light(-0.25 * (-0.5 * ((place.1 - upper + 0.045) / 0.012).powi(2)).exp() * arch);
        let gap = strip(place.1, upper, lower, along, half);
        let iris = (cx + 0.01 * side, cy - 0.012);
        let mut ball = Pixel {
            colour: scaled([0.93, 0.92, 0.90], 0.78 + 0.22 * arch),
            ..*pixel
        };
        ball.cover(
            scaled(looks.iris, 0.5),
            ellipse(place, iris, (0.062, 0.062)),
        );
        ball.cover(
            scaled(looks.iris, 1.2),
            ellipse(place, iris, (0.052, 0.052)),
        );
        ball.cover([0.02; 3], ellipse(place, iris, (0.026, 0.026)));
        let glint = (iris.0 - 0.02 * side, iris.1 - 0.02);
        ball.cover([0.97; 3], ellipse(place, glint, (0.012, 0.012)));
        ball.light(-0.35 * (-((place.1 - upper) / 0.02).max(0.0)).exp()); // shadow of the lid
        pixel.cover(ball.colour, gap);
        let lash = strip(place.1, upper - 0.016, upper + 0.006, along, half);
        pixel.cover(scaled(looks.hair, 0.5), lash);
        let rim = strip(place.1, lower - 0.003, lower + 0.006, along, half);
        pixel.cover(scaled(looks.skin, 0.6), rim);
        let bag = 0.10 + 0.25 * muscles.squint;
        pixel.light(-bag * (-0.5 * ((place.1 - lower - 0.05) / 0.016).powi(2)).exp() * arch);
        // the brow, from the inner end (0) to the outer one (1)
        let (inner, outer) = (0.13 + 0.015 * (1.0 - muscles.brow_lower), 0.51);
        let t = (place.0 - inner) / (outer - inner);
        let near = (1.0 - t).clamp(0.0, 1.2);
        let middle = -0.33
            - 0.13 * muscles.brow_inner * near * near
            - 0.10 * muscles.brow_outer * (0.4 + 0.6 * t.clamp(0.0, 1.0))
            + 0.12 * muscles.brow_lower * near * (1.0 - 0.6 * muscles.brow_inner)
            + 0.03 * muscles.squint
            - 0.05 * 4.0 * t * (1.0 - t) * (1.0 - 0.7 * muscles.brow_lower);
        let thick = 0.030 * looks.brows * (1.15 - 0.75 * t.clamp(0.0, 1.0));
        let brow = strip(place.1, middle - thick, middle + thick, 2.0 * t - 1.0, 0.19);
        pixel.cover(scaled(looks.hair, 0.75), brow);
    }

    fn mouth(&self, pixel: &mut Pixel, place: (f32, f32)) {
        let (looks, muscles) = (self.looks, self.muscles);
        let half = 0.25
            * looks.mouth
            * (1.0 + 0.3 * muscles.smile + 0.28 * muscles.stretch
                - 0.12 * muscles.press
                - 0.22 * muscles.jaw * (1.0 - muscles.stretch).max(0.0));
        let along = place.0 / half;
        let (t2, arch) = (along * along, (1.0 - along * along).max(0.0));
        // the corners rise with a smile and fall with a frown
        let bend = -0.13 * muscles.smile + 0.11 * muscles.frown + 0.03 * muscles.stretch;
        let line = 0.52 + bend * (t2.min(1.4) - 0.35);
        let gap = 0.24 * muscles.jaw
            + 0.07 * muscles.smile
            + 0.05 * muscles.stretch
            + 0.04 * muscles.wrinkle
            + 0.13 * self.opening;
        let gap = gap * (1.0 - 0.35 * muscles.press);
        let top = line - (0.25 * gap + 0.05 * muscles.wrinkle) * arch;
        let bottom = line + 0.75 * gap * arch.sqrt() * (0.5 + 0.5 * arch);
        let full = 1.0 - 0.65 * muscles.press;
        let notch = 0.018 * (-0.5 * (along / 0.14).powi(2)).exp();
        let upper = top - (0.055 * full * arch.powf(0.7) - notch * full) - 0.006;
        let lower = bottom + 0.072 * full * arch.powf(0.8) + 0.006;
        let lips = [
            looks.skin[0] * 0.80,
            looks.skin[1] * 0.56,
            looks.skin[2] * 0.56,
        ];
        pixel.light(-0.18 * bell(place, (0.0, lower + 0.05), (0.14, 0.025)));
        pixel.cover(scaled(lips, 0.9), strip(place.1, upper, line, along, half));
        let shine = 1.0 + 0.14 * bell(place, (0.0, bottom + 0.03), (0.12, 0.02));
        pixel.cover(
            scaled(lips, shine),
            strip(place.1, line, lower, along, half),
        );
        let mut inside = Pixel {
            colour: [0.22, 0.07, 0.07],
            ..*pixel
        };
        let teeth = top + 0.012 + 0.055 * arch.sqrt();
        let shown = strip(place.1, top - 0.1, teeth.min(bottom), along / 0.86, half);
        inside.cover([0.88, 0.86, 0.82], shown);
        let tongue = ellipse(place, (0.0, bottom + 0.03), (half * 0.6, 0.08));
        inside.cover([0.55, 0.25, 0.25], tongue);
        let dark = (gap * 14.0).min(1.0);
        let slit = strip(place.1, top - 0.008, bottom + 0.008, along, half);
        let mut closed = *pixel;
        closed.cover(scaled(lips, 0.42), slit);
        inside.mix(closed.colour, 1.0 - dark);
        pixel.cover(inside.colour, slit);
        // the corners
        for side in [-1.0, 1.0] {
            let corner = (side * half, 0.52 + bend * 0.65);
            pixel.light(-0.3 * bell(place, corner, (0.025, 0.022)));
        }
    }

    /// Hair over the forehead and the temples.
    fn hair(&self, pixel: &mut Pixel, place: (f32, f32), hair: Colour) {
        let looks = self.looks;
        let cap = ellipse(place, (0.0, -0.12), (looks.head + 0.10, 1.06));
        let brow = if looks.long_hair { 0.74 } else { 0.68 };
        let free = ellipse(place, (0.0, 0.16), (looks.head - 0.06, brow + 0.2));
        let low = place.1 - if looks.long_hair { 0.5 } else { -0.12 };
        let strands = 0.94 + 0.06 * (place.0 * 40.0 + 6.0 * place.1).sin();
        pixel.cover(scaled(hair, strands), cap.max(-free).max(low));
    }
}

impl Muscles {
    fn scaled(self, by: f32) -> Self {
        Self {
            brow_inner: self.brow_inner * by,
            brow_outer: self.brow_outer * by,
            brow_lower: self.brow_lower * by,
            lid: self.lid * by,
            squint: self.squint * by,
            wrinkle: self.wrinkle * by,
            smile: self.smile * by,
            frown: self.frown * by,
            stretch: self.stretch * by,
            press: self.press * by,
            jaw: self.jaw * by,
        }
    }
}
