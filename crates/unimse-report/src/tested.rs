//! The test rows that the caller handed over, as the figures need them: answers and probabilities beside gold.

use std::collections::HashMap;

use unimse_labels::{Polarity, Taxonomy};

use crate::browse::BrowsedRow;

/// The split whose answers are shown.
const SPLIT: &str = "test";

/// The test rows of a corpus.
pub(crate) fn rows<'a>(all: &'a [BrowsedRow], corpus: &str) -> Vec<&'a BrowsedRow> {
    let of = |row: &&BrowsedRow| row.predicted.corpus == corpus && row.predicted.split == SPLIT;
    all.iter().filter(of).collect()
}

/// Answers over a list of classes beside the true ones.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) labels: Vec<String>,
    pub(crate) answers: Vec<usize>,
    pub(crate) truth: Vec<usize>,
    /// The dialogue or video of each row, counted from 0.
    pub(crate) clusters: Vec<usize>,
}

/// The emotions of a corpus whose rows have a taxonomy; `None` without a row that has both.
pub(crate) fn emotions(rows: &[&BrowsedRow]) -> Option<Answered> {
    let taxonomy = taxonomy(rows)?;
    let answer = |row: &BrowsedRow| match taxonomy {
        Taxonomy::Meld => row.predicted.meld.clone(),
        Taxonomy::Iemocap => row.predicted.iemocap.clone(),
    };
    answered(taxonomy.labels(), rows, |row| {
        Some((answer(row)?, row.predicted.truth_emotion.clone()?))
    })
}

/// The polarities of a corpus.
pub(crate) fn polarities(rows: &[&BrowsedRow]) -> Option<Answered> {
    let both = |row: &BrowsedRow| {
        Some((
            row.predicted.polarity.clone(),
            row.predicted.truth_polarity.clone()?,
        ))
    };
    answered(&Polarity::NAMES, rows, both)
}

fn taxonomy(rows: &[&BrowsedRow]) -> Option<Taxonomy> {
    rows.iter().find_map(|row| row.taxonomy)
}

fn answered(
    labels: &[&str],
    rows: &[&BrowsedRow],
    both: impl Fn(&BrowsedRow) -> Option<(String, String)>,
) -> Option<Answered> {
    let place = |name: &str| labels.iter().position(|label| *label == name);
    let mut found = Answered {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        ..Answered::default()
    };
    let mut clusters: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let Some((answer, truth)) = both(row) else {
            continue;
        };
        let (Some(answer), Some(truth)) = (place(&answer), place(&truth)) else {
            continue;
        };
        let next = clusters.len();
        found
            .clusters
            .push(*clusters.entry(&row.dialogue_id).or_insert(next));
        found.answers.push(answer);
        found.truth.push(truth);
    }
    (!found.truth.is_empty()).then_some(found)
}

/// Distributions over classes beside the true ones.
#[derive(Default)]
pub(crate) struct Judged {
    pub(crate) probabilities: Vec<Vec<f64>>,
    pub(crate) truth: Vec<usize>,
}

/// The probabilities of the emotions of a corpus.
pub(crate) fn emotion_probabilities(rows: &[&BrowsedRow]) -> Option<Judged> {
    let taxonomy = taxonomy(rows)?;
    judged(taxonomy.labels(), rows, |row| {
        let said = match taxonomy {
            Taxonomy::Meld => &row.predicted.meld_probabilities,
            Taxonomy::Iemocap => &row.predicted.iemocap_probabilities,
        };
        Some((said.as_ref()?, row.predicted.truth_emotion.as_ref()?))
    })
}

/// The probabilities of the polarities of a corpus.
pub(crate) fn polarity_probabilities(rows: &[&BrowsedRow]) -> Option<Judged> {
    judged(&Polarity::NAMES, rows, |row| {
        let p = &row.predicted;
        Some((
            p.polarity_probabilities.as_ref()?,
            p.truth_polarity.as_ref()?,
        ))
    })
}

fn judged<'a>(
    labels: &[&str],
    rows: &[&'a BrowsedRow],
    both: impl Fn(&'a BrowsedRow) -> Option<(&'a Vec<f32>, &'a String)>,
) -> Option<Judged> {
    let mut found = Judged::default();
    for (said, truth) in rows.iter().filter_map(|row| both(row)) {
        let sum: f64 = said.iter().map(|&p| f64::from(p)).sum();
        let truth = labels.iter().position(|label| label == truth);
        if let Some(truth) = truth.filter(|_| said.len() == labels.len() && sum > 0.0) {
            found
                .probabilities
                .push(said.iter().map(|&p| f64::from(p) / sum).collect());
            found.truth.push(truth);
        }
    }
    (!found.truth.is_empty()).then_some(found)
}
