//! Grouped bars: one group a category, one bar a corpus.

use maud::{Markup, html};

use super::{Axis, BOTTOM, HEIGHT, LEFT, PALETTE, RIGHT, TOP, WIDTH, px, short};

/// The bars of one colour.
pub(crate) struct Bars {
    pub(crate) name: String,
    /// Index into the palette.
    pub(crate) colour: usize,
    /// One a category; `None` where there is no value.
    pub(crate) values: Vec<Option<f64>>,
}

/// Bars up or down from 0, a group for each of `categories`; `None` when there is no value that can be drawn.
pub(crate) fn bar_chart(y_label: &str, categories: &[String], all: &[Bars]) -> Option<Markup> {
    let drawable = |v: &f64| v.abs() < 1e12;
    let values = || {
        all.iter()
            .flat_map(|bars| bars.values.iter().flatten())
            .copied()
    };
    values().find(drawable)?;
    let y = Axis::over(values().filter(drawable).chain([0.0]), true)?;
    let to_y = |v: f64| HEIGHT - BOTTOM - y.share(v) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let middle = f64::midpoint(TOP, bottom);
    let group = (right - LEFT) / categories.len().max(1) as f64;
    let width = 0.8 * group / all.len().max(1) as f64;
    let left =
        |category: usize, at: usize| LEFT + group * (category as f64 + 0.1) + width * at as f64;
    Some(html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(format!("{y_label} by modalities")) {
            @for tick in y.ticks() {
                line class="grid" x1=(px(LEFT)) y1=(px(to_y(tick))) x2=(px(right)) y2=(px(to_y(tick))) {}
                text class="tick" text-anchor="end" x=(px(LEFT - 8.0)) y=(px(to_y(tick) + 4.0)) { (y.label(tick)) }
            }
            @for (at, bars) in all.iter().enumerate() {
                @for (category, value) in bars.values.iter().enumerate() {
                    @if let Some(value) = value.filter(drawable) {
                        rect class=(format!("bar c{}", bars.colour % PALETTE)) x=(px(left(category, at))) y=(px(to_y(value.max(0.0)))) width=(px(width)) height=(px((to_y(0.0) - to_y(value)).abs())) {}
                    }
                }
                @let legend = TOP + 8.0 + 18.0 * at as f64;
                rect class=(format!("bar c{}", bars.colour % PALETTE)) x=(px(right + 16.0)) y=(px(legend - 6.0)) width="22.0" height="12.0" {}
                text class="legend" x=(px(right + 44.0)) y=(px(legend + 4.0)) { (short(&bars.name, 20)) }
            }
            @for (category, name) in categories.iter().enumerate() {
                // two rows, so that neighbours do not touch
                text class="tick" text-anchor="middle" x=(px(left(category, 0) + 0.4 * group)) y=(px(bottom + 16.0 + 14.0 * (category % 2) as f64)) { (short(name, 24)) }
            }
            path class="axis" fill="none" d=(format!("M{LEFT},{TOP} V{bottom} M{LEFT},{} H{right}", px(to_y(0.0)))) {}
            text class="name" text-anchor="middle" transform=(format!("translate(14 {middle}) rotate(-90)")) { (y_label) }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn heights(values: &[Option<f64>]) -> Vec<f64> {
        let names: Vec<String> = (0..values.len()).map(|i| format!("<{i}>")).collect();
        let bars = [Bars {
            name: "mosi".to_owned(),
            colour: 0,
            values: values.to_vec(),
        }];
        let svg = bar_chart("score", &names, &bars).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let rects = tree.descendants().filter(|n| n.has_tag_name("rect"));
        let drawn = rects.filter_map(|n| n.attribute("height")?.parse().ok());
        drawn.take_while(|h| *h != 12.0).collect() // the legend is last
    }

    #[test]
    fn heights_are_in_proportion_to_the_values() {
        let drawn = heights(&[Some(0.8), Some(0.4), None, Some(-0.2)]);
        assert_eq!(drawn.len(), 3);
        assert!((drawn[0] / drawn[1] - 0.8 / 0.4).abs() < 0.01, "{drawn:?}");
        assert!((drawn[1] / drawn[2] - 0.4 / 0.2).abs() < 0.01, "{drawn:?}");
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        assert_eq!(heights(&[Some(f64::NAN), Some(1e300), Some(1.0)]).len(), 1);
        assert!(bar_chart("score", &[], &[]).is_none());
    }
}
