//! The product of two matrices.

use gemm_f32::gemm::f32::get_gemm_fn;

/// Writes `columns` times `weights` into `out`: `columns` holds `depth` rows of `lanes` numbers, `from` apart; `weights` `[outputs, depth]`; `out`
/// `outputs` rows of `lanes` numbers, `to` apart.
#[expect(
    unsafe_code,
    reason = "the kernel takes raw pointers; the lengths checked below bound every access"
)]
pub(super) fn multiply(
    (columns, from): (&[f32], usize),
    weights: &[f32],
    (out, to): (&mut [f32], usize),
    [lanes, depth, outputs]: [usize; 3],
) {
    if lanes == 0 || depth == 0 || outputs == 0 {
        return;
    }
    assert!(
        (depth - 1) * from + lanes <= columns.len()
            && outputs * depth <= weights.len()
            && (outputs - 1) * to + lanes <= out.len()
            && (outputs == 1 || lanes <= to)
    );
    let gemm = get_gemm_fn();
    // SAFETY: the kernel reads lane i of step d at `i + d * from` and step d of output j at `d + j * depth`, and writes lane i of output j at
    // `i + j * to`, for i < lanes, d < depth and j < outputs: inside the three slices by the assertion. `out` is borrowed mutably, so it overlaps
    // neither input. alpha (what `out` held before) is not read.
    unsafe {
        gemm(
            lanes,
            outputs,
            depth,
            out.as_mut_ptr(),
            to as isize,
            1,
            false,
            columns.as_ptr(),
            from as isize,
            1,
            weights.as_ptr(),
            depth as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm_common::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::multiply;

    #[test]
    fn products_are_sums_of_products_within_longer_rows() {
        // two steps of three lanes, four apart; two outputs
        let columns = [1.0, 2.0, 3.0, 99.0, 4.0, 5.0, 6.0];
        let weights = [1.0, 10.0, 2.0, 20.0];
        let mut out = [7.0; 8];
        multiply((&columns, 4), &weights, (&mut out, 5), [3, 2, 2]);
        let first = [1.0 + 40.0, 2.0 + 50.0, 3.0 + 60.0];
        let second = first.map(|x| 2.0 * x);
        assert_eq!((&out[..3], &out[5..]), (&first[..], &second[..]));
        assert_eq!(out[3..5], [7.0; 2]);
    }
}
