//! The block search against all pairs in f64, for any division of either set into blocks.

use proptest::prelude::*;
use unimse_labels::{Block, Candidate, Key, Matches, SearchError, search};

const DIM: usize = 5;

/// A row and its key: the angle decides one plane of the row, `level` how far it leans out of it.
fn row(angle: u8, level: u8) -> [f32; DIM] {
    let (sin, cos) = (f32::from(angle) * 0.7).sin_cos();
    let (lean, rest) = (f32::from(level) * 0.3).sin_cos();
    [cos * rest, sin * rest, lean, 0.0, 0.0]
}

type Set = Vec<([f32; DIM], Key)>;

fn set(base: u32, description: &[(u8, u8, u32, bool, bool)]) -> Set {
    let row = |(at, &(angle, level, group, asks, gives)): (usize, &(u8, u8, u32, bool, bool))| {
        let rank = base + (at as u32 * 7919) % 1009; // not in the order of the rows
        (
            row(angle, level),
            Key {
                rank,
                group,
                asks,
                gives,
            },
        )
    };
    description.iter().enumerate().map(row).collect()
}

fn blocks(set: &Set, size: usize) -> impl Iterator<Item = Result<Block<Vec<f32>>, SearchError>> {
    set.chunks(size).map(|rows| {
        Ok(Block {
            values: rows.iter().flat_map(|(row, _)| *row).collect(),
            keys: rows.iter().map(|&(_, key)| key).collect(),
        })
    })
}

/// Fails unless `found` holds the best `k` of `donors` for each of `queries`; similarities within 1e-6 may swap.
fn check(found: &Matches, queries: &Set, donors: &Set, k: usize) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), queries.len());
    for (at, (row, key)) in queries.iter().enumerate() {
        let cosine = |other: &[f32; DIM]| -> f64 {
            let pairs = row.iter().zip(other);
            pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
        };
        let mut expected: Vec<(f64, u32)> = donors
            .iter()
            .filter(|(_, donor)| key.asks && donor.gives && donor.group != key.group)
            .map(|(donor, key)| (cosine(donor), key.rank))
            .collect();
        expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let candidates = found.of(at);
        prop_assert_eq!(candidates.len(), k.min(expected.len()));
        for (place, candidate) in candidates.iter().enumerate() {
            let similarity = f64::from(candidate.similarity);
            prop_assert!((similarity - expected[place].0).abs() < 1e-6);
            let its_own = expected
                .iter()
                .find(|(_, rank)| *rank == candidate.rank)
                .unwrap();
            prop_assert!((similarity - its_own.0).abs() < 1e-6);
            let margin = candidates
                .get(place + 1)
                .map(|next| candidate.similarity - next.similarity);
            prop_assert_eq!(found.margin(at, place), margin);
        }
        let ordered = |a: &Candidate, b: &Candidate| {
            a.similarity > b.similarity || (a.similarity == b.similarity && a.rank < b.rank)
        };
        prop_assert!(candidates.is_sorted_by(ordered));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn equals_all_pairs(
        left in proptest::collection::vec((0..9_u8, 0..5_u8, 0..6_u32, any::<bool>(), any::<bool>()), 0..600),
        right in proptest::collection::vec((0..9_u8, 0..5_u8, 0..6_u32, any::<bool>(), any::<bool>()), 0..600),
        k in 1..5_usize,
        sizes in (1..700_usize, 1..700_usize),
    ) {
        let (left, right) = (set(0, &left), set(2000, &right));
        let search = |l: usize, r: usize| search(DIM, k, blocks(&left, l), || blocks(&right, r)).unwrap();
        let (of_left, of_right) = search(sizes.0, sizes.1);
        check(&of_left, &left, &right, k)?;
        check(&of_right, &right, &left, k)?;
        // not one bit depends on the division into blocks
        let (left_again, right_again) = search(1000, 1000);
        prop_assert_eq!(of_left, left_again);
        prop_assert_eq!(of_right, right_again);
    }
}

/// Equal rows have equal similarities to the bit wherever they stand, so that the rank alone decides between them.
#[test]
fn equal_rows_tie_exactly_in_every_place_and_width() {
    for dim in [1, 2, 3, 31, 384, 769] {
        let mut state = dim as u32;
        let mut row = || {
            let values: Vec<f32> = (0..dim)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 23) as f32 - 1.0
                })
                .collect();
            let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
            values.into_iter().map(|x| x / length).collect::<Vec<f32>>()
        };
        let (query, twin) = (row(), row());
        let mut donors: Vec<Vec<f32>> = (0..600).map(|_| row()).collect();
        for at in [3, 17, 254, 255, 256, 511, 512, 599] {
            donors[at] = twin.clone();
        }
        let all = |rows: &[Vec<f32>], first: u32| Block {
            values: rows.concat(),
            keys: (0..rows.len() as u32).map(|at| key(first + at)).collect(),
        };
        let (of_query, _) = search(
            dim,
            600,
            [Ok::<_, SearchError>(all(&[query], 9999))],
            || [Ok(all(&donors, 0))],
        )
        .unwrap();
        let twins: Vec<&Candidate> = of_query
            .of(0)
            .iter()
            .filter(|found| [3, 17, 254, 255, 256, 511, 512, 599].contains(&found.rank))
            .collect();
        assert_eq!(twins.len(), 8);
        for pair in twins.windows(2) {
            assert_eq!(
                pair[0].similarity.to_bits(),
                pair[1].similarity.to_bits(),
                "{dim}"
            );
            assert!(pair[0].rank < pair[1].rank);
        }
    }
}

fn key(rank: u32) -> Key {
    Key {
        rank,
        group: rank,
        asks: true,
        gives: true,
    }
}

fn block(values: &[f32], first: u32) -> Block<Vec<f32>> {
    let keys = (0..values.len() as u32 / 2)
        .map(|at| key(first + at))
        .collect();
    Block {
        values: values.to_vec(),
        keys,
    }
}

/// 64 GiB of them, had each donor its own.
#[test]
fn who_does_not_ask_keeps_no_candidates() {
    let rows = 1 << 16;
    let key = |rank, asks| Key {
        asks,
        gives: !asks,
        ..key(rank)
    };
    let donors = || {
        [Ok(Block {
            values: [1.0, 0.0].repeat(rows),
            keys: (0..rows as u32).map(|rank| key(rank, false)).collect(),
        })]
    };
    let query = Block {
        values: vec![1.0, 0.0],
        keys: vec![key(u32::MAX - 1, true)],
    };
    let k = 2 * rows;
    let (of_query, of_donors) = search(2, k, [Ok::<_, SearchError>(query)], donors).unwrap();
    assert!(
        of_query
            .of(0)
            .iter()
            .map(|found| found.rank)
            .eq(0..rows as u32)
    );
    assert_eq!(of_donors.len(), rows);
    assert!(of_donors.of(rows - 1).is_empty());
}

#[test]
fn rows_that_are_no_directions_are_named() {
    let good = || [Ok(block(&[1.0, 0.0], 10))];
    for (value, words) in [
        (f32::NAN, "NaN in column 1"),
        (f32::INFINITY, "inf in column 1"),
        (-1.0, "all zero"),
        (0.5, "length 1.1"),
    ] {
        let bad = if value < 0.0 {
            [0.0, 0.0]
        } else {
            [1.0, value]
        };
        let bad = || {
            [
                Ok(block(&[1.0, 0.0], 20)),
                Ok(block(&[&[0.0, 1.0][..], &bad].concat(), 21)),
            ]
        };
        let left: SearchError = search(2, 1, bad(), good).unwrap_err();
        assert!(
            left.to_string().contains("left row 2 (rank 22): ") && left.to_string().contains(words),
            "{left}"
        );
        let right: SearchError = search(2, 1, good(), bad).unwrap_err();
        assert!(
            right.to_string().contains("right row 2 (rank 22): "),
            "{right}"
        );
    }
    let zero = |dim, k| search(dim, k, good(), good).unwrap_err();
    assert_eq!(
        (zero(0, 1), zero(2, 0)),
        (
            SearchError::Zero { name: "dim" },
            SearchError::Zero { name: "k" }
        )
    );
    let odd = search(3, 1, good(), good).unwrap_err();
    assert_eq!(
        odd.to_string(),
        "left block holds 2 values, expected 1 rows x 3 dimensions"
    );
}

#[test]
fn a_source_may_fail_and_must_not_change() {
    #[derive(Debug, PartialEq)]
    enum Failure {
        Disk,
        Search(SearchError),
    }
    impl From<SearchError> for Failure {
        fn from(error: SearchError) -> Self {
            Self::Search(error)
        }
    }
    let good = || vec![Ok(block(&[1.0, 0.0], 0))];
    let bad = || vec![Ok(block(&[1.0, 0.0], 5)), Err(Failure::Disk)];
    assert_eq!(search(2, 1, bad(), good).unwrap_err(), Failure::Disk);
    assert_eq!(search(2, 1, good(), bad).unwrap_err(), Failure::Disk);

    let opened = std::cell::Cell::new(0);
    let shifting = |step: i32| {
        opened.set(0);
        let opened = &opened;
        move || {
            opened.set(opened.get() + 1);
            let rows = (2 + step * (opened.get() - 1)) as usize;
            vec![Ok::<_, Failure>(block(&[1.0, 0.0].repeat(rows), 50))]
        }
    };
    let two = || vec![Ok(block(&[1.0, 0.0], 0)), Ok(block(&[0.0, 1.0], 1))];
    for (step, found) in [(1, 3), (-1, 1)] {
        let error = search(2, 1, two(), shifting(step)).unwrap_err();
        assert_eq!(
            error,
            Failure::Search(SearchError::Changed { expected: 2, found })
        );
    }
}
