//! The closed vocabulary and its targets; [`search`] has the search against brute force.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tch::Device;
use tch::nn::VarStore;
use unimse_labels::{Field, IemocapEmotion, MeldEmotion, PerField, PlainLabel, Polarity};

use super::vocabulary::*;
use super::*;
use crate::config::{Count, NonNegative, Share};
use crate::generator::seeded;

mod search;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn decoder(fields: &[Field], sigma: f64) -> (VarStore, LabelDecoder) {
    decoder_of(fields, sigma, false)
}

fn decoder_of(fields: &[Field], sigma: f64, apart: bool) -> (VarStore, LabelDecoder) {
    let store = VarStore::new(Device::Cpu);
    let config = LabelDecoderConfig {
        layers: Count::literal::<2>(),
        heads: Count::literal::<2>(),
        dropout: Share::literal(0.0),
        sigma: NonNegative::literal(sigma),
    };
    let decoder =
        LabelDecoder::new(&store.root(), &Grammar::new(fields), 8, &config, apart).unwrap();
    for mut tensor in store.trainable_variables() {
        let _ = tch::no_grad(|| tensor.g_add_(&(tensor.randn_like() * 0.2)));
    }
    (store, decoder)
}

/// States of which every token is one of the current utterance.
fn read<'s>(states: &'s Tensor, mask: &'s Tensor) -> Source<'s> {
    Source {
        states,
        mask,
        current: mask,
        others: None,
    }
}

#[test]
fn the_vocabulary_has_a_token_for_everything() {
    let vocabulary = Vocabulary::new(&Grammar::new(&Field::ALL));
    assert_eq!(vocabulary.size, 2 + 3 + 61 + 7 + 6);
    let label = PlainLabel {
        polarity: Polarity::Positive,
        intensity: Some(-0.1),
        meld: None,
        iemocap: Some(IemocapEmotion::Joy),
    };
    // The sign of the intensity decides the polarity, as in the text form; -0.1 is the last of 30 negative scores.
    assert_eq!(
        vocabulary.tokens(&label),
        [2, 2 + 3 + 29, UNKNOWN, 2 + 3 + 61 + 7]
    );
}

#[test]
fn the_intensity_target_is_a_gaussian_of_its_sign() {
    let vocabulary = Vocabulary::new(&Grammar::new(&[Field::Intensity]));
    let share = |score: f32, polarity, sigma| {
        let target = vocabulary.gaussian(score, polarity, sigma);
        let total: f32 = target.iter().map(|(_, share)| share).sum();
        assert!((total - 1.0).abs() < 1e-5);
        target
            .into_iter()
            .map(|(i, share)| (vocabulary.intensities[i], share))
            .collect::<Vec<_>>()
    };
    assert_eq!(share(1.64, Polarity::Positive, 0.0), [(1.6, 1.0)]);
    assert_eq!(share(0.0, Polarity::Neutral, 0.3), [(0.0, 1.0)]);
    let target = share(0.2, Polarity::Positive, 0.3);
    assert_eq!(target.len(), 30);
    let at = |value: f32| {
        target
            .iter()
            .find(|(v, _)| (v - value).abs() < 1e-4)
            .unwrap()
            .1
    };
    // One step of 0.1 off is exp(-1/18), three are exp(-1/2).
    assert!((at(0.3) / at(0.2) - (-1f32 / 18.0).exp()).abs() < 1e-4);
    assert!((at(0.1) / at(0.3) - 1.0).abs() < 1e-4);
    assert!((at(0.5) / at(0.2) - (-0.5f32).exp()).abs() < 1e-4);
    assert!(
        share(-3.0, Polarity::Negative, 1e-3)
            .iter()
            .all(|(_, share)| share.is_finite())
    );
}

/// Smooth intensities beside emotions that the polarity decides: the thirty beginnings of negative and of positive must not lose
/// against the one of neutral.
#[test]
fn neutral_gains_nothing_from_having_one_intensity() {
    let _generator = seeded(7);
    let (store, decoder) = decoder(&Field::ALL, 0.3);
    let shares = [0.4, 0.4, 0.2];
    let emotions = [MeldEmotion::Sadness, MeldEmotion::Neutral, MeldEmotion::Joy];
    tch::no_grad(|| {
        let mut variables = store.variables();
        variables
            .values_mut()
            .for_each(|tensor| drop(tensor.zero_()));
        let vocabulary = &decoder.vocabulary;
        let [intensity, meld] = [1, 2].map(|slot: usize| vocabulary.slots[slot].first);
        // Nothing is attended to, so the state is the token just read: of an intensity, the direction of its polarity.
        let set = |name: &str, place: &[i64], value: f64| {
            let whole = variables[name].shallow_clone();
            let mut part = place.iter().fold(whole, |tensor, &at| tensor.get(at));
            let _ = part.fill_(value);
        };
        set("decoder.final_layer_norm.weight", &[], 1.0);
        for (at, polarity) in Polarity::ALL.into_iter().enumerate() {
            let direction = at as i64;
            for score in vocabulary.scores(polarity) {
                set(
                    "embedding.weight",
                    &[intensity + score as i64, direction],
                    1.0,
                );
            }
            let emotion = meld + emotions[at].index() as i64;
            set("head.weight", &[emotion, direction], 20.0);
            set("readout.bias", &[FIRST + direction], f64::ln(shares[at]));
        }
    });
    let source = Tensor::randn([1, 2, 8], FLOAT);
    let mask = Tensor::ones([1, 2], (Kind::Bool, Device::Cpu));
    let found = &tch::no_grad(|| decoder.predict(&read(&source, &mask), 1, 0.0)).unwrap()[0];
    for (at, share) in shares.into_iter().enumerate() {
        assert!((found.polarity[at] - share).abs() < 1e-6);
        let emotion = found.meld.as_ref().unwrap()[emotions[at].index()];
        assert!(
            (emotion - share).abs() < 1e-5,
            "{emotion}, expected {share}"
        );
    }
    for &(score, chance) in &found.intensity {
        let polarity = Polarity::from_score(score).index();
        let expected = shares[polarity] / [30.0, 1.0, 30.0][polarity];
        assert!((chance - expected).abs() < 1e-6);
    }
}

#[test]
fn masked_and_unknown_fields_have_no_loss() {
    let _generator = seeded(4);
    let (_store, decoder) = decoder(&Field::ALL, 0.0);
    let source = Tensor::randn([1, 2, 8], FLOAT);
    let mask = Tensor::ones([1, 2], (Kind::Bool, Device::Cpu));
    let loss = |label, weights| {
        decoder
            .loss(
                &Tape::plain(),
                &read(&source, &mask),
                &[Target { label, weights }],
                &Teaching::default(),
            )
            .unwrap()
            .double_value(&[])
    };
    let none = PerField::default();
    let label = PlainLabel {
        polarity: Polarity::Positive,
        intensity: Some(1.0),
        meld: Some(MeldEmotion::Joy),
        iemocap: None,
    };
    let only = |field, weight| {
        let mut weights = none;
        weights[field] = weight;
        weights
    };
    assert_eq!(loss(label, none), 0.0);
    assert_eq!(loss(label, only(Field::Iemocap, 1.0)), 0.0, "unknown");
    let parts: f64 = [Field::Polarity, Field::Intensity, Field::Meld]
        .map(|field| loss(label, only(field, 1.0)))
        .iter()
        .sum();
    assert!((loss(label, PerField::from_fn(|_| 1.0)) - parts).abs() < 1e-5);
    let (half, whole) = (only(Field::Meld, 0.5), only(Field::Meld, 1.0));
    assert!((loss(label, half) * 2.0 - loss(label, whole)).abs() < 1e-5);
}

/// One row whose label is known in every field, one that lacks the second emotion.
fn two_targets() -> [Target; 2] {
    let label = PlainLabel {
        polarity: Polarity::Positive,
        intensity: Some(1.0),
        meld: Some(MeldEmotion::Joy),
        iemocap: Some(IemocapEmotion::Excited),
    };
    let lacking = PlainLabel {
        iemocap: None,
        ..label
    };
    [label, lacking].map(|label| Target {
        label,
        weights: PerField::from_fn(|_| 0.5),
    })
}

#[test]
fn smoothing_gives_a_share_to_every_class() {
    let vocabulary = Vocabulary::new(&Grammar::new(&Field::ALL));
    let teacher = Teacher::new(&vocabulary, &two_targets(), 0.3, 0.3, Device::Cpu);
    let of = |row: i64, field| {
        let slot = vocabulary.slots.iter().position(|s| s.field == field);
        let slot = slot.unwrap();
        let shares = teacher.targets.select(0, row).select(0, slot as i64);
        let of_field = &vocabulary.slots[slot];
        Vec::<f32>::try_from(shares.narrow(0, of_field.first, of_field.count)).unwrap()
    };
    let joy = MeldEmotion::Joy.index();
    for (class, share) in of(0, Field::Meld).into_iter().enumerate() {
        let expected = 0.5 * (0.3 / 7.0 + if class == joy { 0.7 } else { 0.0 });
        assert!((share - expected).abs() < 1e-6, "{class}: {share}");
    }
    assert!((of(0, Field::Intensity).iter().sum::<f32>() - 0.5).abs() < 1e-6); // a Gaussian is smooth already
    assert!(of(1, Field::Iemocap).iter().all(|&share| share == 0.0));
}

#[test]
fn the_disagreement_is_the_mean_of_both_divergences() {
    let [p, q] = [[0.5f64, 0.25, 0.25], [0.25, 0.25, 0.5]];
    let chances = Tensor::from_slice2(&[p, q]).log().to_kind(Kind::Float);
    let weights = Tensor::from_slice(&[0.5f32, 0.5]).view([2, 1]);
    let found = disagreement(&chances.view([2, 1, 3]), &weights).double_value(&[]);
    // KL(p || q) = 0.5 ln 2 - 0.25 ln 2, and the same the other way round
    assert!((found - 0.5 * 0.25 * f64::ln(2.0)).abs() < 1e-6, "{found}");
}

#[test]
fn two_equal_passes_do_not_disagree_and_two_others_do() {
    let _generator = seeded(5);
    let (_store, decoder) = decoder(&Field::ALL, 0.3);
    let mask = Tensor::ones([4, 3], (Kind::Bool, Device::Cpu));
    let half = Tensor::randn([2, 3, 8], FLOAT);
    let targets = [two_targets(), two_targets()].concat();
    let loss = |states: &Tensor, r_drop| {
        let teaching = Teaching {
            r_drop,
            ..Teaching::default()
        };
        let source = read(states, &mask);
        let loss = decoder.loss(&Tape::plain(), &source, &targets, &teaching);
        loss.unwrap().double_value(&[])
    };
    let same = Tensor::cat(&[&half, &half], 0);
    assert!((loss(&same, 1.0) - loss(&same, 0.0)).abs() < 1e-6);
    let other = Tensor::cat(&[&half, &(&half + 1.0)], 0);
    assert!(loss(&other, 1.0) > loss(&other, 0.0) + 1e-3);
}

#[test]
fn adjusted_logits_are_those_of_a_prior() {
    let _generator = seeded(6);
    let (_store, mut decoder) = decoder(&Field::ALL, 0.3);
    let mask = Tensor::ones([2, 3], (Kind::Bool, Device::Cpu));
    let states = Tensor::randn([2, 3, 8], FLOAT);
    let loss = |decoder: &LabelDecoder, train| {
        let teaching = Teaching {
            train,
            ..Teaching::default()
        };
        let loss = decoder.loss(
            &Tape::plain(),
            &read(&states, &mask),
            &two_targets(),
            &teaching,
        );
        loss.unwrap().double_value(&[])
    };
    let plain = loss(&decoder, true);
    let mut shares = PerField::<Vec<f64>>::default();
    shares[Field::Meld] = vec![1.0 / 7.0; 7];
    decoder.adjust(&shares, 1.0).unwrap();
    assert!(
        (loss(&decoder, true) - plain).abs() < 1e-5,
        "equal shares change nothing"
    );
    shares[Field::Meld][MeldEmotion::Joy.index()] = 0.9;
    decoder.adjust(&shares, 1.0).unwrap();
    assert!(loss(&decoder, true) < plain, "a frequent class costs less");
    assert!(
        (loss(&decoder, false) - plain).abs() < 1e-5,
        "answers are not adjusted"
    );
}
