//! Values with intervals below each other: differences around zero, scores of classes, parts of an ablation.

use maud::{Markup, html};

use super::{Axis, PALETTE, WIDTH, drawable, picture, px, short};

/// Room for the names of the rows, more where one is longer.
const LEFT: f64 = 122.0;
/// Characters of a name that are drawn at most.
const NAME: usize = 24;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 40.0;
/// Height of a mark, and between two rows.
const MARK: f64 = 15.0;
const GAP: f64 = 9.0;
/// Width of a character of the printed values.
const CHARACTER: f64 = 7.0;

/// A value in a row.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) value: f64,
    /// Low and high end of its interval.
    pub(crate) interval: Option<(f64, f64)>,
    /// Index into the palette.
    pub(crate) colour: usize,
    /// What it says when pointed at.
    pub(crate) says: String,
    /// The value as it is printed at the end of the row; empty for none.
    pub(crate) shown: String,
    /// Drawn as a ring: there is nothing beyond chance in it.
    pub(crate) hollow: bool,
}

/// A name and the values that stand beside it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) marks: Vec<Mark>,
}

/// Rows over one axis.
pub(crate) struct Forest<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    /// A line to compare with, as zero is for differences.
    pub(crate) reference: Option<f64>,
    pub(crate) rows: &'a [Row],
}

/// The rows in the given order; `None` when no value can be drawn.
pub(crate) fn forest(forest: &Forest<'_>) -> Option<Markup> {
    let marks = || forest.rows.iter().flat_map(|row| &row.marks);
    let ends = marks().flat_map(|m| {
        let (low, high) = m.interval.unwrap_or((m.value, m.value));
        [m.value, low, high]
    });
    let known = ends.filter(|v| drawable(*v));
    marks().find(|m| drawable(m.value))?;
    let axis = Axis::over(known.chain(forest.reference), true)?;
    let longest = marks().map(|m| m.shown.chars().count()).max().unwrap_or(0);
    let room = if longest == 0 {
        8.0
    } else {
        10.0 + CHARACTER * longest as f64
    };
    let right = WIDTH - room;
    let names = forest.rows.iter().map(|row| row.name.chars().count());
    let name = names.max().unwrap_or(0).min(NAME);
    let left = LEFT.max(16.0 + CHARACTER * name as f64);
    let axis = axis.apart(right - left);
    let place = Place { axis, left, right };
    let mut rows = Vec::new();
    let mut y = TOP;
    for row in forest.rows {
        let height = MARK * row.marks.len().max(1) as f64 + GAP;
        rows.push((row, y, height));
        y += height;
    }
    let said: Vec<&str> = marks().map(|m| m.says.as_str()).collect();
    let content = html! {
        (place.axis(forest, y))
        @for (row, top, height) in rows { (place.row(row, top, height)) }
    };
    Some(picture(
        forest.title,
        &said.join("; "),
        y + BOTTOM,
        &content,
    ))
}

/// Where values lie.
struct Place {
    axis: Axis,
    left: f64,
    right: f64,
}

impl Place {
    fn x(&self, v: f64) -> f64 {
        self.left + self.axis.share(v) * (self.right - self.left)
    }

    fn axis(&self, forest: &Forest<'_>, bottom: f64) -> Markup {
        html! {
            @for tick in self.axis.ticks() {
                path class="grid" d=(format!("M{},{} V{}", px(self.x(tick)), px(TOP), px(bottom))) {}
                text class="tick middle" x=(px(self.x(tick))) y=(px(bottom + 15.0)) { (self.axis.label(tick)) }
            }
            @if let Some(zero) = forest.reference {
                path class="guide" d=(format!("M{},{} V{}", px(self.x(zero)), px(TOP - 4.0), px(bottom))) {}
            }
            text class="name middle" x=(px(f64::midpoint(self.left, self.right))) y=(px(bottom + 32.0)) { (forest.x) }
        }
    }

    fn row(&self, row: &Row, top: f64, height: f64) -> Markup {
        let first = top + GAP / 2.0 + MARK / 2.0;
        html! {
            text class="label end" x=(px(self.left - 10.0)) y=(px(top + height / 2.0 + 4.0)) { (short(&row.name, NAME)) }
            @for (i, mark) in row.marks.iter().enumerate() {
                @if drawable(mark.value) { (self.mark(mark, first + MARK * i as f64)) }
            }
        }
    }

    fn mark(&self, mark: &Mark, y: f64) -> Markup {
        let colour = mark.colour % PALETTE;
        let interval = mark
            .interval
            .filter(|(low, high)| drawable(*low) && drawable(*high));
        let dot = if mark.hollow { "dot" } else { "fill" };
        html! {
            g {
                title { (mark.says) }
                @if let Some((low, high)) = interval {
                    path class=(format!("span c{colour}")) d=(format!("M{},{} H{}", px(self.x(low)), px(y), px(self.x(high)))) {}
                }
                circle class=(format!("{dot} c{colour}")) r="4" cx=(px(self.x(mark.value))) cy=(px(y)) {}
            }
            @if !mark.shown.is_empty() {
                text class="label end" x=(px(WIDTH - 1.0)) y=(px(y + 4.0)) { (mark.shown) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn row(value: f64, interval: Option<(f64, f64)>) -> Row {
        Row {
            name: "a < b".to_owned(),
            marks: vec![Mark {
                value,
                interval,
                colour: 0,
                says: "so & so".to_owned(),
                shown: String::new(),
                hollow: false,
            }],
        }
    }

    fn drawn(rows: &[Row]) -> Option<String> {
        let drawn = forest(&Forest {
            title: "MAE",
            x: "difference",
            reference: Some(0.0),
            rows,
        });
        drawn.map(Markup::into_string)
    }

    #[test]
    fn places_are_in_proportion_to_the_values() {
        let rows = [row(-0.5, Some((-1.0, 0.0))), row(1.0, None)];
        let svg = drawn(&rows).unwrap();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let dots = tree
            .descendants()
            .filter_map(|n| n.attribute("cx")?.parse().ok());
        let dots: Vec<f64> = dots.collect();
        // the axis runs from -1 to 1
        let room = WIDTH - 8.0 - LEFT;
        assert!((dots[0] - (LEFT + 0.25 * room)).abs() < 0.1, "{dots:?}");
        assert!((dots[1] - (LEFT + room)).abs() < 0.1, "{dots:?}");
        let span = format!("M{},", px(LEFT));
        assert!(svg.contains(&span) && svg.contains(&format!("H{}", px(LEFT + 0.5 * room))));
    }

    #[test]
    fn a_long_name_is_drawn_whole_and_takes_the_room_from_the_plot() {
        let mut long = row(1.0, None);
        long.name = "n".repeat(NAME);
        let svg = drawn(&[long]).unwrap();
        let left = 16.0 + CHARACTER * NAME as f64;
        let zero = format!("M{},{} V", px(left), px(TOP));
        assert!(
            svg.contains(&"n".repeat(NAME)) && svg.contains(&zero),
            "{svg}"
        );
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        assert!(drawn(&[]).is_none());
        assert!(drawn(&[row(f64::NAN, None)]).is_none());
        let svg = drawn(&[row(0.5, Some((f64::NAN, 0.7))), row(f64::INFINITY, None)]).unwrap();
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("class=\"span"));
    }
}
