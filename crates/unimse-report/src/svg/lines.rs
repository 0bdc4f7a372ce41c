//! Values over steps, epochs or rates.

use maud::{Markup, html};

use super::{Axis, Frame, PALETTE, drawable, picture, px, short};
use crate::curves::Point;
use crate::metric;

const HEIGHT: f64 = 236.0;
/// Series beyond this many are not drawn: nobody could tell them apart.
const MAX_SERIES: usize = 12;

/// Places of a line without dots that say their values when pointed at.
const MOST_FELT: usize = 40;

/// One line of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Index into the palette.
    pub(crate) colour: usize,
    /// Something to compare with rather than a result.
    pub(crate) dashed: bool,
    /// A dot at every point (for the few points of epochs).
    pub(crate) dots: bool,
    /// Place, low and high end of a band behind the line; empty for none.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

impl Series {
    /// The mean over several seeds with a band from the least to the greatest.
    pub(crate) fn over_seeds(name: &str, colour: usize, points: &[Point], dots: bool) -> Self {
        let apart = points.iter().any(|p| p.low < p.high);
        let band = points
            .iter()
            .filter(|_| apart)
            .map(|p| (p.x, p.low, p.high));
        Self {
            name: name.to_owned(),
            points: points.iter().map(|p| (p.x, p.mean)).collect(),
            colour,
            dashed: false,
            dots,
            band: band.collect(),
        }
    }
}

/// A chart of lines.
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) series: &'a [Series],
    /// The upright axis begins at 0 where no value is below it, so that small changes look small.
    pub(crate) from_zero: bool,
    /// A place on the level axis that matters, and what it is.
    pub(crate) mark: Option<(f64, &'a str)>,
}

/// The lines with axes; `None` when no series has a point that can be drawn. What the colours mean is for the [`key`](super::key) of the figure.
pub(crate) fn line_chart(lines: &Lines<'_>) -> Option<Markup> {
    let drawn: Vec<(&Series, Vec<(f64, f64)>)> = (lines.series.iter())
        .map(|s| {
            let points = s.points.iter().copied();
            (
                s,
                points
                    .filter(|p| drawable(p.0) && drawable(p.1))
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, points)| !points.is_empty())
        .take(MAX_SERIES)
        .collect();
    let all = || drawn.iter().flat_map(|(_, points)| points.iter());
    let x = Axis::over(all().map(|p| p.0), false)?;
    let bands = drawn
        .iter()
        .flat_map(|(s, _)| &s.band)
        .flat_map(|(_, low, high)| [*low, *high]);
    let y = Axis::over(
        all()
            .map(|p| p.1)
            .chain(bands.filter(|v| drawable(*v)))
            .chain(lines.from_zero.then_some(0.0)),
        true,
    )?;
    let frame = Frame::new(x, y, HEIGHT);
    let said: Vec<String> = drawn
        .iter()
        .map(|(s, points)| course(lines, s, points))
        .collect();
    let content = html! {
        (frame.axes(lines.x, lines.y))
        @if let Some((at, what)) = lines.mark { (mark(&frame, at, what)) }
        @for (s, _) in &drawn { (band(&frame, s)) }
        @for ((s, points), said) in drawn.iter().zip(&said) { (line(lines, &frame, s, points, said)) }
    };
    Some(picture(lines.title, &said.join("; "), HEIGHT, &content))
}

/// There along the high ends, and back along the low ones.
fn band(frame: &Frame, s: &Series) -> Markup {
    let known = s
        .band
        .iter()
        .filter(|(x, low, high)| [x, low, high].into_iter().all(|v| drawable(*v)));
    let known: Vec<_> = known.collect();
    let corner = |x: f64, y: f64| format!("{},{}", px(frame.to_x(x)), px(frame.to_y(y)));
    let there = known.iter().map(|(x, _, high)| corner(*x, *high));
    let back = known.iter().rev().map(|(x, low, _)| corner(*x, *low));
    let corners: Vec<String> = there.chain(back).collect();
    html! {
        @if known.len() > 1 {
            path class=(format!("band c{}", s.colour % PALETTE)) d=(format!("M{}Z", corners.join(" "))) {}
        }
    }
}

/// A curve in words: where it begins and ends.
fn course(lines: &Lines<'_>, series: &Series, points: &[(f64, f64)]) -> String {
    let place = |p: &(f64, f64)| {
        let (x, y) = (metric::number(p.0, 0), metric::number(p.1, 3));
        format!("{y} at {} {x}", lines.x)
    };
    match points {
        [only] => format!("{}: {}", series.name, place(only)),
        [first, .., last] => format!("{}: {}, {}", series.name, place(first), place(last)),
        [] => series.name.clone(),
    }
}

fn line(lines: &Lines<'_>, frame: &Frame, s: &Series, points: &[(f64, f64)], said: &str) -> Markup {
    let colour = s.colour % PALETTE;
    let dash = if s.dashed { " dashed" } else { "" };
    let corners = points
        .iter()
        .map(|p| format!("{},{}", px(frame.to_x(p.0)), px(frame.to_y(p.1))));
    let path = format!("M{}", corners.collect::<Vec<_>>().join(" "));
    // every point is seen, or some are felt
    let dots = s.dots || points.len() == 1;
    let (class, r, step) = match dots {
        true => (format!("dot c{colour}"), "3", 1),
        false => (
            format!("felt c{colour}"),
            "5",
            points.len().div_ceil(MOST_FELT),
        ),
    };
    html! {
        path class=(format!("line c{colour}{dash}")) d=(path) { title { (said) } }
        @for p in points.iter().step_by(step) {
            circle class=(class) r=(r) cx=(px(frame.to_x(p.0))) cy=(px(frame.to_y(p.1))) {
                title { (s.name) ": " (metric::number(p.1, 3)) " at " (lines.x) " " (metric::number(p.0, 0)) }
            }
        }
    }
}

/// An upright line with a word beside it, on the side that has more room.
fn mark(frame: &Frame, at: f64, what: &str) -> Markup {
    let x = frame.to_x(at);
    let late = x > f64::midpoint(frame.left, frame.right);
    let (side, by) = if late {
        ("mark end", -5.0)
    } else {
        ("mark", 5.0)
    };
    html! {
        path class="guide" d=(format!("M{},{} V{}", px(x), px(frame.top), px(frame.bottom))) {}
        text class=(side) x=(px(x + by)) y=(px(frame.top + 2.0)) { (short(what, 24)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Option<String> {
        let series = [Series {
            name: "<loss> & \"co\"".to_owned(),
            points: points.to_vec(),
            colour: 7,
            dashed: true,
            dots: true,
            band: points.iter().map(|p| (p.0, p.1 - 1.0, p.1 + 1.0)).collect(),
        }];
        let lines = Lines {
            title: "loss <b>",
            x: "step",
            y: "nats",
            series: &series,
            from_zero: false,
            mark: Some((1.0, "chosen")),
        };
        Some(line_chart(&lines)?.into_string())
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
            let svg = chart(points).unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            roxmltree::Document::parse(&svg).unwrap();
            assert!(svg.contains("&lt;loss&gt; &amp; "), "{svg}");
        }
        assert!(chart(&[]).is_none() && chart(&[(1.0, f64::NAN)]).is_none());
    }

    #[test]
    fn a_band_lies_around_its_line_and_inside_the_axes() {
        let svg = chart(&[(1.0, 2.0), (2.0, 2.0)]).unwrap();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let place = |class: &str| {
            let found = tree
                .descendants()
                .find(|n| n.attribute("class").is_some_and(|c| c.starts_with(class)));
            let path = found
                .unwrap()
                .attribute("d")
                .unwrap()
                .trim_matches(['M', 'Z']);
            let ys = path.split([' ', ',']).skip(1).step_by(2);
            ys.map(|y| y.parse().unwrap()).collect::<Vec<f64>>()
        };
        let (line, band) = (place("line"), place("band"));
        // one above and one below, on an axis from 1 to 3
        assert!(
            (line[0] - f64::midpoint(band[0], band[2])).abs() < 0.11,
            "{line:?} {band:?}"
        );
        assert!(band[0] < line[0] && line[0] < band[2] && band[2] <= HEIGHT);
        let single = Series::over_seeds(
            "one",
            0,
            &[Point {
                x: 1.0,
                low: 2.0,
                mean: 2.0,
                high: 2.0,
            }],
            false,
        );
        assert!(single.band.is_empty(), "one seed has no band");
    }

    #[test]
    fn a_curve_and_its_dots_say_their_values() {
        let svg = chart(&[(1.0, 2.5), (2.0, 1.25)]).unwrap();
        assert!(svg.contains("2.500 at step 1, 1.250 at step 2"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(svg.contains("chosen"));
    }

    #[test]
    fn a_long_curve_says_some_of_its_values_where_it_is_pointed_at() {
        let series = [Series {
            name: "loss".to_owned(),
            points: (0..1000).map(|at| (f64::from(at), 2.0)).collect(),
            colour: 0,
            dashed: false,
            dots: false,
            band: Vec::new(),
        }];
        let lines = Lines {
            title: "loss",
            x: "step",
            y: "nats",
            series: &series,
            from_zero: false,
            mark: None,
        };
        let svg = line_chart(&lines).unwrap().into_string();
        assert_eq!(svg.matches("<circle").count(), 1000 / 25);
        assert!(svg.contains("loss: 2.000 at step 975"), "{svg}");
    }
}
