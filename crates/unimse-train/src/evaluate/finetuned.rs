//! The baseline `finetuned`: what plain fine-tuning of the run's own backbone gives. One model a corpus reads the text of the current
//! utterance alone and learns the corpus' own gold: no context, audio, video, fusion, contrastive loss, and no label of another corpus.
//!
//! It is [`UniModel`](unimse_model::UniModel) with less: the grammar of one field beside its polarity, no fused layer, text as the only modality. The label decoder adds a linear
//! readout of the mean over the utterance's states to its logits, so a plain classifier is among what it can be. It is trained by the run's own
//! loop with the run's optimiser, schedule, epochs, batch and seed, and selected on dev by the same score. So it stops, goes on and repeats
//! as a training does.
//!
//! Everything lies in `RUN/baselines/<corpus>`: a run folder with links to the train and dev tables (it has none of test) and with labels of its
//! own.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use unimse_corpus::splits::{Corpora, Test, Whole};
use unimse_corpus::{Corpus, Task};
use unimse_labels::{Field, Form, Labelled, Source, Split, UniversalLabel};
use unimse_model::Modality;
use unimse_model::batch::Prediction;
use unimse_model::config::{Count, Modalities, NonNegative};
use unimse_run::{Chosen, Readout, RunFolder};

use crate::TrainError;
use crate::config::{EvaluateConfig, RunConfig};
use crate::data::dataset::Dataset;
use crate::data::labels_table::{LabelTable, Row};
use crate::model::saved_model::SavedModel;
use crate::model::session::{answering_plan, checkpoint_folder};
use crate::processes::Processes;
use crate::train::checkpoint::resume_state;
use crate::train::identity::Identity;
use crate::train::trainer;

/// What the fine-tuned model says of the test rows of its corpus.
pub(super) struct Answers {
    /// One a test row, in their order.
    pub(super) predictions: Vec<Prediction>,
    /// How its own dev rows chose to read them.
    pub(super) readout: Readout,
    /// The epoch that dev selected.
    pub(super) chosen: Chosen,
}

/// The corpus that is asked, among those of the run.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// All corpora, the features scaled or not.
    pub(super) corpora: &'a Corpora<Whole>,
    /// Place of the corpus among them.
    pub(super) index: usize,
    /// Its labels.
    pub(super) table: &'a LabelTable,
}

/// Trains the model of a corpus, or goes on with its training, and answers the test rows; the reason where the data do not allow it.
///
/// # Errors
/// [`TrainError::Stopped`] after an interruption; what tables, checkpoint and files say.
pub(super) fn answer(
    config: &RunConfig,
    run: &RunFolder,
    seed: u64,
    asked: Asked<'_>,
    interrupt: &AtomicBool,
) -> Result<Result<Answers, String>, TrainError> {
    let corpus: &Corpus = &asked.corpora.list()[asked.index];
    let name = &corpus.name;
    let (config, own) = (derived(config)?, run.finetuned(name));
    let labels = own_gold(asked.table, field(corpus.task()));
    for split in [Split::Train, Split::Dev] {
        let known = labels
            .rows
            .iter()
            .any(|r| r.split == split && r.label.is_some());
        if !known {
            return Ok(Err(format!("expected {split} rows with gold, found none")));
        }
    }
    link_tables(run, &own, name)?;
    labels.write(&own.labels)?;
    forget_another(&config, &own, seed)?;
    eprintln!("evaluate: baseline finetuned on {name}");
    match trainer::train(&config, &own, seed, true, interrupt) {
        Ok(()) => {}
        Err(TrainError::Interrupted { step }) => {
            return Err(TrainError::Stopped(format!(
                "in the baseline finetuned of {name}, which is saved (step {step})"
            )));
        }
        // said of the data: no checkpoint can be selected, or none was
        Err(TrainError::Data(reason)) => return Ok(Err(reason)),
        Err(diverged @ TrainError::NonFinite { .. }) => return Ok(Err(diverged.to_string())),
        Err(other) => return Err(other),
    }
    predict(&config, &own, asked, interrupt).map(Ok)
}

/// The field that a corpus is scored in.
fn field(task: Task) -> Field {
    match task {
        Task::Sentiment => Field::Intensity,
        Task::Emotion(taxonomy) => taxonomy.field(),
    }
}

/// The configuration of the baseline: that of the run without what makes it multimodal or joins corpora. What helps any fine-tuning, as an average
/// of weights does, stays: the rival is as strong as the run.
fn derived(config: &RunConfig) -> Result<RunConfig, TrainError> {
    let mut own = config.clone();
    own.model.modalities = Modalities::try_from(vec![Modality::Text])
        .map_err(|e| TrainError::Config(format!("model.modalities: {e}")))?;
    own.model.voice_in_words = false;
    (own.model.context_before, own.model.context_after) =
        (Count::literal::<0>(), Count::literal::<0>());
    own.fusion.layers = Count::literal::<0>();
    own.fusion.decoder_layers = Count::literal::<0>();
    own.contrastive.samples = const { NonNegative::literal(0.0) };
    own.loss.auxiliary = const { NonNegative::literal(0.0) };
    own.train.quotas.clear();
    own.labels.form = Form::Fields;
    own.evaluate = EvaluateConfig::default();
    Ok(own)
}

/// The labels with the gold values of `field` and the polarity alone; rows without such a value have none. Test rows are left out.
fn own_gold(table: &LabelTable, field: Field) -> LabelTable {
    fn only<T: Clone>(kept: bool, value: &Labelled<T>) -> Labelled<T> {
        if kept {
            value.clone()
        } else {
            Labelled::MISSING
        }
    }
    let own = |label: &UniversalLabel| {
        let gold = label.field(field).source == Source::Gold;
        gold.then(|| UniversalLabel {
            polarity: label.polarity,
            intensity: only(field == Field::Intensity, &label.intensity),
            meld: only(field == Field::Meld, &label.meld),
            iemocap: only(field == Field::Iemocap, &label.iemocap),
        })
    };
    let rows = table.rows.iter().filter(|row| row.split != Split::Test);
    let rows = rows.map(|row| Row {
        label: row.label.as_ref().and_then(own),
        ..row.clone()
    });
    LabelTable {
        corpus: table.corpus.clone(),
        rows: rows.collect(),
        leaky: false,
    }
}

/// Puts the train and dev tables of the corpus into the folder of the baseline, as links where the file system has them.
fn link_tables(run: &RunFolder, own: &RunFolder, corpus: &str) -> Result<(), TrainError> {
    fs::create_dir_all(&own.corpus).map_err(TrainError::io(&own.corpus, "creating the folder"))?;
    fs::create_dir_all(&own.labels).map_err(TrainError::io(&own.labels, "creating the folder"))?;
    for split in [Split::Train, Split::Dev] {
        let name = format!("{corpus}-{split}.parquet");
        let (from, to) = (run.corpus.join(&name), own.corpus.join(&name));
        remove_if_there(&to)?;
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(TrainError::io(&from, "copying"))?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), TrainError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::io(path, "removing")(error))
        }
        _ => Ok(()),
    }
}

/// Removes the training of other tables, another configuration or other code: this one begins afresh.
fn forget_another(config: &RunConfig, own: &RunFolder, seed: u64) -> Result<(), TrainError> {
    let backbone = checkpoint_folder(&config.model.checkpoint)?;
    let identity = Identity::of(config, own, &backbone, seed)?;
    if resume_state(own, true, &identity).is_err() {
        let folder = own.checkpoints();
        fs::remove_dir_all(&folder).map_err(TrainError::io(&folder, "removing"))?;
        remove_if_there(&own.events())?;
    }
    Ok(())
}

/// Answers the test rows of the corpus with the selected weights.
fn predict(
    config: &RunConfig,
    own: &RunFolder,
    asked: Asked<'_>,
    interrupt: &AtomicBool,
) -> Result<Answers, TrainError> {
    let saved = SavedModel::open(own)?;
    let reader = saved.session.reader();
    let mut test = Dataset::new(asked.corpora, Test, None, reader, config)?;
    test.examples.retain(|e| e.corpus == asked.index);
    let tick = |_| super::unless(interrupt);
    let plan = answering_plan(&config.train);
    let predictions = saved
        .session
        .predict(&test, &plan, &Processes::alone(), tick)?;
    super::scoring::check_answers(&test, &predictions)?;
    Ok(Answers {
        predictions,
        readout: saved.card.readout,
        chosen: Chosen {
            epoch: Some(saved.card.epoch + 1),
            ..Chosen::default()
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity};

    use super::*;

    #[test]
    fn only_the_own_gold_of_train_and_dev_is_taught() {
        let lent = |value| Labelled {
            source: Source::Donor,
            ..Labelled::gold(value)
        };
        let row = |split, meld| Row {
            utterance_id: "u".to_owned(),
            split,
            label: Some(UniversalLabel {
                polarity: Polarity::Positive,
                intensity: lent(1.6),
                meld,
                iemocap: Labelled::rule(IemocapEmotion::Joy),
            }),
        };
        let gold = || Labelled::gold(MeldEmotion::Joy);
        let rows = [
            row(Split::Train, gold()),
            row(Split::Dev, Labelled::MISSING),
            row(Split::Test, gold()),
        ];
        let table = LabelTable {
            corpus: "meld".to_owned(),
            rows: rows.to_vec(),
            leaky: true,
        };
        let own = own_gold(&table, Field::Meld);
        assert_eq!((own.rows.len(), own.leaky), (2, false));
        let label = own.rows[0].label.as_ref().unwrap();
        assert_eq!((label.polarity, &label.meld), (Polarity::Positive, &gold()));
        assert_eq!(
            (&label.intensity, &label.iemocap),
            (&Labelled::MISSING, &Labelled::MISSING)
        );
        assert_eq!(own.rows[1].label, None);
        let of_others = own_gold(&table, Field::Iemocap);
        assert!(of_others.rows.iter().all(|row| row.label.is_none())); // a rule is no gold
    }

    #[test]
    fn the_configuration_keeps_optimiser_and_schedule() {
        let overrides = [
            "train.epochs=7",
            "train.batch=9",
            "evaluate.resamples=200",
            "fusion.decoder_layers=2",
        ];
        let config = RunConfig::merge(None, None, &overrides.map(str::to_owned)).unwrap();
        let own = derived(&config).unwrap();
        assert_eq!(
            (own.train.clone(), own.model.max_tokens),
            (config.train, config.model.max_tokens)
        );
        assert_eq!(*own.model.modalities, [Modality::Text]);
        assert_eq!(
            (own.fusion.layers.get(), own.model.context_before.get()),
            (0, 0)
        );
        assert_eq!(own.fusion.decoder_layers, 0);
    }
}
