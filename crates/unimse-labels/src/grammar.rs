//! The text form of a label: one grammar, one formatter. The parser is in `parse`.

use serde::{Deserialize, Serialize};

use crate::names::vocabulary;
use crate::{Field, FieldValue, IemocapEmotion, MeldEmotion, PlainLabel, Polarity};

/// Largest absolute intensity.
const LIMIT: f32 = 3.0;
/// Decimals beyond this add nothing to annotations in steps of 0.05, and keep the grid exact in f32.
const MAX_DECIMALS: u8 = 4;
/// Stands for a value that is not known; written in targets, where it is masked, and never generated.
pub(crate) const UNKNOWN: &str = "unknown";

vocabulary! {
    /// How a label is laid out as text.
    Form, "label form":
    /// `polarity,intensity,meld,iemocap`: a column for each taxonomy.
    Fields = "fields",
    /// `polarity,intensity,emotion`: the triple of the paper, one emotion of either taxonomy.
    Triple = "triple",
}

/// One column of the text form: the fields whose value may stand there, the first known one as written.
pub(crate) type Column = Vec<Field>;

/// Name of a column in messages.
pub(crate) fn column_name(column: &[Field]) -> &'static str {
    match column {
        [field] => field.name(),
        _ => "emotion",
    }
}

/// The language of labels: which columns there are and how an intensity is printed.
///
/// ```
/// use unimse_labels::{Field, Form, Grammar, Polarity};
///
/// let grammar = Grammar::new(&Field::ALL);
/// let parsed = grammar.parse("Positive, -1.64, anger")?;
/// assert_eq!(grammar.format(&parsed.label), "negative,-1.6,anger,unknown"); // the intensity wins over the polarity
/// assert_eq!(parsed.repairs.len(), 5); // blanks, a capital, the second decimal, no iemocap emotion, the polarity
/// assert_eq!(Polarity::ALL.iter().map(|&p| grammar.intensity_values(p).len()).sum::<usize>(), 61);
///
/// let triple = Grammar { form: Form::Triple, ..grammar };
/// assert_eq!(triple.format(&triple.parse("positive,1.6,excited")?.label), "positive,1.6,excited");
/// # Ok::<(), unimse_labels::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grammar {
    /// Layout.
    pub form: Form,
    /// The fields of the run beside the polarity ([`fields_present`](crate::fields_present)); the order written here does not matter.
    pub fields: Vec<Field>,
    /// Decimals of a printed intensity: 1 by default, at most 4 (more are read as 4).
    pub decimals: u8,
}

impl Grammar {
    /// A grammar of [`Form::Fields`] over `fields` with one decimal.
    pub fn new(fields: &[Field]) -> Self {
        Self {
            form: Form::Fields,
            fields: Field::BORROWED
                .into_iter()
                .filter(|field| fields.contains(field))
                .collect(),
            decimals: 1,
        }
    }

    /// Writes a label; `unknown` stands for a value that is `None` or not finite.
    ///
    /// Whatever is written parses without repairs: intensities are clipped to [-3, 3] and rounded to the grid, but a
    /// non-zero one never to zero, and where the grammar has an intensity its sign decides the polarity. The triple
    /// prints the MELD emotion where it is known, else the IEMOCAP one: blank the field that the utterance was lent
    /// to print its own.
    pub fn format(&self, label: &PlainLabel) -> String {
        let units = label
            .intensity
            .filter(|value| value.is_finite())
            .map(|value| self.units(value));
        let value = |field: Field| match (field, label.get(field)) {
            (Field::Polarity, _) => Some(match units {
                Some(units) if self.has(Field::Intensity) => sign(units).to_string(),
                _ => label.polarity.to_string(),
            }),
            (Field::Intensity, _) => units.map(|units| self.decimal(units)),
            (field, Some(FieldValue::Class(class))) => {
                Some((*field.classes()?.get(class)?).to_owned())
            }
            _ => None,
        };
        let columns = self.columns().into_iter().map(|column| {
            let known = column.into_iter().find_map(value);
            known.unwrap_or_else(|| UNKNOWN.to_owned())
        });
        columns.collect::<Vec<_>>().join(",")
    }

    /// The intensities that can be printed beside `polarity`, ascending; none where the run has no intensity.
    /// With one decimal there are 30 negative ones, 0 and 30 positive ones.
    pub fn intensity_values(&self, polarity: Polarity) -> Vec<f32> {
        if !self.has(Field::Intensity) {
            return Vec::new();
        }
        let most = self.units(LIMIT);
        let units = match polarity {
            Polarity::Negative => -most..=-1,
            Polarity::Neutral => 0..=0,
            Polarity::Positive => 1..=most,
        };
        units.map(|units| self.value(units)).collect()
    }

    /// An intensity as it is printed and read back: clipped, on the grid, zero only for zero. NaN gives 0.
    pub fn round(&self, intensity: f32) -> f32 {
        self.value(self.units(intensity))
    }

    /// Every complete label of the grammar: each polarity with its intensities and each combination of emotions.
    pub fn labels(&self) -> impl Iterator<Item = PlainLabel> {
        let emotions = self.emotions();
        Polarity::ALL.into_iter().flat_map(move |polarity| {
            let intensities = optional(self.intensity_values(polarity));
            let emotions = emotions.clone();
            intensities.into_iter().flat_map(move |intensity| {
                emotions
                    .clone()
                    .into_iter()
                    .map(move |(meld, iemocap)| PlainLabel {
                        polarity,
                        intensity,
                        meld,
                        iemocap,
                    })
            })
        })
    }

    /// The columns in order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let mut columns = vec![vec![Field::Polarity]];
        columns.extend(self.has(Field::Intensity).then(|| vec![Field::Intensity]));
        let emotions = [Field::Meld, Field::Iemocap].into_iter();
        let emotions: Vec<Field> = emotions.filter(|&field| self.has(field)).collect();
        match self.form {
            Form::Fields => columns.extend(emotions.into_iter().map(|field| vec![field])),
            Form::Triple => columns.extend((!emotions.is_empty()).then_some(emotions)),
        }
        columns
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        self.fields.contains(&field)
    }

    /// The printed form of a value of the grid.
    pub(crate) fn text(&self, intensity: f32) -> String {
        self.decimal(self.units(intensity))
    }

    /// The combinations of emotions that the text form can express in full.
    fn emotions(&self) -> Vec<(Option<MeldEmotion>, Option<IemocapEmotion>)> {
        let meld = if self.has(Field::Meld) {
            MeldEmotion::ALL.to_vec()
        } else {
            Vec::new()
        };
        let iemocap = if self.has(Field::Iemocap) {
            IemocapEmotion::ALL.to_vec()
        } else {
            Vec::new()
        };
        match self.form {
            Form::Fields => {
                let iemocap = optional(iemocap);
                optional(meld)
                    .into_iter()
                    .flat_map(|m| iemocap.iter().map(move |&i| (m, i)))
                    .collect()
            }
            Form::Triple => {
                let twin = |m: MeldEmotion| iemocap.iter().copied().find(|i| i.name() == m.name());
                let mut all: Vec<_> = meld.iter().map(|&m| (Some(m), twin(m))).collect();
                let alone = iemocap
                    .iter()
                    .filter(|i| meld.iter().all(|m| m.name() != i.name()));
                all.extend(alone.map(|&i| (None, Some(i))));
                if all.is_empty() {
                    vec![(None, None)]
                } else {
                    all
                }
            }
        }
    }

    /// Units of the last decimal in one.
    fn scale(&self) -> i32 {
        10_i32.pow(u32::from(self.decimals.min(MAX_DECIMALS)))
    }

    /// An intensity in units of the last decimal. The product is taken in f32, where 1.65 * 10 is 16.5 and not
    /// 16.49999976, so that a value written with two decimals rounds as it is written, halves away from zero.
    fn units(&self, intensity: f32) -> i32 {
        let scaled = intensity.clamp(-LIMIT, LIMIT) * self.scale() as f32;
        match scaled.round() as i32 {
            0 if scaled > 0.0 => 1,
            0 if scaled < 0.0 => -1,
            units => units,
        }
    }

    fn value(&self, units: i32) -> f32 {
        units as f32 / self.scale() as f32
    }

    /// Prints from the integer, so that no float noise and no negative zero can appear.
    fn decimal(&self, units: i32) -> String {
        let decimals = usize::from(self.decimals.min(MAX_DECIMALS));
        let (minus, scale) = (if units < 0 { "-" } else { "" }, self.scale());
        let (whole, rest) = (units.abs() / scale, units.abs() % scale);
        if decimals == 0 {
            format!("{minus}{whole}")
        } else {
            format!("{minus}{whole}.{rest:0decimals$}")
        }
    }
}

fn sign(units: i32) -> Polarity {
    Polarity::from_score(units as f32)
}

/// The values, or the single choice of none.
fn optional<T>(values: Vec<T>) -> Vec<Option<T>> {
    if values.is_empty() {
        vec![None]
    } else {
        values.into_iter().map(Some).collect()
    }
}
