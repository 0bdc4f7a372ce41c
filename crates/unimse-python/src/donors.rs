//! The donor search by itself: rows that are kept, asked for the nearest of them again and again.

use std::borrow::Cow;

use numpy::{PyArray2, PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use unimse_labels::{Block, Key, Matches, Polarity, SearchError, search};

use crate::arguments::{Matrix, Numbering, choice, same_length, words};
use unimse_python_call::errors::input;
use unimse_python_call::work::{self, Wanted};

/// Rows compared together: 25 MB at 384 dimensions.
const ROWS: usize = 16 * 1024;
/// Queries between two looks at Python's signals.
const QUERIES: usize = 4 * 1024;

/// Rows of one polarity, or all rows where polarity does not count.
#[derive(Default)]
struct Class {
    /// Row-major `[rows, dim]`.
    values: Vec<f32>,
    keys: Vec<Key>,
}

/// Rows that are kept, to be asked for the nearest of them by cosine; exact, and the same for any number of threads.
///
/// `embeddings`: float32 [rows, dim], rows of unit length; they are copied. `polarity`: one a row; a query then sees the rows of its own
/// polarity alone. `groups`: the dialogue or video of each row, of any hashable kind; a query then sees the rows of other groups alone.
#[pyclass(module = "unimse", frozen)]
pub(crate) struct Donors {
    dim: usize,
    rows: usize,
    /// By polarity; where it does not count, all rows are of the first.
    classes: [Class; Polarity::ALL.len()],
    by_polarity: bool,
    groups: Numbering,
    grouped: bool,
}

/// Why a search ended.
enum Ended {
    Failed(SearchError),
    Unwanted,
}

impl From<SearchError> for Ended {
    fn from(error: SearchError) -> Self {
        Self::Failed(error)
    }
}

/// Indices int64 and similarities float32, both `[queries, k]`.
type Nearest<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f32>>);

#[pymethods]
impl Donors {
    #[new]
    #[pyo3(signature = (embeddings, *, polarity = None, groups = None))]
    fn new(
        embeddings: &Bound<'_, PyAny>,
        polarity: Option<&Bound<'_, PyAny>>,
        groups: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let matrix = Matrix::new("embeddings", embeddings)?;
        let (values, rows, dim) = (matrix.values()?, matrix.rows(), matrix.dim());
        let places = polarities(polarity, rows)?;
        let mut numbering = Numbering::default();
        let numbers = groups.map(|groups| numbering.number(groups)).transpose()?;
        if let Some(numbers) = &numbers {
            same_length("groups", numbers.len(), rows)?;
        }
        let mut classes = <[Class; Polarity::ALL.len()]>::default();
        for (row, place) in places.iter().enumerate() {
            let class = &mut classes[*place];
            class.values.extend_from_slice(&values[row * dim..][..dim]);
            class.keys.push(Key {
                rank: number(row)?,
                group: numbers.as_ref().map_or(Ok(0), |of| number(of[row]))?,
                asks: false,
                gives: true,
            });
        }
        let donors = Self {
            dim,
            rows,
            classes,
            by_polarity: polarity.is_some(),
            groups: numbering,
            grouped: numbers.is_some(),
        };
        donors.check(embeddings.py())?;
        Ok(donors)
    }

    /// The `k` nearest rows of each query, the best first: indices int64 [queries, k], -1 where there is none, and cosines float32
    /// [queries, k], NaN there. Ties go to the lower index.
    ///
    /// `embeddings`: float32 [queries, dim], rows of unit length, as many as fit in memory at a time. `polarity` and `groups` as the
    /// donors were built with. Ctrl-C ends it between blocks of 4096 queries.
    #[pyo3(signature = (embeddings, k = 1, *, polarity = None, groups = None))]
    fn nearest<'py>(
        &self,
        embeddings: &Bound<'py, PyAny>,
        k: usize,
        polarity: Option<&Bound<'py, PyAny>>,
        groups: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Nearest<'py>> {
        let py = embeddings.py();
        let matrix = Matrix::new("embeddings", embeddings)?;
        let (values, rows) = (matrix.values()?, matrix.rows());
        if matrix.dim() != self.dim {
            return Err(input(format_args!(
                "embeddings: expected {} dimensions as of the donors, found {}",
                self.dim,
                matrix.dim()
            )));
        }
        if k == 0 || k > self.rows.max(1) {
            return Err(input(format_args!(
                "k: expected 1 to the number of donors, {}, found {k}",
                self.rows
            )));
        }
        for (name, kept, given) in [
            ("polarity", self.by_polarity, polarity.is_some()),
            ("groups", self.grouped, groups.is_some()),
        ] {
            if kept != given {
                let [kept, given] = [kept, given].map(|is| if is { "with" } else { "without" });
                return Err(input(format_args!(
                    "{name}: the donors were built {kept} it and are asked {given} it; expected both or neither"
                )));
            }
        }
        let places = polarities(polarity, rows)?;
        let keys = self.keys(rows, groups)?;
        let found = work::run(py, |wanted| self.find(values, &places, &keys, k, wanted))?;
        // an unwanted search ends with the exception that made it so
        let (ranks, similarities) = found.map_err(|ended| match ended {
            Ended::Failed(error) => input(error),
            Ended::Unwanted => input("interrupted"),
        })?;
        let shape = [rows, k];
        Ok((
            ranks.to_pyarray(py).reshape(shape)?,
            similarities.to_pyarray(py).reshape(shape)?,
        ))
    }

    /// Width of a row.
    #[getter]
    fn dim(&self) -> usize {
        self.dim
    }

    fn __len__(&self) -> usize {
        self.rows
    }

    fn __repr__(&self) -> String {
        format!(
            "<unimse.Donors: {} rows of {} dimensions>",
            self.rows, self.dim
        )
    }
}

impl Donors {
    /// Refuses rows that are no directions, when they come and not when they are asked.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let checked = work::run(py, |_| {
            for class in &self.classes {
                let nobody = Block {
                    values: Cow::Borrowed(&[][..]),
                    keys: Vec::new(),
                };
                search(self.dim, 1, [Ok::<_, SearchError>(nobody)], || {
                    class.blocks(self.dim).map(Ok)
                })?;
            }
            Ok::<(), SearchError>(())
        })?;
        checked.map_err(|error| match error {
            SearchError::Row { rank, found, .. } => input(format_args!(
                "embeddings in row {}: {found}, expected a finite row of unit length",
                u64::from(rank) + 1
            )),
            other => input(other),
        })
    }

    /// Who asks: a group that no donor is of excludes none.
    fn keys(&self, rows: usize, groups: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Key>> {
        let numbers = groups.map(|groups| self.groups.find(groups)).transpose()?;
        if let Some(numbers) = &numbers {
            same_length("groups", numbers.len(), rows)?;
        }
        let group = |row: usize| match numbers.as_ref().and_then(|of| of[row]) {
            Some(group) => number(group),
            None => Ok(u32::MAX),
        };
        let key = |row| {
            Ok(Key {
                rank: number(row)?,
                group: group(row)?,
                asks: true,
                gives: false,
            })
        };
        (0..rows).map(key).collect()
    }

    /// Ranks, -1 where there is none, and similarities, NaN there: both `[rows, k]`.
    fn find(
        &self,
        values: &[f32],
        places: &[usize],
        keys: &[Key],
        k: usize,
        wanted: &Wanted,
    ) -> Result<(Vec<i64>, Vec<f32>), Ended> {
        let (mut ranks, mut similarities) =
            (vec![-1; keys.len() * k], vec![f32::NAN; keys.len() * k]);
        for (place, class) in self.classes.iter().enumerate() {
            let rows: Vec<usize> = (0..keys.len())
                .filter(|&row| places[row] == place)
                .collect();
            if rows.is_empty() {
                continue;
            }
            let matches = self.matches(class, &rows, values, keys, k, wanted)?;
            for (at, &row) in rows.iter().enumerate() {
                for (slot, candidate) in matches.of(at).iter().enumerate() {
                    ranks[row * k + slot] = i64::from(candidate.rank);
                    similarities[row * k + slot] = candidate.similarity;
                }
            }
        }
        Ok((ranks, similarities))
    }

    fn matches(
        &self,
        class: &Class,
        rows: &[usize],
        values: &[f32],
        keys: &[Key],
        k: usize,
        wanted: &Wanted,
    ) -> Result<Matches, Ended> {
        let dim = self.dim;
        let block = |rows: &[usize]| {
            if !wanted.is() {
                return Err(Ended::Unwanted);
            }
            let row = |&row: &usize| &values[row * dim..][..dim];
            // all rows of a query without polarity lie one after the other already
            let whole = rows[rows.len() - 1] - rows[0] + 1 == rows.len();
            let values = match whole {
                true => Cow::Borrowed(&values[rows[0] * dim..][..rows.len() * dim]),
                false => Cow::Owned(rows.iter().flat_map(row).copied().collect()),
            };
            let keys = rows.iter().map(|&row| keys[row]).collect();
            Ok(Block { values, keys })
        };
        let (of_rows, _) = search(dim, k, rows.chunks(QUERIES).map(block), || {
            class.blocks(dim).map(Ok)
        })?;
        Ok(of_rows)
    }
}

impl Class {
    fn blocks(&self, dim: usize) -> impl Iterator<Item = Block<Cow<'_, [f32]>>> {
        let parts = self
            .keys
            .chunks(ROWS)
            .zip(self.values.chunks(ROWS * dim.max(1)));
        parts.map(|(keys, values)| Block {
            values: Cow::Borrowed(values),
            keys: keys.to_vec(),
        })
    }
}

/// The polarity of every row by its index; 0 of all where it does not count.
fn polarities(polarity: Option<&Bound<'_, PyAny>>, rows: usize) -> PyResult<Vec<usize>> {
    let Some(polarity) = polarity else {
        return Ok(vec![0; rows]);
    };
    let names = words("polarity", polarity)?;
    same_length("polarity", names.len(), rows)?;
    let index = |name: &String| choice::<Polarity>(name).map(Polarity::index);
    names.iter().map(index).collect()
}

/// A rank or group: fewer than 2^32 - 1 of them.
fn number(number: usize) -> PyResult<u32> {
    let number = u32::try_from(number).ok().filter(|&n| n < u32::MAX);
    number.ok_or_else(|| input("embeddings: more than 2^32 - 2 rows"))
}
