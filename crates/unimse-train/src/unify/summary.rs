//! What `unify` did, as numbers: coverage, similarities, most used donors, label distributions, the agreement of donors
//! with known labels, and what test rows gave away where they were allowed to.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unimse_corpus::Corpus;
use unimse_labels::{
    DonorProtocol, Field, FieldValue, LabelledField, QueryProtocol, Sample, Source, UnifyOptions,
    UniversalLabel, unify,
};
use unimse_run::{Agreed, Leak};

use crate::TrainError;
use crate::unify::embeddings::Embeddings;
use crate::unify::{agreement, leak};

/// Bins of the similarity histogram, from -1 to 1.
const BINS: usize = 20;
/// Donors listed a field.
const MOST_USED: usize = 5;
/// A margin below this is rounding: either donor is right.
const CLOSE: f32 = 1e-5;

/// `labels/summary.json`. All numbers are over the rows that take labels: under the clean protocol no test row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Who lent labels.
    pub donors: DonorProtocol,
    /// Who took labels.
    pub queries: QueryProtocol,
    /// The least similarity asked for.
    pub min_similarity: Option<f32>,
    /// One a corpus, in the order of the run.
    pub corpora: Vec<CorpusSummary>,
    /// How well donors predict known labels.
    pub agreement: Vec<Agreed>,
    /// What test rows gave away; present where they donated.
    pub leak: Option<Leak>,
}

/// The labels of one corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorpusSummary {
    /// Its name.
    pub corpus: String,
    /// Rows with a label.
    pub labelled: usize,
    /// Rows outside the label space.
    pub unlabelled: usize,
    /// The three fields.
    pub fields: Vec<FieldSummary>,
}

/// One field of the labels of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldSummary {
    /// Which.
    pub field: Field,
    /// Values of the corpus itself.
    pub gold: usize,
    /// Borrowed values.
    pub donor: usize,
    /// Values by the rule for neutral utterances.
    pub rule: usize,
    /// Rows without a value.
    pub missing: usize,
    /// Borrowed values by the similarity of their donor: equal bins from -1 to 1.
    pub similarities: Vec<usize>,
    /// Borrowed values whose donor won by less than 1e-5, that is by rounding.
    pub close: usize,
    /// The donors that lent most, with the number of values they lent; equals by name.
    pub most_used: Vec<Used>,
    /// Gold values by class; intensities by the nearest whole number.
    pub before: BTreeMap<String, usize>,
    /// All values by class.
    pub after: BTreeMap<String, usize>,
}

/// A donor and how often it lent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Corpus of the donor.
    pub corpus: String,
    /// Its utterance.
    pub utterance_id: String,
    /// Values lent.
    pub times: usize,
}

/// The file of the summary within a labels folder.
#[must_use]
pub fn summary_path(labels: &Path) -> PathBuf {
    labels.join("summary.json")
}

/// Reads the summary of a labels folder; `None` where there is none.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Artefact`] with the path.
pub fn read_summary(labels: &Path) -> Result<Option<Summary>, TrainError> {
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

impl Summary {
    /// Summarises `labels`, which are in the order of `samples`, the utterances of `corpora` one after the other.
    ///
    /// # Errors
    /// [`TrainError::Unify`] as the unifier itself.
    pub(crate) fn new(
        corpora: &[Corpus],
        samples: &[Sample],
        labels: &[Option<UniversalLabel>],
        embeddings: &Embeddings,
        options: &UnifyOptions,
    ) -> Result<Self, TrainError> {
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
            let known: Vec<&UniversalLabel> =
                rows.iter().filter_map(|label| label.as_ref()).collect();
            CorpusSummary {
                corpus: corpus.name.clone(),
                labelled: known.len(),
                unlabelled: rows.len() - known.len(),
                fields: Field::BORROWED
                    .map(|field| FieldSummary::new(field, &known))
                    .to_vec(),
            }
        };
        Ok(Self {
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
    pub fn lines(&self) -> Vec<String> {
        let mut out = Vec::new();
        let leaky = if self.leak.is_some() {
            " (leaky: test rows donate)"
        } else {
            ""
        };
        for corpus in &self.corpora {
            out.push(format!(
                "{}: {} labelled, {} outside the label space{leaky}",
                corpus.corpus, corpus.labelled, corpus.unlabelled
            ));
            for field in &corpus.fields {
                field.describe(&mut out);
            }
        }
        for agreed in &self.agreement {
            out.push(agreement::line(agreed));
        }
        out.extend(self.leak.as_ref().map(leak::line));
        out
    }
}

impl FieldSummary {
    fn new(field: Field, labels: &[&UniversalLabel]) -> Self {
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
        let most_used = used.into_iter().map(|((corpus, id), times)| Used {
            corpus: corpus.to_owned(),
            utterance_id: id.to_owned(),
            times,
        });
        Self {
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

    fn describe(&self, out: &mut Vec<String>) {
        let Self {
            field,
            gold,
            donor,
            rule,
            missing,
            ..
        } = self;
        out.push(format!(
            "  {field}: {gold} gold, {donor} borrowed, {rule} by rule, {missing} missing"
        ));
        if *donor > 0 {
            let bins = self
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
                self.close
            ));
            let used: Vec<String> = self
                .most_used
                .iter()
                .map(|u| format!("{} {} x{}", u.corpus, u.utterance_id, u.times))
                .collect();
            out.push(format!("    most used: {}", used.join(", ")));
        }
        let share = |counts: &BTreeMap<String, usize>| {
            let total: usize = counts.values().sum();
            let shares = self
                .order()
                .into_iter()
                .filter_map(|class| Some((counts.get(&class)?, class)));
            let shares = shares
                .map(|(&n, class)| format!("{class} {:.1} %", 100.0 * n as f64 / total as f64));
            shares.collect::<Vec<_>>().join(", ")
        };
        if *gold > 0 {
            out.push(format!("    before: {}", share(&self.before)));
        }
        if *donor + *rule > 0 {
            out.push(format!("    after: {}", share(&self.after)));
        }
    }

    /// The classes in canonical order.
    fn order(&self) -> Vec<String> {
        match self.field.classes() {
            None => (-3..=3).map(|class| class.to_string()).collect(),
            Some(names) => names.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}
