//! Confusion matrices.

use maud::{Markup, html};
use unimse_run::Confusion;

use super::{WIDTH, picture, px, short};
use crate::metric;

const LEFT: f64 = 76.0;
/// Room for the end of a name that is wider than the last column.
const RIGHT: f64 = 6.0;
const TOP: f64 = 54.0;
/// Height of a line of names, and width of a letter with its share of the gap to the next name.
const LINE: f64 = 12.0;
const LETTER: f64 = 6.3;
/// With more classes than this a cell has no room for a number.
const MOST_PRINTED: usize = 8;

/// Rows are true classes; a cell holds the share of its row, which is also its shade, and the count.
pub(crate) fn heat_map(title: &str, confusion: &Confusion) -> Markup {
    let n = confusion.labels.len();
    let cell = ((WIDTH - LEFT - RIGHT) / n.max(1) as f64).min(64.0);
    let side = cell * n as f64;
    let at = |i: usize| cell * i as f64;
    // names wider than their columns take turns on two lines
    let longest = (confusion.labels.iter()).map(|label| label.chars().count());
    let lines = if longest.max() > Some((cell / LETTER) as usize) {
        2
    } else {
        1
    };
    let letters = (cell * lines as f64 / LETTER) as usize;
    let top = TOP + LINE * (lines - 1) as f64;
    let line = |i: usize| top - 3.0 - LINE * ((i + 1) % lines) as f64;
    let content = html! {
        text class="name" x=(px(LEFT)) y=(px(TOP - 16.0)) { "predicted →" }
        text class="name end" x=(px(LEFT - 8.0)) y=(px(TOP - 16.0)) { "true ↓" }
        @for (i, label) in confusion.labels.iter().enumerate() {
            text class="tick small middle" x=(px(LEFT + at(i) + cell / 2.0)) y=(px(line(i))) { (short(label, letters.max(3))) }
            text class="tick end" x=(px(LEFT - 8.0)) y=(px(top + at(i) + cell / 2.0 + 4.0)) { (short(label, 10)) }
        }
        @for (t, row) in confusion.rows_truth.iter().enumerate() {
            @let total = row.iter().sum::<u64>();
            @for (p, count) in row.iter().enumerate() {
                @let share = if total > 0 { *count as f64 / total as f64 } else { 0.0 };
                @let (x, y) = (LEFT + at(p), top + at(t));
                g {
                    title { (said(confusion, (t, p), *count, share)) }
                    rect class="ground" x=(px(x)) y=(px(y)) width=(px(cell)) height=(px(cell)) {}
                    rect class="cell" fill-opacity=(format!("{share:.3}")) x=(px(x)) y=(px(y)) width=(px(cell)) height=(px(cell)) {}
                    @if n <= MOST_PRINTED {
                        text class="middle" x=(px(x + cell / 2.0)) y=(px(y + cell / 2.0)) { (metric::number(100.0 * share, 0)) " %" }
                        text class="small middle" x=(px(x + cell / 2.0)) y=(px(y + cell / 2.0 + 13.0)) { (count) }
                    }
                }
            }
        }
        rect class="frame" x=(px(LEFT)) y=(px(top)) width=(px(side)) height=(px(side)) {}
    };
    let right = (0..n).map(|i| {
        let row = &confusion.rows_truth[i];
        format!(
            "{} of {} {} found",
            row[i],
            row.iter().sum::<u64>(),
            confusion.labels[i]
        )
    });
    let says = right.collect::<Vec<_>>().join("; ");
    picture(title, &says, top + side + 2.0, &content)
}

fn said(confusion: &Confusion, (t, p): (usize, usize), count: u64, share: f64) -> String {
    let (truth, predicted) = (&confusion.labels[t], &confusion.labels[p]);
    let share = metric::number(100.0 * share, 1);
    format!("true {truth}, predicted {predicted}: {count} ({share} %)")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_pair_of_classes_has_a_cell_with_share_and_count() {
        let svg = heat_map(
            "confusion",
            &Confusion {
                labels: vec!["a<b".into(), "a very long label".into()],
                rows_truth: vec![vec![3, 1], vec![0, 0]],
            },
        )
        .into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let cells: Vec<_> = (tree.descendants())
            .filter(|n| n.attribute("class") == Some("cell"))
            .filter_map(|n| n.attribute("fill-opacity"))
            .collect();
        assert_eq!(cells, ["0.750", "0.250", "0.000", "0.000"]);
        assert!(svg.contains("75 %") && svg.contains(">3<"), "{svg}");
        assert!(
            svg.contains("predicted a very long label: 1 (25.0 %)"),
            "{svg}"
        );
    }

    #[test]
    fn names_wider_than_their_columns_take_turns_on_two_lines() {
        let of = |name: &str| {
            let labels = vec![name.to_owned(); 7];
            let rows_truth = vec![vec![1; 7]; 7];
            let svg = heat_map("confusion", &Confusion { labels, rows_truth }).into_string();
            let tree = roxmltree::Document::parse(&svg).unwrap();
            let names = (tree.descendants())
                .filter(|n| n.attribute("class") == Some("tick small middle"))
                .map(|n| {
                    (
                        n.attribute("y").unwrap().to_owned(),
                        n.text().unwrap().to_owned(),
                    )
                });
            names.collect::<Vec<(String, String)>>()
        };
        let line = |at: f64| px(TOP - 3.0 + at);
        let short = of("joy");
        assert!(
            short
                .iter()
                .all(|(y, name)| *y == line(0.0) && name == "joy")
        );
        let long = of("surprise");
        assert!(long.iter().all(|(_, name)| name == "surprise"), "{long:?}");
        assert_eq!(
            [&long[0].0, &long[1].0, &long[2].0],
            [&line(0.0), &line(LINE), &line(0.0)]
        );
    }

    #[test]
    fn many_classes_stay_within_the_picture() {
        let n = 64;
        let labels = (0..n).map(|i| format!("class {i}")).collect();
        let rows_truth = vec![vec![1; n]; n];
        let svg = heat_map("confusion", &Confusion { labels, rows_truth }).into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let ends = tree.descendants().filter_map(|n| {
            let number = |name| n.attribute(name)?.parse::<f64>().ok();
            Some(number("x")? + number("width")?)
        });
        assert!(ends.fold(0.0, f64::max) <= WIDTH + 0.1);
    }
}
