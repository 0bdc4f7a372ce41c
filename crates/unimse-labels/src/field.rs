//! One idea of a field: the four parts of a universal label, a value of any of them, and one thing for each.

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::{
    Donor, Field, IemocapEmotion, Labelled, MeldEmotion, PlainLabel, Polarity, Source, Taxonomy,
    UniversalLabel,
};

impl Field {
    /// The fields that one corpus has and another lacks, so that they can be borrowed: all but the polarity.
    pub const BORROWED: [Self; 3] = [Self::Intensity, Self::Meld, Self::Iemocap];

    /// The names of its classes in canonical order; `None` for the intensity, which is a number.
    pub const fn classes(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Polarity => Some(&Polarity::NAMES),
            Self::Intensity => None,
            Self::Meld => Some(&MeldEmotion::NAMES),
            Self::Iemocap => Some(&IemocapEmotion::NAMES),
        }
    }
}

impl Taxonomy {
    /// The field that holds its emotions.
    pub const fn field(self) -> Field {
        match self {
            Self::Meld => Field::Meld,
            Self::Iemocap => Field::Iemocap,
        }
    }
}

/// One thing for each field of a label: weights, counts, columns. In JSON an object with the names of the fields.
///
/// ```
/// use unimse_labels::{Field, PerField};
///
/// let mut weights = PerField::from_fn(|_| 1.0);
/// weights[Field::Meld] = 0.5;
/// assert_eq!(weights.iter().map(|(_, weight)| weight).sum::<f32>(), 1.0 + 1.0 + 0.5 + 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerField<T> {
    /// That of [`Field::Polarity`].
    pub polarity: T,
    /// That of [`Field::Intensity`].
    pub intensity: T,
    /// That of [`Field::Meld`].
    pub meld: T,
    /// That of [`Field::Iemocap`].
    pub iemocap: T,
}

impl<T> PerField<T> {
    /// What `make` gives for each field, asked in canonical order.
    pub fn from_fn(mut make: impl FnMut(Field) -> T) -> Self {
        Self {
            polarity: make(Field::Polarity),
            intensity: make(Field::Intensity),
            meld: make(Field::Meld),
            iemocap: make(Field::Iemocap),
        }
    }

    /// Every field with its thing, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &T)> {
        Field::ALL.into_iter().map(|field| (field, &self[field]))
    }
}

impl<T> Index<Field> for PerField<T> {
    type Output = T;

    fn index(&self, field: Field) -> &T {
        match field {
            Field::Polarity => &self.polarity,
            Field::Intensity => &self.intensity,
            Field::Meld => &self.meld,
            Field::Iemocap => &self.iemocap,
        }
    }
}

impl<T> IndexMut<Field> for PerField<T> {
    fn index_mut(&mut self, field: Field) -> &mut T {
        match field {
            Field::Polarity => &mut self.polarity,
            Field::Intensity => &mut self.intensity,
            Field::Meld => &mut self.meld,
            Field::Iemocap => &mut self.iemocap,
        }
    }
}

/// A value of a field, whatever its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue {
    /// Index into [`Field::classes`].
    Class(usize),
    /// A score in [-3, 3].
    Score(f32),
}

/// A field of a [`UniversalLabel`] with its provenance, whatever its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelledField<'a> {
    /// The value; `None` exactly where `source` is [`Source::Missing`].
    pub value: Option<FieldValue>,
    /// Where it came from.
    pub source: Source,
    /// Who lent it.
    pub donor: Option<&'a Donor>,
}

impl<'a> LabelledField<'a> {
    fn new<T: Copy>(labelled: &'a Labelled<T>, value: impl FnOnce(T) -> FieldValue) -> Self {
        Self {
            value: labelled.value.map(value),
            source: labelled.source,
            donor: labelled.donor.as_ref(),
        }
    }
}

impl UniversalLabel {
    /// A field of the label; the polarity is always the corpus's own.
    pub fn field(&self, field: Field) -> LabelledField<'_> {
        let class = FieldValue::Class;
        match field {
            Field::Polarity => LabelledField {
                value: Some(class(self.polarity.index())),
                source: Source::Gold,
                donor: None,
            },
            Field::Intensity => LabelledField::new(&self.intensity, FieldValue::Score),
            Field::Meld => LabelledField::new(&self.meld, |emotion| class(emotion.index())),
            Field::Iemocap => LabelledField::new(&self.iemocap, |emotion| class(emotion.index())),
        }
    }
}

impl PlainLabel {
    /// A label of this polarity in which nothing else is known.
    pub const fn of_polarity(polarity: Polarity) -> Self {
        Self {
            polarity,
            intensity: None,
            meld: None,
            iemocap: None,
        }
    }

    /// The value of a field; `None` where it is not known.
    pub fn get(&self, field: Field) -> Option<FieldValue> {
        match field {
            Field::Polarity => Some(FieldValue::Class(self.polarity.index())),
            Field::Intensity => self.intensity.map(FieldValue::Score),
            Field::Meld => self.meld.map(|emotion| FieldValue::Class(emotion.index())),
            Field::Iemocap => self
                .iemocap
                .map(|emotion| FieldValue::Class(emotion.index())),
        }
    }

    /// Sets a field. A value of another kind, or a class that the field does not have, makes it unknown; the polarity, which is
    /// always known, then stays.
    pub fn set(&mut self, field: Field, value: FieldValue) {
        let (class, score) = match value {
            FieldValue::Class(class) => (class, None),
            FieldValue::Score(score) => (usize::MAX, Some(score)),
        };
        match field {
            Field::Polarity => {
                self.polarity = Polarity::ALL.get(class).copied().unwrap_or(self.polarity);
            }
            Field::Intensity => self.intensity = score,
            Field::Meld => self.meld = MeldEmotion::ALL.get(class).copied(),
            Field::Iemocap => self.iemocap = IemocapEmotion::ALL.get(class).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_back_as_it_was_set() {
        let mut label = PlainLabel::of_polarity(Polarity::Neutral);
        for field in Field::ALL {
            let values: Vec<FieldValue> = match field.classes() {
                Some(classes) => (0..classes.len()).map(FieldValue::Class).collect(),
                None => vec![FieldValue::Score(-1.5), FieldValue::Score(0.0)],
            };
            for value in values {
                label.set(field, value);
                assert_eq!(label.get(field), Some(value), "{field}");
            }
        }
        label.set(Field::Meld, FieldValue::Class(7)); // MELD has seven: 0 to 6
        label.set(Field::Polarity, FieldValue::Score(1.0));
        assert_eq!((label.meld, label.polarity), (None, Polarity::Positive));
    }

    #[test]
    fn one_for_each_field_is_indexed_by_it() {
        let names = PerField::from_fn(Field::name);
        assert!(names.iter().all(|(field, name)| field.name() == *name));
        let mut counts = PerField::<usize>::default();
        counts[Field::Iemocap] += 2;
        let read: Vec<usize> = counts.iter().map(|(_, &count)| count).collect();
        assert_eq!(read, [0, 0, 0, 2]);
    }
}
