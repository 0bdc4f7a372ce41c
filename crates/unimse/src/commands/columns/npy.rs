//! Two `.npy` files, truths and predictions: `[n]`, or `[n, k]` where a row has k numbers. Errors count rows from 1.

use std::path::Path;

use anyhow::{Result, bail};
use unimse_formats::{Tensor, read_npy_f64};

use super::{Cell, Sink, wrong};

/// Gives truth and prediction of every row to `sink`; `columns` are their names in messages.
pub(crate) fn pair(
    truth: &Path,
    prediction: &Path,
    columns: &[String],
    sink: &mut Sink<'_>,
) -> Result<()> {
    let (truths, predictions) = (rows(truth)?, rows(prediction)?);
    let (there, here) = (truths.shape[0], predictions.shape[0]);
    if there != here {
        bail!(
            "{}: expected {there} rows as in {}, found {here}",
            prediction.display(),
            truth.display()
        );
    }
    for row in 0..here {
        let cells = [cell(&truths, row), cell(&predictions, row)];
        let file = |column| if column == 0 { truth } else { prediction };
        sink(&cells).map_err(|cell| {
            wrong(
                file(cell.column),
                &format!("row {}", row + 1),
                columns,
                &cell,
            )
        })?;
    }
    Ok(())
}

/// An array of one or two axes.
fn rows(path: &Path) -> Result<Tensor<f64>> {
    let tensor = read_npy_f64(path)?;
    match tensor.shape.len() {
        1 | 2 => Ok(tensor),
        _ => bail!(
            "{}: expected an array of shape [n] or [n, k], found {:?}",
            path.display(),
            tensor.shape
        ),
    }
}

fn cell(tensor: &Tensor<f64>, row: usize) -> Cell<'_> {
    match tensor.shape[1..] {
        [] | [1] => Cell::Number(tensor.values[row]),
        [k, ..] => Cell::Numbers(&tensor.values[row * k..][..k]),
    }
}
