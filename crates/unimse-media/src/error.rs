//! What can be wrong with a clip, as types.

use std::path::{Path, PathBuf};

use unimse_formats::FormatError;
use unimse_run::FileError;

use crate::{Span, decode::MOST_SECONDS, resample::RATES};

/// Why a clip has no features. Messages are one line and start with the path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The file cannot be read, or is a broken wave file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Something could not be read or written that is no clip.
    #[error("{error}: {}", error.source)]
    File {
        /// Path, what was being done, and why it failed.
        error: FileError,
    },
    /// The clip was read, and something is wrong with it.
    #[error("{}: {fault}", path.display())]
    Fault {
        /// The clip.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// A transcript that cannot be read.
    #[error("{}: {message}", path.display())]
    Transcript {
        /// The transcript.
        path: PathBuf,
        /// Line or caption, what was expected and what was found.
        message: String,
    },
    /// The system has no ffmpeg that video could be read with.
    #[error("ffmpeg: {message}")]
    Ffmpeg {
        /// What to install, and what was found.
        message: String,
    },
    /// A network of the user's own that cannot be run, or no ONNX Runtime to run it.
    #[error("{}: {message}", path.display())]
    Network {
        /// The model, the file of its settings, or the library.
        path: PathBuf,
        /// What was expected and found, or what to install.
        message: String,
    },
    /// A folder of clips that cannot be worked on.
    #[error("{}: {message}", path.display())]
    Folder {
        /// The folder, or a file in it.
        path: PathBuf,
        /// What was expected and found.
        message: String,
    },
}

impl From<FileError> for MediaError {
    fn from(error: FileError) -> Self {
        Self::File { error }
    }
}

impl MediaError {
    /// The kind of the error in one word, for tables that count them: that of [`Fault::kind`], `WAVE` for what is wrong with a wave file,
    /// else `UNREADABLE`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fault { fault, .. } => fault.kind(),
            Self::Format(FormatError::Wav { .. }) => "WAVE",
            Self::Ffmpeg { .. } => "FFMPEG",
            _ => "UNREADABLE",
        }
    }

    /// The message without the path, for callers that name the file in their own way.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Fault { fault, .. } => fault.to_string(),
            Self::Format(error) => error.detail(),
            Self::File { error } => format!("{}: {}", error.action, error.source),
            Self::Ffmpeg { message } => format!("ffmpeg: {message}"),
            Self::Folder { message, .. }
            | Self::Network { message, .. }
            | Self::Transcript { message, .. } => message.clone(),
        }
    }
}

/// What is wrong with a clip.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No byte.
    #[error("0 bytes")]
    Empty,
    /// No container that is known.
    #[error(
        "expected wav, flac, mp3, ogg, m4a or mp4, found {0}; convert it, as in ffmpeg -i IN OUT.wav"
    )]
    NotMedia(String),
    /// A container without sound.
    #[error("no audio track")]
    NoAudio,
    /// Sound that no decoder here reads.
    #[error(
        "expected audio coded as AAC-LC, ALAC, FLAC, MP3 or Vorbis, found {0}; convert it, as in ffmpeg -i IN OUT.wav"
    )]
    Codec(String),
    /// A container without pictures.
    #[error("no video track")]
    NoVideo,
    /// Pictures that the system's ffmpeg does not decode.
    #[error("no decoder for the pictures: {0}")]
    VideoCodec(String),
    /// No picture in the file, or in the part that was asked for.
    #[error("no picture")]
    NoFrame,
    /// No face in any picture.
    #[error("no face in {frames} pictures")]
    NoFace {
        /// Pictures that were looked at.
        frames: usize,
    },
    /// A network of the user's own failed on a picture.
    #[error("{0}")]
    Network(String),
    /// ffmpeg took too long, and was killed.
    #[error("ffmpeg gave no further picture: killed after {waited_s:.0} s of waiting for it")]
    Late {
        /// Seconds waited.
        waited_s: f64,
    },
    /// The content breaks its format.
    #[error("malformed: {0}")]
    Malformed(String),
    /// The file ends before what its header promises.
    #[error("truncated: expected {expected_s:.2} s, found {found_s:.2} s")]
    Truncated {
        /// Seconds that the header promises.
        expected_s: f64,
        /// Seconds that are there.
        found_s: f64,
    },
    /// The file ends in the middle of something.
    #[error("truncated: the file ends after {found_s:.2} s, in the middle of the stream")]
    Cut {
        /// Seconds that are there.
        found_s: f64,
    },
    /// More than one clip may have.
    #[error("expected at most {MOST_SECONDS} s a clip, found {found_s:.0} s; ask for a part of it")]
    TooLong {
        /// Seconds that the header promises, or that were decoded.
        found_s: f64,
    },
    /// A sample rate that is not read.
    #[error("sample rate: expected {} to {} Hz, found {hz} Hz", RATES.start(), RATES.end())]
    Rate {
        /// Samples a second.
        hz: u32,
    },
    /// No sample in the file, or in the part that was asked for.
    #[error("no sample")]
    NoSample,
    /// Every sample is below half a step of 16 bits.
    #[error("silent: no sample is louder than half a step of 16 bits")]
    Silent,
    /// Nobody speaks, and what is no speech was to be cut out.
    #[error("no speech")]
    NoSpeech,
    /// A part that ends before it begins, or that the clip does not have.
    #[error("expected a part from 0 s on that ends after it begins, found {0}")]
    Span(Span),
    /// A part that goes past the end of its clip.
    #[error("expected the part from {wanted}, found {found_s:.2} s of it: the clip ends before")]
    PastEnd {
        /// What was asked for.
        wanted: Span,
        /// Seconds of the part that are there.
        found_s: f64,
    },
    /// A row of a table that asks for a part which cannot be.
    #[error("column {column}: expected {expected}, found {found}")]
    Row {
        /// Name of the column.
        column: String,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// Features of another clip lie there already: of the same name, but for its ending.
    #[error("its features would lie where those of {first} do; rename one")]
    Twice {
        /// The other clip.
        first: String,
    },
    /// A decoder failed where its authors did not expect it.
    #[error("the decoder failed: {0}")]
    Decoder(String),
}

impl Fault {
    /// The kind of the fault in one word, for tables that count them.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY",
            Self::NotMedia(_) => "NOT_MEDIA",
            Self::NoAudio => "NO_AUDIO",
            Self::Codec(_) | Self::VideoCodec(_) => "CODEC",
            Self::NoVideo => "NO_VIDEO",
            Self::NoFrame => "NO_FRAME",
            Self::NoFace { .. } => "NO_FACE",
            Self::Network(_) => "NETWORK",
            Self::Late { .. } => "TIME_LIMIT",
            Self::Malformed(_) => "MALFORMED",
            Self::Truncated { .. } | Self::Cut { .. } => "TRUNCATED",
            Self::TooLong { .. } => "TOO_LONG",
            Self::Rate { .. } => "SAMPLE_RATE",
            Self::NoSample => "NO_SAMPLE",
            Self::Silent => "SILENT",
            Self::NoSpeech => "NO_SPEECH",
            Self::Span(_) | Self::PastEnd { .. } => "SPAN",
            Self::Row { .. } => "ROW",
            Self::Twice { .. } => "TWICE",
            Self::Decoder(_) => "DECODER",
        }
    }

    /// This fault of a clip.
    pub(crate) fn at(self, path: &Path) -> MediaError {
        MediaError::Fault {
            path: path.to_owned(),
            fault: self,
        }
    }
}
