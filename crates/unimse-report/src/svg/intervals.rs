//! A few values of one metric below each other: bars from 0 with an interval where there is one. Drawn to be read on a phone: it is narrow.

use maud::{Markup, html};

use super::{WIDTH, picture, px, short};

/// What a bar stands for, which decides how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This run.
    Ours,
    /// Fitted in the same run.
    Baseline,
    /// A published number.
    Published,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) value: f64,
    /// The value as it is printed.
    pub(crate) shown: String,
    /// All that there is to say of it: its name, the value, its interval.
    pub(crate) says: String,
    /// Low and high end of its interval.
    pub(crate) interval: Option<(f64, f64)>,
    /// The value of each seed where it is a mean.
    pub(crate) seeds: Vec<f64>,
}

/// Room for names, and for the printed values.
const LEFT: f64 = 132.0;
const RIGHT: f64 = 56.0;
const TOP: f64 = 26.0;
const ROW: f64 = 24.0;
const THICK: f64 = 14.0;

/// Bars from 0, in the given order; `None` when no value can be drawn. Metrics whose values can be negative have no such picture.
pub(crate) fn interval_bars(title: &str, bars: &[Bar]) -> Option<Markup> {
    let drawable = |v: f64| (0.0..1e12).contains(&v);
    let bars: Vec<&Bar> = bars.iter().filter(|bar| drawable(bar.value)).collect();
    let ends = bars
        .iter()
        .flat_map(|bar| [bar.value, bar.interval.map_or(0.0, |(_, high)| high)])
        .chain(bars.iter().flat_map(|bar| bar.seeds.iter().copied()));
    let most = ends.filter(|v| drawable(*v)).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let x = |v: f64| LEFT + v.clamp(0.0, most) / most * (WIDTH - LEFT - RIGHT);
    let height = TOP + ROW * bars.len() as f64 + 4.0;
    let said: Vec<&str> = bars.iter().map(|bar| bar.says.as_str()).collect();
    let content = html! {
        @for (row, bar) in bars.iter().enumerate() {
            @let middle = TOP + ROW * row as f64 + ROW / 2.0 + 2.0;
            @let weight = (bar.kind == Kind::Ours).then_some("ours");
            text class=(format!("label end {}", weight.unwrap_or_default())) x=(px(LEFT - 8.0)) y=(px(middle + 4.0)) { (short(&bar.name, 20)) }
            g {
                title { (bar.says) }
                rect class=(class(bar.kind)) x=(px(LEFT)) y=(px(middle - THICK / 2.0)) width=(px(x(bar.value) - LEFT)) height=(px(THICK)) {}
                @if let Some((low, high)) = bar.interval.filter(|(low, high)| drawable(*low) && drawable(*high)) {
                    @for (colour, half) in [("halo", 6.0), ("whisker", 5.0)] {
                        path class=(colour) d=(format!("M{0},{2} V{3} M{0},{4} H{1} M{1},{2} V{3}", px(x(low)), px(x(high)), px(middle - half), px(middle + half), px(middle))) {}
                    }
                }
                @for seed in bar.seeds.iter().filter(|seed| drawable(**seed)) {
                    circle class="dot c0" r="3" cx=(px(x(*seed))) cy=(px(middle)) {}
                }
            }
            text class=(format!("label end {}", weight.unwrap_or_default())) x=(px(WIDTH - 2.0)) y=(px(middle + 4.0)) { (bar.shown) }
        }
        path class="axis" d=(format!("M{LEFT},{TOP} V{height}")) {}
    };
    Some(picture(title, &said.join("; "), height, &content))
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "fill c0",
        Kind::Baseline => "fill c5",
        Kind::Published => "hollow",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn bar(value: f64, interval: Option<(f64, f64)>) -> Bar {
        Bar {
            name: "<&>".to_owned(),
            kind: Kind::Ours,
            value,
            shown: value.to_string(),
            says: format!("<&> {value}"),
            interval,
            seeds: Vec::new(),
        }
    }

    #[test]
    fn lengths_are_in_proportion_and_the_interval_is_at_its_place() {
        let bars = [bar(0.4, Some((0.3, 0.5))), bar(1.0, None)];
        let svg = interval_bars("MAE", &bars).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let rects = tree.descendants().filter(|n| n.has_tag_name("rect"));
        let widths: Vec<f64> = rects
            .map(|n| n.attribute("width").unwrap().parse().unwrap())
            .collect();
        let room = WIDTH - LEFT - RIGHT;
        assert!((widths[0] - 0.4 * room).abs() < 0.1 && (widths[1] - room).abs() < 0.1);
        let said = tree.descendants().filter(|n| n.has_tag_name("title"));
        assert_eq!(
            said.filter_map(|n| n.text()).collect::<Vec<_>>(),
            ["<&> 0.4", "<&> 1"]
        );
        let whisker = tree
            .descendants()
            .find(|n| n.attribute("class") == Some("whisker"));
        let path = whisker.unwrap().attribute("d").unwrap();
        let (low, high) = (px(LEFT + 0.3 * room), px(LEFT + 0.5 * room));
        assert!(
            path.starts_with(&format!("M{low},")) && path.contains(&format!("H{high}")),
            "{path}"
        );
    }

    #[test]
    fn seeds_are_dots_at_their_places() {
        let mean = Bar {
            seeds: vec![0.5, 1.0, f64::NAN],
            ..bar(0.75, None)
        };
        let svg = interval_bars("MAE", &[mean]).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let dots = tree.descendants().filter(|n| n.has_tag_name("circle"));
        let dots: Vec<f64> = dots
            .map(|n| n.attribute("cx").unwrap().parse().unwrap())
            .collect();
        let room = WIDTH - LEFT - RIGHT;
        assert_eq!(dots.len(), 2);
        assert!((dots[0] - LEFT - 0.5 * room).abs() < 0.1 && (dots[1] - LEFT - room).abs() < 0.1);
    }

    #[test]
    fn what_is_no_length_is_not_drawn() {
        assert!(interval_bars("MAE", &[]).is_none());
        assert!(
            interval_bars(
                "MAE",
                &[bar(0.0, None), bar(f64::NAN, None), bar(-1.0, None)]
            )
            .is_none()
        );
        let svg = interval_bars(
            "MAE",
            &[bar(f64::INFINITY, None), bar(0.5, Some((f64::NAN, 0.7)))],
        )
        .unwrap()
        .into_string();
        assert_eq!(svg.matches("<rect").count(), 1);
        assert_eq!(svg.matches("<path").count(), 1, "the axis alone");
    }
}
