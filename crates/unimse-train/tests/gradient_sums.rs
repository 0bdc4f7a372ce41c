//! Two processes that train: gradients summed while the backward pass runs give the bytes of those summed after it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use tch::Device;
use unimse_run::RunFolder;
use unimse_train::config::RunConfig;
use unimse_train::processes::Processes;
use unimse_train::{train::trainer, unify};

use crate::{processes, tiny};

const NAME: &str = "gradient_sums::sums_beside_the_backward_pass_give_the_bytes_of_those_after_it";
/// Where the processes find the tables, for those that the test begins.
const PLACE: &str = "UNIMSE_TEST_PLACE";
const RUNS: [&str; 3] = ["after", "beside", "in-pieces"];

fn paths(place: &Path, run: &str) -> RunFolder {
    RunFolder {
        run: place.join(run),
        corpus: place.join("corpus"),
        labels: place.join("labels"),
    }
}

/// What one of the processes does: the same training thrice, the last time with gradient checkpointing, which sums after the pass whatever is asked.
fn trains(place: &Path) {
    tch::set_num_threads(1);
    let encoder = place.join("encoder");
    let mut processes = Processes::join(Device::Cpu).unwrap();
    for run in RUNS {
        let checkpoint = format!("model.checkpoint={}", encoder.display());
        let pieces = format!("train.checkpointing={}", run == RUNS[2]);
        let values = [
            checkpoint.as_str(),
            &pieces,
            "model.max_tokens=24",
            "label_decoder.heads=2",
            "fusion.layers=2",
            "train.epochs=2",
            "train.batch=32",
            "train.accumulate=3",
            "train.precision=fp32",
            "contrastive.samples=0.5",
            "loss.auxiliary=0.3",
        ];
        let config = RunConfig::merge(None, None, &values.map(str::to_owned)).unwrap();
        processes = processes.summing_beside(run != RUNS[0]);
        let (folder, go) = (paths(place, run), AtomicBool::new(false));
        trainer::train_together(&config, &folder, 7, false, &go, &processes).unwrap();
    }
}

/// Losses and norms of the gradients that are told.
fn losses(folder: &RunFolder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.events()).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told =
        events.flat_map(|event| ["loss", "norm", "train_loss"].map(|key| event[key].clone()));
    told.filter(|value| !value.is_null()).collect()
}

#[test]
fn sums_beside_the_backward_pass_give_the_bytes_of_those_after_it() {
    if let Some(place) = std::env::var_os(PLACE) {
        return trains(&PathBuf::from(place));
    }
    let (checkpoint, work) = (tiny::folder(tiny::BERT), tempfile::tempdir().unwrap());
    let place = work.path();
    std::os::unix::fs::symlink(checkpoint.path(), place.join("encoder")).unwrap();
    unimse_corpus::demo::write(&place.join("data")).unwrap();
    let RunFolder { corpus, labels, .. } = paths(place, RUNS[0]);
    unimse_corpus::ingest(&place.join("data"), &corpus, &[], &mut |_| {}).unwrap();
    let encoder = checkpoint.path().to_str().unwrap();
    let options = RunConfig::default().labels.options();
    unify::run(&corpus, &labels, encoder, None, None, &options).unwrap();

    let all = processes::ranks(2, |_| {
        let mut command = processes::anew(NAME);
        command.env(PLACE, place);
        command
    });
    for ended in processes::end(processes::spawn(all)) {
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{said}");
    }
    let [after, beside, in_pieces] = RUNS.map(|run| {
        let folder = paths(place, run);
        (std::fs::read(folder.best()).unwrap(), losses(&folder))
    });
    assert!(after.0 == beside.0, "the weights differ");
    assert!(after.1.len() > 5);
    assert_eq!(after.1, beside.1);
    assert_eq!(after.1.len(), in_pieces.1.len());
}
