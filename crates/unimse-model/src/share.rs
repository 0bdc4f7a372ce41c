//! A batch that several processes share: what each has of it, and the losses that need the rows of all.
//!
//! A mean over the rows of the batch is the sum over processes of what each has of it. A contrastive loss compares every row with every other:
//! each process gathers the vectors of all and computes the whole loss, in which only its own vectors have a graph. The sum over
//! processes of the gradients is then that of one process that has the whole batch.

use tch::{Device, Kind, Tensor};
use unimse_c10d::Group;

use crate::error::{ModelError, Result};

/// What this process has of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Share<'g> {
    group: &'g Group,
    rows: usize,
    all: usize,
}

impl<'g> Share<'g> {
    /// `rows` of the batch's `all` rows, counted before R-Drop doubles them. A process without a row reads one all the same, which counts nothing.
    #[must_use]
    pub fn new(group: &'g Group, rows: usize, all: usize) -> Self {
        Self { group, rows, all }
    }

    /// What a mean over the rows here counts in the mean over all.
    pub(crate) fn weight(&self) -> f64 {
        self.rows as f64 / self.all.max(1) as f64
    }

    /// Whether this is the one process that learns what no row belongs to, such as prototypes.
    pub(crate) fn leads(&self) -> bool {
        self.group.rank() == 0
    }

    /// How many of `rows` count.
    pub(crate) fn counted(&self, rows: i64) -> i64 {
        if self.rows == 0 { 0 } else { rows }
    }

    /// The rows of all processes, by rank, of which each has `rows` `[rows, ..]`. The gradient flows to those here alone.
    pub(crate) fn gather(&self, rows: &Tensor) -> Result<Tensor> {
        let own = rows.narrow(0, 0, self.counted(rows.size()[0]));
        let mut all = self.group.gather_rows(&own)?;
        all[self.group.rank()] = own;
        Ok(Tensor::cat(&all, 0))
    }

    /// [`Share::gather`] of the utterances that rows hold.
    pub(crate) fn gather_identity(&self, identity: Option<&Tensor>) -> Result<Tensor> {
        let missing = || {
            let words = "batch.identity: expected one, by which rows of processes are told apart";
            ModelError::Input(words.to_owned())
        };
        self.gather(identity.ok_or_else(missing)?)
    }

    /// The sums of `values` over the processes.
    pub(crate) fn sum<const N: usize>(&self, values: [f64; N]) -> Result<[f64; N]> {
        let mut sums = [Tensor::from_slice(&values)];
        self.group.all_reduce(&mut sums)?;
        let [sums] = sums;
        Ok(std::array::from_fn(|at| sums.double_value(&[at as i64])))
    }
}

/// A scalar 0 without a graph.
pub(crate) fn nothing() -> Tensor {
    Tensor::zeros([0i64; 0], (Kind::Float, Device::Cpu))
}
