//! What the answers to rows of clips rest on: the same rows without their sound and pictures are answered beside them.

use unimse_run::{Answer, ByName, RestsOn, Without};

use super::{Input, Scores};

/// Rows that were asked for, in their order, in terms of the rows that are answered for them.
pub(super) struct Resting(Vec<Asked>);

/// One row that was asked for.
struct Asked {
    /// Of a row of a clip: what was read of it, and what it lacks.
    clip: Option<(Vec<String>, ByName<String>)>,
    /// What each of the rows behind it lacks of it.
    parts: Vec<&'static str>,
}

impl Resting {
    /// The rows, and behind each row of a clip that row without audio, without video and without both, as far as something is left then.
    pub(super) fn spread(inputs: Vec<Input>) -> (Vec<Input>, Self) {
        let mut rows = Vec::with_capacity(inputs.len());
        let mut asked = Vec::with_capacity(inputs.len());
        for input in inputs {
            let Some(absent) = input.clip.clone() else {
                rows.push(input);
                asked.push(Asked {
                    clip: None,
                    parts: Vec::new(),
                });
                continue;
            };
            let (silent, audio, video) = (
                input.spoken.text.trim().is_empty(),
                input.audio.is_some(),
                input.video.is_some(),
            );
            let read = [("text", !silent), ("audio", audio), ("video", video)];
            let read = read.into_iter().filter(|(_, is_read)| *is_read);
            let parts = [
                ("audio", audio && (video || !silent)),
                ("video", video && (audio || !silent)),
                ("audio and video", audio && video && !silent),
            ];
            let parts: Vec<&str> = parts
                .into_iter()
                .filter_map(|(part, left)| left.then_some(part))
                .collect();
            asked.push(Asked {
                clip: Some((read.map(|(name, _)| name.to_owned()).collect(), absent)),
                parts: parts.clone(),
            });
            let without = |part: &&str| Input {
                audio: input.audio.clone().filter(|_| *part == "video"),
                video: input.video.clone().filter(|_| *part == "audio"),
                ..input.clone()
            };
            let others: Vec<Input> = parts.iter().map(without).collect();
            rows.push(input);
            rows.extend(others);
        }
        (rows, Self(asked))
    }

    /// The answers to the rows that were asked for, from those to the rows that [`Resting::spread`] made of them.
    /// Each answer comes with the words for the voice that were read for it.
    pub(super) fn gather(
        self,
        answers: impl Iterator<Item = ((Answer, Scores), Option<String>)>,
    ) -> Vec<(Answer, Scores)> {
        let mut answers = answers;
        let gathered = self.0.into_iter().filter_map(|asked| {
            let ((mut answer, scores), voice) = answers.next()?;
            let others: Vec<_> = answers.by_ref().take(asked.parts.len()).collect();
            if let Some((read, absent)) = asked.clip {
                let without = asked
                    .parts
                    .iter()
                    .zip(&others)
                    .map(|(part, ((other, _), _))| {
                        Without::new((*part).to_owned(), &answer, other)
                    });
                answer.rests_on = Some(RestsOn {
                    without: without.collect(),
                    read,
                    voice,
                    absent,
                });
            }
            Some((answer, scores))
        });
        gathered.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use serde_json::json;
    use unimse_corpus::Sequence;

    use super::*;

    fn input(text: &str, audio: bool, video: bool, clip: bool) -> Input {
        let mut input = Input::default();
        let step = Sequence {
            dim: 1,
            values: vec![0.5],
        };
        input.spoken.text = text.to_owned();
        (input.audio, input.video) = (
            Some(step.clone()).filter(|_| audio),
            Some(step).filter(|_| video),
        );
        input.clip = clip.then(ByName::default);
        input
    }

    /// The answer to a row is positive with a probability of 0.5, a quarter more for audio and an eighth for video.
    fn answered(row: &Input) -> (Answer, Scores) {
        let p = 0.5
            + 0.25 * f32::from(u8::from(row.audio.is_some()))
            + 0.125 * f32::from(u8::from(row.video.is_some()));
        let answer = json!({"text": row.spoken.text, "disagreements": [],
            "polarity": {"label": "positive", "probabilities": {"negative": 1.0 - p, "positive": p}}});
        (serde_json::from_value(answer).unwrap(), Vec::new())
    }

    #[test]
    fn every_row_has_its_own_answers() {
        let rows = vec![
            input("a", true, true, true),
            input("b", true, true, false),
            input("", true, false, true),
            input("d", false, true, true),
        ];
        let (spread, resting) = Resting::spread(rows);
        assert_eq!(spread.len(), (1 + 3) + 1 + 1 + (1 + 1));
        let told = |row: &Input| row.audio.as_ref().map(|_| "(loud)".to_owned());
        let answers = resting.gather(spread.iter().map(|row| (answered(row), told(row))));
        let texts: Vec<&str> = answers
            .iter()
            .map(|(answer, _)| answer.text.as_str())
            .collect();
        assert_eq!(texts, ["a", "b", "", "d"]);
        let rests = |at: usize| answers[at].0.rests_on.clone();
        let changes = |at: usize| -> Vec<(String, f32)> {
            let without = rests(at).unwrap().without.into_iter();
            without.map(|w| (w.part, w.polarity_change)).collect()
        };
        let part = |name: &str, change: f32| (name.to_owned(), change);
        assert_eq!(
            changes(0),
            [
                part("audio", 0.25),
                part("video", 0.125),
                part("audio and video", 0.25 + 0.125)
            ]
        );
        assert_eq!(rests(1), None);
        let voice = |at: usize| rests(at).unwrap().voice;
        assert_eq!((voice(0), voice(3)), (Some("(loud)".to_owned()), None));
        assert_eq!(changes(2), []);
        assert_eq!(rests(2).unwrap().read, ["audio"]);
        assert_eq!(changes(3), [part("video", 0.125)]);
        assert_eq!(rests(3).unwrap().read, ["text", "video"]);
    }
}
