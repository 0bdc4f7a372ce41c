//! The tables for a paper, of the runs in `tests/fixtures` (all numbers invented).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use unimse_report::{TableFormat, paper_tables, table};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn of(run: &Path, format: TableFormat) -> String {
    table(run, &paper_tables().unwrap(), format).unwrap()
}

/// The fixture `single` with other results.
fn changed(change: impl Fn(&mut Value)) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for file in ["results.json", "events.jsonl", "config.toml"] {
        fs::copy(fixture("single").join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut results);
    fs::write(&path, results.to_string()).unwrap();
    let text = of(folder.path(), TableFormat::Markdown);
    (folder, text)
}

#[test]
fn one_seed_and_several() {
    for name in ["single", "several", "synthetic"] {
        insta::assert_snapshot!(
            format!("{name}.tex"),
            of(&fixture(name), TableFormat::Latex)
        );
        insta::assert_snapshot!(
            format!("{name}.table.md"),
            of(&fixture(name), TableFormat::Markdown)
        );
    }
}

#[test]
fn latex_has_one_whole_table_a_corpus() {
    for name in ["single", "several", "synthetic"] {
        let text = of(&fixture(name), TableFormat::Latex);
        let tables: Vec<&str> = text.split("\\begin{table}").skip(1).collect();
        assert!(!tables.is_empty(), "{text}");
        for table in tables {
            for once in [
                "\\end{table}",
                "\\toprule",
                "\\midrule",
                "\\bottomrule",
                "\\caption{",
                "\\label{tab:",
                "\\end{tabular}",
            ] {
                assert_eq!(table.matches(once).count(), 1, "{once} in {table}");
            }
            let (_, after) = table.split_once("\\begin{tabular}{").unwrap();
            let columns = after.split_once('}').unwrap().0;
            assert!(columns.chars().all(|c| "lr".contains(c)));
            for row in after.lines().filter(|line| line.ends_with("\\\\")) {
                assert_eq!(row.matches(" & ").count() + 1, columns.len(), "{row}");
            }
            assert_eq!(table.matches('{').count(), table.matches('}').count());
            assert!(table.matches('$').count().is_multiple_of(2));
        }
    }
}

#[test]
fn published_numbers_stand_beside_real_runs_alone() {
    let real = of(&fixture("single"), TableFormat::Markdown);
    // MOSI's MAE and MELD's weighted F1 of the paper, in another setting than the fixture's
    assert!(real.contains("| published | 0.691† |"), "{real}");
    assert!(real.contains("in another setting") && real.contains("EMNLP 2022"));
    for format in TableFormat::ALL {
        let demo = of(&fixture("synthetic"), format);
        assert!(
            !demo.contains("published") && !demo.contains("EMNLP"),
            "{demo}"
        );
        assert!(!demo.contains("0.523"), "the paper's MAE of MOSEI");
        assert!(demo.contains("Synthetic data"));
    }
    let (_folder, demo) = changed(|results| results["synthetic"] = json!(true));
    assert!(
        !demo.contains("0.691") && !demo.contains("published"),
        "{demo}"
    );
}

#[test]
fn bold_is_what_beats_every_row_beyond_its_interval() {
    let bold = |change: fn(&mut Value)| {
        let (_folder, text) = changed(|results| {
            let test = &mut results["corpora"]["mosi"]["test"];
            test["intervals"] = json!({"mae": {"estimate": 0.5, "low": 0.4, "high": 0.6}});
            test["metrics"]["mae"] = json!(0.5);
            let beats = json!({"estimate": -0.5, "low": -0.6, "high": -0.4});
            for baseline in test["baselines"].as_object_mut().unwrap().values_mut() {
                baseline["difference"] = json!({"mae": beats});
            }
            change(test);
        });
        let ours: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("| UniMSE"))
            .collect();
        ours[0].contains("**0.500**")
    };
    assert!(bold(|_| ()));
    // below the paper's 0.691, but not beyond the interval
    assert!(!bold(|test| test["intervals"]["mae"]["high"] = json!(0.7)));
    assert!(!bold(
        |test| test["baselines"]["mean"]["difference"]["mae"]["high"] = json!(0.01)
    ));
    assert!(!bold(
        |test| test["baselines"]["mean"]["difference"] = json!({})
    ));
    assert!(!bold(|test| test["intervals"] = json!({})));
}

#[test]
fn several_seeds_have_a_mean_and_a_deviation() {
    let text = of(&fixture("several"), TableFormat::Latex);
    assert!(
        text.contains("mean $\\pm$ standard deviation over 2 seeds"),
        "{text}"
    );
    assert!(text.contains(" $\\pm$ 0.0"), "{text}");
    assert_eq!("latex".parse::<TableFormat>().unwrap(), TableFormat::Latex);
    let error = "word".parse::<TableFormat>().unwrap_err().to_string();
    assert!(error.contains("latex, markdown"), "{error}");
}
