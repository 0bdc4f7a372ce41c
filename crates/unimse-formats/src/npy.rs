//! `.npy` files through npyz.

use crate::FormatError;
use npyz::{DType, NpyFile, Order, TypeChar};
use std::{fs::File, io::BufReader, path::Path};

/// A dense array of 32-bit floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes of the axes; empty for a scalar.
    pub shape: Vec<usize>,
    /// Product-of-`shape` values, row-major.
    pub values: Vec<f32>,
}

/// Reads a numeric `.npy` file (float, integer or bool, either byte order, C or Fortran order) as 32-bit floats.
///
/// # Errors
/// When the file is missing, truncated, or holds another type. Memory is bounded by the file's size.
pub fn read_npy(path: &Path) -> Result<Tensor, FormatError> {
    let wrong = |message: String| FormatError::Npy {
        path: path.to_owned(),
        message,
    };
    let file = File::open(path).map_err(FormatError::io(path))?;
    let size = file.metadata().map_err(FormatError::io(path))?.len();
    let npy = NpyFile::new(BufReader::new(file))
        .map_err(|e| wrong(format!("expected an .npy header, found: {e}")))?;
    let DType::Plain(kind) = npy.dtype() else {
        return Err(wrong(format!(
            "expected a numeric dtype, found {}",
            npy.dtype().descr()
        )));
    };
    let declared = (npy.shape().iter()).try_fold(kind.size_field(), |n, &axis| n.checked_mul(axis));
    if declared.is_none_or(|bytes| bytes > size) {
        return Err(wrong(format!(
            "truncated: the shape {:?} needs more bytes than the {size} found",
            npy.shape()
        )));
    }
    let shape: Vec<usize> = npy
        .shape()
        .iter()
        .map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX))
        .collect();
    let fortran = npy.order() == Order::Fortran;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "f32 is the type of features"
    )]
    let values: Result<Vec<f32>, _> = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 4) => npy
            .data::<f32>()
            .map_err(|e| wrong(e.to_string()))?
            .collect(),
        (TypeChar::Float, 8) => numbers(npy.data::<f64>(), |x| x as f32).map_err(wrong)?,
        (TypeChar::Int, 1) => numbers(npy.data::<i8>(), f32::from).map_err(wrong)?,
        (TypeChar::Int, 2) => numbers(npy.data::<i16>(), f32::from).map_err(wrong)?,
        (TypeChar::Int, 4) => numbers(npy.data::<i32>(), |x| x as f32).map_err(wrong)?,
        (TypeChar::Int, 8) => numbers(npy.data::<i64>(), |x| x as f32).map_err(wrong)?,
        (TypeChar::Uint, 1) => numbers(npy.data::<u8>(), f32::from).map_err(wrong)?,
        (TypeChar::Uint, 2) => numbers(npy.data::<u16>(), f32::from).map_err(wrong)?,
        (TypeChar::Uint, 4) => numbers(npy.data::<u32>(), |x| x as f32).map_err(wrong)?,
        (TypeChar::Bool, 1) => numbers(npy.data::<bool>(), f32::from).map_err(wrong)?,
        _ => {
            return Err(wrong(format!(
                "expected a float, integer or bool dtype, found {kind}"
            )));
        }
    };
    let values = values.map_err(|e| wrong(format!("truncated or unreadable data: {e}")))?;
    let values = if fortran {
        crate::pickle::row_major(&shape, |i| values[i])
    } else {
        values
    };
    Ok(Tensor { shape, values })
}

/// Collects a typed reader through a conversion.
fn numbers<T: npyz::Deserialize>(
    data: Result<npyz::NpyReader<T, BufReader<File>>, npyz::DTypeError>,
    convert: impl Fn(T) -> f32,
) -> Result<Result<Vec<f32>, std::io::Error>, String> {
    Ok(data
        .map_err(|e| e.to_string())?
        .map(|value| value.map(&convert))
        .collect())
}
