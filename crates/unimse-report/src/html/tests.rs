//! The colours of the style sheet: contrast by WCAG 2, and whether readers of every colour vision tell the series of a chart apart.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use crate::frame::STYLE;

/// Linear red, green and blue, each in [0, 1].
type Colour = [f64; 3];

/// The colours of light, dark and paper: each `:root` of the style sheet.
fn themes() -> Vec<BTreeMap<&'static str, Colour>> {
    let theme = |root: &'static str| {
        let (root, _) = root.split_once('}').unwrap();
        let colours = root.split(';').filter_map(|line| line.split_once(": #"));
        let named = colours.map(|(name, hex)| (name.trim().trim_start_matches("--"), colour(hex)));
        named.collect()
    };
    STYLE.split(":root {").skip(1).map(theme).collect()
}

fn colour(hex: &str) -> Colour {
    let long = match hex.len() {
        3 => hex.chars().flat_map(|c| [c, c]).collect(),
        _ => hex.to_owned(),
    };
    [0, 2, 4].map(|at| {
        let value = f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
        match value <= 0.04045 {
            true => value / 12.92,
            false => ((value + 0.055) / 1.055).powf(2.4),
        }
    })
}

fn contrast(a: Colour, b: Colour) -> f64 {
    let luminance = |[r, g, b]: Colour| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// As people without one kind of cone see it: Machado, Oliveira, Fernandes (2009), severity 1.
const VISIONS: [[Colour; 3]; 4] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [
        [0.152_286, 1.052_583, -0.204_868],
        [0.114_503, 0.786_281, 0.099_216],
        [-0.003_882, -0.048_116, 1.051_998],
    ],
    [
        [0.367_322, 0.860_646, -0.227_968],
        [0.280_085, 0.672_501, 0.047_413],
        [-0.011_820, 0.042_940, 0.968_881],
    ],
    [
        [1.255_528, -0.076_749, -0.178_779],
        [-0.078_411, 0.930_809, 0.147_602],
        [0.004_733, 0.691_367, 0.303_900],
    ],
];

fn seen(vision: [Colour; 3], colour: Colour) -> Colour {
    vision.map(|row| {
        let sum: f64 = row
            .iter()
            .zip(colour)
            .map(|(weight, value)| weight * value)
            .sum();
        sum.clamp(0.0, 1.0)
    })
}

/// CIE 1976 difference of two colours; 2.3 is just noticeable.
fn difference(a: Colour, b: Colour) -> f64 {
    let lab = |[r, g, b]: Colour| {
        let f = |t: f64| {
            if t > 0.008_856 {
                t.cbrt()
            } else {
                7.787 * t + 16.0 / 116.0
            }
        };
        let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    let squares = lab(a).into_iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

const SERIES: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

#[test]
fn text_and_pictures_stand_out_in_light_dark_and_print() {
    assert!((contrast(colour("000"), colour("ffffff")) - 21.0).abs() < 1e-9);
    let themes = themes();
    assert_eq!(themes.len(), 3);
    for theme in themes {
        for ink in ["ink", "soft", "accent"] {
            for ground in ["page", "notice"] {
                let found = contrast(theme[ink], theme[ground]);
                assert!(found >= 4.5, "{ink} on {ground}: {found:.2}");
            }
        }
        for (at, ground) in SERIES.into_iter().enumerate() {
            let found = contrast(theme[format!("on{at}").as_str()], theme[ground]);
            assert!(found >= 4.5, "on{at} on {ground}: {found:.2}");
        }
        for line in SERIES.into_iter().chain(["edge"]) {
            let found = contrast(theme[line], theme["page"]);
            assert!(found >= 3.0, "{line}: {found:.2}");
        }
    }
}

#[test]
fn numbers_stand_out_from_the_darkest_cell_of_a_heat_map() {
    let shades = STYLE.split("--shade: ").skip(1);
    let shades: Vec<f64> = shades
        .map(|rest| rest.split_once(';').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(shades.len(), 3);
    let encoded = |v: f64| match v <= 0.003_130_8 {
        true => 12.92 * v,
        false => 1.055 * v.powf(1.0 / 2.4) - 0.055,
    };
    for (theme, shade) in themes().into_iter().zip(shades) {
        // browsers mix as the colours are written, not in linear light
        let mixed: String = (0..3)
            .map(|at| {
                let (cell, page) = (encoded(theme["accent"][at]), encoded(theme["page"][at]));
                format!(
                    "{:02x}",
                    (255.0 * (shade * cell + (1.0 - shade) * page)).round() as u8
                )
            })
            .collect();
        let found = contrast(theme["ink"], colour(&mixed));
        assert!(found >= 4.5, "{mixed}: {found:.2}");
    }
}

#[test]
fn series_differ_for_every_colour_vision() {
    for theme in themes() {
        for vision in VISIONS {
            let colours = SERIES.map(|name| seen(vision, theme[name]));
            for (at, a) in colours.iter().enumerate() {
                for (other, b) in colours.iter().enumerate().take(at) {
                    let found = difference(*a, *b);
                    assert!(found > 20.0, "c{at} and c{other}: {found:.1}");
                }
            }
        }
    }
}
