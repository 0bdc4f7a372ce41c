//! Features that stay in their file until a table is written.

use crate::{CorpusError, Sequence};
use std::sync::Arc;
use unimse_formats::{Array, ArrayId, Pickle};

/// One modality of one utterance: a block of rows of an array.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pickle: Arc<Pickle>,
    array: ArrayId,
    /// First element, counted row-major.
    start: usize,
    /// Valid steps.
    pub(crate) steps: usize,
    /// Features a step.
    pub(crate) dim: usize,
}

/// A loaded feature and the number of its values that were not finite.
pub(crate) struct Loaded {
    pub(crate) sequence: Sequence,
    pub(crate) non_finite: usize,
}

impl Feature {
    /// A whole array `[steps, dim]`, or `[dim]` as one step; `None` for another shape.
    pub(crate) fn whole(pickle: &Arc<Pickle>, array: &Array<'_>) -> Option<Self> {
        let (steps, dim) = match *array.shape() {
            [steps, dim] => (steps, dim),
            [dim] => (1, dim),
            _ => return None,
        };
        Some(Self {
            pickle: Arc::clone(pickle),
            array: array.id(),
            start: 0,
            steps,
            dim,
        })
    }

    /// Row `row` of a batch `[rows, steps, dim]`, or `[rows, dim]` with one step; all its steps.
    pub(crate) fn row(pickle: &Arc<Pickle>, array: &Array<'_>, row: usize) -> Option<Self> {
        let (steps, dim) = match *array.shape() {
            [_, steps, dim] => (steps, dim),
            [_, dim] => (1, dim),
            _ => return None,
        };
        Some(Self {
            pickle: Arc::clone(pickle),
            array: array.id(),
            start: row * steps * dim,
            steps,
            dim,
        })
    }

    /// Only the first `steps` steps.
    pub(crate) fn truncated(mut self, steps: usize) -> Self {
        self.steps = self.steps.min(steps);
        self
    }

    /// Without the steps of zeros at one end, which pad sequences in layouts that carry no lengths.
    pub(crate) fn without_padding(mut self, left: bool) -> Result<Self, CorpusError> {
        let values = self.raw()?;
        let filled = |step: &[f32]| step.iter().any(|&x| x != 0.0);
        let mut steps = values.chunks_exact(self.dim.max(1));
        if left {
            let padding = steps.position(filled).unwrap_or(self.steps);
            self.start += padding * self.dim;
            self.steps -= padding;
        } else {
            self.steps = steps.rposition(filled).map_or(0, |last| last + 1);
        }
        Ok(self)
    }

    fn raw(&self) -> Result<Vec<f32>, CorpusError> {
        Ok(self
            .pickle
            .array(self.array)?
            .read_f32(self.start, self.steps * self.dim)?)
    }

    /// Reads the values; those that are not finite become zero and are counted.
    pub(crate) fn load(&self) -> Result<Loaded, CorpusError> {
        let mut values = self.raw()?;
        let mut non_finite = 0;
        for value in &mut values {
            if !value.is_finite() {
                *value = 0.0;
                non_finite += 1;
            }
        }
        Ok(Loaded {
            sequence: Sequence {
                dim: self.dim,
                values,
            },
            non_finite,
        })
    }
}
