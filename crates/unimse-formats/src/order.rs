//! Fortran order: where row-major elements lie in an array whose first axis runs fastest.

/// Position in memory of the row-major element `i`.
pub(crate) fn position(shape: &[usize], i: usize) -> usize {
    let mut stride: usize = shape.iter().product();
    let (mut rest, mut at) = (i, 0);
    for &axis in shape.iter().rev() {
        stride /= axis.max(1);
        at += rest % axis.max(1) * stride;
        rest /= axis.max(1);
    }
    at
}

/// Positions of the row-major elements from `i` on. They begin anew after the last one: take as many as there are.
pub(crate) fn positions(shape: &[usize], i: usize) -> impl Iterator<Item = usize> {
    /// One digit of the odometer.
    struct Axis {
        size: usize,
        stride: usize,
        index: usize,
    }
    let (mut stride, mut rest) = (1, i);
    let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
    for &size in shape {
        axes.push(Axis {
            size,
            stride,
            index: 0,
        });
        stride *= size;
    }
    for axis in axes.iter_mut().rev() {
        axis.index = rest % axis.size.max(1);
        rest /= axis.size.max(1);
    }
    let mut at = position(shape, i);
    std::iter::repeat_with(move || {
        let now = at;
        for axis in axes.iter_mut().rev() {
            axis.index += 1;
            at += axis.stride;
            if axis.index < axis.size {
                break;
            }
            at -= axis.index * axis.stride;
            axis.index = 0;
        }
        now
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fortran_order_is_undone() {
        // [[0, 1, 2], [3, 4, 5]] in Fortran order
        let memory = [0, 3, 1, 4, 2, 5];
        let values: Vec<_> = positions(&[2, 3], 0).take(6).map(|at| memory[at]).collect();
        assert_eq!(values, [0, 1, 2, 3, 4, 5]);
        // element [i, j, k] of shape [2, 3, 4] lies at i + 2 j + 6 k
        assert_eq!(position(&[2, 3, 4], 12 + 2 * 4 + 3), 1 + 2 * 2 + 6 * 3);
        assert_eq!(positions(&[], 0).take(1).collect::<Vec<_>>(), [0]);
    }

    proptest! {
        #[test]
        fn a_walk_goes_where_each_step_would(
            shape in prop::collection::vec(1..5_usize, 0..5),
            start in any::<prop::sample::Index>(),
        ) {
            let len = shape.iter().product();
            let start = start.index(len);
            let walk: Vec<_> = positions(&shape, start).take(len - start).collect();
            let single: Vec<_> = (start..len).map(|i| position(&shape, i)).collect();
            prop_assert_eq!(walk, single);
        }
    }
}
