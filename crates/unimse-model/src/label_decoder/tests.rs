//! The closed vocabulary, its targets, and the search against brute force.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tch::nn::VarStore;

use super::*;
use crate::batch::FieldWeights;
use crate::generator::seeded;

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

fn decoder(fields: &[Field], sigma: f64) -> (VarStore, LabelDecoder) {
    let store = VarStore::new(Device::Cpu);
    let config = LabelDecoderConfig {
        layers: 2,
        heads: 2,
        dropout: 0.0,
        sigma,
    };
    let decoder = LabelDecoder::new(&store.root(), &Grammar::new(fields), 8, &config).unwrap();
    for mut tensor in store.trainable_variables() {
        let _ = tch::no_grad(|| tensor.g_add_(&(tensor.randn_like() * 0.2)));
    }
    (store, decoder)
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

/// The search along the tree, with kept keys and branches, against teacher forcing of every prefix.
#[test]
fn probabilities_equal_teacher_forcing_of_every_prefix() {
    let _generator = seeded(4);
    let (_store, decoder) = decoder(&[Field::Intensity, Field::Meld], 0.3);
    let source = Tensor::randn([3, 5, 8], FLOAT);
    let mask = Tensor::from_slice(&[5i64, 3, 1])
        .unsqueeze(1)
        .gt_tensor(&Tensor::arange(5, (Kind::Int64, Device::Cpu)));
    let predictions = tch::no_grad(|| decoder.predict(&source, &mask, &mask, 1)).unwrap();
    let readout = decoder.readout.forward(&pool(&source, &mask).unwrap());
    // Distribution over tokens first..first + count after `inputs`.
    let after = |row: i64, inputs: &[i64], first: i64, count: i64| -> Vec<f64> {
        let (source, mask) = (source.narrow(0, row, 1), mask.narrow(0, row, 1));
        let logits = decoder.decoder.forward(
            &Tensor::from_slice(inputs).unsqueeze(0),
            &source,
            &mask,
            false,
        );
        let logits = logits.get(0).get(inputs.len() as i64 - 1) + readout.get(row);
        Vec::try_from(logits.narrow(0, first, count).softmax(-1, Kind::Double)).unwrap()
    };
    for (row, prediction) in predictions.iter().enumerate() {
        let row = row as i64;
        let polarity = after(row, &[START], 2, 3);
        let mut emotion = vec![0.0; 7];
        for (p, share) in polarity.iter().enumerate() {
            assert!((prediction.polarity[p] - share).abs() < 1e-5);
            let scores = decoder.vocabulary.scores(Polarity::ALL[p]);
            let token = 2 + p as i64;
            let intensity = after(
                row,
                &[START, token],
                5 + scores.start as i64,
                scores.len() as i64,
            );
            for (index, within) in scores.zip(intensity) {
                let mass = share * within;
                assert!((prediction.intensity[index].1 - mass).abs() < 1e-5);
                for (sum, share) in
                    emotion
                        .iter_mut()
                        .zip(after(row, &[START, token, 5 + index as i64], 5 + 61, 7))
                {
                    *sum += mass * share;
                }
            }
        }
        // Emotions are averaged over the prefixes with the most mass only.
        for (found, exact) in prediction.meld.as_ref().unwrap().iter().zip(emotion) {
            assert!((found - exact).abs() < 0.1, "{found} {exact}");
        }
        let greedy = |values: &[f64]| {
            (0..values.len())
                .max_by(|&a, &b| values[a].total_cmp(&values[b]))
                .unwrap()
        };
        let p = greedy(&polarity);
        let scores = decoder.vocabulary.scores(Polarity::ALL[p]);
        let index = scores.start
            + greedy(&after(
                row,
                &[START, 2 + p as i64],
                5 + scores.start as i64,
                scores.len() as i64,
            ));
        let meld = greedy(&after(
            row,
            &[START, 2 + p as i64, 5 + index as i64],
            5 + 61,
            7,
        ));
        assert_eq!(prediction.text_label.polarity, Polarity::ALL[p]);
        assert_eq!(
            prediction.text_label.intensity,
            Some(decoder.vocabulary.intensities[index])
        );
        assert_eq!(prediction.text_label.meld, Some(MeldEmotion::ALL[meld]));
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
                &source,
                &mask,
                &mask,
                &[Target { label, weights }],
                false,
            )
            .unwrap()
            .double_value(&[])
    };
    let none = FieldWeights {
        polarity: 0.0,
        intensity: 0.0,
        meld: 0.0,
        iemocap: 0.0,
    };
    let label = PlainLabel {
        polarity: Polarity::Positive,
        intensity: Some(1.0),
        meld: Some(MeldEmotion::Joy),
        iemocap: None,
    };
    assert_eq!(loss(label, none), 0.0);
    assert_eq!(
        loss(
            label,
            FieldWeights {
                iemocap: 1.0,
                ..none
            }
        ),
        0.0,
        "unknown"
    );
    let parts: f64 = [
        FieldWeights {
            polarity: 1.0,
            ..none
        },
        FieldWeights {
            intensity: 1.0,
            ..none
        },
        FieldWeights { meld: 1.0, ..none },
    ]
    .into_iter()
    .map(|weights| loss(label, weights))
    .sum();
    assert!((loss(label, FieldWeights::default()) - parts).abs() < 1e-5);
    assert!(
        (loss(label, FieldWeights { meld: 0.5, ..none }) * 2.0
            - loss(label, FieldWeights { meld: 1.0, ..none }))
        .abs()
            < 1e-5
    );
}
