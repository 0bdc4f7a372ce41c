//! A file as a table of numbers: truths, predictions and what else was asked for, in the order of its rows.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use unimse_run::Generated;

use super::matrix::{Matrix, Names};
use super::spec::{Mismatch, Spec, number};
use crate::commands::columns::{self, Cell, Wrong};

/// The names of the columns.
#[derive(Clone)]
pub(super) struct Columns {
    pub(super) truth: String,
    pub(super) prediction: String,
    /// One list of probabilities.
    pub(super) probabilities: Option<String>,
    /// The quantiles 0.05, 0.25, 0.75 and 0.95 of the distribution of a score.
    pub(super) quantiles: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) group: Option<String>,
    /// Columns and the value that a row must have there, or it is left out.
    pub(super) only: Vec<(String, String)>,
}

/// What one system says.
#[derive(Clone, Default)]
pub(super) struct System {
    pub(super) prediction: Matrix,
    pub(super) probabilities: Matrix,
    pub(super) quantiles: Matrix,
}

impl System {
    fn new(spec: &Spec) -> Self {
        Self {
            prediction: Matrix::new(spec.width()),
            probabilities: Matrix::new(spec.labels.len().max(1)),
            quantiles: Matrix::new(4),
        }
    }

    /// All its columns; one that was not asked for has no rows.
    pub(super) fn columns(&self) -> [&Matrix; 3] {
        [&self.prediction, &self.probabilities, &self.quantiles]
    }

    /// The rows at `places`.
    pub(super) fn at(&self, places: &[usize]) -> Self {
        let [prediction, probabilities, quantiles] = self.columns().map(|column| {
            if column.values.is_empty() {
                column.clone()
            } else {
                column.at(places)
            }
        });
        Self {
            prediction,
            probabilities,
            quantiles,
        }
    }
}

/// A file that was read.
pub(super) struct Table {
    pub(super) truth: Matrix,
    pub(super) system: System,
    pub(super) ids: Names,
    pub(super) clusters: Names,
    pub(super) groups: Names,
    pub(super) generated: Generated,
}

impl Table {
    /// Reads the file; `truth` is that of an `.npy` file of predictions.
    pub(super) fn read(
        path: &Path,
        truth: Option<&Path>,
        columns: &Columns,
        spec: &Spec,
    ) -> Result<Self> {
        let mut table = Self {
            truth: Matrix::new(spec.width()),
            system: System::new(spec),
            ids: Names::default(),
            clusters: Names::default(),
            groups: Names::default(),
            generated: Generated::default(),
        };
        let places = Places::new(columns);
        let mut sink = |cells: &[Cell<'_>]| table.take(cells, &places, spec);
        match truth {
            Some(truth) => columns::npy_pair(truth, path, &places.names, &mut sink)?,
            None => columns::read(path, &places.names, &mut sink)?,
        }
        if table.len() > 0 {
            return Ok(table);
        }
        let only = columns.only.iter();
        let only: String = only
            .map(|(column, value)| format!(" with {column}={value}"))
            .collect();
        bail!(
            "{}: expected at least one row{only}, found none",
            path.display()
        )
    }

    pub(super) fn len(&self) -> usize {
        self.truth.values.len() / self.truth.width
    }

    /// Keeps one row, if it is wanted.
    fn take(&mut self, cells: &[Cell<'_>], places: &Places, spec: &Spec) -> Result<(), Wrong> {
        let wanted = |(at, value): &(usize, String)| match &cells[*at] {
            Cell::Text(text) => text.trim() == value,
            Cell::Number(number) => value.parse() == Ok(*number),
            Cell::Missing | Cell::Numbers(_) => value.is_empty(),
        };
        if !places.only.iter().all(wanted) {
            return Ok(());
        }
        let in_column = |column: usize| {
            move |(expected, found): Mismatch| Wrong {
                column,
                expected,
                found,
            }
        };
        let System {
            prediction,
            probabilities,
            quantiles,
        } = &mut self.system;
        let (truth, told) = (&cells[TRUTH], &cells[PREDICTION]);
        (spec.truth(truth, &mut self.truth.values)).map_err(in_column(TRUTH))?;
        let counts = &mut self.generated;
        (spec.prediction(told, &mut prediction.values, counts)).map_err(in_column(PREDICTION))?;
        if let Some(at) = places.probabilities {
            (spec.distribution(&cells[at], &mut probabilities.values)).map_err(in_column(at))?;
        }
        let start = quantiles.values.len();
        for &at in &places.quantiles {
            let value = number(&cells[at]).map_err(in_column(at))?;
            match quantiles.values[start..].last() {
                Some(&before) if before > value => {
                    let expected = format!("a number from {before} on, the quantile before it");
                    return Err(in_column(at)((expected, value.to_string())));
                }
                _ => quantiles.values.push(value),
            }
        }
        let names = [
            (places.id, &mut self.ids),
            (places.cluster, &mut self.clusters),
            (places.group, &mut self.groups),
        ];
        for (at, names) in names {
            if let Some(at) = at.filter(|&at| !names.push(&cells[at])) {
                return Err(in_column(at)((A_NAME.to_owned(), cells[at].found())));
            }
        }
        Ok(())
    }

    /// What `other` says of the rows of this table: of the same id, or else in the same place. Both must hold the same truths.
    pub(super) fn aligned(&self, other: Self, path: &Path) -> Result<System> {
        let failed = |why: String| anyhow!("{}: {why}", path.display());
        let places = if self.ids.len() > 0 {
            self.partners(&other).map_err(failed)?
        } else if self.len() == other.len() {
            (0..self.len()).collect()
        } else {
            let (ours, theirs) = (self.len(), other.len());
            return Err(failed(format!(
                "expected {ours} rows as in the file compared with it, found {theirs}"
            )));
        };
        let truth = other.truth.at(&places);
        let unlike = (0..self.len()).find(|&row| truth.row(row) != self.truth.row(row));
        if let Some(row) = unlike {
            let name = if self.ids.len() > 0 {
                format!("row of id {}", self.ids.get(row))
            } else {
                format!("row {} (--id COLUMN joins rows in another order)", row + 1)
            };
            let (ours, theirs) = (self.truth.row(row), truth.row(row));
            return Err(failed(format!(
                "{name}: expected the truth {ours:?} as in the file compared with it, found {theirs:?}"
            )));
        }
        Ok(other.system.at(&places))
    }

    /// The row of `other` with the id of each row.
    fn partners(&self, other: &Self) -> Result<Vec<usize>, String> {
        let (ours, theirs) = (self.ids.order(), other.ids.order());
        let mut places = vec![0; self.len()];
        for (at, &row) in ours.iter().enumerate() {
            let id = self.ids.get(row);
            if at > 0 && self.ids.get(ours[at - 1]) == id {
                return Err(format!(
                    "the id {id:?} is there twice in the file compared with it"
                ));
            }
            match theirs.get(at) {
                Some(&partner) if other.ids.get(partner) == id => places[row] = partner,
                Some(&partner) if other.ids.get(partner) < id => {
                    let id = other.ids.get(partner);
                    let twice = at > 0 && other.ids.get(theirs[at - 1]) == id;
                    let why = if twice {
                        "is there twice"
                    } else {
                        "has no row in the file compared with it"
                    };
                    return Err(format!("the id {id:?} {why}"));
                }
                _ => {
                    return Err(format!(
                        "no row has the id {id:?} of the file compared with it"
                    ));
                }
            }
        }
        match theirs.get(ours.len()) {
            Some(&more) => Err(format!(
                "the id {:?} has no row in the file compared with it, or is there twice",
                other.ids.get(more)
            )),
            None => Ok(places),
        }
    }
}

/// What a column of ids, clusters or groups holds.
const A_NAME: &str =
    "a name: text, or a number below 2^53 (a larger one has lost digits: write it as text)";

const TRUTH: usize = 0;
const PREDICTION: usize = 1;

/// Where each column stands among those that are read; one may serve twice.
struct Places {
    names: Vec<String>,
    probabilities: Option<usize>,
    quantiles: Vec<usize>,
    id: Option<usize>,
    cluster: Option<usize>,
    group: Option<usize>,
    only: Vec<(usize, String)>,
}

impl Places {
    fn new(columns: &Columns) -> Self {
        // the first two stand even where they are one column: their places are fixed
        let mut names = vec![columns.truth.clone(), columns.prediction.clone()];
        let mut place = |name: &String| {
            let known = names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            })
        };
        let probabilities = columns.probabilities.as_ref().map(&mut place);
        let quantiles = columns.quantiles.iter().map(&mut place).collect();
        let [id, cluster, group] = [&columns.id, &columns.cluster, &columns.group]
            .map(|name| name.as_ref().map(&mut place));
        let only = columns.only.iter();
        let only = only
            .map(|(name, value)| (place(name), value.clone()))
            .collect();
        Self {
            probabilities,
            quantiles,
            id,
            cluster,
            group,
            only,
            names,
        }
    }
}
