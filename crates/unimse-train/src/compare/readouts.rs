//! The reference beside itself, its answers read in every way that dev can choose. Nothing is trained or predicted for that.

use unimse_labels::Form;
use unimse_run::{ComparedRun, EmotionReadout, IntensityReadout, Readout, Task};

use super::answers::{Missing, Reading};
use super::reference::Reference;
use super::shared::{Part, cut};
use crate::TrainError;

impl Reference<'_> {
    /// The reference with its answers read in every way, each with the corpora in whose task that makes a difference.
    pub(super) fn readouts(&self) -> Result<Vec<ComparedRun>, TrainError> {
        let mut grammars = Vec::new();
        for seed in &self.run.seeds {
            grammars.push(seed.grammar()?);
        }
        let mut out = Vec::new();
        for (task, name, readout) in every_readout() {
            // The text of a triple holds one emotion, a label of the closed vocabulary two: what was generated is not in the file.
            let lost = readout.emotion == EmotionReadout::Text
                && grammars.iter().any(|grammar| grammar.form == Form::Triple);
            if task == Task::Emotion && lost {
                continue;
            }
            let mut corpora = Vec::new();
            for (corpus, rows) in self.corpora.iter().filter(|(_, rows)| rows.task == task) {
                let mut seeds = Vec::new();
                for (seed, grammar) in self.run.seeds.iter().zip(&grammars) {
                    // What dev chose is in the file to the bit, and must not differ from itself by rounding.
                    let chosen = |own: &Readout| match task {
                        Task::Sentiment => own.intensity == readout.intensity,
                        Task::Emotion => own.emotion == readout.emotion,
                    };
                    let reading = match seed.results.readout.as_ref().filter(|own| chosen(own)) {
                        Some(_) => Reading::AsChosen,
                        None => Reading::Anew(readout, grammar),
                    };
                    let answers = seed.answers(corpus, reading);
                    let answers = answers.map_err(|missing| {
                        let (Missing::Unanswered(why) | Missing::Broken(why)) = missing;
                        seed.failed(corpus, &why)
                    })?;
                    seeds.push(cut(&answers, &rows.ids));
                }
                let part = Part {
                    seeds,
                    unshared: Vec::new(),
                };
                corpora.push((corpus.to_owned(), self.corpus(corpus, rows, &part, true)?));
            }
            if !corpora.is_empty() {
                out.push(ComparedRun {
                    readout: Some(name),
                    corpora: corpora.into_iter().collect(),
                    ..self.run.described()
                });
            }
        }
        Ok(out)
    }
}

/// Every way to read intensities, then every way to read emotions, with the task that looks at it and its name.
fn every_readout() -> Vec<(Task, String, Readout)> {
    let training = Readout::TRAINING;
    let intensities = IntensityReadout::ALL
        .into_iter()
        .chain([IntensityReadout::SignedMedian]);
    let intensities = intensities.map(|intensity| {
        let name = format!("intensity: {}", intensity.name());
        let readout = Readout {
            intensity,
            ..training
        };
        (Task::Sentiment, name, readout)
    });
    let emotions = EmotionReadout::ALL.into_iter().map(|emotion| {
        let name = format!("emotion: {}", emotion.name());
        let readout = Readout {
            emotion,
            ..training
        };
        (Task::Emotion, name, readout)
    });
    intensities.chain(emotions).collect()
}
