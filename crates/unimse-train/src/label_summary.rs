//! What `unify` did, as numbers: coverage, similarities, most used donors, label distributions, the agreement of donors
//! with known labels, and what test rows gave away where they were allowed to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use unimse_corpus::Corpus;
use unimse_eval::{Interval, bootstrap};
use unimse_labels::{
    Agreement, Donor, DonorProtocol, Field, IemocapEmotion, Judged, Labelled, MeldEmotion,
    QueryProtocol, Question, Sample, Source, Split, UnifyOptions, UniversalLabel, agreement, unify,
};

use crate::TrainError;
use crate::embeddings::Embeddings;

/// Bins of the similarity histogram, from -1 to 1.
const BINS: usize = 20;
/// Donors listed a field.
const MOST_USED: usize = 5;
/// A margin below this is rounding: either donor is right.
const CLOSE: f32 = 1e-5;
/// Draws of the bootstrap intervals.
const RESAMPLES: usize = 1000;
/// Seed of the draws.
const SEED: u64 = 1;

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

/// The mean of [`Judged`] for one question in one corpus, with 95 % bootstrap intervals that draw dialogues or videos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreed {
    /// What donors were asked for.
    pub question: Question,
    /// The corpus whose labels were predicted.
    pub corpus: String,
    /// `accuracy`, more is better, or `mean absolute error`, less is better.
    pub measure: String,
    /// Predicted utterances.
    pub n: usize,
    /// Their dialogues or videos.
    pub groups: usize,
    /// The nearest donor.
    pub donor: Interval,
    /// A random donor.
    pub random: Interval,
    /// The most frequent class or the median.
    pub majority: Interval,
    /// The nearest donor minus a random one, drawn for both at once.
    pub over_random: Interval,
    /// The nearest donor minus the majority.
    pub over_majority: Interval,
}

/// What the labels of test rows did to the rows that took labels, compared with the same run with train donors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// Borrowed values of train and dev rows.
    pub borrowed: usize,
    /// Of those: lent by test rows.
    pub from_test: usize,
    /// Of those: lent by dev rows.
    pub from_dev: usize,
    /// Of the borrowed: other values than train donors lend.
    pub changed: usize,
    /// Test rows whose gold label was lent to a train or dev row.
    pub test_rows_read: usize,
    /// Test rows.
    pub test_rows: usize,
    /// Mean similarity of the donors.
    pub similarity: f64,
    /// Mean similarity of train donors.
    pub similarity_train: f64,
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

/// A field of a label, whatever its type.
struct View<'a> {
    source: Source,
    donor: Option<&'a Donor>,
    class: Option<String>,
}

fn view(label: &UniversalLabel, field: Field) -> View<'_> {
    fn of<'a, T: Copy>(field: &'a Labelled<T>, class: impl Fn(T) -> String) -> View<'a> {
        View {
            source: field.source,
            donor: field.donor.as_ref(),
            class: field.value.map(class),
        }
    }
    match field {
        Field::Intensity => of(&label.intensity, |value: f32| {
            format!("{}", value.round() as i32)
        }),
        Field::Meld => of(&label.meld, |value| value.to_string()),
        Field::Iemocap => of(&label.iemocap, |value| value.to_string()),
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
            (sample.basic()).or_else(|| utterances[at].strongest_emotion())
        };
        let answers = agreement(samples, &embeddings.rows, embeddings.dim, options, basic)?;
        let leak = match options.donors {
            DonorProtocol::Train => None,
            DonorProtocol::All => {
                let train = UnifyOptions {
                    donors: DonorProtocol::Train,
                    ..*options
                };
                let clean = unify(samples, &embeddings.rows, embeddings.dim, &train)?;
                Some(Leak::new(samples, labels, &clean))
            }
        };
        let of = |corpus: &Corpus| {
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
                fields: Field::ALL
                    .map(|field| FieldSummary::new(field, &known))
                    .to_vec(),
            }
        };
        Ok(Self {
            donors: options.donors,
            queries: options.queries,
            min_similarity: options.min_similarity,
            corpora: corpora.iter().map(of).collect(),
            agreement: answers.iter().map(Agreed::new).collect(),
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
            out.push(agreed.line());
        }
        out.extend(self.leak.as_ref().map(Leak::line));
        out
    }
}

impl FieldSummary {
    fn new(field: Field, labels: &[&UniversalLabel]) -> Self {
        let views: Vec<View<'_>> = labels.iter().map(|label| view(label, field)).collect();
        let count = |source| views.iter().filter(|v| v.source == source).count();
        let classes = |keep: &dyn Fn(Source) -> bool| {
            let mut counts = BTreeMap::new();
            for class in views
                .iter()
                .filter(|v| keep(v.source))
                .filter_map(|v| v.class.clone())
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
        match self.field {
            Field::Intensity => (-3..=3).map(|class| class.to_string()).collect(),
            Field::Meld => MeldEmotion::NAMES.map(str::to_owned).to_vec(),
            Field::Iemocap => IemocapEmotion::NAMES.map(str::to_owned).to_vec(),
        }
    }
}

impl Agreed {
    fn new(answers: &Agreement) -> Self {
        let groups: Vec<usize> = answers.rows.iter().map(|row| row.group as usize).collect();
        let interval = |of: &(dyn Fn(&Judged) -> f64 + Sync)| {
            let values: Vec<f64> = answers.rows.iter().map(of).collect();
            let mean = |rows: &[usize]| {
                rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
            };
            bootstrap(&groups, RESAMPLES, SEED, mean)
        };
        let error = answers.question == Question::Intensity;
        Self {
            question: answers.question,
            corpus: answers.corpus.clone(),
            measure: if error {
                "mean absolute error"
            } else {
                "accuracy"
            }
            .to_owned(),
            n: answers.rows.len(),
            groups: groups.iter().collect::<HashSet<_>>().len(),
            donor: interval(&|row| row.donor),
            random: interval(&|row| row.random),
            majority: interval(&|row| row.majority),
            over_random: interval(&|row| row.donor - row.random),
            over_majority: interval(&|row| row.donor - row.majority),
        }
    }

    fn line(&self) -> String {
        let value = |i: &Interval| {
            i.estimate
                .map_or_else(|| "undefined".to_owned(), |x| format!("{x:.3}"))
        };
        let show = |i: &Interval| match (i.estimate, i.low, i.high) {
            (Some(x), Some(low), Some(high)) => format!("{x:+.3} [{low:+.3}, {high:+.3}]"),
            _ => format!(
                "{} (no interval: {})",
                value(i),
                i.undefined.as_deref().unwrap_or("undefined")
            ),
        };
        format!(
            "agreement, {} of {} ({} of n = {} in {} dialogues or videos): donor {}, random {}, majority {}; donor minus random {}, minus majority {}",
            self.question,
            self.corpus,
            self.measure,
            self.n,
            self.groups,
            value(&self.donor),
            value(&self.random),
            value(&self.majority),
            show(&self.over_random),
            show(&self.over_majority),
        )
    }
}

impl Leak {
    fn new(
        samples: &[Sample],
        labels: &[Option<UniversalLabel>],
        clean: &[Option<UniversalLabel>],
    ) -> Self {
        let splits: HashMap<(&str, &str), Split> = samples
            .iter()
            .map(|s| ((s.corpus.as_str(), s.utterance_id.as_str()), s.split))
            .collect();
        let (mut borrowed, mut from_test, mut from_dev, mut changed) = (0, 0, 0, 0);
        let (mut similarity, mut similarity_train) = (Mean::default(), Mean::default());
        let mut read = HashSet::new();
        for ((sample, label), clean) in samples.iter().zip(labels).zip(clean) {
            let (Some(label), Some(clean)) = (label, clean) else {
                continue;
            };
            if sample.split == Split::Test {
                continue;
            }
            for field in Field::ALL {
                let (own, train) = (view(label, field), view(clean, field));
                if let Some(donor) = train.donor {
                    similarity_train.add(donor.similarity);
                }
                let Some(donor) = own.donor else { continue };
                borrowed += 1;
                similarity.add(donor.similarity);
                changed += usize::from(differs(label, clean, field));
                let name = (donor.corpus.as_str(), donor.utterance_id.as_str());
                match splits.get(&name) {
                    Some(Split::Test) => {
                        from_test += 1;
                        read.insert(name);
                    }
                    Some(Split::Dev) => from_dev += 1,
                    _ => {}
                }
            }
        }
        Self {
            borrowed,
            from_test,
            from_dev,
            changed,
            test_rows_read: read.len(),
            test_rows: samples
                .iter()
                .filter(|sample| sample.split == Split::Test)
                .count(),
            similarity: similarity.value(),
            similarity_train: similarity_train.value(),
        }
    }

    fn line(&self) -> String {
        format!(
            "leak: of {} values borrowed for train and dev, test rows lent {} and dev rows {}; {} differ from what train donors lend; the gold labels of {} of {} test rows were read; mean similarity {:.3}, with train donors {:.3}",
            self.borrowed,
            self.from_test,
            self.from_dev,
            self.changed,
            self.test_rows_read,
            self.test_rows,
            self.similarity,
            self.similarity_train
        )
    }
}

/// Whether two labels have different values in a field.
fn differs(a: &UniversalLabel, b: &UniversalLabel, field: Field) -> bool {
    match field {
        Field::Intensity => a.intensity.value != b.intensity.value,
        Field::Meld => a.meld.value != b.meld.value,
        Field::Iemocap => a.iemocap.value != b.iemocap.value,
    }
}

#[derive(Default)]
struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.n += 1;
    }

    /// 0 where nothing was added.
    fn value(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_within_one_dialogue_has_no_interval_and_says_why() {
        let judged = |group, donor| Judged {
            group,
            donor,
            random: 0.5,
            majority: 0.0,
        };
        let of = |groups: [u32; 4]| {
            let rows = groups.into_iter().zip([1.0, 0.0, 1.0, 1.0]);
            Agreed::new(&Agreement {
                question: Question::Meld,
                corpus: "meld".to_owned(),
                rows: rows.map(|(group, donor)| judged(group, donor)).collect(),
            })
        };
        let one = of([3; 4]);
        assert_eq!((one.groups, one.donor.estimate), (1, Some(3.0 / 4.0)));
        assert_eq!((one.donor.low, one.donor.high), (None, None));
        let line = one.line();
        assert!(
            line.contains("donor 0.750")
                && line.contains("0.250 (no interval: all rows are of one cluster"),
            "{line}"
        );
        let two = of([3, 3, 4, 4]);
        assert_eq!(two.groups, 2);
        // both of one dialogue, or both of the other
        assert_eq!((two.donor.low, two.donor.high), (Some(0.5), Some(1.0)));
    }
}
