//! A folder of tables: one Parquet file a corpus and split, `<corpus>-<split>.parquet`, with its provenance as metadata.

mod read;
mod write;

use crate::{CorpusError, CorpusKind, Split, draft::Modality, schema::VERSION};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::Path,
};
use unimse_formats::open_file;

#[cfg(feature = "frame")]
pub(crate) use read::no_tables;
pub use read::{open_table, read};
pub use write::Summary;
pub(crate) use write::{load, report_non_finite, write};

/// Most utterances of a row group.
const GROUP: usize = 512;

/// Metadata keys of a table.
pub(crate) mod key {
    pub(crate) const SCHEMA: &str = "unimse.schema";
    pub(crate) const SOURCES: &str = "unimse.sources";
    pub(crate) const LICENCE: &str = "unimse.licence";
    pub(crate) const TASK: &str = "unimse.task";
    pub(crate) const TAXONOMY: &str = "unimse.taxonomy";
    pub(crate) const SYNTHETIC: &str = "unimse.synthetic";
    pub(crate) const FEATURES: &str = "unimse.features";
    pub(crate) const NOTES: &str = "unimse.notes";
}

/// File name of a table.
pub(crate) fn file_name(corpus: &str, split: Split) -> String {
    format!("{corpus}-{split}.parquet")
}

/// Names of the corpora that have a table in `dir`: the four data sets in their order, then others by name.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, CorpusError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(CorpusError::io(dir))? {
        let file = entry.map_err(CorpusError::io(dir))?.file_name();
        let file = file.to_string_lossy();
        let split = |split| {
            file.strip_suffix(&format!("-{split}.parquet"))
                .map(str::to_owned)
        };
        names.extend(
            Split::ALL
                .into_iter()
                .find_map(split)
                .filter(|name| !name.is_empty()),
        );
    }
    let known = CorpusKind::KNOWN.into_iter().filter_map(CorpusKind::name);
    let mut ordered: Vec<String> = known.filter_map(|name| names.take(name)).collect();
    ordered.extend(names);
    Ok(ordered)
}

pub(crate) type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Opens a table of our schema version, with its metadata.
pub(crate) fn open(path: &Path) -> Result<(Builder, BTreeMap<String, String>), CorpusError> {
    let file = open_file(path)?;
    let builder = Builder::try_new(file).map_err(CorpusError::table(path))?;
    let file_metadata = builder.metadata().file_metadata();
    let entries = file_metadata.key_value_metadata().into_iter().flatten();
    let metadata: BTreeMap<String, String> = entries
        .filter_map(|entry| Some((entry.key.clone(), entry.value.clone()?)))
        .collect();
    let found = metadata.get(key::SCHEMA).map_or("none", String::as_str);
    if found != VERSION {
        return Err(CorpusError::Table {
            path: path.to_owned(),
            message: format!(
                "expected an utterance table of schema version {VERSION}, found {found}; run `unimse ingest` again"
            ),
        });
    }
    Ok((builder, metadata))
}

/// Removes the tables of earlier runs that `written` does not replace, and moves the new ones from `staging` over.
pub(crate) fn publish(staging: &Path, out: &Path, written: &[String]) -> Result<(), CorpusError> {
    for name in written {
        fs::rename(staging.join(name), out.join(name)).map_err(CorpusError::io(&out.join(name)))?;
    }
    for corpus in names(out)? {
        for name in Split::ALL.map(|split| file_name(&corpus, split)) {
            let path = out.join(&name);
            let ours = || CorpusKind::from_name(&corpus).is_some() || open(&path).is_ok();
            if !written.contains(&name) && path.exists() && ours() {
                fs::remove_file(&path).map_err(CorpusError::io(&path))?;
            }
        }
    }
    sync_folder(out)
}

/// Makes renames inside a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), CorpusError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(CorpusError::io(folder))
}

/// What a note says where features were not finite.
fn not_finite(modality: Modality) -> String {
    format!(
        "{} values that are not finite: set to zero",
        modality.name()
    )
}
