//! Several seeds of one configuration: mean and sample standard deviation of every metric.

use std::collections::BTreeMap;
use std::path::Path;

use unimse_eval::{Convention, Metric};

use crate::results::{
    CorpusResults, Fusion, Results, ResultsError, SeedScores, SplitScores, Timing,
};
use crate::{
    Baseline, ByName, FileError, Protocol, Robustness, RunFolder, alignment, pooled, view,
};

/// Seeds that cannot be taken together.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    /// The results of a seed cannot be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The folder of the run cannot be listed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no seed.
    #[error("{run}: expected seed-<n> folders, found none")]
    NoSeed {
        /// The folder.
        run: String,
    },
    /// The seeds are not of one configuration and data folder.
    #[error("{run}: the seeds differ in {what}")]
    Differ {
        /// The folder.
        run: String,
        /// What differs.
        what: String,
    },
}

impl Results {
    /// The results of every seed below `run` taken together: the shape of one run, with means in place of metrics, `sd` and `per_seed`
    /// beside them and one confusion matrix of all answers; intervals and differences stay with the seeds.
    ///
    /// # Errors
    /// A seed has no results yet or broken ones, or the seeds disagree on corpora, features or settings.
    pub fn aggregate(run: &Path) -> Result<Self, AggregateError> {
        let mut seeds = Vec::new();
        for (seed, folder) in RunFolder::seeds(run)? {
            seeds.push((seed, Self::read(&folder.results())?));
        }
        let name = || run.display().to_string();
        let Some((_, first)) = seeds.first() else {
            return Err(AggregateError::NoSeed { run: name() });
        };
        if let Some(what) = seeds.iter().find_map(|(_, other)| difference(first, other)) {
            return Err(AggregateError::Differ { run: name(), what });
        }
        let all = || seeds.iter().map(|(_, results)| results);
        let corpora = first.corpora.iter().map(|(name, corpus)| {
            let of_seeds: Vec<(u64, &CorpusResults)> = seeds
                .iter()
                .filter_map(|(seed, results)| Some((*seed, results.corpora.get(name)?)))
                .collect();
            (name.to_owned(), merge(corpus, &of_seeds))
        });
        Ok(Self {
            synthetic: all().any(|r| r.synthetic),
            leaky: all().filter_map(|r| r.leaky).reduce(|a, b| a || b),
            protocol: Protocol {
                test_openings: all().filter_map(|r| r.protocol.test_openings).max(),
                receipt: None,
                ..first.protocol.clone()
            },
            seeds: seeds.iter().map(|(seed, _)| *seed).collect(),
            readout: first
                .readout
                .filter(|readout| all().all(|r| r.readout.as_ref() == Some(readout))),
            fusion: Fusion {
                skip: first.fusion.skip,
                layers: Vec::new(),
            },
            corpora: corpora.collect(),
            timing: sum(all().filter_map(|r| r.timing)),
            ..first.clone()
        })
    }
}

/// The first setting in which two seeds differ.
fn difference(one: &Results, other: &Results) -> Option<String> {
    let settings = [
        ("fields", one.fields == other.fields),
        ("modalities", one.modalities == other.modalities),
        ("backbone", one.backbone == other.backbone),
        ("model_type", one.model_type == other.model_type),
        ("decoder", one.decoder == other.decoder),
        ("label_form", one.label_form == other.label_form),
        ("donors", one.donors == other.donors),
        ("trained_on", one.trained_on == other.trained_on),
        ("fusion.skip", one.fusion.skip == other.fusion.skip),
    ];
    if let Some((name, _)) = settings.iter().find(|(_, same)| !same) {
        return Some(format!("{name}: not one configuration"));
    }
    let names = |results: &Results| -> Vec<String> {
        let corpora = results.corpora.iter();
        corpora.map(|(name, _)| name.to_owned()).collect()
    };
    if names(one) != names(other) {
        return Some("their corpora: not one data folder".to_owned());
    }
    one.corpora.iter().find_map(|(name, corpus)| {
        let theirs = other.corpora.get(name)?;
        if corpus.features != theirs.features {
            return Some(format!("the features of {name}: not one data folder"));
        }
        (corpus.dev.is_some() != theirs.dev.is_some())
            .then(|| format!("the dev split of {name}: not one data folder"))
    })
}

fn merge(first: &CorpusResults, seeds: &[(u64, &CorpusResults)]) -> CorpusResults {
    let dev: Vec<(u64, &SplitScores)> = seeds
        .iter()
        .filter_map(|(seed, corpus)| Some((*seed, corpus.dev.as_ref()?)))
        .collect();
    let test: Vec<(u64, &SplitScores)> = seeds
        .iter()
        .map(|(seed, corpus)| (*seed, &corpus.test))
        .collect();
    CorpusResults {
        dev: first.dev.as_ref().map(|first| merge_split(first, &dev)),
        test: merge_split(&first.test, &test),
        ..first.clone()
    }
}

fn merge_split(first: &SplitScores, seeds: &[(u64, &SplitScores)]) -> SplitScores {
    let all = || seeds.iter().map(|(_, scores)| *scores);
    let sum = |count: fn(&SplitScores) -> Option<usize>| {
        all().filter_map(count).reduce(|one, other| one + other)
    };
    let scores: Vec<&SplitScores> = all().collect();
    let (per_class, per_class_sd) = pooled::classes(&scores);
    let mut merged = SplitScores {
        n: first.n,
        conventions: conventions(first, &scores),
        per_class,
        per_class_sd,
        confusion: pooled::confusion(&scores),
        unparsable: sum(|s| s.unparsable),
        repaired: sum(|s| s.repaired),
        generated_zeros: sum(|s| s.generated_zeros),
        unexplored: all().filter_map(|s| s.unexplored).reduce(f64::max),
        resampled: first.resampled,
        clusters: first.clusters,
        not_fitted: first.not_fitted.clone(),
        views: view::mean(&all().map(|s| &s.views).collect::<Vec<_>>()),
        robustness: robustness(&all().map(|s| s.robustness.as_ref()).collect::<Vec<_>>()),
        alignment: alignment::mean(&all().map(|s| &*s.alignment).collect::<Vec<_>>()),
        ..SplitScores::default()
    };
    for &metric in first.metrics.keys() {
        let values: Vec<f64> = seeds
            .iter()
            .filter_map(|(_, scores)| scores.metrics.get(&metric).copied())
            .collect();
        if values.len() == seeds.len() {
            let (mean, deviation) = pooled::mean_and_deviation(&values);
            merged.metrics.insert(metric, mean);
            merged.sd.extend(deviation.map(|sd| (metric, sd)));
        }
    }
    merged.per_seed = seeds
        .iter()
        .map(|(seed, scores)| SeedScores {
            seed: *seed,
            metrics: scores.metrics.clone(),
        })
        .collect();
    merged.baselines = baselines(first, seeds);
    merged
}

/// The baselines that every seed has: means over seeds, which for those without a seed of their own are the values of each. Paired differences
/// stay with the seeds; so does what dev chose, where seeds differ.
fn baselines(first: &SplitScores, seeds: &[(u64, &SplitScores)]) -> ByName<Baseline> {
    let merged = first.baselines.iter().filter_map(|(name, baseline)| {
        let of_seeds = seeds.iter().map(|(_, scores)| scores.baselines.get(name));
        let of_seeds: Vec<&Baseline> = of_seeds.collect::<Option<_>>()?;
        let metrics: Vec<_> = of_seeds.iter().map(|b| &b.metrics).collect();
        let merged = Baseline {
            metrics: means(&metrics),
            undefined: baseline.undefined.clone(),
            chosen: (baseline.chosen).filter(|c| of_seeds.iter().all(|b| b.chosen == Some(*c))),
            difference: BTreeMap::new(),
        };
        Some((name.to_owned(), merged))
    });
    merged.collect()
}

/// The means of the metrics that all seeds have, of one or more. Where all have one value it is kept to the bit.
fn means(seeds: &[&BTreeMap<Metric, f64>]) -> BTreeMap<Metric, f64> {
    let mean = |metric: &Metric| {
        let values = seeds.iter().map(|metrics| metrics.get(metric).copied());
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        let same = values.iter().all(|value| *value == values[0]);
        let mean = if same {
            values[0]
        } else {
            pooled::mean_and_deviation(&values).0
        };
        Some((*metric, mean))
    };
    let first = seeds.first();
    (first.into_iter().flat_map(|metrics| metrics.keys()))
        .filter_map(mean)
        .collect()
}

/// The means by every convention that all seeds were scored by.
fn conventions(
    first: &SplitScores,
    seeds: &[&SplitScores],
) -> BTreeMap<Convention, BTreeMap<Metric, f64>> {
    let merged = first.conventions.keys().filter_map(|convention| {
        let all = seeds
            .iter()
            .map(|scores| scores.conventions.get(convention));
        let all: Vec<_> = all.collect::<Option<_>>()?;
        Some((*convention, means(&all)))
    });
    merged.collect()
}

/// The means of what every seed has.
fn robustness(seeds: &[Option<&Robustness>]) -> Option<Robustness> {
    let all: Option<Vec<&Robustness>> = seeds.iter().copied().collect();
    Robustness::mean(&all?)
}

fn sum(timings: impl Iterator<Item = Timing>) -> Option<Timing> {
    timings.reduce(|one, other| Timing {
        train_s: one.train_s + other.train_s,
        evaluate_s: one.evaluate_s + other.evaluate_s,
        answer_s: one.answer_s.zip(other.answer_s).map(|(a, b)| a + b),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::{Chosen, FeatureCard, FeatureCards, RESULTS_SCHEMA, Task};

    fn results(mae: f64, unparsable: usize) -> Results {
        let scores = SplitScores {
            n: Some(3),
            metrics: [(Metric::Mae, mae)].into(),
            ..SplitScores::default()
        };
        let features = FeatureCards {
            audio: Some(FeatureCard::new("covarep", 74)),
            video: None,
        };
        let corpus = CorpusResults {
            task: Task::Sentiment,
            features,
            dev: Some(scores.clone()),
            test: SplitScores {
                unparsable: Some(unparsable),
                unexplored: Some(mae / 100.0),
                ..scores
            },
        };
        Results {
            schema: RESULTS_SCHEMA,
            corpora: ByName::from_iter([("mosi".to_owned(), corpus)]),
            timing: Some(Timing {
                train_s: 2.0,
                evaluate_s: 1.0,
                answer_s: Some(0.5),
            }),
            ..Results::default()
        }
    }

    fn aggregate(seeds: &[Results]) -> Result<Results, String> {
        let run = tempfile::tempdir().unwrap();
        for (at, results) in seeds.iter().enumerate() {
            let folder = RunFolder::of_seed(run.path(), at as u64 + 1);
            results.write(&folder.results()).unwrap();
        }
        Results::aggregate(run.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn seeds_become_mean_and_deviation() {
        let merged = aggregate(&[results(0.8, 1), results(0.9, 2)]).unwrap();
        let test = &merged.corpora.get("mosi").unwrap().test;
        assert_eq!(merged.seeds, [1, 2]);
        assert!((test.metrics[&Metric::Mae] - (0.8 + 0.9) / 2.0).abs() < 1e-12);
        assert!((test.sd[&Metric::Mae] - (2.0f64 * 0.05 * 0.05).sqrt()).abs() < 1e-12);
        assert_eq!(test.unparsable, Some(1 + 2));
        assert_eq!(test.unexplored, Some(0.9 / 100.0));
        let timing = merged.timing.unwrap();
        assert_eq!(
            (timing.train_s, timing.answer_s),
            (2.0 + 2.0, Some(0.5 + 0.5))
        );
        assert_eq!(test.per_seed.len(), 2);
        let dev = merged.corpora.get("mosi").unwrap().dev.as_ref();
        assert_eq!(dev.unwrap().unparsable, None);
    }

    #[test]
    fn a_baseline_is_the_mean_over_the_seeds_that_trained_it() {
        let with = |mae: f64, finetuned: f64| {
            let mut results = results(mae, 0);
            let baseline = |mae, chosen| Baseline {
                metrics: [(Metric::Mae, mae)].into(),
                chosen: Some(chosen),
                ..Baseline::default()
            };
            let (k, epoch) = (Some(5), Some((finetuned * 10.0) as usize));
            let knn = baseline(
                1.1,
                Chosen {
                    k,
                    ..Chosen::default()
                },
            );
            let finetuned = baseline(
                finetuned,
                Chosen {
                    epoch,
                    ..Chosen::default()
                },
            );
            for corpus in results.corpora.values_mut() {
                let names = [("knn", knn.clone()), ("finetuned", finetuned.clone())];
                corpus.test.baselines = names
                    .map(|(name, b)| (name.to_owned(), b))
                    .into_iter()
                    .collect();
            }
            results
        };
        let merged = aggregate(&[with(0.8, 0.9), with(0.8, 1.1)]).unwrap();
        let baselines = &merged.corpora.get("mosi").unwrap().test.baselines;
        let (knn, finetuned) = (
            baselines.get("knn").unwrap(),
            baselines.get("finetuned").unwrap(),
        );
        assert_eq!(
            (knn.metrics[&Metric::Mae], knn.chosen.unwrap().k),
            (1.1, Some(5))
        );
        assert!((finetuned.metrics[&Metric::Mae] - (0.9 + 1.1) / 2.0).abs() < 1e-12);
        assert_eq!(finetuned.chosen, None);
    }

    #[test]
    fn seeds_of_other_settings_or_features_are_refused_in_one_line() {
        let first = results(1.0, 0);
        let refused = |change: fn(&mut Results), words: &str| {
            let mut second = first.clone();
            change(&mut second);
            let error = aggregate(&[first.clone(), second]).unwrap_err();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        };
        assert!(aggregate(&[first.clone(), first.clone()]).is_ok());
        refused(
            |r| r.schema = 2,
            "seed-2/results.json: field `schema`: expected 3 to 5, found 2; run `unimse evaluate` again",
        );
        refused(
            |r| r.label_form = Some("triple".to_owned()),
            "the seeds differ in label_form",
        );
        refused(
            |r| r.fusion.skip = Some(false),
            "the seeds differ in fusion.skip",
        );
        refused(
            |r| {
                for corpus in r.corpora.values_mut() {
                    corpus.features.audio = None;
                }
            },
            "the seeds differ in the features of mosi",
        );
        refused(
            |r| r.corpora = ByName::default(),
            "the seeds differ in their corpora",
        );
        let none = aggregate(&[]).unwrap_err();
        assert!(
            none.contains("expected seed-<n> folders, found none"),
            "{none}"
        );
    }
}
