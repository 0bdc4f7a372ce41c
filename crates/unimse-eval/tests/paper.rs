//! The tables of published results and the verdicts they allow.

use std::error::Error;

use unimse_eval::{Cell, Context, Convention, Extraction, Features, Metric, PaperTable, Verdict};

const PATH: &str = "data/paper/unimse.toml";
const TEXT: &str = include_str!("../../../data/paper/unimse.toml");

fn table() -> PaperTable {
    PaperTable::parse(PATH, TEXT).unwrap()
}

/// The setting of the paper itself.
fn same(table: &PaperTable) -> Context {
    Context {
        synthetic: false,
        backbone: Some(table.backbone.clone()),
        decoder: table.decoder.clone(),
        fusion_skip: table.fusion_skip,
        label_form: table.label_form.clone(),
        leaky: table.leaky,
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
        [value("mosi", Metric::Mae), value("mosi", Metric::Corr)],
        [0.691, 0.809]
    );
    assert_eq!(
        [value("mosei", Metric::Mae), value("mosei", Metric::Corr)],
        [0.523, 0.773]
    );
    let sentiment = [
        Metric::Acc7,
        Metric::Acc2Has0,
        Metric::Acc2Non0,
        Metric::F1Has0,
        Metric::F1Non0,
    ];
    assert_eq!(
        sentiment.map(|metric| percent("mosi", metric)),
        [48.68, 85.85, 86.90, 85.83, 86.42]
    );
    assert_eq!(
        sentiment.map(|metric| percent("mosei", metric)),
        [54.39, 85.86, 87.50, 85.79, 87.46]
    );
    let emotion = [Metric::Accuracy, Metric::WeightedF1];
    assert_eq!(
        emotion.map(|metric| percent("meld", metric)),
        [65.09, 65.51]
    );
    assert_eq!(
        emotion.map(|metric| percent("iemocap", metric)),
        [70.56, 70.66]
    );
    let doubtful: Vec<&Cell> = table.cells.iter().filter(|cell| !cell.confirmed).collect();
    assert_eq!(doubtful, [table.cell("mosei", Metric::F1Has0).unwrap()]);
    assert_eq!(table.cells.len(), 2 * 7 + 2 * 2);
    assert_eq!(table.cell("mosi", Metric::Acc5), None);
}

#[test]
fn in_the_same_setting_the_better_value_counts() {
    let table = table();
    let verdict = |corpus, metric, value| {
        table.verdict(table.cell(corpus, metric).unwrap(), value, &same(&table))
    };
    assert_eq!(verdict("mosi", Metric::Mae, 0.691), Verdict::Reached);
    assert_eq!(verdict("mosi", Metric::Mae, 0.692), Verdict::Below);
    assert_eq!(verdict("meld", Metric::WeightedF1, 0.66), Verdict::Reached);
    assert_eq!(verdict("meld", Metric::WeightedF1, 0.65), Verdict::Below);
    assert!(matches!(
        verdict("meld", Metric::WeightedF1, f64::NAN),
        Verdict::NotComparable { .. }
    ));
}

#[test]
fn any_other_setting_is_not_comparable_and_says_why() {
    let table = table();
    let reason = |corpus: &str, metric: Metric, change: fn(&mut Context)| {
        let mut context = same(&table);
        change(&mut context);
        match table.verdict(table.cell(corpus, metric).unwrap(), 1.0, &context) {
            Verdict::NotComparable { reason } => reason,
            verdict => verdict.to_string(),
        }
    };
    assert_eq!(
        reason("mosi", Metric::Acc7, |context| context.synthetic = true),
        "synthetic corpora"
    );
    let check = |change: fn(&mut Context), expected: &str| {
        assert_eq!(reason("meld", Metric::Accuracy, change), expected);
    };
    check(
        |context| context.backbone = Some("minilm".to_owned()),
        "other backbone: minilm, the paper has t5-base",
    );
    check(
        |context| context.decoder = Some("label".to_owned()),
        "other decoder: label, the paper has t5",
    );
    check(
        |context| context.fusion_skip = Some(true),
        "other fusion: with the hidden state added, the paper has without it",
    );
    check(
        |context| context.label_form = Some("fields".to_owned()),
        "other label form: fields, the paper has triple",
    );
    check(
        |context| context.leaky = Some(false),
        "other donors of labels: train rows only, the paper has test rows too (leaky)",
    );
    check(
        |context| (context.decoder, context.leaky) = (None, None),
        "other decoder: not recorded, the paper has t5; \
         other donors of labels: not recorded, the paper has test rows too (leaky)",
    );
    check(
        |context| context.features = Features::default(),
        "other audio features: none, the paper has mel-spectrogram; other video features: none, the paper has efficientnet",
    );
    let subset = reason("meld", Metric::Accuracy, |context| {
        context.corpora.retain(|corpus| corpus.starts_with('m'))
    });
    assert_eq!(subset, "subset of corpora: without iemocap");
    let more = reason("meld", Metric::Accuracy, |context| {
        context.corpora.push("sims".to_owned())
    });
    assert_eq!(more, "further corpora: sims");
    let mult = |context: &mut Context| context.convention = Convention::Mult;
    assert_eq!(
        reason("mosi", Metric::F1Non0, mult),
        "other convention: mult, the paper has mmsa"
    );
    assert_eq!(reason("meld", Metric::Accuracy, mult), "reached");
}

/// A publication that says everything about its audio.
fn particular() -> PaperTable {
    let mut table = table();
    table.features.audio = Some(Extraction {
        tool: "mel-spectrogram".to_owned(),
        version: Some("librosa 0.9".to_owned()),
        settings: [("n_mels".to_owned(), "64".to_owned())].into(),
        dimension: Some(64),
        rate_hz: Some(100.0),
    });
    table
}

#[test]
fn every_attribute_that_the_paper_gives_its_features_is_compared() {
    let table = particular();
    let cell = table.cell("meld", Metric::Accuracy).unwrap();
    let check = |change: fn(&mut Extraction), expected: &str| {
        let mut context = same(&table);
        change(context.features.audio.as_mut().unwrap());
        let verdict = table.verdict(cell, 1.0, &context).to_string();
        assert_eq!(verdict.trim_start_matches("not comparable: "), expected);
    };
    check(|_| (), "reached");
    check(|audio| audio.tool = "Mel-Spectrogram".to_owned(), "reached");
    check(
        |audio| drop(audio.settings.insert("hop".to_owned(), "160".to_owned())),
        "reached",
    );
    check(
        |audio| audio.tool = "covarep".to_owned(),
        "other audio features: covarep, the paper has mel-spectrogram",
    );
    check(
        |audio| audio.version = Some("librosa 0.11".to_owned()),
        "other version of audio features: librosa 0.11, the paper has librosa 0.9",
    );
    check(
        |audio| audio.dimension = Some(73),
        "other dimension of audio features: 73, the paper has 64",
    );
    check(
        |audio| audio.rate_hz = Some(50.0),
        "other rate of audio features: 50, the paper has 100",
    );
    check(
        |audio| drop(audio.settings.insert("n_mels".to_owned(), "80".to_owned())),
        "other n_mels of audio features: 80, the paper has 64",
    );
    check(
        |audio| {
            *audio = Extraction {
                tool: audio.tool.clone(),
                ..Extraction::default()
            }
        },
        "other version of audio features: not recorded, the paper has librosa 0.9; \
         other dimension of audio features: not recorded, the paper has 64; \
         other rate of audio features: not recorded, the paper has 100; \
         other n_mels of audio features: not recorded, the paper has 64",
    );
}

#[test]
fn what_the_paper_does_not_say_is_not_compared() {
    let mut table = table();
    (table.decoder, table.fusion_skip) = (None, None);
    (table.label_form, table.leaky) = (None, None);
    let context = Context {
        decoder: Some("label".to_owned()),
        fusion_skip: Some(true),
        label_form: Some("fields".to_owned()),
        leaky: Some(false),
        features: particular().features,
        ..same(&table)
    };
    let verdict = table.verdict(table.cell("mosi", Metric::Mae).unwrap(), 0.7, &context);
    assert_eq!(verdict, Verdict::Below);
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
