//! The baseline `knn`: what the labels alone know. A row is answered by the gold values of the train rows of its corpus whose sentence
//! embeddings are nearest to its own, as a donor of universal labels is found (paper 3.2), but within one corpus and for its own field.

use tch::Tensor;
use unimse_eval::{Convention, Metric, emotion, sentiment};
use unimse_run::Chosen;

use crate::evaluate::fitting::{Asked, Fitted, NOT_FINITE, Part, check};

/// Numbers of neighbours tried.
const NEIGHBOURS: [usize; 6] = [1, 3, 5, 10, 20, 50];
/// Rows whose similarities to all train rows are in memory together.
const TOGETHER: usize = 256;

/// A train row and the cosine of its embedding and that of the row that asks; embeddings have length 1.
type Neighbour = (usize, f32);

/// The mean score of the nearest train rows, their number chosen by dev MAE.
pub(super) fn score(train: &Part<'_, f32>, dev: &Part<'_, f32>, asked: Asked<'_>) -> Fitted<f32> {
    if !train.truth.iter().chain(dev.truth).all(|t| t.is_finite()) {
        return Err(NOT_FINITE.to_owned());
    }
    let answer = |near: &[Neighbour]| {
        let sum: f64 = near
            .iter()
            .map(|&(row, _)| f64::from(train.truth[row]))
            .sum();
        (sum / near.len() as f64) as f32
    };
    choose(train, dev, asked, answer, |on_dev| {
        let scores = sentiment(on_dev, dev.truth, Convention::Mmsa).map_err(|e| e.to_string())?;
        Ok(-scores.get(Metric::Mae).unwrap_or(f64::INFINITY))
    })
}

/// The class with the most votes of the nearest train rows, a vote weighs as much as the row is similar; their number chosen by dev
/// weighted F1.
pub(super) fn class(
    train: &Part<'_, usize>,
    dev: &Part<'_, usize>,
    asked: Asked<'_>,
    labels: &[String],
) -> Fitted<usize> {
    choose(
        train,
        dev,
        asked,
        |near| vote(near, train.truth, labels.len()),
        |on_dev| {
            let scores = emotion(on_dev, dev.truth, labels).map_err(|e| e.to_string())?;
            Ok(scores.scores.get(Metric::WeightedF1).unwrap_or(0.0))
        },
    )
}

/// The first class with the largest sum of similarities; one below 0 weighs nothing. Where no neighbour weighs anything, the class of the
/// nearest.
fn vote(near: &[Neighbour], truth: &[usize], classes: usize) -> usize {
    let mut votes = vec![0.0; classes];
    for &(row, similarity) in near {
        votes[truth[row]] += f64::from(similarity.max(0.0));
    }
    let mut best = near.first().map_or(0, |&(row, _)| truth[row]);
    for (class, &sum) in votes.iter().enumerate() {
        if sum > votes[best] || (sum == votes[best] && sum > 0.0 && class < best) {
            best = class;
        }
    }
    best
}

/// Answers with the number of neighbours whose answers on dev `quality` likes best; of equals the smallest.
fn choose<T: Copy>(
    train: &Part<'_, T>,
    dev: &Part<'_, T>,
    asked: Asked<'_>,
    answer: impl Fn(&[Neighbour]) -> T,
    quality: impl Fn(&[T]) -> Result<f64, String>,
) -> Fitted<T> {
    check(train, dev, asked, 1)?;
    let rows = train.truth.len();
    let most = NEIGHBOURS[NEIGHBOURS.len() - 1].min(rows);
    let near = |inputs: &[f32]| nearest(inputs, &train.inputs, asked.dim, most);
    let of_dev = near(&dev.inputs)?;
    let answers = |all: &[Vec<Neighbour>], k: usize| -> Vec<T> {
        all.iter().map(|near| answer(&near[..k])).collect()
    };
    let mut best: Option<(f64, usize)> = None;
    for k in NEIGHBOURS.into_iter().filter(|&k| k <= rows) {
        let value = quality(&answers(&of_dev, k))?;
        if best.is_none_or(|(b, _)| value > b) {
            best = Some((value, k));
        }
    }
    let (_, k) = best.ok_or("no number of neighbours fits")?;
    let chosen = Chosen {
        k: Some(k),
        ..Chosen::default()
    };
    Ok((answers(&near(asked.inputs)?, k), Some(chosen)))
}

/// The `most` train rows most similar to each row of `inputs`, most similar first, of equals the first in `train`; both `[rows, dim]`.
fn nearest(
    inputs: &[f32],
    train: &[f32],
    dim: usize,
    most: usize,
) -> Result<Vec<Vec<Neighbour>>, String> {
    let matrix = |values: &[f32]| Tensor::from_slice(values).view([-1, dim as i64]);
    let columns = matrix(train).tr();
    let mut all = Vec::with_capacity(inputs.len() / dim);
    for block in inputs.chunks(TOGETHER * dim) {
        let similar = matrix(block).matmul(&columns).flatten(0, 1);
        let similar = Vec::<f32>::try_from(similar).map_err(|e| e.to_string())?;
        for row in similar.chunks_exact(train.len() / dim) {
            let mut near: Vec<Neighbour> = row.iter().copied().enumerate().collect();
            let order =
                |a: &Neighbour, b: &Neighbour| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
            if most < near.len() {
                near.select_nth_unstable_by(most, order);
                near.truncate(most);
            }
            near.sort_unstable_by(order);
            all.push(near);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    /// A row of length 1 at an angle in degrees.
    fn at(degrees: f32) -> [f32; 2] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin]
    }

    fn inputs(degrees: &[f32]) -> Vec<f32> {
        degrees.iter().flat_map(|&d| at(d)).collect()
    }

    fn part<'a, T>(degrees: &[f32], truth: &'a [T]) -> Part<'a, T> {
        Part {
            inputs: inputs(degrees),
            truth,
        }
    }

    #[test]
    fn the_nearest_are_in_order_of_the_angle() {
        let near = nearest(&inputs(&[10.0]), &inputs(&[90.0, 0.0, 15.0, 0.0]), 2, 3).unwrap();
        let rows: Vec<usize> = near[0].iter().map(|&(row, _)| row).collect();
        assert_eq!(rows, [2, 1, 3]); // two at 0 degrees: the first comes first
    }

    #[test]
    fn dev_chooses_how_many_scores_are_averaged() {
        let truth = [3.0, -3.0, 0.6, 0.0, 2.0];
        let train = part(&[0.0, 1.0, 2.0, 80.0, 90.0], &truth);
        let (test, none) = (inputs(&[85.0]), |chosen: Option<Chosen>| chosen.unwrap().k);
        let asked = Asked {
            inputs: &test,
            rows: 1,
            dim: 2,
        };
        // near 0 degrees one neighbour is off by 2.8, the mean of three by 0, that of five by 0.32
        let dev = part(&[0.4], &[0.2]);
        let (prediction, chosen) = score(&train, &dev, asked).unwrap();
        assert_eq!(none(chosen), Some(3));
        let mean = (0.0 + 2.0 + 0.6) / 3.0;
        assert!((prediction[0] - mean).abs() < 1e-6, "{prediction:?}");
        // where one is best, the nearest answers alone; of two at 5 degrees the first
        let (prediction, chosen) = score(&train, &part(&[0.0], &[3.0]), asked).unwrap();
        assert_eq!(none(chosen), Some(1));
        assert!([0.0, 2.0].contains(&prediction[0]));
    }

    #[test]
    fn votes_weigh_by_similarity() {
        let truth = [1, 0, 0];
        // one vote of 0.9 against two of 0.4
        assert_eq!(vote(&[(0, 0.9), (1, 0.4), (2, 0.4)], &truth, 2), 1);
        assert_eq!(vote(&[(0, 0.7), (1, 0.4), (2, 0.4)], &truth, 2), 0);
        // equal: the first class; nothing similar: the nearest
        assert_eq!(vote(&[(0, 0.8), (1, 0.4), (2, 0.4)], &truth, 2), 0);
        assert_eq!(vote(&[(0, -0.1), (1, -0.2)], &truth, 2), 1);
    }

    #[test]
    fn a_class_is_that_of_the_rows_around() {
        let labels: Vec<String> = ["a", "b"].map(String::from).to_vec();
        let truth = [0, 0, 0, 1, 1];
        let train = part(&[0.0, 5.0, 10.0, 80.0, 90.0], &truth);
        let test = inputs(&[3.0, 88.0]);
        let asked = Asked {
            inputs: &test,
            rows: 2,
            dim: 2,
        };
        let (prediction, chosen) = class(&train, &train, asked, &labels).unwrap();
        assert_eq!((prediction, chosen.unwrap().k), (vec![0, 1], Some(1)));
    }
}
