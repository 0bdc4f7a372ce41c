//! The unify stage on the real MOSI and MELD against the reference donors, and on three demo corpora field by field.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use unimse_corpus::splits::{Corpora, Learning, Train};
use unimse_corpus::{Corpus, CorpusKind, ingest, read};
use unimse_labels::{
    Donor, DonorProtocol, Field, Polarity, QueryProtocol, Sample, Source, Split, UnifyOptions,
    UniversalLabel, unify,
};
use unimse_model::Tokenizer;
use unimse_run::LabelSummary;
use unimse_train::config::RunConfig;
use unimse_train::data::dataset::{self, Dataset};
use unimse_train::data::labels_table::LabelTable;
use unimse_train::data::reader::Reader;
use unimse_train::unify::embeddings::embed;
use unimse_train::unify::summary::{read_summary, summary_path};

use crate::tiny;

/// The folder that a variable names, else `default` below the repository, if it is there.
fn folder(test: &str, variable: &str, default: &str) -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = std::env::var_os(variable).map_or_else(|| repository.join(default), PathBuf::from);
    if !path.exists() {
        eprintln!("skipped: {test} needs {variable}");
        return None;
    }
    Some(path)
}

/// A row of the reference search.
struct Reference {
    polarity: Polarity,
    donor: (String, String),
    similarity: f64,
    runner_up_similarity: f64,
}

/// The rows of `protocol` by query, as `(corpus, utterance)`.
fn references(path: &Path, protocol: &str) -> HashMap<(String, String), Reference> {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|row| row[0] == protocol).map(|row| {
        let reference = Reference {
            polarity: row[1].parse().unwrap(),
            donor: (row[4].to_owned(), row[5].to_owned()),
            similarity: row[6].parse().unwrap(),
            runner_up_similarity: row[8].parse().unwrap(),
        };
        ((row[2].to_owned(), row[3].to_owned()), reference)
    });
    rows.collect()
}

#[test]
fn golden_unify_donors() {
    let test = "golden_unify_donors";
    let Some(golden) = folder(test, "UNIMSE_GOLDEN", "data/golden") else {
        return;
    };
    let donors = golden.join("unify/donors.csv");
    if !donors.is_file() {
        eprintln!("skipped: {test} needs {}", donors.display());
        return;
    }
    let Some(encoder) = folder(test, "UNIMSE_MINILM", ".models/all-MiniLM-L6-v2") else {
        return;
    };
    let Some(data) = std::env::var_os("UNIMSE_DATA").map(PathBuf::from) else {
        eprintln!("skipped: {test} needs UNIMSE_DATA");
        return;
    };
    compare_donors(&donors, &encoder, &data);
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// The donors of the corpora in `data` under both protocols, beside those of the file `donors`.
fn compare_donors(donors: &Path, encoder: &Path, data: &Path) {
    let work = tempfile::tempdir().unwrap();
    ingest(data, &work.path().join("corpus"), &[], &mut |_| {}).unwrap();
    let corpora = read(&work.path().join("corpus"), &Split::ALL).unwrap();
    let texts: Vec<&str> = corpora
        .iter()
        .flat_map(|c| &c.utterances)
        .map(|u| u.text.as_str())
        .collect();
    let samples: Vec<Sample> = corpora.iter().flat_map(|c| c.samples()).collect();
    let embeddings = embed(&texts, encoder, None, None).unwrap();
    let names = samples
        .iter()
        .map(|s| (s.corpus.as_str(), s.utterance_id.as_str()));
    let places: HashMap<_, usize> = names.zip(0..).collect();
    let row = |corpus: &str, id: &str| {
        let at = places[&(corpus, id)];
        &embeddings.rows[at * embeddings.dim..(at + 1) * embeddings.dim]
    };

    for (protocol, donors_from) in [
        ("train_donors", DonorProtocol::Train),
        ("all_donors", DonorProtocol::All),
    ] {
        let references = references(donors, protocol);
        assert!(!references.is_empty());
        let options = UnifyOptions {
            donors: donors_from,
            queries: QueryProtocol::All,
            min_similarity: None,
            seed: 1,
        };
        let labels = unify(&samples, &embeddings.rows, embeddings.dim, &options).unwrap();
        let (mut compared, mut close) = (0, 0);
        for (sample, label) in samples.iter().zip(&labels) {
            let Some(label) = label else { continue };
            let donor = label.intensity.donor.as_ref().or(label.meld.donor.as_ref());
            let Some(donor) = donor else {
                assert_eq!(label.polarity, Polarity::Neutral, "{}", sample.utterance_id);
                continue;
            };
            let key = (sample.corpus.clone(), sample.utterance_id.clone());
            let same = assert_donor(sample, label.polarity, donor, &references[&key], &row);
            compared += 1;
            close += usize::from(!same);
        }
        assert_eq!(
            compared,
            references.len(),
            "every reference row has its query"
        );
        eprintln!("{protocol}: {compared} donors equal, {close} of them others within 1e-5");
    }
}

/// The donor is the expected one, or as good as it: the two best, or more of equal text. Says whether it is the same.
fn assert_donor<'r>(
    sample: &Sample,
    polarity: Polarity,
    donor: &Donor,
    expected: &Reference,
    row: &dyn Fn(&str, &str) -> &'r [f32],
) -> bool {
    let Donor {
        corpus,
        utterance_id,
        similarity,
        margin,
    } = donor;
    let id = &sample.utterance_id;
    assert_eq!(
        (polarity, corpus),
        (expected.polarity, &expected.donor.0),
        "{id}"
    );
    assert!(
        (f64::from(*similarity) - expected.similarity).abs() < 1e-4,
        "{id}: {similarity}"
    );
    let gap = expected.similarity - expected.runner_up_similarity;
    let same = *utterance_id == expected.donor.1;
    if !same {
        let query = row(&sample.corpus, id);
        let cosine = |donor: &str| cosine(query, row(corpus, donor));
        let short = cosine(&expected.donor.1) - cosine(utterance_id);
        assert!(
            gap < 1e-5 && short < 1e-5,
            "{id}: {utterance_id}, expected {} (by {gap})",
            expected.donor.1
        );
    }
    assert!((f64::from(margin.unwrap()) - gap).abs() < 2e-4);
    same
}

/// MOSI, MELD and IEMOCAP of the demo, without those in `without`.
fn demo(folder: &Path, without: &[CorpusKind]) -> Vec<Arc<Corpus>> {
    unimse_corpus::demo::write(&folder.join("data")).unwrap();
    ingest(
        &folder.join("data"),
        &folder.join("corpus"),
        &[],
        &mut |_| {},
    )
    .unwrap();
    let mut corpora = read(&folder.join("corpus"), &Split::ALL).unwrap();
    corpora.retain(|c| c.kind != CorpusKind::Mosei && !without.contains(&c.kind));
    corpora
}

/// Unit rows that depend on the text alone.
fn rows(samples: usize, corpora: &[Arc<Corpus>]) -> Vec<f32> {
    let texts = corpora.iter().flat_map(|c| &c.utterances).map(|u| &u.text);
    let row = |text: &String| {
        let mut row = [0.1_f32; 26];
        for letter in text.bytes().filter(u8::is_ascii_alphabetic) {
            row[usize::from(letter.to_ascii_lowercase() - b'a')] += 1.0;
        }
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.map(|x| x / length)
    };
    let rows: Vec<f32> = texts.flat_map(row).collect();
    assert_eq!(rows.len(), samples * 26);
    rows
}

fn label(corpora: &[Arc<Corpus>]) -> (Vec<Sample>, Vec<Option<UniversalLabel>>) {
    let samples: Vec<Sample> = corpora.iter().flat_map(|c| c.samples()).collect();
    let rows = rows(samples.len(), corpora);
    let labels = unify(&samples, &rows, 26, &UnifyOptions::default()).unwrap();
    (samples, labels)
}

/// Where a field must come from, by the design alone.
fn expected(sample: &Sample, field: Field, present: bool) -> Source {
    if sample.has(field) {
        Source::Gold
    } else if !present || sample.split == Split::Test {
        Source::Missing
    } else if sample.polarity == Some(Polarity::Neutral) {
        Source::Rule
    } else {
        Source::Donor
    }
}

fn source(label: &UniversalLabel, field: Field) -> (Source, Option<&Donor>) {
    let field = label.field(field);
    assert_eq!(field.value.is_none(), field.source == Source::Missing);
    assert_eq!(field.donor.is_some(), field.source == Source::Donor);
    (field.source, field.donor)
}

/// Checks every field of every row; how many there were of each source.
fn check(corpora: &[Arc<Corpus>], present: &[Field]) -> HashMap<(String, Field, Source), usize> {
    let (samples, labels) = label(corpora);
    let by_name: HashMap<_, _> = samples
        .iter()
        .map(|s| ((s.corpus.as_str(), s.utterance_id.as_str()), s))
        .collect();
    let mut counts = HashMap::new();
    for (sample, label) in samples.iter().zip(&labels) {
        assert_eq!(label.is_some(), sample.polarity.is_some());
        let Some(label) = label else { continue };
        for field in Field::BORROWED {
            let (found, donor) = source(label, field);
            assert_eq!(
                found,
                expected(sample, field, present.contains(&field)),
                "{} {field}",
                sample.utterance_id
            );
            if let Some(donor) = donor {
                let donor = by_name[&(donor.corpus.as_str(), donor.utterance_id.as_str())];
                assert!(
                    donor.has(field)
                        && donor.split == Split::Train
                        && donor.polarity == sample.polarity
                );
            }
            *counts
                .entry((sample.corpus.clone(), field, found))
                .or_insert(0) += 1;
        }
    }
    counts
}

#[test]
fn every_field_of_three_corpora_has_its_source() {
    let work = tempfile::tempdir().unwrap();
    let counts = check(&demo(work.path(), &[]), &Field::BORROWED);
    for (corpus, gold, lent) in [
        ("mosi", Field::Intensity, [Field::Meld, Field::Iemocap]),
        ("meld", Field::Meld, [Field::Intensity, Field::Iemocap]),
        ("iemocap", Field::Iemocap, [Field::Intensity, Field::Meld]),
    ] {
        assert!(counts[&(corpus.to_owned(), gold, Source::Gold)] > 0);
        for field in lent {
            assert!(
                counts[&(corpus.to_owned(), field, Source::Donor)] > 0,
                "{corpus} {field}"
            );
        }
    }
}

#[test]
fn without_iemocap_its_field_is_missing_masked_and_gone_from_the_grammar() {
    let work = tempfile::tempdir().unwrap();
    let corpora = demo(work.path(), &[CorpusKind::Iemocap]);
    let present = [Field::Intensity, Field::Meld];
    let counts = check(&corpora, &present);
    assert!(
        counts
            .keys()
            .all(|(_, field, source)| *field != Field::Iemocap || *source == Source::Missing)
    );

    let (_, labels) = label(&corpora);
    let mut labels = labels.into_iter();
    let table = |c: &Arc<Corpus>| LabelTable {
        corpus: c.name.clone(),
        rows: c
            .utterances
            .iter()
            .map(|u| unimse_train::data::labels_table::Row {
                utterance_id: u.utterance_id.clone(),
                split: u.split,
                label: labels.next().unwrap(),
            })
            .collect(),
        leaky: false,
    };
    let tables: Vec<LabelTable> = corpora.iter().map(table).collect();
    assert_eq!(dataset::fields(&tables), present);

    let config = RunConfig::default();
    let grammar = dataset::grammar(&config, &dataset::fields(&tables));
    let checkpoint = tiny::folder(tiny::BERT);
    let tokenizer = Tokenizer::from_folder(checkpoint.path()).unwrap();
    let corpora = corpora.into_iter().map(Arc::unwrap_or_clone).collect();
    let corpora = Corpora::<Learning>::from_memory(corpora);
    let reader = Reader {
        tokenizer: &tokenizer,
        speakers: None,
        voice: None,
        max_tokens: config.model.max_tokens.get(),
    };
    let data = Dataset::new(&corpora, Train, Some(&tables), reader, &config).unwrap();
    assert!(!data.examples.is_empty());
    for example in &data.examples {
        let target = example.target.as_ref().unwrap();
        assert_eq!((target.label.iemocap, target.weights.iemocap), (None, 0.0));
        let text = grammar.format(&target.label);
        assert_eq!(text.split(',').count(), 3, "{text}"); // polarity, intensity, meld
    }
}

/// Ingests again with the emotions that MOSEI's annotators rated, which the demo does without: joy or sadness by the score.
fn rate(data: &Path, corpus: &Path) {
    let file = data.join("mosei/label.csv");
    let table = std::fs::read_to_string(&file).unwrap();
    let mut lines = table.lines();
    let header = lines.next().unwrap();
    let mut rated = format!("{header},happiness,sadness,anger,surprise,disgust,fear\n");
    for line in lines {
        let ratings = if line.contains("Positive") {
            "2,0,1,0,0,0"
        } else {
            "0,1,0,1,0,0"
        };
        rated.push_str(&format!("{line},{ratings}\n"));
    }
    std::fs::write(&file, rated).unwrap();
    ingest(data, corpus, &[], &mut |_| {}).unwrap();
    let corpora = read(corpus, &Split::ALL).unwrap();
    let mosei = corpora
        .iter()
        .find(|c| c.kind == CorpusKind::Mosei)
        .unwrap();
    assert!(mosei.utterances.iter().all(|u| u.intensities.is_some()));
}

#[test]
fn the_stage_writes_tables_and_a_summary_and_remembers_embeddings() {
    let work = tempfile::tempdir().unwrap();
    let at = |name: &str| work.path().join(name);
    demo(work.path(), &[]);
    rate(&at("data"), &at("corpus"));
    let checkpoint = tiny::folder(tiny::BERT);
    let encoder = checkpoint.path().to_str().unwrap();
    let run = |out: &str, options: &UnifyOptions| {
        unimse_train::unify::run(
            &at("corpus"),
            &at(out),
            encoder,
            None,
            Some(&at("cache")),
            options,
        )
        .unwrap()
    };
    let clean = run("clean", &UnifyOptions::default());
    assert_eq!(read_summary(&at("clean")).unwrap().unwrap(), clean);
    assert!(clean.leak.is_none());
    assert_counts(&clean, &at("corpus"));
    assert_agreement(&clean);

    // again without the encoder's weights: every text is known, every byte the same
    let files: Vec<_> = std::fs::read_dir(at("cache")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let again = run("again", &UnifyOptions::default());
    assert_eq!(again, clean);
    for name in ["mosi.parquet", "embeddings/meld.parquet", "summary.json"] {
        let bytes = |run: &str| std::fs::read(at(run).join(name)).unwrap();
        assert!(bytes("clean") == bytes("again"), "{name}");
    }

    let leaky = UnifyOptions {
        donors: DonorProtocol::All,
        ..UnifyOptions::default()
    };
    let leak = run("leaky", &leaky).leak.unwrap();
    assert!(leak.from_test > 0 && leak.changed <= leak.borrowed);
    assert!(leak.from_test + leak.from_dev <= leak.borrowed);
    assert!(leak.test_rows_read > 0 && leak.test_rows_read <= leak.test_rows);
    assert!(leak.similarity >= leak.similarity_train);
    assert!(LabelTable::read(&at("leaky"), "mosi").unwrap().leaky);

    std::fs::write(summary_path(&at("leaky")), "{").unwrap();
    let error = read_summary(&at("leaky")).unwrap_err().to_string();
    assert!(error.contains("summary.json"), "{error}");
    assert_eq!(read_summary(&at("nowhere")).unwrap(), None);
}

/// Every utterance of train and dev is counted once.
fn assert_counts(clean: &LabelSummary, corpus: &Path) {
    let asked = |kind: &str| {
        let corpora = read(corpus, &Split::ALL).unwrap();
        let corpus = corpora.into_iter().find(|c| c.name == kind).unwrap();
        corpus
            .utterances
            .iter()
            .filter(|u| u.split != Split::Test)
            .count()
    };
    for corpus in &clean.corpora {
        assert_eq!(corpus.labelled + corpus.unlabelled, asked(&corpus.corpus));
        for field in &corpus.fields {
            assert_eq!(
                field.gold + field.donor + field.rule + field.missing,
                corpus.labelled
            );
            assert_eq!(field.similarities.iter().sum::<usize>(), field.donor);
            assert_eq!(field.before.values().sum::<usize>(), field.gold);
            assert_eq!(
                field.after.values().sum::<usize>(),
                corpus.labelled - field.missing
            );
        }
    }
}

/// Every question that these corpora can answer is asked, and its intervals hold the estimates.
fn assert_agreement(clean: &LabelSummary) {
    let questions: Vec<_> = clean
        .agreement
        .iter()
        .map(|a| (a.question.name(), a.corpus.as_str()))
        .collect();
    for expected in [
        ("polarity", "meld"),
        ("intensity", "mosi"),
        ("intensity", "mosei"),
        ("meld", "meld"),
        ("iemocap", "iemocap"),
        ("iemocap across corpora", "meld"),
        ("meld across corpora", "iemocap"),
        ("meld across corpora", "mosei"),
        ("iemocap across corpora", "mosei"),
    ] {
        assert!(
            questions.contains(&expected),
            "{expected:?} not in {questions:?}"
        );
    }
    for agreed in &clean.agreement {
        let value = |bound: Option<f64>| bound.unwrap();
        let (low, over) = (
            value(agreed.over_random.low),
            value(agreed.over_random.estimate),
        );
        assert!(low <= over && over <= value(agreed.over_random.high));
        let difference = value(agreed.donor.estimate) - value(agreed.random.estimate);
        assert!((difference - over).abs() < 1e-9);
    }
}
