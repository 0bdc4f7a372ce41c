//! One update of 60 million parameters in the shapes of t5-small, against memory: the bound is a parallel pass that reads gradient,
//! parameter and both moments and writes the last three with two additions each, and one that reads the gradient, for its norm:
//! 8 streams of f32. Ours also clears the gradient: 9 streams. LibTorch's own AdamW, with clipping and clearing, for comparison.
//! Each is its best of many rounds, taken in turn; read the ratios.

use std::time::Instant;

use rayon::prelude::*;
use tch::nn::{OptimizerConfig, VarStore};
use tch::{Device, Kind};
use unimse_train::train::optimizer::{Group, Optimizer, Rule};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 15;

/// Shapes of t5-small: `d_model` 512, 8 heads of 64, `d_ff` 2048, 6 + 6 blocks, 32128 pieces. A divisor makes them small.
fn shapes(divisor: i64) -> Vec<Vec<i64>> {
    let (model, wide, pieces) = (512 / divisor, 2048 / divisor, 32_128 / divisor);
    let attention = || vec![vec![model, model]; 4];
    let norm = || vec![vec![model]];
    let forward = || vec![vec![wide, model], vec![model, wide]];
    let mut all = vec![vec![pieces, model], vec![32, 8], vec![32, 8]];
    for _ in 0..6 {
        let encoder = [attention(), norm(), forward(), norm()];
        let decoder = [attention(), norm(), attention(), norm(), forward(), norm()];
        all.extend(encoder.into_iter().chain(decoder).flatten());
    }
    all.extend([norm(), norm()].into_iter().flatten());
    all
}

/// Variables without gradients.
fn variables(shapes: &[Vec<i64>]) -> VarStore {
    let store = VarStore::new(Device::Cpu);
    for (at, shape) in shapes.iter().enumerate() {
        let init = tch::nn::Init::Uniform { lo: -0.1, up: 0.1 };
        drop(store.root().var(&format!("p{at}"), shape, init));
    }
    store
}

/// Gives every variable a gradient; not part of what is timed.
fn backward(store: &VarStore) {
    for variable in store.variables().values() {
        (variable * 0.01).square().sum(Kind::Float).backward();
    }
}

/// The eight streams: nothing but memory.
fn bound(gradient: &[f32], arrays: &mut [Vec<f32>; 3]) -> f32 {
    const CHUNK: usize = 1 << 14;
    let norm: f32 = gradient
        .par_chunks(CHUNK)
        .map(|chunk| {
            let mut lanes = [0f32; 16];
            for step in chunk.chunks_exact(16) {
                lanes.iter_mut().zip(step).for_each(|(lane, x)| *lane += x);
            }
            lanes.iter().sum::<f32>()
        })
        .sum();
    let [value, first, second] = arrays;
    value
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((value, gradient), first), second)| {
            for (((w, g), m), v) in value.iter_mut().zip(gradient).zip(first).zip(second) {
                *m += g;
                *v += g;
                *w += *m + *v;
            }
        });
    norm
}

/// Seconds of `work`.
fn seconds(work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() -> Result<(), Failure> {
    let check = std::env::args().any(|argument| argument == "--test");
    let (divisor, rounds) = if check { (16, 2) } else { (1, ROUNDS) };
    let shapes = shapes(divisor);
    let count: i64 = shapes.iter().map(|s| s.iter().product::<i64>()).sum();
    let n = count as usize;
    let (gradient, mut arrays) = (vec![1e-3f32; n], [(); 3].map(|()| vec![0.5f32; n]));

    let group = Group {
        lr: 1e-4,
        weight_decay: 1e-4,
    };
    let ours = variables(&shapes);
    let parameters = || {
        ours.variables()
            .into_iter()
            .map(|(name, t)| (name, 0, t))
            .collect()
    };
    let mut fused = Optimizer::new(Rule::AdamW, vec![group], parameters())?;
    let theirs = variables(&shapes);
    let mut libtorch = tch::nn::AdamW::default().build(&theirs, group.lr)?;

    let mut best = [f64::INFINITY; 3];
    let mut sink = 0.0;
    for _ in 0..rounds {
        backward(&ours);
        backward(&theirs); // LibTorch drops its gradients
        let taken = [
            seconds(|| {
                sink += bound(&gradient, &mut arrays);
                Ok(())
            })?,
            seconds(|| {
                fused.step(1.0, Some(1.0))?;
                Ok(())
            })?,
            seconds(|| {
                libtorch.clip_grad_norm(1.0);
                libtorch.step();
                libtorch.zero_grad();
                Ok(())
            })?,
        ];
        best.iter_mut().zip(taken).for_each(|(b, t)| *b = b.min(t));
    }
    assert!(sink.is_finite());
    let bytes = 4.0 * n as f64;
    println!(
        "AdamW of {:.1} M parameters in {} tensors, {} threads: ours {:.4} s, {:.2} times the bound of {:.4} s ({:.1} GB/s), LibTorch {:.4} s, {:.2} times ours",
        n as f64 / 1e6,
        shapes.len(),
        rayon::current_num_threads(),
        best[1],
        best[1] / best[0],
        best[0],
        8.0 * bytes / best[0] / 1e9,
        best[2],
        best[2] / best[1],
    );
    Ok(())
}
