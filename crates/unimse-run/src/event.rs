//! `events.jsonl`: what a training tells, one JSON object a line, appended; resuming cuts off what a saved state does not know.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unimse_eval::Metric;

use crate::log::Log;
use crate::{ByName, FileError};

/// One line. A number that is not finite is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The training begins.
    Start(Start),
    /// An update of the weights; every tenth is told, and the first.
    Step(Step),
    /// An epoch ended and dev was scored.
    Epoch(Epoch),
    /// The training ended.
    End(End),
    /// A kind of a later version.
    #[serde(other)]
    Other,
}

/// What a training begins with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Start {
    /// Its seed.
    pub seed: u64,
    /// Labelled utterances to train on.
    pub examples: usize,
    /// Utterances of dev.
    pub dev: usize,
    /// Updates of all epochs.
    pub updates: i64,
    /// Parameters of the model.
    pub parameters: usize,
    /// Those of them that are trained.
    pub trained: usize,
    /// Tensors that the checkpoint lacks and the seed drew.
    pub initialised: Vec<String>,
}

/// One update.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its number, from 1.
    pub step: u64,
    /// Its epoch, from 0.
    #[serde(default)]
    pub epoch: u64,
    /// The whole loss (paper, equation 7), nats a label.
    pub loss: Option<f64>,
    /// Its task part.
    pub task: Option<f64>,
    /// Contrastive loss text-audio of each fused layer, lowest layer first.
    #[serde(default)]
    pub text_audio: Vec<Option<f64>>,
    /// Contrastive loss text-video of each fused layer, lowest layer first.
    #[serde(default)]
    pub text_video: Vec<Option<f64>>,
    /// Loss of the heads on audio and video alone, with `loss.auxiliary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auxiliary: Option<f64>,
    /// Contrast between samples, with `contrastive.samples`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<f64>,
    /// What the learning rates are multiplied with.
    pub lr: Option<f64>,
    /// Norm of the gradient before clipping.
    pub norm: Option<f64>,
    /// The same of each part of the model: `backbone`, `fusion`, `rest`.
    #[serde(default)]
    pub norms: ByName<f64>,
}

/// One epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Epoch {
    /// Its number, from 0.
    pub epoch: u64,
    /// Updates so far.
    #[serde(default)]
    pub step: u64,
    /// Mean loss over its batches.
    pub train_loss: Option<f64>,
    /// What dev said.
    #[serde(default)]
    pub dev: DevScores,
    /// Whether its weights are the best so far.
    #[serde(default)]
    pub best: bool,
    /// How long it took, dev included.
    pub seconds: Option<f64>,
    /// Utterances trained on a second, dev left out.
    #[serde(default)]
    pub utterances_per_second: Option<f64>,
    /// Largest resident memory of the process so far, bytes; 0 where the system does not tell.
    #[serde(default)]
    pub memory: Option<u64>,
}

/// What dev says of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DevScores {
    /// The mean over the corpora of Corr or weighted F1; null where none has a value.
    pub score: Option<f64>,
    /// The metrics by corpus.
    pub corpora: ByName<BTreeMap<Metric, f64>>,
    /// The corpora that have no value, with the reason.
    #[serde(skip_serializing_if = "ByName::is_empty")]
    pub undefined: ByName<String>,
}

/// The end of a training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct End {
    /// Updates made.
    pub step: i64,
    /// The epoch, from 0, whose weights dev selected.
    pub best_epoch: usize,
    /// Its dev score.
    pub score: Option<f64>,
}

/// The open log.
#[derive(Debug)]
pub struct EventLog(Log);

impl EventLog {
    /// Opens the log and keeps its first `length` bytes.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub fn open(path: &Path, length: u64) -> Result<Self, FileError> {
        Log::open(path, length).map(Self)
    }

    /// Appends one event.
    ///
    /// # Errors
    /// [`FileError`] with the path.
    pub fn write(&mut self, event: &Event) -> Result<(), FileError> {
        let mut line = serde_json::to_vec(event)
            .map_err(|error| FileError::at(self.0.path(), "writing")(error.into()))?;
        line.push(b'\n');
        self.0.append(&line)
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.length()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn reopening_cuts_what_was_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let step = |step| {
            Event::Step(Step {
                step,
                loss: Some(f64::NAN),
                ..Step::default()
            })
        };
        let end = Event::End(End::default());
        let mut log = EventLog::open(&path, 0).unwrap();
        log.write(&step(1)).unwrap();
        let saved = log.length();
        log.write(&step(2)).unwrap();
        drop(log);
        let mut log = EventLog::open(&path, saved).unwrap();
        log.write(&end).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Event> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let without_loss = Event::Step(Step {
            step: 1,
            ..Step::default()
        });
        assert_eq!(lines, [without_loss, end]);
        assert_eq!(log.length(), text.len() as u64);
    }

    #[test]
    fn a_later_kind_is_read_as_another() {
        let event: Event = serde_json::from_str(r#"{"event":"novel","x":1}"#).unwrap();
        assert_eq!(event, Event::Other);
    }
}
