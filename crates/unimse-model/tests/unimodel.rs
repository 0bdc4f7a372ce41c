//! The whole model on tiny random checkpoints.

use tch::{Device, Kind, Tensor};
use unimse_model::{
    Decoder, Modality, ModalityBatch, ParameterGroup, Precision, SequenceRef, UniModel,
};

use crate::tiny::{self, GRAMMAR, KINDS, audio, batch, config, dims, folder, model, targets};

fn gradient(model: &UniModel, name: &str) -> f64 {
    let (_, tensor) = model
        .parameters()
        .into_iter()
        .find(|(n, _)| n == name)
        .unwrap();
    let gradient = tensor.grad();
    if gradient.defined() {
        gradient.abs().max().double_value(&[])
    } else {
        0.0
    }
}

#[test]
fn contrastive_losses_are_part_of_training_only() {
    let fused = model(&config(tiny::BERT, Decoder::Label), 1);
    let (batch, targets) = (batch(6, 2, true), targets(6));
    let trained = tiny::drawn(|| fused.loss(&batch, &targets, true).unwrap());
    assert_eq!((trained.text_audio.len(), trained.text_video.len()), (2, 2));
    let sum: f64 = trained.text_audio.iter().chain(&trained.text_video).sum();
    let expected = trained.task + 0.5 * sum;
    assert!((trained.total.double_value(&[]) - expected).abs() < 1e-5 * expected);
    let plain = fused.loss(&batch, &targets, false).unwrap();
    assert!(plain.text_audio.is_empty() && plain.text_video.is_empty());
    assert_eq!(plain.total.double_value(&[]), plain.task);
}

#[test]
fn the_symmetric_loss_is_another_one() {
    let mut config = tiny::without_dropout(config(tiny::BERT, Decoder::Label));
    let (batch, targets) = (batch(6, 2, true), targets(6));
    let first = model(&config, 1);
    config.contrastive.symmetric = true;
    let second = model(&config, 1);
    for ((_, from), (_, mut to)) in first.parameters().into_iter().zip(second.parameters()) {
        tch::no_grad(|| to.copy_(&from));
    }
    let [one_way, both] =
        [&first, &second].map(|model| model.loss(&batch, &targets, true).unwrap());
    assert_eq!(both.task, one_way.task);
    assert_eq!((both.text_audio.len(), both.text_video.len()), (2, 2));
    assert!(
        both.text_audio
            .iter()
            .chain(&both.text_video)
            .all(|l| l.is_finite() && *l > 0.0)
    );
    assert!(both.text_audio != one_way.text_audio && both.text_video != one_way.text_video);
}

/// A batch of copies of one utterance has no negative, so nothing to tell apart: every contrastive loss is -log 1.
#[test]
fn an_utterance_is_not_its_own_negative() {
    for symmetric in [false, true] {
        let mut config = tiny::without_dropout(config(tiny::BERT, Decoder::Label));
        config.contrastive.symmetric = symmetric;
        let fused = model(&config, 1);
        let losses = |identity: Option<&[i64]>| {
            let mut batch = batch(5, 2, true);
            batch.identity = identity.map(Tensor::from_slice);
            let losses = fused.loss(&batch, &targets(5), true).unwrap();
            [losses.text_audio, losses.text_video].concat()
        };
        let distinct = losses(None);
        assert!(distinct.iter().all(|&loss| loss > 0.0));
        assert_eq!(losses(Some(&[7, 3, 5, 1, 9])), distinct);
        assert_eq!(losses(Some(&[4; 5])), [0.0; 4]);
        // Fewer terms in the sum: rows 0 and 2 hold one utterance, both have audio and video.
        let some = losses(Some(&[7, 3, 7, 1, 9]));
        assert!(some.iter().zip(&distinct).all(|(a, b)| a < b));
    }
}

#[test]
fn a_batch_is_decoded_as_its_rows_one_by_one() {
    for (backbone, decoder) in KINDS {
        for (beam, length_penalty) in [(1, 0.0), (3, 0.0), (20, 1.0)] {
            let mut config = config(backbone, decoder);
            config.model.beam = tiny::number(beam);
            config.model.length_penalty = tiny::number(length_penalty);
            let fused = tiny::shaken(&config, 6);
            let together = fused.predict(&batch(4, 9, true)).unwrap();
            for (row, expected) in together.iter().enumerate() {
                let alone = fused.predict(&tiny::row(4, 9, row)).unwrap();
                assert_eq!(alone.len(), 1);
                let close =
                    |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
                assert!(close(&alone[0].polarity, &expected.polarity));
                for (a, b) in [
                    (&alone[0].meld, &expected.meld),
                    (&alone[0].iemocap, &expected.iemocap),
                ] {
                    assert!(close(a.as_ref().unwrap(), b.as_ref().unwrap()));
                }
                assert_eq!(
                    alone[0].raw, expected.raw,
                    "{backbone:?} {decoder:?} {beam}"
                );
            }
        }
    }
}

#[test]
fn odd_batches_train() {
    for (backbone, decoder) in KINDS {
        let fused = model(&config(backbone, decoder), 8);
        for (size, features) in [(1, true), (1, false), (5, false)] {
            let batch = batch(size, 3, features);
            let losses = tiny::drawn(|| fused.loss(&batch, &targets(size), true).unwrap());
            assert!(losses.total.double_value(&[]).is_finite());
            losses.backward(1.0);
        }
        // Nothing of the label known: the loss is 0, and so is every gradient.
        let mut unknown = targets(2);
        for target in &mut unknown {
            target.weights = unimse_labels::PerField::default();
        }
        let losses = fused.loss(&batch(2, 3, true), &unknown, false).unwrap();
        assert_eq!(losses.total.double_value(&[]), 0.0);
        let clean = model(&config(backbone, decoder), 8);
        let losses = clean.loss(&batch(2, 3, true), &unknown, false).unwrap();
        losses.backward(1.0);
        let gradients = clean.parameters().into_iter().map(|(_, p)| p.grad());
        let defined: Vec<_> = gradients.filter(Tensor::defined).collect();
        assert!(!defined.is_empty());
        assert!(
            defined
                .iter()
                .all(|g| g.count_nonzero(None::<i64>).int64_value(&[]) == 0)
        );
    }
}

#[test]
fn text_alone_and_other_subsets() {
    for modalities in [
        vec![Modality::Text],
        vec![Modality::Text, Modality::Video],
        vec![Modality::Audio, Modality::Text],
    ] {
        let mut config = config(tiny::BERT, Decoder::Label);
        config.model.modalities = tiny::number(modalities.clone());
        let fused = model(&config, 2);
        let losses = tiny::drawn(|| fused.loss(&batch(3, 4, true), &targets(3), true).unwrap());
        assert_eq!(
            losses.text_audio.is_empty(),
            !modalities.contains(&Modality::Audio)
        );
        assert_eq!(
            losses.text_video.is_empty(),
            !modalities.contains(&Modality::Video)
        );
        losses.backward(1.0);
        assert_eq!(fused.predict(&batch(3, 4, true)).unwrap().len(), 3);
    }
}

#[test]
fn bfloat16_is_near_fp32() {
    for (backbone, decoder) in KINDS {
        let config = config(backbone, decoder);
        let exact = model(&config, 3);
        let half = tiny::model_in(&config, 3, Precision::Bf16);
        let (batch, targets) = (batch(5, 6, true), targets(5));
        let (a, b) = (
            exact.loss(&batch, &targets, false).unwrap().task,
            half.loss(&batch, &targets, false).unwrap().task,
        );
        assert!(
            (a - b).abs() < 0.05 * a,
            "{backbone:?} {decoder:?}: {a} and {b}"
        );
        let losses = tiny::drawn(|| half.loss(&batch, &targets, true).unwrap());
        assert_eq!(losses.total.kind(), Kind::Float);
        losses.backward(1.0);
        for (name, tensor) in half.parameters() {
            assert_eq!(tensor.kind(), Kind::Float, "{name}");
        }
        half.predict(&batch).unwrap();
    }
}

#[test]
fn names_groups_and_freezing() {
    let mut fused = model(&config(tiny::T5, Decoder::T5), 1);
    let names: Vec<String> = fused
        .parameters()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert!(names.is_sorted());
    assert_eq!(
        UniModel::group_of("encoder.block.0.layer.0.SelfAttention.q.weight"),
        ParameterGroup::Backbone
    );
    assert_eq!(
        UniModel::group_of("unimse.fusion.3.up.weight"),
        ParameterGroup::Fusion
    );
    assert_eq!(
        UniModel::group_of("unimse.audio.lstm.weight_ih_l0"),
        ParameterGroup::Rest
    );
    let outside = fused.outside_last_blocks(2);
    let layers = |stack: &str, outside: bool, set: &std::collections::BTreeSet<String>| {
        names
            .iter()
            .filter(|n| n.starts_with(stack) && set.contains(*n) == outside)
            .filter_map(|n| n.split('.').nth(2)?.parse::<u32>().ok())
            .max()
    };
    // The golden checkpoint has 4 encoder and 3 decoder blocks.
    assert_eq!(layers("encoder.block", true, &outside), Some(1));
    assert_eq!(layers("encoder.block", false, &outside), Some(3));
    assert_eq!(layers("decoder.block", true, &outside), Some(0));
    assert!(outside.contains("shared.weight"));
    assert!(!outside.iter().any(|name| name.starts_with("unimse.")));
    fused.freeze(|name| outside.contains(name));
    let (all, trainable) = fused.parameter_count();
    assert!(trainable < all);
    tiny::drawn(|| fused.loss(&batch(2, 2, true), &targets(2), true).unwrap()).backward(1.0);
    assert_eq!(gradient(&fused, "shared.weight"), 0.0);
    assert!(gradient(&fused, "encoder.block.3.layer.1.DenseReluDense.wo.weight") > 0.0);
    fused.freeze(|_| false);
    assert_eq!(fused.parameter_count(), (all, all));
}

#[test]
fn weights_survive_saving() {
    let config = config(tiny::BERT, Decoder::Label);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    let one = tiny::shaken(&config, 1);
    one.save(&path).unwrap();
    let mut other = model(&config, 2);
    let batch = batch(3, 3, true);
    assert_ne!(one.predict(&batch).unwrap(), other.predict(&batch).unwrap());
    other.load(&path).unwrap();
    assert_eq!(one.predict(&batch).unwrap(), other.predict(&batch).unwrap());
    let mut smaller = config.clone();
    smaller.fusion.bottleneck = tiny::number(6);
    let error = model(&smaller, 1).load(&path).unwrap_err().to_string();
    assert!(
        error.contains("unimse.fusion.0.down.weight") && error.contains("expected"),
        "{error}"
    );
}

/// The folder of a run is enough: configuration, tokenizer and every weight, of backbone and ours.
#[test]
fn a_saved_model_opens_from_its_own_folder() {
    for (backbone, decoder) in KINDS {
        let config = config(backbone, decoder);
        let one = tiny::shaken(&config, 1);
        let place = tempfile::tempdir().unwrap();
        unimse_model::hub::copy_description(folder(backbone).path(), place.path()).unwrap();
        one.save(&place.path().join("model.safetensors")).unwrap();
        let (device, kind) = (Device::Cpu, Precision::Fp32);
        let open = || UniModel::open(&config, &GRAMMAR(), place.path(), &dims(), device, kind);
        let two = tiny::drawn(open).unwrap();
        let batch = batch(3, 3, true);
        assert_eq!(one.predict(&batch).unwrap(), two.predict(&batch).unwrap());
    }
}

#[test]
fn bad_input_is_named() {
    let fused = model(&config(tiny::BERT, Decoder::Label), 1);
    let fails = |batch, count| {
        let losses = tiny::drawn(|| fused.loss(&batch, &targets(count), true).map(drop));
        losses.unwrap_err().to_string()
    };
    assert_eq!(fails(batch(3, 1, true), 2), "targets: expected 3, found 2");
    let mut wrong = batch(2, 1, true);
    wrong.tokens = wrong.tokens.full_like(99_999);
    assert!(fails(wrong, 2).starts_with("token ids: expected 0 to"));
    let mut wrong = batch(2, 1, true);
    wrong.audio.groups.extend(audio(2, 5, &[7]).groups);
    assert!(fails(wrong, 2).contains("batch.audio"));
    let mut wrong = batch(2, 1, true);
    wrong.identity = Some(Tensor::from_slice(&[1i64, 2, 3]));
    assert_eq!(
        fails(wrong, 2),
        "batch.identity: expected shape [2] of i64, found [3] of Int64"
    );
    let mut wrong = batch(2, 1, false);
    wrong.audio = audio(2, 5, &[7]);
    assert_eq!(
        fails(wrong, 2),
        "feature sequences: expected a dimension in [3, 5], found 7"
    );
    let nan = [0.0, f32::NAN];
    let error = ModalityBatch::collate(
        &[
            None,
            Some(SequenceRef {
                dim: 2,
                values: &nan,
            }),
        ],
        Device::Cpu,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 1, step 0, feature 1: expected a finite number, found NaN"
    );
}

#[test]
fn a_configuration_that_the_checkpoint_does_not_fit_is_named() {
    let mut config = config(tiny::BERT, Decoder::T5);
    let place = folder(tiny::BERT);
    let build = |config: &_| {
        let _generator = tiny::seeded(1);
        UniModel::new(
            config,
            &GRAMMAR(),
            place.path(),
            &dims(),
            Device::Cpu,
            Precision::Fp32,
        )
        .map(drop)
        .unwrap_err()
        .to_string()
    };
    assert!(build(&config).starts_with("model.decoder"));
    config.model.decoder = Decoder::Label;
    config.fusion.layers = tiny::number(9);
    assert_eq!(
        build(&config),
        "fusion.layers: expected at most the backbone's 2, found 9"
    );
    config.fusion.layers = tiny::number(2);
    config.fusion.decoder_layers = tiny::number(1);
    assert_eq!(
        build(&config),
        "fusion.decoder_layers: expected 0 with model.decoder = \"label\", whose blocks are not pretrained, found 1"
    );
    config.fusion.decoder_layers = tiny::number(0);
    config.model.max_tokens = tiny::number(129);
    assert_eq!(
        build(&config),
        format!(
            "model.max_tokens: expected at most the 128 positions of {}, found 129",
            place.path().display()
        )
    );
}

#[test]
fn no_more_blocks_of_a_decoder_are_fused_than_there_are() {
    let mut config = config(tiny::T5, Decoder::T5);
    config.fusion.decoder_layers = tiny::number(4);
    let place = folder(tiny::T5);
    let (device, kind) = (Device::Cpu, Precision::Fp32);
    let built =
        tiny::drawn(|| UniModel::new(&config, &GRAMMAR(), place.path(), &dims(), device, kind));
    assert_eq!(
        built.map(drop).unwrap_err().to_string(),
        format!(
            "fusion.decoder_layers: expected at most the 3 decoder blocks of {}, found 4",
            place.path().display()
        )
    );
}
