//! The text form of labels.

use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::prelude::*;
use unimse_labels::{Field, PlainLabel};

use crate::arguments::choice;
use unimse_python_call::errors::input;

/// The values of a universal label; None where one is not known. `str(label)` is its text by the default grammar.
///
/// `polarity`: negative, neutral or positive. `intensity`: in [-3, 3]. `meld`, `iemocap`: emotions of either taxonomy.
#[pyclass(module = "unimse", frozen, eq, skip_from_py_object)]
#[derive(Clone, PartialEq)]
pub(crate) struct Label(PlainLabel);

#[pymethods]
impl Label {
    #[new]
    #[pyo3(signature = (polarity, intensity = None, meld = None, iemocap = None))]
    fn new(
        polarity: &str,
        intensity: Option<f32>,
        meld: Option<&str>,
        iemocap: Option<&str>,
    ) -> PyResult<Self> {
        if let Some(found) = intensity.filter(|value| !(-3.0..=3.0).contains(value)) {
            return Err(input(format_args!(
                "intensity: {found}, expected a value in [-3, 3]"
            )));
        }
        Ok(Self(PlainLabel {
            polarity: choice(polarity)?,
            intensity,
            meld: meld.map(choice).transpose()?,
            iemocap: iemocap.map(choice).transpose()?,
        }))
    }

    /// Direction of the sentiment.
    #[getter]
    fn polarity(&self) -> &'static str {
        self.0.polarity.name()
    }

    /// Strength of the sentiment in [-3, 3].
    #[getter]
    fn intensity(&self) -> Option<f32> {
        self.0.intensity
    }

    /// Emotion in the taxonomy of MELD.
    #[getter]
    fn meld(&self) -> Option<&'static str> {
        self.0.meld.map(|emotion| emotion.name())
    }

    /// Emotion in the taxonomy of IEMOCAP.
    #[getter]
    fn iemocap(&self) -> Option<&'static str> {
        self.0.iemocap.map(|emotion| emotion.name())
    }

    fn __hash__(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        // plus zero: both zeros are equal and must have one hash
        let intensity = self.0.intensity.map(|value| (value + 0.0).to_bits());
        (self.polarity(), intensity, self.meld(), self.iemocap()).hash(&mut hash);
        hash.finish()
    }

    fn __repr__(&self) -> String {
        let word = |word: Option<&str>| word.map_or("None".to_owned(), |word| format!("'{word}'"));
        let intensity = self
            .0
            .intensity
            .map_or("None".to_owned(), |x| x.to_string());
        format!(
            "Label('{}', {intensity}, {}, {})",
            self.polarity(),
            word(self.meld()),
            word(self.iemocap())
        )
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }
}

/// The language of labels: which columns there are and how an intensity is printed.
///
/// `fields`: those of the run beside the polarity, of intensity, meld and iemocap; default all. `form`: `fields`, a column for each, or
/// `triple`, the paper's `polarity,intensity,emotion`. `decimals`: of a printed intensity, 0 to 4.
#[pyclass(module = "unimse", frozen)]
pub(crate) struct Grammar(unimse_labels::Grammar);

#[pymethods]
impl Grammar {
    #[new]
    #[pyo3(signature = (fields = None, *, form = "fields", decimals = 1))]
    fn new(fields: Option<Vec<String>>, form: &str, decimals: u8) -> PyResult<Self> {
        let fields = match fields {
            Some(names) => names
                .iter()
                .map(|name| choice(name))
                .collect::<PyResult<_>>()?,
            None => Field::ALL.to_vec(),
        };
        if decimals > 4 {
            return Err(input(format_args!("decimals: {decimals}, expected 0 to 4")));
        }
        Ok(Self(unimse_labels::Grammar {
            form: choice(form)?,
            decimals,
            ..unimse_labels::Grammar::new(&fields)
        }))
    }

    /// The fields beside the polarity, in canonical order.
    #[getter]
    fn fields(&self) -> Vec<&'static str> {
        self.0.fields.iter().map(|field| field.name()).collect()
    }

    /// `fields` or `triple`.
    #[getter]
    fn form(&self) -> &'static str {
        self.0.form.name()
    }

    /// Decimals of a printed intensity.
    #[getter]
    fn decimals(&self) -> u8 {
        self.0.decimals
    }

    /// The text of a label; `unknown` stands for what is not known. What it gives is parsed without repairs.
    fn format(&self, label: &Label) -> String {
        self.0.format(&label.0)
    }

    /// The label in any text, and what had to be repaired to read it.
    ///
    /// Raises InputError where not even a polarity can be told.
    fn parse(&self, text: &str) -> PyResult<(Label, Vec<String>)> {
        let parsed = self.0.parse(text).map_err(input)?;
        let repairs = parsed.repairs.iter().map(ToString::to_string).collect();
        Ok((Label(parsed.label), repairs))
    }

    /// The intensities that can be printed beside a polarity, ascending.
    fn intensity_values(&self, polarity: &str) -> PyResult<Vec<f32>> {
        Ok(self.0.intensity_values(choice(polarity)?))
    }

    fn __repr__(&self) -> String {
        format!(
            "Grammar({:?}, form='{}', decimals={})",
            self.fields(),
            self.form(),
            self.decimals()
        )
    }
}
