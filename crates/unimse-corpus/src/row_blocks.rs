//! Rows of f32 from a Parquet file, block by block: how embeddings that do not fit in memory reach `unimse_labels::search`.

use crate::CorpusError;
use arrow::{
    array::{Array, AsArray},
    buffer::ScalarBuffer,
    datatypes::{DataType, Float32Type},
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// The rows of one column, `fixed_size_list<f32, dim>` without nulls, in the order of the file.
///
/// ```no_run
/// use unimse_corpus::RowBlocks;
/// use unimse_labels::{Block, Key, search};
///
/// type Failure = Box<dyn std::error::Error>;
/// let open = |path: &str, mut rank: u32| {
///     let blocks = RowBlocks::open(path.as_ref(), "embedding", 16_384)?;
///     let dim = blocks.dim();
///     Ok::<_, Failure>(blocks.map(move |values| {
///         let values = values?;
///         let keys = (0..values.len() / dim).map(|_| {
///             rank += 1;
///             Key { rank, group: rank, asks: true, gives: true }
///         });
///         Ok::<_, Failure>(Block { keys: keys.collect(), values })
///     }))
/// };
/// let dim = RowBlocks::open("donors.parquet".as_ref(), "embedding", 1)?.dim();
/// let donors = || open("donors.parquet", 1 << 31).into_iter().flatten();
/// let (of_queries, _) = search(dim, 2, open("queries.parquet", 0)?, donors)?;
/// # let _ = of_queries;
/// # Ok::<(), Failure>(())
/// ```
pub struct RowBlocks {
    path: PathBuf,
    column: String,
    dim: usize,
    reader: ParquetRecordBatchReader,
}

impl RowBlocks {
    /// Opens `path` to read `column` in blocks of at most `rows` rows.
    ///
    /// # Errors
    /// [`CorpusError`] naming the file where it cannot be read or has no such column.
    pub fn open(path: &Path, column: &str, rows: usize) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(CorpusError::io(path))?;
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(CorpusError::table(path))?;
        let found = builder
            .schema()
            .fields()
            .iter()
            .enumerate()
            .find(|(_, field)| field.name() == column);
        let expected = format!("expected a column {column}: fixed_size_list<f32>");
        let (at, dim) = match found.map(|(at, field)| (at, field.data_type())) {
            Some((at, DataType::FixedSizeList(item, dim)))
                if *item.data_type() == DataType::Float32 && *dim > 0 =>
            {
                (at, *dim as usize)
            }
            Some((_, other)) => {
                return Err(CorpusError::table(path)(format!(
                    "{expected}, found {other}"
                )));
            }
            None => return Err(CorpusError::table(path)(format!("{expected}, found none"))),
        };
        let mask = ProjectionMask::roots(builder.parquet_schema(), [at]);
        let reader = builder
            .with_projection(mask)
            .with_batch_size(rows.max(1))
            .build();
        Ok(Self {
            path: path.to_owned(),
            column: column.to_owned(),
            dim,
            reader: reader.map_err(CorpusError::table(path))?,
        })
    }

    /// Values a row, at least 1.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }
}

impl Iterator for RowBlocks {
    /// Row-major `[rows, dim]`.
    type Item = Result<ScalarBuffer<f32>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        let wrong = CorpusError::table(&self.path);
        let batch = match self.reader.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(wrong(error.to_string()))),
        };
        let lists = batch.column(0).as_fixed_size_list_opt();
        let values = lists
            .filter(|lists| lists.null_count() == 0)
            .and_then(|lists| {
                let values = lists.values().slice(0, lists.len() * self.dim);
                let values = values
                    .as_primitive_opt::<Float32Type>()
                    .filter(|values| values.null_count() == 0)?;
                Some(values.values().clone())
            });
        Some(values.ok_or_else(|| {
            wrong(format!(
                "column {}: expected no null, found one",
                self.column
            ))
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
    use arrow::datatypes::Field;
    use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
    use std::sync::Arc;
    use unimse_labels::{Block, Key, search};

    const DIM: i32 = 3;

    fn write(path: &Path, rows: &[f32]) {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let values = Arc::new(Float32Array::from(rows.to_vec()));
        let lists: ArrayRef =
            Arc::new(FixedSizeListArray::try_new(item, DIM, values, None).unwrap());
        let names: ArrayRef = Arc::new(
            (0..lists.len())
                .map(|at| Some(at.to_string()))
                .collect::<StringArray>(),
        );
        let batch = RecordBatch::try_from_iter([("id", names), ("embedding", lists)]).unwrap();
        let groups = WriterProperties::builder()
            .set_max_row_group_row_count(Some(70))
            .build();
        let mut writer =
            ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(groups))
                .unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    fn unit_rows(n: usize, seed: f32) -> Vec<f32> {
        let row = |at: usize| {
            let (sin, cos) = (at as f32 * seed).sin_cos();
            [cos * 0.6, sin * 0.6, 0.8]
        };
        (0..n).flat_map(row).collect()
    }

    fn block<V: AsRef<[f32]>>(values: V, first: u32) -> Block<V> {
        let rows = (values.as_ref().len() / DIM as usize) as u32;
        let keys = (first..first + rows).map(|rank| Key {
            rank,
            group: rank,
            asks: true,
            gives: true,
        });
        Block {
            keys: keys.collect(),
            values,
        }
    }

    #[test]
    fn a_search_streamed_from_files_is_the_one_in_memory() {
        type Failure = Box<dyn std::error::Error>;
        let folder = tempfile::tempdir().unwrap();
        let (left, right) = (unit_rows(300, 0.37), unit_rows(200, 0.11));
        let paths = ["left", "right"].map(|name| folder.path().join(name));
        write(&paths[0], &left);
        write(&paths[1], &right);
        let stream = |path: &Path, mut rank: u32| {
            RowBlocks::open(path, "embedding", 64)
                .unwrap()
                .map(move |values| {
                    let block = block(values?, rank);
                    rank += block.keys.len() as u32;
                    Ok::<_, Failure>(block)
                })
        };
        let streamed = search(3, 2, stream(&paths[0], 0), || stream(&paths[1], 1000)).unwrap();
        let whole = search(3, 2, [Ok::<_, Failure>(block(&left, 0))], || {
            [Ok(block(&right, 1000))]
        })
        .unwrap();
        assert_eq!(streamed, whole);
        assert_eq!((streamed.0.len(), streamed.1.len()), (300, 200));
    }

    #[test]
    fn what_is_no_column_of_rows_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        write(&path, &unit_rows(2, 1.0));
        let error = |column| RowBlocks::open(&path, column, 8).err().unwrap().to_string();
        assert!(
            error("id").contains("x.parquet") && error("id").contains("found Utf8"),
            "{}",
            error("id")
        );
        assert!(error("text").contains("found none"));
        std::fs::write(&path, b"PAR1").unwrap();
        assert!(error("embedding").contains("x.parquet"));
    }
}
