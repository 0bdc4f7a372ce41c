//! Where the utterance tables of a run come from: a data folder, or another run whose files it shares as hard links.

use super::Reproduction;
use super::place::Identity;
use crate::stage::{Inputs, Record};
use crate::tree;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use unimse_run::CROISSANT;

/// Where the utterance tables come from.
#[derive(Clone, Copy)]
pub(crate) enum Tables<'a> {
    /// A data folder; the demo's where none is named.
    Data(Option<&'a Path>),
    /// Another run.
    Of(&'a Shared<'a>),
}

/// Tables of another run.
pub(crate) struct Shared<'a> {
    /// The run that ingested them.
    pub(crate) run: &'a Path,
    /// Its record of that.
    pub(crate) ingested: &'a Record,
    /// Which of them are taken.
    pub(crate) keep: Keep,
}

/// Which tables of a run are taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Keep {
    All,
    /// Those of one corpus.
    Only(String),
    /// All but train and dev of one corpus, which so is only tested on.
    Testing(String),
}

impl Keep {
    /// Whether the table of this file name is taken.
    fn keeps(&self, file: &str) -> bool {
        let split_of = |corpus: &str| {
            let rest = file.strip_prefix(corpus)?.strip_prefix('-')?;
            let split = rest.strip_suffix(".parquet")?;
            ["train", "dev", "test"].into_iter().find(|s| *s == split)
        };
        match self {
            Self::All => true,
            _ if file == CROISSANT => false, // it is of all of them
            Self::Only(corpus) => split_of(corpus).is_some(),
            Self::Testing(corpus) => split_of(corpus).is_none_or(|split| split == "test"),
        }
    }

    /// As inputs of a stage name it.
    fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Only(corpus) => format!("only {corpus}"),
            Self::Testing(corpus) => format!("only test of {corpus}"),
        }
    }
}

impl Shared<'_> {
    /// The folder of its tables.
    pub(super) fn corpus(&self) -> PathBuf {
        self.run.join("corpus")
    }

    /// Whether labels are unified over all tables of the other run, those that are not taken too: a corpus that is only tested on has
    /// its label table, and lends labels as ever.
    pub(super) fn labels_of_all(&self) -> bool {
        matches!(self.keep, Keep::Testing(_))
    }
}

impl Reproduction<'_> {
    /// The tables of another run, in place of ingest.
    pub(super) fn share(&self, shared: &Shared<'_>, identity: &Identity) -> Result<Record> {
        let mut inputs: Inputs = shared.ingested.inputs.clone();
        inputs.insert("tables".to_owned(), shared.keep.name());
        let stage = self.stage("ingest", inputs, &["corpus", "config.toml"]);
        stage.run(self.site.mode, |_| {
            identity.adopt(&self.out, self.site.mode.force)?;
            let corpus = self.out.join("corpus");
            self.link(&shared.corpus(), &corpus, &shared.keep)?;
            Ok(shared.ingested.sources.clone())
        })
    }

    /// Files of the folder `from` in the folder `to`, as hard links where the file system has them; `to` appears whole.
    pub(super) fn link(&self, from: &Path, to: &Path, keep: &Keep) -> Result<()> {
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        let made = self.scratch.path.join(format!("shared-{name}"));
        tree::remove(&made)?;
        fs::create_dir_all(&made).with_context(|| format!("cannot make {}", made.display()))?;
        let files = tree::files(from)?;
        for (name, _) in files.into_iter().filter(|(name, _)| keep.keeps(name)) {
            let (from, to) = (from.join(&name), made.join(&name));
            fs::create_dir_all(to.parent().unwrap_or(&made))?;
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).with_context(|| {
                    format!("cannot copy {} to {}", from.display(), to.display())
                })?;
            }
        }
        tree::replace_dir(&made, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_kept_by_corpus_and_split() {
        let files = [
            "mosi-train.parquet",
            "mosi-test.parquet",
            "mosi-two-train.parquet",
            "mosi-two-dev.parquet",
        ];
        let kept = |keep: Keep| -> Vec<&str> {
            files.into_iter().filter(|file| keep.keeps(file)).collect()
        };
        assert_eq!(kept(Keep::All), files);
        assert_eq!(kept(Keep::Only("mosi".to_owned())), files[..2]);
        assert_eq!(kept(Keep::Testing("mosi".to_owned())), files[1..]);
    }
}
