//! Painting one pixel: shapes by their signed distance, one over the other, edges as soft as a pixel is wide.

pub(super) type Colour = [f32; 3];

/// A pixel being painted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixel {
    /// Red, green and blue, 0 to 1.
    pub(super) colour: Colour,
    /// Width of a pixel, in units of the drawing.
    pub(super) width: f32,
}

impl Pixel {
    /// Covers it with `colour` as far as it lies in a shape, whose edge is `distance` away (negative inside).
    pub(super) fn cover(&mut self, colour: Colour, distance: f32) {
        self.mix(colour, (0.5 - distance / self.width).clamp(0.0, 1.0));
    }

    /// Mixes it with `share` of `colour`.
    pub(super) fn mix(&mut self, colour: Colour, share: f32) {
        for (own, other) in self.colour.iter_mut().zip(colour) {
            *own += (other - *own) * share;
        }
    }

    /// Darkens it (`amount` below 0) or brightens it.
    pub(super) fn light(&mut self, amount: f32) {
        self.colour.iter_mut().for_each(|own| *own *= 1.0 + amount);
    }
}

/// Distance to an ellipse around `centre`, exact on its axes.
pub(super) fn ellipse((x, y): (f32, f32), centre: (f32, f32), radii: (f32, f32)) -> f32 {
    let away = ((x - centre.0) / radii.0).hypot((y - centre.1) / radii.1);
    (away - 1.0) * radii.0.min(radii.1)
}

/// 1 at `centre`, falling as a bell with these widths.
pub(super) fn bell((x, y): (f32, f32), centre: (f32, f32), widths: (f32, f32)) -> f32 {
    let (a, b) = ((x - centre.0) / widths.0, (y - centre.1) / widths.1);
    (-0.5 * (a * a + b * b)).exp()
}

/// Distance to the strip between the heights `upper` and `lower`, for `along` from -1 to 1 over a half length of `half`.
pub(super) fn strip(y: f32, upper: f32, lower: f32, along: f32, half: f32) -> f32 {
    (upper - y).max(y - lower).max((along.abs() - 1.0) * half)
}

/// A colour times `by`.
pub(super) fn scaled(colour: Colour, by: f32) -> Colour {
    colour.map(|part| part * by)
}
