//! TensorBoard's own reader finds the scalars of a log that was cut and gone on with.

use std::collections::BTreeMap;

use unimse_run::{ByName, Epoch, Event, RunFolder, ScalarLog, Step};

use crate::python;

const SCRIPT: &str = "
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))
";

fn step(step: u64) -> Event {
    Event::Step(Step {
        step,
        loss: Some(step as f64 / 8.0),
        text_video: vec![Some(0.5), Some(0.25)],
        norms: ByName::from_iter([("backbone".to_owned(), 4.0)]),
        ..Step::default()
    })
}

#[test]
fn tensorboard_reads_the_scalars() {
    let Some(python) = python::python("tensorboard_reads_the_scalars", "tensorboard") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let path = RunFolder::new(place.path()).scalars();
    let mut log = ScalarLog::open(&path, 0).unwrap();
    log.write(&step(1)).unwrap();
    let saved = log.length();
    log.write(&step(99)).unwrap();
    let mut log = ScalarLog::open(&path, saved).unwrap();
    log.write(&step(200)).unwrap();
    let epoch = Epoch {
        step: 200,
        train_loss: Some(0.75),
        ..Epoch::default()
    };
    log.write(&Event::Epoch(epoch)).unwrap();

    let printed = python::printed(&python, SCRIPT, path.parent().unwrap());
    let read: BTreeMap<String, Vec<(u64, f64)>> = serde_json::from_str(&printed).unwrap();
    let expected = [
        ("loss/epoch", vec![(200, 0.75)]),
        ("loss/text_video/0", vec![(1, 0.5), (200, 0.5)]),
        ("loss/text_video/1", vec![(1, 0.25), (200, 0.25)]),
        ("loss/total", vec![(1, 1.0 / 8.0), (200, 200.0 / 8.0)]),
        ("norm/backbone", vec![(1, 4.0), (200, 4.0)]),
    ];
    assert_eq!(read, expected.map(|(tag, s)| (tag.to_owned(), s)).into());
}
