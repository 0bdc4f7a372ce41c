//! Donor search, 2000 x 2000 x 384 unit rows, both directions: ours and the released code's way, one pair at a time.
//! Read the ratio of the two within one run; absolute times drift between machines.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use unimse_labels::{MeldEmotion, Polarity, Sample, Split, UnifyOptions, unify};

const ROWS: usize = 2000;
const DIM: usize = 384;

/// Unit rows from a fixed linear congruential generator: the values do not matter, their being fixed does.
fn rows(mut state: u64) -> Vec<f32> {
    let mut out = Vec::with_capacity(ROWS * DIM);
    for _ in 0..ROWS {
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

fn pairwise(queries: &[f32], donors: &[f32]) -> Vec<usize> {
    let nearest = |q: &[f32]| {
        let mut best = (0, f32::MIN);
        for (i, d) in donors.chunks_exact(DIM).enumerate() {
            let similarity: f32 = q.iter().zip(d).map(|(a, b)| a * b).sum();
            if similarity > best.1 {
                best = (i, similarity);
            }
        }
        best.0
    };
    queries.chunks_exact(DIM).map(nearest).collect()
}

fn donors(c: &mut Criterion) {
    let (scores, emotions) = (rows(1), rows(2));
    let mut samples: Vec<Sample> = (0..ROWS)
        .map(|i| {
            Sample::sentiment(
                "mosi",
                &format!("v{i}_1"),
                &format!("v{i}"),
                Split::Train,
                1.0,
            )
        })
        .collect();
    samples.extend((0..ROWS).map(|i| {
        let (id, dialogue) = (format!("d{i}_u0"), format!("d{i}"));
        Sample::meld(
            "meld",
            &id,
            &dialogue,
            Split::Train,
            Polarity::Positive,
            MeldEmotion::Joy,
        )
    }));
    let embeddings = [scores.clone(), emotions.clone()].concat();
    let mut group = c.benchmark_group("donors 2000 x 2000 x 384, both directions");
    group.sample_size(10);
    group.bench_function("unify", |b| {
        b.iter(|| black_box(unify(&samples, &embeddings, DIM, &UnifyOptions::default()).is_ok()));
    });
    group.bench_function("pairwise loop", |b| {
        b.iter(|| black_box((pairwise(&scores, &emotions), pairwise(&emotions, &scores))));
    });
    group.finish();
}

criterion_group!(benches, donors);
criterion_main!(benches);
