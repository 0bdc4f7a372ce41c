//! Learning rate and weight decay of every trained parameter.
//!
//! The rate goes by part of the model: backbone (falling from block to block where `train.layer_decay` says so), fusion, rest. Weight decay goes by shape, as is the field's practice: tensors of two
//! dimensions and more shrink (matrices, convolutions, embeddings, tables of relative positions), biases, scales of norms and the
//! vectors of absent modalities do not. A bias at 0 or a scale at 1 costs no capacity, and a scale has no reason to go to 0.

use std::collections::BTreeMap;

use tch::Tensor;
use unimse_model::config::NonNegative;
use unimse_model::unimodel::{ParameterGroup, UniModel};

use crate::config::TrainConfig;
use crate::train::optimizer::Group;

/// Whether the group at `index` of [`parameter_groups`] is one of the backbone's.
#[must_use]
pub const fn of_backbone(index: usize) -> bool {
    // two groups a rate: the backbone's, fusion, rest, then those of the backbone's lower blocks
    !matches!(index / 2, 1 | 2)
}

/// The optimiser's groups, and name, group and tensor of each parameter that has a gradient, in the order of `parameters`. `above` says how
/// many blocks lie above a parameter of the backbone, whose rate falls by `train.layer_decay` with each.
#[must_use]
pub fn parameter_groups(
    config: &TrainConfig,
    parameters: Vec<(String, Tensor)>,
    above: &BTreeMap<String, usize>,
) -> (Vec<Group>, Vec<(String, usize, Tensor)>) {
    // one rate for each part, then the backbone's with one block above, with two ...
    let deepest = above.values().copied().max().unwrap_or(0);
    let lower = (1..=deepest)
        .map(|blocks| config.lr_backbone.get() * config.layer_decay.get().powi(blocks as i32));
    let parts = [config.lr_backbone, config.lr_fusion, config.lr_rest];
    let decays = [config.weight_decay.get(), 0.0];
    let groups = parts
        .map(NonNegative::get)
        .into_iter()
        .chain(lower)
        .flat_map(|lr| decays.map(|weight_decay| Group { lr, weight_decay }))
        .collect();
    let flat = config.layer_decay == 1.0;
    let trained = parameters.into_iter().filter(|(_, t)| t.requires_grad());
    let members = trained.map(|(name, tensor)| {
        let rate = match UniModel::group_of(&name) {
            ParameterGroup::Backbone => match above.get(&name) {
                Some(&blocks) if blocks > 0 && !flat => parts.len() - 1 + blocks,
                _ => 0,
            },
            ParameterGroup::Fusion => 1,
            ParameterGroup::Rest => 2,
        };
        (name, 2 * rate + usize::from(tensor.dim() < 2), tensor)
    });
    let members = members.collect();
    (groups, members)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use unimse_model::config::Factor;

    use super::*;

    /// One parameter of each kind that our models have: biases and norms of both backbones, of the LSTM, of fusion and projections.
    #[test]
    fn biases_and_norms_take_no_decay() {
        let shapes: [(&str, &[i64], f64, bool); 14] = [
            ("embeddings.word_embeddings.weight", &[9, 4], 1.0, true),
            ("embeddings.LayerNorm.weight", &[4], 1.0, false),
            ("embeddings.LayerNorm.bias", &[4], 1.0, false),
            ("encoder.layer.0.output.dense.weight", &[4, 4], 1.0, true),
            ("encoder.layer.0.output.dense.bias", &[4], 1.0, false),
            ("shared.weight", &[9, 4], 1.0, true),
            (
                "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                &[32, 2],
                1.0,
                true,
            ),
            (
                "encoder.block.0.layer.0.layer_norm.weight",
                &[4],
                1.0,
                false,
            ),
            ("unimse.fusion.0.down.weight", &[3, 4], 2.0, true),
            ("unimse.fusion.0.down.bias", &[3], 2.0, false),
            ("unimse.audio.lstm.weight_ih_l0", &[8, 4], 3.0, true),
            ("unimse.audio.lstm.bias_ih_l0", &[8], 3.0, false),
            ("unimse.contrast.audio.weight", &[5, 4, 1], 3.0, true),
            ("unimse.absent.audio", &[4], 3.0, false),
        ];
        let config = TrainConfig {
            lr_backbone: NonNegative::literal(1.0),
            lr_fusion: NonNegative::literal(2.0),
            lr_rest: NonNegative::literal(3.0),
            weight_decay: NonNegative::literal(0.5),
            ..TrainConfig::default()
        };
        let mut parameters: Vec<_> = shapes
            .iter()
            .map(|(name, shape, ..)| {
                let tensor = Tensor::zeros(*shape, (Kind::Float, Device::Cpu));
                ((*name).to_owned(), tensor.set_requires_grad(true))
            })
            .collect();
        let frozen = Tensor::zeros([2, 2], (Kind::Float, Device::Cpu));
        parameters.push(("frozen".to_owned(), frozen));
        let (groups, members) = parameter_groups(&config, parameters, &BTreeMap::new());
        assert_eq!(members.len(), shapes.len());
        for ((name, _, lr, decays), (found, group, _)) in shapes.iter().zip(&members) {
            let weight_decay = if *decays { 0.5 } else { 0.0 };
            assert_eq!(name, found);
            assert_eq!(of_backbone(*group), *lr == 1.0, "{name}");
            assert_eq!(
                groups[*group],
                Group {
                    lr: *lr,
                    weight_decay
                },
                "{name}"
            );
        }
    }

    #[test]
    fn the_rate_of_the_backbone_falls_from_block_to_block() {
        let config = TrainConfig {
            lr_backbone: NonNegative::literal(8.0),
            lr_rest: NonNegative::literal(3.0),
            layer_decay: Factor::literal(0.5),
            ..TrainConfig::default()
        };
        let names = [
            "embeddings.w",
            "encoder.layer.0.w",
            "encoder.layer.1.w",
            "unimse.w",
        ];
        let above = BTreeMap::from([(names[0], 2), (names[1], 1), (names[2], 0)]);
        let above = above
            .into_iter()
            .map(|(name, n)| (name.to_owned(), n))
            .collect();
        let parameter = |name: &&str| {
            let tensor = Tensor::zeros([2, 2], (Kind::Float, Device::Cpu));
            ((*name).to_owned(), tensor.set_requires_grad(true))
        };
        let parameters = names.iter().map(parameter).collect();
        let (groups, members) = parameter_groups(&config, parameters, &above);
        let rates: Vec<f64> = members
            .iter()
            .map(|(_, group, _)| groups[*group].lr)
            .collect();
        assert_eq!(rates, [8.0 * 0.25, 8.0 * 0.5, 8.0, 3.0]);
        let backbone = members.iter().map(|(_, group, _)| of_backbone(*group));
        assert!(backbone.eq([true, true, true, false]));
    }
}
