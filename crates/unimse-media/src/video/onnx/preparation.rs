//! How the picture of a face becomes the input of a network: what its settings say, in the file beside it or in a feature card.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use unimse_run::FeatureCard;

use crate::MediaError;

/// Sides of a network's picture, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 8..=1024;
/// Side where neither the network nor its settings say one.
const SIDE: usize = 224;
/// Pictures a second.
const RATES: std::ops::RangeInclusive<u32> = 1..=60;
/// Mean and standard deviation of red, green and blue in ImageNet, which most networks were trained with.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// What the file of settings beside a network says, `NAME.toml` of `NAME.onnx`; every key may be left out, others are refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preparation {
    /// Pixels of the picture's side, 8 to 1024; default: what the network's input declares, else 224.
    pub size: Option<usize>,
    /// What is added around the face, as a share of its side on each side, 0 to 2; default 0: the eyes are 0.4 of the side apart.
    pub margin: f32,
    /// Taken away from every value of a channel, when black is 0 and white is 1; default that of ImageNet, of a grey picture 0.
    pub mean: Option<Vec<f32>>,
    /// What every value is then divided by; default that of ImageNet, of a grey picture 1.
    pub std: Option<Vec<f32>>,
    /// Whether the channels are blue, green and red, in this order; default: red, green, blue. `mean` and `std` are in the same order.
    pub bgr: bool,
    /// Name of the output; default: the first.
    pub output: Option<String>,
    /// Pictures a second, 1 to 60; default 5.
    pub rate_hz: Option<u32>,
}

impl Preparation {
    /// Reads the file of settings beside a network, if there is one.
    ///
    /// # Errors
    /// [`MediaError::Network`] naming the file and the key.
    pub fn beside(network: &Path) -> Result<Self, MediaError> {
        let path = network.with_extension("toml");
        let wrong = |message: String| MediaError::Network {
            path: path.clone(),
            message,
        };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            text => text.map_err(|error| wrong(error.to_string()))?,
        };
        let read: Self = toml::from_str(&text).map_err(|error| {
            let line = error
                .span()
                .map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            wrong(format!(
                "line {line}: {}",
                error.message().replace('\n', " ")
            ))
        })?;
        read.check().map_err(wrong)?;
        Ok(read)
    }

    /// What the card of such features says; `None` where it is of something else.
    #[must_use]
    pub fn of_card(card: &FeatureCard) -> Option<Self> {
        let setting = |name: &str| card.settings.get(name).map(String::as_str);
        let numbers = |name: &str| -> Option<Vec<f32>> {
            let words = setting(name)?.split_whitespace();
            words.map(|word| word.parse().ok()).collect()
        };
        let read = Self {
            size: Some(setting("size")?.parse().ok()?),
            margin: setting("margin")?.parse().ok()?,
            mean: Some(numbers("mean")?),
            std: Some(numbers("std")?),
            bgr: setting("channels")? == "bgr",
            output: Some(setting("output")?.to_owned()),
            rate_hz: None,
        };
        read.check().is_ok().then_some(read)
    }

    fn check(&self) -> Result<(), String> {
        let expected = |key: &str, what: &str, found: &dyn std::fmt::Debug| {
            Err(format!("{key}: expected {what}, found {found:?}"))
        };
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if let Some(size) = self.size.filter(|size| !SIDES.contains(size)) {
            return expected("size", "8 to 1024 pixels", &size);
        }
        if !(0.0..=2.0).contains(&self.margin) {
            return expected("margin", "a share of the face, 0 to 2", &self.margin);
        }
        if let Some(rate) = self.rate_hz.filter(|rate| !RATES.contains(rate)) {
            return expected("rate_hz", "1 to 60 pictures a second", &rate);
        }
        if let Some(mean) = self.mean.as_ref().filter(|mean| !finite(mean)) {
            return expected("mean", "finite numbers", mean);
        }
        let wrong = |std: &&Vec<f32>| !finite(std) || std.iter().any(|&std| std <= 0.0);
        match self.std.as_ref().filter(wrong) {
            Some(std) => expected("std", "finite numbers above 0", std),
            None => Ok(()),
        }
    }

    /// With what the network's input declares, `shape` with -1 for a dimension that is free, and with the name of its output.
    ///
    /// # Errors
    /// What was expected of the shape or the settings, and what was found.
    pub(super) fn of_input(&self, shape: &[i64], output: String) -> Result<Prepared, String> {
        let wrong = || {
            format!(
                "expected an input [1, 3, side, side] or [1, side, side, 3], or with one channel for grey, found {shape:?}"
            )
        };
        let &[batch, a, b, c] = shape else {
            return Err(wrong());
        };
        let (channels, sides, channels_last) = match (a, c) {
            (1 | 3, _) => (a as usize, [b, c], false),
            (_, 1 | 3) => (c as usize, [a, b], true),
            _ => return Err(wrong()),
        };
        if !matches!(batch, -1 | 1) {
            return Err(format!(
                "expected one picture at a time, found an input {shape:?}"
            ));
        }
        let side = self
            .side(sides)
            .map_err(|message| format!("{message}, found an input {shape:?}"))?;
        let pick = |given: &Option<Vec<f32>>, key: &str, colours: [f32; 3], grey: f32| match given {
            Some(given) if given.len() == channels => Ok(given.clone()),
            Some(given) => Err(format!(
                "{key}: expected a number for each of {channels} channels, found {given:?}"
            )),
            None if channels == 3 => Ok(colours.to_vec()),
            None => Ok(vec![grey]),
        };
        Ok(Prepared {
            side,
            channels_last,
            margin: self.margin,
            mean: pick(&self.mean, "mean", IMAGENET[0], 0.0)?,
            std: pick(&self.std, "std", IMAGENET[1], 1.0)?,
            bgr: self.bgr,
            output,
        })
    }

    /// The side of the picture, by both dimensions of the input and the settings.
    fn side(&self, sides: [i64; 2]) -> Result<usize, String> {
        let mut side = self.size;
        for declared in sides.into_iter().filter(|&side| side != -1) {
            let declared = usize::try_from(declared).unwrap_or_default();
            if !SIDES.contains(&declared) {
                return Err("expected a picture of 8 to 1024 pixels a side".to_owned());
            }
            if *side.get_or_insert(declared) != declared {
                return Err(match self.size {
                    Some(size) => {
                        format!("size: expected the side that the input declares, found {size}")
                    }
                    None => "expected a square picture".to_owned(),
                });
            }
        }
        Ok(side.unwrap_or(SIDE))
    }
}

/// How pictures are prepared for a network whose input is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prepared {
    pub(super) side: usize,
    /// `[1, side, side, channels]` instead of `[1, channels, side, side]`.
    pub(super) channels_last: bool,
    pub(super) margin: f32,
    /// One a channel: their number is that of the channels, 1 or 3.
    pub(super) mean: Vec<f32>,
    pub(super) std: Vec<f32>,
    pub(super) bgr: bool,
    pub(super) output: String,
}

impl Prepared {
    /// The shape of the input.
    pub(super) fn shape(&self) -> Vec<i64> {
        let (side, channels) = (self.side as i64, self.mean.len() as i64);
        match self.channels_last {
            true => vec![1, side, side, channels],
            false => vec![1, channels, side, side],
        }
    }

    /// The values of the input for a picture `[side * side]` of red, green and blue, 0 to 255: from 0 to 1, less the mean, by the standard deviation.
    pub(super) fn input(&self, picture: &[[f32; 3]]) -> Vec<f32> {
        let channels = self.mean.len();
        let value = |pixel: &[f32; 3], channel: usize| {
            let level = match (channels, self.bgr) {
                (1, _) => 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2],
                (_, true) => pixel[2 - channel],
                (_, false) => pixel[channel],
            };
            (level / 255.0 - self.mean[channel]) / self.std[channel]
        };
        let mut values = Vec::with_capacity(picture.len() * channels);
        if self.channels_last {
            for pixel in picture {
                values.extend((0..channels).map(|channel| value(pixel, channel)));
            }
        } else {
            for channel in 0..channels {
                values.extend(picture.iter().map(|pixel| value(pixel, channel)));
            }
        }
        values
    }

    /// What a card says of it.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let words = |values: &[f32]| {
            let words: Vec<String> = values.iter().map(f32::to_string).collect();
            words.join(" ")
        };
        let channels = match (self.mean.len(), self.bgr) {
            (1, _) => "grey",
            (_, true) => "bgr",
            (_, false) => "rgb",
        };
        let settings = [
            ("size", self.side.to_string()),
            ("margin", self.margin.to_string()),
            ("mean", words(&self.mean)),
            ("std", words(&self.std)),
            ("channels", channels.to_owned()),
            ("output", self.output.clone()),
        ];
        settings
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn prepared(shape: &[i64], preparation: &Preparation) -> Result<Prepared, String> {
        preparation.of_input(shape, "out".to_owned())
    }

    #[test]
    fn the_declared_shape_says_layout_channels_and_side() {
        let found = |shape: &[i64]| {
            let prepared = prepared(shape, &Preparation::default()).unwrap();
            (prepared.shape(), prepared.mean.len())
        };
        assert_eq!(found(&[1, 3, 260, 260]), (vec![1, 3, 260, 260], 3));
        assert_eq!(found(&[-1, 3, -1, -1]), (vec![1, 3, 224, 224], 3));
        assert_eq!(found(&[-1, 64, 64, 3]), (vec![1, 64, 64, 3], 3));
        assert_eq!(found(&[1, 1, 64, 64]), (vec![1, 1, 64, 64], 1));
        assert_eq!(found(&[1, -1, 48, 1]), (vec![1, 48, 48, 1], 1));
    }

    #[test]
    fn other_shapes_and_settings_are_told_of() {
        let size = |size| Preparation {
            size: Some(size),
            ..Preparation::default()
        };
        let default = Preparation::default();
        let mean = Preparation {
            mean: Some(vec![0.5]),
            ..Preparation::default()
        };
        let cases: [(&[i64], &Preparation, &str); 9] = [
            (&[3, 224, 224], &default, "found [3, 224, 224]"),
            (&[1, 3, 8, 224, 224], &default, "expected an input"),
            (&[1, 4, 224, 224], &default, "one channel for grey"),
            (&[8, 3, 224, 224], &default, "one picture at a time"),
            (&[1, 3, 0, 0], &default, "8 to 1024 pixels"),
            (&[1, 3, 1 << 40, 1 << 40], &default, "8 to 1024 pixels"),
            (&[1, 3, 224, 112], &default, "a square picture"),
            (&[1, 3, 224, 224], &size(260), "size: expected"),
            (
                &[1, 3, 224, 224],
                &mean,
                "mean: expected a number for each of 3 channels",
            ),
        ];
        for (shape, preparation, words) in cases {
            let error = prepared(shape, preparation).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(prepared(&[1, 3, -1, -1], &size(260)).unwrap().side, 260);
    }

    #[test]
    fn values_lie_where_the_layout_has_them() {
        let picture = [[255.0, 0.0, 51.0], [0.0, 102.0, 255.0]]; // not square; the values do not care
        let plain = Preparation {
            mean: Some(vec![0.0, 0.2, 0.4]),
            std: Some(vec![1.0, 2.0, 0.5]),
            ..Preparation::default()
        };
        let rgb = [[1.0, -0.2 / 2.0, -0.2 / 0.5], [0.0, 0.2 / 2.0, 0.6 / 0.5]];
        let close = |found: Vec<f32>, expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found} {expected}");
            }
        };
        let last = prepared(&[1, 8, 8, 3], &plain).unwrap();
        close(last.input(&picture), &rgb.concat());
        let first = prepared(&[1, 3, 8, 8], &plain).unwrap();
        let turned: Vec<f32> = (0..3).flat_map(|c| rgb.map(|pixel| pixel[c])).collect();
        close(first.input(&picture), &turned);
        let bgr = Preparation { bgr: true, ..plain };
        let bgr = prepared(&[1, 8, 8, 3], &bgr).unwrap();
        let first_pixel = [0.2, -0.2 / 2.0, 0.6 / 0.5];
        close(bgr.input(&picture[..1]), &first_pixel);
        let grey = prepared(&[1, 1, 8, 8], &Preparation::default()).unwrap();
        close(grey.input(&picture[..1]), &[0.299 + 0.114 * 0.2]);
    }

    #[test]
    fn a_card_gives_the_settings_back() {
        let given = Preparation {
            margin: 0.25,
            std: Some(vec![0.1, 0.2, 1.0 / 3.0]),
            bgr: true,
            ..Preparation::default()
        };
        let prepared = prepared(&[1, 3, 112, 112], &given).unwrap();
        let mut card = FeatureCard::new("mtcnn + a.onnx", 8);
        assert_eq!(Preparation::of_card(&card), None);
        card.settings = prepared.settings();
        let back = Preparation::of_card(&card).unwrap();
        assert_eq!(
            back.of_input(&[1, 3, -1, -1], "out".to_owned()).unwrap(),
            prepared
        );
        assert_eq!(back.output.as_deref(), Some("out"));
    }

    #[test]
    fn a_file_of_settings_is_read_or_told_of_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let network = folder.path().join("net.onnx");
        assert_eq!(
            Preparation::beside(&network).unwrap(),
            Preparation::default()
        );
        let read = |text: &str| {
            fs::write(folder.path().join("net.toml"), text).unwrap();
            Preparation::beside(&network)
        };
        let all = "size = 260\nmargin = 0.2\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\nbgr = true\noutput = \"features\"\nrate_hz = 10\n";
        let expected = Preparation {
            size: Some(260),
            margin: 0.2,
            mean: Some(vec![0.5; 3]),
            std: Some(vec![0.5; 3]),
            bgr: true,
            output: Some("features".to_owned()),
            rate_hz: Some(10),
        };
        assert_eq!(read(all).unwrap(), expected);
        for (text, words) in [
            (
                "size = 260\nlayout = \"nhwc\"",
                "net.toml: line 2: unknown field `layout`",
            ),
            ("size = \"large\"", "line 1: invalid type"),
            ("size = 5000", "size: expected 8 to 1024 pixels, found 5000"),
            ("margin = -0.1", "margin: expected"),
            ("rate_hz = 0", "rate_hz: expected 1 to 60"),
            (
                "std = [1.0, 0.0, 1.0]",
                "std: expected finite numbers above 0",
            ),
            ("mean = [nan]", "mean: expected finite numbers"),
            ("size =", "line 1: "),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
