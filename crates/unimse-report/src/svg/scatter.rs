//! Many points of two numbers each: counted in squares, with the distribution of either number at the edge.

use maud::{Markup, html};

use super::{Axis, Frame, WIDTH, picture, px};
use crate::metric;

/// Room of the distributions above and to the right of the plot.
const EDGE: f64 = 44.0;
const BELOW: f64 = 36.0;
const ABOVE: f64 = 38.0;

/// Points that share one scale on both axes.
pub(crate) struct Binned<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Squares a side.
    pub(crate) bins: usize,
    /// Points beyond the ends count in the outermost squares.
    pub(crate) points: &'a [(f64, f64)],
}

/// The squares, the darker the more points they hold, with the line of equal numbers; `None` without points or squares.
pub(crate) fn binned(b: &Binned<'_>) -> Option<Markup> {
    let counts = Counts::new(b)?;
    let axis = Axis::between(b.low, b.high);
    let mut frame = Frame::new(axis, axis, WIDTH);
    frame.right = WIDTH - EDGE;
    frame.top = ABOVE + EDGE;
    frame.bottom = frame.top + frame.right - frame.left;
    let edge = |bin: usize| b.low + (b.high - b.low) / b.bins as f64 * bin as f64;
    let range = |bin| {
        format!(
            "{} to {}",
            metric::number(edge(bin), 2),
            metric::number(edge(bin + 1), 2)
        )
    };
    let side = (frame.right - frame.left) / b.bins as f64;
    let most = counts.squares.iter().flatten().max().copied().unwrap_or(1) as f64;
    let content = html! {
        (frame.axes(b.x, ""))
        text class="name" x="0" y="32" { (b.y) }
        @for (y, row) in counts.squares.iter().enumerate() {
            @for (x, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                rect class="cell bare" fill-opacity=(format!("{:.2}", 0.12 + 0.88 * (*count as f64 / most).sqrt())) x=(px(frame.to_x(edge(x)))) y=(px(frame.to_y(edge(y + 1)))) width=(px(side)) height=(px(side)) {
                    title { (b.x) " " (range(x)) ", " (b.y) " " (range(y)) ": " (count) }
                }
            }
        }
        path class="guide" d=(format!("M{},{} L{},{}", px(frame.left), px(frame.bottom), px(frame.right), px(frame.top))) {}
        (edges(b, &frame, &counts, &range))
    };
    let n = b.points.len();
    let mean = |of: fn(&(f64, f64)) -> f64| {
        metric::number(b.points.iter().map(of).sum::<f64>() / n as f64, 3)
    };
    let says = format!(
        "{n} points; mean {} {}, mean {} {}",
        b.x,
        mean(|p| p.0),
        b.y,
        mean(|p| p.1)
    );
    Some(picture(b.title, &says, frame.bottom + BELOW, &content))
}

/// The distribution of either number.
fn edges(
    b: &Binned<'_>,
    frame: &Frame,
    counts: &Counts,
    range: &impl Fn(usize) -> String,
) -> Markup {
    let side = (frame.right - frame.left) / b.bins as f64;
    let (columns, rows) = counts.edges();
    let room = EDGE - 8.0;
    let most = columns.iter().chain(&rows).max().copied().unwrap_or(1) as f64;
    html! {
        @for (bin, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
            @let (x, height) = (frame.left + side * bin as f64, *count as f64 / most * room);
            rect class="fill c5" x=(px(x + 0.5)) y=(px(frame.top - 4.0 - height)) width=(px(side - 1.0)) height=(px(height)) {
                title { (b.x) " " (range(bin)) ": " (count) }
            }
        }
        @for (bin, count) in rows.iter().enumerate().filter(|(_, count)| **count > 0) {
            @let (y, width) = (frame.bottom - side * (bin + 1) as f64, *count as f64 / most * room);
            rect class="fill c5" x=(px(frame.right + 4.0)) y=(px(y + 0.5)) width=(px(width)) height=(px(side - 1.0)) {
                title { (b.y) " " (range(bin)) ": " (count) }
            }
        }
    }
}

/// How many points every square holds: `squares[y][x]`.
struct Counts {
    squares: Vec<Vec<usize>>,
}

impl Counts {
    fn new(b: &Binned<'_>) -> Option<Self> {
        if b.points.is_empty() || b.bins == 0 {
            return None;
        }
        let last = b.bins - 1;
        let bin = |v: f64| {
            let share = (v - b.low) / (b.high - b.low);
            ((share * b.bins as f64).max(0.0) as usize).min(last)
        };
        let mut squares = vec![vec![0; b.bins]; b.bins];
        for (x, y) in b.points {
            squares[bin(*y)][bin(*x)] += 1;
        }
        Some(Self { squares })
    }

    /// Points by column and by row.
    fn edges(&self) -> (Vec<usize>, Vec<usize>) {
        let columns = (0..self.squares.len()).map(|x| self.squares.iter().map(|row| row[x]).sum());
        let rows = self.squares.iter().map(|row| row.iter().sum());
        (columns.collect(), rows.collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn of<'a>(points: &'a [(f64, f64)]) -> Binned<'a> {
        Binned {
            title: "intensity",
            x: "true",
            y: "predicted",
            low: -3.0,
            high: 3.0,
            bins: 6,
            points,
        }
    }

    #[test]
    fn every_point_is_in_one_square_and_at_both_edges() {
        let points = [(-3.0, -2.5), (-2.9, -2.1), (3.0, 9.0), (0.5, -0.5)];
        let counts = Counts::new(&of(&points)).unwrap();
        assert_eq!(
            (
                counts.squares[0][0],
                counts.squares[5][5],
                counts.squares[2][3]
            ),
            (2, 1, 1)
        );
        let (columns, rows) = counts.edges();
        assert_eq!(columns, [2, 0, 0, 1, 0, 1]);
        assert_eq!(rows, [2, 0, 1, 0, 0, 1]);
        let svg = binned(&of(&points)).unwrap().into_string();
        roxmltree::Document::parse(&svg).unwrap();
        assert!(
            svg.contains("true −3.00 to −2.00, predicted −3.00 to −2.00: 2"),
            "{svg}"
        );
        assert!(binned(&of(&[])).is_none());
    }
}
