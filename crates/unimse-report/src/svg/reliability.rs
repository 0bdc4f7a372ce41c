//! Whether probabilities are what they say: accuracy over confidence, and how many rows are behind every column.

use maud::{Markup, html};
use unimse_eval::ReliabilityBin;

use super::{Axis, Frame, picture, px};
use crate::metric;

const HEIGHT: f64 = 320.0;
/// Room of the counts below the plot.
const COUNTS: f64 = 44.0;

/// A column a bin of equal width, with the line where accuracy is confidence, and the counts of the bins below; `None` where no bin holds a row.
pub(crate) fn reliability(title: &str, bins: &[ReliabilityBin]) -> Option<Markup> {
    let most = bins
        .iter()
        .map(|bin| bin.n)
        .max()
        .filter(|most| *most > 0)?;
    let axis = Axis::between(0.0, 1.0);
    let mut frame = Frame::new(axis, axis, HEIGHT);
    frame.bottom -= COUNTS + 8.0;
    let counts = Frame {
        top: frame.bottom + 24.0,
        bottom: frame.bottom + 24.0 + COUNTS,
        y: Axis::between(0.0, most as f64),
        ..frame
    };
    let width = 1.0 / bins.len() as f64;
    let filled = || bins.iter().enumerate().filter(|(_, bin)| bin.n > 0);
    let content = html! {
        (frame.axes("", "accuracy"))
        @for (at, bin) in filled() {
            @let (left, right) = (frame.to_x(width * at as f64) + 0.5, frame.to_x(width * (at + 1) as f64) - 0.5);
            g {
                title { (said(bin)) }
                (column("fill c0", (left, right), (frame.to_y(bin.accuracy), frame.bottom)))
                (column("gap", (left, right), (frame.to_y(bin.accuracy.max(bin.confidence)), frame.to_y(bin.accuracy.min(bin.confidence)))))
                (column("fill c5", (left, right), (counts.to_y(bin.n as f64), counts.bottom)))
            }
        }
        path class="guide" d=(format!("M{},{} L{},{}", px(frame.left), px(frame.bottom), px(frame.right), px(frame.top))) {}
        path class="axis" d=(format!("M{},{} H{}", px(counts.left), px(counts.bottom), px(counts.right))) {}
        text class="tick end" x=(px(counts.left - 6.0)) y=(px(counts.bottom)) { "rows" }
        text class="name end" x=(px(counts.right)) y=(px(counts.bottom + 15.0)) { "confidence →" }
    };
    let says: Vec<String> = filled().map(|(_, bin)| said(bin)).collect();
    Some(picture(title, &says.join("; "), HEIGHT - 10.0, &content))
}

fn said(bin: &ReliabilityBin) -> String {
    let [confidence, accuracy] = [bin.confidence, bin.accuracy].map(metric::percent);
    format!(
        "confidence {confidence} %, accuracy {accuracy} %, {} rows",
        bin.n
    )
}

fn column(class: &str, (left, right): (f64, f64), (top, bottom): (f64, f64)) -> Markup {
    html! { rect class=(class) x=(px(left)) y=(px(top)) width=(px(right - left)) height=(px(bottom - top)) {} }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_bin_with_rows_has_a_column_of_its_accuracy() {
        let bin = |n, confidence, accuracy| ReliabilityBin {
            n,
            confidence,
            accuracy,
        };
        let bins = [bin(0, 0.0, 0.0), bin(4, 0.5, 0.25), bin(2, 0.9, 1.0)];
        let svg = reliability("polarity", &bins).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let columns = tree
            .descendants()
            .filter(|n| n.attribute("class") == Some("fill c0"));
        let heights: Vec<f64> = columns
            .map(|n| n.attribute("height").unwrap().parse().unwrap())
            .collect();
        assert_eq!(heights.len(), 2);
        assert!((heights[0] / heights[1] - 0.25).abs() < 0.01, "{heights:?}");
        assert!(
            svg.contains("confidence 90.00 %, accuracy 100.00 %, 2 rows"),
            "{svg}"
        );
        assert!(reliability("polarity", &bins[..1]).is_none());
    }
}
