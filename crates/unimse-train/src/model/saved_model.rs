//! A trained model, opened from `RUN/checkpoints` alone: `evaluate` and `predict` answer with the same one.

use std::path::Path;
use std::thread::ScopedJoinHandle;

use unimse_model::Precision;
use unimse_model::tokenizer::Tokenizer;
use unimse_model::unimodel::UniModel;

use crate::TrainError;
use crate::config::RunConfig;
use crate::data::dataset;
use crate::data::normaliser::Normaliser;
use crate::model::card::Card;
use crate::model::session::{Session, device};
use unimse_run::{Receipt, RunFolder};

/// The selected model of a run with what is needed to feed it and to read it.
pub struct SavedModel {
    /// Network and tokenizer. It computes in fp32 whatever training computed in, so that answers depend on neither the CPU's number formats
    /// nor the company of a row.
    pub session: Session,
    /// Feature scales fitted on the training rows.
    pub normaliser: Normaliser,
    /// What the model was trained with and how its answers are read.
    pub card: Card,
}

impl SavedModel {
    /// Opens the checkpoint of a run; nothing outside its folder `checkpoints` is needed.
    ///
    /// # Errors
    /// [`TrainError`] naming the file: no trained model, one of another version of this program, a file whose SHA-256 is not the one that the
    /// card says, sizes that do not fit the weights, a weight that is not finite.
    pub fn open(run: &RunFolder) -> Result<Self, TrainError> {
        let folder = run.checkpoints();
        if !run.best().exists() {
            return Err(TrainError::artefact(
                run.best(),
                "no trained model is here; run `unimse train` first",
            ));
        }
        let card = Card::load(&folder)?;
        let (checked, tokenizer, model) = std::thread::scope(|scope| {
            let checked = scope.spawn(|| card.check_files(&folder));
            let tokenizer = scope.spawn(|| read_tokenizer(&folder, &card));
            let model = read_model(&folder, &card);
            (joined(checked), joined(tokenizer), model)
        });
        checked?; // files that are not the card's are named as such, whatever else is wrong with them
        warn_of_receipt(run, &card)?;
        Ok(Self {
            session: Session {
                model: model?,
                tokenizer: tokenizer?,
                speakers: card.speakers.clone(),
                voice: card.voice.clone(),
                folder,
            },
            normaliser: Normaliser::load(&run.normaliser())?,
            card,
        })
    }

    /// Compares the configuration of the run, but for its section `evaluate`, with that of the training.
    ///
    /// # Errors
    /// [`TrainError::Artefact`] naming the first key that differs and both values.
    pub fn must_match(&self, config: &RunConfig, path: &Path) -> Result<(), TrainError> {
        let trained = RunConfig {
            evaluate: config.evaluate.clone(),
            ..self.card.config.clone()
        };
        let (ours, theirs) = (trained.table()?, config.table()?);
        match difference("", &ours, &theirs) {
            None => Ok(()),
            Some(difference) => Err(TrainError::artefact(
                path,
                format!("{difference}; train again, or put the value back"),
            )),
        }
    }
}

fn read_tokenizer(folder: &Path, card: &Card) -> Result<Tokenizer, TrainError> {
    Ok(Tokenizer::from_folder(folder)?.with_prefix(&card.config.model.prefix)?)
}

fn read_model(folder: &Path, card: &Card) -> Result<UniModel, TrainError> {
    Ok(UniModel::open(
        &card.config.model(),
        &dataset::grammar(&card.config, &card.fields),
        folder,
        &card.dims,
        device(),
        Precision::Fp32,
    )?)
}

/// What the thread gave; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The first key whose value differs, with what training had (`ours`) and what stands there now.
fn difference(prefix: &str, ours: &toml::Table, theirs: &toml::Table) -> Option<String> {
    let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    keys.into_iter().find_map(|key| {
        let (a, b) = (ours.get(key), theirs.get(key));
        match (a, b) {
            _ if a == b => None,
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                difference(&format!("{prefix}{key}."), a, b)
            }
            _ => {
                let text = |v: Option<&toml::Value>| {
                    v.map_or_else(|| "nothing".to_owned(), ToString::to_string)
                };
                Some(format!(
                    "{prefix}{key}: expected {}, which the checkpoint was trained with, found {}",
                    text(a),
                    text(b)
                ))
            }
        }
    })
}

/// Says so where the last opening of the test split was with other weights than these: results beside them are not theirs.
fn warn_of_receipt(run: &RunFolder, card: &Card) -> Result<(), TrainError> {
    let ours = card.files.get("model.safetensors");
    if let (Some(receipt), Some(ours)) = (Receipt::last(&run.receipts())?, ours)
        && receipt.checkpoint_sha256 != *ours
    {
        eprintln!(
            "warning: {}: the test split was last opened with the weights {}, not with these, {ours}: results of that opening are not theirs",
            run.receipts().display(),
            receipt.checkpoint_sha256,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use unimse_model::config::Count;

    use super::*;

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let trained = RunConfig::default();
        let mut now = trained.clone();
        now.fusion.layers = Count::literal::<1>();
        let table = |c: &RunConfig| c.table().unwrap_or_default();
        assert_eq!(difference("", &table(&trained), &table(&trained)), None);
        assert_eq!(
            difference("", &table(&trained), &table(&now)).as_deref(),
            Some("fusion.layers: expected 3, which the checkpoint was trained with, found 1")
        );
    }
}
