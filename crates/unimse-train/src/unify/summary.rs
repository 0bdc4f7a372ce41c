//! What `unify` did, as numbers: coverage, similarities, most used donors, label distributions, the agreement of donors
//! with known labels, and what test rows gave away where they were allowed to.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use unimse_corpus::Corpus;
use unimse_labels::{
    DonorProtocol, Field, FieldValue, LabelledField, Sample, Source, UnifyOptions, UniversalLabel,
    unify,
};
use unimse_run::{CorpusLabels, FieldLabels, LabelSummary, UsedDonor};

use crate::TrainError;
use crate::unify::embeddings::Embeddings;
use crate::unify::{agreement, leak};

/// Bins of the similarity histogram, from -1 to 1.
const BINS: usize = 20;
/// Donors listed a field.
const MOST_USED: usize = 5;
/// A margin below this is rounding: either donor is right.
const CLOSE: f32 = 1e-5;

/// The file of the summary within a labels folder.
#[must_use]
pub fn summary_path(labels: &Path) -> PathBuf {
    labels.join("summary.json")
}

/// Reads the summary of a labels folder; `None` where there is none.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn read_summary(labels: &Path) -> Result<Option<LabelSummary>, TrainError> {
    let path = summary_path(labels);
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(TrainError::io(&path, "reading"))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| TrainError::artefact(&path, e))
}

/// The class of a value; intensities count by the nearest whole number.
fn class(field: Field, value: FieldValue) -> String {
    match value {
        FieldValue::Score(score) => format!("{}", score.round() as i32),
        FieldValue::Class(class) => {
            let name = field.classes().and_then(|names| names.get(class));
            name.copied().unwrap_or_default().to_owned()
        }
    }
}

/// Summarises `labels`, which are in the order of `samples`, the utterances of `corpora` one after the other.
///
/// # Errors
/// [`TrainError::Unify`] as the unifier itself.
pub(crate) fn summarise(
    corpora: &[Corpus],
    samples: &[Sample],
    labels: &[Option<UniversalLabel>],
    embeddings: &Embeddings,
    options: &UnifyOptions,
) -> Result<LabelSummary, TrainError> {
    let utterances: Vec<_> = corpora.iter().flat_map(|c| &c.utterances).collect();
    // MOSEI's own emotions, where its tables hold them
    let basic = |at: usize| {
        let sample: &Sample = &samples[at];
        sample
            .basic()
            .or_else(|| utterances[at].strongest_emotion())
    };
    let answers =
        unimse_labels::agreement(samples, &embeddings.rows, embeddings.dim, options, basic)?;
    let leak = match options.donors {
        DonorProtocol::Train
        | DonorProtocol::None
        | DonorProtocol::Random
        | DonorProtocol::Shuffled => None,
        DonorProtocol::All => {
            let train = UnifyOptions {
                donors: DonorProtocol::Train,
                ..*options
            };
            let clean = unify(samples, &embeddings.rows, embeddings.dim, &train)?;
            Some(leak::leak(samples, labels, &clean))
        }
    };
    let summary = |corpus: &Corpus| {
        let rows = samples
            .iter()
            .zip(labels)
            .filter(|(sample, _)| sample.corpus == corpus.name && options.asks(sample));
        let rows: Vec<&Option<UniversalLabel>> = rows.map(|(_, label)| label).collect();
        let known: Vec<&UniversalLabel> = rows.iter().filter_map(|label| label.as_ref()).collect();
        CorpusLabels {
            corpus: corpus.name.clone(),
            labelled: known.len(),
            unlabelled: rows.len() - known.len(),
            fields: Field::BORROWED
                .map(|field| field_labels(field, &known))
                .to_vec(),
        }
    };
    Ok(LabelSummary {
        donors: options.donors,
        queries: options.queries,
        min_similarity: options.min_similarity,
        corpora: corpora.iter().map(summary).collect(),
        agreement: answers.iter().map(agreement::agreed).collect(),
        leak,
    })
}

/// The summary as lines of text for a terminal.
#[must_use]
pub fn lines(summary: &LabelSummary) -> Vec<String> {
    let mut out = Vec::new();
    let leaky = if summary.leak.is_some() {
        " (leaky: test rows donate)"
    } else {
        ""
    };
    for corpus in &summary.corpora {
        out.push(format!(
            "{}: {} labelled, {} outside the label space{leaky}",
            corpus.corpus, corpus.labelled, corpus.unlabelled
        ));
        for field in &corpus.fields {
            describe(field, &mut out);
        }
    }
    for agreed in &summary.agreement {
        out.push(agreement::line(agreed));
    }
    out.extend(summary.leak.as_ref().map(leak::line));
    out
}

/// What the labels of a corpus hold in one field.
fn field_labels(field: Field, labels: &[&UniversalLabel]) -> FieldLabels {
    let views: Vec<LabelledField<'_>> = labels.iter().map(|label| label.field(field)).collect();
    let count = |source| views.iter().filter(|v| v.source == source).count();
    let classes = |keep: &dyn Fn(Source) -> bool| {
        let mut counts = BTreeMap::new();
        for class in views
            .iter()
            .filter(|v| keep(v.source))
            .filter_map(|v| v.value.map(|value| class(field, value)))
        {
            *counts.entry(class).or_insert(0) += 1;
        }
        counts
    };
    let mut similarities = vec![0; BINS];
    let mut used: HashMap<(&str, &str), usize> = HashMap::new();
    let mut close = 0;
    for donor in views.iter().filter_map(|v| v.donor) {
        let bin = (donor.similarity + 1.0) / 2.0 * BINS as f32;
        similarities[(bin as usize).min(BINS - 1)] += 1;
        close += usize::from(donor.margin.is_some_and(|margin| margin < CLOSE));
        *used
            .entry((&donor.corpus, &donor.utterance_id))
            .or_insert(0) += 1;
    }
    let mut used: Vec<_> = used.into_iter().collect();
    used.sort_unstable_by_key(|&(name, times)| (std::cmp::Reverse(times), name));
    used.truncate(MOST_USED);
    let most_used = used.into_iter().map(|((corpus, id), times)| UsedDonor {
        corpus: corpus.to_owned(),
        utterance_id: id.to_owned(),
        times,
    });
    FieldLabels {
        field,
        gold: count(Source::Gold),
        donor: count(Source::Donor),
        rule: count(Source::Rule),
        missing: count(Source::Missing),
        similarities,
        close,
        most_used: most_used.collect(),
        before: classes(&|source| source == Source::Gold),
        after: classes(&|_| true),
    }
}

fn describe(labels: &FieldLabels, out: &mut Vec<String>) {
    let FieldLabels {
        field,
        gold,
        donor,
        rule,
        missing,
        ..
    } = labels;
    out.push(format!(
        "  {field}: {gold} gold, {donor} borrowed, {rule} by rule, {missing} missing"
    ));
    if *donor > 0 {
        let bins = labels
            .similarities
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        let low = |bin: usize| bin as f32 / BINS as f32 * 2.0 - 1.0;
        let bins: Vec<String> = bins
            .map(|(bin, count)| format!("{:.1}: {count}", low(bin)))
            .collect();
        out.push(format!(
            "    similarity from: {}; won by rounding: {}",
            bins.join(", "),
            labels.close
        ));
        let used: Vec<String> = labels
            .most_used
            .iter()
            .map(|u| format!("{} {} x{}", u.corpus, u.utterance_id, u.times))
            .collect();
        out.push(format!("    most used: {}", used.join(", ")));
    }
    let share = |counts: &BTreeMap<String, usize>| {
        let total: usize = counts.values().sum();
        let shares = order(labels.field)
            .into_iter()
            .filter_map(|class| Some((counts.get(&class)?, class)));
        let shares =
            shares.map(|(&n, class)| format!("{class} {:.1} %", 100.0 * n as f64 / total as f64));
        shares.collect::<Vec<_>>().join(", ")
    };
    if *gold > 0 {
        out.push(format!("    before: {}", share(&labels.before)));
    }
    if *donor + *rule > 0 {
        out.push(format!("    after: {}", share(&labels.after)));
    }
}

/// The classes in canonical order.
fn order(field: Field) -> Vec<String> {
    match field.classes() {
        None => (-3..=3).map(|class| class.to_string()).collect(),
        Some(names) => names.iter().map(|&name| name.to_owned()).collect(),
    }
}
