//! What every baseline on sentence embeddings is given, what it must find there, and what it gives back.

use unimse_run::Chosen;

/// Inputs and gold of one split.
#[derive(Debug, Clone)]
pub struct Part<'a, T> {
    /// Row-major `[rows, dim]` embeddings.
    pub inputs: Vec<f32>,
    /// Gold, one a row.
    pub truth: &'a [T],
}

/// Rows without gold that are to be predicted.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Row-major `[rows, dim]` embeddings.
    pub inputs: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Width of every embedding, of those in [`Part`] too.
    pub dim: usize,
}

/// Why a regression over embeddings has nothing to go by.
pub(super) const NOT_FINITE: &str = "an embedding or a gold value is not finite";

/// Predictions and what dev chose, or why there are none.
pub(super) type Fitted<T> = Result<(Vec<T>, Option<Chosen>), String>;

/// What whoever learns from embeddings needs.
pub(super) fn check<T>(
    train: &Part<'_, T>,
    dev: &Part<'_, T>,
    asked: Asked<'_>,
    least: usize,
) -> Result<(), String> {
    let n = train.truth.len();
    if n < least {
        return Err(format!(
            "expected at least {least} train rows with gold, found {n}"
        ));
    }
    if dev.truth.is_empty() {
        return Err("expected dev rows with gold to choose by, found none".to_owned());
    }
    if asked.dim == 0 {
        return Err("the embeddings have no width".to_owned());
    }
    let all = [&train.inputs[..], &dev.inputs, asked.inputs];
    match all.into_iter().flatten().all(|x| x.is_finite()) {
        true => Ok(()),
        false => Err(NOT_FINITE.to_owned()),
    }
}
