//! The shipped presets: `data/presets/*.toml`, embedded.

/// Name and text of every preset.
pub const PRESETS: [(&str, &str); 6] = [
    ("demo", include_str!("../../../data/presets/demo.toml")),
    (
        "demo-media",
        include_str!("../../../data/presets/demo-media.toml"),
    ),
    ("minilm", include_str!("../../../data/presets/minilm.toml")),
    ("mpnet", include_str!("../../../data/presets/mpnet.toml")),
    ("paper", include_str!("../../../data/presets/paper.toml")),
    (
        "release",
        include_str!("../../../data/presets/release.toml"),
    ),
];

/// The text of a preset, or `None` for a name that is not shipped.
#[must_use]
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    PRESETS.into_iter().find(|(n, _)| *n == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unimse_labels::{DonorProtocol, Form};
    use unimse_train::config::RunConfig;

    #[test]
    fn every_shipped_preset_loads_and_validates() {
        for (name, text) in PRESETS {
            let config = RunConfig::merge(Some((name, text)), None, &[]);
            assert!(
                config.as_ref().is_ok_and(|c| c.preset == name),
                "{name}: {config:?}"
            );
        }
    }

    fn preset(name: &str) -> RunConfig {
        let Some(preset) = find(name) else {
            panic!("no preset {name}")
        };
        RunConfig::merge(Some(preset), None, &[]).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[test]
    fn the_paper_preset_carries_the_papers_numbers() {
        let c = preset("paper");
        // UniMSE (Hu et al., EMNLP 2022), section 4.2 and appendix
        assert_eq!(
            [c.train.lr_backbone, c.train.lr_fusion, c.train.lr_rest],
            [3e-4, 1e-4, 1e-4]
        );
        assert_eq!(
            (
                c.train.batch.get() * c.train.accumulate.get(),
                c.fusion.layers.get(),
                c.lstm.hidden.get()
            ),
            (96, 3, 64)
        );
        assert_eq!([c.contrastive.alpha, c.contrastive.beta], [0.5, 0.5]);
        assert_eq!(
            (c.labels.form, c.labels.donors),
            (Form::Triple, DonorProtocol::Train)
        );
    }

    #[test]
    fn the_release_preset_reads_as_the_released_code() {
        let c = preset("release");
        assert_eq!(
            (c.labels.form, c.labels.donors),
            (Form::Fields, DonorProtocol::All)
        );
        // encoder and decoder are two stacks of one class there, fused alike
        let fused = [c.fusion.layers.get(), c.fusion.decoder_layers.get()];
        assert_eq!(fused, [3, 3]);
        // half of a mean over the tokens of a label: polarity, score (3), two emotions, three commas, the end
        let tokens = 1.0 + 3.0 + 2.0 + 3.0 + 1.0;
        assert_eq!(c.contrastive.alpha, 0.5 * tokens);
        assert_eq!((c.train.patience, c.train.plateau_patience), (10, 20));
    }
}
