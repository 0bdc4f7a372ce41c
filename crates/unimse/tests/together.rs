//! Processes that train together, as `torchrun` begins them: the losses of one process, one writer, an end for all where one ends, and a
//! checkpoint that any number of them goes on from.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::{self, end};
use crate::python;
use crate::runs::{self, Run, WORLD, files};

/// What has no chance in it but that which all processes share, with everything that looks at other rows. 43 is odd: shares are uneven.
const SETTINGS: [&str; 14] = [
    "model.dropout=0",
    "lstm.dropout=0",
    "fusion.dropout=0",
    "label_decoder.dropout=0",
    "train.batch=43",
    "train.accumulate=1",
    "train.modality_dropout=0.3",
    "train.save_every=7",
    "contrastive.samples=0.5",
    "contrastive.queue=100",
    "contrastive.min_rows=2",
    "loss.auxiliary=0.3",
    "loss.r_drop=0.5",
    "loss.logit_adjustment=0.5",
];

fn train(run: &Run, more: &[&str]) -> Command {
    let mut command = run.train(&[&["--seed", "7"], &SETTINGS[..], more].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn begin(run: &Run, size: usize, more: &[&str]) -> Vec<Child> {
    processes::spawn(processes::ranks(size, |_| train(run, more)))
}

/// Losses of the steps that are told, and the means over every epoch.
fn losses(run: &Run) -> Vec<f64> {
    let text = std::fs::read_to_string(run.path("run/events.jsonl")).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let losses = events.flat_map(|event| {
        let step = ["loss", "task", "auxiliary", "samples", "train_loss"];
        step.map(|key| event[key].as_f64())
    });
    losses.flatten().collect()
}

/// Largest relative difference between the losses of two runs.
fn gap(one: &Run, other: &Run) -> f64 {
    let (one, other) = (losses(one), losses(other));
    assert_eq!(one.len(), other.len());
    assert!(one.len() > 5, "{one:?}");
    let gaps = one.iter().zip(&other);
    gaps.map(|(a, b)| (a - b).abs() / a.abs().max(1.0))
        .fold(0.0, f64::max)
}

fn names(run: &Run) -> BTreeSet<std::path::PathBuf> {
    files(&run.path("run")).into_keys().collect()
}

/// The same training by one process and by `size` of them.
fn both(size: usize, more: &[&str]) -> [Run; 2] {
    let runs = [(); 2].map(|()| Run::new(WORLD.checkpoint.path()));
    runs::assert_done(&train(&runs[0], more).output().unwrap());
    end(begin(&runs[1], size, more))
        .iter()
        .for_each(runs::assert_done);
    runs
}

#[test]
fn two_processes_have_the_losses_of_one() {
    let epochs = "train.epochs=4";
    let [one, two] = both(2, &[epochs, "train.precision=fp32"]);
    let steps = std::fs::read_to_string(one.path("run/events.jsonl")).unwrap();
    let last: Value = serde_json::from_str(steps.lines().last().unwrap()).unwrap();
    assert!(last["step"].as_u64() >= Some(50), "{last}");
    let found = gap(&one, &two);
    assert!(found < 1e-5, "{found:e}");
    assert_eq!(names(&one), names(&two));
    // bf16 has eight bits, and the kernels for other shapes round elsewhere
    let [one, two] = both(2, &["train.epochs=1", "train.precision=bf16"]);
    let found = gap(&one, &two);
    assert!(found < 1e-3, "{found:e}");
}

#[test]
fn torchrun_begins_a_training() {
    let Some(python) = python::python("torchrun_begins_a_training") else {
        return;
    };
    let run = Run::new(WORLD.checkpoint.path());
    let own = train(&run, &["train.epochs=1"]);
    let mut torchrun = Command::new(python);
    torchrun
        .args(["-m", "torch.distributed.run", "--standalone"])
        .args(["--nproc-per-node", "2", "--no-python"])
        .arg(own.get_program())
        .args(own.get_args());
    let output = torchrun.output().unwrap();
    runs::assert_done(&output);
    let said = runs::stderr(&output);
    assert!(said.contains("by each of 2 processes"), "{said}");
    assert!(run.path("run/checkpoints/model.safetensors").exists());
}

/// Waits until the training in `run` has a checkpoint.
fn until_saved(run: &Run) {
    let begun = Instant::now();
    while !run.path("run/checkpoints/last.safetensors").exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_process_that_is_killed_ends_all_and_another_number_goes_on() {
    for (size, killed) in [(3, 1), (2, 0)] {
        let run = Run::new(WORLD.checkpoint.path());
        let more = ["train.epochs=3"];
        let mut children = begin(&run, size, &more);
        until_saved(&run);
        children[killed].kill().unwrap();
        let begun = Instant::now();
        for (rank, output) in end(children).iter().enumerate() {
            if rank != killed {
                let place = format!("process {rank} of {size}: ");
                let lost = "another process has ended or does not answer";
                runs::refused(output, &[&place, lost, "`--resume` goes on"]);
            }
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(30), "{took:?}");
        for by in [2, 1] {
            let resume = [&["--resume"], &more[..]].concat();
            let ended = end(match by {
                1 => vec![train(&run, &resume).spawn().unwrap()],
                by => begin(&run, by, &resume),
            });
            ended.iter().for_each(runs::assert_done);
            let said = ended.iter().map(runs::stderr).collect::<String>();
            let finished = said.contains("train: already finished");
            assert_eq!(finished, by == 1, "{said}");
        }
        assert!(run.path("run/checkpoints/model.safetensors").exists());
    }
}

#[test]
fn a_signal_to_one_process_saves_and_ends_all() {
    let run = Run::new(WORLD.checkpoint.path());
    let more = ["train.epochs=3"];
    let children = begin(&run, 2, &more);
    until_saved(&run);
    let kill = ["-INT".to_owned(), children[1].id().to_string()];
    assert!(Command::new("kill").args(kill).status().unwrap().success());
    for output in end(children) {
        assert_eq!(output.status.code(), Some(130), "{}", runs::stderr(&output));
    }
    let resume = [&["--resume"], &more[..]].concat();
    runs::assert_done(&train(&run, &resume).output().unwrap());
}

#[test]
fn processes_that_do_not_fit_are_refused() {
    let run = Run::new(WORLD.checkpoint.path());
    let mut alone = train(&run, &[]);
    alone.env("RANK", "2").env("WORLD_SIZE", "2");
    let words = "environment variable RANK: expected a whole number from 0 to 1, found \"2\"";
    runs::refused(&alone.output().unwrap(), &[words]);

    for wrong in ["0", "x"] {
        let mut alone = train(&run, &[]);
        let beside = alone.env("RANK", "0").env("WORLD_SIZE", "2");
        let output = beside.env("LOCAL_WORLD_SIZE", wrong).output().unwrap();
        let found = format!("found \"{wrong}\"");
        let words = "environment variable LOCAL_WORLD_SIZE: expected a whole number from 1 to ";
        runs::refused(&output, &[words, &found]);
    }

    let more = |rank: usize| ["train.clip=1", "train.clip=2"][rank];
    let all = processes::ranks(2, |rank| train(&run, &[more(rank)]));
    let ended = end(processes::spawn(all));
    let words = "process 1 works on something else than process 0 (there): train.clip is 1.0 there, 2.0 here";
    runs::refused(&ended[1], &[words]);
    runs::refused(&ended[0], &["another process has ended"]);
    let said = runs::stderr(&ended[0]);
    assert!(!said.contains("--resume"), "{said}");
    assert!(!run.path("run/events.jsonl").exists());
}
