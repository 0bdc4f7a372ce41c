//! What a configuration adds to the loss while training: each lever is off by default, changes what it says and nothing else.

use tch::{Kind, Tensor};
use unimse_labels::{Field, PerField};
use unimse_model::config::{Scope, State};
use unimse_model::{Batch, Decoder, ModelConfig, UniModel};

use crate::tiny::{self, KINDS, batch, config, model, targets, without_dropout};

fn names(model: &UniModel) -> Vec<String> {
    model.parameters().into_iter().map(|(n, _)| n).collect()
}

/// Largest absolute gradient among the parameters whose name holds `part`, and how many there are.
fn gradient(model: &UniModel, part: &str) -> (f64, usize) {
    let of = |(name, t): (String, Tensor)| name.contains(part).then(|| t.grad());
    let all: Vec<Tensor> = model.parameters().into_iter().filter_map(of).collect();
    let largest = |g: &Tensor| match g.defined() {
        true => g.abs().max().double_value(&[]),
        false => 0.0,
    };
    (all.iter().map(largest).fold(0.0, f64::max), all.len())
}

/// A model of `config` with the weights that one without the lever has, where it has them.
fn alike(config: &ModelConfig, plain: &UniModel) -> UniModel {
    let model = model(config, 1);
    let known: std::collections::BTreeMap<_, _> = plain.parameters().into_iter().collect();
    for (name, mut to) in model.parameters() {
        if let Some(from) = known.get(&name) {
            tch::no_grad(|| to.copy_(from));
        }
    }
    model
}

fn text_audio(model: &UniModel, batch: &Batch) -> Vec<f64> {
    let losses = model.loss(batch, &targets(5), true).unwrap();
    losses.text_audio
}

#[test]
fn the_scope_of_the_contrast_matters_where_there_is_context() {
    for (backbone, decoder) in KINDS {
        let mut config = without_dropout(config(backbone, decoder));
        let window = tiny::shaken(&config, 1);
        config.contrastive.scope = Scope::Current;
        let current = tiny::shaken(&config, 1);
        let mut batch = batch(5, 2, true);
        assert_ne!(text_audio(&window, &batch), text_audio(&current, &batch));
        batch.segments = batch.segments.ones_like(); // no context
        assert_eq!(text_audio(&window, &batch), text_audio(&current, &batch));
    }
}

#[test]
fn the_input_of_a_fused_layer_is_the_output_of_the_one_below() {
    for (backbone, decoder) in KINDS {
        let mut config = without_dropout(config(backbone, decoder));
        let of_output = tiny::shaken(&config, 1);
        config.contrastive.state = State::Input;
        let of_input = tiny::shaken(&config, 1);
        // the same projection on both layers
        for part in ["weight", "bias"] {
            let of_text = |(name, _): &(String, Tensor)| {
                name.starts_with("unimse.contrastive.text.") && name.ends_with(part)
            };
            let both: Vec<_> = of_input.parameters().into_iter().filter(of_text).collect();
            let [(_, first), (_, second)] = &both[..] else {
                panic!("two fused layers")
            };
            tch::no_grad(|| second.shallow_clone().copy_(first));
        }
        let batch = batch(5, 2, true);
        let (input, output) = (
            text_audio(&of_input, &batch),
            text_audio(&of_output, &batch),
        );
        assert_eq!(input[1], output[0], "{backbone:?} {decoder:?}");
        assert_ne!(input[0], output[0], "{backbone:?} {decoder:?}");
    }
}

#[test]
fn auxiliary_heads_teach_audio_and_video() {
    for (backbone, decoder) in KINDS {
        let mut config = without_dropout(config(backbone, decoder));
        (config.contrastive.alpha, config.contrastive.beta) =
            (tiny::number(0.0), tiny::number(0.0));
        let plain = tiny::shaken(&config, 1);
        config.loss.auxiliary = tiny::number(0.5);
        let with = alike(&config, &plain);
        let ours = "unimse.auxiliary.";
        assert!(!names(&plain).iter().any(|name| name.starts_with(ours)));
        let before = plain.loss(&batch(5, 2, true), &targets(5), true).unwrap();
        let losses = with.loss(&batch(5, 2, true), &targets(5), true).unwrap();
        let part = losses.auxiliary.unwrap();
        assert!(part > 0.0 && losses.task == before.task);
        let expected = before.task + 0.5 * part;
        assert!((losses.total.double_value(&[]) - expected).abs() < 1e-4 * expected);
        losses.backward(1.0);
        // weight and bias of two modalities
        let (largest, count) = gradient(&with, ours);
        assert!(largest > 0.0 && count == 4, "{count}");
        let text = with.loss(&batch(5, 2, false), &targets(5), true).unwrap();
        assert_eq!(text.auxiliary, None, "nothing to hear or see");
        let answering = with.loss(&batch(5, 2, true), &targets(5), false).unwrap();
        assert_eq!(answering.auxiliary, None, "training only");
    }
}

#[test]
fn samples_of_one_class_attract_each_other_and_fill_the_queue() {
    let mut config = without_dropout(config(tiny::BERT, Decoder::Label));
    config.contrastive.samples = tiny::number(0.25);
    config.contrastive.queue = tiny::number(7);
    let with = model(&config, 1);
    let rows = |model: &UniModel| model.memory()["queue.vectors"].size()[0];
    assert_eq!(rows(&with), 0);
    let losses = with.loss(&batch(5, 2, true), &targets(5), true).unwrap();
    assert!(losses.samples.unwrap() > 0.0);
    losses.backward(1.0);
    // projection with its bias, and prototypes of polarity and two sets of emotions
    let (largest, count) = gradient(&with, "unimse.samples.");
    assert!(largest > 0.0 && count == 2 + 3, "{count}");
    assert_eq!(rows(&with), 5);
    drop(with.loss(&batch(5, 3, true), &targets(5), true).unwrap());
    assert_eq!(rows(&with), 7, "the oldest three go");
    let memory = with.memory();
    // classes of the last rows: those of the targets in their order
    let classes = &memory["queue.classes"];
    let polarity: Vec<f64> = Vec::try_from(classes.select(1, 0).to_kind(Kind::Double)).unwrap();
    let of = |target: unimse_model::batch::Target| target.label.polarity.index() as f64;
    let expected: Vec<f64> = targets(5).into_iter().map(of).collect();
    assert_eq!(polarity[2..], expected);

    let again = model(&config, 1);
    again.restore_memory(&memory).unwrap();
    let next = |model: &UniModel| {
        let losses = model.loss(&batch(4, 4, true), &targets(4), true).unwrap();
        losses.samples.unwrap()
    };
    assert_eq!(next(&with), next(&again), "a restored queue is the queue");
    let error = again.restore_memory(&Default::default()).unwrap_err();
    assert!(error.to_string().contains("queue.vectors is missing"));
}

#[test]
fn the_same_rows_under_one_identity_are_no_keys_of_each_other() {
    let mut config = without_dropout(config(tiny::BERT, Decoder::Label));
    config.contrastive.samples = tiny::number(1.0);
    let with = model(&config, 1);
    let samples = |identity: &[i64]| {
        let mut batch = batch(2, 2, true);
        batch.identity = Some(Tensor::from_slice(identity));
        let same = [targets(1), targets(1)].concat();
        let losses = with.loss(&batch, &same, true).unwrap();
        losses.samples.unwrap()
    };
    assert!(samples(&[3, 3]) != samples(&[3, 4]));
}

#[test]
fn r_drop_counts_the_disagreement_of_dropout() {
    for (backbone, decoder) in KINDS {
        let mut quiet = without_dropout(config(backbone, decoder));
        // each utterance stands there twice, and so do its negatives
        (quiet.contrastive.alpha, quiet.contrastive.beta) = (tiny::number(0.0), tiny::number(0.0));
        let plain = tiny::shaken(&quiet, 1);
        quiet.loss.r_drop = tiny::number(1.0);
        let total = |model: &UniModel| {
            let losses = model.loss(&batch(4, 2, true), &targets(4), true).unwrap();
            (losses.total.double_value(&[]), losses.task)
        };
        let (once, twice) = (total(&plain), total(&alike(&quiet, &plain)));
        // without dropout both passes agree; what is left is the order of sums
        assert!(
            (once.1 - twice.1).abs() < 1e-4 * once.1,
            "{once:?} {twice:?}"
        );
        assert!(
            (once.0 - twice.0).abs() < 1e-3 * once.0,
            "{once:?} {twice:?}"
        );

        let mut noisy = config(backbone, decoder);
        noisy.model.dropout = tiny::number(0.4);
        noisy.loss.r_drop = tiny::number(1.0);
        let one = alike(&noisy, &plain);
        noisy.loss.r_drop = tiny::number(2.0);
        let two = alike(&noisy, &plain);
        let task = |model: &UniModel| {
            let _generator = tiny::seeded(9); // the same dropout for both
            let losses = model.loss(&batch(4, 2, true), &targets(4), true).unwrap();
            let task = losses.task;
            losses.backward(1.0);
            task
        };
        assert!(task(&two) > task(&one) + 1e-4, "{backbone:?} {decoder:?}");
    }
}

#[test]
fn warming_up_scales_the_contrast_and_nothing_else() {
    let mut config = without_dropout(config(tiny::BERT, Decoder::Label));
    config.contrastive.samples = tiny::number(0.5);
    let model = model(&config, 1);
    let total = |share| {
        let losses = model.training_loss(&batch(5, 2, true), &targets(5), share, None);
        let losses = losses.unwrap();
        (losses.total.double_value(&[]), losses.task)
    };
    let (none, half, whole) = (total(0.0), total(0.5), total(1.0));
    assert!((none.0 - none.1).abs() < 1e-6, "nothing but the task");
    assert!(((half.0 - half.1) * 2.0 - (whole.0 - whole.1)).abs() < 1e-4);
}

#[test]
fn a_batch_with_too_few_rows_has_no_contrast() {
    let mut config = without_dropout(config(tiny::BERT, Decoder::Label));
    // of 5 rows 4 have audio and 3 video
    for r_drop in [0.0, 1.0] {
        config.loss.r_drop = tiny::number(r_drop); // whose copies do not count
        for (least, audio, video) in [(3, 2, 2), (4, 2, 0), (5, 0, 0)] {
            config.contrastive.min_rows = tiny::number(least);
            let losses = model(&config, 1);
            let losses = losses.loss(&batch(5, 2, true), &targets(5), true).unwrap();
            let found = (losses.text_audio.len(), losses.text_video.len());
            assert_eq!(found, (audio, video), "at least {least}");
        }
    }
}

#[test]
fn rows_with_text_alone_pass_the_fused_layers_as_they_are() {
    for (backbone, decoder) in KINDS {
        let mut config = without_dropout(config(backbone, decoder));
        let fused = tiny::shaken(&config, 5);
        config.fusion.skip_absent = true;
        let skipping = alike(&config, &fused);
        config.fusion.layers = tiny::number(0);
        let unfused = alike(&config, &fused);
        let text = batch(4, 2, false);
        let answer = |model: &UniModel| model.predict(&text).unwrap();
        assert_ne!(answer(&fused), answer(&skipping));
        for (a, b) in answer(&skipping).iter().zip(answer(&unfused)) {
            let close = a
                .polarity
                .iter()
                .zip(b.polarity)
                .all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close, "{a:?} {b:?}");
        }
        // row 1 of a batch with features has neither audio nor video: the others are fused as before
        let mixed = batch(4, 2, true);
        let (with, without) = (
            skipping.predict(&mixed).unwrap(),
            fused.predict(&mixed).unwrap(),
        );
        for row in [0, 2, 3] {
            assert_eq!(with[row], without[row]);
        }
        assert_ne!(with[1], without[1]);
    }
}

#[test]
fn only_the_closed_vocabulary_can_be_adjusted() {
    for (backbone, decoder) in KINDS {
        let mut config = config(backbone, decoder);
        config.loss.logit_adjustment = tiny::number(1.0);
        let mut shares = PerField::<Vec<f64>>::default();
        shares[Field::Meld] = vec![1.0 / 7.0; 7];
        let adjusted = model(&config, 1).adjust(&shares);
        match decoder {
            Decoder::Label => adjusted.unwrap(),
            Decoder::T5 => {
                let error = adjusted.unwrap_err().to_string();
                assert!(
                    error.contains("loss.logit_adjustment: expected 0"),
                    "{error}"
                );
            }
        }
    }
}
