//! Rows in an order of their own: sorted by cluster, group and every number, so that whatever is summed or drawn of them does not depend on the
//! order of a file. Rows that are equal in all of these are as good as each other.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;
use unimse_eval::deal;

use super::matrix::Matrix;
use super::table::{System, Table};

/// Clusters that are resampled one by one; more are dealt into so many groups, which bounds time and memory by them.
pub(super) const MOST_DRAWN: usize = 1 << 16;

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
        let clusters = (table.clusters.len() > 0).then(|| table.clusters.ranks().0);
        let groups = (table.groups.len() > 0).then(|| table.groups.ranks());
        let mut systems = vec![table.system];
        systems.extend(other);
        let order = {
            let columns = systems.iter().flat_map(System::columns);
            let columns = columns.filter(|column| !column.values.is_empty());
            let numbers: Vec<&Matrix> = std::iter::once(&table.truth).chain(columns).collect();
            let ranks = [clusters.as_ref(), groups.as_ref().map(|(ranks, _)| ranks)];
            let mut order: Vec<usize> = (0..table.truth.rows().len()).collect();
            order.par_sort_unstable_by(|&a, &b| {
                let ranks = ranks.into_iter().flatten();
                let ranks = ranks.map(|ranks| ranks[a].cmp(&ranks[b]));
                let numbers = numbers.iter().map(|column| column.compare(a, b));
                let unequal = ranks.chain(numbers).find(|order| order.is_ne());
                unequal.unwrap_or(Ordering::Equal)
            });
            order
        };
        let sorted = Self {
            clusters: match clusters {
                Some(clusters) => order.iter().map(|&row| clusters[row]).collect(),
                None => (0..order.len()).collect(),
            },
            truth: table.truth.at(&order),
            systems: systems.iter().map(|system| system.at(&order)).collect(),
        };
        let mut by_group = Groups::new();
        if let Some((of_row, firsts)) = groups {
            let name = |&row: &usize| (table.groups.get(row).to_owned(), Vec::new());
            by_group = firsts.iter().map(name).collect();
            for (at, &row) in order.iter().enumerate() {
                by_group[of_row[row]].1.push(at);
            }
        }
        (sorted, by_group)
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

    /// What is drawn, left out and exchanged whole, of each row: its cluster, or its group where there are more than [`MOST_DRAWN`] clusters.
    pub(super) fn drawn(&self, seed: u64) -> Cow<'_, [usize]> {
        let count = self.cluster_count();
        if count <= MOST_DRAWN {
            return Cow::Borrowed(&self.clusters);
        }
        let clusters = self.clusters.chunk_by(|a, b| a == b);
        let groups = clusters.zip(deal(count, MOST_DRAWN, seed));
        let groups = groups.flat_map(|(rows, group)| std::iter::repeat_n(group, rows.len()));
        let mut drawn = Vec::with_capacity(self.len());
        drawn.extend(groups);
        Cow::Owned(drawn)
    }

    /// How many different clusters there are; equal ones stand together.
    pub(super) fn cluster_count(&self) -> usize {
        self.clusters.chunk_by(|a, b| a == b).count()
    }
}
