//! Numbers to places: an axis with round ticks, and the frame of two of them around a plot.

use maud::{Markup, html};

use super::{BOTTOM, RIGHT, TOP, px};
use crate::metric;

/// Width of a letter of a tick's label.
const LETTER: f64 = 6.8;

/// An axis from `low` to `high` with a tick at every multiple of `step`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// Covers all values with about five ticks; `rounded` moves the ends out to ticks, otherwise ticks are whole numbers. `None` for no value.
    pub(crate) fn over(values: impl Iterator<Item = f64>, rounded: bool) -> Option<Self> {
        let (mut low, mut high) = values
            .map(|v| (v, v))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        if high - low < 1e-9 * high.abs().max(1.0) {
            let room = if rounded {
                0.5 * high.abs().max(1.0)
            } else {
                1.0
            };
            (low, high) = (low - room, high + room);
        }
        let step = step(high - low);
        if rounded {
            let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
            return Some(Self { low, high, step });
        }
        // steps and epochs are whole numbers: no tick between two of them
        let step = step.max(1.0);
        Some(Self { low, high, step })
    }

    /// From one number to a larger one.
    pub(crate) fn between(low: f64, high: f64) -> Self {
        let step = step(high - low);
        Self { low, high, step }
    }

    /// The same with every second tick alone, among them 0, where labels of ticks so far apart would touch. `width` is that of the axis, in units.
    pub(crate) fn apart(self, width: f64) -> Self {
        let longest = self.ticks().map(|tick| self.label(tick).chars().count());
        let needed = LETTER * (longest.max().unwrap_or(0) + 1) as f64;
        let step = match width * self.step / (self.high - self.low) < needed {
            true => 2.0 * self.step,
            false => self.step,
        };
        Self { step, ..self }
    }

    /// Where a value lies, from 0 at the low end to 1 at the high end.
    pub(crate) fn share(&self, v: f64) -> f64 {
        ((v - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step, first) = (self.step, (self.low / self.step - 1e-9).ceil());
        let n = ((self.high / step + 1e-9).floor() - first).clamp(0.0, 20.0) as usize;
        (0..=n).map(move |i| (first + i as f64) * step)
    }

    pub(crate) fn label(&self, tick: f64) -> String {
        let decimals = (-(self.step * 1.000_001).log10().floor()).clamp(0.0, 9.0) as usize;
        metric::number(tick, decimals)
    }
}

/// About a fifth of a range, as 1, 2 or 5 times a power of ten.
fn step(range: f64) -> f64 {
    let raw = range / 5.0;
    let power = 10f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    steps
        .into_iter()
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(10.0 * power)
}

/// A plot below its title: two axes, and where on the picture they run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Frame {
    /// A plot of the full width in a picture of this height.
    pub(crate) fn new(x: Axis, y: Axis, height: f64) -> Self {
        let longest = y.ticks().map(|tick| y.label(tick).chars().count());
        Self {
            x,
            y,
            left: 12.0 + 7.0 * longest.max().unwrap_or(0) as f64,
            right: RIGHT,
            top: TOP,
            bottom: height - BOTTOM,
        }
    }

    pub(crate) fn to_x(self, v: f64) -> f64 {
        self.left + self.x.share(v) * (self.right - self.left)
    }

    pub(crate) fn to_y(self, v: f64) -> f64 {
        self.bottom - self.y.share(v) * (self.bottom - self.top)
    }

    /// Grid, ticks and the names of both axes: the upright one's above its ticks, so that nobody turns the head. An empty name is none.
    pub(crate) fn axes(&self, x_name: &str, y_name: &str) -> Markup {
        let Self {
            left,
            right,
            top,
            bottom,
            ..
        } = *self;
        html! {
            @for tick in self.y.ticks() {
                @let at = self.to_y(tick);
                path class="grid" d=(format!("M{},{} H{}", px(left), px(at), px(right))) {}
                text class="tick end" x=(px(left - 6.0)) y=(px(at + 4.0)) { (self.y.label(tick)) }
            }
            @for tick in self.x.ticks() {
                @let at = self.to_x(tick);
                path class="axis" d=(format!("M{},{} v4", px(at), px(bottom))) {}
                text class="tick middle" x=(px(at)) y=(px(bottom + 17.0)) { (self.x.label(tick)) }
            }
            path class="axis" d=(format!("M{},{} H{}", px(left), px(bottom), px(right))) {}
            @if !y_name.is_empty() { text class="name" x="0" y=(px(top - 12.0)) { (y_name) } }
            @if !x_name.is_empty() { text class="name end" x=(px(right)) y=(px(bottom + 32.0)) { (x_name) " →" } }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::over([0.13, 0.97].into_iter(), true).unwrap();
        let labels: Vec<_> = axis.ticks().map(|t| axis.label(t)).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let axis = Axis::over([1.0, 3.0].into_iter(), false).unwrap();
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert!(Axis::over(std::iter::empty(), true).is_none());
        let axis = Axis::between(-3.0, 3.0);
        let labels: Vec<_> = axis.ticks().map(|t| axis.label(t)).collect();
        assert_eq!(labels, ["−2", "0", "2"]);
    }

    #[test]
    fn labels_that_would_touch_are_set_apart() {
        let labels = |width| {
            let axis = Axis::over([-0.04, 0.06].into_iter(), true).unwrap();
            let axis = axis.apart(width);
            axis.ticks().map(|t| axis.label(t)).collect::<Vec<_>>()
        };
        let all = ["−0.04", "−0.02", "0.00", "0.02", "0.04", "0.06"];
        // five gaps, each for five letters and one of space
        assert_eq!(labels(5.0 * 6.0 * LETTER + 1.0), all);
        assert_eq!(labels(5.0 * 6.0 * LETTER - 1.0), ["−0.04", "0.00", "0.04"]);
    }

    #[test]
    fn the_ends_of_the_axes_are_the_corners_of_the_plot() {
        let frame = Frame::new(Axis::between(0.0, 10.0), Axis::between(0.0, 1.0), 200.0);
        assert_eq!((frame.to_x(0.0), frame.to_x(10.0)), (frame.left, RIGHT));
        assert_eq!((frame.to_y(0.0), frame.to_y(1.0)), (200.0 - BOTTOM, TOP));
        let halfway = f64::midpoint(frame.left, RIGHT);
        assert!((frame.to_x(5.0) - halfway).abs() < 1e-9);
    }
}
