//! What is added to the task loss, or changed in it, while training: the section `loss` (ours; the paper has none of it).

use serde::{Deserialize, Serialize};

use super::{NonNegative, Share};

/// Levers of the loss. Each is off at 0, its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Share of a class's target that all classes of its field get alike (Szegedy et al., 2016, section 7). The intensity has its Gaussian.
    pub label_smoothing: Share,
    /// Factor of the logarithm of an emotion's share in training, added to its logit while training (Menon et al., 2021, equation 10): 1 trains for the
    /// macro-average. The `label` decoder alone.
    pub logit_adjustment: NonNegative,
    /// Weight of the disagreement between two passes with different dropout (R-Drop; Liang et al., 2021). A step costs twice as much.
    pub r_drop: NonNegative,
    /// Weight of a head on audio alone and one on video alone, each taught the whole label.
    pub auxiliary: NonNegative,
}

impl Default for LossConfig {
    fn default() -> Self {
        let none = const { NonNegative::literal(0.0) };
        Self {
            label_smoothing: const { Share::literal(0.0) },
            logit_adjustment: none,
            r_drop: none,
            auxiliary: none,
        }
    }
}
