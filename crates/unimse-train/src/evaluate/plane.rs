//! Vectors of many dimensions as points of a plane (principal component analysis), and how far classes lie apart in all dimensions.

use tch::{Kind, Tensor};

use crate::TrainError;

/// How [`Tensor::cdist`] is to compute: without the product of matrices, which loses small distances.
pub(super) const EXACT: i64 = 2;

/// Vectors along the two directions in which they differ most.
#[derive(Debug)]
pub(super) struct Points {
    /// One a vector, relative to their mean.
    pub(super) places: Vec<[f32; 2]>,
    /// Share of the variance along each direction, the larger one first.
    pub(super) variance: [f64; 2],
}

/// The principal axes of `rows` `[rows, dim]` f64. An axis points to where its largest entry is positive, so that equal vectors give equal points; one
/// that does not exist is zeros.
///
/// # Errors
/// A decomposition that does not converge.
pub(super) fn points(rows: &Tensor) -> Result<Points, TrainError> {
    let centred = rows - rows.mean_dim(0, true, Kind::Double);
    let (values, axes) = centred.tr().matmul(&centred).f_linalg_eigh("L")?;
    let (values, total) = (values.clamp_min(0.0), values.sum(Kind::Double));
    let (dim, total) = (rows.size()[1], total.double_value(&[]));
    let mut points = Points {
        places: vec![[0.0; 2]; rows.size()[0] as usize],
        variance: [0.0; 2],
    };
    for (at, column) in (0..dim).rev().take(2).enumerate() {
        let axis = axes.select(1, column);
        let largest = axis.abs().argmax(0, false);
        let axis = &axis * axis.index_select(0, &largest.view([1])).sign();
        let places = Vec::<f64>::try_from(centred.matmul(&axis))?;
        for (point, place) in points.places.iter_mut().zip(places) {
            point[at] = place as f32;
        }
        if total > 0.0 {
            points.variance[at] = values.double_value(&[column]) / total;
        }
    }
    Ok(points)
}

/// The mean silhouette (Rousseeuw, 1987) of `rows` `[rows, dim]` f64 in their `classes`, by Euclidean distance: over the rows, `(b - a) / max(a, b)`
/// of the mean distances to the others of the own class, `a`, and to the nearest other class, `b`; 0 for a class of one. `None` for one class.
///
/// # Errors
/// Distances that LibTorch cannot read.
pub(super) fn silhouette(rows: &Tensor, classes: &[usize]) -> Result<Option<f64>, TrainError> {
    let all = classes.iter().max().map_or(0, |last| last + 1);
    let mut counts = vec![0usize; all];
    classes.iter().for_each(|&class| counts[class] += 1);
    if counts.iter().filter(|&&count| count > 0).count() < 2 {
        return Ok(None);
    }
    let distances = Tensor::cdist(rows, rows, 2.0, EXACT);
    let ids: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let member = Tensor::from_slice(&ids).one_hot(all as i64);
    let sums = distances.matmul(&member.to_kind(Kind::Double));
    let sums = Vec::<f64>::try_from(sums.flatten(0, 1))?;
    let each = sums.chunks(all).zip(classes).map(|(sums, &own)| {
        let others = (0..all).filter(|&class| class != own && counts[class] > 0);
        let nearest = others.map(|class| sums[class] / counts[class] as f64);
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        let inside = sums[own] / counts[own].saturating_sub(1).max(1) as f64;
        let scale = inside.max(nearest);
        let alone = counts[own] == 1 || scale == 0.0;
        if alone {
            0.0
        } else {
            (nearest - inside) / scale
        }
    });
    Ok(Some(each.sum::<f64>() / classes.len() as f64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn rows<const N: usize>(rows: &[[f64; N]]) -> Tensor {
        Tensor::from_slice(&rows.concat()).view([rows.len() as i64, N as i64])
    }

    /// Whether both agree to the precision of f32.
    fn close(found: &[[f32; 2]], expected: &[[f64; 2]]) -> bool {
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        pairs
            .into_iter()
            .all(|(f, e)| (f64::from(*f) - e).abs() < 1e-5)
    }

    #[test]
    fn a_cross_lies_along_its_arms() {
        // arms of 3 along (0, 0.6, 0.8) and of 1 along (1, 0, 0), around (5, 5, 5)
        let (long, short) = ([0.0, 1.8, 2.4], [1.0, 0.0, 0.0]);
        let at = |arm: [f64; 3], sign: f64| arm.map(|x| 5.0 + sign * x);
        let found = points(&rows(&[
            at(long, 1.0),
            at(long, -1.0),
            at(short, 1.0),
            at(short, -1.0),
        ]));
        let found = found.unwrap();
        let expected = [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]];
        assert!(close(&found.places, &expected), "{found:?}");
        // sums of squares: 2 * 9 along the long arm, 2 * 1 along the short one
        let off = |at: usize, share: f64| (found.variance[at] - share).abs();
        assert!(
            off(0, 18.0 / 20.0) + off(1, 2.0 / 20.0) < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn mirrored_axes_give_the_same_picture() {
        // the largest entry of (0.6, -0.8) is negative: the axis is turned
        let found = points(&rows(&[[0.6, -0.8], [-0.6, 0.8]])).unwrap();
        assert!(
            close(&found.places, &[[-1.0, 0.0], [1.0, 0.0]]),
            "{found:?}"
        );
    }

    #[test]
    fn vectors_that_do_not_differ_are_one_point() {
        let found = points(&rows(&[[1.0, 2.0], [1.0, 2.0]])).unwrap();
        assert_eq!(
            (found.places, found.variance),
            (vec![[0.0; 2]; 2], [0.0; 2])
        );
        let line = points(&rows(&[[1.0], [3.0]])).unwrap();
        assert_eq!(
            (line.places, line.variance),
            (vec![[-1.0, 0.0], [1.0, 0.0]], [1.0, 0.0])
        );
    }

    #[test]
    fn silhouettes_by_hand() {
        // on a line: 0 and 1 of one class, 4 of another
        let line = rows(&[[0.0], [1.0], [4.0]]);
        let found = silhouette(&line, &[0, 0, 2]).unwrap().unwrap();
        let expected = ((4.0 - 1.0) / 4.0 + (3.0 - 1.0) / 3.0 + 0.0) / 3.0;
        assert!((found - expected).abs() < 1e-12);
        assert_eq!(silhouette(&line, &[1, 1, 1]).unwrap(), None);
        let same = rows(&[[1.0], [1.0], [1.0]]);
        assert_eq!(silhouette(&same, &[0, 0, 1]).unwrap(), Some(0.0));
    }
}
