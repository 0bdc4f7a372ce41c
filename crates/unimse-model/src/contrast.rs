//! Inter-modality contrastive learning inside the model (paper, section 3.5, equation 6): text of each fused layer against
//! audio and video, `[batch, time, dim]` and `[present, steps, hidden]`, both projected and pooled to `[present, common]`.

use tch::nn::{Init, Path};
use tch::{Device, Kind, Tensor};
use unimse_contrastive::{
    Negatives, Reduction, info_nce, masked_mean, normalise, symmetric_info_nce,
};

use crate::config::{Modality, ModelConfig, Scope, State};
use crate::error::{ModelError, Result};
use crate::lstm::ModalityStates;
use crate::share::Share;
use crate::variables::variable;

/// A 1-D convolution over time, followed by the mean over valid steps.
#[derive(Debug)]
struct Projection {
    weight: Tensor,
    bias: Tensor,
}

impl Projection {
    fn new(p: &Path<'_>, input: i64, output: i64, kernel: i64) -> Self {
        let bound = 1.0 / ((input * kernel) as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        Self {
            weight: variable(p, "weight", &[output, input, kernel], init),
            bias: variable(p, "bias", &[output], init),
        }
    }

    /// `x` `[batch, time, input]`, zero where not valid, `mask` `[batch, time]` bool; the result is `[batch, output]` fp32.
    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let kernel = self.weight.size()[2];
        let mean = |x: &Tensor| masked_mean(x, mask).map_err(|e| ModelError::Input(e.to_string()));
        if kernel == 1 {
            // A linear map commutes with the mean, and one vector is cheaper to project than a sequence.
            return Ok(mean(x)?.linear(&self.weight.squeeze_dim(2), Some(&self.bias)));
        }
        let x = x
            .masked_fill(&mask.logical_not().unsqueeze(-1), 0.0)
            .to_kind(self.weight.kind());
        mean(
            &x.transpose(1, 2)
                .conv1d(&self.weight, Some(&self.bias), [1], [kernel / 2], [1], 1)
                .transpose(1, 2),
        )
    }
}

/// The projections of all modalities to a common size.
#[derive(Debug)]
pub(crate) struct Contrast {
    /// One for each fused layer.
    text: Vec<Projection>,
    audio: Option<Projection>,
    video: Option<Projection>,
    temperature: f64,
    symmetric: bool,
    min_rows: i64,
    scope: Scope,
    state: State,
}

impl Contrast {
    /// `None` where no contrastive loss can arise: both weights 0, no fused layer, or text alone.
    pub(crate) fn new(p: &Path<'_>, dim: i64, layers: usize, config: &ModelConfig) -> Option<Self> {
        let contrastive = &config.contrastive;
        let wanted = |modality, weight: f64| {
            config.has(modality) && weight > 0.0 && config.fusion.layers.get() > 0
        };
        let (audio, video) = (
            wanted(Modality::Audio, contrastive.alpha.get()),
            wanted(Modality::Video, contrastive.beta.get()),
        );
        let (common, kernel) = (
            contrastive.dim.get() as i64,
            contrastive.kernel.get() as i64,
        );
        // R-Drop puts every utterance into a batch twice.
        let copies = if config.loss.r_drop.get() > 0.0 { 2 } else { 1 };
        let other = |wanted: bool, modality: Modality| {
            wanted.then(|| {
                Projection::new(
                    &(p / modality.name()),
                    config.lstm.hidden.get() as i64,
                    common,
                    kernel,
                )
            })
        };
        (audio || video).then(|| Self {
            text: (layers - config.fusion.layers.get()..layers)
                .map(|layer| Projection::new(&(p / "text" / layer), dim, common, kernel))
                .collect(),
            audio: other(audio, Modality::Audio),
            video: other(video, Modality::Video),
            temperature: contrastive.temperature.get(),
            symmetric: contrastive.symmetric,
            min_rows: contrastive.min_rows.get() as i64 * copies,
            scope: contrastive.scope,
            state: contrastive.state,
        })
    }

    /// The loss of each fused layer between its text and `states`, the rows that lack the modality left out, none where too few have it; rows
    /// of one `identity` (`[batch]` i64, `None` where every row has its own) are no negatives of each other. With `share` the rows are those
    /// of all processes.
    pub(crate) fn losses(
        &self,
        text: &[Anchor],
        states: Option<&ModalityStates>,
        modality: Modality,
        identity: Option<&Tensor>,
        share: Option<&Share<'_>>,
    ) -> Result<Vec<Tensor>> {
        let enough = |rows: i64| rows >= self.min_rows.max(1);
        let here = states.filter(|states| share.is_some() || enough(states.rows.size()[0]));
        let pairs = here.map(|states| self.pairs(text, states, modality, identity));
        let mut pairs = pairs.transpose()?.flatten();
        if let Some(share) = share.filter(|_| self.projection(modality).is_some()) {
            let pairs = pairs.get_or_insert_with(|| self.no_pairs(text.len()));
            *pairs = pairs.of_all(share)?;
        }
        let Some(pairs) = pairs.filter(|pairs| enough(pairs.key.size()[0])) else {
            return Ok(Vec::new());
        };
        let (key, identity) = (&pairs.key, pairs.identity.as_ref());
        let loss = |query: &Tensor| {
            let (temperature, mean) = (self.temperature, Reduction::Mean);
            if self.symmetric {
                symmetric_info_nce(query, key, identity, None, temperature, mean)
            } else {
                let negatives = identity.map_or(Negatives::InBatch, Negatives::OtherIdentities);
                info_nce(query, key, negatives, None, temperature, mean)
            }
            .map_err(|e| ModelError::Input(e.to_string()))
        };
        pairs.queries.iter().map(loss).collect()
    }

    /// What is compared of the rows of `states`; `None` where the modality is not.
    fn pairs(
        &self,
        text: &[Anchor],
        states: &ModalityStates,
        modality: Modality,
        identity: Option<&Tensor>,
    ) -> Result<Option<Pairs>> {
        let of_rows = |all: &Tensor| all.index_select(0, &states.rows);
        Ok(self.key(states, modality)?.map(|key| Pairs {
            queries: text.iter().map(|anchor| of_rows(&anchor.0)).collect(),
            key,
            identity: identity.map(of_rows),
        }))
    }

    /// The pairs of a process in whose rows nothing is compared.
    fn no_pairs(&self, layers: usize) -> Pairs {
        let common = self.text.first().map_or(0, |text| text.bias.size()[0]);
        let rows = |kind| Tensor::zeros([0, common], (kind, Device::Cpu));
        Pairs {
            queries: (0..layers).map(|_| rows(Kind::Float)).collect(),
            key: rows(Kind::Float),
            identity: Some(Tensor::zeros([0], (Kind::Int64, Device::Cpu))),
        }
    }

    fn projection(&self, modality: Modality) -> Option<&Projection> {
        match modality {
            Modality::Audio => self.audio.as_ref(),
            Modality::Video => self.video.as_ref(),
            Modality::Text => None,
        }
    }

    /// The rows of `states` as text is compared with them: `[present, common]` fp32; `None` where it is not.
    pub(crate) fn key(
        &self,
        states: &ModalityStates,
        modality: Modality,
    ) -> Result<Option<Tensor>> {
        self.projection(modality)
            .map(|projection| projection.forward(&states.sequence, &states.mask))
            .transpose()
    }

    /// Text of the fused layer number `at`, counted from the first fused one, which makes `output` of `input`, both `[batch, time, dim]`;
    /// `window` and `current`, `[batch, time]` bool, are where a token stands, and where one of the current utterance.
    pub(crate) fn anchor(
        &self,
        at: usize,
        [input, output]: [&Tensor; 2],
        [window, current]: [&Tensor; 2],
    ) -> Result<Anchor> {
        let hidden = match self.state {
            State::Input => input,
            State::Output => output,
        };
        let mask = match self.scope {
            Scope::Window => window,
            Scope::Current => current,
        };
        self.text
            .get(at)
            .ok_or_else(|| {
                ModelError::Input(format!(
                    "fused layer {at}: expected one of {}",
                    self.text.len()
                ))
            })?
            .forward(hidden, mask)
            .map(Anchor)
    }
}

/// Rows that have a modality: of each fused layer the text, and the modality, `[rows, common]` fp32 each, and which utterances they hold, `[rows]` i64.
struct Pairs {
    queries: Vec<Tensor>,
    key: Tensor,
    identity: Option<Tensor>,
}

impl Pairs {
    /// Those of all processes, which send theirs in one piece.
    fn of_all(&self, share: &Share<'_>) -> Result<Self> {
        let mut parts: Vec<&Tensor> = self.queries.iter().collect();
        parts.push(&self.key);
        let all = share.gather(&Tensor::cat(&parts, 1))?;
        let mut parts = all.chunk(parts.len() as i64, 1);
        let key = parts.pop().unwrap_or(all);
        Ok(Self {
            queries: parts,
            key,
            identity: Some(share.gather_identity(self.identity.as_ref())?),
        })
    }
}

/// Text of one fused layer, projected: `[batch, common]` fp32.
#[derive(Debug)]
pub(crate) struct Anchor(Tensor);

impl Anchor {
    /// The same with rows of length 1.
    pub(crate) fn unit(&self) -> Tensor {
        normalise(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
    use tch::nn::VarStore;

    use super::*;
    use crate::generator::seeded;

    /// Two rows of four tokens, of which the second and the third are the current utterance.
    #[test]
    fn scope_and_state_choose_what_is_compared() {
        let _generator = seeded(3);
        let states = Tensor::randn([2, 2, 4, 8], (Kind::Float, Device::Cpu)).unbind(0);
        let [input, output] = [&states[0], &states[1]];
        let window = Tensor::ones([2, 4], (Kind::Bool, Device::Cpu));
        let place = Tensor::arange(4, (Kind::Int64, Device::Cpu));
        let current = window.logical_and(&place.ge(1).logical_and(&place.le(2)));
        let inside = |x: &Tensor| x.narrow(1, 1, 2);
        for (scope, state, expected) in [
            (Scope::Window, State::Output, output.shallow_clone()),
            (Scope::Window, State::Input, input.shallow_clone()),
            (Scope::Current, State::Output, inside(output)),
            (Scope::Current, State::Input, inside(input)),
        ] {
            let mut config = ModelConfig::default();
            (config.contrastive.scope, config.contrastive.state) = (scope, state);
            let store = VarStore::new(Device::Cpu);
            let contrast = Contrast::new(&store.root(), 8, 3, &config).unwrap();
            let found = contrast.anchor(1, [input, output], [&window, &current]);
            let weights = store.variables();
            let weight = weights["text.1.weight"].squeeze_dim(2);
            let mean = expected.mean_dim(1, false, Kind::Float);
            let expected = mean.linear(&weight, Some(&weights["text.1.bias"]));
            let off = (found.unwrap().0 - expected).abs().max().double_value(&[]);
            assert!(off < 1e-5, "{scope:?} {state:?}: {off}");
        }
    }
}
