//! How often values occur: columns over equal bins.

use maud::{Markup, html};

use super::{Axis, Frame, PALETTE, picture, px};
use crate::metric;

const HEIGHT: f64 = 190.0;

/// Counts of equal bins from `low` to `high`.
pub(crate) struct Histogram<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) counts: &'a [usize],
    /// Index into the palette.
    pub(crate) colour: usize,
}

/// The columns; `None` where nothing was counted.
pub(crate) fn histogram(h: &Histogram<'_>) -> Option<Markup> {
    let most = h.counts.iter().max().filter(|most| **most > 0)?;
    let y = Axis::over([0.0, *most as f64].into_iter(), true)?;
    let frame = Frame::new(Axis::between(h.low, h.high), y, HEIGHT);
    let width = (h.high - h.low) / h.counts.len() as f64;
    let edge = |bin: usize| h.low + width * bin as f64;
    let total: usize = h.counts.iter().sum();
    let filled = || h.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let said = |(bin, count): (usize, &usize)| {
        let (from, to) = (
            metric::number(edge(bin), 2),
            metric::number(edge(bin + 1), 2),
        );
        let share = metric::percent(*count as f64 / total as f64);
        format!("{from} to {to}: {count} ({share} %)")
    };
    let content = html! {
        (frame.axes(h.x, h.y))
        @for (bin, count) in filled() {
            @let (left, right, top) = (frame.to_x(edge(bin)), frame.to_x(edge(bin + 1)), frame.to_y(*count as f64));
            rect class=(format!("fill c{}", h.colour % PALETTE)) x=(px(left + 0.5)) y=(px(top)) width=(px((right - left - 1.0).max(0.5))) height=(px(frame.bottom - top)) {
                title { (said((bin, count))) }
            }
        }
    };
    let says: Vec<String> = filled().map(said).collect();
    Some(picture(h.title, &says.join("; "), HEIGHT, &content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn heights_are_in_proportion_to_the_counts() {
        let drawn = |counts: &[usize]| {
            histogram(&Histogram {
                title: "similarity",
                x: "cosine",
                y: "values",
                low: -1.0,
                high: 1.0,
                counts,
                colour: 0,
            })
        };
        let svg = drawn(&[0, 1, 4, 3]).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let heights = tree
            .descendants()
            .filter_map(|n| n.attribute("height")?.parse().ok());
        let heights: Vec<f64> = heights.collect();
        assert_eq!(heights.len(), 3);
        assert!((heights[1] / heights[0] - 4.0).abs() < 0.05, "{heights:?}");
        assert!(svg.contains("0.50 to 1.00: 3 (37.50 %)"), "{svg}");
        assert!(drawn(&[0, 0]).is_none() && drawn(&[]).is_none());
    }
}
