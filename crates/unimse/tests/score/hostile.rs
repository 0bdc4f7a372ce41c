//! Files and options that are refused by name, and rows without a value.

use super::*;

/// A file, the options, and words of the error.
type Hostile = (
    &'static str,
    &'static [u8],
    &'static [&'static str],
    &'static str,
);

const HOSTILE: [Hostile; 22] = [
    (
        "x.csv",
        b"",
        &SENTIMENT,
        "x.csv: expected a header with the column truth, found an empty file",
    ),
    (
        "x.csv",
        b"truth,prediction\n",
        &SENTIMENT,
        "x.csv: expected at least one row, found none",
    ),
    (
        "x.csv",
        b"truth,guess\n1,1\n",
        &SENTIMENT,
        "column prediction is missing (found: truth, guess)",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,NaN\n",
        &SENTIMENT,
        "x.csv: line 2, column prediction: expected a finite number, found \"NaN\"",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,1e999\n",
        &SENTIMENT,
        "line 2, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"truth,prediction\n1.0,\n",
        &SENTIMENT,
        "expected a finite number, found \"\"",
    ),
    (
        "x.csv",
        b"truth,prediction\njoy,glee\n",
        &EMOTION,
        "x.csv: line 2, column prediction: expected one of neutral, surprise, fear, sadness, joy, disgust, anger, found \"glee\"",
    ),
    (
        "x.csv",
        b"truth,prediction\n1,1\n1\n",
        &SENTIMENT,
        "x.csv: line 3: expected 2 fields as in the header, found 1",
    ),
    (
        "x.csv",
        b"truth,prediction\n1,1\n\n\n1,x\n",
        &SENTIMENT,
        "x.csv: line 5, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"\xef\xbb\xbftruth,prediction\n1,1\n\r\n\r\n1,x\n",
        &SENTIMENT,
        "x.csv: line 5, column prediction: expected a finite number",
    ),
    (
        "x.csv",
        b"truth,prediction,truth\n1,1,2\n",
        &SENTIMENT,
        "x.csv: expected one column truth, found more (found: truth, prediction, truth)",
    ),
    (
        "x.csv",
        b"truth,prediction\njoy,joy\njoy,\xff\n",
        &EMOTION,
        "x.csv: line 3: expected UTF-8, found other bytes",
    ),
    (
        "x.jsonl",
        b"",
        &SENTIMENT,
        "x.jsonl: expected at least one row",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": NaN}\n",
        &SENTIMENT,
        "x.jsonl: line 1: expected one JSON object, found",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": 2}\n\n[1]\n",
        &SENTIMENT,
        "x.jsonl: line 3: expected one JSON object, found invalid type",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"truth\": 2, \"prediction\": 2}\n",
        &SENTIMENT,
        "line 1: expected one JSON object, found column truth twice",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1}\n",
        &SENTIMENT,
        "line 1, column prediction: expected a finite number, found nothing",
    ),
    (
        "x.jsonl",
        b"{\"truth\": 1, \"prediction\": {}}\n",
        &SENTIMENT,
        "line 1, column prediction: expected text, a number or a list of numbers, found an object",
    ),
    ("x.parquet", b"PAR1", &SENTIMENT, "x.parquet: "),
    (
        "x.npy",
        b"",
        &SENTIMENT,
        "x.npy: expected --truth FILE.npy beside an .npy file",
    ),
    (
        "x.txt",
        b"1 1\n",
        &SENTIMENT,
        "x.txt: expected a .csv, .jsonl, .parquet or .npy file, found .txt",
    ),
    (
        "x.csv",
        b"truth,prediction,v\n1,1,\n",
        &["--task", "sentiment", "--cluster", "v"],
        "line 2, column v: expected a name: text, or a number below 2^53 (a larger one has lost digits: write it as text), found \"\"",
    ),
];

#[test]
fn hostile_files_are_refused_by_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, options, words) in HOSTILE {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let error = refused(&file, options);
        assert!(error.contains(words), "{words:?} not in {error}");
    }
    // a megabyte in one field, or in the header, takes a line of the error
    let long = "a".repeat(1 << 20);
    let file = folder.path().join("long.csv");
    for (content, words) in [
        (
            format!("truth,prediction\n1,{long}\n"),
            "line 2, column prediction",
        ),
        (
            format!("{long},prediction\n"),
            "column truth is missing (found: aaa",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let error = refused(&file, &SENTIMENT);
        assert!(error.contains(words) && error.len() < 500, "{error}");
    }
    let fifo = folder.path().join("fifo.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let error = refused(&fifo, &EMOTION);
    assert!(
        error.contains("fifo.csv: expected a regular file, found a FIFO"),
        "{error}"
    );
}

#[test]
fn hostile_arrays_are_refused_by_file_and_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let truth = path("t.npy");
    let run = || {
        let options = [&SENTIMENT[..], &["--truth", truth.to_str().unwrap()]].concat();
        refused(&path("x.npy"), &options)
    };
    npy(&path("x.npy"), "2,", &[1.0, f64::NAN]);
    npy(&truth, "3,", &[1.0, 2.0, 3.0]);
    assert!(run().contains("x.npy: expected 3 rows as in"));
    npy(&truth, "2,", &[1.0, 2.0]);
    assert!(run().contains("x.npy: row 2, column prediction: expected a finite number, found NaN"));
    npy(&truth, "1, 1, 2", &[1.0, 2.0]);
    assert!(run().contains("t.npy: expected an array of shape [n] or [n, k], found [1, 1, 2]"));
    fs::write(&truth, b"\x93NUMPY").unwrap();
    assert!(run().contains("t.npy: npy: expected an .npy header"));
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    fs::write(&file, "truth,prediction\n1,1\n").unwrap();
    let cases: [(&[&str], &str); 11] = [
        (
            &["--metrics", "macro_f1"],
            "--metrics: no metric `macro_f1` here, expected one of: mae, corr",
        ),
        (
            &["--labels", "a,b"],
            "--labels: a file of scores has no classes",
        ),
        (
            &["--probabilities", "p"],
            "--probabilities: only --task emotion",
        ),
        (
            &["--quantiles", "a,b"],
            "--quantiles: expected four columns, found 2",
        ),
        (
            &["--where", "corpus"],
            "--where: expected COLUMN=VALUE, found \"corpus\"",
        ),
        (
            &["--where", "truth=2"],
            "x.csv: expected at least one row with truth=2, found none",
        ),
        (
            &["--truth-column", "prediction"],
            "--prediction-column: expected another column",
        ),
        (
            &["--generated", "intensity,polarity"],
            "--generated: expected polarity, then",
        ),
        (
            &["--generated", "polarity,meld"],
            "--generated: expected intensity, found polarity,meld",
        ),
        (
            &["--generated", "polarity,intensity", "--unparsed", "x"],
            "--unparsed: expected a score, found \"x\"",
        ),
        (
            &["--truth", "t.npy"],
            "--truth t.npy: expected .npy files alone",
        ),
    ];
    for (options, words) in cases {
        let error = refused(&file, &[&SENTIMENT[..], options].concat());
        assert!(error.contains(words), "{words:?} not in {error}");
    }
    let error = refused(&file, &[&EMOTION[..], &["--labels", "a,b,a"]].concat());
    assert!(
        error.contains("--labels: expected different names, found \"a\" twice"),
        "{error}"
    );
}

/// Ids of 64 bits as numbers would become one another; a count of resamples that no memory holds is a matter of usage.
#[test]
fn ids_that_lose_digits_and_endless_resamples_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let row = |id: u64| format!("{{\"truth\": 1, \"prediction\": 0.5, \"d\": {id}}}\n");
    fs::write(&file, row(7) + &row((1 << 53) - 1)).unwrap();
    let kept = score(&file, &[&SENTIMENT[..], &["--cluster", "d"]].concat());
    assert_eq!(kept["clusters"], json!(2));
    fs::write(&file, row(7) + &row(1 << 53)).unwrap();
    let error = refused(&file, &[&SENTIMENT[..], &["--cluster", "d"]].concat());
    assert!(
        error.contains("x.jsonl: line 2, column d: expected a name: text, or a number below 2^53"),
        "{error}"
    );
    let many = u64::MAX.to_string();
    let output = unimse(&file, &["--task", "sentiment", "--resamples", &many]);
    assert_eq!(output.status.code(), Some(2));
}

/// A column of ids is none to group by: ten million groups would not fit.
#[test]
fn a_group_a_row_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let rows: String = (0..10_001).map(|id| format!("1,1,{id}\n")).collect();
    fs::write(&file, format!("truth,prediction,id\n{rows}")).unwrap();
    let error = refused(&file, &[&SENTIMENT[..], &["--group-by", "id"]].concat());
    assert!(
        error.contains(
            "x.csv: column id: expected at most 10000 different values for --group-by, found 10001"
        ),
        "{error}"
    );
}

/// A number is what it is worth, however it is written.
#[test]
fn where_compares_numbers_as_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let text = "{\"truth\": 1, \"prediction\": 1, \"f\": 1.0}\n{\"truth\": 2, \"prediction\": 1, \"f\": 1e-7}\n";
    fs::write(&file, text).unwrap();
    for (only, mae) in [("f=1", 0.0), ("f=1.0", 0.0), ("f=1e-7", 2.0 - 1.0)] {
        let found = score(&file, &[&SENTIMENT[..], &["--where", only]].concat());
        assert_eq!(found["metrics"]["mae"], json!(mae), "{only}");
    }
}

/// One row and constants: what has no value says why, and nothing is NaN.
#[test]
fn one_row_and_constants_have_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    fs::write(&file, "truth,prediction\n0.1,0.3\n").unwrap();
    let one = score(&file, &["--task", "sentiment"]);
    assert_eq!(one["metrics"]["mae"], json!(0.3 - 0.1));
    assert_eq!(one["undefined"]["corr"], "the predictions are constant");
    let interval = &one["intervals"]["mae"]["percentile"];
    assert!(
        interval["undefined"]
            .as_str()
            .unwrap()
            .contains("one cluster"),
        "{one}"
    );
    // ten times 0.1 is not 1 in floats: the constant is told by its values
    csv(
        &file,
        &[0.1; 10],
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1.0],
    );
    let constant = score(&file, &["--task", "sentiment"]);
    assert_eq!(constant["undefined"]["corr"], "the truths are constant");
    csv(&file, &[1e308, -1e308, 1e308], &[-1e308, 1e308, -1e308]);
    let huge = score(&file, &SENTIMENT);
    assert!(
        huge["undefined"]["mae"]
            .as_str()
            .unwrap()
            .contains("beyond 64-bit"),
        "{huge}"
    );
    assert_eq!(huge["metrics"]["acc7"], json!(0.0));
}
