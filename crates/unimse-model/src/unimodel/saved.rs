//! A model that was trained and saved, built again from its own folder: every weight comes from the file, and no size is believed before
//! the file is seen to hold so many numbers.

use std::path::Path;

use tch::{Device, Kind};
use unimse_labels::Grammar;

use super::UniModel;
use crate::backbones;
use crate::checkpoint::tensor_shapes;
use crate::config::{Decoder, FeatureDims, Modality, ModelConfig};
use crate::error::{ModelError, Result};
use crate::precision::Precision;
use crate::variables::unwritten;

/// Models that ask for more numbers than this times those of the file are refused; one with fewer than [`SMALL`] is small enough to try.
const EXCESS: f64 = 4.0;
/// Numbers that cost nothing to allocate (64 MiB).
const SMALL: f64 = (1 << 24) as f64;

impl UniModel {
    /// Builds the model that [`UniModel::save`] wrote as `model.safetensors` into `folder`, beside the backbone's `config.json` and
    /// `tokenizer.json`. `config`, `grammar` and `dims` are those it was trained with.
    ///
    /// # Errors
    /// As [`UniModel::new`]; sizes out of all proportion to the file, before anything is allocated; a file that lacks a tensor; a weight that
    /// is not finite.
    pub fn open(
        config: &ModelConfig,
        grammar: &Grammar,
        folder: &Path,
        dims: &FeatureDims,
        device: Device,
        precision: Precision,
    ) -> Result<Self> {
        let file = folder.join("model.safetensors");
        check_size(config, folder, dims)?;
        let build = || Self::new(config, grammar, folder, dims, device, precision);
        let mut model = unwritten(build)?;
        if !model.initialised.is_empty() {
            model.load(&file)?; // names what the file lacks
        }
        model.check_finite(&file)?;
        Ok(model)
    }

    /// Names the first tensor with a number that is NaN or infinite; `file` is where the weights came from.
    fn check_finite(&self, file: &Path) -> Result<()> {
        for (name, tensor) in self.parameters() {
            // one number that is not finite is enough to make the sum so; it is counted only where there may be one
            if tensor.sum(tensor.kind()).double_value(&[]).is_finite() {
                continue;
            }
            let finite = tensor.isfinite().sum(Kind::Int64).int64_value(&[]);
            let all = tensor.numel() as i64;
            if finite < all {
                let found = format!("{} of {all} that are not", all - finite);
                return Err(ModelError::config(file, &name, "finite numbers", found));
            }
        }
        Ok(())
    }
}

fn check_size(config: &ModelConfig, folder: &Path, dims: &FeatureDims) -> Result<()> {
    for (modality, dims) in [("audio", &dims.audio), ("video", &dims.video)] {
        if let Some(dim) = dims.iter().find(|&&dim| dim < 1) {
            return Err(ModelError::Input(format!(
                "dims.{modality}: expected at least 1 feature a step, found {dim}"
            )));
        }
    }
    let dim = backbones::open(folder, config.model.backbone)?.shape().dim;
    let shapes = tensor_shapes(folder)?;
    let held: f64 = shapes
        .values()
        .map(|shape| shape.iter().map(|&n| n as f64).product::<f64>())
        .sum();
    let wanted = own_numbers(config, dims, dim as f64);
    if wanted <= EXCESS * held.max(SMALL) {
        return Ok(());
    }
    let path = folder.join("model.safetensors");
    let expected = format!("a model of its {held:.0} numbers");
    let found = format!(
        "sizes that ask for {wanted:.2e} ({:.1e} GiB) beside the backbone",
        wanted * 4.0 / f64::from(1 << 30)
    );
    Err(ModelError::config(&path, "the sizes", expected, found))
}

/// How many numbers the parameters of our own part have, the label decoder's tables and norms left out; `dim` is the backbone's width.
/// In f64, where no product overflows.
fn own_numbers(config: &ModelConfig, dims: &FeatureDims, dim: f64) -> f64 {
    let (hidden, input) = (
        config.lstm.hidden.get() as f64,
        config.lstm.input.get() as f64,
    );
    let (common, kernel) = (
        config.contrastive.dim.get() as f64,
        config.contrastive.kernel.get() as f64,
    );
    let (layers, blocks, bottleneck) = (
        config.fusion.layers.get() as f64,
        config.fusion.decoder_layers.get() as f64,
        config.fusion.bottleneck.get() as f64,
    );
    let (mut total, mut others, mut contrast) = (3.0 * dim, 0.0, false);
    for (modality, dims, weight) in [
        (Modality::Audio, &dims.audio, config.contrastive.alpha.get()),
        (Modality::Video, &dims.video, config.contrastive.beta.get()),
    ] {
        if !config.has(modality) {
            continue;
        }
        others += hidden;
        total += dims.iter().map(|&d| (d as f64 + 1.0) * input).sum::<f64>();
        total += 4.0 * hidden * (input + hidden + 2.0) + hidden * (hidden + 1.0) + hidden;
        if weight > 0.0 && config.fusion.layers.get() > 0 {
            contrast = true;
            total += common * (hidden * kernel + 1.0);
        }
    }
    let wide = dim + others;
    let fusion = 2.0 * wide * bottleneck + bottleneck + wide + (wide + 1.0) * dim;
    total += (layers + blocks) * fusion;
    if contrast {
        total += layers * common * (dim * kernel + 1.0);
    }
    if config.model.decoder == Decoder::Label {
        // two attentions of four matrices, and a feed-forward of twice the width
        total += config.label_decoder.layers.get() as f64 * (8.0 + 4.0) * dim * dim;
    }
    total
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
    use std::collections::BTreeSet;

    use tch::nn::VarStore;
    use unimse_labels::Field;

    use super::*;
    use crate::backbones::BackboneChoice;
    use crate::weights;

    const DIM: i64 = 48;

    fn backbone() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "model_type": "bert", "vocab_size": 10, "hidden_size": DIM, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 24, "max_position_embeddings": 128,
        });
        std::fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        let store = VarStore::new(Device::Cpu);
        let backbone = backbones::open(place.path(), BackboneChoice::Auto).unwrap();
        drop(backbone.encoder(&store.root(), Precision::Fp32));
        let tensors: Vec<_> = store.variables().into_iter().collect();
        weights::save(&tensors, &place.path().join("model.safetensors")).unwrap();
        place
    }

    fn dims() -> FeatureDims {
        FeatureDims {
            audio: BTreeSet::from([3, 50]),
            video: BTreeSet::from([4]),
        }
    }

    fn config() -> ModelConfig {
        let mut config = ModelConfig::default();
        config.fusion.layers = 2.try_into().unwrap();
        config.contrastive.kernel = 3.try_into().unwrap();
        config
    }

    fn open(config: &ModelConfig, dims: &FeatureDims, folder: &Path) -> Result<UniModel> {
        let grammar = Grammar::new(&Field::ALL);
        UniModel::open(config, &grammar, folder, dims, Device::Cpu, Precision::Fp32)
    }

    /// A run's folder: the backbone, with our part saved over it.
    fn saved() -> tempfile::TempDir {
        let place = backbone();
        let grammar = Grammar::new(&Field::ALL);
        let (device, kind) = (Device::Cpu, Precision::Fp32);
        let model =
            UniModel::new(&config(), &grammar, place.path(), &dims(), device, kind).unwrap();
        model.save(&place.path().join("model.safetensors")).unwrap();
        place
    }

    #[test]
    fn the_numbers_of_our_part_are_counted() {
        let place = saved();
        let model = open(&config(), &dims(), place.path()).unwrap();
        let count = |of: &dyn Fn(&str) -> bool| -> f64 {
            let all = model.parameters();
            let those = all.iter().filter(|(name, _)| of(name));
            those.map(|(_, t)| t.numel() as f64).sum()
        };
        let labels = count(&|name| name.starts_with("unimse.label."));
        let others = count(&|name| name.starts_with("unimse.")) - labels;
        let blocks = 2.0 * 12.0 * (DIM * DIM) as f64;
        let counted = own_numbers(&config(), &dims(), DIM as f64);
        assert_eq!(counted, others + blocks);
        assert!(
            blocks < labels && labels < 1.5 * blocks,
            "{labels} {blocks}"
        );
    }

    #[test]
    fn absurd_sizes_are_refused_before_anything_is_allocated() {
        let place = saved();
        type Edit = fn(&mut ModelConfig, &mut FeatureDims);
        let edits: [Edit; 5] = [
            |c, _| c.lstm.hidden = 16_384.try_into().unwrap(),
            |c, _| {
                c.fusion.layers = 1000.try_into().unwrap();
                c.fusion.bottleneck = 65_536.try_into().unwrap();
            },
            |c, _| {
                c.contrastive.dim = 65_536.try_into().unwrap();
                c.contrastive.kernel = 999.try_into().unwrap();
            },
            |_, d| d.audio = BTreeSet::from([i64::MAX]),
            |_, d| d.video = BTreeSet::from([-4]),
        ];
        for edit in edits {
            let (mut config, mut dims) = (config(), dims());
            edit(&mut config, &mut dims);
            let error = open(&config, &dims, place.path()).unwrap_err().to_string();
            let said = ["sizes", "dims.video"];
            assert!(said.iter().any(|words| error.contains(words)), "{error}");
        }
    }

    #[test]
    fn every_weight_is_in_the_file_and_a_number() {
        let place = backbone();
        let error = open(&config(), &dims(), place.path()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("missing") && text.contains("unimse.segments"),
            "{text}"
        );

        let place = saved();
        let file = place.path().join("model.safetensors");
        let tensors = weights::read(&file).unwrap();
        let name = "unimse.audio.output.bias";
        // numbers whose sum is not finite are finite all the same
        let _ = tch::no_grad(|| tensors[name].shallow_clone().fill_(3e38));
        let whole: Vec<_> = tensors
            .iter()
            .map(|(name, t)| (name.clone(), t.shallow_clone()))
            .collect();
        weights::save(&whole, &file).unwrap();
        open(&config(), &dims(), place.path()).unwrap();
        let _ = tch::no_grad(|| tensors[name].get(1).fill_(f64::NAN));
        let tensors: Vec<_> = tensors.into_iter().collect();
        weights::save(&tensors, &file).unwrap();
        let error = open(&config(), &dims(), place.path()).unwrap_err();
        let text = error.to_string();
        let expected = format!("{name}: expected finite numbers, found 1 of 64 that are not");
        assert!(text.contains(&expected), "{text}");
    }
}
