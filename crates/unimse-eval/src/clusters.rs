//! Clusters of rows, and what each adds to the sums of a measure.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::Measure;

/// Sums that are kept for all clusters together, 128 MiB; where there are more, each cluster is added up whenever it is needed.
const KEPT: usize = 1 << 24;

/// The rows of every cluster, clusters in the order of their first row.
pub(crate) struct Members {
    /// The rows, cluster by cluster, ascending in each.
    rows: Vec<usize>,
    /// Where each cluster begins in them, and the end of the last.
    starts: Vec<usize>,
}

impl Members {
    pub(crate) fn new(clusters: &[usize]) -> Self {
        let mut places = HashMap::new();
        let mut of_row = Vec::with_capacity(clusters.len());
        for &cluster in clusters {
            let next = places.len();
            of_row.push(*places.entry(cluster).or_insert(next));
        }
        let mut starts = vec![0; places.len() + 1];
        of_row.iter().for_each(|&place| starts[place + 1] += 1);
        for place in 0..places.len() {
            starts[place + 1] += starts[place];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; clusters.len()];
        for (row, &place) in of_row.iter().enumerate() {
            rows[next[place]] = row;
            next[place] += 1;
        }
        Self { rows, starts }
    }

    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn of(&self, place: usize) -> &[usize] {
        &self.rows[self.starts[place]..self.starts[place + 1]]
    }

    /// The rows of clusters, in this order.
    pub(crate) fn rows(&self, places: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let places = places.into_iter();
        places.flat_map(|place| self.of(place)).copied().collect()
    }

    /// The same clusters of rows that are `by` further.
    pub(crate) fn moved(&self, by: usize) -> Self {
        Self {
            rows: self.rows.iter().map(|row| row + by).collect(),
            starts: self.starts.clone(),
        }
    }

    /// All rows but those of one cluster, cluster by cluster.
    pub(crate) fn without(&self, place: usize) -> Vec<usize> {
        let (before, from) = self.rows.split_at(self.starts[place]);
        let after = &from[self.of(place).len()..];
        [before, after].concat()
    }
}

/// The sums of every cluster.
pub(crate) struct Table<'m> {
    measure: &'m Measure<'m>,
    members: &'m Members,
    /// `[clusters, width]`.
    kept: Option<Vec<f64>>,
}

/// Sums of several clusters.
#[derive(Clone)]
pub(crate) struct Sums {
    pub(crate) of: Vec<f64>,
    /// Those of one cluster, where they are not kept.
    one: Vec<f64>,
}

impl<'m> Table<'m> {
    pub(crate) fn new(measure: &'m Measure<'m>, members: &'m Members) -> Self {
        let width = measure.width();
        let size = width.saturating_mul(members.count());
        let kept = (0 < size && size <= KEPT).then(|| {
            let mut sums = vec![0.0; size];
            let each = sums.par_chunks_exact_mut(width).enumerate();
            each.for_each(|(place, sums)| measure.add(members.of(place), sums));
            sums
        });
        Self {
            measure,
            members,
            kept,
        }
    }

    /// Those of no cluster.
    pub(crate) fn none(&self) -> Sums {
        let of = vec![0.0; self.measure.width()];
        Sums {
            one: of.clone(),
            of,
        }
    }

    /// Adds a cluster: the same bits whether its sums are kept or not.
    pub(crate) fn add(&self, place: usize, sums: &mut Sums) {
        let Sums { of, one } = sums;
        let one = if let Some(kept) = &self.kept {
            &kept[place * of.len()..][..of.len()]
        } else {
            one.fill(0.0);
            self.measure.add(self.members.of(place), one);
            one.as_slice()
        };
        of.iter_mut().zip(one).for_each(|(sum, more)| *sum += more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_or_not_the_sums_have_the_same_bits() {
        let values: Vec<f64> = (0..50).map(|at| 1.0 / f64::from(at + 3)).collect();
        let measure = Measure::means(50, 1, |rows, sums| {
            rows.iter().for_each(|&row| sums[0] += values[row]);
        });
        let members = Members::new(&(0..50).map(|row| row % 7).collect::<Vec<_>>());
        let kept = Table::new(&measure, &members);
        assert!(kept.kept.is_some());
        let anew = Table {
            kept: None,
            ..Table::new(&measure, &members)
        };
        let [kept, anew] = [kept, anew].map(|table| {
            let mut sums = table.none();
            for place in [3, 0, 3, 6] {
                table.add(place, &mut sums);
            }
            sums.of
        });
        assert_eq!(kept, anew);
        let rows = members.rows([3, 0, 3, 6]);
        assert_eq!(kept[1], rows.len() as f64);
    }
}
