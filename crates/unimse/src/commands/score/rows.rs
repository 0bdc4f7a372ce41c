//! Rows in an order of their own: sorted by cluster, group and every number, so that whatever is summed or drawn of them does not depend on the
//! order of a file. Rows that are equal in all of these are as good as each other.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::matrix::{Matrix, Names};
use super::table::{System, Table};

/// The truths and what one or two systems say.
pub(super) struct Rows {
    /// The cluster of each row, in the order of their names; without clusters each row has its own.
    pub(super) clusters: Vec<usize>,
    pub(super) truth: Matrix,
    pub(super) systems: Vec<System>,
}

/// The rows of each value of the grouping column, values in order.
pub(super) type Groups = Vec<(String, Vec<usize>)>;

impl Rows {
    /// The rows of a table, and of the system compared with, sorted.
    pub(super) fn new(table: Table, other: Option<System>) -> (Self, Groups) {
        let n = table.len();
        let ranks = |names: &Names| {
            if names.len() == 0 {
                (vec![0; n], Vec::new())
            } else {
                names.ranks()
            }
        };
        let (clusters, _) = ranks(&table.clusters);
        let (group_of, named) = ranks(&table.groups);
        let mut systems = vec![table.system];
        systems.extend(other);
        let columns = systems.iter().flat_map(System::columns);
        let columns: Vec<&Matrix> = (columns.filter(|column| !column.values.is_empty())).collect();
        let compare = |&a: &usize, &b: &usize| {
            let ranks = [&clusters, &group_of].into_iter();
            let ranks = ranks.map(|ranks| ranks[a].cmp(&ranks[b]));
            let numbers = std::iter::once(&table.truth).chain(columns.iter().copied());
            let numbers = numbers.map(|column| column.compare(a, b));
            let unequal = ranks.chain(numbers).find(|order| order.is_ne());
            unequal.unwrap_or(Ordering::Equal)
        };
        let mut order: Vec<usize> = (0..n).collect();
        order.par_sort_unstable_by(compare);
        let mut groups: Groups = (named.iter())
            .map(|&row| (table.groups.get(row).to_owned(), Vec::new()))
            .collect();
        if !groups.is_empty() {
            for (at, &row) in order.iter().enumerate() {
                groups[group_of[row]].1.push(at);
            }
        }
        let all = Self {
            clusters,
            truth: table.truth,
            systems,
        };
        let mut sorted = all.at(&order);
        if table.clusters.len() == 0 {
            sorted.clusters = (0..n).collect();
        }
        (sorted, groups)
    }

    pub(super) fn len(&self) -> usize {
        self.clusters.len()
    }

    /// The rows at `places`.
    pub(super) fn at(&self, places: &[usize]) -> Self {
        Self {
            clusters: places.iter().map(|&row| self.clusters[row]).collect(),
            truth: self.truth.at(places),
            systems: self
                .systems
                .iter()
                .map(|system| system.at(places))
                .collect(),
        }
    }

    /// One of several emotions alone.
    pub(super) fn emotion(&self, emotion: usize) -> Self {
        let alone = |system: &System| System {
            prediction: system.prediction.column(emotion),
            ..System::default()
        };
        Self {
            clusters: self.clusters.clone(),
            truth: self.truth.column(emotion),
            systems: self.systems.iter().map(alone).collect(),
        }
    }

    /// How many different clusters there are; equal ones stand together.
    pub(super) fn cluster_count(&self) -> usize {
        self.clusters.chunk_by(|a, b| a == b).count()
    }
}
