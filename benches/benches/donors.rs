//! Donor search: best two of 25055 x 21240 unit rows of 384 values, both directions, against what it is measured by: the
//! plain blocked product of that size with its output thrown away, two searches of faiss (where `UNIMSE_PEER_PYTHON` names
//! a Python that has faiss-cpu and numpy) and the pairwise loop of the released code, timed on a sample. All in one run,
//! on the same threads; quote the ratios.
//!
//! Arguments: `--test` runs once on a hundredth of the pairs; `--left N`, `--right N` rows, `--threads N`, `--rounds N`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use rayon::prelude::*;
use unimse_labels::{Block, Key, SearchError, search};

const DIM: usize = 384;

/// Unit rows from a fixed linear congruential generator: the values do not matter, their being fixed does.
fn rows(n: usize, mut state: u64) -> Vec<f32> {
    let mut out = Vec::with_capacity(n * DIM);
    for _ in 0..n {
        let row: Vec<f32> = (0..DIM)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect();
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        out.extend(row.iter().map(|x| x / norm));
    }
    out
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

/// Ours: the best two in both directions.
fn fused(left: &[f32], right: &[f32]) {
    let base = (left.len() / DIM) as u32;
    let found = search(DIM, 2, [Ok::<_, SearchError>(block(left, 0))], || {
        [Ok(block(right, base))]
    });
    black_box(found.is_ok_and(|(of_left, _)| of_left.of(0).len() == 2));
}

/// `out = a b^T` for row-major `a` [m, DIM] and `b` [n, DIM].
type Product = fn(m: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]);

#[expect(unsafe_code, reason = "the kernel takes raw pointers")]
fn faer(m: usize, n: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
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

/// The released code's way: one pair at a time, each direction again. Seconds, extrapolated from the first pairs.
fn pairwise(left: &[f32], right: &[f32]) -> f64 {
    let sample = 100.min(left.len() / DIM);
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(x, y)| x * y).sum() };
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let start = Instant::now();
    for query in left.chunks_exact(DIM).take(sample) {
        black_box(
            right
                .chunks_exact(DIM)
                .map(|donor| cosine(query, donor))
                .fold(f32::MIN, f32::max),
        );
    }
    start.elapsed().as_secs_f64() / sample as f64 * (left.len() / DIM) as f64 * 2.0
}

/// Seconds of two faiss searches (k = 2) of the same size on `threads`, the best of `rounds`.
fn faiss(left: usize, right: usize, threads: usize, rounds: usize) -> Option<f64> {
    let python = std::env::var_os("UNIMSE_PEER_PYTHON")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/donors.py");
    let arguments = [left, right, DIM, threads, rounds].map(|value| value.to_string());
    let out = Command::new(python)
        .arg(script)
        .args(arguments)
        .output()
        .ok()?;
    eprint!("{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().parse().ok()
}

fn argument(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

/// Peak resident memory of this process in MB.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

const TILES: [(usize, usize); 6] = [
    (256, 256),
    (512, 256),
    (512, 512),
    (1024, 256),
    (256, 1024),
    (480, 480),
];
const KERNELS: [(&str, Product); 2] = [("faer", faer), ("matrixmultiply", matrixmultiply)];

/// The least seconds of each contestant, in the order in which they were first timed.
#[derive(Default)]
struct Best(Vec<(String, f64)>);

impl Best {
    fn note(&mut self, name: String, seconds: f64) {
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, least)) => *least = least.min(seconds),
            None => self.0.push((name, seconds)),
        }
    }

    /// Times the search, and the products of every tile by every kernel.
    fn round(&mut self, pool: &rayon::ThreadPool, left: &[f32], right: &[f32]) {
        let time = |work: &(dyn Fn() + Sync)| {
            let start = Instant::now();
            pool.install(work);
            start.elapsed().as_secs_f64()
        };
        self.note("fused search".into(), time(&|| fused(left, right)));
        for tile in TILES {
            for (name, product) in KERNELS {
                let seconds = time(&|| thrown_away(left, right, tile, product));
                self.note(
                    format!("{name} product {}x{}, thrown away", tile.0, tile.1),
                    seconds,
                );
            }
        }
    }

    /// Prints them beside the search; the search's seconds.
    fn report(&self, peer: Option<f64>) -> f64 {
        let ours = self.0[0].1;
        for (name, seconds) in &self.0 {
            println!("{name:42} {seconds:8.3} s   {:.3}", ours / seconds);
        }
        match peer {
            Some(seconds) => println!(
                "{:42} {seconds:8.3} s   {:.3}",
                "faiss IndexFlatIP k = 2, twice",
                ours / seconds
            ),
            None => println!("faiss: not measured, UNIMSE_PEER_PYTHON names no Python that has it"),
        }
        ours
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let (m, n) = if quick { (2505, 2124) } else { (25055, 21240) };
    let (m, n) = (
        argument("--left").unwrap_or(m),
        argument("--right").unwrap_or(n),
    );
    let rounds = argument("--rounds").unwrap_or(if quick { 1 } else { 5 });
    let threads = argument("--threads").unwrap_or_else(rayon::current_num_threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.build().expect("threads can be started");
    let (left, right) = (rows(m, 1), rows(n, 2));
    let inputs = peak();
    pool.install(|| fused(&left, &right));
    let extra = inputs.zip(peak()).map(|(before, after)| after - before);

    let (mut best, mut peer) = (Best::default(), None);
    for _ in 0..rounds {
        best.round(&pool, &left, &right);
        if let Some(seconds) = faiss(m, n, threads, 1) {
            peer = Some(f64::min(peer.unwrap_or(f64::MAX), seconds));
        }
    }
    println!(
        "{m} x {n} x {DIM}, {threads} threads, best of {rounds} rounds; ratio: fused search / it"
    );
    let ours = best.report(peer);
    let loops = pairwise(&left, &right);
    println!(
        "{:42} {loops:8.1} s   {:.5}",
        "pairwise loop, one thread, extrapolated",
        ours / loops
    );
    if let Some(extra) = extra {
        println!("peak memory beyond the inputs: {extra:.0} MB");
    }
}
