//! Which rows a stage may see, as a type: a training that holds [`Corpora<Learning>`] cannot name a test row.
//!
//! What trains and selects reads train and dev; only what scores reads test. That is a type parameter: [`Corpora<Learning>`] opens no table
//! of the test split, and asking it for test rows does not compile. Corpora are shared: a clone copies no row, and rows of a split are
//! places in the shared corpus ([`RowRef`]).
//!
//! ```
//! use unimse_corpus::splits::{Corpora, Test, Whole};
//!
//! fn count(corpora: &Corpora<Whole>) -> usize {
//!     corpora.rows(Test).count()
//! }
//! ```
//!
//! The same function for what training holds is refused:
//!
//! ```compile_fail,E0277
//! use unimse_corpus::splits::{Corpora, Learning, Test};
//!
//! fn count(corpora: &Corpora<Learning>) -> usize {
//!     corpora.rows(Test).count()
//! }
//! ```

use crate::{Corpus, CorpusError, Split, Utterance, store};
use std::{marker::PhantomData, path::Path, sync::Arc};

/// The splits that a stage reads: [`Learning`] or [`Whole`].
pub trait Reads: sealed::Sealed {
    /// They, in canonical order.
    const SPLITS: &'static [Split];
}

/// Train and dev: all that fits and selects a model.
#[derive(Clone, Copy, Debug)]
pub enum Learning {}

/// Train, dev and test.
#[derive(Clone, Copy, Debug)]
pub enum Whole {}

impl Reads for Learning {
    const SPLITS: &'static [Split] = &[Split::Train, Split::Dev];
}

impl Reads for Whole {
    const SPLITS: &'static [Split] = &Split::ALL;
}

/// One split as a type: [`Train`], [`Dev`] or [`Test`].
pub trait OneSplit: sealed::Sealed {
    /// Its value.
    const SPLIT: Split;
}

/// The rows that a model is fitted on.
#[derive(Clone, Copy, Debug)]
pub struct Train;

/// The rows that a model is selected on.
#[derive(Clone, Copy, Debug)]
pub struct Dev;

/// The rows that a model is scored on, once.
#[derive(Clone, Copy, Debug)]
pub struct Test;

impl OneSplit for Train {
    const SPLIT: Split = Split::Train;
}

impl OneSplit for Dev {
    const SPLIT: Split = Split::Dev;
}

impl OneSplit for Test {
    const SPLIT: Split = Split::Test;
}

/// That a stage which reads `Self` may see the rows of `S`.
#[diagnostic::on_unimplemented(
    message = "corpora of `{Self}` hold no rows of `{S}`",
    note = "only `Corpora<Whole>` holds test rows"
)]
pub trait Holds<S: OneSplit>: Reads {}

impl Holds<Train> for Learning {}
impl Holds<Dev> for Learning {}
impl Holds<Train> for Whole {}
impl Holds<Dev> for Whole {}
impl Holds<Test> for Whole {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Learning {}
    impl Sealed for super::Whole {}
    impl Sealed for super::Train {}
    impl Sealed for super::Dev {}
    impl Sealed for super::Test {}
}

/// A row: an utterance by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRef {
    /// Index into [`Corpora::list`].
    pub corpus: usize,
    /// Index into that corpus' [`utterances`](Corpus::utterances).
    pub utterance: usize,
}

/// The corpora of a folder of tables with the rows of the splits `S`; every one has a row.
#[derive(Debug)]
pub struct Corpora<S> {
    list: Arc<[Arc<Corpus>]>,
    splits: PhantomData<S>,
}

/// Copies no row.
impl<S> Clone for Corpora<S> {
    fn clone(&self) -> Self {
        Self {
            list: Arc::clone(&self.list),
            splits: PhantomData,
        }
    }
}

impl<S: Reads> Corpora<S> {
    /// Reads the tables of these splits from `dir`, and opens no other, as [`read`](crate::read) does.
    ///
    /// # Errors
    /// As [`read`](crate::read).
    pub fn read(dir: &Path) -> Result<Self, CorpusError> {
        Ok(Self {
            list: store::read(dir, S::SPLITS)?.into(),
            splits: PhantomData,
        })
    }

    /// Corpora that are in memory, without their rows of other splits; a corpus that has none left is dropped.
    #[must_use]
    pub fn from_memory(corpora: Vec<Corpus>) -> Self {
        let keep = |mut corpus: Corpus| {
            (corpus.utterances).retain(|u| S::SPLITS.contains(&u.split));
            (!corpus.utterances.is_empty()).then(|| Arc::new(corpus))
        };
        Self {
            list: corpora.into_iter().filter_map(keep).collect(),
            splits: PhantomData,
        }
    }

    /// Changes every corpus, such as the scale of its features. Corpora that a clone shares are copied first.
    pub fn edit(&mut self, mut change: impl FnMut(&mut Corpus)) {
        let mut list = self.list.to_vec();
        self.list = Arc::new([]); // so that what nobody else holds is changed in place
        list.iter_mut()
            .for_each(|corpus| change(Arc::make_mut(corpus)));
        self.list = list.into();
    }

    /// The corpora, the four data sets in their order, then others by name.
    #[must_use]
    pub fn list(&self) -> &[Arc<Corpus>] {
        &self.list
    }

    /// The rows of a split, corpus by corpus, in the order of their utterances.
    pub fn rows<T: OneSplit>(&self, split: T) -> impl Iterator<Item = RowRef> + '_
    where
        S: Holds<T>,
    {
        let _: T = split;
        (self.list.iter().enumerate()).flat_map(|(corpus, read)| {
            let rows = read.of_split(T::SPLIT);
            rows.map(move |utterance| RowRef { corpus, utterance })
        })
    }

    /// The utterance of a row of these corpora; `None` for a row of others that has no place here.
    #[must_use]
    pub fn utterance(&self, row: RowRef) -> Option<&Utterance> {
        self.list.get(row.corpus)?.utterances.get(row.utterance)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::{demo, ingest};
    use std::fs;

    /// The tables of the demo corpora.
    fn tables() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (data, tables) = (folder.path().join("data"), folder.path().join("tables"));
        demo::write(&data).unwrap();
        ingest(&data, &tables, &[], &mut |_| {}).unwrap();
        (folder, tables)
    }

    #[cfg(unix)]
    #[test]
    fn learning_opens_no_test_table() {
        let (_folder, tables) = tables();
        let whole = Corpora::<Whole>::read(&tables).unwrap();
        for corpus in whole.list() {
            // a link to nothing: opening it is an error
            let test = tables.join(format!("{}-test.parquet", corpus.name));
            fs::remove_file(&test).unwrap();
            std::os::unix::fs::symlink("nothing", &test).unwrap();
        }
        assert!(Corpora::<Whole>::read(&tables).is_err());
        let learning = Corpora::<Learning>::read(&tables).unwrap();
        let rows = |corpus: &Corpus, split| corpus.of_split(split).count();
        for (seen, all) in learning.list().iter().zip(whole.list()) {
            assert_eq!(seen.name, all.name);
            assert_eq!(rows(seen, Split::Train), rows(all, Split::Train));
            assert_eq!(rows(seen, Split::Dev), rows(all, Split::Dev));
            assert_eq!(rows(seen, Split::Test), 0);
        }
    }

    #[test]
    fn rows_are_places_in_corpora_that_clones_share() {
        let (_folder, tables) = tables();
        let whole = Corpora::<Whole>::read(&tables).unwrap();
        let shared = whole.clone();
        assert!(Arc::ptr_eq(&whole.list()[0], &shared.list()[0]));
        let ids = |rows: Vec<RowRef>| -> Vec<(String, Split)> {
            let row = |row| shared.utterance(row).unwrap();
            let pair = |u: &Utterance| (format!("{}/{}", u.corpus, u.utterance_id), u.split);
            rows.into_iter().map(|at| pair(row(at))).collect()
        };
        let by_split = [
            ids(whole.rows(Train).collect()),
            ids(whole.rows(Dev).collect()),
            ids(whole.rows(Test).collect()),
        ];
        let mut all = Vec::new();
        for (rows, split) in by_split.into_iter().zip(Split::ALL) {
            assert!(!rows.is_empty() && rows.iter().all(|(_, found)| *found == split));
            all.extend(rows);
        }
        all.sort();
        all.dedup();
        let counts = whole.list().iter().map(|c| c.utterances.len());
        assert_eq!(all.len(), counts.sum::<usize>());
        let beyond = RowRef {
            corpus: whole.list().len(),
            utterance: 0,
        };
        assert!(whole.utterance(beyond).is_none());
    }

    #[test]
    fn corpora_from_memory_lose_the_rows_of_other_splits() {
        let (_folder, tables) = tables();
        let all = store::read(&tables, &Split::ALL).unwrap();
        let mut corpora: Vec<Corpus> = all.iter().map(|c| Corpus::clone(c)).collect();
        corpora[0].utterances.retain(|u| u.split == Split::Test);
        let learning = Corpora::<Learning>::from_memory(corpora);
        assert_eq!(learning.list().len(), all.len() - 1);
        let rows = learning.list().iter().flat_map(|c| &c.utterances);
        assert!(rows.into_iter().all(|u| u.split != Split::Test));
    }

    #[test]
    fn splits_without_a_row_are_an_error_that_names_them() {
        let (_folder, tables) = tables();
        for corpus in store::read(&tables, &[Split::Test]).unwrap() {
            fs::remove_file(tables.join(format!("{}-test.parquet", corpus.name))).unwrap();
        }
        let error = store::read(&tables, &[Split::Test])
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("expected utterance tables with rows of test, found none"),
            "{error}"
        );
    }
}
