//! What holds of any file: its order, its form and the number of threads change no bit.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use clap::Parser;
use proptest::prelude::*;
use unimse_run::Scored;

use super::{Args, scored};

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// The scores of a file, or the error in words.
fn score(file: &Path, options: &[&str]) -> Result<Scored, String> {
    let file = [file.to_str().unwrap()];
    let words = ["score"].iter().chain(options).chain(&file);
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    scored(&cli.args).map_err(|error| format!("{error:#}"))
}

fn json(scored: &Scored) -> String {
    serde_json::to_string(scored).unwrap()
}

/// One row: its id, video, speaker, truth, and what two systems say.
type Row = (usize, u8, u8, i8, f64, f64);

fn csv(rows: &[Row], system: usize) -> String {
    let mut text = "id,video,speaker,truth,prediction\n".to_owned();
    for (id, video, speaker, truth, first, second) in rows {
        let said = if system == 0 { first } else { second };
        let truth = f64::from(*truth) / 10.0;
        text.push_str(&format!("u{id},v{video},s{speaker},{truth},{said}\n"));
    }
    text
}

const OPTIONS: [&str; 10] = [
    "--task",
    "sentiment",
    "--cluster",
    "video",
    "--group-by",
    "speaker",
    "--id",
    "id",
    "--resamples",
    "40",
];

/// Both files scored, the second in an order of its own.
fn both(first: &[Row], second: &[Row]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a.csv"), csv(first, 0)).unwrap();
    std::fs::write(path("b.csv"), csv(second, 1)).unwrap();
    let other = path("b.csv");
    let options = [&OPTIONS[..], &["--against", other.to_str().unwrap()]].concat();
    json(&score(&path("a.csv"), &options).unwrap())
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..6_u8, 0..3_u8, -30..31_i8, -4.0..4.0_f64, -4.0..4.0_f64);
    proptest::collection::vec(row, 1..40).prop_map(|rows| {
        let numbered = rows.into_iter().enumerate();
        numbered
            .map(|(id, (v, s, t, a, b))| (id, v, s, t, a, b))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn neither_order_nor_threads_change_a_bit(
        (rows, first, second) in rows().prop_flat_map(|rows| {
            (Just(rows.clone()), Just(rows.clone()).prop_shuffle(), Just(rows).prop_shuffle())
        })
    ) {
        let with = |threads: usize, a: &[Row], b: &[Row]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| both(a, b))
        };
        let plain = with(1, &rows, &rows);
        prop_assert_eq!(&with(4, &rows, &rows), &plain);
        prop_assert_eq!(&with(3, &first, &second), &plain);
    }

    /// Whatever bytes a file has: an answer or an error, never a panic.
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), form in 0..4_usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(["x.csv", "x.jsonl", "x.parquet", "x.npy"][form]);
        std::fs::write(&file, bytes).unwrap();
        let truth = file.to_str().unwrap();
        let options = ["--task", "sentiment", "--truth", truth];
        let options = if form == 3 { &options[..] } else { &options[..2] };
        prop_assert!(score(&file, options).is_err());
    }
}

/// A group is scored as if its rows were a file.
#[test]
fn a_group_is_a_file_of_its_own() {
    let rows: Vec<Row> = (0..60_usize)
        .map(|at| {
            let said = |step: usize| (at * step % 23) as f64 / 4.0 - 3.0;
            (
                at,
                (at % 7) as u8,
                (at % 2) as u8,
                (at * 5 % 61) as i8 - 30,
                said(11),
                said(17),
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.csv");
    std::fs::write(&file, csv(&rows, 0)).unwrap();
    let options = [
        "--task",
        "sentiment",
        "--cluster",
        "video",
        "--resamples",
        "50",
    ];
    let all = score(&file, &[&options[..], &["--group-by", "speaker"]].concat()).unwrap();
    let names: Vec<&str> = all.groups.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["s0", "s1"]);
    for (at, (name, group)) in all.groups.iter().enumerate() {
        let own: Vec<Row> = rows
            .iter()
            .copied()
            .filter(|row| usize::from(row.2) == at)
            .collect();
        std::fs::write(&file, csv(&own, 0)).unwrap();
        assert_eq!(&score(&file, &options).unwrap().all, group);
        std::fs::write(&file, csv(&rows, 0)).unwrap();
        let only = format!("speaker={name}");
        let only = score(&file, &[&options[..], &["--where", &only]].concat());
        assert_eq!(&only.unwrap().all, group);
    }
}
