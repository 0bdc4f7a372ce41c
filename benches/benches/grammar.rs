//! Text form of 4,000 labels: formatting against copying the finished strings, parsing against splitting them at commas. The second of
//! each pair is the bound: read the ratio.

#[path = "shared/labels.rs"]
mod labels;

use criterion::{Criterion, criterion_group, criterion_main};
use labels::labels;
use std::hint::black_box;
use unimse_labels::{Field, Grammar};

fn text_form(criterion: &mut Criterion) {
    let (grammar, labels) = (Grammar::new(&Field::ALL), labels(4_000));
    let texts: Vec<String> = labels.iter().map(|label| grammar.format(label)).collect();
    let mut group = criterion.benchmark_group("4000 labels");
    group.bench_function("format", |b| {
        b.iter(|| {
            labels
                .iter()
                .map(|l| grammar.format(black_box(l)).len())
                .sum::<usize>()
        })
    });
    group.bench_function("format, bound: copy", |b| {
        b.iter(|| {
            texts
                .iter()
                .map(|t| black_box(t).clone().len())
                .sum::<usize>()
        })
    });
    group.bench_function("parse", |b| {
        b.iter(|| {
            texts
                .iter()
                .filter(|t| grammar.parse(black_box(t)).is_ok())
                .count()
        })
    });
    group.bench_function("parse, bound: split", |b| {
        b.iter(|| {
            texts
                .iter()
                .map(|t| black_box(t).split(',').count())
                .sum::<usize>()
        })
    });
    group.finish();
}

criterion_group!(benches, text_form);
criterion_main!(benches);
