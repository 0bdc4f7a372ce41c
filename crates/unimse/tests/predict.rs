//! `unimse predict` as programs see it: on a tiny trained run it answers as the run does, whatever the rows come from and whoever is beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::run::{self, World, answers, assert_refused, close, stderr, unimse, with_threads};

fn write_lines(path: &Path, rows: &[Value]) {
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(path, text).unwrap();
}

/// Probabilities and score of an answer by name.
fn numbers(answer: &Value) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for field in ["polarity", "meld", "iemocap"] {
        if let Some(classes) = answer[field]["probabilities"].as_object() {
            for (class, p) in classes {
                out.insert(format!("{field} {class}"), p.as_f64().unwrap());
            }
        }
    }
    if let Some(value) = answer["intensity"]["value"].as_f64() {
        out.insert("intensity".into(), value);
    }
    out
}

fn assert_same(a: &Value, b: &Value) {
    let (x, y) = (numbers(a), numbers(b));
    assert_eq!(x.keys().collect::<Vec<_>>(), y.keys().collect::<Vec<_>>());
    assert!(x.len() > 3);
    for (name, value) in &x {
        assert!(close(*value, y[name]), "{name}: {value} and {}", y[name]);
    }
    for field in ["polarity", "meld", "iemocap"] {
        assert_eq!(a[field]["label"], b[field]["label"]);
    }
    assert_eq!(why(a), why(b));
}

/// Why an answer does not agree with itself: a list in an answer, one text in the table. Without digits: two decimals may round either way.
fn why(answer: &Value) -> String {
    let text = match &answer["disagreements"] {
        Value::Array(list) => list
            .iter()
            .map(|v| v.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("; "),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    text.replace(|c: char| c.is_ascii_digit(), "")
}

#[test]
fn the_rows_of_a_corpus_are_answered_as_in_the_run() {
    let world = World::get();
    let predictions = world.predictions();
    let rows = world.rows();
    assert_eq!(predictions.len(), rows.len());
    let file = world.path("rows.jsonl");
    // shuffled: dialogues are put together by their ids and turns
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|i| (i * 7919) % rows.len());
    let shuffled: Vec<Value> = order.iter().map(|&i| rows[i].clone()).collect();
    write_lines(&file, &shuffled);
    let from_file = answers(&world.predict(&["--input", file.to_str().unwrap()]));
    // in the order of the tables, as a pipe would give them
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let from_pipe = answers(&world.piped(&lines));
    assert_eq!((from_file.len(), from_pipe.len()), (rows.len(), rows.len()));
    let (mut contradictions, mut corpora) = (0, std::collections::BTreeSet::new());
    let shuffled = order.iter().map(|&i| &rows[i]).zip(&from_file);
    for (row, answer) in shuffled.chain(rows.iter().zip(&from_pipe)) {
        let key = [&row["corpus"], &row["utterance_id"]].map(|v| v.as_str().unwrap().to_owned());
        let expected = &predictions[&key];
        assert_same(answer, expected);
        assert_eq!(answer["utterance_id"], row["utterance_id"]);
        contradictions += usize::from(answer["disagreements"] != json!([]));
        corpora.insert(key[0].clone());
    }
    assert_eq!(corpora.len(), 4, "{corpora:?}");
    eprintln!(
        "{contradictions} of {} answers disagree with themselves",
        2 * rows.len()
    );
}

#[test]
fn the_folder_of_checkpoints_is_all_it_needs() {
    let world = World::get();
    // the backbone that the run was trained from is gone, and so is everything but its checkpoints
    let copy = world.copy("elsewhere");
    let run = copy.to_str().unwrap();
    for folder in ["/", world.path(".").to_str().unwrap()] {
        let output = unimse(
            &["predict", "--run", run, "--text", "hello"],
            Path::new(folder),
            "",
        );
        let answer = &answers(&output)[0];
        assert_eq!(answer["text"], "hello");
        assert_same(answer, &answers(&world.predict(&["--text", "hello"]))[0]);
    }
}

#[test]
fn a_row_is_answered_alike_alone_and_in_company() {
    let world = World::get();
    let all: Vec<Value> = world.rows().into_iter().step_by(9).take(90).collect();
    let bare: Vec<Value> = all
        .into_iter()
        .map(|mut row| {
            row.as_object_mut().unwrap().remove("dialogue_id");
            row
        })
        .collect();
    let file = world.path("company.jsonl");
    let answer = |rows: &[Value]| {
        write_lines(&file, rows);
        answers(&world.predict(&["--input", file.to_str().unwrap()]))
    };
    let together = answer(&bare);
    for size in [1, 2, 7, 33] {
        for chunk in [&bare[..size], &bare[bare.len() - size..]] {
            let mut backwards = chunk.to_vec();
            backwards.reverse();
            for rows in [chunk.to_vec(), backwards] {
                for (row, answer) in rows.iter().zip(answer(&rows)) {
                    let at = bare.iter().position(|r| r == row).unwrap();
                    assert_same(&answer, &together[at]);
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte_of_many_answers() {
    let world = World::get();
    let rows = world.rows();
    // several batches of 64
    let many: Vec<Value> = rows.iter().cycle().take(400).cloned().collect();
    let (run, file) = (world.path("run"), world.path("many.jsonl"));
    write_lines(&file, &many);
    let paths = [&run, &file].map(|path| path.to_str().unwrap());
    let arguments = ["predict", "--run", paths[0], "--input", paths[1]];
    let answered = |threads| with_threads(threads, &arguments, Path::new("/"), "");
    let one = answered("1");
    assert_eq!(answers(&one).len(), 400);
    for threads in ["2", "3"] {
        assert_eq!(answered(threads).stdout, one.stdout, "{threads} threads");
    }
}

#[test]
fn the_folder_of_several_seeds_answers_with_the_mean_of_their_probabilities() {
    let world = World::get();
    let seeds = [1, 2].map(|seed| {
        let folder = world.copy(&format!("seeds/seed-{seed}"));
        let file = folder.join("checkpoints/model.safetensors");
        let tensors = unimse_model::weights::read(&file).unwrap();
        // another seed: the head of the labels says other things
        let scale = f64::from(3 - seed) / 2.0;
        let _ = tch::no_grad(|| {
            let mut head = tensors["unimse.label.head.weight"].shallow_clone();
            head.g_mul_scalar_(scale)
        });
        let tensors: Vec<_> = tensors.into_iter().collect();
        unimse_model::weights::save(&tensors, &file).unwrap();
        world.reseal(&folder, &|card| card["seed"] = json!(seed));
        folder
    });
    let ask = |run: &Path| {
        let arguments = ["predict", "--run", run.to_str().unwrap(), "--text", "hello"];
        numbers(&answers(&unimse(&arguments, Path::new("/"), ""))[0])
    };
    let [one, two] = [ask(&seeds[0]), ask(&seeds[1])];
    let together = ask(&world.path("seeds"));
    let mut differ = 0;
    for (name, both) in together.iter().filter(|(name, _)| *name != "intensity") {
        let mean = (one[name] + two[name]) / 2.0;
        assert!(close(*both, mean), "{name}: {both}, expected {mean}");
        differ += usize::from((one[name] - two[name]).abs() > 1e-4);
    }
    assert!(differ > 3, "the two seeds say the same");
}

#[test]
fn weights_that_are_not_the_runs_are_refused() {
    let world = World::get();
    let copy = world.copy("tampered");
    for name in [
        "config.toml",
        "predictions.parquet",
        "receipts.jsonl",
        "results.json",
    ] {
        fs::copy(world.path("run").join(name), copy.join(name)).unwrap();
    }
    let checkpoints = copy.join("checkpoints");
    let file = checkpoints.join("model.safetensors");
    let tensors = unimse_model::weights::read(&file).unwrap();
    let _ = tch::no_grad(|| tensors["unimse.label.head.weight"].get(0).fill_(f64::NAN));
    let tensors: Vec<_> = tensors.into_iter().collect();
    unimse_model::weights::save(&tensors, &file).unwrap();
    let receipts = fs::read(copy.join("receipts.jsonl")).unwrap();
    let (run, corpus, labels) = (
        copy.to_str().unwrap(),
        world.path("corpus"),
        world.path("labels"),
    );
    let evaluate = [
        "evaluate",
        "--run",
        run,
        "--corpus",
        corpus.to_str().unwrap(),
        "--labels",
        labels.to_str().unwrap(),
    ];
    let both = |words: &[&str]| {
        assert_refused(
            &unimse(&["predict", "--run", run, "--text", "hello"], &copy, ""),
            words,
        );
        assert_refused(&unimse(&evaluate, &copy, ""), words);
    };
    both(&["model.safetensors", "SHA-256: expected", "model.json"]);
    // and where the card is made to fit
    world.reseal(&copy, &|_| {});
    both(&[
        "model.safetensors",
        "unimse.label.head.weight",
        "expected finite numbers, found 16 of",
    ]);
    assert_eq!(fs::read(copy.join("receipts.jsonl")).unwrap(), receipts);
    assert_eq!(
        fs::read(copy.join("predictions.parquet")).unwrap(),
        fs::read(world.path("run/predictions.parquet")).unwrap()
    );
}

#[test]
fn the_predictions_of_a_run_are_scored_by_dialogue() {
    let world = World::get();
    let file = world.path("run/predictions.parquet");
    let options = "score --json --task sentiment --resamples 20 --where corpus=mosi --where split=test --truth-column truth_score \
                   --prediction-column intensity --cluster dialogue_id";
    let mut arguments: Vec<&str> = options.split_whitespace().collect();
    arguments.push(file.to_str().unwrap());
    let output = unimse(&arguments, file.parent().unwrap(), "");
    assert!(output.status.success(), "{}", stderr(&output));
    let scored: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = world.rows().into_iter();
    let rows: Vec<Value> = rows
        .filter(|row| row["corpus"] == "mosi" && row["split"] == "test")
        .collect();
    let dialogues: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row["dialogue_id"].as_str())
        .collect();
    assert!(1 < dialogues.len() && dialogues.len() < rows.len());
    assert_eq!(
        (&scored["n"], &scored["clusters"]),
        (&json!(rows.len()), &json!(dialogues.len()))
    );
}

/// `unimse predict` of one text by the checkpoints in `run`.
fn predict_hello(run: &Path) -> Output {
    let run_folder = run.to_str().unwrap();
    unimse(
        &["predict", "--run", run_folder, "--text", "hello"],
        run,
        "",
    )
}

/// The run in `copy` is refused with these words while its card is edited so.
fn check_card(copy: &Path, edit: &dyn Fn(&mut Value), words: &[&str]) {
    let whole = fs::read(copy.join("checkpoints/model.json")).unwrap();
    World::get().reseal(copy, edit);
    assert_refused(&predict_hello(copy), words);
    fs::write(copy.join("checkpoints/model.json"), whole).unwrap();
}

#[test]
fn a_card_out_of_proportion_is_refused_in_one_line() {
    let copy = World::get().copy("absurd");
    let check = |edit: &dyn Fn(&mut Value), words: &[&str]| check_card(&copy, edit, words);
    let huge = 1u64 << 50;
    check(
        &|c| c["config"]["lstm"]["hidden"] = json!(16_384),
        &["model.safetensors", "sizes"],
    );
    check(
        &|c| c["config"]["lstm"]["hidden"] = json!(huge),
        &[
            "model.json",
            "lstm.hidden: expected a number from 1 to 16384",
        ],
    );
    check(
        &|c| c["config"]["fusion"]["bottleneck"] = json!(u64::MAX),
        &["fusion.bottleneck: expected"],
    );
    check(
        &|c| c["config"]["label_decoder"]["layers"] = json!(1_000_000_000),
        &["label_decoder.layers: expected"],
    );
    check(
        &|c| c["config"]["contrastive"]["kernel"] = json!(u64::MAX),
        &["contrastive.kernel: expected"],
    );
    check(&|c| c["dims"]["audio"] = json!([i64::MAX]), &["sizes"]);
    check(&|c| c["dims"]["audio"] = json!([-1]), &["dims.audio"]);
    check(
        &|c| c["config"]["lstm"]["hidden"] = json!(-1),
        &["model.json", "config.lstm.hidden"],
    );
    check(
        &|c| c["config"]["lstm"]["hidden"] = json!(7),
        &["checkpoints", "misshaped", "unimse.audio.lstm"],
    );
}

#[test]
fn a_card_of_another_schema_or_a_missing_tokenizer_is_refused_in_one_line() {
    let copy = World::get().copy("foreign");
    let check = |edit: &dyn Fn(&mut Value), words: &[&str]| check_card(&copy, edit, words);
    check(
        &|c| c["schema"] = json!(1),
        &[
            "model.json",
            "schema: expected 2, found 1",
            "train it again",
        ],
    );
    check(
        &|c| drop(c.as_object_mut().unwrap().remove("schema")),
        &["schema: expected 2, found none"],
    );
    check(
        &|c| c["config"]["labels"]["decimals"] = json!(40),
        &["model.json", "labels.decimals"],
    );
    fs::remove_file(copy.join("checkpoints/tokenizer.json")).unwrap();
    assert_refused(&predict_hello(&copy), &["tokenizer.json"]);
}

#[test]
fn what_the_user_wrote_comes_back() {
    let world = World::get();
    let file = world.path("own.csv");
    fs::write(
        &file,
        "\u{feff}id,text,polarity,meld,note\n7,all is well,gold,joy,\"a, b\"\n",
    )
    .unwrap();
    let answer = &answers(&world.predict(&["--input", file.to_str().unwrap()]))[0];
    assert_eq!(
        (&answer["id"], &answer["note"]),
        (&json!("7"), &json!("a, b"))
    );
    assert_eq!(answer["input"], json!({"polarity": "gold", "meld": "joy"}));
    assert!(answer["polarity"]["probabilities"].is_object());
    let lines = "\u{feff}{\"text\": \"all is well\", \"intensity\": 2}\r\n\n";
    let bom = world.path("bom.jsonl");
    fs::write(&bom, lines).unwrap();
    for output in [
        world.predict(&["--input", bom.to_str().unwrap()]),
        world.piped(lines),
    ] {
        let other = &answers(&output)[0];
        assert_eq!(other["input"], json!({"intensity": 2}));
        assert_same(other, answer);
    }
    let hyphen = answers(&world.predict(&["--text", "-5 is bad"]));
    assert_eq!(hyphen[0]["text"], "-5 is bad");
    fs::write(&file, "id,text,id\n1,a,2\n").unwrap();
    assert_refused(
        &world.predict(&["--input", file.to_str().unwrap()]),
        &["own.csv", "id", "twice"],
    );
    for (line, words) in [
        (
            "{\"text\": \"a\"}\n{\"text\": 5}\n",
            ["line 2", "field text"],
        ),
        (
            "{\"text\": \"\"}\n",
            ["line 1", "field text: expected words"],
        ),
        ("[1]\n", ["line 1", "expected a JSON object"]),
        ("", ["standard input", "expected at least one row"]),
    ] {
        let output = world.piped(line);
        assert_refused(&output, &words);
        let before = usize::from(line.contains("\"a\""));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).lines().count(),
            before
        );
    }
}

#[test]
fn features_that_are_no_numbers_are_read_as_zero_and_counted() {
    let world = World::get();
    let dim = world.audio_dim();
    let mut step: Vec<f64> = (0..dim).map(|i| i as f64 / 10.0).collect();
    let zeroed = |step: &[f64]| -> Vec<f64> {
        step.iter()
            .map(|x| if (*x as f32).is_finite() { *x } else { 0.0 })
            .collect()
    };
    (step[1], step[2], step[3]) = (1e300, f64::NAN, f64::NEG_INFINITY);
    run::write_npy(&world.path("bad.npy"), &step);
    let good = zeroed(&step);
    run::write_npy(&world.path("good.npy"), &good);
    let inline: Vec<Value> = step
        .iter()
        .map(|x| if x.is_finite() { json!(x) } else { Value::Null })
        .collect();
    let file = world.path("features.jsonl");
    write_lines(
        &file,
        &[
            json!({"text": "hello", "audio": "good.npy"}),
            json!({"text": "hello", "audio": "bad.npy"}),
            json!({"text": "hello", "audio": [inline]}),
            json!({"text": "hello", "audio": good}),
            json!({"text": "hello"}),
            json!({"text": "", "audio": good}),
        ],
    );
    let output = world.predict(&["--input", file.to_str().unwrap()]);
    let found = answers(&output);
    for at in [1, 2, 3] {
        assert_same(&found[0], &found[at]);
    }
    assert_ne!(numbers(&found[0]), numbers(&found[4]), "audio is heard");
    let counts: Vec<&Value> = found.iter().map(|a| &a["non_finite"]["audio"]).collect();
    let three = json!(3);
    assert_eq!(
        counts,
        [
            &Value::Null,
            &three,
            &three,
            &Value::Null,
            &Value::Null,
            &Value::Null
        ]
    );
    let warnings = stderr(&output);
    let lines: Vec<&str> = warnings
        .lines()
        .filter(|l| l.starts_with("warning: "))
        .collect();
    assert_eq!(lines.len(), 2, "{warnings}");
    for (line, row) in lines.iter().zip([2, 3]) {
        let expected = format!(
            "features.jsonl: row {row}: field audio: 3 values that are not finite: read as 0"
        );
        assert!(line.contains(&expected), "{line}");
    }
}

#[test]
fn standard_input_is_answered_as_it_comes_and_an_interruption_keeps_it() {
    let world = World::get();
    let mut live = run::Live::start(world);
    for text in ["first", "second"] {
        // the next line is written only after the answer to this one came
        live.say(&json!({"text": text}));
        assert_eq!(live.hear()["text"], text);
    }
    // of a dialogue, a row is answered when the two after it are there
    for at in 0..4 {
        live.say(&json!({"text": format!("turn {at}"), "dialogue_id": "d"}));
    }
    for at in 0..2 {
        assert_eq!(live.hear()["text"], format!("turn {at}"));
    }
    let (code, rest, errors) = live.interrupt();
    assert_eq!(code, Some(130), "{errors}");
    assert_eq!(rest, "", "what was answered was printed before");
    assert!(errors.contains("interrupted after 4 answers"), "{errors}");
}
