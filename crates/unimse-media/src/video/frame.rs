//! One picture, and what is cut out of it.

use super::nn::Map;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Pixels a row, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// Red, green and blue of every pixel, row after row: `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

/// A part of a frame: columns `left..right`, rows `top..bottom`, inside it and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Frame {
    /// The whole of it.
    pub(super) fn whole(&self) -> Part {
        Part {
            left: 0,
            top: 0,
            right: self.width,
            bottom: self.height,
        }
    }

    /// A part at another size, `[3, height, width]`, as the networks of MTCNN take it: every value is the mean of the pixels that it covers, at least in
    /// part (PyTorch's `adaptive_avg_pool2d`), and `(x - 127.5) / 128` of that.
    pub(super) fn resized(&self, part: Part, height: usize, width: usize) -> Map {
        let (rows, columns) = (part.bottom - part.top, part.right - part.left);
        let mut map = Map::zeros(3, height, width);
        let mut sums = vec![0_u32; columns * 3];
        for y in 0..height {
            let (from, to) = covered(y, rows, height);
            sums.fill(0);
            for row in from..to {
                let start = ((part.top + row) * self.width + part.left) * 3;
                let row = &self.rgb[start..start + columns * 3];
                let pairs = sums.iter_mut().zip(row);
                pairs.for_each(|(sum, &pixel)| *sum += u32::from(pixel));
            }
            for x in 0..width {
                let (left, right) = covered(x, columns, width);
                let count = ((to - from) * (right - left)) as f32;
                for colour in 0..3 {
                    let sums = sums[left * 3..right * 3].iter().skip(colour).step_by(3);
                    let sum: u32 = sums.sum();
                    map.values[(colour * height + y) * width + x] =
                        (sum as f32 / count - 127.5) * 0.007_812_5;
                }
            }
        }
        map
    }

    /// Brightness at a place between pixels, 0 to 255 (ITU-R BT.601); beyond an edge that of the edge.
    pub(super) fn grey(&self, x: f32, y: f32) -> f32 {
        let [grey] = self.between(x, y, |[red, green, blue]| {
            [0.299 * red + 0.587 * green + 0.114 * blue]
        });
        grey
    }

    /// Red, green and blue at a place between pixels, 0 to 255; beyond an edge those of the edge.
    pub(super) fn colour(&self, x: f32, y: f32) -> [f32; 3] {
        self.between(x, y, |pixel| pixel)
    }

    /// What `value` says of the four pixels around a place, the nearer the more.
    fn between<const C: usize>(
        &self,
        x: f32,
        y: f32,
        value: impl Fn([f32; 3]) -> [f32; C],
    ) -> [f32; C] {
        let within = |at: f32, length: usize| at.clamp(0.0, (length - 1) as f32);
        let (x, y) = (within(x, self.width), within(y, self.height));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = (
            (left + 1).min(self.width - 1),
            (top + 1).min(self.height - 1),
        );
        let (across, down) = (x - left as f32, y - top as f32);
        let at = |x: usize, y: usize| {
            let pixel = &self.rgb[(y * self.width + x) * 3..][..3];
            value([pixel[0], pixel[1], pixel[2]].map(f32::from))
        };
        let mix = |a: [f32; C], b: [f32; C], share: f32| {
            std::array::from_fn(|c| a[c] * (1.0 - share) + b[c] * share)
        };
        let above = mix(at(left, top), at(right, top), across);
        let below = mix(at(left, bottom), at(right, bottom), across);
        mix(above, below, down)
    }
}

/// The inputs that an output covers.
fn covered(at: usize, inputs: usize, outputs: usize) -> (usize, usize) {
    (at * inputs / outputs, ((at + 1) * inputs).div_ceil(outputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: usize, height: usize, of: impl Fn(usize, usize) -> u8) -> Frame {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let rgb = places.flat_map(|(x, y)| [of(x, y); 3]).collect();
        Frame { width, height, rgb }
    }

    #[test]
    fn a_smaller_picture_has_the_means_of_what_it_covers() {
        let frame = frame(4, 2, |x, y| (10 * x + 100 * y) as u8);
        let small = frame.resized(frame.whole(), 1, 2);
        let expected = [
            (10 + 100 + 110) as f32 / 4.0,
            (20 + 30 + 120 + 130) as f32 / 4.0,
        ];
        let expected = expected.map(|mean| (mean - 127.5) / 128.0);
        assert_eq!(small.values, [expected, expected, expected].concat());
        // a part of one column, made larger
        let part = Part {
            left: 1,
            top: 0,
            right: 2,
            bottom: 2,
        };
        let large = frame.resized(part, 4, 1);
        let expected = [10.0, 10.0, 110.0, 110.0].map(|x| (x - 127.5) / 128.0);
        assert_eq!(large.values[..4], expected);
    }

    #[test]
    fn brightness_between_pixels_is_a_mean_and_beyond_edges_that_of_the_edge() {
        let frame = frame(2, 2, |x, y| (100 * x + 50 * y) as u8);
        for (x, y, expected) in [(0.5, 0.0, 50.0), (0.5, 0.5, 75.0), (-3.0, 9.0, 50.0)] {
            assert!((frame.grey(x, y) - expected).abs() < 1e-3);
        }
    }
}
