//! The test rows of a corpus that runs share: every number of a comparison is of them, and of each run it is said which rows it holds beyond.

use std::collections::{HashMap, HashSet};

use super::answers::{Answers, Missing, Reading};
use super::run::{Run, Seed};
use crate::TrainError;

/// What one run says of the rows of a corpus.
pub(super) struct Part {
    /// The answers of each seed, to the same rows in the same order.
    pub(super) seeds: Vec<Answers>,
    /// Ids of the rows that it holds and another run does not.
    pub(super) unshared: Vec<String>,
}

/// A run in a corpus, or why it is left out.
pub(super) type Shared = Result<Part, String>;

/// What `run` says of all its test rows of `corpus`.
///
/// # Errors
/// A file that does not hold what it should; seeds that do not hold the same rows.
pub(super) fn held(run: &Run, corpus: &str) -> Result<Shared, TrainError> {
    let mut seeds: Vec<Answers> = Vec::new();
    for seed in &run.seeds {
        let answers = match seed.answers(corpus, Reading::AsChosen) {
            Ok(answers) => answers,
            Err(Missing::Unanswered(why)) => return Ok(Err(why)),
            Err(Missing::Broken(why)) => return Err(seed.failed(corpus, &why)),
        };
        let first = (seeds.first().zip(run.seeds.first())).unwrap_or((&answers, seed));
        let aligned = aligned(first, &answers).map_err(|why| seed.failed(corpus, &why))?;
        seeds.push(aligned);
    }
    if seeds.iter().all(|answers| answers.ids.is_empty()) {
        return Ok(Err("no test row has gold".to_owned()));
    }
    Ok(Ok(Part {
        seeds,
        unshared: Vec::new(),
    }))
}

/// Cuts the parts of `runs` in `corpus` down to the rows that all of them hold, in the order of the first. A run that holds none of the
/// rows that those before it share is left out.
///
/// # Errors
/// A row that has another gold label than in the first run.
pub(super) fn share(runs: &[Run], corpus: &str, parts: &mut [Shared]) -> Result<(), TrainError> {
    let Some(Ok(first)) = parts.first() else {
        return Ok(());
    };
    let reference = first.seeds[0].clone();
    let mut ids = reference.ids.clone();
    for part in &mut *parts {
        let Ok(held) = part else { continue };
        let theirs: HashSet<&String> = held.seeds[0].ids.iter().collect();
        let common: Vec<String> = (ids.iter().filter(|id| theirs.contains(id)))
            .cloned()
            .collect();
        if common.is_empty() {
            *part = Err("it holds no test row that the runs before it hold".to_owned());
        } else {
            ids = common;
        }
    }
    let shared: HashSet<&String> = ids.iter().collect();
    let reference = cut(&reference, &ids);
    for (run, part) in runs.iter().zip(parts) {
        let Ok(part) = part else { continue };
        let beyond = part.seeds[0].ids.iter().filter(|id| !shared.contains(id));
        part.unshared = beyond.cloned().collect();
        for seed in &mut part.seeds {
            *seed = cut(seed, &ids);
        }
        same_gold((&reference, runs[0].name.as_str()), &part.seeds[0])
            .map_err(|why| run.seeds[0].failed(corpus, &why))?;
    }
    Ok(())
}

/// The rows `ids` of `answers`, which holds them all, in this order.
pub(super) fn cut(answers: &Answers, ids: &[String]) -> Answers {
    let places: HashMap<&String, usize> = answers.ids.iter().zip(0..).collect();
    let places: Vec<usize> = ids
        .iter()
        .filter_map(|id| places.get(id).copied())
        .collect();
    answers.at(&places)
}

/// `answers` in the order of the first seed of the same run, whose rows and gold labels they must hold, each once.
fn aligned((first, whose): (&Answers, &Seed), answers: &Answers) -> Result<Answers, String> {
    let whose = whose.folder.run.display().to_string();
    let ours: HashSet<&String> = answers.ids.iter().collect();
    if ours.len() != answers.ids.len() {
        return Err("an utterance occurs twice in predictions.parquet".to_owned());
    }
    if let Some(id) = first.ids.iter().find(|id| !ours.contains(id)) {
        return Err(format!(
            "it lacks the test row {id} of {whose}: expected the same rows in all seeds of a run"
        ));
    }
    let theirs: HashSet<&String> = first.ids.iter().collect();
    if let Some(id) = answers.ids.iter().find(|id| !theirs.contains(id)) {
        return Err(format!(
            "{whose} lacks its test row {id}: expected the same rows in all seeds of a run"
        ));
    }
    let aligned = cut(answers, &first.ids);
    same_gold((first, whose.as_str()), &aligned)?;
    Ok(aligned)
}

/// Both are of the same rows in the same order.
fn same_gold((first, whose): (&Answers, &str), answers: &Answers) -> Result<(), String> {
    for (row, id) in first.ids.iter().enumerate() {
        let (there, here) = (first.gold(row), answers.gold(row));
        if there != here {
            return Err(format!(
                "utterance {id} has the gold label {here}, in {whose} it has {there}"
            ));
        }
    }
    Ok(())
}
