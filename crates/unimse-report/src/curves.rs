//! A quantity of a training over several seeds: the mean, and how far the seeds lie apart; and the numbers of curves as tables.

use std::collections::BTreeMap;

use unimse_run::{Epoch, Step};

use crate::doc::{Line, Table, numbers};
use crate::events::{Curves, MAX_POINTS};
use crate::metric;

/// The seeds of a run at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// The step or epoch.
    pub(crate) x: f64,
    /// Least, mean and greatest value of any seed.
    pub(crate) low: f64,
    pub(crate) mean: f64,
    pub(crate) high: f64,
}

/// A quantity of every step.
pub(crate) fn by_step(
    curves: &Curves,
    quantity: impl Fn(&Step) -> Option<f64>,
) -> BTreeMap<u64, f64> {
    let steps = curves.steps.iter();
    steps.filter_map(|s| Some((s.step, quantity(s)?))).collect()
}

/// A quantity of every epoch.
pub(crate) fn by_epoch(
    curves: &Curves,
    quantity: impl Fn(&Epoch) -> Option<f64>,
) -> BTreeMap<u64, f64> {
    let epochs = curves.epochs.iter();
    epochs
        .filter_map(|e| Some((e.epoch, quantity(e)?)))
        .collect()
}

/// The seeds taken together, each with its values by step or epoch. At most [`MAX_POINTS`] points: of longer curves every seed's mean over
/// consecutive groups of equal size, the same groups for all.
pub(crate) fn over_seeds(seeds: &[BTreeMap<u64, f64>]) -> Vec<Point> {
    let mut places: Vec<u64> = seeds.iter().flat_map(|seed| seed.keys().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let group = places.len().div_ceil(MAX_POINTS).max(1);
    places
        .chunks(group)
        .filter_map(|places| point(seeds, places))
        .collect()
}

/// All seeds over the same places.
fn point(seeds: &[BTreeMap<u64, f64>], places: &[u64]) -> Option<Point> {
    let of_seed = |seed: &BTreeMap<u64, f64>| {
        let values = places.iter().filter_map(|place| seed.get(place).copied());
        mean(&values.collect::<Vec<f64>>())
    };
    let values: Vec<f64> = seeds.iter().filter_map(of_seed).collect();
    let xs: Vec<f64> = places.iter().map(|place| *place as f64).collect();
    Some(Point {
        x: mean(&xs)?,
        low: values.iter().copied().reduce(f64::min)?,
        mean: mean(&values)?,
        high: values.iter().copied().reduce(f64::max)?,
    })
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A row a step or epoch, a column a curve.
pub(crate) fn by_place(place: &str, curves: &[(&str, &[Point])]) -> Table {
    let points = curves.iter().flat_map(|(_, points)| *points);
    let mut places: Vec<f64> = points.map(|point| point.x).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let rows = places.iter().map(|&x| {
        let values = curves.iter().map(|(_, points)| {
            let point = points.iter().find(|point| point.x == x);
            Line::from(point.map_or_else(|| "—".to_owned(), shown))
        });
        std::iter::once(metric::number(x, 0).into())
            .chain(values)
            .collect()
    });
    let mut head = vec![numbers(place)];
    head.extend(curves.iter().map(|(name, _)| numbers(*name)));
    Table::of_figure(head, rows.collect())
}

/// The same at a few places of each curve, its last among them: it is drawn at hundreds.
pub(crate) fn summary(place: &str, curves: &[(&str, &[Point])]) -> Table {
    const ROWS: usize = 10;
    let few = curves.iter().map(|(name, points)| {
        let nth = points.len().div_ceil(ROWS).max(1);
        let last = points
            .last()
            .filter(|_| !(points.len() - 1).is_multiple_of(nth));
        let points: Vec<Point> = points.iter().step_by(nth).chain(last).copied().collect();
        (*name, points)
    });
    let few: Vec<(&str, Vec<Point>)> = few.collect();
    let few: Vec<(&str, &[Point])> = few.iter().map(|(name, p)| (*name, p.as_slice())).collect();
    by_place(place, &few)
}

/// "0.512 (0.500–0.530)".
fn shown(point: &Point) -> String {
    let number = |value| metric::number(value, 4);
    if point.low == point.high {
        return number(point.mean);
    }
    format!(
        "{} ({}–{})",
        number(point.mean),
        number(point.low),
        number(point.high)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_goes_from_the_least_seed_to_the_greatest() {
        let seeds = [
            BTreeMap::from([(1, 2.0), (2, 1.0)]),
            BTreeMap::from([(1, 4.0), (2, 2.0), (3, 0.5)]),
        ];
        let point = |x, low, mean, high| Point { x, low, mean, high };
        let expected = [
            point(1.0, 2.0, (2.0 + 4.0) / 2.0, 4.0),
            point(2.0, 1.0, (1.0 + 2.0) / 2.0, 2.0),
            point(3.0, 0.5, 0.5, 0.5), // one seed went on longer
        ];
        assert_eq!(over_seeds(&seeds), expected);
        assert_eq!(over_seeds(&[]), []);
        assert_eq!(over_seeds(&[BTreeMap::new()]), []);
    }

    #[test]
    fn long_curves_are_means_of_the_same_groups() {
        let rising = |by: f64| (0..1201_u64).map(|at| (at, by * at as f64)).collect();
        let points = over_seeds(&[rising(1.0), rising(3.0)]);
        assert!(points.len() <= MAX_POINTS);
        // steps 0, 1 and 2
        let first = Point {
            x: 1.0,
            low: 1.0,
            mean: (1.0 + 3.0) / 2.0,
            high: 3.0,
        };
        assert_eq!(points.first(), Some(&first));
    }
}
