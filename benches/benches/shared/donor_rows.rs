//! Unit rows, the donor search on them, and faer's product: what the search is built on and measured by.

use unimse_labels::{Block, Key, Matches, SearchError, search};

/// Values of a row.
pub(crate) const DIM: usize = 384;

/// Makes every row of `dim` values one of length 1.
pub(crate) fn normalise(values: &mut [f32], dim: usize) {
    for row in values.chunks_exact_mut(dim) {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

fn block(values: &[f32], base: u32) -> Block<&[f32]> {
    let key = |row| Key {
        rank: base + row,
        group: base + row,
        asks: true,
        gives: true,
    };
    let keys = (0..(values.len() / DIM) as u32).map(key).collect();
    Block { values, keys }
}

/// The best two in both directions.
pub(crate) fn best_two(left: &[f32], right: &[f32]) -> Result<(Matches, Matches), SearchError> {
    let base = (left.len() / DIM) as u32;
    search(DIM, 2, [Ok::<_, SearchError>(block(left, 0))], || {
        [Ok(block(right, base))]
    })
}

/// `out = a b^T` for row-major `a` `[m, DIM]` and `b` `[n, DIM]`; `out` is column-major. On the calling thread.
#[expect(unsafe_code, reason = "the kernel takes raw pointers")]
pub(crate) fn product(m: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == m * DIM && b.len() == n * DIM && out.len() >= m * n);
    let none = gemm_common::Parallelism::None;
    // SAFETY: rows, steps and strides stay inside the slices by the assertion.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            m,
            n,
            DIM,
            out.as_mut_ptr(),
            m as isize,
            1,
            false,
            a.as_ptr(),
            1,
            DIM as isize,
            b.as_ptr(),
            DIM as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            none,
        );
    }
}
