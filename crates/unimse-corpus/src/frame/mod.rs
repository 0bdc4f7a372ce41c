//! Utterances, labels and predictions of a run as one polars frame, joined by id, for looking at data and results.
//!
//! What trains or selects a model does not link this: a frame holds the labels of test rows too. `docs/frame.md` lists the columns and shows
//! [`queries`] on them.

pub mod queries;
mod table;

use crate::{CorpusError, Split, store};
use polars::prelude::{
    Column, DataFrame, IntoLazy, JoinArgs, JoinType, LazyFrame, MaintainOrderJoin, col,
};
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};
use table::{renamed, scalars, steps_of};

/// The columns that name an utterance: corpus, split, utterance id.
pub const FRAME_KEYS: [&str; 3] = ["corpus", "split", "utterance_id"];

/// The utterances of `folder`, one row each, with what is said of them.
///
/// `folder` holds the tables that [`ingest`](crate::ingest) wrote, or is a run folder with them in `corpus/`. Columns: those of the tables
/// that hold one value a row, features not read; `task` (`sentiment`, or the taxonomy that is scored). A run folder adds what is there of
/// `labels/<corpus>.parquet`, each column after the prefix `label_`, and of `predictions.parquet`, after `predicted_`; where it holds the runs
/// `seed-<n>/` it adds their predictions, one row an utterance and seed, and the column `seed`. Rows are in the order of the tables; what
/// is not known of an utterance is null.
///
/// # Errors
/// Where `folder` holds no table, a file cannot be read, or labels or predictions name an utterance twice or one that the tables lack.
pub fn frame(folder: &Path) -> Result<LazyFrame, CorpusError> {
    let tables = tables_in(folder)?.ok_or_else(|| store::no_tables(folder))?;
    let utterances = utterances(&tables)?;
    let mut frame = utterances.clone().lazy();
    if tables == folder {
        return Ok(frame);
    }
    let known = Known::new(&utterances).map_err(CorpusError::table(&tables))?;
    if let Some(labels) = labels(folder, &tables, &known)? {
        frame = joined(frame, labels.lazy());
    }
    if let Some(predictions) = predictions(folder, &known)? {
        frame = joined(frame, predictions.lazy());
    }
    Ok(frame)
}

/// How many steps of audio and of video every utterance of `folder` has: the [`FRAME_KEYS`], `audio_steps`, `video_steps`, null where the modality
/// is absent. Unlike [`frame`] this reads the features, a row group at a time.
///
/// # Errors
/// Where `folder` holds no table, or one cannot be read.
pub fn steps(folder: &Path) -> Result<LazyFrame, CorpusError> {
    let tables = tables_in(folder)?.ok_or_else(|| store::no_tables(folder))?;
    let mut frames = Vec::new();
    for (path, ..) in table_files(&tables)? {
        frames.push((steps_of(&path)?, path));
    }
    Ok(stacked(frames)?.unwrap_or_default().lazy())
}

/// The folder of tables that `folder` is or has as `corpus/`; `None` where there is no table.
///
/// # Errors
/// Where a folder cannot be listed.
pub fn tables_in(folder: &Path) -> Result<Option<PathBuf>, CorpusError> {
    for tables in [folder.join("corpus"), folder.to_owned()] {
        if tables.is_dir() && !store::names(&tables)?.is_empty() {
            return Ok(Some(tables));
        }
    }
    Ok(None)
}

/// The tables of a folder with corpus and split, in canonical order.
fn table_files(tables: &Path) -> Result<Vec<(PathBuf, String, Split)>, CorpusError> {
    let mut files = Vec::new();
    for name in store::names(tables)? {
        for split in Split::ALL {
            let path = tables.join(store::file_name(&name, split));
            // a broken link is an error when it is read
            if fs::symlink_metadata(&path).is_ok() {
                files.push((path, name.clone(), split));
            }
        }
    }
    Ok(files)
}

fn utterances(tables: &Path) -> Result<DataFrame, CorpusError> {
    let mut frames = Vec::new();
    for (path, ..) in table_files(tables)? {
        let (_, metadata) = store::open(&path)?;
        let mut frame = scalars(&path)?;
        let task = metadata.get(store::key::TASK).map(String::as_str);
        add(&mut frame, "task", task).map_err(CorpusError::table(&path))?;
        frames.push((frame, path));
    }
    Ok(stacked(frames)?.unwrap_or_default())
}

fn labels(run: &Path, tables: &Path, known: &Known) -> Result<Option<DataFrame>, CorpusError> {
    let mut frames = Vec::new();
    for name in store::names(tables)? {
        let path = run.join("labels").join(format!("{name}.parquet"));
        if !path.exists() {
            continue;
        }
        let mut frame = renamed(scalars(&path)?, "label_").map_err(CorpusError::table(&path))?;
        add(&mut frame, "corpus", Some(name.as_str())).map_err(CorpusError::table(&path))?;
        known.check(&frame).map_err(CorpusError::table(&path))?;
        frames.push((frame, path));
    }
    stacked(frames)
}

/// The predictions of a run, or those of its seeds with the seed.
fn predictions(run: &Path, known: &Known) -> Result<Option<DataFrame>, CorpusError> {
    let read = |path: &Path, seed: Option<i64>| -> Result<DataFrame, CorpusError> {
        let mut frame = renamed(scalars(path)?, "predicted_").map_err(CorpusError::table(path))?;
        if let Some(seed) = seed {
            let column = Column::new("seed".into(), vec![seed; frame.height()]);
            frame
                .insert_column(FRAME_KEYS.len(), column)
                .map_err(CorpusError::table(path))?;
        }
        known.check(&frame).map_err(CorpusError::table(path))?;
        Ok(frame)
    };
    let path = run.join("predictions.parquet");
    if path.exists() {
        return read(&path, None).map(Some);
    }
    let mut seeds = Vec::new();
    for entry in fs::read_dir(run).map_err(CorpusError::io(run))? {
        let entry = entry.map_err(CorpusError::io(run))?;
        let name = entry.file_name();
        let seed = name.to_str().and_then(|name| name.strip_prefix("seed-"));
        let path = entry.path().join("predictions.parquet");
        if let Some(seed) = seed.and_then(|seed| seed.parse::<i64>().ok())
            && path.exists()
        {
            seeds.push((seed, path));
        }
    }
    seeds.sort();
    let frames = seeds
        .into_iter()
        .map(|(seed, path)| Ok((read(&path, Some(seed))?, path)));
    stacked(frames.collect::<Result<_, CorpusError>>()?)
}

/// Frames of the same columns one below the other.
fn stacked(frames: Vec<(DataFrame, PathBuf)>) -> Result<Option<DataFrame>, CorpusError> {
    let mut frames = frames.into_iter();
    let Some((mut all, _)) = frames.next() else {
        return Ok(None);
    };
    for (frame, path) in frames {
        all.vstack_mut(&frame).map_err(CorpusError::table(&path))?;
    }
    Ok(Some(all))
}

/// Adds a column that has one value.
fn add(frame: &mut DataFrame, name: &str, value: Option<&str>) -> Result<(), String> {
    let column = Column::new(name.into(), vec![value; frame.height()]);
    frame
        .with_column(column)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// What `right` says of the rows of `left`.
fn joined(left: LazyFrame, right: LazyFrame) -> LazyFrame {
    let keys = FRAME_KEYS.map(col);
    let mut how = JoinArgs::new(JoinType::Left);
    how.maintain_order = MaintainOrderJoin::LeftRight;
    left.join(right, keys.clone(), keys, how)
}

/// The utterances that the tables have.
struct Known(HashSet<[String; 3]>);

impl Known {
    fn new(utterances: &DataFrame) -> Result<Self, String> {
        Ok(Self(keys(utterances)?.into_iter().collect()))
    }

    /// Refuses rows about utterances that the tables lack, and second rows about one.
    fn check(&self, frame: &DataFrame) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (row, key) in (1..).zip(keys(frame)?) {
            let name = || key.join(" ");
            if !self.0.contains(&key) {
                let message = "expected an utterance of the tables";
                return Err(format!("row {row}: {message}, found {}", name()));
            }
            if !seen.insert(key.clone()) {
                let message = "expected each utterance once";
                return Err(format!("row {row}: {message}, found {} again", name()));
            }
        }
        Ok(())
    }
}

/// The [`FRAME_KEYS`] of every row.
fn keys(frame: &DataFrame) -> Result<Vec<[String; 3]>, String> {
    let mut keys = vec![<[String; 3]>::default(); frame.height()];
    for (place, name) in FRAME_KEYS.into_iter().enumerate() {
        let column = frame.column(name).map_err(|error| error.to_string())?;
        let cells = column.str().map_err(|error| error.to_string())?;
        for (row, (key, cell)) in (1..).zip(keys.iter_mut().zip(cells.iter())) {
            let null = || format!("row {row}: column {name}: expected text, found null");
            cell.ok_or_else(null)?.clone_into(&mut key[place]);
        }
    }
    Ok(keys)
}
