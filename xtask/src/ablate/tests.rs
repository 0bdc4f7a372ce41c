//! Ablations with a shell script in the place of `unimse`.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::*;
use crate::fake::World;
use std::os::unix::fs::MetadataExt;

fn two_corpora() -> World {
    let world = World::new();
    fs::create_dir_all(world.path("input/meld")).unwrap();
    fs::write(world.path("input/meld/b.csv"), "other row").unwrap();
    world
}

fn try_run(world: &World, arguments: &str) -> Result<()> {
    let mut options: Options = world.parse(&format!("--data DATA {arguments}"));
    options.run.out = Some(world.path("runs/out"));
    ablate(&world.checkout, &world.path("unimse"), &options)
}

/// The rows of the list for this world: 11 that change values, three that lack a modality, speakers, separate, two without a corpus.
const ROWS: usize = 11 + 3 + 1 + 1 + 2;

fn ablation(world: &World) -> serde_json::Value {
    serde_json::from_str(&world.read("ablation.json")).unwrap()
}

fn names(world: &World) -> Vec<String> {
    let rows = ablation(world)["rows"].as_array().unwrap().clone();
    let name = |row: &serde_json::Value| row["name"].as_str().unwrap().to_owned();
    rows.iter().map(name).collect()
}

#[test]
fn every_row_is_trained_on_shared_tables_and_compared_with_full() {
    let world = two_corpora();
    try_run(&world, "x.y=1").unwrap();
    assert_eq!(world.count("ingest"), 1);
    // `separate` is a training for each of two corpora
    let trainings = ROWS + 1;
    for (stage, times) in [
        ("train", trainings),
        ("evaluate", trainings),
        ("compare", 1),
    ] {
        assert_eq!(world.count(stage), times, "{stage}");
    }
    let inode = |name: &str| {
        fs::metadata(world.path("runs/out").join(name))
            .unwrap()
            .ino()
    };
    assert_eq!(
        inode("corpus/mosi-test.parquet"),
        inode("no-audio/corpus/mosi-test.parquet")
    );
    assert_eq!(
        world.read("no-audio/config.toml").lines().nth(1).unwrap(),
        r#"model.modalities = ["text","video"]"#
    );
    assert!(world.read("full/config.toml").contains("x.y = 1"));
    let tables = |row: &str| trained(&world.path("runs/out").join(row).join("corpus")).unwrap();
    assert_eq!(tables("separate/mosi"), ["mosi"]);
    assert_eq!(tables("without-mosi"), ["meld"]);
    assert!(
        world
            .path("runs/out/without-mosi/corpus/mosi-test.parquet")
            .exists()
    );
    // labels of a corpus that is only tested on come from all tables, those of a corpus alone from its own
    assert!(
        world
            .read("without-mosi/labels/mosi.parquet")
            .contains("mosi-train")
    );
    assert!(
        !world
            .read("separate/meld/labels/mosi.parquet")
            .contains("mosi-train")
    );
}

#[test]
fn the_table_says_what_was_compared_and_how_often_test_was_opened() {
    let world = two_corpora();
    try_run(&world, "x.y=1").unwrap();
    let trainings = ROWS + 1;
    let ablation = ablation(&world);
    assert_eq!(ablation["test_openings"], trainings);
    assert_eq!(names(&world).len(), ROWS);
    let separate = &ablation["rows"][1];
    assert_eq!(
        (
            separate["name"].as_str(),
            separate["runs"].as_array().unwrap().len()
        ),
        (Some("separate"), 2)
    );
    let asked = || {
        let log = fs::read_to_string(world.path("log")).unwrap();
        log.matches("--estimate").count()
    };
    assert_eq!(asked(), 1, "how long all will take, before the first");
    let table = world.read("ablation.md");
    assert!(
        table.contains("| no-audio | 0.500, +0.250 [+0.125, +0.375] p 0.500 |")
            && table.contains("| full | 0.500 |")
            && table.contains("| without-mosi (transfer) |")
            && table.contains(&format!("Test was opened {trainings} times")),
        "{table}"
    );
    try_run(&world, "x.y=1").unwrap();
    for stage in ["ingest", "unify", "train", "evaluate", "report"] {
        assert_eq!(world.count(stage), 0, "{stage}: nothing changed");
    }
    assert_eq!(asked(), 0);
}

#[test]
fn only_some_rows_and_full_and_an_unknown_name_is_a_usage_error() {
    let world = two_corpora();
    let error = try_run(&world, "--only no-radio").unwrap_err();
    assert!(error.is::<Usage>(), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("--only no-radio: expected a row of full, separate, own-fields"),
        "{said}"
    );
    try_run(&world, "--only no-fusion,donors-random").unwrap();
    assert_eq!(names(&world), ["full", "donors-random", "no-fusion"]);
    assert_eq!(world.count("train"), 3);
    try_run(&world, "--only no-skip").unwrap();
    assert_eq!(world.count("train"), 1, "full is there");
    assert_eq!(names(&world), ["full", "no-skip"]);
}

#[test]
fn a_row_that_changes_nothing_is_named_and_not_trained() {
    let world = two_corpora();
    try_run(&world, "--only no-fusion,no-skip fusion.layers=0").unwrap();
    assert_eq!(world.count("train"), 2);
    let table = world.read("ablation.md");
    assert!(
        table.contains("- `no-fusion`: audio and video do not enter the text encoder (`fusion.layers=0`). No numbers: full has it already"),
        "{table}"
    );
}

#[test]
fn without_fusion_there_is_none_in_the_decoder_either() {
    let world = two_corpora();
    try_run(&world, "--only no-fusion fusion.decoder_layers=2").unwrap();
    let table = world.read("ablation.md");
    let row =
        "audio and video do not enter the text encoder (`fusion.layers=0 fusion.decoder_layers=0`)";
    assert!(table.contains(row), "{table}");
}

#[test]
fn a_killed_training_goes_on_and_finished_rows_are_not_done_again() {
    let world = two_corpora();
    fs::write(world.path("kill"), "fusion.layers = 0").unwrap();
    let only = "--seeds 1,2 --only no-fusion,no-skip";
    let stopped = try_run(&world, only).unwrap_err();
    assert_eq!(
        stopped.downcast_ref::<child::Failed>().unwrap().exit_code(),
        130
    );
    assert_eq!(world.count("train"), 3, "full twice, no-fusion once");
    assert!(!world.path("runs/out/ablation.json").exists());
    let error = format!("{:#}", try_run(&world, only).unwrap_err());
    assert!(
        error.contains("row no-fusion: no-fusion: seed 1: train is unfinished")
            && error.contains("--resume"),
        "{error}"
    );
    try_run(&world, &format!("{only} --resume")).unwrap();
    assert_eq!(world.count("train"), 2 + 2);
    assert_eq!(world.read("no-fusion/seed-1/checkpoints/last"), "1yes\n");
    assert_eq!(world.read("no-skip/seed-2/checkpoints/last"), "2\n");
    assert_eq!(names(&world), ["full", "no-fusion", "no-skip"]);
}

#[test]
fn a_row_that_fails_is_named_and_the_others_go_on() {
    let world = two_corpora();
    fs::write(world.path("fail"), "fusion.layers = 0").unwrap();
    let only = "--only no-fusion,no-skip";
    let error = try_run(&world, only).unwrap_err();
    assert_eq!(
        error.downcast_ref::<child::Failed>().unwrap().exit_code(),
        1
    );
    assert!(error.to_string().contains("row no-fusion"), "{error}");
    assert_eq!(names(&world), ["full", "no-fusion", "no-skip"]);
    let table = world.read("ablation.md");
    assert!(
        table.contains("No numbers: no-fusion failed: unimse train failed: exit status: 1"),
        "{table}"
    );
    assert!(
        table.contains("| no-skip | 0.500,") && !table.contains("| no-fusion |"),
        "{table}"
    );
    fs::remove_file(world.path("fail")).unwrap();
    try_run(&world, &format!("{only} --resume")).unwrap();
    assert_eq!(world.count("train"), 1);
}

#[test]
fn a_wrong_key_or_full_that_fails_ends_it_before_other_trainings() {
    let world = two_corpora();
    let error = try_run(&world, "unknown=1").unwrap_err();
    assert_eq!(
        error.downcast_ref::<child::Failed>().unwrap().exit_code(),
        2
    );
    assert_eq!(world.count("train") + world.count("ingest"), 0);
    fs::write(world.path("fail"), "preset").unwrap();
    let error = try_run(&world, "").unwrap_err();
    assert!(error.to_string().contains("row full"), "{error}");
    assert_eq!(world.count("train"), 1);
}

#[test]
fn rows_are_lean_and_the_demo_is_short_unless_the_command_line_says_otherwise() {
    let values = |preset, given: &[&str]| {
        let given = given.iter().map(|&value| value.to_owned()).collect();
        with_short(preset, given).join(" ")
    };
    let lean = "evaluate.baselines=\"frozen\" evaluate.robustness=false";
    assert_eq!(
        values("demo", &["a.b=1"]),
        format!("{lean} train.epochs=2 a.b=1")
    );
    assert_eq!(
        values("demo", &["train.epochs=8"]),
        format!("{lean} train.epochs=8")
    );
    assert_eq!(values("minilm", &["a.b=1"]), format!("{lean} a.b=1"));
    assert_eq!(
        values("minilm", &["evaluate.robustness=true"]),
        "evaluate.baselines=\"frozen\" evaluate.robustness=true"
    );
}

#[test]
fn what_is_left_to_do_and_how_long_that_takes() {
    let progress = |trainings, left, seconds| {
        let progress = Progress {
            trainings,
            left,
            seconds,
        };
        progress.to_string()
    };
    assert_eq!(progress(20, 20, 0.0), "20 of 20 trainings to do");
    // two took 100 s, 18 are left: 900 s
    assert_eq!(
        progress(20, 18, 100.0),
        "18 of 20 trainings to do, about 15 min 00 s"
    );
}
