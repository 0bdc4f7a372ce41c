//! Faces and their landmarks: MTCNN (Zhang et al. 2016, "Joint face detection and alignment using multitask cascaded convolutional networks"), with the
//! networks, the thresholds and the arithmetic of facenet-pytorch 2.6.0. A small network looks at every place of a pyramid of pictures, a larger one at
//! what that found, a third at what is left.

use std::path::Path;

use unimse_formats::FormatError;

use super::{
    boxes::{Candidate, Overlap, corrected, squared, suppressed},
    frame::{Frame, Part},
    nn::{Conv, Edges, Map, max_pool, second_of_two},
    weights::Weights,
};

/// What the three networks must say.
const THRESHOLDS: [f32; 3] = [0.6, 0.7, 0.7];
/// From one picture of the pyramid to the next.
const FACTOR: f64 = 0.709;
/// Side of the first network's window, and the steps it goes.
const CELL: f32 = 12.0;
const STRIDE: f32 = 2.0;
/// Boxes that the second network looks at, the best of the first: a picture of noise has thousands.
const MOST: usize = 384;

/// A face that was found in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Face {
    /// Left, top, right and bottom, in pixels of the frame; may reach over its edges.
    pub bounds: [f32; 4],
    /// Left eye, right eye, nose, left and right corner of the mouth as the frame shows them, each `[x, y]` in pixels.
    pub landmarks: [[f32; 2]; 5],
    /// How sure the network is, 0.7 to 1.
    pub score: f32,
}

impl Face {
    /// Area in square pixels.
    pub(super) fn area(&self) -> f32 {
        let [left, top, right, bottom] = self.bounds;
        (right - left).max(0.0) * (bottom - top).max(0.0)
    }
}

/// The three networks.
pub(super) struct Mtcnn {
    proposals: Proposals,
    refinement: Refinement,
    output: Output,
}

impl Mtcnn {
    /// Reads the three files of weights.
    pub(super) fn load([pnet, rnet, onet]: [&Path; 3]) -> Result<Self, FormatError> {
        Ok(Self {
            proposals: Proposals::load(Weights::torch(pnet)?)?,
            refinement: Refinement::load(Weights::torch(rnet)?)?,
            output: Output::load(Weights::torch(onet)?)?,
        })
    }

    /// The faces of a frame of at least `least` pixels a side, surest first.
    pub(super) fn detect(&self, frame: &Frame, least: usize) -> Vec<Face> {
        let found = self.proposals.all(frame, least.max(CELL as usize));
        let found = self.refinement.all(frame, found);
        self.output.all(frame, found)
    }
}

/// A convolution and the slopes of its activation.
struct Layer {
    conv: Conv,
    slopes: Vec<f32>,
}

impl Layer {
    /// `conv<number>` and `prelu<number>`.
    fn load(weights: &mut Weights, number: u8, shape: [usize; 3]) -> Result<Self, FormatError> {
        Ok(Self {
            conv: weights.conv(&format!("conv{number}"), shape)?,
            slopes: weights.take(&format!("prelu{number}.weight"), &[shape[0]])?,
        })
    }

    fn apply(&self, map: &Map) -> Map {
        self.conv.apply(map).prelu(&self.slopes)
    }
}

/// A layer that takes all values; a convolution by windows of one.
fn dense(
    weights: &mut Weights,
    name: &str,
    outputs: usize,
    inputs: usize,
) -> Result<Conv, FormatError> {
    Ok(Conv {
        inputs,
        outputs,
        size: 1,
        stride: 1,
        edges: Edges::Inside,
        weights: weights.take(&format!("{name}.weight"), &[outputs, inputs])?,
        bias: weights.take(&format!("{name}.bias"), &[outputs])?,
    })
}

/// All values as channels, column by column: the networks were trained in a framework that keeps pictures so.
fn flat(map: &Map) -> Map {
    let mut flat = Map::zeros(map.values.len(), 1, 1);
    let mut values = flat.values.iter_mut();
    for x in 0..map.width {
        for y in 0..map.height {
            for channel in 0..map.channels {
                if let Some(value) = values.next() {
                    *value = map.values[(channel * map.height + y) * map.width + x];
                }
            }
        }
    }
    flat
}

fn four(values: &[f32]) -> [f32; 4] {
    values.first_chunk().copied().unwrap_or_default()
}

/// The first network, over whole pictures.
struct Proposals {
    layers: [Layer; 3],
    scores: Conv,
    offsets: Conv,
}

impl Proposals {
    fn load(mut weights: Weights) -> Result<Self, FormatError> {
        let weights = &mut weights;
        Ok(Self {
            layers: [
                Layer::load(weights, 1, [10, 3, 3])?,
                Layer::load(weights, 2, [16, 10, 3])?,
                Layer::load(weights, 3, [32, 16, 3])?,
            ],
            scores: weights.conv("conv4_1", [2, 32, 1])?,
            offsets: weights.conv("conv4_2", [4, 32, 1])?,
        })
    }

    /// Squares around what may be faces.
    fn all(&self, frame: &Frame, least: usize) -> Vec<Candidate> {
        let first = f64::from(CELL) / least as f64;
        let mut side = frame.width.min(frame.height) as f64 * first;
        let (mut scale, mut found) = (first, Vec::new());
        while side >= f64::from(CELL) {
            found.extend(suppressed(self.at(frame, scale), 0.5, Overlap::Union));
            scale *= FACTOR;
            side *= FACTOR;
        }
        let mut found = suppressed(found, 0.7, Overlap::Union);
        found.truncate(MOST);
        for one in &mut found {
            one.bounds = squared(corrected(one.bounds, one.offsets, 0.0));
        }
        found
    }

    /// What it finds in the picture at one scale.
    fn at(&self, frame: &Frame, scale: f64) -> Vec<Candidate> {
        let size = |length: usize| (length as f64 * scale + 1.0) as usize;
        let map = frame.resized(frame.whole(), size(frame.height), size(frame.width));
        let map = max_pool(&self.layers[0].apply(&map), 2, 2, Edges::Inside);
        let map = self.layers[2].apply(&self.layers[1].apply(&map));
        let (scores, offsets) = (self.scores.apply(&map), self.offsets.apply(&map));
        let (area, scale) = (map.area(), scale as f32);
        let mut found = Vec::new();
        for place in 0..area {
            let score = second_of_two(scores.values[place], scores.values[area + place]);
            if score < THRESHOLDS[0] {
                continue;
            }
            let (x, y) = ((place % map.width) as f32, (place / map.width) as f32);
            let near = |at: f32| ((STRIDE * at + 1.0) / scale).floor();
            let far = |at: f32| ((STRIDE * at + CELL) / scale).floor();
            found.push(Candidate {
                bounds: [near(x), near(y), far(x), far(y)],
                score,
                offsets: std::array::from_fn(|i| offsets.values[i * area + place]),
                landmarks: [[0.0; 2]; 5],
            });
        }
        found
    }
}

/// The part of a frame that a box covers, as the networks were trained: the first pixel is 1.
fn part(frame: &Frame, bounds: [f32; 4]) -> Option<Part> {
    let [left, top, right, bottom] = bounds.map(|x| x.trunc() as i64);
    let limit = |at: i64, most: usize| usize::try_from(at).unwrap_or(0).min(most);
    let part = Part {
        left: limit(left.max(1) - 1, frame.width),
        top: limit(top.max(1) - 1, frame.height),
        right: limit(right, frame.width),
        bottom: limit(bottom, frame.height),
    };
    (part.left < part.right && part.top < part.bottom).then_some(part)
}

/// The second network.
struct Refinement {
    layers: [Layer; 3],
    inner: Conv,
    slopes: Vec<f32>,
    scores: Conv,
    offsets: Conv,
}

impl Refinement {
    const SIDE: usize = 24;

    fn load(mut weights: Weights) -> Result<Self, FormatError> {
        let weights = &mut weights;
        Ok(Self {
            layers: [
                Layer::load(weights, 1, [28, 3, 3])?,
                Layer::load(weights, 2, [48, 28, 3])?,
                Layer::load(weights, 3, [64, 48, 2])?,
            ],
            inner: dense(weights, "dense4", 128, 576)?,
            slopes: weights.take("prelu4.weight", &[128])?,
            scores: dense(weights, "dense5_1", 2, 128)?,
            offsets: dense(weights, "dense5_2", 4, 128)?,
        })
    }

    fn all(&self, frame: &Frame, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let mut found = Vec::new();
        for one in candidates {
            let Some(part) = part(frame, one.bounds) else {
                continue;
            };
            let map = frame.resized(part, Self::SIDE, Self::SIDE);
            let map = max_pool(&self.layers[0].apply(&map), 3, 2, Edges::Inside);
            let map = max_pool(&self.layers[1].apply(&map), 3, 2, Edges::Inside);
            let map = self.layers[2].apply(&map);
            let inner = self.inner.apply(&flat(&map)).prelu(&self.slopes);
            let scores = self.scores.apply(&inner).values;
            let score = second_of_two(scores[0], scores[1]);
            if score > THRESHOLDS[1] {
                let offsets = four(&self.offsets.apply(&inner).values);
                found.push(Candidate {
                    score,
                    offsets,
                    ..one
                });
            }
        }
        let mut found = suppressed(found, 0.7, Overlap::Union);
        for one in &mut found {
            one.bounds = squared(corrected(one.bounds, one.offsets, 1.0));
        }
        found
    }
}

/// The third network, which also finds landmarks.
struct Output {
    layers: [Layer; 4],
    inner: Conv,
    slopes: Vec<f32>,
    scores: Conv,
    offsets: Conv,
    landmarks: Conv,
}

impl Output {
    const SIDE: usize = 48;

    fn load(mut weights: Weights) -> Result<Self, FormatError> {
        let weights = &mut weights;
        Ok(Self {
            layers: [
                Layer::load(weights, 1, [32, 3, 3])?,
                Layer::load(weights, 2, [64, 32, 3])?,
                Layer::load(weights, 3, [64, 64, 3])?,
                Layer::load(weights, 4, [128, 64, 2])?,
            ],
            inner: dense(weights, "dense5", 256, 1152)?,
            slopes: weights.take("prelu5.weight", &[256])?,
            scores: dense(weights, "dense6_1", 2, 256)?,
            offsets: dense(weights, "dense6_2", 4, 256)?,
            landmarks: dense(weights, "dense6_3", 10, 256)?,
        })
    }

    fn all(&self, frame: &Frame, candidates: Vec<Candidate>) -> Vec<Face> {
        let found = candidates.into_iter();
        let found = found.filter_map(|one| self.one(frame, one)).collect();
        let faces = suppressed(found, 0.7, Overlap::Smaller).into_iter();
        let faces = faces.map(|one| Face {
            bounds: one.bounds,
            landmarks: one.landmarks,
            score: one.score,
        });
        faces.collect()
    }

    fn one(&self, frame: &Frame, one: Candidate) -> Option<Candidate> {
        let map = frame.resized(part(frame, one.bounds)?, Self::SIDE, Self::SIDE);
        let map = max_pool(&self.layers[0].apply(&map), 3, 2, Edges::Inside);
        let map = max_pool(&self.layers[1].apply(&map), 3, 2, Edges::Inside);
        let map = max_pool(&self.layers[2].apply(&map), 2, 2, Edges::Inside);
        let map = self.layers[3].apply(&map);
        let inner = self.inner.apply(&flat(&map)).prelu(&self.slopes);
        let scores = self.scores.apply(&inner).values;
        let score = second_of_two(scores[0], scores[1]);
        if score <= THRESHOLDS[2] {
            return None;
        }
        let [left, top, right, bottom] = one.bounds;
        let (width, height) = (right - left + 1.0, bottom - top + 1.0);
        let points = self.landmarks.apply(&inner).values;
        let offsets = four(&self.offsets.apply(&inner).values);
        Some(Candidate {
            bounds: corrected(one.bounds, offsets, 1.0),
            score,
            offsets,
            landmarks: std::array::from_fn(|i| {
                [
                    width * points[i] + left - 1.0,
                    height * points[5 + i] + top - 1.0,
                ]
            }),
        })
    }
}
