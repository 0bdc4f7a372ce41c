//! A stream gets what one unification of everything gives, however it is cut.

use unimse_labels::{
    Field, Labeller, MeldEmotion, Polarity, QueryProtocol, Sample, Split, UnifyError, UnifyOptions,
    unify,
};

use crate::made;

const DIM: usize = 4;

/// 40 donors with scores and emotions of every split, 60 rows of a corpus that knows polarities only, many embeddings the same.
fn parts() -> (Vec<Sample>, Vec<Sample>, Vec<f32>) {
    let kinds: Vec<_> = (0..40_u8).map(|n| (n % 5, n % 7, n % 3, n)).collect();
    let donors = made::samples(&kinds);
    let row = |n: u8| Sample {
        polarity: (!n.is_multiple_of(5)).then(|| Polarity::ALL[usize::from(n % 3)]),
        ..Sample::unlabelled("web", &format!("w{n}"), &format!("p{}", n / 4), Split::Dev)
    };
    let rows: Vec<Sample> = (0..60).map(row).collect();
    (donors, rows, made::embeddings(100, DIM, 3, 7))
}

#[test]
fn blocks_of_any_size_get_what_one_call_gives() {
    let (donors, rows, embeddings) = parts();
    for min_similarity in [None, Some(0.9)] {
        let to = |split| {
            move |sample: &Sample| Sample {
                split,
                ..sample.clone()
            }
        };
        let all: Vec<Sample> = (donors.iter().map(to(Split::Train)))
            .chain(rows.iter().map(to(Split::Test)))
            .collect();
        let options = UnifyOptions {
            queries: QueryProtocol::Test,
            min_similarity,
            ..UnifyOptions::default()
        };
        let expected = unify(&all, &embeddings, DIM, &options).unwrap();
        let (of_donors, of_rows) = embeddings.split_at(donors.len() * DIM);
        for size in [60, 1, 7, 59] {
            let mut labeller =
                Labeller::new(donors.clone(), of_donors.to_vec(), DIM, min_similarity).unwrap();
            let mut found = Vec::new();
            for (rows, values) in rows.chunks(size).zip(of_rows.chunks(size * DIM)) {
                found.extend(labeller.label(rows.to_vec(), values, || true).unwrap());
            }
            let (as_they_came, labels): (Vec<_>, Vec<_>) = found.into_iter().unzip();
            assert_eq!(as_they_came, rows);
            assert_eq!(labels, expected[donors.len()..], "blocks of {size}");
            assert_eq!(
                (labeller.len(), labeller.embeddings()),
                (donors.len(), of_donors)
            );
        }
    }
}

#[test]
fn what_was_refused_leaves_no_trace() {
    let (donors, rows, embeddings) = parts();
    let (of_donors, of_rows) = embeddings.split_at(donors.len() * DIM);
    let scored: Vec<Sample> = donors
        .iter()
        .map(|donor| Sample {
            meld: None,
            iemocap: None,
            ..donor.clone()
        })
        .collect();
    let mut labeller = Labeller::new(scored, of_donors.to_vec(), DIM, None).unwrap();
    let expected = labeller.label(rows.clone(), of_rows, || true).unwrap();

    // whatever the polarity of the row
    let own = Sample {
        meld: Some(MeldEmotion::Joy),
        ..rows[0].clone()
    };
    let refused = labeller.label(vec![own], &of_rows[..DIM], || true);
    assert_eq!(refused, Err(UnifyError::Field { field: Field::Meld }));
    let short = labeller.label(rows.clone(), &of_rows[1..], || true);
    let shape = UnifyError::Shape {
        samples: 60,
        dim: DIM,
        found: 60 * DIM - 1,
    };
    assert_eq!(short, Err(shape));
    let twice = vec![rows[1].clone(), rows[1].clone()];
    let twice = labeller.label(twice, &of_rows[..2 * DIM], || true);
    assert!(
        matches!(twice, Err(UnifyError::Duplicate { .. })),
        "{twice:?}"
    );
    let stopped = labeller.label(rows.clone(), of_rows, || false);
    assert_eq!(stopped, Err(UnifyError::Interrupted));
    assert_eq!(labeller.label(Vec::new(), &[], || true), Ok(Vec::new()));

    assert_eq!(labeller.label(rows, of_rows, || true), Ok(expected));
}
