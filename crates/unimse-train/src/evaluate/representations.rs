//! Text before and after fusion, of the drawn rows of dev and test, as points: `representations.json`.

use std::ops::Range;

use tch::Tensor;
use unimse_corpus::{Task, Utterance};
use unimse_run::{
    Plane, REPRESENTATIONS_SCHEMA, Representations, RepresentedRow, RunFolder, Separation, artefact,
};

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::neighbourhood::neighbourhood;
use crate::evaluate::plane::{Points, points, silhouette};
use crate::evaluate::shown::{Shown, ShownRow, matrix};

/// Writes the points of the splits in one step, on one line; nothing of a model without the fused `layers`.
///
/// # Errors
/// [`TrainError::Io`] with the path; what LibTorch says.
pub(super) fn write(
    folder: &RunFolder,
    layers: Range<usize>,
    parts: &[(&Dataset, &Shown)],
) -> Result<(), TrainError> {
    let path = folder.representations();
    let rows = parts.iter().flat_map(|(dataset, shown)| {
        let rows = shown.rows();
        rows.map(move |(at, row)| (named(dataset, at), row))
    });
    let Some(found) = represent(layers, &rows.collect::<Vec<_>>())? else {
        return Ok(());
    };
    let text = serde_json::to_vec(&found).map_err(|e| TrainError::artefact(&path, e))?;
    Ok(artefact::write(&path, &text)?)
}

/// The example `at` without its place.
fn named(dataset: &Dataset, at: usize) -> RepresentedRow {
    let example = &dataset.examples[at];
    let u = dataset.utterance(example);
    RepresentedRow {
        corpus: u.corpus.clone(),
        split: u.split.name().to_owned(),
        utterance_id: u.utterance_id.clone(),
        class: class(u, dataset.task(example.corpus)),
        ..RepresentedRow::default()
    }
}

/// What an utterance is coloured by.
fn class(u: &Utterance, task: Task) -> Option<String> {
    match task {
        Task::Sentiment => u.polarity.map(|polarity| polarity.name().to_owned()),
        Task::Emotion(taxonomy) => {
            let known = |emotion: &&String| taxonomy.labels().contains(&emotion.as_str());
            u.emotion.as_ref().filter(known).cloned()
        }
    }
}

/// The points of `rows`; `None` of none.
fn represent(
    layers: Range<usize>,
    rows: &[(RepresentedRow, &ShownRow)],
) -> Result<Option<Representations>, TrainError> {
    let Some((_, first)) = rows.first() else {
        return Ok(None);
    };
    let [before, after] = [
        matrix(rows.iter().map(|(_, row)| &*row.before)),
        matrix(rows.iter().map(|(_, row)| &*row.after)),
    ];
    let near = |rows: &Tensor, found: &Points| neighbourhood(rows, &found.places);
    let found = [points(&before)?, points(&after)?];
    let [near_before, near_after] = [near(&before, &found[0])?, near(&after, &found[1])?];
    let [before, after] = found;
    let place = |points: &Option<Vec<[f32; 2]>>, at: usize| points.as_ref().map(|all| all[at]);
    let plane = |layer, variance| Plane { layer, variance };
    let places = before.places.iter().zip(&after.places);
    let placed = rows.iter().zip(places).enumerate();
    Ok(Some(Representations {
        schema: REPRESENTATIONS_SCHEMA,
        dim: first.before.len(),
        before: plane(layers.start, before.variance),
        after: plane(layers.end.saturating_sub(1), after.variance),
        separation: separation(rows)?,
        rows: placed
            .map(|(at, ((row, _), (&before, &after)))| RepresentedRow {
                before,
                after,
                near_before: place(&near_before, at),
                near_after: place(&near_after, at),
                ..row.clone()
            })
            .collect(),
    }))
}

/// How well the classes of each corpus and split are apart.
fn separation(rows: &[(RepresentedRow, &ShownRow)]) -> Result<Vec<Separation>, TrainError> {
    let mut found = Vec::new();
    // rows stand split by split, corpus by corpus
    for group in rows.chunk_by(|(a, _), (b, _)| (&a.split, &a.corpus) == (&b.split, &b.corpus)) {
        let with_class = group
            .iter()
            .filter_map(|(row, shown)| Some((row.class.as_ref()?, shown)));
        let with_class: Vec<(&String, &&ShownRow)> = with_class.collect();
        let mut names: Vec<&String> = with_class.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        let place = |name: &String| names.iter().position(|known| *known == name);
        let classes: Vec<usize> = with_class
            .iter()
            .filter_map(|(name, _)| place(name))
            .collect();
        if names.len() < 2 {
            continue;
        }
        let before = silhouette(
            &matrix(with_class.iter().map(|(_, s)| &*s.before)),
            &classes,
        )?;
        let after = silhouette(&matrix(with_class.iter().map(|(_, s)| &*s.after)), &classes)?;
        if let (Some((row, _)), Some(before), Some(after)) = (group.first(), before, after) {
            found.push(Separation {
                corpus: row.corpus.clone(),
                split: row.split.clone(),
                n: classes.len(),
                before,
                after,
            });
        }
    }
    Ok(found)
}
