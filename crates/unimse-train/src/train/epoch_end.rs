//! The end of an epoch: dev scores the model, the best weights are kept, the log is told.

use std::sync::atomic::Ordering;
use std::time::Instant;

use unimse_eval::{Metric, Scores};
use unimse_model::batch::Prediction;
use unimse_run::{DevScores, Epoch, Event, Readout, Task};

use crate::TrainError;
use crate::evaluate::scoring::{self, Selection};
use crate::model::card::Card;
use crate::train::checkpoint::LoopState;
use crate::train::course::Course;
use crate::train::preflight::peak_memory;
use crate::train::trainer::Trainer;

impl Trainer<'_> {
    /// Answers dev with the weights, or with their average; the leading process scores, keeps them where they are the best so far, and saves; the others
    /// hear of it. `drawn` utterances were trained on since `started`.
    pub(super) fn finish_epoch(
        &self,
        course: &mut Course,
        batches: usize,
        drawn: usize,
        started: Instant,
    ) -> Result<(), TrainError> {
        let rate = drawn as f64 / started.elapsed().as_secs_f64();
        course.swap_average();
        let answered = self.answer_dev(course.state.step);
        if let Err(TrainError::Interrupted { .. }) = answered {
            course.swap_average();
            self.save(course)?;
        }
        let dev = answered?;
        course.state = self.processes.lead(|| {
            let selected = self.keep_best(&mut course.state, &dev);
            course.swap_average();
            self.tell_epoch(course, selected?, batches, (rate, started))?;
            Ok(course.state.clone())
        })?;
        if !self.processes.leads() {
            course.swap_average();
        }
        Ok(())
    }

    /// The line and the event of an epoch, and the checkpoint that the next one goes on from. `rate` utterances were trained on in a second.
    fn tell_epoch(
        &self,
        course: &mut Course,
        selection: Selection,
        batches: usize,
        (rate, started): (f64, Instant),
    ) -> Result<(), TrainError> {
        let state = &course.state;
        let (loss, seconds) = (
            state.loss_sum / batches as f64,
            started.elapsed().as_secs_f64(),
        );
        self.show(state, &selection, loss, seconds);
        let told = Event::Epoch(Epoch {
            epoch: state.epoch as u64,
            step: state.step.unsigned_abs(),
            train_loss: Some(loss),
            best: state.progress.stale == 0,
            dev: dev_scores(selection),
            seconds: Some(seconds),
            utterances_per_second: Some(rate),
            memory: Some(peak_memory()),
        });
        course.tell(&told)?;
        let state = &mut course.state;
        state.epoch += 1;
        (state.batch, state.loss_sum) = (0, 0.0);
        course.save(&self.session.model, self.paths)
    }

    fn answer_dev(&self, step: i64) -> Result<Vec<Prediction>, TrainError> {
        let tick = |_| match self.interrupt.load(Ordering::Relaxed) {
            true => Err(TrainError::Stopped("while dev was answered".to_owned())),
            false => Ok(()),
        };
        let (session, processes) = (&self.session, self.processes);
        let answered = session.predict(&self.dev, &self.plan, processes, tick);
        answered.map_err(|error| match error {
            TrainError::Stopped(_) => TrainError::Interrupted { step },
            other => other,
        })
    }

    fn keep_best(
        &self,
        state: &mut LoopState,
        dev: &[Prediction],
    ) -> Result<Selection, TrainError> {
        let selection = scoring::selection(&scoring::pairs(&self.dev, dev, Readout::TRAINING))?;
        let best = selection.beats(state.best.map(|mean| (state.best_corpora, mean)));
        if best {
            self.save_best(state.epoch, dev)?;
            (state.best, state.best_corpora) = (selection.score, selection.defined);
            state.best_epoch = state.epoch;
        }
        self.rates.note(&mut state.progress, best);
        Ok(selection)
    }

    /// The line of an epoch on standard error.
    fn show(&self, state: &LoopState, selection: &Selection, train_loss: f64, seconds: f64) {
        let corpora = selection.corpora.iter();
        let corpora: Vec<String> = corpora
            .map(|(name, task, scores)| headline(name, *task, scores))
            .collect();
        let score = selection
            .score
            .map_or_else(|| "undefined".to_owned(), |s| format!("{s:.4}"));
        let best = if state.best_epoch == state.epoch && state.best == selection.score {
            " best"
        } else {
            ""
        };
        eprintln!(
            "epoch {}/{}: loss {train_loss:.4}, dev {score}{best} ({}), {seconds:.0} s",
            state.epoch + 1,
            self.config.epochs.get(),
            corpora.join(", "),
        );
    }

    /// Saves the weights that dev likes best, then the card that says how to read them. A kill in between leaves a card of other weights,
    /// which nobody opens; resuming comes here again with the same weights and predictions.
    fn save_best(&self, epoch: usize, dev: &[Prediction]) -> Result<(), TrainError> {
        self.session.model.save(&self.paths.best())?;
        let readout = scoring::choose_readout(&self.dev, dev)?;
        let card = Card {
            epoch,
            readout,
            ..self.card.clone()
        };
        card.save(&self.paths.checkpoints())
    }
}

/// What the event log keeps of a selection.
fn dev_scores(selection: Selection) -> DevScores {
    let corpora = selection.corpora.into_iter();
    DevScores {
        score: selection.score,
        corpora: corpora
            .map(|(name, _, scores)| (name, scores.metrics))
            .collect(),
        undefined: selection.undefined.into_iter().collect(),
    }
}

fn headline(name: &str, task: Task, scores: &Scores) -> String {
    let value = |metric| {
        scores
            .get(metric)
            .map_or_else(|| "undefined".to_owned(), |v| format!("{v:.3}"))
    };
    match task {
        Task::Sentiment => {
            format!(
                "{name} MAE {} Corr {}",
                value(Metric::Mae),
                value(Metric::Corr)
            )
        }
        Task::Emotion => format!("{name} WF1 {}", value(Metric::WeightedF1)),
    }
}
