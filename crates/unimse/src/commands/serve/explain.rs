//! What an answer rests on: the same utterance without each turn of its context and without its audio and video, and the training utterances
//! nearest to it.

use schemars::JsonSchema;
use serde::Serialize;
use unimse_labels::Source;
use unimse_run::{Answer, Without};
use unimse_train::predict::Input;
use unimse_train::unify::nearest;

use super::worker::Reply;

/// The answer to `POST /explain`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explanation {
    /// What `POST /predict` answers.
    answer: Answer,
    /// The distribution of the score, intensities ascending; empty where the run has none.
    scores: Vec<Score>,
    /// The answer without parts of the row, one at a time.
    without: Vec<Without>,
    /// JSON pointers to turns of the context that are beyond what the model reads.
    unread: Vec<String>,
    /// Training utterances nearest to the text by the run's sentence encoder, the nearest first; empty where the run has no label tables.
    nearest: Vec<Neighbour>,
}

/// A score and its probability.
#[derive(Serialize, JsonSchema)]
struct Score {
    /// In [-3, 3].
    score: f32,
    /// Of all scores they sum to 1.
    probability: f32,
}

/// A training utterance near to the text. It could lend its label to an utterance of its polarity.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Neighbour {
    /// Its corpus.
    corpus: String,
    /// Its id there.
    utterance_id: String,
    /// Cosine of the two sentence embeddings.
    similarity: f32,
    /// Its own polarity.
    polarity: String,
    /// Its score; see `borrowed`.
    intensity: Option<f32>,
    /// Its emotion in the taxonomy of MELD.
    meld: Option<String>,
    /// Its emotion in the taxonomy of IEMOCAP.
    iemocap: Option<String>,
    /// Fields that its corpus does not annotate: a donor or a rule gave them.
    borrowed: Vec<String>,
    /// Its text, with `--with-text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Neighbour {
    pub(super) fn new(near: &nearest::Neighbour<'_>, text: Option<String>) -> Self {
        let label = &near.utterance.label;
        let sources = [
            ("intensity", label.intensity.source),
            ("meld", label.meld.source),
            ("iemocap", label.iemocap.source),
        ];
        let borrowed = sources
            .into_iter()
            .filter(|(_, source)| matches!(source, Source::Donor | Source::Rule));
        Self {
            corpus: near.utterance.corpus.clone(),
            utterance_id: near.utterance.utterance_id.clone(),
            similarity: near.similarity,
            polarity: label.polarity.name().to_owned(),
            intensity: label.intensity.value,
            meld: label.meld.value.map(|emotion| emotion.name().to_owned()),
            iemocap: label.iemocap.value.map(|emotion| emotion.name().to_owned()),
            borrowed: borrowed.map(|(name, _)| name.to_owned()).collect(),
            text,
        }
    }
}

/// A row and the same row without each of its parts.
pub(super) struct Parts {
    /// The whole row, then it without each of `names`.
    pub(super) inputs: Vec<Input>,
    /// JSON pointers to the parts.
    pub(super) names: Vec<String>,
    /// JSON pointers to turns that the model does not read.
    pub(super) unread: Vec<String>,
}

impl Parts {
    /// Takes `row` apart, of whose context the model reads at most the last and the first so many turns.
    pub(super) fn of(mut row: Input, (most_before, most_after): (usize, usize)) -> Self {
        let turn = |field: &str, at: usize| format!("{}/{field}/{at}", row.place);
        let skipped = row.before.len().saturating_sub(most_before);
        let kept = row.after.len().min(most_after);
        let mut unread: Vec<String> = (0..skipped).map(|at| turn("context", at)).collect();
        unread.extend((kept..row.after.len()).map(|at| turn("context_after", at)));
        let before = (skipped..row.before.len()).map(|at| turn("context", at));
        let mut names: Vec<String> = before.collect();
        names.extend((0..kept).map(|at| turn("context_after", at)));
        // a turn that is left out must not bring in one beyond it
        row.before.drain(..skipped);
        row.after.truncate(kept);
        let mut inputs = vec![row.clone()];
        row.clip = None; // what is left out below is said by name
        for at in 0..row.before.len() {
            let mut without = row.clone();
            without.before.remove(at);
            inputs.push(without);
        }
        for at in 0..row.after.len() {
            let mut without = row.clone();
            without.after.remove(at);
            inputs.push(without);
        }
        let silent = row.spoken.text.trim().is_empty();
        if row.audio.is_some() && !(silent && row.video.is_none()) {
            names.push(format!("{}/audio", row.place));
            inputs.push(Input {
                audio: None,
                ..row.clone()
            });
        }
        if row.video.is_some() && !(silent && row.audio.is_none()) {
            names.push(format!("{}/video", row.place));
            inputs.push(Input { video: None, ..row });
        }
        Self {
            inputs,
            names,
            unread,
        }
    }
}

impl Explanation {
    /// Puts the answers to [`Parts::inputs`] together; `None` where there is none.
    pub(super) fn new(names: Vec<String>, unread: Vec<String>, reply: Reply) -> Option<Self> {
        let mut answers = reply.answers.into_iter();
        let (answer, scores) = answers.next()?;
        let without = names.into_iter().zip(answers);
        let without = without.map(|(part, (other, _))| Without::new(part, &answer, &other));
        Some(Self {
            without: without.collect(),
            scores: listed(&scores),
            unread,
            nearest: reply.neighbours,
            answer,
        })
    }
}

fn listed(scores: &[(f32, f64)]) -> Vec<Score> {
    let one = |&(score, probability): &(f32, f64)| Score {
        score,
        probability: probability as f32,
    };
    scores.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use unimse_corpus::Sequence;
    use unimse_train::data::reader::Spoken;

    use super::*;

    fn said(texts: &[&str]) -> Vec<Spoken> {
        let one = |text: &&str| Spoken {
            speaker: None,
            text: (*text).to_owned(),
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn a_row_is_taken_apart_within_what_the_model_reads() {
        let audio = Some(Sequence {
            dim: 1,
            values: vec![0.5],
        });
        let mut row = Input {
            place: "/row".to_owned(),
            before: said(&["a", "b", "c"]),
            after: said(&["x", "y"]),
            audio,
            ..Input::default()
        };
        row.spoken.text = "now".to_owned();
        let Parts {
            inputs,
            names,
            unread,
        } = Parts::of(row.clone(), (2, 1));
        assert_eq!(unread, ["/row/context/0", "/row/context_after/1"]);
        let expected = [
            "/row/context/1",
            "/row/context/2",
            "/row/context_after/0",
            "/row/audio",
        ];
        assert_eq!(names, expected);
        let turns = |input: &Input| {
            let lines = input.before.iter().chain(&input.after);
            lines.map(|line| line.text.as_str()).collect::<String>()
        };
        let found: Vec<_> = inputs
            .iter()
            .map(|i| (turns(i), i.audio.is_some()))
            .collect();
        let expected = [
            ("bcx", true),
            ("cx", true),
            ("bx", true),
            ("bc", true),
            ("bcx", false),
        ];
        assert_eq!(
            found,
            expected.map(|(turns, audio)| (turns.to_owned(), audio))
        );
        // what would be left of it is no row
        row.spoken.text.clear();
        assert_eq!(Parts::of(row, (0, 0)).names, [""; 0]);
    }
}
