//! The tables of published results and the verdicts they allow.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::error::Error;

use unimse_eval::{Cell, Context, Convention, Features, PaperTable, Verdict};

const PATH: &str = "data/paper/unimse.toml";
const TEXT: &str = include_str!("../../../data/paper/unimse.toml");

fn table() -> PaperTable {
    PaperTable::parse(PATH, TEXT).unwrap()
}

/// The setting of the paper itself.
fn same(table: &PaperTable) -> Context {
    Context {
        synthetic: false,
        backbone: table.backbone.clone(),
        features: table.features.clone(),
        corpora: table.corpora.clone(),
        convention: table.convention,
    }
}

#[test]
fn the_table_holds_what_the_paper_prints() {
    let table = table();
    let value = |corpus, metric| table.cell(corpus, metric).unwrap().value;
    let percent = |corpus, metric| (value(corpus, metric) * 1e4).round() / 1e2;
    assert_eq!(
        [value("mosi", "mae"), value("mosi", "corr")],
        [0.691, 0.809]
    );
    assert_eq!(
        [value("mosei", "mae"), value("mosei", "corr")],
        [0.523, 0.773]
    );
    let sentiment = ["acc7", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0"];
    assert_eq!(
        sentiment.map(|metric| percent("mosi", metric)),
        [48.68, 85.85, 86.90, 85.83, 86.42]
    );
    assert_eq!(
        sentiment.map(|metric| percent("mosei", metric)),
        [54.39, 85.86, 87.50, 85.79, 87.46]
    );
    let emotion = ["accuracy", "weighted_f1"];
    assert_eq!(
        emotion.map(|metric| percent("meld", metric)),
        [65.09, 65.51]
    );
    assert_eq!(
        emotion.map(|metric| percent("iemocap", metric)),
        [70.56, 70.66]
    );
    let doubtful: Vec<&Cell> = table.cells.iter().filter(|cell| !cell.confirmed).collect();
    assert_eq!(doubtful, [table.cell("mosei", "f1_has0").unwrap()]);
    assert_eq!(table.cells.len(), 2 * 7 + 2 * 2);
    assert_eq!(table.cell("mosi", "acc5"), None);
}

#[test]
fn in_the_same_setting_the_better_value_counts() {
    let table = table();
    let verdict = |corpus, metric, value| {
        table.verdict(table.cell(corpus, metric).unwrap(), value, &same(&table))
    };
    assert_eq!(verdict("mosi", "mae", 0.691), Verdict::Reached);
    assert_eq!(verdict("mosi", "mae", 0.692), Verdict::Below);
    assert_eq!(verdict("meld", "weighted_f1", 0.66), Verdict::Reached);
    assert_eq!(verdict("meld", "weighted_f1", 0.65), Verdict::Below);
    assert!(matches!(
        verdict("meld", "weighted_f1", f64::NAN),
        Verdict::NotComparable { .. }
    ));
}

#[test]
fn any_other_setting_is_not_comparable_and_says_why() {
    let table = table();
    let reason = |corpus: &str, metric: &str, change: fn(&mut Context)| {
        let mut context = same(&table);
        change(&mut context);
        match table.verdict(table.cell(corpus, metric).unwrap(), 1.0, &context) {
            Verdict::NotComparable { reason } => reason,
            verdict => verdict.to_string(),
        }
    };
    assert_eq!(
        reason("mosi", "acc7", |context| context.synthetic = true),
        "synthetic corpora"
    );
    let backbone = reason("mosi", "acc7", |context| {
        context.backbone = "minilm".to_owned()
    });
    assert_eq!(backbone, "other backbone: minilm, the paper has t5-base");
    let features = reason("meld", "accuracy", |context| {
        context.features = Features::default()
    });
    assert_eq!(
        features,
        "other audio features: none, the paper has mel-spectrogram; other video features: none, the paper has efficientnet"
    );
    let subset = reason("meld", "accuracy", |context| {
        context.corpora.retain(|corpus| corpus.starts_with('m'))
    });
    assert_eq!(subset, "subset of corpora: without iemocap");
    let more = reason("meld", "accuracy", |context| {
        context.corpora.push("sims".to_owned())
    });
    assert_eq!(more, "further corpora: sims");
    let mult = |context: &mut Context| context.convention = Convention::Mult;
    assert_eq!(
        reason("mosi", "f1_non0", mult),
        "other convention: mult, the paper has mmsa"
    );
    assert_eq!(reason("meld", "accuracy", mult), "reached");
}

#[test]
fn verdicts_as_json() {
    let reason = "synthetic corpora".to_owned();
    let json = serde_json::to_value([Verdict::Reached, Verdict::NotComparable { reason }]).unwrap();
    assert_eq!(json[0]["verdict"], "reached");
    assert_eq!(
        (&json[1]["verdict"], &json[1]["reason"]),
        (&"not_comparable".into(), &"synthetic corpora".into())
    );
}

#[test]
fn a_wrong_table_is_named() {
    let error = |text: &str| PaperTable::parse("x.toml", text).unwrap_err();
    let unknown = error(&TEXT.replace("confirmed", "confrimed"));
    assert!(unknown.to_string().starts_with("x.toml: "));
    assert!(unknown.source().unwrap().to_string().contains("confrimed"));
    let twice = error(&format!(
        "{TEXT}\n[[cell]]\ncorpus = \"mosi\"\nmetric = \"mae\"\nvalue = 1.0\n"
    ));
    assert_eq!(
        twice.to_string(),
        "x.toml: cell mosi mae: occurs twice, expected once"
    );
    let nan = error(&TEXT.replace("0.691", "nan"));
    assert_eq!(
        nan.to_string(),
        "x.toml: cell mosi mae: value NaN, expected a finite number"
    );
}
