//! Taxonomies that a configuration describes: corpora of the user's own enter the unification through them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{IemocapEmotion, MeldEmotion, Polarity, Sample, Split, UnknownName};

/// An emotion taxonomy, read from any format that serde knows; unknown keys are errors.
///
/// ```
/// use unimse_labels::{CustomTaxonomy, MeldEmotion, Split};
///
/// let text = r#"{"name": "reviews", "classes": [
///     {"name": "delight", "aliases": ["delighted"], "polarity": "positive", "meld": "joy", "iemocap": "excited"},
///     {"name": "boredom", "polarity": "negative"}
/// ]}"#;
/// let taxonomy: CustomTaxonomy = serde_json::from_str(text)?;
/// let delight = taxonomy.class("delighted")?;
/// let sample = taxonomy.sample("mine", "u1", "dialogue1", Split::Train, "delighted")?;
/// assert_eq!((delight.name.as_str(), sample.meld), ("delight", Some(MeldEmotion::Joy)));
/// let bored = taxonomy.sample("mine", "u2", "dialogue1", Split::Train, "boredom")?;
/// assert_eq!(bored.meld, None); // a donor will say
/// assert!(taxonomy.class("rage").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Description", into = "Description")]
pub struct CustomTaxonomy {
    name: String,
    classes: Vec<CustomEmotion>,
}

/// A class of a [`CustomTaxonomy`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomEmotion {
    /// Canonical name.
    pub name: String,
    /// Other words that are read as this class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Utterances of the class take labels from utterances of this polarity, and lend theirs to them.
    pub polarity: Polarity,
    /// The class of MELD that means the same: gold for that field. Default: none, the field is lent by a donor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meld: Option<MeldEmotion>,
    /// The class of IEMOCAP that means the same. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iemocap: Option<IemocapEmotion>,
}

/// A description that is no taxonomy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TaxonomyError {
    /// It has no classes.
    #[error("taxonomy `{taxonomy}` has no classes")]
    Empty {
        /// Its name.
        taxonomy: String,
    },
    /// A word stands for two classes, or is empty.
    #[error("taxonomy `{taxonomy}`: word `{word}` of class `{class}` is empty or taken")]
    Word {
        /// Name of the taxonomy.
        taxonomy: String,
        /// The class.
        class: String,
        /// The word.
        word: String,
    },
    /// A class maps to an IEMOCAP emotion of another polarity.
    #[error(
        "taxonomy `{taxonomy}`: class `{class}` is {found}, but its iemocap emotion is {expected}"
    )]
    Polarity {
        /// Name of the taxonomy.
        taxonomy: String,
        /// The class.
        class: String,
        /// Its polarity.
        found: Polarity,
        /// That of the emotion it maps to.
        expected: Polarity,
    },
}

impl CustomTaxonomy {
    /// A taxonomy of `classes`, in their order.
    ///
    /// # Errors
    /// [`TaxonomyError`] where there are no classes, a word stands for two of them, or a class contradicts the polarity
    /// of the IEMOCAP emotion it maps to.
    pub fn new(name: String, classes: Vec<CustomEmotion>) -> Result<Self, TaxonomyError> {
        if classes.is_empty() {
            return Err(TaxonomyError::Empty { taxonomy: name });
        }
        let mut words = Vec::new();
        for class in &classes {
            for word in std::iter::once(&class.name).chain(&class.aliases) {
                if word.trim().is_empty() || words.contains(&word) {
                    return Err(TaxonomyError::Word {
                        taxonomy: name,
                        class: class.name.clone(),
                        word: word.clone(),
                    });
                }
                words.push(word);
            }
            let expected = class.iemocap.map(IemocapEmotion::polarity);
            if let Some(expected) = expected.filter(|&expected| expected != class.polarity) {
                return Err(TaxonomyError::Polarity {
                    taxonomy: name,
                    class: class.name.clone(),
                    found: class.polarity,
                    expected,
                });
            }
        }
        Ok(Self { name, classes })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The classes in the order of the description.
    pub fn classes(&self) -> &[CustomEmotion] {
        &self.classes
    }

    /// The class that `word` stands for.
    ///
    /// # Errors
    /// [`UnknownName`] with the words that are known.
    pub fn class(&self, word: &str) -> Result<&CustomEmotion, UnknownName> {
        let known =
            |class: &&CustomEmotion| class.name == word || class.aliases.iter().any(|a| a == word);
        self.classes.iter().find(known).ok_or_else(|| {
            let names: Vec<&str> = self
                .classes
                .iter()
                .map(|class| class.name.as_str())
                .collect();
            UnknownName::new("emotion", word, &names)
        })
    }

    /// An utterance annotated with `word`: its polarity, and the emotions that mean the same as gold.
    ///
    /// # Errors
    /// [`UnknownName`] where the word stands for no class.
    pub fn sample(
        &self,
        corpus: &str,
        utterance_id: &str,
        group: &str,
        split: Split,
        word: &str,
    ) -> Result<Sample, UnknownName> {
        let class = self.class(word)?;
        Ok(Sample {
            polarity: Some(class.polarity),
            meld: class.meld,
            iemocap: class.iemocap,
            ..Sample::unlabelled(corpus, utterance_id, group, split)
        })
    }
}

/// A taxonomy before it is checked.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    classes: Vec<CustomEmotion>,
}

impl TryFrom<Description> for CustomTaxonomy {
    type Error = TaxonomyError;

    fn try_from(Description { name, classes }: Description) -> Result<Self, TaxonomyError> {
        Self::new(name, classes)
    }
}

impl From<CustomTaxonomy> for Description {
    fn from(CustomTaxonomy { name, classes }: CustomTaxonomy) -> Self {
        Self { name, classes }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn read(classes: &str) -> Result<CustomTaxonomy, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"name": "mine", "classes": [{classes}]}}"#))
    }

    #[test]
    fn a_description_is_checked() {
        let error = |classes: &str| read(classes).unwrap_err().to_string();
        assert!(error("").contains("no classes"));
        let a = r#"{"name": "a", "polarity": "positive"}"#;
        let twice = error(&format!(
            r#"{a}, {{"name": "b", "aliases": ["a"], "polarity": "negative"}}"#
        ));
        assert!(twice.contains("word `a` of class `b`"), "{twice}");
        let contrary = error(r#"{"name": "a", "polarity": "positive", "iemocap": "anger"}"#);
        assert!(
            contrary.contains("is positive, but its iemocap emotion is negative"),
            "{contrary}"
        );
        assert!(error(r#"{"name": "a", "polarity": "positive", "mood": 1}"#).contains("mood"));
        assert!(error(r#"{"name": "a", "polarity": "good"}"#).contains("good"));
        let taxonomy = read(a).unwrap();
        let again = serde_json::to_string(&taxonomy).unwrap();
        assert_eq!(
            serde_json::from_str::<CustomTaxonomy>(&again).unwrap(),
            taxonomy
        );
    }
}
