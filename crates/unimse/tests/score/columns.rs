//! Lists in a cell, generated labels, and two systems on the same rows.

use super::*;

/// MOSEI's emotions: three utterances, two emotions, by the formula.
#[test]
fn several_emotions_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let rows = "truth,prediction\n\"[0.33, 0]\",\"[0.9, 0.5]\"\n\"[0, 1]\",\"[0.6, 0.1]\"\n\"[0, 0]\",\"[0.2, 0.2]\"\n";
    fs::write(&file, rows).unwrap();
    let options = [
        "--task",
        "presence",
        "--labels",
        "joy,fear",
        "--resamples",
        "0",
    ];
    let got = score(&file, &options);
    // joy: 1 of 1 present and 1 of 2 absent told right; fear: 0 of 1 and 1 of 2
    let accuracy = |tp: f64, tn: f64| (tp * 2.0 / 1.0 + tn) / (2.0 * 2.0);
    let of = |name: &str, key: &str| got["emotions"][name]["metrics"][key].as_f64().unwrap();
    assert_eq!(of("joy", "weighted_accuracy"), accuracy(1.0, 1.0));
    assert_eq!(of("fear", "weighted_accuracy"), accuracy(0.0, 1.0));
    assert_eq!(of("joy", "f1_present"), 2.0 / (2.0 + 0.0 + 1.0));
    assert_eq!(of("fear", "f1_present"), 0.0);
    let mean = f64::midpoint(accuracy(1.0, 1.0), accuracy(0.0, 1.0));
    assert_eq!(got["metrics"]["weighted_accuracy"].as_f64(), Some(mean));
    let all = [&options[..], &["--threshold", "0.95"]].concat();
    assert_eq!(
        score(&file, &all)["emotions"]["joy"]["metrics"]["f1_present"],
        json!(0.0)
    );
    fs::write(&file, "truth,prediction\n\"[1, 0]\",\"[1, 0]\"\n").unwrap();
    let got = score(&file, &options);
    assert_eq!(
        got["undefined"]["weighted_accuracy"],
        "joy: every row has the emotion"
    );
}

#[test]
fn probabilities_and_quantiles_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.parquet");
    let lists = [[0.8, 0.2], [0.4, 0.6]].map(|list| Some(list.map(Some)));
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
    let column = |values: [f64; 2]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let names = |names: [&str; 2]| Arc::new(StringArray::from(names.to_vec())) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("truth", names(["joy", "joy"])),
        ("prediction", names(["joy", "fear"])),
        ("joys", names(["joy", "joy"])),
        ("p", Arc::new(lists)),
        ("score", column([0.5, 0.9])),
        ("said", column([0.0, 1.5])),
        ("a", column([-2.0, 0.0])),
        ("b", column([-0.5, 1.0])),
        ("c", column([0.5, 2.0])),
        ("d", column([2.0, 3.0])),
    ];
    parquet(&file, columns);
    let options = [
        &EMOTION[..],
        &["--labels", "joy,fear", "--probabilities", "p"],
    ]
    .concat();
    let got = score(&file, &options);
    let brier = ((0.04 + 0.04) + (0.36 + 0.36)) / 2.0;
    assert!((got["metrics"]["brier"].as_f64().unwrap() - brier).abs() < 1e-12);
    assert_eq!(got["metrics"]["accuracy"], json!(0.5));
    assert_eq!(got["unlike_probabilities"], json!(0));
    let joys = [&options[..], &["--prediction-column", "joys"]].concat();
    let unlike = &score(&file, &joys)["unlike_probabilities"];
    assert_eq!(unlike, &json!(1), "0.6 is that of fear");
    let columns = [
        "--truth-column",
        "score",
        "--prediction-column",
        "said",
        "--quantiles",
        "a,b,c,d",
    ];
    let options = [&SENTIMENT[..], &columns].concat();
    let got = score(&file, &options);
    assert_eq!(got["metrics"]["coverage50"], json!(1.0 / 2.0));
    assert_eq!(got["metrics"]["width90"], json!((4.0 + 3.0) / 2.0));
    let turned = columns.map(|word| if word == "a,b,c,d" { "a,c,b,d" } else { word });
    let error = refused(&file, &[&SENTIMENT[..], &turned].concat());
    assert!(
        error.contains("x.parquet: row 1, column b: expected a number from 0.5 on"),
        "{error}"
    );
    let error = refused(&file, &[&EMOTION[..], &["--probabilities", "p"]].concat());
    assert!(
        error.contains("row 1, column p: expected a list of 7 finite numbers, found [0.8, 0.2]"),
        "{error}"
    );
}

/// A class and an intensity read from the text, and every liberty counted.
#[test]
fn generated_labels_are_parsed_and_their_repairs_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.jsonl");
    let said = [
        "positive,1.6,joy",
        "Positive, 0.4, joy",
        "negative,-2.0,glee",
        "no idea",
    ];
    jsonl(
        &file,
        &[1.5, 0.5, -1.0, 0.0].map(|x| json!(x)),
        &said.map(|x| json!(x)),
    );
    let generated = ["--generated", "polarity,intensity,meld"];
    let error = refused(&file, &[&SENTIMENT[..], &generated].concat());
    assert!(
        error.contains(
            "x.jsonl: line 4, column prediction: expected a label with a value of intensity"
        ),
        "{error}"
    );
    let options = [&SENTIMENT[..], &generated, &["--unparsed", "-1"]].concat();
    let got = score(&file, &options);
    let mae = (0.1 + 0.1 + 1.0 + 1.0) / 4.0;
    assert!((got["metrics"]["mae"].as_f64().unwrap() - mae).abs() < 1e-6);
    // the second: blanks and a capital; the third: an unknown word and so no emotion; the fourth is no label
    let counts = json!({"labels": 4, "repaired": 2, "repairs": {"ignored": 1, "missing": 1, "rewritten": 1, "separator": 1}, "unparsed": 1});
    assert_eq!(got["generated"], counts);
    jsonl(
        &file,
        &["joy"; 4].map(|x| json!(x)),
        &said.map(|x| json!(x)),
    );
    let triple = [
        "--generated",
        "polarity,intensity,emotion",
        "--unparsed",
        "neutral",
    ];
    let got = score(&file, &[&EMOTION[..], &triple].concat());
    assert_eq!(got["metrics"]["accuracy"], json!(2.0 / 4.0));
    assert_eq!(got["generated"]["unparsed"], json!(2));
}

/// Another order of rows is joined by the id; who lacks or repeats one is told.
#[test]
fn two_systems_are_paired_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    fs::write(&a, "id,truth,prediction\nx,1,1.5\ny,2,2.5\nz,-1,0\n").unwrap();
    let against = ["--against", b.to_str().unwrap()];
    let by_id = ["--id", "id"];
    let write = |rows: &str| fs::write(&b, format!("id,truth,prediction\n{rows}")).unwrap();
    write("z,-1,-1\nx,1,1\ny,2,4\n");
    let options = [&SENTIMENT[..2], &against, &by_id, &["--resamples", "200"]].concat();
    let got = score(&a, &options);
    let mae = &got["against"]["mae"];
    let (ours, theirs) = ((0.5 + 0.5 + 1.0) / 3.0, 2.0 / 3.0);
    assert_eq!(mae["value"].as_f64(), Some(theirs));
    assert_eq!(mae["difference"]["estimate"].as_f64(), Some(ours - theirs));
    assert_eq!(mae["p_randomisation"], json!(1.0), "there is no difference");
    let refusals = [
        ("z,-1,-1\nx,1,1\n", "no row has the id \"y\" of the file"),
        ("z,-1,-1\nx,1,1\ny,2,4\nw,0,0\n", "the id \"w\" has no row"),
        (
            "z,-1,-1\nx,1,1\nx,1,1\ny,2,4\n",
            "the id \"x\" is there twice",
        ),
        (
            "z,-1,-1\nx,1.25,1\ny,2,4\n",
            "row of id x: expected the truth [1.0] as in the file compared with it, found [1.25]",
        ),
    ];
    for (rows, words) in refusals {
        write(rows);
        let error = refused(&a, &options);
        assert!(error.contains("b.csv") && error.contains(words), "{error}");
    }
    write("x,1,1\nz,-1,-1\ny,2,4\n");
    let in_order = [&SENTIMENT[..], &against].concat();
    let error = refused(&a, &in_order);
    assert!(error.contains("b.csv: row 2 (--id COLUMN joins"), "{error}");
    write("x,1,1\n");
    let error = refused(&a, &in_order);
    assert!(
        error.contains("b.csv: expected 3 rows as in the file compared with it, found 1"),
        "{error}"
    );
}
