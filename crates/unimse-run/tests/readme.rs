//! README's table of results is what the files in `data/results` hold. `UNIMSE_BLESS=1 cargo test --release -p unimse-run --test suite readme` writes it anew.
//!
//! It stands between two comments, of which the first names the files: `<!-- results PREFIX -->`, the `results.json` of each seed being
//! `PREFIX-seed-<n>.json`, and `<!-- end of results -->`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use unimse_eval::{Interval, Metric};
use unimse_run::{Baseline, Results, SplitScores};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const BEGIN: &str = "<!-- results ";
const END: &str = "<!-- end of results -->";

/// The results of the seeds 1, 2, 3 ... of a prefix, as many as there are.
fn seeds(prefix: &str) -> Vec<Results> {
    let path = |seed: usize| -> PathBuf { format!("{ROOT}/{prefix}-seed-{seed}.json").into() };
    let found: Vec<Results> = (1..)
        .map(path)
        .take_while(|path| path.is_file())
        .map(|path| Results::read(&path).unwrap())
        .collect();
    assert!(
        found.len() > 1,
        "{prefix}: expected results of several seeds"
    );
    for (at, results) in found.iter().enumerate() {
        assert_eq!(results.seeds, [at as u64 + 1], "{prefix}");
        assert!(!results.synthetic, "{prefix}: the demo stands in no table");
    }
    found
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn mean_and_deviation(values: &[f64]) -> String {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len() as f64 - 1.0)).sqrt();
    format!("{mean:.3} ± {deviation:.3}")
}

/// The baseline of each seed that has one of two names: that of a sentiment corpus and that of an emotion corpus.
fn baselines<'a>(tests: &[&'a SplitScores], names: [&str; 2]) -> Vec<&'a Baseline> {
    let one = |test: &&'a SplitScores| names.iter().find_map(|name| test.baselines.get(name));
    tests.iter().map(|test| one(test).unwrap()).collect()
}

fn of_baseline(baselines: &[&Baseline], metric: Metric) -> String {
    let values = baselines.iter().map(|b| b.metrics.get(&metric).copied());
    let values: Option<Vec<f64>> = values.collect();
    values.map_or_else(|| "undefined".to_owned(), |v| format!("{:.3}", mean(&v)))
}

/// Whether ours is the better one on the whole interval of ours minus theirs.
fn beyond(interval: &Interval, metric: Metric) -> bool {
    if metric.higher_is_better() {
        interval.low.is_some_and(|low| low > 0.0)
    } else {
        interval.high.is_some_and(|high| high < 0.0)
    }
}

fn row(tests: &[&SplitScores], metric: Metric) -> String {
    let ours: Vec<f64> = tests.iter().map(|test| test.metrics[&metric]).collect();
    let frozen = baselines(tests, ["ridge", "logistic"]);
    let constant = baselines(tests, ["mean", "majority"]);
    let differences: Vec<&Interval> = frozen.iter().map(|b| &b.difference[&metric]).collect();
    let mut ours = mean_and_deviation(&ours);
    if differences.iter().all(|d| beyond(d, metric)) {
        ours = format!("**{ours}**");
    }
    let bounds = |d: &&Interval| format!("[{:.3}, {:.3}]", d.low.unwrap(), d.high.unwrap());
    let bounds: Vec<String> = differences.iter().map(bounds).collect();
    let arrow = if metric.higher_is_better() {
        '↑'
    } else {
        '↓'
    };
    format!(
        "{} {arrow} | {ours} | {} | {} | {} |",
        metric.title(),
        of_baseline(&frozen, metric),
        of_baseline(&constant, metric),
        bounds.join(" ")
    )
}

fn table(seeds: &[Results]) -> String {
    let first = &seeds[0];
    let mut text = format!(
        "| test set | metric | unimse, preset `{}` | frozen {} + ridge / logistic | mean / majority | ours minus frozen, 95 % interval of each seed |\n|---|---|---|---|---|---|\n",
        first.preset.as_deref().unwrap(),
        first.backbone.as_deref().unwrap()
    );
    for (name, corpus) in first.corpora.iter() {
        let of_corpus = seeds.iter().map(|seed| seed.corpora.get(name).unwrap());
        let tests: Vec<&SplitScores> = of_corpus.map(|corpus| &corpus.test).collect();
        let mut title = format!("{} ({})", name.to_uppercase(), corpus.test.n.unwrap());
        for &metric in corpus.task.compared() {
            writeln!(text, "| {title} | {}", row(&tests, metric)).unwrap();
            title.clear();
        }
    }
    text
}

#[test]
fn the_table_of_the_readme_is_that_of_the_data() {
    let path = Path::new(ROOT).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (prefix, rest) = rest.split_once(" -->\n").unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let table = table(&seeds(prefix));
    let expected = format!("{before}{BEGIN}{prefix} -->\n\n{table}\n{END}{after}");
    if std::env::var_os("UNIMSE_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == expected,
        "README.md: the table is not that of {prefix}-seed-*.json: run UNIMSE_BLESS=1 cargo test --release -p unimse-run --test suite readme, and commit it"
    );
}
