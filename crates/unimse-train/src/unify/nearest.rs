//! The training utterances nearest to a new text: whom the unifier would ask for labels (paper 3.2), with the labels they have.

use std::path::{Path, PathBuf};

use unimse_labels::{Split, UniversalLabel};
use unimse_model::{Pooling, Precision, SentenceEncoder};

use crate::TrainError;
use crate::data::labels_table::LabelTable;
use crate::model::session::device;
use crate::unify::embeddings::read_embeddings_of;
use crate::unify::encoder_folder;

/// A training utterance with its universal label.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledUtterance {
    /// Its corpus.
    pub corpus: String,
    /// Its id there.
    pub utterance_id: String,
    /// Its label.
    pub label: UniversalLabel,
}

/// A training utterance and the cosine of its sentence embedding and that of the text that asks.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'n> {
    /// The utterance.
    pub utterance: &'n LabelledUtterance,
    /// Cosine, in [-1, 1].
    pub similarity: f32,
}

/// The sentence encoder of a run beside the embeddings `[utterances, dim]` of its training utterances.
pub struct Nearest {
    encoder: SentenceEncoder,
    utterances: Vec<LabelledUtterance>,
    rows: Vec<f32>,
}

impl Nearest {
    /// Reads the training rows of every label table in the folder `labels` and their embeddings; `encoder` is a folder or a Hub id,
    /// `pooling` as of [`crate::unify::embed`].
    ///
    /// # Errors
    /// [`TrainError`] naming the table, or saying that the encoder is not there, or is of another width than the tables.
    pub fn load(
        labels: &Path,
        encoder: &str,
        pooling: Option<Pooling>,
    ) -> Result<Self, TrainError> {
        let folder = encoder_folder(encoder, pooling)?;
        let encoder = SentenceEncoder::load(&folder, pooling, device(), Precision::Fp32)?;
        let (mut utterances, mut rows) = (Vec::new(), Vec::new());
        for corpus in corpora(labels)? {
            let table = LabelTable::read(labels, &corpus)?;
            let own: Vec<LabelledUtterance> = (table.rows.into_iter())
                .filter(|row| row.split == Split::Train)
                .filter_map(|row| {
                    Some(LabelledUtterance {
                        corpus: corpus.clone(),
                        utterance_id: row.utterance_id,
                        label: row.label?,
                    })
                })
                .collect();
            let ids: Vec<&str> = own.iter().map(|u| u.utterance_id.as_str()).collect();
            let embeddings = read_embeddings_of(labels, &corpus, &ids)?;
            if !ids.is_empty() && embeddings.dim as i64 != encoder.dim() {
                return Err(TrainError::artefact(
                    super::embeddings_path(labels, &corpus),
                    format!(
                        "expected embeddings of width {}, as the encoder {} makes them, found {}",
                        encoder.dim(),
                        folder.display(),
                        embeddings.dim
                    ),
                ));
            }
            rows.extend(embeddings.rows);
            utterances.extend(own);
        }
        Ok(Self {
            encoder,
            utterances,
            rows,
        })
    }

    /// The training utterances, in the order of corpora by name and of their tables.
    #[must_use]
    pub fn utterances(&self) -> &[LabelledUtterance] {
        &self.utterances
    }

    /// The `most` utterances whose embeddings are nearest to that of `text`, the nearest first, of equal ones the first.
    ///
    /// # Errors
    /// [`TrainError::Model`] for text that cannot be encoded.
    pub fn of(&self, text: &str, most: usize) -> Result<Vec<Neighbour<'_>>, TrainError> {
        let asked = (self.encoder).encode::<TrainError>(&[text], 1, &mut |_| Ok(()))?;
        let similarity = |row: &[f32]| row.iter().zip(&asked).map(|(a, b)| a * b).sum::<f32>();
        let similarities = self.rows.chunks_exact(asked.len().max(1)).map(similarity);
        let mut found: Vec<Neighbour<'_>> = (self.utterances.iter().zip(similarities))
            .map(|(utterance, similarity)| Neighbour {
                utterance,
                similarity,
            })
            .collect();
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        found.truncate(most);
        Ok(found)
    }
}

/// The corpora that have a label table in a folder, by name.
fn corpora(labels: &Path) -> Result<Vec<String>, TrainError> {
    let entries = std::fs::read_dir(labels).map_err(TrainError::io(labels, "listing"))?;
    let mut names = Vec::new();
    for entry in entries {
        let path: PathBuf = entry.map_err(TrainError::io(labels, "listing"))?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name
            && path.extension().is_some_and(|e| e == "parquet")
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
