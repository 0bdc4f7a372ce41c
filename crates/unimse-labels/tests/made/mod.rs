//! Samples and embeddings that tests make from a few numbers.

use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity, Sample, Split};

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) * f64::from(b))
        .sum()
}

/// Unit rows [n, dim]; with `levels` few different values a coordinate, many rows coincide.
pub(crate) fn embeddings(n: usize, dim: usize, levels: i32, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as i32 % levels) as f32 + 0.5
    };
    let rows = (0..n).flat_map(|_| {
        let row: Vec<f32> = (0..dim)
            .map(|_| next() - levels as f32 / 2.0 + 0.25)
            .collect();
        let length = dot(&row, &row).sqrt() as f32;
        row.into_iter().map(move |value| value / length)
    });
    rows.collect()
}

/// One sample for each (kind of corpus, group, split, label).
pub(crate) fn samples(kinds: &[(u8, u8, u8, u8)]) -> Vec<Sample> {
    let sample = |(at, &(kind, group, split, label)): (usize, &(u8, u8, u8, u8))| {
        let (id, group) = (format!("u{}", at * 7919 % 1009), format!("g{group}"));
        let split = Split::ALL[usize::from(split)];
        let label = usize::from(label);
        let score = [-2.0, -0.4, 0.0, 0.6, 1.8, 3.0][label % 6];
        let (polarity, emotion) = (Polarity::ALL[label % 3], MeldEmotion::ALL[label % 7]);
        match kind {
            0 => Sample::sentiment("mosi", &id, &group, split, score),
            1 => Sample::sentiment("mosei", &id, &group, split, score),
            2 => Sample::meld("meld", &id, &group, split, polarity, emotion),
            3 => Sample::iemocap(
                "iemocap",
                &id,
                &group,
                split,
                IemocapEmotion::ALL[label % 6],
            ),
            // a corpus whose rows have two fields, one field or none, and rows outside the label space
            4 => Sample {
                intensity: (label % 2 == 0).then_some(score),
                ..Sample::meld(
                    "both",
                    &id,
                    &group,
                    split,
                    Polarity::from_score(score),
                    emotion,
                )
            },
            5 => Sample {
                polarity: Some(polarity),
                ..Sample::unlabelled("both", &id, &group, split)
            },
            _ => Sample::unlabelled("iemocap", &id, &group, split),
        }
    };
    kinds.iter().enumerate().map(sample).collect()
}
