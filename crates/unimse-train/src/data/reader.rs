//! How an utterance in its context becomes tokens: one way for training, evaluation and `predict`. With `model.speakers` the names of
//! speakers stand in front of what they say, with `model.voice_in_words` words for how it is said (ours; the paper reads the texts alone,
//! section 3.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use unimse_corpus::{Sequence, Utterance};
use unimse_model::tokenizer::{Encoded, Tokenizer};

use crate::TrainError;
use crate::data::voice::{self, Voice};

/// What somebody says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Who; `None` where nobody knows.
    pub speaker: Option<String>,
    /// The text.
    pub text: String,
}

/// The speakers of the training rows, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Speakers(BTreeSet<String>);

impl Speakers {
    /// Those of `utterances`.
    pub fn of<'u>(utterances: impl Iterator<Item = &'u Utterance>) -> Self {
        Self(utterances.filter_map(|u| u.speaker.clone()).collect())
    }

    /// The lines of a window of a dialogue, in their order, as `Monica: text`. A name that training does not know says nothing to a model:
    /// such speakers are `A`, `B` ... by their first line in the window. A line without a speaker, or without words, stays as it is.
    ///
    /// ```
    /// # use unimse_train::data::reader::Speakers;
    /// let friends: Speakers = serde_json::from_str(r#"["Monica"]"#)?;
    /// let window = [(Some("Tom"), "hi"), (Some("Monica"), "you"), (Some("Ann"), "me"), (Some("Tom"), "we"), (None, "so"), (Some("Tom"), "")];
    /// assert_eq!(friends.written(&window), ["A: hi", "Monica: you", "B: me", "A: we", "so", ""]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn written(&self, window: &[(Option<&str>, &str)]) -> Vec<String> {
        let mut strangers: Vec<&str> = Vec::new();
        let mut lines = Vec::with_capacity(window.len());
        for &(speaker, text) in window {
            lines.push(match speaker {
                None => text.to_owned(),
                Some(_) if text.trim().is_empty() => text.to_owned(),
                Some(name) if self.0.contains(name) => format!("{name}: {text}"),
                Some(name) => {
                    let known = strangers.iter().position(|stranger| *stranger == name);
                    let at = known.unwrap_or_else(|| {
                        strangers.push(name);
                        strangers.len() - 1
                    });
                    let letter = char::from(b'A' + (at % 26) as u8);
                    format!("{letter}: {text}")
                }
            });
        }
        lines
    }
}

/// What turns utterances into tokens.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'m> {
    /// The backbone's tokenizer, with `model.prefix`.
    pub tokenizer: &'m Tokenizer,
    /// Where names stand in the text, those that training knows.
    pub speakers: Option<&'m Speakers>,
    /// Where voices are told in words, the cuts between the words.
    pub voice: Option<&'m Voice>,
    /// Most tokens of an input, context and special tokens included.
    pub max_tokens: usize,
}

impl Reader<'_> {
    /// What is told of the voice of a row with these standardised features of audio, as [`Voice::words`]; `None` where the model reads no such words.
    #[must_use]
    pub fn voice(&self, corpus: Option<&str>, audio: Option<&Sequence>) -> Option<String> {
        self.voice?.words(corpus, audio)
    }

    /// Encodes the line at `current` of `window`, which is in the order of the dialogue, with the words for its voice in front.
    ///
    /// # Errors
    /// [`TrainError::Model`] for text that cannot be encoded.
    pub fn read(
        &self,
        window: &[(Option<&str>, &str)],
        current: usize,
        voice: Option<&str>,
    ) -> Result<Encoded, TrainError> {
        let mut window = window.to_vec();
        let said = voice.and_then(|words| Some(voice::before(words, window.get(current)?.1)));
        if let (Some(said), Some((_, text))) = (&said, window.get_mut(current)) {
            *text = said;
        }
        let written = self.speakers.map(|speakers| speakers.written(&window));
        let texts: Vec<&str> = match &written {
            Some(lines) => lines.iter().map(String::as_str).collect(),
            None => window.iter().map(|(_, text)| *text).collect(),
        };
        let (before, rest) = texts.split_at(current);
        let (text, after) = rest.split_first().unwrap_or((&"", &[]));
        Ok(self
            .tokenizer
            .encode(before, text, after, self.max_tokens)?)
    }
}
