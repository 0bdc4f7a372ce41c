//! The controls of the donor search keep its terms and change nothing but who lends.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use unimse_labels::{
    Donor, DonorProtocol, Field, MeldEmotion, Polarity, QueryProtocol, Sample, Source, Split,
    UnifyOptions, UniversalLabel, unify,
};

use crate::made::{dot, embeddings, samples};

const DIM: usize = 8;

fn options(donors: DonorProtocol, seed: u64) -> UnifyOptions {
    UnifyOptions {
        donors,
        seed,
        ..UnifyOptions::default()
    }
}

fn labels(samples: &[Sample], options: &UnifyOptions) -> Vec<Option<UniversalLabel>> {
    let rows = embeddings(samples.len(), DIM, 1000, 5);
    unify(samples, &rows, DIM, options).unwrap()
}

fn donor(label: &UniversalLabel, field: Field) -> Option<&Donor> {
    label.field(field).donor
}

/// How often each utterance lent.
type Lenders = BTreeMap<(String, String), usize>;

/// Who lent the field how often to samples of a polarity and split.
fn lenders(
    samples: &[Sample],
    labels: &[Option<UniversalLabel>],
) -> BTreeMap<(Field, Polarity, Split), Lenders> {
    let mut found = BTreeMap::<_, Lenders>::new();
    for (sample, label) in samples.iter().zip(labels) {
        let Some(label) = label else { continue };
        for field in Field::BORROWED {
            if let Some(donor) = donor(label, field) {
                let place = found.entry((field, label.polarity, sample.split));
                let name = (donor.corpus.clone(), donor.utterance_id.clone());
                *place.or_default().entry(name).or_default() += 1;
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn controls_lend_to_the_same_utterances_within_polarity_and_never_within_a_dialogue(
        kinds in proptest::collection::vec((0..7_u8, 0..4_u8, 0..3_u8, 0..42_u8), 0..60),
        seed: u64,
        all_queries: bool,
        min_similarity in proptest::option::of(-0.5_f32..0.9),
    ) {
        let samples = samples(&kinds);
        let rows = embeddings(samples.len(), DIM, 1000, 5);
        let with = |donors| UnifyOptions {
            queries: if all_queries { QueryProtocol::All } else { QueryProtocol::TrainDev },
            min_similarity,
            ..options(donors, seed)
        };
        let named: HashMap<(&str, &str), usize> = samples.iter().enumerate()
            .map(|(at, s)| ((s.corpus.as_str(), s.utterance_id.as_str()), at)).collect();
        let nearest = labels(&samples, &with(DonorProtocol::Train));
        for protocol in [DonorProtocol::Random, DonorProtocol::Shuffled] {
            let control = labels(&samples, &with(protocol));
            prop_assert_eq!(&control, &labels(&samples, &with(protocol)));
            for (at, (label, nearest)) in control.iter().zip(&nearest).enumerate() {
                prop_assert_eq!(label.is_some(), nearest.is_some());
                let (Some(label), Some(nearest)) = (label, nearest) else { continue };
                for field in Field::BORROWED {
                    prop_assert_eq!(label.field(field).source, nearest.field(field).source);
                    let Some(donor) = donor(label, field) else {
                        prop_assert_eq!(label.field(field), nearest.field(field));
                        continue;
                    };
                    let lender = named[&(donor.corpus.as_str(), donor.utterance_id.as_str())];
                    let (asks, gives) = (&samples[at], &samples[lender]);
                    prop_assert_eq!(asks.polarity, gives.polarity);
                    prop_assert_eq!(gives.split, Split::Train);
                    prop_assert!((&asks.corpus, &asks.group) != (&gives.corpus, &gives.group));
                    prop_assert!(gives.has(field));
                    prop_assert_eq!(donor.margin, None);
                    let cosine = dot(&rows[at * DIM..][..DIM], &rows[lender * DIM..][..DIM]);
                    prop_assert!((f64::from(donor.similarity) - cosine).abs() < 1e-5);
                }
            }
            if protocol == DonorProtocol::Shuffled {
                prop_assert_eq!(lenders(&samples, &control), lenders(&samples, &nearest));
            }
        }
    }

    #[test]
    fn without_donors_an_utterance_has_the_labels_of_its_corpus_alone(
        kinds in proptest::collection::vec((0..7_u8, 0..4_u8, 0..3_u8, 0..42_u8), 0..40),
    ) {
        let samples = samples(&kinds);
        let alone = labels(&samples, &options(DonorProtocol::None, 1));
        for (sample, label) in samples.iter().zip(&alone) {
            let Some(label) = label else { continue };
            for field in Field::BORROWED {
                let expected = if sample.has(field) { Source::Gold } else { Source::Missing };
                prop_assert_eq!(label.field(field).source, expected);
            }
        }
    }
}

/// `takers` scored utterances and `lenders` of MELD, all positive and of train, each a dialogue of its own.
fn world(takers: usize, lenders: usize) -> Vec<Sample> {
    let name = |at: usize| format!("{at:04}");
    let mosi =
        (0..takers).map(|at| Sample::sentiment("mosi", &name(at), &name(at), Split::Train, 1.0));
    let meld = (0..lenders).map(|at| {
        let (polarity, emotion) = (Polarity::Positive, MeldEmotion::ALL[at % 7]);
        Sample::meld(
            "meld",
            &name(at),
            &name(at),
            Split::Train,
            polarity,
            emotion,
        )
    });
    mosi.chain(meld).collect()
}

fn donors_of_mosi(
    samples: &[Sample],
    labels: &[Option<UniversalLabel>],
) -> BTreeMap<String, String> {
    let rows = samples
        .iter()
        .zip(labels)
        .filter(|(sample, _)| sample.corpus == "mosi");
    rows.map(|(sample, label)| {
        let donor = label.as_ref().and_then(|label| donor(label, Field::Meld));
        (
            sample.utterance_id.clone(),
            donor.unwrap().utterance_id.clone(),
        )
    })
    .collect()
}

/// 2800 takers over 7 lenders: each lends to 400, give or take the standard deviation sqrt(2800 * 1/7 * 6/7) = 18.5.
#[test]
fn random_donors_are_drawn_evenly() {
    let samples = world(2800, 7);
    let labels = labels(&samples, &options(DonorProtocol::Random, 3));
    let mut times = BTreeMap::<String, usize>::new();
    for donor in donors_of_mosi(&samples, &labels).into_values() {
        *times.entry(donor).or_default() += 1;
    }
    let deviation = (2800.0 / 7.0 * (6.0 / 7.0_f64)).sqrt();
    assert_eq!(times.len(), 7);
    for times in times.into_values() {
        let off = (times as f64 - 2800.0 / 7.0).abs();
        assert!(off < 4.5 * deviation, "{times}");
    }
}

#[test]
fn shuffled_donors_are_those_of_others() {
    let samples = world(60, 2000); // so many that hardly two takers share the nearest
    let found = |donors| donors_of_mosi(&samples, &labels(&samples, &options(donors, 1)));
    let (nearest, shuffled) = (found(DonorProtocol::Train), found(DonorProtocol::Shuffled));
    let mut times = BTreeMap::<&String, usize>::new();
    nearest
        .values()
        .for_each(|donor| *times.entry(donor).or_default() += 1);
    assert!(times.len() > 50, "{}", times.len());
    for (taker, donor) in &shuffled {
        assert!(
            times[donor] > 1 || nearest[taker] != *donor,
            "{taker} kept {donor}"
        );
    }
}

#[test]
fn the_seed_decides_and_the_order_of_the_samples_does_not() {
    let samples = world(100, 100);
    let reversed: Vec<Sample> = samples.iter().rev().cloned().collect();
    for protocol in [DonorProtocol::Random, DonorProtocol::Shuffled] {
        let rows = embeddings(samples.len(), DIM, 1000, 5);
        let back: Vec<f32> = rows.chunks_exact(DIM).rev().flatten().copied().collect();
        let found = |samples: &[Sample], rows: &[f32], seed| {
            let labels = unify(samples, rows, DIM, &options(protocol, seed)).unwrap();
            donors_of_mosi(samples, &labels)
        };
        let one = found(&samples, &rows, 1);
        assert_eq!(one, found(&reversed, &back, 1));
        assert_ne!(one, found(&samples, &rows, 2));
    }
}
