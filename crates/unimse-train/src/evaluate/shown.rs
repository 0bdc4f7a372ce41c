//! What the answering pass shows of some rows beside its answers: text before and after fusion, and what the contrast between modalities compares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use unimse_model::{Keys, Modality, Observed};

use crate::TrainError;
use crate::data::dataset::Dataset;
use crate::evaluate::draw::draw;

/// What a pass shows of one row, every number finite.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ShownRow {
    /// What the first fused layer reads.
    pub(super) before: Vec<f32>,
    /// What the last fused layer gives.
    pub(super) after: Vec<f32>,
    /// Its text in every fused layer, as it is compared with audio and video; empty where the model has no contrast.
    pub(super) text: Vec<Vec<f32>>,
    audio: Option<Vec<f32>>,
    video: Option<Vec<f32>>,
}

impl ShownRow {
    /// What its text is compared with; `None` where it lacks the modality.
    pub(super) fn key(&self, modality: Modality) -> Option<&[f32]> {
        match modality {
            Modality::Audio => self.audio.as_deref(),
            Modality::Video => self.video.as_deref(),
            Modality::Text => None,
        }
    }

    #[cfg(test)]
    pub(super) fn of(
        text: Vec<Vec<f32>>,
        audio: Option<Vec<f32>>,
        video: Option<Vec<f32>>,
    ) -> Self {
        Self {
            text,
            audio,
            video,
            ..Self::default()
        }
    }

    fn is_finite(&self) -> bool {
        let ends = [&self.before, &self.after].into_iter();
        let mut all = ends.chain(&self.text).chain(&self.audio).chain(&self.video);
        all.all(|vector| vector.iter().all(|x| x.is_finite()))
    }
}

/// What a batch shows of drawn rows, each with its place among the examples; `None` where a number is not finite.
pub(super) type Seen = Vec<(usize, Option<ShownRow>)>;

/// The drawn rows of a split, by place among its examples; `None` until a pass has shown them.
#[derive(Debug)]
pub(super) struct Shown(BTreeMap<usize, Option<ShownRow>>);

impl Shown {
    /// Draws rows of every corpus.
    pub(super) fn new(dataset: &Dataset, seed: u64) -> Self {
        let mut rows = BTreeMap::new();
        for corpus in 0..dataset.corpora.len() {
            let examples = dataset.examples.iter().enumerate();
            let own = examples.filter(|(_, e)| e.corpus == corpus);
            let own: Vec<usize> = own.map(|(at, _)| at).collect();
            rows.extend(draw(own.len(), seed).into_iter().map(|at| (own[at], None)));
        }
        Self(rows)
    }

    /// What a batch of the `examples` shows of those that were drawn, for [`Shown::keep`].
    ///
    /// # Errors
    /// Tensors that LibTorch cannot read.
    pub(super) fn see(&self, examples: &[usize], batch: &Observed) -> Result<Seen, TrainError> {
        let drawn = examples.iter().zip(0i64..);
        let drawn: Vec<(usize, i64)> = drawn
            .filter(|(example, _)| self.0.contains_key(example))
            .map(|(&example, place)| (example, place))
            .collect();
        let places: Vec<i64> = drawn.iter().map(|(_, place)| *place).collect();
        let (before, after) = (
            vectors(&batch.before, &places)?,
            vectors(&batch.after, &places)?,
        );
        let text = batch.text.iter().map(|layer| vectors(layer, &places));
        let text: Vec<Vec<Vec<f32>>> = text.collect::<Result<_, _>>()?;
        let (audio, video) = (keys(&batch.audio)?, keys(&batch.video)?);
        let row = |(at, (example, place)): (usize, (usize, i64))| {
            let row = ShownRow {
                before: before[at].clone(),
                after: after[at].clone(),
                text: text.iter().map(|layer| layer[at].clone()).collect(),
                audio: audio.get(&place).cloned(),
                video: video.get(&place).cloned(),
            };
            (example, Some(row).filter(ShownRow::is_finite))
        };
        Ok(drawn.into_iter().enumerate().map(row).collect())
    }

    /// Keeps what was seen.
    pub(super) fn keep(&mut self, seen: impl IntoIterator<Item = Seen>) {
        self.0.extend(seen.into_iter().flatten());
    }

    /// The rows that were shown, with their places among the examples.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &ShownRow)> {
        self.0
            .iter()
            .filter_map(|(&at, row)| Some((at, row.as_ref()?)))
    }
}

/// The rows `places` of `x` `[rows, dim]`.
fn vectors(x: &Tensor, places: &[i64]) -> Result<Vec<Vec<f32>>, TrainError> {
    let dim = x.size()[1].max(1) as usize;
    let places = Tensor::from_slice(places).to_device(x.device());
    let rows = x.index_select(0, &places).flatten(0, 1);
    let numbers = Vec::<f32>::try_from(rows.to_device(Device::Cpu).to_kind(Kind::Float))?;
    Ok(numbers.chunks(dim).map(<[f32]>::to_vec).collect())
}

/// The vectors of a modality by row of the batch.
fn keys(keys: &Option<Keys>) -> Result<BTreeMap<i64, Vec<f32>>, TrainError> {
    let Some(keys) = keys else {
        return Ok(BTreeMap::new());
    };
    let rows = Vec::<i64>::try_from(keys.rows.to_device(Device::Cpu))?;
    let all: Vec<i64> = (0..rows.len() as i64).collect();
    Ok(rows
        .into_iter()
        .zip(vectors(&keys.vectors, &all)?)
        .collect())
}

/// Vectors of one length as a matrix `[rows, dim]` of f64.
pub(super) fn matrix<'a>(rows: impl Iterator<Item = &'a [f32]>) -> Tensor {
    let rows: Vec<&[f32]> = rows.collect();
    let numbers = Tensor::from_slice(&rows.concat()).to_kind(Kind::Double);
    numbers.view([rows.len() as i64, -1])
}
