//! Numbers of rows, so many a row, and names of rows: what a table keeps of its cells.

use std::cmp::Ordering;
use std::fmt::Write;

use rayon::prelude::*;

use crate::commands::columns::Cell;

/// Row-major numbers; a class is its index, an emotion that is there 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Matrix {
    /// Numbers a row.
    pub(super) width: usize,
    pub(super) values: Vec<f64>,
}

impl Matrix {
    pub(super) fn new(width: usize) -> Self {
        let values = Vec::new();
        Self { width, values }
    }

    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..][..self.width]
    }

    /// The rows at `places`, in their order.
    pub(super) fn at(&self, places: &[usize]) -> Self {
        let rows = places.iter().flat_map(|&row| self.row(row));
        let mut values = Vec::with_capacity(places.len() * self.width);
        values.extend(rows);
        Self { values, ..*self }
    }

    /// One column alone.
    pub(super) fn column(&self, column: usize) -> Self {
        Self {
            width: 1,
            values: self.rows().map(|row| row[column]).collect(),
        }
    }

    pub(super) fn compare(&self, a: usize, b: usize) -> Ordering {
        let pairs = self.row(a).iter().zip(self.row(b));
        let unequal = pairs
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne());
        unequal.unwrap_or(Ordering::Equal)
    }
}

/// Whole numbers from here on are not all told apart: different ids would become one name.
const LARGEST: f64 = 9_007_199_254_740_992.0; // 2^53

/// A name a row, in one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    /// Adds the name in a cell; false, and nothing added, where there is none, or a number of which digits may have been lost.
    pub(super) fn push(&mut self, cell: &Cell<'_>) -> bool {
        let before = self.text.len();
        match cell {
            Cell::Text(text) => self.text.push_str(text.trim()),
            // a String takes whatever is written to it
            Cell::Number(number) if number.abs() < LARGEST => drop(write!(self.text, "{number}")),
            Cell::Missing | Cell::Number(_) | Cell::Numbers(_) => {}
        }
        let known = self.text.len() > before;
        if known {
            self.ends.push(self.text.len());
        }
        known
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }

    /// The rows in the order of their names.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.par_sort_unstable_by(|&a, &b| self.get(a).cmp(self.get(b)));
        order
    }

    /// The rank of every row's name among the different names in their order, and a row that has each.
    pub(super) fn ranks(&self) -> (Vec<usize>, Vec<usize>) {
        let mut ranks = vec![0; self.len()];
        let mut firsts: Vec<usize> = Vec::new();
        for row in self.order() {
            if firsts
                .last()
                .is_none_or(|&last| self.get(last) != self.get(row))
            {
                firsts.push(row);
            }
            ranks[row] = firsts.len() - 1;
        }
        (ranks, firsts)
    }
}
