//! The kinds of pictures: line charts and confusion matrices; bars are in files of their own. Colours come from the page's style sheet, so that one picture
//! serves light, dark and paper.

use maud::{Markup, html};

use crate::metric;
use unimse_run::Confusion;

mod bars;
mod intervals;

pub(crate) use self::bars::{Bars, bar_chart};
pub(crate) use self::intervals::{Bar, Kind, interval_bars};

/// One line of a chart.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Index into the palette.
    pub(crate) colour: usize,
    pub(crate) dashed: bool,
    /// A dot at every point (for the few points of epochs).
    pub(crate) dots: bool,
}

/// Colours the style sheet knows.
const PALETTE: usize = 6;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 168.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;
/// Series beyond this many are not drawn: nobody could tell them apart.
const MAX_SERIES: usize = 12;

/// A chart with axes, ticks and a legend; `None` when no series has a point that can be drawn.
pub(crate) fn line_chart(x_label: &str, y_label: &str, series: &[Series]) -> Option<Markup> {
    let drawable = |p: &&(f64, f64)| p.0.abs() < 1e12 && p.1.abs() < 1e12;
    let series: Vec<(&Series, Vec<(f64, f64)>)> = series
        .iter()
        .map(|s| {
            (
                s,
                s.points
                    .iter()
                    .filter(drawable)
                    .copied()
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, points)| !points.is_empty())
        .take(MAX_SERIES)
        .collect();
    let all = || series.iter().flat_map(|(_, points)| points.iter());
    let x = Axis::over(all().map(|p| p.0), false)?;
    let y = Axis::over(all().map(|p| p.1), true)?;
    let to_x = |v| LEFT + x.share(v) * (WIDTH - LEFT - RIGHT);
    let to_y = |v| HEIGHT - BOTTOM - y.share(v) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let middle = f64::midpoint(TOP, bottom);
    let path = |points: &[(f64, f64)]| {
        let corners = points
            .iter()
            .map(|p| format!("{:.1},{:.1}", to_x(p.0), to_y(p.1)));
        format!("M{}", corners.collect::<Vec<_>>().join(" L"))
    };
    let class = |s: &Series| {
        let dash = if s.dashed { " dashed" } else { "" };
        format!("line c{}{dash}", s.colour % PALETTE)
    };
    Some(html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{y_label} over {x_label}")) {
            @for tick in y.ticks() {
                line class="grid" x1=(px(LEFT)) y1=(px(to_y(tick))) x2=(px(right)) y2=(px(to_y(tick))) {}
                text class="tick" text-anchor="end" x=(px(LEFT - 8.0)) y=(px(to_y(tick) + 4.0)) { (y.label(tick)) }
            }
            @for tick in x.ticks() {
                line class="axis" x1=(px(to_x(tick))) y1=(px(bottom)) x2=(px(to_x(tick))) y2=(px(bottom + 4.0)) {}
                text class="tick" text-anchor="middle" x=(px(to_x(tick))) y=(px(bottom + 18.0)) { (x.label(tick)) }
            }
            path class="axis" fill="none" d=(format!("M{LEFT},{TOP} V{bottom} H{right}")) {}
            text class="name" text-anchor="middle" x=(px(f64::midpoint(LEFT, right))) y=(px(HEIGHT - 8.0)) { (x_label) }
            text class="name" text-anchor="middle" transform=(format!("translate(14 {middle}) rotate(-90)")) { (y_label) }
            @for (i, (s, points)) in series.iter().enumerate() {
                path class=(class(s)) fill="none" d=(path(points)) {}
                @if s.dots || points.len() == 1 {
                    @for p in points { circle class=(format!("dot c{}", s.colour % PALETTE)) r="2.6" cx=(px(to_x(p.0))) cy=(px(to_y(p.1))) {} }
                }
                @let at = TOP + 8.0 + 18.0 * i as f64;
                path class=(class(s)) fill="none" d=(format!("M{:.1},{at:.1} h22", right + 16.0)) {}
                text class="legend" x=(px(right + 44.0)) y=(px(at + 4.0)) { (short(&s.name, 20)) }
            }
        }
    })
}

/// A heat map: rows are true classes, the shade is the share of the row, the number the count.
pub(crate) fn heat_map(confusion: &Confusion) -> Markup {
    let n = confusion.labels.len();
    let cell = if n > 12 { 34.0 } else { 54.0 };
    let (left, top) = (108.0, 44.0);
    let side = cell * n as f64;
    let (width, height) = (left + side + 8.0, top + side + 8.0);
    let at = |i: usize| cell * i as f64;
    html! {
        svg class="heat" xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(px(width)) role="img" aria-label="confusion matrix" {
            text class="name" text-anchor="middle" x=(px(left + side / 2.0)) y="13" { "predicted" }
            text class="name" text-anchor="middle" transform=(format!("translate(13 {}) rotate(-90)", px(top + side / 2.0))) { "true" }
            @for (i, label) in confusion.labels.iter().enumerate() {
                text class="tick" text-anchor="middle" x=(px(left + at(i) + cell / 2.0)) y=(px(top - 8.0)) { (short(label, 8)) }
                text class="tick" text-anchor="end" x=(px(left - 8.0)) y=(px(top + at(i) + cell / 2.0 + 4.0)) { (short(label, 12)) }
            }
            @for (t, row) in confusion.rows_truth.iter().enumerate() {
                @let total = row.iter().sum::<u64>() as f64;
                @for (p, count) in row.iter().enumerate() {
                    @let share = if total > 0.0 { *count as f64 / total } else { 0.0 };
                    rect class="cell" fill-opacity=(format!("{share:.3}")) x=(px(left + at(p))) y=(px(top + at(t))) width=(px(cell)) height=(px(cell)) {}
                    text class=(if share > 0.55 { "count on" } else { "count" }) text-anchor="middle" x=(px(left + at(p) + cell / 2.0)) y=(px(top + at(t) + cell / 2.0 + 4.0)) { (count) }
                }
            }
            rect class="frame" fill="none" x=(px(left)) y=(px(top)) width=(px(side)) height=(px(side)) {}
        }
    }
}

fn px(v: f64) -> String {
    format!("{v:.1}")
}

/// At most `n` characters.
fn short(s: &str, n: usize) -> String {
    if s.chars().count() <= n {
        return s.to_owned();
    }
    let mut cut: String = s.chars().take(n - 1).collect();
    cut.push('…');
    cut
}

/// An axis from `low` to `high`, both multiples of `step`.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// Covers all values with about five ticks; `rounded` moves the ends out to ticks. `None` for no value.
    fn over(values: impl Iterator<Item = f64>, rounded: bool) -> Option<Self> {
        let (mut low, mut high) = values
            .map(|v| (v, v))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        if high - low < 1e-9 * high.abs().max(1.0) {
            let room = 0.5 * high.abs().max(1.0);
            (low, high) = if rounded {
                (low - room, high + room)
            } else {
                (low - 1.0, high + 1.0)
            };
        }
        let raw = (high - low) / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|s| *s >= raw * 0.999)
            .unwrap_or(10.0 * power);
        // Steps and epochs are whole numbers: no tick between two of them.
        let step = if rounded { step } else { step.max(1.0) };
        if rounded {
            (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        }
        Some(Self { low, high, step })
    }

    fn share(&self, v: f64) -> f64 {
        (v - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.step).ceil();
        let n = ((self.high / self.step + 1e-9).floor() - first).clamp(0.0, 20.0) as usize;
        (0..=n).map(move |i| (first + i as f64) * self.step)
    }

    fn label(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        metric::number(tick, decimals)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn series(points: &[(f64, f64)]) -> Series {
        Series {
            name: "<loss> & \"co\"".to_owned(),
            points: points.to_vec(),
            colour: 7,
            dashed: true,
            dots: true,
        }
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let axis = Axis::over([0.13, 0.97].into_iter(), true).unwrap();
        let labels: Vec<_> = axis.ticks().map(|t| axis.label(t)).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let axis = Axis::over([1.0, 3.0].into_iter(), false).unwrap();
        assert_eq!(axis.ticks().collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert!(Axis::over(std::iter::empty(), true).is_none());
    }

    #[test]
    fn pictures_are_well_formed_for_any_input() {
        let cases: [&[(f64, f64)]; 5] = [
            &[(1.0, 2.0), (2.0, 1.0)],
            &[(1.0, 2.0)],
            &[(1.0, 0.0), (2.0, 0.0)],
            &[(1.0, -1e11), (2.0, f64::NAN), (3.0, 1e300), (4.0, 5e11)],
            &[(1e11, 1e-12), (1e11, 2e-12)],
        ];
        for points in cases {
            let svg = line_chart("step", "loss <b>", &[series(points)])
                .unwrap()
                .into_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let tree = roxmltree::Document::parse(&svg).unwrap();
            assert!(
                tree.descendants()
                    .any(|n| n.text() == Some("<loss> & \"co\""))
            );
        }
        assert!(line_chart("step", "loss", &[series(&[]), series(&[(1.0, f64::NAN)])]).is_none());
    }

    #[test]
    fn a_heat_map_has_a_cell_for_every_pair_of_classes() {
        let svg = heat_map(&Confusion {
            labels: vec!["a<b".into(), "a very long label".into()],
            rows_truth: vec![vec![3, 1], vec![0, 0]],
        })
        .into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let cells: Vec<_> = tree
            .descendants()
            .filter(|n| n.attribute("class") == Some("cell"))
            .filter_map(|n| n.attribute("fill-opacity"))
            .collect();
        assert_eq!(cells, ["0.750", "0.250", "0.000", "0.000"]);
        assert!(svg.contains("a very …"));
    }
}
