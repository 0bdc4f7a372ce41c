//! Labels of a stream: donors that are kept, asked by one set of rows after the other.

use crate::{
    Field, QueryProtocol, Sample, Split, UnifyError, UnifyOptions, UniversalLabel, fields_present,
    unify_while,
};

/// Gives rows their labels from donors that it keeps. Rows neither lend nor see each other, so what one gets depends on the donors and on
/// itself alone: it is what [`unify`](crate::unify()) over everything gives it, with the donors as rows of train and those that ask as rows of test.
///
/// ```
/// use unimse_labels::{Labeller, MeldEmotion, Polarity, Sample, Split};
///
/// let donor = Sample::meld("meld", "d0_u0", "d0", Split::Train, Polarity::Positive, MeldEmotion::Joy);
/// let mut labeller = Labeller::new(vec![donor], vec![0.6, 0.8], 2, None)?;
/// let polarity = Some(Polarity::Positive);
/// let row = Sample { polarity, ..Sample::unlabelled("web", "p0", "p0", Split::Dev) };
/// let labelled = labeller.label(vec![row], &[1.0, 0.0], || true)?;
/// let (row, label) = &labelled[0];
/// assert_eq!(row.split, Split::Dev);
/// assert_eq!(label.as_ref().map(|label| label.meld.value), Some(Some(MeldEmotion::Joy)));
/// # Ok::<(), unimse_labels::UnifyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Labeller {
    /// The donors; behind them, while it labels, those that ask.
    samples: Vec<Sample>,
    /// Row-major `[samples, dim]`.
    embeddings: Vec<f32>,
    dim: usize,
    donors: usize,
    lent: Vec<Field>,
    options: UnifyOptions,
}

impl Labeller {
    /// Keeps `donors`, each of which lends, whatever its split; `embeddings` is row-major `[donors, dim]` with rows of unit length. A best
    /// cosine below `min_similarity` lends nothing.
    ///
    /// # Errors
    /// As [`unify`](crate::unify()).
    pub fn new(
        donors: Vec<Sample>,
        embeddings: Vec<f32>,
        dim: usize,
        min_similarity: Option<f32>,
    ) -> Result<Self, UnifyError> {
        let mut labeller = Self {
            donors: donors.len(),
            lent: fields_present(&donors),
            samples: donors,
            embeddings,
            dim,
            options: UnifyOptions {
                queries: QueryProtocol::Test,
                min_similarity,
                ..UnifyOptions::default()
            },
        };
        for donor in &mut labeller.samples {
            donor.split = Split::Train;
        }
        labeller.unify(|| true)?; // refuses donors now and not when they are asked
        Ok(labeller)
    }

    /// The label of every row, beside the row as it came: `None` where it has no polarity. `embeddings` is row-major `[rows, dim]`. Asks
    /// `wanted` as [`unify_while`]. Beside the donors it keeps room for the largest set of rows so far.
    ///
    /// # Errors
    /// As [`unify_while`]; [`UnifyError::Field`] for a field that a row has and no donor.
    pub fn label(
        &mut self,
        rows: Vec<Sample>,
        embeddings: &[f32],
        wanted: impl Fn() -> bool,
    ) -> Result<Vec<(Sample, Option<UniversalLabel>)>, UnifyError> {
        // with such a field one row would decide what becomes of the others beside it
        let present = fields_present(&rows);
        if let Some(&field) = present.iter().find(|field| !self.lent.contains(field)) {
            return Err(UnifyError::Field { field });
        }
        if Some(embeddings.len()) != rows.len().checked_mul(self.dim) {
            return Err(UnifyError::Shape {
                samples: rows.len(),
                dim: self.dim,
                found: embeddings.len(),
            });
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.forget();
        let splits: Vec<Split> = rows.iter().map(|row| row.split).collect();
        self.embeddings.reserve_exact(embeddings.len());
        self.embeddings.extend_from_slice(embeddings);
        let asks = |row| Sample {
            split: Split::Test,
            ..row
        };
        self.samples.extend(rows.into_iter().map(asks));
        let labels = self.unify(wanted);
        let rows = self.samples.drain(self.donors..).zip(splits);
        let rows: Vec<Sample> = rows.map(|(row, split)| Sample { split, ..row }).collect();
        self.forget();
        let labels = labels?.into_iter().skip(self.donors);
        Ok(rows.into_iter().zip(labels).collect())
    }

    /// Leaves the donors alone.
    fn forget(&mut self) {
        self.samples.truncate(self.donors);
        self.embeddings.truncate(self.donors * self.dim);
    }

    fn unify(&self, wanted: impl Fn() -> bool) -> Result<Vec<Option<UniversalLabel>>, UnifyError> {
        unify_while(
            &self.samples,
            &self.embeddings,
            self.dim,
            &self.options,
            wanted,
        )
    }

    /// Number of donors.
    pub fn len(&self) -> usize {
        self.donors
    }

    /// Whether there is no donor.
    pub fn is_empty(&self) -> bool {
        self.donors == 0
    }

    /// Width of an embedding.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The embeddings of the donors, row-major `[donors, dim]`.
    pub fn embeddings(&self) -> &[f32] {
        &self.embeddings[..self.donors * self.dim]
    }
}
