//! The pictures of a report: lines, forests, bars, heat maps, scatters, points, histograms. One is 360 units wide, so that it is read on a phone without zoom
//! and stands in columns on a desk; `panels` sets several beside each other. Colours come from the page's style sheet, so that one picture serves
//! light, dark and paper; whatever is drawn says its value when pointed at.

use maud::{Markup, html};

mod axis;
mod forest;
mod heat;
mod histogram;
mod intervals;
mod lines;
mod points;
mod reliability;
mod scatter;
mod stack;

pub(crate) use self::axis::{Axis, Frame};
pub(crate) use self::forest::{Forest, Mark, Row, forest};
pub(crate) use self::heat::heat_map;
pub(crate) use self::histogram::{Histogram, histogram};
pub(crate) use self::intervals::{Bar, Kind, interval_bars};
pub(crate) use self::lines::{Lines, Series, line_chart};
pub(crate) use self::points::{Cloud, Points, points};
pub(crate) use self::reliability::reliability;
pub(crate) use self::scatter::{Binned, binned};
pub(crate) use self::stack::{Part, Stack, stacked_bars};

/// Colours the style sheet knows.
const PALETTE: usize = 6;
/// Width of a picture.
pub(crate) const WIDTH: f64 = 360.0;
/// Where the plot begins below the title and the name of the upright axis.
const TOP: f64 = 46.0;
/// Room below the plot for ticks and the name of the level axis.
const BOTTOM: f64 = 36.0;
/// Right end of the plot.
const RIGHT: f64 = WIDTH - 16.0;

/// One picture, which scales with its place. `says` tells in words what is seen, for readers who do not see it.
pub(crate) fn picture(title: &str, says: &str, height: f64, content: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {} {}", px(WIDTH), px(height))) role="img" aria-label=(format!("{title}. {says}")) {
            text class="title" x="0" y="14" { (short(title, 48)) }
            (content)
        }
    }
}

/// Pictures beside each other as far as the page is wide; `None` where there is none.
pub(crate) fn panels(pictures: Vec<Markup>) -> Option<Markup> {
    (!pictures.is_empty()).then(|| {
        html! { div class="panels" { @for picture in &pictures { (picture) "\n" } } }
    })
}

/// How something looks in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Dashed,
    Dot,
    Fill,
}

/// What the colours of the pictures below mean.
pub(crate) fn key<'a>(entries: impl IntoIterator<Item = (&'a str, usize, Look)>) -> Markup {
    html! {
        ul class="key" {
            @for (name, colour, look) in entries {
                li { (swatch(colour % PALETTE, look)) " " (name) }
            }
        }
    }
}

fn swatch(colour: usize, look: Look) -> Markup {
    html! {
        svg class="swatch" viewBox="0 0 20 10" width="20" height="10" aria-hidden="true" {
            @match look {
                Look::Line => path class=(format!("line c{colour}")) d="M0,5 H20" {},
                Look::Dashed => path class=(format!("line dashed c{colour}")) d="M0,5 H20" {},
                Look::Dot => circle class=(format!("fill c{colour}")) cx="10" cy="5" r="4" {},
                Look::Fill => rect class=(format!("fill c{colour}")) width="20" height="10" {},
            }
        }
    }
}

/// A length or place as it is written.
fn px(v: f64) -> String {
    let shown = format!("{v:.1}");
    match shown.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => shown,
    }
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

/// Whether a number has a place on an axis.
fn drawable(v: f64) -> bool {
    v.abs() < 1e12
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn lengths_are_written_short() {
        assert_eq!([12.0, 0.25, -0.01].map(px), ["12", "0.2", "0"]);
    }

    #[test]
    fn a_picture_has_a_name_and_a_description() {
        let svg = picture("A < B", "a & b", 20.0, &Markup::default()).into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let root = tree.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        assert_eq!(root.attribute("aria-label"), Some("A < B. a & b"));
        assert_eq!(root.attribute("viewBox"), Some("0 0 360 20"));
    }

    #[test]
    fn a_key_names_every_colour() {
        let key = key([("a<b", 1, Look::Line), ("c", 8, Look::Fill)]).into_string();
        let tree = roxmltree::Document::parse(&key).unwrap();
        let items = tree.descendants().filter(|n| n.has_tag_name("li"));
        assert_eq!(items.count(), 2);
        assert!(key.contains("a&lt;b") && key.contains("fill c2"), "{key}");
    }
}
