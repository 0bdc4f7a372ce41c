//! Each decision of the unifier by example.

use unimse_labels::{
    DonorProtocol, MeldEmotion, Polarity, QueryProtocol, Sample, Source, Split, UnifyError,
    UnifyOptions, unify,
};

const CLEAN: UnifyOptions = UnifyOptions {
    donors: DonorProtocol::Train,
    queries: QueryProtocol::TrainDev,
    min_similarity: None,
    seed: 1,
};

/// Two videos and two dialogues in the plane: the angle is the text.
fn small() -> (Vec<Sample>, Vec<f32>) {
    let joy = |id, group, split| {
        Sample::meld(
            "meld",
            id,
            group,
            split,
            Polarity::Positive,
            MeldEmotion::Joy,
        )
    };
    let samples = vec![
        Sample::sentiment("mosi", "a_1", "a", Split::Train, 1.6),
        Sample::sentiment("mosi", "b_1", "b", Split::Test, 3.0),
        joy("dia0_utt0", "dia0", Split::Train),
        Sample::meld(
            "meld",
            "dia1_utt0",
            "dia1",
            Split::Dev,
            Polarity::Positive,
            MeldEmotion::Surprise,
        ),
    ];
    let rows = [0.0_f32, 10.0, 60.0, 20.0].iter().flat_map(|degrees| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin]
    });
    (samples, rows.collect())
}

#[test]
fn who_gives_and_who_takes() {
    let (samples, rows) = small();
    let donors = |options: &UnifyOptions| -> Vec<[Option<String>; 2]> {
        let labels = unify(&samples, &rows, 2, options)
            .unwrap()
            .into_iter()
            .map(Option::unwrap);
        let id = |donor: Option<unimse_labels::Donor>| donor.map(|donor| donor.utterance_id);
        labels
            .map(|label| [id(label.intensity.donor), id(label.meld.donor)])
            .collect()
    };
    let id = |id: &str| Some(id.to_owned());
    let clean = [
        [None, id("dia0_utt0")],
        [None, None],
        [id("a_1"), None],
        [id("a_1"), None],
    ];
    assert_eq!(donors(&CLEAN), clean);
    let leaky = UnifyOptions {
        donors: DonorProtocol::All,
        ..CLEAN
    };
    assert_eq!(
        donors(&leaky),
        [
            [None, id("dia1_utt0")],
            [None, None],
            [id("b_1"), None],
            [id("b_1"), None]
        ]
    );
    let stream = UnifyOptions {
        queries: QueryProtocol::Test,
        ..CLEAN
    };
    assert_eq!(
        donors(&stream),
        [
            [None, None],
            [None, id("dia0_utt0")],
            [None, None],
            [None, None]
        ]
    );
    let diagnostic = UnifyOptions {
        queries: QueryProtocol::All,
        ..CLEAN
    };
    assert_eq!(
        donors(&diagnostic),
        [
            [None, id("dia0_utt0")],
            [None, id("dia0_utt0")],
            [id("a_1"), None],
            [id("a_1"), None]
        ]
    );
}

#[test]
fn similarity_and_margin() {
    let (samples, rows) = small();
    let all = UnifyOptions {
        donors: DonorProtocol::All,
        ..CLEAN
    };
    let label = unify(&samples, &rows, 2, &all).unwrap()[0].clone().unwrap();
    let donor = label.meld.donor.unwrap();
    let cosine = |degrees: f32| degrees.to_radians().cos();
    assert!((donor.similarity - cosine(20.0)).abs() < 1e-6);
    assert!((donor.margin.unwrap() - (cosine(20.0) - cosine(60.0))).abs() < 1e-6);
    let only = unify(&samples, &rows, 2, &CLEAN).unwrap()[0]
        .clone()
        .unwrap();
    assert_eq!(only.meld.donor.unwrap().margin, None);

    let strict = |least| UnifyOptions {
        min_similarity: Some(least),
        ..CLEAN
    };
    let source = |options| {
        unify(&samples, &rows, 2, &options).unwrap()[0]
            .as_ref()
            .unwrap()
            .meld
            .source
    };
    assert_eq!(source(strict(cosine(61.0))), Source::Donor);
    assert_eq!(source(strict(cosine(59.0))), Source::Missing);
}

#[test]
fn an_absent_taxonomy_is_missing_even_for_neutral_utterances() {
    let neutral = Sample::sentiment("mosi", "a_1", "a", Split::Train, 0.0);
    let meld = Sample::meld(
        "meld",
        "u",
        "d",
        Split::Train,
        Polarity::Neutral,
        MeldEmotion::Neutral,
    );
    let labels = unify(&[neutral, meld], &[1.0, 0.0, 0.0, 1.0], 2, &CLEAN).unwrap();
    let mosi = labels[0].as_ref().unwrap();
    assert_eq!(
        (mosi.intensity.source, mosi.meld.source, mosi.iemocap.source),
        (Source::Gold, Source::Rule, Source::Missing)
    );
    let meld = labels[1].as_ref().unwrap();
    assert_eq!(
        (
            meld.intensity.value,
            meld.intensity.source,
            meld.meld.source
        ),
        (Some(0.0), Source::Rule, Source::Gold)
    );
}

/// The error of vectors of two values under the clean options.
fn error(samples: &[Sample], rows: &[f32]) -> UnifyError {
    unify(samples, rows, 2, &CLEAN).unwrap_err()
}

#[test]
fn vectors_that_cannot_be_compared_are_named() {
    let (samples, rows) = small();
    let with = |at: usize, value: f32| {
        let mut rows = rows.clone();
        rows[at] = value;
        rows
    };
    assert_eq!(
        error(&samples, &rows[1..]),
        UnifyError::Shape {
            samples: 4,
            dim: 2,
            found: 7
        }
    );
    let text = error(&samples, &with(5, f32::NAN)).to_string();
    assert!(
        text.contains("meld dia0_utt0") && text.contains("NaN in column 1"),
        "{text}"
    );
    assert!(
        error(&samples, &with(0, 0.0))
            .to_string()
            .contains("mosi a_1: all zero")
    );
    assert!(
        error(&samples, &with(0, 2.0))
            .to_string()
            .contains("length 2")
    );
    assert!(matches!(
        unify(&[], &[], 0, &CLEAN),
        Err(UnifyError::Shape { .. })
    ));
    assert_eq!(unify(&[], &[], 2, &CLEAN), Ok(vec![]));
}

#[test]
fn samples_that_cannot_be_unified_are_named() {
    let (samples, rows) = small();
    let changed = |change: fn(&mut Sample)| {
        let mut samples = samples.clone();
        change(&mut samples[0]);
        samples
    };
    let twice = changed(|sample| {
        (sample.corpus, sample.utterance_id) = ("meld".to_owned(), "dia0_utt0".to_owned())
    });
    assert!(matches!(error(&twice, &rows), UnifyError::Duplicate { .. }));
    let beyond = changed(|sample| sample.intensity = Some(3.2));
    assert!(matches!(
        error(&beyond, &rows),
        UnifyError::Intensity { found: 3.2, .. }
    ));
    let contrary = changed(|sample| sample.polarity = Some(Polarity::Negative));
    assert!(matches!(
        error(&contrary, &rows),
        UnifyError::Polarity {
            expected: Polarity::Positive,
            ..
        }
    ));
}

#[test]
fn a_least_similarity_is_a_number() {
    let (samples, rows) = small();
    let options = UnifyOptions {
        min_similarity: Some(f32::NAN),
        ..CLEAN
    };
    assert!(matches!(
        unify(&samples, &rows, 2, &options),
        Err(UnifyError::MinSimilarity { .. })
    ));
}
