//! Points of a plane whose axes have no unit, in colours.

use maud::{Markup, html};

use super::{PALETTE, WIDTH, drawable, picture, px};

/// Height of the level axis' name below the plot, and of title and upright axis' name above it.
const BELOW: f64 = 24.0;
const ABOVE: f64 = 40.0;
/// Room between the frame and the outermost points.
const MARGIN: f64 = 9.0;

/// Points of one colour.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    pub(crate) name: String,
    /// Index into the palette.
    pub(crate) colour: usize,
    pub(crate) points: Vec<[f32; 2]>,
}

/// A plane with its clouds.
pub(crate) struct Points<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    pub(crate) clouds: &'a [Cloud],
}

/// A dot a point, to one scale on both axes, so that distances can be compared; `None` where nothing can be drawn.
pub(crate) fn points(p: &Points<'_>) -> Option<Markup> {
    let scale = Scale::over(p.clouds.iter().flat_map(|cloud| &cloud.points))?;
    let says = p
        .clouds
        .iter()
        .map(|c| format!("{}: {} points", c.name, c.points.len()));
    let says = says.collect::<Vec<_>>().join("; ");
    let bottom = ABOVE + WIDTH;
    let content = html! {
        text class="name" x="0" y=(px(ABOVE - 8.0)) { (p.y) }
        rect class="frame" x="0.5" y=(px(ABOVE)) width=(px(WIDTH - 1.0)) height=(px(WIDTH - 1.0)) {}
        text class="name middle" x=(px(WIDTH / 2.0)) y=(px(bottom + 16.0)) { (p.x) }
        @for cloud in p.clouds {
            path class=(format!("points c{}", cloud.colour % PALETTE)) d=(scale.path(&cloud.points)) { title { (cloud.name) } }
        }
    };
    Some(picture(p.title, &says, bottom + BELOW, &content))
}

/// Where the middle of the points lies, and how long one unit is.
struct Scale {
    middle: [f64; 2],
    unit: f64,
}

impl Scale {
    fn over<'a>(points: impl Iterator<Item = &'a [f32; 2]>) -> Option<Self> {
        let drawn = points.filter_map(place);
        let (low, high) = drawn.map(|p| (p, p)).reduce(|(low, high), (p, _)| {
            let each = [0, 1];
            (
                each.map(|k| f64::min(low[k], p[k])),
                each.map(|k| f64::max(high[k], p[k])),
            )
        })?;
        let range = (high[0] - low[0]).max(high[1] - low[1]);
        let range = if range > 0.0 { range } else { 1.0 };
        Some(Self {
            middle: [0, 1].map(|k| f64::midpoint(low[k], high[k])),
            unit: (WIDTH - 2.0 * MARGIN) / range,
        })
    }

    /// One piece of no length a point: its round ends are the dot.
    fn path(&self, points: &[[f32; 2]]) -> String {
        let at = points.iter().filter_map(place).map(|p| {
            let off = [0, 1].map(|k| self.unit * (p[k] - self.middle[k]));
            let (x, y) = (WIDTH / 2.0 + off[0], ABOVE + WIDTH / 2.0 - off[1]);
            format!("M{},{}h0", px(x), px(y))
        });
        at.collect()
    }
}

/// A point that has a place.
fn place(point: &[f32; 2]) -> Option<[f64; 2]> {
    let place = point.map(f64::from);
    place.iter().all(|&v| drawable(v)).then_some(place)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn drawn(points: &[[f32; 2]]) -> Option<String> {
        let clouds = [Cloud {
            name: "a & b".to_owned(),
            colour: 7,
            points: points.to_vec(),
        }];
        let svg = super::points(&Points {
            title: "<plane>",
            x: "x",
            y: "y",
            clouds: &clouds,
        });
        Some(svg?.into_string())
    }

    #[test]
    fn the_outermost_points_touch_the_margin_and_up_is_up() {
        let svg = drawn(&[[0.0, 0.0], [10.0, 0.0], [5.0, 5.0]]).unwrap();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let path = tree.descendants().find(|n| n.has_tag_name("path")).unwrap();
        assert_eq!(path.attribute("class"), Some("points c1"), "7 of 6 colours");
        // 342 units of width for ten of the points; the middle of the heights, 2.5, is at 40 + 180
        let (left, right, low, high) = (9.0, 351.0, 220.0 + 2.5 * 34.2, 220.0 - 2.5 * 34.2);
        let expected = [(left, low), (right, low), (180.0, high)];
        let expected = expected.map(|(x, y)| format!("M{},{}h0", px(x), px(y)));
        assert_eq!(path.attribute("d").unwrap(), expected.concat());
    }

    #[test]
    fn nothing_to_draw_is_no_picture() {
        assert!(drawn(&[]).is_none());
        assert!(drawn(&[[f32::NAN, 0.0]]).is_none());
        assert!(drawn(&[[1.0, 1.0], [f32::INFINITY, 0.0]]).is_some());
    }
}
