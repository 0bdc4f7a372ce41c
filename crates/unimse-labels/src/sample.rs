//! What a corpus brings to the unification: one record an utterance, with its gold labels.

use crate::{BasicEmotion, Field, IemocapEmotion, MeldEmotion, Polarity, Split};

/// An utterance with the labels that its own corpus gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the corpus.
    pub corpus: String,
    /// Unique within the corpus.
    pub utterance_id: String,
    /// Dialogue or video; an utterance never takes labels from its own.
    pub group: String,
    /// Part of the corpus.
    pub split: Split,
    /// `None`: the utterance neither gives nor takes labels.
    pub polarity: Option<Polarity>,
    /// Score in [-3, 3].
    pub intensity: Option<f32>,
    /// Emotion in the taxonomy of MELD.
    pub meld: Option<MeldEmotion>,
    /// Emotion in the taxonomy of IEMOCAP.
    pub iemocap: Option<IemocapEmotion>,
}

impl Sample {
    /// An utterance without labels, for `Sample { polarity, meld, ..Sample::unlabelled(..) }`.
    pub fn unlabelled(corpus: &str, utterance_id: &str, group: &str, split: Split) -> Self {
        Self {
            corpus: corpus.to_owned(),
            utterance_id: utterance_id.to_owned(),
            group: group.to_owned(),
            split,
            polarity: None,
            intensity: None,
            meld: None,
            iemocap: None,
        }
    }

    /// An utterance of a corpus for sentiment analysis; its polarity is the sign of the score.
    pub fn sentiment(
        corpus: &str,
        utterance_id: &str,
        group: &str,
        split: Split,
        score: f32,
    ) -> Self {
        let polarity = Some(Polarity::from_score(score));
        Self {
            polarity,
            intensity: Some(score),
            ..Self::unlabelled(corpus, utterance_id, group, split)
        }
    }

    /// An utterance of MELD, which annotates polarity and emotion.
    pub fn meld(
        corpus: &str,
        utterance_id: &str,
        group: &str,
        split: Split,
        polarity: Polarity,
        emotion: MeldEmotion,
    ) -> Self {
        let polarity = Some(polarity);
        Self {
            polarity,
            meld: Some(emotion),
            ..Self::unlabelled(corpus, utterance_id, group, split)
        }
    }

    /// An utterance of IEMOCAP, whose polarity follows from the emotion.
    pub fn iemocap(
        corpus: &str,
        utterance_id: &str,
        group: &str,
        split: Split,
        emotion: IemocapEmotion,
    ) -> Self {
        let polarity = Some(emotion.polarity());
        Self {
            polarity,
            iemocap: Some(emotion),
            ..Self::unlabelled(corpus, utterance_id, group, split)
        }
    }

    /// The basic emotion that its gold emotion stands for.
    pub fn basic(&self) -> Option<BasicEmotion> {
        let meld = self.meld.and_then(MeldEmotion::basic);
        meld.or(self.iemocap.and_then(IemocapEmotion::basic))
    }

    /// Whether the corpus gives this field.
    pub fn has(&self, field: Field) -> bool {
        match field {
            Field::Polarity => self.polarity.is_some(),
            Field::Intensity => self.intensity.is_some(),
            Field::Meld => self.meld.is_some(),
            Field::Iemocap => self.iemocap.is_some(),
        }
    }
}

/// The fields beside the polarity that some sample of the run has, in canonical order: those of the run's [`Grammar`](crate::Grammar).
pub fn fields_present(samples: &[Sample]) -> Vec<Field> {
    Field::BORROWED
        .into_iter()
        .filter(|&field| samples.iter().any(|sample| sample.has(field)))
        .collect()
}
