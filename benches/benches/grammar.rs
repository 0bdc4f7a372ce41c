//! Text form of 4,000 labels: formatting against copying the finished strings, parsing against splitting them at commas. The second of
//! each pair is the bound: read the ratio.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use unimse_labels::{Field, Grammar, IemocapEmotion, MeldEmotion, PlainLabel, Polarity};

fn labels() -> Vec<PlainLabel> {
    (0..4_000_u16)
        .map(|i| {
            let intensity = f32::from(i % 61) / 10.0 - 3.0;
            PlainLabel {
                polarity: Polarity::from_score(intensity),
                intensity: Some(intensity),
                meld: MeldEmotion::ALL.get(usize::from(i) % 7).copied(),
                iemocap: IemocapEmotion::ALL.get(usize::from(i) % 6).copied(),
            }
        })
        .collect()
}

fn text_form(criterion: &mut Criterion) {
    let (grammar, labels) = (Grammar::new(&Field::ALL), labels());
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
