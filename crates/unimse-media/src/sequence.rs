//! What every extractor gives and every table holds of a modality.

/// A sequence of feature vectors of one modality, `[steps, dim]` row-major; every step is valid (no padding).
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Number of features a step.
    pub dim: usize,
    /// `steps * dim` values, step after step; all finite.
    pub values: Vec<f32>,
}

impl Sequence {
    /// Number of steps; 0 for a zero dimension.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }
}
