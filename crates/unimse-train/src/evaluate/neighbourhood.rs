//! Vectors of many dimensions as points of a plane in which neighbours stay neighbours: t-SNE (van der Maaten and Hinton, JMLR 2008).
//!
//! Nothing is drawn by chance: neighbours are exact, the start is the principal plane (Kobak and Berens, Nature Communications 2019), and one thread adds
//! in one order. So the same vectors give the same points.

use bhtsne::{Neighbor, tSNE};
use tch::{Kind, Tensor};

use super::plane::EXACT;
use crate::TrainError;

/// How many neighbours count: scikit-learn's default. Fewer where there are few rows.
const PERPLEXITY: f64 = 30.0;
/// Rows that make a neighbourhood.
const FEWEST: i64 = 10;
/// Steps of the descent: the default of scikit-learn and of the crate.
const STEPS: usize = 1000;
/// From which angle on a group of points acts as one (Barnes and Hut).
const THETA: f64 = 0.5;
/// Standard deviation of the start along its first axis.
const SPREAD: f64 = 1e-4;

/// The points of `rows` `[rows, dim]` f64, from their places `start` on the principal plane; `None` of fewer than ten rows, of rows that are all one, and
/// where the descent ends nowhere.
///
/// # Errors
/// Distances that LibTorch cannot compute; a thread that cannot be started.
pub(super) fn neighbourhood(
    rows: &Tensor,
    start: &[[f32; 2]],
) -> Result<Option<Vec<[f32; 2]>>, TrainError> {
    let n = rows.size()[0];
    let start = start.concat();
    let first = start.iter().step_by(2).map(|x| f64::from(*x).powi(2));
    let deviation = (first.sum::<f64>() / n as f64).sqrt();
    if n < FEWEST || deviation == 0.0 {
        return Ok(None);
    }
    let perplexity = PERPLEXITY.min(((n - 1) / 3) as f64);
    let neighbours = neighbours(rows, (3.0 * perplexity) as i64)?;
    let scale = SPREAD / deviation;
    let start: Vec<f64> = start.iter().map(|x| scale * f64::from(*x)).collect();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.map_err(|error| TrainError::Data(format!("t-SNE: {error}")))?;
    let found: Vec<f64> = alone.install(|| {
        tSNE::<f64, Vec<Neighbor<f64>>, 2>::new(&neighbours)
            .perplexity(perplexity)
            .epochs(STEPS)
            .initial_embedding(start)
            .barnes_hut_with_neighbors(THETA, &neighbours)
            .embedding()
    });
    let found = found.iter().map(|x| *x as f32);
    let found: Vec<f32> = found.collect();
    let ends = found.iter().all(|x| x.is_finite());
    Ok(ends.then(|| found.as_chunks().0.to_vec()))
}

/// The `k` nearest of each row, itself aside, nearest first.
fn neighbours(rows: &Tensor, k: i64) -> Result<Vec<Vec<Neighbor<f64>>>, TrainError> {
    let mut distances = Tensor::cdist(rows, rows, 2.0, EXACT);
    let _ = distances.fill_diagonal_(f64::INFINITY, false);
    let (nearest, places) = distances.f_topk(k, -1, false, true)?;
    let nearest = Vec::<f64>::try_from(nearest.flatten(0, 1))?;
    let places = Vec::<i64>::try_from(places.to_kind(Kind::Int64).flatten(0, 1))?;
    let all = nearest.chunks(k as usize).zip(places.chunks(k as usize));
    let of_row = |(distances, places): (&[f64], &[i64])| {
        let pairs = places.iter().zip(distances);
        let neighbour = |(&place, &distance): (&i64, &f64)| Neighbor {
            index: place as usize,
            distance,
        };
        pairs.map(neighbour).collect()
    };
    Ok(all.map(of_row).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::super::plane::points;
    use super::*;

    /// Two groups of forty in eight dimensions, each vector a little off the middle of its group.
    fn groups() -> Tensor {
        let at = |row: usize, dim: usize| {
            let off = ((row * 37 + dim * 11) % 17) as f64 / 17.0;
            if row.is_multiple_of(2) {
                off
            } else {
                20.0 + off
            }
        };
        let numbers: Vec<f64> = (0..80 * 8).map(|i| at(i / 8, i % 8)).collect();
        Tensor::from_slice(&numbers).view([80, 8])
    }

    #[test]
    fn groups_stay_apart_and_equal_vectors_give_equal_points() {
        let rows = groups();
        let start = points(&rows).unwrap().places;
        let found = neighbourhood(&rows, &start).unwrap().unwrap();
        assert_eq!(neighbourhood(&rows, &start).unwrap().unwrap(), found);
        let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        for (at, point) in found.iter().enumerate() {
            let others = (0..80).filter(|other| *other != at);
            let nearest = others
                .min_by(|a, b| distance(found[*a], *point).total_cmp(&distance(found[*b], *point)));
            assert_eq!(nearest.unwrap() % 2, at % 2, "{at} lies among the others");
        }
    }

    #[test]
    fn what_has_no_neighbourhood_has_no_points() {
        let few = Tensor::arange(9, (Kind::Double, tch::Device::Cpu)).view([9, 1]);
        let start = points(&few).unwrap().places;
        assert_eq!(neighbourhood(&few, &start).unwrap(), None);
        let same = Tensor::ones([50, 4], (Kind::Double, tch::Device::Cpu));
        let start = points(&same).unwrap().places;
        assert_eq!(neighbourhood(&same, &start).unwrap(), None);
    }
}
