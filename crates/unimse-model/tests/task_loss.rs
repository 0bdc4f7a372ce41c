//! One normalisation of the task loss beside either decoder: the mean over utterances of the weighted sum of nats over a label.

use tch::Device;
use unimse_labels::{IemocapEmotion, PerField};
use unimse_model::t5::T5Config;
use unimse_model::text_decoder::TextDecoder;
use unimse_model::{Decoder, Precision, Target, Tokenizer, UniModel};

use crate::tiny::{self, GRAMMAR, KINDS, batch, config, dims};

/// A model of each kind; the tokenizer of T5 spells every letter, so that no piece spans two fields.
fn for_each(test: impl Fn(&std::path::Path, Decoder, &UniModel)) {
    for (backbone, decoder) in KINDS {
        let place = tiny::folder_with(backbone, 0, 5);
        let config = tiny::without_dropout(config(backbone, decoder));
        let generator = tiny::seeded(5);
        let model = UniModel::new(
            &config,
            &GRAMMAR(),
            place.path(),
            &dims(),
            Device::Cpu,
            Precision::Fp32,
        );
        let model = model.unwrap();
        drop(generator);
        tiny::shake(&model, 5);
        test(place.path(), decoder, &model);
    }
}

/// Labels of different lengths as text, weights of every kind.
fn mixed() -> Vec<Target> {
    let weights = |polarity, intensity, meld, iemocap| PerField {
        polarity,
        intensity,
        meld,
        iemocap,
    };
    let weights = [
        weights(1.0, 1.0, 1.0, 1.0),
        weights(1.0, 2.0, 0.25, 0.0),
        weights(1.0, 0.0, 1.0, 0.5),
        weights(0.0, 0.0, 0.0, 0.0),
    ];
    let mut targets: Vec<Target> = tiny::labels()
        .into_iter()
        .zip(weights)
        .map(|(label, weights)| Target { label, weights })
        .collect();
    targets[2].label.meld = None;
    targets
}

fn task(model: &UniModel, rows: &[usize], targets: &[Target]) -> f64 {
    let batch = tiny::rows(rows, 3);
    model.loss(&batch, targets, false).unwrap().task
}

/// With every parameter 0 a decoder knows nothing: each decision costs the logarithm of the number of answers, by arithmetic.
#[test]
fn uniform_answers_cost_the_logarithms_of_the_vocabularies() {
    for_each(|place, decoder, model| {
        tch::no_grad(|| {
            for (_, mut tensor) in model.parameters() {
                let _ = tensor.zero_();
            }
        });
        let targets = mixed();
        // Fields: 3 polarities, 30 scores of a sign (one for neutral), 7 and 6 emotions.
        let of_fields = |target: &Target| {
            let (label, w) = (&target.label, &target.weights);
            let scores = if label.intensity == Some(0.0) {
                1f64
            } else {
                30.0
            };
            let meld = if label.meld.is_some() { w.meld } else { 0.0 };
            f64::from(w.polarity) * 3f64.ln()
                + f64::from(w.intensity) * scores.ln()
                + f64::from(meld) * 7f64.ln()
                + f64::from(w.iemocap) * 6f64.ln()
        };
        // Text: every piece is one of the 100 of the vocabulary.
        let shape = T5Config::from_folder(place);
        let of_text = |target: &Target| {
            let tokenizer = Tokenizer::from_folder(place).unwrap();
            let decoder = TextDecoder::new(&GRAMMAR(), tokenizer, shape.as_ref().unwrap()).unwrap();
            let weights = decoder.encode(target).unwrap().weights;
            f64::from(weights.iter().sum::<f32>()) * 100f64.ln()
        };
        let nats = targets.iter().map(|target| match decoder {
            Decoder::Label => of_fields(target),
            Decoder::T5 => of_text(target),
        });
        let expected = nats.sum::<f64>() / 4.0;
        let found = task(model, &[0, 1, 2, 3], &targets);
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "{decoder:?}: {found}, expected {expected}"
        );
    });
}

#[test]
fn the_loss_of_a_batch_is_the_mean_of_its_rows_and_linear_in_the_weights() {
    for_each(|_, decoder, model| {
        let targets = mixed();
        let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * b.abs();
        let together = task(model, &[0, 1, 2, 3], &targets);
        // Alone a row has neither padded text nor a padded label.
        let alone: f64 = (0..4).map(|at| task(model, &[at], &targets[at..=at])).sum();
        assert!(
            close(together, alone / 4.0),
            "{decoder:?}: {together}, {alone}"
        );
        let mut twice = targets.clone();
        for Target { weights: w, .. } in &mut twice {
            for weight in [
                &mut w.polarity,
                &mut w.intensity,
                &mut w.meld,
                &mut w.iemocap,
            ] {
                *weight *= 2.0;
            }
        }
        let twice = task(model, &[0, 1, 2, 3], &twice);
        assert!(
            close(twice, 2.0 * together),
            "{decoder:?}: {twice}, {together}"
        );
    });
}

#[test]
fn a_masked_field_changes_nothing() {
    for_each(|_, decoder, model| {
        let losses = [
            Some(IemocapEmotion::Joy),
            Some(IemocapEmotion::Frustrated),
            None,
        ]
        .map(|iemocap| {
            let mut targets = mixed();
            targets[1].label.iemocap = iemocap; // its weight is 0
            task(model, &[0, 1, 2, 3], &targets)
        });
        assert!(
            losses
                .iter()
                .all(|l| (l - losses[0]).abs() < 1e-6 * losses[0]),
            "{decoder:?}: {losses:?}"
        );
    });
}

/// `alpha` and `beta` weigh the same sums beside the same mean, whichever decoder gives it.
#[test]
fn the_total_is_the_task_and_weighted_sums_beside_either_decoder() {
    for_each(|_, decoder, model| {
        let losses = model.loss(&batch(4, 3, true), &mixed(), true).unwrap();
        let sum: f64 = losses.text_audio.iter().chain(&losses.text_video).sum();
        let expected = losses.task + 0.5 * sum;
        let total = losses.total.double_value(&[]);
        assert!((total - expected).abs() < 1e-5 * expected, "{decoder:?}");
        assert!(sum > 0.0);
    });
}
