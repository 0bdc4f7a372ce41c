//! Donor search: best two of 25055 x 21240 unit rows of 384 values, both directions; the plain blocked product of that size with its output
//! thrown away, which bounds it; the pairwise loop of the released code, timed on a sample.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;
use unimse_labels::Matches;

use crate::donor_rows::{DIM, best_two, normalise, product as faer};
use crate::protocol::{Failure, Job, Side};
use crate::random::{Random, read, write};

/// Rows of either set whose best two are compared with the peer's.
const CHECKED: usize = 32;
/// Rows that the pairwise loop is timed on.
const SAMPLE: usize = 100;

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let [left, right] = ["left.f32", "right.f32"].map(|name| job.folder.join(name));
    if job.side == "prepare" {
        rows(&left, job.size(25_055, 2_505), 1)?;
        rows(&right, job.size(21_240, 2_124), 2)?;
        return Ok(Side::prepared());
    }
    let left = read(&left, f32::from_le_bytes)?;
    let right = read(&right, f32::from_le_bytes)?;
    match job.side.as_str() {
        "ours" => {
            let (of_left, of_right) = best_two(&left, &right)?;
            let best = |found: &Matches, row| -> Vec<f64> {
                let found = found.of(row).iter();
                found
                    .map(|candidate| f64::from(candidate.similarity))
                    .collect()
            };
            let check = [&of_left, &of_right]
                .iter()
                .flat_map(|found| (0..CHECKED).flat_map(|row| best(found, row)))
                .collect();
            Ok(Side::new(check, move || {
                black_box(best_two(&left, &right)?);
                Ok(())
            }))
        }
        "gemm" => {
            let (tile, product) = fastest(&left, &right);
            Ok(Side::new(Vec::new(), move || {
                thrown_away(&left, &right, tile, product);
                Ok(())
            }))
        }
        "loop" => {
            let sample = SAMPLE.min(left.len() / DIM);
            // both directions are as many pairs again
            let scale = (2 * left.len() / DIM) as f64 / sample as f64;
            let work = move || {
                pairwise(&left[..sample * DIM], &right);
                Ok(())
            };
            Ok(Side {
                scale,
                ..Side::new(Vec::new(), work)
            })
        }
        _ => job.no_side(),
    }
}

/// Writes `n` unit rows.
fn rows(path: &Path, n: usize, seed: u64) -> Result<(), Failure> {
    let mut random = Random(seed);
    let mut values: Vec<f32> = (0..n * DIM).map(|_| random.float()).collect();
    normalise(&mut values, DIM);
    write(path, &values, f32::to_le_bytes)
}

/// `out = a b^T` for row-major `a` [m, DIM] and `b` [n, DIM].
type Product = fn(m: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]);

#[expect(unsafe_code, reason = "the kernel takes raw pointers")]
fn matrixmultiply(m: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == m * DIM && b.len() == n * DIM && out.len() >= m * n);
    // SAFETY: rows, steps and strides stay inside the slices by the assertion.
    unsafe {
        matrixmultiply::sgemm(
            m,
            DIM,
            n,
            1.0,
            a.as_ptr(),
            DIM as isize,
            1,
            b.as_ptr(),
            1,
            DIM as isize,
            0.0,
            out.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}

/// The product in tiles, a strip of `left` a task; nobody reads it.
fn thrown_away(left: &[f32], right: &[f32], (m, n): (usize, usize), product: Product) {
    left.par_chunks(m * DIM)
        .for_each_init(Vec::new, |out, strip| {
            out.resize(m * n, 0.0);
            for tile in right.chunks(n * DIM) {
                product(strip.len() / DIM, tile.len() / DIM, strip, tile, out);
                black_box(&mut *out);
            }
        });
}

const TILES: [(usize, usize); 6] = [
    (256, 256),
    (512, 256),
    (512, 512),
    (1024, 256),
    (256, 1024),
    (480, 480),
];

/// The tile and the kernel that are fastest on a quarter of the rows, each tried twice.
fn fastest(left: &[f32], right: &[f32]) -> ((usize, usize), Product) {
    let quarter = &left[..left.len() / DIM / 4 * DIM];
    let mut best = (f64::INFINITY, TILES[0], faer as Product);
    for _ in 0..2 {
        for tile in TILES {
            for product in [faer as Product, matrixmultiply] {
                let start = Instant::now();
                thrown_away(quarter, right, tile, product);
                let seconds = start.elapsed().as_secs_f64();
                if seconds < best.0 {
                    best = (seconds, tile, product);
                }
            }
        }
    }
    (best.1, best.2)
}

/// The released code's way: one pair at a time.
fn pairwise(queries: &[f32], donors: &[f32]) {
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for query in queries.chunks_exact(DIM) {
        black_box(
            donors
                .chunks_exact(DIM)
                .map(|donor| cosine(query, donor))
                .fold(f32::MIN, f32::max),
        );
    }
}
