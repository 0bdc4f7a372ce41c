//! Probabilities and labels of the search against brute force over all labels, and what each field reads of the others.

use super::*;

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
