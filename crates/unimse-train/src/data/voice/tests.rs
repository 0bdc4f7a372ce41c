//! Cuts, words, and that no row of dev or test moves a cut.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use proptest::prelude::*;
use unimse_run::FeatureCard;

use super::*;
use crate::data::normaliser::tests::corpus as plain;

/// A corpus whose rows have one step of loudness, pitch and rate each; the card names the columns.
fn corpus(name: &str, rows: &[(Split, [f32; 3])]) -> Corpus {
    let mut corpus = plain(&vec![Some(Vec::new()); rows.len()]);
    corpus.name = name.to_owned();
    for (u, (split, values)) in corpus.utterances.iter_mut().zip(rows) {
        u.split = *split;
        u.audio = Some(step(*values));
    }
    let mut card = FeatureCard::new("prosodic-functionals", 3);
    card.columns = Quality::ALL.map(|q| q.columns()[0].to_owned()).into();
    corpus.audio_dim = Some(3);
    corpus.features.audio = Some(card);
    corpus
}

fn step(values: [f32; 3]) -> Sequence {
    Sequence {
        dim: 3,
        values: values.to_vec(),
    }
}

fn train<const N: usize>(values: [[f32; 3]; N]) -> [(Split, [f32; 3]); N] {
    values.map(|values| (Split::Train, values))
}

/// The cuts of `corpora`, and what says the words of raw values of a corpus.
fn fitted(
    corpora: &[Corpus],
) -> (
    Voice,
    impl Fn(Option<&str>, [f32; 3]) -> Option<String> + use<>,
) {
    let normaliser = Normaliser::fit(corpora);
    let mut scaled = corpora.to_vec();
    scaled.iter_mut().for_each(|c| normaliser.apply(c));
    let voice = Voice::fit(&scaled, &normaliser);
    let own = voice.clone();
    let words = move |corpus: Option<&str>, values| {
        let mut audio = step(values);
        normaliser.apply_to(Modality::Audio, &mut audio);
        voice.words(corpus, Some(&audio))
    };
    (own, words)
}

#[test]
fn thirds_lie_between_neighbours() {
    let sorted = [10.0, 20.0, 40.0, 80.0];
    // place 1/3 * 3 = 1, and 2/3 * 3 = 2
    assert_eq!(quantile(&sorted, 1.0 / 3.0), Some(20.0));
    assert_eq!(quantile(&sorted, 2.0 / 3.0), Some(40.0));
    assert_eq!(quantile(&sorted, 0.5), Some(20.0 + 0.5 * (40.0 - 20.0)));
    assert_eq!(
        (quantile(&[7.0], 0.9), quantile(&[], 0.5)),
        (Some(7.0), None)
    );
    let cuts = Thirds::of(0, None, vec![80.0, 10.0, 40.0, 20.0]).unwrap();
    let third = |value: f32| cuts.third(&step([value, 0.0, 0.0])).unwrap();
    let found = [10.0, 19.9, 20.0, 40.0, 40.1, 80.0].map(third);
    assert_eq!(found, [0, 0, 1, 1, 2, 2]);
    // values that are all the same are neither low nor high
    let same = Thirds::of(0, None, vec![3.0; 5]).unwrap();
    assert_eq!(same.third(&step([3.0, 0.0, 0.0])), Some(1));
}

#[test]
fn a_row_is_told_in_the_words_of_its_thirds() {
    let rows = train([
        [0.1, 20.0, 1.0],
        [0.2, 24.0, 2.0],
        [0.3, 28.0, 3.0],
        [0.4, 0.0, 4.0],
    ]);
    let (_, words) = fitted(&[corpus("meld", &rows)]);
    let said = |values| words(Some("meld"), values).unwrap();
    assert_eq!(said([0.4, 28.0, 4.0]), "(loud, high, fast)");
    assert_eq!(said([0.1, 20.0, 1.0]), "(quiet, low, slow)");
    assert_eq!(said([0.25, 24.0, 2.5]), "(moderate, middle, steady)");
    // without voice nothing is said of the pitch, and its 0 has moved no cut
    assert_eq!(said([0.4, 0.0, 1.0]), "(loud, slow)");
    assert_eq!(before("(loud)", "hi"), "(loud) hi");
    assert_eq!(before("(loud)", " "), "(loud)");
}

#[test]
fn each_corpus_has_its_own_thirds_and_strangers_those_of_all() {
    let pitched = |loudness: f32| [loudness, 20.0 + loudness, 2.0];
    let low = corpus("meld", &train([1.0, 2.0, 3.0].map(pitched)));
    let high = corpus("mosi", &train([7.0, 8.0, 9.0].map(pitched)));
    let mut nameless = corpus("iemocap", &train([4.0, 5.0, 6.0].map(pitched)));
    nameless.features.audio = Some(FeatureCard::new(FeatureCard::UNKNOWN, 3));
    let (voice, words) = fitted(&[low, high, nameless]);
    let said = |corpus, loudness| words(corpus, pitched(loudness));
    assert_eq!(said(Some("meld"), 3.0).unwrap(), "(loud, high, steady)");
    assert_eq!(said(Some("mosi"), 3.0).unwrap(), "(quiet, low, steady)");
    // thirds of 1 2 3 7 8 9: 1/3 * 5 = 1.67 and 2/3 * 5 = 3.33
    for stranger in [None, Some("own")] {
        assert_eq!(said(stranger, 2.6).unwrap(), "(quiet, low, steady)");
        assert_eq!(said(stranger, 3.0).unwrap(), "(moderate, middle, steady)");
        assert_eq!(said(stranger, 7.5).unwrap(), "(loud, high, steady)");
    }
    assert_eq!(said(Some("iemocap"), 9.0), None, "features without names");
    let other = Sequence {
        dim: 2,
        values: vec![1.0, 1.0],
    };
    assert_eq!(voice.words(Some("meld"), Some(&other)), None);
    assert_eq!(voice.words(Some("meld"), None), None);
}

#[test]
fn steps_count_by_their_mean_and_cuts_read_back() {
    let mut spoken = corpus("meld", &train([[1.0; 3], [2.0; 3], [3.0; 3]]));
    let of_two = |a: f32, b: f32| Sequence {
        dim: 3,
        values: [[a; 3], [b; 3]].concat(),
    };
    spoken.utterances[0].audio = Some(of_two(0.5, 1.5));
    let normaliser = Normaliser::fit([&spoken]);
    normaliser.apply(&mut spoken);
    let voice = Voice::fit([&spoken], &normaliser);
    let said = |audio: Sequence| {
        let mut audio = audio;
        normaliser.apply_to(Modality::Audio, &mut audio);
        voice.words(Some("meld"), Some(&audio)).unwrap()
    };
    assert_eq!(said(of_two(1.0, 5.0)), "(loud, high, fast)"); // 3
    assert_eq!(said(of_two(-2.0, 4.0)), "(quiet, low, slow)"); // 1
    let text = serde_json::to_string(&voice).unwrap();
    assert_eq!(serde_json::from_str::<Voice>(&text).unwrap(), voice);
    assert!(!voice.is_empty() && Voice::default().is_empty());
}

fn rows(split: Split, most: usize) -> impl Strategy<Value = Vec<(Split, [f32; 3])>> {
    let value = || prop_oneof![Just(0.0_f32), -1e3_f32..1e3];
    let row = [value(), value(), value()].prop_map(move |values| (split, values));
    prop::collection::vec(row, 0..most)
}

proptest! {
    #[test]
    fn no_row_of_dev_or_test_moves_a_cut(
        train in rows(Split::Train, 12), dev in rows(Split::Dev, 12), test in rows(Split::Test, 12),
    ) {
        let alone = fitted(&[corpus("meld", &train)]).0;
        let all = [train, dev, test].concat();
        prop_assert_eq!(alone, fitted(&[corpus("meld", &all)]).0);
    }

    #[test]
    fn no_third_holds_more_than_its_share(train in rows(Split::Train, 40)) {
        let (_, words) = fitted(&[corpus("meld", &train)]);
        let said = |word: &str| {
            let says = |values: [f32; 3]| words(Some("meld"), values).is_some_and(|w| w.contains(word));
            train.iter().filter(|(_, values)| says(*values)).count()
        };
        let most = train.len().div_ceil(3);
        for word in ["quiet", "loud", "slow", "fast"] {
            prop_assert!(said(word) <= most, "{word}: {} of {}", said(word), train.len());
        }
    }
}
