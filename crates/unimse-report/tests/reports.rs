//! Whole reports of the runs in `tests/fixtures` (all numbers invented), as Markdown and as HTML.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use unimse_report::{ReportError, paper_tables, write};

use crate::fixture::copy;

/// Markdown and HTML of a run.
fn report(run: &Path) -> (String, String) {
    let written = write(run, &paper_tables().unwrap()).unwrap();
    let read = |path| fs::read_to_string(path).unwrap();
    (read(written.markdown), read(written.html))
}

/// HTML that a strict XML parser takes once its few void elements are closed, with no tag that runs or fetches anything.
fn check_html(html: &str) {
    let (head, body) = html.split_once("<body>").unwrap();
    assert!(head.starts_with("<!DOCTYPE html>") && head.contains("default-src 'none'"));
    assert!(!head.contains("unsafe"));
    let body = format!("<body>{}", body.split_once("</html>").unwrap().0);
    let body = closed(&without_scripts(&body));
    let body = body.as_str();
    let tree = roxmltree::Document::parse(body).unwrap();
    for node in tree.descendants().filter(roxmltree::Node::is_element) {
        let tag = node.tag_name().name();
        let known = "body header nav main section footer ul li a h1 h2 h3 p strong code pre div table caption b thead tbody tr th td figure figcaption \
                     details summary svg g title text path circle rect form label input select option button kbd";
        assert!(known.split(' ').any(|k| k == tag), "unexpected <{tag}>");
        for attribute in node.attributes() {
            let name = attribute.name();
            let value = attribute.value();
            let inside =
                name == "href" && (value.starts_with('#') || value.starts_with("data:text/csv"));
            assert!(
                inside || (!name.starts_with("on") && !["href", "src", "style"].contains(&name)),
                "unexpected {name}"
            );
        }
    }
}

/// The page without its two scripts: the rows, and what shows them. Nothing else may be one.
fn without_scripts(body: &str) -> String {
    let mut rest = body.to_owned();
    for start in [
        "<script type=\"application/json\" id=\"utterance-data\">",
        "<script>\"use strict\";",
    ] {
        if let Some(from) = rest.find(start) {
            let to = from + rest[from..].find("</script>").unwrap();
            rest.replace_range(from..to + "</script>".len(), "");
        }
    }
    assert!(!rest.to_lowercase().contains("<script"), "a third script");
    rest
}

/// HTML's only void element of our bodies, closed as XML wants it.
fn closed(body: &str) -> String {
    let mut parts = body.split("<input ");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (attributes, rest) = part.split_once('>').unwrap();
        out.push_str(&format!("<input {attributes}/>{rest}"));
    }
    out
}

/// Every fixture: the whole report is snapshot as text; of the HTML, the body (the style sheet is a file of its own).
fn check(fixture: &str) -> (String, String) {
    let (_folder, run) = copy(fixture);
    let (markdown, html) = report(&run);
    check_html(&html);
    insta::assert_snapshot!(format!("{fixture}.md"), markdown);
    insta::assert_snapshot!(
        format!("{fixture}.html"),
        html.split_once("<body>").unwrap().1
    );
    (markdown, html)
}

#[test]
fn one_seed() {
    let (markdown, html) = check("single");
    for text in [&markdown, &html] {
        assert!(
            text.contains("Below") || text.contains("below"),
            "compares with the paper"
        );
    }
    for figure in [
        "UniMSE minus each baseline on mosi",
        "F1 of every class of meld",
        "Confusion matrix of meld",
        "with inputs missing, spoiled or exchanged",
        "Training loss by step",
        "Contrastive losses of each fused layer",
        "Scores on the dev splits",
        "Where the values of every universal-label field came from",
        "How near the donors are",
        "Donors in use",
        "What borrowed labels are worth",
    ] {
        let (before, _) = html.split_once(figure).unwrap();
        let (_, pictures) = before.rsplit_once("<figure").unwrap();
        assert!(pictures.contains("<svg"), "no picture before: {figure}");
    }
}

#[test]
fn a_synthetic_run_never_stands_beside_the_paper() {
    let (markdown, html) = check("synthetic");
    for text in [&markdown, &html] {
        assert!(text.contains("Synthetic data."));
        assert!(text.contains("Leaky."));
        assert!(text.contains("Test opened more than once."));
        assert!(text.contains("Not recorded."), "provenance is absent");
        for published in ["0.523", "54.39", "87.50"] {
            assert!(!text.contains(published), "{published} is the paper's");
        }
    }
}

#[test]
fn several_seeds() {
    let (markdown, html) = check("several");
    for text in [&markdown, &html] {
        assert!(text.contains("beats in 1 of 2 seeds, no difference beyond the interval in 1"));
        assert!(text.contains("Counts are summed over 2 seeds."));
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let (_folder, run) = copy("single");
    assert_eq!(report(&run), report(&run));
    let left: Vec<_> = fs::read_dir(&run)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn a_missing_file_is_named() {
    for file in ["results.json", "events.jsonl", "config.toml"] {
        let (_folder, run) = copy("single");
        fs::remove_file(run.join(file)).unwrap();
        let error = write(&run, &[]).unwrap_err();
        assert!(
            matches!(&error, ReportError::Read { path, .. } if *path == run.join(file)),
            "{error}"
        );
        assert!(!run.join("report.html").exists());
    }
    let (_folder, run) = copy("several");
    fs::remove_file(run.join("seed-2/results.json")).unwrap();
    let error = write(&run, &[]).unwrap_err().to_string();
    assert!(error.contains("seed-2/results.json"), "{error}");
    let error = write(Path::new("no/such/run"), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("no/such/run"), "{error}");
}

#[test]
fn a_wrong_field_is_named_with_what_was_expected() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        let (_folder, run) = copy("synthetic");
        let path = run.join("results.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = write(&run, &[]).unwrap_err().to_string();
        for part in expected {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    };
    check(
        "\"schema\": 3",
        "\"schema\": 2",
        &[
            "results.json",
            "`schema`",
            "expected 3 to 5, found 2; run `unimse evaluate` again",
        ],
    );
    check(
        "\"n\": 40",
        "\"n\": \"x\"",
        &["`corpora.mosei.test.n`", "string \"x\"", "a whole number"],
    );
    check(
        "\"sentiment\"",
        "\"mood\"",
        &["`corpora.mosei.task`", "mood", "emotion"],
    );
    check("\"synthetic\": true,", "", &["missing field `synthetic`"]);
    check("{", "{,", &["results.json", "line 1 column 2"]);
}

#[test]
fn whatever_the_files_say_is_text() {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>&]]>|`*_\u{202e}\u{0}\n# x";
    let (_folder, run) = copy("single");
    let value = serde_json::to_string(hostile).unwrap();
    let inside = &value[1..value.len() - 1];
    for file in ["results.json", "provenance.json", "events.jsonl"] {
        let text = fs::read_to_string(run.join(file)).unwrap();
        let mut spoiled = text;
        // Names of corpora, baselines, labels, features and whatever else is no closed vocabulary.
        for word in [
            "mosi",
            "ridge",
            "joy",
            "dialogue context",
            "minilm",
            "0f3a0f3a0f3a0f3a",
            "abcdef0",
            "x86_64",
            "clean",
        ] {
            spoiled = spoiled.replace(word, inside);
        }
        fs::write(run.join(file), spoiled).unwrap();
    }
    fs::write(
        run.join("config.toml"),
        format!("</pre>{hostile}\n```\n<b>x</b>"),
    )
    .unwrap();
    let (markdown, html) = report(&run);
    check_html(&html);
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert!(!html.contains(['\u{202e}', '\u{0}']) && !markdown.contains(['\u{202e}', '\u{0}']));
    let outside_fences = markdown.split("````").step_by(2).collect::<String>();
    assert!(!outside_fences.contains("<script") && !outside_fences.contains("<img"));
    assert!(!outside_fences.lines().any(|line| line.starts_with("# x")));
    // Every row of a table keeps its number of cells.
    let mut width = 0;
    for line in outside_fences.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        if line.starts_with('|') && width > 0 {
            assert_eq!(cells, width, "{line}");
        }
        width = if line.starts_with('|') { cells } else { 0 };
    }
}

#[test]
fn damaged_files_give_an_error_or_a_report_but_never_a_panic() {
    let (_folder, run) = copy("single");
    for file in ["results.json", "events.jsonl", "provenance.json"] {
        let path = run.join(file);
        let sound = fs::read(&path).unwrap();
        for (i, byte) in (0..sound.len())
            .step_by(sound.len() / 30)
            .zip(b"\"9}]-,e\xff\0 ".iter().cycle())
        {
            let mut damaged = sound.clone();
            damaged[i] = *byte;
            fs::write(&path, &damaged).unwrap();
            if let Err(error) = write(&run, &[]) {
                assert!(error.to_string().contains(file), "{error}");
            }
            fs::write(&path, &sound[..i]).unwrap();
            let error = write(&run, &[]).err();
            assert_eq!(error.is_some(), file != "events.jsonl", "{file} cut at {i}");
        }
        fs::write(&path, &sound).unwrap();
    }
    assert!(write(&run, &[]).is_ok());
}

/// The report of a run of MOSI and MELD in the paper's own setting (invented numbers), changed by `change`.
fn in_the_papers_setting(change: impl Fn(&mut Value)) -> String {
    let (_folder, run) = copy("single");
    let path = run.join("results.json");
    let mut results: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let cards = json!({
        "audio": {"tool": "mel-spectrogram", "version": "librosa 0.9", "settings": {"n_mels": "64"}, "dimension": 64, "rate_hz": 50.0},
        "video": {"tool": "efficientnet", "settings": {"pretrained": "VGGface, AFEW"}, "dimension": 64},
    });
    for corpus in ["mosi", "meld"] {
        results["corpora"][corpus]["features"] = cards.clone();
    }
    results["backbone"] = json!("t5-base");
    results["decoder"] = json!("t5");
    results["label_form"] = json!("triple");
    results["fusion"]["skip"] = json!(false);
    results["leaky"] = json!(true);
    results["modalities"] = json!(["text", "audio", "video"]);
    results["trained_on"] = json!(["mosi", "mosei", "meld", "iemocap"]);
    results["corpora"]["mosi"]["test"]["metrics"]["corr"] = json!(0.809);
    change(&mut results);
    fs::write(&path, results.to_string()).unwrap();
    report(&run).0
}

#[test]
fn the_report_says_who_lent_labels() {
    for (donors, words) in [
        (
            "train",
            "| Donors of labels | train rows only (not leaky) |",
        ),
        (
            "none",
            "| Donors of labels | none: every corpus has its own labels alone |",
        ),
        ("shuffled", "(a control) |"),
    ] {
        let (_folder, run) = copy("single");
        let path = run.join("results.json");
        let mut results: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        results["donors"] = json!(donors);
        fs::write(&path, results.to_string()).unwrap();
        let report = report(&run).0;
        assert!(report.contains(words), "{words} not in {report}");
    }
}

#[test]
fn a_run_in_the_papers_setting_reaches_its_cells() {
    let report = in_the_papers_setting(|_| ());
    // MOSI Corr 0.809 is the paper's; six other cells of MOSI and two of MELD are worse in the fixture
    assert!(
        report.contains("**1 reached, 8 below**, 0 not comparable"),
        "{report}"
    );
    assert!(report.contains("| mosi | Corr ↑ | 0.809 | 0.809 | **reached** |"));
    assert!(report.contains("| mosi | MAE ↓ | 0.780 | 0.691 | **below** |"));
}

#[test]
fn one_difference_of_the_setting_is_enough_and_named() {
    let check = |change: fn(&mut Value), cells: usize, reason: &str| {
        let report = in_the_papers_setting(change);
        let counted = format!("{cells} not comparable.");
        let noted = format!("Not comparable: {reason}.");
        assert!(report.contains(&counted), "{counted} not in {report}");
        assert!(report.contains(&noted), "{noted} not in {report}");
    };
    check(
        |r| r["backbone"] = json!("t5-small"),
        9,
        "other backbone: t5-small, the paper has t5-base",
    );
    check(
        |r| r["decoder"] = json!("label"),
        9,
        "other decoder: label, the paper has t5",
    );
    check(
        |r| r["fusion"]["skip"] = json!(true),
        9,
        "other fusion: with the hidden state added, the paper has without it",
    );
    check(
        |r| r["fusion"]["skip"] = Value::Null,
        9,
        "other fusion: not recorded, the paper has without it",
    );
    check(
        |r| r["label_form"] = json!("fields"),
        9,
        "other label form: fields, the paper has triple",
    );
    check(
        |r| r["leaky"] = json!(false),
        9,
        "other donors of labels: train rows only, the paper has test rows too (leaky)",
    );
    check(
        |r| r["trained_on"] = json!(["mosi", "meld"]),
        9,
        "subset of corpora: without mosei, iemocap",
    );
    check(
        |r| r["modalities"] = json!(["text", "video"]),
        9,
        "other audio features: none, the paper has mel-spectrogram",
    );
    check(
        |r| r["corpora"]["mosi"]["features"]["audio"]["tool"] = json!("unknown"),
        7,
        "other audio features: unknown, the paper has mel-spectrogram",
    );
    check(
        |r| r["corpora"]["meld"]["features"]["video"]["settings"] = json!({}),
        2,
        "other pretrained of video features: not recorded, the paper has VGGface, AFEW",
    );
}

#[test]
fn what_has_no_interval_and_what_could_not_be_fitted_says_why() {
    let reason = "all rows are of one cluster, at least 2 are needed to resample";
    let report = in_the_papers_setting(|r| {
        let test = &mut r["corpora"]["mosi"]["test"];
        test["clusters"] = json!(1);
        test["not_fitted"] = json!({"ridge": "expected at least 2 train rows with gold, found 1"});
        test["baselines"]
            .as_object_mut()
            .unwrap()
            .shift_remove("ridge");
        test["intervals"]["mae"] = json!({"estimate": 0.78, "undefined": reason});
        test["baselines"]["mean"]["difference"]["mae"] =
            json!({"estimate": -0.68, "undefined": reason});
    });
    for expected in [
        "On **1 of 2** an interval is undefined, so nothing is said.",
        "Intervals resample 1 videos.",
        "Intervals resample 280 dialogues.",
        "resample whole videos (sentiment) or dialogues (emotion)",
        "Baseline ridge could not be fitted: expected at least 2 train rows with gold, found 1.",
        "| mean | MAE ↓ | −0.680 | — | undefined: all rows are of one cluster",
        "Audio features: mel-spectrogram (librosa 0.9), 64 features a step, 50 steps a second, n_mels = 64.",
    ] {
        assert!(report.contains(expected), "{expected:?} not in {report}");
    }
    assert!(
        !report.contains("mean = {}") && !report.contains("mean  = "),
        "{report}"
    );
    let metric = report
        .lines()
        .find(|line| line.starts_with("| MAE ↓ | 0.790 |"));
    assert!(metric.unwrap().contains("| **0.780** | — |"), "{metric:?}");
}

#[test]
fn the_ablation_beside_a_run_is_shown_with_its_differences() {
    let (folder, run) = copy("single");
    assert!(!report(&run).0.contains("## Ablation"));
    let metric = |difference: Value| json!({"mae": {"mean": 0.8, "per_seed": [0.8], "difference": difference}});
    let compared = |metrics: Value| {
        let corpus = json!({"task": "sentiment", "n": 10, "resampled": "videos", "clusters": 4, "metrics": metrics});
        json!({"run": "r", "seeds": [1], "corpora": {"mosi": corpus}})
    };
    let row = |name: &str, runs: Value| json!({"name": name, "shows": "<b>part</b>", "values": [], "runs": runs});
    let worse = json!({"estimate": 0.05, "low": 0.01, "high": 0.09, "p": 0.02});
    let mut ablation = json!({
        "schema": 1, "preset": "minilm", "seeds": [1], "values": [], "synthetic": false, "resamples": 1000, "resampling_seed": 1, "test_openings": 2,
        "rows": [row("without-audio", json!([compared(metric(worse))])), row("nothing", json!([]))],
    });
    let path = folder.path().join("ablation.json");
    fs::write(&path, ablation.to_string()).unwrap();
    let (markdown, html) = report(&run);
    check_html(&html);
    let line = "| without-audio | mosi | MAE ↓ | 0.800 | +0.050 \\[+0.010, +0.090\\] | 0.020 |";
    assert!(markdown.contains(line), "{markdown}");
    assert!(markdown.contains("; no numbers |"), "{markdown}");
    assert!(
        html.contains("without-audio: +0.050"),
        "the mark says its value"
    );
    ablation["schema"] = json!(2);
    fs::write(&path, ablation.to_string()).unwrap();
    assert!(
        !report(&run).0.contains("## Ablation"),
        "of another version"
    );
    fs::write(&path, "{").unwrap();
    let error = write(&run, &[]).unwrap_err().to_string();
    assert!(error.contains("ablation.json"), "{error}");
}
