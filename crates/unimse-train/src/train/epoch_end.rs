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
    /// Dev score, best checkpoint, early stopping, by the leading process; the others hear of it. `drawn` utterances were trained on since `started`.
    pub(super) fn finish_epoch(
        &self,
        course: &mut Course,
        batches: usize,
        drawn: usize,
        started: Instant,
    ) -> Result<(), TrainError> {
        let leads = self.processes.leads();
        let ended = leads.then(|| self.lead_epoch_end(course, batches, drawn, started));
        let word = match ended.transpose() {
            Ok(ended) => ended.map(|()| Some(course.state.clone())),
            Err(TrainError::Interrupted { .. }) => Some(None),
            Err(error) => return Err(error),
        };
        let step = course.state.step;
        let state: Option<LoopState> = self.processes.hear(word)?;
        course.state = state.ok_or(TrainError::Interrupted { step })?;
        Ok(())
    }

    fn lead_epoch_end(
        &self,
        course: &mut Course,
        batches: usize,
        drawn: usize,
        started: Instant,
    ) -> Result<(), TrainError> {
        let trained = started.elapsed().as_secs_f64();
        let selection = self.select(course)?;
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
            utterances_per_second: Some(drawn as f64 / trained),
            memory: Some(peak_memory()),
        });
        course.tell(&told)?;
        let state = &mut course.state;
        state.epoch += 1;
        (state.batch, state.loss_sum) = (0, 0.0);
        course.save(&self.session.model, self.paths)
    }

    /// Scores dev with the weights, or with their average, and keeps them where they are the best so far.
    fn select(&self, course: &mut Course) -> Result<Selection, TrainError> {
        course.swap_average();
        let answered = self.answer_dev(course.state.step);
        let selected = answered.and_then(|dev| self.keep_best(&mut course.state, &dev));
        course.swap_average();
        if matches!(selected, Err(TrainError::Interrupted { .. })) {
            course.save(&self.session.model, self.paths)?;
        }
        selected
    }

    fn answer_dev(&self, step: i64) -> Result<Vec<Prediction>, TrainError> {
        let tick = |_| {
            if self.interrupt.load(Ordering::Relaxed) {
                Err(TrainError::Interrupted { step })
            } else {
                Ok(())
            }
        };
        self.session.predict(&self.dev, &self.plan, tick)
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
