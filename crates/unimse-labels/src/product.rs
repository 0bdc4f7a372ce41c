//! One tile of similarities: a matrix product of fixed shape.
//!
//! Every call multiplies tiles of the same shape, padded with zero rows where fewer are left. The kernel picks its path
//! and its order of summation by shape, so a pair of rows has the same similarity to the bit wherever it stands: rows
//! that are equal tie exactly.

use gemm_f32::gemm::f32::get_gemm_fn;

/// Rows of either side in a tile: 256 KiB of similarities, which stay in a core's cache until they are scanned.
pub(crate) const TILE: usize = 256;

/// Up to [`TILE`] rows, laid out for the kernel as [dim, TILE]: the lanes of a column are the rows.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Vec<f32>);

impl Lanes {
    /// Lays out row-major `rows` [at most TILE, dim], `dim` > 0.
    pub(crate) fn fill(&mut self, rows: &[f32], dim: usize) {
        self.0.clear();
        self.0.resize(dim * TILE, 0.0);
        for (lane, row) in rows.chunks_exact(dim).take(TILE).enumerate() {
            let column = self.0[lane..].iter_mut().step_by(TILE);
            column.zip(row).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Similarities of the lanes to row-major `rows` [TILE, dim], as [row, lane] into `out` [TILE, TILE].
#[expect(
    unsafe_code,
    reason = "the kernel takes raw pointers; the lengths checked below bound every access"
)]
pub(crate) fn multiply(lanes: &Lanes, rows: &[f32], dim: usize, out: &mut [f32]) {
    assert_eq!(
        (lanes.0.len(), rows.len(), out.len()),
        (dim * TILE, dim * TILE, TILE * TILE)
    );
    let (tile, depth) = (TILE as isize, dim as isize);
    let gemm = get_gemm_fn();
    // SAFETY: the kernel reads lane i of step d at `i + d * TILE` and step d of row j at `d + j * dim`, and writes lane i
    // of row j at `i + j * TILE`, for i, j < TILE and d < dim: inside the three slices by the assertion. `out` is borrowed
    // mutably, so it overlaps neither input. alpha (what `out` held before) is not read.
    unsafe {
        gemm(
            TILE,
            TILE,
            dim,
            out.as_mut_ptr(),
            tile,
            1,
            false,
            lanes.0.as_ptr(),
            tile,
            1,
            rows.as_ptr(),
            depth,
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
