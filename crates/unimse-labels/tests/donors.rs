//! The donor search against a brute-force reading of the terms of unification.

use proptest::prelude::*;
use unimse_labels::{
    DonorProtocol, Field, Labelled, MeldEmotion, Polarity, QueryProtocol, Sample, Source, Split,
    UnifyOptions, UniversalLabel, unify,
};

use crate::made::{dot, embeddings, samples};

const CLEAN: UnifyOptions = UnifyOptions {
    donors: DonorProtocol::Train,
    queries: QueryProtocol::TrainDev,
    min_similarity: None,
    seed: 1,
};

/// One value with the identity of its donor, whatever the field.
type Found = (Source, Option<String>, Option<(String, String)>);

fn found<T: std::fmt::Debug>(field: &Labelled<T>) -> Found {
    let donor = field
        .donor
        .as_ref()
        .map(|donor| (donor.corpus.clone(), donor.utterance_id.clone()));
    (
        field.source,
        field.value.as_ref().map(|value| format!("{value:?}")),
        donor,
    )
}

fn gold(sample: &Sample, field: Field) -> Option<String> {
    match field {
        Field::Polarity => sample.polarity.map(|value| format!("{value:?}")),
        Field::Intensity => sample.intensity.map(|value| format!("{value:?}")),
        Field::Meld => sample.meld.map(|value| format!("{value:?}")),
        Field::Iemocap => sample.iemocap.map(|value| format!("{value:?}")),
    }
}

/// What the terms allow for one field: the admissible results, and the similarities of all candidates, descending.
struct Reference {
    admissible: Vec<Found>,
    similarities: Vec<f64>,
}

/// The terms of the design read literally: every pair, one field at a time. Similarities closer than 1e-6 to the
/// best are ties that rounding may break either way, so there may be several admissible results.
fn reference(
    at: usize,
    field: Field,
    samples: &[Sample],
    rows: &[f32],
    dim: usize,
    options: &UnifyOptions,
) -> Reference {
    let sample = &samples[at];
    let without_donor = |source, value| Reference {
        admissible: vec![(source, value, None)],
        similarities: vec![],
    };
    if let Some(value) = gold(sample, field) {
        return without_donor(Source::Gold, Some(value));
    }
    let present = samples.iter().any(|other| gold(other, field).is_some());
    if !present || (options.queries == QueryProtocol::TrainDev && sample.split == Split::Test) {
        return without_donor(Source::Missing, None);
    }
    if sample.polarity == Some(Polarity::Neutral) {
        let value = if field == Field::Intensity {
            "0.0"
        } else {
            "Neutral"
        };
        return without_donor(Source::Rule, Some(value.to_owned()));
    }
    let mut candidates: Vec<(f64, &Sample)> = samples
        .iter()
        .zip(rows.chunks_exact(dim))
        .filter(|(donor, _)| {
            gold(donor, field).is_some()
                && donor.polarity == sample.polarity
                && (&donor.corpus, &donor.group) != (&sample.corpus, &sample.group)
                && (options.donors == DonorProtocol::All || donor.split == Split::Train)
        })
        .map(|(donor, row)| (dot(&rows[at * dim..][..dim], row), donor))
        .collect();
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = candidates
        .first()
        .map_or(f64::NEG_INFINITY, |&(similarity, _)| similarity);
    let least = options.min_similarity.map_or(f64::MIN, f64::from);
    let mut admissible = Vec::new();
    if best < least + 1e-6 {
        admissible.push((Source::Missing, None, None));
    }
    if best > least - 1e-6 {
        let near = candidates
            .iter()
            .take_while(|&&(similarity, _)| similarity > best - 1e-6);
        admissible.extend(near.map(|(_, donor)| {
            let name = (donor.corpus.clone(), donor.utterance_id.clone());
            (Source::Donor, gold(donor, field), Some(name))
        }));
    }
    Reference {
        admissible,
        similarities: candidates
            .into_iter()
            .map(|(similarity, _)| similarity)
            .collect(),
    }
}

/// Fails unless every field of `labels` is as the terms have it, similarity and margin included.
fn check(
    labels: &[Option<UniversalLabel>],
    samples: &[Sample],
    rows: &[f32],
    dim: usize,
    options: &UnifyOptions,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(labels.len(), samples.len());
    for (at, label) in labels.iter().enumerate() {
        prop_assert_eq!(
            label.as_ref().map(|label| label.polarity),
            samples[at].polarity
        );
        let Some(label) = label else { continue };
        let fields = [
            (
                Field::Intensity,
                found(&label.intensity),
                &label.intensity.donor,
            ),
            (Field::Meld, found(&label.meld), &label.meld.donor),
            (Field::Iemocap, found(&label.iemocap), &label.iemocap.donor),
        ];
        for (field, found, donor) in fields {
            let Reference {
                admissible,
                similarities,
            } = reference(at, field, samples, rows, dim, options);
            prop_assert!(
                admissible.contains(&found),
                "{at} {field}: {found:?}, expected one of {admissible:?}"
            );
            let Some(donor) = donor else { continue };
            let margin = similarities.get(1).map(|second| similarities[0] - second);
            prop_assert!((f64::from(donor.similarity) - similarities[0]).abs() < 1e-6);
            prop_assert_eq!(donor.margin.is_some(), margin.is_some());
            prop_assert!(
                (f64::from(donor.margin.unwrap_or(0.0)) - margin.unwrap_or(0.0)).abs() < 2e-6
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn equals_brute_force(
        kinds in proptest::collection::vec((0..7_u8, 0..4_u8, 0..3_u8, 0..42_u8), 0..60),
        dim in 2..9_usize,
        levels in proptest::sample::select(vec![2, 3, 1000]),
        seed: u64,
        all_donors: bool,
        all_queries: bool,
        min_similarity in proptest::option::of(-1.0_f32..1.0),
    ) {
        let samples = samples(&kinds);
        let rows = embeddings(samples.len(), dim, levels, seed);
        let options = UnifyOptions {
            donors: if all_donors { DonorProtocol::All } else { DonorProtocol::Train },
            queries: if all_queries { QueryProtocol::All } else { QueryProtocol::TrainDev },
            min_similarity,
            seed: 1,
        };
        let labels = unify(&samples, &rows, dim, &options).unwrap();
        check(&labels, &samples, &rows, dim, &options)?;
    }
}

/// A corpus that fills several tiles in both directions, most rows of one polarity.
fn large() -> (Vec<Sample>, Vec<f32>, usize) {
    let mut samples = Vec::new();
    for at in 0..700 {
        let split = Split::ALL[at % 10 / 8];
        samples.push(Sample::sentiment(
            "mosi",
            &format!("{at:04}"),
            &format!("v{}", at / 20),
            split,
            1.0,
        ));
        let group = format!("d{}", at / 10);
        samples.push(Sample::meld(
            "meld",
            &format!("{at:04}"),
            &group,
            split,
            Polarity::Positive,
            MeldEmotion::Joy,
        ));
    }
    let dim = 16;
    let rows = embeddings(samples.len(), dim, 1000, 3);
    (samples, rows, dim)
}

#[test]
fn tiles_agree_with_brute_force_and_threads_change_nothing() {
    let (samples, rows, dim) = large();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| unify(&samples, &rows, dim, &CLEAN).unwrap())
    };
    let labels = with(1);
    assert_eq!(labels, with(3));
    check(&labels, &samples, &rows, dim, &CLEAN).unwrap();
}

#[test]
fn rows_that_coincide_tie_to_the_lowest_name_across_tiles() {
    let (mut samples, mut rows, dim) = large();
    let row = rows[..dim].to_vec();
    rows.chunks_exact_mut(dim)
        .for_each(|other| other.copy_from_slice(&row));
    samples.reverse();
    for (sample, label) in samples
        .iter()
        .zip(unify(&samples, &rows, dim, &CLEAN).unwrap())
    {
        let UniversalLabel {
            intensity, meld, ..
        } = label.unwrap();
        let donor = if sample.meld.is_some() {
            intensity.donor
        } else {
            meld.donor
        }
        .unwrap();
        assert_eq!(
            (donor.utterance_id.as_str(), donor.margin),
            ("0000", Some(0.0))
        );
    }
}
