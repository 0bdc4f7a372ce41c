//! The closed vocabulary, its targets, and the search against brute force.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tch::Device;
use tch::nn::VarStore;
use unimse_labels::{Field, IemocapEmotion, MeldEmotion, PerField, PlainLabel, Polarity};

use super::vocabulary::*;
use super::*;
use crate::config::{Count, NonNegative, Share};
use crate::generator::seeded;

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

/// Every complete label of the decoder's grammar with its log-probability for input `row`, by teacher forcing.
fn every_label(
    decoder: &LabelDecoder,
    source: &Tensor,
    mask: &Tensor,
    row: i64,
) -> Vec<(PlainLabel, f64)> {
    let (source, mask) = (source.narrow(0, row, 1), mask.narrow(0, row, 1));
    let labels: Vec<PlainLabel> = decoder.grammar.labels().collect();
    let slots = decoder.vocabulary.slots.len();
    let tokens: Vec<Vec<i64>> = labels
        .iter()
        .map(|label| decoder.vocabulary.tokens(label))
        .collect();
    let inputs: Vec<i64> = tokens
        .iter()
        .flat_map(|t| {
            let read = t[..slots - 1].iter().enumerate();
            [START]
                .into_iter()
                .chain(read.map(|(at, &token)| decoder.vocabulary.read(at, token)))
        })
        .collect();
    let count = labels.len() as i64;
    let logits = decoder.decoder.forward(
        &Tensor::from_slice(&inputs).view([count, slots as i64]),
        &source.expand([count, -1, -1], false),
        &mask.expand([count, -1], false),
        false,
    ) + decoder
        .readout
        .forward(&pool(&source, &mask).unwrap())
        .unsqueeze(1);
    let of_label = |(at, label): (usize, &PlainLabel)| {
        let slots = decoder.vocabulary.slots.iter().zip(&tokens[at]).enumerate();
        slots
            .map(|(place, (slot, &token))| {
                let allowed = decoder.vocabulary.allowed(slot, label.polarity);
                logits
                    .get(at as i64)
                    .get(place as i64)
                    .narrow(0, allowed.start, allowed.end - allowed.start)
                    .log_softmax(-1, Kind::Double)
                    .double_value(&[token - allowed.start])
            })
            .sum()
    };
    let logs: Vec<f64> = labels.iter().enumerate().map(of_label).collect();
    labels.into_iter().zip(logs).collect()
}

/// Half the sum of the differences between `found` and the mass of the labels whose value is 0, 1, ...
fn variation(
    found: &[f64],
    labels: &[(PlainLabel, f64)],
    of: impl Fn(&PlainLabel) -> usize,
) -> f64 {
    let mut exact = vec![0.0; found.len()];
    for (label, log) in labels {
        exact[of(label)] += log.exp();
    }
    let differences = found.iter().zip(exact).map(|(a, b)| (a - b).abs());
    differences.sum::<f64>() / 2.0
}

/// All 2562 labels against the search, for weights that make the labels alike, unlike, and one of them all but sure; where fields read each other, and
/// where they do not.
#[test]
fn probabilities_equal_brute_force_over_all_labels() {
    for (seed, steepness, apart) in [
        (4, 1.0, false),
        (5, 8.0, false),
        (6, 40.0, false),
        (4, 1.0, true),
        (5, 8.0, true),
    ] {
        let _generator = seeded(seed);
        let (store, decoder) = decoder_of(&Field::ALL, 0.3, apart);
        tch::no_grad(|| {
            for name in ["head.weight", "readout.weight"] {
                let _ = store.variables()[name]
                    .shallow_clone()
                    .g_mul_scalar_(steepness);
            }
        });
        let source = Tensor::randn([3, 5, 8], FLOAT);
        let mask = Tensor::from_slice(&[5i64, 3, 1])
            .unsqueeze(1)
            .gt_tensor(&Tensor::arange(5, (Kind::Int64, Device::Cpu)));
        let predict =
            |beams| tch::no_grad(|| decoder.predict(&read(&source, &mask), beams, 0.0)).unwrap();
        let (greedy, best) = (predict(1), predict(2));
        for row in 0..3 {
            let labels = tch::no_grad(|| every_label(&decoder, &source, &mask, row as i64));
            assert_eq!(labels.len(), 61 * 7 * 6);
            assert!((labels.iter().map(|(_, log)| log.exp()).sum::<f64>() - 1.0).abs() < 1e-5);
            let found = &greedy[row];
            let intensity: Vec<f64> = found.intensity.iter().map(|&(_, p)| p).collect();
            let scores = &decoder.vocabulary.intensities;
            let score = |l: &PlainLabel| {
                scores
                    .binary_search_by(|v| v.total_cmp(&l.intensity.unwrap()))
                    .unwrap()
            };
            let (meld, iemocap) = (
                found.meld.as_ref().unwrap(),
                found.iemocap.as_ref().unwrap(),
            );
            for off in [
                variation(&found.polarity, &labels, |l| l.polarity.index()),
                variation(&intensity, &labels, score),
                variation(meld, &labels, |l| l.meld.unwrap().index()),
                variation(iemocap, &labels, |l| l.iemocap.unwrap().index()),
            ] {
                assert!(off < 1e-4, "steepness {steepness}: {off}");
                assert!(
                    off <= found.unexplored + 1e-5,
                    "steepness {steepness}: {off}"
                );
            }
            assert!(found.unexplored <= 1e-7 + 1e-9, "{}", found.unexplored);
            let most = labels
                .iter()
                .max_by(|(_, a), (_, b)| a.total_cmp(b))
                .unwrap();
            assert_eq!(best[row].text_label, most.0, "steepness {steepness}");
            assert_eq!(greedy[row].text_label, greedy_label(&labels));
        }
    }
}

/// What is predicted at the place of the second emotion is the same after any intensity; the first emotion's is not.
#[test]
fn the_second_emotion_does_not_read_the_intensity() {
    let _generator = seeded(8);
    let (_store, decoder) = decoder(&Field::ALL, 0.3);
    let source = Tensor::randn([1, 5, 8], FLOAT);
    let mask = Tensor::ones([1, 5], (Kind::Bool, Device::Cpu));
    let after = |intensity: i64, place: i64| {
        let [polarity, scores, meld] = [0, 1, 2].map(|slot| decoder.vocabulary.slots[slot].first);
        let inputs = Tensor::from_slice(&[START, polarity, scores + intensity, meld]).unsqueeze(0);
        let logits = tch::no_grad(|| decoder.decoder.forward(&inputs, &source, &mask, false));
        Vec::<f32>::try_from(logits.get(0).get(place)).unwrap()
    };
    assert_eq!(after(3, 3), after(20, 3));
    assert_ne!(after(3, 2), after(20, 2));
    // Without one of the three fields nothing is hidden.
    for fields in [
        [Field::Meld, Field::Iemocap],
        [Field::Intensity, Field::Iemocap],
    ] {
        assert_eq!(Vocabulary::new(&Grammar::new(&fields)).blind(), None);
    }
}

/// Apart, no field's probabilities given the polarity depend on another field, and what a row's own label says of it is not read in training either.
#[test]
fn fields_apart_read_the_polarity_alone() {
    let _generator = seeded(9);
    let (_store, decoder) = decoder_of(&Field::ALL, 0.3, true);
    let source = Tensor::randn([1, 5, 8], FLOAT);
    let mask = Tensor::ones([1, 5], (Kind::Bool, Device::Cpu));
    let labels = tch::no_grad(|| every_label(&decoder, &source, &mask, 0));
    let mass = |of: &dyn Fn(&PlainLabel) -> bool| -> f64 {
        let chosen = labels.iter().filter(|(label, _)| of(label));
        chosen.map(|(_, log)| log.exp()).sum()
    };
    let (polarity, score) = (Polarity::Positive, Some(1.0));
    let joy = |l: &PlainLabel| l.polarity == polarity && l.meld == Some(MeldEmotion::Joy);
    let given_polarity = mass(&joy) / mass(&|l| l.polarity == polarity);
    let given_both = mass(&|l| joy(l) && l.intensity == score)
        / mass(&|l| l.polarity == polarity && l.intensity == score);
    assert!(
        (given_both / given_polarity - 1.0).abs() < 1e-4,
        "{given_both} {given_polarity}"
    );
    let label = |intensity| PlainLabel {
        polarity,
        intensity,
        meld: Some(MeldEmotion::Joy),
        iemocap: None,
    };
    let taught = |intensity| {
        let target = Target {
            label: label(intensity),
            weights: PerField::from_fn(|_| 1.0),
        };
        let teacher = Teacher::new(&decoder.vocabulary, &[target], 0.3, 0.0, Device::Cpu);
        Vec::<i64>::try_from(teacher.inputs.get(0)).unwrap()
    };
    assert_eq!(taught(score), taught(None));
    assert_eq!(
        taught(score),
        [START, FIRST + polarity.index() as i64, UNKNOWN, UNKNOWN]
    );
}

/// The most probable value of every field in turn, after those before it.
fn greedy_label(labels: &[(PlainLabel, f64)]) -> PlainLabel {
    let mut open: Vec<&(PlainLabel, f64)> = labels.iter().collect();
    let fields: [fn(&PlainLabel) -> String; 4] = [
        |l| format!("{:?}", l.polarity),
        |l| format!("{:?}", l.intensity),
        |l| format!("{:?}", l.meld),
        |l| format!("{:?}", l.iemocap),
    ];
    for field in fields {
        let mut mass = std::collections::BTreeMap::<String, f64>::new();
        for (label, log) in &open {
            *mass.entry(field(label)).or_default() += log.exp();
        }
        let best = mass.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        open.retain(|(label, _)| field(label) == *best);
    }
    open[0].0
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
