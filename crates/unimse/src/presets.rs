//! The shipped presets: `data/presets/*.toml`, embedded.

/// Name and text of every preset.
pub const PRESETS: [(&str, &str); 4] = [
    ("demo", include_str!("../../../data/presets/demo.toml")),
    ("minilm", include_str!("../../../data/presets/minilm.toml")),
    ("mpnet", include_str!("../../../data/presets/mpnet.toml")),
    ("paper", include_str!("../../../data/presets/paper.toml")),
];

/// The text of a preset, or `None` for a name that is not shipped.
#[must_use]
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    PRESETS.into_iter().find(|(n, _)| *n == name)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn the_paper_preset_carries_the_papers_numbers() {
        let Some(preset) = find("paper") else {
            panic!("no paper preset")
        };
        let Ok(c) = RunConfig::merge(Some(preset), None, &[]) else {
            panic!("paper preset does not load")
        };
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
    }
}
