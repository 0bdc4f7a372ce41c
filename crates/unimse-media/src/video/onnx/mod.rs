//! A network of the user's own that describes faces: any ONNX model of one picture that says some numbers, such as an EfficientNet or HSEmotion's.
//!
//! The face is turned upright as for mini-Xception and cut out as a colour picture of the size that the model declares; [`Preparation`] says how its values
//! are scaled. ONNX Runtime runs the model, from the shared library that is loaded then ([`load_runtime`] says which). A model is a program: run those
//! whose maker you trust.

mod ending;
mod preparation;
mod runtime;
mod sessions;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use unimse_formats::open_file;
use unimse_run::{FeatureCard, artefact};

use super::{Settings, align, frame::Frame};
use crate::{Fault, MediaError};
pub use ending::abandon;
pub use preparation::Preparation;
use preparation::Prepared;
pub use runtime::load_runtime;
use sessions::Sessions;

/// Version of what is made of faces by a network of the user's own; it changes with how they are cut out and prepared.
pub const VERSION: &str = "onnx-1";
/// What the name of the maker in feature cards begins with; the name of the model's file follows.
const TOOL: &str = "mtcnn + ";
/// A file of Protocol Buffers can be no larger.
const MOST_BYTES: u64 = (1 << 31) - 1;
/// What the file of a model holds only where its weights lie in other files: the key `location` of an external tensor.
const ELSEWHERE: &[u8] = b"\x0a\x08location\x12";

/// A network that describes a face by some numbers.
pub struct Network {
    path: PathBuf,
    /// Name of its file.
    name: String,
    hash: String,
    sessions: Sessions,
    prepared: Prepared,
    rate_hz: Option<u32>,
    dimension: usize,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("path", &self.path)
            .field("hash", &self.hash)
            .field("prepared", &self.prepared)
            .finish_non_exhaustive()
    }
}

/// The name of the model's file, if a card is of features that such a network made in this version.
#[must_use]
pub fn made(card: &FeatureCard) -> Option<&str> {
    let version = format!("unimse {VERSION}");
    let name = card.tool.strip_prefix(TOOL)?;
    (card.version.as_ref() == Some(&version)).then_some(name)
}

impl Network {
    /// Opens the model in a file, with the settings beside it ([`Preparation::beside`]).
    ///
    /// # Errors
    /// [`MediaError::Network`] where the file or its settings are no such network, or where ONNX Runtime is not there; [`MediaError::Format`] where the
    /// file cannot be read.
    pub fn load(path: &Path) -> Result<Self, MediaError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::with(path, &name, &Preparation::beside(path)?, None)
    }

    /// Opens the model that a card names, with the settings that the card says.
    ///
    /// # Errors
    /// Those of [`load`](Self::load); [`MediaError::Network`] where the file holds another model, or where the card is of something else.
    pub fn of_card(path: &Path, card: &FeatureCard) -> Result<Self, MediaError> {
        let wrong = |message: String| MediaError::Network {
            path: path.to_owned(),
            message,
        };
        let known = made(card).zip(Preparation::of_card(card));
        let Some((name, preparation)) = known else {
            return Err(wrong(format!(
                "expected features of an ONNX model, found those of {}",
                card.name()
            )));
        };
        let trained = card.weights.get(name).map(String::as_str);
        Self::with(path, name, &preparation, trained)
    }

    /// Opens the model in a file; one of another SHA-256 than `trained` is not opened.
    fn with(
        path: &Path,
        name: &str,
        preparation: &Preparation,
        trained: Option<&str>,
    ) -> Result<Self, MediaError> {
        let wrong = |message: String| MediaError::Network {
            path: path.to_owned(),
            message,
        };
        let model = read(path)?;
        let hash = artefact::sha256_of(&model);
        if let Some(trained) = trained.filter(|&trained| trained != hash) {
            return Err(wrong(format!(
                "expected the model of training, {name} of SHA-256 {trained}, found {hash}"
            )));
        }
        runtime::ensure()?;
        let (sessions, declared) = Sessions::open(model).map_err(wrong)?;
        let output = output(preparation, &declared.outputs).map_err(wrong)?;
        let prepared = preparation
            .of_input(&declared.input, output)
            .map_err(wrong)?;
        // what it says of a grey picture tells how many numbers it gives
        let pixels = prepared.side * prepared.side;
        let input = prepared.input(&vec![[127.5; 3]; pixels]);
        let said = sessions
            .run(prepared.shape(), input, &prepared.output)
            .map_err(wrong)?;
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            hash,
            sessions,
            prepared,
            rate_hz: preparation.rate_hz,
            dimension: said.len(),
        })
    }

    /// Numbers that it says of a face.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// What it says of the face whose five landmarks lie there in a frame, as many as [`dimension`](Self::dimension), all finite.
    ///
    /// # Errors
    /// [`Fault::Network`] where ONNX Runtime fails, the model gives something else than it did before, or does not answer in time.
    pub fn describe(&self, frame: &Frame, landmarks: &[[f32; 2]; 5]) -> Result<Vec<f32>, Fault> {
        let prepared = &self.prepared;
        let picture = align::colour(frame, landmarks, prepared.side, prepared.margin);
        let input = prepared.input(&picture);
        let said = self.sessions.run(prepared.shape(), input, &prepared.output);
        let said = said.map_err(|message| self.fault(&message))?;
        match said.len() == self.dimension {
            true => Ok(said),
            false => {
                let message = format!("expected {} numbers, found {}", self.dimension, said.len());
                Err(self.fault(&message))
            }
        }
    }

    fn fault(&self, message: &str) -> Fault {
        Fault::Network(format!("{}: {message}", self.name))
    }

    /// How a clip is looked at where its settings say so.
    pub(super) fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            rate_hz: self.rate_hz.unwrap_or(default.rate_hz),
            ..default
        }
    }

    /// The card of its features, without what finding a face adds.
    pub(super) fn card(&self) -> FeatureCard {
        FeatureCard {
            version: Some(format!("unimse {VERSION}")),
            settings: self.prepared.settings(),
            weights: [(self.name.clone(), self.hash.clone())].into(),
            ..FeatureCard::new(&format!("{TOOL}{}", self.name), self.dimension)
        }
    }
}

/// The name of the output that is read.
fn output(preparation: &Preparation, outputs: &[String]) -> Result<String, String> {
    let found = match &preparation.output {
        Some(name) => outputs.iter().find(|output| *output == name),
        None => outputs.first(),
    };
    found.cloned().ok_or_else(|| match &preparation.output {
        Some(name) => format!("output: expected one of {outputs:?}, found {name:?}"),
        None => "expected an output, found none".to_owned(),
    })
}

/// The bytes of a model, all of its weights among them.
fn read(path: &Path) -> Result<Vec<u8>, MediaError> {
    let wrong = |message: String| MediaError::Network {
        path: path.to_owned(),
        message,
    };
    let mut bytes = Vec::new();
    let file = open_file(path)?;
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(wrong(
            "expected an ONNX model of less than 2 GiB".to_owned(),
        ));
    }
    if bytes.is_empty() || bytes.get(4..8) == Some(b"ORTM") {
        let found = if bytes.is_empty() {
            "0 bytes"
        } else {
            "one in ONNX Runtime's own format"
        };
        return Err(wrong(format!("expected an ONNX model, found {found}")));
    }
    if bytes
        .windows(ELSEWHERE.len())
        .any(|window| window == ELSEWHERE)
    {
        return Err(wrong(
            "expected an ONNX model with its weights, found one whose weights lie in other files; write it as one file, as torch.onnx.export(..., external_data=False) does"
                .to_owned(),
        ));
    }
    Ok(bytes)
}
