//! Where a signal holds speech: silero-vad 6 by own kernels on one core.
//!
//! The network gives a probability for every window of 512 samples (32 ms); [`VoiceActivity::stretches`] makes stretches of them as
//! `get_speech_timestamps` of that package does with its defaults: speech begins at a probability of 0.5, ends where it is below 0.35 for 100 ms, lasts
//! 250 ms at least, and is widened by 30 ms on both sides. The weights are those in the package's wheel, under the MIT licence
//! (`cargo xtask setup --model voice-activity`).

mod network;

use std::{collections::BTreeMap, ops::Range, path::Path};

use unimse_run::artefact;

use crate::{MediaError, SAMPLE_RATE, models};
use network::Network;

/// Version of the kernels and of the rules that make stretches; it changes with either.
pub const VERSION: &str = "silero6-1";
/// The file of weights, in the folder of the model `voice-activity`.
pub const FILE: &str = "silero_vad_16k.safetensors";
/// Name of the model's folder.
const MODEL: &str = "voice-activity";
/// Samples of a window.
pub const WINDOW: usize = 512;

/// Probability at which speech begins, and below which it may end.
const BEGIN: f32 = 0.5;
const END: f32 = 0.35;
/// Samples of the shortest speech and of the shortest silence in it, and by how many speech is widened.
const SPEECH: usize = SAMPLE_RATE as usize / 4;
const SILENCE: usize = SAMPLE_RATE as usize / 10;
const PAD: usize = SAMPLE_RATE as usize * 3 / 100;

/// The network that hears speech.
pub struct VoiceActivity {
    network: Network,
    hash: String,
}

impl std::fmt::Debug for VoiceActivity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceActivity")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

impl VoiceActivity {
    /// Reads the weights in a folder: [`FILE`].
    ///
    /// # Errors
    /// [`MediaError::Format`] or [`MediaError::File`] where they are missing, broken, or of another network.
    pub fn load(folder: &Path) -> Result<Self, MediaError> {
        let path = folder.join(FILE);
        Ok(Self {
            network: Network::load(&path)?,
            hash: artefact::sha256(&path)?,
        })
    }

    /// Reads the weights that `cargo xtask setup --model voice-activity` put into the user's cache, or those in `.models/voice-activity`.
    ///
    /// # Errors
    /// Those of [`load`](Self::load); [`MediaError::Folder`] where neither folder is there.
    pub fn find() -> Result<Self, MediaError> {
        Self::load(&models::find(MODEL, "the weights of silero-vad")?)
    }

    /// How likely each window of [`WINDOW`] samples at 16 kHz is speech, the last one filled up with silence.
    #[must_use]
    pub fn probabilities(&self, samples: &[f32]) -> Vec<f32> {
        self.network.probabilities(samples)
    }

    /// The stretches of samples that are speech, in order and apart.
    #[must_use]
    pub fn stretches(&self, samples: &[f32]) -> Vec<Range<usize>> {
        stretches(&self.probabilities(samples), samples.len())
    }

    /// What is left of a signal when all that is no speech is cut out: empty where nobody speaks.
    #[must_use]
    pub fn speech(&self, samples: &[f32]) -> Vec<f32> {
        let stretches = self.stretches(samples).into_iter();
        let parts: Vec<&[f32]> = stretches.filter_map(|range| samples.get(range)).collect();
        parts.concat()
    }

    /// What a feature card says of a signal that it cut.
    #[must_use]
    pub fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("voice_activity".to_owned(), format!("unimse {VERSION}")),
            ("voice_activity_sha256".to_owned(), self.hash.clone()),
        ])
    }
}

/// Stretches of speech by the probabilities of their windows, in a signal of `length` samples.
fn stretches(probabilities: &[f32], length: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut keep = |speech: Range<usize>| {
        if speech.len() > SPEECH {
            found.push(speech);
        }
    };
    // where speech began, and where silence did in it
    let (mut began, mut quiet) = (None, None);
    for (window, &probability) in probabilities.iter().enumerate() {
        let at = window * WINDOW;
        if probability >= BEGIN {
            quiet = None;
            began.get_or_insert(at);
        } else if let (Some(start), true) = (began, probability < END) {
            let end = *quiet.get_or_insert(at);
            if at - end >= SILENCE {
                keep(start..end);
                (began, quiet) = (None, None);
            }
        }
    }
    if let Some(start) = began {
        keep(start..length.max(start));
    }
    widen(&mut found, length);
    found
}

/// Widens stretches on both sides, by half of what lies between where that is short.
fn widen(stretches: &mut [Range<usize>], length: usize) {
    if let Some(first) = stretches.first_mut() {
        first.start = first.start.saturating_sub(PAD);
    }
    for at in 1..stretches.len() {
        if let [before, after] = &mut stretches[at - 1..=at] {
            let by = ((after.start - before.end) / 2).min(PAD);
            before.end += by;
            after.start -= by;
        }
    }
    if let Some(last) = stretches.last_mut() {
        last.end = (last.end + PAD).min(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_bridge_short_silence_drop_short_speech_and_are_widened() {
        let windows = |parts: &[(f32, usize)]| -> Vec<f32> {
            let parts = parts.iter();
            parts
                .flat_map(|&(p, n)| std::iter::repeat_n(p, n))
                .collect()
        };
        // 20 windows of speech, 3 of silence (96 ms), speech: one stretch
        let bridged = windows(&[(0.1, 10), (0.9, 20), (0.1, 3), (0.9, 5), (0.1, 10)]);
        let expected = 10 * WINDOW - PAD..38 * WINDOW + PAD;
        assert_eq!(stretches(&bridged, 48 * WINDOW), vec![expected]);
        // 7 windows are 224 ms, too few; 8 are enough; what is undecided goes on
        for (count, found) in [(7, 0), (8, 1)] {
            let short = windows(&[(0.1, 10), (0.9, count - 2), (0.4, 2), (0.1, 10)]);
            assert_eq!(stretches(&short, 29 * WINDOW).len(), found);
        }
        // speech to the end of the signal, from its beginning
        assert_eq!(
            stretches(&windows(&[(0.9, 20)]), 19 * WINDOW + 7),
            std::iter::once(0..19 * WINDOW + 7).collect::<Vec<_>>()
        );
        assert!(stretches(&[], 0).is_empty());
        assert!(stretches(&windows(&[(0.49, 50)]), 50 * WINDOW).is_empty());
    }

    #[test]
    fn neighbours_share_what_lies_between_them() {
        let mut two = [1_000..9_000, 9_500..20_000];
        widen(&mut two, 20_100);
        assert_eq!(two, [1_000 - PAD..9_250, 9_250..20_100]);
    }
}
