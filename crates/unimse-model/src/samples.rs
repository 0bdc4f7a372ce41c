//! Contrast between samples (the paper's abstract; the form is ours): the text of utterances of one polarity, and of one emotion, attracts each
//! other across corpora, since universal labels give every utterance a class in every field.
//!
//! Text `[batch, dim]`, the mean over the current utterance, is projected to `[batch, common]`. Keys are the other rows, a learned
//! prototype of each class, and a queue of rows of earlier batches, which have no gradient.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};
use unimse_contrastive::{Classed, supervised};
use unimse_labels::{Field, FieldValue, Grammar};

use crate::batch::Target;
use crate::config::ContrastiveConfig;
use crate::error::{ModelError, Result};
use crate::layers::Linear;
use crate::share::Share;
use crate::variables::variable;

/// Names of the queue's tensors in a checkpoint.
const NAMES: [&str; 2] = ["queue.vectors", "queue.classes"];

/// Projection, prototypes and queue.
#[derive(Debug)]
pub(crate) struct Samples {
    projection: Linear,
    /// Fields with classes that the grammar has, and a prototype for each class, `[classes, common]`.
    prototypes: Vec<(Field, Tensor)>,
    temperature: f64,
    capacity: i64,
    queue: Mutex<Queue>,
}

/// Rows of earlier batches, the latest last.
#[derive(Debug)]
struct Queue {
    /// `[rows, common]` f32.
    vectors: Tensor,
    /// `[rows, fields]` i64, -1 for none.
    classes: Tensor,
}

impl Samples {
    /// `None` where `contrastive.samples` is 0.
    pub(crate) fn new(
        p: &Path<'_>,
        grammar: &Grammar,
        dim: i64,
        config: &ContrastiveConfig,
    ) -> Option<Self> {
        let common = config.dim.get() as i64;
        let spoken = |field: &Field| *field == Field::Polarity || grammar.fields.contains(field);
        let prototype = |field: Field| {
            let classes = field.classes()?.len() as i64;
            let init = Init::Randn {
                mean: 0.0,
                stdev: 1.0 / (common as f64).sqrt(),
            };
            Some((
                field,
                variable(
                    &(p / "prototypes"),
                    &field.to_string(),
                    &[classes, common],
                    init,
                ),
            ))
        };
        (config.samples.get() > 0.0).then(|| {
            let prototypes: Vec<_> = Field::ALL
                .into_iter()
                .filter(spoken)
                .filter_map(prototype)
                .collect();
            let fields = prototypes.len() as i64;
            Self {
                projection: Linear::new(&(p / "projection"), dim, common),
                temperature: config.temperature.get(),
                capacity: config.queue.get() as i64,
                queue: Mutex::new(Queue {
                    vectors: Tensor::zeros([0, common], (Kind::Float, p.device())),
                    classes: Tensor::zeros([0, fields], (Kind::Int64, p.device())),
                }),
                prototypes,
            }
        })
    }

    /// Mean over fields of the supervised contrastive loss of `text` `[batch, dim]`, fp32 scalar. Rows of one `identity` are no keys of each
    /// other; the first `fresh` rows enter the queue. With `share` the rows are those of all processes, and so are those of the queue.
    pub(crate) fn loss(
        &self,
        text: &Tensor,
        targets: &[Target],
        identity: Option<&Tensor>,
        fresh: i64,
        share: Option<&Share<'_>>,
    ) -> Result<Tensor> {
        let mut vectors = self.projection.forward(text).to_kind(Kind::Float);
        let mut classes = self.classes(targets).to_device(vectors.device());
        let place = Tensor::arange(vectors.size()[0], (Kind::Int64, vectors.device()));
        let mut fresh = place.lt(fresh);
        let mut identity = identity.map(Tensor::shallow_clone);
        if let Some(share) = share {
            vectors = share.gather(&vectors)?;
            classes = share.gather(&classes)?;
            fresh = share.gather(&fresh)?;
            identity = Some(share.gather_identity(identity.as_ref())?);
        }
        // every process computes the whole loss: one of them learns the prototypes
        let learns = share.is_none_or(Share::leads);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut each = Vec::new();
        for (at, (_, prototypes)) in self.prototypes.iter().enumerate() {
            let of = |all: &Tensor| all.select(1, at as i64);
            let own = Tensor::arange(prototypes.size()[0], (Kind::Int64, vectors.device()));
            let prototypes = match learns {
                true => prototypes.shallow_clone(),
                false => prototypes.detach(),
            };
            let keys = Tensor::cat(&[&prototypes, &queue.vectors], 0);
            let of_keys = Tensor::cat(&[own, of(&queue.classes)], 0);
            let batch = Classed {
                vectors: &vectors,
                classes: &of(&classes),
            };
            let others = Classed {
                vectors: &keys,
                classes: &of_keys,
            };
            let loss = supervised(batch, identity.as_ref(), Some(others), self.temperature);
            each.push(loss.map_err(|e| ModelError::Input(e.to_string()))?);
        }
        let fresh = fresh.nonzero().squeeze_dim(1);
        queue.push(
            &vectors.detach().index_select(0, &fresh),
            &classes.index_select(0, &fresh),
            self.capacity,
        );
        Ok(Tensor::stack(&each, 0).mean(Kind::Float))
    }

    /// `[batch, fields]` i64: class of each row in each field, -1 where it has none or the field does not count.
    fn classes(&self, targets: &[Target]) -> Tensor {
        let class = |target: &Target, field: Field| match target.label.get(field) {
            _ if target.weights[field] == 0.0 => -1,
            Some(FieldValue::Class(class)) => class as i64,
            _ => -1,
        };
        let all: Vec<i64> = targets
            .iter()
            .flat_map(|target| {
                self.prototypes
                    .iter()
                    .map(move |(field, _)| class(target, *field))
            })
            .collect();
        Tensor::from_slice(&all).view([targets.len() as i64, self.prototypes.len() as i64])
    }

    /// What the queue holds, for a checkpoint: `[rows, common]` and `[rows, fields]` fp32.
    pub(crate) fn memory(&self) -> BTreeMap<String, Tensor> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let classes = queue.classes.to_kind(Kind::Float);
        let both = [queue.vectors.shallow_clone(), classes];
        NAMES.map(str::to_owned).into_iter().zip(both).collect()
    }

    /// Restores what [`Samples::memory`] gave.
    pub(crate) fn restore(&self, saved: &BTreeMap<String, Tensor>, device: Device) -> Result<()> {
        let get = |name: &str| {
            let missing = || ModelError::Input(format!("tensor {name} is missing"));
            saved.get(name).ok_or_else(missing)
        };
        let (vectors, classes) = (get(NAMES[0])?, get(NAMES[1])?);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let widths = [queue.vectors.size()[1], queue.classes.size()[1]];
        let (found, rows) = ([vectors.size(), classes.size()], vectors.size()[0]);
        if found != widths.map(|width| vec![rows, width]) {
            return Err(ModelError::Input(format!(
                "queue: expected [rows, {}] and [rows, {}], found {:?} and {:?}",
                widths[0], widths[1], found[0], found[1]
            )));
        }
        queue.vectors = vectors.to_device(device);
        queue.classes = classes.to_device(device).to_kind(Kind::Int64);
        Ok(())
    }
}

impl Queue {
    /// Appends rows and drops the oldest beyond `capacity`.
    fn push(&mut self, vectors: &Tensor, classes: &Tensor, capacity: i64) {
        let keep = |old: &Tensor, new: &Tensor| {
            let all = Tensor::cat(&[old, new], 0);
            let rows = all.size()[0];
            all.narrow(0, (rows - capacity).max(0), rows.min(capacity))
        };
        self.vectors = keep(&self.vectors, vectors).copy();
        self.classes = keep(&self.classes, classes).copy();
    }
}
