//! Clips to feature sequences with their cards: decoding, log-mel bands, prosodic functionals, faces, extraction of whole folders; transcripts.
//!
//! The audio of wav, flac, mp3, ogg, m4a and mp4 files becomes a mono signal at 16 kHz ([`read_clip`]), and that a [`Sequence`] of features; the pictures
//! of what the system's ffmpeg reads become features of the face that they show ([`video`]), by networks that are run here or an ONNX model of the user's
//! own ([`video::onnx`]).
//! What is wrong with a clip is a typed finding ([`Fault`]), never a panic. This crate knows no data set and links no LibTorch.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod beside;
mod container;
mod decode;
mod error;
pub mod extract;
mod features;
pub mod mel;
mod models;
mod mp4;
pub mod prosody;
mod resample;
mod sequence;
pub mod synthetic;
pub mod transcript;
pub mod video;
pub mod voice_activity;

pub use beside::card_beside;
pub use decode::{Clip, MOST_SECONDS, Span, read_clip};
pub use error::{Fault, MediaError};
pub use features::{AudioFeatures, Features, VideoFeatures};
pub use resample::SAMPLE_RATE;
pub use sequence::Sequence;
pub use voice_activity::VoiceActivity;
