//! Pre-trained modality fusion in the whole model: nothing at step 0, alive after it, blind to what an absent modality holds.

use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use unimse_model::fusion::Fusion;
use unimse_model::{
    Batch, Decoder, FeatureGroup, ModalityBatch, Precision, SequenceRef, UniModel, backbones,
    no_hook,
};

use crate::tiny::{self, KINDS, batch, config, folder, model, targets};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Largest entry of the gradient of every parameter, 0 where there is none, by name.
fn gradients(model: &UniModel) -> Vec<(String, f64)> {
    let largest = |gradient: Tensor| {
        if gradient.defined() {
            gradient.abs().max().double_value(&[])
        } else {
            0.0
        }
    };
    let all = model.parameters().into_iter();
    all.map(|(name, t)| (name, largest(t.grad()))).collect()
}

/// Bits of an fp32 tensor: 0 and -0 differ, NaN equals itself.
fn bits(t: &Tensor) -> Vec<u32> {
    let values: Vec<f32> = Vec::try_from(t.detach().reshape([-1])).unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn fusion_with_skip_starts_as_the_model_without_fusion() {
    for (backbone, decoder) in KINDS {
        let with = tiny::fused(backbone, decoder);
        let mut without = with.clone();
        without.fusion.layers = tiny::number(0);
        without.fusion.decoder_layers = tiny::number(0);
        let (with, without) = (model(&with, 3), model(&without, 4));
        // The same weights wherever both have one.
        let shared: std::collections::HashMap<_, _> = with.parameters().into_iter().collect();
        for (name, mut tensor) in without.parameters() {
            tch::no_grad(|| tensor.copy_(&shared[&name]));
        }
        let batch = batch(3, 5, true);
        assert_eq!(
            with.predict(&batch).unwrap(),
            without.predict(&batch).unwrap(),
            "{backbone:?} {decoder:?}"
        );
        assert_eq!(without.fusion_ratios(&batch).unwrap(), []);
        // the last layers of the encoder are fused, and are called as they are counted there
        let layers = with.fusion_ratios(&batch).unwrap().into_iter();
        let layers: Vec<usize> = layers.map(|(layer, _)| layer).collect();
        let fused = if backbone == tiny::T5 { [2, 3] } else { [0, 1] };
        assert_eq!(layers, fused, "{backbone:?}: two of four, or of two");
        let losses = tiny::drawn(|| without.loss(&batch, &targets(3), true).unwrap());
        assert!(losses.text_audio.is_empty());
    }
}

#[test]
fn what_a_pass_shows_changes_no_answer() {
    for (backbone, decoder) in KINDS {
        let fused = tiny::fused(backbone, decoder);
        let model = model(&fused, 3);
        let batch = batch(3, 5, true);
        let inference = model.inference();
        let (answers, observed) = inference.observe(&batch).unwrap();
        assert_eq!(answers, inference.predict(&batch).unwrap(), "{backbone:?}");
        let observed = observed.unwrap();
        let states = [&observed.before, &observed.after].map(Tensor::size);
        assert_eq!(states[0], states[1]);
        assert_eq!(states[0][0], 3);
        assert_ne!(bits(&observed.before), bits(&observed.after));
        assert_eq!(observed.text.len(), model.fused_layers().len());
        let keys = [&observed.audio, &observed.video].into_iter().flatten();
        let keys = keys.map(|keys| {
            assert_eq!(keys.rows.size()[0], keys.vectors.size()[0]);
            &keys.vectors
        });
        for vectors in observed.text.iter().chain(keys) {
            let lengths = vectors.norm_scalaropt_dim(2.0, -1, false);
            let off = (lengths - 1.0).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{off}");
        }

        let mut plain = fused.clone();
        plain.fusion.layers = tiny::number(0);
        plain.fusion.decoder_layers = tiny::number(0);
        let (_, observed) = self::model(&plain, 3).inference().observe(&batch).unwrap();
        assert!(observed.is_none());
    }
}

#[test]
fn fusion_with_skip_returns_the_encoder_to_the_bit_at_step_0() {
    for backbone in [tiny::BERT, tiny::T5] {
        let place = folder(backbone);
        let _generator = tiny::seeded(1);
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let encoder = backbones::open(place.path(), backbone)
            .unwrap()
            .encoder(&root, Precision::Fp32);
        let fusions: Vec<Fusion> = (0..encoder.layers())
            .map(|layer| Fusion::new(&(&root / layer), encoder.dim(), 6 + 4, 5, true, 0.0))
            .collect();
        let text = batch(3, 2, false);
        let states = [Tensor::randn([3, 6], FLOAT), Tensor::randn([3, 4], FLOAT)];
        let plain = encoder.forward(&text.tokens, &text.mask, None, false, &mut no_hook);
        let fused = encoder.forward(
            &text.tokens,
            &text.mask,
            None,
            false,
            &mut |layer, hidden| fusions[layer].forward(&hidden, &states, None, true),
        );
        assert!(bits(&plain) == bits(&fused), "{backbone:?}");
    }
}

/// With the task loss alone, so that nothing but fusion can reach audio and video.
#[test]
fn fusion_learns_w_and_b_first_and_everything_from_then_on() {
    for (backbone, decoder) in KINDS {
        let mut config = tiny::fused(backbone, decoder);
        (config.contrastive.alpha, config.contrastive.beta) =
            (tiny::number(0.0), tiny::number(0.0));
        let fused = model(&config, 3);
        let (batch, targets) = (batch(4, 7, true), targets(4));
        let mut adam = tiny::Adam::new(&fused, 0.01);
        for at in 0..3 {
            assert_eq!(
                fused
                    .fusion_ratios(&batch)
                    .unwrap()
                    .iter()
                    .all(|&(_, r)| r > 0.0),
                at > 0,
                "{backbone:?} step {at}"
            );
            tiny::drawn(|| fused.loss(&batch, &targets, true).unwrap()).backward(1.0);
            let mut seen = 0;
            for (name, gradient) in gradients(&fused) {
                let ours = ["unimse.fusion.", "unimse.audio.", "unimse.video."];
                if !ours.iter().any(|part| name.starts_with(part)) {
                    continue;
                }
                seen += 1;
                let outer = name.ends_with(".project.weight") || name.ends_with(".project.bias");
                if at == 0 {
                    assert_eq!(gradient > 0.0, outer, "{backbone:?} step 0: {name}");
                } else if at == 2 {
                    assert!(gradient > 0.0, "{backbone:?} step 2: {name}");
                }
            }
            // 2 layers of 6 in each fused stack, two LSTMs of 4 with an output of 2, inputs for 3, 5 and 4 features, two vectors for absence
            let stacks = if decoder == Decoder::T5 { 2 } else { 1 };
            assert_eq!(seen, stacks * 2 * 6 + 2 * (4 + 2) + 3 * 2 + 2);
            adam.step();
        }
    }
}

#[test]
fn an_absent_modality_is_the_same_whatever_its_tensor_holds() {
    let fused = tiny::shaken(&config(tiny::BERT, Decoder::Label), 5);
    let mut one = batch(3, 1, false);
    let nothing = fused.predict(&one).unwrap();
    one.audio = ModalityBatch {
        groups: vec![unimse_model::FeatureGroup {
            dim: 3,
            rows: vec![0, 1, 2],
            values: Tensor::full([3, 4, 3], f64::NAN, (Kind::Float, Device::Cpu)),
            lengths: vec![0, 0, 0],
        }],
    };
    assert_eq!(fused.predict(&one).unwrap(), nothing, "length 0 is absence");
    let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
    one.audio = ModalityBatch::collate(
        &[
            Some(SequenceRef {
                dim: 3,
                values: &values,
            }),
            None,
            None,
        ],
        Device::Cpu,
    )
    .unwrap();
    let heard = fused.predict(&one).unwrap();
    assert_ne!(heard[0], nothing[0]);
    assert_eq!(heard[1..], nothing[1..]);
}

/// Text of three rows; audio of row 0 in 2 of 4 steps, of row 1 not at all, of row 2 in 4; video of row 2 alone.
/// What is not valid holds `garbage`.
fn gaps(garbage: f64) -> Batch {
    let mut batch = batch(3, 1, false);
    let group = |dim: i64, lengths: [i64; 3]| {
        let values = Tensor::full([3, 4, dim], garbage, FLOAT);
        for (row, length) in (0..).zip(lengths) {
            let valid = Tensor::arange(length * dim, FLOAT).view([length, dim]) * 0.1;
            values.get(row).narrow(0, 0, length).copy_(&valid);
        }
        let groups = vec![FeatureGroup {
            dim,
            rows: vec![0, 1, 2],
            values,
            lengths: lengths.to_vec(),
        }];
        ModalityBatch { groups }
    };
    batch.audio = group(3, [2, 0, 4]);
    batch.video = group(4, [0, 0, 3]);
    batch
}

#[test]
fn what_is_not_valid_changes_no_bit_of_answer_loss_and_gradient() {
    for (backbone, decoder) in KINDS {
        let config = tiny::without_dropout(tiny::fused(backbone, decoder));
        // one model for all passes: LibTorch's generator is shared by tests that run side by side
        let fused = tiny::shaken(&config, 5);
        let run = |garbage: f64| {
            for (_, mut parameter) in fused.parameters() {
                parameter.zero_grad();
            }
            let batch = gaps(garbage);
            let losses = fused.loss(&batch, &targets(3), true).unwrap();
            let total = bits(&losses.total);
            losses.backward(1.0);
            let gradient = |(name, t): (String, Tensor)| {
                let gradient = t.grad();
                (name, gradient.defined().then(|| bits(&gradient)))
            };
            let gradients: Vec<_> = fused.parameters().into_iter().map(gradient).collect();
            (total, gradients, fused.predict(&batch).unwrap())
        };
        drop(run(0.0)); // so that gradients exist before the first pass that counts
        let clean = run(0.0);
        let finite = |bits: &Vec<u32>| bits.iter().all(|&b| f32::from_bits(b).is_finite());
        assert!(clean.1.iter().filter_map(|(_, g)| g.as_ref()).all(finite));
        for garbage in [f64::NAN, f64::INFINITY, -1e30] {
            assert!(run(garbage) == clean, "{backbone:?} {decoder:?}: {garbage}");
        }
    }
}
